"""Follow measured or wanted positions of joints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.objectives.base import Objective
from diffsim.objectives.links import check_robot
from diffsim.spec import array, number

__all__ = ["TrackJoints"]


@dataclass(frozen=True)
class _Tracking:
    coordinate: Any  # (joint,) where it is in the position of all
    sample: Any  # (step,) which row of the measurements belongs to a step, -1 for none
    wanted: Any  # (env, sample * joints + joint) [rad] or [m]
    weight: Any  # (env, 0)
    position: Any  # (env, row, coordinate)
    count: int  # joints
    share: float  # 1 / number of measurements


@ti.func
def track(goal: ti.template(), loss: ti.template(), env, row, step, element):
    sample = goal.sample[step]
    if sample >= 0:
        off = goal.position[env, row, goal.coordinate[element]] - goal.wanted[env, sample * goal.count + element]
        loss[env] += goal.share * goal.weight[env, 0] * off * off


@dataclass(frozen=True, eq=False, repr=False)
class TrackJoints(Objective):
    """Follow positions of hinges and slides: the mean squared difference over all samples [rad^2] or [m^2].

    Attributes:
        positions: (m, k) [rad] or [m].
        joints: k names; None is all hinges and slides, in the order of the scene.
        steps: (m,) the step of each row, 0 is the initial state; None is 0, 1, ..., m - 1.
        weight: factor of this term.
    """

    positions: Any
    joints: Any = None
    steps: Any = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        positions = array("TrackJoints.positions", self.positions, ("m", "k"))
        m, k = positions.shape
        steps = array(
            "TrackJoints.steps", np.arange(m) if self.steps is None else self.steps, (m,), least=0, dtype=np.int64
        )
        if (np.diff(steps) <= 0).any():
            raise InputError("TrackJoints.steps must increase from row to row")
        joints = (self.joints,) if isinstance(self.joints, str) else self.joints
        joints = None if joints is None else tuple(joints)
        if joints is not None and len(joints) != k:
            raise InputError(f"TrackJoints.joints names {len(joints)} joints, but positions have {k} columns")
        self._set(positions=positions, steps=steps, joints=joints, weight=number("TrackJoints.weight", self.weight))

    def _names(self, scene: Any) -> tuple[str, ...]:
        if self.joints is not None:
            return self.joints
        return tuple(joint.name for joint in scene.joints if joint.freedoms == 1)

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another kind of scene, absent joints, or samples after the last step."""
        check_robot("TrackJoints", scene)
        names = self._names(scene)
        for k, name in enumerate(names):
            scene.coordinate(f"TrackJoints.joints[{k}]", name)
        array(f"TrackJoints.positions of a scene with {len(names)} joints", self.positions, ("m", len(names)))
        array(f"TrackJoints.steps of a rollout of {steps} steps", self.steps, most=steps)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        return {"positions": self.positions, "weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every row."""
        m, k = self.positions.shape
        rows = np.full(model.steps + 1, -1)
        rows[self.steps] = np.arange(m)
        names = tuple(model.coordinates) if self.joints is None else self.joints
        goal = _Tracking(
            coordinate=fields.integers(np.array([model.coordinates[name] for name in names])),
            sample=fields.integers(rows),
            wanted=fields.number(f"{prefix}.positions", m * k, 0, np.arange(m * k)),
            weight=fields.number(f"{prefix}.weight", 1),
            position=model.array("joint_position", "TrackJoints"),
            count=k,
            share=1.0 / (m * k),
        )
        stages = (Stage(track, (goal, fields.loss), k),)
        return Part(step=stages, final=stages)

    def measurements(self, scene: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What was measured, for `identify`: (m,) steps, and (m,) values by the names of the joints."""
        return self.steps, {name: self.positions[:, k] for k, name in enumerate(self._names(scene))}

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Every sample's difference, as a share of the mean."""
        scene = rollout.problem.scene
        at = [scene.coordinate("joint", name) for name in self._names(scene)]
        off = rollout.arrays["joint_position"][np.ix_(self.steps, at)] - numbers["positions"]
        return np.asarray(off.ravel() / np.sqrt(off.size))

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How far off the joints were."""
        return f"joints {max(value, 0.0) ** 0.5:.3g} rad or m off (root mean square)"
