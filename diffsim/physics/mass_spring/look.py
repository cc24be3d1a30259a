"""How points and springs look: flesh between the springs, muscles in the colours of what is asked of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from diffsim.physics.mass_spring.series import series_of
from diffsim.physics.mass_spring.terrain import Terrain
from diffsim.rollout import Rollout
from diffsim.viewing.colours import Driven
from diffsim.viewing.look import Fixed, Look, Part, Points, Segments, Surface, Triangles
from diffsim.viewing.planes import Floor
from diffsim.viewing.shaped import tame
from diffsim.viewing.trails import trail_of_all

__all__ = ["look", "triangles"]

# With more triangles than this a body is dense enough without its flesh being filled.
MOST_TRIANGLES = 4000

# Soil below a polyline, as a share of its length.
DEEP = 0.2

# How much farther it is drawn to both sides, as a share of that.
MARGIN = 0.1

# Half the width of its line, as a share of that.
LINE = 0.0005

# Points without springs have no size that tells how far they may get: so far [m].
FARTHEST = 1000.0


def look(rollout: Rollout) -> Look:
    """What is to be seen of a `MassSpring` rollout of one environment."""
    scene, numbers = rollout.problem.scene, rollout.numbers
    n, springs = len(scene.points), scene.springs
    colours = np.full(n, "point", dtype=object)
    colours[scene.fixed] = "pinned"
    points = Points(rollout["position"], colour=colours.tolist())
    ground, land = None, []
    if isinstance(scene.ground, Terrain):
        land = [_land(scene.ground, numbers["scene.heights"], rollout["position"])]
    elif scene.ground is not None:
        normal = numbers["scene.ground_normal"]
        ground = Floor(normal / np.linalg.norm(normal), float(numbers["scene.ground_height"]))
    if not len(springs):
        return Look([*land, points], ground=ground, reach=FARTHEST, series=series_of(rollout))
    muscles = np.flatnonzero(np.broadcast_to(scene.actuation, len(springs)))
    gain = np.broadcast_to(numbers["scene.actuation"], len(springs))[muscles]
    driven = Driven(muscles, np.arange(len(muscles)), gain / (np.abs(gain).max(initial=0.0) or 1.0))
    nets = [Triangles(points, triangles(springs)), Segments(points, springs, driven=driven), points]
    return Look([*land, *trail_of_all(points), *nets], ground=ground, series=series_of(rollout))


def _land(terrain: Terrain, heights: np.ndarray, position: np.ndarray) -> Fixed:
    """A polyline with soil below it, or triangles."""
    terrain = replace(terrain, heights=np.reshape(heights, terrain.heights.shape))
    corners = terrain.corners
    if terrain.dimension == 2:
        # As far as anything goes, beyond the ends too, and as deep as it is high.
        reach = tame(position)[..., 0]
        left, right = np.nanmin(reach, initial=corners[0, 0]), np.nanmax(reach, initial=corners[-1, 0])
        margin = MARGIN * (right - left)
        ends = np.array([[left - margin, 0.0], [right + margin, 0.0]])
        ends[:, 1] -= terrain.above(ends)
        top = np.concatenate([ends[:1], corners, ends[1:]])
        base = top[:, 1].min() - DEEP * (right - left)
        # Piece by piece: a camera shows those that are near.
        soil = [Part("polygon", corners=[(a[0], base), (b[0], base), b, a], edge="soil") for a, b in pairwise(top)]
        line = [_line(a, b, LINE * (right - left)) for a, b in pairwise(top)]
        return Fixed([*soil, *line])
    number = np.arange(len(corners)).reshape(terrain.heights.shape)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]).reshape(-1, 3)
    low, high = corners.min(axis=0), corners.max(axis=0)
    middle, half = 0.5 * (low + high), np.maximum(0.5 * (high - low), 1e-3)
    return Fixed([Part("mesh", half, at=middle, surface=Surface(corners - middle, faces))])


def _line(a: np.ndarray, b: np.ndarray, radius: float) -> Part:
    along = b - a
    size = (radius, 0.5 * float(np.linalg.norm(along)))
    angle = float(np.arctan2(along[1], along[0]))
    return Part("capsule", size, None, 0.5 * (a + b), angle, "surface", "surface")


def triangles(springs: np.ndarray) -> np.ndarray:
    """(t, 3) all triples of points that springs (s, 2) join each with each; none if there are too many."""
    joined: dict[int, set[int]] = {}
    for a, b in springs.tolist():
        joined.setdefault(a, set()).add(b)
        joined.setdefault(b, set()).add(a)
    found: list[tuple[int, int, int]] = []
    for a, b in np.sort(springs, axis=1).tolist():
        found.extend((a, b, c) for c in joined[a] & joined[b] if c > b)
        if len(found) > MOST_TRIANGLES:
            return np.zeros((0, 3), dtype=np.intp)
    return np.array(found, dtype=np.intp).reshape(-1, 3)
