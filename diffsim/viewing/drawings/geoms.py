"""The shapes of articulated robots and of their world: where they are, how far they reach, colours and shadows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffsim.physics.articulated.links import SIZES, Geom
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.physics.articulated.scene import Articulated
from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.scenery import LIGHT, Floor
from diffsim.viewing.solids import Solids
from diffsim.viewing.style import STYLE, rgba

__all__ = ["Geoms", "paint_shadows", "reaches", "spread"]

# MuJoCo's colour of what has been given none.
GREY = (0.5, 0.5, 0.5)

# An outline has this share of the brightness of what it is around.
DARKER = 0.52

# Radius of what stands for a link that has no shape, as a share of the longest of them.
BONE = 0.06

# A shadow is soft over this share of a solid's size, and over this share of its height above the ground: the sun is
# not a point.
SOFT, SUN = 0.2, 0.09

# From the core of a shadow to its end, in layers over each other, in halves of what is soft; and how dark each is.
PENUMBRA = tuple(np.linspace(-1.0, 1.0, 9).tolist())
LAYER = 0.038

# Directions to which a shadow's corners are the farthest points.
AROUND = np.stack([trig(2.0 * np.pi * np.arange(24) / 24) for trig in (np.cos, np.sin)], axis=1)


class Geoms:
    """All geoms of a scene but planes, g of them, with numbers as tuned; those of links, then those of the world.

    Attributes:
        moving: how many are links' own.
        owners: (g,) index of each one's link, -1 for the world.
        planes: the planes, the most level one first.
    """

    def __init__(self, scene: Articulated, numbers: Mapping[str, np.ndarray]) -> None:
        """``numbers`` are a rollout's: of what may be tuned, others are as in the scene."""
        members = scene.all_geoms
        size = np.zeros((len(members), 3))
        for k, (_, geom) in enumerate(members):
            size[k, : SIZES[geom.shape]] = geom.size
        size = np.asarray(numbers.get("scene.geom_size", size))
        position = numbers.get("scene.geom_position", np.array([geom.position for _, geom in members]).reshape(-1, 3))
        turned = numbers.get("scene.geom_orientation", np.array([g.orientation for _, g in members]).reshape(-1, 4))
        planes = [k for k, (_, geom) in enumerate(members) if geom.shape == "plane"]
        bones = _bones(scene)
        members = (*members, *bones)
        position, turned, size = (
            np.concatenate([given, np.array(own).reshape(-1, given.shape[1])])
            for given, own in (
                (position, [bone.position for _, bone in bones]),
                (turned, [bone.orientation for _, bone in bones]),
                (size, [(*bone.size, 0.0) for _, bone in bones]),
            )
        )
        rotation = rotation_of(turned)
        shown = [k for k, (owner, geom) in enumerate(members) if owner >= 0 and geom.shape != "plane"]
        self.moving = len(shown)
        shown += [k for k, (owner, geom) in enumerate(members) if owner < 0 and geom.shape != "plane"]
        self.owners = np.array([members[k][0] for k in shown], dtype=np.intp)
        self._shapes = tuple(members[k][1].shape for k in shown)
        self._position, self._rotation, self._size = position[shown], rotation[shown], size[shown]
        limbs = _limbs(scene)
        colours = [_colours(members[k][1].colour, limbs[members[k][0]] if members[k][0] >= 0 else -1) for k in shown]
        self._fills, self._edges = (np.array([pair[k] for pair in colours]).reshape(-1, 4) for k in range(2))
        floors = [Floor(rotation[k, :, 2], float(rotation[k, :, 2] @ position[k])) for k in planes]
        self.planes = sorted(floors, key=lambda floor: -float(floor.normal[2]))

    def solids(self, position: np.ndarray, rotation: np.ndarray, *, moving: bool = True) -> Solids:
        """Those of links, or those of the world, with links at (n, 3) [m] and (n, 3, 3)."""
        part = np.s_[: self.moving] if moving else np.s_[self.moving :]
        centre, turned = self._position[part], self._rotation[part]
        if moving:
            owners = self.owners[part]
            centre = position[owners] + (rotation[owners] @ centre[..., None])[..., 0]
            turned = rotation[owners] @ turned
        return Solids(self._shapes[part], centre, turned, self._size[part], self._fills[part], self._edges[part])

    def level_slab(self, reach: float) -> None:
        """Make a plane of a level box of the world that reaches this far [m], if no other plane is level."""
        if self.planes and self.planes[0].normal[2] > 0.5:
            return
        for k in range(self.moving, len(self._shapes)):
            upright = int(np.argmax(np.abs(self._rotation[k, 2])))
            normal = self._rotation[k, :, upright] * np.sign(self._rotation[k, 2, upright])
            if self._shapes[k] == "box" and normal[2] > 0.99 and np.delete(self._size[k], upright).min() > reach:
                self.planes.insert(0, Floor(normal, float(normal @ self._position[k] + self._size[k, upright])))
                self._fills[k, 3] = 0.0
                return

    def corners(self, position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """(rows, 8 moving, 3) of upright boxes around the links' geoms [m], with links at (rows, n, 3), (..., 3, 3)."""
        owners, part = self.owners[: self.moving], np.s_[: self.moving]
        centre = position[:, owners] + (rotation[:, owners] @ self._position[part, :, None])[..., 0]
        reach = reaches(self._shapes[part], rotation[:, owners] @ self._rotation[part], self._size[part])
        signs = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3), axis=-1).reshape(8, 1, 3)
        return (centre[:, None] + signs * reach[:, None]).reshape(len(position), 8 * self.moving, 3)

    @property
    def thickness(self) -> float:
        """Half the width of a typical geom of a link [m]."""
        sizes = np.where(self._size[: self.moving] > 0.0, self._size[: self.moving], np.inf)
        return float(np.median(sizes.min(axis=1))) if self.moving else 0.0


