"""What a report draws of charged particles over time."""

from __future__ import annotations

from diffsim.rollout import Rollout
from diffsim.viewing.series import Series, speeds

__all__ = ["series_of"]


def series_of(rollout: Rollout) -> list[Series]:
    """How fast the particles move."""
    return [speeds(rollout["velocity"])] if "velocity" in rollout.arrays else []
