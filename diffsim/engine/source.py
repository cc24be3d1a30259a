"""The source of Taichi functions, and what the names in it stand for."""

import ast
import builtins
import contextlib
import inspect
import linecache
import textwrap
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

import taichi as ti
from taichi.lang._wrap_inspect import getsourcelines

from diffsim.errors import InputError

__all__ = ["Source", "is_func", "root_name"]

_known: dict[int, tuple[CodeType, list[str], ast.FunctionDef]] = {}
"""What was read before, by the place of the function's code; nobody changes the trees."""

_CLOSING = 30  # most lines, without code in them, that close brackets at the end of a function


def is_func(value: object) -> bool:
    """Whether it is a ``@ti.func``."""
    return bool(getattr(value, "_is_taichi_function", False))


def root_name(node: ast.expr) -> str | None:
    """The name in front of all ``.x`` and ``[...]``, if there is one."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


class Source:
    """The definition of one ``@ti.func``.

    Attributes:
        name: of the function.
        file: where it is.
        body: its statements.
        lines: of its text, without their common indent.
        arguments: their names.
        by_value: those that are computed numbers or vectors; the others are ``ti.template()``.

    Raises:
        InputError: the source cannot be read.
    """

    def __init__(self, function: Callable[..., Any]):
        wrapped = function.func  # type: ignore[attr-defined]
        self._function = wrapped.func
        code = self._function.__code__
        self.name, self.file = self._function.__name__, code.co_filename
        try:
            known = _known.get(id(code))
            if known is None or known[0] is not code:
                known = _known[id(code)] = (code, *(_definition(code) or _taichis(self._function)))
            _, self.lines, tree = known
        except (OSError, SyntaxError) as error:
            raise InputError(
                f"the source of the stage function {self.name} cannot be read, so it can neither be checked nor "
                "compiled by Taichi; define it in a file or in a cell of a notebook"
            ) from error
        self.body = tree.body
        self._first = code.co_firstlineno
        self.arguments = [argument.name for argument in wrapped.arguments]
        self.by_value = {a.name for a in wrapped.arguments if not isinstance(a.annotation, ti.template)}
        self._closure = dict(zip(code.co_freevars, self._function.__closure__ or (), strict=True))

    def place(self, node: ast.stmt | ast.expr) -> str:
        """Where a part of it begins: file, line, function and what stands there."""
        text = self.lines[node.lineno - 1].strip()
        return f"{self.file}, line {self._first + node.lineno - 1}, in {self.name}: {text}"

    def text(self, node: ast.expr) -> str:
        """What is written there, without spaces."""
        lines = [line.encode() for line in self.lines[node.lineno - 1 : node.end_lineno]]  # columns count bytes
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"".join(lines).decode().replace(" ", "").replace("\n", "")

    def value(self, node: ast.expr) -> Any:
        """What a name, or ``module.name``, stands for outside of the function; None if that is not known."""
        if isinstance(node, ast.Name):
            if node.id in self._closure:
                try:
                    return self._closure[node.id].cell_contents
                except ValueError:  # a variable of the enclosing function that is assigned later
                    return None
            return self._function.__globals__.get(node.id, getattr(builtins, node.id, None))
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            if isinstance(owner, ModuleType) or inspect.isclass(owner):
                return getattr(owner, node.attr, None)
        return None


def _definition(code: CodeType) -> tuple[list[str], ast.FunctionDef] | None:
    """Lines, without their common indent, and tree, from the file; None if there is no such file.

    Ten times faster than `inspect`.
    """
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    last = max(line for *_, line in code.co_lines() if line) - code.co_firstlineno + 1
    for end in range(last, min(last + _CLOSING, len(lines)) + 1):
        with contextlib.suppress(SyntaxError):  # the last line with code in it does not close all brackets
            return _parsed(lines[:end])
    return None


def _taichis(function: Callable[..., Any]) -> tuple[list[str], ast.FunctionDef]:
    """The same as Taichi finds it: it knows more places than files, such as the interactive prompt."""
    return _parsed(getsourcelines(function)[0])


def _parsed(lines: list[str]) -> tuple[list[str], ast.FunctionDef]:
    text = textwrap.dedent("".join(lines))
    tree = ast.parse(text).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise SyntaxError("no definition of a function")
    return text.splitlines(keepends=True), tree
