"""Optimizers: frozen settings with pure functions from parameters and gradient to parameters.

By hand, over named arrays::

    optimizer = Adam(0.02)
    state = optimizer.start(params)
    params, state = optimizer.step(params, grad, state)

An optimizer of one's own subclasses `Optimizer`, names what it remembers and writes `step_rows`. The state is
a flat dict of arrays, so that ``numpy.savez(file, **state)`` saves it. Nothing is changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import number, whole
from diffsim.tuning.parameter_matrix import Rows, row_norms
from diffsim.tuning.schedules import Schedule

__all__ = ["LBFGS", "SGD", "Adam", "NormalisedGradientDescent", "Optimizer", "RMSProp", "State"]

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class Optimizer:
    """Base of the optimizers.

    Attributes:
        learning_rate: above 0, in units of the parameters for Adam, RMSProp and NormalisedGradientDescent; or
            a schedule, called with the number of the iteration.

    Raises:
        InputError: naming the setting, what was given and what is allowed.
    """

    learning_rate: float | Schedule

    memory: ClassVar[tuple[str, ...]] = ()  # the matrices in the state, (copies, n), zero at the start
    line_search: ClassVar[bool] = False  # whether a step must lower the loss, and is tried again shorter

    def __post_init__(self) -> None:
        """Check the learning rate; subclasses check the rest."""
        if not callable(self.learning_rate):
            self._check("learning_rate", above=0.0)

    def rate(self, iteration: int) -> float:
        """The learning rate of that iteration, counted from 0.

        Raises:
            InputError: if the schedule gives a negative or non-finite rate.
        """
        if not callable(self.learning_rate):
            return self.learning_rate
        rate = float(self.learning_rate(iteration))
        if not 0.0 <= rate < np.inf:
            raise InputError(
                f"{type(self).__name__}.learning_rate gives {rate:g} at iteration {iteration}, but it "
                "must be finite and at least 0"
            )
        return rate

    def start(self, params: Mapping[str, np.ndarray], *, copies: bool = False) -> State:
        """The state before the first step; ``copies`` as in `step`."""
        rows = Rows(params, copies=copies)
        return self.start_rows(rows.pack(params))

    def step(
        self,
        params: Mapping[str, np.ndarray],
        grad: Mapping[str, np.ndarray],
        state: State,
        *,
        copies: bool = False,
    ) -> tuple[dict[str, np.ndarray], State]:
        """Parameters and state after one step.

        Args:
            params: by name, any shapes.
            grad: gradient of the loss, arrays like ``params``.
            state: from `start` or the step before.
            copies: whether each array has a leading axis of copies that are optimised independently.
        """
        rows = Rows(params, copies=copies)
        rate = self.rate(int(state["count"].max()))
        x, state = self.step_rows(rows.pack(params), rows.pack(grad, "grad"), state, rate)
        return rows.unpack(x), state

    def start_rows(self, x: np.ndarray) -> State:
        """The state before the first step from ``x`` (copies, n): ``count`` (copies, 1) and the memory."""
        state = {"count": np.zeros((len(x), 1), dtype=np.int64)}
        return {**state, **{name: np.zeros(x.shape) for name in self.memory}}

    def step_rows(
        self, x: np.ndarray, gradient: np.ndarray, state: State, rate: float | np.ndarray
    ) -> tuple[np.ndarray, State]:
        """One step of each row.

        Args:
            x: (copies, n) parameters.
            gradient: (copies, n).
            state: from `start_rows` or the step before.
            rate: learning rate, or (copies, 1) one for each row.
        """
        raise TypeError(f"{type(self).__name__} must define step_rows")

    def step_within(
        self, x: np.ndarray, gradient: np.ndarray, state: State, rate: float | np.ndarray, free: np.ndarray | None
    ) -> tuple[np.ndarray, State]:
        """`step_rows`, told which entries (copies, n) no bound holds; None if none is held.

        Steps are projected onto the bounds afterwards, so only who works with curvature needs to know.
        """
        return self.step_rows(x, gradient, state, rate)

    def describe(self) -> str:
        """What it is in words that are the same in another process; a schedule that is a function by its name."""
        words = []
        for field in fields(self):
            value = getattr(self, field.name)
            named = callable(value) and not is_dataclass(value)
            words.append(f"{field.name}={f'{value.__module__}.{value.__qualname__}' if named else repr(value)}")
        return f"{type(self).__name__}({', '.join(words)})"

    def _check(self, name: str, **limits: Any) -> None:
        owner = f"{type(self).__name__}.{name}"
        object.__setattr__(self, name, number(owner, getattr(self, name), **limits))

    def _check_share(self, name: str) -> None:
        self._check(name, least=0.0)
        if getattr(self, name) >= 1.0:
            owner, value = f"{type(self).__name__}.{name}", getattr(self, name)
            raise InputError(f"{owner} is {value:g}, but it must be at least 0 and less than 1")


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, optionally with momentum.

    The velocity is ``v = momentum * v + g`` and the step ``-rate * v`` (Polyak, "Some methods of speeding up
    the convergence of iteration methods", 1964) or, with ``nesterov``, ``-rate * (g + momentum * v)``
    (Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013,
    equations 3 and 4, in the variables of the point where the gradient is taken).

    Attributes:
        learning_rate: above 0, or a schedule.
        momentum: from 0 to less than 1.
        nesterov: look ahead along the velocity; needs a momentum.
    """

    momentum: float = 0.0
    nesterov: bool = False

    memory: ClassVar[tuple[str, ...]] = ("velocity",)

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        self._check_share("momentum")
        if self.nesterov and self.momentum == 0.0:
            raise InputError("SGD.nesterov is True, but momentum is 0: give a momentum above 0")

    def step_rows(
        self, x: np.ndarray, gradient: np.ndarray, state: State, rate: float | np.ndarray
    ) -> tuple[np.ndarray, State]:
        """See `Optimizer.step_rows`."""
        velocity = self.momentum * state["velocity"] + gradient
        ahead = gradient + self.momentum * velocity if self.nesterov else velocity
        return x - rate * ahead, {"count": state["count"] + 1, "velocity": velocity}