def _bones(scene: Articulated) -> list[tuple[int, Geom]]:
    """Of links without geoms, as of a robot whose meshes are left out: capsules to the links that they carry."""
    bare, spans = {k for k, link in enumerate(scene.links) if not link.geoms}, []
    for k, (link, parent) in enumerate(zip(scene.links, scene.parents, strict=True)):
        if parent in bare and np.linalg.norm(link.position) > 1e-9:
            spans.append((k, parent, link.position))
    longest = max((float(np.linalg.norm(way)) for _, _, way in spans), default=0.0)
    found = []
    for k, parent, way in spans:
        long = float(np.linalg.norm(way))
        # The rotation by half a turn about the middle between both takes the z axis to the way.
        middle = way / long + (0.0, 0.0, 1.0)
        turned = (0.0, *middle) if np.linalg.norm(middle) > 1e-6 else (0.0, 1.0, 0.0, 0.0)
        size = (BONE * longest, 0.5 * long)
        found.append((parent, Geom(f"bone {k}", "capsule", size, position=0.5 * way, orientation=turned)))
    return found


def _limbs(scene: Articulated) -> list[int]:
    """Of each link: 0 in the trunk, up to where the tree first branches, then the number of its branch."""
    children = [[c for c, parent in enumerate(scene.parents) if parent == k] for k in range(len(scene.links))]
    limbs, count = [0] * len(scene.links), 0
    for k, parent in enumerate(scene.parents):
        if parent < 0:
            continue
        if len(children[parent]) > 1:
            count += 1
            limbs[k] = count
        else:
            limbs[k] = limbs[parent]
    return limbs


