"""Actuations given over time, whatever the scene does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import taichi as ti

from diffsim.controllers.base import actuators_of
from diffsim.controllers.saturation import applied, saturated, saturates
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.physics.checks import flag
from diffsim.spec import Spec, array, whole

__all__ = ["OpenLoop"]


@dataclass(frozen=True)
class Schedule:
    """Values (env, time * actuators + actuator)."""

    values: Any  # (env, knot * actuators + actuator)
    actuators: int
    knots: int
    intervals: int  # between the first and the last step
    limited: bool  # between -1 and 1


@ti.func
def scheduled_actuation(schedule: ti.template(), out: ti.template(), env, row, step, actuator):
    asked = schedule.values[env, step * schedule.actuators + actuator]
    if ti.static(schedule.limited):
        out[env, row, actuator] = saturated(asked)
    else:
        out[env, row, actuator] = asked


@ti.func
def interpolated_actuation(schedule: ti.template(), out: ti.template(), env, row, step, actuator):
    # Whole numbers find the knot: a float32 clock would jump between knots in long rollouts.
    left = ti.min(step * (schedule.knots - 1) // schedule.intervals, schedule.knots - 2)
    along = (step * (schedule.knots - 1) - left * schedule.intervals) / schedule.intervals
    a = schedule.values[env, left * schedule.actuators + actuator]
    b = schedule.values[env, (left + 1) * schedule.actuators + actuator]
    if ti.static(schedule.limited):
        out[env, row, actuator] = saturated(a + along * (b - a))
    else:
        out[env, row, actuator] = a + along * (b - a)


@dataclass(frozen=True, eq=False, repr=False)
class OpenLoop(Spec):
    """A value per step and actuator, or piecewise-linear between knots that are spread evenly over the rollout.

    Attributes:
        values: () or (k,) the same at all times, or (steps, k), with knots (knots, k); None draws small random ones.
        knots: number of knots, at least 2; None is a value for each step.
        saturate: whether the actuation stays between -1 and 1: beyond 0.8 in size a value bends towards 1, and keeps a
            gradient. False applies values as they are, whatever they are: say it of what was recorded. It does nothing
            where actuators have limits of their own (robots), nor as the target of a `PD`.
    """

    kind: ClassVar[str] = "controller"
    reads: ClassVar[frozenset[str]] = frozenset()

    values: Any = None
    knots: int | None = None
    saturate: bool = True

    def __post_init__(self) -> None:
        """Check what can be checked without the scene."""
        self._set(saturate=flag("OpenLoop.saturate", self.saturate))
        if self.knots is not None:
            self._set(knots=whole("OpenLoop.knots", self.knots, least=2))
        if self.values is not None:
            self._set(values=array("OpenLoop.values", self.values, (), ("k",), ("times", "k")))

    def _times(self, steps: int) -> int:
        return steps if self.knots is None else self.knots

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError if the values have another shape than the scene and the rollout ask for."""
        k, times = actuators_of("OpenLoop", scene), self._times(steps)
        if self.knots is not None and steps * self.knots >= 2**31:
            raise InputError(f"OpenLoop.knots is {self.knots}, but steps times knots must be below 2^31")
        if self.values is not None:
            owner = f"OpenLoop.values of {times} times and {k} actuators"
            array(owner, self.values, (), (k,), (times, k))

    def numbers(self, scene: Any, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
        """The values, (steps or knots, k)."""
        shape = (self._times(steps), len(scene.actuators))
        if self.values is None:
            return {"values": 0.1 * np.random.default_rng(seed).normal(size=shape)}
        return {"values": np.broadcast_to(self.values, shape)}

    def act(
        self, numbers: Mapping[str, np.ndarray], seen: Mapping[str, np.ndarray], time: Any, problem: Any
    ) -> np.ndarray:
        """(..., k) actuations at a time, in NumPy: see `Problem.act`."""
        return applied(self.wave(numbers, time, problem), self.saturate, problem.scene)

    def wave(self, numbers: Mapping[str, np.ndarray], time: Any, problem: Any) -> np.ndarray:
        """(..., k) the values at times (...) [s]; behind the last step those of the last."""
        values = numbers["values"]
        step = np.clip(np.rint(np.asarray(time) / problem.scene.dt), 0, problem.steps - 1)
        at = step if self.knots is None else step * (self.knots - 1) / max(problem.steps - 1, 1)
        left = np.clip(np.floor(at).astype(int), 0, max(len(values) - 2, 0))
        along = (at - left)[..., None]
        found: np.ndarray = values[left] + along * (values[np.minimum(left + 1, len(values) - 1)] - values[left])
        return found

    def build(self, fields: Fields, model: Model, out: Any = None, prefix: str = "controller") -> Part:
        """Declare fields and list stages; ``out`` is what to write, the model's actuation if None."""
        k, times = model.actuators, self._times(model.steps)
        values = fields.number(f"{prefix}.values", times * k, index=np.arange(times * k))
        limited = out is None and saturates(self.saturate, model)
        schedule = Schedule(values, k, times, max(model.steps - 1, 1), limited)
        stage = scheduled_actuation if self.knots is None else interpolated_actuation
        out = model.array("actuation", "OpenLoop", "writes") if out is None else out
        return Part(step=(Stage(stage, (schedule, out), k),))