@dataclass(frozen=True)
class Adam(Optimizer):
    """Steps of about the learning rate in each number, whatever the size of its gradient.

    Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1.

    Attributes:
        learning_rate: above 0, or a schedule.
        beta1: memory of the gradient, from 0 to less than 1.
        beta2: memory of its square, from 0 to less than 1.
        epsilon: added to the root of the mean square, above 0; in units of the gradient.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    memory: ClassVar[tuple[str, ...]] = ("first", "second")

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        self._check_share("beta1")
        self._check_share("beta2")
        self._check("epsilon", above=0.0)

    def step_rows(
        self, x: np.ndarray, gradient: np.ndarray, state: State, rate: float | np.ndarray
    ) -> tuple[np.ndarray, State]:
        """See `Optimizer.step_rows`."""
        count = state["count"] + 1
        first = self.beta1 * state["first"] + (1.0 - self.beta1) * gradient
        second = self.beta2 * state["second"] + (1.0 - self.beta2) * gradient * gradient
        deviation = np.sqrt(second / (1.0 - self.beta2**count)) + self.epsilon
        x = x - (rate / (1.0 - self.beta1**count)) * first / deviation
        return x, {"count": count, "first": first, "second": second}


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """The gradient divided by the root of its recent mean square.

    Tieleman & Hinton, "Lecture 6.5: RMSProp", Neural Networks for Machine Learning, Coursera 2012. As there,
    the mean square starts at zero without correction, so the first steps are ``1 / sqrt(1 - decay)`` times
    longer.

    Attributes:
        learning_rate: above 0, or a schedule.
        decay: memory of the squared gradient, from 0 to less than 1.
        epsilon: added to the root of the mean square, above 0; in units of the gradient.
    """

    decay: float = 0.9
    epsilon: float = 1e-8

    memory: ClassVar[tuple[str, ...]] = ("square",)

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        self._check_share("decay")
        self._check("epsilon", above=0.0)

    def step_rows(
        self, x: np.ndarray, gradient: np.ndarray, state: State, rate: float | np.ndarray
    ) -> tuple[np.ndarray, State]:
        """See `Optimizer.step_rows`."""
        square = self.decay * state["square"] + (1.0 - self.decay) * gradient * gradient
        x = x - rate * gradient / (np.sqrt(square) + self.epsilon)
        return x, {"count": state["count"] + 1, "square": square}


@dataclass(frozen=True)
class NormalisedGradientDescent(Optimizer):
    """A step whose length is the learning rate, along the mean gradient.

    The length is the norm over all of a copy's numbers together.

    Good where contacts make gradients of wildly different size. Cutkosky & Mehta, "Momentum Improves
    Normalized SGD", ICML 2020, algorithm 1: ``m = momentum * m + (1 - momentum) * g``, step ``-rate * m /
    |m|``, with m starting at 0 instead of the first gradient, which changes only how fast the first direction
    is forgotten.

    Attributes:
        learning_rate: length of a step, above 0, or a schedule.
        momentum: memory of the gradient, from 0 to less than 1.
    """

    momentum: float = 0.0

    memory: ClassVar[tuple[str, ...]] = ("mean",)

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        self._check_share("momentum")

    def step_rows(
        self, x: np.ndarray, gradient: np.ndarray, state: State, rate: float | np.ndarray
    ) -> tuple[np.ndarray, State]:
        """See `Optimizer.step_rows`; a row whose mean gradient is zero stays."""
        mean = self.momentum * state["mean"] + (1.0 - self.momentum) * gradient
        length = row_norms(mean)[:, None]
        x = x - rate * mean / np.where(length > 0.0, length, 1.0)
        return x, {"count": state["count"] + 1, "mean": mean}


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """Steps by the curvature that the last gradients tell, with a line search: for losses that are smooth.

    Nocedal & Wright, "Numerical Optimization", 2006, algorithm 7.4, with the scaling of its equation 7.20. A pair that
    tells no positive curvature is left out (Li & Fukushima, "On the global convergence of the BFGS method for nonconvex
    unconstrained optimization problems", 2001). `tune` takes a step only if it lowers the loss by a share of what the
    slope promises, and else tries a shorter one; each trial is an iteration. What a bound holds does not take part.

    Where contacts or chaos make the loss rough, `Adam` goes farther.

    Attributes:
        learning_rate: length of a first trial, in steps by curvature; 1 is right.
        pairs: how many steps are remembered.
        first_step: length of the very first trial, before any curvature is known, in units of the parameters.
    """

    learning_rate: float | Schedule = 1.0
    pairs: int = 10
    first_step: float = 0.1

    line_search: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the settings."""
        super().__post_init__()
        object.__setattr__(self, "pairs", whole("LBFGS.pairs", self.pairs))
        self._check("first_step", above=0.0)

    def start_rows(self, x: np.ndarray) -> State:
        """See `Optimizer.start_rows`; ``steps`` and ``changes`` (copies, pairs * n) hold the pairs, the newest last."""
        copies, n = x.shape
        zero = np.zeros((copies, self.pairs * n))
        return {
            "count": np.zeros((copies, 1), dtype=np.int64),
            "x": np.zeros(x.shape),
            "gradient": np.zeros(x.shape),
            "steps": zero,
            "changes": zero.copy(),
        }

    def step_rows(
        self, x: np.ndarray, gradient: np.ndarray, state: State, rate: float | np.ndarray
    ) -> tuple[np.ndarray, State]:
        """See `Optimizer.step_rows`."""
        return self.step_within(x, gradient, state, rate, None)

    def step_within(
        self, x: np.ndarray, gradient: np.ndarray, state: State, rate: float | np.ndarray, free: np.ndarray | None
    ) -> tuple[np.ndarray, State]:
        """See `Optimizer.step_within`."""
        steps, changes = self._remembered(x, gradient, state)
        slope = gradient if free is None else np.where(free, gradient, 0.0)
        direction = -_by_curvature(slope, steps, changes)
        length = row_norms(slope)[:, None]
        known = np.any(steps[:, -1] != 0.0, axis=1, keepdims=True)
        first = -slope * np.minimum(1.0, self.first_step / np.where(length > 0.0, length, 1.0))
        direction = np.where(known, direction, first)
        if free is not None:
            direction = np.where(free, direction, 0.0)
        downhill = np.einsum("ij,ij->i", direction, slope)[:, None] < 0.0
        direction = np.where(downhill, direction, first)
        flat = x.shape[0], -1
        kept = {"x": x, "gradient": gradient, "steps": steps.reshape(flat), "changes": changes.reshape(flat)}
        return x + rate * direction, {"count": state["count"] + 1, **kept}

    def _remembered(self, x: np.ndarray, gradient: np.ndarray, state: State) -> tuple[np.ndarray, np.ndarray]:
        """The pairs, (copies, pairs, n) each, with the newest if it tells a positive curvature."""
        shape = x.shape[0], self.pairs, x.shape[1]
        steps, changes = state["steps"].reshape(shape), state["changes"].reshape(shape)
        step, change = x - state["x"], gradient - state["gradient"]
        bent = np.einsum("ij,ij->i", step, change) > 1e-10 * row_norms(step) * row_norms(change)
        new = (bent & (state["count"][:, 0] > 0))[:, None, None]
        steps = np.where(new, np.concatenate([steps[:, 1:], step[:, None]], axis=1), steps)
        return steps, np.where(new, np.concatenate([changes[:, 1:], change[:, None]], axis=1), changes)


def _by_curvature(gradient: np.ndarray, steps: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """(copies, n) the gradient times the inverse Hessian that the pairs stand for: the two loops."""
    products = np.einsum("ckn,ckn->ck", steps, changes)
    rho = np.divide(1.0, products, out=np.zeros_like(products), where=products > 0.0)
    found, shares = gradient, []
    for k in reversed(range(steps.shape[1])):
        share = rho[:, k] * np.einsum("cn,cn->c", steps[:, k], found)
        found = found - share[:, None] * changes[:, k]
        shares.append(share)
    squares = np.einsum("cn,cn->c", changes[:, -1], changes[:, -1])
    size = np.divide(products[:, -1], squares, out=np.ones_like(squares), where=squares > 0.0)
    found = size[:, None] * found
    for k, share in zip(range(steps.shape[1]), reversed(shares), strict=True):
        other = rho[:, k] * np.einsum("cn,cn->c", changes[:, k], found)
        found = found + (share - other)[:, None] * steps[:, k]
    return found
