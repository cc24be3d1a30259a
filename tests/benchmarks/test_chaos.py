"""What helps on a chaotic walker: tuning robot A for as long as 100 iterations of plain Adam take, five seeds each.

The loss is minus the x of point 0 [m] at the last step. Compiling is not counted, for anybody.
"""

import statistics
from dataclasses import replace
from typing import Any

import pytest

import diffsim as ds

from .robots import problem_of_robot

SEEDS = (0, 100, 200, 300, 400)
ADAM = ds.Adam(0.02)
COPIES = {"envs": 16, "shared": False}

# What the simulation is made with, and what `tune` is called with.
TOOLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Adam(0.02)": ({}, {}),
    "Adam(0.02) in float64": ({"precision": "f64"}, {}),
    "clip=1": ({}, {"clip": 1.0}),
    "clip=0.1": ({}, {"clip": 0.1}),
    "NormalisedGradientDescent(0.1)": ({}, {"optimizer": ds.NormalisedGradientDescent(0.1, momentum=0.5)}),
    "window=50": ({"adjoint": ds.Truncated(50)}, {}),
    "window=100": ({"adjoint": ds.Truncated(100)}, {}),
    "window=100, clip=1": ({"adjoint": ds.Truncated(100)}, {"clip": 1.0}),
    "window=200, clip=1": ({"adjoint": ds.Truncated(200)}, {"clip": 1.0}),
    "estimator='first', 4 copies": ({"envs": 4, "shared": False}, {"estimator": "first", "optimizer": ds.Adam(0.05)}),
    "estimator='mixed', 8 copies": ({"envs": 8, "shared": False}, {"estimator": "mixed", "optimizer": ds.Adam(0.05)}),
    "estimator='mixed', 16 copies": (COPIES, {"estimator": "mixed", "optimizer": ds.Adam(0.1)}),
    "estimator='zeroth', 16 copies": (COPIES, {"estimator": "zeroth", "optimizer": ds.Adam(0.1)}),
    "window=100, 'first', 4 copies": (
        {"envs": 4, "shared": False, "adjoint": ds.Truncated(100)},
        {"estimator": "first", "optimizer": ds.Adam(0.05)},
    ),
}


@pytest.mark.bench
@pytest.mark.parametrize("frequency", [10.0, 20.0])
def test_tools_against_chaos_in_the_time_of_plain_adam(frequency: float) -> None:
    """The clock of the network at the reference's 10 rad/s, and at the scene's 20."""
    problem = problem_of_robot("A")
    problem = replace(problem, controller=replace(problem.controller, frequency=frequency))
    medians, budget = {}, None
    print(f"\nrobot A, network at {frequency:g} rad/s: best losses of five seeds [m]")
    for name, (making, tuning) in TOOLS.items():
        settings = {"optimizer": ADAM, "iterations": 100_000, "time_limit": budget, **tuning, "progress": False}
        with ds.Simulation(problem, **making) as simulation:
            ds.tune(simulation, **{**settings, "iterations": 3})  # compiles
            if budget is None:
                results = [ds.tune(simulation, **{**settings, "iterations": 100}, seed=seed) for seed in SEEDS]
                budget = statistics.median(result.history[-1]["seconds"] for result in results)
                print(f"100 iterations of plain Adam take {budget:.3f} s; the others stop after that")
            else:
                results = [ds.tune(simulation, **settings, seed=seed) for seed in SEEDS]
        losses = sorted(result.best_loss for result in results)
        medians[name] = statistics.median(losses)
        iterations = statistics.median(len(result.history) for result in results)
        words = " ".join(f"{loss:6.3f}" for loss in losses)
        print(f"{name:32} median {medians[name]:6.3f}   {words}   {iterations:5.0f} iterations")
    assert medians["window=100, clip=1"] < -0.50
    assert medians["window=100, clip=1"] < medians["Adam(0.02)"]
