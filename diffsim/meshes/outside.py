"""What of a mesh is seen from outside: machines drawn by engineers have screws and bearings within their shells."""

from __future__ import annotations

import numpy as np

from diffsim.meshes.rasters import seen_triangles

__all__ = ["outer"]

PIXELS = 160
"""Of the longer side of a picture from each way."""

DEEP = 2.5
"""Pixels by which a triangle may lie behind what is seen: it may be seen beside that."""

NOWHERE = np.float32(-1.0e9)


def _ways() -> np.ndarray:
    """(14, 3) to the faces and corners of a cube."""
    grid = np.stack(np.meshgrid(*[(-1.0, 0.0, 1.0)] * 3), axis=-1).reshape(-1, 3)
    grid = grid[np.abs(grid).sum(axis=1) % 2 == 1]
    found: np.ndarray = grid / np.linalg.norm(grid, axis=1, keepdims=True)
    return found


def outer(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mesh without triangles that are seen from none of 14 ways, and that no such one borders on.

    Args:
        vertices: (v, 3) [m].
        faces: (f, 3) whole numbers, counter-clockwise seen from outside.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    places = vertices - 0.5 * (low + high)
    corners = places[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middle = corners.mean(axis=1)
    pixel = float(np.linalg.norm(high - low)) / PIXELS or 1.0
    seen = np.zeros(len(faces), dtype=bool)
    for way in _ways():
        axes = _frame(way)
        faced = np.flatnonzero(normals @ way > 0.0)
        if not len(faced):
            continue
        own = corners[faced] @ axes.T
        flat = own[..., :2] / pixel + 0.5 * PIXELS
        picture = seen_triangles(flat, own[..., 2], np.zeros(own.shape[:2]), (PIXELS, PIXELS), NOWHERE)
        at = middle[faced] @ axes.T
        x, y = np.clip(at[:, :2] / pixel + 0.5 * PIXELS, 0, PIXELS - 1).astype(int).T
        seen[faced[at[:, 2] >= picture.near[y, x] - DEEP * pixel]] = True
    near = np.zeros(len(vertices), dtype=bool)
    near[faces[seen]] = True
    return vertices, faces[near[faces].any(axis=1)]


def _frame(way: np.ndarray) -> np.ndarray:
    """(3, 3) two unit vectors across a way, and the way."""
    across = np.cross(way, np.eye(3)[np.abs(way).argmin()])
    across = across / np.linalg.norm(across)
    return np.array([across, np.cross(way, across), way])
