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
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.mjcf import load_mjcf
from diffsim.spec import array, choices, whole

__all__ = ["OF_DIFFRL", "TASKS", "Arrays", "Task", "task"]

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


# gymnasium's robots


def task(name: str, *, reward: str = "gymnasium", **changes: Any) -> Task:
    """The task of one of gymnasium's robots: "HalfCheetah", "Hopper", "Walker2d", "Ant" or "Humanoid".

    What a controller of the scene observes leaves out how far it has come, as gymnasium's observations do.

    Args:
        name: with or without "-v5".
        reward: "gymnasium", or "diffrl": reward, start and end of SHAC's own (Xu et al. 2022, arXiv:2204.07137, and its
            code), of all but Walker2d. The robots are gymnasium's all the same: theirs have stronger motors, and hold
            an action for 1/60 s, these for 16 ms (Hopper), 15 ms (Humanoid) or 20 ms.
        changes: of the scene, as `load_mjcf` takes them: ``substeps=5``; ``integrator="euler"`` is four times as fast
            as the Runge-Kutta that some of the files ask for. A whole number of steps ``dt`` makes the time for which
            gymnasium holds an action.

    Raises:
        InputError: there is no task of that name, or ``dt`` does not fit.
        MissingExtraError: there is no ``mujoco`` or ``gymnasium``; the extra ``robots`` has both.
    """
    known = name.removesuffix("-v5")
    tasks = {"gymnasium": TASKS, "diffrl": OF_DIFFRL}[choices("task: reward", reward, ("gymnasium", "diffrl"))]
    if known not in tasks:
        raise InputError(f"there is no task {name!r} with the reward of {reward}; there are {', '.join(tasks)}")
    return tasks[known](**changes)


