"""What a report draws of water over time."""

from __future__ import annotations

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.series import Series

__all__ = ["series_of"]


def series_of(rollout: Rollout) -> list[Series]:
    """How high and how low the surface is, and the kinetic energy of its motion up and down per mass."""
    height, velocity = rollout["height"], rollout["velocity"]
    with np.errstate(invalid="ignore", over="ignore"):
        ends = np.stack([height.max(axis=(1, 2)), height.min(axis=(1, 2))], axis=1)
        energy = 0.5 * np.square(velocity).mean(axis=(1, 2))
    return [Series("height", "m", ends, ["highest", "lowest"]), Series("kinetic energy", "J/kg", energy, ["mean"])]
