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
from diffsim.least_squares import SHRINK, Region, promise, region_step, secant

__all__ = ["CORRELATED", "LOSSES", "LeastSquares", "Vector"]

REWEIGHTED = 4  # times at most that noise is estimated anew and the fit repeated
SETTLED = 0.02  # relative change of the estimated noise at which that ends
HORIZONS = (0.06, 0.12, 0.25, 0.5)  # of the longest log
BEGIN = (0.25, 0.5)  # the same: where a fit begins, at the first that holds enough
PLENTY = 20  # samples for each number are enough: they do not follow the noise as long as a step must lower the
WORTH = 0.05  # squares by more than this share
CORRELATED = 0.5  # of neighbouring residuals: from there on they are no noise
FALLS = 1e-8  # of the squares: less is not worth a step
NEAR = 1e-4  # of the squares: a step that promised less has changed no derivative
ROUGH = 1e-6  # of the squares: a refused step that promised less was led by rounding, or by kinks of contact
MOVES = 1e-10  # in units of the numbers: the same
FIRST = 1.0  # radius of the trust region in them
STEP = 6e-6  # of central differences in float64, in units of the numbers: the cube root of the rounding
WRINKLED = 0.1  # of the squares: a step from a Jacobian of its own that promises less and fails has met what is small
WIDE, WIDEST = 1.0, 0.1  # differences then: in errors of each number alone, and in its units at most
TENTH = 0.01  # of the squares of one sample: a tenth of a standard error

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
        self._left: tuple[bytes, float, list[Any]] | None = None  # of the last point and horizon
        self._slopes: tuple[Any, list[Any]] | None = None  # likewise, and of their differences
        self.wide: np.ndarray | None = None  # (n,) of differences, where residuals are wrinkled

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

    def residuals(self, vector: Vector) -> list[list[np.ndarray]]:
        """(k,) modelled less measured, of every signal of every experiment; those of the last point are kept."""
        key = vector.tobytes(), self.horizon
        if self._left is None or self._left[:2] != key:
            self._left = *key, [experiment.residuals(vector, self.horizon) for experiment in self.experiments]
        return self._left[2]

    def jacobian(self, vector: Vector, *, central: bool = False) -> list[list[np.ndarray]]:
        """(k, n) their derivatives, likewise; with ``central`` good to ten digits, if they are not wrinkled."""
        sides = self.wide if self.wide is not None else STEP * self.unknowns.units if central else None
        key = vector.tobytes(), self.horizon, None if sides is None else sides.tobytes()
        if self._slopes is None or self._slopes[0] != key:
            self._slopes = key, [each.jacobian(vector, self.horizon, sides) for each in self.experiments]
        return self._slopes[1]

    def left(self, vector: Vector) -> np.ndarray:
        """(m,) residuals in units of their noise, up to the horizon."""
        return self._weighted(self.residuals(vector))

    def slopes(self, vector: Vector, *, central: bool = False) -> np.ndarray:
        """(m, n) their derivative by the vector."""
        return self._weighted(self.jacobian(vector, central=central))

    def _weighted(self, values: list[list[np.ndarray]]) -> np.ndarray:
        found = []
        for experiment, own in zip(self.experiments, values, strict=True):
            for signal, times, value in zip(experiment.signals, experiment.times, own, strict=True):
                found.append(value[times <= self.horizon] / self.noise[signal.name])
        return np.concatenate(found)

    @property
    def rollouts(self) -> float:
        """How many there were, as of `Experiment`."""
        return sum(experiment.rollouts for experiment in self.experiments)

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

        Over a short horizon motions cannot be out of step by a whole swing, which is what makes most false minima, and
        a rollout costs as much less: a fit begins there if enough was measured, until steps are not worth it.
        """
        longest = max(float(experiment.log.time[-1]) for experiment in self.experiments)
        found = self.solve(self._begin(longest, free), free)
        if not any(alike > CORRELATED for alike in self.likeness(found).values()):
            return found
        loss, stopped = self.loss(found), self.stopped
        vector = self.unknowns.start
        for share in HORIZONS:
            self.horizon = share * longest
            if self._early >= 2 * len(vector):
                vector = self.solve(vector, free)
        self.horizon = np.inf
        vector = self.solve(vector, free)
        if self.loss(vector) < loss:
            return vector
        self.stopped = stopped
        return found

    def _begin(self, longest: float, free: np.ndarray) -> Vector:
        """Where the fit of all samples begins: what a part of them says, if that leads anywhere."""
        start = self.unknowns.start
        try:
            for share in BEGIN:
                self.horizon = share * longest
                if self._early >= PLENTY * len(start):
                    found = self.solve(start, free, WORTH)
                    self.horizon = np.inf
                    return found if np.isfinite(self.left(found)).all() else start
        finally:
            self.horizon = np.inf
        return start

    @property
    def _early(self) -> int:
        """How many samples there are up to the horizon."""
        return sum(int((times <= self.horizon).sum()) for e in self.experiments for times in e.times)

    def loss(self, vector: Vector) -> float:
        """Mean square of the residuals in units of their noise; inf if they are not finite."""
        found = float(np.mean(self.left(vector) ** 2))
        return found if np.isfinite(found) else np.inf

    def likeness(self, vector: Vector) -> dict[str, float]:
        """Correlation of neighbouring residuals of each signal, the largest of all logs (Durbin & Watson, 1950)."""
        found: dict[str, float] = {}
        for experiment, own in zip(self.experiments, self.residuals(vector), strict=True):
            for signal, left in zip(experiment.signals, own, strict=True):
                squares = float(left @ left)
                if len(left) > 20 and squares > len(left) * self.floor[signal.name] ** 2:
                    found[signal.name] = max(float(left[1:] @ left[:-1]) / squares, found.get(signal.name, -1.0))
        return found

    def estimated(self, vector: Vector) -> dict[str, float]:
        """Root mean square of what is left of each kind of signal, corrected for the numbers that were fitted."""
        left: dict[tuple[str, str], list[np.ndarray]] = {kind: [] for kind in self.kinds.values()}
        for experiment, own in zip(self.experiments, self.residuals(vector), strict=True):
            for signal, r in zip(experiment.signals, own, strict=True):
                left[self.kinds[signal.name]].append(r)
        share = max(1.0 - len(self.unknowns) / self.samples, 1.0 / self.samples)
        found = {kind: float(np.sqrt(np.mean(np.concatenate(each) ** 2) / share)) for kind, each in left.items()}
        return {name: max(found[kind], self.floor[name]) for name, kind in self.kinds.items()}

    def solve(self, vector: Vector, free: np.ndarray, enough: float = FALLS) -> Vector:
        """The least squares from a start, of the free unknowns: Gauss and Newton's steps within a trust region.

        Between Jacobians by copies, one for each number, they are carried along by secants, which cost nothing: as long
        as the model holds, an iteration is one rollout. Where it does not, and in the end, the Jacobian is made anew.

        Args:
            vector: the start.
            free: (n,) which unknowns may change.
            enough: share of the squares that a step must promise. Where that is more than rounding, it ends without a
                look at the Jacobian there.

        Raises:
            InputError: the rollout of the start is not finite.
        """
        columns = np.flatnonzero(free)
        units, (low, high) = self.unknowns.units[columns], self.unknowns.bounds
        left, radius = self.left(vector), FIRST
        jacobian, age = self._scaled(vector, columns, units), 0  # steps since it was made
        loss, slope, curvature = self._model(left, jacobian)
        if not np.isfinite(loss):
            raise InputError(
                "identify: the rollout of the start is not finite; begin with other values (start=), or a smaller dt"
            )
        self._tell(left)
        self.stopped, near = "the squares do not fall any more", False
        for _ in range(self.iterations):
            room = ((each[columns] - vector[columns]) / units for each in (low, high))
            step = region_step(curvature, slope, radius, *room)
            promised = promise(curvature, slope, step)
            small = promised <= enough * loss or np.abs(step).max(initial=0.0) <= MOVES
            if small and (age == 0 or near or enough > FALLS):
                return vector
            if not small:
                there = np.array(vector)
                there[columns] = np.clip(vector[columns] + step * units, low[columns], high[columns])
                new = self.left(there)
                judge = Region.after_secant if age else Region.after
                taken, radius, held = judge(radius, step, promised, loss - self._counted(new))
                if not (taken or age) and promised <= (ROUGH if self.wide is None else TENTH / len(left)) * loss:
                    return vector
                if not (taken or age) and self.wide is None and promised <= WRINKLED * loss:
                    self._widen(jacobian, loss, columns)
                    jacobian, radius = self._scaled(vector, columns, units), radius / SHRINK
                if taken:
                    near = (near or age == 0) and promised <= NEAR * loss
                    jacobian, age = secant(jacobian, (there - vector)[columns] / units, new - left), age + 1
                    vector, left = there, new
                    self._tell(left)
            if age and (small or not held):
                jacobian, age, near = self._scaled(vector, columns, units), 0, False
            loss, slope, curvature = self._model(left, jacobian)
            if not np.isfinite(loss):
                self.stopped = "the derivative of the rollout is not finite there"
                return vector
        self.stopped = "the most iterations were made"
        return vector

    def _widen(self, jacobian: np.ndarray, loss: float, columns: np.ndarray) -> None:
        """From here on take differences as wide as numbers are sure.

        Dry friction and contact make wrinkles in the residuals that are smaller than what noise lets one tell. Their
        slope at a point says nothing of the next standard error, neither where to go nor how sure a number is.
        """
        with np.errstate(divide="ignore"):
            alone = np.sqrt(2.0 * loss / len(jacobian)) / np.linalg.norm(jacobian, axis=0)
        self.wide = STEP * self.unknowns.units
        self.wide[columns] *= np.clip(WIDE * alone, STEP, WIDEST) / STEP

    def _scaled(self, vector: Vector, columns: np.ndarray, units: np.ndarray) -> np.ndarray:
        """(m, k) the Jacobian by the columns in their units."""
        return self.slopes(vector)[:, columns] * units

    def _counted(self, left: np.ndarray) -> float:
        """Half the squares as they count; nan where they are not finite."""
        with np.errstate(over="ignore", invalid="ignore"):  # of a rollout that diverged, or is about to
            found = 0.5 * float(LOSSES[self.robust](left**2)[0].sum())
        return found if np.isfinite(found) else np.nan

    def _model(self, left: np.ndarray, jacobian: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Half the squares as they count, with slope and Gauss and Newton's curvature; nan if any is not finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            pulled = LOSSES[self.robust](left**2)[1][:, None] * jacobian
            slope, curvature = pulled.T @ left, pulled.T @ jacobian
        finite = np.isfinite(slope).all() and np.isfinite(curvature).all()
        return self._counted(left) if finite else np.nan, slope, curvature

    def _tell(self, left: np.ndarray) -> None:
        self.history.append(float(np.mean(left**2)))
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
