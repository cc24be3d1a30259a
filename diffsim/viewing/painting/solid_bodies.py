"""Bodies and scenery in space, pixel by pixel, with their shadows; joints and sites where nothing hides them."""

from __future__ import annotations

import numpy as np

from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.ground import SQUARE, paint_squares
from diffsim.viewing.look import Bodies, Fixed, Joints, Look, Sites
from diffsim.viewing.painting.actuation import Actuation
from diffsim.viewing.painting.arrows import paint_dots
from diffsim.viewing.painting.points import colours_at
from diffsim.viewing.parts import Part, spread
from diffsim.viewing.planes import Floor
from diffsim.viewing.scenery import LIGHT, round_step
from diffsim.viewing.shaped import row_of
from diffsim.viewing.solids import Layers, Solids
from diffsim.viewing.style import STYLE, rgba

__all__ = ["SolidBodies", "paint_planes", "thickness"]

# A shadow is soft over this share of a solid's size, and over this share of its height above the ground: the sun is
# not a point.
SOFT, SUN = 0.2, 0.09

# From the core of a shadow to its end, in layers over each other, in halves of what is soft; and how dark each is.
PENUMBRA = tuple(np.linspace(-1.0, 1.0, 9).tolist())
LAYER = 0.038

# Directions to which a shadow's corners are the farthest points.
AROUND = np.stack([trig(2.0 * np.pi * np.arange(24) / 24) for trig in (np.cos, np.sin)], axis=1)

# Width of outlines, in pixels of a picture of 512 by 512.
OUTLINE = 1.3


