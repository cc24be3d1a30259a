"""Paths of straight lines: a place that passes given ones in turn, at even times."""

from __future__ import annotations

import numpy as np

__all__ = ["along"]


def along(places: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where something is that passes ``places`` in turn, and its velocity, per share of the whole time.

    Args:
        places: (w, d), at least two.
        share: (...) of the time that has passed, 0 at the first place and 1 at the last.

    Returns:
        Places (..., d) and velocities (..., d); at a place that is passed, that of what comes behind it.
    """
    legs = len(places) - 1
    leg = np.clip((np.asarray(share, np.float64) * legs).astype(int), 0, legs - 1)
    velocity = legs * (places[leg + 1] - places[leg])
    return places[leg] + (share - leg / legs)[..., None] * velocity, velocity
