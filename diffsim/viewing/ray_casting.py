"""Where the ray of a pixel meets a sphere, a capsule, an ellipsoid, a box or a cylinder: a formula for each.

Directions and places are the camera's: to the right, up, and towards the eye, from the camera's centre [m]. The ray of
a pixel is ``(a, b, 0) + w * (-a / eye, -b / eye, 1)``, for all w below the eye; the largest w is seen.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Hit", "Rays", "box", "capsule", "cylinder", "ellipsoid"]


class Hit(NamedTuple):
    """What the pixels of a rectangle (h, w) see of one solid.

    Attributes:
        near: nearness to the eye, from the solid's centre [m].
        inside: distance from the silhouette, negative outside of it [pixels].
        light: cosine of the angle between the surface and the light.
        crease: distance from an edge within the silhouette [pixels], or None.
    """

    near: np.ndarray
    inside: np.ndarray
    light: np.ndarray
    crease: np.ndarray | None


class Rays:
    """The rays of a rectangle of pixels past one solid, and sums over them: of columns (w,) and rows (h, 1)."""

    def __init__(self, a: np.ndarray, b: np.ndarray, eye: float, centre: np.ndarray) -> None:
        # From the plane through the centre, so that what is subtracted is not much larger than what is left.
        shrink = np.float32(1.0 - centre[2] / eye)
        self.a, self.b, self._eye = a, b, np.float32(1.0 / eye)
        self.x, self.y = a * shrink - np.float32(centre[0]), b * shrink - np.float32(centre[1])

    def start(self, way: np.ndarray) -> np.ndarray:
        """(h, w) where the rays cross the plane of the centre, along a way (3,)."""
        found: np.ndarray = self.x * way[0] + self.y * way[1]
        return found

    def slope(self, way: np.ndarray) -> np.ndarray:
        """(h, w) direction of the rays along a way (3,)."""
        found: np.ndarray = (way[2] - self.a * (way[0] * self._eye)) - self.b * (way[1] * self._eye)
        return found

    def squares(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Start squared, start times direction, direction squared; (h, w) each."""
        eye, a, b, x, y = self._eye, self.a, self.b, self.x, self.y
        return x * x + y * y, -(a * x * eye) - b * y * eye, (1.0 + (a * eye) ** 2) + (b * eye) ** 2


def capsule(
    rays: Rays, axis: np.ndarray, radius: np.float32, half: np.float32, light: np.ndarray, scale: np.float32
) -> Hit:
    """A capsule along an axis; a sphere if it has no length.

    Where a ray meets a capsule it also meets a sphere within it, whose centre is as far along the axis.
    """
    square, slant, way = rays.squares()
    lit, closest = rays.start(light), None
    if half > 0.0:
        start, slope = rays.start(axis), rays.slope(axis)
        across, fall = np.maximum(way - slope * slope, np.float32(1e-9)), slant - start * slope
        root = fall * fall - across * (square - start * start - radius * radius)
        steep = slope / across
        middle = start - fall * steep  # along the axis, where the ray is closest to it
        along = np.clip(middle + np.sqrt(np.maximum(root, 0.0)) * steep, -half, half)
        np.clip(middle, -half, half, out=middle)
        closest = square + middle * (middle - 2.0 * start) - (slant - middle * slope) ** 2 / way
        square = square + along * (along - 2.0 * start)
        slant = slant - along * slope
        lit -= along * (axis @ light)
    apart = square - slant * slant / way
    near = (np.sqrt(np.maximum((radius * radius - apart) * way, 0.0)) - slant) / way
    inside = (radius - np.sqrt(np.maximum(apart if closest is None else closest, 0.0))) * scale
    return Hit(near, inside, (lit + near * rays.slope(light)) / radius, None)


