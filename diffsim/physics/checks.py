"""Checks that several scenes share."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import array, number

__all__ = ["ROUNDING", "direction", "first", "flag", "indices", "optional", "sequence"]

ROUNDING = 1.0e-6
"""Relative, some ten roundings of single precision: what is off by that much lies where it should."""


def direction(owner: str, value: Any, *shapes: tuple[int | str, ...], needed: str = "a direction") -> np.ndarray:
    """``value``, of one of the shapes and of any length but zero, as a vector of length 1."""
    vector = array(owner, value, *shapes)
    length = float(np.linalg.norm(vector))
    if length < 1e-12:
        raise InputError(f"{owner} has length {length:g}, but {needed} is needed")
    unit: np.ndarray = vector if abs(length - 1.0) < 1e-15 else vector / length  # made again it stays as it is
    unit.setflags(write=False)
    return unit


def first(bad: np.ndarray) -> list[int]:
    """The first index where ``bad`` is true, or none."""
    return np.flatnonzero(bad)[:1].tolist()


def flag(owner: str, value: Any) -> bool:
    """``value`` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{owner} is {value!r}, but it must be True or False")
    return bool(value)


def indices(owner: str, value: Any, *shape: int | str, most: int | None = None) -> np.ndarray:
    """``value`` as indices of the given shape, whose first axis may be empty: ``()`` names nothing.

    With ``most`` they lie between 0 and that.
    """
    listed = isinstance(value, (tuple, list))
    if (listed and not value) or (isinstance(value, np.ndarray) and value.size == 0):
        none = np.zeros((0, *map(int, shape[1:])), dtype=np.int64)
        none.setflags(write=False)
        return none
    least = None if most is None else 0
    return array(owner, value, shape, dtype=np.int64, least=least, most=most)


def optional(owner: str, value: Any, **limits: Any) -> float | None:
    """``value`` as a number within the limits of `diffsim.spec.array`, or None."""
    return None if value is None else number(owner, value, **limits)


def sequence(owner: str, value: Any) -> tuple[Any, ...]:
    """``value`` as a tuple if it is a list or tuple."""
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{owner} is {value!r}, but a list is needed")
    return tuple(value)
