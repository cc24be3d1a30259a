"""Surfaces of triangles: what is seen of a mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.viewing.shaped import indices, shaped

__all__ = ["Surface"]

# Triangles that meet at a larger angle than this are an edge, others are one smooth surface [degrees].
CREASE = 40.0


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles in a frame of their own; parts that look alike share one.

    Attributes:
        vertices: (v, 3) [m].
        faces: (f, 3) indices of vertices, counter-clockwise seen from outside.
    """

    vertices: Any
    faces: Any

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        vertices = shaped("Surface.vertices", self.vertices, ("v", 3))
        faces = indices("Surface.faces", self.faces, width=3, below=len(vertices))
        if not len(faces):
            raise InputError("Surface.faces is empty, but at least one triangle is needed")
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)

    @cached_property
    def normals(self) -> np.ndarray:
        """(f, 3, 3) unit normal at each corner of each triangle: the mean of those around that are not over an edge."""
        corners = self.vertices[self.faces]
        flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-30)
        # All pairs of triangles that share a vertex.
        owners = np.repeat(np.arange(len(self.faces)), 3)
        order = np.argsort(self.faces.reshape(-1), kind="stable")
        counts = np.bincount(self.faces.reshape(-1), minlength=len(self.vertices))
        starts = np.cumsum(counts) - counts
        own = counts[self.faces.reshape(-1)]
        corner = np.repeat(np.arange(3 * len(self.faces)), own)
        place = np.arange(len(corner)) - np.repeat(np.cumsum(own) - own, own)
        other = owners[order[starts[self.faces.reshape(-1)[corner]] + place]]
        smooth = (unit[owners[corner]] * unit[other]).sum(axis=1) > np.cos(np.radians(CREASE))
        found = np.zeros((3 * len(self.faces), 3))
        np.add.at(found, corner[smooth], flat[other[smooth]])
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-30)
        return found.reshape(-1, 3, 3)
