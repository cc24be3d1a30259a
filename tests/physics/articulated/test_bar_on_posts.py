"""A bar on two boxes of the world, wherever they stand under it: as deep as two spots of its stiffness carry it."""

import numpy as np
import pytest

import diffsim as ds

from .compliant_scene import SOFT, G, depth, soft

MASS, R, HALF, WIDE = 8.0, 0.05, 0.5, 0.05
PLACES = np.array([0.1, 0.2, 0.3, 0.4, 0.45, 0.48])  # of the middles of the posts


def test_a_bar_lies_as_deep_as_two_spots_carry_it():
    lying = (np.sqrt(0.5), 0, np.sqrt(0.5), 0)  # along x
    bar = ds.Link("bar", joints=ds.Joint("root", "free"), position=(0, 0, 1.0 + R), mass=MASS, inertia=(0.02, 0.7, 0.7),
                  geoms=soft(ds.Geom("bar", "capsule", (R, HALF), orientation=lying), MASS))  # fmt: skip
    posts = [ds.Geom(name, "box", (WIDE, WIDE, 0.5), position=(0, 0, 0.5)) for name in ("one", "other")]
    scene = ds.Articulated([bar], geoms=posts, touch_depth=1e-3, dt=4e-3)
    envs = len(PLACES)
    where = np.repeat(scene.numbers()["geom_position"][None], envs, 0)
    where[:, 0, 0], where[:, 1, 0] = PLACES, -PLACES
    problem = ds.Problem(scene, steps=300, tune=("scene.geom_position",))
    with ds.Simulation(problem, precision="f64", envs=envs, shared=False) as simulation:
        found = simulation.rollout({"scene.geom_position": where})
    sunk = 1.0 + R - found.position[:, -1, 0, 2]
    whole = depth(MASS * G / 2.0, MASS * SOFT)
    # Under its ends there are four spots, or three and a half: they carry more.
    assert sunk[PLACES + WIDE < HALF - R] == pytest.approx(whole, rel=1e-3)
    assert (sunk < 1.001 * whole).all()
    assert (sunk > 0.4 * whole).all()
