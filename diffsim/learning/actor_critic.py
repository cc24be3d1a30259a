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
from diffsim.learning.gate import Gate, stretch
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
        sizes = [setting.task.scene.observations, *algorithm.critic, 1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setting.seed)
            self._critics = [_network(sizes).to(self.real) for _ in range(algorithm.critics)]
        self._unit = 1.0 / max(1.0 - algorithm.discount, 1.0 / setting.task.steps)  # a reward of 1 for ever is worth it
        self._targets = copy.deepcopy(self._critics)
        for parameter in _parameters(self._targets):
            parameter.requires_grad_(False)
        self._critic_optimizer = torch.optim.Adam(_parameters(self._critics), algorithm.critic_rate, betas=BETAS)
        self._log_temperature = self._leaf(np.log(algorithm.temperature))
        self._temperature_optimizer = torch.optim.Adam([self._log_temperature], algorithm.temperature_rate, betas=BETAS)

    def watch(self, gate: Gate, state: Any, following: Any, rng: np.random.Generator) -> None:
        """Close the gate in copies that the step stretches by more than is allowed."""
        if self.algorithm.stiff is not None and state.requires_grad:
            gate.close(stretch(state, following, rng), self.algorithm.stiff)

    def bonus(self, window: Window) -> Any:
        """(steps, envs) or a number: for entropy, counted from what it should be and in units of that."""
        if self.algorithm.entropy is None:
            return 0.0
        least = self._least_entropy()
        return self._log_temperature.exp().detach() * (window.entropy - least) / (2.0 * abs(least))

    def _least_entropy(self) -> float:
        """What the temperature is to keep up [nats]."""
        assert self.algorithm.entropy is not None
        return self.algorithm.entropy * len(self._low)

    def learns(self, iteration: int) -> bool:
        """Whether the critic has had its time."""
        return iteration >= self.algorithm.critic_first

    def gained(self, window: Window, reward: Any) -> Any:
        """(steps, envs) discounted rewards, and the value of where the window, or an episode, is cut off."""
        discount, discounts = self.algorithm.discount, window.discounts(self.algorithm.discount)
        seen = self.normalised(window.seen_after)
        values = self._unit * torch.stack([each(seen).squeeze(-1) for each in self._targets])
        self._values = values.detach().amin(dim=0)
        value = values.mean(dim=0)
        counts = window.stops & ~window.ended
        return discounts * (reward + torch.where(counts, discount * value, torch.zeros_like(value)))

    def fit(self, window: Window, reward: Any, rate: float, rng: np.random.Generator) -> None:
        """Fit the critics to TD(lambda) targets, have their copies follow, and adjust the temperature."""
        own = self.algorithm
        values = torch.where(window.ended, torch.zeros_like(self._values), self._values)
        wanted = targets(reward, values, window.last, own.discount, own.trace).flatten()
        observations = self.normalised(window.observations).detach().flatten(0, 1)
        self._critic_optimizer.param_groups[0]["lr"] = own.critic_rate * rate
        for _ in range(own.epochs):
            for part in np.array_split(rng.permutation(len(wanted)), own.parts):
                self._critic_optimizer.zero_grad()
                for critic in self._critics:
                    found = critic(observations[part]).squeeze(-1)
                    torch.nn.functional.mse_loss(found, wanted[part] / self._unit).backward()
                    torch.nn.utils.clip_grad_norm_(critic.parameters(), own.clip)
                self._critic_optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(_parameters(self._targets), _parameters(self._critics), strict=True):
                mine.lerp_(theirs, own.follow)
        if own.entropy is not None:
            self._temperature_optimizer.zero_grad()
            (self._log_temperature * (window.entropy.detach().mean() - self._least_entropy())).backward()
            self._temperature_optimizer.step()

    def saved(self) -> Arrays:
        """All that it takes to go on."""
        held: Arrays = {}
        for kind, networks in (("critic", self._critics), ("target", self._targets)):
            for k, network in enumerate(networks):
                held |= {f"{_numbered(kind, k)}/{name}": value for name, value in module_state(network).items()}
        for group, optimizer in self._optimizers().items():
            held |= {f"{group}/{name}": value for name, value in optimizer_state(optimizer).items()}
        held |= {} if self.algorithm.entropy is None else {"temperature": self._log_temperature.detach().numpy()}
        return {**super().saved(), **held}

    def restore(self, held: Mapping[str, np.ndarray]) -> None:
        """Be as when `saved` gave this."""
        super().restore(held)
        for kind, networks in (("critic", self._critics), ("target", self._targets)):
            for k, network in enumerate(networks):
                restore_module(network, under(_numbered(kind, k), held))
        for group, optimizer in self._optimizers().items():
            restore_optimizer(optimizer, under(group, held))
        if self.algorithm.entropy is not None:
            with torch.no_grad():
                self._log_temperature.copy_(torch.from_numpy(held["temperature"]))

    def _optimizers(self) -> dict[str, Any]:
        rewards = self.algorithm.entropy is not None
        return {
            "critic_optimizer": self._critic_optimizer,
            **({"temperature_optimizer": self._temperature_optimizer} if rewards else {}),
        }


def _numbered(kind: str, k: int) -> str:
    """The first has the name that it has alone."""
    return f"{kind}{k}" if k else kind


def _parameters(networks: list[Any]) -> list[Any]:
    return [parameter for network in networks for parameter in network.parameters()]


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
