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
        meshes: vertices (v, 3) and faces (f, 3) by any key; what is not seen from outside goes first.
        used: how often each is seen.
        triangles: of all together.
    """
    whole = {key: outer(*coarser(*welded_mesh(*mesh), COARSE)) for key, mesh in meshes.items()}
    whole = {key: found for key, found in whole.items() if len(found[1])}
    size = {key: float(np.linalg.norm(np.ptp(vertices, axis=0))) for key, (vertices, _) in whole.items()}
    found: dict[Key, tuple[np.ndarray, np.ndarray]] = {}
    left = triangles
    # First those that have fewer than their share: the others get what those leave.
    for key in sorted(whole, key=lambda key: len(whole[key][1]) / size[key]):
        rest = sum(size[other] * used[other] for other in whole if other not in found)
        found[key] = decimated(*whole[key], max(int(left * size[key] / rest), FEWEST))
        left = max(left - used[key] * len(found[key][1]), 0)
    return found
