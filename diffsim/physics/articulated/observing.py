"""What controllers and objectives read of a robot, in NumPy: of states that may come from anywhere.

All functions take any number of leading axes, e.g. of environments and rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.physics.articulated import pairs
from diffsim.physics.articulated.kinematics import Pose, forward_kinematics
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.physics.articulated.tendon_kinematics import gradient, length
from diffsim.physics.articulated.tree import Tree

__all__ = ["VELOCITY_SCALE", "actuator_state", "centre", "names", "observation"]

VELOCITY_SCALE = 0.1
"""What a controller observes of a velocity [s/m] or [s/rad]: 10 m/s or 10 rad/s is one."""


def observation(scene: Any, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """(..., observations) of joints at (..., nq) with velocities (..., nv): see docs/articulated.md."""
    pose = forward_kinematics(scene, position)
    seen, at = [], 0
    for k, link in enumerate(scene.links):
        for joint in link.joints:
            value = position[..., at : at + joint.coordinates]
            at += joint.coordinates
            if joint.motion == "free":
                turn = pose.rotation[..., k, :, :]
                seen += [pose.origin[..., k, 2:], turn[..., 2, :], turn[..., :2, 0]]
            elif joint.motion == "ball":
                seen.append(value / np.linalg.norm(value, axis=-1, keepdims=True))
            elif joint.name not in scene.unobserved:
                around = joint.motion == "hinge" and joint.limits is None
                seen += [np.sin(value), np.cos(value)] if around else [value]
    return np.concatenate([*seen, VELOCITY_SCALE * velocity, touch(scene, pose)], axis=-1)


def names(scene: Any) -> list[tuple[str, str]]:
    """What each number of the observation is, and its unit."""
    seen: list[tuple[str, str]] = []
    speeds: list[tuple[str, str]] = []
    turn, slide = f"{1.0 / VELOCITY_SCALE:g} rad/s", f"{1.0 / VELOCITY_SCALE:g} m/s"
    for joint in scene.joints:
        name = joint.name
        if joint.motion == "free":
            seen += [(f"height of {name}", "m")]
            seen += [(f"{axis} of the world's upward axis in the frame of {name}", "1") for axis in "xyz"]
            seen += [(f"{axis} of the x axis of {name}", "1") for axis in "xy"]
            speeds += [(f"{axis} velocity of {name}", slide) for axis in "xyz"]
            speeds += [(f"{axis} angular velocity of {name}", turn) for axis in "xyz"]
        elif joint.motion == "ball":
            seen += [(f"{part} of the quaternion of {name}", "1") for part in "wxyz"]
            speeds += [(f"{axis} angular velocity of {name}", turn) for axis in "xyz"]
        else:
            hinge = joint.motion == "hinge"
            speeds.append((f"velocity of {name}", turn if hinge else slide))
            if name not in scene.unobserved:
                around = hinge and joint.limits is None
                kinds = ("sine", "cosine") if around else ("position",)
                unit = "1" if around else "rad" if hinge else "m"
                seen += [(f"{kind} of {name}", unit) for kind in kinds]
    felt = [(f"touch of {scene.all_geoms[k][1].name}", "1") for k in pairs.touch_geoms(scene)]
    return [*seen, *speeds, *felt]


def touch(scene: Tree, pose: Pose) -> np.ndarray:
    """(..., k) how much each geom that may touch a plane does, from 0 to 1 for each of its spots."""
    felt = list(pairs.touch_geoms(scene))
    found, chosen = np.zeros((*pose.origin.shape[:-2], len(felt))), pairs.chosen_pairs(scene)
    for spot in pairs.spots(scene):
        if spot.kind != "plane" or not felt:
            continue
        (_, plane), (owner, geom) = (scene.all_geoms[k] for k in spot.geoms)
        normal, along = rotation_of(plane.orientation)[:, 2], rotation_of(geom.orientation)
        rounded = geom.shape in ("sphere", "capsule")
        reach, corner = (geom.size[0], np.array(spot.corner)) if rounded else (0.0, np.array(spot.corner))
        extent = (geom.size[1] if geom.shape == "capsule" else 0.0) if rounded else geom.size
        place = pose.origin[..., owner, :] + pose.rotation[..., owner, :, :] @ (
            geom.position + along @ (corner * extent)
        )
        pair = chosen.get(frozenset(spot.geoms))
        margin = geom.margin + plane.margin if pair is None else scene.pairs[pair].margin
        depth = reach + margin - (place - plane.position) @ normal
        found[..., felt.index(spot.geoms[1])] += np.clip(depth / scene.touch_depth, 0.0, 1.0)
    return found


def centre(scene: Tree, position: np.ndarray, time: Any = None) -> np.ndarray:
    """(..., 3) of mass [m]; ``time`` as in `forward_kinematics`."""
    pose = forward_kinematics(scene, position, time)
    masses = np.array([link.mass for link in scene.links])
    places = [pose.origin[..., k, :] + pose.rotation[..., k, :, :] @ link.centre for k, link in enumerate(scene.links)]
    found: np.ndarray = np.moveaxis(np.stack(places), 0, -1) @ (masses / masses.sum())
    return found


def actuator_state(
    scene: Tree, position: np.ndarray, velocity: np.ndarray, time: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """(..., k) position and velocity of each actuator's joint or tendon; 0 at a site."""
    names = [joint.name for joint in scene.joints]
    coordinates = np.cumsum([0, *(joint.coordinates for joint in scene.joints)])
    freedoms = np.cumsum([0, *(joint.freedoms for joint in scene.joints)])
    place, speed = (np.zeros((*value.shape[:-1], len(scene.actuators))) for value in (position, velocity))
    tendons = {tendon.name: tendon for tendon in scene.tendons}
    for k, actuator in enumerate(scene.actuators):
        if actuator.joint:
            driven = names.index(actuator.joint)
            place[..., k], speed[..., k] = position[..., coordinates[driven]], velocity[..., freedoms[driven]]
        elif actuator.tendon:
            tendon = tendons[actuator.tendon]
            place[..., k] = length(scene, tendon, position, time)
            speed[..., k] = (gradient(scene, tendon, position, time) * velocity).sum(axis=-1)
    return place, speed
