"""The ways that things have gone, up to now."""

from __future__ import annotations

import numpy as np

from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas, Outlines
from diffsim.viewing.look import Trail

__all__ = ["Trails"]

OPACITY, WIDE = 0.55, 2.0  # of a line, and its width in pixels of a picture of 512 by 512
MOST = 240  # corners of a line


class Trails:
    """The lines of one element."""

    def __init__(self, trail: Trail) -> None:
        """Work out where they go."""
        self._ways = trail.ways()
        self._colours = np.array(trail.colour)
        self._colours[:, 3] *= OPACITY
        stride = -(-len(self._ways) // MOST)
        self._rows = np.arange(0, len(self._ways), stride)
        self._lines = Outlines([len(self._rows) + 1] * self._ways.shape[1])

    def paint(self, canvas: Canvas, camera: Camera, row: int) -> None:
        """As far as they have come at a row of the trajectory."""
        row = min(row, len(self._ways) - 1)
        rows = np.minimum(np.append(self._rows, row), row)
        pixels, _ = camera.project(self._ways[rows])
        self._lines.corners[:] = np.swapaxes(pixels, 0, 1).reshape(-1, 2)
        canvas.outlines(self._lines, np.zeros((len(self._colours), 4)), self._colours, WIDE * canvas.unit)
