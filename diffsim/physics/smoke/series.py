"""What a report draws of smoke over time."""

from __future__ import annotations

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.series import Series

__all__ = ["series_of"]


def series_of(rollout: Rollout) -> list[Series]:
    """All the smoke there is, and the kinetic energy of the flow per mass."""
    scene, d = rollout.problem.scene, rollout.problem.scene.dimension
    cells = tuple(range(1, 1 + d))
    with np.errstate(invalid="ignore", over="ignore"):
        smoke = scene.spacing**d * rollout["density"].sum(axis=cells)
        energy = 0.5 * np.square(rollout["velocity"]).sum(axis=1 + d).mean(axis=cells)
    unit = "m²" if d == 2 else "m³"
    return [Series("smoke", unit, smoke, ["all"]), Series("kinetic energy", "J/kg", energy, ["mean"])]