def ellipsoid(rays: Rays, axes: np.ndarray, size: np.ndarray, light: np.ndarray, scale: np.float32) -> Hit:
    """As a ball of radius 1, in coordinates that are stretched."""
    to_ball = axes.T / size[:, None]
    starts, slopes = [rays.start(row) for row in to_ball], [rays.slope(row) for row in to_ball]
    square, slant, way = (
        sum(p * q for p, q in zip(*pair, strict=True))
        for pair in ((starts, starts), (starts, slopes), (slopes, slopes))
    )
    apart = square - slant * slant / way
    near = (np.sqrt(np.maximum((1.0 - apart) * way, 0.0)) - slant) / way
    normal = [start + near * slope for start, slope in zip(starts, slopes, strict=True)]
    steep = np.sqrt(sum((part / length) ** 2 for part, length in zip(normal, size, strict=True)))
    lit = sum(part * share for part, share in zip(normal, to_ball @ light, strict=True)) / steep
    apart = np.sqrt(np.maximum(apart, 0.0))
    return Hit(near, (1.0 - apart) * np.maximum(apart, np.float32(1.0)) / steep * scale, lit, None)


def box(
    rays: Rays, axes: np.ndarray, size: np.ndarray, light: np.ndarray, scale: np.float32, inside: np.ndarray | None
) -> Hit:
    """The ray is within the box where it is between all three pairs of faces."""
    starts, slopes = [rays.start(axis) for axis in axes.T], [rays.slope(axis) for axis in axes.T]
    turns = [1.0 / np.where(np.abs(slope) < 1e-6, np.float32(1e-6), slope) for slope in slopes]
    ends = [half * np.abs(turn) - start * turn for start, turn, half in zip(starts, turns, size, strict=True)]
    near, face = np.minimum(ends[0], ends[1]), (ends[1] < ends[0]).astype(np.int8)
    face[ends[2] < near] = 2
    np.minimum(near, ends[2], out=near)
    if inside is None:
        begins = [-half * np.abs(turn) - start * turn for start, turn, half in zip(starts, turns, size, strict=True)]
        inside = np.where(near >= np.maximum(np.maximum(*begins[:2]), begins[2]), np.float32(9.0), np.float32(-9.0))
    lit, crease = np.zeros_like(near), np.full_like(near, np.inf)
    for k in range(3):
        np.copyto(lit, np.sign(slopes[k]) * (axes[:, k] @ light), where=face == k)
        edge = (size[k] - np.abs(starts[k] + near * slopes[k])) * scale
        np.minimum(crease, edge, out=crease, where=face != k)
    return Hit(near, inside, lit, crease)


def cylinder(
    rays: Rays, axes: np.ndarray, size: np.ndarray, light: np.ndarray, scale: np.float32, inside: np.ndarray | None
) -> Hit:
    """The ray is within the cylinder where it is within an endless one and between both ends."""
    axis, radius, half = axes[:, 2], size[0], size[1]
    square, slant, way = rays.squares()
    start, slope = rays.start(axis), rays.slope(axis)
    across, fall = np.maximum(way - slope * slope, np.float32(1e-9)), slant - start * slope
    root = fall * fall - across * (square - start * start - radius * radius)
    wide = np.sqrt(np.maximum(root, 0.0))
    side = (wide - fall) / across
    turn = 1.0 / np.where(np.abs(slope) < 1e-6, np.float32(1e-6), slope)
    end = -start * turn + half * np.abs(turn)
    near = np.minimum(side, end)
    if inside is None:
        far = np.maximum((-wide - fall) / across, -start * turn - half * np.abs(turn))
        inside = np.where((near >= far) & (root >= 0.0), np.float32(9.0), np.float32(-9.0))
    along, capped = start + near * slope, end < side
    shade = axis @ light
    lit = (rays.start(light) + near * rays.slope(light) - along * shade) / radius
    np.copyto(lit, np.sign(slope) * shade, where=capped)
    reach = np.sqrt(np.maximum(square + near * (2.0 * slant + near * way) - along * along, 0.0))
    return Hit(near, inside, lit, np.where(capped, radius - reach, half - np.abs(along)) * scale)
