"""The numbers of a `HealthReport`: how a gradient comes about, without a word about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from diffsim.rollout import Place

__all__ = ["DIGITS", "Change", "HealthNumbers", "ParameterGradient", "Passes"]

DIGITS = {"f32": -float(np.log10(2.0**-24)), "f64": -float(np.log10(2.0**-53))}
"""Decimal digits that a number holds, 7.2 and 16.0: its rounding error is at most 6.0e-8 of it, or 1.1e-16."""


class Change(NamedTuple):
    """A contact that switches.

    Attributes:
        env: index of the environment.
        step: in which it is ``after``; in the step before it was ``before``.
        element: index in the array ``contact``.
        before, after: what it does: 0 is free, the others are sums of the flags in `diffsim.events`.
        place: what touches there: "point 3", "bodies[0] and obstacles[1]".
    """

    env: int
    step: int
    element: int
    before: int
    after: int
    place: str = ""


@dataclass(frozen=True, eq=False)
class Passes:
    """A forward and a reverse pass in one precision.

    Attributes:
        precision: "f32" or "f64".
        loss: (copies,) one if all environments share their parameters.
        norms: (envs, n) norm of the adjoint of the state at the steps that were looked at, [loss] per unit of the state
            (metres and metres per second together); nan where it is not finite.
        growth: (envs,) factor per step by which it grows backwards: a least-squares line through its logarithm, where
            it has not vanished. Its logarithm over dt estimates the largest Lyapunov exponent [1/s], as far as the loss
            can see it.
        digits: (envs,) decimal digits between the norm at the end and the largest norm; rounding errors gain as many.
        horizon: for each environment, steps before the end at which these are all that the precision has (`limit`):
            where the norm got there, or where the fit says it will; None if not within ten times the rollout.
        vanished: for each environment, the last of the steps from the start on at which the adjoint is zero, or a few
            rounding errors of what it is later: the loss does not depend on the state up to there. None if it does.
        largest: (envs,) largest size of any finite number in the rollout.
        forward: for each environment that stops being finite, the first number that is not; the earliest step first.
        backward: the same of the adjoint, going backwards; the latest step first. At the last step that was looked at
            it may come from any later one, or from the loss.
    """

    precision: str
    loss: np.ndarray
    norms: np.ndarray
    growth: np.ndarray
    digits: np.ndarray
    horizon: tuple[int | None, ...]
    vanished: tuple[int | None, ...]
    largest: np.ndarray
    forward: tuple[Place, ...]
    backward: tuple[Place, ...]

    @property
    def limit(self) -> float:
        """Decimal digits of the precision."""
        return DIGITS[self.precision]


@dataclass(frozen=True, eq=False)
class ParameterGradient:
    """The gradient with respect to one parameter, or to all of them together.

    Attributes:
        name: of the parameter, or "all".
        norm: (copies,) in the simulation's precision; nan if it is not finite.
        other: (copies,) in the other one; None without a comparison.
        angle: (copies,) between float32 and float64 [degrees]; nan if it is not known. None without a comparison.
        ratio: (copies,) norm in float32 over norm in float64. None without a comparison.
    """

    name: str
    norm: np.ndarray
    other: np.ndarray | None
    angle: np.ndarray | None
    ratio: np.ndarray | None


@dataclass(frozen=True, eq=False)
class HealthNumbers:
    """How a gradient comes about.

    Attributes:
        steps: of the rollout.
        dt: of a step [s].
        at: (n,) the steps that were looked at, in rising order. The last is before the end of the rollout.
        passes: in the simulation's precision.
        other: in the other precision; None without a comparison.
        apart: (envs, n) norm of the difference of the two adjoints over that of the one in float64; None without a
            comparison.
        gradient: of each parameter and, if there are several, of all.
        contacts: where contact switched, the earliest step first; None if the model does not record a ``contact``.
    """

    steps: int
    dt: float
    at: np.ndarray
    passes: Passes
    other: Passes | None
    apart: np.ndarray | None
    gradient: tuple[ParameterGradient, ...]
    contacts: tuple[Change, ...] | None

    @property
    def envs(self) -> int:
        """Number of environments."""
        return len(self.passes.norms)
