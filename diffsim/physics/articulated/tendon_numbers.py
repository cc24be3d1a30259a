"""The numbers of tendons and equalities, by the names under which they are tuned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from diffsim.physics.articulated.kinematics import mass_matrix
from diffsim.physics.articulated.links import FRICTION_TIME
from diffsim.physics.articulated.tendon_kinematics import gradient, length
from diffsim.physics.articulated.tendons import Pulley
from diffsim.physics.articulated.tree import Tree
from diffsim.physics.articulated.values import TIME_CONSTANT

__all__ = ["numbers", "renewed"]

BOUNDS = (1e-15, 1e15)
"""Of an inverse mass along a tendon [1/kg]."""

_OF_TENDONS = ("stiffness", "damping", "rest", "limits", "friction_loss", "armature")

_OF_SPRINGS = ("limit_stiffness", "limit_damping", "friction_width")
"""Beyond limits and of friction, with the compliant law."""

_OF_ROWS = ("limit_solref", "limit_solimp", "friction_solref", "friction_solimp", "mobility")
"""In their place, with MuJoCo's."""

_OF_EQUALITIES = ("polynomial", "weight", "reference", "impedance")


def numbers(scene: Tree) -> dict[str, np.ndarray]:
    """Each an array over tendons, their joints, or equalities; nothing of what the scene has none of."""
    found: dict[str, np.ndarray] = {}
    if not scene.tendons and not scene.equalities:
        return found
    lightness = np.linalg.pinv(mass_matrix(scene, scene.reference_position), hermitian=True)
    if scene.tendons:
        found.update(_of_tendons(scene, lightness))
    if scene.equalities:
        equalities = scene.equalities
        found.update(
            {
                f"equality_{name}": np.array([getattr(each, name) for each in equalities])
                for name in ("polynomial", "reference", "impedance")
            }
        )
        weights = [_weight(scene, each, lightness) if each.weight is None else each.weight for each in equalities]
        found["equality_weight"] = np.array(weights)
    return found


def _of_tendons(scene: Tree, lightness: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers of tendons; what a tendon has none of is 0."""
    found: dict[str, np.ndarray] = {}
    if coefficients := [value for each in scene.tendons for value in each.joints.values()]:
        found["tendon_coefficient"] = np.array(coefficients)
    if divisors := [pulley.divisor for each in scene.tendons for pulley in each.pulleys]:
        found["tendon_divisor"] = np.array(divisors)
    names, rows = (*_OF_TENDONS, *(_OF_ROWS if scene.contact_law == "mujoco" else _OF_SPRINGS)), []
    for each in scene.tendons:
        own = {name: getattr(each, name) for name in (*_OF_TENDONS, *_OF_SPRINGS, *_OF_ROWS)}
        moved = 1.0 / np.clip(_along(scene, each) @ lightness @ _along(scene, each), *BOUNDS)
        if own["rest"] is None:
            own["rest"] = np.full(2, _resting(scene, each))
        if own["limits"] is None:
            own.update(limits=np.zeros(2), limit_stiffness=0.0, limit_damping=0.0)
        if own["limit_stiffness"] is None:
            own["limit_stiffness"] = moved / TIME_CONSTANT**2
        if own["limit_damping"] is None:
            own["limit_damping"] = 2.0 * np.sqrt(own["limit_stiffness"] * moved)
        if own["friction_width"] is None:
            own["friction_width"] = FRICTION_TIME * own["friction_loss"] / moved or 1.0
        if own["mobility"] is None:
            own["mobility"] = 1.0 / moved
        rows.append(own)
    found.update({f"tendon_{name}": np.array([row[name] for row in rows]) for name in names})
    return found


def _along(scene: Tree, tendon: Any) -> np.ndarray:
    """(nv,) rate of a tendon per velocity, at the reference."""
    return gradient(scene, tendon, scene.reference_position)


def _resting(scene: Tree, tendon: Any) -> float:
    """Length of a tendon where the springs of hinges and slides are at rest."""
    position, at = scene.reference_position.copy(), 0
    for joint in scene.joints:
        if joint.coordinates == 1:
            position[at] = joint.rest
        at += joint.coordinates
    return float(length(scene, tendon, position))


def _weight(scene: Tree, equality: Any, lightness: np.ndarray) -> float:
    """Inertia of what an equality holds, all else free to move: 1 / MuJoCo's invweight0."""
    if equality.of == "tendons":
        held = [_along(scene, each) for each in scene.tendons if each.name in (equality.first, equality.second)]
        return float(1.0 / sum(np.clip(along @ lightness @ along, *BOUNDS) for along in held))
    driven = [scene.freedom(name) for name in (equality.first, equality.second) if name is not None]
    return float(1.0 / max(np.diag(lightness)[driven].sum(), 1e-15))


def renewed(scene: Tree, values: dict[str, np.ndarray]) -> dict[str, Any]:
    """Tendons and equalities with other numbers."""
    at, over, tendons = 0, 0, []
    for k, each in enumerate(scene.tendons):
        names = (*_OF_TENDONS, *_OF_SPRINGS, *_OF_ROWS)
        change = {name: values[f"tendon_{name}"][k] for name in names if f"tendon_{name}" in values}
        if each.limits is None:
            for name in ("limits", "limit_stiffness", "limit_damping"):
                change.pop(name, None)
        if each.path:
            change.pop("armature", None)
        if "tendon_coefficient" in values and each.joints:
            own = values["tendon_coefficient"][at : at + len(each.joints)].tolist()
            change["joints"] = dict(zip(each.joints, own, strict=True))
        at += len(each.joints)
        if "tendon_divisor" in values and each.pulleys:
            divisors = iter(values["tendon_divisor"][over : over + len(each.pulleys)].tolist())
            change["path"] = [Pulley(next(divisors)) if isinstance(item, Pulley) else item for item in each.path]
        over += len(each.pulleys)
        tendons.append(replace(each, **change))
    equalities = [
        replace(each, **{n: values[f"equality_{n}"][k] for n in _OF_EQUALITIES if f"equality_{n}" in values})
        for k, each in enumerate(scene.equalities)
    ]
    return {"tendons": tendons, "equalities": equalities}
