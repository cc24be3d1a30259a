"""Planar bodies, what they meet and what joins them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from diffsim.physics.rigid_bodies.bodies import Shape
from diffsim.physics.rigid_bodies.joints import Connection, Pin, Rope, Slider, Spring, Weld
from diffsim.rollout import Rollout
from diffsim.viewing.drawings.rigid_bodies import RigidBodiesDrawing
from diffsim.viewing.style import STYLE

__all__ = ["sketch_rigid_bodies"]

KINDS: dict[type, str] = {Pin: "pin", Weld: "weld", Slider: "slider", Rope: "rope", Spring: "spring"}


def sketch_rigid_bodies(rollout: Rollout, drawing: RigidBodiesDrawing) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The sketch of a `RigidBodies` rollout."""
    scene, elements, links = rollout.problem.scene, drawing.elements, drawing.links
    muscles, motors = scene.driven_springs, scene.driven_joints
    changes = np.array([elements.springs[k].actuation for k in muscles])
    gains = np.concatenate([changes / (np.abs(changes).max(initial=0.0) or 1.0), np.ones(len(motors))])
    colours = [(to_hex(drawing.fills[k]), to_hex(drawing.edges[k])) for k in range(len(elements.bodies))]
    ground = drawing.ground()
    still = {
        "bodies": [
            [{**_part(body, *colour), "spoke": len(body.core) == 1}]
            for body, colour in zip(elements.bodies, colours, strict=True)
        ],
        "fixed": [
            {**_part(shape, STYLE.soil, STYLE.surface), "at": shape.position.tolist(), "angle": float(shape.angle)}
            for shape in drawing.obstacles
        ],
        "walls": [
            {"normal": plane.normal.tolist(), "height": plane.height} for plane in drawing.planes[ground is not None :]
        ],
        "shady": any(ground is plane for plane in drawing.shady),
        "joints": _joints(drawing, muscles.tolist(), motors.tolist()),
        "stems": [
            [int(owner), *links.stems[2 * k].tolist(), *links.stems[2 * k + 1].tolist()]
            for k, owner in enumerate(links.stem_owners[::2].tolist())
        ],
        "down": links.down.tolist(),
        "width": links.width,
        "gains": gains.tolist(),
        "legend": [["contracted", "extended"]] * bool(len(muscles)) + [["motor −", "motor +"]] * bool(len(motors)),
    }
    moving = {"places": drawing.position, "turns": drawing.angle[..., None]}
    arrows = drawing.contacts.vectors(drawing.position)
    if arrows.shape[1]:
        missing = len(drawing.position) - len(arrows)
        moving["arrows"] = np.concatenate([arrows, np.repeat(arrows[-1:], missing, axis=0)])
    return still, moving


def _part(shape: Shape, fill: str, edge: str) -> dict[str, Any]:
    """Sizes in the shape's own frame [m]; a segment without thickness is a capsule of radius 0."""
    core, colours = shape.core, {"fill": fill, "edge": edge}
    if len(core) == 1:
        return {"shape": "disc", "radius": float(shape.margin), **colours}
    if len(core) == 2:
        return {"shape": "capsule", "half": float(core[1, 0]), "radius": float(shape.margin), **colours}
    return {"shape": "polygon", "corners": core.tolist(), **colours}


def _joints(drawing: RigidBodiesDrawing, muscles: list[int], motors: list[int]) -> list[dict[str, Any]]:
    elements, found = drawing.elements, []
    ranges = iter(drawing.links.ranges.tolist())
    for k, link in enumerate((*elements.joints, *elements.springs)):
        spring = k - len(elements.joints)
        own, first = (muscles, 0) if spring >= 0 else (motors, len(muscles))
        index = spring if spring >= 0 else k
        joint = _joint(link, first + own.index(index) if index in own else -1)
        if isinstance(link, Slider):
            joint.update(axis=float(link.axis_angle), range=next(ranges))
        if isinstance(link, Rope):
            joint["length"] = float(link.length)
        found.append(joint)
    return found


def _joint(link: Connection, actuator: int) -> dict[str, Any]:
    return {
        "kind": KINDS.get(type(link), "weld"),
        "bodies": [int(link.first), -1 if link.second is None else int(link.second)],
        "anchors": np.asarray(link.anchors, dtype=float).tolist(),
        "actuator": actuator,
    }
