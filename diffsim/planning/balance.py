"""Where a scene stays if an action is held, and linear feedback that keeps it there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.planning.cost import QuadraticCost, Terms
from diffsim.planning.limits import limits_of
from diffsim.spec import whole
from diffsim.stepper import Stepper

__all__ = ["Balance", "balance"]

STILL = 1e-9
"""By how much a number of the state may change in a call where it stays: a micrometre and more in a minute."""

SETTLED = 1e-8
"""Relative change of the gain with a horizon twice as long, below which it counts as that of an endless one."""

DOUBLED = 30  # times at most: months
GROWS = 1e-6  # by which an eigenvalue may be beyond 1: what costs nothing may stay as it is
SOFTEST, STIFFEST, FACTOR = 1e-12, 1e6, 4.0  # of what is added to the curvature of what is left to mend
HARDLY = 1e-6  # of the largest weight, what those of nothing count where a state is sought
GAINED = 1e-6  # of the cost, what a step is to gain for another one to follow
BACK = 12  # iterations back to a state that stays
NUDGE = 1e-6  # of a number of the state, for the derivative of an observation
TOLD = 1e-5  # of the largest gain, how much of a gain an observation may not tell

Change = Callable[[np.ndarray], np.ndarray]
"""Of a point, state and action: by how much a call changes the state, or the derivative of that."""


@dataclass(frozen=True, eq=False, repr=False)
class Balance:
    """A state of n numbers in which a scene stays, the k actions that hold it there, and feedback around it.

    Attributes:
        scene: what stays.
        state: (n,), as of `Stepper`.
        action: (k,) which is held.
        gain: (k, n): actions of ``action + gain @ (x - state)`` bring a state x nearby back.
        loop: (n, n) derivative of a call with that feedback, by the state.
        repeat: steps of the scene in a call.
    """

    scene: Any
    state: np.ndarray
    action: np.ndarray
    gain: np.ndarray
    loop: np.ndarray
    repeat: int

    def act(self, state: np.ndarray) -> np.ndarray:
        """(..., k) actions with feedback, within what actuators give, for states (..., n)."""
        low, high = limits_of(self.scene, None, len(self.action))
        off = np.asarray(state, np.float64) - self.state
        return np.clip(self.action + off @ self.gain.T, low, high)

    def weights(self) -> dict[str, np.ndarray]:
        """The feedback as ``w1`` (k, observations) and ``b1`` (k,) of a network without hidden layers: MLP(hidden=()).

        Its tanh bends what is a straight line here; where it stays, value and slope are the same.

        Raises:
            InputError: feedback needs what a controller of the scene does not observe, or more than a tanh gives.
        """
        if np.abs(self.action).max() >= 1.0:
            raise InputError(f"Balance.weights: a tanh gives less than 1, but it stays by {self.action.tolist()}")
        with Stepper(self.scene, precision="f64", reads="observation", keep=1) as stepper:

            def seen(state: np.ndarray) -> np.ndarray:
                return np.asarray(stepper.observe(state[None])["observation"][0], np.float64)

            around = NUDGE * np.eye(len(self.state))
            slope = np.array([(seen(self.state + x) - seen(self.state - x)) / (2.0 * NUDGE) for x in around]).T
            there = seen(self.state)
            gain = self.gain @ np.linalg.pinv(slope, rcond=NUDGE)
            untold = np.abs(gain @ slope - self.gain).max(axis=0)
            if untold.max() > TOLD * np.abs(self.gain).max():
                worst = int(np.argmax(untold))
                name = next(n for n, part in stepper.layout.items() if part.start <= worst < part.stop)
                raise InputError(
                    f"Balance.weights: the feedback needs {name}[{worst - stepper.layout[name].start}], but what a "
                    "controller observes does not tell it; give it no weight in the cost"
                )
        steep = gain / (1.0 - self.action**2)[:, None]
        return {"w1": steep, "b1": np.arctanh(self.action) - steep @ there}

    def __repr__(self) -> str:
        """One line."""
        most = float(np.abs(self.action).max())
        return (
            f"Balance({len(self.action)} actions of at most {most:.3g}, gains of at most {np.abs(self.gain).max():.3g})"
        )


def balance(
    scene: Any,
    cost: QuadraticCost,
    *,
    start: Mapping[str, Any] | None = None,
    repeat: int = 1,
    iterations: int = 100,
) -> Balance:
    """Find a state in which a scene stays, and linear feedback that keeps it there, in float64 on a CPU.

    The state is the one of least cost among those that stay: as near as can be to ``start``, with actions that are as
    small as can be. The search takes steps along what stays to first order, and goes back to it by Levenberg and
    Marquardt's method. What is to carry a robot must touch it in the start, rather too deeply than not at all. The
    feedback is the linear-quadratic regulator of an endless horizon (Anderson & Moore 1990, section 3.1). It knows of
    no limits, and of no contact that is not there where it stays.

    Args:
        scene: what is to stay, with actuators.
        cost: weights of ``running`` and ``effort``; what the state is to be is ``start``.
        start: arrays of a state by name, as of `Stepper.state_of`, at rest; None is where the scene begins.
        repeat: steps of the scene in a call, in which the action is held.
        iterations: of the search for the state, at most.

    Raises:
        InputError: there is no such state nearby, actuators do not give the action, or no feedback keeps it.
    """
    if not isinstance(cost, QuadraticCost):
        raise InputError(f"balance: cost is {cost!r}, but a QuadraticCost is needed")
    if not cost.running:
        raise InputError("balance: cost has no running weights, but an endless horizon has no end that could count")
    if cost.final or cost.goal or cost.periodic:
        raise InputError(
            "balance: cost has final weights, a goal or angles that turn, but running and effort count alone"
        )
    iterations = whole("balance(iterations)", iterations)
    with Stepper(scene, precision="f64", repeat=repeat, keep=1) as stepper:
        terms = Terms(cost, scene, stepper)
        state, action = _still(stepper, terms, stepper.state_of(start or {})[0], iterations)
        by_state, by_action = (found[0] for found in stepper.jacobians(state[None], action[None]))
    gain = _regulator(by_state, by_action, terms.running, terms.effort)
    return Balance(scene, state, action, gain, by_state + by_action @ gain, stepper.repeat)


def _still(stepper: Stepper, terms: Terms, start: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """State and action of least cost among those of which a call changes nothing."""
    n, k = stepper.state_size, stepper.action_size

    def change(point: np.ndarray) -> np.ndarray:
        found: np.ndarray = stepper.step(point[None, :n], point[None, n:])[0][0] - point[:n]
        return found

    def slope(point: np.ndarray) -> np.ndarray:
        by_state, by_action = (found[0] for found in stepper.jacobians(point[None, :n], point[None, n:]))
        return np.hstack([by_state - np.eye(n), by_action])

    rest = np.concatenate([start, np.zeros(k)])
    point, left = _mended(change, slope, rest, iterations)
    if left is not None:
        raise _moves(left, stepper)
    weights = np.concatenate([terms.running, terms.effort])
    weights = np.maximum(weights, HARDLY * weights.max())
    point = _cheapest(change, slope, point, rest, weights, iterations)
    state, action, high = point[:n], point[n:], limits_of(stepper.scene, None, k)[1]
    if (np.abs(action) >= high).any():
        worst = int(np.argmax(np.abs(action) / high))
        raise InputError(
            f"balance: actuator {worst} would have to give {action[worst]:.3g} to stay, but it gives less than "
            f"{high[worst]:g}; start from a state that takes less"
        )
    return state, action


def _cheapest(
    change: Change, slope: Change, point: np.ndarray, rest: np.ndarray, weights: np.ndarray, iterations: int
) -> np.ndarray:
    """From a point that changes nothing, such a one of which the weighted squares of what it is off are least."""

    def cost(point: np.ndarray) -> float:
        return float(weights @ (point - rest) ** 2)

    for _ in range(iterations):
        # Least to first order in what changes nothing; then back to what does change nothing.
        along = slope(point)
        spread = along / weights
        pull = np.linalg.lstsq(spread @ along.T, along @ (point - rest) - change(point), rcond=SOFTEST)[0]
        step = spread.T @ pull - (point - rest)
        for length in 0.5 ** np.arange(5):
            tried, left = _mended(change, slope, point + length * step, BACK)
            if left is None and cost(tried) < cost(point):
                break
        else:
            return point
        gained, point = cost(point) - cost(tried), tried
        if gained <= GAINED * cost(point):
            break
    return point


def _mended(change: Change, slope: Change, point: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The nearest point that changes nothing, by Levenberg and Marquardt's method; what is left, if something is."""
    stiffer, left = 1e-6, change(point)
    for _ in range(iterations):
        if np.abs(left).max() <= STILL:
            return point, None
        along = slope(point)
        square = along @ along.T  # the smallest step, as many points stay: pushes between the feet change nothing
        while True:
            tried = point + along.T @ np.linalg.solve(square + stiffer * np.eye(len(left)), -left)
            found = change(tried)
            if np.linalg.norm(found) < np.linalg.norm(left):
                point, left, stiffer = tried, found, max(stiffer / FACTOR, SOFTEST)
                break
            stiffer *= FACTOR
            if stiffer > STIFFEST:
                return point, left
    return (point, None) if np.abs(left).max() <= STILL else (point, left)


