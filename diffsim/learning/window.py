"""What copies did in a window of steps, as tensors through which gradients go back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from diffsim.bridges.packages import needed
from diffsim.bridges.tasks import Task
from diffsim.errors import InputError

torch: Any = needed("torch", "ds.learn", "torch")

__all__ = ["Marks", "Window"]


class Marks(NamedTuple):
    """Of a step, (envs,) each.

    Attributes:
        ended: whether the episode ends there.
        cut: whether it is cut off there.
        broken: whether the numbers are not finite any more, which ends it, too.
        stiff: whether gradients do not come back through the step to where it began.
    """

    ended: np.ndarray
    cut: np.ndarray
    broken: np.ndarray
    stiff: np.ndarray


class Window:
    """What copies did in a window of steps; arrays are (steps, envs, ...).

    Args:
        task: what is rewarded.
        layout: where in a state each array is, and its shape.
        real: type of the tensors.
    """

    def __init__(self, task: Task, layout: Mapping[str, tuple[slice, tuple[int, ...]]], real: Any):
        self._task, self._layout, self._real = task, layout, real
        self._states: list[Any] = []
        self._following: list[Any] = []
        self._sensed: list[dict[str, Any]] = []
        self._after: list[dict[str, Any]] = []
        self._actions: list[Any] = []
        self._entropies: list[Any] = []
        self._marks: list[Marks] = []

    def add(
        self,
        state: Any,
        sensed: dict[str, Any],
        action: Any,
        entropy: Any,
        following: Any,
        after: dict[str, Any],
        marks: Marks,
    ) -> None:
        """A step: where it began and led, what was read there, and what is to be known of it."""
        self._states.append(state)
        self._sensed.append(sensed)
        self._actions.append(action)
        self._entropies.append(entropy)
        self._following.append(following)
        self._after.append(after)
        self._marks.append(marks)

    @property
    def size(self) -> int:
        """Steps of all copies."""
        return len(self._actions) * len(self._actions[0])

    @property
    def observations(self) -> Any:
        """(steps, envs, n) before each action."""
        return torch.stack([each["observation"] for each in self._sensed])

    @property
    def seen_after(self) -> Any:
        """(steps, envs, n) observations after each action; in an episode that ended, of its end."""
        found = torch.stack([each["observation"] for each in self._after])
        return torch.where(self.broken[..., None], torch.zeros_like(found), found)

    @property
    def ended(self) -> Any:
        """(steps, envs) whether the episode ended there: nothing comes after it."""
        return torch.tensor(np.stack([marks.ended for marks in self._marks]))

    @property
    def broken(self) -> Any:
        """(steps, envs) whether the numbers are not finite any more."""
        return torch.tensor(np.stack([marks.broken for marks in self._marks]))

    @property
    def last(self) -> Any:
        """(steps, envs) whether it is the last step of its episode, or of the window."""
        found = self.over
        found[-1] = True
        return found

    @property
    def over(self) -> Any:
        """(steps, envs) whether the episode ended there, or was cut off."""
        return torch.tensor(np.stack([marks.ended | marks.cut for marks in self._marks]))

    @property
    def stops(self) -> Any:
        """(steps, envs) behind which steps no gradient comes back: the last ones, and those before a stiff one."""
        found = self.last
        found[:-1] |= torch.tensor(np.stack([marks.stiff for marks in self._marks]))[1:]
        return found

    @property
    def entropy(self) -> Any:
        """(steps, envs) of what each action was drawn from [nats]; zero where an episode is broken."""
        return self._fine(torch.stack(self._entropies))

    def discounts(self, discount: float) -> Any:
        """(steps, envs) factors of rewards, counted from where the window, an episode or a stiff step begins."""
        stops, found = self.stops, torch.ones(len(self._actions), len(self._actions[0]), dtype=self._real)
        for k in range(1, len(found)):
            found[k] = torch.where(stops[k - 1], torch.ones_like(found[k]), found[k - 1] * discount)
        return found

    def rewards(self, low: Any, high: Any) -> tuple[Any, Any]:
        """(steps, envs) each: the task's reward, and its shaping; zero where an episode is broken.

        Args:
            low: (k,) of actions.
            high: (k,).
        """
        before, after = self._arrays(self._states, self._sensed), self._arrays(self._following, self._after)
        action = low + 0.5 * (high - low) * (torch.cat(self._actions) + 1.0)
        reward = self._task.reward(before, action, after)
        shaping = torch.as_tensor(self._task.shaping(before, action, after), dtype=self._real).expand(self.size)
        if not torch.is_tensor(reward) or reward.shape != (self.size,):
            shape = tuple(np.shape(reward))
            raise InputError(f"Task.reward gave an array of shape {shape}, but ({self.size},) is needed")
        return self._fine(reward), self._fine(shaping)

    def _fine(self, value: Any) -> Any:
        value = value.reshape(self.broken.shape)
        return torch.where(self.broken, torch.zeros_like(value), value)

    def _arrays(self, states: list[Any], sensed: list[dict[str, Any]]) -> dict[str, Any]:
        whole = torch.cat(states)
        named = {name: whole[:, part].reshape(-1, *shape) for name, (part, shape) in self._layout.items()}
        return {**named, **{name: torch.cat([each[name] for each in sensed]) for name in sensed[0]}}
