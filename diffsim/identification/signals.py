"""What a signal of a log reads of a rollout, and its value at any time between the steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.identification.logs import Log

__all__ = ["Interpolation", "Signal", "actuations", "entry_of", "signals_of"]

_ENTRY = re.compile(r"(?P<array>\w+)\[(?P<index>[-\d, ]+)\]")
AXES = {"x": 0, "y": 1, "z": 2}
DEGREE = np.pi / 180.0


@dataclass(frozen=True)
class Signal:
    """An entry of a recorded array.

    Attributes:
        name: as the log calls it.
        array: name of the array.
        entry: index in a flattened row of it.
        unit: of its numbers, for words.
    """

    name: str
    array: str
    entry: int
    unit: str


def signals_of(log: Log, scene: Any, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Signal, ...]:
    """What each signal of a log reads.

    Args:
        log: its signals are named as in `Log.signals`.
        scene: of the rollout.
        shapes: of a row of every array that has one row more than there are steps, by name.

    Raises:
        InputError: a signal is nothing that a rollout of this scene records, or is written in degrees.
    """
    found = []
    for name in log.signals:
        array, entry = entry_of(f"{log.name}: signal", name, scene, shapes)
        found.append(Signal(name, array, entry, _unit(scene, array, entry)))
    _check_degrees(log, scene, found)
    return tuple(found)


def entry_of(owner: str, name: str, scene: Any, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, int]:
    """Array and flat index of what a name stands for: as in `Log.signals`.

    Args:
        owner: whose name it is, for messages.
        name: of a joint, a place, or an entry of an array.
        scene: that is measured.
        shapes: of a row of each array, by name.

    Raises:
        InputError: it stands for nothing.
    """
    array, index = _place(owner, name, scene, shapes)
    shape = shapes[array]
    try:
        entry = int(np.ravel_multi_index(tuple(i % n for i, n in zip(index, shape, strict=True)), shape))
        inside = all(-n <= i < n for i, n in zip(index, shape, strict=True))
    except ValueError:
        inside, entry = False, 0
    if not inside:
        raise InputError(f"{owner} {name!r} is no entry of {array}, which has shape {shape}")
    return array, entry


def _place(owner: str, name: str, scene: Any, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, tuple[int, ...]]:
    entry = _ENTRY.fullmatch(name)
    if entry and entry["array"] in shapes:
        return entry["array"], tuple(int(word) for word in entry["index"].split(","))
    if name in shapes and np.prod(shapes[name]) == 1:
        return name, (0,) * len(shapes[name])
    base, _, part = name.rpartition(".")
    joints = _scalar_joints(scene)
    if name in joints:
        return "joint_position", (joints[name][0],)
    if part == "velocity" and base in joints:
        return "joint_velocity", (joints[base][1],)
    places = tuple(getattr(scene, "places", ()))
    if part in AXES and base in places:
        return "position", (places.index(base), AXES[part])
    ways = [f"entries of {', '.join(shapes)}, as in {next(iter(shapes))}[0]"]
    if joints:
        ways.append(f"the joints {', '.join(joints)}, with '.velocity' their speeds")
    if places:
        ways.append(f"'.x', '.y' and '.z' of {', '.join(places)}")
    raise InputError(f"{owner} {name!r} is not recorded of this scene; it can be {'; '.join(ways)}")


def _scalar_joints(scene: Any) -> dict[str, tuple[int, int]]:
    """Where position and velocity of each hinge and slide stand, by name."""
    found, coordinate, freedom = {}, 0, 0
    for joint in getattr(scene, "joints", ()) if hasattr(scene, "joint_coordinates") else ():
        if joint.freedoms == 1:
            found[joint.name] = coordinate, freedom
        coordinate, freedom = coordinate + joint.coordinates, freedom + joint.freedoms
    return found


def _unit(scene: Any, array: str, entry: int) -> str:
    units = {"position": "m", "velocity": "m/s", "angle": "rad", "angular_velocity": "rad/s"}
    for joint in getattr(scene, "joints", ()) if array.startswith("joint_") else ():
        coordinates = _scalar_joints(scene).get(joint.name, (-1, -1))
        if coordinates[0 if array == "joint_position" else 1] == entry:
            length = "rad" if joint.motion == "hinge" else "m"
            return length if array == "joint_position" else f"{length}/s"
    return units.get(array, "")


def _check_degrees(log: Log, scene: Any, signals: list[Signal]) -> None:
    """Refuse angles that can only be degrees: beyond a hinge's limits, and within them if they are divided."""
    hinges = {joint.name: joint for joint in getattr(scene, "joints", ()) if getattr(joint, "motion", "") == "hinge"}
    for signal in signals:
        joint = hinges.get(signal.name)
        if joint is None or "(in " in log.origin(signal.name):
            continue
        value = log.signals[signal.name]
        low, high = (-2.0 * np.pi, 2.0 * np.pi) if joint.limits is None else joint.limits
        room = 0.2 * (high - low)
        outside = np.flatnonzero((value < low - room) | (value > high + room))
        turned = value[~np.isnan(value)] * DEGREE
        if len(outside) and turned.min() >= low - room and turned.max() <= high + room:
            k = int(outside[0])
            limits = "more than a turn" if joint.limits is None else f"beyond its limits of {low:g} to {high:g} rad"
            raise InputError(
                f"{log.name}: {log.origin(signal.name)}{log.place(k)} puts joint {signal.name} at {value[k]:g} rad, "
                f"{limits}, as all of it would not be in degrees: give units={{...: 'deg'}} to read_log, or turn it "
                "into radians"
            )


