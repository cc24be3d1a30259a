"""One run of `learn`: play, step, now and then judge, record, until something says stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffsim.files import finite, with_nan
from diffsim.learning.judge import Judge, Score
from diffsim.learning.learned import Learned
from diffsim.learning.learner import Arrays, Learner
from diffsim.problem import Problem
from diffsim.tuning.changes import Change, changes_of
from diffsim.tuning.folder import Folder
from diffsim.tuning.loop import Callback, Iterations
from diffsim.tuning.parameter_matrix import Rows
from diffsim.tuning.progress import Progress
from diffsim.tuning.stopping import Stop
from diffsim.waiting import spent

__all__ = ["Learning", "named"]

ALIKE = 0.9
"""Share of what a policy earns here that it should earn in MuJoCo, and the other way: below it, that is said."""


class Learning(Iterations[Learned]):
    """One run of `learn`."""

    def __init__(
        self,
        learner: Learner,
        judge: Judge,
        problem: Problem,
        steps: int,
        every: int,
        stop: Stop,
        folder: Folder,
        callback: Callback | None,
        progress: Progress,
    ):
        super().__init__(stop, folder, callback, progress)
        self.learner, self.judge, self.problem = learner, judge, problem
        self.steps, self.every = steps, every
        start = named(learner.weights())
        self.rows = Rows(start)
        self.start = self.rows.pack(start)[0]
        self.scores: dict[int, tuple[Score, Score | None]] = {}

    def resume(self) -> None:
        """Go on where the folder's run stands, if it holds one."""
        self._resumed(self._take_up)

    def _take_up(self, held: dict[str, np.ndarray]) -> None:
        self.learner.restore({k.removeprefix("learner/"): v for k, v in held.items() if k.startswith("learner/")})
        self.start = held["start"]

    def _iterate(self, iteration: int) -> Any:
        self.torn = True
        found = self.learner.update(iteration)
        weights = self.learner.weights()
        row = self.rows.pack(named(weights))[0]
        judged: dict[str, float] = {}
        if iteration == 0 or (iteration + 1) % self.every == 0 or iteration + 1 == self.stop.iterations:
            judged = self._judge(iteration, weights, row)
            self.snapshots.offer(iteration, row)
        record: dict[str, Any] = {
            "iteration": iteration,
            "loss": -found.reward * self.steps,
            "best": np.nan if self.best is None else self.best[0],
            "gradient_norm": found.gradient_norm,
            "learning_rate": found.learning_rate,
            "seconds": self._elapsed(),
            "compiling": spent() - self.compiled,
            "env_steps": self.learner.env_steps,
            **judged,
        }
        record = with_nan(finite(record))  # as it is read from a file again
        if found.rejected:
            record["rejected"] = found.rejected
        self.history.append(record)
        self.folder.record(self.history)
        self.torn = False
        self.folder.save(self.progress, self._state)
        self.progress.update(record)
        return False if self.callback is None else self.callback(dict(record), named(weights))

    def _judge(self, iteration: int, weights: Arrays, row: np.ndarray) -> dict[str, float]:
        """What the policy earns, for the record; notes a new best."""
        here, there = self.judge.here(weights), self.judge.in_mujoco(weights)
        judged = here if there is None else there
        if self.best is None or -judged.total < self.best[0]:
            self.best = -judged.total, iteration, 0, row
        found = {"diffsim": here.total, "diffsim_spread": here.spread, "diffsim_steps": here.steps}
        if there is not None:
            found |= {"mujoco": there.total, "mujoco_spread": there.spread, "mujoco_steps": there.steps}
        return found

    def _best(self) -> tuple[Score | None, Score | None]:
        """What the best policy earned here, and in MuJoCo."""
        assert self.best is not None
        record = self.history[self.best[1]]

        def score(where: str) -> Score | None:
            known = where in record
            return Score(record[where], record[f"{where}_spread"], record[f"{where}_steps"]) if known else None

        return score("diffsim"), score("mujoco")

    def _changes(self) -> tuple[Change, ...]:
        assert self.best is not None
        ends = [self.rows.one(row[None], 0) for row in (self.start, self.best[3])]
        return changes_of(self.problem, ends[0], ends[1], {})

    def _findings(self) -> tuple[str, ...]:
        found, (here, there) = [], self._best()
        rejected = [record for record in self.history if "rejected" in record]
        if rejected:
            found.append(
                f"{len(rejected)} of {len(self.history)} steps were rejected, the last because "
                f"{rejected[-1]['rejected']}; a shorter window helps"
            )
        if (
            here is not None
            and there is not None
            and min(here.total, there.total) < ALIKE * max(here.total, there.total)
        ):
            earns = f"the policy earns {here.total:.0f} here and {there.total:.0f} in MuJoCo"
            found.append("; ".join([earns, *self.judge.differs, "docs/policies.md says what helps"]))
        return tuple(found)

    def _state(self) -> dict[str, Any]:
        assert self.best is not None
        loss, iteration, _, row = self.best
        state = {
            **{f"learner/{name}": value for name, value in self.learner.saved().items()},
            **self._saved(),
            "start": self.start,
        }
        return {
            "best": self.rows.one(row[None], 0),
            "last": named(self.learner.weights()),
            "start": self.rows.one(self.start[None], 0),
            "state": None if self.torn else state,
            "loss": loss,
            "iteration": iteration,
        }

    def _result(self, stopped: str, findings: tuple[str, ...]) -> Learned:
        assert self.best is not None
        loss, iteration, _, row = self.best
        best, (here, there) = self.rows.one(row[None], 0), self._best()
        kept = [(k, self.rows.one(value[None], 0)) for k, value in self.snapshots.all((iteration, row))]
        return Learned(
            best_params=best,
            best_loss=loss,
            best_iteration=iteration,
            best_copy=0,
            last_params=named(self.learner.weights()),
            history=self.history,
            stopped=stopped,
            snapshots=kept,
            unsaved=self.folder.trouble,
            changes=self._changes(),
            findings=findings,
            units=dict.fromkeys(best, 1.0),
            folder=self.folder.path,
            words=_words(here, there),
            problem=self.problem,
            here=here,
            in_mujoco=there,
            source=self.judge.source,
        )


def named(weights: Mapping[str, np.ndarray]) -> Arrays:
    """Weights as parameters of the problem."""
    return {f"controller.{name}": value for name, value in weights.items()}


def _words(here: Score | None, there: Score | None) -> str:
    told = [(score, place) for score, place in ((here, "diffsim"), (there, "MuJoCo")) if score is not None]
    return ", ".join(f"{score.total:.4g} in {score.steps:.0f} steps of {place}" for score, place in told)
