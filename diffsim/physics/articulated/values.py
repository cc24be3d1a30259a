"""Values of what robots are made of: names, directions, intervals, lists of parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.checks import direction
from diffsim.spec import array

__all__ = ["SOLIMP", "SOLREF", "TIME_CONSTANT", "UPRIGHT", "interval", "members", "named", "quaternion", "reference"]

UPRIGHT = (1.0, 0.0, 0.0, 0.0)

TIME_CONSTANT = 0.02
"""Of contacts and limits that do not say how stiff they are [s]: MuJoCo's default (solref)."""

SOLREF = (TIME_CONSTANT, 1.0)
SOLIMP = (0.9, 0.95, 0.001, 0.5, 2.0)
"""MuJoCo's defaults."""


def quaternion(owner: str, value: Any) -> np.ndarray:
    """``value`` as a unit quaternion (w, x, y, z); any length but zero is taken."""
    return direction(owner, value, (4,), needed="a quaternion (w, x, y, z) other than zero")


def reference(owner: str, value: Any) -> np.ndarray:
    """``value`` as MuJoCo's solref: both positive, or the first negative and the second not positive."""
    found = array(owner, value, (2,))
    if not ((found > 0.0).all() or (found[0] < 0.0 and found[1] <= 0.0)):
        raise InputError(
            f"{owner} is ({found[0]:g}, {found[1]:g}), but a time constant and a damping ratio above 0 are needed, or "
            "minus stiffness and minus damping per mass"
        )
    return found


def interval(owner: str, value: Any) -> np.ndarray | None:
    """``value`` as (lowest, highest), or None."""
    if value is None:
        return None
    found = array(owner, value, (2,))
    if not found[0] < found[1]:
        raise InputError(f"{owner} is ({found[0]:g}, {found[1]:g}), but the lowest must be below the highest")
    return found


def named(owner: str, value: Any) -> str:
    """``value`` if it is a name: a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise InputError(f"{owner} is {value!r}, but a name is needed")
    return value


def members(owner: str, value: Any, kind: type) -> tuple[Any, ...]:
    """``value`` as a tuple of specifications of one kind, each checked under its name."""
    if isinstance(value, kind):
        value = (value,)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"{owner} is {value!r}, but a list of {kind.__name__} is needed")
    for k, item in enumerate(value):
        if not isinstance(item, kind):
            raise InputError(f"{owner}[{k}] is {item!r}, but a {kind.__name__} is needed")
    return tuple(value)
