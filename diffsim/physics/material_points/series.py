"""What a report draws of matter over time."""

from __future__ import annotations

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.series import Series

__all__ = ["series_of"]


def series_of(rollout: Rollout) -> list[Series]:
    """The velocity of the centre of mass."""
    if "velocity" not in rollout.arrays:
        return []
    velocity, numbers = rollout["velocity"], rollout.numbers
    mass = np.broadcast_to(numbers["scene.density"] * numbers["scene.volume"], velocity.shape[1])
    centre = np.einsum("rnd,n->rd", velocity, mass) / mass.sum()
    return [Series("velocity of the centre", "m/s", centre, list("xyz"[: velocity.shape[2]]))]