class SolidBodies:
    """All bodies and all scenery of a look in space.

    Attributes:
        thick: half the width of a typical part that moves [m].
    """

    def __init__(self, look: Look, actuation: Actuation) -> None:
        """Work out what does not change from row to row."""
        self._actuation = actuation
        self._bodies = look.of(Bodies)
        self._own = [_solids(bodies.parts) for bodies in self._bodies]
        self._owners = [[part.body for part in bodies.parts] for bodies in self._bodies]
        self._world = _solids([part for fixed in look.of(Fixed) for part in fixed.parts])
        self._marks = look.of(Joints, Sites)
        self.thick = thickness([part for bodies in self._bodies for part in bodies.parts])
        self._lens: tuple[object, ...] = ()  # what the layers are made for
        self._stand: np.ndarray | None = None  # where the camera was when the world was painted
        self._layers: Layers
        self._still: Layers

    def paint(self, canvas: Canvas, camera: Camera, floor: Floor, row: int) -> Layers | None:
        """Shadows, bodies and scenery at a row of the trajectory; the layers of the solids, None without any."""
        if not len(self._world.centre) and not self._bodies:
            return None
        moving = [self._at(k, row) for k in range(len(self._bodies))]
        paint_shadows(canvas, camera, floor, _joined([*moving, self._world]))
        layers = self._prepared(canvas, camera, floor)
        layers.paint(camera, _joined(moving), floor)
        layers.put(canvas)
        return layers

    def paint_marks(self, canvas: Canvas, camera: Camera, layers: Layers | None, row: int) -> None:
        """Joints and sites that no other part hides."""
        for marks in self._marks:
            if isinstance(marks, Joints):
                self._joints(canvas, camera, layers, marks, row)
            else:
                pixels, seen = self._seen(camera, layers, marks, marks.owners, marks.places, 2.0, row)
                paint_dots(canvas, pixels[seen], rgba(STYLE.point), 4.0 * canvas.unit)
                paint_dots(canvas, pixels[seen], rgba(STYLE.sky), 2.0 * canvas.unit)

    def _joints(self, canvas: Canvas, camera: Camera, layers: Layers | None, joints: Joints, row: int) -> None:
        """Dots in the colours of motors where they have some."""
        if not joints.joints:
            return
        owners = np.array([joint.bodies[0] for joint in joints.joints], dtype=np.intp)
        anchors = np.array([joint.anchors[0] for joint in joints.joints])
        pixels, seen = self._seen(camera, layers, joints, owners, anchors, 1.6, row)
        colours = np.tile(rgba(STYLE.sky), (len(owners), 1))
        for group in joints.driven:
            which, levels = self._actuation.levels(group, row)
            colours[which] = group.scale.of(levels)
        size = float(np.clip(0.9 * self.thick * camera.scale, 3.6 * canvas.unit, 9.0 * canvas.unit))
        paint_dots(canvas, pixels[seen], rgba(STYLE.point, 0.8), size)
        canvas.discs(pixels[seen], colours[seen], size - 2.0 * canvas.unit)

    def _seen(
        self,
        camera: Camera,
        layers: Layers | None,
        marks: Joints | Sites,
        owners: np.ndarray,
        anchors: np.ndarray,
        depth: float,
        row: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(k, 2) pixels of places on bodies, and (k,) whether they are less deep than so many thicknesses."""
        places = np.concatenate([row_of(marks.bodies.places, row), np.zeros((1, 3))])
        turns = np.concatenate([row_of(marks.bodies.turns, row), np.eye(3)[None]])
        pixels, near = camera.project(places[owners] + (turns[owners] @ anchors[..., None])[..., 0])
        seen = np.isfinite(near)
        if layers is not None:
            seen &= ~layers.hidden(pixels, near, depth * self.thick)
        return pixels, seen

    def _at(self, k: int, row: int) -> Solids:
        """The parts of a group of bodies in the world at a row of the trajectory."""
        own, bodies, owners = self._own[k], self._bodies[k], self._owners[k]
        places, turns = row_of(bodies.places, row)[owners], row_of(bodies.turns, row)[owners]
        fills = own.fills
        if bodies.colour is not None:
            fills = colours_at(bodies.colour, row)[owners]
        centre = places + (turns @ own.centre[..., None])[..., 0]
        return Solids(own.shapes, own.surfaces, centre, turns @ own.rotation, own.size, fills, own.edges)

    def _prepared(self, canvas: Canvas, camera: Camera, floor: Floor) -> Layers:
        """Layers with what the world has; that is painted once while the camera stands still."""
        lens = (canvas.within, camera.scale, *camera.origin.tolist(), *camera.axes.ravel().tolist())
        if lens != self._lens:
            self._lens, self._stand = lens, None
            self._layers, self._still = (Layers(camera, canvas.within, OUTLINE * canvas.unit) for _ in range(2))
        if self._stand is None or (self._stand != camera.centre).any():
            self._still.clear()
            self._still.paint(camera, self._world, floor)
            self._stand = camera.centre
        self._layers.take(self._still)
        return self._layers


def thickness(parts: list[Part]) -> float:
    """Half the width of a typical part in space [m]."""
    if not parts:
        return 0.0
    size = np.array([part.size for part in parts])
    return float(np.median(np.where(size > 0.0, size, np.inf).min(axis=1)))


def paint_planes(canvas: Canvas, camera: Camera, look: Look, size: float) -> None:
    """Squares on planes that are not the ground, around something of this size [m]."""
    for wall in look.walls:
        if wall.normal @ camera.axes[2] > 0.0:  # or it would hide all
            step = round_step(SQUARE * 2.0 * size)
            paint_squares(canvas, camera, wall, wall.foot(camera.centre), 2.0 * size, step, look.ground)


def paint_shadows(canvas: Canvas, camera: Camera, floor: Floor, solids: Solids) -> None:
    """What solids throw on solid ground, softer the higher they are; where shadows overlap they are one."""
    gap = floor.gap(solids.centre)
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(gap) & (gap > -solids.size.max(axis=1)) & (solids.fills[:, 3] > 0.3)
    if not (floor.solid and floor.shadows) or not seen.any():
        return
    shapes = tuple(shape for shape, kept in zip(solids.shapes, seen, strict=True) if kept)
    surfaces = tuple(surface for surface, kept in zip(solids.surfaces, seen, strict=True) if kept)
    solids = Solids(shapes, surfaces, *(part[seen] for part in solids[2:]))
    light = floor.normal if floor.normal @ LIGHT < 0.2 else LIGHT
    around = AROUND @ floor.tangents
    # A point's shadow is as far along a way as the point itself is along this one.
    ways = around - ((around @ light) / (floor.normal @ light))[:, None] * floor.normal
    feet = floor.foot(spread(solids.shapes, solids.centre, solids.rotation, solids.size, ways, solids.surfaces), light)
    thin = np.where(solids.size > 0.0, solids.size, np.inf).min(axis=1)
    soft = SOFT * np.minimum(thin, solids.size.max(axis=1)) + SUN * np.maximum(gap[seen], 0.0)
    for share in PENUMBRA:
        wider = share * soft
        dark = wider > -0.8 * thin  # what is thin and high up has no core
        pixels, _ = camera.project(feet[dark] + wider[dark, None, None] * around)
        canvas.polygons(pixels, rgba(STYLE.shadow, LAYER))


def _solids(parts: list[Part] | tuple[Part, ...]) -> Solids:
    """Parts where they are in their frames."""
    return Solids(
        tuple(part.shape for part in parts),
        tuple(part.surface for part in parts),
        np.array([part.at for part in parts]).reshape(-1, 3),
        np.array([part.turn for part in parts]).reshape(-1, 3, 3),
        np.array([part.size for part in parts]).reshape(-1, 3),
        np.array([part.fill for part in parts]).reshape(-1, 4),
        np.array([part.edge for part in parts]).reshape(-1, 4),
    )


def _joined(groups: list[Solids]) -> Solids:
    if not groups:
        return _solids([])
    shapes = tuple(shape for group in groups for shape in group.shapes)
    surfaces = tuple(surface for group in groups for surface in group.surfaces)
    arrays = zip(*(group[2:] for group in groups), strict=True)
    return Solids(shapes, surfaces, *(np.concatenate(parts) for parts in arrays))
