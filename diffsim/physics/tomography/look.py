"""How a volume looks: slices through its middle, and its pictures, side by side in a plane."""

from __future__ import annotations

import math

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.look import Field, Look, Scale

__all__ = ["look"]

GAP = 0.06
"""Between two of them, of the side of one."""


def look(rollout: Rollout) -> Look:
    """What is to be seen of a `Volume` rollout of one environment: slices, and pictures if an objective reads them.

    Three slices are across x, y and z, in their size; pictures are as wide as the longest side of the box.
    """
    scene, attenuation = rollout.problem.scene, rollout.numbers["scene.attenuation"]
    sizes, widest = scene.high - scene.low, float(np.max(scene.high - scene.low))
    dense = _scale(attenuation, "1/m")
    panels = [
        (np.take(attenuation, n // 2, axis), np.delete(sizes, axis), dense) for axis, n in enumerate(attenuation.shape)
    ]
    pictures = _pictures(rollout)
    thick = _scale(pictures, "")
    panels += [(each, np.full(2, widest), thick) for each in pictures.reshape(-1, scene.pixels, scene.pixels)]
    columns = max(3, math.ceil(math.sqrt(len(panels))))
    elements = []
    for k, (values, size, scale) in enumerate(panels):
        low = (1.0 + GAP) * widest * np.array([k % columns, -(k // columns)])
        elements.append(Field(values, low, low + size, scale))
    return Look(elements)


def _pictures(rollout: Rollout) -> np.ndarray:
    """Optical depths of the last row; none if nobody asked for them."""
    if "optical_depth" in rollout.arrays:
        return np.asarray(rollout["optical_depth"][-1])
    return np.zeros((0, rollout.problem.scene.pixels))


def _scale(values: np.ndarray, unit: str) -> Scale:
    """From nothing to the largest."""
    return Scale(0.0, float(np.nanmax(values, initial=0.0)) or 1.0, ("sky", "text"), unit)
