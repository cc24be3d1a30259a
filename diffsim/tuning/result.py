"""What an optimisation found, and the parameters it keeps on the way for a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.lazy import named
from diffsim.notebook import table_html
from diffsim.tuning.changes import Change, spread

__all__ = ["Kept", "Result", "Snapshots"]

CURVES = "diffsim.viewing.report:result_html"
"""What shows a result in a notebook: only who looks at pictures pays for them."""


class Kept(list[tuple[int, dict[str, np.ndarray]]]):
    """Pairs (iteration, parameters), which show themselves as a table in a notebook: of an array its range."""

    def _repr_html_(self) -> str:
        """A line for each iteration."""
        names = list(self[0][1]) if self else []
        rows = [[str(iteration), *(spread(params[name]) for name in names)] for iteration, params in self]
        return table_html(("iteration", *names), rows)


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What `tune` found.

    Attributes:
        best_params: parameters with the lowest loss that was evaluated, of one copy (no axis of copies); with an
            estimator those of the best perturbed copy.
        best_loss: there.
        best_iteration: of its evaluation, counted from 0.
        best_copy: which copy it was; 0 if the copies share their parameters.
        last_params: last accepted parameters as the simulation takes them (with an axis of copies if each
            copy has its own, and no estimator), fit for ``tune(sim, params=result.last_params)``.
        history: a record for each iteration: ``iteration``, ``loss`` (nan if rejected; of several copies the
            lowest), ``best`` so far, ``gradient_norm`` (global, before clipping, of that copy),
            ``learning_rate`` of the step that follows, ``seconds`` since the start, and ``compiling``, how many of
            them went into kernels; ``losses`` of all copies if each has its own parameters, ``rejected`` with the
            reason if a step was. ``growth`` if the simulation knows it: the factor per step by which the adjoint
            grew, going back in time (of that copy; of several that make one loss the median). With an estimator
            ``loss`` is the smoothed one, and there are ``alpha``, the share of the first order in the gradient;
            ``variance_first`` and ``variance_zeroth`` of the two estimates, summed over the numbers, in units of
            ``gradient_norm`` squared; and ``dropped``, how many copies were not finite, if any.
        stopped: why, in words.
        snapshots: (iteration, parameters) of the best copy in rising order: the first, the best, and about 16
            to 32 spread evenly over the run, of millions of numbers 2 to 4; with an estimator of the search point, but
            for the best.
        unsaved: what the run's folder lacks because it could not be written, in words; None if nothing.
        changes: of each parameter: start, end, by how much it moved, bounds, and the unit that it was counted in.
        findings: what should be known, a sentence each: a number that did not move or ends at its bound, steps that
            were rejected, a gradient that explodes; empty if there is nothing.
        units: what each parameter was counted in: see ``scale`` of `tune`.
        folder: of the run; None without one.
        words: the best loss in words, with units: "travelled 0.50 m". Of an objective of several terms only a
            trajectory tells them apart: see `Rollout.words`.
    """

    best_params: dict[str, np.ndarray]
    best_loss: float
    best_iteration: int
    best_copy: int
    last_params: dict[str, np.ndarray]
    history: list[dict[str, Any]]
    stopped: str
    snapshots: list[tuple[int, dict[str, np.ndarray]]]
    unsaved: str | None = None
    changes: tuple[Change, ...] = ()
    findings: tuple[str, ...] = ()
    units: dict[str, float] = field(default_factory=dict)
    folder: Path | None = None
    words: str = ""

    def __repr__(self) -> str:
        """One line."""
        return (
            f"Result(best_loss={self.best_loss:.6g}, best_iteration={self.best_iteration}, "
            f"best_copy={self.best_copy}, iterations={len(self.history)}, stopped={self.stopped!r})"
        )

    def _repr_html_(self) -> str:
        """Curves and a table, for notebooks."""
        return str(named(CURVES)(self))


_MUCH = 2**23
"""Bytes of all snapshots of a run, of which no fewer than `_FEWEST` are kept: they are in each saved state."""

_FEWEST = 4


class Snapshots:
    """Values spread evenly over a run of unknown length, at most ``most`` and the first; fewer of large arrays.

    Every iteration that is a multiple of the stride is kept; when there are too many, the stride doubles.
    """

    def __init__(self, most: int = 32):
        """Nothing kept yet."""
        self._most = most
        self._stride = 1
        self._first: tuple[int, Any] | None = None
        self._kept: dict[int, Any] = {}

    def offer(self, iteration: int, value: Any) -> None:
        """Keep the value if its turn has come."""
        if self._first is None:
            self._first = iteration, value
        if iteration % self._stride:
            return
        self._kept[iteration] = value
        while len(self._kept) > min(self._most, max(_FEWEST, _MUCH // max(getattr(value, "nbytes", 1), 1))):
            self._stride *= 2
            self._kept = {i: v for i, v in self._kept.items() if i % self._stride == 0}

    def saved(self) -> dict[str, np.ndarray]:
        """What was kept as arrays, for `restore`; the values must be arrays of one shape."""
        kept = self.all()
        values = {"values": np.stack([value for _, value in kept])} if kept else {}
        return {"iterations": np.array([i for i, _ in kept], np.int64), "stride": np.array(self._stride), **values}

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """Keep again what `saved` gave."""
        kept = list(zip(saved["iterations"].tolist(), saved.get("values", ()), strict=True))
        self._stride = int(saved["stride"])
        self._first = kept[0] if kept else None
        self._kept = {i: value for i, value in kept if i % self._stride == 0}

    def all(self, *more: tuple[int, Any]) -> list[tuple[int, Any]]:
        """What was kept and ``more``, in the order of the iterations."""
        first = [] if self._first is None else [self._first]
        return sorted({**self._kept, **dict(first), **dict(more)}.items(), key=lambda pair: pair[0])
