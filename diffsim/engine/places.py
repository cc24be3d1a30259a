"""Where a stage reads and writes: in which environment and row, and at which elements.

A row that is not kept, another environment, an element beyond the last one: Taichi looks nothing of it up, so a stage
finds, or writes over, numbers that belong to something else. The source of somebody's own stages is gone through with
what is known before a rollout, for all elements at once: the environment, the row, the number of the element, and whole
numbers of records. What is not known is not judged. The package's own stages are gone through by its tests.
"""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.arrays import Array, Shaped
from diffsim.engine.fingerprint import is_own
from diffsim.engine.known import At, Known
from diffsim.engine.source import Source, is_func, root_name
from diffsim.engine.stages import Passes, Stage
from diffsim.errors import InputError

__all__ = ["check"]

_ENV = "environments do not touch each other, so the first index of a field is env, as it was given"
_ROWS = (
    "only this row and the next one are there, `row` and `row + 1`: with segments the others are somewhere else; what "
    "an earlier step found goes on in a field with state=True"
)
_FIRST = "row 0 is where a rollout begins only for stages of prepare: with segments it is where the last one began"
_CLOCK = "`row` is where a step is stored, another number with segments; the number of the step is `step`"
_NUMBER = "a number of the problem is loaded before each rollout and stays; write to a field of its own"
_DERIVED = "what is derived from numbers is computed once, in prepare; what steps compute needs a trajectory field"
_ASSERT = "Taichi leaves `assert` away; write a number that the objective or whoever reads the rollout can judge"
_SAME_SLOT = "two elements set the same slot, {}, on a GPU at the same time; add up with +=, or let one of them set it"
_RACE = (
    "element {} {} what element {} of the same stage writes, and on a GPU they run at the same time; say "
    "Stage(..., ordered=True), or read it in the next stage"
)
_BEYOND = "element {} of the stage is at {} here, but there are {} (0 to {})"

_MOST = 4096  # elements of a stage that are gone through; of larger ones the first and the last


@dataclass(frozen=True)
class _Access:
    """A slot that is read ("read"), set ("set") or added to ("add"), where it can be told at which elements."""

    how: str
    array: Array
    row: Any
    index: np.ndarray
    acts: np.ndarray  # which elements come there
    place: str


def check(
    prepare: Iterable[Stage], step: Iterable[Stage | Passes], final: Iterable[Stage], *, everything: bool = False
) -> None:
    """Raise InputError if one of these stages reads or writes where it must not.

    Args:
        prepare: stages that run once, at row 0.
        step: of each step.
        final: of the last row.
        everything: the package's own as well.
    """
    listed = [(stage, True, False) for stage in prepare]
    for entry in [*step, *final]:
        if isinstance(entry, Passes):
            listed += [(stage, False, True) for stage in entry.stages]
        else:
            listed.append((entry, False, entry.ordered))
    for stage, first, ordered in listed:
        functions = [one for one in (stage.function, *stage.records) if is_func(one)]
        if everything or not all(map(is_own, functions)):
            faults = _Walk(stage, first=first, ordered=ordered).faults
            if faults:
                raise InputError(
                    f"the stage function {Source(stage.function).name} reads or writes where it must not "
                    '(docs/how_stages_work.md, "What may stand in a stage"):\n' + "\n".join(faults)
                )


