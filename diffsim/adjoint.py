"""How to differentiate a rollout: with all of it in memory, segment by segment, or only within windows.

What is said here is done in `diffsim.engine.trajectory`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import whole

__all__ = ["Adjoint", "Checkpointed", "FullTape", "Truncated", "growth"]


@dataclass(frozen=True)
class FullTape:
    """Keep every row of the trajectory: the fastest gradient, memory proportional to the steps."""

    def rows(self, steps: int, row_bytes: int) -> int:
        """How many steps are kept at a time."""
        return steps


@dataclass(frozen=True)
class Checkpointed:
    """Keep the rows of one segment and the state at the start of each, and run every segment twice.

    Attributes:
        every: steps per segment; None with no ``memory`` is the square root of the steps, which needs least.
        memory: instead, take the longest segments that fit: bytes, or text like "500MB" or "2GB".

    Griewank & Walther 2000 (ACM TOMS 26(1), algorithm 799) treat the general case; this is its first level.
    """

    every: int | None = None
    memory: int | str | None = None

    def __post_init__(self) -> None:
        """Check both numbers."""
        if self.every is not None and self.memory is not None:
            raise InputError("Checkpointed takes every or memory, but both were given")
        if self.every is not None:
            whole("Checkpointed.every", self.every)
        if self.memory is not None:
            _bytes(self.memory)

    def rows(self, steps: int, row_bytes: int) -> int:
        """How many steps are kept at a time."""
        if self.every is not None:
            return min(self.every, steps)
        if self.memory is not None:
            fits = int(_bytes(self.memory) // max(row_bytes, 1)) - 1
            if fits < 1:
                raise InputError(
                    f"Checkpointed.memory is {self.memory!r}, but one step of this problem needs {2 * row_bytes} bytes"
                )
            return min(fits, steps)
        return min(steps, max(1, math.isqrt(steps)))


@dataclass(frozen=True)
class Truncated:
    """Backpropagate through a window of steps at a time, from the state that the steps before led to.

    The loss is that of the whole rollout. The gradient takes the state at the start of each window as given: it is the
    sum over the windows of the gradient of what the window adds to the loss, an objective's terms at the last row
    being taken at the last row of every window (a walker's travel is the sum of what it travels in each window). A
    biased gradient, but one that cannot grow for longer than a window; with ``window`` = steps it is the full one.

    Truncated backpropagation through time: Williams & Peng 1990 (Neural Computation 2(4)), equations 10 to 13.

    Attributes:
        window: steps in each; the last one has what is left.
    """

    window: int

    def __post_init__(self) -> None:
        """Check the number."""
        whole("Truncated.window", self.window)

    def rows(self, steps: int, row_bytes: int) -> int:
        """How many steps are kept at a time."""
        return min(self.window, steps)


Adjoint = FullTape | Checkpointed | Truncated

_UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9}


def _bytes(memory: int | str) -> float:
    found = 0.0
    if isinstance(memory, str):
        with contextlib.suppress(KeyError, ValueError):
            found = float(memory[:-2]) * _UNITS[memory[-2:].upper()]
    elif isinstance(memory, (int, float)) and not isinstance(memory, bool):
        found = float(memory)
    if not 0.0 < found < math.inf:
        raise InputError(f"Checkpointed.memory is {memory!r}, but bytes or text like '500MB' is needed")
    return found


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
