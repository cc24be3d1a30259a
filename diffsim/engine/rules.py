"""What a stage must not do: checked when it is made, before Taichi compiles a gradient that is silently wrong.

docs/how_stages_work.md, "What may stand in a stage", is this page in words; tests/engine/test_traps.py has the wrong
number behind each rule. What is read is the source: of the stage function and of every ``@ti.func`` that it calls by a
name that can be looked up, other than Taichi's own.
"""

import ast
import re
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import taichi as ti

from diffsim.engine.arrays import Array
from diffsim.engine.source import Source, is_func, root_name
from diffsim.errors import InputError

__all__ = ["check"]

_ELEMENTS = "make its turns elements of a stage that adds up with +=, or, if they are few, `ti.static(range(...))`"
_LOOP = f"a loop that is not ti.static loses part of the gradient of what is computed before it; {_ELEMENTS}"
_WHILE = f"Taichi has no derivative of `while`; {_ELEMENTS}"
_RETURN = "Taichi cannot return from a branch; let each branch write its own result"
_READ = (
    "it was read above, and the reverse pass would find the new value there instead of the old one; write to row + 1 "
    "or to another field"
)
_UPDATE = "the reverse pass would find the new value instead of the old one; only += and -= may change a field in place"
_SET_AT = (
    "a component of a local vector is set at an index that is computed: its gradient is zero, or Taichi aborts; make "
    "the vector whole, `ti.Vector([...])`, or let ti.static give the index"
)
_READ_AT = (
    "a local vector that changes is read at an index that is computed: its gradient may be zero; give the vector that "
    "is read a name of its own, or let ti.static give the index"
)
_COUNTER = (
    "the reverse pass would add once more to this field of integers; count in a trajectory field that accumulates"
)
_ATOMIC_COUNTER = (
    "on Vulkan Taichi's atomic sum of whole numbers ends the loop that it stands in; write `field[i] = field[i] + 1`"
)
_REAL = "Taichi has no derivative of a real function; make it a @ti.func"
_NORM = "at zero its gradient is not a number; write ti.sqrt(v.dot(v) + 1e-12)"
_NORMALIZED = "at zero its gradient is not a number, with any eps; write v / ti.sqrt(v.dot(v) + 1e-12)"
_ATOMIC = "Taichi differentiates it as if it added; only += and -= accumulate"
_RANDOM = "Taichi has no derivative of random numbers; draw them with NumPy and make them a number of the problem"

_CALLS = {
    ti.tan: "Taichi has no derivative of it; write ti.sin(x) / ti.cos(x)",
    ti.round: "Taichi has no derivative of it; write ti.floor(x + 0.5)",
    ti.random: _RANDOM,
    ti.randn: _RANDOM,
    ti.math.length: _NORM,
    ti.math.distance: _NORM,
    ti.math.normalize: _NORMALIZED,
    **dict.fromkeys((ti.atomic_max, ti.atomic_min, ti.atomic_mul), _ATOMIC),
    **dict.fromkeys((ti.atomic_and, ti.atomic_or, ti.atomic_xor), _ATOMIC),
}
_METHODS = {"norm": _NORM, "norm_inv": _NORM, "normalized": _NORMALIZED}

_NAMES = re.compile(r"(?<![\w.])[A-Za-z_]\w*")  # in an expression, without attributes

_Slot = tuple[str, str]  # an entry of a field, and the component of a vector in it ("" for all), as they are written


def check(function: Callable[..., Any], records: Sequence[Any]) -> None:
    """Raise InputError if a stage of this function over these records does what would spoil its gradient.

    Reading a function takes about 0.5 ms, once.
    """
    if not is_func(function):
        raise InputError(f"Stage.function is {function!r}, but a @ti.func is needed")
    reader = _read(function)
    faults = [fault for each in _reached(reader) for fault in each.faults.values()]
    faults += _by_arguments(reader, dict(zip(reader.source.arguments, records, strict=False)), ())
    if faults:
        raise InputError(
            f"the stage function {reader.source.name} cannot be differentiated "
            '(docs/how_stages_work.md, "What may stand in a stage"):\n' + "\n".join(dict.fromkeys(faults))
        )


