"""What joins planar rigid bodies to each other and to the world: joints hold, springs pull.

Like bodies they are checked by the scene that they are put in, which also finds what is left to the initial pose:
anchors, lengths, angles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.checks import ROUNDING, flag
from diffsim.physics.rigid_bodies.bodies import Element, Shape, slack
from diffsim.spec import array, number, whole

__all__ = [
    "Connection",
    "Pin",
    "PlanarJoint",
    "Rope",
    "Slider",
    "Spring",
    "Weld",
    "body_given",
    "in_world",
    "owners_of",
    "pair_given",
]

_WORLD = Shape(np.zeros(2))


@dataclass(frozen=True, eq=False, repr=False)
class Connection(Element):
    """What joints and springs have in common: two bodies, or a body and the world, and an anchor on each.

    Attributes:
        first: index of a body.
        second: index of another body, or None for the world.
        anchors: (2, 2) a point of each, in the frame of its body or in the world [m].
    """

    first: Any
    second: Any
    anchors: Any

    def placed(self, owner: str, bodies: Sequence[Shape]) -> Any:
        """The same in arrays and floats, with what it leaves to the initial pose of the bodies.

        Raises:
            InputError: naming ``owner``, its attribute, what was given and what is allowed; and if it does not fit the
                initial pose.
        """
        first, second = pair_given(owner, self.first, self.second, len(bodies))
        return replace(self, first=first, second=second)._placed(owner, bodies)

    def _placed(self, owner: str, bodies: Sequence[Shape]) -> Any:
        return replace(self, anchors=array(f"{owner}.anchors", self.anchors, (2, 2)))

    def shapes(self, bodies: Sequence[Shape]) -> tuple[Shape, Shape]:
        """The two bodies; the world is a point at its origin."""
        return bodies[self.first], _WORLD if self.second is None else bodies[self.second]

    def ends(self, bodies: Sequence[Shape]) -> np.ndarray:
        """(2, 2) its anchors in the world [m]."""
        return np.stack([shape.to_world(a) for shape, a in zip(self.shapes(bodies), self.anchors, strict=True)])

    def distance(self, bodies: Sequence[Shape]) -> float:
        """Of its anchors from each other [m]."""
        start, end = self.ends(bodies)
        return float(np.linalg.norm(end - start))


def owners_of(links: Sequence[Any], n: int) -> np.ndarray:
    """(k, 2) whose anchors k links have, in a scene of n bodies: the number of a body, n for the world."""
    found = [(link.first, n if link.second is None else link.second) for link in links]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def in_world(position: np.ndarray, angle: np.ndarray, owners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(..., k, 2) where points of bodies are [m].

    Args:
        position: (..., n, 2) of the bodies [m].
        angle: (..., n) [rad].
        owners: (k,) the body that each point belongs to, n for the world.
        points: (..., k, 2) in the frames of their owners [m].
    """
    position = np.concatenate([position, np.zeros_like(position[..., :1, :])], axis=-2)[..., owners, :]
    angle = np.concatenate([angle, np.zeros_like(angle[..., :1])], axis=-1)
    cos, sin = np.cos(angle)[..., owners], np.sin(angle)[..., owners]
    x, y = points[..., 0], points[..., 1]
    return position + np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def pair_given(owner: str, first: Any, second: Any, n: int) -> tuple[int, int | None]:
    """Two bodies of n, or one and None for the world.

    Raises:
        InputError: naming ``owner``, what was given and what is allowed.
    """
    if first is None:
        raise InputError(f"{owner}.first is None, but it must be a body; the world can only be second")
    one = body_given(f"{owner}.first", first, n)
    other = None if second is None else body_given(f"{owner}.second", second, n)
    if one == other:
        raise InputError(f"{owner} joins body {one} to itself, but it takes two bodies, or None for the world")
    return one, other


def body_given(owner: str, value: Any, n: int) -> int:
    """The index of one of n bodies.

    Raises:
        InputError: naming ``owner``, what was given and what is allowed.
    """
    index = whole(owner, value, least=None)
    if not 0 <= index < n:
        raise InputError(f"{owner} is {index}, but the scene has {n} bodies (0 to {n - 1})")
    return index


