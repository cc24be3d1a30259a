"""What a process of a sweep does: one run after another, with the simulation kept for the next."""

from __future__ import annotations

import json
import os
import pickle
import signal
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from diffsim.files import finite, with_nan, write_whole
from diffsim.lazy import load_script
from diffsim.simulation import Simulation
from diffsim.sweeps.points import Task
from diffsim.tuning import Run, tune

__all__ = ["DONE", "finished", "in_worker", "on_cluster", "work"]

DONE = "done.json"
"""Of a run that came to its end: what a sweep's table says of it."""

_held: dict[bytes, Simulation] = {}  # of this process: the last one


def work(task: Task) -> dict[str, Any]:
    """Tune, in the folder of the task; what was begun there goes on. Returns what `DONE` holds.

    An error is told and not raised: it ends this run, not the sweep.
    """
    began = time.perf_counter(), time.process_time()
    folder = Path(task.folder)
    try:
        simulation = _simulation(task)
        begun = (folder / "history.jsonl").exists()
        run = Run(folder, overwrite=True)
        result = tune(simulation, **task.settings, seed=task.point.seed, run=run, resume=begun, progress=False)
    except KeyboardInterrupt:
        return {"failed": "interrupted"}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
    if result.stopped == "interrupted":
        return {"failed": "interrupted"}
    told = {
        "loss": result.best_loss,
        "at": result.best_iteration,
        "iterations": len(result.history),
        "stopped": result.stopped,
        "words": result.words,
        "findings": list(result.findings),
        "seconds": time.perf_counter() - began[0],
        "cpu": time.process_time() - began[1],
    }
    if result.unsaved is None:
        write_whole(folder / DONE, json.dumps(finite(told)).encode())
    return told


def finished(folder: Path) -> dict[str, Any] | None:
    """What the run in a folder came to, if it came to its end."""
    try:
        found: dict[str, Any] = with_nan(json.loads((folder / DONE).read_bytes()))
    except (OSError, ValueError):
        return None
    return found


def in_worker() -> None:
    """Prepare a process: Ctrl-C is for the one that waits for it, which tells it by ending; cores are for runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["DIFFSIM_BACKGROUND"] = "0"


def on_cluster(task: Task) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The same on another machine: what came of it, and the files of the run."""
    with tempfile.TemporaryDirectory(prefix="diffsim-sweep-") as place:
        here = replace(task, folder=os.path.join(place, "run"))
        told = work(here)
        return told, {path.name: path.read_bytes() for path in Path(here.folder).glob("*") if path.is_file()}


def _simulation(task: Task) -> Simulation:
    """The simulation of the task before, if it is of the same problem with the same options."""
    key = task.problem + pickle.dumps(sorted(task.options.items(), key=lambda item: item[0]))
    if key not in _held:
        for simulation in _held.values():
            simulation.close()
        _held.clear()
        if task.script is not None:
            load_script(Path(task.script))
        _held[key] = Simulation(pickle.loads(task.problem), **task.options)
    return _held[key]
