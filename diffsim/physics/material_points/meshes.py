"""What a closed surface of triangles encloses: checks of the surface, and which places of a lattice are inside."""

from __future__ import annotations

import numpy as np

from diffsim.errors import InputError

__all__ = ["enclosed", "volume_of"]

_AT_ONCE = 4_000_000
"""Pairs of a column and a triangle that are looked at together: some hundred megabytes."""


def volume_of(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Of what is enclosed, by Gauss's theorem [m^3].

    Args:
        vertices: (n, 3) [m].
        faces: (f, 3) vertices of each triangle, counterclockwise seen from outside.

    Raises:
        InputError: faces name vertices that there are not, or one twice; the surface is open, or not the boundary of
            anything because more than two faces meet along an edge; faces are turned against their neighbours, or all
            of them point in.
    """
    for k in np.flatnonzero(((faces < 0) | (faces >= len(vertices))).any(axis=1))[:1].tolist():
        raise InputError(
            f"faces[{k}] is {faces[k].tolist()}, but there are {len(vertices)} vertices (0 to {len(vertices) - 1})"
        )
    _check_closed(vertices, faces)
    a, b, c = (vertices[faces[:, k]] - vertices.mean(axis=0) for k in range(3))
    found = float((a * np.cross(b, c)).sum() / 6.0)
    if found <= 0.0:
        raise InputError(
            f"the mesh encloses a volume of {found:.3g} m^3, so its faces point in or nothing is inside; each must "
            "name its vertices counterclockwise seen from outside: faces[:, ::-1] turns all of them around"
        )
    return found


def _check_closed(vertices: np.ndarray, faces: np.ndarray) -> None:
    """Vertices at one place are one: files of the format STL have those of each triangle for themselves."""
    same = np.unique(vertices, axis=0, return_inverse=True)[1].reshape(-1)[faces]
    ordered = np.sort(same, axis=1)
    for k in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))[:1].tolist():
        raise InputError(f"faces[{k}] is {faces[k].tolist()}, of which two are at one place: it has no area")
    edges = np.stack([same, np.roll(same, -1, axis=1)], axis=2).reshape(-1, 2)
    kind, which, count = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    turns = np.bincount(which, np.where(edges[:, 0] < edges[:, 1], 1, -1), len(kind))
    for edge in np.flatnonzero((count % 2 == 1) | (turns != 0))[:1].tolist():
        at = np.flatnonzero(which == edge)
        own, ends = (at // 3).tolist(), faces.reshape(-1)[[at[0], at[0] // 3 * 3 + (at[0] + 1) % 3]].tolist()
        where = f"the edge of vertices {ends[0]} and {ends[1]}"
        if len(own) == 1:
            raise InputError(f"{where} belongs to faces[{own[0]}] only: the mesh has a hole there")
        if len(own) == 2:
            raise InputError(
                f"faces[{own[0]}] and faces[{own[1]}] go the same way along {where}: one of them is inside out; "
                f"faces[{own[1]}][::-1] turns it around"
            )
        raise InputError(f"{where} belongs to {len(own)} faces, {own}: two, or pairs of them, must meet there")


def enclosed(vertices: np.ndarray, faces: np.ndarray, axes: list[np.ndarray]) -> np.ndarray:
    """(n, m, l) whether the places with these coordinates are inside.

    Along the last axis a line goes through each place of the others; of the faces that it crosses above a place, those
    that face up, less those that face down, are one inside and none outside. A line through an edge of two faces
    crosses one of them: which side of an edge it passes is worked out for both from the same numbers.
    """
    columns = np.stack(np.meshgrid(*axes[:2], indexing="ij"), axis=-1).reshape(-1, 2)
    inside = np.zeros((len(columns), len(axes[2])), np.int64)
    same = np.unique(vertices, axis=0, return_inverse=True)[1].reshape(-1)
    step = max(1, _AT_ONCE // len(faces))
    for first in range(0, len(columns), step):
        sides = [_side(vertices, same, faces[:, [k, (k + 1) % 3]], columns[first : first + step]) for k in range(3)]
        up, down = (np.all([sign * passed > 0 for passed, _ in sides], axis=0) for sign in (1, -1))
        column, face = np.nonzero(up | down)
        area = np.stack([share[column, face] for _, share in sides], axis=1)  # of the corner opposite: k + 2
        height = vertices[faces[face][:, [2, 0, 1]], 2]
        at = (area * height).sum(axis=1) / area.sum(axis=1)
        turn = np.where(up[column, face], 1, -1)
        np.add.at(inside, first + column, turn[:, None] * (at[:, None] > axes[2]))
    return (inside > 0).reshape(*map(len, axes))


def _side(vertices: np.ndarray, same: np.ndarray, edges: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """(columns, faces) 1 where an edge has a column on its left, -1 on its right; and twice the area between them."""
    turned = same[edges[:, 0]] > same[edges[:, 1]]
    low, high = (vertices[np.where(turned, edges[:, 1 - k], edges[:, k]), :2] for k in range(2))
    along, away = high - low, columns[:, None] - low
    area = along[:, 0] * away[..., 1] - along[:, 1] * away[..., 0]
    sign = np.where(turned, -1, 1)
    return sign * np.where(area >= 0.0, 1, -1), sign * area
