"""How fast an adjoint grows along a trajectory."""

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["growth"]


def growth(steps: Sequence[int] | np.ndarray, norms: np.ndarray) -> float:
    """Factor per step by which norms grow from later steps to earlier ones: a least-squares line through their logs.

    Its logarithm over dt estimates the largest Lyapunov exponent of the rollout, as far as the loss can see it. Norms
    that are zero or not finite are left out; fewer than two others give nan.

    Args:
        steps: (n,).
        norms: (n,) there.
    """
    steps, norms = np.asarray(steps, np.float64), np.asarray(norms, np.float64)
    known = np.isfinite(norms) & (norms > 0.0)
    if known.sum() < 2:
        return math.nan
    return float(np.exp(-np.polyfit(steps[known], np.log(norms[known]), 1)[0]))
