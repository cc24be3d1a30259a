"""A few corners that say what a mesh touches with."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["CORNERS", "Hull", "hull_of"]

CORNERS = 16
"""Of a mesh at most: each is looked at in every step over every plane and box that the mesh may touch."""

DIRECTIONS = 200
"""In which it is looked how far the corners reach."""

ENOUGH = 0.01
"""Part of the half diagonal that may be missing."""


class Hull(NamedTuple):
    """Corners of a mesh.

    Attributes:
        centre: (3,) of the box around it, in the geom's frame [m].
        half: (3,) half sizes of the box [m].
        vertices: (k, 3) corners in half sizes, from the centre.
        missing: how far the mesh reaches beyond its corners, at most [m].
    """

    centre: np.ndarray
    half: np.ndarray
    vertices: np.ndarray
    missing: float


def hull_of(model: Any, mesh: int) -> Hull:
    """Of MuJoCo's convex hull of a mesh the corners that reach farthest, one after the other where most is missing."""
    points = _hull_vertices(model, mesh)
    low, high = points.min(axis=0), points.max(axis=0)
    centre, half = 0.5 * (low + high), np.maximum(0.5 * (high - low), 1e-6)
    reach = points @ _directions().T
    whole, chosen = reach.max(axis=0), [int(reach[:, 0].argmax())]
    while True:
        missing = whole - reach[chosen].max(axis=0)
        worst = int(missing.argmax())
        few = len(chosen) < 4
        if not few and (missing[worst] <= ENOUGH * np.linalg.norm(half) or len(chosen) == CORNERS):
            break
        chosen.append(int(reach[:, worst].argmax()))
        if few and chosen[-1] in chosen[:-1]:
            chosen[-1] = int(np.linalg.norm(points[:, None] - points[chosen[:-1]], axis=2).min(axis=1).argmax())
    vertices = np.clip((points[chosen] - centre) / half, -1.0, 1.0)
    return Hull(centre, half, vertices, float(missing.max()))


def _hull_vertices(model: Any, mesh: int) -> np.ndarray:
    """(k, 3) corners of the convex hull; all vertices if there is none."""
    first, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
    points = np.array(model.mesh_vert[first : first + count], dtype=float)
    graph = int(model.mesh_graphadr[mesh])
    if graph < 0:
        return points
    hull = int(model.mesh_graph[graph])
    return points[np.array(model.mesh_graph[graph + 2 + hull : graph + 2 + 2 * hull])]


def _directions() -> np.ndarray:
    """(k, 3) unit vectors all around: a spiral of equal areas."""
    k = np.arange(DIRECTIONS) + 0.5
    z, angle = 1.0 - 2.0 * k / DIRECTIONS, np.pi * (1.0 + 5.0**0.5) * k
    flat = np.sqrt(1.0 - z * z)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=1)
