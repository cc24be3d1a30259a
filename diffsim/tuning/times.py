"""How long a run took: compiling, and tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Times", "compiling"]


class Times(NamedTuple):
    """Seconds of a run.

    Attributes:
        compiling: until kernels were there [s].
        tuning: all else [s].
    """

    compiling: float
    tuning: float


def compiling(history: Sequence[Mapping[str, Any]]) -> Times | None:
    """Compiling apart from tuning, by the history of a run; None if it has fewer than two iterations.

    The first evaluation compiles: what it takes longer than an evaluation usually does, the median of the others.
    """
    seconds = np.array([record.get("seconds", np.nan) for record in history], float)
    if len(seconds) < 2 or not np.isfinite(seconds).all():
        return None
    first = max(float(seconds[0] - np.median(np.diff(seconds))), 0.0)
    return Times(first, float(seconds[-1]) - first)
