"""Solids in three dimensions, pixel by pixel: where the ray of a pixel meets a sphere, a capsule, a box, ...

Every solid but a mesh has a formula for that, so that surfaces are smooth at any size, solids that overlap meet where
they really do, and no triangles have to be sorted; of meshes the triangle counts that is nearest in a pixel. The edge
of a solid is soft and outlined by the distance of its pixels from its silhouette, so that a pixel is one sample: no
finer picture is averaged.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from diffsim.meshes.rasters import seen_triangles
from diffsim.viewing.camera import Camera, Viewport
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.outlines import edge_distance, steps
from diffsim.viewing.planes import Floor
from diffsim.viewing.ray_casting import Hit, Rays, box, capsule, cylinder, ellipsoid
from diffsim.viewing.scenery import LIGHT
from diffsim.viewing.surfaces import Surface

__all__ = ["Layers", "Solids"]

# Nothing is as far away as this [m].
NOWHERE = np.float32(-1e9)

# A surface that is turned away from the light has this brightness; one that faces it has more than 1 by little: matte.
DARK, BRIGHT = 0.64, 1.12

# The light comes from between the sun and the eye, this much from the eye: what one looks at is not in the dark.
FROM_EYE = 0.55

# Where a part covers another that is so many pixels deeper, its outline is seen.
STEP = 6.0

# Ways round a cylinder's rims, for its silhouette: off by 0.1 pixels at a radius of 30.
RIM = np.stack([trig(2.0 * np.pi * np.arange(40) / 40) for trig in (np.cos, np.sin)], axis=1)


class Solids(NamedTuple):
    """n solids in the world.

    Attributes:
        shapes: (n,) "sphere", "capsule", "cylinder", "ellipsoid", "box" or "mesh".
        surfaces: (n,) the triangles of each mesh, None of others.
        centre: (n, 3) [m].
        rotation: (n, 3, 3) from their own axes to the world's.
        size: (n, 3) [m], as of a `Part`.
        fills: (n, 4) red, green, blue, opacity from 0 to 1.
        edges: (n, 4) likewise, of the outlines.
    """

    shapes: tuple[str, ...]
    surfaces: tuple[Surface | None, ...]
    centre: np.ndarray
    rotation: np.ndarray
    size: np.ndarray
    fills: np.ndarray
    edges: np.ndarray


class Layers:
    """Colour, coverage and nearness of every pixel of a viewport; row 0 is at the bottom.

    Attributes:
        colour: (3, h, w) red, green, blue, times coverage.
        coverage: (h, w) from 0 to 1.
        near: (h, w) nearness to the eye of what covers most of a pixel [m].
    """

    def __init__(self, camera: Camera, viewport: Viewport, outline: float) -> None:
        """Empty; outlines are so wide [pixels]. The camera may move afterwards, but not turn or zoom."""
        (left, bottom), (right, top) = np.rint(viewport.corners[[0, 2]]).astype(int).tolist()
        self._left, self._bottom, self._outline = left, bottom, np.float32(outline)
        self._origin, self._scale, self._eye = camera.origin, camera.scale, camera.eye
        self._a = ((np.arange(left, right) + 0.5 - camera.origin[0]) / camera.scale).astype(np.float32)
        self._b = ((np.arange(bottom, top) + 0.5 - camera.origin[1]) / camera.scale).astype(np.float32)[:, None]
        shape = (top - bottom, right - left)
        self.colour, self.coverage = np.zeros((3, *shape), np.float32), np.zeros(shape, np.float32)
        self.near = np.full(shape, NOWHERE)
        light = camera.axes @ LIGHT / np.linalg.norm(LIGHT) + (0.0, 0.0, FROM_EYE)
        self._light = (light / np.linalg.norm(light)).astype(np.float32)
        self._used: list[tuple[slice, slice]] = []

    def clear(self) -> None:
        """Take away what was painted."""
        for part in self._used:
            self.colour[:, part[0], part[1]], self.coverage[part], self.near[part] = 0.0, 0.0, NOWHERE
        self._used.clear()

    def take(self, other: Layers) -> None:
        """What other layers of the same viewport hold, instead of what was painted."""
        self.clear()
        for part in other._used:
            self.colour[:, part[0], part[1]] = other.colour[:, part[0], part[1]]
            self.coverage[part], self.near[part] = other.coverage[part], other.near[part]
        self._used += other._used

    def paint(self, camera: Camera, solids: Solids, floor: Floor | None = None) -> None:
        """Solids, with what is below a floor hidden by it; those that are not finite are left out."""
        centre, rotation = camera.local(solids.centre), camera.axes @ solids.rotation
        with np.errstate(invalid="ignore"):
            fine = np.isfinite(centre).all(axis=1) & np.isfinite(rotation).all(axis=(1, 2))
            fine &= (np.abs(centre) < 1e6).all(axis=1) & (solids.fills[:, 3] > 0.0)
        ground = None
        if floor is not None and floor.solid and floor.normal @ camera.axes[2] > 0.0:
            ground = (camera.axes @ floor.normal, float(floor.gap(camera.centre)))
        far_first = np.argsort(np.where(fine, centre[:, 2], 0.0), kind="stable")
        meshes = [k for k in np.flatnonzero(fine).tolist() if solids.surfaces[k] is not None]
        fine[meshes] = False
        if meshes:
            self._meshes(solids, meshes, centre, rotation, ground)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for k in far_first[fine[far_first]].tolist():
                self._solid(
                    solids.shapes[k],
                    centre[k],
                    rotation[k],
                    solids.size[k],
                    solids.fills[k],
                    solids.edges[k],
                    ground,
                )

    def hidden(self, pixels: np.ndarray, near: np.ndarray, depth: np.ndarray | float) -> np.ndarray:
        """(m,) whether something covers pixels (m, 2) that is nearer than ``near`` (m,) by more than a depth [m]."""
        rows, columns = self.near.shape
        with np.errstate(invalid="ignore"):
            x = np.nan_to_num(pixels[:, 0] - self._left, nan=-1.0)
            y = np.nan_to_num(pixels[:, 1] - self._bottom, nan=-1.0)
            within = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
            cover = self.near[np.where(within, y, 0).astype(int), np.where(within, x, 0).astype(int)]
            return within & (cover > near + depth)

    def put(self, canvas: Canvas) -> None:
        """Everything onto a canvas."""
        if not self._used:
            return
        rows, columns = zip(*self._used, strict=True)
        across = slice(min(s.start for s in columns), max(s.stop for s in columns))
        along = slice(min(s.start for s in rows), max(s.stop for s in rows))
        corner = (self._left + across.start, self._bottom + along.start)
        canvas.paste(self.colour[:, along, across], self.coverage[along, across], corner)

    def _solid(
        self,
        shape: str,
        centre: np.ndarray,
        axes: np.ndarray,
        size: np.ndarray,
        fill: np.ndarray,
        edge: np.ndarray,
        ground: tuple[np.ndarray, float] | None,
    ) -> None:
        """One solid, at a place and with axes (columns of (3, 3)) as the camera sees them."""
        if centre[2] > 0.98 * self._eye:
            return
        hull = _hull(self._pixels(_corners(shape, centre, axes, size))) if shape in ("box", "cylinder") else None
        part = self._part(shape, centre, axes, size, hull)
        if part is None:
            return
        rays = Rays(self._a[part[1]], self._b[part[0]], self._eye, centre)
        scale = np.float32(self._scale / (1.0 - centre[2] / self._eye))
        axes32, size32 = axes.astype(np.float32), size.astype(np.float32)
        if shape in ("sphere", "capsule"):
            half = np.float32(0.0) if shape == "sphere" else size32[1]
            hit = capsule(rays, axes32[:, 2], size32[0], half, self._light, scale)
        elif shape == "ellipsoid":
            hit = ellipsoid(rays, axes32, size32, self._light, scale)
        else:
            inside = None if hull is None else self._inside(hull, part)
            hit = (box if shape == "box" else cylinder)(rays, axes32, size32, self._light, scale, inside)
        below = None
        if ground is not None:
            normal, height = ground[0].astype(np.float32), np.float32(ground[0] @ centre + ground[1])
            if height < np.linalg.norm(size):
                below = height + rays.start(normal) + hit.near * rays.slope(normal)
        self._blend(part, hit, np.float32(centre[2]), scale, fill, edge, below)
        self._used.append(part)

    def _meshes(
        self,
        solids: Solids,
        which: list[int],
        centre: np.ndarray,
        rotation: np.ndarray,
        ground: tuple[np.ndarray, float] | None,
    ) -> None:
        """All meshes in one go: what is nearest in each pixel, over and under what is there."""
        corners, lights, owners = [], [], []
        for k in which:
            surface = solids.surfaces[k]
            assert surface is not None
            corners.append((surface.vertices @ rotation[k].T + centre[k])[surface.faces])
            lights.append(surface.normals @ (rotation[k].T @ self._light))
            owners.append(np.full(len(surface.faces), k))
        places, light, owner = (np.concatenate(part) for part in (corners, lights, owners))
        shrink = 1.0 - places[..., 2] / self._eye
        ahead = (shrink > 0.02).all(axis=1)
        places, light, owner, shrink = (part[ahead] for part in (places, light, owner, shrink))
        flat = self._origin + self._scale * places[..., :2] / shrink[..., None] - (self._left, self._bottom)
        rows, columns = self.near.shape
        low, high = np.floor(flat.min(axis=(0, 1), initial=np.inf)), np.ceil(flat.max(axis=(0, 1), initial=-np.inf))
        (left, bottom), (right, top) = np.clip(low - 1, 0, (columns, rows)), np.clip(high + 1, 0, (columns, rows))
        if not (left < right and bottom < top):
            return
        part = (slice(int(bottom), int(top)), slice(int(left), int(right)))
        # What is seen from behind, as of a sheet, is lit from there.
        one, other = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
        light[one[:, 0] * other[:, 1] < one[:, 1] * other[:, 0]] *= -1.0
        shape = (int(top - bottom), int(right - left))
        seen = seen_triangles(flat - (left, bottom), places[..., 2], light, shape, NOWHERE)
        there = seen.which >= 0
        if not there.any():
            return
        mine = np.where(there, owner[seen.which], -1)
        scale = np.float32(self._scale / (1.0 - float(np.median(seen.near[there])) / self._eye))
        crease = np.where(steps(mine, seen.near, float(STEP / scale)), 0.0, 9.0).astype(np.float32)
        hit = Hit(seen.near, edge_distance(there), seen.light, crease)
        below = None
        if ground is not None:
            lower = np.float32(1.0) - seen.near / np.float32(self._eye)
            normal = ground[0].astype(np.float32)
            below = lower * (self._a[part[1]] * normal[0] + self._b[part[0]] * normal[1])
            below += seen.near * normal[2] + np.float32(ground[1])
        fills, edges = (np.moveaxis(of.astype(np.float32)[mine], 2, 0) for of in (solids.fills, solids.edges))
        self._blend(part, hit, np.float32(0.0), scale, fills, edges, below)
        self._used.append(part)

    def _part(
        self, shape: str, centre: np.ndarray, axes: np.ndarray, size: np.ndarray, hull: np.ndarray | None
    ) -> tuple[slice, slice] | None:
        """Rows and columns that a solid may cover; None if there are none."""
        rows, columns = self.near.shape
        if shape in ("box", "cylinder"):
            if hull is None:  # a corner is behind the eye: it may be anywhere
                return slice(0, rows), slice(0, columns)
            low, high = hull.min(axis=0), hull.max(axis=0)
        else:
            half = size[1] if shape == "capsule" else 0.0
            radius = size.max() if shape == "ellipsoid" else size[0]
            ends = centre + np.array([[-half], [half]]) * axes[:, 2]
            shrink = 1.0 - (ends[:, 2] + radius) / self._eye
            if (shrink <= 0.02).any():
                return slice(0, rows), slice(0, columns)
            # A ball off the middle of the picture is seen a little larger, and is an ellipse.
            reach = 1.03 * radius * self._scale / shrink[:, None]
            pixels = self._origin + self._scale * ends[:, :2] / (1.0 - ends[:, 2:] / self._eye)
            low, high = (pixels - reach).min(axis=0), (pixels + reach).max(axis=0)
        corner = (self._left, self._bottom)
        first = np.maximum(np.floor(low - corner - 1.0), 0.0)
        last = np.minimum(np.ceil(high - corner + 1.0), (columns, rows))
        if not (first < last).all():
            return None
        (x, y), (right, top) = first.astype(int).tolist(), last.astype(int).tolist()
        return slice(y, top), slice(x, right)

    def _pixels(self, points: np.ndarray) -> np.ndarray | None:
        """(m, 2) of points (m, 3) [pixels]; None if one is behind the eye."""
        shrink = 1.0 - points[:, 2:] / self._eye
        return None if (shrink <= 0.02).any() else self._origin + self._scale * points[:, :2] / shrink

    def _inside(self, hull: np.ndarray, part: tuple[slice, slice]) -> np.ndarray:
        """(h, w) distance from the edges of a convex area, corners (k, 2) counter-clockwise [pixels]."""
        sides = np.roll(hull, -1, axis=0) - hull
        normals = np.stack([-sides[:, 1], sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1)[:, None]
        x = (np.arange(part[1].start, part[1].stop) + 0.5 + self._left).astype(np.float32)
        y = (np.arange(part[0].start, part[0].stop) + 0.5 + self._bottom).astype(np.float32)[:, None]
        found = np.full((y.shape[0], len(x)), np.inf, np.float32)
        for corner, normal in zip(hull.astype(np.float32), normals.astype(np.float32), strict=True):
            np.minimum(found, (x - corner[0]) * normal[0] + (y - corner[1]) * normal[1], out=found)
        return found

    def _blend(
        self,
        part: tuple[slice, slice],
        hit: Hit,
        depth: np.float32,
        scale: np.float32,
        fill: np.ndarray,
        edge: np.ndarray,
        below: np.ndarray | None,
    ) -> None:
        """A solid over what is farther, and under what is nearer; where both meet within a pixel, softly.

        Its colours are (4,), or (4, h, w).
        """
        colour, coverage, near = self.colour[:, part[0], part[1]], self.coverage[part], self.near[part]
        alpha = np.clip(hit.inside + np.float32(0.5), 0.0, 1.0) * fill[3].astype(np.float32)
        if below is not None:
            alpha *= np.clip(below * scale + np.float32(1.0), 0.0, 1.0)
        depths = hit.near + depth
        front = np.clip((depths - near) * scale + np.float32(1.0), 0.0, 1.0)
        share = alpha * (1.0 - (1.0 - front) * coverage)  # of the pixel that shows the solid
        keep = 1.0 - front * alpha  # of what is there
        # No channel is cut off, which would tint.
        most = np.minimum(BRIGHT, 1.0 / np.maximum(fill[:3].max(axis=0), 0.5)).astype(np.float32)
        bright = np.float32(0.5) * (DARK + most + (most - DARK) * hit.light)
        line = np.clip(self._outline + np.float32(0.5) - hit.inside, 0.0, 1.0)
        if hit.crease is not None:
            # Between two faces that are seen: half as strong.
            np.maximum(line, 0.5 * np.clip(0.5 * self._outline + np.float32(0.5) - hit.crease, 0.0, 1.0), out=line)
        lined, plain = share * line, share * (1.0 - line) * bright
        for channel in range(3):
            colour[channel] *= keep
            own, around = fill[channel].astype(np.float32), edge[channel].astype(np.float32)
            colour[channel] += plain * own + lined * around
        coverage += alpha * (1.0 - coverage)
        if np.max(fill[3]) > 0.5:
            np.copyto(near, depths, where=(alpha > 0.4) & (depths > near))


def _corners(shape: str, centre: np.ndarray, axes: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(m, 3) whose convex hull is a box or (nearly) a cylinder."""
    if shape == "box":
        signs = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3), axis=-1).reshape(-1, 3)
        found: np.ndarray = centre + (signs * size) @ axes.T
        return found
    rims = [np.c_[size[0] * RIM, np.full(len(RIM), end)] for end in (-size[1], size[1])]
    return centre + np.concatenate(rims) @ axes.T


def _hull(points: np.ndarray | None) -> np.ndarray | None:
    """(k, 2) corners, counter-clockwise, of the convex hull of points (m, 2) (Andrew 1979); None for None."""
    if points is None:
        return None
    ordered = sorted(set(map(tuple, points.tolist())))
    chains = []
    for one_way in (ordered, ordered[::-1]):
        chain: list[tuple[float, float]] = []
        for x, y in one_way:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], (x, y)) <= 1e-9:
                chain.pop()
            chain.append((x, y))
        chains += chain[:-1]
    return np.array(chains) if len(chains) > 2 else None


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
