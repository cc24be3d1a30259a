"""Builders of points and springs: voxels, the edges of a mesh, the silhouette in a picture."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.checks import indices
from diffsim.physics.mass_spring.cells import boundary, corners, polygon_cells, turns
from diffsim.physics.pictures import look
from diffsim.spec import Spec, array, number, whole

__all__ = ["Lattice", "from_image", "from_mesh", "grid"]


@dataclass(frozen=True, eq=False, repr=False)
class Lattice(Spec):
    """Points and the springs that join them: n points, s springs, dimension d.

    Made for ``MassSpring(body, ...)``, which takes points, springs, cells and surface from it; a muscle is chosen by
    what `midpoints`, `lengths` and `along` say of its spring: ``actuation=np.where(body.along(0), 0.1, 0.0)``.

    A coloured picture gives regions by colour, for materials and groups of muscles:
    ``stiffness=body.by_region({"red": 5e3}, otherwise=1e3)``.

    Attributes:
        points: (n, d) [m].
        springs: (s, 2) the two points that each spring joins, the lower index first.
        cells: (c, d + 1) triangles (2D) or tetrahedra (3D) of points, whose energy keeps the body from turning inside
            out (see `MassSpring`); empty where there are none.
        surface: (f, d) edges (2D) or triangles (3D) around the body, whose normals point out: against which its own
            points are pressed where it touches itself (see `SelfContact`); empty where there are none.
        regions: their names; empty where there are none.
        region_of: (s,) the index of each spring's region; None where there are none.
        taken: what `from_image` took for the body, in words; counts for nothing when two are compared.

    Raises:
        InputError: for arrays of other shapes or entries that are no finite numbers.
    """

    points: Any
    springs: Any
    cells: Any = ()
    surface: Any = ()
    regions: Any = ()
    region_of: Any = None
    taken: str = ""

    def __post_init__(self) -> None:
        """Check all arrays."""
        self._set(
            points=array("Lattice.points", self.points, ("n", 2), ("n", 3)),
            springs=array("Lattice.springs", self.springs, ("s", 2), dtype=np.int64),
            regions=tuple(str(name) for name in self.regions),
        )
        n, d = self.points.shape
        self._set(
            cells=indices("Lattice.cells", self.cells, "c", d + 1, most=n - 1),
            surface=indices("Lattice.surface", self.surface, "f", d, most=n - 1),
        )
        if self.region_of is not None:
            most = len(self.regions) - 1
            shape = (len(self.springs),)
            held = array("Lattice.region_of", self.region_of, shape, least=0, most=most, dtype=np.int64)
            self._set(region_of=held)

    def _shown(self) -> dict[str, Any]:
        return {name: value for name, value in self._values().items() if value is not None and len(value)}

    def __eq__(self, other: object) -> bool:
        """All but ``taken`` equal, arrays element by element."""
        return super().__eq__(replace(other, taken=self.taken) if isinstance(other, Lattice) else other)

    __hash__ = None

    def region(self, name: str) -> np.ndarray:
        """(s,) whether each spring is in the region of that name.

        Raises:
            InputError: if there is none.
        """
        if name not in self.regions or self.region_of is None:
            raise InputError(f"there is no region {name!r}; there are {', '.join(self.regions) or 'none'}")
        return np.asarray(self.region_of == self.regions.index(name))

    def by_region(self, values: Mapping[str, float], otherwise: float = 0.0) -> np.ndarray:
        """(s,) a number for each spring, by its region; ``otherwise`` in those that are not named.

        Raises:
            InputError: if there is no region of a name.
        """
        found = np.full(len(self.springs), number("Lattice.by_region.otherwise", otherwise))
        for name, value in values.items():
            found[self.region(name)] = number(f"Lattice.by_region[{name!r}]", value)
        return found

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
    diagonals of faces and 4 of the body. Each corner, with its neighbours, is a cell: 4 triangles in a square, 8
    tetrahedra in a cube. The surface is the sides of squares, or the faces of cubes cut in two, that no other shares.

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
    return Lattice(
        points=origin + spacing * np.argwhere(used),
        springs=_sorted_pairs(number_of[pairs]),
        cells=number_of[corners(filled)],
        surface=number_of[boundary(filled)],
    )


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
    trimesh. A closed surface becomes a hollow shell: nothing holds up its inside. In the plane faces have cells, a
    triangle itself, in a longer face each corner that juts out, with its neighbours; in space a shell has none, and its
    faces are the surface, which triangles can be pressed against.

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
    springs = _sorted_pairs(sides.reshape(-1, 2))
    if vertices.shape[1] == 2:
        cells = polygon_cells(vertices, faces)
        return Lattice(points=vertices, springs=springs, cells=cells, surface=_rim(vertices, faces))
    return Lattice(points=vertices, springs=springs, surface=faces if faces.shape[1] == 3 else ())


def _rim(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(f, 2) sides of one face only, in the plane, each from the end that has the body on its left."""
    ordered = np.where((turns(vertices, faces) < 0.0)[:, None], faces[:, ::-1], faces)
    sides = np.stack([ordered, np.roll(ordered, -1, axis=1)], axis=2).reshape(-1, 2)
    _, which, count = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True, return_counts=True)
    return np.asarray(sides[count[which.reshape(-1)] == 1])


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
    threshold: float | None = None,
    background: Any = None,
    colours: Mapping[str, Any] | None = None,
    origin: Any = None,
) -> Lattice:
    """The silhouette in a picture as a 2D `grid`; row 0 of the picture is its top. The empty margin is cut off.

    The body is what is opaque, in a picture with transparent pixels; else what differs from the background, which is
    the colour of the picture's rim, dark on light as well as light on dark. `Lattice.taken` says what was taken, and a
    warning where that is doubtful. An array (height, width) without ``background`` is what it was in version 0.1.0:
    true or brighter than ``threshold`` is the body.

    Args:
        image: path of a picture; or an array (height, width) of truth values or brightnesses, or (height, width,
            channels) of grey and alpha, RGB or RGBA. Unsigned integers, as pictures are read from files, are divided by
            their type's largest value (255); floats are from 0 to 1.
        spacing: side of a cell [m].
        cells: number of cells along the body's longer side; None makes each pixel a cell. A cell is filled
            if the body covers at least half of it.
        threshold: of alpha, or of the brightness; None is 0.5 for alpha and arrays (height, width), else Otsu's (1979)
            threshold of the distance from the background.
        background: "light", "dark" or a colour: a name, "#rrggbb" or three numbers from 0 to 1. None is that of the
            rim.
        colours: of the body's regions by name, ``{"leg": "red", "body": "#2040d0"}``: each cell is of the nearest. None
            finds those that take at least 2 % of a coloured body, and calls them "red", "blue", "blue-2", ... A spring
            between two cells is of the region that comes first.
        origin: (2,) lower left corner of the box around the body [m]; None is zero.

    Raises:
        InputError: if there is no such file or no body, or one in several pieces: cells hang together that share a
            corner.
    """
    seen = look(
        image,
        None if threshold is None else number("from_image.threshold", threshold),
        background,
        colours,
    )
    upright = seen.body[::-1].T  # x to the right and y up
    margin = _margin(upright)
    body, of = upright[margin], None if seen.region is None else seen.region[::-1].T[margin]
    if cells is not None:
        side = max(body.shape) / _cell_count(cells, max(body.shape))
        if of is not None:
            shares = [_share(body & (of == k), side) for k in range(len(seen.names))]
            of = np.argmax(shares, axis=0)
        body = _coarse(body, side, cells)
        margin = _margin(body)
        body, of = body[margin], None if of is None else of[margin]
    lattice = grid(
        body,
        spacing=number("from_image.spacing", spacing, above=0.0),
        origin=array("from_image.origin", (0.0, 0.0) if origin is None else origin, (2,)),
    )
    _check_one_piece(lattice)
    across, up = body.shape
    taken = f"{seen.words}, as {across} x {up} cells"
    if of is None:
        return replace(lattice, taken=taken)
    return replace(lattice, taken=taken, regions=seen.names, region_of=_region_of(body, of, lattice.springs))


