"""Copies of a task's scene, each somewhere in an episode of its own: in NumPy, without a library that learns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from diffsim.bridges.tasks import Arrays, Task
from diffsim.errors import InputError
from diffsim.spec import array
from diffsim.stepper import Stepper

__all__ = ["Episodes"]


class Episodes:
    """Copies of a task's scene, each somewhere in an episode of its own.

    Args:
        given: the task.
        envs: copies.
        precision: "f32" or "f64".
        reads: what is read besides what the task reads.
        keep: calls that can be pulled, as of `Stepper`.
        numbers: of the scene, of each copy, as of `Stepper`.

    Attributes:
        task, envs: as given.
        stepper: what steps them.
        state: (envs, state_size), where they are.
        age: (envs,) calls since each episode began.
        seen: arrays of the state, in float64, and what is read of it.
    """

    def __init__(
        self,
        given: Task,
        envs: int,
        precision: str = "f32",
        *,
        reads: Iterable[str] = (),
        keep: int = 1,
        numbers: Mapping[str, Any] | None = None,
    ):
        self.task, self.envs = given, envs
        self.stepper = Stepper(
            given.scene,
            envs=envs,
            precision=precision,
            repeat=given.repeat,
            reads=dict.fromkeys((*given.reads, *reads)),
            keep=keep,
            numbers=numbers,
        )
        self.age = np.zeros(envs, int)
        self.put(self.stepper.start())

    def put(self, state: np.ndarray, sensed: Arrays | None = None) -> None:
        """Have the copies be in these states, of which this is read, if it is known."""
        self.state = state
        sensed = self.stepper.observe(state) if sensed is None else sensed
        named = {name: value.astype(np.float64) for name, value in self.stepper.named(state).items()}
        self.seen = {**named, **sensed}

    def begin(self, rng: np.random.Generator, which: np.ndarray) -> None:
        """Put these copies, of a mask, at the start of an episode."""
        start = self.stepper.named(self.stepper.start())
        state = self.stepper.state_of(self.task.start(start, rng))
        self.age = np.where(which, 0, self.age)
        self.put(np.where(which[:, None], state, self.state))

    def advance(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rewards, which episodes end, and which are cut off.

        A copy whose numbers are not finite any more has ended, without a reward.

        Args:
            action: (envs, k).
        """
        action, before = np.asarray(action, np.float64), self.seen
        state, ticket = self.stepper.step(self.state, self.task.actuation(action))
        self.put(state, ticket.sensed)
        ended, cut, broken = self.ends()
        with np.errstate(invalid="ignore", over="ignore"):
            reward = np.asarray(self.task.reward(before, action, self.seen), np.float64)
        if reward.shape != (self.envs,):
            raise InputError(f"Task.reward gave an array of shape {reward.shape}, but ({self.envs},) is needed")
        return np.where(broken, 0.0, reward), ended, cut

    def pushes(self, size: Mapping[str, Any]) -> np.ndarray:
        """(state_size,) standard deviations of a state's numbers, from those of its arrays by name; 0 for the others.

        Raises:
            InputError: a state has no such array, or its shape is another.
        """
        found = np.zeros(self.stepper.state_size)
        for name, given in size.items():
            if name not in self.stepper.layout:
                raise InputError(f"pushes names {name!r}, but a state has {', '.join(self.stepper.layout)}")
            shape = self.stepper.named(self.state)[name].shape[1:]
            value = array(f"pushes[{name!r}]", given, (), shape, least=0.0)
            found[self.stepper.layout[name]] = np.broadcast_to(value, shape).reshape(-1)
        return found

    def ends(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """After a call: which episodes end, which are cut off, and which have ended because they are not finite."""
        broken = ~np.isfinite(self.state).all(axis=1)
        with np.errstate(invalid="ignore", over="ignore"):
            ended = np.asarray(self.task.ended(self.seen), bool) | broken
        self.age = self.age + 1
        return ended, (self.age >= self.task.steps) & ~ended, broken

    def close(self) -> None:
        """Give the memory back."""
        self.stepper.close()
