"""Nonlinear least squares on the residuals of experiments, each signal weighted by its noise."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.identification.experiment import Experiment
from diffsim.identification.unknowns import Unknowns
from diffsim.least_squares import Region, promise, region_step

__all__ = ["CORRELATED", "LOSSES", "LeastSquares", "Vector"]

REWEIGHTED = 4  # times at most that noise is estimated anew and the fit repeated
SETTLED = 0.02  # relative change of the estimated noise at which that ends
HORIZONS = (0.06, 0.12, 0.25, 0.5)  # of the longest log
CORRELATED = 0.5  # of neighbouring residuals: from there on they are no noise
FALLS = 1e-8  # of the squares: less is not worth a step
ROUGH = 1e-6  # of the squares: a refused step that promised less was led by rounding, or by kinks of contact
MOVES = 1e-10  # in units of the numbers: the same
FIRST = 1.0  # radius of the trust region in them

LOSSES: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "linear": lambda z: (z, np.ones_like(z)),
    "soft_l1": lambda z: (2.0 * (np.sqrt(1.0 + z) - 1.0), 1.0 / np.sqrt(1.0 + z)),
    "huber": lambda z: (np.where(z <= 1.0, z, 2.0 * np.sqrt(z) - 1.0), 1.0 / np.sqrt(np.maximum(z, 1.0))),
    "cauchy": lambda z: (np.log1p(z), 1.0 / (1.0 + z)),
}
"""Of squared residuals in units of their noise: what each counts, and the derivative of that."""

Vector = np.ndarray


@dataclass
class LeastSquares:
    """A least-squares problem that is solved under changing weights."""

    experiments: list[Experiment]
    unknowns: Unknowns
    robust: str
    iterations: int
    progress: bool

    def __post_init__(self) -> None:
        """Nothing evaluated yet; signals of one array and unit are taken to have one noise."""
        self.kinds = {s.name: (s.array, s.unit) for e in self.experiments for s in e.signals}
        self.noise, self.floor = {}, {}
        for kind in set(self.kinds.values()):
            own = [
                k
                for e in self.experiments
                for k, s in zip(e.measured, e.signals, strict=True)
                if self.kinds[s.name] == kind
            ]
            spread = float(np.sqrt(np.mean(np.concatenate([each - each.mean() for each in own]) ** 2))) or 1.0
            for name in self.signals_of(kind):
                self.noise[name], self.floor[name] = spread, 1e-9 * spread
        self.horizon = np.inf  # only samples up to this time count [s]
        self.history: list[float] = []
        self.stopped = ""
        self._at: tuple[bytes, list[Any]] | None = None
        self._central = False  # whether differences at that point are

    @property
    def signals(self) -> list[str]:
        """Names of all that is measured, by any log."""
        return list(self.kinds)

    def signals_of(self, kind: tuple[str, str]) -> list[str]:
        """Names of the signals of one array and unit."""
        return [name for name, other in self.kinds.items() if other == kind]

    @property
    def samples(self) -> int:
        """How many there are in all."""
        return sum(len(each) for e in self.experiments for each in e.measured)

    def check_enough(self) -> None:
        """Refuse fewer samples than numbers."""
        if self.samples < len(self.unknowns):
            raise InputError(
                f"identify: {', '.join(e.log.name for e in self.experiments)} hold {self.samples} samples, but "
                f"{len(self.unknowns)} numbers are looked for; measure longer, or look for fewer"
            )

    def evaluate(self, vector: Vector, *, central: bool = False) -> list[Any]:
        """Residuals and Jacobian of every experiment at a point; those of the last point are kept."""
        key = vector.tobytes()
        if central and not self._central:
            self._at = None
        self._central = central or (self._central and self._at is not None and self._at[0] == key)
        if self._at is None or self._at[0] != key:
            self._at = key, [experiment.residuals(vector, central=central) for experiment in self.experiments]
        return self._at[1]

    def weighted(self, vector: Vector, *, central: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """(m,) residuals in units of their noise, and their derivative (m, n) by the vector."""
        residuals, jacobians = [], []
        for experiment, (own, derivative) in zip(self.experiments, self.evaluate(vector, central=central), strict=True):
            for signal, times, r, j in zip(experiment.signals, experiment.times, own, derivative, strict=True):
                early = times <= self.horizon
                residuals.append(r[early] / self.noise[signal.name])
                jacobians.append(j[early] / self.noise[signal.name])
        return np.concatenate(residuals), np.concatenate(jacobians)

    def settle(self, noise: Any) -> Vector:
        """Solve; where the noise is not known, estimate it of each kind of signal and solve again until it stays."""
        free = np.ones(len(self.unknowns), bool)
        if noise is not None:
            self.noise = _given_noise(noise, self.signals)
            return self.search(free)
        vector = self.search(free)
        for _ in range(REWEIGHTED):
            before, self.noise = self.noise, self.estimated(vector)
            alike = len(set(self.kinds.values())) == 1  # one weight for all changes nothing
            if alike or max(abs(self.noise[name] / before[name] - 1.0) for name in before) < SETTLED:
                break
            vector = self.solve(vector, free)
        return vector

    def search(self, free: np.ndarray) -> Vector:
        """Solve from the start; where what is left is no noise, once more by horizons that grow, and the better counts.

        Over a short horizon motions cannot be out of step by a whole swing, which is what makes most false minima.
        """
        found = self.solve(self.unknowns.start, free)
        if not any(alike > CORRELATED for alike in self.likeness(found).values()):
            return found
        loss, stopped = self.loss(found), self.stopped
        longest = max(float(experiment.log.time[-1]) for experiment in self.experiments)
        vector = self.unknowns.start
        for share in HORIZONS:
            self.horizon = share * longest
            if self.weighted(vector)[0].size >= 2 * len(vector):
                vector = self.solve(vector, free)
        self.horizon = np.inf
        vector = self.solve(vector, free)
        if self.loss(vector) < loss:
            return vector
        self.stopped = stopped
        return found

    def loss(self, vector: Vector) -> float:
        """Mean square of the residuals in units of their noise; inf if they are not finite."""
        found = float(np.mean(self.weighted(vector)[0] ** 2))
        return found if np.isfinite(found) else np.inf

    def likeness(self, vector: Vector) -> dict[str, float]:
        """Correlation of neighbouring residuals of each signal, the largest of all logs (Durbin & Watson, 1950)."""
        found: dict[str, float] = {}
        for experiment, (own, _) in zip(self.experiments, self.evaluate(vector), strict=True):
            for signal, left in zip(experiment.signals, own, strict=True):
                squares = float(left @ left)
                if len(left) > 20 and squares > len(left) * self.floor[signal.name] ** 2:
                    found[signal.name] = max(float(left[1:] @ left[:-1]) / squares, found.get(signal.name, -1.0))
        return found

    def estimated(self, vector: Vector) -> dict[str, float]:
        """Root mean square of what is left of each kind of signal, corrected for the numbers that were fitted."""
        left: dict[tuple[str, str], list[np.ndarray]] = {kind: [] for kind in self.kinds.values()}
        for experiment, (own, _) in zip(self.experiments, self.evaluate(vector), strict=True):
            for signal, r in zip(experiment.signals, own, strict=True):
                left[self.kinds[signal.name]].append(r)
        share = max(1.0 - len(self.unknowns) / self.samples, 1.0 / self.samples)
        found = {kind: float(np.sqrt(np.mean(np.concatenate(each) ** 2) / share)) for kind, each in left.items()}
        return {name: max(found[kind], self.floor[name]) for name, kind in self.kinds.items()}

    def solve(self, vector: Vector, free: np.ndarray) -> Vector:
        """The least squares from a start, of the free unknowns: Gauss and Newton's steps within a trust region.

        Raises:
            InputError: the rollout of the start is not finite.
        """
        columns = np.flatnonzero(free)
        units, (low, high) = self.unknowns.units[columns], self.unknowns.bounds
        loss, slope, curvature = self._model(vector, columns, units)
        if not np.isfinite(loss):
            raise InputError(
                "identify: the rollout of the start is not finite; begin with other values (start=), or a smaller dt"
            )
        self._tell(vector)
        radius, self.stopped = FIRST, "the squares do not fall any more"
        for _ in range(self.iterations):
            room = ((each[columns] - vector[columns]) / units for each in (low, high))
            step = region_step(curvature, slope, radius, *room)
            promised = promise(curvature, slope, step)
            if promised <= FALLS * loss or np.abs(step).max(initial=0.0) <= MOVES:
                return vector
            there = np.array(vector)
            there[columns] = np.clip(vector[columns] + step * units, low[columns], high[columns])
            found = self._model(there, columns, units)
            taken, radius = Region.after(radius, step, promised, loss - found[0])
            if not taken and promised <= ROUGH * loss:
                return vector
            if taken:
                vector, (loss, slope, curvature) = there, found
                self._tell(vector)
        self.stopped = "the most iterations were made"
        return vector

    def _model(self, vector: Vector, columns: np.ndarray, units: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Half the squares as they count, with slope and Gauss and Newton's curvature by the columns in their units."""
        left, jacobian = self.weighted(vector)
        with np.errstate(over="ignore", invalid="ignore"):  # of a rollout that diverged, or is about to
            counted, share = LOSSES[self.robust](left**2)
            scaled = jacobian[:, columns] * units
            pulled = share[:, None] * scaled
            slope, curvature = pulled.T @ left, pulled.T @ scaled
        finite = np.isfinite(slope).all() and np.isfinite(curvature).all()
        return (0.5 * float(counted.sum()) if finite else np.nan), slope, curvature

    def _tell(self, vector: Vector) -> None:
        self.history.append(float(np.mean(self.weighted(vector)[0] ** 2)))
        if self.progress:
            print(f"identify: iteration {len(self.history) - 1}, loss {self.history[-1]:.6g}", file=sys.stderr)


def _given_noise(noise: Any, signals: Sequence[str]) -> dict[str, float]:
    found = dict.fromkeys(signals, noise) if not isinstance(noise, Mapping) else dict(noise)
    for name in (*signals, *found):
        if name not in found or name not in signals:
            raise InputError(f"identify: noise names {', '.join(found)}, but the signals are {', '.join(signals)}")
        if not isinstance(found[name], (int, float)) or not 0.0 < found[name] < np.inf:
            raise InputError(f"identify: noise of {name} is {found[name]!r}, but a number above 0 is needed")
    return {name: float(found[name]) for name in signals}