def _moves(left: np.ndarray, stepper: Stepper) -> InputError:
    worst = int(np.argmax(np.abs(left)))
    name = next(n for n, part in stepper.layout.items() if part.start <= worst < part.stop)
    return InputError(
        f"balance: no state nearby stays; {name}[{worst - stepper.layout[name].start}] still changes by "
        f"{left[worst]:.3g} in a call. Start from one that nearly stays, and that touches what carries it"
    )


def _regulator(a: np.ndarray, b: np.ndarray, weights: np.ndarray, effort: np.ndarray) -> np.ndarray:
    """(k, n) gain of the linear-quadratic regulator, by doubling the horizon until the gain stands still.

    Chu, Fan, Lin & Wang, "Structure-preserving algorithms for periodic discrete-time algebraic Riccati equations", Int.
    J. Control 77, 2004, equation 2.4. Of what costs nothing, such as where a robot stands, the value has rounding only,
    and no gain.
    """
    onward, reach, value = a, (b / effort) @ b.T, np.diag(weights)
    gain = np.zeros(b.T.shape)
    for _ in range(DOUBLED):
        met = np.linalg.solve(np.eye(len(a)) + reach @ value, np.hstack([onward, reach]))
        through, back = met[:, : len(a)], met[:, len(a) :]
        value = value + onward.T @ value @ through
        reach = reach + onward @ back @ onward.T
        onward = onward @ through
        value, reach = 0.5 * (value + value.T), 0.5 * (reach + reach.T)
        before, gain = gain, -np.linalg.solve(np.diag(effort) + b.T @ value @ b, b.T @ value @ a)
        if not np.isfinite(gain).all():
            break
        if np.abs(gain - before).max() <= SETTLED * np.abs(gain).max():
            grows = float(np.abs(np.linalg.eigvals(a + b @ gain)).max())
            if grows <= 1.0 + GROWS:
                return gain
            break
    raise InputError(
        "balance: no feedback brings back all that costs; weigh other parts of the state, or start elsewhere"
    )
