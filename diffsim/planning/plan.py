"""The door to planning: rollouts of many step lengths side by side, derivatives of all steps in one call."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.lazy import named
from diffsim.planning.cost import QuadraticCost, Terms
from diffsim.planning.ddp import Policy, backward
from diffsim.planning.limits import limits_of
from diffsim.spec import array, number, whole
from diffsim.stepper import Stepper

__all__ = ["Plan", "plan"]

OPEN_LOOP = "diffsim.controllers:OpenLoop"
FEEDBACK = "diffsim.controllers:LinearFeedback"
LENGTHS = 1.1 ** -(np.arange(11.0) ** 2)  # of steps that are tried side by side
ENOUGH = 1e-4  # of the decrease that is promised
SOFTEST, STIFFEST, FACTOR = 1e-6, 1e10, 1.6  # of what is added to the curvature


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """A trajectory of T calls of k actions, and feedback around it; a state has n numbers, as of `Stepper`.

    Attributes:
        scene: what was planned for.
        states: (T + 1, n).
        actions: (T, k).
        gains: (T, k, n): an action of ``actions[t] + gains[t] @ (state - states[t])`` keeps to the trajectory.
        cost: of it.
        history: the cost after each iteration, the first before it.
        repeat: steps of the scene in a call.
        low: (k,) lowest action that was allowed.
        high: (k,) highest.
        stopped: why, in words.
        arrays: names of the state's arrays, in their order.
    """

    scene: Any
    states: np.ndarray
    actions: np.ndarray
    gains: np.ndarray
    cost: float
    history: tuple[float, ...]
    repeat: int
    low: np.ndarray
    high: np.ndarray
    stopped: str
    arrays: tuple[str, ...] = ()

    @property
    def controller(self) -> Any:
        """The actions as an `OpenLoop` of a rollout of ``T * repeat`` steps."""
        return named(OPEN_LOOP)(np.repeat(self.actions, self.repeat, axis=0), saturate=False)

    @property
    def feedback(self) -> Any:
        """Actions and gains as a `LinearFeedback`, which keeps to the trajectory from other starts and under pushes.

        Raises:
            InputError: actuators have different limits, of which a scene knows nothing.
        """
        low, high = float(self.low.min()), float(self.high.max())
        for name, limits in (("low", self.low), ("high", self.high)):
            if len(np.unique(limits[np.isfinite(limits)])) > 1:
                raise InputError(f"Plan.{name} is {limits.tolist()}, but a LinearFeedback has one limit for all")
        settings = {"repeat": self.repeat, "low": low, "high": high}
        return named(FEEDBACK)(self.actions, self.states, self.gains, self.arrays, **settings)

    def act(self, t: int, state: np.ndarray) -> np.ndarray:
        """(..., k) the action of call ``t`` with feedback, for states (..., n)."""
        off = np.asarray(state, np.float64) - self.states[t]
        return np.clip(self.actions[t] + off @ self.gains[t].T, self.low, self.high)

    def follow(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rollouts with feedback from other states.

        Args:
            states: (m, n).

        Returns:
            (m, T + 1, n) states and (m, T, k) actions.
        """
        starts = np.atleast_2d(np.asarray(states, np.float64))
        with Stepper(self.scene, envs=len(starts), precision="f64", repeat=self.repeat, keep=1) as stepper:
            found, acted, state = [starts], [], starts
            for t in range(len(self.actions)):
                acted.append(self.act(t, state))
                state, _ = stepper.step(state, acted[-1], at=t * self.repeat)
                found.append(state)
        return np.stack(found, axis=1), np.stack(acted, axis=1)

    def __repr__(self) -> str:
        """One line."""
        return (
            f"Plan({len(self.actions)} calls, cost={self.cost:.6g}, iterations={len(self.history) - 1}, "
            f"stopped={self.stopped!r})"
        )


