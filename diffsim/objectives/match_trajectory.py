"""Follow measured positions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.objectives.base import Objective
from diffsim.spec import array, number

__all__ = ["MatchTrajectory"]


@dataclass(frozen=True)
class _Matching:
    points: Any  # (sample point,) which point was measured
    row: Any  # (step,) which row of the measurements belongs to a step, -1 for none
    present: Any  # (measurement row * sample points + sample point,) 1 where there is a measurement
    measured: Any  # (env, the same) [m]
    weight: Any  # (env, 0)
    position: Any  # (env, row, point) [m]
    count: int  # sample points
    share: float  # 1 / number of measurements


@ti.func
def mismatch(goal: ti.template(), loss: ti.template(), env, row, step, element):
    sample = goal.row[step]
    if sample >= 0:
        at = sample * goal.count + element
        if goal.present[at] == 1:
            apart = goal.position[env, row, goal.points[element]] - goal.measured[env, at]
            loss[env] += goal.share * goal.weight[env, 0] * apart.dot(apart)


@dataclass(frozen=True, eq=False, repr=False)
class MatchTrajectory(Objective):
    """Follow measured positions: the mean squared distance [m^2] over all measurements there are.

    Attributes:
        positions: (m, k, d) measured [m]; NaN where a sample is missing.
        steps: (m,) the step at which each row was measured, 0 is the initial state; None is 0, 1, ..., m - 1.
        points: (k,) which points were measured; None is all of them.
        mask: (m, k) False where a sample is missing; None takes all that are not NaN.
        weight: factor of this term.
    """

    positions: Any
    steps: Any = None
    points: Any = None
    mask: Any = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check shapes; samples that are masked are stored as NaN."""
        positions = np.array(self.positions, dtype=np.float64)
        if positions.ndim != 3 or 0 in positions.shape or positions.shape[2] not in (2, 3):
            raise InputError(f"MatchTrajectory.positions has shape {positions.shape}, but (m, k, 2 or 3) is needed")
        m, k, _ = positions.shape
        missing = np.asarray(np.isnan(positions).any(axis=2))
        if self.mask is not None:
            missing |= array("MatchTrajectory.mask", np.asarray(self.mask, bool).astype(int), (m, k)) == 0
        if missing.all():
            raise InputError("MatchTrajectory.positions holds no measurement: every sample is NaN or masked")
        array("MatchTrajectory.positions", np.where(missing[:, :, None], 0.0, positions))
        positions[missing] = np.nan
        positions.setflags(write=False)
        steps = np.arange(m) if self.steps is None else self.steps
        steps = array("MatchTrajectory.steps", steps, (m,), least=0, dtype=np.int64)
        if (np.diff(steps) <= 0).any():
            raise InputError("MatchTrajectory.steps must increase from row to row")
        points = np.arange(k) if self.points is None else self.points
        points = array("MatchTrajectory.points", points, (k,), least=0, dtype=np.int64)
        self._set(positions=positions, steps=steps, points=points, mask=None)
        self._set(weight=number("MatchTrajectory.weight", self.weight))

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for absent points, another dimension, or measurements after the last step."""
        array(f"MatchTrajectory.steps of a rollout of {steps} steps", self.steps, most=steps)
        if hasattr(scene, "places"):
            self._check_points(len(scene.places), 3)
        elif "initial_position" in scene.numbers():  # else the model knows, once it is built
            self._check_points(*scene.numbers()["initial_position"].shape)

    def _check_points(self, n: int, d: int) -> None:
        array(f"MatchTrajectory.points of a scene with {n} points", self.points, most=n - 1)
        if self.positions.shape[2] != d:
            raise InputError(f"MatchTrajectory.positions are in {self.positions.shape[2]} dimensions, the scene in {d}")

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name; a missing sample counts as 0 and has no gradient."""
        return {"positions": np.nan_to_num(self.positions, nan=0.0), "weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every row."""
        m, k, d = self.positions.shape
        position = model.array("position", "MatchTrajectory")
        self._check_points(model.places, model.dimension)
        rows = np.full(model.steps + 1, -1)
        rows[self.steps] = np.arange(m)
        present = ~np.isnan(self.positions).any(axis=2)
        goal = _Matching(
            points=fields.integers(self.points),
            row=fields.integers(rows),
            present=fields.integers(present.ravel()),
            measured=fields.number(f"{prefix}.positions", m * k, d, np.arange(m * k * d).reshape(m * k, d)),
            weight=fields.number(f"{prefix}.weight", 1),
            position=position,
            count=k,
            share=1.0 / float(present.sum()),
        )
        stages = (Stage(mismatch, (goal, fields.loss), k),)
        return Part(step=stages, final=stages)

    def measurements(self, scene: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What was measured, for `identify`: (m,) steps, and (m,) values by what they are, NaN where there is none."""
        named = {}
        for k, point in enumerate(self.points.tolist()):
            for axis in range(self.positions.shape[2]):
                named[f"position[{point}, {axis}]"] = self.positions[:, k, axis]
        return self.steps, named

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Every measurement's distance, as a share of the mean."""
        apart = rollout.arrays["position"][np.ix_(self.steps, self.points)] - numbers["positions"]
        present = ~np.isnan(self.positions).any(axis=2)
        return np.asarray(apart[present].ravel() / np.sqrt(present.sum()))

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How far off it was."""
        return f"{max(value, 0.0) ** 0.5:.3g} m from what was measured (root mean square)"
