"""What `estimate_gradient` returns: both estimates, how sure they are, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from diffsim.gradients.averages import CONFIDENCE
from diffsim.notebook import table_html

__all__ = ["Arrays", "GradientEstimate"]

CERTAIN, FEW = 3.29, 4.5
"""How many standard errors two estimates must be apart to disagree: 99.9 % of a normal distribution. Of few pairs the
error itself is not well known; so increased it is that of Student's t to 5 %, from seven degrees of freedom on. Of
smooth losses seen by eight pairs some 1 % are said to disagree."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class GradientEstimate:
    """Estimates of the gradient of the smoothed loss; prints as a table.

    Every dictionary is like the parameters, without an axis of copies. What was not computed, or cannot be known from
    so few samples, is nan.

    Attributes:
        estimator: "first", "zeroth" or "mixed": what ``gradient`` is.
        loss: the smoothed loss, the mean over the perturbed copies.
        gradient: the estimate that was asked for.
        first: first-order estimate; nan if the estimator is "zeroth", which runs no gradient.
        zeroth: zeroth-order estimate.
        variance_first: of each entry of ``first``, as it would be seen if the estimate were repeated with other seeds:
            the variance over the samples divided by their number.
        variance_zeroth: of each entry of ``zeroth``.
        alpha: share of the first-order estimate in ``gradient``.
        radius: how far ``zeroth`` may be from the gradient of the smoothed loss (95 %), with each parameter counted in
            its sigma; in units of the loss.
        angle: between first and zeroth, each parameter counted in its sigma [degrees, 0 to 180].
        samples: perturbed copies that were evaluated.
        dropped: how many of them were left out because the loss or gradient is not finite.
        sigma: standard deviation of the perturbations by name, in units of the parameter.
        centre: loss of the unperturbed copy; nan without one (an even number of copies).
        best_loss: lowest loss among all copies.
        best_copy: which one.
        best_params: its parameters.
    """

    estimator: str
    loss: float
    gradient: Arrays
    first: Arrays
    zeroth: Arrays
    variance_first: Arrays
    variance_zeroth: Arrays
    alpha: float
    radius: float
    angle: float
    samples: int
    dropped: int
    sigma: dict[str, float]
    centre: float
    best_loss: float
    best_copy: int
    best_params: Arrays

    def __repr__(self) -> str:
        """One line."""
        return (
            f"GradientEstimate({self.estimator}, loss={self.loss:.6g}, alpha={self.alpha:.3g}, angle={self.angle:.3g}, "
            f"samples={self.samples}, dropped={self.dropped})"
        )

    def __str__(self) -> str:
        """A row for each parameter: the norms of the estimates and their standard errors; and the verdict."""
        titles, rows = self._table()
        width = max(len(row[0]) for row in (titles, *rows))
        lines = [f"{row[0]:<{width}}" + "".join(f"  {word:>10}" for word in row[1:]) for row in (titles, *rows)]
        return "\n".join([*lines, self._about(), f"{self.verdict}: {self.advice}"])

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return table_html(*self._table(), after=f"{self._about()}\n{self.verdict}: {self.advice}")

    def _table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        rows = []
        for name in self.gradient:
            errors = [math.sqrt(np.sum(v[name])) for v in (self.variance_first, self.variance_zeroth)]
            sizes = [float(np.linalg.norm(g[name])) for g in (self.first, self.zeroth, self.gradient)]
            row = (sizes[0], errors[0], sizes[1], errors[1], sizes[2])
            rows.append((name, *(f"{value:.3e}" for value in row)))
        return ("parameter", "first", "std error", "zeroth", "std error", self.estimator), rows

    def _about(self) -> str:
        return (
            f"alpha {self.alpha:.3f}, first and zeroth {self.angle:.1f} degrees apart, smoothed loss {self.loss:.6g}, "
            f"{self.samples} samples, {self.dropped} left out"
        )

    @property
    def verdict(self) -> str:
        """Whether the averaged gradient may be trusted: "agrees" with what the losses say, "disagrees", "too noisy" to
        tell, or "not compared", where only one of them is known.
        """
        first, zeroth, s1, s0 = (
            self._in_sigmas(each) for each in (self.first, self.zeroth, self.variance_first, self.variance_zeroth)
        )
        pairs = self.samples // 2
        if self.estimator == "zeroth" or pairs < 2 or np.isnan(np.concatenate([first, zeroth, s1, s0])).any():
            return "not compared"
        with np.errstate(over="ignore", invalid="ignore"):
            error = math.sqrt(float(np.sum(s1) + np.sum(s0)))
            apart = float(np.linalg.norm(first - zeroth))
            larger = max(float(np.linalg.norm(first)), float(np.linalg.norm(zeroth)))
        if apart > CERTAIN * (1.0 + FEW / (pairs - 1)) * error:
            return "disagrees"
        return "agrees" if CONFIDENCE * error < larger or larger == 0.0 == error else "too noisy"

    @property
    def advice(self) -> str:
        """What the verdict means, and what to do."""
        return {
            "agrees": "the averaged gradient is the slope that the losses show",
            "disagrees": "the averaged gradient is not the slope that the losses show, because of jumps or chaos; tune "
            'with estimator="mixed" or "zeroth", with windows, or over a shorter time',
            "too noisy": "both are lost in their noise; take more copies or rounds, or another sigma",
            "not compared": "only one of the two is known; nothing can be said of the other",
        }[self.verdict]

    @property
    def exit_status(self) -> int:
        """Of a command that prints it: 0 if both agree, 1 if they do not, 3 if it could not be told."""
        return {"agrees": 0, "disagrees": 1}.get(self.verdict, 3)

    def _in_sigmas(self, arrays: Arrays) -> np.ndarray:
        """(n,) entries with each parameter counted in its sigma; variances in its square."""
        power = 2 if arrays is self.variance_first or arrays is self.variance_zeroth else 1
        return np.concatenate([np.ravel(value) * self.sigma[name] ** power for name, value in arrays.items()])

    def to_dict(self) -> dict[str, Any]:
        """All attributes as plain lists, numbers and strings; what is not finite is None."""
        found = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return {**found, "verdict": self.verdict, "advice": self.advice, "exit_status": self.exit_status}


def _plain(value: Any) -> Any:
    """Numbers, lists and dictionaries, with None for what is not finite."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
