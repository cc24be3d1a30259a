"""What is to be seen of a rollout, as plain data: one description, from which pictures, videos and the player are made.

A kind of world has one function ``look(rollout) -> Look``, for a rollout of one environment. Elements hold arrays over
time, (rows, ...): a row for each of the rollout's times, or one less, as arrays of steps have (the last goes on), or
one that counts for all. An array without the axis of rows does not move. Places are in metres, d is 2 or 3; what is not
finite is not there.

Whatever the order in `Look.elements`, what is filled comes first: fields and areas, then trails, then bodies with their
joints, then triangles, segments and points, arrows at last; those of one kind as they are listed. In space what is
nearer covers what is farther.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from diffsim.errors import InputError
from diffsim.viewing.colours import MOTOR, MUSCLE, Driven, Scale, Values, body_colours
from diffsim.viewing.elements import (
    Areas,
    Arrows,
    Bodies,
    Element,
    Field,
    Fixed,
    Joint,
    Joints,
    Points,
    Segments,
    Sites,
    Trail,
    Triangles,
    dimension_of,
)
from diffsim.viewing.forces import arrow_ways
from diffsim.viewing.parts import Part
from diffsim.viewing.planes import Floor
from diffsim.viewing.series import Series
from diffsim.viewing.shaped import shaped
from diffsim.viewing.surfaces import Surface

__all__ = [
    "MOTOR",
    "MUSCLE",
    "Areas",
    "Arrows",
    "Bodies",
    "Driven",
    "Element",
    "Field",
    "Fixed",
    "Floor",
    "Joint",
    "Joints",
    "Look",
    "Part",
    "Points",
    "Scale",
    "Segments",
    "Series",
    "Sites",
    "Surface",
    "Trail",
    "Triangles",
    "Values",
    "arrow_ways",
    "body_colours",
]


@dataclass(frozen=True, eq=False)
class Look:
    """All that is to be seen of one rollout, and from where.

    Attributes:
        elements: what there is; all in as many dimensions.
        ground: what it stands on; None draws a reference grid.
        walls: further planes: solid in two dimensions, squares in three.
        centre: (rows, d) what a camera that goes along follows [m]; None is the mean place of what moves.
        size: of what moves [m]; None is its extent at the start.
        roams: whether the camera goes along if it gets farther than 1.5 times its size.
        reach: what gets farther than this from where it started is not looked for [m]; None is `WILD` sizes.
        outlook: in three dimensions, azimuth and elevation of an eye that sees it well [degrees].
        series: what a report draws over time below its player; actuation and, where the scene derives it, energy are
            drawn without being named here.
        table: in two dimensions, whether it is a table that is seen from above: cloth, and walls that are cushions.
    """

    elements: Sequence[Element]
    ground: Floor | None = None
    walls: Sequence[Floor] = ()
    centre: Any = None
    size: float | None = None
    roams: bool = False
    reach: float | None = None
    outlook: tuple[float, float] = (-62.0, 20.0)
    series: Sequence[Series] = ()
    table: bool = False

    def __post_init__(self) -> None:
        """Check that all of it is of one space."""
        elements = (self.elements,) if isinstance(self.elements, Element) else tuple(self.elements)
        found: dict[int, str] = {}
        for k, element in enumerate(elements):
            if not isinstance(element, Element):
                raise InputError(f"Look.elements[{k}] is {element!r}, but Points, Bodies and their like are allowed")
            if (d := dimension_of(element)) is not None:
                found.setdefault(d, f"elements[{k}], {type(element).__name__}")
        for name, planes in (("ground", [self.ground] if self.ground else []), ("walls", list(self.walls))):
            for plane in planes:
                found.setdefault(len(plane.normal), name)
        if len(found) > 1:
            told = ", ".join(f"{name} {d}" for d, name in found.items())
            raise InputError(f"Look has parts of different numbers of dimensions: {told}; all must have as many")
        object.__setattr__(self, "elements", elements)
        for k, series in enumerate(self.series):
            if not isinstance(series, Series):
                raise InputError(f"Look.series[{k}] is {series!r}, but a Series is needed")
        object.__setattr__(self, "walls", tuple(self.walls))
        object.__setattr__(self, "series", tuple(self.series))
        if self.centre is not None:
            object.__setattr__(self, "centre", shaped("Look.centre", self.centre, ("rows", next(iter(found), 2))))

    @property
    def dimension(self) -> int:
        """Of its space: 2 or 3; 2 where there is nothing."""
        planes = [] if self.ground is None else [len(self.ground.normal)]
        return next(filter(None, [*map(dimension_of, self.elements), *planes]), 2)

    def of(self, *kinds: type) -> list[Any]:
        """The elements of some classes, in their order."""
        return [element for element in self.elements if isinstance(element, kinds)]
