"""How long tendons are, and how that changes with the joints, in NumPy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from diffsim.physics.articulated.kinematics import Pose, forward_kinematics
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.physics.articulated.tree import Tree
from diffsim.physics.articulated.wrapping import Bent, bent

__all__ = ["Strand", "gradient", "length", "runs_inside", "strands"]


class Strand(NamedTuple):
    """A leg of a string.

    Attributes:
        places: both ends of each straight part, (..., 3) in the world [m]; around a geom there are two parts.
        owners: of these, index of the link, -1 is the world.
        bend: of what it is wrapped around; None without.
        share: of its length that counts.
    """

    places: list[np.ndarray]
    owners: list[int]
    bend: Bent | None
    share: float


def length(scene: Tree, tendon: Any, position: np.ndarray, time: Any = None) -> np.ndarray:
    """(...) length of a tendon where joints are at (..., nq) [m]; ``time`` as in `forward_kinematics`."""
    if tendon.joints:
        found: Any = sum(
            value * position[..., scene.coordinate("tendon", joint)] for joint, value in tendon.joints.items()
        )
        return np.asarray(found)
    whole = np.zeros(position.shape[:-1])
    for strand in strands(scene, tendon, forward_kinematics(scene, position, time)):
        for one, other in zip(strand.places[::2], strand.places[1::2], strict=True):
            whole = whole + strand.share * np.linalg.norm(other - one, axis=-1)
        if strand.bend:
            whole = whole + strand.share * strand.bend.curve
    return whole


def gradient(scene: Tree, tendon: Any, position: np.ndarray, time: Any = None) -> np.ndarray:
    """(..., nv) rate of its length per velocity; ``time`` as in `forward_kinematics`."""
    found = np.zeros((*position.shape[:-1], scene.freedoms))
    if tendon.joints:
        for joint, value in tendon.joints.items():
            found[..., scene.freedom(joint)] = value
        return found
    pose = forward_kinematics(scene, position, time)
    owners = np.array([owner for owner, _ in scene.freedom_owners])

    def moved(place: np.ndarray, owner: int) -> np.ndarray:
        above = np.isin(owners, scene.lineages[owner] if owner >= 0 else ())
        return np.asarray(above[:, None] * (pose.slide + np.cross(pose.turn, place[..., None, :] - pose.point)))

    for strand in strands(scene, tendon, pose):
        ends = [moved(place, owner) for place, owner in zip(strand.places, strand.owners, strict=True)]
        for k in range(0, len(ends), 2):
            apart = strand.places[k + 1] - strand.places[k]
            way = apart / np.maximum(np.linalg.norm(apart, axis=-1, keepdims=True), 1e-12)
            found += strand.share * ((ends[k + 1] - ends[k]) * way[..., None, :]).sum(axis=-1)
    return found


def strands(scene: Tree, tendon: Any, pose: Pose) -> list[Strand]:
    """All legs of a string in a pose."""
    found = []
    for leg in tendon.legs:
        share = 1.0 / tendon.pulleys[leg.pulley].divisor if leg.pulley >= 0 else 1.0
        ends, owners = zip(*(_site(scene, name, pose) for name in leg.ends), strict=True)
        if leg.wrap is None:
            found.append(Strand(list(ends), list(owners), None, share))
            continue
        _, owner, geom = scene.geom(leg.wrap.geom)
        centre = _carried(owner, geom.position, pose)
        axis = rotation_of(geom.orientation)[:, 2] if geom.shape == "cylinder" else None
        if axis is not None:
            axis = _turned(owner, axis, pose)
        side = _site(scene, leg.wrap.side, pose)[0] if leg.wrap.side else None
        bend = bent((ends[0], ends[1]), centre, axis, float(geom.size[0]), side)
        places = [ends[0], bend.first, bend.last, ends[1]]
        found.append(Strand(places, [owners[0], owner, owner, owners[1]], bend, share))
    return found


def runs_inside(scene: Tree, wrap: Any) -> int:
    """Whether a string touches a geom from within: 1 if its side site is inside of it, 0 if not, 2 if that changes."""
    if wrap.side is None:
        return 0
    (_, owner, geom), (other, site) = scene.geom(wrap.geom), scene.site(wrap.side)
    return int(np.linalg.norm(site.position - geom.position) < geom.size[0]) if owner == other else 2


def _site(scene: Tree, name: str, pose: Pose) -> tuple[np.ndarray, int]:
    """(..., 3) where a site is in the world [m], and its link."""
    owner, site = scene.site(name)
    return _carried(owner, site.position, pose), owner


def _carried(owner: int, place: np.ndarray, pose: Pose) -> np.ndarray:
    """(..., 3) of a place on a link, -1 is the world."""
    if owner < 0:
        return np.broadcast_to(place, (*pose.origin.shape[:-2], 3))
    return np.asarray(pose.origin[..., owner, :] + pose.rotation[..., owner, :, :] @ place)


def _turned(owner: int, way: np.ndarray, pose: Pose) -> np.ndarray:
    if owner < 0:
        return np.broadcast_to(way, (*pose.origin.shape[:-2], 3))
    return np.asarray(pose.rotation[..., owner, :, :] @ way)
