"""What Taichi would cut off without a word: a fraction that a whole number is given, a vector that a number is given.

``total = 0`` is a whole number to Taichi, and stays one: what is added to it later loses its fraction, and its
gradient. A vector that is stored into a number ends the process. Taichi knows both types while it reads a kernel, so
they are compared there.
"""

import ast
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from taichi.lang.ast import ast_transformer
from taichi.lang.expr import Expr
from taichi.lang.matrix import Matrix

from diffsim.errors import InputError

__all__ = ["fitting", "install"]

_CUT = (
    "a whole number is given one with a fraction, and Taichi cuts that off; begin with 0.0 and not with 0, or write "
    "ti.cast(..., ti.i32) where it is meant"
)
_SHAPES = "what is stored there has another shape: {} is given {}"

_reading: list[list[str]] = []
"""What was found in the kernel that is being read; empty if none is."""

_Kind = tuple[bool, tuple[int, ...]]
"""Whether it has a fraction, and the lengths of a vector or matrix; none of a number."""


@contextmanager
def fitting() -> Iterator[None]:
    """Read a kernel inside.

    Raises:
        InputError: something is given what does not fit; with its place.
    """
    faults: list[str] = []
    _reading.append(faults)
    try:
        yield
    finally:
        _reading.pop()
    if faults:
        raise InputError("a stage stores what does not fit:\n" + "\n".join(dict.fromkeys(faults)))


def _compare(ctx: Any, statement: Any, held: Any, given: Any, *, divides: bool = False) -> None:
    if not _reading or (own := _kind(held)) is None or (other := _kind(given)) is None:
        return
    if other[1] and other[1] != own[1]:
        what = _SHAPES.format(_words(own[1]), _words(other[1]))
    elif not own[0] and (other[0] or divides):
        what = _CUT
    else:
        return
    line = statement.lineno + ctx.lineno_offset
    text = ctx.src[statement.lineno - 1].strip()
    _reading[-1].append(f"  {ctx.file}, line {line}, in {ctx.func.func.__name__}: {text}\n    {what}")


def _kind(value: Any) -> _Kind | None:
    """None if it cannot be told."""
    if isinstance(value, (bool, int, float)):
        return isinstance(value, float), ()
    if isinstance(value, Matrix):
        parts = [_kind(part) for part in value.entries]
        return any(part is not None and part[0] for part in parts), (value.n,) if value.ndim == 1 else (
            value.n,
            value.m,
        )
    if not isinstance(value, Expr):
        return None
    real = value.ptr.get_rvalue_type().to_string().strip("[]").rpartition(" ")[2].startswith("f")
    return real, tuple(value.get_shape()) if value.is_tensor() else ()


def _words(lengths: tuple[int, ...]) -> str:
    if not lengths:
        return "a number"
    return f"a vector of {lengths[0]}" if len(lengths) == 1 else f"a matrix of {' x '.join(map(str, lengths))}"


def _compared_assignment(build: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(build)
    def build_assign_basic(ctx: Any, target: Any, value: Any, is_static_assign: bool) -> Any:
        new = isinstance(target, ast.Name) and not ctx.is_var_declared(target.id)
        built = build(ctx, target, value, is_static_assign)
        if not new and not is_static_assign:
            _compare(ctx, target, built, value)
        return built

    return build_assign_basic


def _compared_change(build: Callable[[Any, ast.AugAssign], Any]) -> Callable[[Any, ast.AugAssign], Any]:
    @functools.wraps(build)
    def build_augassign(ctx: Any, node: ast.AugAssign) -> Any:
        built = build(ctx, node)
        target: Any = node.target
        value: Any = node.value
        _compare(ctx, node, target.ptr, value.ptr, divides=isinstance(node.op, ast.Div))
        return built

    return build_augassign


def install() -> None:
    """Compare from now on."""
    reader = ast_transformer.ASTTransformer
    reader.build_assign_basic = staticmethod(_compared_assignment(reader.build_assign_basic))
    reader.build_AugAssign = staticmethod(_compared_change(reader.build_AugAssign))
