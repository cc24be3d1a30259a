"""Which of the things that move leave a trail: those that travel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffsim.viewing.colours import Colour
from diffsim.viewing.elements import Bodies, Points, Trail

__all__ = ["trail_of_all", "trails_of_each"]

# Of more than this, trails would be a tangle.
MOST = 24


def trail_of_all(mover: Points | Bodies, colour: Colour = "ruler") -> list[Trail]:
    """One trail, of the middle of all, if that gets farther than half its size at the start; else none."""
    places = mover.places
    if len(places) < 2 or not places.shape[1]:
        return []
    there = np.isfinite(places[0]).all(axis=1)
    size = float(np.ptp(places[0][there], axis=0).max()) if there.any() else 0.0
    trail = Trail(mover, None, colour)
    return [trail] if _farthest(trail.ways()[:, 0]) > 0.5 * size > 0.0 else []


def trails_of_each(mover: Points | Bodies, reach: np.ndarray, colours: Sequence[Colour]) -> list[Trail]:
    """A trail for each of few points or bodies that gets farther than its own reach (n,) [m]; ``colours`` has n."""
    places = mover.places
    if len(places) < 2 or places.shape[1] > MOST:
        return []
    which = [k for k in range(places.shape[1]) if _farthest(places[:, k]) > reach[k]]
    return [Trail(mover, which, [colours[k] for k in which])] if which else []


def _farthest(way: np.ndarray) -> float:
    """How far a way (rows, d) gets from its start [m]."""
    fine = way[np.isfinite(way).all(axis=1)]
    return float(np.linalg.norm(fine - fine[0], axis=1).max()) if len(fine) else 0.0
