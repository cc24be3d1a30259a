"""Points, segments between them and triangles: in space the far ones first, and paler."""

from __future__ import annotations

import numpy as np

from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.colours import Driven, Values, rgba_of
from diffsim.viewing.look import Look, Points, Segments, Triangles
from diffsim.viewing.painting.actuation import Actuation
from diffsim.viewing.planes import Floor
from diffsim.viewing.scenery import paint_shadow
from diffsim.viewing.shaped import row_of
from diffsim.viewing.solids import Layers
from diffsim.viewing.style import STYLE, rgba

__all__ = ["Nets", "colours_at", "length_of"]

# How much of the colour of the flesh the farthest segment takes on.
HAZE = 0.33

# Diameter of points that nothing joins, in pixels of a picture of 512 by 512: of up to so many, and at least.
BALL, FEW, SMALLEST = 14.0, 60, 2.5

# Of more points than this each colour is painted at once; in the plane only, where it matters less what covers what.
MANY = 400

# Shades of red, of green and of blue that are told apart then; and corners of points up to so many pixels wide.
SHADES, CORNERS = 31, ((4.0, 6), (12.0, 12), (np.inf, 32))

Strokes = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # ends, colours, widths, nearness


class Nets:
    """All points, segments and triangles of a look."""

    def __init__(self, look: Look, actuation: Actuation) -> None:
        """Work out what does not change from row to row."""
        self._elements = look.of(Triangles, Segments, Points)
        self._actuation = actuation
        self._lengths = {id(net): length_of(net) for net in look.of(Segments)}
        self._thick = {id(net.points): self._lengths[id(net)] for net in reversed(look.of(Segments))}

    def paint_shadows(self, canvas: Canvas, camera: Camera, floor: Floor, row: int) -> None:
        """One of each group of points that move, or of what is between them."""
        for points in {id(each): each for each in map(_points_of, self._elements)}.values():
            own = [each for each in self._elements if _points_of(each) is points]
            cover = [each.corners for each in own if isinstance(each, Triangles) and len(each.corners)]
            cover += [each.ends for each in own if isinstance(each, Segments)]
            places = row_of(points.places, row)
            if len(points.places) > 1 and (cover or camera.flat):
                shapes = cover[0] if cover else np.zeros((0, 2), dtype=np.intp)
                paint_shadow(canvas, camera, floor, places, shapes, self._width(canvas, camera, id(points)))

    def paint(self, canvas: Canvas, camera: Camera, layers: Layers | None, row: int) -> None:
        """All of them at a row of the trajectory; what layers of solids hide is left out."""
        strokes: list[Strokes] = []
        for element in self._elements:
            pixels, near = camera.project(row_of(_points_of(element).places, row))
            if isinstance(element, Triangles):
                canvas.polygons(pixels[element.corners], rgba_of(element.colour))
                continue
            found = self._segments if isinstance(element, Segments) else self._points
            made = found(canvas, camera, element, pixels, near, row)
            if camera.flat:
                _put(canvas, made)
            else:
                strokes.append(made)
        if strokes:
            ends, colours, widths, depth = (np.concatenate(parts) for parts in zip(*strokes, strict=True))
            if layers is not None:
                hidden = layers.hidden(ends[:, 0], depth, 0.0) & layers.hidden(ends[:, 1], depth, 0.0)
                ends, colours, widths, depth = (part[~hidden] for part in (ends, colours, widths, depth))
            canvas.strokes(*_by_depth(ends, colours, widths, depth))

    def _width(self, canvas: Canvas, camera: Camera, points: int) -> float:
        """Of segments between these points [pixels]: thick enough to see colours, thin enough to see between."""
        share = 10.0 if camera.flat else 16.0
        length = self._thick.get(points, 0.0)
        return float(np.clip(length * camera.scale / share, 1.2 * canvas.unit, 4.5 * canvas.unit))

    def _segments(
        self, canvas: Canvas, camera: Camera, net: Segments, pixels: np.ndarray, near: np.ndarray, row: int
    ) -> Strokes:
        colours = np.array(colours_at(net.colour, row))
        if net.width is None:
            width = self._width(canvas, camera, id(net.points))
            # Many segments hide each other in space: those that nothing drives step back.
            widths = np.full(len(net.ends), width if camera.flat else 0.6 * width)
            driven = 1.5 * width
        else:
            driven = max(net.width * camera.scale, canvas.unit)
            widths = np.full(len(net.ends), driven)
        if isinstance(net.driven, Driven):
            which, levels = self._actuation.levels(net.driven, row)
            colours[which], widths[which] = net.driven.scale.of(levels), driven
        return pixels[net.ends], colours, widths, near[net.ends].mean(axis=1)

    def _points(
        self, canvas: Canvas, camera: Camera, points: Points, pixels: np.ndarray, near: np.ndarray, row: int
    ) -> Strokes:
        n, unit = len(pixels), canvas.unit
        if points.radius is not None:
            shrink = 1.0 - near / camera.eye if np.isfinite(camera.eye) else 1.0
            widths = np.maximum(2.0 * points.radius * camera.scale / shrink, 1.5 * unit)
        elif id(points) in self._thick:  # in a net, points only cover where segments meet
            widths = np.full(n, 2.1 * self._width(canvas, camera, id(points)))
        else:
            widths = np.full(n, max(BALL * min((FEW / n) ** 0.5, 1.0), SMALLEST) * unit)
        return np.repeat(pixels[:, None], 2, axis=1), colours_at(points.colour, row), widths, near


