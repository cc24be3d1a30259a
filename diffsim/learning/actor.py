"""A policy that learns from the gradient of rewards through the physics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import diffsim.bridges.torch as steps
from diffsim.bridges.episodes import Episodes
from diffsim.errors import InputError
from diffsim.learning.algorithms import APG
from diffsim.learning.gate import Gate
from diffsim.learning.learner import Arrays, Setting, Update
from diffsim.learning.normaliser import Normaliser
from diffsim.learning.tensors import optimizer_state, restore_optimizer
from diffsim.learning.window import Marks, Window

torch: Any = steps.torch

__all__ = ["Actor"]

BETAS = (0.7, 0.95)
"""Of Adam, as the reference code of SHAC has them: gradients of windows are fresh, and old ones soon of no use."""

ACTIVATIONS = {"tanh": torch.tanh, "elu": torch.nn.functional.elu}
"""Of `MLP`."""

STIFF = 3.0
"""Times the median of all copies, how long the gradient of one may be."""

NORMAL = 0.5 * np.log(2.0 * np.pi * np.e)
"""Entropy of a standard normal distribution [nats]."""

LAST = 0.05
"""Share of the learning rate that is left at the end."""


class Actor:
    """Analytic policy gradients: see `APG`.

    Args:
        algorithm: its numbers.
        setting: what is to be learned.

    Attributes:
        env_steps: steps of copies so far.
        easier: whether they play the easier task.
    """

    def __init__(self, algorithm: APG, setting: Setting):
        self.algorithm, self.setting = algorithm, setting
        self.env_steps = 0
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)  # networks are so small that threads take longer to meet than to work
        self.real = torch.float32 if setting.precision == "f32" else torch.float64
        self._enter(easier=setting.easier is not None)
        self.normaliser = Normaliser(setting.task.scene.observations)
        self._weights = {name: self._leaf(value) for name, value in setting.weights.items()}
        self._activation = ACTIVATIONS[setting.policy.activation]
        k = len(setting.task.scene.actuators)
        self._log_noise = self._leaf(np.full(k, np.log(algorithm.noise)))
        self._low, self._high = (torch.tensor(each, dtype=self.real) for each in (setting.task.low, setting.task.high))
        self._mean = {name: weight.detach().clone() for name, weight in self._weights.items()}
        learned = [] if algorithm.last_noise is not None else [self._log_noise]
        self.parameters = [*self._weights.values(), *learned]
        self.optimizer = torch.optim.Adam(self.parameters, algorithm.learning_rate, betas=BETAS)

    def _leaf(self, value: np.ndarray) -> Any:
        return torch.tensor(value, dtype=self.real, requires_grad=True)

    def _enter(self, *, easier: bool) -> None:
        """Have the copies play the task, or the easier one: episodes that do not end together."""
        own = self.setting
        played, numbers = (own.easier, own.easier_numbers) if easier else (own.task, own.numbers)
        assert played is not None
        keep = self.algorithm.window + 1  # and one to look at those that begin
        self.easier = easier
        self.episodes = Episodes(
            played, own.envs, own.precision, reads=("observation",), keep=keep, numbers=numbers or None
        )
        named = self.episodes.stepper.named(self.episodes.state)
        self._layout = {n: (part, named[n].shape[1:]) for n, part in self.episodes.stepper.layout.items()}
        self._pushes = self.episodes.pushes(own.easier_pushes if easier else own.pushes)
        rng = np.random.default_rng((self.setting.seed, self.setting.iterations, 1))
        self.episodes.begin(rng, np.ones(self.setting.envs, bool))
        self.episodes.age = rng.integers(0, self.setting.task.steps, self.setting.envs)

    def _end_easier(self) -> None:
        self.episodes.close()
        self._enter(easier=False)

    def normalised(self, observation: Any) -> Any:
        """Observations as the networks see them."""
        mean, scale = (torch.tensor(each, dtype=self.real) for each in (self.normaliser.mean, self.normaliser.scale))
        return (observation - mean) / scale

    def _act(self, observation: Any, noise: Any) -> tuple[Any, Any]:
        """Actions (envs, k), and the entropy (envs,) of what they were drawn from."""
        found = observation if self.setting.begun else self.normalised(observation)
        layers = len(self._weights) // 2
        for k in range(1, layers + 1):
            found = torch.addmm(self._weights[f"b{k}"], found, self._weights[f"w{k}"].T)
            found = self._activation(found) if k < layers else found + self._log_noise.exp() * noise
        squashed = 2.0 * (np.log(2.0) - found - torch.nn.functional.softplus(-2.0 * found))  # log(1 - tanh^2)
        return found.tanh(), (self._log_noise + NORMAL + squashed).sum(dim=1)

    def play(self, rng: np.random.Generator) -> Window:
        """A window of steps of all copies, with the policy as it is."""
        episodes, count = self.episodes, self.algorithm.window
        stepper, window = episodes.stepper, Window(self.setting.task, self._layout, self.real)
        noise = rng.standard_normal((count, episodes.envs, len(self._low)))
        state, sensed = self._tensors()
        for k in range(count):
            gate = Gate(episodes.envs)
            state, sensed = gate.through(state), {name: gate.through(value) for name, value in sensed.items()}
            action, entropy = self._act(sensed["observation"], torch.tensor(noise[k], dtype=self.real))
            pushed = state + self._push(rng) if self._pushes.any() else state
            following, after = steps.step(stepper, pushed, action)
            self.watch(gate, pushed, following, rng)
            if following.requires_grad:
                following.register_hook(_tempered)
            with np.errstate(invalid="ignore", over="ignore"):
                episodes.put(following.detach().numpy(), {n: value.detach().numpy() for n, value in after.items()})
                ended, cut, broken = episodes.ends()
            window.add(state, sensed, action, entropy, following, after, Marks(ended, cut, broken, gate.closed.numpy()))
            state, sensed = following, after
            if (over := ended | cut).any():
                episodes.begin(rng, over)
                fresh = torch.tensor(over)
                new, seen = self._tensors()
                state = torch.where(fresh[:, None], new, state)
                sensed = {n: torch.where(fresh.reshape(-1, *[1] * (v.ndim - 1)), seen[n], v) for n, v in sensed.items()}
        self.env_steps += count * episodes.envs
        return window

    def _push(self, rng: np.random.Generator) -> Any:
        return torch.tensor(self._pushes * rng.standard_normal(self.episodes.state.shape), dtype=self.real)

    def _tensors(self) -> tuple[Any, dict[str, Any]]:
        """Where the copies are, and what is read there."""
        episodes = self.episodes
        read = {name: torch.tensor(episodes.seen[name], dtype=self.real) for name in episodes.stepper.sensed}
        return torch.tensor(episodes.state, dtype=self.real), read

    def update(self, iteration: int) -> Update:
        """Play a window, and step along its gradient."""
        if self.easier and iteration >= self.setting.easier_iterations:
            self._end_easier()
        rng, rate = self.setting.rng(iteration), self._rate(iteration)
        self._calm(iteration)
        window = self.play(rng)
        reward, shaping = self._rewards(window)
        earned = reward + shaping + self.bonus(window)
        total = self.gained(window, earned)
        self.optimizer.zero_grad()
        (-total.sum() / window.size).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.algorithm.clip)
        self.optimizer.param_groups[0]["lr"] = self.algorithm.learning_rate * rate
        rejected = None if torch.isfinite(norm) else "its gradient is not finite"
        if rejected is None and self.learns(iteration):
            self.optimizer.step()
            for name, weight in self._weights.items():
                self._mean[name].lerp_(weight.detach(), self.algorithm.average)
        self.fit(window, earned.detach(), rate, rng)
        self.normaliser.see(window.observations.detach().flatten(0, 1).numpy())
        return Update(
            reward=float(reward.detach().mean()),
            gradient_norm=float(norm),
            learning_rate=self.algorithm.learning_rate * rate,
            rejected=rejected,
        )

    def _rate(self, iteration: int) -> float:
        return max(1.0 - iteration / self.setting.iterations, LAST)

    def _calm(self, iteration: int) -> None:
        """Noise that is not learned, as it is in this iteration."""
        first, last = self.algorithm.noise, self.algorithm.last_noise
        if last is not None:
            share = iteration / max(self.setting.iterations - 1, 1)
            with torch.no_grad():
                self._log_noise.fill_((1.0 - share) * np.log(first) + share * np.log(last))

    def _rewards(self, window: Window) -> tuple[Any, Any]:
        try:
            return window.rewards(self._low, self._high)
        except (TypeError, RuntimeError, AttributeError) as error:
            raise InputError(
                "the reward of the task cannot be differentiated by PyTorch: it is called with tensors, and "
                f"{type(error).__name__}: {error}; write it with operators, indexing and methods, as in "
                "docs/policies.md, or learn without gradients, by diffsim.CMAES"
            ) from error

    def watch(self, gate: Gate, state: Any, following: Any, rng: np.random.Generator) -> None:
        """Close the gate of a step through which gradients should not come back; here none."""

    def bonus(self, window: Window) -> Any:
        """(steps, envs) or a number: what is rewarded besides; here nothing."""
        return 0.0

    def learns(self, iteration: int) -> bool:
        """Whether the policy changes in an iteration; here always."""
        return True

    def gained(self, window: Window, reward: Any) -> Any:
        """(steps, envs) what is to be large: discounted rewards."""
        return window.discounts(self.algorithm.discount) * reward

    def fit(self, window: Window, reward: Any, rate: float, rng: np.random.Generator) -> None:
        """Learn more than the policy; here nothing."""

    def weights(self) -> Arrays:
        """Of the policy as it is on average, for observations as they are."""
        weights = {n: w.numpy().astype(np.float64) for n, w in self._mean.items()}
        return weights if self.setting.begun else self.normaliser.folded(weights)

    def saved(self) -> Arrays:
        """All that it takes to go on."""
        held = {f"weights/{name}": value.detach().numpy() for name, value in self._weights.items()}
        held |= {f"mean/{name}": value.numpy() for name, value in self._mean.items()}
        held |= {f"normaliser/{name}": value for name, value in self.normaliser.saved().items()}
        held |= {f"optimizer/{name}": value for name, value in optimizer_state(self.optimizer).items()}
        return {
            **held,
            "noise": self._log_noise.detach().numpy(),
            "state": self.episodes.state,
            "age": self.episodes.age,
            "env_steps": np.array(self.env_steps),
            "easier": np.array(self.easier),
        }

    def restore(self, held: Mapping[str, np.ndarray]) -> None:
        """Be as when `saved` gave this."""
        with torch.no_grad():
            for name, value in self._weights.items():
                value.copy_(torch.from_numpy(held[f"weights/{name}"]))
                self._mean[name].copy_(torch.from_numpy(held[f"mean/{name}"]))
            self._log_noise.copy_(torch.from_numpy(held["noise"]))
        self.normaliser.restore(under("normaliser", held))
        restore_optimizer(self.optimizer, under("optimizer", held))
        if self.easier and not held["easier"]:
            self._end_easier()
        self.episodes.put(held["state"])
        self.episodes.age, self.env_steps = held["age"], int(held["env_steps"])

    def close(self) -> None:
        """Give the memory back, and PyTorch its threads."""
        torch.set_num_threads(self._threads)
        self.episodes.close()


def under(group: str, held: Mapping[str, np.ndarray]) -> Arrays:
    """What is saved under the name of a group."""
    return {name.removeprefix(f"{group}/"): value for name, value in held.items() if name.startswith(f"{group}/")}


def _tempered(gradient: Any) -> Any:
    """The gradient by the states that a call led to, (envs, numbers), without what would drown the others.

    Through a stiff contact it grows by orders of magnitude, in a few of the copies: those are scaled down to `STIFF`
    times the median of all copies, which keeps their direction. One that is not finite counts as none.
    """
    found = torch.where(torch.isfinite(gradient).all(dim=1, keepdim=True), gradient, torch.zeros_like(gradient))
    norms = found.norm(dim=1, keepdim=True)
    limit = STIFF * norms.median()
    return found * (limit / norms.clamp(min=1e-30)).clamp(max=1.0)
