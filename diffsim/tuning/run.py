"""What a run writes as it goes on: ``problem.json``, ``params.npz``, ``history.jsonl`` and ``state.npz``.

A file that cannot be written never ends a run. What is in memory is kept and tried again, and what was
written before stays readable: whole files are written beside and renamed, and the history only grows by whole
lines. A run that was killed goes on from its state, which is never newer than the history beside it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from diffsim.errors import InputError
from diffsim.files import FORMAT, finite, packed, sweep, write_all, write_whole
from diffsim.physics.checks import flag
from diffsim.problem import Problem
from diffsim.spec import Spec, number
from diffsim.tuning.earlier import as_now
from diffsim.tuning.environment import environment
from diffsim.tuning.load import load_about, read_records, with_used_bounds
from diffsim.tuning.resuming import difference, last_state
from diffsim.tuning.series import HISTORY, claim, lock, newest, take

__all__ = ["Run"]

NUMBERS = ("problem.json", "params.npz", "history.jsonl", "state.npz")
PICTURES = ("rollouts.npz", "loss.png", "report.html", "optimisation.mp4", "optimisation.gif")
"""What a run leaves: with ``overwrite`` the first replace those of an earlier run in the folder; these are removed."""

COST = 20.0  # times as long as saving took, it waits before it saves again: at most 5 % of a run are spent on it

_STRICT = json.JSONEncoder(allow_nan=False)  # json.dumps would make one for each line


class Run:
    """A run's folder, as it is being written.

    Where the folder holds another run, the new one gets a number: ``outputs/robot-2``, then ``outputs/robot-3``.
    Nothing is made, taken or replaced before the first evaluation succeeded.

    Args:
        folder: the name of a series of runs, of which this is one: where it starts, its folder is the first that is
            free; where it goes on (``tune(resume=True)``), that of the newest.
        every: writes its parameters and its state every so many seconds, or less often if that takes long; 0 is after
            each iteration.
        overwrite: take this very folder: a run that starts replaces the files of the one that is in it, and one that
            goes on goes on with that.
        source: the file of the robot, as `load_mjcf` takes it, that `replay_in_mujoco` takes for this run; None, or
            what is no text, is not kept. `learn` takes that of its task.

    Attributes:
        folder: where the files go; where a number is needed it is known after the first evaluation, and
            `Result.folder` says it.
        trouble: which file could not be written, why, and what is therefore only in memory; None if all is
            written. Writing is tried again every ``every`` seconds and when the run is closed.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, every: float = 2.0, overwrite: bool = False, source: Any = None
    ):
        """Writes nothing yet."""
        self.source = source
        self.folder = self.base = Path(folder)
        self.overwrite = flag("Run.overwrite", overwrite)
        self._settled = self.overwrite  # whether the folder is the one that it will be
        self.trouble: str | None = None
        self._every = number("Run.every", every, least=0.0)
        self._next = -math.inf
        self._id = ""
        self._problem = self._params = self._state = b""
        self._changed = False  # the problem is not the one on disk
        self._new = False  # nothing is written yet
        self._lines: list[bytes] = []
        self._handle: BinaryIO | None = None
        self._whole = 0  # how many of the lines are in the file,
        self._length = 0  # and how many bytes they take there

    def __repr__(self) -> str:
        """The folder."""
        return f"Run({str(self.folder)!r})"

    def check(self, about: Mapping[str, Any], *, resume: bool = False) -> None:
        """Refuse what could not be written, before anything is computed.

        Args:
            about: arguments of `start`.
            resume: whether it is to go on: from now on the folder is the one to go on in.

        Raises:
            InputError: if another process writes to the folder now, or something in ``about`` is not plain.
        """
        try:
            _json(_about(**about))
        except (TypeError, ValueError) as error:
            raise InputError(f"the problem or the settings cannot be written as JSON: {error}") from None
        self.folder = newest(self.base) if resume and not self.overwrite else self.base
        self._settled = resume or self.overwrite
        if not self._settled:
            return  # what another process writes to gets no second run
        try:
            with open(self.folder / HISTORY, "r+b", buffering=0) as file:
                lock(file)
        except BlockingIOError:
            raise InputError(
                f"another process is writing its run to {self.folder}; wait for it, or take another folder"
            ) from None
        except OSError:  # not there, or not to be written: both are seen when it is tried
            pass

    @property
    def holds(self) -> bool:
        """Whether the folder holds this run: where ours could not be written, another's may still be there."""
        try:
            return load_about(self.folder).get("run") == self._id
        except (OSError, InputError):
            return False

    def start(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin an empty history, and take the problem and what is needed to do the run again.

        The files are written with the first `save`, so that parameters and problem are replaced together.

        Args:
            problem: anything with `to_dict`.
            seed: of the initial parameters.
            settings: of the optimisation, plain values.
            options: of the simulation, numbers, arrays and specifications.
        """
        self._id = uuid.uuid4().hex
        about = {"format": FORMAT, "run": self._id, **_about(problem, seed, settings, options)}
        about |= {} if (source := _kept(self.source)) is None else {"source": source}
        self._problem = _json({**about, "environment": environment()})
        self._lines, self._params, self._state = [], b"", b""
        self._changed = self._new = True
        self._close_handle(forget=True)
        self._next = -math.inf

    def resume(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> dict[str, np.ndarray] | None:
        """Take up the run that is in the folder, and go on from the last state that it saved.

        Records of iterations after that state are forgotten: they will come again, the same.

        Args:
            problem: must be the run's, as must be the others; of ``settings`` those that say when to stop may differ.
            seed: as of `start`.
            settings: as of `start`.
            options: as of `start`.

        Returns:
            The arrays given to `save`; None if the folder holds no run that could go on.

        Raises:
            InputError: if it is another run, naming the first difference, or its files are damaged.
        """
        self._settled = True
        try:
            about = load_about(self.folder)
        except FileNotFoundError:
            return None
        given = json.loads(_json(_about(problem, seed, settings, options)))
        about = {**about, "problem": _as_now(with_used_bounds(self.folder, as_now(about)))}
        found = difference(about, given)
        if found is not None:
            raise InputError(f"{self.folder} cannot be resumed: {found}; give it another folder, or start it anew")
        held, lines = last_state(self.folder, about)
        if held is None:
            return None
        done = int(held.pop("records"))
        self._close_handle()
        self._id = about["run"]
        self._problem = _json(
            {**about, **given, "format": FORMAT, "resumed": [*about.get("resumed", ()), environment()]}
        )
        self._lines = [line + b"\n" for line in lines[:done]]
        self._whole, self._length = done, sum(map(len, self._lines))
        self._changed = True
        self._next = -math.inf
        return held

    def history(self) -> list[dict[str, Any]]:
        """The records so far."""
        return read_records(self.folder / "history.jsonl", b"".join(self._lines))

    def record(self, record: Mapping[str, Any]) -> None:
        """Append a line to ``history.jsonl``, unbuffered; numbers that are not finite become null."""
        if not self._lines:
            record = {"format": FORMAT, "run": self._id, **record}
        try:
            line = _STRICT.encode(record)
        except ValueError:
            line = _STRICT.encode(finite(record))
        self._lines.append(line.encode() + b"\n")
        if self._handle is not None and not self._changed:  # else nothing was saved yet, or it is in trouble
            try:
                self._append()
            except OSError as error:
                self._failed("history.jsonl", error)

    def due(self) -> bool:
        """Whether it is time to `save`."""
        return time.monotonic() >= self._next

    def save(
        self,
        best: Mapping[str, np.ndarray],
        last: Mapping[str, np.ndarray],
        state: Mapping[str, np.ndarray] | None = None,
        *,
        loss: float = math.nan,
        iteration: int = -1,
        start: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Write ``params.npz``, arrays ``best/NAME``, ``last/NAME``, and what could not be written before.

        Args:
            best: parameters with the lowest loss, of one copy.
            last: last accepted parameters; of all copies, if each has its own.
            state: what `resume` is to return, as it is after the last record; None keeps what was saved before.
            loss: at the best parameters.
            iteration: that found them.
            start: parameters at the first evaluation, of the copy that has the best ones: arrays ``start/NAME``.
        """
        began = time.monotonic()
        arrays = {f"best/{name}": value for name, value in best.items()}
        arrays.update({f"last/{name}": value for name, value in last.items()})
        arrays.update({f"start/{name}": value for name, value in (start or {}).items()})
        self._params = packed({**arrays, "run": self._id, "best_loss": loss, "best_iteration": iteration})
        if state is not None:
            self._state = packed({**state, "run": self._id, "records": len(self._lines)})
        self._attempt()
        now = time.monotonic()
        self._next = now + (max(self._every, COST * (now - began)) if self._every else 0.0)

    def close(self) -> None:
        """Write what could not be written before, and close the files."""
        if self.trouble is not None:
            self._attempt()
        self._close_handle()

    def _attempt(self) -> None:
        """Bring all files up to what is in memory."""
        name = ""
        try:
            if not self._settled:
                self.folder, self._handle = take(self.base)
                self._settled = True
            self.folder.mkdir(parents=True, exist_ok=True)
            gone = not (self.folder / "problem.json").exists() or not self._is_ours()
            name = "history.jsonl"
            if gone:
                self._close_handle(forget=True)
            if self._handle is None:
                self._handle = claim(self.folder)
                if os.fstat(self._handle.fileno()).st_size < self._length:
                    self._whole = self._length = 0
            name = "params.npz"
            if self._params:
                write_whole(self.folder / name, self._params)
            name = "problem.json"
            if gone or self._changed:
                write_whole(self.folder / name, self._problem)
                self._clear()
                self._changed = self._new = False
            name = "history.jsonl"
            self._append()
            name = "state.npz"
            if self._state:
                with contextlib.suppress(OSError):  # a link to what is no file cannot be forced
                    os.fsync(self._handle.fileno())  # or the state could outlive the records before it
                write_whole(self.folder / name, self._state)
        except OSError as error:
            self._failed(name, error)
        else:
            self.trouble = None

    def _is_ours(self) -> bool:
        """Whether the history on disk is the file that we write to: the folder may have been moved away."""
        if self._handle is None:
            return self._length > 0 and (self.folder / "history.jsonl").exists()
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(self._handle.fileno()), os.stat(self.folder / "history.jsonl"))
        return False

    def _clear(self) -> None:
        """Remove what killed processes left beside, and of a new run what the earlier one left of pictures."""
        for name in (*NUMBERS, *PICTURES):
            sweep(self.folder / name)
            if self._new and name in PICTURES:
                (self.folder / name).unlink(missing_ok=True)

    def _append(self) -> None:
        assert self._handle is not None
        if self._handle.seek(0, os.SEEK_END) > self._length:  # torn, or of an earlier run
            self._handle.truncate(self._length)
        self._handle.seek(self._length)
        waiting = b"".join(self._lines[self._whole :])
        write_all(self._handle, waiting)
        self._whole, self._length = len(self._lines), self._length + len(waiting)

    def _close_handle(self, forget: bool = False) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                handle.close()
        if forget:
            self._whole = self._length = 0

    def _failed(self, name: str, error: OSError) -> None:
        self._close_handle()
        kept = {
            "problem.json": ["the problem"],
            "history.jsonl": [],
            "state.npz": ["what it takes to resume from here"],
        }.get(name, ["the best and last parameters"])
        unwritten = len(self._lines) - self._whole
        if unwritten:
            kept.append(f"{unwritten} line{'s' * (unwritten > 1)} of history")
        taken = isinstance(error, BlockingIOError)
        reason = "another process is writing to it" if taken else error.strerror or str(error)
        what = " and ".join(kept) or "what comes next"
        self.trouble = f"cannot write {self.folder / name}: {reason}; only in memory: {what}"


def _about(problem: Problem, seed: int, settings: Any, options: Any) -> dict[str, Any]:
    return {
        "problem": problem.to_dict(),
        "seed": seed,
        "settings": dict(settings or {}),
        "simulation": Spec.to_plain(dict(options or {})),
    }


def _kept(source: Any) -> str | None:
    """The file of a robot as it can be found again, from any folder; None of what is no text."""
    if not isinstance(source, str | bytes | os.PathLike):
        return None
    text = source.decode(errors="replace") if isinstance(source, bytes) else str(source)
    return os.path.abspath(text) if os.path.exists(text) else text  # else XML, or "package:path"


def _as_now(problem: dict[str, Any]) -> dict[str, Any]:
    """A problem as an earlier version wrote it, with what is new since then at its default."""
    try:
        found: dict[str, Any] = json.loads(_json(Problem.from_dict(problem).to_dict()))
    except (InputError, TypeError):  # nothing that this version can make; the difference will be named
        return problem
    return found


def _json(about: Mapping[str, Any]) -> bytes:
    return json.dumps(about, indent=1, allow_nan=False).encode() + b"\n"