def check_decision(function: Callable[..., Any], records: Sequence[Any]) -> None:
    """Raise InputError if a stage that is not differentiated adds to a field of whole numbers with ``+=``."""
    reader = _read(function)
    given = dict(zip(reader.source.arguments, records, strict=False))
    if faults := _by_arguments(reader, given, (), decision=True):
        raise InputError(
            f"the stage function {reader.source.name} would stop on a GPU (docs/how_stages_work.md, "
            '"Decisions"):\n' + "\n".join(dict.fromkeys(faults))
        )


_readers: "weakref.WeakKeyDictionary[Callable[..., Any], _Reader]" = weakref.WeakKeyDictionary()


def _read(function: Callable[..., Any]) -> "_Reader":
    if function not in _readers:
        _readers[function] = _Reader(Source(function))
    return _readers[function]


def _reached(reader: "_Reader") -> Iterator["_Reader"]:
    """It and what it calls, each once."""
    found, left = {reader}, [reader]
    while left:
        yield (current := left.pop(0))
        called = [_read(function) for function, _ in current.calls()]
        left += [each for each in dict.fromkeys(called) if each not in found]
        found.update(called)


_LOCAL = object()  # stands for a vector that is computed


def _by_arguments(
    reader: "_Reader", given: dict[str, Any], callers: tuple["_Reader", ...], *, decision: bool = False
) -> list[str]:
    """Faults that depend on what is passed: ``given`` has the arguments whose value is known."""

    def value(node: ast.expr) -> Any:
        if isinstance(node, ast.Attribute):
            return getattr(value(node.value), node.attr, None)
        if isinstance(node, ast.Name):
            return _LOCAL if reader.is_local(node) else given.get(node.id)
        return None

    if decision:
        faults = [reader.fault(node, _ATOMIC_COUNTER) for node in reader.added if _counts(value(node))]
    else:
        faults = [reader.fault(node, _COUNTER) for node in reader.added if _lacks_gradient(value(node))]
        faults += [reader.fault(node, _SET_AT) for node in reader.set_at if value(node) is _LOCAL]
    for function, call in reader.calls():
        inner = _read(function)
        if inner not in callers:
            names = [*inner.source.arguments[: len(call.args)], *(keyword.arg for keyword in call.keywords)]
            values = [value(node) for node in (*call.args, *(keyword.value for keyword in call.keywords))]
            faults += _by_arguments(
                inner, dict(zip(names, values, strict=False)), (*callers, reader), decision=decision
            )
    return faults


def _counts(field: Any) -> bool:
    """Whether it holds whole numbers."""
    return isinstance(field, Array) and field.counts


def _lacks_gradient(field: Any) -> bool:
    return isinstance(field, (ti.Field, Array)) and field.grad is None


