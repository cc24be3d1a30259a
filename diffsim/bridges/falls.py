"""How far a robot comes, and when it falls, as its first link tells."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.scene import Articulated
from diffsim.rollout import Rollout

__all__ = ["can_fall", "course", "first_fall"]

LEAN = 90.0
"""Degrees from how it started, from which on it lies rather than stands: a gallop leans by more than 60."""

SUNK = 0.5
"""Share of the height at which it started, below which it lies."""


def first_fall(rollout: Rollout) -> Any:
    """When a robot falls for the first time [s]; inf if it does not: a float, or (envs,) of several copies.

    It has fallen once its first link leans by more than 90 degrees from how it started, however it is turned about the
    vertical, or is at less than half the height over the world's origin, or nobody knows where, as numbers are not
    finite any more. On land that is not level that is a convention and no more.

    Args:
        rollout: of an `Articulated` scene, with ``position`` and ``rotation``: of a simulation or of
            `replay_in_mujoco`.

    Raises:
        InputError: the scene is no robot, or one whose first link cannot fall, as no joint lets it move up and down.
    """
    scene = rollout.problem.scene
    if not isinstance(scene, Articulated):
        raise InputError(f"first_fall is of robots, but the scene is a {type(scene).__name__}")
    if not can_fall(scene):
        raise InputError(
            f"first_fall is of robots that can fall, but no joint lets {scene.links[0].name!r} rise or sink"
        )
    height = rollout["position"][..., 0, 2]
    turn = rollout["rotation"][..., 0, :].reshape(*height.shape, 3, 3)
    upright = (turn[..., 2, :] * turn[..., :1, 2, :]).sum(axis=-1)  # cosine of how the first row's vertical leans
    with np.errstate(invalid="ignore"):
        stands = (upright > np.cos(np.radians(LEAN))) & (height > SUNK * height[..., :1])
    when = np.where(stands.all(axis=-1), np.inf, rollout.time[(~stands).argmax(axis=-1)])
    return when if rollout.envs > 1 else float(when)


def can_fall(scene: Any) -> bool:
    """Whether the first link of a robot moves up and down: by a free joint, or along a slide that is not level."""
    first = scene.links[0]
    return any(j.motion == "free" or (j.motion == "slide" and abs(j.axis[2]) > 1e-6) for j in first.joints)


def course(rollout: Rollout) -> str:
    """How far the centre of mass came in the plane of the ground, and when the robot fell, in words; of one copy."""
    joints, scene = (rollout["joint_position"], rollout["joint_velocity"]), rollout.problem.scene
    centre = scene.sense(*joints)["centre"]
    told = f"{np.linalg.norm(centre[-1, :2] - centre[0, :2]):.2f} m in {rollout.time[-1]:.2f} s"
    fall = first_fall(rollout) if can_fall(scene) else np.inf
    return told if np.isinf(fall) else f"{told}, falls after {fall:.2f} s"
