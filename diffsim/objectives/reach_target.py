"""Be at a target at the end."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.objectives.base import Objective, check_dimension, check_point, index_of, point_given
from diffsim.spec import array, number

__all__ = ["ReachTarget"]


@dataclass(frozen=True)
class _Reaching:
    target: Any  # (env, 0) [m]
    weight: Any  # (env, 0)
    place: Any  # (env, row, element) [m]
    element: int


@ti.func
def reach(goal: ti.template(), loss: ti.template(), env, row, step, element):
    apart = goal.place[env, row, goal.element] - goal.target[env, 0]
    loss[env] += goal.weight[env, 0] * apart.dot(apart)


@dataclass(frozen=True, eq=False, repr=False)
class ReachTarget(Objective):
    """Be at a target at the last step: the squared distance [m^2], which is smooth at the target itself.

    Attributes:
        target: (d,) [m].
        point: which point or body, or the name of a link or site; None is the centre.
        weight: factor of this term.
    """

    target: Any
    point: int | str | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        self._set(target=array("ReachTarget.target", self.target, (2,), (3,)))
        self._set(point=point_given("ReachTarget", self.point))
        self._set(weight=number("ReachTarget.weight", self.weight))

    @property
    def reads(self) -> frozenset[str]:
        """The centre, unless a point is named."""
        return frozenset({"centre"} if self.point is None else ())

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another dimension or an absent point."""
        check_dimension("ReachTarget.target", self.target, scene)
        check_point("ReachTarget", self.point, scene)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        return {"target": self.target, "weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at the last row."""
        place = model.array("centre" if self.point is None else "position", "ReachTarget")
        goal = _Reaching(
            target=fields.number(f"{prefix}.target", 1, model.dimension),
            weight=fields.number(f"{prefix}.weight", 1),
            place=place,
            element=index_of("ReachTarget", model, self.point),
        )
        return Part(final=(Stage(reach, (goal, fields.loss), 1),))
