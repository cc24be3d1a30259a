"""Small kernels, compiled by several processes at once.

Taichi compiles in one thread. Where many kernels of a simulation are neither known nor on the disk, and cores are idle,
helpers are started: Pythons of their own that make the same simulation, with one copy and few rows, and compile its
kernels in other orders: from the end, from the middle. What one has made the others find on the disk
(`diffsim.engine.kernel_files`), so all meet with nothing left to do. Nobody waits for a helper, and one that cannot be
started or dies is not missed. ``DIFFSIM_BACKGROUND=0`` in the environment leaves them away.
"""

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diffsim.adjoint import Checkpointed
from diffsim.engine.background import allowed, die_with_parent, portable, start_python
from diffsim.lazy import named

__all__ = ["Helpers", "order", "serve"]

SIMULATION = "diffsim.simulation:Simulation"
"""What a helper makes: it builds on this module, so here it is only named."""

ENOUGH = 24
"""Kernels that have to be compiled before helpers pay: they take some tenths of a second each, a helper two seconds to
start."""

MOST = 3  # helpers

_OWN = ("envs", "shared", "initial_states", "numbers", "adjoint", "device")
"""Settings of a simulation that no small kernel knows, or that are a helper's own."""


class Helpers:
    """Processes that compile what a simulation is about to compile.

    Args:
        problem: of the simulation.
        settings: with which another process makes it, but for the executor.
    """

    def __init__(self, problem: Any, settings: Mapping[str, Any]):
        self._problem = problem
        self._settings = {name: value for name, value in settings.items() if name not in _OWN}
        self._processes: list[Any] | None = None

    def start(self, missing: Callable[[], int]) -> None:
        """Start them, the first time, if there are enough kernels ``missing`` and cores that do nothing."""
        if self._processes is not None:
            return
        self._processes = []
        idle = _idle() if allowed() else 0
        if not idle or missing() < ENOUGH or not portable(self._problem):
            return
        for number in range(1, 1 + min(idle, MOST)):
            with contextlib.suppress(OSError):
                self._processes.append(_started((list(sys.path), self._problem, self._settings, number)))

    def close(self) -> None:
        """There is nothing left to compile."""
        for process in self._processes or ():
            with contextlib.suppress(OSError):
                process.kill()
                process.wait(10)
        self._processes = []


def _idle() -> int:
    """Cores that nobody uses, beside the one that this process has."""
    with contextlib.suppress(OSError, AttributeError):
        cores = len(os.sched_getaffinity(0))
        return max(0, int(cores - max(1.0, os.getloadavg()[0])))
    return 0


def _started(what: Any) -> Any:
    process = start_python("from diffsim.engine.compiling import serve; serve()", subprocess.DEVNULL)
    with contextlib.suppress(OSError), process.stdin:
        process.stdin.write(pickle.dumps(what))
    return process


def order(count: int, number: int) -> Sequence[int]:
    """In which order a helper goes through so many kernels: from the end, or from the middle in either direction."""
    middle = count // 2
    return (range(count - 1, -1, -1), range(middle, count), range(middle - 1, -1, -1))[number - 1]


def serve() -> None:
    """Be a helper: read what to make from standard input, and compile it."""
    die_with_parent()
    path, problem, settings, number = pickle.load(sys.stdin.buffer)
    sys.path[:] = path
    own = {"executor": "staged", "adjoint": Checkpointed(every=1), **settings}
    with named(SIMULATION)(problem, **own) as simulation:
        simulation._fields.small.compile(lambda count: order(count, number))
