"""Triangles of one colour, and how polygons become triangles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Piece", "fans"]


class Piece(NamedTuple):
    """Triangles of one colour.

    Attributes:
        vertices: (v, 3).
        faces: (f, 3) whole numbers, counter-clockwise seen from outside.
        colour: (4,) red, green, blue, opacity from 0 to 1; None where nothing is said.
    """

    vertices: np.ndarray
    faces: np.ndarray
    colour: np.ndarray | None


def fans(corners: np.ndarray, counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """(f, 3) triangles of polygons, each a fan about its first corner.

    Args:
        corners: (c,) whole numbers, those of all polygons one after the other.
        counts: (p,) how many of them each polygon has; less than 3 make no triangle.
    """
    counts = np.asarray(counts, dtype=np.intp)
    if counts.sum() != len(corners):
        raise ValueError("its polygons have more or fewer corners than are given")
    many = np.maximum(counts - 2, 0)
    start = np.repeat(np.cumsum(counts) - counts, many)
    inner = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    return corners[np.stack([start, start + inner + 1, start + inner + 2], axis=1)]
