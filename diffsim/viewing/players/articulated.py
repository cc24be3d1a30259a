"""Links of robots in three dimensions, their motors and sites, and what the world has."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from diffsim.rollout import Rollout
from diffsim.viewing.drawings.articulated import ArticulatedDrawing
from diffsim.viewing.solids import Solids

__all__ = ["quaternions", "sketch_articulated"]


def sketch_articulated(rollout: Rollout, drawing: ArticulatedDrawing) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The sketch of an `Articulated` rollout."""
    scene, geoms, joints = rollout.problem.scene, drawing.geoms, drawing.joints
    n = len(scene.links)
    # With all links' frames at the world's, geoms are where they are in their link.
    own = geoms.solids(np.zeros((n, 3)), np.broadcast_to(np.eye(3), (n, 3, 3)))
    bodies: list[list[dict[str, Any]]] = [[] for _ in range(n)]
    for owner, part in zip(geoms.owners.tolist(), _parts(own), strict=False):
        bodies[owner].append(part)
    ground = drawing.ground()
    still = {
        "bodies": bodies,
        "fixed": _parts(geoms.solids(np.zeros((n, 3)), np.broadcast_to(np.eye(3), (n, 3, 3)), moving=False)),
        "walls": [
            {"normal": plane.normal.tolist(), "height": plane.height} for plane in geoms.planes[ground is not None :]
        ],
        "joints": [
            {"body": int(owner), "at": list(map(float, at)), "motors": list(map(int, motors))}
            for owner, at, motors in zip(joints.owners, joints.anchors, joints.motors, strict=True)
        ],
        "sites": [[int(owner), *map(float, site.position)] for owner, site in scene.all_sites],
        "width": geoms.thickness,
        "gains": _gains(rollout),
        "legend": [["motor −", "motor +"]] if joints.driven else [],
    }
    moving = {"places": drawing.position, "turns": quaternions(drawing.rotation)}
    arrows = drawing.contacts.vectors()
    if arrows.shape[1]:
        missing = len(drawing.position) - len(arrows)
        moving["arrows"] = np.concatenate([arrows, np.repeat(arrows[-1:], missing, axis=0)])
    return still, moving


def quaternions(rotation: np.ndarray) -> np.ndarray:
    """(..., 4) w, x, y, z of rotations (..., 3, 3), of either sign; the largest component first (Shepperd 1978)."""
    r = rotation
    trace = r[..., 0, 0] + r[..., 1, 1] + r[..., 2, 2]
    squares = np.stack([1.0 + trace, *(1.0 + 2.0 * r[..., k, k] - trace for k in range(3))], axis=-1)
    a, b, c = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    xy, xz, yz = (r[..., i, j] + r[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2)))
    w2, x2, y2, z2 = (squares[..., k] for k in range(4))
    candidates = np.stack(
        [np.stack(row, axis=-1) for row in ((w2, a, b, c), (a, x2, xy, xz), (b, xy, y2, yz), (c, xz, yz, z2))], axis=-2
    )
    largest = np.nan_to_num(squares, nan=-1.0).argmax(axis=-1)
    found = np.take_along_axis(candidates, largest[..., None, None], axis=-2)[..., 0, :]
    length: np.ndarray = np.linalg.norm(found, axis=-1, keepdims=True)
    result: np.ndarray = found / length
    return result


def _parts(solids: Solids) -> list[dict[str, Any]]:
    """Shapes that are seen through keep their opacity."""
    turns = quaternions(solids.rotation).reshape(-1, 4)
    return [
        {
            "shape": shape,
            "at": solids.centre[k].tolist(),
            "turn": turns[k].tolist(),
            "size": solids.size[k].tolist(),
            "fill": to_hex(solids.fills[k, :3].clip(0.0, 1.0).tolist()),
            "edge": to_hex(solids.edges[k, :3].clip(0.0, 1.0).tolist()),
            "alpha": float(solids.fills[k, 3]),
        }
        for k, shape in enumerate(solids.shapes)
    ]


def _gains(rollout: Rollout) -> list[float]:
    """One without a range is shown against the most that it is ever asked for."""
    actuators = rollout.problem.scene.actuators
    asked = rollout.arrays.get("actuation")
    if asked is None or not len(asked):
        return [1.0] * len(actuators)
    most = np.abs(np.nan_to_num(np.asarray(asked, dtype=float))).max(axis=0, initial=1e-12)
    return [1.0 if act.control_range is not None else float(1.0 / m) for act, m in zip(actuators, most, strict=True)]
