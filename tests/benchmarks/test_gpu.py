"""What a card does, gradients included: `make gpu`. CUDA where there is one, else Vulkan on what there is.

GPU=vulkan          another device
COPIES=64,1024      other numbers of copies
SECONDS_EACH=600    how long each problem may take: no larger number of copies is begun after that. Most is compiling,
                    anew for each number
"""

import dataclasses
import importlib
import os
import sys
import time
from pathlib import Path

import pytest

import diffsim as ds
from diffsim.engine import devices, runtime

from .walker import lattice
from .walker_problem import problem_of

pytestmark = pytest.mark.bench

DEVICE = os.environ.get("GPU") or next((name for name in ("cuda", "vulkan") if name in runtime.available()), "")
COPIES = [int(text) for text in os.environ.get("COPIES", "64,1024,8192,65536").split(",")]
SECONDS_EACH = float(os.environ.get("SECONDS_EACH", "600"))
STEPS = 50
REPEATS = 3


def of_scene(name):
    """The problem of a scene, with fewer steps."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "scenes"))
    try:
        return importlib.import_module(name).problem(1.0)
    finally:
        sys.path.pop(0)


PROBLEMS = {
    "walker of 24 points": lambda: problem_of(lattice(4, 6)),
    "half_cheetah": lambda: of_scene("half_cheetah"),
    "ant": lambda: of_scene("ant"),
}


def speed(problem, envs):
    """A line: environment-steps per second of losses, and of losses with gradients."""
    room = devices.memory_of(DEVICE) or 4e9
    began = time.perf_counter()
    adjoint = ds.Checkpointed(memory=int(0.5 * room))  # all rows if they fit into half of it
    with ds.Simulation(problem, device=DEVICE, envs=envs, adjoint=adjoint) as sim:
        params = sim.params(seed=0)
        took = []
        for call in (sim.value, lambda p: sim.value_and_grad(p, finite=False)):
            call(params)
            ready = time.perf_counter()
            for _ in range(REPEATS):
                call(params)
            took.append((time.perf_counter() - ready) / REPEATS)
        whole = time.perf_counter() - began
        forward, both = (envs * problem.steps / t for t in took)
        return f"{envs:>7,} {sim.executor:>6} {forward:>14,.0f} {both:>14,.0f} {whole:>8.0f} s in all"


@pytest.mark.skipif(not DEVICE, reason="no CUDA and no Vulkan device")
def test_environment_steps_per_second():
    title = f"{'copies':>7} {'':>6} {'forward':>14} {'with gradient':>14}"
    print(f"\n{DEVICE}, float32, {STEPS} steps; environment-steps per second")
    for name, make in PROBLEMS.items():
        print(f"{name}\n{title}", flush=True)
        problem = dataclasses.replace(make(), steps=STEPS)
        began = time.perf_counter()
        for envs in COPIES:
            if time.perf_counter() - began > SECONDS_EACH:
                print(f"{envs:>7,} not begun: over {SECONDS_EACH:.0f} s", flush=True)
                break
            try:
                print(speed(problem, envs), flush=True)
            except (ds.DeviceError, ds.InputError) as error:
                print(f"{envs:>7,} {error}", flush=True)
    columns, rows = (1000, 100) if COPIES[-1] >= 1024 else (50, 20)
    print(f"lattice of {columns * rows:,} points\n{title}", flush=True)
    print(speed(problem_of(lattice(columns, rows, steps=STEPS)), 1), flush=True)
