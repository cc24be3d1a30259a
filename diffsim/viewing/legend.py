"""What colours mean."""

from __future__ import annotations

import numpy as np

from diffsim.viewing.canvas import Canvas
from diffsim.viewing.style import STYLE, muscle_colours

__all__ = ["paint_scale"]


def paint_scale(canvas: Canvas, corner: tuple[float, float], low: str, high: str) -> None:
    """The colours of `muscle_colours` from -1 to 1 between two words, left of a corner [pixels]."""
    size = STYLE.small_size * canvas.unit
    right, y = corner
    left = right - 5.6 * size
    canvas.text(high, (right, y), size=size, colour=STYLE.quiet, anchor="rs")
    across = np.linspace(left - 5.0 * size, left, 33)
    level = np.full_like(across, y + 0.35 * size)
    knots = np.stack([across, level], axis=1)
    ends = np.stack([knots[:-1], knots[1:]], axis=1)
    canvas.strokes(ends, muscle_colours(np.linspace(-1.0, 1.0, 32)), 0.45 * size)
    canvas.text(low, (across[0] - 0.7 * size, y), size=size, colour=STYLE.quiet, anchor="rs")
