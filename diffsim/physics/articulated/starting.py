"""Where a robot starts, against what limits it and what holds it together: in words, as it cannot stay there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.physics.articulated.tendon_kinematics import length
from diffsim.physics.articulated.tree import Tree

__all__ = ["apart", "beyond_limits"]

ROUNDING = 1.0e-6
"""Beyond a limit by less is rounding [m] or [rad]."""

SHIFT, TURN = 1.0e-3, 1.0e-2
"""What is held together but apart by less is not worth a word: files are written to some digits [m], [rad]."""


def beyond_limits(scene: Tree) -> Iterator[str]:
    """Of each joint, tendon and activation that starts beyond its limits: which, where it is and what they are."""
    at = 0
    for joint in scene.joints if scene.limits else ():
        start = scene.initial_position[at : at + joint.coordinates]
        at += joint.coordinates
        if joint.limits is None:
            continue
        bent = np.linalg.norm(start[1:]) if joint.motion == "ball" else 0.0
        place = 2.0 * np.arctan2(bent, abs(start[0])) if joint.motion == "ball" else start[0]
        yield from _beyond(f"joint {joint.name!r} starts at", place, joint.limits)
    for tendon in scene.tendons if scene.limits else ():
        if tendon.limits is not None:
            spans = float(length(scene, tendon, scene.initial_position))
            yield from _beyond(f"tendon {tendon.name!r} starts at", spans, tendon.limits)
    for each in scene.actuators:
        if each.activation_range is not None:
            begun = each.initial_activation
            yield from _beyond(f"actuator {each.name!r} starts with an activation of", begun, each.activation_range)


def _beyond(what: str, place: float, limits: np.ndarray) -> Iterator[str]:
    low, high = limits
    if place < low - ROUNDING or place > high + ROUNDING:
        yield f"{what} {place:.4g}, but its limits are {low:.4g} to {high:.4g}"


def apart(scene: Tree) -> Iterator[str]:
    """Of each equality and hold that is not fulfilled at the start: which, and how far it is from that."""
    start = scene.initial_position
    lengths = {tendon.name: float(length(scene, tendon, start)) for tendon in scene.tendons if scene.equalities}
    for each in scene.equalities:
        names = [name for name in (each.first, each.second) if name is not None]
        if each.of == "tendons":
            places = [lengths[name] for name in names]
            long = any(tendon.name == each.first and tendon.path for tendon in scene.tendons)
        else:
            spots = [scene.coordinate("equality", name) for name in names]
            places = [float(start[k] - scene.reference_position[k]) for k in spots]
            long = any(joint.name == each.first and joint.motion == "slide" for joint in scene.joints)
        x = places[1] if len(places) > 1 else 0.0
        wanted = float(each.polynomial @ x ** np.arange(len(each.polynomial)))
        lacks = abs(places[0] - wanted)
        if lacks > (SHIFT if long else TURN):
            yield f"equality {each.name!r} of {' and '.join(names)} starts off by {lacks:.4g}"
    if scene.holds:
        yield from _holds_apart(scene)


def _holds_apart(scene: Tree) -> Iterator[str]:
    pose = forward_kinematics(scene, scene.initial_position)
    names = [link.name for link in scene.links]
    for hold in scene.holds:
        k = names.index(hold.link)
        origin, frame = np.zeros(3), np.eye(3)
        if hold.other is not None:
            origin, frame = pose.origin[names.index(hold.other)], pose.rotation[names.index(hold.other)]
        shift = np.linalg.norm(pose.origin[k] + pose.rotation[k] @ hold.anchor - origin - frame @ hold.place)
        turn = 0.0
        if hold.orientation is not None:
            between = (frame @ rotation_of(hold.orientation)).T @ pose.rotation[k]
            turn = float(np.arccos(np.clip(0.5 * (np.trace(between) - 1.0), -1.0, 1.0)))
        if shift > SHIFT or turn > TURN:
            yield f"hold {hold.name!r} of {hold.link} starts off by {shift:.4g} m and {turn:.4g} rad"
