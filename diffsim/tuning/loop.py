"""One run of `tune`: evaluate, judge, record, step, until something says stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

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

__all__ = ["Callback", "Loop"]

WARNINGS = 5  # about rejected steps, per run

Callback = Callable[[dict[str, Any], dict[str, np.ndarray]], Any]


class Loop:
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
        self.search, self.stop, self.folder, self.units = search, stop, folder, units
        self.callback, self.progress = callback, progress
        self.history: list[dict[str, Any]] = []
        self.snapshots = Snapshots()
        # loss, iteration, copy and its parameters as a row; one tuple, so that an interrupt cannot tear it
        self.best: tuple[float, int, int, np.ndarray] | None = None
        self.rate = 0.0  # of the next step,
        self.unknown = np.zeros_like(search.alive)  # which these copies do not take
        self.warned = 0
        self.torn = False  # whether an iteration is begun and not recorded
        self.seconds = self.compiling = 0.0  # before the run was ended and resumed; those of compiling in them

    def resume(self) -> None:
        """Go on where the folder's run stands, if it holds one."""
        held = self.folder.resume()
        if held is None:
            self.progress.note("there is no run to go on with yet; it starts")
            return
        for group, part in (("search", self.search), ("snapshots", self.snapshots)):
            part.restore({k.removeprefix(f"{group}/"): v for k, v in held.items() if k.startswith(f"{group}/")})
        self.history = self.folder.history()
        loss, iteration, copy = held["best"].tolist()
        self.best = loss, int(iteration), int(copy), held["best_row"]
        self.rate, self.unknown = float(held["rate"]), held["unknown"]
        self.warned, self.seconds = int(held["warned"]), float(held["seconds"])
        self.compiling = float(held.get("compiling", 0.0))  # runs of earlier versions do not say

    def run(self) -> Result:
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
            if self.best is None and self.search.error is not None:
                raise self.search.error  # it ended before any copy had a finite evaluation
            assert reason is not None
            stopped = reason
        finally:
            self.folder.close(self.progress, self._state)
            found = () if stopped == "an error" else self._findings()
            self.progress.close(stopped, found)
        return self._result(stopped, found)

    def _changes(self) -> tuple[Change, ...]:
        assert self.best is not None
        rows, row = self.search.rows, self.best[3]
        start = _one(rows, self.search.first[self.best[2] if rows.copies else 0])
        return changes_of(self.search.sim.problem, start, _one(rows, row), self.units)

    def _findings(self) -> tuple[str, ...]:
        sim = self.search.sim
        steps = getattr(getattr(sim, "adjoint", None), "window", getattr(sim.problem, "steps", None))
        return findings(self._changes(), self.history, steps, self.folder.path)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.began

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
        if interrupted:
            return "interrupted"
        if not self.search.unharmed and not self.search.alive.any():
            copies = "in every copy" if self.search.rows.copies else ""
            if self.search.optimizer.line_search:
                return f"no step along the gradient lowers the loss any more {copies}".rstrip()
            return f"{MOST_REJECTIONS} steps in a row were rejected {copies}".rstrip()
        if answer:
            return "the callback said so"
        return self.stop.reason(iteration, self.best, seconds)

    def _state(self) -> dict[str, Any]:
        """For the run's folder: best parameters (one copy's), last accepted ones, and what it takes to go on.

        Amid an iteration, which an exception ended, there is no state to go on from but the one saved before.
        """
        assert self.best is not None
        loss, iteration, _, row = self.best
        rows = self.search.rows
        state = {
            **{f"search/{name}": value for name, value in self.search.saved().items()},
            **{f"snapshots/{name}": value for name, value in self.snapshots.saved().items()},
            "best": np.array(self.best[:3]),
            "best_row": self.best[3],
            "rate": np.array(self.rate),
            "unknown": self.unknown,
            "warned": np.array(self.warned),
            "seconds": np.array(self._elapsed()),
            "compiling": np.array(spent() - self.compiled),
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
