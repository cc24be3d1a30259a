"""The numbers that an identification is after, as one vector: of the problem, of each log, of the sensors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.identification.logs import Log
from diffsim.problem import Problem
from diffsim.protocols import units_of
from diffsim.spec import matches

__all__ = ["Column", "Unknowns"]

SENSORS = ("gain", "bias", "delay")

POSITIVE = ("mass", "stiffness", "inertia", "rest_length", "armature", "radius", "size")
"""Words in the names of a scene's numbers that are above zero in nature."""

NOT_NEGATIVE = ("damping", "friction", "slip", "touch_depth", "margin")

SECOND_MOMENTS = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
"""Principal moments of inertia of the integrals of x^2, y^2 and z^2 over the mass, none of which is negative: so no
moment exceeds the sum of the others (Wensing, Kim & Slotine, "Linear matrix inequalities for physically consistent
inertial parameter identification", 2018, equation 6)."""


@dataclass(frozen=True)
class Column:
    """One unknown.

    Attributes:
        label: in words: "scene.mass[2]", "elbow.bias", "scene.initial_position[0] of log 2".
        name: of the parameter, or of the sensor's number.
        entry: in the flattened parameter.
        log: of which log it is, None if all share it.
        unit: what it is counted in.
        low: the lowest value that is allowed.
        high: the highest.
    """

    label: str
    name: str
    entry: int
    log: int | None
    unit: float
    low: float
    high: float


class Unknowns:
    """Where each unknown stands in the vector, and what the vector means.

    Attributes:
        columns: of the vector.
        start: (n,) where it begins.
        shapes: of each parameter.
        shared: names of the parameters that all logs share.
        each: names of those that each log has of its own.
        sensors: names of the sensors' numbers, "signal.kind" or "delay".
    """

    def __init__(
        self,
        problem: Problem,
        logs: Sequence[Log],
        *,
        each: Sequence[str],
        sensors: Sequence[str],
        start: Mapping[str, Any],
        scale: Mapping[str, Any],
        measured: Sequence[Mapping[str, Any]],
    ):
        """The layout.

        Args:
            problem: what it tunes is looked for.
            logs: of the experiments.
            each: patterns of the numbers that each log has of its own.
            sensors: patterns of "signal.gain", "signal.bias", "signal.delay" and "delay".
            start: values to begin with, by name.
            scale: sizes, by name or pattern.
            measured: of each log, values to begin with for what is its own.
        """
        names = problem.tuned
        self.each = tuple(name for name in names if any(matches(name, pattern) for pattern in each))
        self.shared = tuple(name for name in names if name not in self.each)
        numbers = problem.numbers()
        begin = {name: problem.pick(name, numbers) for name in names}
        for name, value in start.items():
            if name not in begin:
                raise InputError(f"identify: start names {name!r}, but what is looked for is {', '.join(names)}")
            given = np.asarray(value, np.float64)
            if given.shape not in ((), begin[name].shape):
                raise InputError(f"identify: start[{name!r}] has shape {given.shape}, not {begin[name].shape}")
            begin[name] = np.broadcast_to(given, begin[name].shape)
        self.shapes = {name: value.shape for name, value in begin.items()}
        units = units_of(problem, begin, scale, owner="identify(scale)")
        self.columns: list[Column] = []
        values: list[float] = []
        self._blocks: list[int] = []  # first columns of inertias counted by their second moments
        for name in self.shared:
            values += self._add(problem, name, begin[name], None, units[name])
        for k, log in enumerate(logs):
            for name in self.each:
                own = measured[k].get(name, begin[name])
                values += self._add(problem, name, own, k, units[name], of=f" of log {k + 1}" if len(logs) > 1 else "")
            del log
        self.sensors = _sensors(logs, sensors)
        for name in self.sensors:
            gain = name.endswith(".gain")
            unit = 1.0 if gain else problem.scene.dt * 10.0 if name.endswith("delay") else _spread(logs, name)
            self.columns.append(Column(name, name, 0, None, unit, -np.inf, np.inf))
            values.append(1.0 if gain else 0.0)
        self.start = np.array(values)
        self._clip()

    def _add(
        self, problem: Problem, name: str, value: np.ndarray, log: int | None, unit: float, of: str = ""
    ) -> list[float]:
        low, high = _limits(problem, name)
        flat = np.asarray(value, np.float64).reshape(-1).tolist()
        first = len(self.columns)
        moments = name.partition("[")[0] == "scene.inertia" and np.isneginf(problem.limits(name)[0])
        if moments and value.shape[-1:] == (3,):
            self._blocks += range(first, first + len(flat), 3)
            flat = (np.asarray(flat).reshape(-1, 3) @ np.linalg.inv(SECOND_MOMENTS)).reshape(-1).tolist()
            low, high = 0.0, np.inf
        for entry, label in enumerate(_labels(problem, name)):
            self.columns.append(Column(label + of, name, entry, log, unit, low, high))
        return flat

    def _clip(self) -> None:
        """Move the start to where it is allowed, by a little: a solver needs it inside."""
        for k, column in enumerate(self.columns):
            room = 1e-6 * column.unit
            if np.isfinite(column.high) and np.isfinite(column.low):
                room = min(room, 1e-3 * (column.high - column.low))
            self.start[k] = min(max(self.start[k], column.low + room), column.high - room)

    def __len__(self) -> int:
        """How many unknowns there are."""
        return len(self.columns)

    @property
    def units(self) -> np.ndarray:
        """(n,) of each unknown."""
        return np.array([column.unit for column in self.columns])

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) lowest and (n,) highest value of each unknown."""
        return np.array([c.low for c in self.columns]), np.array([c.high for c in self.columns])

    @property
    def meaning(self) -> np.ndarray:
        """(n, n) what the unknowns are made of: numbers = meaning @ vector. Only inertias are made of anything else."""
        found = np.eye(len(self))
        for first in self._blocks:
            found[first : first + 3, first : first + 3] = SECOND_MOMENTS
        return found

    def of_log(self, log: int) -> list[int]:
        """The columns that a rollout of this log depends on."""
        names = {*self.shared, *self.each}
        return [k for k, c in enumerate(self.columns) if c.name in names and c.log in (None, log)]

    def params(self, vectors: np.ndarray, log: int) -> dict[str, np.ndarray]:
        """(B, n) -> the parameters of a log's simulation, (B, ...) by name."""
        numbers = vectors @ self.meaning.T
        found = {name: np.zeros((len(vectors), *shape)) for name, shape in self.shapes.items()}
        flat = {name: value.reshape(len(vectors), -1) for name, value in found.items()}
        for k in self.of_log(log):
            flat[self.columns[k].name][:, self.columns[k].entry] = numbers[:, k]
        return found

    def gathered(self, grads: Mapping[str, np.ndarray], log: int) -> np.ndarray:
        """Derivatives by parameters, (B, ...) by name -> by the vector, (B, n)."""
        count = len(next(iter(grads.values())))
        found = np.zeros((count, len(self)))
        for k in self.of_log(log):
            column = self.columns[k]
            found[:, k] = grads[column.name].reshape(count, -1)[:, column.entry]
        return found @ self.meaning

    def sensor(self, vector: np.ndarray, signal: str) -> tuple[float, float, float]:
        """Gain, bias and delay [s] of a signal."""
        own = {c.name: vector[k] for k, c in enumerate(self.columns) if c.name in self.sensors}
        delay = own.get(f"{signal}.delay", own.get("delay", 0.0))
        return own.get(f"{signal}.gain", 1.0), own.get(f"{signal}.bias", 0.0), delay

    def sensor_columns(self, signal: str) -> dict[str, int]:
        """Which columns are a signal's gain, bias and delay, where they are looked for."""
        found = {}
        for k, column in enumerate(self.columns):
            for kind in SENSORS:
                if column.name == f"{signal}.{kind}" or column.name == kind == "delay":
                    found[kind] = k
        return found


