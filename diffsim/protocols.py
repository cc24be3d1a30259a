"""What optimisers and estimators ask of a simulation, what a replay asks of a run, and units of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from diffsim.spec import numbers_by_name

__all__ = ["RobotRun", "Tunable", "units_of"]


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


class RobotRun(Protocol):
    """What can be replayed elsewhere: a `SavedRun`, a `Learned`; the best is in its ``params`` or ``best_params``."""

    @property
    def problem(self) -> Any:
        """The `Problem`."""

    @property
    def source(self) -> Any:
        """The robot's file, as `load_mjcf` takes it; None where it is not known."""


def units_of(
    problem: Any, start: Mapping[str, Any], scale: Mapping[str, Any] | None = None, owner: str = "tune(scale)"
) -> dict[str, float]:
    """The size that each parameter is counted in, so that one length of step suits them all.

    By default it is the width of the parameter's bounds, where both are given; else, of a number of the scene, which
    has a unit of its own, the size of its start (the root of its mean square), where that is not zero; else 1.

    Args:
        problem: has ``limits(name) -> (low, high)``.
        start: values of the parameters by name; an axis of copies changes nothing.
        scale: by name or pattern, other sizes than these; later patterns win.
        owner: of ``scale``, for messages.

    Raises:
        InputError: if a pattern of ``scale`` matches nothing, or a size is not above 0.
    """
    found = {}
    for name, value in start.items():
        low, high = problem.limits(name)
        width, size = high - low, _rms(value) if name.startswith("scene.") else 0.0
        found[name] = width if math.isfinite(width) else size if math.isfinite(size) and size > 0.0 else 1.0
    return {**found, **numbers_by_name(owner, scale or {}, found, above=0.0)}


def _rms(value: Any) -> float:
    numbers = np.ravel(np.asarray(value, np.float64))
    largest = float(np.abs(numbers).max(initial=0.0))  # squares of huge numbers overflow, of tiny ones vanish
    return largest * float(np.sqrt(np.mean((numbers / largest) ** 2))) if 0.0 < largest < math.inf else 0.0
