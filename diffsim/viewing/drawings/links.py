"""Joints, ropes and springs between planar rigid bodies."""

from __future__ import annotations

import numpy as np

from diffsim.physics.rigid_bodies.bodies import Body
from diffsim.physics.rigid_bodies.joints import Pin, Rope, Slider, Weld, in_world, owners_of
from diffsim.physics.rigid_bodies.scene import Elements
from diffsim.rollout import Rollout
from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.drawings.outline import outline
from diffsim.viewing.legend import paint_scale
from diffsim.viewing.style import STYLE, muscle_colours, rgba

__all__ = ["Links", "paint_dots"]

# A spring from its first end (0, 0) to its second (1, 0): how far along, and how far across in units of its width.
_WINDINGS = np.linspace(0.15, 0.85, 13)
COIL = np.stack([[0.0, *_WINDINGS, 1.0], [0.0, 0.0, *[1.0, -1.0] * 5, 1.0, 0.0, 0.0]], axis=1)

# A rope from one end to the other: how far along, and how far below the line between them in units of its sag.
_ALONG = np.linspace(0.0, 1.0, 17)
ARC = np.stack([_ALONG, 4.0 * _ALONG * (1.0 - _ALONG)], axis=1)

# Corners of dots, which are small.
CIRCLE = np.stack([trig(2.0 * np.pi * np.arange(16) / 16) for trig in (np.cos, np.sin)], axis=1)


