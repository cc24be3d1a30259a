"""What turns and pushes planar rigid bodies without holding them: torsion springs, thrusters, recorded pushes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.checks import flag
from diffsim.physics.rigid_bodies.bodies import Element, Shape
from diffsim.physics.rigid_bodies.joints import body_given, pair_given
from diffsim.spec import array, number

__all__ = ["Push", "Thruster", "TorsionSpring"]


@dataclass(frozen=True, eq=False, repr=False)
class TorsionSpring(Element):
    """A spring that turns two bodies, or a body and the world: ``TorsionSpring(0, 1, stiffness=2.0)``.

    The torque on the second body, and its opposite on the first, is
    ``-stiffness * (angle - target) - damping * rate`` newton metres, where ``angle`` is that of the second less that of
    the first, ``target = rest_angle + actuation * a``, and ``a`` is what the controller asks for. It holds nothing
    together: a `Pin` may. Angles do not wrap.

    Attributes:
        first: index of a body.
        second: index of another body, or None for the world.
        stiffness: [N m/rad].
        rest_angle: of the second less that of the first [rad]; None is that of the initial pose.
        damping: torque per rate of the angle [N m s/rad].
        actuation: change of the rest angle at an actuation of 1 [rad]; one that is not 0 makes the spring an actuator.
    """

    first: Any
    second: Any
    stiffness: Any
    rest_angle: Any = None
    damping: Any = 0.0
    actuation: Any = 0.0

    def placed(self, owner: str, bodies: Sequence[Shape]) -> TorsionSpring:
        """The same in arrays and floats, with what it leaves to the initial pose of the bodies.

        Raises:
            InputError: naming ``owner``, its attribute, what was given and what is allowed.
        """
        first, second = pair_given(owner, self.first, self.second, len(bodies))
        start = (0.0 if second is None else bodies[second].angle) - bodies[first].angle
        return replace(
            self,
            first=first,
            second=second,
            stiffness=number(f"{owner}.stiffness", self.stiffness, least=0.0),
            rest_angle=number(f"{owner}.rest_angle", start if self.rest_angle is None else self.rest_angle),
            damping=number(f"{owner}.damping", self.damping, least=0.0),
            actuation=number(f"{owner}.actuation", self.actuation),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Thruster(Element):
    """A force on a body that a controller gives: ``Thruster(0, thrust=5.0, point=(-0.2, 0.0))``.

    It is an actuator: the force is ``thrust * a`` newtons along its direction, for an actuation of ``a``. Two of
    them at one point, along x and y, give a force of any direction.

    Attributes:
        body: index of a body.
        thrust: at an actuation of 1 [N].
        point: (2,) where it acts, in the frame of the body [m].
        angle: of its direction, from the body's x axis, or from the world's [rad].
        turns: whether the direction turns with the body, as of a rocket; else it stays as it is in the world.
    """

    body: Any
    _: KW_ONLY
    thrust: Any
    point: Any = (0.0, 0.0)
    angle: Any = 0.0
    turns: bool = True

    def placed(self, owner: str, bodies: Sequence[Shape]) -> Thruster:
        """The same in arrays and floats.

        Raises:
            InputError: naming ``owner``, its attribute, what was given and what is allowed.
        """
        return replace(
            self,
            body=body_given(f"{owner}.body", self.body, len(bodies)),
            thrust=number(f"{owner}.thrust", self.thrust, above=0.0),
            point=array(f"{owner}.point", self.point, (2,)),
            angle=number(f"{owner}.angle", self.angle),
            turns=flag(f"{owner}.turns", self.turns),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Push(Element):
    """A force on a body over time, such as a recorded one: ``Push(0, forces, every=0.01)``.

    Between samples it is interpolated; before the first and after the last there is none.

    Attributes:
        body: index of a body.
        forces: (k, 2) samples in the world, at least two [N].
        every: time from sample to sample [s].
        start: time of the first [s].
        point: (2,) where it acts, in the frame of the body [m].
    """

    body: Any
    forces: Any
    _: KW_ONLY
    every: Any
    start: Any = 0.0
    point: Any = (0.0, 0.0)

    def placed(self, owner: str, bodies: Sequence[Shape]) -> Push:
        """The same in arrays and floats.

        Raises:
            InputError: naming ``owner``, its attribute, what was given and what is allowed.
        """
        forces = array(f"{owner}.forces", self.forces, ("k", 2))
        if len(forces) < 2:
            raise InputError(f"{owner}.forces has {len(forces)} samples, but a push over time takes at least 2")
        return replace(
            self,
            body=body_given(f"{owner}.body", self.body, len(bodies)),
            forces=forces,
            every=number(f"{owner}.every", self.every, above=0.0),
            start=number(f"{owner}.start", self.start),
            point=array(f"{owner}.point", self.point, (2,)),
        )

    def at(self, time: np.ndarray) -> np.ndarray:
        """(..., 2) the force at times (...) [N]."""
        samples = self.start + self.every * np.arange(len(self.forces))
        parts = [np.interp(time, samples, self.forces[:, c], left=0.0, right=0.0) for c in range(2)]
        return np.stack(parts, axis=-1)
