"""Be at a target at the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model
from diffsim.numbers import tunable
from diffsim.objectives.base import Objective, check_point, index_of, place_of, point_given

__all__ = ["ReachTarget"]


@dataclass(frozen=True, eq=False, repr=False)
class ReachTarget(Objective):
    """Be at a target at the last step: the squared distance [m^2], which is smooth at the target itself.

    Attributes:
        target: (d,) [m].
        point: which point or body, or the name of a link or site; None is the centre.
        weight: factor of this term.
    """

    target: Any = tunable("d")
    point: int | str | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        self._set(point=point_given("ReachTarget", self.point))

    @property
    def reads(self) -> str:
        """The centre, unless a point is named."""
        return "centre" if self.point is None else "position"

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another dimension or an absent point."""
        super().check(scene, steps)
        check_point("ReachTarget", self.point, scene)

    def record(self, fields: Fields, model: Model, prefix: str, **more: Any) -> Any:
        """With the place that counts."""
        place = model.array(self.reads, "ReachTarget")
        at = index_of("ReachTarget", model, self.point)
        return super().record(fields, model, prefix, place=place, at=at, **more)

    @ti.func
    def formula(goal: ti.template(), env, row, step, element):
        """The squared distance."""
        apart = goal.place[env, row, goal.at] - goal.target[env, 0]
        return apart.dot(apart)

    def measure(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> float | None:
        """The squared distance."""
        place = place_of(rollout, self.point)
        return None if place is None else float(np.sum(np.square(place[-1] - numbers["target"])))

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How near it came."""
        return f"{max(value, 0.0) ** 0.5:.3g} m from the target"