def plan(
    scene: Any,
    cost: QuadraticCost,
    calls: int,
    *,
    repeat: int = 1,
    start: Mapping[str, Any] | None = None,
    actions: Any = None,
    limits: tuple[Any, Any] | None = None,
    starts: int = 4,
    horizons: Sequence[int] = (),
    iterations: int = 200,
    tolerance: float = 1e-5,
    seed: int = 0,
    progress: bool = False,
) -> Plan:
    """Find actions, and feedback around them, that make a cost small: control-limited iLQR, in float64 on a CPU.

    Tassa, Mansard & Todorov, "Control-limited differential dynamic programming", ICRA 2014. The derivatives of all
    calls are worked out side by side, and so are rollouts of eleven step lengths. It needs no network, and few
    iterations where the way is smooth; contacts that come and go are as rough for it as for any gradient, and a start
    that already does something helps.

    Args:
        scene: what is driven.
        cost: of state and actions.
        calls: T, of ``repeat * scene.dt`` seconds each.
        repeat: steps of the scene in a call, in which the action is held.
        start: arrays of the first state by name, as of `Stepper.state_of`; None is where the scene begins.
        actions: (T, k) to begin with; None draws small ones with ``seed``, and ``starts`` times.
        limits: lowest and highest action, () or (k,) each; None is -1 to 1 for what a scene limits: springs, and
            actuators of robots with a control range.
        starts: how many drawn actions are gone on from, over the first horizon; the best counts.
        horizons: shorter numbers of calls, rising, to plan for first: each plan begins with the one before, and no
            action after it. What must come up early and stay there is found so, ``horizons=range(40, calls, 10)``.
        iterations: at most, of each horizon.
        tolerance: of the cost, relative: it ends when an iteration lowers it by less.
        seed: of the first actions.
        progress: a line for each iteration on standard error.

    Raises:
        InputError: naming what does not fit; the first rollout is not finite.
    """
    if not isinstance(cost, QuadraticCost):
        raise InputError(f"plan: cost is {cost!r}, but a QuadraticCost is needed")
    calls, iterations = whole("plan(calls)", calls), whole("plan(iterations)", iterations)
    tolerance = number("plan(tolerance)", tolerance, least=0.0)
    settings: dict[str, Any] = {"precision": "f64", "repeat": repeat}
    with (
        Stepper(scene, envs=len(LENGTHS), keep=1, **settings) as side,
        Stepper(scene, envs=calls, keep=1, **settings) as along,
    ):
        terms = Terms(cost, scene, side)
        low, high = limits_of(scene, limits, side.action_size)
        first = side.state_of(start or {})[0]
        shape = calls, side.action_size
        rng = np.random.default_rng(seed)
        guesses = (
            [0.01 * rng.normal(size=shape) for _ in range(whole("plan(starts)", starts))]
            if actions is None
            else [array("plan(actions)", actions, shape)]
        )
        early, *later = _rising(horizons, calls)

        def search_from(known: np.ndarray, horizon: int) -> tuple[_Search, str]:
            found = _Search(scene, terms, side, along, low, high, first, np.clip(known, low, high)[:horizon])
            return found, found.run(iterations, tolerance, progress)

        tried = [search_from(guess, early) for guess in guesses]
        best = int(np.argmin([search.cost for search, _ in tried]))
        search, stopped = tried[best]
        rest = np.zeros(shape) if actions is None else guesses[0]
        for horizon in later:
            search, stopped = search_from(np.concatenate([search.actions, rest[len(search.actions) :]]), horizon)
        return Plan(
            scene=scene,
            states=search.states,
            actions=search.actions,
            gains=search.gains,
            cost=search.cost,
            history=tuple(search.history),
            repeat=side.repeat,
            low=low,
            high=high,
            stopped=stopped,
            arrays=tuple(side.layout),
        )


def _rising(horizons: Sequence[int], calls: int) -> tuple[int, ...]:
    found = [whole(f"plan(horizons)[{k}]", horizon) for k, horizon in enumerate(horizons)]
    if sorted({*found, calls}) != [*found, calls]:
        raise InputError(f"plan(horizons) is {found}, but numbers of calls that rise and stay below {calls} are needed")
    return (*found, calls)


