"""The numbers of a robot, by the names under which they are tuned."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from diffsim.physics.articulated import mocap, pairs, tendon_numbers
from diffsim.physics.articulated.actuators import Actuator
from diffsim.physics.articulated.equalities import Hold
from diffsim.physics.articulated.kinematics import inverse_inertias, joint_inertias, joint_mobilities, mass_matrix
from diffsim.physics.articulated.links import FRICTION_TIME, Joint
from diffsim.physics.articulated.muscle import OF_MUSCLES, RESTING
from diffsim.physics.articulated.tree import Tree
from diffsim.physics.articulated.values import TIME_CONSTANT, UPRIGHT

__all__ = ["numbers", "renewed"]

_OF_LINKS = {
    "mass": "mass",
    "centre": "centre",
    "inertia": "inertia",
    "inertia_orientation": "inertia_orientation",
    "link_position": "position",
    "link_orientation": "orientation",
}

_OF_JOINTS = ("axis", "anchor", "damping", "stiffness", "rest", "reference", "armature")

_OF_SOFT_JOINTS = (
    "friction_loss",
    "friction_width",
    "limit_solref",
    "limit_solimp",
    "friction_solref",
    "friction_solimp",
)

_OF_HOLDS = ("anchor", "place", "reference", "impedance", "lever")

_OF_TWITCHES = ("deactivation_time", "activation_width")

_OF_ACTUATORS = ("gear", "gain", "gain_slope", "bias", "wrench", "time_constant", "initial_activation", *_OF_TWITCHES)

_RANGES = ("control_range", "force_range", "activation_range")

_MEDIUM = ("density", "viscosity", "wind")

_OWN = ("initial_position", "initial_velocity", "gravity", "slip_speed", "touch_depth", *_MEDIUM)


def numbers(scene: Tree) -> dict[str, np.ndarray]:
    """Everything numeric of a robot that can be tuned."""
    found: dict[str, np.ndarray] = {
        "initial_position": scene.initial_position,
        "initial_velocity": scene.initial_velocity,
        "gravity": scene.gravity,
    }
    for name, attribute in _OF_LINKS.items():
        found[name] = np.array([getattr(link, attribute) for link in scene.links])
    for name in _OF_JOINTS:
        found[name] = np.array([getattr(joint, name) for joint in scene.joints])
    if scene.immersed:
        found.update({name: np.array(getattr(scene, name)) for name in _MEDIUM})
    if scene.buoyant:
        found["buoyancy"] = np.array([link.buoyancy for link in scene.links])
    soft = scene.contact_law == "mujoco"
    if scene.rough:
        found.update(_of_friction(scene))
    if any(joint.effort_range is not None for joint in scene.joints):
        found["effort_range"] = np.array([_or(joint.effort_range, np.zeros(2)) for joint in scene.joints])
    if scene.limited:
        found.update(_of_limits(scene))
    if soft:
        found.update(_of_constraints(scene))
    if scene.actuators:
        for name in _of_actuators(scene):
            found[name] = np.array([getattr(actuator, name) for actuator in scene.actuators])
        for name in _RANGES:
            if any(getattr(actuator, name) is not None for actuator in scene.actuators):
                found[name] = np.array([_or(getattr(a, name), np.zeros(2)) for a in scene.actuators])
        if any(actuator.muscle for actuator in scene.actuators):
            muscles = [actuator.muscle or RESTING for actuator in scene.actuators]
            found.update({f"muscle_{name}": np.array([getattr(m, name) for m in muscles]) for name in OF_MUSCLES})
        if any(actuator.neutral is not None for actuator in scene.actuators):
            found["neutral"] = np.array([_or(actuator.neutral, 0.0) for actuator in scene.actuators])
    if scene.holds:
        found.update(_of_holds(scene))
    found.update(mocap.numbers(scene))
    found.update(tendon_numbers.numbers(scene))
    if scene.all_sites:
        found["site_position"] = np.array([site.position for _, site in scene.all_sites])
    if pairs.touching(scene):
        found.update(pairs.numbers(scene))
        found["touch_depth"] = np.array(scene.touch_depth)
        if not soft:
            found["slip_speed"] = np.array(scene.slip_speed)
    elif any(leg.wrap for tendon in scene.tendons for leg in tendon.legs):
        found.update(pairs.geometry(scene))
    return found


def _of_actuators(scene: Tree) -> list[str]:
    """What numbers actuators have, beside ranges."""
    found = ["gear", "gain", "bias"]
    if any(actuator.gain_slope.any() for actuator in scene.actuators):
        found.append("gain_slope")
    if any(actuator.site is not None for actuator in scene.actuators):
        found.append("wrench")
    if any(actuator.dynamics is not None for actuator in scene.actuators):
        found += ["time_constant", "initial_activation"]
    if any(actuator.dynamics == "muscle" for actuator in scene.actuators):
        found += _OF_TWITCHES
    return found


def _of_friction(scene: Tree) -> dict[str, np.ndarray]:
    """Friction loss, and the velocity over which it sets in."""
    lightness = np.diag(np.linalg.inv(mass_matrix(scene, scene.reference_position)))
    firsts = np.cumsum([0, *(joint.freedoms for joint in scene.joints)]).tolist()
    loss = np.array([joint.friction_loss for joint in scene.joints])
    lost = FRICTION_TIME * loss * [lightness[a:b].mean() for a, b in pairwise(firsts)]
    width = [_or(joint.friction_width, taken or 1.0) for joint, taken in zip(scene.joints, lost, strict=True)]
    if scene.contact_law == "mujoco":
        return {"friction_loss": loss}
    return {"friction_loss": loss, "friction_width": np.array(width)}


def _of_constraints(scene: Tree) -> dict[str, np.ndarray]:
    """How soft MuJoCo's constraints of joints are, and what they and contacts are made for."""
    found: dict[str, np.ndarray] = {}
    for what, there in (("limit", scene.limited), ("friction", scene.rough)):
        for name in (f"{what}_solref", f"{what}_solimp") if there else ():
            found[name] = np.array([getattr(joint, name) for joint in scene.joints])
    if scene.limited or scene.rough:
        own = joint_mobilities(scene)
        given = [_or(joint.mobility, mean) for joint, mean in zip(scene.joints, own, strict=True)]
        found["joint_mobility"] = np.array(given)
    if pairs.touching(scene):
        inverse = inverse_inertias(scene)
        found["link_mobility"] = np.array([_or(link.mobility, inverse[k]) for k, link in enumerate(scene.links)])
    return found


