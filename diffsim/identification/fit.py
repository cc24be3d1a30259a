"""Nonlinear least squares on what was measured: the numbers, and how sure they are."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffsim.errors import InputError, MissingExtraError
from diffsim.identification.directions import precision_of, seen
from diffsim.identification.experiment import Experiment
from diffsim.identification.logs import Log
from diffsim.identification.result import Fit, Identification
from diffsim.identification.unknowns import Unknowns
from diffsim.problem import Problem
from diffsim.spec import choices, matches, whole

__all__ = ["identify"]

LOSSES = ("linear", "soft_l1", "huber", "cauchy")
REWEIGHTED = 4  # times at most that noise is estimated anew and the fit repeated
SETTLED = 0.02  # relative change of the estimated noise at which that ends
HORIZONS = (0.06, 0.12, 0.25, 0.5)  # of the longest log
CORRELATED = 0.5  # of neighbouring residuals: from there on they are no noise
PULL = 1e-8  # of the largest singular value: it changes what is seen by the square of that
LARGE = 1.5  # residuals over the noise that was given: from there on the model lacks something

Vector = np.ndarray


def identify(
    problem: Any,
    logs: Log | Sequence[Log] | None = None,
    *,
    tune: str | Sequence[str] | None = None,
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    each: str | Sequence[str] = (),
    sensors: str | Sequence[str] = (),
    noise: float | Mapping[str, float] | None = None,
    start: Mapping[str, Any] | None = None,
    scale: Mapping[str, Any] | None = None,
    held_out: Log | Sequence[Log] = (),
    robust: str = "linear",
    iterations: int = 100,
    device: str = "cpu",
    progress: bool = True,
) -> Identification:
    """Find the numbers of a scene from what was measured of it, with standard errors and 95 % intervals.

    Least squares by Gauss and Newton's steps within a trust region and bounds (Branch, Coleman & Li, "A subspace,
    interior, and conjugate gradient method for large-scale bound-constrained minimization problems", 1999, as
    `scipy.optimize.least_squares` has it). The Jacobian of the residuals comes from copies of the scene that run side
    by side in one launch, two for each number; or, where there are fewer samples than that, from the reverse pass.
    Covariance is that of the linearised model at the solution.

    Masses, inertias, stiffnesses, dampings and frictions are kept to what a body can have, inertias by the second
    moments of mass. A number that starts at a bound starts just inside of it.

    Args:
        problem: a `Problem` (its steps do not matter, its objective only without ``logs``), or a scene.
        logs: what was measured, in one experiment or several; None takes what the problem's objective follows
            (`MatchTrajectory` or `TrackJoints`).
        tune: names and patterns of the numbers to find, where ``problem`` is a scene.
        bounds: of those, as in `Problem`, where ``problem`` is a scene.
        each: patterns of those numbers that every log has of its own: ``"scene.initial_*"``. What of an initial
            position was measured starts at the first sample.
        sensors: what to find of sensors: "elbow.gain", "elbow.bias", "elbow.delay" [s], "delay" of all signals
            together, or a pattern such as "*.bias". A signal is gain * value(t - delay) + bias.
        noise: standard deviation of the measurements in their units, of all or by signal; None estimates it of each
            signal from what is left.
        start: values to begin with, by name; else those of the problem.
        scale: sizes of the numbers, as in `tune`.
        held_out: logs that are not used, and that the result is judged by. Their own numbers (``each``) are fitted.
        robust: "linear", or "soft_l1", "huber", "cauchy" against outliers.
        iterations: at most.
        device: as of `Simulation`; computed in float64.
        progress: a line for each iteration on standard error.

    Returns:
        What was found; print it.

    Raises:
        InputError: naming what does not fit: a signal, an input, a column and line of the file that it is from.
        MissingExtraError: SciPy is not installed: ``pip install 'diffsim[identify]'``.
    """
    least_squares, student = _scipy()
    each, sensors = _listed(each), _listed(sensors)
    looked = _looked_for(problem, tune, bounds, each)
    used = _logs(logs if logs is not None else _of_objective(looked))
    others = _logs(held_out)
    choices("identify(robust)", robust, LOSSES)
    whole("identify(iterations)", iterations)
    measured = [_first_samples(looked, log, each) for log in (*used, *others)]
    settings: dict[str, Any] = {"each": each, "sensors": sensors, "start": start or {}, "scale": scale or {}}
    unknowns = Unknowns(looked, used, measured=measured[: len(used)], **settings)
    if not len(unknowns):
        raise InputError("identify: nothing is looked for; name numbers of the scene in Problem.tune")
    experiments: list[Experiment] = []
    try:
        for k, log in enumerate(used):
            experiments.append(Experiment(looked, log, k, unknowns, device))
        fit = _Fit(experiments, unknowns, least_squares, robust, iterations, progress)
        fit.check_enough()
        vector = fit.settle(noise)
        fits = tuple(_beside(experiment, unknowns, vector) for experiment in experiments)
        held = _held_out(looked, others, measured[len(used) :], settings, unknowns, vector, fit, device)
        found = _told(looked, fit, unknowns, vector, fits, held, student, noise is not None)
        return replace(found, findings=(*found.findings, *_elsewhere(looked, used)))
    finally:
        for experiment in experiments:
            experiment.close()


def _scipy() -> tuple[Any, Any]:
    try:
        from scipy.optimize import least_squares
        from scipy.special import stdtrit
    except ImportError:
        raise MissingExtraError("identify needs the package scipy: pip install 'diffsim[identify]'") from None
    return least_squares, stdtrit


def _looked_for(problem: Any, tune: Any, bounds: Any, each: Sequence[str]) -> Problem:
    """The problem of all that is looked for; what each log has of its own need not be named twice."""
    if isinstance(problem, Problem):
        if tune is not None or bounds is not None:
            raise InputError("identify: tune and bounds are the problem's own; give them with a scene")
        missing = [p for p in each if not any(matches(name, p) for name in problem.tuned)]
        return replace(problem, tune=(*problem.tune, *missing)) if missing else problem
    if tune is None:
        raise InputError("identify: tune says which numbers of the scene to find, e.g. tune=('scene.mass',)")
    return Problem(problem, None, None, tune=tuple(dict.fromkeys((*_listed(tune), *each))), bounds=bounds or {})


def _listed(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _logs(value: Any) -> tuple[Log, ...]:
    logs = (value,) if isinstance(value, Log) else tuple(value)
    for k, log in enumerate(logs):
        if not isinstance(log, Log):
            raise InputError(f"identify: logs[{k}] is {log!r}, but a Log is needed; read_log makes one of a file")
    return logs


def _of_objective(problem: Problem) -> Log:
    objective = problem.objective
    if objective is None or not hasattr(objective, "measurements"):
        raise InputError(
            "identify: there are no logs, and the problem's objective follows no measurements; give logs=, or an "
            "objective MatchTrajectory or TrackJoints"
        )
    times, signals = objective.measurements(problem.scene)
    return Log(times * problem.scene.dt, signals, name=type(objective).__name__)


def _first_samples(problem: Problem, log: Log, each: Sequence[str]) -> dict[str, np.ndarray]:
    """Where each of a log's own initial positions begins: at the first sample of what was measured of it."""
    numbers, found = problem.numbers(), {}
    for name in problem.tuned:
        if not name.startswith("scene.initial_position") or not any(matches(name, pattern) for pattern in each):
            continue
        whole_number = np.array(numbers["scene.initial_position"])
        for signal, value in log.signals.items():
            index = _position(problem.scene, signal)
            if index is not None and not np.isnan(value[0]):
                whole_number[index] = value[0]
        found[name] = problem.pick(name, {"scene.initial_position": whole_number})
    return found


