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
    """Compiling apart from tuning, as the history of a run tells; None if it does not.

    Records of earlier versions do not say how much of their time was ``compiling``. Of those, it is what the first
    evaluation took longer than one usually does, the median of the others, if there are some.
    """
    told = history[-1].get("compiling") if history else None
    if told is not None:
        return Times(float(told), float(history[-1]["seconds"]) - float(told))
    seconds = np.array([record.get("seconds", np.nan) for record in history], float)
    if len(seconds) < 2 or not np.isfinite(seconds).all():
        return None
    first = max(float(seconds[0] - np.median(np.diff(seconds))), 0.0)
    return Times(first, float(seconds[-1]) - first)
