"""What a kernel is made of, as one short word that is the same in every process: its name in a cache on disk.

A stage's kernel depends on more than the text of its function: on each function that is called from there, on numbers
and tables at the top of a module, on what Python computes for ``ti.static``, on the classes of records. All of it is
walked through, by name, as Taichi and Python would look it up now. What cannot be told (an object of some library, a
module that is handed around) is `Unknown`: such a kernel is read from its source in each process, as Taichi does.
"""

import ast
import builtins
import dataclasses
import dis
import enum
import functools
import hashlib
import pathlib
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import taichi as ti
from taichi._lib import core

from diffsim.engine.arrays import Array, Shaped
from diffsim.engine.source import Source, is_func
from diffsim.errors import InputError

__all__ = ["Unknown", "fingerprint", "is_own", "refers_to"]

_FIXED = {"builtins", "dataclasses", "enum", "functools", "itertools", "math", "numpy", "operator", "taichi", "typing"}
"""Packages whose functions are told by their names, since their versions are part of every fingerprint."""

_PACKAGE = __name__.partition(".")[0]

_OWN = "diffsim.engine."
"""The same holds for its classes."""

_MADE = {
    *("__annotations__", "__dict__", "__doc__", "__module__", "__qualname__", "__slots__", "__weakref__"),
    *("__dataclass_fields__", "__dataclass_params__", "__hash__", "__match_args__"),
    *("__delattr__", "__setattr__", "__getstate__", "__setstate__", "__replace__", "__firstlineno__"),
    *("__static_attributes__", "__abstractmethods__", "__parameters__", "__orig_bases__", "__annotate_func__"),
}
"""Attributes of classes that no kernel asks for; `dataclasses` and Python make most of them."""

_HIDING = {"open", "globals", "locals", "vars", "eval", "exec", "compile", "input", "__import__"}
"""Built in functions by which one gets at what no name in the code tells."""

_CHANGING = {"load", "loadtxt", "genfromtxt", "fromfile", "memmap", "fromregex", "DataSource"}
"""Of NumPy, those whose results are not told by their arguments, since they read files; so are all of its `random`."""


class Unknown(Exception):
    """Something has no fingerprint."""


def fingerprint(*values: Any) -> str:
    """Of all these, and of everything that they refer to, as it is now; of Taichi's settings and versions as well.

    Raises:
        Unknown: one of them, or something that it refers to, cannot be told.
    """
    walk = _Walk()
    walk.add((_versions(), _settings(), values))
    whole = hashlib.sha256()
    for part in walk.parts:
        whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()


def is_own(function: Any) -> bool:
    """Whether a function is of this package."""
    return _root(function) == _PACKAGE


def refers_to(function: Any) -> object:
    """What the names in a function stand for now: equal as long as a kernel of it would be read as the same one.

    None for the package's own, in which nothing changes. Of what has no fingerprint nothing is equal to anything.
    """
    if is_own(function):
        return None
    try:
        return fingerprint(function)
    except Unknown:
        return object()


@functools.cache
def _versions() -> tuple[str, ...]:
    """Of what reads and compiles stages: Python, NumPy, Taichi and this engine."""
    files = sorted(pathlib.Path(__file__).parent.glob("*.py"))
    if not files:
        raise Unknown("the engine's own source is in no folder")
    own = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return sys.version, np.__version__, ".".join(map(str, ti.__version__)), core.get_commit_hash(), own


_IRRELEVANT = ("offline_cache", "random_seed", "log_", "print_", "verbose", "kernel_profiler", "timeline")


def _settings() -> list[tuple[str, str]]:
    """Taichi's, as they are while the kernel would be compiled."""
    config = ti.lang.impl.get_runtime().prog.config()
    names = [name for name in dir(config) if not name.startswith(("_", *_IRRELEVANT))]
    return [(name, _text(getattr(config, name))) for name in names]


def _text(value: Any) -> str:
    return value.to_string() if isinstance(value, core.DataType) else repr(value)


@dataclasses.dataclass(frozen=True)
class _Static:
    """What does not change in a function: its text, and the names in it that stand for something outside."""

    text: str
    names: list[ast.expr]
    source: Source


@functools.lru_cache(maxsize=4096)
def _static(function: Callable[..., Any]) -> _Static:
    try:
        source = Source(function)
    except InputError as error:
        raise Unknown(str(error)) from error
    names: list[ast.expr] = []
    for statement in source.body:
        _collect(statement, names)
    return _Static("".join(source.lines), names, source)


def _collect(node: ast.AST, found: list[ast.expr]) -> None:
    """Names, with all attributes that follow them."""
    chain = node
    while isinstance(chain, ast.Attribute):
        chain = chain.value
    if isinstance(chain, ast.Name):
        assert isinstance(node, ast.expr)
        found.append(node)
        return
    for child in ast.iter_child_nodes(node):
        _collect(child, found)


