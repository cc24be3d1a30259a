"""How charged particles look: all charges in the colour of their sign, electrodes in that of what is asked of them."""

from __future__ import annotations

import numpy as np

from diffsim.physics.charges.series import series_of
from diffsim.rollout import Rollout
from diffsim.viewing.colours import Scale, Values
from diffsim.viewing.look import Look, Points
from diffsim.viewing.trails import trails_of_each

__all__ = ["look"]

SIGN = Scale(-1.0, 1.0, ("extended", "resting", "contracted"), words=("negative", "positive"))
"""Of charges, as shares of the largest of their kind."""

SHARE = 0.025
"""The radius of a charge, of the extent of all at the start."""


def look(rollout: Rollout) -> Look:
    """What is to be seen of a `Charges` rollout of one environment."""
    numbers, position = rollout.numbers, rollout["position"]
    kinds = [kind for kind in ("fixed", "electrode") if f"scene.{kind}_position" in numbers]
    starts = np.concatenate([position[0], *(numbers[f"scene.{kind}_position"] for kind in kinds)])
    radius = SHARE * float(np.ptp(starts, axis=0).max()) or None
    still = []
    for kind in kinds:
        places, charge = numbers[f"scene.{kind}_position"], numbers[f"scene.{kind}_charge"]
        signs = _signs(charge, len(places))
        asked = rollout["actuation"] if kind == "electrode" else 1.0
        still.append(Points(places, radius, Values(signs * asked, SIGN)))
    count = position.shape[1]
    particles = Points(position, radius, Values(_signs(numbers["scene.charge"], count), SIGN))
    trails = trails_of_each(particles, np.full(count, radius or 0.0), ["ruler"] * count)
    return Look([*trails, *still, particles], series=series_of(rollout))


def _signs(charge: np.ndarray, count: int) -> np.ndarray:
    """(count,) of charges [C], that of all or of each, as shares of the largest."""
    each = np.broadcast_to(charge, count)
    return each / (np.abs(each).max(initial=0.0) or 1.0)
