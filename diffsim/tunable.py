"""What optimisers and estimators ask of a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

__all__ = ["Tunable"]


class Tunable(Protocol):
    """What can be tuned: a `Simulation`, or anything like it.

    Two things are used where they are there. ``adjoint_growth``, a number or (copies,) or None, is the factor per step
    by which the adjoint grew in the last `value_and_grad`, and goes into the history. ``again(window=h)`` makes the
    same simulation with truncated backpropagation, to be closed.
    """

    @property
    def problem(self) -> Any:
        """Has ``limits(name) -> (low, high)``."""

    @property
    def envs(self) -> int:
        """Number of copies."""

    @property
    def shared(self) -> bool:
        """Whether all copies have the same parameters; else every array has a leading axis of copies."""

    def params(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Initial parameters."""

    def value_and_grad(self, params: Mapping[str, np.ndarray]) -> tuple[Any, dict[str, np.ndarray]]:
        """Loss, a number or (copies,), and its gradient, arrays like ``params``."""
