"""What drives robots."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from diffsim.errors import InputError
from diffsim.physics.articulated.muscle import Muscle
from diffsim.physics.articulated.values import interval, named
from diffsim.physics.checks import optional
from diffsim.spec import Spec, array, choices, number

__all__ = ["Actuator"]

DYNAMICS = ("integrator", "filter", "filterexact", "muscle")


@dataclass(frozen=True, eq=False, repr=False)
class Actuator(Spec):
    """A motor or servo at a hinge or slide, along a tendon, at a site, or adhesion of a link.

    Its force is ``gain * u + bias . (1, gear * q, gear * q')``, and the joint gets ``gear * force``; q is the position
    of the joint or the length of the tendon, which gets it likewise. At a site it is ``force * wrench``, q is 0 and q'
    how fast the site goes along the wrench. A link sticks with ``gear * force`` in all to what it touches, shared
    equally among its contacts, along their normals; its q and q' are 0. The control u is what the controller asks for:
    of an actuator with a control range, actuations from -1 to 1 span the range; of one without, the actuation is the
    control. With a ``neutral`` control n an actuation a asks for ``n + a r`` within the range, r the way from n to the
    farther end of it, or 1 without a range.

    With dynamics the force is of the activation w instead of u: ``w' = u`` ("integrator"), or ``w' = (u - w) / T``
    ("filter", by Euler's steps; "filterexact"), or ``w' = (u - w) / T(u, w)``, with u from 0 to 1, T going over from
    ``time_constant`` times 0.5 + 1.5 w to ``deactivation_time`` over that where it falls ("muscle"); MuJoCo's of these
    names. A muscle has curves in place of gain and bias.

    Attributes:
        name: unique among the actuators.
        joint: name of a hinge or slide.
        tendon: name of a tendon; of joint, tendon, site and link one is given.
        site: name of a site of a link.
        link: name of a link that sticks to what its own geoms touch.
        wrench: (6,) force [N] and torque [N m] on the site's link at the site per force, in the link's frame.
        gear: force or torque at the joint per force of the actuator; 1 at a site.
        gain: force per control.
        gain_slope: (2,) how much the gain grows per position and velocity (of gear times the joint), as of a damper.
        bias: (3,) constant force, force per position, force per velocity (of gear times the joint).
        control_range: (lowest, highest) control; None is unlimited.
        force_range: (lowest, highest) force; None is unlimited.
        neutral: control at an actuation of 0; None is the middle of the control range, or 0 without one.
        dynamics: None, "integrator", "filter", "filterexact" or "muscle".
        time_constant: T of filters, and of a muscle that is activated [s].
        deactivation_time: T of a muscle that is let go [s].
        activation_width: of u - w, over which T goes over from one to the other; 0 switches.
        muscle: of `Muscle`, what it pulls with; None is gain and bias.
        activation_range: (lowest, highest) activation; None is unlimited.
        initial_activation: w at the start.
    """

    name: str
    joint: str | None = None
    _: KW_ONLY
    tendon: str | None = None
    site: str | None = None
    link: str | None = None
    wrench: Any = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    gear: float = 1.0
    gain: float = 1.0
    gain_slope: Any = (0.0, 0.0)
    bias: Any = (0.0, 0.0, 0.0)
    control_range: Any = None
    force_range: Any = None
    neutral: float | None = None
    dynamics: str | None = None
    time_constant: float = 1.0
    deactivation_time: float = 0.04
    activation_width: float = 0.0
    muscle: Muscle | None = None
    activation_range: Any = None
    initial_activation: float = 0.0

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"actuator {named('Actuator.name', self.name)!r}: "
        drives = ("joint", "tendon", "site", "link")
        given = {what: name for what in drives if (name := getattr(self, what)) is not None}
        if len(given) != 1:
            raise InputError(
                f"{owner}{' and '.join(given) or 'nothing'} is given, but it drives one joint, tendon, site or link"
            )
        for what, name in given.items():
            named(f"{owner}{what}", name)
        if self.dynamics is not None:
            choices(f"{owner}dynamics", self.dynamics, DYNAMICS)
        elif self.activation_range is not None:
            raise InputError(f"{owner}activation_range is given, but without dynamics there is no activation")
        self._set(
            wrench=array(f"{owner}wrench", self.wrench, (6,)),
            gear=number(f"{owner}gear", self.gear),
            gain=number(f"{owner}gain", self.gain),
            gain_slope=array(f"{owner}gain_slope", self.gain_slope, (2,)),
            bias=array(f"{owner}bias", self.bias, (3,)),
            control_range=interval(f"{owner}control_range", self.control_range),
            force_range=interval(f"{owner}force_range", self.force_range),
            neutral=optional(f"{owner}neutral", self.neutral),
            time_constant=number(f"{owner}time_constant", self.time_constant, above=0.0),
            deactivation_time=number(f"{owner}deactivation_time", self.deactivation_time, above=0.0),
            activation_width=number(f"{owner}activation_width", self.activation_width, least=0.0),
            activation_range=interval(f"{owner}activation_range", self.activation_range),
            initial_activation=number(f"{owner}initial_activation", self.initial_activation),
        )

        if self.link is not None and (self.bias[1:].any() or self.gain_slope.any()):
            raise InputError(f"{owner}bias or gain_slope is given, but link {self.link!r} has no position to stick by")
        self._check_muscle(owner)

    def _check_muscle(self, owner: str) -> None:
        """A muscle has a length, and no gain or bias of its own."""
        if self.muscle is None:
            return
        if not isinstance(self.muscle, Muscle):
            raise InputError(f"{owner}muscle is {self.muscle!r}, but a Muscle is needed")
        for what, name in (("site", self.site), ("link", self.link)):
            if name is not None:
                raise InputError(f"{owner}a muscle drives {what} {name!r}, but it needs a tendon or joint: a length")
        if self.gain != 1.0 or self.bias.any() or self.gain_slope.any():
            raise InputError(f"{owner}gain, bias or gain_slope is given, but a muscle has its own")

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

    @classmethod
    def adhesion(cls, link: str, gain: float, *, name: str | None = None, **options: Any) -> Actuator:
        """Force ``gain * u`` with which a link sticks to what it touches; controls from 0 to 1 if not told."""
        return cls(name or link, link=link, gain=gain, **{"control_range": (0.0, 1.0), **options})