def colours_at(colour: np.ndarray | Values, row: int) -> np.ndarray:
    """(n, 4) at a row of the trajectory."""
    return colour.scale.of(row_of(colour.values, row)) if isinstance(colour, Values) else colour


def _put(canvas: Canvas, strokes: Strokes) -> None:
    ends, colours, widths, _ = strokes
    if len(ends) <= MANY or (ends[:, 0] != ends[:, 1]).any():
        canvas.strokes(ends, colours, widths)
        return
    fine = np.isfinite(ends).all(axis=(1, 2))
    count = next(count for most, count in CORNERS if widths[fine].max(initial=0.0) <= most)
    turn = 2.0 * np.pi * np.arange(count) / count
    corners = ends[:, :1] + 0.5 * widths[:, None, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    keys = np.rint(SHADES * colours).astype(np.intp) @ (SHADES + 1) ** np.arange(4)
    order = np.flatnonzero(fine)[np.argsort(keys[fine], kind="stable")]
    for group in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
        if len(group):
            canvas.polygons(corners[group], colours[group[0]])


def _points_of(element: Points | Segments | Triangles) -> Points:
    return element if isinstance(element, Points) else element.points


def length_of(net: Segments) -> float:
    """Of a typical segment at the start [m]."""
    if not len(net.ends):
        return 0.0
    places = net.points.places[0][net.ends]
    found = np.linalg.norm(np.diff(places, axis=1)[:, 0], axis=1)
    return float(np.median(found[np.isfinite(found)])) if np.isfinite(found).any() else 0.0


def _by_depth(
    ends: np.ndarray, colours: np.ndarray, widths: np.ndarray, depth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Painter's order, the far ones first and paler; all by ``depth`` (m,), nearness to the eye [m]."""
    depth = np.nan_to_num(depth, nan=-np.inf, neginf=-np.inf, posinf=np.inf)
    order = np.argsort(depth, kind="stable")
    fine = depth[np.isfinite(depth)]
    high, span = (fine.max(), float(np.ptp(fine)) or 1.0) if len(fine) else (0.0, 1.0)
    haze = HAZE * np.clip((high - depth) / span, 0.0, 1.0)[:, None]
    flesh = rgba(STYLE.flesh)
    mixed = np.concatenate([(1.0 - haze) * colours[:, :3] + haze * flesh[:3], colours[:, 3:]], axis=1)
    widths = widths * (1.0 - 0.35 * haze[:, 0])
    return ends[order], mixed[order], widths[order]