class _Search:
    """A trajectory that is made better."""

    def __init__(
        self,
        scene: Any,
        terms: Terms,
        side: Stepper,
        along: Stepper,
        low: np.ndarray,
        high: np.ndarray,
        first: np.ndarray,
        actions: np.ndarray,
    ):
        self._terms, self._side, self._along = terms, side, along
        self._low, self._high, self._first = low, high, first
        self.actions, n = actions, side.state_size
        self.gains = np.zeros((*actions.shape, n))
        self.states = np.repeat(first[None], len(actions) + 1, axis=0)
        flat = Policy(np.zeros_like(actions), self.gains, 0.0, 0.0)
        states, acted, costs = self._tried(flat)
        if not np.isfinite(costs[0]):
            raise InputError("plan: the rollout of the first actions is not finite; give others, or a smaller dt")
        self.states, self.actions, self.cost = states[0], acted[0], float(costs[0])
        self.history = [self.cost]

    def run(self, iterations: int, tolerance: float, progress: bool) -> str:
        """Iterate; why it ended."""
        stiffer, factor = 0.0, 1.0
        for iteration in range(iterations):
            by_state, by_action = self._derivatives()
            cost = self._terms.expand(self.states, self.actions)
            lowered = None
            while lowered is None:
                found = backward(
                    by_state, by_action, cost, self._low - self.actions, self._high - self.actions, stiffer
                )
                if found is not None:
                    self.gains = found.gain
                    lowered = self._advance(found)
                if lowered is None:
                    factor = max(FACTOR, factor * FACTOR)
                    stiffer = max(SOFTEST, stiffer * factor)
                    if stiffer > STIFFEST:
                        return "no step lowers the cost any more"
            factor = min(1.0 / FACTOR, factor / FACTOR)
            stiffer = stiffer * factor if stiffer * factor >= SOFTEST else 0.0
            self.history.append(self.cost)
            if progress:
                print(f"plan: iteration {iteration + 1}, cost {self.cost:.6g}", file=sys.stderr)
            if lowered <= tolerance * abs(self.cost):
                return "the cost does not fall any more"
        return f"all {iterations} iterations are done"

    def _derivatives(self) -> tuple[np.ndarray, np.ndarray]:
        """Of all calls, side by side; there is room for those of the longest horizon."""
        calls, room = len(self.actions), ((0, self._along.envs - len(self.actions)), (0, 0))
        states, actions = (np.pad(each, room, mode="edge") for each in (self.states[:-1], self.actions))
        by_state, by_action = self._along.jacobians(states, actions)
        return by_state[:calls], by_action[:calls]

    def _advance(self, policy: Policy) -> float | None:
        """Take the longest step that lowers the cost enough; by how much, None if none does."""
        states, actions, costs = self._tried(policy)
        for k, length in enumerate(LENGTHS):
            promised = -(length * policy.slope + length**2 * policy.bend)
            if self.cost - costs[k] >= ENOUGH * max(promised, 0.0) and costs[k] <= self.cost:
                lowered = self.cost - float(costs[k])
                self.states, self.actions, self.cost = states[k], actions[k], float(costs[k])
                return lowered
        return None

    def _tried(self, policy: Policy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rollouts of all step lengths: states (lengths, T + 1, n), actions (lengths, T, k) and costs."""
        state = np.repeat(self._first[None], len(LENGTHS), axis=0)
        states, acted = [state], []
        with np.errstate(over="ignore", invalid="ignore"):  # steps that are too long
            for t in range(len(self.actions)):
                off = (state - self.states[t]) @ policy.gain[t].T
                action = np.clip(self.actions[t] + LENGTHS[:, None] * policy.shift[t] + off, self._low, self._high)
                state, _ = self._side.step(state, np.nan_to_num(action), at=t * self._side.repeat)
                states.append(state)
                acted.append(action)
            found = np.stack(states, axis=1), np.stack(acted, axis=1)
            return *found, self._terms.value(*found)
