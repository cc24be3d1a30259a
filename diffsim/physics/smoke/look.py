"""How smoke looks: its density as a picture."""

from __future__ import annotations

import numpy as np

from diffsim.physics.smoke.series import series_of
from diffsim.rollout import Rollout
from diffsim.viewing.look import Field, Look, Scale

__all__ = ["look"]


def look(rollout: Rollout) -> Look:
    """What is to be seen of a `Smoke` rollout of one environment."""
    density, spacing = rollout["density"], rollout.problem.scene.spacing
    high = spacing * np.array(density.shape[1:])
    scale = Scale(0.0, 1.0, ("sky", "text"), words=("no smoke", "thick smoke"))
    return Look([Field(density, (0.0, 0.0), high, scale)], series=series_of(rollout))
