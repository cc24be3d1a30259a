"""What a report draws of matter over time."""

from __future__ import annotations

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.series import Series

__all__ = ["series_of"]


def series_of(rollout: Rollout) -> list[Series]:
    """The velocity of the centre of mass."""
    position, numbers = rollout["position"], rollout.numbers
    mass = np.broadcast_to(numbers["scene.density"] * numbers["scene.volume"], position.shape[1])
    centre = np.einsum("rnd,n->rd", position, mass) / mass.sum()
    velocity = np.gradient(centre, rollout.problem.scene.dt, axis=0)
    return [Series("velocity of the centre", "m/s", velocity, list("xyz"[: position.shape[2]]))]