class _Reader(ast.NodeVisitor):
    """One function read in the order in which it runs.

    Attributes:
        source: of the function.
        faults: what it must not do, by the place.
        added: fields that it adds to.
        set_at: fields, or local vectors of its callers, in which it sets something at a computed index.
    """

    def __init__(self, source: Source):
        self.source = source
        self.faults: dict[tuple[int, str], str] = {}
        self._calls: list[ast.Call] = []
        self.added: list[ast.expr] = []
        self.set_at: list[ast.expr] = []
        self._seen: dict[_Slot, set[str]] = {}  # slots of fields that were read so far, with the names in them
        self._branches = 0  # `if`s around this place that are decided when the kernel runs
        names = list(_assigned(source.body))
        self._locals = {name for name, whole in names if whole} | source.by_value
        often = Counter([*source.by_value, *(name for name, _ in names)])
        self._changing = {name for name in self._locals if often[name] > 1}
        self._static: set[str] = set()  # locals that are known when the kernel is compiled
        self._statements(source.body)

    def fault(self, node: ast.stmt | ast.expr, what: str) -> str:
        """Where it is, and what is wrong with it."""
        return f"  {self.source.place(node)}\n    {what}"

    def calls(self) -> Iterator[tuple[Callable[..., Any], ast.Call]]:
        """Functions that it calls, as their names stand for them now, with each call."""
        for node in self._calls:
            if is_func(callee := self._callee(node.func)):
                yield callee, node

    def _refuse(self, node: ast.stmt | ast.expr, what: str) -> None:
        self.faults[(node.lineno, what)] = self.fault(node, what)

    def visit_Name(self, node: ast.Name) -> None:
        """Nothing to see; most nodes are names or constants."""

    def visit_Constant(self, node: ast.Constant) -> None:
        """Nothing to see."""

    def _statements(self, body: list[ast.stmt]) -> None:
        for statement in body:
            self.visit(statement)

    # Loops and branches

    def visit_For(self, node: ast.For) -> None:
        if not self._is_static_call(node.iter):
            self._refuse(node, _LOOP)
        names = {name for name, _ in _set_by(node.target)}
        self._static |= names
        for _ in range(2):  # what a turn reads, the next one must not write
            self._forget(names)
            self._statements(node.body)

    def visit_While(self, node: ast.While) -> None:
        self._refuse(node, _WHILE)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        decided = self._is_static_call(node.test)
        self.visit(node.test)
        self._branches += not decided
        before = dict(self._seen)
        self._statements(node.body)
        after, self._seen = self._seen, before
        self._statements(node.orelse)
        self._seen |= after
        self._branches -= not decided

    def visit_Return(self, node: ast.Return) -> None:
        if self._branches:
            self._refuse(node, _RETURN)
        self.generic_visit(node)

    # What is read and written

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            for each in target.elts if isinstance(target, ast.Tuple) else [target]:
                self._store(each, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._store(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        self._store(node.target, node.value)
        if (slot := self._slot_of(node.target)) is None:
            return
        if isinstance(node.op, (ast.Add, ast.Sub)):
            self.added.append(slot.value)
        else:
            self._refuse(node, _UPDATE)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        slot = self._slot_of(node)
        if slot is not None:
            written = self._written(node, slot)
            self._seen[written] = {name for part in written for name in _NAMES.findall(part)}
        elif root_name(node) in self._changing and not self._is_static(node.slice):
            self._refuse(node, _READ_AT)
        while isinstance(node, ast.Subscript):
            self.visit(node.slice)
            node = node.value  # type: ignore[assignment]
        self.visit(node)

    def _store(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._forget({target.id})
            if self._is_static_call(value):
                self._static.add(target.id)
            return
        node = target.value if isinstance(target, ast.Attribute) else target  # f[i].x = ... writes to f[i]
        if not isinstance(node, ast.Subscript):
            return
        self.visit(node.slice)
        if (slot := self._slot_of(node)) is not None:
            entry, component = self._written(node, slot)
            # Two components are different ones if both are numbers; one may also stand for the whole vector.
            apart = {c for e, c in self._seen if e == entry and c.isdigit() and component.isdigit() and c != component}
            if any(e == entry and c not in apart for e, c in self._seen):
                self._refuse(target, _READ)
            if not self._is_static(slot.slice):
                self.set_at.append(slot.value)
        elif not self._is_static(node.slice):
            self._refuse(target, _SET_AT)

    def _slot_of(self, node: ast.expr) -> ast.Subscript | None:
        """The part of ``field[...][...].x`` that says which entry of the field is meant; None for a local vector."""
        node = node.value if isinstance(node, ast.Attribute) else node
        slot = None
        while isinstance(node, ast.Subscript):
            slot, node = node, node.value
        return None if self.is_local(node) or root_name(node) is None else slot

    def is_local(self, node: ast.expr) -> bool:
        """Whether it is the name of something that is computed here."""
        return isinstance(node, ast.Name) and node.id in self._locals and node.id not in self._static

    def _written(self, node: ast.Subscript, slot: ast.Subscript) -> _Slot:
        entry = f"{self.source.text(slot.value)}[{self._index(slot.slice)}]"
        return entry, "" if node is slot else self._index(node.slice)

    def _index(self, node: ast.expr) -> str:
        """What is written there, with sums in one order: ``0 + row`` is ``row``, ``1 + row`` is ``row+1``."""
        if isinstance(node, ast.Tuple):
            return ",".join(map(self._index, node.elts))
        if not isinstance(node, (ast.BinOp, ast.UnaryOp)):
            return self.source.text(node)
        often: Counter[str] = Counter()
        number = self._add_up(node, 1, often)
        terms = [f"{times:+d}*{term}" for term, times in sorted(often.items()) if times]
        plain = len(terms) == 1 and not number and terms[0].startswith("+1*")
        return terms[0][3:] if plain else "".join(terms) + (f"{number:+d}" if terms else str(number))

    def _add_up(self, node: ast.expr, sign: int, often: "Counter[str]") -> int:
        """Count the terms of a sum, and return its whole number."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            other = sign if isinstance(node.op, ast.Add) else -sign
            return self._add_up(node.left, sign, often) + self._add_up(node.right, other, often)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._add_up(node.operand, -sign, often)
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return sign * node.value
        often[self.source.text(node)] += sign
        return 0

    def _forget(self, names: set[str]) -> None:
        """Names stand for something else from here on, so what was read is another slot."""
        self._seen = {slot: inside for slot, inside in self._seen.items() if not inside & names}

    # Calls

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._static |= {name for name, _ in _set_by(node.target)}  # Taichi unrolls comprehensions
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if self._is_static_call(node):
            return  # plain Python
        callee = self._callee(node.func)
        if callee in (ti.atomic_add, ti.atomic_sub) and node.args:
            for argument in node.args[1:]:
                self.visit(argument)
            self._store(node.args[0], node.args[0])
            if (slot := self._slot_of(node.args[0])) is not None:
                self.added.append(slot.value)
            return
        self.generic_visit(node)
        if callee is None and isinstance(node.func, ast.Attribute):
            without_eps = not node.args and not node.keywords
            if node.func.attr == "normalized" or (without_eps and node.func.attr in _METHODS):
                self._refuse(node, _METHODS[node.func.attr])
        elif callee in _CALLS:
            self._refuse(node, _CALLS[callee])
        elif is_func(callee) and not callee.__module__.startswith("taichi."):
            if callee._is_real_function:
                self._refuse(node, _REAL)
            else:
                self._calls.append(node)

    def _callee(self, node: ast.expr) -> Any:
        found = None if root_name(node) in self._locals.union(self.source.arguments) else self.source.value(node)
        return found if callable(found) else None

    # What is known when the kernel is compiled

    def _is_static_call(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Call) and self._callee(node.func) is ti.static

    def _is_static(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return node.id in self._static or node.id not in self._locals
        if isinstance(node, ast.Subscript) or (isinstance(node, ast.Call) and not self._is_static_call(node)):
            return False
        if isinstance(node, ast.Call):
            return True
        return all(self._is_static(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, bool]]:
    """Names that are set, as often as they are: as a whole, or in part, as `v[0] = ...` and `record.field[0] = ...`."""
    for node in body:
        for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
            yield from _set_by(target)
        for inner in ("body", "orelse"):
            yield from _assigned(getattr(node, inner, []))


def _set_by(target: ast.expr | None) -> Iterator[tuple[str, bool]]:
    if isinstance(target, ast.Tuple):
        for each in target.elts:
            yield from _set_by(each)
    elif target is not None and (name := root_name(target)) is not None:
        yield name, isinstance(target, ast.Name)
