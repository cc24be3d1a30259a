"""Feedback towards a moving target, for each actuator by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import taichi as ti

from diffsim.controllers.base import Controller
from diffsim.controllers.open_loop import OpenLoop
from diffsim.controllers.saturation import applied, saturated, saturates
from diffsim.controllers.sine import Sine
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Rows, Stage
from diffsim.errors import InputError
from diffsim.numbers import tunable
from diffsim.physics.checks import flag

__all__ = ["PD"]


@ti.func
def pd_actuation(gains: ti.template(), out: ti.template(), env, row, step, actuator):
    error = gains.target[env, row, actuator] - gains.actuator_position[env, row, actuator]
    rate = gains.actuator_velocity[env, row, actuator]
    asked = gains.kp[env, actuator] * error - gains.kd[env, actuator] * rate
    if ti.static(gains.limited):
        out[env, row, actuator] = saturated(asked)
    else:
        out[env, row, actuator] = asked


@dataclass(frozen=True, eq=False, repr=False)
class PD(Controller):
    """``kp * (target - position) - kd * velocity`` of each actuator's own coordinate.

    What the coordinate is, the model says: the relative extension of a spring, the angle of a joint. Parameters of
    the target are named ``controller.target.phase`` and so on.

    Attributes:
        target: a `Sine` or an `OpenLoop` that gives the target.
        kp: () or (k,) actuation per unit of the coordinate; a single number stays one shared parameter.
        kd: () or (k,) the same per unit per second [s].
        saturate: whether the actuation stays between -1 and 1: beyond 0.8 in size it bends towards 1, and what is
            asked for keeps a gradient. It does nothing where actuators have limits of their own (robots).
    """

    reads = "actuator_state"

    target: Any = field(default_factory=Sine)
    kp: Any = tunable("k", default=1.0)
    kd: Any = tunable("k", default=0.0)
    saturate: bool = True

    def __post_init__(self) -> None:
        """Check the gains and the target's class."""
        if not isinstance(self.target, (Sine, OpenLoop)):
            raise InputError(f"PD.target is {self.target!r}, but a Sine or an OpenLoop is needed")
        super().__post_init__()
        self._set(saturate=flag("PD.saturate", self.saturate))

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError if the scene has another number of actuators."""
        super().check(scene, steps)
        self.target.check(scene, steps)

    def numbers(self, scene: Any, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Gains, and the target's parameters."""
        target = self.target.numbers(scene, steps, seed)
        return {**super().numbers(scene, steps, seed), **{f"target.{name}": value for name, value in target.items()}}

    def act(
        self, numbers: Mapping[str, np.ndarray], seen: Mapping[str, np.ndarray], time: Any, problem: Any
    ) -> np.ndarray:
        """(..., k) actuations in a state, in NumPy: see `Problem.act`."""
        own = {name.removeprefix("target."): value for name, value in numbers.items() if name.startswith("target.")}
        timed = (time,) if isinstance(self.target, Sine) else (time, problem)
        error = self.target.wave(own, *timed) - seen["actuator_position"]
        return applied(numbers["kp"] * error - numbers["kd"] * seen["actuator_velocity"], self.saturate, problem.scene)

    def build(self, fields: Fields, model: Model, prefix: str = "controller") -> Part:
        """The target's stages, and one that closes the loop."""
        k = model.actuators
        limited = saturates(self.saturate, model)
        gains = self.record(fields, model, prefix, limited=limited, target=Rows(k, per_step=True))
        part = self.target.build(fields, model, gains.target, f"{prefix}.target")
        last = Stage(pd_actuation, (gains, model.array("actuation", "PD", "writes")), k)
        return Part(part.prepare, (*part.step, last))
