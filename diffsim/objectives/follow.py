"""Follow a place that moves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.paths import place_at
from diffsim.errors import InputError
from diffsim.numbers import tunable
from diffsim.objectives.place import OfPlace
from diffsim.paths import along

__all__ = ["Follow"]


@dataclass(frozen=True, eq=False, repr=False)
class Follow(OfPlace):
    """Follow a place that moves: the mean squared distance [m^2] over all rows of the trajectory.

    The place is at the first of ``path`` at the start, at the last in the end, and passes the others in turn, on
    straight lines and at even times.

    Attributes:
        path: (w, d) at least two places [m].
        point: which point or body, or the name of a link or site; None is the centre.
        weight: factor of this term.
    """

    path: Any = tunable("w", "d", unit="m")
    point: int | str | None = None
    weight: float = 1.0

    when = "always"

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        if len(self.path) < 2:
            raise InputError("Follow.path holds one place, but two or more are needed; ReachTarget goes to one place")

    @ti.func
    def formula(goal: ti.template(), env, row, step, element):
        """The squared distance in a row, as a share of the mean."""
        apart = goal.place[env, row, goal.at] - place_at(goal.path, env, goal.w - 1, goal.rows - 1, step)
        return apart.dot(apart) / goal.rows

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """How far off it is in each row, as a share of the mean."""
        place = self.places(rollout)
        if place is None:
            return None
        path, _ = along(numbers["path"], np.linspace(0.0, 1.0, len(place)))
        return np.asarray((place - path).ravel() / np.sqrt(len(place)))

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How far off it was."""
        return f"{max(value, 0.0) ** 0.5:.3g} m from the path (root mean square)"
