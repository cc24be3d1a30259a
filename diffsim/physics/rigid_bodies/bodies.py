"""Planar rigid bodies and the obstacles that they meet.

A body or an obstacle is checked by the scene that it is put in, which can say which one is meant: "bodies[2].radius is
-1, but it must be greater than 0".
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.checks import ROUNDING, direction, optional
from diffsim.spec import Spec, array, number, whole

__all__ = ["Body", "Box", "Capsule", "Disc", "Element", "HalfPlane", "Polygon", "Segment", "Shape", "slack"]

_MOST_VERTICES = 8  # a pair of polygons costs a time that grows with the product of their numbers of vertices


class Element(Spec):
    """One of the many things in a scene of rigid bodies: prints without what was left at its default."""

    def given(self) -> dict[str, Any]:
        """The fields that are not at their default."""
        default: dict[str, Any] = {field.name: field.default for field in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in self._values().items() if not np.array_equal(value, default[name])}

    def _shown(self) -> dict[str, Any]:
        return self.given()


@dataclass(frozen=True, eq=False, repr=False)
class Shape(Element):
    """What bodies and obstacles have in common: a frame of their own, and the surface.

    A shape is the convex hull of its `core`, grown by its `margin`; it knows both once a scene has checked it. A bare
    ``Shape`` is a point.

    Attributes:
        position: (2,) origin of its frame in the world [m].
        angle: from the world's x axis to its own, counter-clockwise [rad].
        friction: Coulomb's coefficient; None is the scene's, for an obstacle that of the body that touches it. Two
            coefficients combine to their geometric mean.
        restitution: share of the normal speed that is kept at a bounce, from 0 to 1; None as for friction.
    """

    position: Any
    _: KW_ONLY
    angle: Any = 0.0
    friction: Any = None
    restitution: Any = None

    def checked(self, owner: str) -> Any:
        """The same in arrays and floats.

        Raises:
            InputError: naming ``owner``, its attribute, what was given and what is allowed.
        """
        return replace(self, **self._checked(owner))

    def _checked(self, owner: str) -> dict[str, Any]:
        return {
            "position": array(f"{owner}.position", self.position, (2,)),
            "angle": number(f"{owner}.angle", self.angle),
            "friction": optional(f"{owner}.friction", self.friction, least=0.0),
            "restitution": optional(f"{owner}.restitution", self.restitution, least=0.0, most=1.0),
        }

    @property
    def core(self) -> np.ndarray:
        """(k, 2) points in its own frame [m], counter-clockwise."""
        return np.zeros((1, 2))

    @property
    def margin(self) -> float:
        """By how much the hull of the core is grown to all sides [m]."""
        return getattr(self, "radius", 0.0)

    @property
    def size(self) -> float:
        """Largest distance of any of its points from the origin of its frame [m]."""
        return float(np.linalg.norm(self.core, axis=1).max()) + self.margin

    def to_world(self, points: Any) -> np.ndarray:
        """(..., 2) points of its own frame in the world [m]."""
        return self.position + points @ _rotation(self.angle).T

    def to_body(self, points: Any) -> np.ndarray:
        """(..., 2) points of the world in its own frame [m]."""
        return (points - self.position) @ _rotation(self.angle)


def _rotation(angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def slack(*shapes: Shape) -> float:
    """Distance that counts as none between these shapes [m]: the rounding of their size and of their place."""
    return ROUNDING * max(max(shape.size, float(np.linalg.norm(shape.position))) for shape in shapes)


@dataclass(frozen=True, eq=False, repr=False)
class Body(Shape):
    """What moving bodies have in common; `Box`, `Disc`, `Capsule` and `Polygon` add their outline.

    As an obstacle a body does not move, and what follows the surface is left out.

    Attributes:
        position: (2,) of the centre of mass, which is the origin of the body's frame [m].
        angle: from the world's x axis to the body's, counter-clockwise [rad].
        friction: Coulomb's coefficient; None is the scene's.
        restitution: share of the normal speed that is kept at a bounce, from 0 to 1; None is the scene's.
        velocity: (2,) of the centre of mass [m/s].
        angular_velocity: counter-clockwise [rad/s].
        density: [kg/m^2]; None is the scene's, unless a mass is given.
        mass: instead of a density [kg].
        inertia: moment of inertia about the centre of mass [kg m^2]; None is that of the outline, filled evenly.
        group: a whole number: bodies of one group never touch each other. None touches all.
    """

    _: KW_ONLY
    velocity: Any = (0.0, 0.0)
    angular_velocity: Any = 0.0
    density: Any = None
    mass: Any = None
    inertia: Any = None
    group: Any = None

    def _checked(self, owner: str) -> dict[str, Any]:
        if self.density is not None and self.mass is not None:
            raise InputError(f"{owner} has a density and a mass, but it takes one of them; the other follows")
        return {
            **super()._checked(owner),
            "velocity": array(f"{owner}.velocity", self.velocity, (2,)),
            "angular_velocity": number(f"{owner}.angular_velocity", self.angular_velocity),
            "density": optional(f"{owner}.density", self.density, above=0.0),
            "mass": optional(f"{owner}.mass", self.mass, above=0.0),
            "inertia": optional(f"{owner}.inertia", self.inertia, above=0.0),
            "group": None if self.group is None else whole(f"{owner}.group", self.group, least=None),
        }


@dataclass(frozen=True, eq=False, repr=False)
class Box(Body):
    """A rectangle: ``Box((0.0, 1.0), (0.2, 0.1), angle=0.3)``. The rest, as in `Body`, is given by name.

    Attributes:
        half_size: (2,) half its lengths along its own x and y axis [m].
    """

    half_size: Any

    def _checked(self, owner: str) -> dict[str, Any]:
        return {**super()._checked(owner), "half_size": array(f"{owner}.half_size", self.half_size, (2,), above=0.0)}

    @property
    def core(self) -> np.ndarray:
        """(4, 2) corners, from the lower left one."""
        return self.half_size * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


@dataclass(frozen=True, eq=False, repr=False)
class Disc(Body):
    """A disc: ``Disc((0.0, 1.0), 0.1)``. The rest, as in `Body`, is given by name.

    Attributes:
        radius: [m].
    """

    radius: Any

    def _checked(self, owner: str) -> dict[str, Any]:
        return {**super()._checked(owner), "radius": number(f"{owner}.radius", self.radius, above=0.0)}


@dataclass(frozen=True, eq=False, repr=False)
class Capsule(Body):
    """A rectangle with a half disc at either end: ``Capsule((0.0, 1.0), 0.2, 0.05)``. The rest is as in `Body`.

    Attributes:
        half_length: from its centre to the centre of each half disc, along its own x axis [m].
        radius: of the half discs, half its width [m].
    """

    half_length: Any
    radius: Any

    def _checked(self, owner: str) -> dict[str, Any]:
        return {
            **super()._checked(owner),
            "half_length": number(f"{owner}.half_length", self.half_length, above=0.0),
            "radius": number(f"{owner}.radius", self.radius, above=0.0),
        }

    @property
    def core(self) -> np.ndarray:
        """(2, 2) centres of the half discs."""
        return _line(self.half_length)


def _line(half_length: float) -> np.ndarray:
    return np.array([[-half_length, 0.0], [half_length, 0.0]])


@dataclass(frozen=True, eq=False, repr=False)
class Polygon(Body):
    """A convex polygon: ``Polygon((0.0, 1.0), [(0, 0), (0.3, 0), (0, 0.2)])``. The rest is as in `Body`.

    ``position`` is where its centroid is, whatever origin the vertices are given from; anchors count from the centroid.

    Attributes:
        vertices: (k, 2) from 3 to 8, counter-clockwise along its own axes, up to a common shift [m].
    """

    vertices: Any

    def _checked(self, owner: str) -> dict[str, Any]:
        vertices = array(f"{owner}.vertices", self.vertices, ("k", 2))
        _check_convex(f"{owner}.vertices", vertices)
        return {**super()._checked(owner), "vertices": vertices}

    @property
    def core(self) -> np.ndarray:
        """(k, 2) vertices from the centroid."""
        return self.vertices - _centroid(self.vertices)


def _doubled_areas(vertices: np.ndarray) -> np.ndarray:
    """(k,) twice the signed area of the triangle of the first vertex and each side [m^2]."""
    corner = vertices - vertices[0]
    return _cross(corner, np.roll(corner, -1, axis=0))


def _centroid(vertices: np.ndarray) -> np.ndarray:
    """Of the area: the mean of those of the triangles in `_doubled_areas`, weighted with their areas."""
    areas = _doubled_areas(vertices)
    centres = (vertices[0] + vertices + np.roll(vertices, -1, axis=0)) / 3.0
    return areas @ centres / areas.sum()


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _check_convex(owner: str, vertices: np.ndarray) -> None:
    k = len(vertices)
    if not 3 <= k <= _MOST_VERTICES:
        raise InputError(f"{owner} has {k} vertices, but a polygon has 3 to {_MOST_VERTICES}")
    if _doubled_areas(vertices).sum() < 0.0:
        raise InputError(f"{owner} goes round clockwise, but it must go counter-clockwise; reverse it: vertices[::-1]")
    side = np.roll(vertices, -1, axis=0) - vertices
    height = _cross(side[:, None], vertices - vertices[:, None])  # (side, vertex) over the side, times its length
    least = ROUNDING * np.ptp(vertices, axis=0).max() * np.linalg.norm(side, axis=1)
    off = np.arange(k) - np.arange(k)[:, None]
    bad = (height <= least[:, None]) & (off != 0) & (off % k != 1)
    for where, vertex in np.argwhere(bad)[:1].tolist():
        raise InputError(
            f"{owner} must be strictly convex, but vertex {vertex} does not lie to the left of the side from "
            f"vertex {where} to vertex {(where + 1) % k}; leave it out, or make two bodies and weld them"
        )


@dataclass(frozen=True, eq=False, repr=False)
class HalfPlane(Shape):
    """Everything below a line, solid: an obstacle. ``HalfPlane()`` is the ground at height 0.

    Attributes:
        position: (2,) of any point on the line [m].
        angle: of the line [rad]; its normal, out of the solid, is (-sin angle, cos angle).
    """

    position: Any = (0.0, 0.0)

    @classmethod
    def of(cls, normal: Any, height: float = 0.0, *, friction: Any = None, restitution: Any = None) -> HalfPlane:
        """Everything where ``normal . x <= height``.

        Args:
            normal: (2,) direction out of the solid, of any length but zero.
            height: of the line, along the normal [m].
            friction: as in `Shape`.
            restitution: as in `Shape`.

        Raises:
            InputError: if the normal is no vector, or zero, or the height no number.
        """
        normal = direction("HalfPlane.of.normal", normal, (2,))
        height = number("HalfPlane.of.height", height)
        angle = float(np.arctan2(-normal[0], normal[1]))
        return cls(height * normal, angle=angle, friction=friction, restitution=restitution)

    @property
    def normal(self) -> np.ndarray:
        """(2,) unit vector out of the solid."""
        return np.array([-np.sin(self.angle), np.cos(self.angle)])

    @property
    def core(self) -> np.ndarray:
        """(2, 2) two points of the line; it has no ends."""
        return _line(1.0)

    @property
    def size(self) -> float:
        """0: its size is no measure of anything."""
        return 0.0


@dataclass(frozen=True, eq=False, repr=False)
class Segment(Shape):
    """A straight wall, solid to both sides: an obstacle. ``Segment.between((0, 0), (1, 0))`` takes its ends.

    Attributes:
        position: (2,) of its middle [m].
        angle: from the world's x axis to the wall [rad].
        half_length: from its middle to either end [m].
        radius: half its thickness; its ends are round [m].
    """

    half_length: Any
    radius: Any = 0.0

    @classmethod
    def between(
        cls, start: Any, end: Any, radius: float = 0.0, *, friction: Any = None, restitution: Any = None
    ) -> Segment:
        """The wall from one point to another.

        Args:
            start: (2,) one end [m].
            end: (2,) the other [m].
            radius: half its thickness [m].
            friction: as in `Shape`.
            restitution: as in `Shape`.

        Raises:
            InputError: if the ends are no points, or one point.
        """
        start, end = array("Segment.between.start", start, (2,)), array("Segment.between.end", end, (2,))
        along = end - start
        half_length = 0.5 * float(np.linalg.norm(along))
        if half_length == 0.0:
            raise InputError(f"Segment.between.start and .end are both {start.tolist()}, but a wall has two ends")
        angle = float(np.arctan2(along[1], along[0]))
        middle = 0.5 * (start + end)
        return cls(middle, half_length, radius, angle=angle, friction=friction, restitution=restitution)

    def _checked(self, owner: str) -> dict[str, Any]:
        return {
            **super()._checked(owner),
            "half_length": number(f"{owner}.half_length", self.half_length, above=0.0),
            "radius": number(f"{owner}.radius", self.radius, least=0.0),
        }

    @property
    def core(self) -> np.ndarray:
        """(2, 2) the ends."""
        return _line(self.half_length)
