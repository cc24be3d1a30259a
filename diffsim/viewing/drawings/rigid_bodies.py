"""Planar rigid bodies, what they meet and what joins them."""

from __future__ import annotations

import numpy as np

from diffsim.physics.rigid_bodies.bodies import HalfPlane, Shape
from diffsim.physics.rigid_bodies.joints import Weld, in_world
from diffsim.rollout import Rollout
from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas, Outlines
from diffsim.viewing.drawings.contacts import Contacts
from diffsim.viewing.drawings.links import Links
from diffsim.viewing.drawings.mass_spring import LOST, MOST_ROWS, WILD
from diffsim.viewing.drawings.outline import outline
from diffsim.viewing.scenery import Floor, paint_puddles
from diffsim.viewing.style import STYLE, rgba

__all__ = ["RigidBodiesDrawing"]

# A half-plane whose line is less than this from the horizontal [rad] is ground to stand on; else it is a wall.
STEEPEST = 1.2

# Obstacles are shown as far as they are no farther from where bodies are than this share of their space: a floor may be
# a mile long.
NEAR = 1.0


class RigidBodiesDrawing:
    """A `RigidBodies` rollout of one environment, with n bodies.

    Attributes:
        centre: (rows, 2) mean place of the bodies [m].
        size: of where they are at the start [m].
        roams, outlook: see `Drawing`.
        elements: what there is, as tuned.
        obstacles: those that are no half-planes; ``planes`` are those, the most level one first.
        fills, edges: (n, 4) colours of the bodies first.
        links, contacts: its parts.
    """

    roams = False
    outlook = (-62.0, 20.0)

    def __init__(self, rollout: Rollout) -> None:
        """Work out what does not change from row to row."""
        scene = rollout.problem.scene
        numbers = {name: rollout.numbers[f"scene.{name}"] for name in scene.numbers()}
        elements = self.elements = scene.elements(numbers)
        self.position, self.angle = (_tame(rollout[name]) for name in ("position", "angle"))
        self.centre = self.position.mean(axis=1) if self.position.shape[1] else np.zeros((len(self.position), 2))
        self.obstacles = [shape for shape in elements.obstacles if not isinstance(shape, HalfPlane)]
        planes = [shape for shape in elements.obstacles if isinstance(shape, HalfPlane)]
        # The most level one first: it is the ground.
        planes.sort(key=lambda plane: -plane.normal[1])
        self.planes = [Floor(plane.normal, float(plane.normal @ plane.position)) for plane in planes]
        self.shady = [plane for plane in self.planes if _is_ground(plane) and numbers["gravity"] @ plane.normal < 0.0]
        rings = [outline(body, spoke=True) for body in elements.bodies]
        counts = [len(ring) for ring in rings]
        self._owners, self._local = np.repeat(np.arange(len(rings)), counts), np.concatenate(rings)
        self._starts = np.cumsum(counts) - counts
        colours = [STYLE.bodies[k % len(STYLE.bodies)] for k in _families(len(rings), elements.joints)]
        fills, self.edges = (np.array([rgba(pair[k]) for pair in colours]) for k in range(2))
        self._reach = np.array([body.size for body in elements.bodies])
        around = self._around(self.position[:1])
        self.size = float(np.ptp(around, axis=0).max()) if len(around) else 1.0
        self.links = Links(rollout, elements, self.position, self.angle, numbers["gravity"])
        self._outlines = Outlines([*counts, *self.links.counts])
        self.fills = np.concatenate([fills, np.zeros((len(self.links.counts), 4))])
        self.contacts = Contacts(rollout, float(np.median(self._reach)))

    def content(self, track: np.ndarray | None = None) -> np.ndarray:
        """(m, 2) positions that the camera must show [m]: bodies, but what flies off, and what is near them.

        Less the track of a camera that moves; then only bodies.
        """
        rows = np.unique(np.linspace(0, len(self.position) - 1, MOST_ROWS).astype(int))
        others = [*map(_box, self.obstacles), *self.links.world[:, None]] if track is None else []
        position = self.position if track is None else self.position - track[:, None]
        start = np.concatenate([self._around(position[:1]), *others])
        if len(start) == 0:
            return np.zeros((1, 2))
        bodies = self._around(position[rows])
        wild = WILD * float(np.ptp(start, axis=0).max())
        bodies = bodies[np.abs(bodies - start[0]).max(axis=1) <= wild]
        if len(bodies) == 0:
            return start
        low, high = bodies.min(axis=0), bodies.max(axis=0)
        margin = NEAR * float((high - low).max())
        near = [_common(other, low - margin, high + margin) for other in others]
        corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
        planes = self.planes if track is None else []
        near += [plane.foot(corners)[plane.gap(corners).argmin()][None] for plane in planes]
        near = [points for points in near if np.all((points >= low - margin) & (points <= high + margin))]
        return np.concatenate([bodies, *near])

    def ground(self) -> Floor | None:
        """The half-plane that is most level, if one is level enough to stand on."""
        return self.planes[0] if self.planes and _is_ground(self.planes[0]) else None

    def paint_scenery(self, canvas: Canvas, camera: Camera) -> None:
        """All obstacles but the ground, and the ground's line where none of them covers it."""
        soil, surface, unit = rgba(STYLE.soil), rgba(STYLE.surface), canvas.unit
        reach = 2.0 * sum(canvas.size) / camera.scale
        others = self.planes[self.ground() is not None :]
        for plane in others:
            line = _line(plane, camera.centre, reach)
            solid = np.concatenate([line, line[::-1] - 2.0 * reach * plane.normal])
            canvas.polygons(camera.project(solid)[0][None], soil)
        for plane in others:
            line = _line(plane, camera.centre, reach)
            open_part = _outside(line, [other for other in self.planes if other is not plane])
            canvas.strokes(camera.project(open_part)[0], surface, 1.6 * unit)
        for shape in self.obstacles:
            # Only the part that may be seen: corners far away could not be drawn.
            middle = shape.to_body(camera.centre)
            ring = shape.to_world(np.clip(outline(shape), middle - reach, middle + reach))
            lines = Outlines([len(ring)])
            lines.corners[:] = camera.project(ring)[0]
            thin = shape.margin == 0.0 and len(shape.core) == 2
            canvas.outlines(lines, (0.0 if thin else 1.0) * soil[None], surface[None], (4.0 if thin else 1.6) * unit)

    def paint(self, canvas: Canvas, camera: Camera, floor: Floor, row: int) -> None:
        """Shadows, bodies, joints and springs, and contacts at a row of the trajectory."""
        position, angle = self.position[row], self.angle[row]
        corners = in_world(position, angle, self._owners, self._local)
        for plane in self.shady:
            others = [other for other in self.planes if other is not plane]
            paint_puddles(canvas, camera, plane, corners, self._starts, others)
        links, unit = self.links, canvas.unit
        thick, ends = links.thickness(canvas, camera), links.ends(position, angle)
        links.paint_rails(canvas, camera, ends, angle)
        # Bodies, then the lines over them, in one go.
        self._outlines.corners[: len(corners)] = camera.project(corners)[0]
        self._outlines.corners[len(corners) :] = links.corners(camera, position, angle, ends, thick)
        colours, widths = links.look(row, thick, unit)
        widths = np.concatenate([np.full(len(self.edges), 1.7 * unit), widths])
        canvas.outlines(self._outlines, self.fills, np.concatenate([self.edges, colours]), widths)
        links.paint_dots(canvas, camera, ends, thick)
        self.contacts.paint(canvas, camera, position, row)

    def paint_legend(self, canvas: Canvas, corner: tuple[float, float]) -> None:
        """The colours of muscles and motors, up and left of a corner [pixels]."""
        self.links.paint_legend(canvas, corner)

    def _around(self, position: np.ndarray) -> np.ndarray:
        """(m, 2) opposite corners of the squares around bodies at positions (rows, n, 2) that are there [m]."""
        corners = np.stack([position - self._reach[:, None], position + self._reach[:, None]]).reshape(-1, 2)
        return corners[np.isfinite(corners).all(axis=1)]


