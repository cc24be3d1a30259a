"""Arrows, and dots where they have no length."""

from __future__ import annotations

import numpy as np

from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.colours import rgba_of
from diffsim.viewing.look import Arrows
from diffsim.viewing.shaped import row_of
from diffsim.viewing.solids import Layers

__all__ = ["arrows", "paint_arrows", "paint_dots"]

# How much covers what is behind; of what solids hide, less.
OPACITY, BEHIND = 0.85, 0.25

# Corners of dots, which are small.
CIRCLE = np.stack([trig(2.0 * np.pi * np.arange(16) / 16) for trig in (np.cos, np.sin)], axis=1)

# Widths of a dot and of an arrow's head, in pixels of a picture of 512 by 512.
DOT, BARB = 4.5, 6.0

# An arrow along x whose tail is a dot: corners around the dot in its radii, then along the shaft. Across in half widths
# of the head; along in the length of the head, to be counted from its base.
TAIL = np.stack([trig(np.linspace(0.25, 1.75, 10) * np.pi) for trig in (np.cos, np.sin)], axis=1)
HEAD = np.array([(0.0, -0.4), (0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.4)])


def paint_arrows(
    canvas: Canvas, camera: Camera, element: Arrows, layers: Layers | None, thick: float, row: int
) -> None:
    """Those that there are in the step that begins at a row, pale behind solids.

    Args:
        canvas: paints them.
        camera: sees them.
        element: they are.
        layers: of solids that may hide them; None hides nothing.
        thick: half the width of a typical solid: what is less deep within does not count as hidden [m].
        row: of the trajectory.
    """
    tails, ways = row_of(element.tails, row), row_of(element.ways, row)
    there = np.isfinite(tails).all(axis=1) & np.isfinite(ways).all(axis=1)
    if not there.any():
        return
    tails, ways = tails[there], ways[there]
    ends, near = camera.project(np.stack([tails, tails + ways], axis=1))
    if camera.flat:  # however long it is: a tip far outside of the picture still has a direction
        steps = camera.scale * ways
    else:
        fine = np.isfinite(ends).all(axis=(1, 2))
        ends, near = ends[fine], near[fine]
        steps = ends[:, 1] - ends[:, 0]
    long = np.linalg.norm(steps, axis=1)
    behind = np.zeros(len(ends), dtype=bool)
    if layers is not None:
        behind = layers.hidden(ends[:, 0], near[:, 0], 2.5 * thick)
    dots = long == 0.0
    shapes = arrows(ends[~dots, 0], steps[~dots] / long[~dots, None], long[~dots], canvas.unit)
    for opacity, seen in ((BEHIND, behind), (OPACITY, ~behind)):
        colour = np.array([*rgba_of(element.colour)[:3], opacity])
        canvas.polygons(shapes[seen[~dots]], colour)
        paint_dots(canvas, ends[seen & dots, 0], colour, DOT * canvas.unit)


def arrows(tails: np.ndarray, ways: np.ndarray, lengths: np.ndarray, unit: float) -> np.ndarray:
    """(k, 15, 2) corners of arrows from tails (k, 2) in directions (k, 2), of lengths (k,) [pixels]."""
    along = ways[:, None]
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    dots = 0.5 * DOT * unit * (TAIL[:, :1] * along + TAIL[:, 1:] * across)
    head = np.minimum(1.2 * BARB * unit, lengths)
    base = (lengths - head)[:, None, None] * along
    heads = base + head[:, None, None] * HEAD[:, :1] * along + 0.5 * BARB * unit * HEAD[:, 1:] * across
    return tails[:, None] + np.concatenate([dots, heads], axis=1)


def paint_dots(canvas: Canvas, centres: np.ndarray, colour: np.ndarray, diameters: np.ndarray | float) -> None:
    """Small discs of one colour (4,), all at once: centres (m, 2), diameters () or (m,) [pixels]."""
    if len(centres):
        radii = 0.5 * np.broadcast_to(diameters, len(centres))[:, None, None]
        canvas.polygons(centres[:, None] + radii * CIRCLE, colour)
