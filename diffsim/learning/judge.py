"""What a policy earns in whole episodes that it did not learn from: here, and in MuJoCo."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from diffsim.bridges.episodes import Episodes
from diffsim.bridges.mujoco import Peer
from diffsim.bridges.tasks import Task
from diffsim.learning.learner import Arrays

__all__ = ["Judge", "Score"]

SEED = 1_000_003
"""Of the starts that policies are judged from, besides that of the run: no window begins with those."""


class Score(NamedTuple):
    """Of several episodes.

    Attributes:
        total: mean sum of rewards of an episode.
        spread: standard deviation of it.
        steps: mean length of an episode.
    """

    total: float
    spread: float
    steps: float


class Judge:
    """Plays whole episodes with a policy, without noise and without shaping, from the same starts each time.

    Args:
        task: what is rewarded.
        policy: the controller.
        episodes: here.
        elsewhere: and in MuJoCo, if the task has a ``source``, at most as many; 0 for none.
        seed: of the starts.
        precision: "f32" or "f64".

    Attributes:
        source: of the task.
    """

    def __init__(self, task: Task, policy: Any, episodes: int, elsewhere: int, seed: int, precision: str):
        self._task, self._policy, self._seed = task, policy, (seed, SEED)
        self._count, self._elsewhere, self.source = episodes, elsewhere, task.source
        self.peer = None if task.source is None or not elsewhere else Peer("learn", task.scene, task.source)
        self._here = Episodes(task, episodes, precision, reads=("observation",))

    @property
    def differs(self) -> tuple[str, ...]:
        """In what the scene steps otherwise than MuJoCo, in words; nothing if it is not judged there."""
        return self.peer.differs if self.peer is not None else ()

    def here(self, weights: Arrays) -> Score:
        """In diffsim."""
        here, task = self._here, self._task
        here.begin(np.random.default_rng(self._seed), np.ones(self._count, bool))
        tally = _Tally(self._count)
        for _ in range(task.steps):
            actuation = self._policy.act(weights, here.seen, 0.0, None)
            reward, ended, _ = here.advance(task.action(actuation))
            if tally.add(reward, ended):
                break
        return tally.score()

    def in_mujoco(self, weights: Arrays) -> Score | None:
        """In MuJoCo, from starts that are drawn likewise; None if the task says no file, or it is not wanted."""
        if self.peer is None:
            return None
        task, scene, count = self._task, self._task.scene, self._elsewhere
        start = {"joint_position": scene.initial_position, "joint_velocity": scene.initial_velocity}
        arrays = {name: np.repeat(value[None], count, axis=0) for name, value in start.items()}
        arrays = {**arrays, **task.start(arrays, np.random.default_rng(self._seed))}
        q, v = (np.array(arrays[name], np.float64) for name in start)
        copies = [self.peer.begin(*each) for each in zip(q, v, strict=True)]
        tally, seen = _Tally(count), self._seen(q, v)
        for _ in range(task.steps):
            before, actuation = seen, self._policy.act(weights, seen, 0.0, None)
            for k in np.flatnonzero(tally.going):
                q[k], v[k] = copies[k].step(actuation[k])
            seen = self._seen(q, v)
            broken = np.array([copy.broken for copy in copies])
            reward = np.asarray(task.reward(before, task.action(actuation), seen), np.float64)
            if tally.add(np.where(broken, 0.0, reward), np.asarray(task.ended(seen), bool) | broken):
                break
        return tally.score()

    def _seen(self, q: np.ndarray, v: np.ndarray) -> Arrays:
        """States of MuJoCo, (episodes, nq) and (episodes, nv), and what is read of them, as it is here."""
        stepper, joints = self._here.stepper, {"joint_position": q.copy(), "joint_velocity": v.copy()}
        state = stepper.start()
        for name, value in joints.items():
            stepper.named(state)[name][: len(q)] = value
        return {**{name: value[: len(q)] for name, value in stepper.observe(state).items()}, **joints}

    def close(self) -> None:
        """Give the memory back."""
        self._here.close()


class _Tally:
    """Rewards of episodes up to their ends."""

    def __init__(self, count: int):
        self.going = np.ones(count, bool)
        self._totals, self._steps = np.zeros(count), np.zeros(count)

    def add(self, reward: np.ndarray, ended: np.ndarray) -> bool:
        """Rewards of a step; whether all episodes have ended."""
        self._totals += np.where(self.going, reward, 0.0)
        self._steps += self.going
        self.going = self.going & ~ended
        return not self.going.any()

    def score(self) -> Score:
        return Score(float(self._totals.mean()), float(self._totals.std()), float(self._steps.mean()))
