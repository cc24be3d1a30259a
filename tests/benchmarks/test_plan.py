"""`plan` beside `tune`: the swing-up of scenes/cartpole_swingup.py, and robots that run, through contact.

``python -m pytest -m bench -n 0 -s tests/benchmarks/test_plan.py``. Times are printed and not asserted; that the pole
ends upright, that the scene's objective is lower than what tuning found, and that robots get somewhere, is.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

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


FAR = 1e3  # m: to be there is wanted with a weight of 1 / FAR, so that a metre counts nearly one, as in `Travel`
QUADRUPED = Path(__file__).parents[2] / "scenes" / "quadruped.xml"


def half_cheetah():
    """The scene's problem and settings; and the same cost for `plan`: no number of it stands for tilting."""
    script = scene("half_cheetah")
    cost = ds.QuadraticCost(final={"rootx": 1.0 / FAR}, goal={"rootx": FAR}, effort=0.04)
    return script.problem(), script.SETTINGS, cost, 2, 150


def quadruped():
    """Two seconds of the robot from its stand, with the network, windows and rate of the half-cheetah."""
    robot = ds.load_mjcf(QUADRUPED, pose="home", hold=True)
    goal = ds.Travel(point="trunk") + 3.0 * ds.Upright("trunk", least=0.8) + 0.02 * ds.Effort()
    network = ds.MLP(hidden=32, sines=6, frequency=12.0)
    problem = ds.Problem(robot, network, goal, steps=400, tune=("controller.w*", "controller.b*"))
    settings = {"optimizer": ds.Adam(0.005), "window": 25, "clip": 1.0}
    tilted = {f"joint_position[{k}]": 4.0 for k in (4, 5)}  # of the quaternion, x and y
    goals = {"joint_position[0]": FAR}
    return problem, settings, ds.QuadraticCost(tilted, {"joint_position[0]": 1.0 / FAR}, goals, effort=0.04), 4, 60


@pytest.mark.filterwarnings("ignore:load_mjcf left out")
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("robot", [half_cheetah, quadruped], ids=lambda robot: robot.__name__)
def test_robots_beside_tune_in_equal_time(robot, seed):
    problem, settings, cost, repeat, most = robot()
    calls, settings = problem.steps // repeat, {k: v for k, v in settings.items() if k != "iterations"}

    def planned(iterations=most, actions=None):
        how = {"repeat": repeat, "starts": 1, "iterations": iterations, "tolerance": 1e-9}
        return ds.plan(problem.scene, cost, calls, seed=seed, actions=actions, **how)

    def tuned(simulation, seconds):
        began = time.process_time()
        late = lambda record, params: time.process_time() - began > seconds  # noqa: E731
        how = {"seed": seed, "iterations": 10**6, "progress": False, "callback": late}
        return ds.tune(simulation, **settings, **how)

    def told(words, seconds, controller, params=None):
        driven = problem if controller is None else replace(problem, controller=controller, tune=())
        with ds.Simulation(driven, precision="f64", executor="staged") as simulation:
            rollout = simulation.rollout(params or {})
        print(f"{robot.__name__}, seed {seed}, {words}: {seconds:.1f} s of CPU, {rollout.loss:.3f}, {rollout.words}")
        return rollout.loss

    planned(iterations=1)  # compiles
    with ds.Simulation(problem, executor="staged") as simulation:
        tuned(simulation, 0.1)
        began = time.process_time()
        found = planned()
        seconds = time.process_time() - began
        loss = told(f"plan, {len(found.history) - 1} iterations", seconds, found.controller)
        result = tuned(simulation, seconds)
        told(f"tune, {len(result.history)} gradients", seconds, None, result.best_params)
        gait = tuned(simulation, 0.25 * seconds)
        began = time.process_time()
        found = planned(most * 3 // 4, simulation.rollout(gait.best_params).actuation[::repeat])
        seconds = 0.25 * seconds + time.process_time() - began
        told("plan from a gait that was tuned in a quarter of the time", seconds, found.controller)
    assert loss < 0.0