def _labels(problem: Problem, name: str) -> list[str]:
    """Of each entry of a parameter, by its place in the number that it is, or is a part of."""
    base = name.partition("[")[0]
    shape = np.shape(problem.numbers()[base])
    if not shape:
        return [name]
    places = zip(*np.unravel_index(problem.entries(name, shape), shape), strict=True)
    return [f"{base}[{', '.join(str(int(k)) for k in place)}]" for place in places]


def _limits(problem: Problem, name: str) -> tuple[float, float]:
    """The bounds of the problem, and those of nature."""
    low, high = problem.limits(name)
    word = name.partition("[")[0].rpartition(".")[2]
    if name.startswith("scene."):
        if any(positive in word for positive in POSITIVE):
            low = max(low, 0.0)
        if any(positive in word for positive in NOT_NEGATIVE):
            low = max(low, 0.0)
        if word == "restitution":
            low, high = max(low, 0.0), min(high, 1.0)
    return low, high


def _sensors(logs: Sequence[Log], patterns: Sequence[str]) -> tuple[str, ...]:
    signals = list(dict.fromkeys(name for log in logs for name in log.signals))
    known = ["delay", *(f"{signal}.{kind}" for signal in signals for kind in SENSORS)]
    found: list[str] = []
    for pattern in patterns:
        meant = re.compile(".*".join(map(re.escape, pattern.split("*"))))  # brackets are entries
        matching = [name for name in known if meant.fullmatch(name)]
        if not matching:
            raise InputError(f"identify: sensors names {pattern!r}, but there are {', '.join(known)}")
        found += [name for name in matching if name not in found]
    own = [name for name in found if name.endswith(".delay")]
    if "delay" in found and own:
        raise InputError(f"identify: sensors names 'delay', which all signals share, and {own[0]!r}; leave one out")
    return tuple(found)


def _spread(logs: Sequence[Log], name: str) -> float:
    signal = name.rpartition(".")[0]
    values = np.concatenate([log.signals[signal] for log in logs if signal in log.signals])
    spread = float(np.nanstd(values))
    return spread if spread > 0.0 else 1.0
