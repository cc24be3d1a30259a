"""What a controller is rewarded for, and when an episode begins and ends, in NumPy: for all copies at once.

The tasks of robots are gymnasium's of version 5, as their documentation and source define them, but for what is worked
out from forces: the observations of Ant and Humanoid are the positions and velocities, and contact costs nothing. That
is ``gymnasium.make("Ant-v5", include_cfrc_ext_in_observation=False, contact_cost_weight=0.0)``, and of the humanoid
likewise without ``cinert``, ``cvel`` and ``qfrc_actuator``. Speeds of these two are differences of where the robot is;
gymnasium takes where MuJoCo last worked it out, which is a substep earlier.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.mjcf import load_mjcf
from diffsim.physics.articulated.scene import Articulated
from diffsim.spec import array, whole

__all__ = ["TASKS", "Arrays", "Task", "task"]

Arrays = dict[str, np.ndarray]
"""Of the state and of what is read of it, by name, each ``(envs, *shape)``."""


def _observation(seen: Arrays) -> np.ndarray:
    return seen["observation"]


def _never(seen: Arrays) -> np.ndarray:
    return np.zeros(len(next(iter(seen.values()))), bool)


def _same(start: Arrays, rng: np.random.Generator) -> Arrays:
    return start


@dataclass(frozen=True, eq=False)
class Task:
    """A scene with a reward: functions of arrays of all copies, ``(envs, *shape)`` by name.

    The names are those of the state (`Stepper.layout`) and those in ``reads``.

    Attributes:
        scene: what to simulate.
        reward: reward(before, action, after) -> (envs,); the action as it was given, (envs, k).
        observe: observe(seen) -> (envs, n) what the controller sees; left out, it is "observation".
        ended: ended(seen) -> (envs,) whether the episode ends there; left out, it never does.
        start: start(seen, rng) -> the same with noise: arrays of the state where an episode begins.
        reads: names of what is read of each state besides.
        repeat: steps of the scene for which an action is held.
        steps: of an episode, after which it is cut off.
        low, high: () or (k,) of actions, which spread over actuations from -1 to 1.
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

    @property
    def seconds(self) -> float:
        """For which an action is held [s]."""
        return float(self.repeat * self.scene.dt)

    def actuation(self, action: np.ndarray) -> np.ndarray:
        """What actions are to the scene, within -1 and 1: those beyond ``low`` and ``high`` are as these."""
        within = np.clip(action, self.low, self.high)
        return 2.0 * (within - self.low) / (self.high - self.low) - 1.0


# gymnasium's robots


def task(name: str, **changes: Any) -> Task:
    """The task of one of gymnasium's robots: "HalfCheetah", "Hopper", "Walker2d", "Ant" or "Humanoid".

    Args:
        name: with or without "-v5".
        changes: of the scene, as `load_mjcf` takes them: ``substeps=5``; ``integrator="euler"`` is four times as fast
            as the Runge-Kutta that some of the files ask for.

    Raises:
        InputError: there is no task of that name.
        MissingExtraError: there is no ``mujoco`` or ``gymnasium``; the extra ``robots`` has both.
    """
    known = name.removesuffix("-v5")
    if known not in TASKS:
        raise InputError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
    return TASKS[known](**changes)


def _robot(file: str, changes: dict[str, Any], ignore: tuple[str, ...] = ()) -> Articulated:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OmissionWarning)  # what gymnasium's rewards and observations do not depend on
        return load_mjcf(f"gymnasium:envs/mujoco/assets/{file}.xml", ignore=ignore, **changes)


def _ranges(scene: Articulated) -> dict[str, Any]:
    """Of controls, which gymnasium's actions are."""
    ranges = np.array([actuator.control_range for actuator in scene.actuators], np.float64)
    return {"low": ranges[:, 0], "high": ranges[:, 1]}


def _noisy(start: Arrays, rng: np.random.Generator, size: float, normal: bool) -> Arrays:
    """Positions uniformly, velocities uniformly or with a normal distribution around the start."""
    q, v = start["joint_position"], start["joint_velocity"]
    shake = rng.standard_normal(v.shape) if normal else rng.uniform(-1.0, 1.0, v.shape)
    return {"joint_position": q + rng.uniform(-size, size, q.shape), "joint_velocity": v + size * shake}


