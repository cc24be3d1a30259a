"""Stay above a height."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.numbers import constant, tunable
from diffsim.objectives.base import Objective
from diffsim.objectives.links import check_span, counted, span

__all__ = ["Height"]


@ti.func
def rise(goal: ti.template(), loss: ti.template(), env, row, step, element):
    if step >= goal.first:
        height = goal.position[env, row, goal.link][2]
        if ti.static(goal.aimed):
            short = ti.max(goal.least[env, 0] - height, 0.0)
            loss[env] += goal.share * goal.weight[env, 0] * short * short
        else:
            loss[env] += -goal.share * goal.weight[env, 0] * height


@dataclass(frozen=True, eq=False, repr=False)
class Height(Objective):
    """Minus the mean height of a link [m]; with ``least``, the mean square of what is missing to it [m^2].

    The latter is a smooth margin for staying alive: nothing above it, and a force upwards that grows below it.

    Attributes:
        least: height that is enough [m]; None is as high as possible.
        link: its name; None is the first.
        after: time from which on it counts [s].
        weight: factor of this term.
    """

    reads = "position"

    least: float | None = tunable(default=None)
    link: str | None = None
    after: float = constant(0.0, least=0.0)
    weight: float = 1.0

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another kind of scene, an absent link, or if nothing of the rollout counts."""
        check_span("Height", self.link, self.after, scene, steps)

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every step."""
        here = span(model, self.link, self.after)
        goal = self.record(fields, model, prefix, aimed=self.least is not None, **here)
        return Part(step=(Stage(rise, (goal, fields.loss), 1),))

    def measure(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> float | None:
        """Minus the mean height, or the mean square of what is missing."""
        return super().measure(rollout, numbers) if self.squared else -float(self._height(rollout).mean())

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """What each step is missing, as a share of the mean; None without a height that is enough."""
        if not self.squared:
            return None
        height = self._height(rollout)
        return np.asarray(np.maximum(numbers["least"] - height, 0.0) / np.sqrt(len(height)))

    @property
    def squared(self) -> bool:
        """With a height that is enough."""
        return self.least is not None

    def _height(self, rollout: Any) -> np.ndarray:
        return counted(rollout, "position", self.link, self.after)[:, 2]

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How high it was."""
        if self.least is None:
            return f"{-value:.2f} m high on average"
        least = f"{float(numbers['least']):.3g} m"
        return f"{max(value, 0.0) ** 0.5:.2g} m below {least} (root mean square)" if value > 0.0 else f"above {least}"
