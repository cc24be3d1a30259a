"""Many bodies of all shapes in a box: each finds its neighbours, and none goes through another."""

from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.rigid_bodies import fields as rigid_fields
from diffsim.physics.rigid_bodies.impulses import PUSH
from diffsim.physics.rigid_bodies.overlap import separation

DT, STEPS, SIDE = 2e-3, 600, 10
SPACE = 0.26  # between bodies at the start, of which none is larger [m]
WIDTH = SIDE * SPACE


def pile():
    random = np.random.default_rng(5)
    kinds = [
        lambda at, turn: ds.Disc(at, 0.12, angle=turn),
        lambda at, turn: ds.Box(at, (0.11, 0.05), angle=turn),
        lambda at, turn: ds.Capsule(at, 0.07, 0.05, angle=turn),
        lambda at, turn: ds.Polygon(at, [(0.0, 0.0), (0.2, 0.0), (0.05, 0.15)], angle=turn),
        lambda at, turn: ds.Polygon(
            at, 0.1 * np.array([(1, 0), (0.3, 0.9), (-0.8, 0.6), (-0.8, -0.6), (0.3, -0.9)]), angle=turn
        ),
    ]
    places = [(SPACE * (k + 0.5), 0.2 + SPACE * row) for row in range(SIDE) for k in range(SIDE)]
    bodies = [kinds[k % 7 % 5](at, random.uniform(-3.0, 3.0)) for k, at in enumerate(places)]
    walls = [
        ds.HalfPlane(),
        ds.HalfPlane.of((1.0, 0.0)),
        ds.Segment.between((WIDTH, 0.0), (WIDTH, 10.0)),
    ]
    return ds.RigidBodies(bodies, walls, restitution=0.2, friction=0.3, dt=DT)


def simulated():
    problem = ds.Problem(pile(), steps=STEPS, tune=("scene.gravity",))
    with (
        ds.Simulation(problem, precision="f64", adjoint=ds.Checkpointed(every=10)) as sim,
        pytest.warns(ds.RoomWarning, match="contacts act on each other, but at most 80 are solved together"),
    ):
        return sim.rollout({"scene.gravity": np.array([1.0, -9.81])})


@pytest.fixture(scope="module")
def rollout():
    assert SIDE**2 >= rigid_fields.MANY
    return simulated()


def overlaps(rollout, row):
    """(k,) distance of all that are near each other, negative where they overlap [m]."""
    scene, n = rollout.problem.scene, SIDE**2
    shapes = [
        replace(body, position=rollout.position[row, k], angle=rollout.angle[row, k])
        for k, body in enumerate(scene.bodies)
    ] + list(scene.obstacles)
    place = np.array([shape.position for shape in shapes])
    reach = np.array([shape.size if k < n else np.inf for k, shape in enumerate(shapes)])
    i, j = scene.pairs.T
    near = np.linalg.norm(place[i] - place[j], axis=1) < reach[i] + reach[j]
    return np.array([separation(shapes[a], shapes[b]) for a, b in scene.pairs[near]])


def test_nothing_passes_through_anything(rollout):
    # Where bodies touch is found at the start of a step: they may come as deep as the fastest moves in one.
    fastest = np.linalg.norm(rollout.velocity, axis=2).max()
    for row in range(50, STEPS + 1, 100):
        assert overlaps(rollout, row).min() > -fastest * DT, row
    assert np.abs(rollout.position[-1, :, 0] - 0.5 * WIDTH).max() < 0.5 * WIDTH  # all are still in the box
    assert rollout.position[-1, :, 1].min() > 0.0


def test_a_pile_loses_its_energy_and_keeps_its_bodies_apart(rollout):
    moving = (rollout.velocity**2).sum(axis=(1, 2))
    # What moves at one moment depends on the last digits: of nine piles that differ by these 0.3 to 4.4 thousandths.
    assert moving[-1] < 1e-2 * moving.max()
    # Of bodies of 0.1 m. What forces push in a step, over the share of it that is pushed out: 0.02 m/s and a fifth give
    # 0.2 mm, in a pile a few of these.
    assert overlaps(rollout, STEPS).min() > -5 * 9.81 * DT**2 / PUSH


@pytest.mark.bench
def test_neighbours_of_the_grid_are_those_of_all_pairs_bit_for_bit(rollout, monkeypatch):
    monkeypatch.setattr(rigid_fields, "MANY", SIDE**2 + 1)
    other = simulated()
    for name in ("position", "angle", "velocity", "angular_velocity", "contact_force", "contact_pair"):
        np.testing.assert_array_equal(other[name], rollout[name])
