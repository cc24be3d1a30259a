"""Room for what branches change: Taichi's reverse pass keeps the values of such a local on a stack, whose size is set.

Beyond it a CPU writes over what lies behind the stack, and a GPU as well: the gradient is wrong, or the process ends.
And all stacks of a kernel stand in the memory of a thread, of which a GPU has little. So it is counted, while Taichi
reads a reverse kernel, how often each local is changed, and how many locals have a stack. It is an upper bound: of two
alternatives the one with more changes counts, and no change is left out that Taichi would find to be superfluous.
"""

import ast
import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from taichi._lib import core
from taichi.lang import impl, kernel_impl
from taichi.lang.ast import ast_transformer
from taichi.lang.enums import AutodiffMode
from taichi.lang.expr import Expr
from taichi.lang.matrix import Matrix
from taichi.types.primitive_types import f64

from diffsim.engine.fitting import fitting
from diffsim.errors import DeviceError, InputError

__all__ = ["SPARE", "install", "size_on", "watched"]

SPARE = 2
"""Of a stack's numbers: it begins with the first value of the local, and Taichi writes one beyond the last."""

_THREAD = 512 * 1024
"""Bytes of its own that a thread of a GPU may have: what CUDA grants at most. Drivers of Vulkan do not say."""

_ENTRY = 8
"""Bytes of a number on the stack with its adjoint, in float32; what is computed in float64 takes twice as many."""


def size_on(device: str) -> int:
    """Numbers on a stack: a CPU has room for long ones, a thread of a GPU for a thousand of 64."""
    return 256 if device == "cpu" else 64


@dataclass
class _Local:
    """A local of a function, as it is inlined in one place.

    Attributes:
        held: what Taichi knows it by; kept, so that nothing else gets its identity.
        depth: branches around the place where it was declared.
        changes: how often all of it was set (None), and each component by its index.
        in_branches: whether a branch changes it.
        name, place: of its last change; function, file and line.
    """

    held: Any
    depth: int
    changes: dict[Any, int] = field(default_factory=dict)
    in_branches: bool = False
    name: str = ""
    place: tuple[str, str, int] = ("", "", 0)

    @property
    def most(self) -> int:
        """How often its component is set that is set most."""
        return self.changes.get(None, 0) + max((n for at, n in self.changes.items() if at is not None), default=0)

    @property
    def components(self) -> int:
        """Each has a stack."""
        if isinstance(self.held, Matrix):
            return self.held.n * self.held.m
        return math.prod(self.held.get_shape()) if self.held.is_tensor() else 1


_Changes = dict[int, dict[Any, int]]


@dataclass
class _Counts:
    """Locals of the kernel that is being read, by their identity; and in how many branches we are."""

    locals: dict[int, _Local] = field(default_factory=dict)
    depth: int = 0

    def of(self, held: Any, depth: int) -> _Local:
        """The local; a new one was declared within so many branches."""
        return self.locals.setdefault(id(held), _Local(held, depth))

    def changes(self) -> _Changes:
        """Of each, so far."""
        return {key: dict(local.changes) for key, local in self.locals.items()}

    def go_back(self, before: _Changes) -> None:
        """Begin another alternative."""
        for key, local in self.locals.items():
            local.changes = dict(before.get(key, {}))

    def at_least(self, other: _Changes) -> None:
        """Of two alternatives, the one that changes more counts."""
        for key, changes in other.items():
            own = self.locals[key].changes
            own.update({index: max(own.get(index, 0), times) for index, times in changes.items()})


@dataclass
class _Branches:
    """An ``if`` that is being read."""

    node: ast.If
    before: _Changes
    then: _Changes = field(default_factory=dict)


@dataclass
class _Reading:
    """Where Taichi is.

    Attributes:
        counts: of the kernel that is being read, None if its reverse is not wanted.
        open: branches around the place.
        begun: of each function around it, how many branches there are around its call.
    """

    counts: _Counts | None = None
    open: list[_Branches] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)


_now = _Reading()


@contextmanager
def watched(*, reverse: bool) -> Iterator[None]:
    """Read a kernel inside.

    Raises:
        InputError: its reverse needs a larger stack than there is, or something is stored that does not fit.
        DeviceError: it needs more of them than there is memory for.
    """
    if not reverse:
        with fitting():
            yield
        return
    counts = _Counts()
    _now.counts, _now.open, _now.begun = counts, [], []
    try:
        with fitting():
            yield
    finally:
        _now.counts = None
    config = impl.get_runtime().prog.config()
    _check(counts, core.arch_name(config.arch), config.ad_stack_size, 8 if impl.get_runtime().default_fp == f64 else 4)