class _Walk:
    """One stage, function by function as they are called."""

    def __init__(self, stage: Stage, *, first: bool, ordered: bool):
        self._first, self._found = first, dict[str, None]()
        self._accesses: list[_Access] = []
        self._callers: list[Any] = []
        source = Source(stage.function)
        count = len(stage.records) + 4
        if len(source.arguments) != count:
            self._found[
                f"  {source.name} takes ({', '.join(source.arguments)}), but is called with {len(stage.records)} "
                f"record{'s' * (len(stage.records) != 1)}, env, row, step and the element"
            ] = None
            return
        numbers = np.arange(stage.elements) if stage.elements <= _MOST else np.array([0, stage.elements - 1])
        given = [*stage.records, At("env"), At("row"), At("step"), numbers]
        self._elements = numbers
        # How many elements act is decided later, or who calls knows more of them.
        acts = None if stage.upto is not None or stage.before else np.ones(len(numbers), bool)
        _Function(self, source, dict(zip(source.arguments, given, strict=True)), acts).run()
        if stage.differentiable and not ordered and stage.elements <= _MOST:
            self._compare()

    @property
    def faults(self) -> list[str]:
        """In words, each with its place."""
        return list(self._found)

    def refuse(self, place: str, what: str) -> None:
        self._found[f"  {place}\n    {what}"] = None

    def call(self, function: Any, given: Mapping[str, Any], acts: Any) -> None:
        """Go through a function that is called."""
        if function not in self._callers:
            self._callers.append(function)
            _Function(self, Source(function), dict(given), acts).run()
            self._callers.pop()

    def access(self, how: str, array: Array, indices: list[Any], acts: Any, place: str) -> None:
        """Judge one."""
        grid = len(array.grid) if isinstance(array, Shaped) else 1
        names = ["env", "row", "element"] if array.rowed else ["element"] if _shared(array) else ["env", "element"]
        names = names[: len(array.shape)]
        if len(indices) not in (len(names), len(names) - 1 + grid):
            self.refuse(place, f"{len(indices)} indices, but it has [{', '.join(names)}]")
            return
        at = dict(zip(names, indices, strict=False))
        env, row = at.get("env"), at.get("row")
        if env is not None and env != At("env"):
            self.refuse(place, _ENV)
        if isinstance(row, (int, np.ndarray)) and not (self._first and np.all(row == 0)):
            self.refuse(place, _FIRST if np.all(row == 0) else _ROWS)
        elif isinstance(row, At) and (row.what != "row" or row.behind not in (0, 1)):
            self.refuse(place, _ROWS)
        if how != "read" and array.origin == "number":
            self.refuse(place, _NUMBER)
        if how != "read" and array.origin == "derived" and not self._first:
            self.refuse(place, _DERIVED)
        index = at.get("element")
        if len(indices) == len(names) and "element" in at and acts is not None and isinstance(index, (int, np.ndarray)):
            index = np.broadcast_to(index, self._elements.shape)
            most = array.shape[-1]
            bad = np.flatnonzero(acts & ((index < 0) | (index >= most)))
            if len(bad):
                words = _BEYOND.format(self._elements[bad[0]], index[bad[0]], most, most - 1)
                self.refuse(place, words)
            else:
                self._accesses.append(_Access(how, array, row, index, acts, place))

    def _compare(self) -> None:
        """Find elements that are in each other's way."""
        for one in self._accesses:
            if one.how == "set":
                values, counts = np.unique(one.index[one.acts], return_counts=True)
                if np.any(counts > 1):
                    self.refuse(one.place, _SAME_SLOT.format(values[counts > 1][0]))
                continue
            against = ("set", "add") if one.how == "read" else ("set",)
            for other in self._accesses:
                if other.how not in against or other.array is not one.array or other.row != one.row:
                    continue
                same = one.index[:, None] == other.index[None, :]
                same &= one.acts[:, None] & other.acts[None, :]
                np.fill_diagonal(same, False)
                if same.any():
                    first, second = self._elements[np.argwhere(same)[0]]
                    does = "reads" if one.how == "read" else "adds to"
                    self.refuse(one.place, _RACE.format(first, does, second))