def _of_holds(scene: Tree) -> dict[str, np.ndarray]:
    """Numbers of holds; of one that leaves its link free to turn the orientation means nothing."""
    found = {f"hold_{name}": np.array([getattr(hold, name) for hold in scene.holds]) for name in _OF_HOLDS}
    found["hold_orientation"] = np.array([_or(hold.orientation, UPRIGHT) for hold in scene.holds])
    found["hold_weight"] = np.array(
        [_or(h.weight, _weight_at(scene, h) if h.weight is None else 0) for h in scene.holds]
    )
    return found


def _weight_at(scene: Tree, hold: Hold) -> np.ndarray:
    """Inertia of a link, or two, against shifts of the centre of mass and turns, all joints free: 1 / invweight0."""
    held = [k for k, link in enumerate(scene.links) if link.name in (hold.link, hold.other)]
    return 1.0 / np.maximum(inverse_inertias(scene)[held].sum(axis=0), 1e-15)


def _of_limits(scene: Tree) -> dict[str, np.ndarray]:
    inertias = joint_inertias(scene, scene.reference_position)
    firsts = np.cumsum([0, *(joint.freedoms for joint in scene.joints)]).tolist()
    moved = [inertias[a:b].max() for a, b in pairwise(firsts)]
    ranges, stiffness, damping = [], [], []
    for joint, inertia in zip(scene.joints, moved, strict=True):
        none = joint.limits is None
        k = _or(joint.limit_stiffness, inertia / TIME_CONSTANT**2)
        ranges.append(np.zeros(2) if none else joint.limits)
        stiffness.append(0.0 if none else k)
        damping.append(0.0 if none else _or(joint.limit_damping, 2.0 * np.sqrt(k * inertia)))
    if scene.contact_law == "mujoco":
        return {"joint_limits": np.array(ranges)}
    return {
        "joint_limits": np.array(ranges),
        "limit_stiffness": np.array(stiffness),
        "limit_damping": np.array(damping),
    }


