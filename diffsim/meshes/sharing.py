"""A number of triangles shared between the meshes of a robot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from diffsim.meshes.decimation import coarser, decimated, welded_mesh
from diffsim.meshes.outside import outer

__all__ = ["shared"]

COARSE = 8_000
"""Triangles of a mesh before it is looked at what of it is seen."""

FEWEST = 12
"""Triangles of a mesh at least: those of a box."""

Key = TypeVar("Key")


def shared(
    meshes: Mapping[Key, tuple[np.ndarray, np.ndarray]], used: Mapping[Key, int], triangles: int
) -> dict[Key, tuple[np.ndarray, np.ndarray]]:
    """Of each mesh what is left of it, vertices and faces: large ones have more triangles than small ones.

    Args:
        meshes: vertices (v, 3) and faces (f, 3) by any key; what is not seen from outside goes first, and
            meshes without area.
        used: how often each is seen.
        triangles: of all together.
    """
    welded = {key: welded_mesh(*mesh) for key, mesh in meshes.items()}
    whole = {key: outer(*coarser(*mesh, COARSE)) for key, mesh in welded.items() if len(mesh[1])}
    size = {key: float(np.linalg.norm(np.ptp(vertices, axis=0))) for key, (vertices, _) in whole.items()}
    whole = {key: mesh for key, mesh in whole.items() if len(mesh[1]) and size[key]}
    found: dict[Key, tuple[np.ndarray, np.ndarray]] = {}
    left = triangles
    # First those that have fewer than their share: the others get what those leave, beyond the fewest of each.
    for key in sorted(whole, key=lambda key: len(whole[key][1]) / size[key]):
        others = [other for other in whole if other not in found]
        spare = max(left - FEWEST * sum(used[other] for other in others), 0)
        share = size[key] / sum(size[other] * used[other] for other in others)
        found[key] = decimated(*whole[key], FEWEST + int(spare * share))
        left -= used[key] * len(found[key][1])
    return found
