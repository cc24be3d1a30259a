"""What the loop of `learn` asks of an algorithm at work, and what that is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from diffsim.bridges.tasks import Task

__all__ = ["Arrays", "Learner", "Setting", "Update"]

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Setting:
    """What is to be learned.

    Attributes:
        task: whose actions are held for one step of the scene.
        policy: the controller.
        weights: of the policy at the start, by the names that they have in it.
        begun: whether these do something that is to be kept until it is made better: they are none that were drawn.
        envs: copies.
        iterations: of the run.
        seed: of all that is drawn.
        precision: "f32" or "f64".
        numbers: of the scene, of each copy.
        pushes: standard deviation of what is added to arrays of the state before each step, by name.
        easier: what is played in the first iterations instead, if anything is; the same but for its scene.
        easier_numbers: like ``numbers``, of its scene.
        easier_pushes: like ``pushes``, while it is played.
        easier_iterations: how many these are.
    """

    task: Task
    policy: Any
    weights: Arrays
    envs: int
    iterations: int
    seed: int
    precision: str
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    pushes: Mapping[str, Any] = field(default_factory=dict)
    begun: bool = False
    easier: Task | None = None
    easier_numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    easier_pushes: Mapping[str, Any] = field(default_factory=dict)
    easier_iterations: int = 0

    def rng(self, iteration: int) -> np.random.Generator:
        """Of an iteration: a run that goes on draws what it would have drawn."""
        return np.random.default_rng((self.seed, iteration))


class Update(NamedTuple):
    """What an iteration came to.

    Attributes:
        reward: mean of a step, without shaping.
        gradient_norm: before clipping; of an algorithm without gradients the length of the step.
        learning_rate: of the step.
        rejected: why there was no step; None if there was one.
    """

    reward: float
    gradient_norm: float
    learning_rate: float
    rejected: str | None = None


class Learner(Protocol):
    """An algorithm at work."""

    env_steps: int
    """Steps of copies so far."""

    def update(self, iteration: int) -> Update:
        """Do an iteration."""

    def weights(self) -> Arrays:
        """Of the policy as it is now."""

    def saved(self) -> Arrays:
        """All that it takes to go on."""

    def restore(self, held: Mapping[str, np.ndarray]) -> None:
        """Be as when `saved` gave this."""

    def close(self) -> None:
        """Give the memory back."""
