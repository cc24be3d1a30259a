"""What a policy takes and gives, to run it elsewhere: names, units, order, rate, and vectors to test it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.bridges.mujoco import control_of
from diffsim.errors import InputError
from diffsim.problem import Problem

__all__ = ["VECTORS", "Network", "network_of"]

VECTORS = 32
"""Observations with the actuations that belong to them."""


@dataclass(frozen=True)
class Network:
    """A policy as plain arrays.

    Attributes:
        layers: weights (out, into) and biases (out,), from the first to the last, which ends in tanh.
        activation: of the others.
        inputs: name and unit of each number of an observation.
        outputs: of each actuation, from -1 to 1: its name, and the controls of the actuator at -1, 0 and 1.
        rate: how often it is to be asked [Hz]; an actuation is held in between.
        observations: (VECTORS, n).
        actuations: (VECTORS, k) what the policy gives for them.
    """

    layers: list[tuple[np.ndarray, np.ndarray]]
    activation: str
    inputs: list[tuple[str, str]]
    outputs: list[tuple[str, list[float]]]
    rate: float
    observations: np.ndarray
    actuations: np.ndarray

    def contract(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "rate_hz": self.rate,
            "layers": [list(weights.shape) for weights, _ in self.layers],
            "activation": self.activation,
            "inputs": [{"name": name, "unit": unit} for name, unit in self.inputs],
            "outputs": [
                {"name": name, "least": -1.0, "most": 1.0, "control_at_-1_0_1": control}
                for name, control in self.outputs
            ],
        }

    def words(self) -> list[str]:
        """In lines."""
        found = [
            f"A policy: {len(self.inputs)} observations in, {len(self.outputs)} actuations from -1 to 1 out.",
            f"To be asked {self.rate:g} times a second; an actuation is held in between.",
            "Observations, in this order:",
        ]
        found += [f"  {k}: {name} [{unit}]" for k, (name, unit) in enumerate(self.inputs)]
        found.append("Actuations, with the controls of the actuator at -1, 0 and 1:")
        for k, (name, control) in enumerate(self.outputs):
            found.append(f"  {k}: {name}: {', '.join(f'{value:g}' for value in control)}")
        return found


def network_of(problem: Problem, params: Mapping[str, Any]) -> Network:
    """The policy of a problem, with the values of its parameters.

    Raises:
        InputError: the controller is not a network that sees an observation and nothing else.
    """
    policy, scene = problem.controller, problem.scene
    if not hasattr(policy, "hidden") or policy.sines or policy.goal is not None or not policy.observe:
        raise InputError(
            f"a policy is exported that sees an observation and nothing else, MLP(sines=0), but the controller is "
            f"{policy!r}"
        )
    numbers = {name[11:]: v for name, v in problem.filled(params).items() if name.startswith("controller.")}
    layers = [(numbers[f"w{k}"], numbers[f"b{k}"]) for k in range(1, len(policy.hidden) + 2)]
    count = layers[0][0].shape[1]
    inputs = getattr(scene, "observation_names", [(f"observation {k}", "as in diffsim") for k in range(count)])
    observations = np.random.default_rng(0).normal(size=(VECTORS, count))
    return Network(
        layers=layers,
        activation=policy.activation,
        inputs=inputs,
        outputs=[_output(k, actuator) for k, actuator in enumerate(scene.actuators)],
        rate=1.0 / scene.dt,
        observations=observations,
        actuations=policy.act(numbers, {"observation": observations}, 0.0, problem),
    )


def _output(k: int, actuator: Any) -> tuple[str, list[float]]:
    if not hasattr(actuator, "control_range"):
        return f"actuator {k}", [-1.0, 0.0, 1.0]
    return actuator.name, [control_of(actuator, value) for value in (-1.0, 0.0, 1.0)]