@dataclass(frozen=True, eq=False, repr=False)
class PlanarJoint(Connection):
    """What joints have in common that leave some motion between two bodies, or none.

    Attributes:
        first: index of a body.
        second: index of another body, or None for the world.
        anchors: (2, 2) a point of each, in the frame of its body or in the world [m].
        at: (2,) instead of anchors: the place in the world where both are in the initial pose [m].
        collide: whether the two bodies may touch each other.
    """

    anchors: Any = field(default=None, kw_only=True)
    _: KW_ONLY
    at: Any = None
    collide: bool = False

    def _placed(self, owner: str, bodies: Sequence[Shape]) -> Any:
        if (self.at is None) == (self.anchors is None):
            given = "neither at nor anchors" if self.at is None else "at and anchors"
            raise InputError(f"{owner} has {given}, but it takes one of them: a place, or a point of each body")
        anchors = self.anchors
        if self.at is not None:
            place = array(f"{owner}.at", self.at, (2,))
            anchors = [shape.to_body(place) for shape in self.shapes(bodies)]
        joint = replace(self, at=None, collide=flag(f"{owner}.collide", self.collide), anchors=anchors)
        return Connection._placed(joint, owner, bodies)


def _check_together(owner: str, joint: PlanarJoint, bodies: Sequence[Shape]) -> None:
    apart = joint.distance(bodies)
    if apart > slack(*joint.shapes(bodies)):
        raise InputError(
            f"{owner} holds two anchors together, but they are {apart:g} m apart at the start; move a body or an anchor"
        )


def _held_angle(owner: str, joint: Weld | Slider, bodies: Sequence[Shape]) -> float:
    first, second = joint.shapes(bodies)
    start = second.angle - first.angle
    if joint.angle is None:
        return start
    angle = number(f"{owner}.angle", joint.angle)
    if abs(angle - start) > ROUNDING * max(1.0, abs(first.angle), abs(second.angle)):
        raise InputError(
            f"{owner} holds an angle of {angle:g} rad between its bodies, but it is {start:g} rad at the start; "
            "turn a body, or leave the angle out"
        )
    return angle


def _drive(owner: str, joint: Pin | Slider) -> dict[str, float]:
    return {
        "motor": number(f"{owner}.motor", joint.motor, least=0.0),
        "damping": number(f"{owner}.damping", joint.damping, least=0.0),
    }


@dataclass(frozen=True, eq=False, repr=False)
class Pin(PlanarJoint):
    """A hinge: two points stay together. ``Pin(0, 1, at=(0.2, 0.5))``; the rest is as in `PlanarJoint`.

    Attributes:
        motor: torque on the second body, and its opposite on the first, at an actuation of 1 [N m]; one above 0 makes
            the joint an actuator.
        damping: torque against the relative rotation, per rate [N m s].
    """

    _: KW_ONLY
    motor: Any = 0.0
    damping: Any = 0.0

    def _placed(self, owner: str, bodies: Sequence[Shape]) -> Pin:
        pin = super()._placed(owner, bodies)
        _check_together(owner, pin, bodies)
        return replace(pin, **_drive(owner, pin))


@dataclass(frozen=True, eq=False, repr=False)
class Weld(PlanarJoint):
    """Two bodies that move as one. ``Weld(0, 1, at=(0.2, 0.5))``; the rest is as in `PlanarJoint`.

    Attributes:
        angle: of the second body minus that of the first [rad]; None is that of the initial pose.
    """

    _: KW_ONLY
    angle: Any = None

    def _placed(self, owner: str, bodies: Sequence[Shape]) -> Weld:
        weld = super()._placed(owner, bodies)
        _check_together(owner, weld, bodies)
        return replace(weld, angle=_held_angle(owner, weld, bodies))


