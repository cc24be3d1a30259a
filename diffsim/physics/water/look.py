"""How water looks: its height as a picture, with sources and gauges; what is seen through it if that counts; and the
floor in the sun, if it is said how deep that is.
"""

from __future__ import annotations

import numpy as np

from diffsim.physics.refraction import caustics
from diffsim.physics.water.series import series_of
from diffsim.rollout import Rollout
from diffsim.viewing.colours import Scale
from diffsim.viewing.look import Element, Field, Look, Points

__all__ = ["look"]

DEEP = ("#0b2f4a", "#2f7fb5", "#e3f1f8")
"""Troughs, still water, crests."""

SEEN = Scale(0.0, 1.0, ("sky", "text"), words=("seen bright", "dark"))

FLOOR = Scale(0.0, 2.5, ("#06324a", "#7fd6e0", "#ffffff"), words=("floor dark", "bright"))
"""Of light, in that below still water: where rays meet there is more without end, in lines of no width."""

WATER = 4.0 / 3.0
"""Its index of refraction, for what is looked at."""

BESIDE = 1.06
"""Where the next picture begins, in widths of the first."""


def look(rollout: Rollout) -> Look:
    """What is to be seen of a `Water` rollout of one environment."""
    scene, height = rollout.problem.scene, rollout["height"]
    high = scene.spacing * np.array(height.shape[1:])
    waves = float(np.nan_to_num(np.abs(height)).max()) or 1.0
    scale = Scale(-waves, waves, DEEP, words=(f"\N{MINUS SIGN}{waves:.2g} m", f"{waves:.2g} m"))
    elements: list[Element] = [Field(height, (0.0, 0.0), high, scale)]
    if len(scene.actuators):
        elements.append(Points(rollout.numbers["scene.source_position"], colour="goal"))
    objective, pictures = rollout.problem.objective, []
    for term in getattr(objective, "terms", (objective,)):
        if hasattr(term, "cells"):
            elements.append(Points(scene.spacing * (term.cells + 0.5), colour="pinned"))
        if hasattr(term, "seen"):
            pictures.append((term.seen(rollout), SEEN))
    if scene.depth is not None:
        pictures.append((_lit(rollout), FLOOR))
    for k, (picture, scale) in enumerate(pictures, 1):
        corner = np.array([k * BESIDE * high[0], 0.0])
        elements.append(Field(picture, corner, corner + high, scale))
    return Look(elements, series=series_of(rollout))


def _lit(rollout: Rollout) -> np.ndarray:
    """(rows, n, m) how bright the floor is."""
    scene, height = rollout.problem.scene, np.nan_to_num(rollout["height"], posinf=0.0, neginf=0.0)
    periodic = scene.edges == "periodic"
    return np.stack([caustics(row, scene.spacing, periodic, scene.depth, WATER) for row in height])