def _robot(
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


def _noisy(start: Arrays, rng: np.random.Generator, size: float, normal: bool) -> Arrays:
    """Positions uniformly, velocities uniformly or with a normal distribution around the start."""
    q, v = start["joint_position"], start["joint_velocity"]
    shake = rng.standard_normal(v.shape) if normal else rng.uniform(-1.0, 1.0, v.shape)
    return {"joint_position": q + rng.uniform(-size, size, q.shape), "joint_velocity": v + size * shake}


def _joints(seen: Arrays, skipped: int, limit: float = np.inf) -> np.ndarray:
    """Positions but for the first, and velocities up to a limit."""
    q, v = seen["joint_position"][:, skipped:], seen["joint_velocity"]
    return np.concatenate([q, np.clip(v, -limit, limit)], axis=1)


def _forward(before: Arrays, action: np.ndarray, after: Arrays, seconds: float, cost: float) -> np.ndarray:
    gone: np.ndarray = after["joint_position"][:, 0] - before["joint_position"][:, 0]
    return gone / seconds - cost * (action**2).sum(axis=1)


def _below(value: Any, least: float) -> Any:
    """The square of how far values are below the least; 0 above it."""
    return (least - value).clip(min=0.0) ** 2


def _up(seen: Arrays) -> Any:
    """Of what a free joint carries, how much of its axis up points up: the cosine."""
    x, y = seen["joint_position"][:, 4], seen["joint_position"][:, 5]
    return 1.0 - 2.0 * (x**2 + y**2) / (seen["joint_position"][:, 3:7] ** 2).sum(axis=1)


def _half_cheetah(**changes: Any) -> Task:
    return Task(
        reward=partial(_forward, seconds=0.05, cost=0.1),
        observe=partial(_joints, skipped=1),
        start=partial(_noisy, size=0.1, normal=True),
        reads=(),
        **_robot("half_cheetah", 0.05, changes, unobserved=("rootx",)),
    )


def _on_its_leg(seen: Arrays, heights: tuple[float, float], angle: float, most: float) -> Any:
    """Whether a robot in a plane is upright, within open ranges, and nothing of its state but x is beyond ``most``."""
    q, v = seen["joint_position"], seen["joint_velocity"]
    up = (heights[0] < q[:, 1]) & (q[:, 1] < heights[1]) & (abs(q[:, 2]) < angle)
    return up & (abs(q[:, 2:]) < most).all(axis=1) & (abs(v) < most).all(axis=1)


def _in_a_plane(
    file: str, heights: tuple[float, float], angle: float, most: float, hints: tuple[float, float], changes: Any
) -> Task:
    """Heights [m] and the angle [rad] that it must keep, and those from which on it is told to."""
    fine = partial(_on_its_leg, heights=heights, angle=angle, most=most)

    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        return _forward(before, action, after, 0.008, 1e-3) + fine(after)

    def shaping(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        q, (height, lean) = after["joint_position"], hints
        return -50.0 * _below(q[:, 1], height) - 8.0 / angle**2 * _below(-abs(q[:, 2]), -lean)

    return Task(
        reward=reward,
        shaping=shaping,
        observe=partial(_joints, skipped=1, limit=10.0),
        ended=lambda seen: ~fine(seen),
        start=partial(_noisy, size=5e-3, normal=False),
        reads=(),
        **_robot(file, 0.008, changes, unobserved=("rootx",)),
    )


def _hopper(**changes: Any) -> Task:
    return _in_a_plane("hopper", (0.7, np.inf), 0.2, 100.0, (0.9, 0.1), changes)


def _walker(**changes: Any) -> Task:
    return _in_a_plane("walker2d_v5", (0.8, 2.0), 1.0, np.inf, (1.0, 0.5), changes)


def _ant(**changes: Any) -> Task:
    def fine(seen: Arrays) -> Any:
        q, v = seen["joint_position"], seen["joint_velocity"]
        finite = (abs(q) < np.inf).all(axis=1) & (abs(v) < np.inf).all(axis=1)
        return finite & (q[:, 2] >= 0.2) & (q[:, 2] <= 1.0)

    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        return _forward(before, action, after, 0.05, 0.5) + fine(after)

    def shaping(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        return -10.0 * _below(after["joint_position"][:, 2], 0.35) - 3.0 * _below(_up(after), 0.8)

    def hopeless(seen: Arrays) -> Any:  # on its back it is as healthy as on its feet, and stays there
        return _up(seen) < 0.2

    return Task(
        reward=reward,
        shaping=shaping,
        hopeless=hopeless,
        observe=partial(_joints, skipped=2),
        ended=lambda seen: ~fine(seen),
        start=partial(_noisy, size=0.1, normal=True),
        reads=(),
        **_robot("ant", 0.05, changes),
    )


def _humanoid(**changes: Any) -> Task:
    def fine(seen: Arrays) -> Any:
        height = seen["joint_position"][:, 2]
        return (height > 1.0) & (height < 2.0)

    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        gone = (after["centre"] - before["centre"]).reshape(len(action), -1)[:, 0]
        return 1.25 * gone / 0.015 - 0.1 * (action**2).sum(axis=1) + 5.0 * fine(after)

    def shaping(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        return -100.0 * _below(after["joint_position"][:, 2], 1.25) - 10.0 * _below(_up(after), 0.9)

    return Task(
        reward=reward,
        shaping=shaping,
        observe=partial(_joints, skipped=2),
        ended=lambda seen: ~fine(seen),
        start=partial(_noisy, size=1e-2, normal=False),
        reads=("centre",),
        **_robot("humanoid", 0.015, changes, ignore=("tendon",)),
    )


TASKS: dict[str, Callable[..., Task]] = {
    "HalfCheetah": _half_cheetah,
    "Hopper": _hopper,
    "Walker2d": _walker,
    "Ant": _ant,
    "Humanoid": _humanoid,
}
"""By gymnasium's names."""


# The same robots with the rewards of DiffRL


def _moved(start: Arrays, rng: np.random.Generator, size: float, joints: float, speed: float) -> Arrays:
    """A robot in a plane: place within ``size`` [m, rad], joints within ``joints``, speeds within ``speed``."""
    q, v = start["joint_position"], start["joint_velocity"]
    sizes = np.where(np.arange(q.shape[1]) < 3, size, joints)
    moved = q + sizes * rng.uniform(-1.0, 1.0, q.shape)
    return {"joint_position": moved, "joint_velocity": v + rng.uniform(-speed, speed, v.shape)}


def _turned(start: Arrays, rng: np.random.Generator) -> Arrays:
    """A free robot: its place within 0.1 m, turned by up to 7.5 degrees, joints within 0.2 rad, speeds within 0.25."""
    q, v = np.array(start["joint_position"], np.float64), start["joint_velocity"]
    axis, half = rng.standard_normal((len(q), 3)), 0.5 * rng.uniform(-np.pi / 24.0, np.pi / 24.0, (len(q), 1))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    w, xyz, s, t = q[:, 3:4].copy(), q[:, 4:7].copy(), np.cos(half), np.sin(half) * axis
    q[:, :3] += rng.uniform(-0.1, 0.1, (len(q), 3))
    q[:, 3:4], q[:, 4:7] = w * s - (xyz * t).sum(axis=1, keepdims=True), w * t + s * xyz + np.cross(xyz, t)
    q[:, 7:] += rng.uniform(-0.2, 0.2, q[:, 7:].shape)
    return {"joint_position": q, "joint_velocity": v + rng.uniform(-0.25, 0.25, v.shape)}


def _ahead(seen: Arrays) -> Any:
    """Of what a free joint carries, how much of its x axis points along x: the cosine."""
    y, z = seen["joint_position"][:, 5], seen["joint_position"][:, 6]
    return 1.0 - 2.0 * (y**2 + z**2) / (seen["joint_position"][:, 3:7] ** 2).sum(axis=1)


def _above(height: Any, most: float, scale: float = 1.0) -> Any:
    """What heights above the wanted one [m] are worth, up to ``most``; below it 200 times their square is lost."""
    return scale * height.clip(min=0.0, max=most) - 200.0 * height.clip(min=-1.0, max=0.0) ** 2


def _cheetah_of_diffrl(**changes: Any) -> Task:
    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        return after["joint_velocity"][:, 0] - 0.1 * (action**2).sum(axis=1)

    return Task(
        reward=reward,
        observe=partial(_joints, skipped=1),
        start=partial(_moved, size=0.1, joints=0.1, speed=0.25),
        reads=(),
        **_robot("half_cheetah", 0.02, changes, unobserved=("rootx",)),
    )


def _hopper_of_diffrl(**changes: Any) -> Task:
    def height(seen: Arrays) -> Any:
        return seen["joint_position"][:, 1] - 1.25  # counted from the file's own, as theirs is

    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        lean = after["joint_position"][:, 2] / (np.pi / 6.0)
        posture = _above(height(after) + 0.3, 0.3) + 1.0 - lean**2
        return after["joint_velocity"][:, 0] + posture - 0.1 * (action**2).sum(axis=1)

    return Task(
        reward=reward,
        observe=partial(_joints, skipped=1),
        ended=lambda seen: height(seen) < -0.45,
        start=partial(_moved, size=0.05, joints=0.05, speed=0.05),
        reads=(),
        **_robot("hopper", 0.016, changes, unobserved=("rootx",)),
    )


def _ant_of_diffrl(**changes: Any) -> Task:
    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        height = after["joint_position"][:, 2] - 0.27
        return after["joint_velocity"][:, 0] + 0.1 * _up(after) + _ahead(after) + height

    knees = (0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0)
    return Task(
        reward=reward,
        observe=partial(_joints, skipped=2),
        ended=lambda seen: seen["joint_position"][:, 2] < 0.27,
        start=_turned,
        reads=(),
        **_robot("ant", 0.02, {"initial_position": (0.0, 0.0, 0.75, 1.0, 0.0, 0.0, 0.0, *knees), **changes}),
    )


def _humanoid_of_diffrl(**changes: Any) -> Task:
    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        stands = _above(after["joint_position"][:, 2] - 0.84, 0.1, 10.0)
        facing = 0.1 * _up(after) + _ahead(after)
        return after["joint_velocity"][:, 0] + facing + stands - 0.002 * ((action / 0.4) ** 2).sum(axis=1)

    return Task(
        reward=reward,
        observe=partial(_joints, skipped=2),
        ended=lambda seen: seen["joint_position"][:, 2] < 0.74,
        start=_turned,
        reads=(),
        **_robot("humanoid", 0.015, changes, ignore=("tendon",)),
    )


OF_DIFFRL: dict[str, Callable[..., Task]] = {
    "HalfCheetah": _cheetah_of_diffrl,
    "Hopper": _hopper_of_diffrl,
    "Ant": _ant_of_diffrl,
    "Humanoid": _humanoid_of_diffrl,
}
"""By gymnasium's names."""
