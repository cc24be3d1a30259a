"""Builders of particles: boxes, balls, the silhouette in a picture, what a mesh encloses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.material_points.meshes import enclosed, volume_of
from diffsim.physics.pictures import look
from diffsim.spec import Spec, array, number

__all__ = ["Matter"]


@dataclass(frozen=True, eq=False, repr=False)
class Matter(Spec):
    """Particles, what each stands for, and the regions that they are of: n particles, dimension d.

    Made for ``MaterialPoints(matter, ...)``. Pieces are put together with ``+``; a region that two of them name is one
    region. What differs between regions is said by name: ``youngs_modulus=matter.by_region({"leg": 2e4}, 1e5)``.

    Attributes:
        points: (n, d) [m].
        volume: (n,) area (2D) [m^2] or volume (3D) [m^3] that each particle stands for.
        regions: names.
        region_of: (n,) index of the region of each particle.

    Raises:
        InputError: for arrays of other shapes, or entries that are no finite numbers.
    """

    points: Any
    volume: Any
    regions: Any = ("",)
    region_of: Any = 0

    def __post_init__(self) -> None:
        """Check all arrays."""
        points = array("Matter.points", self.points, ("n", 2), ("n", 3))
        n, regions = len(points), tuple(str(name) for name in self.regions)
        of = array("Matter.region_of", self.region_of, (), (n,), least=0, most=len(regions) - 1, dtype=np.int64)
        volume = array("Matter.volume", self.volume, (), (n,), above=0.0)
        self._set(
            points=points,
            volume=array("Matter.volume", np.broadcast_to(volume, n)),
            regions=regions,
            region_of=array("Matter.region_of", np.broadcast_to(of, n), dtype=np.int64),
        )

    @classmethod
    def box(cls, low: Any, size: Any, spacing: Any, region: str = "") -> Matter:
        """A box, filled evenly.

        Args:
            low: (d,) its corner [m].
            size: (d,) lengths of its edges [m].
            spacing: () or (d,) between particles [m]; made smaller or larger so that they fill the box.
            region: name.
        """
        low = array("Matter.box.low", low, (2,), (3,))
        size = array("Matter.box.size", size, low.shape, above=0.0)
        count = np.maximum(1, np.rint(size / array("Matter.box.spacing", spacing, (), low.shape, above=0.0)))
        axes = [a + (np.arange(m) + 0.5) * s / m for a, s, m in zip(low, size, count, strict=True)]
        return cls(_places(axes), float(np.prod(size / count)), (region,))

    @classmethod
    def ball(cls, centre: Any, radius: float, spacing: float, region: str = "") -> Matter:
        """A disc (2D) or ball (3D), filled by a grid around its centre; the volumes add up to its own.

        Args:
            centre: (d,) [m].
            radius: [m].
            spacing: between particles [m].
            region: name.

        Raises:
            InputError: for numbers that are not above zero.
        """
        centre = array("Matter.ball.centre", centre, (2,), (3,))
        radius = number("Matter.ball.radius", radius, above=0.0)
        spacing = number("Matter.ball.spacing", spacing, above=0.0)
        d, reach = len(centre), int(np.ceil(radius / spacing))
        places = _places([(np.arange(-reach, reach) + 0.5) * spacing] * d)
        places = places[(places**2).sum(axis=1) <= radius**2]
        if not len(places):
            raise InputError(
                f"Matter.ball.spacing is {spacing:g} m, too wide for a radius of {radius:g} m: no particle is inside"
            )
        whole = np.pi * radius**2 if d == 2 else 4.0 / 3.0 * np.pi * radius**3
        return cls(centre + places, whole / len(places), (region,))

    @classmethod
    def from_image(
        cls,
        image: Any,
        low: Any,
        height: float,
        spacing: float,
        *,
        threshold: float | None = None,
        background: Any = None,
        colours: Mapping[str, Any] | None = None,
    ) -> Matter:
        """The silhouette in a picture, in the plane; row 0 of the picture is its top. The empty margin is cut off.

        Regions are the colours of a coloured picture, "red", "blue", ..., or the names that are given for them.

        Args:
            image: path of a picture; or an array (height, width) of truth values or brightnesses, or (height, width,
                channels): see `diffsim.from_image`, as of what is taken for the body.
            low: (2,) lower left corner of the box around the body [m].
            height: of the body [m].
            spacing: between particles [m]: a particle is where the picture has the body, in the middle between.
            threshold, background, colours: as of `diffsim.from_image`.

        Raises:
            InputError: there is no such file or no body, or it is too small for its particles.
        """
        low = array("Matter.from_image.low", low, (2,))
        height = number("Matter.from_image.height", height, above=0.0)
        spacing = number("Matter.from_image.spacing", spacing, above=0.0)
        seen = look(image, threshold, background, colours)
        body = seen.body[::-1].T  # x to the right and y up
        corner, end = (f(np.argwhere(body), axis=0) for f in (np.min, np.max))
        pixel = height / (end[1] + 1 - corner[1])
        size = pixel * (end + 1 - corner)
        places = _places([(np.arange(int(np.ceil(s / spacing))) + 0.5) * spacing for s in size])
        places = places[(places < size).all(axis=1)]
        at = corner + (places / pixel).astype(np.int64)
        inside = body[at[:, 0], at[:, 1]]
        if not inside.any():
            raise InputError(
                f"Matter.from_image.spacing is {spacing:g} m, too wide for {height:g} m: it holds no particle"
            )
        at, places = at[inside], places[inside]
        volume = float(body.sum()) * pixel**2 / len(places)
        if seen.region is None:
            return cls(low + places, volume)
        return cls(low + places, volume, seen.names, seen.region[::-1].T[at[:, 0], at[:, 1]])

    @classmethod
    def from_mesh(cls, vertices: Any, faces: Any, spacing: float, region: str = "") -> Matter:
        """What a closed mesh of triangles encloses, in space; the volumes add up to its own.

        Takes the pair of arrays that mesh libraries keep: ``Matter.from_mesh(mesh.vertices, mesh.faces, 0.02)`` of
        trimesh, which reads STL and OBJ files. A surface inside another, whose faces point into it, is a cavity.

        Args:
            vertices: (n, 3) [m].
            faces: (f, 3) vertices of each triangle, counterclockwise seen from outside.
            spacing: between particles [m], which are on a lattice in the middle of the mesh's box.
            region: name.

        Raises:
            InputError: the mesh has a hole, faces that are turned around, or no room for a particle; or faces name
                vertices that there are not.
        """
        vertices = array("Matter.from_mesh.vertices", vertices, ("n", 3))
        faces = array("Matter.from_mesh.faces", faces, ("f", 3), dtype=np.int64)
        spacing = number("Matter.from_mesh.spacing", spacing, above=0.0)
        whole = volume_of(vertices, faces)
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        count = np.maximum(1, np.rint((high - low) / spacing).astype(np.int64))
        axes = [m + (np.arange(k) - 0.5 * (k - 1)) * spacing for m, k in zip((low + high) / 2, count, strict=True)]
        inside = enclosed(vertices, faces, axes).reshape(-1)
        if not inside.any():
            raise InputError(f"Matter.from_mesh.spacing is {spacing:g} m, too wide for the mesh: no particle is inside")
        places = _places(axes)[inside]
        return cls(places, whole / len(places), (region,))

    def __add__(self, other: Matter) -> Matter:
        """Both, the particles of the first one first."""
        if not isinstance(other, Matter):
            return NotImplemented
        if self.points.shape[1] != other.points.shape[1]:
            raise InputError(
                f"Matter in {self.points.shape[1]} dimensions and in {other.points.shape[1]} cannot be put together"
            )
        regions = tuple(dict.fromkeys((*self.regions, *other.regions)))
        again = np.array([regions.index(name) for name in other.regions])
        return Matter(
            np.concatenate([self.points, other.points]),
            np.concatenate([self.volume, other.volume]),
            regions,
            np.concatenate([self.region_of, again[other.region_of]]),
        )

    def __len__(self) -> int:
        """How many particles there are."""
        return len(self.points)

    def region(self, name: str) -> np.ndarray:
        """(n,) whether each particle is in the region of that name.

        Raises:
            InputError: if there is none.
        """
        if name not in self.regions:
            raise InputError(f"there is no region {name!r}; there are {', '.join(map(repr, self.regions))}")
        return np.asarray(self.region_of == self.regions.index(name))

    def by_region(self, values: Mapping[str, Any], otherwise: Any = 0.0) -> np.ndarray:
        """(n, ...) what each particle has, by its region; ``otherwise`` in those that are not named.

        Args:
            values: numbers, vectors or words by the region's name.
            otherwise: of the same kind.

        Raises:
            InputError: if there is no region of a name.
        """
        known = np.array([otherwise, *values.values()])
        which = np.zeros(len(self), np.int64)
        for k, name in enumerate(values):
            which[self.region(name)] = k + 1
        return known[which]


def _places(axes: list[np.ndarray]) -> np.ndarray:
    """(n, d) all places with coordinates of these, the last axis fastest."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
