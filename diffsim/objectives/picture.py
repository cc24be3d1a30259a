"""Look like a picture: numbers on a grid in the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.numbers import tunable
from diffsim.objectives.base import Objective

__all__ = ["MatchPicture"]


@ti.func
def differ(goal: ti.template(), loss: ti.template(), env, row, step, c):
    apart = goal.shown[env, row, c] - goal.picture[env, c]
    loss[env] += goal.share * goal.weight[env, 0] * apart * apart


@dataclass(frozen=True, eq=False, repr=False)
class MatchPicture(Objective):
    """Look like a picture in the end: the mean squared difference of an array to it, over all cells of a grid.

    Attributes:
        picture: (n, m) what the array should be in each cell; entry [i, j] is the i-th along x, the j-th along y, up.
        array: name of an array of the model that has one number in each cell, such as "density" or "height".
        weight: factor of this term.
    """

    picture: Any = tunable("n", "m")
    array: str = "density"
    weight: float = 1.0

    @property
    def reads(self) -> str:
        """The array."""
        return self.array

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for a picture of another shape, of a scene that tells the shape of its grid."""
        start = scene.numbers().get(f"initial_{self.array}")
        if start is not None:
            self._check_shape(start.shape)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if self.picture.shape != shape:
            raise InputError(
                f"MatchPicture.picture has shape {self.picture.shape}, but {self.array!r} has {shape}; both need a "
                "number for each cell of a grid"
            )

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """A stage at the last row."""
        shown = model.array(self.array, "MatchPicture")
        self._check_shape((*getattr(shown, "grid", (model.elements(self.array),)), *model.arrays[self.array].width))
        goal = self.record(fields, model, prefix, shown=shown, share=1.0 / self.picture.size)
        return Part(final=(Stage(differ, (goal, fields.loss), self.picture.size),))

    def measure(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> float | None:
        """The mean squared difference."""
        return float(np.mean(np.square(rollout.arrays[self.array][-1] - numbers["picture"])))

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How far off it was."""
        return f"{max(value, 0.0) ** 0.5:.3g} off the picture (root mean square)"