def renewed(scene: Any, values: dict[str, np.ndarray]) -> Any:
    """The same robot with other numbers, named as in `numbers` and of the same shapes."""
    own: dict[str, Any] = {name: value for name, value in values.items() if name in _OWN}
    links = []
    geoms = pairs.renewed(scene, values)
    sites = values.get("site_position")
    guided = mocap.renewed(scene, values)
    joint = site = 0
    for k, link in enumerate(scene.links):
        change: dict[str, Any] = {a: values[name][k] for name, a in _OF_LINKS.items() if name in values}
        if "buoyancy" in values:
            change["buoyancy"] = values["buoyancy"][k]
        if "link_mobility" in values:
            change["mobility"] = values["link_mobility"][k]
        if k in guided:
            change["mocap"] = guided[k]
        change["joints"] = [_renewed_joint(old, joint + i, values) for i, old in enumerate(link.joints)]
        joint += len(link.joints)
        change["geoms"] = [new for (owner, _), new in zip(scene.all_geoms, geoms, strict=True) if owner == k]
        if sites is not None:
            change["sites"] = [replace(old, position=sites[site + i]) for i, old in enumerate(link.sites)]
        site += len(link.sites)
        links.append(replace(link, **change))
    if sites is not None:
        own["sites"] = [replace(old, position=sites[site + i]) for i, old in enumerate(scene.sites)]
    own["geoms"] = [new for (owner, _), new in zip(scene.all_geoms, geoms, strict=True) if owner < 0]
    own["pairs"] = pairs.renewed_pairs(scene, values)
    own["holds"] = [_renewed_hold(old, k, values) for k, old in enumerate(scene.holds)]
    own["actuators"] = [_renewed_actuator(old, k, values) for k, old in enumerate(scene.actuators)]
    return replace(scene, links=links, **tendon_numbers.renewed(scene, values), **own)


def _or(value: Any, other: Any) -> Any:
    return other if value is None else value


def _renewed_joint(joint: Joint, k: int, values: dict[str, np.ndarray]) -> Joint:
    change: dict[str, Any] = {name: values[name][k] for name in _OF_JOINTS if name in values}
    if joint.limits is not None:
        limits = {"joint_limits": "limits", "limit_stiffness": "limit_stiffness", "limit_damping": "limit_damping"}
        change.update({attribute: values[name][k] for name, attribute in limits.items() if name in values})
    if joint.effort_range is not None and "effort_range" in values:
        change["effort_range"] = values["effort_range"][k]
    change.update({name: values[name][k] for name in _OF_SOFT_JOINTS if name in values})
    if "joint_mobility" in values:
        change["mobility"] = values["joint_mobility"][k]
    return replace(joint, **change)


def _renewed_hold(hold: Hold, k: int, values: dict[str, np.ndarray]) -> Hold:
    names = (*_OF_HOLDS, "weight", *(("orientation",) if hold.orientation is not None else ()))
    return replace(hold, **{name: values[f"hold_{name}"][k] for name in names if f"hold_{name}" in values})


def _renewed_actuator(actuator: Actuator, k: int, values: dict[str, np.ndarray]) -> Actuator:
    change: dict[str, Any] = {name: values[name][k] for name in _OF_ACTUATORS if name in values}
    for name in _RANGES:
        if name in values and getattr(actuator, name) is not None:
            change[name] = values[name][k]
    if "neutral" in values and actuator.neutral is not None:
        change["neutral"] = values["neutral"][k]
    if actuator.muscle:
        own = {name: values[f"muscle_{name}"][k] for name in OF_MUSCLES if f"muscle_{name}" in values}
        change["muscle"] = replace(actuator.muscle, **own)
    return replace(actuator, **change)
