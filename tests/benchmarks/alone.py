"""What must be measured in a process of its own: peak memory.

`measure` starts ``python -m tests.benchmarks.alone TASK ARGUMENTS`` with a folder for Taichi's offline cache, and
returns what the process prints: one line of JSON, the last.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["measure"]

ROOT = Path(__file__).parents[2]


def measure(task: str, *arguments: str, cache: Path) -> dict[str, float]:
    """Numbers that ``task`` found, with ``cache`` as Taichi's offline cache."""
    command = [sys.executable, "-m", "tests.benchmarks.alone", task, *arguments]
    environment = {**os.environ, "TI_OFFLINE_CACHE": "1", "TI_OFFLINE_CACHE_FILE_PATH": str(cache)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def memory(adjoint: str, steps: str) -> dict[str, float]:
    """Peak resident memory [MB] of a gradient of the walker of 24 points, under the named adjoint."""
    import numpy as np

    import diffsim as ds

    from .walker import lattice, random_parameters
    from .walker_problem import named, problem_of

    walker = lattice(12, 2, steps=int(steps))
    parameters = named(random_parameters(walker, seed=0))
    with ds.Simulation(problem_of(walker), adjoint=getattr(ds, adjoint)()) as simulation:
        began = time.perf_counter()
        loss, gradient = simulation.value_and_grad(parameters)
        first = time.perf_counter() - began
    norm = float(np.linalg.norm(np.concatenate(list(gradient.values()))))
    return {"peak": peak_memory(), "loss": loss, "norm": norm, "seconds": first}


def soft_crawler(particles_apart: str) -> dict[str, float]:
    """Peak resident memory [MB] of a gradient of `scenes/soft_crawler_3d.py`, 512 steps, its particles so far apart."""
    import dataclasses

    import diffsim as ds

    from .ready import scene_module

    crawler = scene_module("soft_crawler_3d")
    crawler.STEP *= float(particles_apart) / crawler.SPACING
    crawler.SPACING = float(particles_apart)
    problem = dataclasses.replace(crawler.problem(), steps=512)
    with ds.Simulation(problem, adjoint=ds.Checkpointed()) as simulation:
        began = time.process_time()
        simulation.value_and_grad(simulation.params())
        first = time.process_time() - began
        arrays = simulation._fields.other_bytes / 1e6
    return {"peak": peak_memory(), "arrays": arrays, "particles": len(problem.scene.points), "seconds": first}


def nothing() -> dict[str, float]:
    """The same of a gradient of two points and a spring: what Python, NumPy, Taichi and LLVM need."""
    import diffsim as ds

    pair = ds.MassSpring([(0.0, 1.0), (1.0, 1.0)], [(0, 1)], stiffness=10.0, dt=0.01)
    with ds.Simulation(ds.Problem(pair, steps=5, tune=("scene.stiffness",), objective=ds.Travel())) as simulation:
        simulation.value_and_grad(simulation.params())
    return {"peak": peak_memory()}


def peak_memory() -> float:
    """Of this process since it began [MB]; not `getrusage`, whose peak starts at what the parent process had."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    tasks = {"memory": memory, "soft_crawler": soft_crawler, "nothing": nothing}
    print(json.dumps(tasks[sys.argv[1]](*sys.argv[2:])))
