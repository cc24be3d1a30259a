"""Planes that a camera moves along: squares that fade out around it, and marks of the way on the ground."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_hex

from diffsim.viewing.camera import Camera, Viewport
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.planes import Floor
from diffsim.viewing.scenery import round_step
from diffsim.viewing.style import STYLE, rgba

__all__ = ["paint_passing", "paint_squares"]

# Squares have this share of the size of what is on them.
SQUARE = 0.2

# They fade out up to this many times that size from it.
FADE = 1.6

# Shades between soil and sky: the squares of one are painted together.
SHADES = 16

# Pixels between two marks with a number; and from the edge of the picture, where they fade out.
SPACING, BORDER = 105.0, 60.0


def paint_squares(
    canvas: Canvas,
    camera: Camera,
    floor: Floor,
    middle: np.ndarray,
    size: float,
    step: float,
    above: Floor | None = None,
) -> None:
    """Every other square of a plane, paler with the distance from the foot of a place (3,) [m].

    Args:
        canvas: paints them.
        camera: sees them.
        floor: the plane.
        middle: around which they are seen [m].
        size: of what is there; squares are seen farther than that [m].
        step: side of a square [m].
        above: the ground that a wall stands on; the wall is paler.
    """
    at = floor.tangents @ middle
    reach = FADE * size + 0.5 * size
    first, last = np.floor((at - reach) / step).astype(int), np.ceil((at + reach) / step).astype(int)
    cells = np.stack(np.meshgrid(*map(np.arange, first, last), indexing="ij"), axis=-1).reshape(-1, 2)
    cells = cells[cells.sum(axis=1) % 2 == 0]
    if above is not None:
        cells = cells[above.gap(step * (cells + 0.5) @ floor.tangents + floor.height * floor.normal) > 0.0]
    away = np.linalg.norm(step * (cells + 0.5) - at, axis=1) - 0.5 * size
    opacity = np.clip(1.0 - away / (FADE * size), 0.0, 1.0) ** 1.5
    shades = np.rint(SHADES * opacity).astype(int)
    cells, shades = cells[shades > 0], shades[shades > 0]
    square = cells[:, None, :] + np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    corners, _ = camera.project(step * square @ floor.tangents + floor.height * floor.normal)
    full, none = rgba(STYLE.soil if floor.solid and above is None else STYLE.guide), rgba(STYLE.sky)
    for shade in np.unique(shades).tolist():
        share = shade / SHADES
        canvas.polygons(corners[shades == shade], share * full + (1.0 - share) * none)


def paint_passing(
    canvas: Canvas, camera: Camera, viewport: Viewport, floor: Floor, ends: np.ndarray, way: np.ndarray
) -> None:
    """The ground below something that moves, with marks of how far it is along the world's x or y axis.

    Args:
        canvas: paints it.
        camera: sees it.
        viewport: the part of the picture.
        floor: the ground.
        ends: (2, 3) opposite corners of the upright box that it is in, now and later, as the camera moves along [m].
        way: (3,) in which it moves on the whole.
    """
    size, middle = float((ends[1] - ends[0]).max()) or 1.0, ends.mean(axis=0)
    step = round_step(SQUARE * size)
    paint_squares(canvas, camera, floor, middle, size, step)
    # Along the tangent that the way is nearest to, on the side of the eye.
    along, across = floor.tangents[np.argsort(-np.abs(floor.tangents @ way))]
    across = across if across @ camera.axes[2] > 0.0 else -across
    every = round_step(SPACING * canvas.unit / camera.scale)
    lane = float(middle @ across + 0.5 * np.abs(ends[1] - ends[0]) @ np.abs(across)) + 0.07 * size
    reach = 2.0 * sum(canvas.size) / camera.scale
    here = float(middle @ along)
    values = every * np.arange(np.ceil((here - reach) / every), np.floor((here + reach) / every) + 1)
    foot = lane * across + floor.height * floor.normal
    marks = foot + values[:, None] * along
    # Both ends of a line across the way, and where its number is.
    pixels, _ = camera.project(marks[:, None] + size * np.array([[-0.045], [0.045], [0.085]]) * across)
    digits = max(0, -int(np.floor(np.log10(every) + 1e-9)))
    sky, ink = rgba(STYLE.sky), rgba(STYLE.ruler)
    size_of_text = STYLE.small_size * canvas.unit
    low = viewport.bottom + 14.0 * canvas.unit + 2.4 * size_of_text  # below it is the legend
    for (tick, other, (x, y)), value in zip(pixels, values.tolist(), strict=True):
        edge = min(x - viewport.left, viewport.left + viewport.width - x) / (BORDER * canvas.unit)
        if not (edge > 0.3 and low < y < viewport.bottom + viewport.height):
            continue
        share = np.rint(SHADES * min(edge - 0.3, 1.0)) / SHADES
        colour = share * ink + (1.0 - share) * sky
        canvas.strokes(np.array([[tick, other]]), colour, 1.4 * canvas.unit)
        words = f"{value + 0.0:.{digits}f} m".replace("-", "−")
        canvas.text(words, (x, y), size=size_of_text, colour=to_hex(colour), anchor="ma")
