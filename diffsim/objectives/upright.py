"""Stay upright."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.numbers import constant, tunable
from diffsim.objectives.base import Objective
from diffsim.objectives.links import check_span, counted, span

__all__ = ["Upright"]


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

    reads = "rotation"

    link: str | None = None
    axis: Any = tunable(3, default=(0.0, 0.0, 1.0))
    least: float = tunable(default=1.0, least=-1.0, most=1.0)
    after: float = constant(0.0, least=0.0)
    weight: float = 1.0

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another kind of scene, an absent link, or if nothing of the rollout counts."""
        check_span("Upright", self.link, self.after, scene, steps)

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every step."""
        goal = self.record(fields, model, prefix, **span(model, self.link, self.after))
        return Part(step=(Stage(tilt, (goal, fields.loss), 1),))

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """What the cosine lacks in each step, as a share of the mean."""
        up = counted(rollout, "rotation", self.link, self.after)[:, 6:9] @ numbers["axis"]
        return np.asarray(np.maximum(numbers["least"] - up, 0.0) / np.sqrt(len(up)))

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How far from upright."""
        short = max(value, 0.0) ** 0.5
        return f"{short:.2g} short of upright (cosine, root mean square)" if value > 0.0 else "upright"
