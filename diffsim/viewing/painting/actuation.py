"""What is asked of actuators, as numbers on a scale of colours."""

from __future__ import annotations

import numpy as np

from diffsim.errors import InputError
from diffsim.rollout import Rollout
from diffsim.viewing.colours import Driven
from diffsim.viewing.shaped import row_of

__all__ = ["Actuation"]


class Actuation:
    """The array "actuation" of a rollout of one environment; nothing is asked where there is none."""

    def __init__(self, rollout: Rollout) -> None:
        """Keep it, without what is not finite."""
        asked = rollout.arrays.get("actuation")
        self._asked = None if asked is None or not np.size(asked) else np.nan_to_num(np.array(asked, dtype=float))

    def levels(self, driven: Driven, row: int) -> tuple[np.ndarray, np.ndarray]:
        """(k,) elements and (k,) numbers from -1 to 1, asked in the step that begins at a row of the trajectory."""
        if self._asked is None or not len(driven.which):
            return driven.which, np.zeros(len(driven.which))
        asked = row_of(self._asked, row)
        if driven.actuators.max() >= len(asked):
            raise InputError(
                f"Driven.actuators holds {driven.actuators.max()}, but the rollout has {len(asked)} actuators"
            )
        levels = np.clip(driven.gains * asked[driven.actuators], -1.0, 1.0)
        # Of several for one element the strongest is written last.
        order = np.argsort(np.abs(levels), kind="stable")
        return driven.which[order], levels[order]
