"""Joints, ropes and springs between bodies in the plane."""

from __future__ import annotations

import numpy as np

from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas, Outlines
from diffsim.viewing.look import Joints
from diffsim.viewing.painting.actuation import Actuation
from diffsim.viewing.painting.arrows import paint_dots
from diffsim.viewing.parts import in_world, outline
from diffsim.viewing.shaped import row_of
from diffsim.viewing.style import STYLE, rgba

__all__ = ["FlatJoints", "slider_ranges", "stems", "width_of"]

# A spring from its first end (0, 0) to its second (1, 0): how far along, and how far across in units of its width.
_WINDINGS = np.linspace(0.15, 0.85, 13)
COIL = np.stack([[0.0, *_WINDINGS, 1.0], [0.0, 0.0, *[1.0, -1.0] * 5, 1.0, 0.0, 0.0]], axis=1)

# A rope from one end to the other: how far along, and how far below the line between them in units of its sag.
_ALONG = np.linspace(0.0, 1.0, 17)
ARC = np.stack([_ALONG, 4.0 * _ALONG * (1.0 - _ALONG)], axis=1)


class FlatJoints:
    """One group of joints: l of them, drawn as m lines, and dots over them.

    Attributes:
        counts: (m,) of the corners of each line.
        ranges: (sliders, 2) from where to where each goes along its rail [m].
    """

    def __init__(self, joints: Joints, actuation: Actuation) -> None:
        """Work out what does not change from row to row."""
        self._joints, self._actuation = joints, actuation
        self._bodies, self._down = joints.bodies, joints.down
        self._width = width_of(joints)
        self._owners = np.array([joint.bodies for joint in joints.joints], dtype=np.intp).reshape(-1, 2)
        self._anchors = np.array([joint.anchors for joint in joints.joints]).reshape(-1, 2, 2)
        self._fixed = self._owners[:, 1] < 0
        pins, welds, self._sliders, self._ropes, self._springs = (
            np.flatnonzero([joint.kind == kind for joint in joints.joints])
            for kind in ("pin", "weld", "slider", "rope", "spring")
        )
        driven = np.concatenate([np.zeros(0, dtype=np.intp), *(group.which for group in joints.driven)])
        self._hubs = pins[np.isin(pins, driven)]
        self._lengths = np.array([joint.length for joint in joints.joints if joint.kind == "rope"])
        self._axes = np.array([joint.axis for joint in joints.joints if joint.kind == "slider"])
        self.ranges = slider_ranges(joints)
        self._stem_owners, self._stems = stems(joints)
        self._set_lines()
        self._set_dots(pins, welds)

    def _set_lines(self) -> None:
        """How lines look: stems, ropes, springs, carriages and hubs.

        Of the last two there is a line for the rim, then one for what it encloses.
        """
        sizes = [len(self._stems) // 2, len(self._ropes), len(self._springs)]
        sizes += [len(self._sliders)] * 2 + [len(self._hubs)] * 2
        self.counts = np.repeat([2, len(ARC), len(COIL), 2, 2, 2, 2], sizes).tolist()
        self._outlines = Outlines(self.counts)
        self._thick = np.repeat([0.7, 0.5, 0.5, 2.6, 2.6, 4.4, 4.4], sizes)
        self._rim = np.repeat([0.0, 0.0, 0.0, 0.0, 2.4, 0.0, 2.4], sizes)
        dark, light = rgba(STYLE.point), rgba(STYLE.sky)
        self._colours = np.repeat([dark, dark, rgba(STYLE.passive), dark, light, dark, light], sizes, axis=0)
        first = np.cumsum([0, *sizes]).tolist()
        self._line_of = np.zeros(len(self._owners), dtype=np.intp)  # of each joint that may be driven
        for place, family in ((2, self._springs), (4, self._sliders), (6, self._hubs)):
            self._line_of[family] = first[place] + np.arange(len(family))

    def _set_dots(self, pins: np.ndarray, welds: np.ndarray) -> None:
        """Where joints are fastened, as 2 * joint + side: dark, light in the middle of hinges, or held by the world."""
        curves, fixed = np.concatenate([self._ropes, self._springs]), self._fixed
        small = np.concatenate([2 * curves, 2 * curves[~fixed[curves]] + 1, 2 * welds])
        self._dark, self._sizes = np.concatenate([small, 2 * pins]), np.repeat([1.1, 2.4], [len(small), len(pins)])
        self._light = 2 * pins[~fixed[pins]]
        held = np.concatenate([curves, pins])
        self._held = 2 * held[fixed[held]] + 1

    def _thickness(self, canvas: Canvas, camera: Camera) -> float:
        """A length to measure lines and dots by: they are small beside a typical body [pixels]."""
        return float(np.clip(0.38 * self._width * camera.scale, 1.8 * canvas.unit, 4.5 * canvas.unit))

    def _pose(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places (n, 2) and angles (n,) of the bodies, and (l, 2, 2) both ends of each joint [m]."""
        places, turns = row_of(self._bodies.places, row), row_of(self._bodies.turns, row)
        return places, turns, _ends(self._owners, self._anchors, places, turns)

    def paint_rails(self, canvas: Canvas, camera: Camera, row: int) -> None:
        """What sliders move along, as far as they ever do."""
        if len(self._sliders):
            _, turns, ends = self._pose(row)
            base, _, along = self._slides(ends, turns)
            rails = camera.project(base[:, None] + self.ranges[..., None] * along[:, None])[0]
            canvas.strokes(rails, rgba(STYLE.surface), 6.0 * canvas.unit)
            canvas.strokes(rails, rgba(STYLE.sky), 3.0 * canvas.unit)

    def paint(self, canvas: Canvas, camera: Camera, row: int) -> None:
        """All of them at a row of the trajectory: hinges are rings, what the world holds is orange."""
        if not len(self._owners):
            return
        places, turns, ends = self._pose(row)
        thick = self._thickness(canvas, camera)
        if self.counts:
            self._outlines.corners[:] = self._corners(camera, places, turns, ends, thick)
            colours = self._colours.copy()
            for group in self._joints.driven:
                which, levels = self._actuation.levels(group, row)
                colours[self._line_of[which]] = group.scale.of(levels)
            widths = thick * self._thick - canvas.unit * self._rim
            canvas.outlines(self._outlines, np.zeros((len(colours), 4)), colours, widths)
        pixels = camera.project(ends.reshape(-1, 2))[0]
        paint_dots(canvas, pixels[self._dark], rgba(STYLE.point), thick * self._sizes)
        paint_dots(canvas, pixels[self._light], rgba(STYLE.sky), 1.2 * thick)
        paint_dots(canvas, pixels[self._held], rgba(STYLE.pinned), 1.5 * thick)

    def _corners(
        self, camera: Camera, places: np.ndarray, turns: np.ndarray, ends: np.ndarray, thick: float
    ) -> np.ndarray:
        """(v, 2) of all lines [pixels]."""
        parts = [np.zeros((0, 2))]
        if len(self._stems):
            parts.append(camera.project(in_world(places, turns, self._stem_owners, self._stems))[0])
        if len(self._ropes):
            parts.append(self._arcs(camera, ends))
        if len(self._springs):
            parts.append(self._coils(camera, ends, thick))
        if len(self._sliders):
            parts += [self._carriages(camera, ends, turns, thick)] * 2
        if len(self._hubs):
            hubs = np.repeat(camera.project(ends[self._hubs, :1])[0], 2, axis=1)
            hubs[:, 1, 0] += 1e-3  # Agg drops a line of no length
            parts += [hubs] * 2
        return np.concatenate([part.reshape(-1, 2) for part in parts])

    def _arcs(self, camera: Camera, ends: np.ndarray) -> np.ndarray:
        """(k, 17, 2) of ropes [pixels]: parabolas that are nearly as long as the rope, and are when it is taut."""
        start, way = ends[self._ropes, :1], ends[self._ropes, 1:] - ends[self._ropes, :1]
        sag = np.sqrt(3.0 / 16.0 * np.maximum(self._lengths**2 - (way[:, 0] ** 2).sum(axis=1), 0.0))
        return camera.project(start + ARC[:, :1] * way + sag[:, None, None] * ARC[:, 1:] * self._down)[0]

    def _coils(self, camera: Camera, ends: np.ndarray, thick: float) -> np.ndarray:
        """(k, 15, 2) of springs [pixels]."""
        pixels = camera.project(ends[self._springs])[0]
        start, way = pixels[:, :1], pixels[:, 1:] - pixels[:, :1]
        across = np.stack([-way[..., 1], way[..., 0]], axis=-1)
        across *= 1.5 * thick / np.maximum(np.linalg.norm(across, axis=2, keepdims=True), 1e-9)
        found: np.ndarray = start + COIL[:, :1] * way + COIL[:, 1:] * across
        return found

    def _carriages(self, camera: Camera, ends: np.ndarray, turns: np.ndarray, thick: float) -> np.ndarray:
        """(k, 2, 2) of what moves along rails [pixels]."""
        _, middle, along = self._slides(ends, turns)
        found: np.ndarray = (
            camera.project(middle)[0][:, None] + 2.2 * thick * np.array([[-1.0], [1.0]]) * along[:, None]
        )
        return found

    def _slides(self, ends: np.ndarray, turns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        turned = turns[..., self._owners[self._sliders, 0]] + self._axes
        return _slides(ends[..., self._sliders, :, :], turned, self._fixed[self._sliders])


def width_of(joints: Joints) -> float:
    """Of a typical body of those that are joined [m]."""
    widths = [part.width for part in joints.bodies.parts]
    return float(np.median(widths)) if widths else 0.0


def slider_ranges(joints: Joints) -> np.ndarray:
    """(k, 2) from where to where each slider goes along its rail, and a bit farther [m]."""
    sliders = [joint for joint in joints.joints if joint.kind == "slider"]
    if not sliders:
        return np.zeros((0, 2))
    owners = np.array([joint.bodies for joint in sliders], dtype=np.intp)
    anchors = np.array([joint.anchors for joint in sliders])
    places, turns = joints.bodies.places, joints.bodies.turns
    ends = _ends(owners, anchors, places, turns)
    turned = turns[..., owners[:, 0]] + np.array([joint.axis for joint in sliders])
    base, middle, along = _slides(ends, turned, owners[:, 1] < 0)
    way = np.nan_to_num(((middle - base) * along).sum(axis=-1))
    farther = 2.0 * width_of(joints)
    return np.stack([way.min(axis=0) - farther, way.max(axis=0) + farther], axis=-1)


def stems(joints: Joints) -> tuple[np.ndarray, np.ndarray]:
    """(2 k,) bodies and (2 k, 2) points of their frames [m]: pairs, from the outline to an anchor outside of it."""
    rings: dict[int, list[np.ndarray]] = {}
    for part in joints.bodies.parts:
        rings.setdefault(part.body, []).append(part.placed(outline(part)))
    bodies, points = [], []
    for joint in joints.joints:
        for owner, anchor in zip(joint.bodies, joint.anchors, strict=True):
            if owner not in rings:
                continue
            outside = [_outside(ring, anchor) for ring in rings[owner]]
            if min(outside) > 0.01:  # no stems to what is on the rim
                ring = rings[owner][int(np.argmin(outside))]
                sides = np.diff(ring, axis=0)
                dense = (ring[:-1, None] + np.linspace(0.0, 1.0, 33)[:, None] * sides[:, None]).reshape(-1, 2)
                bodies += [owner, owner]
                points += [dense[np.argmin(np.linalg.norm(dense - anchor, axis=1))], anchor]
    return np.array(bodies, dtype=np.intp), np.array(points).reshape(-1, 2)


def _outside(ring: np.ndarray, anchor: np.ndarray) -> float:
    """How far a place is from within a closed outline, as a share of its extent; negative inside."""
    sides, apart = np.diff(ring, axis=0), anchor - ring[:-1]
    over = (sides[:, 1] * apart[:, 0] - sides[:, 0] * apart[:, 1]) / np.maximum(np.hypot(*sides.T), 1e-300)
    return float(over.max() / (np.ptp(ring, axis=0).max() or 1.0))


def _ends(owners: np.ndarray, anchors: np.ndarray, places: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """(..., l, 2, 2) both ends of each joint [m], of bodies at places (..., n, 2) [m] and turns (..., n)."""
    ends = in_world(places, turns, owners.reshape(-1), anchors.reshape(-1, 2))
    return ends.reshape(*ends.shape[:-2], -1, 2, 2)


def _slides(ends: np.ndarray, turned: np.ndarray, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(..., k, 2) of each slider: the anchor that its rail has, the one that moves along it, and the direction.

    The rail belongs to the first body. Where the second is the world it is seen from there: the world has the rail.
    """
    first, second = ends[..., 0, :], ends[..., 1, :]
    along = np.stack([np.cos(turned), np.sin(turned)], axis=-1)
    world = fixed[:, None]
    return np.where(world, second, first), np.where(world, first, second), along