def _check(counts: _Counts, device: str, size: int, real: int) -> None:
    kept = [local for local in counts.locals.values() if local.in_branches]
    for local in kept:
        if local.most > size - SPARE:
            function, file, line = local.place
            raise InputError(
                f"the stage function {function} changes {local.name!r} {local.most} times, in branches as well (last "
                f"in {file}, line {line}), but on this device ({device}) Taichi's reverse pass has room for "
                f"{size - SPARE} changes of a local that branches change; add up in a field with +=, or let branches "
                "write locals of their own"
            )
    stacks = sum(local.components for local in kept)
    need = stacks * 2 * real * size
    if size < size_on("cpu") and need > _THREAD:
        raise DeviceError(
            f"the reverse of a kernel needs {need} bytes in each thread: {stacks} locals that branches change x {size} "
            f"values and adjoints of {real} bytes; a thread on this device ({device}) has {_THREAD}; use "
            "executor='wide', whose kernels are small, or a CPU"
        )


# What Taichi does while it reads, and where that is counted


def _counted_if(build: Callable[[Any, ast.If], Any]) -> Callable[[Any, ast.If], Any]:
    @functools.wraps(build)
    def build_if(ctx: Any, node: ast.If) -> Any:
        counts = _now.counts
        if counts is None or ast_transformer.ASTTransformer.get_decorator(ctx, node.test) == "static":
            return build(ctx, node)
        counts.depth += 1
        _now.open.append(_Branches(node, counts.changes()))
        built = build(ctx, node)
        counts.at_least(_now.open.pop().then)
        counts.depth -= 1
        return built

    return build_if


def _counted_function(build: Callable[[Any, ast.FunctionDef], Any]) -> Callable[[Any, ast.FunctionDef], Any]:
    @functools.wraps(build)
    def build_function(ctx: Any, node: ast.FunctionDef) -> Any:
        if _now.counts is None:
            return build(ctx, node)
        _now.begun.append(_now.counts.depth)
        built = build(ctx, node)
        _now.begun.pop()
        return built

    return build_function


def _counted_branch(build: Callable[[Any, list[ast.stmt]], Any]) -> Callable[[Any, list[ast.stmt]], Any]:
    @functools.wraps(build)
    def build_stmts(ctx: Any, stmts: list[ast.stmt]) -> Any:
        counts = _now.counts
        if counts is not None and _now.open and stmts is _now.open[-1].node.orelse:
            _now.open[-1].then = counts.changes()
            counts.go_back(_now.open[-1].before)
        return build(ctx, stmts)

    return build_stmts


def _counted_assignment(build: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(build)
    def build_assign_basic(ctx: Any, target: Any, value: Any, is_static_assign: bool) -> Any:
        counts = _now.counts
        if counts is None or is_static_assign:
            return build(ctx, target, value, is_static_assign)
        new = isinstance(target, ast.Name) and not ctx.is_var_declared(target.id)
        built = build(ctx, target, value, is_static_assign)
        if new:
            counts.of(built, counts.depth)
        else:
            _count(counts, ctx, target)
        return built

    return build_assign_basic


def _counted_change(build: Callable[[Any, ast.AugAssign], Any]) -> Callable[[Any, ast.AugAssign], Any]:
    @functools.wraps(build)
    def build_augassign(ctx: Any, node: ast.AugAssign) -> Any:
        built = build(ctx, node)
        if _now.counts is not None:
            _count(_now.counts, ctx, node.target)
        return built

    return build_augassign


def _count(counts: _Counts, ctx: Any, target: Any) -> None:
    """A change of a local, or of one of its components; what is stored into fields is none."""
    name: Any = target
    index = None
    if isinstance(target, ast.Subscript):
        part: Any = target.slice
        name, index = target.value, _index(part.ptr)
    held = getattr(name, "ptr", None)
    if not isinstance(name, ast.Name) or not isinstance(held, (Expr, Matrix)):
        return
    local = counts.of(held, _now.begun[-1] if _now.begun else 0)  # one that is not known is an argument
    local.changes[index] = local.changes.get(index, 0) + 1
    local.name, local.place = name.id, (ctx.func.func.__name__, ctx.file, target.lineno + ctx.lineno_offset)
    if counts.depth > local.depth:
        local.in_branches = True


def _index(given: Any) -> Any:
    """Of a component, where Taichi knows it; else it may be any of them."""
    parts = tuple(given) if isinstance(given, (list, tuple)) else (given,)
    return parts if all(isinstance(part, int) for part in parts) else None


def _watched_kernel(read: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(read)
    def materialize(self: Any, *arguments: Any, **settings: Any) -> Any:
        with watched(reverse=self.autodiff_mode == AutodiffMode.REVERSE):
            return read(self, *arguments, **settings)

    return materialize


def install() -> None:
    """Count from now on."""
    reader = ast_transformer.ASTTransformer
    reader.build_If = staticmethod(_counted_if(reader.build_If))
    reader.build_FunctionDef = staticmethod(_counted_function(reader.build_FunctionDef))
    reader.build_assign_basic = staticmethod(_counted_assignment(reader.build_assign_basic))
    reader.build_AugAssign = staticmethod(_counted_change(reader.build_AugAssign))
    ast_transformer.build_stmts = _counted_branch(ast_transformer.build_stmts)
    kernel_impl.Kernel.materialize = _watched_kernel(kernel_impl.Kernel.materialize)
