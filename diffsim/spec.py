"""Specifications: frozen dataclasses of numbers and NumPy arrays that compare, print and turn into JSON.

Scenes, controllers, objectives and problems are all specifications. Nothing in one is alive.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import importlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from diffsim.errors import InputError, UnknownClassError

__all__ = ["Spec", "array", "choices", "matches", "number", "numbers_by_name", "whole"]


class Spec:
    """Base of every specification: a frozen dataclass declared with ``eq=False``.

    Two specifications are equal if they are of one class and all their fields are equal, arrays element
    by element.

    Attributes:
        kind: what part of a problem it can be: "scene", "controller" or "objective"; empty for the rest.
    """

    kind: ClassVar[str] = ""
    _classes: ClassVar[dict[str, type[Spec]]] = {}

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Remember the class by its name, so that JSON can name it."""
        super().__init_subclass__(**keywords)
        Spec._classes[cls.__name__] = cls

    def _values(self) -> dict[str, Any]:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields}

    def _set(self, **values: Any) -> None:
        """Store checked values from ``__post_init__`` of a frozen dataclass."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come back from a pickle or a deep copy; NumPy's pickles forget that an array is read-only."""
        for value in state.values():
            _lock(value)
        self._set(**state)

    def __eq__(self, other: object) -> bool:
        """All fields equal, arrays element by element."""
        if type(self) is not type(other):
            return NotImplemented
        theirs = other._values()
        return all(_same(mine, theirs[name]) for name, mine in self._values().items())

    __hash__ = None  # type: ignore[assignment]

    def _shown(self) -> dict[str, Any]:
        """What `repr` tells."""
        return self._values()

    def __repr__(self) -> str:
        """Short: large arrays are given by their shape, and many specifications by their number."""
        words = ", ".join(f"{name}={_short(value)}" for name, value in self._shown().items())
        return f"{type(self).__name__}({words})"

    def to_dict(self) -> dict[str, Any]:
        """The specification as plain lists, numbers and strings, ready for ``json.dumps``.

        Strict JSON has no word for what is not finite: such a number becomes ``{"number": "inf"}``, and
        such an entry of an array the string "inf".
        """
        values = {name: _plain(value) for name, value in self._values().items()}
        return {"type": type(self).__name__, **values}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Any:
        """The specification that `to_dict` described.

        Raises:
            InputError: if ``data`` names no known class or a field that the class does not have, and
                whatever the class itself refuses.
        """
        if not isinstance(data, dict) or "type" not in data:
            raise InputError(f"a specification's dictionary has a 'type', but {_excerpt(data)} was given")
        return _alive(data)

    @staticmethod
    def to_plain(value: Any) -> Any:
        """A value of numbers, arrays, specifications and containers of them, as `to_dict` would write it."""
        return _plain(value)

    @staticmethod
    def from_plain(value: Any) -> Any:
        """The value that `to_plain` described; lists come back as tuples."""
        return _alive(value)