def _position(scene: Any, signal: str) -> tuple[int, ...] | None:
    """Which entry of a scene's initial position a signal measures, if it is one."""
    if hasattr(scene, "joint_coordinates"):
        names = {name: end - 1 for name, end, kind in scene.joint_coordinates() if kind in ("hinge", "slide")}
        return (names[signal],) if signal in names else None
    if signal.startswith("position[") and signal.endswith("]"):
        return tuple(int(word) for word in signal[9:-1].split(","))
    return None


def _elsewhere(problem: Problem, logs: Sequence[Log]) -> list[str]:
    """Logs that do not begin where the scene does, if that is not looked for."""
    start = problem.numbers().get("scene.initial_position")
    found: list[str] = []
    if start is None or any(name.startswith("scene.initial_position") for name in problem.tuned):
        return found
    for log in logs:
        for signal, value in log.signals.items():
            index = _position(problem.scene, signal)
            if index is None or np.isnan(value[0]) or log.time[0] > 0.0:
                continue
            moved = float(np.nanmax(value) - np.nanmin(value))
            if abs(value[0] - start[index]) > 0.1 * moved and abs(value[0] - start[index]) > 3.0 * _rough(value):
                found.append(
                    f"{log.name} begins with {signal} at {value[0]:.4g}, but the scene starts at {start[index]:.4g}: "
                    "each=('scene.initial_position', 'scene.initial_velocity') fits where a log starts."
                )
                break
    return found