def _tame(array: np.ndarray) -> np.ndarray:
    """What diverged is not there; it could not be drawn."""
    array = np.array(array, dtype=float)
    array[~(np.abs(array) < LOST)] = np.nan
    return array


def _families(n: int, joints: tuple[object, ...]) -> list[int]:
    """Of each of n bodies: those that are welded together are one family, numbered from 0."""
    family = list(range(n))
    for joint in joints:
        if isinstance(joint, Weld) and joint.second is not None:
            one, other = sorted((family[joint.first], family[joint.second]))
            family = [one if mine == other else mine for mine in family]
    return [sorted(set(family)).index(mine) for mine in family]


def _is_ground(plane: Floor) -> bool:
    return bool(plane.normal[1] > np.cos(STEEPEST))


def _line(plane: Floor, centre: np.ndarray, reach: float) -> np.ndarray:
    """(2, 2) the line of a plane to either side of the foot of the centre, to the right as seen from outside [m]."""
    along = np.array([plane.normal[1], -plane.normal[0]])
    return plane.foot(centre) + np.array([[-reach], [reach]]) * along


def _outside(line: np.ndarray, planes: list[Floor]) -> np.ndarray:
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


def _box(shape: Shape) -> np.ndarray:
    """(2, 2) opposite corners of the upright box around a shape [m]."""
    points = shape.to_world(shape.core)
    return np.array([points.min(axis=0) - shape.margin, points.max(axis=0) + shape.margin])


def _common(box: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The part of a box, or a point, given by corners (k, 2), that is within another box; (0, 2) if there is none."""
    apart = np.any(box.min(axis=0) > high) or np.any(box.max(axis=0) < low)
    return box[:0] if apart else np.clip(box, low, high)
