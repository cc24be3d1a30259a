"""The tasks of gymnasium's robots.

They are gymnasium's of version 5, as their documentation and source define them, but for what is worked
out from forces: the observations of Ant and Humanoid are the positions and velocities, and contact costs nothing. That
is ``gymnasium.make("Ant-v5", include_cfrc_ext_in_observation=False, contact_cost_weight=0.0)``, and of the humanoid
likewise without ``cinert``, ``cvel`` and ``qfrc_actuator``. Speeds of these two are differences of where the robot is;
gymnasium takes where MuJoCo last worked it out, which is a substep earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from diffsim.bridges.diffrl import OF_DIFFRL
from diffsim.bridges.tasks import Arrays, Task, joints, robot, up
from diffsim.errors import InputError
from diffsim.spec import choices

__all__ = ["TASKS", "task"]


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


def _noisy(start: Arrays, rng: np.random.Generator, size: float, normal: bool) -> Arrays:
    """Positions uniformly, velocities uniformly or with a normal distribution around the start."""
    q, v = start["joint_position"], start["joint_velocity"]
    shake = rng.standard_normal(v.shape) if normal else rng.uniform(-1.0, 1.0, v.shape)
    return {"joint_position": q + rng.uniform(-size, size, q.shape), "joint_velocity": v + size * shake}


def _forward(before: Arrays, action: np.ndarray, after: Arrays, seconds: float, cost: float) -> np.ndarray:
    gone: np.ndarray = after["joint_position"][:, 0] - before["joint_position"][:, 0]
    return gone / seconds - cost * (action**2).sum(axis=1)


def _below(value: Any, least: float) -> Any:
    """The square of how far values are below the least; 0 above it."""
    return (least - value).clip(min=0.0) ** 2


def _half_cheetah(**changes: Any) -> Task:
    return Task(
        reward=partial(_forward, seconds=0.05, cost=0.1),
        observe=partial(joints, skipped=1),
        start=partial(_noisy, size=0.1, normal=True),
        reads=(),
        **robot("half_cheetah", 0.05, changes, unobserved=("rootx",)),
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
        observe=partial(joints, skipped=1, limit=10.0),
        ended=lambda seen: ~fine(seen),
        start=partial(_noisy, size=5e-3, normal=False),
        reads=(),
        **robot(file, 0.008, changes, unobserved=("rootx",)),
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
        height = after["joint_position"][:, 2]  # it must not leap, either
        return -10.0 * _below(height, 0.35) - 30.0 * _below(-height, -0.8) - 3.0 * _below(up(after), 0.8)

    def hopeless(seen: Arrays) -> Any:  # on its back it is as healthy as on its feet, and stays there
        return up(seen) < 0.2

    return Task(
        reward=reward,
        shaping=shaping,
        hopeless=hopeless,
        observe=partial(joints, skipped=2),
        ended=lambda seen: ~fine(seen),
        start=partial(_noisy, size=0.1, normal=True),
        reads=(),
        **robot("ant", 0.05, changes),
    )


def _humanoid(**changes: Any) -> Task:
    def fine(seen: Arrays) -> Any:
        height = seen["joint_position"][:, 2]
        return (height > 1.0) & (height < 2.0)

    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        gone = (after["centre"] - before["centre"]).reshape(len(action), -1)[:, 0]
        return 1.25 * gone / 0.015 - 0.1 * (action**2).sum(axis=1) + 5.0 * fine(after)

    def shaping(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        return -100.0 * _below(after["joint_position"][:, 2], 1.25) - 10.0 * _below(up(after), 0.9)

    return Task(
        reward=reward,
        shaping=shaping,
        observe=partial(joints, skipped=2),
        ended=lambda seen: ~fine(seen),
        start=partial(_noisy, size=1e-2, normal=False),
        reads=("centre",),
        **robot("humanoid", 0.015, changes, ignore=("tendon",)),
    )


TASKS: dict[str, Callable[..., Task]] = {
    "HalfCheetah": _half_cheetah,
    "Hopper": _hopper,
    "Walker2d": _walker,
    "Ant": _ant,
    "Humanoid": _humanoid,
}
"""By gymnasium's names."""
