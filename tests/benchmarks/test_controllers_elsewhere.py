"""What the controllers of robots that scenes tune are worth elsewhere: from other starts, for longer, and in MuJoCo.

    pytest -m bench -n 0 -s tests/benchmarks/test_controllers_elsewhere.py

How far they come [m] in 2, 4 and 10 s, the median and the least of eight starts that they were not tuned from, with the
noise of gymnasium's robots; when they fall first, the median and the earliest, and how many do, as `diffsim.first_fall`
tells. "tuned on": what half_cheetah finds is tuned further from four starts with noise, for 4 s, with MuJoCo's own law
of contact and a learning rate that falls. SEEDS=0 takes one seed, ONLY=hopper one scene.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds

from .scenes import scene

pytestmark = pytest.mark.bench
pytest.importorskip("gymnasium", reason='gymnasium is not installed: pip install "diffsim[robots]"')

NAMES = {"half_cheetah": "HalfCheetah", "hopper": "Hopper", "ant": "Ant"}
SEEDS = [int(word) for word in os.environ.get("SEEDS", "0,1,2").split(",")]
STARTS, DRAWN, TIMES = 8, 1_000_003, (2.0, 4.0, 10.0)


def starts(name: str, robot: ds.Articulated) -> dict[str, np.ndarray]:
    """Of several copies, with gymnasium's noise around the scene's own start."""
    usual = {"joint_position": robot.initial_position, "joint_velocity": robot.initial_velocity}
    copies = {key: np.repeat(value[None], STARTS, axis=0) for key, value in usual.items()}
    drawn = ds.gym.task(NAMES[name]).start(copies, np.random.default_rng(DRAWN))
    return {f"initial_{key.removeprefix('joint_')}": drawn[key] for key in usual}


def line(title: str, rollout: ds.Rollout) -> None:
    gone, dt = rollout.position[:, :, 0, 0] - rollout.position[:, :1, 0, 0], rollout.problem.scene.dt
    rows = [round(seconds / dt) for seconds in TIMES]
    told = "   ".join(f"{np.median(gone[:, k]):6.2f} {gone[:, k].min():6.2f}" for k in rows)
    falls = ds.first_fall(rollout)
    print(
        f"{title:42} {told}   {np.median(falls):5.1f} {falls.min():5.1f}   {np.isfinite(falls).sum()} of {STARTS}",
        flush=True,
    )


@pytest.mark.parametrize("name", os.environ.get("ONLY", ",".join(NAMES)).split(","))
def test_controllers_elsewhere(name: str) -> None:
    script = scene(name)
    after = "   ".join(f"{seconds:11g} s" for seconds in TIMES)
    print(f"\n{'median and least [m] after':42} {after}   {'falls [s]':>11}", flush=True)
    for seed in SEEDS:
        problem, began = script.problem(), time.process_time()
        with ds.Simulation(problem) as simulation:
            found = ds.tune(simulation, seed=seed, progress=False, **script.SETTINGS)
        judge(name, f"{name}, seed {seed}", problem, found.best_params, script.FILE, began)
        if name == "half_cheetah":
            problem, began = harder(problem, script.FILE), time.process_time()
            settings = {**script.SETTINGS, "optimizer": ds.Adam(ds.CosineDecay(0.002, 200)), "iterations": 200}
            with ds.Simulation(problem, envs=4, numbers=noise()) as simulation:
                found = ds.tune(simulation, params=found.best_params, progress=False, **settings)
            judge(name, "    tuned on", problem, found.best_params, script.FILE, began)


def harder(problem: ds.Problem, file: str) -> ds.Problem:
    """For 4 s, with MuJoCo's own law of contact."""
    robot = ds.load_mjcf(file, unobserved=problem.scene.unobserved, contact_law="mujoco")
    return replace(problem, scene=robot, steps=round(4.0 / robot.dt))


def noise() -> dict[str, np.ndarray]:
    """At four starts of the half-cheetah."""
    rng = np.random.default_rng(0)
    position, velocity = rng.uniform(-0.1, 0.1, (4, 9)), rng.normal(scale=0.1, size=(4, 9))
    return {"scene.initial_position": position, "scene.initial_velocity": velocity}


def judge(name: str, title: str, problem: ds.Problem, params: dict[str, np.ndarray], file: str, began: float) -> None:
    took = time.process_time() - began
    others = starts(name, problem.scene)
    long = replace(problem, steps=round(TIMES[-1] / problem.scene.dt))
    with ds.Simulation(long, envs=STARTS, initial_states=others) as simulation:
        here = simulation.rollout(params, arrays=("position", "rotation"), finite=False)
    there = ds.replay_in_mujoco(problem, params, file, seconds=TIMES[-1], initial_states=others)
    line(f"{title}, {took:.0f} s", here)
    line("    in MuJoCo", there)
