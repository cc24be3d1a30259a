"""What a controller is rewarded for, and when an episode begins and ends, in NumPy: for all copies at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.mjcf import load_mjcf
from diffsim.spec import array, whole

__all__ = ["Arrays", "Task", "joints", "robot", "up"]

Arrays = dict[str, np.ndarray]
"""Of the state and of what is read of it, by name, each ``(envs, *shape)``."""


def _observation(seen: Arrays) -> np.ndarray:
    return seen["observation"]


def _never(seen: Arrays) -> np.ndarray:
    return np.zeros(len(next(iter(seen.values()))), bool)


def _same(start: Arrays, rng: np.random.Generator) -> Arrays:
    return start


def _nothing(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
    return 0.0


@dataclass(frozen=True, eq=False)
class Task:
    """A scene with a reward: functions of arrays of all copies, ``(envs, *shape)`` by name.

    The names are those of the state (`Stepper.layout`) and those in ``reads``.

    Where a policy is learned by gradients (`diffsim.learn`), ``reward`` and ``shaping`` are called with tensors of
    PyTorch and differentiated by it, else with arrays of NumPy: what both know (operators, indexing, ``abs(x)``,
    ``x.sum(axis=1)``, ``x.clip(min=0.0)``) serves both.

    Attributes:
        scene: what to simulate.
        reward: reward(before, action, after) -> (envs,); the action as it was given, (envs, k).
        shaping: like ``reward``, added to it while a policy learns and left out where it is judged: a slope towards
            what the reward only has a step for, such as not to fall.
        observe: observe(seen) -> (envs, n) what the controller sees; left out, it is "observation".
        ended: ended(seen) -> (envs,) whether the episode ends there; left out, it never does.
        start: start(seen, rng) -> the same with noise: arrays of the state where an episode begins.
        reads: names of what is read of each state besides.
        repeat: steps of the scene for which an action is held.
        steps: of an episode, after which it is cut off.
        low, high: () or (k,) of actions, which spread over actuations from -1 to 1.
        source: the MJCF file of the scene, as `load_mjcf` takes it, for a policy to be judged in MuJoCo; or None.
    """

    scene: Any
    reward: Callable[[Arrays, np.ndarray, Arrays], np.ndarray]
    observe: Callable[[Arrays], np.ndarray] = _observation
    ended: Callable[[Arrays], np.ndarray] = _never
    start: Callable[[Arrays, np.random.Generator], Arrays] = _same
    reads: Any = ("observation",)
    repeat: int = 1
    steps: int = 1000
    low: Any = -1.0
    high: Any = 1.0
    shaping: Callable[[Arrays, np.ndarray, Arrays], Any] = _nothing
    hopeless: Callable[[Arrays], np.ndarray] = _never
    source: Any = None

    def __post_init__(self) -> None:
        """Check what can be checked without running it."""
        k = len(getattr(self.scene, "actuators", ()))
        if not k:
            raise InputError("Task.scene has no actuators, so there is nothing to learn for a controller")
        reads = (self.reads,) if isinstance(self.reads, str) else tuple(self.reads)
        found: dict[str, Any] = {
            "repeat": whole("Task.repeat", self.repeat),
            "steps": whole("Task.steps", self.steps),
            "reads": reads,
        }
        for name in ("low", "high"):
            found[name] = np.broadcast_to(array(f"Task.{name}", getattr(self, name), (), (k,)), (k,))
        if not np.all(found["low"] < found["high"]):
            raise InputError("Task.low must be below Task.high for each actuator")
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def while_learning(self) -> Task:
        """The task of one who learns: an episode ends in hopeless states, too."""
        if self.hopeless is _never:
            return self
        return replace(self, ended=lambda seen: np.asarray(self.ended(seen)) | np.asarray(self.hopeless(seen)))

    @property
    def seconds(self) -> float:
        """For which an action is held [s]."""
        return float(self.repeat * self.scene.dt)

    def actuation(self, action: np.ndarray) -> np.ndarray:
        """What actions are to the scene, within -1 and 1: those beyond ``low`` and ``high`` are as these."""
        within = np.clip(action, self.low, self.high)
        return 2.0 * (within - self.low) / (self.high - self.low) - 1.0

    def action(self, actuation: np.ndarray) -> np.ndarray:
        """The actions that are these actuations to the scene."""
        found: np.ndarray = self.low + 0.5 * (self.high - self.low) * (actuation + 1.0)
        return found


# What tasks of gymnasium's robots share


def robot(
    file: str, seconds: float, changes: dict[str, Any], unobserved: tuple[str, ...] = (), ignore: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Scene, its file, how long an action of that many seconds is held, and the ranges of actions."""
    source = f"gymnasium:envs/mujoco/assets/{file}.xml"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OmissionWarning)  # what gymnasium's rewards and observations do not depend on
        scene = load_mjcf(source, ignore=ignore, **{"unobserved": unobserved, **changes})
    repeat = round(seconds / scene.dt)
    if repeat < 1 or abs(repeat * scene.dt - seconds) > 1e-9:
        raise InputError(f"the task holds an action for {seconds:g} s, which is no whole number of dt={scene.dt:g} s")
    ranges = np.array([actuator.control_range for actuator in scene.actuators], np.float64)
    return {"scene": scene, "source": source, "repeat": repeat, "low": ranges[:, 0], "high": ranges[:, 1]}


def joints(seen: Arrays, skipped: int, limit: float = np.inf) -> np.ndarray:
    """Positions but for the first, and velocities up to a limit."""
    q, v = seen["joint_position"][:, skipped:], seen["joint_velocity"]
    return np.concatenate([q, np.clip(v, -limit, limit)], axis=1)


def up(seen: Arrays) -> Any:
    """Of what a free joint carries, how much of its axis up points up: the cosine."""
    x, y = seen["joint_position"][:, 4], seen["joint_position"][:, 5]
    return 1.0 - 2.0 * (x**2 + y**2) / (seen["joint_position"][:, 3:7] ** 2).sum(axis=1)
