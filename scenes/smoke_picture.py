"""Smoke becomes a picture: the flow at the start is tuned until it carries a square of smoke into yin and yang."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

CELLS, SPACING = 110, 1.0 / 110  # along each axis, and their side [m]


def coordinates() -> tuple[np.ndarray, np.ndarray]:
    """Of the middles of all cells, from the middle of the picture [m]."""
    line = SPACING * (np.arange(CELLS) + 0.5) - 0.5
    return np.meshgrid(line, line, indexing="ij")


def yin_yang(radius: float = 0.4) -> np.ndarray:
    """Smoke where it is dark: half a disc, a smaller one more and a smaller one less, each with a dot."""
    x, y = coordinates() / np.float64(radius)
    disc, upper, lower = np.hypot(x, y), np.hypot(x, y - 0.5), np.hypot(x, y + 0.5)
    dark = ((x > 0) | (lower < 0.5)) & ~(upper < 0.5)
    dark = (dark & ~(lower < 0.15)) | (upper < 0.15)
    return np.where(disc < 1.0, dark, False).astype(float)
