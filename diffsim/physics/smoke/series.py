"""What a report draws of smoke over time."""

from __future__ import annotations

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.series import Series

__all__ = ["series_of"]


def series_of(rollout: Rollout) -> list[Series]:
    """All the smoke there is, and the kinetic energy of the flow per mass."""
    area = rollout.problem.scene.spacing**2
    with np.errstate(invalid="ignore", over="ignore"):
        smoke = area * rollout["density"].sum(axis=(1, 2))
        energy = 0.5 * np.square(rollout["velocity"]).sum(axis=3).mean(axis=(1, 2))
    return [Series("smoke", "m²", smoke, ["all"]), Series("kinetic energy", "J/kg", energy, ["mean"])]
