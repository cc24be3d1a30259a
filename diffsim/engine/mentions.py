"""What the functions of stages mention of their records: attributes, and which of them Taichi must know beforehand."""

import ast
import builtins
import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import taichi as ti
from taichi.lang import ops

from diffsim.engine.fingerprint import refers_to
from diffsim.engine.source import Source, is_func

__all__ = ["Mentions", "arguments_of"]

_FREE = {"range", "abs", "min", "max", "int", "float", "bool"}  # built in, and Taichi has its own in kernels


class Mentions:
    """What one ``@ti.func``, and all that it calls, mentions.

    Attributes:
        names: of attributes; None if they cannot be told.
        fixed: those whose whole numbers must be known when a kernel is compiled, since ``ti.static`` or a function of
            Python asks for them; None if they cannot be told.
        stored: attributes that hold arrays into which something is stored, and, with a colon before them, arguments
            that are such an array; None if they cannot be told.
        weight: how much there is to read: the nodes of all syntax trees, functions as often as they are called.
    """

    def __init__(self, function: Callable[..., Any]):
        self.names: set[str] | None = set()
        self.fixed: set[str] | None = set()
        self.stored: set[str] | None = set()
        self.weight = 0
        try:
            self._source = Source(function)
            for statement in self._source.body:
                for node in ast.walk(statement):
                    self.weight += 1
                    if isinstance(node, ast.Attribute):
                        self._add({node.attr}, set())
                    elif isinstance(node, ast.Call):
                        self._call(node)
                    elif isinstance(node, ast.Assign | ast.AugAssign):
                        self._assign(node)
        except Exception:  # whatever is odd about it: Taichi reads it with everything that there is
            self.names = self.fixed = self.stored = None

    @staticmethod
    def of(function: Callable[..., Any]) -> "Mentions":
        """The same, remembered as long as the names in it stand for the same."""
        return _remembered(function, refers_to(function))

    def _add(self, names: set[str] | None, fixed: set[str] | None) -> None:
        self.names = None if self.names is None or names is None else self.names | names
        self.fixed = None if self.fixed is None or fixed is None else self.fixed | fixed

    def _store(self, target: ast.expr) -> None:
        """Something is stored at ``target``, or at an element of it."""
        while isinstance(target, ast.Subscript):
            target = target.value
        if self.stored is not None and isinstance(target, ast.Attribute | ast.Name):
            self.stored |= {target.attr if isinstance(target, ast.Attribute) else f":{target.id}"}

    def _assign(self, node: ast.Assign | ast.AugAssign) -> None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(part, ast.Subscript):
                    self._store(part)
        if isinstance(node.value, ast.Attribute):  # another name for an array, by which it may be stored into
            self._store(node.value)
        elif isinstance(node.value, ast.Call) and self._source.value(node.value.func) is ti.static:
            for inner in ast.walk(node.value):
                if isinstance(inner, ast.Attribute):
                    self._store(inner)

    def _call(self, node: ast.Call) -> None:
        called = self._source.value(node.func)
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        inside = {part.attr for argument in given for part in ast.walk(argument) if isinstance(part, ast.Attribute)}
        if called is None and isinstance(node.func, ast.Attribute):
            if not hasattr(ti.Matrix, node.func.attr):
                self._add(None, None)  # a function that a record holds
                self.stored = None
        elif is_func(called):
            own = Mentions.of(called)
            self.weight += own.weight
            self._add(own.names, own.fixed)
            if self.stored is not None and own.stored is not None:
                self.stored |= {name for name in own.stored if not name.startswith(":")}
            known = Source(called)
            self.stored = None if own.stored is None else self.stored
            named = [(keyword.arg, keyword.value) for keyword in node.keywords]
            for name, argument in [*zip(known.arguments, node.args, strict=False), *named]:
                if own.stored is not None and f":{name}" in own.stored:
                    self._store(argument)
                if name not in known.by_value and isinstance(argument, ast.Attribute):
                    self._add(set(), {argument.attr})
        elif called is ti.static:
            self._add(set(), inside)
        elif getattr(called, "__module__", "") == ops.__name__ or called in (ti.Vector, ti.Matrix):
            if called.__name__.startswith("atomic_"):
                self._store(node.args[0])
        elif getattr(called, "__name__", "") in _FREE and called is getattr(builtins, called.__name__, None):
            pass
        else:
            self._add(set(), inside)
            if inspect.isfunction(called) and not called.__module__.startswith("taichi"):
                text = ast.parse(textwrap.dedent(inspect.getsource(called)))
                own_names = {part.attr for part in ast.walk(text) if isinstance(part, ast.Attribute)}
                self._add(own_names, own_names)


@functools.lru_cache(maxsize=4096)
def _remembered(function: Callable[..., Any], _: object) -> Mentions:
    return Mentions(function)


def arguments_of(function: Callable[..., Any]) -> list[str]:
    """Names of the arguments of a ``@ti.func``."""
    return [argument.name for argument in function.func.arguments]  # type: ignore[attr-defined]
