"""What a report draws of a body of springs over time."""

from __future__ import annotations

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.series import Series

__all__ = ["series_of"]


def series_of(rollout: Rollout) -> list[Series]:
    """The velocity of the centre of mass."""
    if "velocity" not in rollout.arrays:
        return []
    velocity, n = rollout["velocity"], rollout["velocity"].shape[1]
    mass = np.broadcast_to(rollout.numbers.get("scene.mass", 1.0), n)
    centre = np.einsum("rnd,n->rd", velocity, mass) / (mass.sum() or 1.0)
    return [Series("velocity of the centre", "m/s", centre, list("xyz"[: velocity.shape[2]]))]
