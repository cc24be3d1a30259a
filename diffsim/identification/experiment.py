"""One log beside a simulation of it: residuals and their Jacobian, from copies that run side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from diffsim.errors import DivergenceError, InputError
from diffsim.identification.logs import Log
from diffsim.identification.signals import Interpolation, Signal, actuations, signals_of
from diffsim.identification.unknowns import Unknowns
from diffsim.lazy import named
from diffsim.problem import Problem
from diffsim.simulation import Simulation

__all__ = ["Experiment", "problem_of"]

OPEN_LOOP = "diffsim.controllers:OpenLoop"
"""It imports Taichi: only who simulates waits for it."""

STEP, FORWARD_STEP = 6e-6, 1.5e-8
"""Of central and of forward differences in float64, in units of each number: the cube and the square root of the
rounding (Nocedal & Wright, "Numerical Optimization", 2006, section 8.1)."""

MOST_COPIES = 65

REVERSE = 4.0
"""A gradient takes about as long as so many rollouts: forward, again for its segments, and back."""


def problem_of(problem: Problem, log: Log) -> Problem:
    """The problem whose rollout a log is: as long, and driven by the log's inputs.

    Raises:
        InputError: the log has inputs, and the problem a controller.
    """
    dt = problem.scene.dt
    steps = max(int(np.ceil(log.time[-1] / dt - 1e-9)), 2)
    if not log.inputs:
        return replace(problem, objective=None, steps=steps)
    if problem.controller is not None:
        raise InputError(
            f"{log.name} has inputs {', '.join(log.inputs)}, but the problem has a controller, "
            f"{type(problem.controller).__name__}; leave one of them out"
        )
    values = actuations(log, problem.scene, dt * np.arange(steps))
    return replace(problem, objective=None, steps=steps, controller=named(OPEN_LOOP)(values, saturate=False))


class Experiment:
    """A log, the simulation of it, and what differs between them.

    Attributes:
        log: the measurements.
        number: of the log among all.
        problem: whose rollout it is.
        simulation: of copies that have numbers of their own.
        signals: what they read of a rollout.
        times: (k,) of each signal's samples that are not missing [s].
        measured: (k,) the samples.
        launches: how often the simulation ran.
        rollouts: how many rollouts that were.
    """

    def __init__(self, problem: Problem, log: Log, number: int, unknowns: Unknowns, device: str):
        """Make the simulation; nothing runs yet."""
        self.log, self.number, self._unknowns = log, number, unknowns
        self.problem = problem_of(problem, log)
        self._columns = unknowns.of_log(number)
        samples = sum(int((~np.isnan(value)).sum()) for value in log.signals.values())
        self._backward = REVERSE * samples < 2 * len(self._columns)
        self._copies = max(2, min(MOST_COPIES, max(samples, 1) if self._backward else len(self._columns) + 1))
        executor = "staged" if device == "cpu" else "auto"
        self.simulation = Simulation(
            self.problem, device=device, precision="f64", envs=self._copies, shared=False, executor=executor
        )
        self.signals: tuple[Signal, ...] = signals_of(log, self.problem.scene, self.simulation.recorded)
        self._kept = [np.flatnonzero(~np.isnan(log.signals[signal.name])) for signal in self.signals]
        self.times = [log.time[kept] for kept in self._kept]
        self.measured = [log.signals[s.name][kept] for s, kept in zip(self.signals, self._kept, strict=True)]
        self._arrays = tuple(dict.fromkeys(signal.array for signal in self.signals))
        alike = [kept.tobytes() for kept in self._kept]
        self._alike = [alike.index(each) for each in alike]  # the first signal with the same times
        self._interpolations: dict[tuple[int, float], Interpolation] = {}
        self.launches = self.rollouts = 0

    def close(self) -> None:
        """Give the simulation's memory back."""
        self.simulation.close()

    def residuals(self, vector: np.ndarray, *, central: bool = False) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Modelled less measured, and its derivative by the vector, (k, n), a pair for each signal.

        What is not finite comes back as NaN: a solver then takes a shorter step.

        Args:
            vector: of the unknowns.
            central: take differences to both sides, which are good to ten digits and not to seven.
        """
        try:
            return self._by_reverse(vector) if self._backward else self._by_copies(vector, central=central)
        except DivergenceError:
            nothing = [np.full(len(each), np.nan) for each in self.measured]
            return nothing, [np.full((len(each), len(vector)), np.nan) for each in self.measured]

    def _differences(self, vector: np.ndarray, rows: list[np.ndarray]) -> list[np.ndarray]:
        return [self._sensed(vector, k, rows[k]) - self.measured[k] for k in range(len(self.signals))]

    def _sensed(self, vector: np.ndarray, k: int, rows: np.ndarray) -> np.ndarray:
        """(..., rows) -> (..., samples) of a signal, through its sensor."""
        gain, bias, _ = self._unknowns.sensor(vector, self.signals[k].name)
        return np.asarray(gain * self._between(vector, k).values(rows) + bias)

    def _between(self, vector: np.ndarray, k: int) -> Interpolation:
        delay = self._unknowns.sensor(vector, self.signals[k].name)[2]
        key = self._alike[k], delay
        if key not in self._interpolations:
            if len(self._interpolations) > 2 * len(self.signals):
                self._interpolations.clear()  # of other delays
            made = Interpolation(self.times[k] - delay, self.problem.scene.dt, self.problem.steps)
            self._interpolations[key] = made
        return self._interpolations[key]

    def _rows(self, vectors: np.ndarray) -> list[np.ndarray]:
        """Of each signal, (vectors, rows) over whole rollouts."""
        found: list[list[np.ndarray]] = [[] for _ in self.signals]
        for first in range(0, len(vectors), self._copies):
            some = vectors[first : first + self._copies]
            padded = np.concatenate([some, np.repeat(some[-1:], self._copies - len(some), axis=0)])
            params = self._unknowns.params(padded, self.number)
            rollout = self.simulation.rollout(params, arrays=self._arrays, finite=False)
            self.launches, self.rollouts = self.launches + 1, self.rollouts + len(some)
            for k, signal in enumerate(self.signals):
                found[k].append(_entry(rollout, signal)[: len(some)])
        return [np.concatenate(each) for each in found]

    def _by_copies(self, vector: np.ndarray, *, central: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Differences of every number, from copies beside each other in one launch."""
        columns = self._columns
        n, sides = len(columns), 2 if central else 1
        points = np.repeat(vector[None], sides * n + 1, axis=0)
        for j, column in enumerate(columns):
            unknown = self._unknowns.columns[column]
            step = (STEP if central else FORWARD_STEP) * unknown.unit
            up = min(vector[column] + step, unknown.high)
            points[1 + j, column] = up if central or up > vector[column] else vector[column] - step
            if central:
                points[1 + n + j, column] = max(vector[column] - step, unknown.low)
        rows = self._rows(points)
        residuals = self._differences(vector, [each[0] for each in rows])
        ends = points[1 + n :] if central else np.repeat(vector[None], n, axis=0)
        apart = np.array([points[1 + j, column] - ends[j, column] for j, column in enumerate(columns)])
        jacobians = []
        for k, signal in enumerate(self.signals):
            found = np.zeros((len(residuals[k]), len(vector)))
            with np.errstate(invalid="ignore", over="ignore"):  # of a rollout that diverged
                sensed = self._sensed(vector, k, rows[k])
                other = sensed[1 + n :] if central else sensed[:1]
                found[:, columns] = ((sensed[1 : 1 + n] - other) / apart[:, None]).T
            jacobians.append(self._with_sensors(vector, k, signal, rows[k][0], found))
        return residuals, jacobians

    def _by_reverse(self, vector: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The reverse pass of every sample, one copy each: for few samples of many numbers."""
        rows = [each[0] for each in self._rows(vector[None])]
        residuals = self._differences(vector, rows)
        same = np.repeat(vector[None], self._copies, axis=0)
        _, pullback = self.simulation.vjp(self._unknowns.params(same, self.number))
        shapes, count = self.simulation.recorded, self.problem.steps + 1
        jacobians = []
        for k, signal in enumerate(self.signals):
            samples, gain = len(self.measured[k]), self._unknowns.sensor(vector, signal.name)[0]
            cotangents = gain * self._between(vector, k).spread(np.eye(samples), count)
            found = np.zeros((samples, len(vector)))
            for first in range(0, samples, self._copies):
                some = cotangents[first : first + self._copies]
                whole = np.zeros((self._copies, count, int(np.prod(shapes[signal.array]))))
                whole[: len(some), :, signal.entry] = some
                grads = pullback({signal.array: whole.reshape(self._copies, count, *shapes[signal.array])})
                found[first : first + len(some)] = self._unknowns.gathered(grads, self.number)[: len(some)]
                self.launches, self.rollouts = self.launches + 1, self.rollouts + len(some)
            jacobians.append(self._with_sensors(vector, k, signal, rows[k], found))
        return residuals, jacobians

    def _with_sensors(
        self, vector: np.ndarray, k: int, signal: Signal, rows: np.ndarray, found: np.ndarray
    ) -> np.ndarray:
        """The derivative with that by the sensor's gain, bias and delay."""
        columns, between = self._unknowns.sensor_columns(signal.name), self._between(vector, k)
        gain = self._unknowns.sensor(vector, signal.name)[0]
        if "gain" in columns:
            found[:, columns["gain"]] = between.values(rows)
        if "bias" in columns:
            found[:, columns["bias"]] = 1.0
        if "delay" in columns:
            found[:, columns["delay"]] = -gain * between.slopes(rows)
        return found


def _entry(rollout: Any, signal: Signal) -> np.ndarray:
    """(copies, rows) of a signal."""
    value = rollout.arrays[signal.array]
    return np.asarray(value.reshape(*value.shape[:2], -1)[:, :, signal.entry])
