"""How points and springs look: flesh between the springs, muscles in the colours of what is asked of them."""

from __future__ import annotations

import numpy as np

from diffsim.physics.mass_spring.series import series_of
from diffsim.rollout import Rollout
from diffsim.viewing.colours import Driven
from diffsim.viewing.look import Look, Points, Segments, Triangles
from diffsim.viewing.planes import Floor
from diffsim.viewing.trails import trail_of_all

__all__ = ["look", "triangles"]

# With more triangles than this a body is dense enough without its flesh being filled.
MOST_TRIANGLES = 4000

# Points without springs have no size that tells how far they may get: so far [m].
FARTHEST = 1000.0


def look(rollout: Rollout) -> Look:
    """What is to be seen of a `MassSpring` rollout of one environment."""
    scene, numbers = rollout.problem.scene, rollout.numbers
    n, springs = len(scene.points), scene.springs
    colours = np.full(n, "point", dtype=object)
    colours[scene.fixed] = "pinned"
    points = Points(rollout["position"], colour=colours.tolist())
    ground = None
    if scene.ground is not None:
        normal = numbers["scene.ground_normal"]
        ground = Floor(normal / np.linalg.norm(normal), float(numbers["scene.ground_height"]))
    if not len(springs):
        return Look([points], ground=ground, reach=FARTHEST, series=series_of(rollout))
    muscles = np.flatnonzero(np.broadcast_to(scene.actuation, len(springs)))
    gain = np.broadcast_to(numbers["scene.actuation"], len(springs))[muscles]
    driven = Driven(muscles, np.arange(len(muscles)), gain / (np.abs(gain).max(initial=0.0) or 1.0))
    nets = [Triangles(points, triangles(springs)), Segments(points, springs, driven=driven), points]
    return Look([*trail_of_all(points), *nets], ground=ground, series=series_of(rollout))


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
