"""What a report draws of a robot over time."""

from __future__ import annotations

import numpy as np

from diffsim.physics.articulated.pairs import spots
from diffsim.physics.articulated.scene import Articulated
from diffsim.rollout import Rollout
from diffsim.viewing.series import Series

__all__ = ["series_of"]

# Of each kind of joint: what its positions and its velocities are called, and their unit.
KINDS = {"hinge": ("joint angles", "joint speeds", "rad"), "slide": ("slide positions", "slide speeds", "m")}


def series_of(rollout: Rollout) -> list[Series]:
    """Angles and speeds of joints, positions of slides, and how hard links press where they touch."""
    scene, arrays = rollout.problem.scene, rollout.arrays
    if "joint_position" not in arrays or "joint_velocity" not in arrays:
        return []
    coordinates = [(name, end - 1, kind) for name, end, kind in scene.joint_coordinates()]
    freedoms = [(joint.name, k, joint.motion) for k, (_, joint) in enumerate(scene.freedom_owners)]
    found = []
    for kind, (positions, velocities, unit) in KINDS.items():
        found += _columns(positions, unit, arrays["joint_position"], coordinates, kind)
        found += _columns(velocities, f"{unit}/s", arrays["joint_velocity"], freedoms, kind)
    return found + _contacts(scene, rollout)


def _columns(name: str, unit: str, values: np.ndarray, known: list[tuple[str, int, str]], kind: str) -> list[Series]:
    own = [(label, column) for label, column, motion in known if motion == kind]
    if not own:
        return []
    labels, columns = zip(*own, strict=True)
    return [Series(name, unit, values[:, list(columns)], labels)]


def _contacts(scene: Articulated, rollout: Rollout) -> list[Series]:
    """Of each link that may touch something, the sizes of the forces on it together."""
    if "contact_force" not in rollout.arrays:
        return []
    owners = [[scene.all_geoms[geom][0] for geom in spot.geoms] for spot in spots(scene)]
    links = sorted({owner for pair in owners for owner in pair if owner >= 0})
    if not links:
        return []
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.linalg.norm(rollout["contact_force"], axis=2)
    on = np.array([[float(link in pair) for link in links] for pair in owners])
    return [Series("contact forces", "N", size @ on, [scene.links[link].name for link in links], peaks=True)]
