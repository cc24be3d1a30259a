"""Use little actuation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.objectives.base import Objective

__all__ = ["Effort"]


@ti.func
def effort(goal: ti.template(), loss: ti.template(), env, row, step, actuator):
    a = goal.actuation[env, row, actuator]
    loss[env] += goal.dt * goal.weight[env, 0] * a * a


@dataclass(frozen=True, eq=False, repr=False)
class Effort(Objective):
    """Use little: the time integral of the sum of the squared actuations [s], summed at every step.

    Attributes:
        weight: factor of this term.
    """

    reads = "actuation"

    weight: float = 1.0

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError if there is nothing to actuate."""
        if not len(getattr(scene, "actuators", ())):
            raise InputError("Effort needs actuators, but the scene has none; give springs actuation or joints a motor")

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every step."""
        goal = self.record(fields, model, prefix, dt=model.dt)
        return Part(step=(Stage(effort, (goal, fields.loss), model.actuators),))

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Every actuation, as its share of the integral."""
        return np.asarray(np.sqrt(rollout.problem.scene.dt) * rollout.arrays["actuation"].ravel())

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How much was asked for."""
        return f"effort {value:.3g} s"
