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

FORWARD_STEP = 1.5e-8
"""Of forward differences in float64, in units of each number: the square root of the rounding (Nocedal & Wright,
"Numerical Optimization", 2006, section 8.1)."""

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
        rollouts: how many rollouts that were: copies count each, a part of the log as its share, and a reverse pass as
            `REVERSE`.
    """

    def __init__(self, problem: Problem, log: Log, number: int, unknowns: Unknowns, device: str):
        """Make the simulation; nothing runs yet."""
        self.log, self.number, self._unknowns = log, number, unknowns
        self.problem = problem_of(problem, log)
        self._columns = unknowns.of_log(number)
        samples = sum(int((~np.isnan(value)).sum()) for value in log.signals.values())
        self._backward = REVERSE * samples < 2 * len(self._columns)
        beside = samples if self._backward else len(self._columns) + 1
        # On a CPU copies go one after the other anyway, and the memory of one is used again where that of many is new.
        alone = device == "cpu" and not self._backward
        self._copies = 1 if alone else max(2, min(MOST_COPIES, beside))
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
        self._bases: dict[tuple[bytes, int], list[np.ndarray]] = {}  # rows of the last two points
        self.launches, self.rollouts = 0, 0.0

    def close(self) -> None:
        """Give the simulation's memory back."""
        self.simulation.close()

    def residuals(self, vector: np.ndarray, until: float = np.inf) -> list[np.ndarray]:
        """Modelled less measured, (k,) of each signal, by one rollout.

        What is not finite comes back as NaN: a solver then takes a shorter step.

        Args:
            vector: of the unknowns.
            until: time [s] after which residuals are not asked for, and mean nothing.
        """
        try:
            rows = self._rows(vector[None], self._steps(vector, until))
        except DivergenceError:
            return [np.full(len(each), np.nan) for each in self.measured]
        self._bases = dict([*self._bases.items()][-1:]) | {(vector.tobytes(), self._steps(vector, until)): rows}
        return self._differences(vector, [each[0] for each in rows])

    def jacobian(self, vector: np.ndarray, until: float = np.inf, sides: np.ndarray | None = None) -> list[np.ndarray]:
        """Derivatives of the residuals by the vector, (k, n) of each signal; NaN where a rollout diverges.

        Args:
            vector: of the unknowns; if residuals were asked for there before, its rollout is not repeated.
            until: as of `residuals`.
            sides: (n,) how far to both sides differences are taken; None: to one side, by rounding's best step, which
                is good to seven digits.
        """
        try:
            return self._by_reverse(vector) if self._backward else self._by_copies(vector, until, sides)
        except DivergenceError:
            return [np.full((len(each), len(vector)), np.nan) for each in self.measured]

    def _steps(self, vector: np.ndarray, until: float) -> int:
        """How many steps a rollout needs for samples until then: some more for what is between, and early sensors."""
        ahead = max(-self._unknowns.sensor(vector, signal.name)[2] for signal in self.signals)
        asked = (until + ahead) / self.problem.scene.dt + 3.0
        return self.problem.steps if asked >= self.problem.steps else max(int(np.ceil(asked)), 2)

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

    def _rows(self, vectors: np.ndarray, steps: int) -> list[np.ndarray]:
        """Of each signal, (vectors, rows) over so many steps; rows after them repeat the last."""
        found: list[list[np.ndarray]] = [[] for _ in self.signals]
        for first in range(0, len(vectors), self._copies):
            some = vectors[first : first + self._copies]
            full = np.concatenate([some, np.repeat(some[-1:], self._copies - len(some), axis=0)])
            params = self._unknowns.params(full, self.number)
            rollout = self.simulation.rollout(params, arrays=self._arrays, finite=False, steps=steps)
            self.launches, self.rollouts = self.launches + 1, self.rollouts + len(some) * steps / self.problem.steps
            for k, signal in enumerate(self.signals):
                found[k].append(self._entry(rollout, signal)[: len(some)])
        return [np.concatenate(each) for each in found]

    def _entry(self, rollout: Any, signal: Signal) -> np.ndarray:
        """(copies, rows) of a signal."""
        value = rollout.arrays[signal.array].reshape(rollout.envs, len(rollout.time), -1)[:, :, signal.entry]
        whole = self.problem.steps + 1
        if value.shape[1] == whole:
            return np.asarray(value)
        found = np.repeat(value[:, -1:], whole, axis=1)
        found[:, : value.shape[1]] = value
        return found

    def _by_copies(self, vector: np.ndarray, until: float, sides: np.ndarray | None) -> list[np.ndarray]:
        """Differences of every number, one rollout each, beside each other on a GPU."""
        columns, steps = self._columns, self._steps(vector, until)
        base = self._bases.get((vector.tobytes(), steps))
        n, central = len(columns), sides is not None
        points = np.repeat(vector[None], (1 + central) * n + 1, axis=0)
        for j, column in enumerate(columns):
            unknown = self._unknowns.columns[column]
            step = FORWARD_STEP * unknown.unit if sides is None else sides[column]
            up = min(vector[column] + step, unknown.high)
            points[1 + j, column] = up if central or up > vector[column] else vector[column] - step
            if central:
                points[1 + n + j, column] = max(vector[column] - step, unknown.low)
        if base is None:
            rows = self._rows(points, steps)
        else:
            rows = [np.concatenate(each) for each in zip(base, self._rows(points[1:], steps), strict=True)]
        ends = points[1 + n :] if central else np.repeat(vector[None], n, axis=0)
        apart = np.array([points[1 + j, column] - ends[j, column] for j, column in enumerate(columns)])
        jacobians = []
        for k, signal in enumerate(self.signals):
            found = np.zeros((len(self.measured[k]), len(vector)))
            with np.errstate(invalid="ignore", over="ignore"):  # of a rollout that diverged
                sensed = self._sensed(vector, k, rows[k])
                other = sensed[1 + n :] if central else sensed[:1]
                found[:, columns] = ((sensed[1 : 1 + n] - other) / apart[:, None]).T
            jacobians.append(self._with_sensors(vector, k, signal, rows[k][0], found))
        return jacobians

    def _by_reverse(self, vector: np.ndarray) -> list[np.ndarray]:
        """The reverse pass of every sample, one copy each: for few samples of many numbers."""
        rows = [each[0] for each in self._rows(vector[None], self.problem.steps)]
        params = self._unknowns.params(np.repeat(vector[None], self._copies, axis=0), self.number)
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
                cotangent = {signal.array: whole.reshape(self._copies, count, *shapes[signal.array])}
                grads = self.simulation.pull(params, cotangent)
                found[first : first + len(some)] = self._unknowns.gathered(grads, self.number)[: len(some)]
                self.launches, self.rollouts = self.launches + 1, self.rollouts + REVERSE * len(some)
            jacobians.append(self._with_sensors(vector, k, signal, rows[k], found))
        return jacobians

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
