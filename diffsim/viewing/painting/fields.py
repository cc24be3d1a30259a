"""Grids of numbers as pictures, and areas filled with one colour."""

from __future__ import annotations

import numpy as np

from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.colours import rgba_of
from diffsim.viewing.look import Areas, Field
from diffsim.viewing.shaped import row_of

__all__ = ["paint_areas", "paint_field"]


def paint_field(canvas: Canvas, camera: Camera, field: Field, row: int) -> None:
    """A grid at a row of the trajectory: between the middles of cells numbers are mixed, so that it is smooth."""
    values = row_of(field.values, row)
    (left, bottom), (right, top) = camera.project(np.stack([field.low, field.high]))[0]
    if not np.isfinite([left, bottom, right, top]).all():
        return
    within = canvas.within
    first = np.array([max(left, within.left), max(bottom, within.bottom)])
    last = np.array([min(right, within.left + within.width), min(top, within.bottom + within.height)])
    corner, end = np.floor(first).astype(int), np.ceil(last).astype(int)
    if not (corner < end).all():
        return
    # Middles of pixels in cells, counted from the middle of the first.
    shape = np.array(values.shape)
    extent = (right - left, top - bottom)
    x, y = ((np.arange(corner[k], end[k]) + 0.5 - (left, bottom)[k]) / extent[k] * shape[k] - 0.5 for k in range(2))
    colours = field.scale.of(_mixed(values, np.clip(x, 0.0, shape[0] - 1.0), np.clip(y, 0.0, shape[1] - 1.0)))
    # Pixels at the rim are covered in part.
    across = _covered(np.arange(corner[0], end[0]), left, right)
    up = _covered(np.arange(corner[1], end[1]), bottom, top)
    coverage = colours[..., 3].T * up[:, None] * across
    canvas.paste(np.moveaxis(colours[..., :3], 2, 0).swapaxes(1, 2) * coverage, coverage, tuple(corner.tolist()))


def _covered(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """What share of pixels (k,) lies between two places."""
    return np.clip(np.minimum(pixels + 1.0, high) - np.maximum(pixels, low), 0.0, 1.0)


def _mixed(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(w, h) of a grid (n, m) at places counted in cells, (w,) and (h,); NaN beside a cell that is NaN."""
    i, j = np.minimum(x.astype(int), max(len(values) - 2, 0)), np.minimum(y.astype(int), max(values.shape[1] - 2, 0))
    further, above = np.minimum(i + 1, len(values) - 1), np.minimum(j + 1, values.shape[1] - 1)
    p, q = (x - i)[:, None], y - j
    columns = (1.0 - p) * values[i] + p * values[further]
    found: np.ndarray = (1.0 - q) * columns[:, j] + q * columns[:, above]
    return found


def paint_areas(canvas: Canvas, camera: Camera, areas: Areas, row: int) -> None:
    """Polygons at a row of the trajectory."""
    canvas.polygons(camera.project(row_of(areas.corners, row))[0], rgba_of(areas.colour))
