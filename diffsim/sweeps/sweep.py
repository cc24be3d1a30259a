"""Many tunings, on all cores or a cluster: all combinations of settings and seeds, or those a sampler asks for."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffsim.errors import InputError
from diffsim.files import write_whole
from diffsim.problem import Problem
from diffsim.sweeps.points import Point, Task, points_of, seeds_of, task_of
from diffsim.sweeps.processes import check_main, in_processes, workers_of
from diffsim.sweeps.result import Entry, Sweep
from diffsim.sweeps.study import Study
from diffsim.sweeps.work import finished, on_cluster

__all__ = ["sweep"]

MANIFEST, TABLE = "sweep.json", "table.csv"


def sweep(
    problem: Problem | Callable[..., Problem],
    folder: str | os.PathLike[str],
    *,
    over: Mapping[str, Any] | None = None,
    seeds: int | Iterable[int] = (0,),
    workers: int | str = "auto",
    cluster: Any = None,
    sampler: Any = None,
    trials: int | None = None,
    storage: str | None = None,
    progress: bool = True,
    script: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Sweep:
    """Tune a problem with every combination of settings and seeds, several at a time, each in a process of its own.

    Each run leaves its files in a folder of its own, as one of `tune` does. Called again with the same arguments, a
    sweep goes on: runs that came to their end are not repeated, and others go on from what they saved, to the very
    same numbers. A process that is killed costs what its run did since it last saved (two seconds).

    In a script the call stands below ``if __name__ == "__main__":``, since every process reads the script again.

    Args:
        problem: a `Problem`, or a function that makes one, whose arguments can be swept over as well.
        folder: of the sweep.
        over: values by name. Names are ``"optimizer.learning_rate"`` (a field of the optimizer), ``"scene.stiffness"``
            (a field or number of the scene; likewise of ``controller`` and ``objective``), ``"steps"``, an argument of
            ``problem``, or a setting of `tune` or `Simulation`: ``"clip"``, ``"window"``, ``"precision"``. With a
            sampler also distributions of Optuna, ``optuna.distributions.FloatDistribution(1e-3, 0.3, log=True)``.
        seeds: of the starting parameters.
        workers: processes at a time; "auto" is one for each core.
        cluster: a `dask.distributed.Client`: the runs go to its workers, and their files come back to ``folder``.
            diffsim must be installed there, and a class of one's own lie in a module that they can import.
        sampler: one of Optuna (``optuna.samplers.TPESampler(seed=0)``), which asks for ``trials`` combinations instead
            of all: of what it knows by then, as many at a time as there are workers. A trial runs with every seed,
            and its value is the median of the best losses.
        trials: with a sampler: how many in all. More of them later go on with the same study.
        storage: with a sampler: URL of the database that Optuna keeps the study in, which dashboards read; None is
            SQLite in ``study.db`` in the folder.
        progress: a line as each run ends, on standard error.
        script: a file that defines classes of the problem, where that is not the script that calls.
        **settings: of `tune` and `Simulation`, for all runs: ``optimizer=ds.Adam(0.02), iterations=200``. On a CPU the
            executor is "staged" unless it is given: a second process that compiles would take another run's core.

    Raises:
        InputError: naming what does not fit; the folder holds another sweep; a sampler without Optuna.
    """
    check_main()
    place, over = Path(folder), over or {}
    if settings.get("device", "cpu") == "cpu":
        settings = {"executor": "staged", **settings}
    source = None if script is None else os.path.abspath(script)
    runs = _Runs(place, workers_of(workers), cluster, progress)
    if sampler is None:
        for name, value in (("trials", trials), ("storage", storage)):
            if value is not None:
                raise InputError(f"sweep({name}) is given, but no sampler, which alone uses it")
        points = points_of(over, seeds)
        digits = max(3, len(str(len(points) - 1)))
        tasks = [task_of(p, problem, settings, str(place / f"{p.number:0{digits}d}"), source) for p in points]
        _claim(place, tasks[0], {"runs": [{**t.point.plain(), "folder": Path(t.folder).name} for t in tasks]})
        runs.do(tasks, len(tasks))
    else:
        study = Study(over, sampler, trials)
        numbers = seeds_of(seeds)

        def tasks_of(number: int, values: Mapping[str, Any]) -> list[Task]:
            points = [Point(number * len(numbers) + k, values, seed) for k, seed in enumerate(numbers)]
            return [task_of(p, problem, settings, str(place / f"{p.number:04d}"), source) for p in points]

        _claim(place, tasks_of(0, study.example)[0], {"study": {**study.plain(), "seeds": numbers}})
        study.open(storage or f"sqlite:///{(place / 'study.db').absolute()}", place.name)
        while batch := study.ask(runs.count):
            asked = {number: tasks_of(number, values) for number, values in batch.items()}
            runs.do([task for tasks in asked.values() for task in tasks], study.trials * len(numbers))
            for number, tasks in asked.items():
                study.tell(number, [runs.entries[task.point.number].loss for task in tasks])
    found = Sweep(place, tuple(runs.entries[number] for number in sorted(runs.entries)))
    write_whole(place / TABLE, found.csv().encode())
    return found


@dataclass
class _Runs:
    """Runs as they end, and how they are done."""

    place: Path
    count: int
    cluster: Any
    progress: bool
    entries: dict[int, Entry] = field(default_factory=dict)

    def do(self, tasks: Sequence[Task], total: int) -> None:
        """Do those that did not come to their end yet."""
        left = []
        for task in tasks:
            told = finished(Path(task.folder))
            if told is None:
                left.append(task)
            else:
                self._keep(task, told)
        if self.progress and len(left) < len(tasks):
            print(f"sweep: {len(tasks) - len(left)} of {len(tasks)} runs are there already", file=sys.stderr)

        def ended(task: Task, told: Mapping[str, Any]) -> None:
            self._keep(task, told)
            if self.progress:
                _tell(task.point, told, len(self.entries), total)

        if self.cluster is not None:
            _on(self.cluster, left, ended)
        elif left:
            in_processes(left, min(self.count, len(left)), ended)

    def _keep(self, task: Task, told: Mapping[str, Any]) -> None:
        self.entries[task.point.number] = Entry(task.point, Path(task.folder), told)


def _claim(place: Path, first: Task, what: Mapping[str, Any]) -> None:
    """Take the folder, or find the same sweep in it."""
    plan = {
        "format": 1,
        "problem": pickle.loads(first.problem).to_dict(),
        "settings": {name: repr(value) for name, value in sorted({**first.options, **first.settings}.items())},
        **what,
    }
    file = place / MANIFEST
    if file.exists():
        held = json.loads(file.read_text(encoding="utf-8"))
        other = [name for name in plan if held.get(name) != json.loads(json.dumps(plan[name]))]
        if other:
            raise InputError(f"{place} holds another sweep, with other {' and '.join(other)}; take another folder")
        return
    if place.exists() and any(place.iterdir()):
        raise InputError(f"{place} is not empty, and holds no sweep; take another folder")
    place.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(plan, indent=1).encode())


def _tell(point: Point, told: Mapping[str, Any], done: int, count: int) -> None:
    what = told.get("failed") or f"loss {told['loss']:.6g}, {told['seconds']:.1f} s"
    print(f"sweep: {done} of {count}: {point.words}: {what}", file=sys.stderr)


def _on(cluster: Any, tasks: Sequence[Task], ended: Callable[[Task, Mapping[str, Any]], None]) -> None:
    """Runs on the workers of a `dask.distributed.Client`; one that dies is done again by another."""
    if not hasattr(cluster, "submit"):
        raise InputError(f"sweep(cluster) is {cluster!r}, but a dask.distributed.Client is needed")
    from dask.distributed import as_completed

    futures = {cluster.submit(on_cluster, task, pure=False, retries=3): task for task in tasks}
    for future in as_completed(list(futures)):
        task = futures[future]
        try:
            told, files = future.result()
        except Exception as error:
            ended(task, {"failed": f"{type(error).__name__}: {error}"})
            continue
        Path(task.folder).mkdir(parents=True, exist_ok=True)
        for name, data in sorted(files.items(), key=lambda item: item[0] == "done.json"):  # that one last
            write_whole(Path(task.folder) / name, data)
        ended(task, told)
