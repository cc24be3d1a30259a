"""Lengths of arrows that stand for forces."""

from __future__ import annotations

import numpy as np

__all__ = ["arrow_ways"]

# Of all forces of a rollout this share is below the usual one.
USUAL = 0.9

# Arrows get no longer than this many times the usual one: an impact has a hundred times the force of a body at rest.
LONGEST = 2.0


def arrow_ways(forces: np.ndarray, size: float, least: float = 0.0) -> np.ndarray:
    """(rows, k, d) from tail to tip of the arrows of forces (rows, k, d) [m]; NaN where there is none, or a short one.

    Args:
        forces: [N], in any unit: the usual one of the rollout has an arrow of this size.
        size: [m].
        least: shorter arrows are left out [m]: they would be dots.
    """
    strength = np.linalg.norm(forces, axis=-1)
    strength = np.where(np.isfinite(strength), strength, 0.0)
    presses = strength[strength > 0.0]
    metres = size / float(np.quantile(presses, USUAL)) if len(presses) else 0.0  # per newton
    lengths = np.minimum(strength * metres, LONGEST * size)
    with np.errstate(invalid="ignore", divide="ignore"):
        ways: np.ndarray = forces / strength[..., None] * lengths[..., None]
    ways[~(lengths > least)] = np.nan
    return ways