def actuations(log: Log, scene: Any, times: np.ndarray) -> np.ndarray:
    """(times, k) what a log's inputs ask of the actuators, as actuations; 0 where the log says nothing.

    Raises:
        InputError: an input is no actuator, or beyond its control range.
    """
    actuators = list(getattr(scene, "actuators", ()))
    names = [getattr(actuator, "name", f"actuation[{k}]") for k, actuator in enumerate(actuators)]
    found = np.zeros((len(times), len(names)))
    for name, value in log.inputs.items():
        entry = _ENTRY.fullmatch(name)
        k = int(entry["index"]) if entry and entry["array"] == "actuation" else -1
        k = names.index(name) if name in names else k
        if not 0 <= k < len(names):
            raise InputError(
                f"{log.name}: input {name!r} drives nothing; the actuators are {', '.join(names) or 'none'}"
            )
        low, high = _range(actuators[k])
        beyond = np.flatnonzero((value < low - 1e-9) | (value > high + 1e-9))
        for row in beyond[:1].tolist():
            raise InputError(
                f"{log.name}: {log.origin(name, driven=True)}{log.place(row)} asks {value[row]:g} of actuator "
                f"{names[k]}, whose "
                f"controls are {low:g} to {high:g}"
            )
        asked = np.interp(times, log.time, value)
        found[:, k] = asked if np.isinf(high) else 2.0 * (asked - low) / (high - low) - 1.0
    return found


def _range(actuator: Any) -> tuple[float, float]:
    limits = getattr(actuator, "control_range", None)
    return (-np.inf, np.inf) if limits is None else (float(limits[0]), float(limits[1]))


class Interpolation:
    """Values between the rows of a rollout: cubic Hermite with Catmull and Rom's slopes, at given times.

    It meets every row, has a continuous slope, and an error of third order in the step.
    """

    def __init__(self, times: np.ndarray, dt: float, steps: int):
        """For times [s] in a rollout of so many steps; what lies outside of it counts as its ends."""
        asked = np.asarray(times, np.float64) / dt
        place = np.clip(asked, 0.0, steps)
        left = np.minimum(np.floor(place + 1e-9).astype(np.int64), steps - 1)
        u = np.clip(place - left, 0.0, 1.0)
        self._rows = np.stack([np.maximum(left - 1, 0), left, left + 1, np.minimum(left + 2, steps)])
        spread = self._rows[2] - self._rows[0], self._rows[3] - self._rows[1]  # 2, and 1 at the ends
        a, b = u**3 - 2 * u**2 + u, u**3 - u**2
        self._weights = np.stack(
            [
                -a / spread[0],
                1 - 3 * u**2 + 2 * u**3 - b / spread[1],
                3 * u**2 - 2 * u**3 + a / spread[0],
                b / spread[1],
            ]
        )
        da, db = (3 * u**2 - 4 * u + 1) / dt, (3 * u**2 - 2 * u) / dt
        dm = (6 * u - 6 * u**2) / dt
        slopes = np.stack([-da / spread[0], -dm - db / spread[1], dm + da / spread[0], db / spread[1]])
        self._slopes = np.where((asked < -1e-9) | (asked > steps + 1e-9), 0.0, slopes)

    def values(self, rows: np.ndarray) -> np.ndarray:
        """(..., rows) -> (..., times)."""
        return np.einsum("kt,...kt->...t", self._weights, rows[..., self._rows])

    def slopes(self, rows: np.ndarray) -> np.ndarray:
        """(..., rows) -> (..., times), per second."""
        return np.einsum("kt,...kt->...t", self._slopes, rows[..., self._rows])

    def spread(self, cotangents: np.ndarray, count: int) -> np.ndarray:
        """(..., times) -> (..., count rows): what cotangents of values are as cotangents of rows."""
        found = np.zeros((*cotangents.shape[:-1], count))
        for rows, weights in zip(self._rows, self._weights, strict=True):
            for sample, row in enumerate(rows.tolist()):
                found[..., row] += cotangents[..., sample] * weights[sample]
        return found