class _Walk:
    """One walk through everything; what was met before is told by the place where it was met."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no other object gets the same id

    def _say(self, *words: object) -> None:
        self.parts.append(" ".join(map(str, words)).encode())

    def add(self, value: Any) -> None:
        """Put a value down, and all that it refers to."""
        if value is None or value is ... or isinstance(value, (bool, int, float, complex, str, bytes, np.generic)):
            self._plain(value)
            return
        if id(value) in self._met:
            self._say("again", self._met[id(value)])
            return
        self._met[id(value)] = len(self._met)
        self._kept.append(value)
        if isinstance(value, core.DataType):
            self._say("type", value.to_string())
        elif is_func(value):
            self._stage(value)
        elif isinstance(value, types.ModuleType):
            self._module(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, types.CodeType):
            self._code(value)
        elif isinstance(value, (types.FunctionType, types.MethodType, types.BuiltinFunctionType, np.ufunc)):
            self._function(value)
        else:
            self._object(value)

    def _plain(self, value: Any) -> None:
        kind = type(value)
        if isinstance(value, enum.Enum):
            if isinstance(value.value, np.ndarray) or any(map(_is_method, vars(kind).items())):
                raise Unknown(f"a member of {kind.__qualname__}, which is more than numbers and words")
            self._say("member", kind.__module__, kind.__qualname__, value.name, repr(value.value))
        elif _root(kind) not in _FIXED:
            raise Unknown(f"an object of the class {kind.__module__}.{kind.__qualname__}")
        elif isinstance(value, (float, np.floating)):
            self._say(type(value).__name__, float(value).hex())
        else:
            self._say(type(value).__name__, repr(value))

    def _all(self, kind: str, values: Iterable[Any]) -> None:
        values = list(values)
        self._say(kind, len(values))
        for value in values:
            self.add(value)

    def _stage(self, function: Any) -> None:
        """A ``@ti.func``: its text, its arguments, and what each name in it stands for now."""
        if _root(function) in _FIXED:
            self._say("func", function.__module__, function.__qualname__)
            return
        static, wrapped = _static(function), function.func
        self._say("func", static.text)
        for argument in wrapped.arguments:
            annotation = argument.annotation
            self._say("argument", argument.name, _text(annotation) if _is_type(annotation) else type(annotation))
        self._say("returns", _text(wrapped.return_type) if _is_type(wrapped.return_type) else wrapped.return_type)
        self.add(wrapped.func.__defaults__)
        for node in static.names:
            self._named(node, static.source)

    def _named(self, node: ast.expr, source: Source) -> None:
        """What a name stands for outside of a function, with what follows it as far as it is a module."""
        chain = [node]
        while isinstance(chain[-1], ast.Attribute):
            chain.append(chain[-1].value)
        if isinstance(chain[-1], ast.Name) and chain[-1].id in source.arguments:
            return
        value = None
        for part in reversed(chain):
            value = source.value(part)
            if not isinstance(value, types.ModuleType):
                break
        if value is not None:
            self._say("name", ast.unparse(part))
            self.add(value)

    def _module(self, module: types.ModuleType) -> None:
        if module.__name__.partition(".")[0] not in _FIXED:
            raise Unknown(f"the module {module.__name__}, without a name in it")
        self._say("module", module.__name__)

    def _function(self, function: Any) -> None:
        """A function of Python: its code, and what its names stand for."""
        if isinstance(function, types.MethodType):
            self.add(function.__self__)
            function = function.__func__
        root = _root(function)
        path = f"{getattr(function, '__module__', '')}.{getattr(function, '__name__', '')}"
        if root == "numpy" and (path.startswith("numpy.random") or path.rpartition(".")[2] in _CHANGING):
            raise Unknown(f"{path}, whose result may be another in each process")
        if root in _FIXED or isinstance(function, np.ufunc):
            self._say("function", getattr(function, "__module__", ""), getattr(function, "__qualname__", function))
            return
        if not isinstance(function, types.FunctionType):
            raise Unknown(f"the function {function!r}")
        self._say("function")
        code = function.__code__
        self.add(code)
        self.add(function.__defaults__)
        self._all("named", [x for pair in sorted((function.__kwdefaults__ or {}).items()) for x in pair])
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                content = cell.cell_contents
            except ValueError:
                raise Unknown(f"{name}, which is not set yet") from None
            self._say("name", name)
            self.add(content)
        mentioned = sorted(_names_in(code))
        modules = [n for n in mentioned if isinstance(function.__globals__.get(n), types.ModuleType)]
        own = [n for n in modules if function.__globals__[n].__name__.partition(".")[0] not in _FIXED]
        hiding = {n for n in mentioned if n not in function.__globals__} & (_HIDING | ({"getattr"} if own else set()))
        if "numpy" in (function.__globals__[n].__name__ for n in modules):
            hiding |= (_CHANGING | {"random"}) & set(mentioned)
        if hiding or _imports(code):
            raise Unknown(f"{function.__qualname__}, which calls {', '.join(hiding) or 'for an import'}")
        for name in mentioned:
            if name in function.__globals__:
                self._mentioned(name, function.__globals__[name], mentioned, set())
            elif hasattr(builtins, name):
                self._say("builtin", name)

    def _mentioned(self, name: str, value: Any, attributes: list[str], within: set[int]) -> None:
        """What a name of a function's code stands for; of a module, all that has one of the names in the code."""
        self._say("name", name)
        if not isinstance(value, types.ModuleType) or value.__name__.partition(".")[0] in _FIXED:
            self.add(value)
            return
        if id(value) in within:
            return
        for attribute in attributes:
            if hasattr(value, attribute):
                self._mentioned(attribute, getattr(value, attribute), attributes, within | {id(value)})

    def _code(self, code: types.CodeType) -> None:
        self._say("code", code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, code.co_flags)
        self._say(
            code.co_argcount,
            code.co_kwonlyargcount,
            code.co_posonlyargcount,
            getattr(code, "co_exceptiontable", b"").hex(),
        )
        self._all("constants", code.co_consts)

    def _class(self, kind: type) -> None:
        self._say("class", kind.__module__, kind.__qualname__)
        if kind.__module__.partition(".")[0] in _FIXED:
            return
        if kind.__module__.startswith(_OWN):
            return
        self._all("bases", kind.__bases__)
        for name, value in sorted(vars(kind).items()):
            if name in _MADE or name.startswith("_abc_") or _is_generated(name, value):
                continue
            self._say("attribute", name)
            if isinstance(value, (staticmethod, classmethod)):
                self.add(value.__func__)
            elif isinstance(value, property):
                self.add((value.fget, value.fset))
            elif isinstance(value, functools.cached_property):
                self.add(value.func)
            elif not isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
                self.add(value)

    def _object(self, value: Any) -> None:
        kind = type(value)
        if isinstance(value, enum.Enum):
            self._plain(value)
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
            self._say("array", value.dtype.str, value.shape, value.tobytes().hex())
        elif kind in (tuple, list):
            self._all(kind.__name__, value)
        elif kind in (set, frozenset):
            if not all(isinstance(entry, (int, float, str)) for entry in value):
                raise Unknown(f"a set of objects: {value!r}")
            self._say(kind.__name__, sorted(map(repr, value)))
        elif kind in (dict, types.MappingProxyType):
            self._all("dict", [part for pair in value.items() for part in pair])
        elif kind is functools.partial:
            self.add((value.func, value.args, value.keywords))
        elif hasattr(value, "__wrapped__") and kind.__module__ == "functools":
            self.add(value.__wrapped__)
        elif _root(kind) in _FIXED or isinstance(value, (Array, Shaped)):
            raise Unknown(f"an object of the class {kind.__module__}.{kind.__qualname__}")
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            self.add(kind)
            self._all("fields", value)
        elif any(base.__module__ == "builtins" for base in kind.__mro__[:-1]):
            raise Unknown(
                f"an object of the class {kind.__module__}.{kind.__qualname__}, which holds more than attributes"
            )
        elif dataclasses.is_dataclass(value) or type(getattr(value, "__dict__", None)) is dict:
            state = dict(getattr(value, "__dict__", {}))
            for base in kind.__mro__:
                slots = vars(base).get("__slots__", ())
                for name in (slots,) if isinstance(slots, str) else slots:
                    if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                        state[name] = getattr(value, name)
            self.add(kind)
            self._all("state", [part for pair in sorted(state.items()) for part in pair])
        else:
            raise Unknown(f"an object of the class {kind.__module__}.{kind.__qualname__}")


def _is_type(value: Any) -> bool:
    return isinstance(value, core.DataType)


def _root(value: Any) -> str:
    return (getattr(value, "__module__", None) or "").partition(".")[0]


def _is_method(entry: tuple[str, Any]) -> bool:
    """Whether an attribute of a class is a function of its own."""
    name, value = entry
    return not name.startswith("_") and isinstance(value, (types.FunctionType, property, classmethod, staticmethod))


def _is_generated(name: str, value: Any) -> bool:
    """Whether it is a method that `dataclasses` made: of source that is in no file, from fields that are told."""
    if name not in ("__init__", "__eq__", "__repr__"):
        return False
    code = getattr(getattr(value, "__wrapped__", value), "__code__", None)
    return code is not None and code.co_filename == "<string>"


def _imports(code: types.CodeType) -> bool:
    """Whether the code, or a function inside of it, imports something when it runs."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return any(step.opname == "IMPORT_NAME" for step in dis.get_instructions(code)) or any(map(_imports, inner))


def _names_in(code: types.CodeType) -> set[str]:
    """Of globals and attributes, in a function's code and in those inside of it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names_in(constant)
    return found
