"""How much actuators give."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import array

__all__ = ["limits_of"]


def limits_of(scene: Any, limits: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(k,) lowest and (k,) highest action: as given to `plan`, or as the scene has them."""
    if limits is not None:
        low, high = (np.broadcast_to(array("plan(limits)", each, (), (k,)), (k,)) for each in limits)
        if not (low < high).all():
            raise InputError("plan(limits): the lowest must be below the highest")
        return low, high
    actuators = list(scene.actuators)
    free = [hasattr(a, "control_range") and a.control_range is None for a in actuators]
    high = np.where(free, np.inf, 1.0)
    return -high, high
