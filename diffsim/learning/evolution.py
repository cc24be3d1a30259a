"""A policy that evolves: separable CMA-ES on its weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffsim.bridges.episodes import Episodes
from diffsim.learning.algorithms import CMAES
from diffsim.learning.learner import Arrays, Setting, Update
from diffsim.tuning.parameter_matrix import Rows

__all__ = ["Evolution", "SeparableCMA"]


class SeparableCMA:
    """CMA-ES with a diagonal covariance (Ros & Hansen 2008): ask for candidates, tell their losses.

    The constants are those of Hansen's tutorial (2016, arXiv:1604.00772, table 1) without negative weights; the rates
    of the variances are (n + 2) / 3 times as large, as only n numbers are learned.

    Args:
        mean: (n,) where it starts.
        sigma: standard deviation there.
        count: candidates of a generation, at least 4.

    Attributes:
        mean: (n,) the best guess.
        sigma: the step size.
    """

    def __init__(self, mean: np.ndarray, sigma: float, count: int):
        n = len(mean)
        self.mean, self.sigma, self._count = np.array(mean, np.float64), float(sigma), count
        ranks = np.log((count + 1) / 2) - np.log(np.arange(1, count // 2 + 1))
        self._ranks = ranks / ranks.sum()
        m = 1.0 / np.sum(self._ranks**2)  # the variance-effective number of parents
        self._step_rate = (m + 2) / (n + m + 5)
        self._damping = 1 + 2 * max(0.0, np.sqrt((m - 1) / (n + 1)) - 1) + self._step_rate
        self._path_rate = (4 + m / n) / (n + 4 + 2 * m / n)
        one = 2 / ((n + 1.3) ** 2 + m)
        many = min(1 - one, 2 * (m - 2 + 1 / m) / ((n + 2) ** 2 + m))
        self._one, self._many = (min(0.4, each * (n + 2) / 3) for each in (one, many))
        self._parents, self._usual = m, np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))
        self._variance, self._path, self._step_path = np.ones(n), np.zeros(n), np.zeros(n)
        self._generation = 0

    def ask(self, rng: np.random.Generator) -> np.ndarray:
        """(count, n) candidates."""
        shape = (self._count, len(self.mean))
        return self.mean + self.sigma * np.sqrt(self._variance) * rng.standard_normal(shape)

    def tell(self, candidates: np.ndarray, losses: np.ndarray) -> None:
        """Learn from the candidates' losses; those that are not finite are the worst."""
        self._generation += 1
        order = np.argsort(np.where(np.isfinite(losses), losses, np.inf), kind="stable")[: len(self._ranks)]
        steps = (candidates[order] - self.mean) / self.sigma
        step = self._ranks @ steps
        self.mean = self.mean + self.sigma * step
        c, m = self._step_rate, self._parents
        self._step_path = (1 - c) * self._step_path + np.sqrt(c * (2 - c) * m) * step / np.sqrt(self._variance)
        length = np.linalg.norm(self._step_path) / np.sqrt(1 - (1 - c) ** (2 * self._generation))
        moves = float(length < (1.4 + 2 / (len(self.mean) + 1)) * self._usual)  # else sigma grows, and the path waits
        p = self._path_rate
        self._path = (1 - p) * self._path + moves * np.sqrt(p * (2 - p) * m) * step
        kept = 1 - self._one - self._many + (1 - moves) * self._one * p * (2 - p)
        self._variance = kept * self._variance + self._one * self._path**2 + self._many * self._ranks @ steps**2
        ratio = np.linalg.norm(self._step_path) / self._usual
        self.sigma *= float(np.exp(min(1.0, c / self._damping * (ratio - 1))))

    def saved(self) -> Arrays:
        """All that it takes to go on."""
        return {
            "mean": self.mean,
            "sigma": np.array(self.sigma),
            "variance": self._variance,
            "path": self._path,
            "step_path": self._step_path,
            "generation": np.array(self._generation),
        }

    def restore(self, held: Mapping[str, np.ndarray]) -> None:
        """Be as when `saved` gave this."""
        self.mean, self.sigma, self._variance = held["mean"], float(held["sigma"]), held["variance"]
        self._path, self._step_path = held["path"], held["step_path"]
        self._generation = int(held["generation"])


class Evolution:
    """CMA-ES on the weights of a policy: see `CMAES`.

    Args:
        algorithm: its numbers.
        setting: what is to be learned.

    Attributes:
        env_steps: steps of copies so far.
    """

    def __init__(self, algorithm: CMAES, setting: Setting):
        self._setting, self.env_steps = setting, 0
        self._steps = algorithm.steps or setting.task.steps
        self._rows = Rows(setting.weights)
        self._cma = SeparableCMA(self._rows.pack(setting.weights)[0], algorithm.sigma, setting.envs)
        self._episodes = Episodes(
            setting.task, setting.envs, setting.precision, reads=("observation",), numbers=setting.numbers or None
        )

    def update(self, iteration: int) -> Update:
        """A generation: an episode with each candidate, all from the same start."""
        rng, before = self._setting.rng(iteration), self._cma.mean
        candidates = self._cma.ask(rng)
        totals, rewards = self._play(candidates, rng)
        self._cma.tell(candidates, -totals)
        return Update(
            reward=float(rewards.mean() / self._steps),
            gradient_norm=float(np.linalg.norm(self._cma.mean - before)),
            learning_rate=self._cma.sigma,
        )

    def _play(self, candidates: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(envs,) sums of rewards up to each end, with shaping and without."""
        envs, task, episodes = self._setting.envs, self._setting.task, self._episodes
        weights = self._named(candidates)
        episodes.begin(rng, np.ones(envs, bool))
        episodes.put(np.repeat(episodes.state[:1], envs, axis=0))
        going, totals, rewards = np.ones(envs, bool), np.zeros(envs), np.zeros(envs)
        for _ in range(self._steps):
            before = episodes.seen
            action = task.action(self._setting.policy.act(weights, before, 0.0, None))
            reward, ended, _ = episodes.advance(action)
            with np.errstate(invalid="ignore", over="ignore"):
                shaping = np.nan_to_num(task.shaping(before, action, episodes.seen), posinf=0.0, neginf=0.0)
            totals, rewards = totals + going * (reward + shaping), rewards + going * reward
            self.env_steps += int(going.sum())
            going = going & ~ended
            if not going.any():
                break
        return totals, rewards

    def _named(self, candidates: np.ndarray) -> Arrays:
        """Weights by name, (envs, *shape)."""
        shapes, columns = self._rows.shapes, self._rows.columns
        return {name: candidates[:, columns[name]].reshape(-1, *shapes[name]) for name in columns}

    def weights(self) -> Arrays:
        """Of the policy as it is now: the mean."""
        return self._rows.one(self._cma.mean[None], 0)

    def saved(self) -> Arrays:
        """All that it takes to go on."""
        return {**self._cma.saved(), "env_steps": np.array(self.env_steps)}

    def restore(self, held: Mapping[str, np.ndarray]) -> None:
        """Be as when `saved` gave this."""
        self._cma.restore(held)
        self.env_steps = int(held["env_steps"])

    def close(self) -> None:
        """Give the memory back."""
        self._episodes.close()
