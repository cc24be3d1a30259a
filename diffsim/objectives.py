"""Objectives: what is to be small at the end of a rollout, or along it.

Objectives are added and scaled: ``Travel() + 0.01 * Effort()``. One of your own is a frozen dataclass derived from
`Objective` whose `build` returns stages; docs/own_objective.md shows one.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.spec import Spec, array, number, whole

__all__ = ["OBJECTIVES", "Effort", "MatchTrajectory", "Objective", "ReachTarget", "Sum", "Travel"]


class Objective(Spec):
    """Base of all objectives: a frozen dataclass with ``eq=False`` and a last field ``weight: float = 1.0``.

    Attributes:
        reads: what the model must provide: "centre", "observation", "actuator_state".
        weight: factor of this term.
    """

    kind: ClassVar[str] = "objective"
    weight: float

    @property
    def reads(self) -> frozenset[str]:
        """What the model must provide."""
        return frozenset()

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError where the objective does not fit the scene."""

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        return {"weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """Declare fields and list the stages that add to ``fields.loss[env]``."""
        raise TypeError(f"{type(self).__name__} must define build(fields, model, prefix)")

    def __add__(self, other: "Objective") -> "Sum":
        """Both terms together."""
        if not isinstance(other, Objective):
            return NotImplemented
        return Sum((*_terms(self), *_terms(other)))

    def __mul__(self, factor: float) -> "Objective":
        """The same objective with another weight."""
        scale = number(f"the factor of {type(self).__name__}", factor)
        return replace(self, weight=self.weight * scale)  # type: ignore[type-var]

    __rmul__ = __mul__


def _terms(objective: Objective) -> tuple[Objective, ...]:
    return objective.terms if isinstance(objective, Sum) else (objective,)


@dataclass(frozen=True, eq=False, repr=False)
class Sum(Objective):
    """Several objectives added; made by ``a + b``. Parameters are named after them: ``objective.travel.weight``."""

    terms: tuple[Objective, ...]

    def __post_init__(self) -> None:
        """Check the terms."""
        self._set(terms=tuple(self.terms))
        for k, term in enumerate(self.terms):
            if not isinstance(term, Objective):
                raise InputError(f"Sum.terms[{k}] is {term!r}, but an objective is needed")

    def _named(self) -> list[tuple[str, Objective]]:
        named: list[tuple[str, Objective]] = []
        for term in self.terms:
            base = name = type(term).__name__.lower()
            again = 2
            while any(name == other for other, _ in named):
                name, again = f"{base}_{again}", again + 1
            named.append((name, term))
        return named

    @property
    def reads(self) -> frozenset[str]:
        """What any term reads."""
        return frozenset().union(*(term.reads for term in self.terms))

    def check(self, scene: Any, steps: int) -> None:
        """Check every term."""
        for term in self.terms:
            term.check(scene, steps)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters of all terms."""
        return {f"{name}.{key}": value for name, term in self._named() for key, value in term.numbers(scene).items()}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """The stages of all terms."""
        parts = [term.build(fields, model, f"{prefix}.{name}") for name, term in self._named()]
        return Part(
            prepare=tuple(stage for part in parts for stage in part.prepare),
            step=tuple(stage for part in parts for stage in part.step),
            final=tuple(stage for part in parts for stage in part.final),
        )

    def __mul__(self, factor: float) -> "Sum":
        """Every term scaled."""
        return Sum(tuple(term * factor for term in self.terms))

    __rmul__ = __mul__


def _check_point(owner: str, point: int | None, scene: Any) -> None:
    n = len(scene.numbers()["initial_position"])
    if point is not None and point >= n:
        raise InputError(f"{owner}.point is {point}, but the scene has {n} points (0 to {n - 1})")


# Travel


@dataclass(frozen=True)
class _Travelling:
    direction: Any  # (env, 0)
    origin: Any  # (env, 0) [m]
    weight: Any  # (env, 0)
    place: Any  # (env, row, element) [m]
    element: int


@ti.func
def travel(goal: ti.template(), loss: ti.template(), env, row, step, element):
    gone = goal.place[env, row, goal.element] - goal.origin[env, 0]
    loss[env] += -goal.weight[env, 0] * goal.direction[env, 0].dot(gone)


@dataclass(frozen=True, eq=False, repr=False)
class Travel(Objective):
    """Get far: minus the distance [m] along a direction, from an origin, at the last step.

    Attributes:
        direction: (d,) need not be a unit vector; None is the first axis.
        point: which point; None is the centre (the mean of all points).
        origin: (d,) where the distance is counted from [m]; None is the world's origin.
        weight: factor of this term.
    """

    direction: Any = None
    point: int | None = None
    origin: Any = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        for name in ("direction", "origin"):
            if getattr(self, name) is not None:
                self._set(**{name: array(f"Travel.{name}", getattr(self, name), (2,), (3,))})
        if self.point is not None:
            self._set(point=whole("Travel.point", self.point, least=0))
        self._set(weight=number("Travel.weight", self.weight))

    @property
    def reads(self) -> frozenset[str]:
        """The centre, unless a point is named."""
        return frozenset({"centre"} if self.point is None else ())

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another dimension or an absent point."""
        d = scene.dimension
        for name in ("direction", "origin"):
            if getattr(self, name) is not None:
                array(f"Travel.{name} of a scene in {d} dimensions", getattr(self, name), (d,))
        _check_point("Travel", self.point, scene)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        d = scene.dimension
        return {
            "direction": np.eye(d)[0] if self.direction is None else self.direction,
            "origin": np.zeros(d) if self.origin is None else self.origin,
            "weight": np.array(self.weight),
        }

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at the last row."""
        goal = _Travelling(
            direction=fields.number(f"{prefix}.direction", 1, model.dimension),
            origin=fields.number(f"{prefix}.origin", 1, model.dimension),
            weight=fields.number(f"{prefix}.weight", 1),
            place=model.motion.centre if self.point is None else model.motion.position,
            element=self.point or 0,
        )
        return Part(final=(Stage(travel, (goal, fields.loss), 1),))


# ReachTarget


@dataclass(frozen=True)
class _Reaching:
    target: Any  # (env, 0) [m]
    weight: Any  # (env, 0)
    place: Any  # (env, row, element) [m]
    element: int


@ti.func
def reach(goal: ti.template(), loss: ti.template(), env, row, step, element):
    apart = goal.place[env, row, goal.element] - goal.target[env, 0]
    loss[env] += goal.weight[env, 0] * apart.dot(apart)


@dataclass(frozen=True, eq=False, repr=False)
class ReachTarget(Objective):
    """Be at a target at the last step: the squared distance [m^2], which is smooth at the target itself.

    Attributes:
        target: (d,) [m].
        point: which point or body; None is the centre.
        weight: factor of this term.
    """

    target: Any
    point: int | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        self._set(target=array("ReachTarget.target", self.target, (2,), (3,)))
        if self.point is not None:
            self._set(point=whole("ReachTarget.point", self.point, least=0))
        self._set(weight=number("ReachTarget.weight", self.weight))

    @property
    def reads(self) -> frozenset[str]:
        """The centre, unless a point is named."""
        return frozenset({"centre"} if self.point is None else ())

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another dimension or an absent point."""
        array(f"ReachTarget.target of a scene in {scene.dimension} dimensions", self.target, (scene.dimension,))
        _check_point("ReachTarget", self.point, scene)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        return {"target": self.target, "weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at the last row."""
        goal = _Reaching(
            target=fields.number(f"{prefix}.target", 1, model.dimension),
            weight=fields.number(f"{prefix}.weight", 1),
            place=model.motion.centre if self.point is None else model.motion.position,
            element=self.point or 0,
        )
        return Part(final=(Stage(reach, (goal, fields.loss), 1),))


# MatchTrajectory


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
        n, d = scene.numbers()["initial_position"].shape
        array(f"MatchTrajectory.points of a scene with {n} points", self.points, most=n - 1)
        array(f"MatchTrajectory.steps of a rollout of {steps} steps", self.steps, most=steps)
        if self.positions.shape[2] != d:
            raise InputError(f"MatchTrajectory.positions are in {self.positions.shape[2]} dimensions, the scene in {d}")

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name; a missing sample counts as 0 and has no gradient."""
        return {"positions": np.nan_to_num(self.positions, nan=0.0), "weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every row."""
        m, k, d = self.positions.shape
        rows = np.full(model.steps + 1, -1)
        rows[self.steps] = np.arange(m)
        present = ~np.isnan(self.positions).any(axis=2)
        goal = _Matching(
            points=fields.integers(self.points),
            row=fields.integers(rows),
            present=fields.integers(present.ravel()),
            measured=fields.number(f"{prefix}.positions", m * k, d, np.arange(m * k * d).reshape(m * k, d)),
            weight=fields.number(f"{prefix}.weight", 1),
            position=model.motion.position,
            count=k,
            share=1.0 / float(present.sum()),
        )
        stages = (Stage(mismatch, (goal, fields.loss), k),)
        return Part(step=stages, final=stages)


# Effort


@dataclass(frozen=True)
class _Working:
    actuation: Any  # (env, row, actuator)
    weight: Any  # (env, 0)
    dt: float  # [s]


@ti.func
def effort(goal: ti.template(), loss: ti.template(), env, row, step, actuator):
    a = goal.actuation[env, row, actuator]
    loss[env] += goal.dt * goal.weight[env, 0] * a * a


@dataclass(frozen=True, eq=False, repr=False)
class Effort(Objective):
    """Use little: the time integral of the sum of the squared actuations [s], summed at every step.

    Attributes:
        weight: factor of this term.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the weight."""
        self._set(weight=number("Effort.weight", self.weight))

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError if there is nothing to actuate."""
        if not len(scene.actuators):
            raise InputError("Effort needs actuators, but the scene has none; give springs an actuation")

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every step."""
        goal = _Working(model.motion.actuation, fields.number(f"{prefix}.weight", 1), model.dt)
        return Part(step=(Stage(effort, (goal, fields.loss), model.actuators),))


OBJECTIVES = (Effort, MatchTrajectory, ReachTarget, Travel)
"""All of them; the conformance tests check the gradient of each."""
