"""Where strings of robots run, as lines: through their sites and around geoms."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.tendon_kinematics import strands
from diffsim.physics.articulated.tree import Tree

__all__ = ["string_places"]


def string_places(
    scene: Tree, position: np.ndarray, time: Any = None
) -> tuple[np.ndarray, list[tuple[int, int]], list[str]]:
    """Points (..., k, 3) of all strings [m], the pairs of them that lines join, and of each line its tendon.

    Args:
        scene: with a spatial tendon at least.
        position: (..., nq) of the joints.
        time: as in `forward_kinematics`.
    """
    pose = forward_kinematics(scene, position, time)
    points: list[Any] = []
    ends: list[tuple[int, int]] = []
    names: list[str] = []
    for tendon in scene.tendons:
        for strand in strands(scene, tendon, pose) if tendon.path else ():
            way = strand.places
            if strand.bend:
                way = [*way[:2], *strand.bend.rim, *way[2:]]
            ends += [(len(points) + k, len(points) + k + 1) for k in range(len(way) - 1)]
            names += [tendon.name] * (len(way) - 1)
            points += way
    return np.stack(points, axis=-2), ends, names
