"""What a report draws of planar bodies over time."""

from __future__ import annotations

import numpy as np

from diffsim.physics.rigid_bodies.joints import Pin
from diffsim.rollout import Rollout
from diffsim.viewing.series import Series, speeds

__all__ = ["series_of"]


def series_of(rollout: Rollout) -> list[Series]:
    """Angles at pins, speeds of bodies, and how hard they are pressed."""
    scene, arrays = rollout.problem.scene, rollout.arrays
    names = [f"body {k}" for k in range(len(scene.bodies))]
    pins = [pin for pin in scene.joints if isinstance(pin, Pin)]
    found = []
    if pins:
        turned = np.concatenate([arrays["angle"], np.zeros((len(arrays["angle"]), 1))], axis=1)  # the world is the last
        ends = [(pin.first, -1 if pin.second is None else pin.second) for pin in pins]
        first, second = np.array(ends).T
        labels = [f"{a} and {b if b >= 0 else 'world'}" for a, b in ends]
        found.append(Series("joint angles", "rad", turned[:, second] - turned[:, first], labels))
    if "velocity" in arrays:
        found.append(speeds(arrays["velocity"], names))
    return found + _contacts(rollout, names)


def _contacts(rollout: Rollout, names: list[str]) -> list[Series]:
    """Of each body the sizes of the forces on it together."""
    arrays, scene = rollout.arrays, rollout.problem.scene
    if "contact_force" not in arrays or "contact_pair" not in arrays or not len(scene.pairs):
        return []
    pair = np.asarray(arrays["contact_pair"]).astype(int)
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.where(pair >= 0, np.linalg.norm(arrays["contact_force"], axis=2), 0.0)
    touching = scene.pairs[np.maximum(pair, 0)]  # (steps, slots, 2)
    total = np.stack([np.where((touching == k).any(axis=2), size, 0.0).sum(axis=1) for k in range(len(names))], axis=1)
    return [Series("contact forces", "N", total, names, peaks=True)] if total.any() else []
