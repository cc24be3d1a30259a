"""What is only seen of a robot: meshes of triangles, and where links carry them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.values import UPRIGHT, named, quaternion
from diffsim.physics.checks import first, indices
from diffsim.spec import Spec, array

__all__ = ["Mesh", "Visual"]


@dataclass(frozen=True, eq=False, repr=False)
class Mesh(Spec):
    """Triangles that are seen; any number of links may carry them.

    Attributes:
        name: unique among the meshes of a scene.
        vertices: (v, 3) [m].
        faces: (f, 3) the vertices of each triangle, counter-clockwise seen from outside.
    """

    name: str
    vertices: Any
    faces: Any

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"mesh {named('Mesh.name', self.name)!r}: "
        vertices = array(f"{owner}vertices", self.vertices, ("v", 3))
        faces = indices(f"{owner}faces", self.faces, "f", 3)
        if not len(faces):
            raise InputError(f"{owner}faces is empty, but a mesh has at least one triangle")
        for k in first(np.any((faces < 0) | (faces >= len(vertices)), axis=1)):
            raise InputError(
                f"{owner}faces[{k}] is of vertices {faces[k].tolist()}, but there are {len(vertices)} "
                f"(0 to {len(vertices) - 1})"
            )
        self._set(vertices=vertices, faces=faces)


@dataclass(frozen=True, eq=False, repr=False)
class Visual(Spec):
    """A mesh that a link, or the world, is seen as. It weighs nothing and touches nothing.

    Attributes:
        mesh: name of a `Mesh` of the scene.
        position: (3,) of the mesh in the frame of the link [m].
        orientation: (4,) quaternion w, x, y, z, likewise.
        colour: (3,) or (4,) red, green, blue, opacity from 0 to 1; None leaves it to the drawing.
    """

    mesh: str
    _: KW_ONLY
    position: Any = (0.0, 0.0, 0.0)
    orientation: Any = UPRIGHT
    colour: Any = None

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"visual of mesh {named('Visual.mesh', self.mesh)!r}: "
        colour = self.colour
        if colour is not None:
            colour = array(f"{owner}colour", colour, (3,), (4,), least=0.0, most=1.0)
        self._set(
            position=array(f"{owner}position", self.position, (3,)),
            orientation=quaternion(f"{owner}orientation", self.orientation),
            colour=colour,
        )