def _rough(value: np.ndarray) -> float:
    """About the noise of samples: from their second differences, of which smooth motion has little."""
    known = value[~np.isnan(value)]
    return float(np.sqrt(np.mean(np.diff(known, 2) ** 2) / 6.0)) if len(known) > 2 else 0.0


@dataclass
class _Fit:
    """A least-squares problem that is solved under changing weights."""

    experiments: list[Experiment]
    unknowns: Unknowns
    least_squares: Any
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

    def evaluate(self, vector: Vector) -> list[Any]:
        """Residuals and Jacobian of every experiment at a point; the last point is kept."""
        key = vector.tobytes()
        if self._at is None or self._at[0] != key:
            self._at = key, [experiment.residuals(vector) for experiment in self.experiments]
        return self._at[1]

    def weighted(self, vector: Vector) -> tuple[np.ndarray, np.ndarray]:
        """(m,) residuals in units of their noise, and their derivative (m, n) by the vector."""
        residuals, jacobians = [], []
        for experiment, (own, derivative) in zip(self.experiments, self.evaluate(vector), strict=True):
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
            before, self.noise = self.noise, self._estimated(vector)
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

    def _estimated(self, vector: Vector) -> dict[str, float]:
        """Root mean square of what is left of each kind of signal, corrected for the numbers that were fitted."""
        left: dict[tuple[str, str], list[np.ndarray]] = {kind: [] for kind in self.kinds.values()}
        for experiment, (own, _) in zip(self.experiments, self.evaluate(vector), strict=True):
            for signal, r in zip(experiment.signals, own, strict=True):
                left[self.kinds[signal.name]].append(r)
        share = max(1.0 - len(self.unknowns) / self.samples, 1.0 / self.samples)
        found = {kind: float(np.sqrt(np.mean(np.concatenate(each) ** 2) / share)) for kind, each in left.items()}
        return {name: max(found[kind], self.floor[name]) for name, kind in self.kinds.items()}

    def solve(self, vector: Vector, free: np.ndarray) -> Vector:
        """The least squares from a start, of the free unknowns."""
        units, (low, high) = self.unknowns.units, self.unknowns.bounds
        columns = np.flatnonzero(free)

        def at(x: np.ndarray) -> Vector:
            whole_vector = np.array(vector)
            whole_vector[columns] = np.clip(x * units[columns], low[columns], high[columns])
            return whole_vector

        first = self.weighted(vector)[0]
        if not np.isfinite(first).all():
            raise InputError(
                "identify: the rollout of the start is not finite; begin with other values (start=), or a smaller dt"
            )
        if not len(columns):
            return vector

        # Along what nothing depends on, a weak pull towards the start keeps numbers where they were.
        begin = vector[columns] / units[columns]
        pull = PULL * float(np.linalg.norm(self.weighted(vector)[1][:, columns] * units[columns], 2))

        def residuals(x: np.ndarray) -> np.ndarray:
            return np.concatenate([self.weighted(at(x))[0], pull * (x - begin)])

        def derivative(x: np.ndarray) -> np.ndarray:  # asked for where a step was taken
            left, jacobian = self.weighted(at(x))
            self._tell(left)
            return np.concatenate([seen(jacobian[:, columns] * units[columns]), pull * np.eye(len(columns))])

        found = self.least_squares(
            residuals,
            begin,
            jac=derivative,
            bounds=(low[columns] / units[columns], high[columns] / units[columns]),
            loss=self.robust,
            xtol=1e-12,
            ftol=1e-12,
            gtol=1e-12,
            max_nfev=self.iterations,
        )
        self.stopped = "the most iterations were made" if found.status == 0 else "the squares do not fall any more"
        return at(found.x)

    def _tell(self, residuals: np.ndarray) -> None:
        self.history.append(float(np.mean(residuals**2)))
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