class Links:
    """All joints, then all springs of a rollout of one environment: l links, drawn as m lines, and dots over them.

    Attributes:
        world: (k, 2) their anchors in the world [m].
        counts: (m,) of the corners of each line.
        width: of a typical body [m].
        stems, stem_owners: (2 k, 2) and (2 k,), pairs of points of bodies, in their frames [m].
        ranges: (sliders, 2) from where to where each goes along its rail [m].
    """

    def __init__(
        self, rollout: Rollout, elements: Elements, position: np.ndarray, angle: np.ndarray, gravity: np.ndarray
    ) -> None:
        """Of these elements, as tuned, of bodies at positions (rows, n, 2) [m] and angles (rows, n).

        Gravity (2,) makes ropes sag.
        """
        scene, joints = rollout.problem.scene, elements.joints
        links = [*joints, *elements.springs]
        self.width = float(np.median([_width(body) for body in elements.bodies]))
        self._owners = owners_of(links, len(elements.bodies))
        self._anchors = np.array([link.anchors for link in links]).reshape(-1, 2, 2)
        self._fixed = self._owners[:, 1] == len(elements.bodies)
        self.world = self._anchors[self._fixed, 1]
        pins, welds, self._sliders, self._ropes = (
            np.flatnonzero([isinstance(joint, kind) for joint in joints]) for kind in (Pin, Weld, Slider, Rope)
        )
        self._springs = len(joints) + np.arange(len(elements.springs))
        self._hubs = pins[np.isin(pins, scene.driven_joints)]
        self._lengths = np.array([joint.length for joint in joints if isinstance(joint, Rope)])
        self.down = gravity / np.linalg.norm(gravity) if gravity.any() else np.array([0.0, -1.0])
        self._axes = np.array([joint.axis_angle for joint in joints if isinstance(joint, Slider)])
        self.ranges = self._find_ranges(position, angle)
        self.stem_owners, self.stems = _stems(elements, self._owners, self._anchors)
        self._set_lines([*self._springs[scene.driven_springs].tolist(), *scene.driven_joints.tolist()])
        self._set_dots(pins, welds)
        self._muscles, self._motors = len(scene.driven_springs), len(scene.driven_joints)
        self._level = _levels(rollout, [elements.springs[k].actuation for k in scene.driven_springs])

    def _set_lines(self, driven: list[int]) -> None:
        """How lines look, of which some belong to driven links: stems, ropes, springs, carriages and hubs.

        Of the last two there is a line for the rim, then one for what it encloses.
        """
        sizes = [len(self.stems) // 2, len(self._ropes), len(self._springs)]
        sizes += [len(self._sliders)] * 2 + [len(self._hubs)] * 2
        self.counts = np.repeat([2, len(ARC), len(COIL), 2, 2, 2, 2], sizes).tolist()
        self._thick = np.repeat([0.7, 0.5, 0.5, 2.6, 2.6, 4.4, 4.4], sizes)
        self._rim = np.repeat([0.0, 0.0, 0.0, 0.0, 2.4, 0.0, 2.4], sizes)
        dark, light = rgba(STYLE.point), rgba(STYLE.sky)
        self._colours = np.repeat([dark, dark, rgba(STYLE.passive), dark, light, dark, light], sizes, axis=0)
        first = np.cumsum([0, *sizes]).tolist()
        line_of = {}
        for place, family in ((2, self._springs), (4, self._sliders), (6, self._hubs)):
            line_of.update({link: first[place] + k for k, link in enumerate(family.tolist())})
        self._driven = np.array([line_of[link] for link in driven], dtype=np.intp)

    def _set_dots(self, pins: np.ndarray, welds: np.ndarray) -> None:
        """Where links are fastened, as 2 * link + side: dark, light in the middle of hinges, or held by the world."""
        curves, fixed = np.concatenate([self._ropes, self._springs]), self._fixed
        small = np.concatenate([2 * curves, 2 * curves[~fixed[curves]] + 1, 2 * welds])
        self._dark, self._sizes = np.concatenate([small, 2 * pins]), np.repeat([1.1, 2.4], [len(small), len(pins)])
        self._light = 2 * pins[~fixed[pins]]
        held = np.concatenate([curves, pins])
        self._held = 2 * held[fixed[held]] + 1

    def thickness(self, canvas: Canvas, camera: Camera) -> float:
        """A length to measure lines and dots by: they are small beside a typical body [pixels]."""
        return float(np.clip(0.38 * self.width * camera.scale, 1.8 * canvas.unit, 4.5 * canvas.unit))

    def ends(self, position: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """(..., l, 2, 2) both ends of each link [m], of bodies at positions (..., n, 2) [m] and angles (..., n)."""
        owners, anchors = self._owners.reshape(-1), self._anchors.reshape(-1, 2)
        ends = in_world(position, angle, owners, anchors)
        return ends.reshape(*ends.shape[:-2], -1, 2, 2)

    def paint_rails(self, canvas: Canvas, camera: Camera, ends: np.ndarray, angle: np.ndarray) -> None:
        """What sliders move along, as far as they ever do."""
        if len(self._sliders):
            base, _, along = self._slides(ends, angle)
            rails = camera.project(base[:, None] + self.ranges[..., None] * along[:, None])[0]
            canvas.strokes(rails, rgba(STYLE.surface), 6.0 * canvas.unit)
            canvas.strokes(rails, rgba(STYLE.sky), 3.0 * canvas.unit)

    def corners(
        self, camera: Camera, position: np.ndarray, angle: np.ndarray, ends: np.ndarray, thick: float
    ) -> np.ndarray:
        """(v, 2) of all lines [pixels]."""
        parts = [np.zeros((0, 2))]
        if len(self.stems):
            parts.append(camera.project(in_world(position, angle, self.stem_owners, self.stems))[0])
        if len(self._ropes):
            parts.append(self._arcs(camera, ends))
        if len(self._springs):
            parts.append(self._coils(camera, ends, thick))
        if len(self._sliders):
            parts += [self._carriages(camera, ends, angle, thick)] * 2
        if len(self._hubs):
            hubs = np.repeat(camera.project(ends[self._hubs, :1])[0], 2, axis=1)
            hubs[:, 1, 0] += 1e-3  # Agg drops a line of no length
            parts += [hubs] * 2
        return np.concatenate([part.reshape(-1, 2) for part in parts])

    def look(self, row: int, thick: float, unit: float) -> tuple[np.ndarray, np.ndarray]:
        """(m, 4) colours and (m,) widths of all lines [pixels] at a row of the trajectory."""
        colours = self._colours.copy()
        colours[self._driven] = muscle_colours(self._level[min(row, len(self._level) - 1)])
        return colours, thick * self._thick - unit * self._rim

    def paint_dots(self, canvas: Canvas, camera: Camera, ends: np.ndarray, thick: float) -> None:
        """Where links are fastened: hinges are rings, what the world holds is orange."""
        if not len(self._owners):
            return
        pixels = camera.project(ends.reshape(-1, 2))[0]
        paint_dots(canvas, pixels[self._dark], rgba(STYLE.point), thick * self._sizes)
        paint_dots(canvas, pixels[self._light], rgba(STYLE.sky), 1.2 * thick)
        paint_dots(canvas, pixels[self._held], rgba(STYLE.pinned), 1.5 * thick)

    def paint_legend(self, canvas: Canvas, corner: tuple[float, float]) -> None:
        """The colours of muscles and motors, up and left of a corner [pixels]."""
        x, y = corner
        if self._muscles:
            paint_scale(canvas, (x, y), "contracted", "extended")
            y += 1.7 * STYLE.small_size * canvas.unit
        if self._motors:
            paint_scale(canvas, (x, y), "motor −", "motor +")

    def _arcs(self, camera: Camera, ends: np.ndarray) -> np.ndarray:
        """(k, 17, 2) of ropes [pixels]: parabolas that are nearly as long as the rope, and are when it is taut."""
        start, way = ends[self._ropes, :1], ends[self._ropes, 1:] - ends[self._ropes, :1]
        sag = np.sqrt(3.0 / 16.0 * np.maximum(self._lengths**2 - (way[:, 0] ** 2).sum(axis=1), 0.0))
        return camera.project(start + ARC[:, :1] * way + sag[:, None, None] * ARC[:, 1:] * self.down)[0]

    def _coils(self, camera: Camera, ends: np.ndarray, thick: float) -> np.ndarray:
        """(k, 15, 2) of springs [pixels]."""
        pixels = camera.project(ends[self._springs])[0]
        start, way = pixels[:, :1], pixels[:, 1:] - pixels[:, :1]
        across = np.stack([-way[..., 1], way[..., 0]], axis=-1)
        across *= 1.5 * thick / np.maximum(np.linalg.norm(across, axis=2, keepdims=True), 1e-9)
        return start + COIL[:, :1] * way + COIL[:, 1:] * across

    def _carriages(self, camera: Camera, ends: np.ndarray, angle: np.ndarray, thick: float) -> np.ndarray:
        """(k, 2, 2) of what moves along rails [pixels]."""
        _, middle, along = self._slides(ends, angle)
        return camera.project(middle)[0][:, None] + 2.2 * thick * np.array([[-1.0], [1.0]]) * along[:, None]

    def _slides(self, ends: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(..., k, 2) of each slider: the anchor that its rail has, the one that moves along it, and the direction.

        The rail belongs to the first body. Where the second is the world it is seen from there: the world has the rail.
        """
        first, second = ends[..., self._sliders, 0, :], ends[..., self._sliders, 1, :]
        turned = angle[..., self._owners[self._sliders, 0]] + self._axes
        along = np.stack([np.cos(turned), np.sin(turned)], axis=-1)
        fixed = self._fixed[self._sliders, None]
        return np.where(fixed, second, first), np.where(fixed, first, second), along

    def _find_ranges(self, position: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """(k, 2) from where to where each slider goes along its rail, and a bit farther [m]."""
        base, middle, along = self._slides(self.ends(position, angle), angle)
        way = np.nan_to_num(((middle - base) * along).sum(axis=-1))
        return np.stack([way.min(axis=0) - 2.0 * self.width, way.max(axis=0) + 2.0 * self.width], axis=-1)


def _width(body: Body) -> float:
    """Least distance of two parallel lines with the body between them [m]."""
    core = body.core
    if len(core) < 3:
        return 2.0 * body.margin
    sides = np.roll(core, -1, axis=0) - core
    across = np.stack([-sides[:, 1], sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1)[:, None]
    return float(np.ptp(across @ core.T, axis=1).min())


def _stems(elements: Elements, owners: np.ndarray, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(2 k,) bodies and (2 k, 2) points of their frames [m]: pairs, from the outline to an anchor outside of it."""
    bodies, points = [], []
    for owner, anchor in zip(owners.ravel().tolist(), anchors.reshape(-1, 2), strict=True):
        if owner == len(elements.bodies):
            continue
        ring = outline(elements.bodies[owner])
        sides, apart = np.diff(ring, axis=0), anchor - ring[:-1]
        over = (sides[:, 1] * apart[:, 0] - sides[:, 0] * apart[:, 1]) / np.maximum(np.hypot(*sides.T), 1e-300)
        if over.max() > 0.01 * np.ptp(ring, axis=0).max():  # no stems to what is on the rim
            dense = (ring[:-1, None] + np.linspace(0.0, 1.0, 33)[:, None] * sides[:, None]).reshape(-1, 2)
            bodies += [owner, owner]
            points += [dense[np.argmin(np.linalg.norm(dense - anchor, axis=1))], anchor]
    return np.array(bodies, dtype=np.intp), np.array(points).reshape(-1, 2)


def _levels(rollout: Rollout, changes: list[float]) -> np.ndarray:
    """(rows, actuators) from -1 to 1: what is asked of each. Muscles come first, with these relative changes."""
    if "actuation" not in rollout.arrays:
        return np.zeros((1, len(rollout.problem.scene.actuators)))
    asked, most = np.array(rollout["actuation"], dtype=float), np.abs(changes).max(initial=0.0)
    asked[:, : len(changes)] *= np.array(changes) / (most or 1.0)
    return np.clip(asked, -1.0, 1.0)


def paint_dots(canvas: Canvas, centres: np.ndarray, colour: np.ndarray, diameters: np.ndarray | float) -> None:
    """Small discs of one colour (4,), all at once: centres (m, 2), diameters () or (m,) [pixels]."""
    if len(centres):
        radii = 0.5 * np.broadcast_to(diameters, len(centres))[:, None, None]
        canvas.polygons(centres[:, None] + radii * CIRCLE, colour)
