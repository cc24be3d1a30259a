"""Named poses of a robot: what belongs to them, and the scene that starts from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.tendon_kinematics import length
from diffsim.physics.articulated.values import quaternion
from diffsim.spec import array

__all__ = ["belongings", "posed"]


def belongings(scene: Any, poses: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """``pose_controls``, ``pose_activations`` and ``pose_places`` of a scene, checked."""
    found: dict[str, dict[str, Any]] = {}
    for what in ("pose_controls", "pose_activations", "pose_places"):
        found[what] = {}
        for name, value in getattr(scene, what).items():
            if name not in poses:
                raise InputError(f"{what} names {name!r}, but the poses are {', '.join(poses) or 'none'}")
            owner = f"{what}[{name!r}]"
            found[what][name] = (
                _places(scene, owner, value) if what == "pose_places" else array(owner, value, (len(scene.actuators),))
            )
    return found


def _places(scene: Any, owner: str, value: Any) -> dict[str, np.ndarray]:
    """Of links by name (7,) position and quaternion."""
    if not isinstance(value, Mapping):
        raise InputError(f"{owner} is {value!r}, but a place and a quaternion (7,) of links by name are needed")
    links = {link.name: link for link in scene.links}
    found = {}
    for name, given in value.items():
        if name not in links:
            raise InputError(f"{owner} names link {name!r}, but the links are {', '.join(links)}")
        if links[name].mocap is not None:
            raise InputError(f"{owner} puts link {name!r} somewhere, but its mocap says where it goes")
        place = array(f"{owner}[{name!r}]", given, (7,))
        found[name] = np.concatenate([place[:3], quaternion(f"{owner}[{name!r}][3:]", place[3:])])
    return found


def posed(scene: Any, pose: str, *, hold: bool) -> Any:
    """See `Articulated.posed`."""
    if pose not in scene.poses:
        raise InputError(f"there is no pose {pose!r}; there are {', '.join(scene.poses) or 'none'}")
    actuators, links = scene.actuators, scene.links
    if pose in scene.pose_activations:
        begun = scene.pose_activations[pose].tolist()
        actuators = [replace(a, initial_activation=w) for a, w in zip(actuators, begun, strict=True)]
    if pose in scene.pose_places:
        put = scene.pose_places[pose]
        links = [
            replace(link, position=put[link.name][:3], orientation=put[link.name][3:]) if link.name in put else link
            for link in links
        ]
    if hold:
        controls = scene.pose_controls.get(pose, np.zeros(len(actuators)))
        controls = controls if np.any(controls) else _held(scene, scene.poses[pose])
        actuators = [replace(each, neutral=float(u)) for each, u in zip(actuators, controls, strict=True)]
    return replace(scene, initial_position=scene.poses[pose], actuators=actuators, links=links)


def _held(scene: Any, position: np.ndarray) -> list[float]:
    """Of each actuator the control at which a servo of a position gives no force; 0 of others."""
    found = []
    lengths = {tendon.name: float(length(scene, tendon, position)) for tendon in scene.tendons}
    for each in scene.actuators:
        if each.site is not None or each.link is not None:
            found.append(0.0)
            continue
        place = lengths[each.tendon] if each.tendon else position[scene.coordinate("actuator", each.joint)]
        asked = each.gear * float(place)
        servo = each.bias[1] != 0.0 and each.gain != 0.0
        found.append(-(each.bias[0] + each.bias[1] * asked) / each.gain if servo else 0.0)
    return found
