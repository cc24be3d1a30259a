"""Meshes of fewer triangles that look the same: edges collapse where that moves surfaces least.

What a collapse costs is the sum of squared distances from the planes of the triangles around, weighted with their areas
(Garland & Heckbert 1997, Surface simplification using quadric error metrics). Unlike there many edges collapse at a
time: of the cheap ones, from the cheapest on, all that share no end with one before.
"""

from __future__ import annotations

import numpy as np

__all__ = ["coarser", "decimated", "welded_mesh"]

SAME = 1e-6
"""Of the extent of a mesh, how far apart vertices are one: they were written with as many digits."""

ROUNDS = 200
"""At most: each takes some tenth of the edges."""

BORDER = 0.1
"""Weight of the planes that stand on the edges of open surfaces, which otherwise would shrink; with much more, ragged
edges of what nobody sees would have most of the triangles."""

TURNED = 0.2
"""Cosine of the angle by which a triangle may turn in a collapse: more would fold it over."""

BEFORE = 2
"""Times as many triangles as are wanted, before edges collapse."""

DEARER = 4.0
"""By how much more an edge costs at a vertex that would have folded a triangle over: others get their turn."""

STUCK = 0.1
"""Share of the chosen edges: where fewer could go without folds, as of sheets on each other, folds are borne."""

SHARE = 0.3
"""Of the edges, the cheapest that may collapse in a round."""