def _joints(seen: Arrays, skipped: int, limit: float = np.inf) -> np.ndarray:
    """Positions but for the first, and velocities up to a limit."""
    q, v = seen["joint_position"][:, skipped:], seen["joint_velocity"]
    return np.concatenate([q, np.clip(v, -limit, limit)], axis=1)


def _squares(action: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.sum(action**2, axis=1)
    return found


def _forward(before: Arrays, action: np.ndarray, after: Arrays, seconds: float, cost: float) -> np.ndarray:
    gone: np.ndarray = after["joint_position"][:, 0] - before["joint_position"][:, 0]
    return gone / seconds - cost * _squares(action)


def _half_cheetah(**changes: Any) -> Task:
    scene = _robot("half_cheetah", changes)
    return Task(
        scene,
        reward=partial(_forward, seconds=5 * scene.dt, cost=0.1),
        observe=partial(_joints, skipped=1),
        start=partial(_noisy, size=0.1, normal=True),
        reads=(),
        repeat=5,
        **_ranges(scene),
    )


def _on_its_leg(seen: Arrays, heights: tuple[float, float], angles: tuple[float, float], most: float) -> np.ndarray:
    """Whether a robot in a plane is upright, within open ranges, and nothing of its state but x is beyond ``most``."""
    q, v = seen["joint_position"], seen["joint_velocity"]
    up = (heights[0] < q[:, 1]) & (q[:, 1] < heights[1]) & (angles[0] < q[:, 2]) & (q[:, 2] < angles[1])
    found: np.ndarray = up & np.all(np.abs(np.concatenate([q[:, 2:], v], axis=1)) < most, axis=1)
    return found


def _in_a_plane(file: str, heights: tuple[float, float], angle: float, most: float, changes: dict[str, Any]) -> Task:
    scene = _robot(file, changes)
    fine = partial(_on_its_leg, heights=heights, angles=(-angle, angle), most=most)

    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> np.ndarray:
        return _forward(before, action, after, 4 * scene.dt, 1e-3) + fine(after)

    return Task(
        scene,
        reward=reward,
        observe=partial(_joints, skipped=1, limit=10.0),
        ended=lambda seen: ~fine(seen),
        start=partial(_noisy, size=5e-3, normal=False),
        reads=(),
        repeat=4,
        **_ranges(scene),
    )


def _hopper(**changes: Any) -> Task:
    return _in_a_plane("hopper", (0.7, np.inf), 0.2, 100.0, changes)


def _walker(**changes: Any) -> Task:
    return _in_a_plane("walker2d_v5", (0.8, 2.0), 1.0, np.inf, changes)


def _ant(**changes: Any) -> Task:
    scene = _robot("ant", changes)

    def fine(seen: Arrays) -> np.ndarray:
        height = seen["joint_position"][:, 2]
        finite = np.isfinite(_joints(seen, 0)).all(axis=1)
        found: np.ndarray = finite & (height >= 0.2) & (height <= 1.0)
        return found

    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> np.ndarray:
        return _forward(before, action, after, 5 * scene.dt, 0.5) + fine(after)

    return Task(
        scene,
        reward=reward,
        observe=partial(_joints, skipped=2),
        ended=lambda seen: ~fine(seen),
        start=partial(_noisy, size=0.1, normal=True),
        reads=(),
        repeat=5,
        **_ranges(scene),
    )


def _humanoid(**changes: Any) -> Task:
    scene = _robot("humanoid", changes, ("tendon",))

    def fine(seen: Arrays) -> np.ndarray:
        height = seen["joint_position"][:, 2]
        found: np.ndarray = (height > 1.0) & (height < 2.0)
        return found

    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> np.ndarray:
        gone = (after["centre"] - before["centre"]).reshape(len(action), -1)[:, 0]
        return 1.25 * gone / (5 * scene.dt) - 0.1 * _squares(action) + 5.0 * fine(after)

    return Task(
        scene,
        reward=reward,
        observe=partial(_joints, skipped=2),
        ended=lambda seen: ~fine(seen),
        start=partial(_noisy, size=1e-2, normal=False),
        reads=("centre",),
        repeat=5,
        **_ranges(scene),
    )


TASKS: dict[str, Callable[..., Task]] = {
    "HalfCheetah": _half_cheetah,
    "Hopper": _hopper,
    "Walker2d": _walker,
    "Ant": _ant,
    "Humanoid": _humanoid,
}
"""By gymnasium's names."""
