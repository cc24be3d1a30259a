"""How water looks: its height as a picture, with sources and gauges, and what is seen through it if that counts."""

from __future__ import annotations

import numpy as np

from diffsim.physics.water.series import series_of
from diffsim.rollout import Rollout
from diffsim.viewing.colours import Scale
from diffsim.viewing.look import Element, Field, Look, Points

__all__ = ["look"]

DEEP = ("#0b2f4a", "#2f7fb5", "#e3f1f8")
"""Troughs, still water, crests."""

SEEN = Scale(0.0, 1.0, ("sky", "text"), words=("seen bright", "dark"))

BESIDE = 1.06
"""Where a second picture begins, in widths of the first."""


def look(rollout: Rollout) -> Look:
    """What is to be seen of a `Water` rollout of one environment."""
    scene, height = rollout.problem.scene, rollout["height"]
    high = scene.spacing * np.array(height.shape[1:])
    waves = float(np.nan_to_num(np.abs(height)).max()) or 1.0
    scale = Scale(-waves, waves, DEEP, words=(f"\N{MINUS SIGN}{waves:.2g} m", f"{waves:.2g} m"))
    elements: list[Element] = [Field(height, (0.0, 0.0), high, scale)]
    if len(scene.actuators):
        elements.append(Points(rollout.numbers["scene.source_position"], colour="goal"))
    objective = rollout.problem.objective
    for term in getattr(objective, "terms", (objective,)):
        if hasattr(term, "cells"):
            elements.append(Points(scene.spacing * (term.cells + 0.5), colour="pinned"))
        if hasattr(term, "seen"):
            corner = np.array([BESIDE * high[0], 0.0])
            elements.append(Field(term.seen(rollout), corner, corner + high, SEEN))
    return Look(elements, series=series_of(rollout))
