"""What a run leaves in its folder: ``problem.json``, ``params.npz`` and ``history.jsonl``; and their readers.

A file that cannot be written never ends a run. What is in memory is kept and tried again, and what was
written before stays readable: whole files are written beside and renamed, and the history only grows by whole
lines.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import math
import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from diffsim.errors import InputError
from diffsim.problem import Problem
from diffsim.spec import choices, number

__all__ = ["FORMAT", "Run", "load_history", "load_params", "load_problem"]

FORMAT = 1  # of problem.json; a reader refuses a format that it does not know

_STRICT = json.JSONEncoder(allow_nan=False)  # json.dumps would make one for each line


class Run:
    """A run's folder, as it is being written. A new run in the same folder replaces the earlier one's files,
    and not before its first evaluation succeeded.

    Attributes:
        folder: where the files go; made if it is not there.
        trouble: which file could not be written, why, and what is therefore only in memory; None if all is
            written. Writing is tried again every ``every`` seconds and when the run is closed.
    """

    def __init__(self, folder: str | os.PathLike[str], *, every: float = 2.0):
        """A run in ``folder`` that writes its parameters every ``every`` seconds; writes nothing yet."""
        self.folder = Path(folder)
        self.trouble: str | None = None
        self._every = number("Run.every", every, least=0.0)
        self._next = -math.inf
        self._problem = b""
        self._params = b""
        self._lines: list[bytes] = []
        self._handle: BinaryIO | None = None
        self._whole = 0  # how many of the lines are in the file,
        self._length = 0  # and how many bytes they take there

    def __repr__(self) -> str:
        """The folder."""
        return f"Run({str(self.folder)!r})"

    def start(self, problem: Problem, *, seed: int = 0, settings: Mapping[str, Any] | None = None) -> None:
        """Begin an empty history, and take the problem and what is needed to do the run again.

        The files are written with the first `save`, so that parameters and problem are replaced together.

        Args:
            problem: anything with `to_dict`.
            seed: of the initial parameters.
            settings: of the optimisation, plain values.
        """
        about = {
            "format": FORMAT,
            "problem": problem.to_dict(),
            "seed": seed,
            "settings": dict(settings or {}),
            "environment": _environment(),
        }
        self._problem = json.dumps(about, indent=1, allow_nan=False).encode() + b"\n"
        self._lines, self._params = [], b""
        self._close_handle(forget=True)
        self._next = -math.inf

    def record(self, record: Mapping[str, Any]) -> None:
        """Append a line to ``history.jsonl``, unbuffered; numbers that are not finite become null."""
        try:
            line = _STRICT.encode(record)
        except ValueError:
            line = _STRICT.encode(_finite(record))
        self._lines.append(line.encode() + b"\n")
        if self._handle is not None:  # else nothing was saved yet, or it is in trouble
            try:
                self._append()
            except OSError as error:
                self._failed("history.jsonl", error)

    def due(self) -> bool:
        """Whether it is time to `save`."""
        return time.monotonic() >= self._next

    def save(self, best: Mapping[str, np.ndarray], last: Mapping[str, np.ndarray]) -> None:
        """Write ``params.npz``, arrays ``best/NAME`` and ``last/NAME``, and what could not be written before.

        Args:
            best: parameters with the lowest loss, of one copy.
            last: last accepted parameters; of all copies, if each has its own.
        """
        arrays = {f"best/{name}": value for name, value in best.items()}
        arrays.update({f"last/{name}": value for name, value in last.items()})
        held = io.BytesIO()
        np.savez(held, allow_pickle=False, **arrays)
        self._params = held.getvalue()
        self._attempt()
        self._next = time.monotonic() + self._every

    def close(self) -> None:
        """Write what could not be written before, and close the files."""
        if self.trouble is not None:
            self._attempt()
        self._close_handle()

    def _attempt(self) -> None:
        """Bring all files up to what is in memory."""
        name = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            gone = not (self.folder / "problem.json").exists() or not self._is_ours()
            name = "params.npz"
            if self._params:
                _write_whole(self.folder / name, self._params)
            name = "problem.json"
            if gone:
                _write_whole(self.folder / name, self._problem)
            name = "history.jsonl"
            if gone:
                self._close_handle(forget=True)
            self._append()
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

    def _append(self) -> None:
        if self._handle is None:
            self._handle = self._open()
        waiting = b"".join(self._lines[self._whole :])
        _write_all(self._handle, waiting)
        self._whole, self._length = len(self._lines), self._length + len(waiting)

    def _open(self) -> BinaryIO:
        """The history, behind the last line that was written in full; what is torn there is written over."""
        path = self.folder / "history.jsonl"
        if self._length == 0 or path.stat().st_size < self._length:
            self._whole = self._length = 0
            return open(path, "wb", buffering=0)
        handle = open(path, "r+b", buffering=0)  # noqa: SIM115  (stays open for the run)
        handle.seek(self._length)
        return handle

    def _close_handle(self, forget: bool = False) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                handle.close()
        if forget:
            self._whole = self._length = 0

    def _failed(self, name: str, error: OSError) -> None:
        self._close_handle()
        kept = {"problem.json": ["the problem"], "history.jsonl": []}.get(name, ["the best and last parameters"])
        unwritten = len(self._lines) - self._whole
        if unwritten:
            kept.append(f"{unwritten} line{'s' * (unwritten > 1)} of history")
        reason = error.strerror or str(error)
        what = " and ".join(kept) or "what comes next"
        self.trouble = f"cannot write {self.folder / name}: {reason}; only in memory: {what}"


def load_params(path: str | os.PathLike[str], which: str = "best") -> dict[str, np.ndarray]:
    """The parameters that a run left, by name.

    Args:
        path: the run's folder, or its ``params.npz``.
        which: "best" (of one copy) or "last" (with a leading axis of copies, if each had its own).

    Raises:
        InputError: if the file holds none.
        FileNotFoundError: if there is no such file.
    """
    choices("which", which, ("best", "last"))
    path = _inside(path, "params.npz")
    with np.load(path, allow_pickle=False) as held:
        found = {name[len(which) + 1 :]: held[name] for name in held.files if name.startswith(f"{which}/")}
    if not found:
        raise InputError(f"{path} holds no {which} parameters; it was not written by a run")
    return found


def load_history(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The records that a run left, in order; null becomes nan, and a torn last line is left out.

    Args:
        path: the run's folder, or its ``history.jsonl``.

    Raises:
        InputError: naming a line other than the last that is not a record.
        FileNotFoundError: if there is no such file.
    """
    path = _inside(path, "history.jsonl")
    lines = path.read_bytes().split(b"\n")
    records: list[dict[str, Any]] = []
    for k, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            records.append(_with_nan(record))
        elif k < len(lines) - 1:
            raise InputError(f"{path} line {k + 1} is not a record: {line[:60]!r}")
    return records


def load_problem(path: str | os.PathLike[str]) -> Problem:
    """The problem that a run left.

    Args:
        path: the run's folder, or its ``problem.json``.

    Raises:
        InputError: if the file is of a format that this version does not read.
        FileNotFoundError: if there is no such file.
    """
    path = _inside(path, "problem.json")
    try:
        about = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        given = about.get("format") if isinstance(about, dict) else None
        raise InputError(f"{path} has format {given!r}, but this version of diffsim reads format {FORMAT}")
    return Problem.from_dict(about["problem"])


def _inside(path: str | os.PathLike[str], name: str) -> Path:
    path = Path(path)
    return path / name if path.is_dir() else path


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file beside and rename it: whoever reads ``path`` sees the old content or all of the new."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb", buffering=0) as file:
            _write_all(file, data)
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _write_all(file: Any, data: bytes) -> None:
    """An unbuffered write may take only a part: a disk that fills up accepts what still fits."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in ("diffsim", "numpy", "taichi")},
        "platform": platform.platform(),
        "processor": platform.machine(),
        "command": list(sys.orig_argv),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None  # run from a checkout


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nan(item) for item in value]
    return math.nan if value is None else value
