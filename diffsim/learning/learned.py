"""What `learn` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffsim.learning.judge import Score
from diffsim.problem import Problem
from diffsim.tuning.result import Result

__all__ = ["Learned"]


@dataclass(frozen=True, eq=False, repr=False)
class Learned(Result):
    """What `learn` found: a `Result` whose parameters are the policy's, and whose loss is minus what an episode earns.

    ``Simulation(learned.problem).rollout(learned.best_params)`` runs the policy without PyTorch.

    Attributes:
        problem: the scene with the policy as its controller.
        here: of the best policy, in diffsim, over whole episodes from starts that it did not learn from.
        in_mujoco: likewise in MuJoCo; None where it was not judged there.
        history: as of `Result`; ``loss`` is minus the mean reward of the iteration's steps, times those of an episode,
            ``best`` minus the best judged sum of rewards; ``env_steps`` are steps of copies so far. Where a policy was
            judged there are ``diffsim``, ``diffsim_spread`` and ``diffsim_steps``, and the same for ``mujoco``.
        words: what the best policy earns, in words.
        source: of the task: the file of the robot, for `replay_in_mujoco`.
    """

    problem: Problem | None = None
    here: Score | None = None
    in_mujoco: Score | None = None
    source: Any = None

    def __repr__(self) -> str:
        """One line."""
        return f"Learned({self.words}, best_iteration={self.best_iteration}, stopped={self.stopped!r})"
