"""Get far along a direction."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.objectives.base import Objective, check_dimension, check_point, index_of, point_given
from diffsim.spec import array, number

__all__ = ["Travel"]


@dataclass(frozen=True)
class _Travelling:
    direction: Any  # (env, 0)
    origin: Any  # (env, 0) [m]
    weight: Any  # (env, 0)
    place: Any  # (env, row, element) [m]
    element: int


@ti.func
def travel(goal: ti.template(), loss: ti.template(), env, row, step, element):
    gone = goal.place[env, row, goal.element] - goal.origin[env, 0]
    loss[env] += -goal.weight[env, 0] * goal.direction[env, 0].dot(gone)


@dataclass(frozen=True, eq=False, repr=False)
class Travel(Objective):
    """Get far: minus the distance [m] along a direction, from an origin, at the last step.

    Attributes:
        direction: (d,) need not be a unit vector; None is the first axis.
        point: which point or body, or the name of a link or site; None is the centre (the mean of all points, or the
            centre of mass).
        origin: (d,) where the distance is counted from [m]; None is the world's origin.
        weight: factor of this term.
    """

    direction: Any = None
    point: int | str | None = None
    origin: Any = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        for name in ("direction", "origin"):
            if getattr(self, name) is not None:
                self._set(**{name: array(f"Travel.{name}", getattr(self, name), (2,), (3,))})
        self._set(point=point_given("Travel", self.point))
        self._set(weight=number("Travel.weight", self.weight))

    @property
    def reads(self) -> frozenset[str]:
        """The centre, unless a point is named."""
        return frozenset({"centre"} if self.point is None else ())

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another dimension or an absent point."""
        for name in ("direction", "origin"):
            check_dimension(f"Travel.{name}", getattr(self, name), scene)
        check_point("Travel", self.point, scene)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        d = getattr(scene, "dimension", 2)  # of one that does not say, the model may lack a centre, which it will say
        return {
            "direction": np.eye(d)[0] if self.direction is None else self.direction,
            "origin": np.zeros(d) if self.origin is None else self.origin,
            "weight": np.array(self.weight),
        }

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at the last row."""
        place = model.array("centre" if self.point is None else "position", "Travel")
        goal = _Travelling(
            direction=fields.number(f"{prefix}.direction", 1, model.dimension),
            origin=fields.number(f"{prefix}.origin", 1, model.dimension),
            weight=fields.number(f"{prefix}.weight", 1),
            place=place,
            element=index_of("Travel", model, self.point),
        )
        return Part(final=(Stage(travel, (goal, fields.loss), 1),))
