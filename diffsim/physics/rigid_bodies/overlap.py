"""How far apart two shapes are, or how deep one is in the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.rigid_bodies.bodies import HalfPlane, Shape, slack

__all__ = ["check_apart", "separation"]


def separation(first: Shape, second: Shape) -> float:
    """Signed distance of two bodies or obstacles where they stand [m].

    Where they are apart it is the distance of their nearest points; where they overlap it is below 0, by the shortest
    way that takes one out of the other. Both are the distance of the origin from the outline of the shapes' Minkowski
    difference (Cameron 1997, "Enhancing GJK: computing minimum and penetration distances between convex polyhedra"): of
    cores that overlap the largest gap along a normal of an edge, of others the least distance of a corner from an edge.
    A margin moves that outline outwards by just as much.

    Raises:
        InputError: for shapes that no scene would take, and for two half-planes.
    """
    for name, shape in (("first", first), ("second", second)):
        if not isinstance(shape, Shape):
            raise InputError(f"separation.{name} is {shape!r}, but a body or an obstacle is needed")
    if isinstance(first, HalfPlane) and isinstance(second, HalfPlane):
        raise InputError("separation takes one half-plane at most: two have no distance")
    return _separation(first.checked("separation.first"), second.checked("separation.second"))


def _separation(first: Shape, second: Shape) -> float:
    if isinstance(first, HalfPlane):
        first, second = second, first
    points = first.to_world(first.core)
    if isinstance(second, HalfPlane):
        return float(((points - second.position) @ second.normal).min()) - first.margin
    return _distance_of_hulls(points, second.to_world(second.core)) - first.margin - second.margin


def _distance_of_hulls(a: np.ndarray, b: np.ndarray) -> float:
    """Signed, of the convex hulls of points in counter-clockwise order."""
    axes = np.concatenate([_axes(a), _axes(b)])
    gaps = (axes @ b.T).min(axis=1) - (axes @ a.T).max(axis=1)
    if len(axes) and gaps.max() <= 0.0:
        return float(gaps.max())
    return min(_nearest(a, b), _nearest(b, a))


def _axes(core: np.ndarray) -> np.ndarray:
    """(k, 2) unit vectors, both ways, that may separate the core; of a line also its own direction."""
    if len(core) == 1:
        return np.zeros((0, 2))
    side = np.roll(core, -1, axis=0) - core
    along = side / np.linalg.norm(side, axis=1)[:, None]
    across = np.stack([along[:, 1], -along[:, 0]], axis=1)
    return np.concatenate([across, -across] if len(core) > 2 else [across, along])


def _nearest(points: np.ndarray, core: np.ndarray) -> float:
    """Least distance of any of the points from an edge of the core."""
    side = np.roll(core, -1, axis=0) - core
    apart = points[:, None] - core
    squared = np.maximum((side * side).sum(axis=1), np.finfo(float).tiny)  # the only edge of a point has no length
    share = np.clip((apart * side).sum(axis=2) / squared, 0.0, 1.0)
    return float(np.linalg.norm(apart - share[..., None] * side, axis=2).min())


def check_apart(bodies: Sequence[Shape], obstacles: Sequence[Shape], pairs: np.ndarray) -> None:
    """Raise InputError if a pair of shapes, of bodies and then obstacles, overlaps by more than rounding."""
    shapes, n = [*bodies, *obstacles], len(bodies)
    position = np.array([shape.position for shape in shapes])
    reach = np.array([np.inf if isinstance(shape, HalfPlane) else shape.size for shape in shapes])
    apart = np.linalg.norm(position[pairs[:, 0]] - position[pairs[:, 1]], axis=1)
    for i, j in pairs[apart < reach[pairs].sum(axis=1)].tolist():
        depth = -_separation(shapes[i], shapes[j])
        if depth <= slack(shapes[i], shapes[j]):
            continue
        if j < n:
            raise InputError(
                f"bodies[{i}] and bodies[{j}] overlap by {depth:g} m at the start; move one, or give both one group"
            )
        raise InputError(f"bodies[{i}] reaches {depth:g} m into obstacles[{j - n}] at the start; move one of them")
