"""The speed of a loss and gradient of a robot of elastic matter, C++ by hand and diffsim; in space for a particle.

Run by `make bench`; times are printed, and not asserted. What is asserted is that both compute the same.
The robot of `scenes/soft_crawler.py` has the parameters of DiffTaichi's (arXiv:1910.00935): 2,976 particles, 128 x 128
nodes, 1,024 steps.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import diffsim as ds

from ..test_scenes import load, scene
from .alone import measure
from .cpp_material_points import CppRobot
from .cpp_walker import compiler
from .test_ready import ROOT, measured
from .timing import race

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(compiler() is None, reason="the yardstick is C++ and there is no g++"),
]


def given(steps):
    """An actuation by waves, (steps, 4)."""
    return 0.7 * np.sin(0.02 * np.arange(steps)[:, None] + np.arange(4))


def problem_of(steps):
    made = load(scene("soft_crawler")).problem()
    drive = ds.OpenLoop(given(steps), saturate=False)
    return dataclasses.replace(made, controller=drive, steps=steps, tune=("controller.values",))


@pytest.mark.parametrize(
    ("precision", "steps", "loss", "gradient"), [("f64", 200, 1e-12, 1e-9), ("f32", 60, 1e-6, 1e-3)]
)
def test_both_compute_the_same(precision, steps, loss, gradient):
    """Rounding of so many steps; in float32 over all of them contact makes gradients differ by tenths."""
    problem = problem_of(steps)
    with ds.Simulation(problem, precision=precision) as sim:
        value, grad = sim.value_and_grad(sim.params())
    cpp = CppRobot(problem.scene, steps, precision=precision)
    other, also = cpp.value_and_grad(given(steps))
    assert other == cpp.value(given(steps))
    grad = grad["controller.values"]
    apart = np.linalg.norm(grad - also) / np.linalg.norm(grad)
    print(f"\n{precision}: losses differ by {abs(value - other):.1e} m, gradients by {apart:.1e}")
    assert abs(value - other) <= loss
    assert apart <= gradient


def test_one_robot():
    steps = 1024
    problem = problem_of(steps)
    cpp, drive = CppRobot(problem.scene, steps), given(steps).astype(np.float32)
    with ds.Simulation(problem) as sim, sim.again(adjoint=ds.Checkpointed()) as segments:
        params = sim.params()
        calls = {
            "C++": lambda: cpp.value_and_grad(drive),
            "diffsim": lambda: sim.value_and_grad(params),
            "diffsim, Checkpointed()": lambda: segments.value_and_grad(params),
            "C++, forward only": lambda: cpp.value(drive),
            "diffsim, forward only": lambda: sim.value(params),
        }
        laps = race(calls, repeats=5, title="2,976 particles, 1,024 steps")
    print(f"diffsim takes {laps['diffsim'].cpu / laps['C++'].cpu:.2f} of the time of C++, target <= 1.0")


# DiffTaichi's script for the robot in space: 82 to 88 ms a step for 30,495 particles, forward and reverse [wall time].
DIFFTAICHI = 82e-3 / 30_495


def test_in_space_per_particle_and_step():
    """`scenes/soft_crawler_3d.py`, in segments."""
    problem = load(scene("soft_crawler_3d")).problem()
    with ds.Simulation(problem, adjoint=ds.Checkpointed()) as sim:
        params = sim.params()
        lap = race({"soft_crawler_3d": lambda: sim.value_and_grad(params)}, repeats=3)["soft_crawler_3d"]
        memory = sim._fields.other_bytes
    particles = len(problem.scene.points)
    steps = problem.steps
    each = lap.cpu / particles / steps
    print(f"{particles} particles, {steps} steps: {1e6 * each:.2f} us a particle and step, {memory / 1e6:.0f} MB")
    print(f"of DiffTaichi's time per particle and step {each / DIFFTAICHI:.2f}, target <= 0.5")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_in_space(tmp_path):
    """Of a whole process; from the cache, so that the compiler's own memory is not in the peak."""
    for task in (("nothing",), ("soft_crawler", str(1 / 128))):
        cold, found = (measure(*task, cache=tmp_path / task[0]) for _ in range(2))
        print(f"\n{task[0]}: {found}; {cold['peak']:.0f} MB when it compiles")
    print("target of the last < 400 MB")


@pytest.mark.parametrize(("case", "target"), [("soft_crawler", 5), ("soft_crawler_3d", 12)])
def test_the_wait_before_the_first_gradient(case, target, tmp_path):
    """From an empty cache of kernels, in a process of its own."""
    found = measured(case, ROOT, str(tmp_path))
    print(f"\n{case}: {found['cpu']:.1f} s of CPU time, target <= {target}")
