"""Get far along a direction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.numbers import tunable
from diffsim.objectives.place import OfPlace

__all__ = ["Travel"]


@ti.func
def depart(goal: ti.template(), loss: ti.template(), env, row, step, element):
    if step == 0:
        start = goal.direction[env, 0].dot(goal.place[env, row, goal.at])
        loss[env] += goal.weight[env, 0] * start


@ti.func
def arrive(goal: ti.template(), loss: ti.template(), env, row, step, element):
    if ti.static(not goal.from_origin):
        loss[env] += -goal.weight[env, 0] * goal.direction[env, 0].dot(goal.place[env, row, goal.at])
    else:
        gone = goal.place[env, row, goal.at] - goal.origin[env, 0]
        loss[env] += -goal.weight[env, 0] * goal.direction[env, 0].dot(gone)


@dataclass(frozen=True, eq=False, repr=False)
class Travel(OfPlace):
    """Get far: minus the distance [m] along a direction at the last step, from where it started.

    Attributes:
        direction: (d,) need not be a unit vector; None is the first axis.
        point: which point or body, or the name of a link or site; None is the centre (the mean of all points, or the
            centre of mass).
        origin: (d,) where the distance is counted from [m]; None is where the same place is at step 0, so that what
            stays where it is has a loss of 0, and a start that is tuned counts.
        weight: factor of this term.
    """

    direction: Any = tunable("d", default=None)
    point: int | str | None = None
    origin: Any = tunable("d", default=None)
    weight: float = 1.0

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        d = getattr(scene, "dimension", 2)  # of one that does not say, the model may lack a centre, which it will say
        return {"direction": np.eye(d)[0], **super().numbers(scene)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """A stage at the last row and, without an origin, one that counts in the first step."""
        goal = self.record(fields, model, prefix, from_origin=self.origin is not None)
        final = (Stage(arrive, (goal, fields.loss), 1),)
        return Part(step=(Stage(depart, (goal, fields.loss), 1),) if self.origin is None else (), final=final)

    def measure(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> float | None:
        """Minus the distance."""
        place = self.places(rollout)
        if place is None:
            return None
        return -float(numbers["direction"] @ (place[-1] - (place[0] if self.origin is None else numbers["origin"])))

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How far it got."""
        way = round(-value / (float(np.linalg.norm(numbers["direction"])) or 1.0), 2) + 0.0  # no minus of a zero
        return f"travelled {way:.2f} m" if self.origin is None else f"{way:.2f} m from its origin"
