"""Energy and momentum of a robot."""

from __future__ import annotations

import numpy as np

from diffsim.physics.articulated import tendon_numbers
from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.physics.articulated.tendon_kinematics import length
from diffsim.physics.articulated.tree import Tree

__all__ = ["mechanics"]


def mechanics(scene: Tree, position: np.ndarray, velocity: np.ndarray) -> dict[str, np.ndarray]:
    """Energy, momentum, angular momentum and orientations of a robot: see `Articulated.derive`.

    Args:
        scene: the robot.
        position: (rows, nq) of its joints, from the start on.
        velocity: (rows, nv) of its joints.
    """
    rows = len(position)
    time = scene.dt * np.arange(rows)
    pose = forward_kinematics(scene, position, time)
    energy, momentum, around = np.zeros(rows), np.zeros((rows, 3)), np.zeros((rows, 3))
    owners = np.array([owner for owner, _ in scene.freedom_owners])
    for k, link in enumerate(scene.links):
        above = np.isin(owners, scene.lineages[k])
        rate = velocity[:, above, None]
        centre = pose.origin[:, k] + pose.rotation[:, k] @ link.centre
        spin = (pose.turn[:, above] * rate).sum(axis=1)
        arm = centre[:, None] - pose.point[:, above]
        speed = ((np.cross(pose.turn[:, above], arm) + pose.slide[:, above]) * rate).sum(axis=1)
        axes = pose.rotation[:, k] @ rotation_of(link.inertia_orientation)
        local = np.einsum("rij,ri->rj", axes, spin)
        energy += 0.5 * link.mass * (speed**2).sum(axis=1) + 0.5 * (link.inertia * local**2).sum(axis=1)
        energy -= (1.0 - link.buoyancy) * link.mass * centre @ scene.gravity
        momentum += link.mass * speed
        around += link.mass * np.cross(centre, speed) + np.einsum("rij,rj->ri", axes, link.inertia * local)
    energy += 0.5 * velocity**2 @ np.array([joint.armature for _, joint in scene.freedom_owners])
    for joint, (_, end, kind) in zip(scene.joints, scene.joint_coordinates(), strict=True):
        if kind in ("hinge", "slide"):
            energy += 0.5 * joint.stiffness * (position[:, end - 1] - joint.rest) ** 2
        elif kind == "ball":
            q = position[:, end - 4 : end]
            angle = 2.0 * np.arctan2(np.linalg.norm(q[:, 1:], axis=1), np.abs(q[:, 0]))
            energy += 0.5 * joint.stiffness * angle**2
        elif joint.stiffness:
            link = next(link for link in scene.links if joint in link.joints)
            place, q = position[:, end - 7 : end - 4], position[:, end - 4 : end]
            apart = np.abs(q @ link.orientation) / np.linalg.norm(q, axis=1)
            angle = 2.0 * np.arccos(np.minimum(apart, 1.0))
            energy += 0.5 * joint.stiffness * (((place - link.position) ** 2).sum(axis=1) + angle**2)
    rest = tendon_numbers.numbers(scene).get("tendon_rest", ())
    for tendon, (shortest, longest) in zip(scene.tendons, rest, strict=True):
        long = length(scene, tendon, position, time)
        stretched = np.maximum(long - longest, 0.0) + np.minimum(long - shortest, 0.0)
        energy += 0.5 * tendon.stiffness * stretched**2
    return {"energy": energy, "momentum": momentum, "angular_momentum": around, "orientation": pose.rotation}
