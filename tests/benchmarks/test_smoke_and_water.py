"""Smoke and water: a loss and its gradient, the first one with nothing in the cache, frames, and what the scenes learn.

    python -m pytest -m bench -s -n 0 tests/benchmarks/test_smoke_and_water.py

Sizes and losses beside are those of DiffTaichi's scripts, smoke_grad.py, wave.py and water_renderer.py, on two cores.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import diffsim as ds
from diffsim.viewing import frames

from .scenes import scene
from .timing import race

pytestmark = pytest.mark.bench


def smoke(n: int = 110, steps: int = 100) -> ds.Problem:
    """A blob that shall become a ring, in a rough flow; six iterations of the pressure."""
    x, y = np.meshgrid(*[np.arange(n) - n / 2.0] * 2, indexing="ij")
    radius = np.hypot(x, y) / n
    blob, ring = np.exp(-((radius / 0.15) ** 2)), np.exp(-(((radius - 0.25) / 0.06) ** 2))
    flow = np.random.default_rng(0).normal(0.0, 0.2, (n, n, 2))
    return ds.Problem(ds.Smoke(blob, flow), None, ds.MatchPicture(ring), steps, tune=("scene.initial_velocity",))


def plume(n: int = 32, steps: int = 40) -> ds.Problem:
    """The same in space: a ball that shall become a hollow one."""
    place = np.indices((n, n, n)) - n / 2.0
    radius = np.linalg.norm(place, axis=0) / n
    blob, shell = np.exp(-((radius / 0.15) ** 2)), np.exp(-(((radius - 0.25) / 0.06) ** 2))
    flow = np.random.default_rng(0).normal(0.0, 0.2, (n, n, n, 3))
    return ds.Problem(ds.Smoke(blob, flow), None, ds.MatchPicture(shell), steps, tune=("scene.initial_velocity",))


def water(n: int = 256, steps: int = 256) -> ds.Problem:
    """A floor of stripes that shall look shifted through the waves of a drop."""
    x, y = np.meshgrid(*[(np.arange(n) + 0.5) / n] * 2, indexing="ij")
    floor = 0.5 + 0.25 * (np.sin(8.0 * np.pi * x) + np.sin(6.0 * np.pi * y))
    drop = 0.01 * np.exp(-((x - 0.3) ** 2 + (y - 0.5) ** 2) / 0.06**2)
    goal = ds.MatchRefraction(np.roll(floor, n // 20, 0), floor)
    pool = ds.Water(drop, spacing=1.0 / n, dt=0.5 / n)
    return ds.Problem(pool, None, goal, steps, tune=("scene.initial_height", "scene.wave_speed"))


CASES = {
    "smoke, 110 x 110, 100 steps": smoke,
    "smoke in space, 32 x 32 x 32, 40 steps": plume,
    "water, 256 x 256, 256 steps": water,
}


@pytest.mark.parametrize("case", CASES)
def test_a_loss_and_its_gradient(case: str) -> None:
    """In float32, by each executor in turns; "auto" is what a simulation takes by itself, here "staged"."""
    made = {executor: ds.Simulation(CASES[case](), executor=executor) for executor in ("auto", "fused", "wide")}
    made["auto, checkpointed"] = ds.Simulation(CASES[case](), adjoint=ds.Checkpointed())
    calls = {name: lambda each=each: each.value_and_grad(each.params()) for name, each in made.items()}
    losses = [call()[0] for call in calls.values()]
    laps = race(calls, title=case, repeats=5)
    for simulation in made.values():
        simulation.close()
    assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-4)  # float32: sums in another order
    assert laps["auto"].cpu < 1.5 * laps["fused"].cpu  # it chose a good one


@pytest.mark.parametrize("name", ["smoke", "plume", "water"])
def test_the_first_gradient_with_nothing_in_the_cache(name: str, tmp_path: Path) -> None:
    """From before the imports; a process of its own."""
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.benchmarks.test_smoke_and_water import {name} as make
import diffsim as ds
with ds.Simulation(make()) as simulation:
    simulation.value_and_grad(simulation.params())
print(time.process_time())
"""
    environment = {**os.environ, "TI_OFFLINE_CACHE_FILE_PATH": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    print(f"\nfirst gradient of {name}: {float(done.stdout.splitlines()[-1]):.1f} s of CPU")
    assert any((tmp_path / "cache").rglob("*"))  # it compiled


@pytest.mark.parametrize("name", ["smoke", "water"])
def test_frames_per_second(name: str) -> None:
    """Of grids of 256 x 256 cells, on 512 x 512 pixels."""
    problem = {"smoke": smoke, "water": water}[name](256, 60)
    with ds.Simulation(problem) as simulation:
        rollout = simulation.rollout(simulation.params())
    film, took = frames(rollout, size=(512, 512), fps=1.0 / problem.scene.dt, speed=1.0), []
    next(film)  # fits the camera, paints the background
    start = time.process_time()
    for _ in film:
        took.append(time.process_time() - start)
        start = time.process_time()
    print(f"\n{name}, 256 x 256 cells: {1.0 / np.median(took):.0f} frames per second of CPU")
    assert len(took) > 20


SCENES = {
    "smoke_picture": (0.02, "DiffTaichi 0.0407 in 87 s"),
    "water_picture": (0.04, "DiffTaichi 0.0796 in 167 iterations"),
    "water_lens": (0.04, "no number of DiffTaichi's"),
}


@pytest.mark.parametrize("name", SCENES)
def test_pictures_appear(name: str) -> None:
    """With the defaults of the scene, from three starts drawn at random."""
    script, (wanted, beside) = scene(name), SCENES[name]
    losses, seconds, first = [], [], 0.0
    for draw in range(3):
        with ds.Simulation(script.problem(draw)) as simulation:
            before = time.process_time()
            result = ds.tune(simulation, progress=False, **script.SETTINGS)
        seconds.append(time.process_time() - before)
        losses.append(result.best_loss)
        first = result.history[0]["loss"]
    told = ", ".join(f"{loss:.4f}" for loss in losses)
    print(f"\n{name}: from {first:.4f} to {told} in {max(seconds):.0f} s of CPU at most ({beside})")
    assert max(losses) < wanted
