"""What a report draws of a body of springs over time."""

from __future__ import annotations

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.series import Series

__all__ = ["series_of"]


def series_of(rollout: Rollout) -> list[Series]:
    """The velocity of the centre of mass, and the force of the ground."""
    if "velocity" not in rollout.arrays:
        return []
    velocity, n = rollout["velocity"], rollout["velocity"].shape[1]
    mass = np.broadcast_to(rollout.numbers.get("scene.mass", 1.0), n)
    centre = np.einsum("rnd,n->rd", velocity, mass) / (mass.sum() or 1.0)
    axes = list("xyz"[: velocity.shape[2]])
    return [Series("velocity of the centre", "m/s", centre, axes), *_of_ground(rollout, velocity, mass)]


def _of_ground(rollout: Rollout, velocity: np.ndarray, mass: np.ndarray) -> list[Series]:
    """What changes the momentum beside weight, damping and external force; nothing where something else holds points.

    A mean over each step: an impact is all in one.
    """
    scene, numbers = rollout.problem.scene, rollout.numbers
    if scene.ground is None or len(scene.fixed) or len(velocity) < 2 or "scene.gravity" not in numbers:
        return []
    momentum = np.einsum("rnd,n->rd", np.asarray(velocity, dtype=float), mass)
    step = np.diff(rollout.time)[:, None]
    kept = np.exp(-numbers["scene.damping"] * step) * momentum[:-1]
    external = np.broadcast_to(numbers["scene.force"], velocity.shape[1:]).sum(axis=0)
    force = (momentum[1:] - kept) / step - mass.sum() * numbers["scene.gravity"] - external
    return [Series("contact forces", "N", np.linalg.norm(force, axis=1), ["ground"], peaks=True)]
