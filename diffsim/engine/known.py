"""What is known of the names in a stage's function before a rollout: whole numbers, for all elements at once."""

import ast
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.arrays import Array
from diffsim.engine.source import Source, root_name

__all__ = ["At", "Known"]

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
}


@dataclass(frozen=True)
class At:
    """The environment, row or step that a stage is given, or so many behind it."""

    what: str
    behind: int = 0


class Known(ast.NodeVisitor):
    """A function, and what its names stand for.

    Attributes:
        source: of the function.
        names: what is known of its arguments and locals.
        local: all of these.
    """

    def __init__(self, source: Source, names: dict[str, Any]):
        self.source, self.names = source, names
        self.local: set[str] = set(source.arguments)

    def forget(self, nodes: Iterable[ast.AST]) -> None:
        """What is set there is not known from here on."""
        for node in nodes:
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    self.names[part.id] = None
                    self.local.add(part.id)

    def value(self, node: ast.expr) -> Any:
        """A record, field, whole number, `At`, or the whole numbers of all elements; None if it is not known."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, int) else None
        if isinstance(node, ast.Name):
            return self.names.get(node.id) if node.id in self.local else _plain(self.source.value(node))
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            if owner is None or isinstance(owner, (int, np.ndarray, At, Array)):
                return None if root_name(node) in self.local else _plain(self.source.value(node))
            return getattr(owner, node.attr, None)
        if isinstance(node, ast.Call) and self.source.value(node.func) is ti.static and len(node.args) == 1:
            return self.value(node.args[0])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
            inner = self.value(node.operand)
            if not isinstance(inner, (int, np.ndarray)):
                return None
            return -inner if isinstance(node.op, ast.USub) else np.logical_not(inner)
        if isinstance(node, ast.BinOp):
            return _computed(type(node.op), self.value(node.left), self.value(node.right))
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return _computed(type(node.ops[0]), self.value(node.left), self.value(node.comparators[0]))
        if isinstance(node, ast.BoolOp):
            found = self.value(node.values[0])
            for other in node.values[1:]:
                found = _computed(type(node.op), found, self.value(other))
            return found
        return None


def _computed(kind: type, left: Any, right: Any) -> Any:
    if isinstance(left, At) and isinstance(right, int) and kind in (ast.Add, ast.Sub):
        return At(left.what, left.behind + (right if kind is ast.Add else -right))
    if isinstance(right, At) and isinstance(left, int) and kind is ast.Add:
        return At(right.what, right.behind + left)
    if kind not in _BINARY or not all(isinstance(part, (int, np.integer, np.ndarray)) for part in (left, right)):
        return None
    if kind in (ast.FloorDiv, ast.Mod) and np.any(np.asarray(right) == 0):
        return None
    return _BINARY[kind](left, right)


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else None
