"""What drives robots."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from diffsim.physics.articulated.values import interval, named
from diffsim.physics.checks import optional
from diffsim.spec import Spec, array, number

__all__ = ["Actuator"]


@dataclass(frozen=True, eq=False, repr=False)
class Actuator(Spec):
    """A motor or servo at a hinge or slide.

    Its force is ``gain * u + bias . (1, gear * q, gear * q')``, and the joint gets ``gear * force``. The control u is
    what the controller asks for: of an actuator with a control range, actuations from -1 to 1 span the range; of one
    without, the actuation is the control. With a ``neutral`` control n an actuation a asks for ``n + a r`` within the
    range, r the way from n to the farther end of it, or 1 without a range.

    Attributes:
        name: unique among the actuators.
        joint: name of a hinge or slide.
        gear: force or torque at the joint per force of the actuator.
        gain: force per control.
        bias: (3,) constant force, force per position, force per velocity (of gear times the joint).
        control_range: (lowest, highest) control; None is unlimited.
        force_range: (lowest, highest) force; None is unlimited.
        neutral: control at an actuation of 0; None is the middle of the control range, or 0 without one.
    """

    name: str
    joint: str
    _: KW_ONLY
    gear: float = 1.0
    gain: float = 1.0
    bias: Any = (0.0, 0.0, 0.0)
    control_range: Any = None
    force_range: Any = None
    neutral: float | None = None

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"actuator {named('Actuator.name', self.name)!r}: "
        named(f"{owner}joint", self.joint)
        self._set(
            gear=number(f"{owner}gear", self.gear),
            gain=number(f"{owner}gain", self.gain),
            bias=array(f"{owner}bias", self.bias, (3,)),
            control_range=interval(f"{owner}control_range", self.control_range),
            force_range=interval(f"{owner}force_range", self.force_range),
            neutral=optional(f"{owner}neutral", self.neutral),
        )

    @classmethod
    def motor(cls, joint: str, gear: float = 1.0, *, name: str | None = None, **options: Any) -> Actuator:
        """Force ``u`` at a joint, times ``gear``; controls from -1 to 1 unless told otherwise."""
        return cls(name or joint, joint, gear=gear, **{"control_range": (-1.0, 1.0), **options})

    @classmethod
    def position(cls, joint: str, kp: float, kv: float = 0.0, *, name: str | None = None, **options: Any) -> Actuator:
        """Servo of a position: ``kp * (u - q) - kv * q'``."""
        return cls(name or joint, joint, gain=kp, bias=(0.0, -kp, -kv), **options)

    @classmethod
    def velocity(cls, joint: str, kv: float, *, name: str | None = None, **options: Any) -> Actuator:
        """Servo of a velocity: ``kv * (u - q')``."""
        return cls(name or joint, joint, gain=kv, bias=(0.0, 0.0, -kv), **options)
