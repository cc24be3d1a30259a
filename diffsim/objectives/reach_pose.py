"""Be somewhere with a link, turned as wanted, at the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.numbers import tunable
from diffsim.objectives.base import Objective
from diffsim.objectives.links import check_link, link_of
from diffsim.spec import number

__all__ = ["ReachPose"]


@ti.func
def pose(goal: ti.template(), loss: ti.template(), env, row, step, element):
    apart = goal.position[env, row, goal.link] - goal.target[env, 0]
    r = goal.rotation[env, row, goal.link]
    given = goal.orientation[env, 0]
    q = given / ti.sqrt(given.dot(given))
    w, x, y, z = q[0], q[1], q[2], q[3]
    trace = (
        r[0] * (1.0 - 2.0 * (y * y + z * z))
        + r[1] * (2.0 * (x * y - w * z))
        + r[2] * (2.0 * (x * z + w * y))
        + r[3] * (2.0 * (x * y + w * z))
        + r[4] * (1.0 - 2.0 * (x * x + z * z))
        + r[5] * (2.0 * (y * z - w * x))
        + r[6] * (2.0 * (x * z - w * y))
        + r[7] * (2.0 * (y * z + w * x))
        + r[8] * (1.0 - 2.0 * (x * x + y * y))
    )
    off = goal.size[env, 0] * goal.size[env, 0] * (3.0 - trace)
    loss[env] += goal.weight[env, 0] * (apart.dot(apart) + off)


@dataclass(frozen=True, eq=False, repr=False)
class ReachPose(Objective):
    """Be at a place with a link, turned as wanted, at the last step: ``|x - target|^2 + 2 size^2 (1 - cos(angle))``.

    Smooth at the pose itself; an angle counts as the way of a point at the distance ``size`` from the axis.

    Attributes:
        target: (3,) of the origin of the link's frame [m].
        orientation: (4,) quaternion w, x, y, z of the link's frame; any length but zero.
        link: its name.
        size: what angles are multiplied with [m].
        weight: factor of this term.
    """

    reads = ("position", "rotation")

    target: Any = tunable(3)
    orientation: Any = tunable(4, default=(1.0, 0.0, 0.0, 0.0))
    link: str | None = None
    size: float = tunable(default=0.1, least=0.0)
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        number("the length of ReachPose.orientation", np.linalg.norm(self.orientation), above=0.0)

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another kind of scene or an absent link."""
        check_link("ReachPose", self.link, scene)

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at the last row."""
        goal = self.record(fields, model, prefix, link=link_of(model, self.link))
        return Part(final=(Stage(pose, (goal, fields.loss), 1),))

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """How far off it is along each axis, and in each entry of its rotation."""
        names = [each.name for each in rollout.problem.scene.links]
        at = 0 if self.link is None else names.index(self.link)
        apart = rollout.arrays["position"][-1, at] - numbers["target"]
        w, x, y, z = numbers["orientation"] / np.linalg.norm(numbers["orientation"])
        wanted = np.array(
            [
                [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
                [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
                [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
            ]
        )
        turned = rollout.arrays["rotation"][-1, at] - wanted.ravel()
        return np.concatenate([apart, np.sqrt(0.5) * numbers["size"] * turned])

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How near it came."""
        return f"{max(value, 0.0) ** 0.5:.3g} m from the pose, its turn counted"
