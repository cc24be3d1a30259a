"""Be at a target at the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.numbers import tunable
from diffsim.objectives.place import OfPlace

__all__ = ["ReachTarget"]


@dataclass(frozen=True, eq=False, repr=False)
class ReachTarget(OfPlace):
    """Be at a target at the last step: the squared distance [m^2], which is smooth at the target itself.

    Attributes:
        target: (d,) [m].
        point: which point or body, or the name of a link or site; None is the centre.
        weight: factor of this term.
    """

    target: Any = tunable("d")
    point: int | str | None = None
    weight: float = 1.0

    @ti.func
    def formula(goal: ti.template(), env, row, step, element):
        """The squared distance."""
        apart = goal.place[env, row, goal.at] - goal.target[env, 0]
        return apart.dot(apart)

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """How far off it is along each axis."""
        place = self.places(rollout)
        return None if place is None else np.asarray(place[-1] - numbers["target"])

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How near it came."""
        return f"{max(value, 0.0) ** 0.5:.3g} m from the target"
