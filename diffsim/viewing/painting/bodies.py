"""Bodies and scenery in the plane, and the half-planes that they stand on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas, Outlines
from diffsim.viewing.look import Bodies, Fixed, Look
from diffsim.viewing.painting.points import colours_at
from diffsim.viewing.parts import in_world, outline
from diffsim.viewing.planes import Floor
from diffsim.viewing.scenery import paint_puddles
from diffsim.viewing.shaped import row_of
from diffsim.viewing.style import STYLE, rgba

__all__ = ["FlatBodies", "paint_fixed", "paint_table", "paint_walls"]

# Widths of outlines in pixels of a picture of 512 by 512: of bodies, of scenery, and of walls without thickness.
EDGE, STILL, THIN = 1.7, 1.6, 4.0

# Light on a ball, as discs in radii: how far up and to the left, how large, and how much of white is mixed in.
LIGHTS = ((0.12, 0.84, 0.14), (0.24, 0.56, 0.3), (0.4, 0.2, 0.8))

# The spot that shows how a ball turns: how far from its middle, and how large, in radii.
SPOT = (0.5, 0.17)

# A ball's shadow on the cloth: how far off, in radii, and how dark.
SHADE, DARK = (0.16, -0.2), 0.25

# Width of a cushion as a share of the picture's longer side.
CUSHION = 0.025


class FlatBodies:
    """One group of bodies in the plane."""

    def __init__(self, bodies: Bodies, look: Look) -> None:
        """Work out what does not change from row to row."""
        self._bodies = bodies
        rings = [part.placed(outline(part, spoke=part.shape != "ball")) for part in bodies.parts]
        counts = [len(ring) for ring in rings]
        self._parts = [part.body for part in bodies.parts]
        self._owners = np.repeat(np.array(self._parts, dtype=np.intp), counts)
        self._local = np.concatenate([np.zeros((0, 2)), *rings])
        self._starts = np.cumsum(counts) - counts
        self._fills, self._edges = (
            np.array([getattr(part, name) for part in bodies.parts]).reshape(-1, 4) for name in ("fill", "edge")
        )
        self._outlines = Outlines(counts)
        self._balls = [k for k, part in enumerate(bodies.parts) if part.shape == "ball"]
        self._known: tuple[int, np.ndarray] | None = None
        planes = [plane for plane in (look.ground, *look.walls) if plane is not None]
        self._shady = [(plane, [each for each in planes if each is not plane]) for plane in planes if plane.shadows]

    def _corners(self, row: int) -> np.ndarray:
        """(v, 2) of all parts at a row [m]; kept, as shadows ask for them, too."""
        if self._known is None or self._known[0] != row:
            places, turns = row_of(self._bodies.places, row), row_of(self._bodies.turns, row)
            self._known = row, in_world(places, turns, self._owners, self._local)
        return self._known[1]

    def paint_shadows(self, canvas: Canvas, camera: Camera, row: int) -> None:
        """Below those near the ground; where others are in the way there are none."""
        if len(self._starts):
            corners = self._corners(row)
            for plane, others in self._shady:
                paint_puddles(canvas, camera, plane, corners, self._starts, others)

    def paint(self, canvas: Canvas, camera: Camera, row: int) -> None:
        """All of them at a row of the trajectory."""
        self._outlines.corners[:] = camera.project(self._corners(row))[0]
        fills = self._fills
        if self._bodies.colour is not None:
            fills = colours_at(self._bodies.colour, row)[self._parts]
        if self._balls:
            self._paint_cloth_shadows(canvas, camera, row)
        canvas.outlines(self._outlines, fills, self._edges, EDGE * canvas.unit)
        if self._balls:
            self._paint_lights(canvas, camera, fills, row)

    def _middles(self, row: int, away: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """(b, 2) middles of balls, or places so many radii along their own x axis, and (b,) radii [m]."""
        parts = [self._bodies.parts[k] for k in self._balls]
        radius = np.array([part.margin for part in parts])
        own = np.stack([part.placed(np.array((away * part.margin, 0.0))) for part in parts])
        owners = np.array([part.body for part in parts], dtype=np.intp)
        places, turns = row_of(self._bodies.places, row), row_of(self._bodies.turns, row)
        return in_world(places, turns, owners, own), radius

    def _paint_cloth_shadows(self, canvas: Canvas, camera: Camera, row: int) -> None:
        at, radius = self._middles(row)
        pixels = camera.project(at + radius[:, None] * SHADE)[0]
        canvas.discs(pixels, np.array([0.0, 0.0, 0.0, DARK]), 2.0 * radius * camera.scale)

    def _paint_lights(self, canvas: Canvas, camera: Camera, fills: np.ndarray, row: int) -> None:
        at, radius = self._middles(row)
        spots = camera.project(self._middles(row, SPOT[0])[0])[0]
        canvas.discs(spots, self._edges[self._balls], 2.0 * SPOT[1] * radius * camera.scale)
        own = fills[self._balls]
        for off, size, white in LIGHTS:
            pixels = camera.project(at + radius[:, None] * np.array([-off, off]) / 2.0**0.5)[0]
            mixed = np.concatenate([own[:, :3] + white * (1.0 - own[:, :3]), np.full((len(own), 1), 0.6)], axis=1)
            canvas.discs(pixels, mixed, 2.0 * size * radius * camera.scale)


def paint_table(canvas: Canvas, camera: Camera, look: Look) -> None:
    """The cloth between half-planes, which are cushions with a rail behind them."""
    reach = 2.0 * sum(canvas.size) / camera.scale
    corners = camera.centre + reach * np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    canvas.polygons(camera.project(corners)[0][None], rgba(STYLE.felt))
    width = CUSHION * max(canvas.size) / camera.scale
    for colour, back in ((STYLE.cushion, 0.0), (STYLE.rail, width)):
        for wall in look.walls:
            line = _line(wall, camera.centre, reach) - back * wall.normal
            solid = np.concatenate([line, line[::-1] - 2.0 * reach * wall.normal])
            canvas.polygons(camera.project(solid)[0][None], rgba(colour))


def paint_fixed(canvas: Canvas, camera: Camera, fixed: Fixed) -> None:
    """Scenery in the plane."""
    reach = 2.0 * sum(canvas.size) / camera.scale
    for part in fixed.parts:
        # Only what may be seen: corners far away could not be drawn.
        middle = part.own(camera.centre)
        ring = part.placed(np.clip(outline(part), middle - reach, middle + reach))
        lines = Outlines([len(ring)])
        lines.corners[:] = camera.project(ring)[0]
        thin = part.margin == 0.0 and len(part.core) == 2
        fill = (0.0 if thin else 1.0) * part.fill[None]
        canvas.outlines(lines, fill, part.edge[None], (THIN if thin else STILL) * canvas.unit)


def paint_walls(canvas: Canvas, camera: Camera, look: Look) -> None:
    """Half-planes that are not the ground: solid, with a line where no other covers it."""
    reach = 2.0 * sum(canvas.size) / camera.scale
    soil, surface = rgba(STYLE.soil), rgba(STYLE.surface)
    for wall in look.walls:
        line = _line(wall, camera.centre, reach)
        solid = np.concatenate([line, line[::-1] - 2.0 * reach * wall.normal])
        canvas.polygons(camera.project(solid)[0][None], soil)
    planes = [plane for plane in (look.ground, *look.walls) if plane is not None]
    for wall in look.walls:
        line = _line(wall, camera.centre, reach)
        open_part = _outside(line, [other for other in planes if other is not wall])
        canvas.strokes(camera.project(open_part)[0], surface, STILL * canvas.unit)


def _line(plane: Floor, centre: np.ndarray, reach: float) -> np.ndarray:
    """(2, 2) the line of a plane to either side of the foot of the centre, to the right as seen from outside [m]."""
    along = np.array([plane.normal[1], -plane.normal[0]])
    return plane.foot(centre) + np.array([[-reach], [reach]]) * along


def _outside(line: np.ndarray, planes: Sequence[Floor]) -> np.ndarray:
    """(m, 2, 2) the part of a line (2, 2) that is in none of the planes [m]; m is 0 or 1."""
    first, last = 0.0, 1.0
    for plane in planes:
        start, end = plane.gap(line)
        if start < 0.0 and end < 0.0:
            return np.zeros((0, 2, 2))
        if start < 0.0:
            first = max(first, start / (start - end))
        elif end < 0.0:
            last = min(last, start / (start - end))
    if first >= last:
        return np.zeros((0, 2, 2))
    return (line[0] + np.array([[first], [last]]) * (line[1] - line[0]))[None]
