"""What a fit comes to: values, standard errors, intervals, and what should be known of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from diffsim.identification.directions import precision_of
from diffsim.identification.least_squares import CORRELATED, LeastSquares, Vector
from diffsim.identification.result import Fit, Identification
from diffsim.identification.unknowns import Unknowns
from diffsim.problem import Problem

__all__ = ["student", "told"]

HAZY = 1e-4  # of the largest singular value, where forward differences are good to 1e-7
LARGE = 1.5  # residuals over the noise that was given: from there on the model lacks something


def told(
    problem: Problem,
    fit: LeastSquares,
    unknowns: Unknowns,
    vector: Vector,
    fits: tuple[Fit, ...],
    held: tuple[Fit, ...],
    known: bool,
) -> Identification:
    """All of it.

    Args:
        problem: what was looked for, with the values that it had.
        fit: solved.
        unknowns: of it.
        vector: its solution.
        fits: every log beside the model.
        held: likewise, of logs that were not used.
        known: whether the noise was given.
    """
    residuals, jacobian = fit.left(vector), fit.slopes(vector, central=_hazy(fit, vector))
    freedom = max(fit.samples - len(unknowns), 1)
    variance = 1.0 if known else float(residuals @ residuals) / freedom
    free, values = _inside(unknowns, vector), unknowns.meaning @ vector
    low = unknowns.bounds[0]
    sizes = np.where(np.isfinite(low) & (np.abs(values) > 1e-6 * unknowns.units), np.abs(values), unknowns.units)
    labels = tuple(column.label for column in unknowns.columns)
    precision = precision_of(jacobian @ np.linalg.inv(unknowns.meaning), variance, sizes, free, labels)
    covariance = precision.covariance
    errors = np.sqrt(np.diag(covariance))
    quantile = student(freedom, 0.975)
    with np.errstate(invalid="ignore"):
        correlation = np.where(np.isfinite(errors), covariance / np.outer(errors, errors), np.nan)
    params = {name: value[0] for name, value in unknowns.params(vector[None], 0).items() if name in unknowns.shared}
    sensors = {
        column.name: float(vector[k]) for k, column in enumerate(unknowns.columns) if column.name in unknowns.sensors
    }
    return Identification(
        problem=replace(problem.with_tuned(params), objective=problem.objective) if params else problem,
        params=params,
        labels=labels,
        values=values,
        errors=errors,
        low=values - quantile * errors,
        high=values + quantile * errors,
        correlation=correlation,
        singular_values=precision.singular_values,
        untold=precision.untold,
        noise=fit.noise if known else fit.estimated(vector),
        fits=fits,
        held_out=held,
        sensors=sensors,
        loss=float(np.mean(residuals**2)),
        history=tuple(fit.history),
        launches=sum(e.launches for e in fit.experiments),
        rollouts=fit.rollouts,
        stopped=fit.stopped,
        findings=_findings(fit, labels, vector, free, precision.untold, fits, known),
    )


def _hazy(fit: LeastSquares, vector: Vector) -> bool:
    """Whether numbers are so hard to tell apart that forward differences do not tell how hard."""
    jacobian = fit.slopes(vector) * fit.unknowns.units
    squares = np.linalg.eigvalsh(jacobian.T @ jacobian)
    return not squares[0] > HAZY**2 * squares[-1]


def student(freedom: int, level: float) -> float:
    """The quantile of Student's t, for a level above a half.

    With t = sqrt(freedom) tan(a) the density is a power of a cosine, which Gauss and Legendre's rule integrates to ten
    digits; the end of the integral is found by halving.
    """
    nodes, weights = _rule()
    half = 0.5 * (freedom + 1)
    factor = math.exp(math.lgamma(half) - math.lgamma(0.5 * freedom)) / math.sqrt(math.pi)

    def above_half(angle: float) -> float:
        return factor * 0.5 * angle * float(weights @ np.cos(0.5 * angle * (nodes + 1.0)) ** (freedom - 1))

    low, high = 0.0, min(0.5 * math.pi, math.atan(20.0 / math.sqrt(freedom)) if freedom > 3 else 0.5 * math.pi)
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if above_half(middle) < level - 0.5 else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


@cache
def _rule() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(80)


def _inside(unknowns: Unknowns, vector: Vector) -> np.ndarray:
    """(n,) whether each number is off its bounds; one that is made of several unknowns, whether all of them are."""
    low, high = unknowns.bounds
    near = 1e-6 * unknowns.units
    outside = ~((vector > low + near) & (vector < high - near))
    return np.asarray((unknowns.meaning != 0.0) @ outside == 0)


def _findings(
    fit: LeastSquares,
    labels: Sequence[str],
    vector: Vector,
    free: np.ndarray,
    untold: Any,
    fits: tuple[Fit, ...],
    known: bool,
) -> tuple[str, ...]:
    """What should be known of the result, a sentence each."""
    found = [f"Not told: {direction.words}." for direction in untold]
    found += [f"{labels[k]} ends at its bound, {vector[k]:.6g}." for k in np.flatnonzero(~free).tolist()]
    if known:
        for name, noise in fit.noise.items():
            left = np.concatenate([each.modelled[name] - each.measured[name] for each in fits if name in each.measured])
            over = float(np.sqrt(np.mean(left**2))) / noise
            if over > LARGE:
                found.append(f"What is left of {name} is {over:.1f} times its noise: the model lacks something.")
    found += _correlated(fit.likeness(vector))
    if fit.stopped.startswith("the most"):
        found.append(f"Not finished: {fit.stopped}.")
    return tuple(found)


def _correlated(likeness: Mapping[str, float]) -> list[str]:
    """What to say of signals of which what is left is no noise."""
    names = [name for name, alike in likeness.items() if alike > CORRELATED]
    if not names:
        return []
    which = names[0] if len(names) == 1 else f"{len(names)} of {len(likeness)} signals, such as {names[0]},"
    return [
        f"What is left of {which} is no noise, neighbours are alike (correlation {likeness[names[0]]:.2f}): the model "
        "lacks something, or this is a false minimum and another start= is better. The intervals are too narrow."
    ]
