"""What MuJoCo's compiled model looks like: meshes of few triangles, and colours of geoms and materials."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

import numpy as np

from diffsim.meshes.sharing import shared
from diffsim.physics.articulated.mjcf_reading import MESH, SHAPES, Reading
from diffsim.physics.articulated.urdf_visuals import NOTHING, Clothes
from diffsim.physics.articulated.visuals import Mesh, Visual

__all__ = ["Visuals"]

HIDDEN = 3
"""Geoms of this group and above are not drawn by MuJoCo's viewer unless it is asked."""

UNCOLOURED = (0.5, 0.5, 0.5, 1.0)
"""Colour of a geom that has been given none."""

RGB = 1
"""Role of a material's texture that is its colour (mjTEXROLE_RGB)."""


class Visuals(Reading):
    """What is seen.

    Attributes:
        clothes: what the links of a URDF are seen as; MuJoCo's model of it knows nothing of that.
    """

    clothes: Clothes = NOTHING

    @cached_property
    def seen_meshes(self) -> list[int]:
        """Geoms that are meshes and seen."""
        if not self.triangles or "mesh" in self.ignore:
            return []
        meshes = [g for g in np.flatnonzero(np.array(self.model.geom_type) == MESH).tolist() if not self._clothed(g)]
        bare = [g for g in meshes if not self._collides(g)]
        dressed = {int(self.model.geom_bodyid[g]) for g in bare if self._drawn(g)}
        own = [g for g in meshes if self._collides(g) and int(self.model.geom_bodyid[g]) not in dressed]
        return sorted(g for g in (*bare, *own) if self._drawn(g))

    def _clothed(self, geom: int) -> bool:
        """Whether a URDF has its links seen as something else than the shapes that they touch with, or not at all."""
        if not self.clothes.worn or SHAPES.get(int(self.model.geom_type[geom])) == "plane":
            return False
        return self.name("body", int(self.model.geom_bodyid[geom])) not in self.clothes.bare

    def _drawn(self, geom: int) -> bool:
        """Whether MuJoCo's viewer draws a geom, and not seen through."""
        return int(self.model.geom_group[geom]) < HIDDEN and bool(self.colour(geom)[3] > 0.0)

    def visible(self, geom: int) -> bool:
        """Whether a geom is drawn as the shape that it touches with: not where meshes are seen in its place."""
        meshes = self.seen_meshes
        if self._clothed(geom):
            return False
        if not meshes:
            return True
        body = int(self.model.geom_bodyid[geom])
        covered = body in {int(self.model.geom_bodyid[g]) for g in meshes}
        if body and not covered and any(not self._collides(g) for g in meshes):
            # Where what is seen is apart from what touches, nobody gave the latter a colour.
            covered = int(self.model.geom_matid[geom]) < 0 and np.allclose(self.colour(geom), UNCOLOURED)
        return not (covered and self._collides(geom)) and int(self.model.geom_group[geom]) < HIDDEN

    def mesh_name(self, mesh: int) -> str:
        """The name of a mesh."""
        return self.name("mesh", mesh)

    def visuals(self, body: int) -> list[Visual]:
        """Meshes that a body, or the world, is seen as."""
        model = self.model
        own = [geom for geom in self.seen_meshes if int(model.geom_bodyid[geom]) == body]
        made: list[tuple[int | str, Any, Any, Any]] = [
            (int(model.geom_dataid[geom]), model.geom_pos[geom], model.geom_quat[geom], self.colour(geom))
            for geom in own
        ]
        made += self.clothes.worn.get(self.name("body", body), [])
        return [
            Visual(self._kept[mesh].name, position=position, orientation=orientation, colour=colour)
            for mesh, position, orientation, colour in made
            if mesh in self._kept
        ]

    def meshes_seen(self) -> list[Mesh]:
        """All meshes that are seen."""
        return list(self._kept.values())

    @cached_property
    def _kept(self) -> dict[int | str, Mesh]:
        """What is left of each mesh that is seen: the model's by their numbers, a URDF's by their names."""
        used: Counter[int | str] = Counter(int(self.model.geom_dataid[geom]) for geom in self.seen_meshes)
        whole: dict[int | str, Any] = {mesh: self._triangles_of(int(mesh)) for mesh in sorted(used)}
        used.update(worn.mesh for each in self.clothes.worn.values() for worn in each)
        whole.update({name: mesh for name, mesh in self.clothes.meshes.items() if name in used})
        left = shared(whole, used, self.triangles)
        return {
            mesh: Mesh(mesh if isinstance(mesh, str) else self.mesh_name(mesh), vertices, faces)
            for mesh, (vertices, faces) in left.items()
        }

    def _triangles_of(self, mesh: int) -> tuple[np.ndarray, np.ndarray]:
        model = self.model
        first, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
        at, faces = int(model.mesh_faceadr[mesh]), int(model.mesh_facenum[mesh])
        return np.array(model.mesh_vert[first : first + count], dtype=float), np.array(
            model.mesh_face[at : at + faces], dtype=np.intp
        )

    def colour(self, geom: int) -> np.ndarray:
        """(4,) of a geom; of one without that of its material, with the mean of its texture."""
        own, material = np.array(self.model.geom_rgba[geom], dtype=float), int(self.model.geom_matid[geom])
        if material < 0 or not np.allclose(own, UNCOLOURED):
            return own
        colour = np.array(self.model.mat_rgba[material], dtype=float)
        texture = int(np.atleast_2d(self.model.mat_texid)[material, RGB])
        if texture >= 0:
            colour[:3] *= self._mean(texture, geom)
        return np.clip(colour, 0.0, 1.0)

    def _mean(self, texture: int, geom: int) -> np.ndarray:
        """(3,) of a texture: where the mesh's vertices are on it, or all of it."""
        model: Any = self.model
        channels = int(model.tex_nchannel[texture])
        shape = (int(model.tex_height[texture]), int(model.tex_width[texture]), channels)
        at = int(model.tex_adr[texture])
        picture = np.array(model.tex_data[at : at + int(np.prod(shape))]).reshape(shape) / 255.0
        mesh = int(model.geom_dataid[geom]) if int(model.geom_type[geom]) == MESH else -1
        if mesh >= 0 and int(model.mesh_texcoordnum[mesh]):
            first, count = int(model.mesh_texcoordadr[mesh]), int(model.mesh_texcoordnum[mesh])
            share = np.array(model.mesh_texcoord[first : first + count]) % 1.0
            x, y = (share * (shape[1] - 1, shape[0] - 1)).astype(int).T
            picture = picture[y, x]
        flat = picture.reshape(-1, channels)
        mean: np.ndarray = flat.mean(axis=0)
        return mean[:3] if channels >= 3 else np.repeat(mean[:1], 3)
