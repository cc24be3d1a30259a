"""Read what a run left in its folder, in another process or on another machine."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError, UnusedBoundsError
from diffsim.files import check_format, inside, packed, read_packed, with_nan, write_whole
from diffsim.lazy import named
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.spec import Spec, choices, numbers_by_name
from diffsim.tuning.changes import Change, changes_of, findings, words_of
from diffsim.tuning.earlier import as_now
from diffsim.tuning.result import CURVES

__all__ = [
    "SavedRun",
    "load_about",
    "load_history",
    "load_params",
    "load_problem",
    "load_run",
    "read_records",
    "save_rollouts",
    "with_used_bounds",
]


@dataclass(frozen=True, eq=False, repr=False)
class SavedRun:
    """What a run left: ``Simulation(run.problem, **run.options).value(run.params)`` is its best loss again.

    Attributes:
        folder: of the run.
        problem: what was tuned.
        params: the best parameters that were evaluated and saved, of one copy. A run that was killed may have found
            better ones in its last seconds, which its history tells and resuming finds again.
        last_params: the last accepted ones; with a leading axis of copies if each had its own.
        history: a record for each iteration, as in `Result`.
        best_loss: at ``params``.
        best_iteration: whose evaluation found them.
        rollouts: trajectories of some iterations in rising order, by the iteration; empty if none were saved.
        options: of the `Simulation`: device, precision, envs, shared, executor, and initial_states or numbers if it had
            some.
        about: what ``problem.json`` says besides: ``seed``, ``settings`` of `tune`, ``environment`` (versions, command,
            when it began).
        start_params: at the first evaluation, of the copy that ``params`` are of; empty if the run does not say.
    """

    folder: Path
    problem: Problem
    params: dict[str, np.ndarray]
    last_params: dict[str, np.ndarray]
    history: list[dict[str, Any]]
    rollouts: dict[int, Rollout] = field(default_factory=dict)
    best_loss: float = math.nan
    best_iteration: int = -1
    options: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    start_params: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def source(self) -> str | None:
        """The file of the robot, as `load_mjcf` takes it; None if the run does not say."""
        return self.about.get("source")

    @property
    def changes(self) -> tuple[Change, ...]:
        """Of each parameter, as of `Result`; empty if the run does not say where it started."""
        if self.start_params.keys() != self.params.keys():
            return ()
        settings = self.about.get("settings", {})
        units = settings.get("units")
        if units is None:  # of version 0.1.0
            units = numbers_by_name("the run's scale", settings.get("scale") or {}, self.params)
        return changes_of(self.problem, self.start_params, self.params, units)

    @property
    def words(self) -> str:
        """The best loss in words, with units; empty if only a trajectory could tell, and none was saved."""
        if self.best_iteration in self.rollouts:
            return self.rollouts[self.best_iteration].words
        return words_of(self.problem, self.best_loss, self.params)

    @property
    def findings(self) -> tuple[str, ...]:
        """What should be known of it, as of `Result`."""
        steps = self.about.get("settings", {}).get("window") or self.problem.steps
        searched = str(self.about.get("settings", {}).get("optimizer", "")).startswith(("GaussNewton(", "LBFGS("))
        return findings(self.changes, self.history, steps, self.folder, kept=not searched)

    def _repr_html_(self) -> str:
        """Curves and a table, for notebooks."""
        return str(named(CURVES)(self))

    def __repr__(self) -> str:
        """One line."""
        return (
            f"SavedRun({str(self.folder)!r}, best_loss={self.best_loss:.6g}, best_iteration={self.best_iteration}, "
            f"iterations={len(self.history)}, rollouts={list(self.rollouts)})"
        )


def load_run(folder: str | os.PathLike[str]) -> SavedRun:
    """Everything that a run left in its folder.

    Raises:
        InputError: naming the file that is missing, damaged, or of a later version of diffsim; or a class of scene,
            controller or objective that is not known: import the module that defines it first.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder of a run" if folder.exists() else f"{folder} does not exist")
    for name in ("problem.json", "params.npz", "history.jsonl"):
        if not (folder / name).exists():
            raise InputError(f"{folder} holds no {name}; it was not written by a run")
    about = load_about(folder)
    problem = load_problem(folder)
    history = load_history(folder)
    if not history:
        raise InputError(f"{folder / 'history.jsonl'} holds no record yet")
    held = read_packed(folder / "params.npz")
    _check_one_run(folder, about.get("run"), held)
    rollouts = _load_rollouts(folder, problem, about.get("run"))
    best = float(history[-1]["best"])
    at = next(int(record["iteration"]) for record in history if record["best"] == best)
    return SavedRun(
        folder=folder,
        problem=problem,
        params=_under("best", held),
        last_params=_under("last", held),
        history=history,
        best_loss=float(held.get("best_loss", best)),
        best_iteration=int(held.get("best_iteration", at)),
        rollouts=rollouts,
        options=Spec.from_plain(about.get("simulation", {})),
        about=about,
        start_params=_start(held, rollouts),
    )


def _under(which: str, held: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name[len(which) + 1 :]: value for name, value in held.items() if name.startswith(f"{which}/")}


def _start(held: Mapping[str, np.ndarray], rollouts: Mapping[int, Rollout]) -> dict[str, np.ndarray]:
    """Where the run started: runs of version 0.1.0 do not say it, but may have the first trajectory."""
    return _under("start", held) or (dict(rollouts[0].params) if 0 in rollouts else {})


