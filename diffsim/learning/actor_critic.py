"""A policy that learns from the gradient of short windows and of a critic's value behind them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from diffsim.bridges.packages import needed
from diffsim.learning.actor import BETAS, Actor, under
from diffsim.learning.algorithms import SHAC
from diffsim.learning.learner import Arrays, Setting
from diffsim.learning.tensors import module_state, optimizer_state, restore_module, restore_optimizer
from diffsim.learning.window import Window

torch: Any = needed("torch", "ds.learn", "torch")

__all__ = ["ActorCritic", "targets"]


class ActorCritic(Actor):
    """Short-horizon actor-critic: see `SHAC`.

    Args:
        algorithm: its numbers.
        setting: what is to be learned.
    """

    algorithm: SHAC

    def __init__(self, algorithm: SHAC, setting: Setting):
        super().__init__(algorithm, setting)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setting.seed)
            self._critic = _network([setting.task.scene.observations, *algorithm.critic, 1]).to(self.real)
        self._unit = 1.0 / max(1.0 - algorithm.discount, 1.0 / setting.task.steps)  # a reward of 1 for ever is worth it
        self._target = copy.deepcopy(self._critic)
        for parameter in self._target.parameters():
            parameter.requires_grad_(False)
        self._critic_optimizer = torch.optim.Adam(self._critic.parameters(), algorithm.critic_rate, betas=BETAS)

    def gained(self, window: Window, reward: Any) -> Any:
        """(steps, envs) discounted rewards, and the value of where the window, or an episode, is cut off."""
        discount, discounts = self.algorithm.discount, window.discounts(self.algorithm.discount)
        value = self._unit * self._target(self.normalised(window.seen_after)).squeeze(-1)
        self._values = value.detach()
        counts = window.last & ~window.ended
        return discounts * (reward + torch.where(counts, discount * value, torch.zeros_like(value)))

    def fit(self, window: Window, reward: Any, rate: float, rng: np.random.Generator) -> None:
        """Fit the critic to TD(lambda) targets, and have its copy follow."""
        own = self.algorithm
        values = torch.where(window.ended, torch.zeros_like(self._values), self._values)
        wanted = targets(reward, values, window.last, own.discount, own.trace).flatten()
        observations = self.normalised(window.observations).detach().flatten(0, 1)
        self._critic_optimizer.param_groups[0]["lr"] = own.critic_rate * rate
        for _ in range(own.epochs):
            for part in np.array_split(rng.permutation(len(wanted)), own.parts):
                self._critic_optimizer.zero_grad()
                found = self._critic(observations[part]).squeeze(-1)
                torch.nn.functional.mse_loss(found, wanted[part] / self._unit).backward()
                torch.nn.utils.clip_grad_norm_(self._critic.parameters(), own.clip)
                self._critic_optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(self._target.parameters(), self._critic.parameters(), strict=True):
                mine.lerp_(theirs, own.follow)

    def saved(self) -> Arrays:
        """All that it takes to go on."""
        held = {f"critic/{name}": value for name, value in module_state(self._critic).items()}
        held |= {f"target/{name}": value for name, value in module_state(self._target).items()}
        held |= {f"critic_optimizer/{name}": v for name, v in optimizer_state(self._critic_optimizer).items()}
        return {**super().saved(), **held}

    def restore(self, held: Mapping[str, np.ndarray]) -> None:
        """Be as when `saved` gave this."""
        super().restore(held)
        restore_module(self._critic, under("critic", held))
        restore_module(self._target, under("target", held))
        restore_optimizer(self._critic_optimizer, under("critic_optimizer", held))


def targets(reward: Any, value: Any, last: Any, discount: float, trace: float) -> Any:
    """(steps, envs) TD(lambda) targets, from the last step to the first (Xu et al. 2022, equations 7 and 8).

    Args:
        reward: (steps, envs).
        value: (steps, envs) of where each step led; 0 where nothing comes after it.
        last: (steps, envs) whether what was seen ends there, with the window or an episode.
        discount: for each step.
        trace: lambda.
    """
    found = torch.zeros_like(reward)
    ahead = value[-1]
    for k in reversed(range(len(reward))):
        mixed = torch.where(last[k], value[k], (1.0 - trace) * value[k] + trace * ahead)
        ahead = found[k] = reward[k] + discount * mixed
    return found


def _network(sizes: list[int]) -> Any:
    """Layers with ELU and layer normalisation, as the reference code of SHAC has them."""
    layers: list[Any] = []
    for k, (into, out) in enumerate(pairwise(sizes), start=1):
        layers.append(torch.nn.Linear(into, out))
        if k < len(sizes) - 1:
            layers += [torch.nn.ELU(), torch.nn.LayerNorm(out)]
    return torch.nn.Sequential(*layers)
