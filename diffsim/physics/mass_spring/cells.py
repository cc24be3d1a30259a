"""Cells of a body: triangles (2D) or tetrahedra (3D) of its points, and the energy that keeps them from turning over.

A cell of points p_0 ... p_d has the signed area or volume V = det(p_1 - p_0, ..., p_d - p_0) / d!, at rest V0, and
J = V / V0: 1 at rest, 0 where it is flat, below 0 where it is inside out. Its energy is

    E = k V0 U(J),   U(J) = (J^2 - 1 - 2 log J) / 4   for J >= FLAT

the volume energy of Simo and Miehe (1992, Computer Methods in Applied Mechanics and Engineering 98, 41-104), of slope
(J - 1 / J) / 2. Below FLAT, where a logarithm would end in an infinite force, U goes on as its quadratic expansion at
FLAT, as in Stomakhin et al. (2012, "Energetically consistent invertible elasticity", SCA, section 5): the force is
continuous and differentiable, stays finite, grows with how far a cell is turned over, and turns it back.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

__all__ = [
    "FLAT",
    "SHARE",
    "boundary",
    "cell_energy",
    "corners",
    "mean_over_springs",
    "polygon_cells",
    "relative_volumes",
    "turns",
    "volumes",
]

FLAT = 0.2
"""J below which the energy is quadratic. There its second derivative, (1 + FLAT**-2) / 2, is 13 times that at rest, and
at J = 0 a cell pushes with 1 / FLAT = 5 times its stiffness. A smaller one would hold better and want shorter steps."""

SHARE = 0.3
"""A cell's stiffness by default, relative to its springs. A square of springs k that all change their lengths alike
resists a change of its area with 1.5 k, a cube of side a that of its volume with 3 k / a; four triangles cover a square
twice and eight tetrahedra a cube 4/3 times. So cells add two fifths to what the springs of a square resist, and an
eighth to those of a cube: a body bends and stretches much as without them, and what is crushed feels them."""

_BLOCK = 1 << 16  # cells times rows that are looked at together


def volumes(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(..., c) signed areas [m^2] or volumes [m^3] of cells (c, d + 1) of points (..., n, d)."""
    corner = points[..., cells, :]
    sides = corner[..., 1:, :] - corner[..., :1, :]
    return np.asarray(np.linalg.det(sides) / math.factorial(points.shape[-1]))


def relative_volumes(points: np.ndarray, cells: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(..., c) J of each cell: its area or volume over that at rest, negative where it is inside out."""
    return volumes(points, cells) / rest


def mean_over_springs(values: np.ndarray, springs: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(c,) mean of what each spring (s,) has, over those between points of a cell; over all where there is none."""
    count = int(max(springs.max(initial=0), cells.max(initial=0))) + 1
    keys = np.minimum(springs[:, 0], springs[:, 1]) * count + np.maximum(springs[:, 0], springs[:, 1])
    order = np.argsort(keys)
    total, found = np.zeros(len(cells)), np.zeros(len(cells))
    for a, b in itertools.combinations(range(cells.shape[1]), 2):
        wanted = np.minimum(cells[:, a], cells[:, b]) * count + np.maximum(cells[:, a], cells[:, b])
        at = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
        there = keys[at] == wanted
        total += np.where(there, values[at], 0.0)
        found += there
    return np.where(found > 0, total / np.maximum(found, 1), values.mean())


def cell_energy(position: np.ndarray, cells: np.ndarray, stiffness: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(E, rows) energy of all cells [J].

    Args:
        position: (E, rows, n, d) [m].
        cells: (c, d + 1) their points.
        stiffness: (E, c) or (1, c) [N/m] in two dimensions, [N/m^2] in three.
        rest: (E, c) or (1, c) area [m^2] or volume [m^3] at rest.
    """
    energy = np.zeros((len(position), position.shape[1]))
    block = max(1, _BLOCK // max(len(position) * len(cells), 1))
    for start in range(0, energy.shape[1], block):
        rows = slice(start, start + block)
        j = relative_volumes(position[:, rows], cells, rest[:, None])
        above = np.maximum(j, FLAT)
        u = (above**2 - 1.0 - 2.0 * np.log(above)) / 4.0
        slope, bend = (FLAT - 1.0 / FLAT) / 2.0, (1.0 + FLAT**-2) / 2.0
        below = j - above
        u += below * (slope + 0.5 * bend * below)
        energy[:, rows] = ((stiffness * rest)[:, None] * u).sum(axis=2)
    return energy


def corners(filled: np.ndarray) -> np.ndarray:
    """(c, d + 1) cells of squares or cubes, as flat indices of their corners: each corner with its neighbours.

    A square's four triangles, or a cube's eight tetrahedra, are where the Jacobian of its bilinear or trilinear map is
    looked at; together they are as symmetric as it is. The points of each are in positive order.
    """
    d = filled.ndim
    lengths = [length + 1 for length in filled.shape]
    lowest = np.argwhere(filled)
    found = []
    for corner in itertools.product((0, 1), repeat=d):
        steps = np.diag([1 - 2 * c for c in corner])
        if np.prod(steps.diagonal()) < 0:
            steps = steps[[1, 0, *range(2, d)]]
        ends = lowest[:, None] + np.array(corner) + np.concatenate([np.zeros((1, d), np.int64), steps])
        found.append(np.ravel_multi_index(tuple(np.moveaxis(ends, -1, 0)), lengths))
    return np.stack(found, axis=1).reshape(-1, d + 1)


def boundary(filled: np.ndarray) -> np.ndarray:
    """(f, d) edges (2D) or triangles (3D) around squares or cubes, as flat indices; their normals point out.

    The normal of an edge from a to b is b - a turned clockwise; that of a triangle is (b - a) x (c - a).
    """
    d = filled.ndim
    lengths = [length + 1 for length in filled.shape]
    padded = np.pad(filled, 1)
    found = []
    for axis, side in itertools.product(range(d), (0, 1)):
        beside = np.roll(padded, 1 - 2 * side, axis)[(slice(1, -1),) * d]
        lowest = np.argwhere(filled & ~beside)
        base = lowest + side * np.eye(d, dtype=np.int64)[axis]
        along = [np.eye(d, dtype=np.int64)[(axis + k) % d] for k in range(1, d)]
        start = np.zeros(d, np.int64)
        facets: list[tuple[np.ndarray, ...]] = [(start, along[0])]
        if d == 3:
            facets = [(start, along[0], along[0] + along[1]), (start, along[0] + along[1], along[1])]
        for facet in facets:
            # In the order in which they are written, triangles face up along the axis, and edges up x but down y.
            up = d == 3 or axis == 0
            order = facet if up == (side == 1) else facet[::-1]
            ends = [np.ravel_multi_index(tuple((base + step).T), lengths) for step in order]
            found.append(np.stack(ends, axis=1))
    return np.concatenate(found)


def polygon_cells(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(c, 3) triangles of polygons in the plane, in positive order: each corner with its neighbours, if it juts out."""
    if faces.shape[1] == 3:
        found = faces
    else:
        found = np.stack([np.roll(faces, 1, axis=1), faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 3)
        turn = np.repeat(turns(vertices, faces), faces.shape[1])
        found = found[volumes(vertices, found) * turn > 0.0]
    backwards = volumes(vertices, found) < 0.0
    found = np.where(backwards[:, None], found[:, ::-1], found)
    return np.asarray(found[volumes(vertices, found) > 0.0])


def turns(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(f,) twice the signed area of each polygon."""
    x, y = vertices[faces, 0], vertices[faces, 1]
    return np.asarray((x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1))
