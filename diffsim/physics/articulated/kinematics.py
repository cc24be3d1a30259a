"""Forward kinematics in NumPy: where the links of a robot are, for scenes and pictures.

All functions take any number of leading axes, e.g. of environments and rows.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np

from diffsim.physics.articulated.mocap import place_of
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.physics.articulated.tree import Tree

__all__ = [
    "Pose",
    "forward_kinematics",
    "inverse_inertias",
    "joint_inertias",
    "joint_mobilities",
    "mass_matrix",
]


class Pose(NamedTuple):
    """Where the links of a robot are, and how each velocity moves what is beyond its joint.

    Attributes:
        origin: (..., n, 3) of the links' frames in the world [m].
        rotation: (..., n, 3, 3) from the links' frames to the world.
        turn: (..., nv, 3) angular velocity per velocity.
        point: (..., nv, 3) on the axis of that [m].
        slide: (..., nv, 3) velocity of the point per velocity.
    """

    origin: np.ndarray
    rotation: np.ndarray
    turn: np.ndarray
    point: np.ndarray
    slide: np.ndarray


def _about(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = angle[..., None, None]
    turned: np.ndarray = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turned


def forward_kinematics(scene: Tree, position: np.ndarray, time: Any = None) -> Pose:
    """The pose of a robot whose joints have the positions (..., nq).

    Links that are moved from outside are where they are at times (...) [s]; without one, where their ``position`` is.
    """
    lead = position.shape[:-1]
    n, nv = len(scene.links), scene.freedoms
    pose = Pose(np.zeros((*lead, n, 3)), np.zeros((*lead, n, 3, 3)), *(np.zeros((*lead, nv, 3)) for _ in range(3)))
    at = freedom = 0
    for k, link in enumerate(scene.links):
        parent = scene.parents[k]
        frame = pose.rotation[..., parent, :, :] if parent >= 0 else np.broadcast_to(np.eye(3), (*lead, 3, 3))
        origin = pose.origin[..., parent, :] if parent >= 0 else np.zeros((*lead, 3))
        origin, frame = origin + frame @ link.position, frame @ rotation_of(link.orientation)
        if link.mocap is not None and time is not None:
            origin, turn = place_of(scene, k, time)
            frame = rotation_of(turn)
        for joint in link.joints:
            value = position[..., at : at + joint.coordinates]
            at += joint.coordinates
            if joint.motion == "free":
                origin, frame = value[..., :3], rotation_of(value[..., 3:])
                pose.slide[..., freedom : freedom + 3, :] = np.eye(3)
                pose.turn[..., freedom + 3 : freedom + 6, :] = np.moveaxis(frame, -1, -2)
                pose.point[..., freedom : freedom + 6, :] = origin[..., None, :]
            elif joint.motion == "slide":
                axis = frame @ joint.axis
                pose.point[..., freedom, :] = origin
                pose.slide[..., freedom, :] = axis
                origin = origin + axis * (value - joint.reference)
            else:
                anchor = origin + frame @ joint.anchor
                if joint.motion == "hinge":
                    pose.turn[..., freedom, :] = frame @ joint.axis
                    frame = frame @ _about(joint.axis, value[..., 0] - joint.reference)
                else:
                    frame = frame @ rotation_of(value)
                    pose.turn[..., freedom : freedom + 3, :] = np.moveaxis(frame, -1, -2)
                pose.point[..., freedom : freedom + joint.freedoms, :] = anchor[..., None, :]
                origin = anchor - frame @ joint.anchor
            freedom += joint.freedoms
        pose.origin[..., k, :], pose.rotation[..., k, :, :] = origin, frame
    return pose


def mass_matrix(scene: Tree, position: np.ndarray) -> np.ndarray:
    """(nv, nv) twice the energy of motion per velocities of two joints, armature included.

    Of the armature of tendons that is, as in MuJoCo, what joints have by themselves and with those that they carry.
    """
    pose = forward_kinematics(scene, position)
    found = np.diag([joint.armature for _, joint in scene.freedom_owners])
    owners = np.array([owner for owner, _ in scene.freedom_owners])
    for tendon in scene.tendons:
        along = {scene.freedom(name): value for name, value in tendon.joints.items() if tendon.armature}
        for (i, one), (k, other) in product(along.items(), repeat=2):
            if owners[i] in scene.lineages[owners[k]] or owners[k] in scene.lineages[owners[i]]:
                found[i, k] += tendon.armature * one * other
    for k, link in enumerate(scene.links):
        above = np.flatnonzero(np.isin(owners, scene.lineages[k]))
        turn, point, slide = pose.turn[above], pose.point[above], pose.slide[above]
        moved = slide + np.cross(turn, pose.origin[k] + pose.rotation[k] @ link.centre - point)
        local = turn @ (pose.rotation[k] @ rotation_of(link.inertia_orientation))
        found[np.ix_(above, above)] += link.mass * moved @ moved.T + (local * link.inertia) @ local.T
    return found


def inverse_inertias(scene: Tree) -> np.ndarray:
    """(n, 2) acceleration of each link's centre of mass per force on it, and of its turning per torque, mean of all
    directions [1/kg], [1/(kg m^2)].

    Where joints are at their reference, all of them free to move: MuJoCo's ``body_invweight0``.
    """
    position = scene.reference_position
    pose, inverse = forward_kinematics(scene, position), np.linalg.pinv(mass_matrix(scene, position), hermitian=True)
    owners = np.array([owner for owner, _ in scene.freedom_owners])
    found = np.zeros((len(scene.links), 2))
    for k, link in enumerate(scene.links):
        above = np.isin(owners, scene.lineages[k])[:, None]
        centre = pose.origin[k] + pose.rotation[k] @ link.centre
        shift = above * (pose.slide + np.cross(pose.turn, centre - pose.point))
        found[k] = [np.trace(rows.T @ inverse @ rows) / 3.0 for rows in (shift, above * pose.turn)]
    return found


def joint_mobilities(scene: Tree) -> np.ndarray:
    """(j, 2) acceleration of each joint per force or torque, mean of its shifts and of its turns [1/kg], [1/(kg m^2)].

    Where joints are at their reference, all of them free to move: MuJoCo's ``dof_invweight0``. Of a joint of one kind
    both numbers are the same.
    """
    inverse = np.diag(np.linalg.pinv(mass_matrix(scene, scene.reference_position), hermitian=True))
    found, first = [], 0
    for joint in scene.joints:
        own = inverse[first : first + joint.freedoms]
        first += joint.freedoms
        found.append([own[:3].mean(), own[3:].mean()] if joint.motion == "free" else [own.mean()] * 2)
    return np.array(found).reshape(-1, 2)


def joint_inertias(scene: Tree, position: np.ndarray) -> np.ndarray:
    """(nv,) what each velocity moves if all other joints are locked, armature included [kg] or [kg m^2]."""
    return np.diag(mass_matrix(scene, position))
