"""Body and gait tuned together against the gait alone, and what the best of every mass-spring scene looks like."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.mass_spring.cells import relative_volumes, volumes
from diffsim.physics.mass_spring.look import triangles

pytestmark = pytest.mark.bench

SCENES = Path(__file__).parents[2] / "scenes"
GAIT, BOTH = ("controller.*",), ("scene.stiffness", "controller.*")
ROBOTS = {(6, 2): 20, (8, 3): 8, (4, 2): 8, (5, 1): 8}
"""Cells of the robot, and how many seeds; the first is the README's."""


def worm(shape):
    body = ds.grid(shape, spacing=0.1)
    given = {"stiffness": 3e3, "actuation": 0.15, "damping": 5.0, "ground": ds.Ground(friction=0.7), "dt": 0.004}
    return ds.Problem(ds.MassSpring(body, **given), ds.Sine(), ds.Travel(direction=(1, 0)), steps=300)


def together(alone, *, each):
    """The same problem with the stiffness tuned as well, of each spring or of all springs."""
    scene = alone.scene
    if each:
        scene = replace(scene, stiffness=np.full(len(scene.springs), 3e3))
    return replace(alone, scene=scene, tune=BOTH, bounds={"scene.stiffness": (1e3, 1e4)})


def travelled(problem, seeds):
    """(seeds,) how far each seed gets in 30 iterations [m], and the least J of all their cells."""
    far, flattest = [], []
    with ds.Simulation(problem) as sim:
        for seed in range(seeds):
            result = ds.tune(sim, optimizer=ds.Adam(0.1), iterations=30, seed=seed, progress=False)
            far.append(-result.best_loss)
            flattest.append(least_ratio(problem.scene, sim.rollout(result.best_params)))
    return np.array(far), min(flattest)


def least_ratio(scene, rollout):
    """The least area or volume of a cell at any time, over that at rest; negative where one was inside out.

    Of a body without cells, of the triangles between its springs.
    """
    if len(scene.cells):
        return float(relative_volumes(rollout.position, scene.cells, scene.cell_volume).min())
    cells = triangles(scene.springs)
    rest = volumes(scene.points, cells)
    flat = np.abs(rest) < 1e-9  # m^2: three points in a line
    return float(relative_volumes(rollout.position, cells[~flat], rest[~flat]).min())


@pytest.mark.parametrize("shape", ROBOTS)
def test_body_and_gait_walk_further_than_the_gait_alone(shape):
    seeds, alone = ROBOTS[shape], worm(shape)
    gait, _ = travelled(alone, seeds)
    one, _ = travelled(together(alone, each=False), seeds)
    each, flattest = travelled(together(alone, each=True), seeds)
    for name, far in (("gait", gait), ("one stiffness", one), ("one for each spring", each)):
        wins = f"further in {np.sum(far > gait)} of {seeds}" if far is not gait else ""
        print(f"{shape}: {name:20} {far.mean():.3f} m {wins}")
    assert np.sum(each > gait) >= seeds - seeds // 8
    assert each.mean() > 1.2 * gait.mean()
    assert flattest > 0.0


def settings_of(name):
    spec = importlib.util.spec_from_file_location(name, SCENES / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


WALKERS = {
    "soft_throw": {},
    "voxel_walker": {},
    "mass_spring_walker A": {"robot": "A"},
    "mass_spring_walker B": {"robot": "B"},
    "mass_spring_walker C": {"robot": "C"},
    "mass_spring_walker D": {"robot": "D"},
}


@pytest.mark.parametrize("name", WALKERS)
def test_no_cell_of_a_scenes_best_is_inside_out_and_no_muscle_beyond_its_share(name):
    module = settings_of(name.split()[0])
    problem, settings = module.problem(**WALKERS[name]), dict(module.SETTINGS)
    with ds.Simulation(problem, envs=settings.pop("starts", 1), shared=False) as sim:
        result = ds.tune(sim, progress=False, **settings)
    with ds.Simulation(problem) as sim:
        rollout = sim.rollout(result.best_params)
    flattest = least_ratio(problem.scene, rollout)
    strongest = float(np.abs(rollout.arrays.get("actuation", 0.0)).max())
    print(f"{name}: loss {result.best_loss:.3g}, least J {flattest:.2f}, muscles up to {strongest:.4f}")
    assert flattest > 0.0
    assert strongest <= 1.0
