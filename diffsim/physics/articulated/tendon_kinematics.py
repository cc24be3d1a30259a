"""How long tendons are, and how that changes with the joints, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.physics.articulated.kinematics import Pose, forward_kinematics
from diffsim.physics.articulated.tree import Tree

__all__ = ["gradient", "length"]


def length(scene: Tree, tendon: Any, position: np.ndarray) -> np.ndarray:
    """(...) length of a tendon where joints are at (..., nq) [m]."""
    if tendon.joints:
        found: Any = sum(
            value * position[..., scene.coordinate("tendon", joint)] for joint, value in tendon.joints.items()
        )
        return np.asarray(found)
    places = _places(scene, tendon, forward_kinematics(scene, position))
    return np.asarray(np.linalg.norm(np.diff(places, axis=-2), axis=-1).sum(axis=-1))


def gradient(scene: Tree, tendon: Any, position: np.ndarray) -> np.ndarray:
    """(..., nv) rate of its length per velocity."""
    found = np.zeros((*position.shape[:-1], scene.freedoms))
    if tendon.joints:
        for joint, value in tendon.joints.items():
            found[..., scene.freedom(joint)] = value
        return found
    pose = forward_kinematics(scene, position)
    places, owners = _places(scene, tendon, pose), np.array([owner for owner, _ in scene.freedom_owners])
    moved = []
    for k, name in enumerate(tendon.path):
        owner = scene.site(name)[0]
        above = np.isin(owners, scene.lineages[owner] if owner >= 0 else ())
        moved.append(above[:, None] * (pose.slide + np.cross(pose.turn, places[..., k, None, :] - pose.point)))
    for k in range(len(tendon.path) - 1):
        apart = places[..., k + 1, :] - places[..., k, :]
        way = apart / np.maximum(np.linalg.norm(apart, axis=-1, keepdims=True), 1e-12)
        found += ((moved[k + 1] - moved[k]) * way[..., None, :]).sum(axis=-1)
    return found


def _places(scene: Tree, tendon: Any, pose: Pose) -> np.ndarray:
    """(..., k, 3) of the sites of a path, in the world [m]."""
    found = []
    for name in tendon.path:
        owner, site = scene.site(name)
        if owner < 0:
            found.append(np.broadcast_to(site.position, (*pose.origin.shape[:-2], 3)))
        else:
            found.append(pose.origin[..., owner, :] + pose.rotation[..., owner, :, :] @ site.position)
    return np.stack(found, axis=-2)