def _colours(given: np.ndarray | None, limb: int) -> tuple[np.ndarray, np.ndarray]:
    """(4,) what fills and (4,) what outlines a geom with this colour, of a limb; -1 is the world's."""
    if given is None or np.allclose(given[:3], GREY):
        opacity = 1.0 if given is None or len(given) < 4 else float(given[3])
        fill, edge = (STYLE.soil, STYLE.surface) if limb < 0 else STYLE.bodies[limb % len(STYLE.bodies)]
        return rgba(fill, opacity), rgba(edge)
    colour = np.ones(4)
    colour[: len(given)] = given
    return colour, np.append(DARKER * colour[:3], 1.0)


def reaches(shapes: tuple[str, ...], rotation: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(..., g, 3) how far solids reach along the axes of the world [m], of rotations (..., g, 3, 3), sizes (g, 3)."""
    found = np.zeros(rotation.shape[:-1])
    for k, shape in enumerate(shapes):
        turned, (a, b, _) = rotation[..., k, :, :], size[k]
        along = np.abs(turned[..., 2])
        if shape == "sphere":
            found[..., k, :] = a
        elif shape == "capsule":
            found[..., k, :] = a + b * along
        elif shape == "cylinder":
            found[..., k, :] = a * np.sqrt(np.maximum(1.0 - along**2, 0.0)) + b * along
        elif shape == "ellipsoid":
            found[..., k, :] = np.sqrt(((turned * size[k]) ** 2).sum(axis=-1))
        else:
            found[..., k, :] = np.abs(turned) @ size[k]
    return found


def spread(solids: Solids, ways: np.ndarray) -> np.ndarray:
    """(n, k, 3) the point of each solid that is farthest along each of the ways (k, 3) in the world [m]."""
    own = ways @ solids.rotation  # (n, k, 3) in the solid's axes
    points = np.zeros_like(own)
    for k, shape in enumerate(solids.shapes):
        way, (a, b, _) = own[k], solids.size[k]
        if shape == "box":
            points[k] = np.sign(way) * solids.size[k]
        elif shape == "ellipsoid":
            stretched = solids.size[k] * way
            points[k] = solids.size[k] * stretched / np.linalg.norm(stretched, axis=1, keepdims=True)
        elif shape == "cylinder":
            across = np.linalg.norm(way[:, :2], axis=1, keepdims=True)
            points[k, :, :2], points[k, :, 2] = a * way[:, :2] / np.maximum(across, 1e-9), b * np.sign(way[:, 2])
        else:
            points[k] = a * way / np.linalg.norm(way, axis=1, keepdims=True)
            points[k, :, 2] += (b if shape == "capsule" else 0.0) * np.sign(way[:, 2])
    return solids.centre[:, None] + points @ np.swapaxes(solids.rotation, 1, 2)


def paint_shadows(canvas: Canvas, camera: Camera, floor: Floor, solids: Solids) -> None:
    """What solids throw on solid ground, softer the higher they are; where shadows overlap they are one."""
    gap = floor.gap(solids.centre)
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(gap) & (gap > -solids.size.max(axis=1)) & (solids.fills[:, 3] > 0.3)
    if not floor.solid or not seen.any():
        return
    shapes = tuple(shape for shape, kept in zip(solids.shapes, seen, strict=True) if kept)
    solids = Solids(shapes, *(part[seen] for part in solids[1:]))
    light = floor.normal if floor.normal @ LIGHT < 0.2 else LIGHT
    around = AROUND @ floor.tangents
    # A point's shadow is as far along a way as the point itself is along this one.
    ways = around - ((around @ light) / (floor.normal @ light))[:, None] * floor.normal
    feet = floor.foot(spread(solids, ways), light)
    thin = np.where(solids.size > 0.0, solids.size, np.inf).min(axis=1)
    soft = SOFT * np.minimum(thin, solids.size.max(axis=1)) + SUN * np.maximum(gap[seen], 0.0)
    for share in PENUMBRA:
        wider = share * soft
        dark = wider > -0.8 * thin  # what is thin and high up has no core
        pixels, _ = camera.project(feet[dark] + wider[dark, None, None] * around)
        canvas.polygons(pixels, rgba(STYLE.shadow, LAYER))
