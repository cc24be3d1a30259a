"""Find numbers from what was measured: the door to it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.identification.experiment import Experiment
from diffsim.identification.least_squares import LOSSES, LeastSquares, Vector
from diffsim.identification.logs import Log
from diffsim.identification.result import Fit, Identification
from diffsim.identification.unknowns import Unknowns
from diffsim.identification.verdict import told
from diffsim.problem import Problem
from diffsim.spec import choices, matches, whole

__all__ = ["identify"]


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

    Least squares by Gauss and Newton's steps within a trust region and bounds, those of `GaussNewton`. The Jacobian of
    the residuals comes from differences, one rollout for each number; or, where there are fewer samples than that, from
    the reverse pass. Steps carry it along (Broyden 1965), one rollout each, until it does not hold any more. Where
    there are 20 samples for each number in the first quarter of the log, or half, the fit begins with these. Where even
    a small step from a new Jacobian fails, as by dry friction and contact, differences become as wide as each number
    alone is sure. Covariance is that of the linearised model at the solution, whose Jacobian is made there.

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
            together, or a pattern such as ``"*.bias"``. A signal is gain * value(t - delay) + bias.
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
    """
    each, sensors = _listed(each), _listed(sensors)
    looked = _looked_for(problem, tune, bounds, each)
    used = _logs(logs if logs is not None else _of_objective(looked))
    others = _logs(held_out)
    choices("identify(robust)", robust, tuple(LOSSES))
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
        fit = LeastSquares(experiments, unknowns, robust, iterations, progress)
        fit.check_enough()
        vector = fit.settle(noise)
        fits = _beside(fit, vector)
        held = _held_out(looked, others, measured[len(used) :], settings, unknowns, vector, fit, device)
        found = told(looked, fit, unknowns, vector, fits, held, noise is not None)
        return replace(found, findings=(*found.findings, *_elsewhere(looked, used, unknowns)))
    finally:
        for experiment in experiments:
            experiment.close()


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


def _elsewhere(problem: Problem, logs: Sequence[Log], unknowns: Unknowns) -> list[str]:
    """Logs that do not begin where the scene does, if neither that nor an error of the sensor is looked for."""
    start = problem.numbers().get("scene.initial_position")
    found: list[str] = []
    if start is None or any(name.startswith("scene.initial_position") for name in problem.tuned):
        return found
    for log in logs:
        for signal, value in log.signals.items():
            index = _position(problem.scene, signal)
            known = index is None or np.isnan(value[0]) or log.time[0] > 0.0
            if known or unknowns.sensor_columns(signal):
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


def _beside(fit: LeastSquares, vector: Vector) -> tuple[Fit, ...]:
    """Every log beside the model, as it was evaluated last."""
    found, unknowns = [], fit.unknowns
    numbers = unknowns.meaning @ vector
    for experiment, left in zip(fit.experiments, fit.residuals(vector), strict=True):
        names = [signal.name for signal in experiment.signals]
        own = {name: np.zeros(unknowns.shapes[name]) for name in unknowns.each}
        for k in unknowns.of_log(experiment.number):
            if unknowns.columns[k].name in own:
                own[unknowns.columns[k].name].reshape(-1)[unknowns.columns[k].entry] = numbers[k]
        modelled = [r + seen for r, seen in zip(left, experiment.measured, strict=True)]
        found.append(
            Fit(
                log=experiment.log,
                times=dict(zip(names, experiment.times, strict=True)),
                measured=dict(zip(names, experiment.measured, strict=True)),
                modelled=dict(zip(names, modelled, strict=True)),
                units={signal.name: signal.unit for signal in experiment.signals},
                own=own,
            )
        )
    return tuple(found)


def _held_out(
    problem: Problem,
    logs: Sequence[Log],
    measured: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    unknowns: Unknowns,
    vector: Vector,
    fit: LeastSquares,
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
        own = LeastSquares(experiments, others, fit.robust, fit.iterations, progress=False)
        own.noise = {name: fit.noise[name] for name in own.signals}
        there = own.solve(begin, np.array([column.log is not None for column in others.columns]))
        return _beside(own, there)
    finally:
        for experiment in experiments:
            experiment.close()
