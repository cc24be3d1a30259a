"""Run fast, or at a speed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.objectives.base import Objective
from diffsim.objectives.links import check_span, link_of, steps_from
from diffsim.spec import array, number

__all__ = ["ForwardVelocity"]


@dataclass(frozen=True)
class _Running:
    direction: Any  # (env, 0)
    speed: Any  # (env, 0) [m/s]; None for as fast as possible
    weight: Any  # (env, 0)
    velocity: Any  # (env, row, place) [m/s]
    link: int
    first: int  # step that counts
    share: float
    aimed: bool


@ti.func
def run(goal: ti.template(), loss: ti.template(), env, row, step, element):
    if step >= goal.first:
        along = goal.direction[env, 0].dot(goal.velocity[env, row, goal.link])
        if ti.static(goal.aimed):
            off = along - goal.speed[env, 0]
            loss[env] += goal.share * goal.weight[env, 0] * off * off
        else:
            loss[env] += -goal.share * goal.weight[env, 0] * along


@dataclass(frozen=True, eq=False, repr=False)
class ForwardVelocity(Objective):
    """Minus the mean velocity of a link along a direction [m/s]; with a ``speed``, the mean squared difference to it.

    Attributes:
        direction: (3,) need not be a unit vector.
        speed: wanted [m/s]; None is as fast as possible.
        link: its name; None is the first.
        after: time from which on it counts [s].
        weight: factor of this term.
    """

    direction: Any = (1.0, 0.0, 0.0)
    speed: float | None = None
    link: str | None = None
    after: float = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        self._set(
            direction=array("ForwardVelocity.direction", self.direction, (3,)),
            speed=None if self.speed is None else number("ForwardVelocity.speed", self.speed),
            after=number("ForwardVelocity.after", self.after, least=0.0),
            weight=number("ForwardVelocity.weight", self.weight),
        )

    @property
    def reads(self) -> frozenset[str]:
        """Velocities."""
        return frozenset({"velocity"})

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another kind of scene, an absent link, or if nothing of the rollout counts."""
        check_span("ForwardVelocity", self.link, self.after, scene, steps)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        speed = {} if self.speed is None else {"speed": np.array(self.speed)}
        return {"direction": self.direction, **speed, "weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every step."""
        first, share = steps_from(model, self.after)
        goal = _Running(
            direction=fields.number(f"{prefix}.direction", 1, 3),
            speed=None if self.speed is None else fields.number(f"{prefix}.speed", 1),
            weight=fields.number(f"{prefix}.weight", 1),
            velocity=model.array("velocity", "ForwardVelocity"),
            link=link_of(model, self.link),
            first=first,
            share=share,
            aimed=self.speed is not None,
        )
        return Part(step=(Stage(run, (goal, fields.loss), 1),))
