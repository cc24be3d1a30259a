"""The swing-up of scenes/cartpole_swingup.py by `plan`, beside what the scene's own tuning finds.

``python -m pytest -m bench -n 0 -s tests/benchmarks/test_plan.py``. Times are printed and not asserted; that the pole
ends upright, and that the scene's objective is lower than what tuning found, is.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds

from .scenes import scene

pytestmark = pytest.mark.bench

COST = ds.QuadraticCost(
    running={"hinge": 1.0, "rail": 0.1, "rail.velocity": 0.01, "hinge.velocity": 0.01},
    final={"hinge": 20.0, "rail": 2.0, "rail.velocity": 2.0, "hinge.velocity": 2.0},
    effort=0.01,
    periodic="hinge",
)

TUNED = 0.06129
"""Loss of the scene's network after 1,000 iterations of eight starts: see docs/gallery.md."""


def test_cart_pole():
    problem = scene("cartpole_swingup").problem()
    ds.plan(problem.scene, COST, 125, repeat=4, iterations=1)  # compiles
    losses = []
    for seed in range(4):
        began = time.process_time()
        found = ds.plan(problem.scene, COST, 125, repeat=4, seed=seed, horizons=range(30, 125, 8))
        seconds = time.process_time() - began
        driven = replace(problem, controller=found.controller, tune=())
        with ds.Simulation(driven, precision="f64", executor="staged") as simulation:
            losses.append(simulation.value({}))
        off = found.states[-1, 1] / (2.0 * np.pi)
        print(f"\nseed {seed}: {seconds:.1f} s, {found!r}, the scene's loss {losses[-1]:.4f} (tuned: {TUNED})")
        assert abs(off - round(off)) < 0.01
        assert losses[-1] < TUNED
