"""Feedback towards a moving target, for each actuator by itself."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import taichi as ti

from diffsim.controllers.open_loop import OpenLoop
from diffsim.controllers.sine import Sine
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.physics.checks import actuators_of
from diffsim.spec import Spec, array

__all__ = ["PD"]


@dataclass(frozen=True)
class Gains:
    kp: Any  # (env, actuator)
    kd: Any  # (env, actuator) [s]
    target: Any  # (env, row, actuator)
    position: Any  # (env, row, actuator)
    velocity: Any  # (env, row, actuator)
    actuation: Any  # (env, row, actuator)


@ti.func
def pd_actuation(gains: ti.template(), env, row, step, actuator):
    error = gains.target[env, row, actuator] - gains.position[env, row, actuator]
    rate = gains.velocity[env, row, actuator]
    gains.actuation[env, row, actuator] = gains.kp[env, actuator] * error - gains.kd[env, actuator] * rate


@dataclass(frozen=True, eq=False, repr=False)
class PD(Spec):
    """``kp * (target - position) - kd * velocity`` of each actuator's own coordinate.

    What the coordinate is, the model says: the relative extension of a spring, the angle of a joint. Parameters of
    the target are named ``controller.target.phase`` and so on.

    Attributes:
        target: a `Sine` or an `OpenLoop` that gives the target.
        kp: () or (k,) actuation per unit of the coordinate; a single number stays one shared parameter.
        kd: () or (k,) the same per unit per second [s].
    """

    kind: ClassVar[str] = "controller"
    reads: ClassVar[frozenset[str]] = frozenset({"actuator_state"})

    target: Any = field(default_factory=Sine)
    kp: Any = 1.0
    kd: Any = 0.0

    def __post_init__(self) -> None:
        """Check the gains and the target's class."""
        if not isinstance(self.target, (Sine, OpenLoop)):
            raise InputError(f"PD.target is {self.target!r}, but a Sine or an OpenLoop is needed")
        self._set(kp=array("PD.kp", self.kp, (), ("k",)), kd=array("PD.kd", self.kd, (), ("k",)))

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError if the scene has another number of actuators."""
        k = actuators_of("PD", scene)
        for name in ("kp", "kd"):
            array(f"PD.{name} of a scene with {k} actuators", getattr(self, name), (), (k,))
        self.target.check(scene, steps)

    def numbers(self, scene: Any, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Gains, and the target's parameters."""
        target = self.target.numbers(scene, steps, seed)
        return {"kp": self.kp, "kd": self.kd, **{f"target.{name}": value for name, value in target.items()}}

    def build(self, fields: Fields, model: Model, prefix: str = "controller") -> Part:
        """The target's stages, and one that closes the loop."""
        k = model.actuators
        target = fields.trajectory("target", k, per_step=True)
        part = self.target.build(fields, model, target, f"{prefix}.target")
        gains = Gains(
            kp=fields.number(f"{prefix}.kp", k),
            kd=fields.number(f"{prefix}.kd", k),
            target=target,
            position=model.array("actuator_position", "PD"),
            velocity=model.array("actuator_velocity", "PD"),
            actuation=model.array("actuation", "PD", "writes"),
        )
        return Part(part.prepare, (*part.step, Stage(pd_actuation, (gains,), k)))
