"""Get far along a direction."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model
from diffsim.numbers import tunable
from diffsim.objectives.base import Objective, check_point, index_of, point_given

__all__ = ["Travel"]


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

    direction: Any = tunable("d", default=None)
    point: int | str | None = None
    origin: Any = tunable("d", default=None)
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        self._set(point=point_given("Travel", self.point))

    @property
    def reads(self) -> str:
        """The centre, unless a point is named."""
        return "centre" if self.point is None else "position"

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another dimension or an absent point."""
        super().check(scene, steps)
        check_point("Travel", self.point, scene)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        d = getattr(scene, "dimension", 2)  # of one that does not say, the model may lack a centre, which it will say
        return {"direction": np.eye(d)[0], "origin": np.zeros(d), **super().numbers(scene)}

    def record(self, fields: Fields, model: Model, prefix: str, **more: Any) -> Any:
        """With the place that counts."""
        place = model.array(self.reads, "Travel")
        at = index_of("Travel", model, self.point)
        return super().record(fields, model, prefix, place=place, at=at, **more)

    @ti.func
    def formula(goal: ti.template(), env, row, step, element):
        """Minus the distance."""
        gone = goal.place[env, row, goal.at] - goal.origin[env, 0]
        return -goal.direction[env, 0].dot(gone)
