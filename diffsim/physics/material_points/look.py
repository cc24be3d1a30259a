"""How matter looks: muscles in colours of what is asked of them, liquids and sand in those of their speed; walls."""

from __future__ import annotations

import numpy as np

from diffsim.physics.material_points.series import series_of
from diffsim.rollout import Rollout
from diffsim.viewing.colours import MUSCLE, Scale, Values
from diffsim.viewing.look import Element, Look, Points
from diffsim.viewing.planes import Floor

__all__ = ["look"]

LIQUID = ("extended", "flesh")
SAND = ("#8a6a3a", "#dfc48c")
"""At rest, and fast."""


def look(rollout: Rollout) -> Look:
    """What is to be seen of a `MaterialPoints` rollout of one environment."""
    scene, position = rollout.problem.scene, rollout["position"]
    n, d = position.shape[1:]
    radius = 0.5 * np.broadcast_to(rollout.numbers["scene.volume"], n) ** (1.0 / d)  # squares of them fill the matter
    driven = scene.actuator >= 0
    elements: list[Element] = []
    if (passive := ~scene.loose & ~driven).any():
        elements.append(Points(position[:, passive], radius[passive], "flesh"))
    if driven.any():
        longer = -rollout["actuation"][:, scene.actuator[driven]]  # at 1 they pull together
        elements.append(Points(position[:, driven], radius[driven], Values(longer, MUSCLE)))
    for which, colours in ((scene.sand, SAND), (~scene.solids, LIQUID)):
        if which.any():
            elements.append(Points(position[:, which], radius[which], _speed(rollout, which, colours)))
    up, across = np.eye(d)[-1], np.eye(d)[0]
    sides = [Floor(across, scene.low[0]), Floor(-across, -scene.high[0])] if d == 2 else []
    return Look(elements, ground=Floor(up, scene.low[-1]), walls=sides, series=series_of(rollout))


def _speed(rollout: Rollout, which: np.ndarray, colours: tuple[str, str]) -> Values:
    """Of some particles, slow ones dark."""
    position = rollout["position"][:, which]
    speed = np.linalg.norm(np.gradient(position, rollout.problem.scene.dt, axis=0), axis=2)
    most = float(np.quantile(speed, 0.99)) or 1.0
    return Values(speed, Scale(0.0, most, colours, "m/s"))
