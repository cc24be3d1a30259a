"""The README's worm: its two lines of co-design do what they say, and its best is a body that could be."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.mass_spring.cells import relative_volumes

README = (Path(__file__).parents[1] / "README.md").read_text()
SEEDS = (0, 1, 2)


def told(seed, monkeypatch):
    """What the README's Python makes, with another seed and without its video and its check of the gradient."""
    monkeypatch.setattr(ds, "tune", partial(ds.tune, seed=seed, progress=False))
    monkeypatch.setattr(ds, "render_video", lambda *given: None)
    monkeypatch.setattr(ds, "check_gradients", lambda *given: None)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(block, names)
    return names


@pytest.fixture(scope="module")
def walks():
    found = {}
    for seed in SEEDS:
        with pytest.MonkeyPatch.context() as monkeypatch:
            found[seed] = told(seed, monkeypatch)
    return found


def test_readme_says_how_many_iterations():
    assert re.findall(r"iterations=(\d+)", README) == ["30", "30"]


@pytest.mark.parametrize("seed", SEEDS)
def test_body_and_gait_together_walk_further_than_the_gait_alone(walks, seed):
    gait, both = walks[seed]["result"], walks[seed]["further"]
    assert both.best_loss < gait.best_loss < -0.2  # m along x, which counts down
    start = walks[seed]["both"].scene
    assert np.abs(both.best_params["scene.stiffness"] / start.stiffness - 1.0).mean() > 0.2
    phase = both.best_params["controller.phase"] - ds.Sine().numbers(start, 300, seed)["phase"]
    assert np.abs(phase).mean() > 0.1


@pytest.mark.parametrize("name", ["problem", "both"])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_cell_is_inside_out_and_no_muscle_beyond_its_share(walks, seed, name):
    problem = walks[seed][name]
    best = walks[seed]["result" if name == "problem" else "further"].best_params
    scene = problem.with_tuned(best).scene
    with ds.Simulation(problem) as sim:
        rollout = sim.rollout(best)
    ratio = relative_volumes(rollout.position, scene.cells, scene.cell_volume)
    assert ratio.min() > 0.0
    assert ratio.min() < 0.9  # cells are pressed, so the test could fail
    share = np.abs(rollout.actuation * scene.actuation).max()
    assert 0.1 < share <= 0.15
