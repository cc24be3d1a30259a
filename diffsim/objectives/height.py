"""Stay above a height."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.objectives.base import Objective
from diffsim.objectives.links import check_span, link_of, steps_from
from diffsim.spec import number

__all__ = ["Height"]


@dataclass(frozen=True)
class _Rising:
    least: Any  # (env, 0) [m]; None for as high as possible
    weight: Any  # (env, 0)
    position: Any  # (env, row, place) [m]
    link: int
    first: int
    share: float
    aimed: bool


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

    least: float | None = None
    link: str | None = None
    after: float = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        self._set(
            least=None if self.least is None else number("Height.least", self.least),
            after=number("Height.after", self.after, least=0.0),
            weight=number("Height.weight", self.weight),
        )

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another kind of scene, an absent link, or if nothing of the rollout counts."""
        check_span("Height", self.link, self.after, scene, steps)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        least = {} if self.least is None else {"least": np.array(self.least)}
        return {**least, "weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every step."""
        first, share = steps_from(model, self.after)
        goal = _Rising(
            least=None if self.least is None else fields.number(f"{prefix}.least", 1),
            weight=fields.number(f"{prefix}.weight", 1),
            position=model.array("position", "Height"),
            link=link_of(model, self.link),
            first=first,
            share=share,
            aimed=self.least is not None,
        )
        return Part(step=(Stage(rise, (goal, fields.loss), 1),))
