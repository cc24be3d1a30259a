"""Runs in processes of this machine: as many at a time as there are workers, again where one was killed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from diffsim.errors import InputError
from diffsim.spec import whole
from diffsim.sweeps.points import Task
from diffsim.sweeps.work import in_worker, work

__all__ = ["check_main", "in_processes", "workers_of"]

TRIES = 3  # of a run whose process ended

Told = Callable[[Task, dict[str, Any]], None]


def workers_of(workers: Any) -> int:
    """How many processes: "auto" is one for each core that this process may use."""
    if workers == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return whole("sweep(workers)", workers)


def check_main() -> None:
    """Refuse to begin in a process that is only being started: its script calls `sweep` at its top.

    Raises:
        InputError: in words what to do.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise InputError(
            "sweep starts processes, and each of them reads the script again: put the call below "
            "`if __name__ == '__main__':`"
        )


def in_processes(tasks: Sequence[Task], workers: int, told: Told) -> None:
    """Do all tasks; ``told`` is called in this process as each ends.

    A process that is killed takes its run with it: it is begun again in a new one, where it goes on from what it
    saved. After three times it counts as failed.

    Raises:
        InputError: processes end three times in a row, and no run did: it is not the runs that are wrong.
    """
    ends = 0
    left = list(reversed(tasks))
    tries = dict.fromkeys((task.point.number for task in tasks), 0)
    while left:
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=in_worker)
        running: dict[Future[Any], Task] = {}
        try:
            broken = False
            while (left or running) and not broken:
                while left and len(running) < workers and not broken:
                    task = left.pop()
                    try:
                        running[pool.submit(work, task)] = task
                    except BrokenProcessPool:
                        left.append(task)
                        broken = True
                done = wait(running, return_when=FIRST_COMPLETED).done
                for future in done:
                    task = running.pop(future)
                    try:
                        told(task, future.result())
                        ends = 0
                    except BrokenProcessPool:
                        broken = True
                        _again(task, tries, left, told)
            for future, task in running.items():  # of a pool that broke: some may still have come to their end
                if future.done() and future.exception() is None:
                    told(task, future.result())
                else:
                    _again(task, tries, left, told)
        finally:
            _end(pool)
        ends += broken
        if ends == TRIES:
            raise InputError(
                f"processes of the sweep ended {TRIES} times in a row before any run came to its end; what they said "
                "last stands above. A script that calls sweep does so below `if __name__ == '__main__':`"
            )


def _again(task: Task, tries: dict[int, int], left: list[Task], told: Told) -> None:
    tries[task.point.number] += 1
    if tries[task.point.number] < TRIES:
        left.append(task)
    else:
        told(task, {"failed": f"its process was killed or crashed {TRIES} times"})


def _end(pool: ProcessPoolExecutor) -> None:
    """End the processes now: what they were at is saved every few seconds."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        process.join(5.0)