def _region_of(body: np.ndarray, of: np.ndarray, springs: np.ndarray) -> np.ndarray:
    """(s,) of each spring of a 2D `grid` the region of the cell that holds it; of two cells the lower one."""
    held = np.pad(body, 1)
    corners = np.argwhere(held[:-1, :-1] | held[1:, :-1] | held[:-1, 1:] | held[1:, 1:])  # in the order of the points
    one, other = corners[springs[:, 0]], corners[springs[:, 1]]
    nowhere = np.iinfo(np.int64).max
    padded = np.pad(np.where(body, of, nowhere), 1, constant_values=nowhere)
    low = np.minimum(one, other) + 1  # the cell up and to the right of it, in the padded array
    same = (one == other).astype(np.int64)
    found = np.minimum(padded[low[:, 0], low[:, 1]], padded[low[:, 0] - same[:, 0], low[:, 1] - same[:, 1]])
    return np.asarray(found, np.int64)


def _check_one_piece(lattice: Lattice) -> None:
    sizes = np.unique(_pieces(len(lattice.points), lattice.springs), return_counts=True)[1]
    if len(sizes) > 1:
        listed = ", ".join(map(str, sorted(sizes.tolist(), reverse=True)[:8])) + ", ..." * (len(sizes) > 8)
        raise InputError(
            f"from_image.image shows a body in {len(sizes)} pieces (of {listed} points), but one is needed; "
            "paint over the small ones, close the gaps, or change the threshold or the number of cells"
        )


def _margin(filled: np.ndarray) -> tuple[slice, slice]:
    """What ``filled`` is without its empty margin."""
    columns, rows = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    return slice(columns[0], columns[-1] + 1), slice(rows[0], rows[-1] + 1)


def _cell_count(cells: Any, longest: int) -> int:
    cells = whole("from_image.cells", cells)
    if cells > longest:
        raise InputError(f"from_image.cells is {cells}, but the body is {longest} pixels long; it can be at most that")
    return cells


def _coarse(body: np.ndarray, side: float, cells: int) -> np.ndarray:
    """``body`` on a raster of cells of that side [pixels]: whether half of each is covered."""
    filled = _share(body, side) >= 0.5 - 1e-9  # a half stays a half after rounding
    if not filled.any():
        raise InputError(
            f"from_image.cells is {cells}, but the body is too thin to cover half of any such cell; use more cells"
        )
    return filled


def _share(body: np.ndarray, side: float) -> np.ndarray:
    """How much of each cell of that side [pixels] is covered."""
    across, up = (_overlap(length, side) for length in body.shape)
    covered: np.ndarray = across @ body.astype(np.float64) @ up.T
    return covered


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
