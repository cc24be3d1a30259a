"""Stay upright."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.objectives.base import Objective
from diffsim.objectives.links import check_span, link_of, steps_from
from diffsim.spec import array, number

__all__ = ["Upright"]


@dataclass(frozen=True)
class _Standing:
    axis: Any  # (env, 0)
    least: Any  # (env, 0) cosine of the angle to the vertical that is upright enough
    weight: Any  # (env, 0)
    rotation: Any  # (env, row, link) to the world
    link: int
    first: int
    share: float


@ti.func
def tilt(goal: ti.template(), loss: ti.template(), env, row, step, element):
    if step >= goal.first:
        r = goal.rotation[env, row, goal.link]
        up = goal.axis[env, 0].dot(ti.Vector([r[6], r[7], r[8]]))
        short = ti.max(goal.least[env, 0] - up, 0.0)
        loss[env] += goal.share * goal.weight[env, 0] * short * short


@dataclass(frozen=True, eq=False, repr=False)
class Upright(Objective):
    """The mean of ``max(0, least - cosine)^2``, of the angle between an axis of a link and the vertical.

    A smooth margin: nothing while it is more upright than ``least``.

    Attributes:
        link: its name; None is the first.
        axis: (3,) unit vector in the link's frame that should point up.
        least: cosine that is upright enough; 1 is exactly upright.
        after: time from which on it counts [s].
        weight: factor of this term.
    """

    link: str | None = None
    axis: Any = (0.0, 0.0, 1.0)
    least: float = 1.0
    after: float = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        self._set(
            axis=array("Upright.axis", self.axis, (3,)),
            least=number("Upright.least", self.least, least=-1.0, most=1.0),
            after=number("Upright.after", self.after, least=0.0),
            weight=number("Upright.weight", self.weight),
        )

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another kind of scene, an absent link, or if nothing of the rollout counts."""
        check_span("Upright", self.link, self.after, scene, steps)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        return {"axis": self.axis, "least": np.array(self.least), "weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every step."""
        first, share = steps_from(model, self.after)
        goal = _Standing(
            axis=fields.number(f"{prefix}.axis", 1, 3),
            least=fields.number(f"{prefix}.least", 1),
            weight=fields.number(f"{prefix}.weight", 1),
            rotation=model.array("rotation", "Upright"),
            link=link_of(model, self.link),
            first=first,
            share=share,
        )
        return Part(step=(Stage(tilt, (goal, fields.loss), 1),))
