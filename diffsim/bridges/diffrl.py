"""The robots of gymnasium with the rewards of DiffRL (Xu et al. 2022, arXiv:2204.07137, and its code)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from diffsim.bridges.tasks import Arrays, Task, joints, robot, up

__all__ = ["OF_DIFFRL"]


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
        observe=partial(joints, skipped=1),
        start=partial(_moved, size=0.1, joints=0.1, speed=0.25),
        reads=(),
        **robot("half_cheetah", 0.02, changes, unobserved=("rootx",)),
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
        observe=partial(joints, skipped=1),
        ended=lambda seen: height(seen) < -0.45,
        start=partial(_moved, size=0.05, joints=0.05, speed=0.05),
        reads=(),
        **robot("hopper", 0.016, changes, unobserved=("rootx",)),
    )


def _ant_of_diffrl(**changes: Any) -> Task:
    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        height = after["joint_position"][:, 2] - 0.27
        return after["joint_velocity"][:, 0] + 0.1 * up(after) + _ahead(after) + height

    knees = (0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0)
    return Task(
        reward=reward,
        observe=partial(joints, skipped=2),
        ended=lambda seen: seen["joint_position"][:, 2] < 0.27,
        start=_turned,
        reads=(),
        **robot("ant", 0.02, {"initial_position": (0.0, 0.0, 0.75, 1.0, 0.0, 0.0, 0.0, *knees), **changes}),
    )


def _humanoid_of_diffrl(**changes: Any) -> Task:
    def reward(before: Arrays, action: np.ndarray, after: Arrays) -> Any:
        stands = _above(after["joint_position"][:, 2] - 0.84, 0.1, 10.0)
        facing = 0.1 * up(after) + _ahead(after)
        return after["joint_velocity"][:, 0] + facing + stands - 0.002 * ((action / 0.4) ** 2).sum(axis=1)

    return Task(
        reward=reward,
        observe=partial(joints, skipped=2),
        ended=lambda seen: seen["joint_position"][:, 2] < 0.74,
        start=_turned,
        reads=(),
        **robot("humanoid", 0.015, changes, ignore=("tendon",)),
    )


OF_DIFFRL: dict[str, Callable[..., Task]] = {
    "HalfCheetah": _cheetah_of_diffrl,
    "Hopper": _hopper_of_diffrl,
    "Ant": _ant_of_diffrl,
    "Humanoid": _humanoid_of_diffrl,
}
"""By gymnasium's names."""
