"""A run that iterates until something says stop, and that of `tune`: evaluate, judge, record, step."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from diffsim.files import finite, with_nan
from diffsim.tuning.changes import Change, changes_of, findings, words_of
from diffsim.tuning.folder import Folder
from diffsim.tuning.parameter_matrix import Rows
from diffsim.tuning.progress import Progress
from diffsim.tuning.result import Kept, Result, Snapshots
from diffsim.tuning.search import MOST_REJECTIONS, Evaluation, Search
from diffsim.tuning.stopping import Stop, interrupts
from diffsim.waiting import listening, spent

__all__ = ["Callback", "Iterations", "Loop"]

WARNINGS = 5  # about rejected steps, per run

Callback = Callable[[dict[str, Any], dict[str, np.ndarray]], Any]


Found = TypeVar("Found", bound=Result)


class Iterations(ABC, Generic[Found]):
    """A run that goes on until something says stop, and leaves what it does in a folder.

    Attributes:
        history: a record for each iteration.
        best: loss, iteration, copy and its parameters as a row; one tuple, so that an interrupt cannot tear it.
        torn: whether an iteration is begun and not recorded.
        seconds, compiling: before the run was ended and resumed; of compiling in them.
    """

    def __init__(self, stop: Stop, folder: Folder, callback: Callback | None, progress: Progress):
        self.stop, self.folder, self.callback, self.progress = stop, folder, callback, progress
        self.history: list[dict[str, Any]] = []
        self.snapshots = Snapshots()
        self.best: tuple[float, int, int, np.ndarray] | None = None
        self.torn = False
        self.seconds = self.compiling = 0.0

    @abstractmethod
    def _iterate(self, iteration: int) -> Any:
        """Do an iteration, and record it; the callback's answer."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """For the run's folder: arguments of `Run.save`."""

    @abstractmethod
    def _findings(self) -> tuple[str, ...]:
        """What should be known in the end."""

    @abstractmethod
    def _result(self, stopped: str, findings: tuple[str, ...]) -> Found:
        """What was found."""

    def _reason(self, iteration: int, answer: Any, interrupted: bool, seconds: float) -> str | None:
        """Why to stop now, or None."""
        if interrupted:
            return "interrupted"
        return "the callback said so" if answer else self.stop.reason(iteration, self.best, seconds)

    def _failure(self) -> Exception | None:
        """Why nothing was found at all, if that is an error."""
        return None

    def _resumed(self, own: Callable[[dict[str, np.ndarray]], None]) -> None:
        """Go on where the folder's run stands, if it holds one, whose state ``own`` takes up as well."""
        held = self.folder.resume()
        if held is None:
            self.progress.note("there is no run to go on with yet; it starts")
            return
        self.snapshots.restore({k[10:]: v for k, v in held.items() if k.startswith("snapshots/")})
        self.history = self.folder.history()
        loss, iteration, copy = held["best"].tolist()
        self.best = loss, int(iteration), int(copy), held["best_row"]
        self.seconds = float(held["seconds"])
        self.compiling = float(held.get("compiling", 0.0))  # runs of earlier versions do not say
        own(held)

    def _saved(self) -> dict[str, np.ndarray]:
        """What `_resumed` takes up."""
        assert self.best is not None
        return {
            **{f"snapshots/{name}": value for name, value in self.snapshots.saved().items()},
            "best": np.array(self.best[:3]),
            "best_row": self.best[3],
            "seconds": np.array(self._elapsed()),
            "compiling": np.array(spent() - self.compiled),
        }

    def run(self) -> Found:
        """Iterate until something says stop."""
        stopped = "an error"
        self.progress.start()
        self.began, self.compiled = time.perf_counter() - self.seconds, spent() - self.compiling
        try:
            with interrupts() as interrupted, listening(self.progress.compiling):
                try:
                    done = len(self.history)
                    reason = self._reason(done - 1, False, False, self.seconds) if done else None
                    for iteration in range(done, 0 if reason else self.stop.iterations):
                        answer = self._iterate(iteration)
                        reason = self._reason(iteration, answer, bool(interrupted), self._elapsed())
                        if reason:
                            break
                except KeyboardInterrupt:
                    if self.best is None:
                        raise  # nothing was earned that could be returned
                    reason = "interrupted"
            if self.best is None and (error := self._failure()) is not None:
                raise error
            assert reason is not None
            stopped = reason
        finally:
            self.folder.close(self.progress, self._state)
            found = () if stopped == "an error" else self._findings()
            self.progress.close(stopped, found)
        return self._result(stopped, found)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.began


