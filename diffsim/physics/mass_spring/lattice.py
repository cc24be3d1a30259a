"""Builders of points and springs: voxels, the edges of a mesh, the silhouette in a picture."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import Spec, array, number, whole

__all__ = ["Lattice", "from_image", "from_mesh", "grid"]


@dataclass(frozen=True, eq=False, repr=False)
class Lattice(Spec):
    """Points and the springs that join them: n points, s springs, dimension d.

    Made for ``MassSpring(points=body.points, springs=body.springs, ...)``; a muscle is chosen by what
    `midpoints`, `lengths` and `along` say of its spring:
    ``actuation=np.where(body.along(0), 0.1, 0.0)``.

    Attributes:
        points: (n, d) [m].
        springs: (s, 2) the two points that each spring joins, the lower index first.

    Raises:
        InputError: for arrays of other shapes or entries that are no finite numbers.
    """

    points: Any
    springs: Any

    def __post_init__(self) -> None:
        """Check both arrays."""
        self._set(
            points=array("Lattice.points", self.points, ("n", 2), ("n", 3)),
            springs=array("Lattice.springs", self.springs, ("s", 2), dtype=np.int64),
        )

    def midpoints(self) -> np.ndarray:
        """(s, d) middle of each spring [m]."""
        return 0.5 * (self.points[self.springs[:, 0]] + self.points[self.springs[:, 1]])

    def lengths(self) -> np.ndarray:
        """(s,) distance between the ends of each spring [m]."""
        return np.linalg.norm(self._spans(), axis=1)

    def along(self, axis: int) -> np.ndarray:
        """(s,) whether each spring is parallel to the axis: 0 is x, 1 is y, 2 is z.

        Raises:
            InputError: if the points have no such axis.
        """
        d = self.points.shape[1]
        if whole("Lattice.along.axis", axis, least=0) >= d:
            raise InputError(f"Lattice.along.axis is {axis}, but the points have axes 0 to {d - 1}")
        aside = np.delete(np.abs(self._spans()), axis, axis=1).max(axis=1)
        return aside <= 1e-9 * self.lengths()  # points at origin + spacing * i are rounded, some 1e-16 of each

    def _spans(self) -> np.ndarray:
        return self.points[self.springs[:, 1]] - self.points[self.springs[:, 0]]


def grid(shape: Any, *, spacing: float = 0.1, origin: Any = None) -> Lattice:
    """Squares (2D) or cubes (3D) whose corners are points and whose sides and diagonals are springs.

    Neighbours share points and springs. A square has 4 sides and 2 diagonals; a cube has 12 edges, 12
    diagonals of faces and 4 of the body.

    Args:
        shape: numbers of cells along x, y (and z), or a boolean array of the cells that are filled, with
            indices in that order: ``filled[x, y]``.
        spacing: side of a cell [m].
        origin: (d,) corner of the box where all indices are 0, filled or not [m]; None is zero.

    Returns:
        Points ordered by index, the last axis fastest; springs ordered by their two points.

    Raises:
        InputError: for a shape without cells, of another dimension than 2 or 3, or without a filled cell.
    """
    filled = _filled(shape)
    d = filled.ndim
    spacing = number("grid.spacing", spacing, above=0.0)
    origin = array("grid.origin", np.zeros(d) if origin is None else origin, (d,))
    pairs = np.concatenate([_joined(filled, direction) for direction in _directions(d)])
    used = np.zeros([length + 1 for length in filled.shape], dtype=bool)
    used.flat[pairs.ravel()] = True
    number_of = np.cumsum(used) - 1
    return Lattice(points=origin + spacing * np.argwhere(used), springs=_sorted_pairs(number_of[pairs]))


def _filled(shape: Any) -> np.ndarray:
    if isinstance(shape, np.ndarray) and shape.ndim == 1:
        shape = shape.tolist()
    if isinstance(shape, (tuple, list)) and not any(isinstance(item, (tuple, list, np.ndarray)) for item in shape):
        if len(shape) not in (2, 3):
            raise InputError(f"grid.shape is {shape!r}, but 2 or 3 numbers of cells are needed")
        return np.ones([whole(f"grid.shape[{k}]", cells) for k, cells in enumerate(shape)], dtype=bool)
    try:
        filled = np.asarray(shape)
    except ValueError:
        raise InputError("grid.shape holds rows of different lengths; give a boolean array") from None
    if filled.dtype.kind != "b" or filled.ndim not in (2, 3):
        raise InputError(
            f"grid.shape is an array of {filled.dtype} and shape {filled.shape}, but 2 or 3 numbers of cells "
            "or a boolean array with 2 or 3 axes are needed"
        )
    if not filled.any():
        raise InputError(f"grid.shape, of {filled.shape} cells, has no filled cell, but at least one is needed")
    return filled


def _directions(d: int) -> list[tuple[int, ...]]:
    """From a corner to its neighbours, one of each opposite two: 4 directions in 2D, 13 in 3D."""
    return [step for step in itertools.product((-1, 0, 1), repeat=d) if step > (0,) * d]


def _joined(filled: np.ndarray, direction: tuple[int, ...]) -> np.ndarray:
    """(m, 2) corners, as flat indices, that differ by ``direction`` and belong to one filled cell.

    Such a pair spans a cell along the direction's axes; along the others it lies between two cells, and
    either may hold it.
    """
    held = filled
    for axis, step in enumerate(direction):
        if step == 0:
            outside = np.zeros_like(held.take([0], axis))
            held = np.concatenate([held, outside], axis) | np.concatenate([outside, held], axis)
    lowest = np.argwhere(held)
    start = lowest + (np.array(direction) < 0)
    corners = [length + 1 for length in filled.shape]
    flat = [np.ravel_multi_index(tuple(end.T), corners) for end in (start, start + direction)]
    return np.stack(flat, axis=1)


def _sorted_pairs(pairs: np.ndarray) -> np.ndarray:
    """The (m, 2) pairs in ascending order, each once, its lower number first."""
    low, high = np.minimum(pairs[:, 0], pairs[:, 1]), np.maximum(pairs[:, 0], pairs[:, 1])
    base = high.max() + 1
    keys = np.sort(low * base + high)
    keys = keys[np.append(True, keys[1:] != keys[:-1])]
    return np.stack(np.divmod(keys, base), axis=1)


def from_mesh(vertices: Any, faces: Any) -> Lattice:
    """A mesh's vertices, joined along the sides of its faces, each side once.

    Takes the pair of arrays that mesh libraries keep, e.g. ``from_mesh(mesh.vertices, mesh.faces)`` of
    trimesh. A closed surface becomes a hollow shell: nothing holds up its inside.

    Args:
        vertices: (n, 2) or (n, 3) [m]; every one is a point, under its own index.
        faces: (f, k) vertices around each face: triangles (k = 3), quadrilaterals (k = 4) or longer.
            Quadrilaterals get no diagonals; tetrahedra are not faces.

    Raises:
        InputError: for faces that name absent vertices or one vertex twice, and for vertices that no face
            uses or that lie in one place, as in meshes read from STL files: they would fall apart.
    """
    vertices = array("from_mesh.vertices", vertices, ("n", 2), ("n", 3))
    faces = array("from_mesh.faces", faces, ("f", "k"), dtype=np.int64)
    _check_faces(faces, len(vertices))
    _check_vertices(vertices, faces)
    sides = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2)
    return Lattice(points=vertices, springs=_sorted_pairs(sides.reshape(-1, 2)))


def _check_faces(faces: np.ndarray, n: int) -> None:
    if faces.shape[1] < 3:
        raise InputError(f"from_mesh.faces has shape {faces.shape}, but a face has at least 3 vertices")
    for k in np.flatnonzero(((faces < 0) | (faces >= n)).any(axis=1)):
        raise InputError(f"faces[{k}] is {faces[k].tolist()}, but there are {n} vertices (0 to {n - 1})")
    ordered = np.sort(faces, axis=1)
    for k in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1)):
        raise InputError(f"faces[{k}] is {faces[k].tolist()}, but a face names each of its vertices once")


def _check_vertices(vertices: np.ndarray, faces: np.ndarray) -> None:
    for k in np.flatnonzero(np.bincount(faces.ravel(), minlength=len(vertices)) == 0):
        raise InputError(
            f"vertices[{k}] belongs to no face, so nothing would hold it; leave it out "
            "(trimesh: mesh.remove_unreferenced_vertices())"
        )
    _, first, which = np.unique(vertices, axis=0, return_index=True, return_inverse=True)
    earliest = first[which.reshape(-1)]
    for k in np.flatnonzero(earliest != np.arange(len(vertices))):
        raise InputError(
            f"vertices[{k}] lies where vertices[{earliest[k]}] does, so its faces would not hang together; "
            "merge such vertices (trimesh: mesh.merge_vertices())"
        )


def from_image(
    image: Any,
    *,
    spacing: float = 0.1,
    cells: int | None = None,
    threshold: float = 0.5,
    origin: Any = None,
) -> Lattice:
    """The silhouette in a picture as a 2D `grid`; row 0 of the picture is its top.

    Pixels that are true, or brighter than ``threshold``, are the body; for a dark body on white paper
    pass ``1 - image``. The empty margin is cut off.

    Args:
        image: (height, width) of truth values or brightnesses; unsigned integers, as pictures are read
            from files, are divided by their type's largest value (255).
        spacing: side of a cell [m].
        cells: number of cells along the body's longer side; None makes each pixel a cell. A cell is filled
            if the body covers at least half of it.
        threshold: least brightness of the body, exclusive.
        origin: (2,) lower left corner of the box around the body [m]; None is zero.

    Raises:
        InputError: if there is no body, or one in several pieces: cells hang together that share a corner.
    """
    body = _trimmed(_silhouette(image, number("from_image.threshold", threshold)))
    if cells is not None:
        body = _trimmed(_coarse(body, _cell_count(cells, max(body.shape))))
    lattice = grid(
        body,
        spacing=number("from_image.spacing", spacing, above=0.0),
        origin=array("from_image.origin", (0.0, 0.0) if origin is None else origin, (2,)),
    )
    sizes = np.unique(_pieces(len(lattice.points), lattice.springs), return_counts=True)[1]
    if len(sizes) > 1:
        listed = ", ".join(map(str, sorted(sizes.tolist(), reverse=True)[:8])) + ", ..." * (len(sizes) > 8)
        raise InputError(
            f"from_image.image shows a body in {len(sizes)} pieces (of {listed} points), but one is needed; "
            "paint over the small ones, close the gaps, or change the threshold or the number of cells"
        )
    return lattice


def _silhouette(image: Any, threshold: float) -> np.ndarray:
    """(width, height) whether each pixel is body, with x to the right and y up."""
    try:
        pixels = np.asarray(image)
    except ValueError:
        raise InputError("from_image.image holds rows of different lengths; give an array") from None
    if pixels.ndim != 2:
        raise InputError(
            f"from_image.image has shape {pixels.shape}, but (height, width) is needed; of a coloured "
            "picture take one channel, e.g. image[:, :, 3] for what is opaque"
        )
    if pixels.dtype.kind != "b":
        largest = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
        bright = array("from_image.image", pixels, ("height", "width")) / largest
        pixels = bright > threshold
        if not pixels.any():
            raise InputError(
                f"from_image.image has no body: no pixel is brighter than the threshold {threshold:g}; "
                f"the brightest is {bright.max():g}"
            )
    if not pixels.any():
        raise InputError("from_image.image has no body: no pixel is true, but at least one is needed")
    return pixels[::-1].T


def _trimmed(filled: np.ndarray) -> np.ndarray:
    """``filled`` without its empty margin."""
    columns, rows = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    return filled[columns[0] : columns[-1] + 1, rows[0] : rows[-1] + 1]


def _cell_count(cells: Any, longest: int) -> int:
    cells = whole("from_image.cells", cells)
    if cells > longest:
        raise InputError(f"from_image.cells is {cells}, but the body is {longest} pixels long; it can be at most that")
    return cells


def _coarse(body: np.ndarray, cells: int) -> np.ndarray:
    """``body`` on a raster of ``cells`` along its longer side: whether half of each cell is covered."""
    side = max(body.shape) / cells
    across, up = (_overlap(length, side) for length in body.shape)
    share = across @ body.astype(np.float64) @ up.T
    filled = share >= 0.5 - 1e-9  # a half stays a half after rounding
    if not filled.any():
        raise InputError(
            f"from_image.cells is {cells}, but the body is too thin to cover half of any such cell; use more cells"
        )
    return filled


def _overlap(pixels: int, side: float) -> np.ndarray:
    """(cells, pixels) share of each cell, ``side`` pixels long, that each pixel covers along one axis."""
    left = side * np.arange(int(np.ceil(pixels / side - 1e-9)))[:, None]
    pixel = np.arange(pixels)
    return np.clip(np.minimum(left + side, pixel + 1) - np.maximum(left, pixel), 0.0, None) / side


def _pieces(n: int, springs: np.ndarray) -> np.ndarray:
    """(n,) lowest point of the piece that each point belongs to."""
    lowest = np.arange(n)
    while True:
        a, b = lowest[springs[:, 0]], lowest[springs[:, 1]]
        if (a == b).all():
            return lowest
        np.minimum.at(lowest, np.maximum(a, b), np.minimum(a, b))
        while (lowest[lowest] != lowest).any():
            lowest = lowest[lowest]
