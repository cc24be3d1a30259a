"""Impacts of free bodies of all shapes: what they keep, and that they touch where their outlines meet."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.rigid_bodies.overlap import separation

from ..references import orders

# Relative, of sums of 400 steps in float64.
ROUNDING = 1e-12

# A coefficient of friction of 0 counts as 1e-12, the root of its square plus 1e-24: an impact may take several such.
FRICTIONLESS = 1e-11

DT, STEPS, DRAWS = 1e-3, 400, 3  # s
CRADLE = range(5)  # equal discs
SHAPES = [
    ds.Disc((0.0, 0.0), 0.2),
    ds.Box((0.0, 0.0), (0.3, 0.1)),
    ds.Box((0.0, 0.0), (0.15, 0.2)),
    ds.Capsule((0.0, 0.0), 0.25, 0.08),
    ds.Capsule((0.0, 0.0), 0.1, 0.15),
    ds.Polygon((0.0, 0.0), [(0.0, 0.0), (0.4, 0.0), (0.5, 0.3), (0.0, 0.4)]),
    ds.Polygon((0.0, 0.0), [(0.0, 0.0), (0.5, 0.0), (0.1, 0.4)]),
    ds.Polygon((0.0, 0.0), [(0.2 * np.cos(a), 0.25 * np.sin(a)) for a in np.arange(6) * np.pi / 3 + 0.2]),
]
PAIRS = [pair for _ in range(DRAWS) for pair in itertools.combinations(range(5, 13), 2)]
"""In each environment two bodies meet, the others are far away."""


@pytest.fixture(scope="module")
def sim():
    bodies = [ds.Disc((0.0, 0.0), 0.1, mass=1.0) for _ in CRADLE] + SHAPES
    bodies = [replace(body, position=(10.0 * k, 50.0)) for k, body in enumerate(bodies)]
    scene = ds.RigidBodies(bodies, gravity=(0.0, 0.0), dt=DT, contacts=12)
    tune = ("scene.initial_*", "scene.mass", "scene.restitution", "scene.friction")
    settings = {"precision": "f64", "envs": len(PAIRS), "shared": False, "adjoint": ds.Checkpointed(every=20)}
    with ds.Simulation(ds.Problem(scene, steps=STEPS, tune=tune), **settings) as made:
        yield made


def thrown(sim, pairs, clock=1.0, **numbers):
    """Parameters with which a pair in each environment collides, askew and spinning."""
    random, params = np.random.default_rng(3), sim.params()
    for env, pair in enumerate(pairs):
        way = random.uniform(0.0, 2.0 * np.pi)
        direction = np.array([np.cos(way), np.sin(way)])
        centre = random.uniform(-0.5, 0.5, 2)
        params["scene.initial_position"][env, pair] = [centre, centre + 0.9 * direction]
        params["scene.initial_angle"][env, pair] = random.uniform(-3.0, 3.0, 2)
        params["scene.initial_velocity"][env, pair] = clock * random.uniform(-0.5, 0.5, (2, 2))
        params["scene.initial_velocity"][env, pair[1]] -= 2.0 * clock * direction
        params["scene.initial_angular_velocity"][env, pair] = clock * random.uniform(-3.0, 3.0, 2)
    for name, value in numbers.items():
        params[f"scene.{name}"][...] = value
    return params


def pressed(rollout):
    """(env, step) whether anything touches."""
    return (rollout.contact_force[..., 0] > 0.0).any(axis=2)


def drift(values):
    """(env,) largest change of a number from its start, for all environments relative to its largest."""
    change = np.abs(values - values[:, :1]).reshape(len(values), -1).max(axis=1)
    return change / np.abs(values).max()


# What is kept


def test_discs_keep_both_momenta_and_friction_takes_energy(sim):
    pairs = list(itertools.combinations(range(6), 2)) * 6
    params = thrown(sim, pairs[: len(PAIRS)], restitution=0.6, friction=0.5)
    params["scene.mass"][...] = np.random.default_rng(0).uniform(0.3, 3.0, params["scene.mass"].shape)
    rollout = sim.rollout(params)
    touched = pressed(rollout).any(axis=1)
    assert touched.sum() > 40  # the others pass each other
    assert drift(rollout.momentum).max() < ROUNDING
    assert drift(rollout.angular_momentum).max() < ROUNDING
    assert (rollout.energy[touched, -1] < 0.99 * rollout.energy[touched, 0]).all()
    turned = np.ptp(rollout.angular_velocity, axis=1).max(axis=1) > 0.01  # askew, they spin each other
    assert (turned == touched).all()


@pytest.fixture(scope="module")
def rough(sim):
    """All pairs of shapes collide with friction, at three speeds: from one to the next a step is half as long."""
    return [sim.rollout(thrown(sim, PAIRS, clock, restitution=0.6, friction=0.5)) for clock in (4.0, 2.0, 1.0)]


def test_all_shapes_keep_their_momentum_and_lose_energy(rough):
    for rollout in rough:
        assert pressed(rollout).any(axis=1).mean() > 0.9
        assert drift(rollout.momentum).max() < ROUNDING
        assert (np.diff(rollout.energy, axis=1) < ROUNDING * rollout.energy[:, :1]).all()


def test_without_friction_and_loss_all_shapes_keep_their_energy(sim):
    rollout = sim.rollout(thrown(sim, PAIRS, restitution=1.0, friction=0.0))
    energy = rollout.energy
    assert np.abs(energy / energy[:, :1] - 1.0).max() < FRICTIONLESS
    assert drift(rollout.momentum).max() < ROUNDING


def test_angular_momentum_of_what_turns_converges_with_second_order(rough):
    # The place of an impact is found at a time that is extrapolated from the start of its step: off by dt^2 where the
    # gap is curved, because bodies turn. What slides along an edge for many steps is in the tail of the distribution.
    drifts = [drift(rollout.angular_momentum) for rollout in rough]
    assert (orders([np.median(found) for found in drifts]) > 1.5).all()
    assert drifts[-1].max() < 1e-4


# Where they touch


def test_bodies_first_touch_when_and_where_their_outlines_meet(rough, sim):
    # The same extrapolation: of both bodies half the angular velocity squared times the size, 3 rad/s and 0.5 m.
    curve = 2 * 0.5 * 3.0**2 * 0.5 * DT**2
    bodies, rollout = sim.problem.scene.bodies, rough[-1]
    hits = pressed(rollout)
    for env in np.flatnonzero(hits.any(axis=1)):
        step = int(np.argmax(hits[env]))

        def flown(body, time, env=env):
            return replace(
                bodies[body],
                position=rollout.position[env, 0, body] + time * rollout.velocity[env, 0, body],
                angle=rollout.angle[env, 0, body] + time * rollout.angular_velocity[env, 0, body],
            )

        before, after = (separation(*(flown(k, t) for k in PAIRS[env])) for t in (step * DT, (step + 1) * DT))
        assert before > -curve
        assert after < curve
        impact = (step + before / (before - after)) * DT
        first = int(np.argmax(rollout.contact_force[env, step, :, 0] > 0.0))
        place = ds.Disc(rollout.contact_point[env, step, first], 1e-12)
        for body in PAIRS[env]:
            assert abs(separation(flown(body, impact), place)) < curve
        # And they go no deeper.
        for row in range(step, min(step + 4, STEPS) + 1):
            poses = [
                replace(bodies[k], position=rollout.position[env, row, k], angle=rollout.angle[env, row, k])
                for k in PAIRS[env]
            ]
            assert separation(*poses) > -curve


@pytest.mark.parametrize("side", [1, -1])
def test_of_five_discs_that_touch_only_the_last_leaves(sim, side):
    params = sim.params()
    first, last = (0, 4) if side > 0 else (4, 0)
    params["scene.initial_position"][:, CRADLE, :] = np.stack([0.2 * np.arange(5), np.zeros(5)], axis=1)
    params["scene.initial_position"][:, first, 0] -= 0.15 * side
    params["scene.initial_velocity"][:, first, 0] = side
    params["scene.restitution"][...] = 1.0
    velocity = sim.rollout(params).velocity[0, -1, CRADLE]
    expected = np.zeros((5, 2))
    expected[last, 0] = side
    np.testing.assert_allclose(velocity, expected, rtol=0, atol=ROUNDING)


@pytest.mark.bench
def test_rounding_decides_nothing_when_a_heavy_disc_hits_one_that_lands():
    """Of 100 pairs: the lower one is held down for a few steps, by impulses that let it just come down."""
    rng, copies = np.random.default_rng(0), 100
    discs = [ds.Disc((0.0, 0.1), 0.1, density=10.0), ds.Disc((0.0, 0.35), 0.1, density=50.0)]
    scene = ds.RigidBodies(discs, [ds.HalfPlane()], restitution=0.3, dt=5 * DT)
    problem = ds.Problem(scene, steps=40, tune=("scene.initial_position", "scene.initial_velocity"))
    place = scene.numbers()["initial_position"] + rng.uniform((-0.04, 0.0), (0.04, 0.02), (copies, 2, 2))
    velocity = rng.uniform((0.0, -3.0), (0.0, -1.0), (copies, 2, 2))
    rounded = {"scene.initial_position": place.astype("f"), "scene.initial_velocity": velocity.astype("f")}
    with ds.Simulation(problem, precision="f64", envs=copies, shared=False) as simulation:
        found = simulation.rollout(rounded).position
        near = simulation.rollout({name: value * (1.0 + 1e-13) for name, value in rounded.items()}).position
    with ds.Simulation(problem, precision="f32", envs=copies, shared=False) as simulation:
        coarse = simulation.rollout(rounded).position
    assert np.abs(near - found).max() < 1e-10
    assert np.abs(coarse - found).max() < 3e-4