def _lock(value: Any) -> None:
    if isinstance(value, np.ndarray):
        value.setflags(write=False)
    elif isinstance(value, (tuple, list)):
        for item in value:
            _lock(item)
    elif isinstance(value, dict):
        _lock(list(value.values()))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
        )
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    return bool(a == b)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size <= 4:
            return str(value.tolist())
        return f"<{' x '.join(map(str, value.shape))} array>"
    if isinstance(value, tuple) and len(value) > 4 and all(isinstance(item, Spec) for item in value):
        return f"<{len(value)} of {', '.join(sorted({type(item).__name__ for item in value}))}>"
    return repr(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.to_dict()
    if isinstance(value, np.ndarray):
        return {"array": _entries(value), "shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return {"number": str(value)}
    return value


def _entries(found: np.ndarray) -> Any:
    if found.dtype.kind != "f" or np.isfinite(found).all():
        return found.tolist()
    entries = found.astype(object)
    odd = ~np.isfinite(found)
    entries[odd] = [str(number) for number in found[odd].tolist()]
    return entries.tolist()


def _alive(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_alive(item) for item in value)
    if not isinstance(value, dict):
        return value
    if value.keys() == {"array", "shape", "dtype"}:
        return np.array(value["array"], dtype=value["dtype"]).reshape(value["shape"])
    if value.keys() == {"number"}:
        return float(value["number"])
    if "type" in value:
        values = {name: _alive(item) for name, item in value.items() if name != "type"}
        return _class_of(value["type"], values)(**values)
    return {key: _alive(item) for key, item in value.items()}


def _class_of(name: Any, values: dict[str, Any]) -> Any:
    if name not in Spec._classes and isinstance(name, str):
        package = importlib.import_module(__package__)
        public = getattr(package, name) if name in package.__all__ else None  # imported when it is used
        if isinstance(public, type) and issubclass(public, Spec):
            Spec._classes[name] = public
    if name not in Spec._classes:
        known = ", ".join(sorted(Spec._classes))
        raise UnknownClassError(
            f"there is no specification named {name!r}: import the module that defines it first; known are {known}"
        )
    found: Any = Spec._classes[name]
    fields = [field.name for field in dataclasses.fields(found)]
    for field in values:
        if field not in fields:
            raise InputError(f"{name} has no field {field!r}; it has {', '.join(fields)}")
    return found


def array(
    owner: str,
    value: Any,
    *shapes: tuple[int | str, ...],
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    dtype: type = np.float64,
    unit: str = "",
) -> np.ndarray:
    """``value`` as a read-only array of one of the ``shapes``, its entries checked.

    Args:
        owner: what the value is, for the message: "MassSpring.mass".
        value: anything that NumPy takes for an array of numbers.
        shapes: the allowed shapes; a letter stands for any length of at least one.
        above: entries must be greater than this.
        least: entries must be at least this.
        most: entries must be at most this.
        dtype: float64, or int64 for whole numbers.
        unit: for the message: "m/s".

    Raises:
        InputError: naming the first entry that is not allowed. Truth values are no numbers: a mask where
            indices are wanted would be taken for points 0 and 1.
    """
    given = _as_numbers(owner, value)
    if shapes and not any(_fits(given.shape, shape) for shape in shapes):
        raise InputError(f"{owner} has shape {given.shape}, but {_needed(given.shape, shapes)}{unit and f' [{unit}]'}")
    with np.errstate(invalid="ignore", over="ignore"):  # casts that do not fit are refused below
        found: np.ndarray = np.array(given, dtype=dtype, order="C")
        _refuse(owner, given, ~np.isfinite(given.astype(np.float64, copy=False)), "must be finite")
    if dtype is np.int64:
        _refuse(owner, given, found != given, "must be a whole number")
    if above is not None:
        _refuse(owner, found, found <= above, f"must be greater than {above:g}{unit and ' ' + unit}")
    if least is not None:
        _refuse(owner, found, found < least, f"must be at least {least:g}{unit and ' ' + unit}")
    if most is not None:
        _refuse(owner, found, found > most, f"must be at most {most:g}{unit and ' ' + unit}")
    found.setflags(write=False)
    return found


def _as_numbers(owner: str, value: Any) -> np.ndarray:
    try:
        given = np.asarray(value)
    except (TypeError, ValueError, OverflowError):  # NumPy's word for it is "inhomogeneous"
        raise InputError(f"{owner} takes numbers in rows of one length, but {_excerpt(value)} was given") from None
    if given.dtype.kind not in "iuf":
        raise InputError(f"{owner} takes numbers, but {_excerpt(value)} was given")
    return given


def _fits(shape: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        got > 0 if isinstance(want, str) else got == want for got, want in zip(shape, wanted, strict=True)
    )


def _needed(given: tuple[int, ...], shapes: tuple[tuple[int | str, ...], ...]) -> str:
    words = [f"({', '.join(map(str, s))}{',' * (len(s) == 1)})" if s else "a single number" for s in shapes]
    letters = sorted({length for shape in shapes for length in shape if isinstance(length, str)})
    least = f", with {' and '.join(letters)} of at least 1" if letters and 0 in given else ""
    return f"{' or '.join(words)} is needed{least}"


def _refuse(owner: str, found: np.ndarray, bad: np.ndarray, rule: str) -> None:
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        place = "[" + ", ".join(map(str, where)) + "]" if where else ""
        raise InputError(f"{owner}{place} is {found[where]:g}, but it {rule}")


def _excerpt(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def number(owner: str, value: Any, **limits: Any) -> float:
    """``value`` as a finite float within the limits of `array`."""
    return float(array(owner, value, (), **limits))


def matches(name: str, pattern: str) -> bool:
    """Whether a name or pattern means the parameter ``name``; what means an array means its parts as well.

    "scene.mass[2]" is a part of "scene.mass"; in a pattern brackets always mean a part.
    """
    if pattern.endswith("]"):
        return name == pattern
    return fnmatch.fnmatchcase(name.partition("[")[0], pattern)


def numbers_by_name(owner: str, given: Mapping[str, Any], names: Iterable[str], **limits: Any) -> dict[str, float]:
    """A number for each of the ``names`` that a name or pattern of ``given`` matches; later patterns win.

    Args:
        owner: what is given, for the message: "tune(scale)".
        given: numbers by name or pattern.
        names: of the parameters.
        limits: of `array`.

    Raises:
        InputError: if a pattern matches nothing, or a number is outside of the limits.
    """
    names = list(names)
    found = {}
    for pattern, value in given.items():
        matching = [name for name in names if matches(name, pattern)]
        if not matching:
            raise InputError(f"{owner} names {pattern!r}, but the parameters are {', '.join(names)}")
        found.update(dict.fromkeys(matching, number(f"{owner}[{pattern!r}]", value, **limits)))
    return found


def whole(owner: str, value: Any, least: int | None = 1) -> int:
    """``value`` as a whole number of at least ``least``; None allows any."""
    wrong = isinstance(value, bool) or not isinstance(value, (int, np.integer))
    if wrong or (least is not None and value < least):
        limit = "" if least is None else f" of at least {least}"
        raise InputError(f"{owner} is {_excerpt(value)}, but it must be a whole number{limit}")
    return int(value)


def choices(owner: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    """``value`` if it is among the allowed ones."""
    if isinstance(value, np.ndarray) or value not in allowed:
        raise InputError(f"{owner} is {_excerpt(value)}, but it must be one of {', '.join(map(repr, allowed))}")
    return value