class _Function(Known):
    """One function with what is known of its arguments.

    ``acts`` says which elements come to where we are, None if that is not known.
    """

    def __init__(self, walk: _Walk, source: Source, names: dict[str, Any], acts: Any):
        super().__init__(source, names)
        self._walk, self._acts = walk, acts

    def run(self) -> None:
        for statement in self.source.body:
            self.visit(statement)

    # Statements

    def visit_Assign(self, node: ast.Assign) -> None:
        self._look(node.value)
        for target in node.targets:
            pairs: list[tuple[ast.expr, ast.expr | None]] = [(target, node.value)]
            if isinstance(target, ast.Tuple):
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [None] * len(target.elts)
                pairs = list(zip(target.elts, values, strict=False))
            known = [None if value is None else self.value(value) for _, value in pairs]
            for (part, _), value in zip(pairs, known, strict=True):
                self._store(part, value, "set")

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._look(node.value)
            self._store(node.target, self.value(node.value), "set")

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        self._store(node.target, None, "add")

    def visit_Assert(self, node: ast.Assert) -> None:
        self._walk.refuse(self.source.place(node), _ASSERT)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._branches(node.test, node.body, node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._branches(node.test, [node.body], [node.orelse])

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self.forget([node.target, *node.body])
        before, self._acts = self._acts, None
        for statement in node.body:
            self.visit(statement)
        self._acts = before
        self.forget(node.body)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        before = dict(self.names)
        for each in node.generators:
            self.visit(each.iter)
            self.forget([each.target])
        self.visit(node.elt)
        self.names = before

    visit_GeneratorExp = visit_ListComp  # type: ignore[assignment]

    def _branches(self, test: ast.expr, body: Iterable[ast.AST], orelse: Iterable[ast.AST]) -> None:
        holds, before = self.value(test), self._acts
        known = before is not None and isinstance(holds, (bool, int, np.bool_, np.ndarray))
        for part, sign in ((body, True), (orelse, False)):
            self._acts = before & (np.asarray(holds, bool) == sign) if known else None
            for statement in part:
                self.visit(statement)
        self._acts = before
        self.forget([*body, *orelse])

    def _look(self, node: ast.expr) -> None:
        """Visit what is given a name, an index or an argument, unless it is known, such as the row."""
        if isinstance(node, ast.Tuple):
            for each in node.elts:
                self._look(each)
        elif self.value(node) is None:
            self.visit(node)

    # Slots

    def _store(self, target: ast.expr, value: Any, how: str) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = value
            self.local.add(target.id)
        else:
            self._slot(target, how)

    def _slot(self, node: ast.expr, how: str) -> bool:
        """Judge ``field[...][...].x``; False if it is no field's."""
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            if isinstance(node, ast.Subscript) and isinstance(array := self.value(node.value), Array):
                self._look(node.slice)
                parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                indices = [self.value(part) for part in parts]
                self._walk.access(how, array, indices, self._acts, self.source.place(node))
                return True
            if isinstance(node, ast.Subscript):
                self._look(node.slice)
            node = node.value
        return False

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not self._slot(node, "read"):
            self.visit(node.value)

    def visit_Name(self, node: ast.Name) -> None:
        known = self.names.get(node.id)
        if isinstance(known, At) and known.what == "row":
            self._walk.refuse(self.source.place(node), _CLOCK)

    def visit_Call(self, node: ast.Call) -> None:
        mine = root_name(node.func) in self.local
        callee = self.value(node.func) if mine else self.source.value(node.func)
        if callee in (ti.atomic_add, ti.atomic_sub) and node.args:
            for argument in node.args[1:]:
                self.visit(argument)
            self._store(node.args[0], None, "add")
        elif is_func(callee) and not callee.__module__.startswith("taichi.") and not callee._is_real_function:
            own = Source(callee)
            names = [*own.arguments[: len(node.args)], *(keyword.arg for keyword in node.keywords)]
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            values = [self.value(argument) for argument in given]
            for argument in given:
                self._look(argument)
            self._walk.call(callee, dict(zip(names, values, strict=False)), self._acts)
        else:
            for argument in [node.func, *node.args, *(keyword.value for keyword in node.keywords)]:
                self.visit(argument)


def _shared(array: Array) -> bool:
    """Whether it is the same for all environments: structure of the scene."""
    return array.counts and len(array.shape) == 1
