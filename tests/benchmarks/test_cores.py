"""Would copies of one simulation on two cores pay? Beside two processes with half of the copies each.

``python -m pytest -m bench -n 0 -s tests/benchmarks/test_cores.py``. A loss and gradient of walkers, the shortest time
on the clock of many. ``DIFFSIM_THREADS=2`` spreads the copies of `fused` over threads of Taichi's; `staged`, the
default on a CPU, has one. Times are printed and not asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

WORKER = """
import sys, time
import numpy as np
from tests.benchmarks.scenes import scene
import diffsim as ds
executor, copies = sys.argv[1], int(sys.argv[2])
problem = scene("mass_spring_walker").problem()
with ds.Simulation(problem, envs=copies, shared=False, executor=executor) as simulation:
    params = simulation.params()
    simulation.value_and_grad(params)
    print("ready", flush=True)
    sys.stdin.readline()
    best, until = np.inf, time.perf_counter() + 6.0
    while time.perf_counter() < until:
        began = time.perf_counter()
        simulation.value_and_grad(params)
        best = min(best, time.perf_counter() - began)
    print(best, flush=True)
"""


def shortest(executor: str, copies: int, processes: int, threads: int) -> float:
    """The shortest time in which all copies were differentiated [s]: of the slowest of the processes."""
    environment = {**os.environ, "DIFFSIM_THREADS": str(threads), "DIFFSIM_BACKGROUND": "0"}
    command = [sys.executable, "-c", WORKER, executor, str(copies // processes)]
    root = Path(__file__).parents[2]
    workers = [
        subprocess.Popen(command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for worker in workers:
        assert worker.stdout.readline().strip() == "ready"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    found = [worker.communicate()[0] for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    return max(map(float, found))


@pytest.mark.parametrize("copies", [4, 64])
def test_copies_on_two_cores(copies):
    ways = {
        "staged": ("staged", 1, 1),
        "staged, two processes": ("staged", 2, 1),
        "fused": ("fused", 1, 1),
        "fused, two threads": ("fused", 1, 2),
        "fused, two processes": ("fused", 2, 1),
    }
    print(f"\n{copies} walkers, loss and gradient, at {time.strftime('%H:%M')} with a load of {os.getloadavg()[0]:.1f}")
    for words, (executor, processes, threads) in ways.items():
        print(f"    {words:24} {1e3 * shortest(executor, copies, processes, threads):8.1f} ms")
