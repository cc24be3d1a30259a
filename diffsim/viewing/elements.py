"""The elements of a look: what can be seen, as plain data that is checked when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.viewing.colours import Colour, Driven, Scale, Values, rgba_of
from diffsim.viewing.parts import Part
from diffsim.viewing.shaped import indices, shaped

__all__ = [
    "Areas",
    "Arrows",
    "Bodies",
    "Element",
    "Field",
    "Fixed",
    "Joint",
    "Joints",
    "Points",
    "Segments",
    "Sites",
    "Trail",
    "Triangles",
    "dimension_of",
]

# Joints in the plane, by what they look like; in three dimensions there are only pins, as dots.
JOINTS = ("pin", "weld", "slider", "rope", "spring")

# Those that may have a motor or a muscle.
ALIVE = ("pin", "slider", "spring")

# Fields: from nothing to the colour of ink.
INK = Scale(0.0, 1.0, ("sky", "text"))


class Element:
    """Something to be seen."""

    def _keep(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def moving(self) -> dict[str, np.ndarray]:
        """Its arrays over time, by name."""
        return {}


@dataclass(frozen=True, eq=False)
class Points(Element):
    """Points or balls.

    Attributes:
        places: (rows, n, d) or (n, d) [m].
        radius: () or (n,) of balls [m]; None draws points as large as is good to see.
        colour: one, or one each, or `Values`.
    """

    places: Any
    radius: Any = None
    colour: Any = "point"

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        places = _places("Points.places", self.places, "n")
        n = places.shape[1]
        radius = None if self.radius is None else np.broadcast_to(shaped("Points.radius", self.radius, (), (n,)), n)
        self._keep(places=places, radius=radius, colour=_colours("Points", self.colour, n))

    def moving(self) -> dict[str, np.ndarray]:
        """Its arrays over time, by name."""
        return {"places": self.places, **_told(self.colour)}


@dataclass(frozen=True, eq=False)
class Segments(Element):
    """Straight lines between points: springs, bonds, a net.

    Attributes:
        points: whose places they join; it is drawn itself only if it is an element of the look, too.
        ends: (s, 2) pairs of its points.
        width: [m]; None draws them as thick as is good to see.
        colour: one, or one each, or `Values`.
        driven: those in the colours of what is asked of them, which are thicker; None if there are none.
    """

    points: Points
    ends: Any
    width: float | None = None
    colour: Any = "passive"
    driven: Driven | None = None

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        n = _count("Segments.points", self.points, Points)
        ends = indices("Segments.ends", self.ends, width=2, below=n)
        if self.driven is not None:
            indices("Segments.driven.which", self.driven.which, below=len(ends))
        self._keep(ends=ends, colour=_colours("Segments", self.colour, len(ends)))

    def moving(self) -> dict[str, np.ndarray]:
        """Its arrays over time, by name."""
        return _told(self.colour)


@dataclass(frozen=True, eq=False)
class Triangles(Element):
    """Flesh between points, filled with one colour.

    Attributes:
        points: whose places are the corners.
        corners: (t, 3) triples of its points.
        colour: of all.
    """

    points: Points
    corners: Any
    colour: Colour = "flesh"

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        n = _count("Triangles.points", self.points, Points)
        rgba_of(self.colour, "Triangles.colour")
        self._keep(corners=indices("Triangles.corners", self.corners, width=3, below=n))


@dataclass(frozen=True, eq=False)
class Areas(Element):
    """Polygons, filled with one colour: water below its surface, a wall.

    Attributes:
        corners: (rows, k, c, d) or (k, c, d), of k polygons with c corners each [m].
        colour: of all.
    """

    corners: Any
    colour: Colour = "soil"

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        words = (("rows", "k", "c", 2), ("k", "c", 2), ("rows", "k", "c", 3), ("k", "c", 3))
        rgba_of(self.colour, "Areas.colour")
        self._keep(corners=shaped("Areas.corners", self.corners, *words, moves=4))

    def moving(self) -> dict[str, np.ndarray]:
        """Its arrays over time, by name."""
        return {"corners": self.corners}


@dataclass(frozen=True, eq=False)
class Field(Element):
    """A grid of numbers in the plane as a picture: the density of smoke, the height of water.

    Attributes:
        values: (rows, n, m) or (n, m): n cells along x from ``low`` on, m along y. NaN is seen through.
        low, high: (2,) corners of the whole grid [m].
        scale: colours of the numbers; "sky" is the background.
    """

    values: Any
    low: Any
    high: Any
    scale: Scale = INK

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        values = shaped("Field.values", self.values, ("rows", "n", "m"), ("n", "m"), moves=3)
        low, high = shaped("Field.low", self.low, (2,)), shaped("Field.high", self.high, (2,))
        if not (low < high).all():
            raise InputError(
                f"Field goes from {low.tolist()} to {high.tolist()}, but low must be below high along x and y"
            )
        if not values[0].size:
            raise InputError(f"Field.values has shape {values.shape}, but a grid has at least one cell")
        self._keep(values=values, low=low, high=high)

    def moving(self) -> dict[str, np.ndarray]:
        """Its arrays over time, by name."""
        return {"values": self.values}


@dataclass(frozen=True, eq=False)
class Bodies(Element):
    """Rigid bodies.

    Attributes:
        places: (rows, n, d) or (n, d) of the origins of their frames [m].
        turns: (rows, n) or (n,) angles [rad]; in three dimensions (rows, n, 3, 3) or (n, 3, 3) rotations.
        parts: what they are made of; `Part.body` says of which of them each is.
        colour: None has the colours of the parts, `Values` those of numbers.
    """

    places: Any
    turns: Any
    parts: Sequence[Part]
    colour: Values | None = None

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        places = _places("Bodies.places", self.places, "n")
        n, d = places.shape[1:]
        turned: tuple[int, ...] = (3, 3) if d == 3 else ()
        turns = shaped("Bodies.turns", self.turns, ("rows", n, *turned), (n, *turned), moves=2 + len(turned))
        parts = _parts("Bodies.parts", self.parts, d, range(n))
        colour = None if self.colour is None else _colours("Bodies", self.colour, n)
        if colour is not None and not isinstance(colour, Values):
            raise InputError("Bodies.colour takes Values; one colour for all times belongs to their parts")
        self._keep(places=places, turns=turns, parts=parts, colour=colour)

    def moving(self) -> dict[str, np.ndarray]:
        """Its arrays over time, by name."""
        return {"places": self.places, "turns": self.turns, **_told(self.colour)}


@dataclass(frozen=True, eq=False)
class Fixed(Element):
    """Scenery: parts that stand where they are in the world.

    Attributes:
        parts: their `Part.body` does not count.
    """

    parts: Sequence[Part]

    def __post_init__(self) -> None:
        """Check and keep the parts."""
        dimension = self.parts[0].dimension if self.parts else 0
        self._keep(parts=_parts("Fixed.parts", self.parts, dimension, None))


@dataclass(frozen=True, eq=False)
class Joint:
    """What joins two bodies, or a body and the world.

    Attributes:
        kind: "pin", "weld", "slider" (on a rail of the first body, or of the world), "rope" or "spring".
        bodies: two indices; -1 is the world.
        anchors: (2, d) in the frames of those [m]; in three dimensions the first is seen, (1, 3) is enough.
        axis: of a slider: direction of the rail in the frame of the first body [rad].
        length: of a rope that is taut [m].
    """

    kind: str
    bodies: tuple[int, int]
    anchors: Any
    axis: float = 0.0
    length: float = 0.0


@dataclass(frozen=True, eq=False)
class Joints(Element):
    """What joins bodies.

    Attributes:
        bodies: that they join.
        joints: l of them.
        driven: those with a motor or a muscle: a `Driven`, or several with legends of their own.
        down: (2,) the direction in which slack ropes hang.
    """

    bodies: Bodies
    joints: Sequence[Joint]
    driven: Any = ()
    down: Any = (0.0, -1.0)

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        n = _count("Joints.bodies", self.bodies, Bodies)
        d = self.bodies.places.shape[2]
        allowed = JOINTS if d == 2 else JOINTS[:1]
        for k, joint in enumerate(self.joints):
            if joint.kind not in allowed:
                raise InputError(f"Joints.joints[{k}].kind is {joint.kind!r}, but {_or(allowed)} is allowed")
            owners = indices(f"Joints.joints[{k}].bodies", joint.bodies, below=n, least=-1)
            anchors = shaped(f"Joints.joints[{k}].anchors", joint.anchors, (2, d), *[(1, d)] * (d == 3))
            for name, value in (("bodies", tuple(owners.tolist())), ("anchors", anchors)):
                object.__setattr__(joint, name, value)
        driven = (self.driven,) if isinstance(self.driven, Driven) else tuple(self.driven)
        for group in driven:
            indices("Joints.driven.which", group.which, below=len(self.joints))
            for k, kind in ((k, self.joints[k].kind) for k in group.which.tolist()):
                if kind not in ALIVE:
                    raise InputError(f"Joints.driven has joints[{k}], a {kind}, but a {_or(ALIVE)} is needed")
        self._keep(joints=tuple(self.joints), driven=driven, down=shaped("Joints.down", self.down, (2,)))


@dataclass(frozen=True, eq=False)
class Sites(Element):
    """Small rings that mark places on bodies.

    Attributes:
        bodies: on which they are.
        owners: (k,) of which of them each is; -1 is the world.
        places: (k, d) in their frames [m].
    """

    bodies: Bodies
    owners: Any
    places: Any

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        n = _count("Sites.bodies", self.bodies, Bodies)
        owners = indices("Sites.owners", self.owners, below=n, least=-1)
        d = self.bodies.places.shape[2]
        self._keep(owners=owners, places=shaped("Sites.places", self.places, (len(owners), d)))


@dataclass(frozen=True, eq=False)
class Arrows(Element):
    """Forces and other directions; one without a length is a dot, one that is NaN is not there.

    Attributes:
        tails: (rows, k, d) or (k, d) where they begin [m].
        ways: likewise, from there to the tip [m]; `arrow_ways` makes lengths of forces.
        colour: of all.
    """

    tails: Any
    ways: Any
    colour: Colour = "contact"

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        tails = _places("Arrows.tails", self.tails, "k")
        k, d = tails.shape[1:]
        ways = shaped("Arrows.ways", self.ways, ("rows", k, d), (k, d), moves=3)
        rgba_of(self.colour, "Arrows.colour")
        self._keep(tails=tails, ways=ways)

    def moving(self) -> dict[str, np.ndarray]:
        """Its arrays over time, by name."""
        return {"tails": self.tails, "ways": self.ways}


@dataclass(frozen=True, eq=False)
class Trail(Element):
    """The way that points or bodies have gone, up to the time that is shown.

    Attributes:
        mover: the points or bodies; they are drawn themselves only if they are elements of the look, too.
        which: (k,) indices of those that leave a trail each; None is one, of the middle of all of them.
        colour: one, or one each.
    """

    mover: Any
    which: Any = None
    colour: Any = "ruler"

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        if not isinstance(self.mover, (Points, Bodies)):
            raise InputError(f"Trail.mover is {type(self.mover).__name__}, but Points or Bodies are needed")
        which = None
        if self.which is not None:
            which = indices("Trail.which", self.which, below=self.mover.places.shape[1])
        colour = _colours("Trail", self.colour, 1 if which is None else len(which))
        if isinstance(colour, Values):
            raise InputError("Trail.colour is Values, but a trail has one colour for all times")
        self._keep(which=which, colour=colour)

    def ways(self) -> np.ndarray:
        """(rows, k, d) where each has been; NaN where nothing is [m]."""
        places: np.ndarray = self.mover.places
        if self.which is not None:
            return places[:, self.which]
        there = np.isfinite(places).all(axis=2, keepdims=True)
        count, total = there.sum(axis=1), np.where(there, places, 0.0).sum(axis=1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)[:, None]


def _places(owner: str, given: Any, word: str) -> np.ndarray:
    shapes = [(*rows, word, d) for d in (2, 3) for rows in (("rows",), ())]
    return shaped(owner, given, *shapes, moves=3)


def _count(owner: str, given: Any, wanted: type) -> int:
    if not isinstance(given, wanted):
        raise InputError(f"{owner} is {type(given).__name__}, but {wanted.__name__} are needed")
    return int(given.places.shape[1])  # type: ignore[attr-defined]


def _parts(owner: str, given: Sequence[Part], dimension: int, bodies: range | None) -> tuple[Part, ...]:
    for k, part in enumerate(given):
        if part.dimension != dimension:
            raise InputError(f"{owner}[{k}] is a {part.shape} in {part.dimension} dimensions, but it needs {dimension}")
        if bodies is not None and part.body not in bodies:
            raise InputError(f"{owner}[{k}].body is {part.body}, but there are bodies 0 to {len(bodies) - 1}")
    return tuple(given)


def _colours(owner: str, given: Any, n: int) -> Any:
    """(n, 4) of one colour or of one each; `Values` stay what they are."""
    if isinstance(given, Values):
        if given.values.shape[1] != n:
            raise InputError(f"{owner}.colour has values for {given.values.shape[1]}, but there are {n} of them")
        return given
    one = isinstance(given, str) or (len(given) in (3, 4) and np.ndim(given) == 1 and not isinstance(given[0], str))
    if not one and len(given) != n:
        raise InputError(f"{owner}.colour holds {len(given)} colours, but there are {n} of them; give one or as many")
    each = [given] if one else list(given)
    known = {colour: rgba_of(colour, f"{owner}.colour") for colour in each if isinstance(colour, str)}
    found = [known[c] if isinstance(c, str) else rgba_of(c, f"{owner}.colour") for c in each]
    return np.broadcast_to(np.array(found).reshape(-1, 4), (n, 4))


def _told(colour: Any) -> dict[str, np.ndarray]:
    return {"colour": colour.values} if isinstance(colour, Values) else {}


def dimension_of(element: Element) -> int | None:
    """2 or 3, or None where there is nothing."""
    if isinstance(element, (Segments, Triangles)):
        return int(element.points.places.shape[2])
    if isinstance(element, (Joints, Sites)):
        return int(element.bodies.places.shape[2])
    if isinstance(element, Trail):
        return int(element.mover.places.shape[2])
    if isinstance(element, Fixed):
        return element.parts[0].dimension if element.parts else None
    if isinstance(element, Field):
        return 2
    arrays = list(element.moving().values())
    return int(arrays[0].shape[-1])


def _or(words: Sequence[str]) -> str:
    return " or ".join(words)
