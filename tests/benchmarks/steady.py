"""One problem of `test_steady`, in a process of its own: ``python steady.py CASE COPIES``, with a copy of diffsim first
on the path. For each line of standard input it answers with the CPU seconds of a loss with its gradient, in the mean
and of the fastest call. It uses nothing that the old copy does not have.
"""

import contextlib
import itertools
import os
import sys
import time
from pathlib import Path

from ready import scene_script

import diffsim as ds

SIZES = {"walker": (12, 2), "large_walker": (50, 50)}
TURN = 0.1  # s of CPU time that a turn takes at least


def problem_of(case):
    """Of a walker of `tests.benchmarks.test_walker`, else of the scene script of that name."""
    if case not in SIZES:
        return scene_script(case)
    sys.path.insert(0, str(Path(__file__).parent))
    from walker import lattice

    walker = lattice(*SIZES[case])
    points, springs = walker.points, walker.springs
    scene = ds.MassSpring(
        points,
        springs,
        stiffness=walker.stiffness,
        actuation=walker.stretch,
        damping=walker.damping,
        gravity=walker.gravity,
        ground=ds.Ground(height=walker.ground),
        dt=walker.dt,
    )
    plain = {"saturate": False} if hasattr(ds.Sine, "saturate") else {}  # the old one had no other
    drive = ds.Sine(frequency=walker.frequency, **plain)
    return ds.Problem(scene, drive, ds.Travel(), steps=walker.steps, tune=("controller.*",))


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Taichi prints
    os.environ["DIFFSIM_BACKGROUND"] = "0"
    case, copies = sys.argv[1], int(sys.argv[2])
    with contextlib.suppress(ImportError):
        from diffsim.engine import native

        native._SHARPENING = 0.0  # kernels are made again with their sizes as they are after some seconds
    with ds.Simulation(problem_of(case), envs=copies) as simulation:
        params = simulation.params(1)
        for _ in range(2):
            simulation.value_and_grad(params, finite=False)
        print("ready", file=answers, flush=True)
        for _ in sys.stdin:
            times = [time.process_time()]
            while len(times) < 2 or times[-1] - times[0] < TURN:
                simulation.value_and_grad(params, finite=False)
                times.append(time.process_time())
            taken = [after - before for before, after in itertools.pairwise(times)]
            print(sum(taken) / len(taken), min(taken), file=answers, flush=True)


if __name__ == "__main__":
    main()