def _beside(experiment: Experiment, unknowns: Unknowns, vector: Vector) -> Fit:
    modelled, names = experiment.modelled(vector), [signal.name for signal in experiment.signals]
    own = {}
    numbers = unknowns.meaning @ vector
    for name in unknowns.each:
        value = np.zeros(unknowns.shapes[name])
        for k in unknowns.of_log(experiment.number):
            if unknowns.columns[k].name == name:
                value.reshape(-1)[unknowns.columns[k].entry] = numbers[k]
        own[name] = value
    return Fit(
        log=experiment.log,
        times=dict(zip(names, experiment.times, strict=True)),
        measured=dict(zip(names, experiment.measured, strict=True)),
        modelled=dict(zip(names, modelled, strict=True)),
        units={signal.name: signal.unit for signal in experiment.signals},
        own=own,
    )


def _held_out(
    problem: Problem,
    logs: Sequence[Log],
    measured: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    unknowns: Unknowns,
    vector: Vector,
    fit: _Fit,
    device: str,
) -> tuple[Fit, ...]:
    """Logs that were not used beside the model; only what is their own is fitted."""
    if not logs:
        return ()
    signals = [name for log in logs for name in log.signals if name not in fit.noise]
    if signals:
        raise InputError(f"identify: held_out measures {signals[0]!r}, which no log does that is used")
    others = Unknowns(problem, logs, measured=measured, **settings)
    begin = others.start
    for k, column in enumerate(others.columns):
        if column.log is None:
            same = [i for i, c in enumerate(unknowns.columns) if (c.name, c.entry) == (column.name, column.entry)]
            begin[k] = vector[same[0]]
    experiments: list[Experiment] = []
    try:
        for k, log in enumerate(logs):
            experiments.append(Experiment(problem, log, k, others, device))
        own = _Fit(experiments, others, fit.least_squares, fit.robust, fit.iterations, progress=False)
        own.noise = {name: fit.noise[name] for name in own.signals}
        there = own.solve(begin, np.array([column.log is not None for column in others.columns]))
        return tuple(_beside(experiment, others, there) for experiment in experiments)
    finally:
        for experiment in experiments:
            experiment.close()


def _told(
    problem: Problem,
    fit: _Fit,
    unknowns: Unknowns,
    vector: Vector,
    fits: tuple[Fit, ...],
    held: tuple[Fit, ...],
    student: Any,
    known: bool,
) -> Identification:
    residuals, jacobian = fit.weighted(vector)
    freedom = max(fit.samples - len(unknowns), 1)
    variance = 1.0 if known else float(residuals @ residuals) / freedom
    free, values = _inside(unknowns, vector), unknowns.meaning @ vector
    low = unknowns.bounds[0]
    sizes = np.where(np.isfinite(low) & (np.abs(values) > 1e-6 * unknowns.units), np.abs(values), unknowns.units)
    labels = tuple(column.label for column in unknowns.columns)
    precision = precision_of(jacobian @ np.linalg.inv(unknowns.meaning), variance, sizes, free, labels)
    covariance = precision.covariance
    errors = np.sqrt(np.diag(covariance))
    quantile = float(student(freedom, 0.975))
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
        noise=fit.noise if known else fit._estimated(vector),
        fits=fits,
        held_out=held,
        sensors=sensors,
        loss=float(np.mean(residuals**2)),
        history=tuple(fit.history),
        launches=sum(e.launches for e in fit.experiments),
        rollouts=sum(e.rollouts for e in fit.experiments),
        stopped=fit.stopped,
        findings=_findings(fit, labels, vector, free, precision.untold, fits, known),
    )


def _inside(unknowns: Unknowns, vector: Vector) -> np.ndarray:
    """(n,) whether each number is off its bounds; one that is made of several unknowns, whether all of them are."""
    low, high = unknowns.bounds
    near = 1e-6 * unknowns.units
    outside = ~((vector > low + near) & (vector < high - near))
    return np.asarray((unknowns.meaning != 0.0) @ outside == 0)


def _findings(
    fit: _Fit, labels: Sequence[str], vector: Vector, free: np.ndarray, untold: Any, fits: tuple[Fit, ...], known: bool
) -> tuple[str, ...]:
    """What should be known of the result, a sentence each."""
    found = [f"Not told: {direction.words}." for direction in untold]
    found += [f"{labels[k]} ends at its bound, {vector[k]:.6g}." for k in np.flatnonzero(~free)]
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