@dataclass(frozen=True, eq=False, repr=False)
class Slider(PlanarJoint):
    """The second body moves along a line of the first, and keeps its relative angle. The rest is as in `PlanarJoint`.

    ``Slider(0, 1, at=(0.2, 0.5), axis=(0, 1))``: the anchor of the second stays on the line through that of the first.

    Attributes:
        axis: (2,) direction of the line in the world, in the initial pose; None is (1, 0).
        axis_angle: instead of an axis: its angle in the frame of the first body [rad]. The scene turns an axis into it.
        angle: of the second body minus that of the first [rad]; None is that of the initial pose.
        motor: force on the second body along the axis, and its opposite on the first, at an actuation of 1 [N]; one
            above 0 makes the joint an actuator.
        damping: force against the relative motion, per rate [N s/m].
    """

    _: KW_ONLY
    axis: Any = None
    axis_angle: Any = None
    angle: Any = None
    motor: Any = 0.0
    damping: Any = 0.0

    def _placed(self, owner: str, bodies: Sequence[Shape]) -> Slider:
        slider = super()._placed(owner, bodies)
        first, second = slider.shapes(bodies)
        axis_angle = slider._own_axis(owner, first.angle)
        start, end = slider.ends(bodies)
        axis = axis_angle + first.angle
        beside = abs(np.array([-np.sin(axis), np.cos(axis)]) @ (end - start))
        if beside > slack(first, second):
            raise InputError(
                f"{owner} slides along its axis, but its second anchor is {beside:g} m beside it at the start; "
                "move a body or an anchor, or turn the axis"
            )
        held = _held_angle(owner, slider, bodies)
        return replace(slider, axis=None, axis_angle=axis_angle, angle=held, **_drive(owner, slider))

    def _own_axis(self, owner: str, angle: float) -> float:
        """In the frame of a first body at ``angle``."""
        if self.axis_angle is not None:
            if self.axis is not None:
                raise InputError(f"{owner} has axis and axis_angle, but it takes one of them")
            return number(f"{owner}.axis_angle", self.axis_angle)
        axis = array(f"{owner}.axis", (1.0, 0.0) if self.axis is None else self.axis, (2,))
        if not axis.any():
            raise InputError(f"{owner}.axis is {axis.tolist()}, but it must be a direction, e.g. (1, 0)")
        return float(np.arctan2(axis[1], axis[0])) - angle


@dataclass(frozen=True, eq=False, repr=False)
class Rope(Connection):
    """Two points that are at most a length apart, and free below: ``Rope(0, None, ((0.1, 0.0), (0.0, 2.0)), 0.5)``.

    Attributes:
        first: index of a body.
        second: index of another body, or None for the world.
        anchors: (2, 2) a point of each, in the frame of its body or in the world [m].
        length: [m]; None is the distance in the initial pose.
        collide: whether the two bodies may touch each other. Unlike at the other joints they do if nothing is said.
    """

    length: Any = None
    _: KW_ONLY
    collide: bool = True

    def _placed(self, owner: str, bodies: Sequence[Shape]) -> Rope:
        rope = super()._placed(owner, bodies)
        start = rope.distance(bodies)
        if rope.length is None and start == 0.0:
            raise InputError(f"{owner} has its anchors in one place; move one, or give it a length")
        length = number(f"{owner}.length", start if rope.length is None else rope.length, above=0.0)
        if start > length + slack(*rope.shapes(bodies)):
            raise InputError(
                f"{owner} is a rope of {length:g} m, but its anchors are {start:g} m apart at the start; "
                "move a body, or make it longer"
            )
        return replace(rope, length=length, collide=flag(f"{owner}.collide", rope.collide))


@dataclass(frozen=True, eq=False, repr=False)
class Spring(Connection):
    """A spring between two points: ``Spring(0, 1, ((0.1, 0.0), (-0.1, 0.0)), stiffness=50.0)``.

    It pulls its ends together with ``stiffness * (length - target) + damping * rate`` newtons, where
    ``target = rest_length * (1 + actuation * a)`` and ``a`` is what the controller asks for.

    Attributes:
        first: index of a body.
        second: index of another body, or None for the world.
        anchors: (2, 2) a point of each, in the frame of its body or in the world [m].
        stiffness: [N/m].
        rest_length: [m]; None is the distance in the initial pose.
        damping: force along the spring per rate of its length [N s/m].
        actuation: relative change of the rest length at an actuation of 1; one that is not 0 makes the spring an
            actuator.
    """

    stiffness: Any
    rest_length: Any = None
    damping: Any = 0.0
    actuation: Any = 0.0

    def _placed(self, owner: str, bodies: Sequence[Shape]) -> Spring:
        spring = super()._placed(owner, bodies)
        start = spring.distance(bodies)
        if spring.rest_length is None and start == 0.0:
            raise InputError(
                f"{owner} joins two anchors in one place: its direction is undefined; move one, or give a rest_length"
            )
        rest_length = start if spring.rest_length is None else spring.rest_length
        return replace(
            spring,
            stiffness=number(f"{owner}.stiffness", spring.stiffness, least=0.0),
            rest_length=number(f"{owner}.rest_length", rest_length, least=0.0),
            damping=number(f"{owner}.damping", spring.damping, least=0.0),
            actuation=number(f"{owner}.actuation", spring.actuation),
        )
