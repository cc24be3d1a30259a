"""Specifications: frozen dataclasses of numbers and NumPy arrays that compare, print and turn into JSON.

Scenes, controllers, objectives and problems are all specifications. Nothing in one is alive.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from diffsim.errors import InputError

__all__ = ["Spec", "array", "choices", "number", "whole"]


class Spec:
    """Base of every specification: a frozen dataclass declared with ``eq=False``.

    Two specifications are equal if they are of one class and all their fields are equal, arrays element
    by element.
    """

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

    def __eq__(self, other: object) -> bool:
        """All fields equal, arrays element by element."""
        if type(self) is not type(other):
            return NotImplemented
        theirs = other._values()  # type: ignore[attr-defined]
        return all(_same(mine, theirs[name]) for name, mine in self._values().items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Short: large arrays are given by their shape."""
        words = ", ".join(f"{name}={_short(value)}" for name, value in self._values().items())
        return f"{type(self).__name__}({words})"

    def to_dict(self) -> dict[str, Any]:
        """The specification as plain lists, numbers and strings, ready for ``json.dumps``."""
        values = {name: _plain(value) for name, value in self._values().items()}
        return {"type": type(self).__name__, **values}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Any:
        """The specification that `to_dict` described."""
        return _alive(data)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and a.shape == b.shape
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
    return repr(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.to_dict()
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return value


def _alive(value: Any) -> Any:
    if isinstance(value, dict):
        if "type" in value:
            values = {name: _alive(item) for name, item in value.items() if name != "type"}
            if value["type"] not in Spec._classes:
                known = ", ".join(sorted(Spec._classes))
                raise InputError(f"there is no specification named {value['type']!r}; known are {known}")
            return Spec._classes[value["type"]](**values)
        if value.keys() == {"array", "dtype"}:
            return np.array(value["array"], dtype=value["dtype"])
        return {key: _alive(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_alive(item) for item in value)
    return value


def array(
    owner: str,
    value: Any,
    *shapes: tuple[int | str, ...],
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    dtype: type = np.float64,
) -> np.ndarray:
    """``value`` as a read-only array of one of the ``shapes``, its entries checked.

    Args:
        owner: what the value is, for the message: "MassSpring.mass".
        value: anything that NumPy takes for an array of numbers.
        shapes: the allowed shapes; a letter stands for any length of at least one.
        above: entries must be greater than this.
        least: entries must be at least this.
        most: entries must be at most this.
        dtype: float64 or int64; anything else that NumPy can hold exactly.

    Raises:
        InputError: naming the first entry that is not allowed.
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "biuf":
            raise TypeError
        found = np.array(given, dtype=dtype)
    except (TypeError, ValueError):
        raise InputError(f"{owner} takes numbers, but {_excerpt(value)} was given") from None
    if shapes and not any(_fits(found.shape, shape) for shape in shapes):
        allowed = " or ".join("(" + ", ".join(map(str, shape)) + ")" for shape in shapes)
        raise InputError(f"{owner} has shape {found.shape}, but {allowed} is needed")
    if dtype is np.int64 and not np.array_equal(found, given):
        raise InputError(f"{owner} takes whole numbers, but {_excerpt(value)} was given")
    _refuse(owner, found, ~np.isfinite(found), "must be finite")
    if above is not None:
        _refuse(owner, found, found <= above, f"must be greater than {above:g}")
    if least is not None:
        _refuse(owner, found, found < least, f"must be at least {least:g}")
    if most is not None:
        _refuse(owner, found, found > most, f"must be at most {most:g}")
    found.setflags(write=False)
    return found


def _fits(shape: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        got > 0 if isinstance(want, str) else got == want for got, want in zip(shape, wanted, strict=True)
    )


def _refuse(owner: str, found: np.ndarray, bad: np.ndarray, rule: str) -> None:
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        place = "[" + ", ".join(map(str, where)) + "]" if where else ""
        raise InputError(f"{owner}{place} is {found[where]:g}, but it {rule}")


def _excerpt(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def number(owner: str, value: Any, **limits: Any) -> float:
    """``value`` as a finite float within the limits of `array`."""
    return float(array(owner, value, (), **limits))


def whole(owner: str, value: Any, least: int = 1) -> int:
    """``value`` as a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{owner} is {_excerpt(value)}, but it must be a whole number of at least {least}")
    return int(value)


def choices(owner: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    """``value`` if it is among the allowed ones."""
    if value not in allowed:
        raise InputError(f"{owner} is {_excerpt(value)}, but it must be one of {', '.join(map(repr, allowed))}")
    return value