def _check_one_run(folder: Path, run: Any, held: Mapping[str, np.ndarray]) -> None:
    """Refuse the files of two runs: the later one was killed while it replaced those of the earlier one."""
    with open(folder / "history.jsonl", "rb") as file:
        first = json.loads(file.readline()).get("run")
    own = held.get("run")
    for name, found in (("history.jsonl", first), ("params.npz", None if own is None else str(own))):
        if found != run:
            raise InputError(
                f"{folder / name} is of another run than problem.json: a run was killed as it began; start it again"
            )


def save_rollouts(folder: str | os.PathLike[str], rollouts: Iterable[tuple[int, Rollout]]) -> Path:
    """Write trajectories of a run's iterations, of one environment each, to ``rollouts.npz`` in its folder.

    They are kept in float32 if they were computed in it, else in float64.

    Raises:
        InputError: if the folder is not a run's.
        OSError: if it cannot be written; an earlier file is then as it was.
    """
    folder, arrays, iterations = Path(folder), {}, []
    for iteration, rollout in rollouts:
        iterations.append(iteration)
        arrays[f"{iteration}/time"] = rollout.time
        if rollout.loss is not None:
            arrays[f"{iteration}/loss"] = np.array(rollout.loss, np.float64)
        arrays.update({f"{iteration}/params/{name}": value for name, value in rollout.params.items()})
        arrays.update({f"{iteration}/own/{name}": value for name, value in rollout.own.items()})
        arrays.update({f"{iteration}/arrays/{name}": _narrow(value) for name, value in rollout.arrays.items()})
    arrays["iterations"] = np.array(iterations, np.int64)
    arrays["run"] = np.array(load_about(folder).get("run", ""))
    path = folder / "rollouts.npz"
    write_whole(path, packed(arrays, compressed=True))
    return path


def _narrow(value: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        narrow = value.astype(np.float32)
    return narrow if np.array_equal(narrow, value, equal_nan=True) else value


def _load_rollouts(folder: Path, problem: Problem, run: Any) -> dict[int, Rollout]:
    """The saved trajectories; none if the file is not there, or is of an earlier run in the same folder."""
    path = folder / "rollouts.npz"
    if not path.exists():
        return {}
    held = read_packed(path)
    if str(held.get("run", "")) != (run or ""):
        return {}
    found = {}
    for iteration in held["iterations"].tolist():
        own = {name.removeprefix(f"{iteration}/"): v for name, v in held.items() if name.startswith(f"{iteration}/")}
        found[iteration] = Rollout(
            problem=problem,
            params={name[7:]: value for name, value in own.items() if name.startswith("params/")},
            time=own["time"],
            arrays={name[7:]: value.astype(np.float64) for name, value in own.items() if name.startswith("arrays/")},
            loss=own["loss"].item() if "loss" in own else None,
            own={name[4:]: value for name, value in own.items() if name.startswith("own/")},
        )
    return dict(sorted(found.items()))


def load_params(path: str | os.PathLike[str], which: str = "best") -> dict[str, np.ndarray]:
    """The parameters that a run left, by name.

    Args:
        path: the run's folder, or its ``params.npz``.
        which: "best" (of one copy) or "last" (with a leading axis of copies, if each had its own).

    Raises:
        InputError: if the file holds none, is damaged or of a later version.
        FileNotFoundError: if there is no such file.
    """
    choices("which", which, ("best", "last"))
    path = inside(path, "params.npz")
    found = _under(which, read_packed(path))
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
    path = inside(path, "history.jsonl")
    return read_records(path, path.read_bytes())


def read_records(path: Path, text: bytes) -> list[dict[str, Any]]:
    """The records of a history with that text; raises as `load_history`."""
    lines = text.split(b"\n")
    records: list[dict[str, Any]] = []
    for k, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            check_format(path, record.pop("format", 1))
            record.pop("run", None)
            records.append(with_nan(record))
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
    problem = Problem.from_dict(with_used_bounds(path, as_now(load_about(path))))
    return _with_own_names(problem, Path(path).parent if Path(path).is_file() else Path(path))


def _with_own_names(problem: Problem, folder: Path) -> Problem:
    """The problem of a run whose patterns name more than it tuned: scenes have got further numbers since."""
    try:
        own = load_params(folder)
    except (FileNotFoundError, InputError):
        return problem
    return replace(problem, tune=tuple(own)) if own.keys() < set(problem.tuned) else problem


def with_used_bounds(path: str | os.PathLike[str], problem: dict[str, Any]) -> dict[str, Any]:
    """A problem as a run wrote it, without bounds for what it does not tune, as version 0.1.0 took them; warns."""
    if not problem.get("bounds"):
        return problem
    try:
        Problem.from_dict(problem)
    except UnusedBoundsError as error:
        names = ", ".join(map(repr, error.patterns))
        warnings.warn(f"the run in {path} has bounds for {names}, which it does not tune: left out", stacklevel=3)
        kept = {name: limits for name, limits in problem["bounds"].items() if name not in error.patterns}
        return {**problem, "bounds": kept}
    return problem


def load_about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What ``problem.json`` holds, as it stands there; raises as `load_problem`."""
    path = inside(path, "problem.json")
    try:
        about = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if not isinstance(about, dict):
        raise InputError(f"{path} holds no run: it is not a dictionary")
    check_format(path, about.get("format"))
    if "problem" not in about:
        raise InputError(f"{path} holds no problem; it was not written by a run")
    return about
