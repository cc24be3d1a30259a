"""Taichi's reader of Python code, without what it does again and again.

Taichi reads the source of a function anew wherever the function is inlined, and for each expression in it writes down
in advance what an error message would say of the place. It also asks `inspect` for the lines around each ``@ti.func``,
only to find out whether it stands in a class, and writes down for each field where it was declared. What is put in
place here gives the same answers, once; a robot whose kernels are in the cache starts a quarter sooner.

It is also told how long each of Taichi's own kernels takes to compile (`diffsim.waiting`).

Each statement of a kernel carries the text of its place, and Taichi copies it with each statement that it makes of it.
`without_places` leaves these texts away; whoever reads a kernel so reads it again with them if it does not compile.
"""

import ast
import contextlib
import functools
import gc
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, SimpleNamespace
from typing import Any

from taichi.lang import impl, kernel_impl, snode
from taichi.lang.ast.ast_transformer_utils import ASTTransformerContext

from diffsim.waiting import Work

__all__ = ["install", "without_collections", "without_places"]


def _once(find: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same function of a Python function, which remembers what it found.

    Code is equal to code with the same instructions, so the name of its file is part of the key.
    """
    known: dict[tuple[str, CodeType], Any] = {}

    def found(function: Any) -> Any:
        code = function.__code__
        key = (code.co_filename, code)
        if key not in known:
            known[key] = find(function)
        return known[key]

    return found


class _Places:
    """Whether `_place` tells anything."""

    told = True


@contextlib.contextmanager
def without_places() -> Iterator[None]:
    """Read kernels inside whose statements do not know where they stand."""
    before, _Places.told = _Places.told, False
    try:
        yield
    finally:
        _Places.told = before


def _place(context: ASTTransformerContext, node: ast.expr | ast.stmt) -> str:
    """What an error message says of a piece of source code: where it is, and its first line with a mark below."""
    if not _Places.told:
        return ""
    line = context.src[node.lineno - 1].rstrip()
    begin = context.indent + node.col_offset
    end = context.indent + node.end_col_offset if node.end_lineno == node.lineno else len(line)
    name = context.func.func.__name__
    return (
        f'File "{context.file}", line {node.lineno + context.lineno_offset}, in {name}:\n'
        f"{line}\n{' ' * begin}{'^' * (end - begin)}\n"
    )


def _traceback(stacklevel: int = 1) -> str:
    """Where a field was declared: the lines of source that led there, the last ``stacklevel`` ones left out."""
    parts: list[str] = []
    frame: FrameType | None = sys._getframe()
    for _ in range(stacklevel + 1):
        frame = frame and frame.f_back
    while frame is not None:
        parts.append(_line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return "".join(reversed(parts))


@functools.lru_cache(maxsize=4096)
def _line(file: str, line: int, name: str) -> str:
    return traceback.format_list([traceback.FrameSummary(file, line, name)])[0]


def _inside_class(level_of_class_stackframe: int) -> bool:
    """Whether what calls the decorator is the body of a class.

    Taichi counts the frames from itself to the one around the class; the class is one before.
    """
    return "__qualname__" in sys._getframe(level_of_class_stackframe - 1).f_locals


def without_collections(read: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with Python's collector of cycles at rest: what it makes is a lot, and none of it garbage."""

    @functools.wraps(read)
    def wrapped(*arguments: Any, **settings: Any) -> Any:
        collects = gc.isenabled()
        gc.disable()
        try:
            return read(*arguments, **settings)
        finally:
            if collects:
                gc.enable()

    return wrapped


def _announced(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same method of a kernel, whose first call, which compiles, is work that is waited for."""
    work = Work()

    @functools.wraps(call)
    def wrapped(kernel: Any, *arguments: Any, **settings: Any) -> Any:
        if kernel.compiled_kernels:
            return call(kernel, *arguments, **settings)
        work.total += 1
        with work.one():
            return call(kernel, *arguments, **settings)

    return wrapped


def install() -> None:
    """Put all of it in place; before the first ``@ti.func``, to gain most."""
    kernel_impl.getsourcelines = _once(kernel_impl.getsourcelines)
    kernel_impl.getsourcefile = _once(kernel_impl.getsourcefile)
    kernel_impl.textwrap = SimpleNamespace(fill=functools.cache(textwrap.fill), dedent=textwrap.dedent)
    kernel_impl._inside_class = _inside_class
    impl.get_traceback = snode.get_traceback = _traceback
    kernel_impl.Kernel.materialize = without_collections(kernel_impl.Kernel.materialize)
    kernel_impl.Kernel.__call__ = _announced(kernel_impl.Kernel.__call__)
    ASTTransformerContext.get_pos_info = _place
