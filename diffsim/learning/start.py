"""Weights that a policy starts with: drawn, given, or those of linear feedback inside a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.learning.learner import Arrays
from diffsim.problem import Problem
from diffsim.spec import array

__all__ = ["carrying", "drawn"]

LAST_LAYER = 0.1
"""Of the usual size of its weights, so that a policy starts almost without moving."""

LIFTED = 2.0
"""What units that carry linear feedback are above the kink of ELU: -2 to infinity pass as they are, and tanh of what
they are cut to is -0.995."""


def drawn(problem: Problem, seed: int) -> Arrays:
    """Weights at the start, by the controller's own names."""
    numbers = problem.numbers(seed)
    found = {name.removeprefix("controller."): numbers[name] for name in problem.tuned}
    last = _last(found)
    return {**found, last: LAST_LAYER * found[last]}


def carrying(policy: Any, weights: Arrays, given: Mapping[str, Any]) -> Arrays:
    """Weights that do what the given ones do.

    Args:
        policy: the network.
        weights: drawn ones of it, from `drawn`.
        given: by name, of this very network; or ``w1`` (k, n) and ``b1`` (k,) of linear feedback, which the first k
            units of each hidden layer then carry, beside the others as they were drawn.

    Raises:
        InputError: they are of another network, or its hidden layers cannot carry that.
    """
    named = {name.removeprefix("controller."): value for name, value in given.items()}
    if named.keys() == weights.keys():
        return {name: array(f"learn(start)[{name!r}]", named[name], weights[name].shape) for name in weights}
    if named.keys() != {"w1", "b1"}:
        raise InputError(
            f"learn(start) holds {', '.join(named) or 'nothing'}, but the policy has {', '.join(weights)}; give those, "
            "or w1 and b1 of linear feedback"
        )
    last = _last(weights)
    k, n = len(weights[last]), weights["w1"].shape[1]
    slope, offset = (array(f"learn(start)[{name!r}]", named[name], shape) for name, shape in _linear(k, n))
    if policy.activation != "elu" or min(policy.hidden) < k:
        raise InputError(
            f"learn(start) is linear feedback of {k} actuators, which needs as many units in each hidden layer, and "
            f"the activation 'elu'; {policy!r} has not"
        )
    found = {name: value.copy() for name, value in weights.items()}
    found["w1"][:k], found["b1"][:k] = slope, offset + LIFTED
    for layer in range(2, len(policy.hidden) + 2):
        found[f"w{layer}"][:, :k] = 0.0
        found[f"w{layer}"][:k, :k] = np.eye(k)
        if f"w{layer}" != last:
            found[f"w{layer}"][:k, k:] = 0.0
    found["b" + last[1:]] = np.full(k, -LIFTED)
    return found


def _last(weights: Arrays) -> str:
    return f"w{len(weights) // 2}"


def _linear(k: int, n: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return ("w1", (k, n)), ("b1", (k,))
