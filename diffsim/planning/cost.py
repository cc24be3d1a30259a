"""What a plan is to keep small: squares of what a state is off a goal, and of the actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.identification.signals import entry_of
from diffsim.spec import Spec, array, number

__all__ = ["Expansion", "QuadraticCost", "Terms"]


@dataclass(frozen=True, eq=False, repr=False)
class QuadraticCost(Spec):
    """The integral over time of half the weighted squares of state and action, and half those of the last state.

    States are named as signals of a `Log`: "elbow" and "elbow.velocity" of a robot, "position[3, 1]" of points; or a
    whole array of `Stepper.layout`: "joint_velocity".

    Attributes:
        running: weight of the square of each, by name, per second.
        final: weight of the square of each at the end, by name.
        goal: what each is to be, by name; 0 where nothing is said.
        effort: weight of the square of the actions, per second: () or (k,). Above 0.
        periodic: names of angles that count by a whole turn: of these 1 - cos(angle - goal) stands in place of half the
            square, which is the same where it is small.
    """

    running: Mapping[str, float] = field(default_factory=dict)
    final: Mapping[str, float] = field(default_factory=dict)
    goal: Mapping[str, float] = field(default_factory=dict)
    effort: Any = 1e-3
    periodic: Any = ()

    def __post_init__(self) -> None:
        """Check every number."""
        for part in ("running", "final"):
            given = getattr(self, part)
            if not isinstance(given, Mapping):
                raise InputError(f"QuadraticCost.{part} is {given!r}, but weights by name are needed")
            checked = {
                name: number(f"QuadraticCost.{part}[{name!r}]", value, least=0.0) for name, value in given.items()
            }
            self._set(**{part: checked})
        if not self.running and not self.final:
            raise InputError("QuadraticCost has neither running nor final weights: nothing is wanted")
        goal = {name: number(f"QuadraticCost.goal[{name!r}]", value) for name, value in dict(self.goal).items()}
        periodic = (self.periodic,) if isinstance(self.periodic, str) else tuple(self.periodic)
        self._set(goal=goal, periodic=periodic)
        self._set(effort=array("QuadraticCost.effort", self.effort, (), ("k",), above=0.0))


@dataclass(frozen=True)
class Expansion:
    """A cost to second order along a trajectory of T steps.

    Attributes:
        x: (T + 1, n) its slope by the states, the last row that of the end.
        xx: (T + 1, n) the diagonal of its curvature.
        u: (T, k) slope by the actions.
        uu: (k,) diagonal of that curvature.
    """

    x: np.ndarray
    xx: np.ndarray
    u: np.ndarray
    uu: np.ndarray


class Terms:
    """A `QuadraticCost` on the flat states of a stepper."""

    def __init__(self, cost: QuadraticCost, scene: Any, stepper: Any):
        """Find every name."""
        shapes = {name: value.shape[1:] for name, value in stepper.named(stepper.start()).items()}
        self._scene, self._shapes, self._layout = scene, shapes, stepper.layout
        n = stepper.state_size
        self.dt = scene.dt * stepper.repeat
        self.running, self.final, self.goal = (np.zeros(n) for _ in range(3))
        self.periodic = np.zeros(n, bool)
        for part in ("running", "final", "goal"):
            for name, value in getattr(cost, part).items():
                getattr(self, part)[self._entries(part, name)] = value
        for name in cost.periodic:
            self.periodic[self._entries("periodic", name)] = True
        k = stepper.action_size
        self.effort = np.broadcast_to(array(f"QuadraticCost.effort of {k} actuators", cost.effort, (), (k,)), (k,))

    def _entries(self, part: str, name: str) -> slice | int:
        if name in self._layout:
            return self._layout[name]
        found, entry = entry_of(f"QuadraticCost.{part}:", name, self._scene, self._shapes)
        return int(self._layout[found].start + entry)

    def value(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """(...,) of trajectories: states (..., T + 1, n) and actions (..., T, k); inf where they are not finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            off = states - self.goal
            squares = np.where(self.periodic, 1.0 - np.cos(off), 0.5 * off**2)
            run = (squares[..., :-1, :] @ self.running).sum(axis=-1)
            effort = 0.5 * (actions**2 @ self.effort).sum(axis=-1)
            found = self.dt * (run + effort) + squares[..., -1, :] @ self.final
        return np.where(np.isfinite(found), found, np.inf)

    def expand(self, states: np.ndarray, actions: np.ndarray) -> Expansion:
        """To second order; of an angle that turns with Gauss and Newton's curvature of (sin, cos - 1), which is 1."""
        weights = np.concatenate([np.repeat(self.dt * self.running[None], len(actions), axis=0), self.final[None]])
        off = states - self.goal
        slope = np.where(self.periodic, np.sin(off), off)
        return Expansion(weights * slope, weights, self.dt * self.effort * actions, self.dt * self.effort)
