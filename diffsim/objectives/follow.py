"""Follow a place that moves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.paths import place_at
from diffsim.engine.stages import Model
from diffsim.errors import InputError
from diffsim.numbers import tunable
from diffsim.objectives.base import Objective, check_point, index_of, place_of, point_given
from diffsim.paths import along

__all__ = ["Follow"]


@dataclass(frozen=True, eq=False, repr=False)
class Follow(Objective):
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
        self._set(point=point_given("Follow", self.point))

    @property
    def reads(self) -> str:
        """The centre, unless a point is named."""
        return "centre" if self.point is None else "position"

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another dimension or an absent point."""
        super().check(scene, steps)
        check_point("Follow", self.point, scene)

    def record(self, fields: Fields, model: Model, prefix: str, **more: Any) -> Any:
        """With the place that counts."""
        place = model.array(self.reads, "Follow")
        at = index_of("Follow", model, self.point)
        return super().record(fields, model, prefix, place=place, at=at, **more)

    @ti.func
    def formula(goal: ti.template(), env, row, step, element):
        """The squared distance in a row, as a share of the mean."""
        apart = goal.place[env, row, goal.at] - place_at(goal.path, env, goal.w - 1, goal.rows - 1, step)
        return apart.dot(apart) / goal.rows

    def measure(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> float | None:
        """The mean squared distance."""
        place = place_of(rollout, self.point)
        if place is None:
            return None
        path, _ = along(numbers["path"], np.linspace(0.0, 1.0, len(place)))
        return float(np.mean(np.sum(np.square(place - path), axis=1)))

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How far off it was."""
        return f"{max(value, 0.0) ** 0.5:.3g} m from the path (root mean square)"
