"""How smoke looks: its density as a picture; in space, what there is of it along y, from before to behind."""

from __future__ import annotations

import numpy as np

from diffsim.physics.smoke.series import series_of
from diffsim.rollout import Rollout
from diffsim.viewing.look import Field, Look, Scale

__all__ = ["look"]


def look(rollout: Rollout) -> Look:
    """What is to be seen of a `Smoke` rollout of one environment."""
    density, spacing = rollout["density"], rollout.problem.scene.spacing
    thick = 1.0
    if rollout.problem.scene.dimension == 3:
        with np.errstate(invalid="ignore", over="ignore"):
            density = spacing * density.sum(axis=2)
        thick = float(np.max(density, where=np.isfinite(density), initial=0.0)) or 1.0
    high = spacing * np.array(density.shape[1:])
    scale = Scale(0.0, thick, ("sky", "text"), words=("no smoke", "thick smoke"))
    return Look([Field(density, (0.0, 0.0), high, scale)], series=series_of(rollout))