class Loop(Iterations[Result]):
    """One run of `tune`."""

    def __init__(
        self,
        search: Search,
        stop: Stop,
        folder: Folder,
        callback: Callback | None,
        progress: Progress,
        units: dict[str, float],
    ):
        super().__init__(stop, folder, callback, progress)
        self.search, self.units = search, units
        self.rate = 0.0  # of the next step,
        self.unknown = np.zeros_like(search.alive)  # which these copies do not take
        self.warned = 0

    def resume(self) -> None:
        """Go on where the folder's run stands, if it holds one."""
        self._resumed(self._take_up)

    def _take_up(self, held: dict[str, np.ndarray]) -> None:
        self.search.restore({k.removeprefix("search/"): v for k, v in held.items() if k.startswith("search/")})
        self.rate, self.unknown, self.warned = float(held["rate"]), held["unknown"], int(held["warned"])

    def _failure(self) -> Exception | None:
        """The error of the first evaluation, if no copy had a finite one."""
        return self.search.error

    def _changes(self) -> tuple[Change, ...]:
        assert self.best is not None
        rows, row = self.search.rows, self.best[3]
        start = _one(rows, self.search.first[self.best[2] if rows.copies else 0])
        return changes_of(self.search.sim.problem, start, _one(rows, row), self.units)

    def _findings(self) -> tuple[str, ...]:
        sim = self.search.sim
        steps = getattr(getattr(sim, "adjoint", None), "window", getattr(sim.problem, "steps", None))
        kept = not self.search.optimizer.line_search
        return findings(self._changes(), self.history, steps, self.folder.path, kept=kept)

    def _iterate(self, iteration: int) -> Any:
        """Evaluate, judge, record, and prepare the next candidates; returns the callback's answer."""
        search = self.search
        self.torn = True
        if iteration > 0:
            search.move(self.rate, self.unknown)
        found = search.evaluate()
        good = search.take(found)
        self.rate, self.unknown = search.optimizer.rate(iteration), found.unknown
        record = self._record(iteration, found, good, self._elapsed())
        self.history.append(record)
        if found.clean or good.any():
            self.snapshots.offer(iteration, search.kept_x)
        if found.reasons:
            self._warn(record)
        if self.best is not None:
            self.folder.record(self.history)
            self.torn = False
            self.folder.save(self.progress, self._state)
        self.progress.update(record)
        if self.callback is None:
            return False
        evaluated = {name: np.array(value) for name, value in search.params().items()}
        return self.callback(dict(record), evaluated)

    def _warn(self, record: dict[str, Any]) -> None:
        """Report a rejection; a run along the edge of stability has thousands, so only the first few."""
        self.warned += 1
        if self.warned <= WARNINGS:
            more = " (later ones are only in the history)" if self.warned == WARNINGS else ""
            self.progress.note(
                f"iteration {record['iteration']} rejected: {record['rejected']}; back to the last accepted "
                f"parameters with a shorter step{more}"
            )

    def _record(self, iteration: int, found: Evaluation, good: np.ndarray, seconds: float) -> dict[str, Any]:
        """The record of an evaluation; notes a new best."""
        losses = np.where(good, found.losses, np.nan)
        copy = int(np.where(good, losses, np.inf).argmin())  # 0 if none is good
        loss = float(losses[copy])
        if good[copy]:
            low, which, row = self.search.lowest(loss, copy)
            if self.best is None or low < self.best[0]:
                self.best = low, iteration, which, row
        record: dict[str, Any] = {
            "iteration": iteration,
            "loss": loss,
            "best": np.nan if self.best is None else self.best[0],
            "gradient_norm": float(found.norms[copy]),
            "learning_rate": self.rate * float(self.search.scale[copy]),
            "seconds": seconds,
            "compiling": spent() - self.compiled,
        }
        if self.search.rows.copies:
            record["losses"] = losses.tolist()
        if found.growth is not None:
            record["growth"] = float(found.growth[copy])
        record.update(self.search.notes())
        record = with_nan(finite(record))  # as it is read from a file again
        if found.reasons:
            record["rejected"] = _in_words(found.reasons, self.search.rows.copies)
        return record

    def _reason(self, iteration: int, answer: Any, interrupted: bool, seconds: float) -> str | None:
        """Why to stop now, or None."""
        if not interrupted and not self.search.unharmed and not self.search.alive.any():
            copies = "in every copy" if self.search.rows.copies else ""
            if self.search.optimizer.line_search:
                return f"no step along the gradient lowers the loss any more {copies}".rstrip()
            return f"{MOST_REJECTIONS} steps in a row were rejected {copies}".rstrip()
        return super()._reason(iteration, answer, interrupted, seconds)

    def _state(self) -> dict[str, Any]:
        """For the run's folder: best parameters (one copy's), last accepted ones, and what it takes to go on.

        Amid an iteration, which an exception ended, there is no state to go on from but the one saved before.
        """
        assert self.best is not None
        loss, iteration, _, row = self.best
        rows = self.search.rows
        state = {
            **{f"search/{name}": value for name, value in self.search.saved().items()},
            **self._saved(),
            "rate": np.array(self.rate),
            "unknown": self.unknown,
            "warned": np.array(self.warned),
        }
        return {
            "best": _one(rows, row),
            "last": rows.unpack(self.search.kept_x),
            "start": {change.name: change.start for change in self._changes()},
            "state": None if self.torn else state,
            "loss": loss,
            "iteration": iteration,
        }

    def _result(self, stopped: str, findings: tuple[str, ...]) -> Result:
        assert self.best is not None
        loss, iteration, copy, row = self.best
        rows = self.search.rows
        kept = [(i, rows.one(x, copy if rows.copies else 0)) for i, x in self.snapshots.all()]
        snapshots = dict(kept) | {iteration: _one(rows, row)}
        return Result(
            best_params=_one(rows, row),
            best_loss=loss,
            best_iteration=iteration,
            best_copy=copy,
            last_params=rows.unpack(self.search.kept_x.copy()),
            history=self.history,
            stopped=stopped,
            snapshots=Kept(sorted(snapshots.items())),
            unsaved=self.folder.trouble,
            changes=self._changes(),
            findings=findings,
            units=self.units,
            folder=self.folder.path,
            words=words_of(self.search.sim.problem, loss, _one(rows, row)),
        )


def _one(rows: Rows, row: np.ndarray) -> dict[str, np.ndarray]:
    return rows.one(row[None], 0)


def _in_words(reasons: Mapping[int, str], copies: bool) -> str:
    """The reasons of the first three copies, and how many more there are."""
    if not copies:
        return next(iter(reasons.values()))
    words = [f"copy {copy}: {reason}" for copy, reason in list(reasons.items())[:3]]
    more = len(reasons) - len(words)
    return "; ".join(words) + (f"; and {more} more" if more else "")
