"""gymnasium: scenes as environments, for the libraries that learn in those.

`Env` is one copy, `VectorEnv` as many as are asked for, in one call. Both take a `Task`: one of gymnasium's own robots
by `task`, or a scene with a reward of one's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.bridges.episodes import Episodes
from diffsim.bridges.packages import needed
from diffsim.bridges.robot_tasks import task
from diffsim.bridges.tasks import Task
from diffsim.errors import InputError
from diffsim.spec import whole

gymnasium: Any = needed("gymnasium", "ds.gym", "robots")
_vector: Any = needed("gymnasium.vector", "ds.gym", "robots")

__all__ = ["Env", "Task", "VectorEnv", "task"]


class _Copies(Episodes):
    """Episodes with gymnasium's spaces.

    Attributes:
        observation_space, action_space: of one copy.
    """

    def __init__(self, given: Task, envs: int, precision: str):
        if not isinstance(given, Task):
            raise InputError(f"an environment takes a Task, but {given!r} was given; ds.gym.task('Hopper') is one")
        super().__init__(given, envs, precision)
        size = self.observation().shape[1]
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float64)
        low, high = (each.astype(np.float32) for each in (given.low, given.high))
        self.action_space = gymnasium.spaces.Box(low, high, dtype=np.float32)

    def observation(self) -> np.ndarray:
        """(envs, n)."""
        found = np.asarray(self.task.observe(self.seen), np.float64)
        if found.ndim != 2 or len(found) != self.envs:
            raise InputError(f"Task.observe gave an array of shape {found.shape}, but ({self.envs}, n) is needed")
        return np.nan_to_num(found)


class Env(gymnasium.Env):
    """A task as an environment of one copy.

    Observations are float64, actions between ``Task.low`` and ``Task.high``. An episode is cut off after
    ``Task.steps``. A state that is not finite ends it.

    Args:
        given: the task, or the name of one.
        precision: "f32" or "f64".
    """

    metadata: Any = {"render_modes": []}  # noqa: RUF012 (gymnasium's own form)

    def __init__(self, given: Task | str, *, precision: str = "f32"):
        self._copies = _Copies(task(given) if isinstance(given, str) else given, 1, precision)
        self.observation_space, self.action_space = self._copies.observation_space, self._copies.action_space
        self.render_mode = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode: the observation, and nothing else to tell."""
        super().reset(seed=seed)
        self._copies.begin(self.np_random, np.ones(1, bool))
        return self._copies.observation()[0], {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Observation, reward, whether the episode ended, whether it was cut off, and nothing else to tell."""
        reward, ended, cut = self._copies.advance(np.asarray(action)[None])
        return self._copies.observation()[0], float(reward[0]), bool(ended[0]), bool(cut[0]), {}

    def close(self) -> None:
        """Give the memory back."""
        self._copies.close()


class VectorEnv(_vector.VectorEnv):
    """A task as an environment of several copies, which one call steps.

    A copy begins anew in the step after its episode ended (gymnasium's ``AutoresetMode.NEXT_STEP``): that step takes no
    notice of its action, and has no reward.

    Args:
        given: the task, or the name of one.
        envs: copies.
        precision: "f32" or "f64".
    """

    metadata: Any = {"render_modes": [], "autoreset_mode": _vector.AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, given: Task | str, envs: int, *, precision: str = "f32"):
        self.num_envs = whole("envs", envs)
        self._copies = _Copies(task(given) if isinstance(given, str) else given, envs, precision)
        self.single_observation_space = self._copies.observation_space
        self.single_action_space = self._copies.action_space
        self.observation_space = _vector.utils.batch_space(self.single_observation_space, envs)
        self.action_space = _vector.utils.batch_space(self.single_action_space, envs)
        self.render_mode = None
        self._over = np.zeros(envs, bool)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in each copy: observations (envs, n), and nothing else to tell."""
        super().reset(seed=seed)
        self._copies.begin(self.np_random, np.ones(self.num_envs, bool))
        self._over = np.zeros(self.num_envs, bool)
        return self._copies.observation(), {}

    def step(self, actions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Observations (envs, n), rewards, which episodes ended, which were cut off, and nothing else to tell."""
        fresh = self._over
        reward, ended, cut = self._copies.advance(actions)
        if fresh.any():
            self._copies.begin(self.np_random, fresh)
        ended, cut = ended & ~fresh, cut & ~fresh
        self._over = ended | cut
        return self._copies.observation(), np.where(fresh, 0.0, reward), ended, cut, {}

    def close_extras(self, **options: Any) -> None:
        """Give the memory back."""
        self._copies.close()
