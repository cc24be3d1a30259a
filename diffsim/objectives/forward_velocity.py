"""Run fast, or at a speed."""

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

__all__ = ["ForwardVelocity"]


@ti.func
def run(goal: ti.template(), loss: ti.template(), env, row, step, element):
    if step >= goal.first:
        along = goal.direction[env, 0].dot(goal.velocity[env, row, goal.link])
        if ti.static(goal.aimed):
            off = along - goal.speed[env, 0]
            loss[env] += goal.share * goal.weight[env, 0] * off * off
        else:
            loss[env] += -goal.share * goal.weight[env, 0] * along


@dataclass(frozen=True, eq=False, repr=False)
class ForwardVelocity(Objective):
    """Minus the mean velocity of a link along a direction [m/s]; with a ``speed``, the mean squared difference to it.

    Attributes:
        direction: (3,) need not be a unit vector.
        speed: wanted [m/s]; None is as fast as possible.
        link: its name; None is the first.
        after: time from which on it counts [s].
        weight: factor of this term.
    """

    reads = "velocity"

    direction: Any = tunable(3, default=(1.0, 0.0, 0.0))
    speed: float | None = tunable(default=None)
    link: str | None = None
    after: float = constant(0.0, least=0.0)
    weight: float = 1.0

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another kind of scene, an absent link, or if nothing of the rollout counts."""
        check_span("ForwardVelocity", self.link, self.after, scene, steps)

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every step."""
        here = span(model, self.link, self.after)
        goal = self.record(fields, model, prefix, aimed=self.speed is not None, **here)
        return Part(step=(Stage(run, (goal, fields.loss), 1),))

    def measure(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> float | None:
        """Minus the mean velocity, or the mean square of what is off."""
        return super().measure(rollout, numbers) if self.squared else -float(self._along(rollout, numbers).mean())

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """What each step is off the speed, as a share of the mean; None without one."""
        if not self.squared:
            return None
        along = self._along(rollout, numbers)
        return np.asarray((along - numbers["speed"]) / np.sqrt(len(along)))

    @property
    def squared(self) -> bool:
        """With a speed."""
        return self.speed is not None

    def _along(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(counted(rollout, "velocity", self.link, self.after) @ numbers["direction"])

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How fast it was."""
        if self.speed is not None:
            return f"{max(value, 0.0) ** 0.5:.2f} m/s off {float(numbers['speed']):.3g} m/s (root mean square)"
        length = float(np.linalg.norm(numbers["direction"])) or 1.0
        return f"{-value / length:.2f} m/s forwards on average"