def welded_mesh(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mesh with one vertex per place, without triangles that have no area.

    Args:
        vertices: (v, 3) [m].
        faces: (f, 3) whole numbers.
    """
    extent = float(np.ptp(vertices, axis=0).max(initial=0.0)) or 1.0
    _, first, which = np.unique(_cells(vertices, SAME * extent), return_index=True, return_inverse=True)
    return _compact(vertices[first], which[faces])


def _cells(vertices: np.ndarray, side: float) -> np.ndarray:
    """(v,) a number of the cell of a grid that each vertex is in; there are less than two million to a side."""
    cells = np.rint((vertices - vertices.min(axis=0)) / side).astype(np.int64)
    found: np.ndarray = (cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]
    return found


def decimated(vertices: np.ndarray, faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A mesh of at most ``count`` triangles, if it can be had; of several bodies those lose most that show it least.

    Args:
        vertices: (v, 3) [m], one per place.
        faces: (f, 3) whole numbers.
        count: triangles.
    """
    vertices, faces = coarser(np.array(vertices, dtype=float), faces, BEFORE * count)
    quadrics, folds = _quadrics(vertices, faces), np.ones(len(vertices))
    for _ in range(ROUNDS):
        if len(faces) <= count:
            break
        vertices, kept = _round(vertices, faces, quadrics, folds, len(faces) - count)
        faces, quadrics = _clean(kept[faces]), _gathered(quadrics, kept)
    return _compact(vertices, faces)


def coarser(vertices: np.ndarray, faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The mesh if it has at most ``count`` triangles; else with one vertex for each cell of a grid.

    The finest grid of those by factors of 1.3 is taken that leaves so many triangles.
    """
    if len(faces) <= count:
        return vertices, faces
    area = 0.5 * np.linalg.norm(_normals(vertices[faces]), axis=1).sum()
    cell = 0.5 * float(np.sqrt(area / count))
    while True:
        _, which, members = np.unique(_cells(vertices, cell), return_inverse=True, return_counts=True)
        found = _clean(which[faces])
        if len(found) <= count:
            sums = [np.bincount(which, vertices[:, axis], len(members)) for axis in range(3)]
            return _compact(np.stack(sums, axis=1) / members[:, None], found)
        cell *= 1.3


def _round(
    vertices: np.ndarray, faces: np.ndarray, quadrics: np.ndarray, folds: np.ndarray, surplus: int
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices after a round of collapses, and of each vertex which one it is now.

    ``folds`` (v,) is by how much more an edge costs at vertices whose triangles would have folded over before.
    """
    a, b = _edges(faces).T
    cost, place = _collapse(vertices, quadrics, a, b)
    cost *= folds[a] * folds[b]
    least = np.full(len(vertices), np.inf)
    np.minimum.at(least, a, cost)
    np.minimum.at(least, b, cost)
    chosen = np.flatnonzero((cost <= least[a]) & (cost <= least[b]) & (cost <= np.quantile(cost, SHARE)))
    taken, alone = [False] * len(vertices), []
    for k in chosen[np.argsort(cost[chosen], kind="stable")].tolist():  # equal costs may share an end
        if not taken[a[k]] and not taken[b[k]]:
            taken[a[k]] = taken[b[k]] = True
            alone.append(k)
    # A triangle goes on each side of an edge.
    chosen = np.array(alone[: max(surplus // 2, 1)], dtype=np.intp)
    return _without_folds(vertices, faces, a, b, place, chosen, folds)


def _without_folds(
    vertices: np.ndarray,
    faces: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    place: np.ndarray,
    chosen: np.ndarray,
    folds: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """What `_round` gives, of those of the chosen edges, cheapest first, that fold no triangle over."""
    before, least = _normals(vertices[faces]), max(int(STUCK * len(chosen)), 1)
    while True:
        kept, moved = np.arange(len(vertices)), vertices.copy()
        kept[b[chosen]] = a[chosen]
        moved[a[chosen]] = place[chosen]
        corners = kept[faces]
        left = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
        after = _normals(moved[corners])
        sizes = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
        bad = np.zeros(len(vertices), dtype=bool)
        bad[corners[left & ((before * after).sum(axis=1) < TURNED * sizes)]] = True
        fine = ~bad[a[chosen]]
        if fine.all() or len(chosen) <= least:
            return moved, kept
        folds[a[chosen[~fine]]] *= DEARER
        folds[b[chosen[~fine]]] *= DEARER
        chosen = chosen[fine] if fine.sum() >= least else chosen[:least]


def _collapse(
    vertices: np.ndarray, quadrics: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What each edge costs, and where its vertex will be: at one of its ends or in the middle."""
    both = quadrics[a] + quadrics[b]
    places = np.stack([vertices[a], vertices[b], 0.5 * (vertices[a] + vertices[b])])
    one = np.concatenate([places, np.ones((*places.shape[:2], 1))], axis=2)
    costs = np.einsum("kei,eij,kej->ke", one, both, one, optimize=True)
    best = costs.argmin(axis=0)
    edge = np.arange(len(a))
    # Where all is flat, short edges first.
    length = ((vertices[a] - vertices[b]) ** 2).sum(axis=1)
    return np.maximum(costs[best, edge], 0.0) + 1e-7 * length * length, places[best, edge]


def _quadrics(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(v, 4, 4) squared distance from the planes around each vertex, weighted with area."""
    normals = _normals(vertices[faces])
    area = np.linalg.norm(normals, axis=1, keepdims=True)
    unit = normals / np.maximum(area, 1e-30)
    found = np.zeros((len(vertices), 4, 4))
    _add(found, faces, vertices[faces[:, 0]], unit, 0.5 * area[:, 0])
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, which, count = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True, return_counts=True)
    open_ends = np.flatnonzero(count[which.reshape(-1)] == 1)
    if len(open_ends):
        ends = sides[open_ends]
        along = vertices[ends[:, 1]] - vertices[ends[:, 0]]
        out = np.cross(along, unit[open_ends % len(faces)])
        size = np.linalg.norm(out, axis=1, keepdims=True)
        weight = BORDER * (along * along).sum(axis=1)
        _add(found, ends, vertices[ends[:, 0]], out / np.maximum(size, 1e-30), weight)
    return found


def _add(found: np.ndarray, owners: np.ndarray, point: np.ndarray, normal: np.ndarray, weight: np.ndarray) -> None:
    plane = np.concatenate([normal, -(normal * point).sum(axis=1, keepdims=True)], axis=1)
    own = weight[:, None, None] * plane[:, :, None] * plane[:, None, :]
    for corner in owners.T:
        np.add.at(found, corner, own)


def _gathered(quadrics: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Those of what went into each vertex."""
    found = quadrics.copy()
    gone = np.flatnonzero(kept != np.arange(len(kept)))
    np.add.at(found, kept[gone], quadrics[gone])
    return found


def _normals(corners: np.ndarray) -> np.ndarray:
    """(f, 3) of triangles (f, 3, 3), as long as twice their area."""
    found: np.ndarray = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return found


def _edges(faces: np.ndarray) -> np.ndarray:
    """(e, 2) each once, the smaller number first."""
    sides = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    packed = np.unique(sides[:, 0].astype(np.int64) << 32 | sides[:, 1])
    return np.stack([packed >> 32, packed & 0xFFFFFFFF], axis=1)


def _clean(faces: np.ndarray) -> np.ndarray:
    """Without triangles that are none any more, and without their doubles."""
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(axis=1)]
    a, b, c = np.sort(faces, axis=1).astype(np.int64).T
    _, first = np.unique((a << 42) | (b << 21) | c, return_index=True)
    return faces[np.sort(first)]


def _compact(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Only vertices that triangles have, in the order in which they have them."""
    faces = _clean(faces)
    used, first = np.unique(faces, return_index=True)
    order = used[np.argsort(first)]
    number = np.zeros(len(vertices), dtype=np.intp)
    number[order] = np.arange(len(order))
    return vertices[order], number[faces]
