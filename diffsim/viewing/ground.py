"""Planes that a camera moves along: squares that fade out around it, and marks of the way on the ground."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_hex

from diffsim.viewing.brush import Brush
from diffsim.viewing.camera import Camera, Viewport
from diffsim.viewing.scenery import Floor, round_step
from diffsim.viewing.style import STYLE, rgba

__all__ = ["paint_passing", "paint_squares"]

# Squares have this share of the size of what is on them.
SQUARE = 0.2

# They fade out up to this many times that size from it.
FADE = 1.6

# Shades between soil and sky: the squares of one are painted together.
SHADES = 24

# Pixels between two marks with a number; and from the edge of the picture, where they fade out.
SPACING, BORDER = 105.0, 60.0


def paint_squares(brush: Brush, camera: Camera, floor: Floor, middle: np.ndarray, size: float, step: float) -> None:
    """Every other square of a plane, paler with the distance from the foot of a place (3,) [m].

    Args:
        brush: paints them.
        camera: sees them.
        floor: the plane.
        middle: around which they are seen [m].
        size: of what is there; squares are seen farther than that [m].
        step: side of a square [m].
    """
    at = floor.tangents @ middle
    reach = FADE * size + 0.5 * size
    first, last = np.floor((at - reach) / step).astype(int), np.ceil((at + reach) / step).astype(int)
    cells = np.stack(np.meshgrid(*map(np.arange, first, last), indexing="ij"), axis=-1).reshape(-1, 2)
    cells = cells[cells.sum(axis=1) % 2 == 0]
    away = np.linalg.norm(step * (cells + 0.5) - at, axis=1) - 0.5 * size
    opacity = np.clip(1.0 - away / (FADE * size), 0.0, 1.0) ** 1.5
    shades = np.rint(SHADES * opacity).astype(int)
    cells, shades = cells[shades > 0], shades[shades > 0]
    square = cells[:, None, :] + np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    corners, _ = camera.project(step * square @ floor.tangents + floor.height * floor.normal)
    full, none = rgba(STYLE.soil if floor.solid else STYLE.guide), rgba(STYLE.sky)
    for shade in np.unique(shades).tolist():
        share = shade / SHADES
        brush.polygons(corners[shades == shade], share * full + (1.0 - share) * none)


def paint_passing(
    brush: Brush, camera: Camera, viewport: Viewport, floor: Floor, shown: np.ndarray, way: np.ndarray
) -> None:
    """The ground below something that moves, with marks of how far it is along the world's x or y axis.

    Args:
        brush: paints it.
        camera: sees it.
        viewport: the part of the picture.
        floor: the ground.
        shown: (m, 3) where that something reaches now and at other times, as seen from the camera [m].
        way: (3,) in which it moves on the whole.
    """
    size = float(np.ptp(shown, axis=0).max()) or 1.0
    middle = 0.5 * (shown.min(axis=0) + shown.max(axis=0))
    step = round_step(SQUARE * size)
    paint_squares(brush, camera, floor, middle, size, step)
    # Along the tangent that the way is nearest to, on the side of the eye.
    along, across = floor.tangents[np.argsort(-np.abs(floor.tangents @ way))]
    across = across if across @ camera.axes[2] > 0.0 else -across
    every = round_step(SPACING * brush.unit / camera.scale)
    lane = float((shown @ across).max()) + 0.12 * size
    reach = 2.0 * sum(brush.size) / camera.scale
    here = float(middle @ along)
    values = every * np.arange(np.ceil((here - reach) / every), np.floor((here + reach) / every) + 1)
    foot = lane * across + floor.height * floor.normal
    marks = foot + values[:, None] * along
    ends = np.stack([marks - 0.045 * size * across, marks + 0.045 * size * across], axis=1)
    pixels, _ = camera.project(np.concatenate([ends, marks[:, None] + 0.085 * size * across], axis=1))
    digits = max(0, -int(np.floor(np.log10(every) + 1e-9)))
    sky, ink = rgba(STYLE.sky), rgba(STYLE.ruler)
    size_of_text = STYLE.small_size * brush.unit
    for (tick, other, (x, y)), value in zip(pixels, values.tolist(), strict=True):
        edge = min(x - viewport.left, viewport.left + viewport.width - x) / (BORDER * brush.unit)
        if not np.isfinite(edge) or edge < 0.3 or not viewport.bottom < y < viewport.bottom + viewport.height:
            continue
        share = np.rint(SHADES * min(edge - 0.3, 1.0)) / SHADES
        colour = share * ink + (1.0 - share) * sky
        brush.strokes(np.array([[tick, other]]), colour, 1.4 * brush.unit)
        words = f"{value + 0.0:.{digits}f} m".replace("-", "−")
        brush.text(words, (x, y), size=size_of_text, colour=to_hex(colour), anchor="ma")
