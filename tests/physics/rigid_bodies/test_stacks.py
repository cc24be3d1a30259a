"""Boxes that lie on each other, on the floor and on a slope."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.rigid_bodies.impulses import DEPTH

DT, SECONDS, G = 2e-3, 10.0, 9.81
STEPS = round(SECONDS / DT)
LEVELS = np.arange(5)
SHIFTS = 0.003 * (-1.0) ** LEVELS  # to the left and to the right, so that no corner is exactly above another [m]


@pytest.fixture(scope="module")
def sim():
    # Nothing bounces here: what a body lies on must not throw it, however much is passed on to it.
    yield from made("f64", restitution=0.3)


def made(precision, restitution):
    bodies = [ds.Box((x, 0.1 + 0.2 * k), (0.1, 0.1), friction=0.5) for k, x in enumerate(SHIFTS)]
    scene = ds.RigidBodies(bodies, obstacles=[ds.HalfPlane()], gravity=(0.0, -G), restitution=restitution, dt=DT)
    tune = ("scene.initial_*", "scene.body_friction", "scene.obstacle_angle")
    settings = {"precision": precision, "adjoint": ds.Checkpointed(every=200)}
    with ds.Simulation(ds.Problem(scene, steps=STEPS, tune=tune), **settings) as simulation:
        yield simulation


# Stacks

# With the relative rounding of its numbers.
each_precision = pytest.mark.parametrize(("precision", "rounding"), [("f64", 2.2e-16), ("f32", 1.2e-7)])


@pytest.fixture(scope="module")
def stacks(sim):
    found = {"f64": sim.rollout(sim.params())}
    for single in made("f32", restitution=0.0):
        found["f32"] = single.rollout(single.params())
    return found


@each_precision
def test_a_stack_of_five_boxes_stands(stacks, precision, rounding):
    rollout = stacks[precision]
    moved = rollout.position - rollout.position[0]
    deeper = np.diff(moved[..., 1], axis=1, prepend=0.0)  # each box against the one below
    # In the first step no impulse is known yet, and the passes leave some of what gravity gives: a box may sink by one
    # step of free fall, 39 um, before the impulses are found. Then it is pushed out, up to the depth that is left.
    assert deeper.min() > -G * DT**2
    assert deeper[-1].min() > -DEPTH - 10 * rounding
    assert np.abs(moved[..., 0]).max() < 5 * G * DT**2


@each_precision
def test_and_it_does_not_jitter(stacks, precision, rounding):
    rollout, late = stacks[precision], STEPS // 2
    # A hundred impulses a step: roundings of positions of order one, and of the speed g dt that gravity gives.
    assert np.ptp(rollout.position[late:], axis=0).max() < 100 * rounding
    assert np.ptp(rollout.angle[late:], axis=0).max() < 100 * rounding
    assert np.abs(rollout.velocity[late:]).max() < 100 * rounding * G * DT
    assert 0.1 * np.abs(rollout.angular_velocity[late:]).max() < 100 * rounding * G * DT


@each_precision
def test_the_floor_carries_the_weight_of_all_and_each_box_that_of_those_above(stacks, precision, rounding):
    rollout = stacks[precision]
    pairs = rollout.problem.scene.pairs[rollout.contact_pair[-1].astype(int)]
    force = np.where(rollout.contact_pair[-1] >= 0, rollout.contact_force[-1, :, 0], 0.0)
    for box in LEVELS:
        below = (pairs == [box, 5]).all(axis=1) if box == 0 else (pairs == [box - 1, box]).all(axis=1)
        above = (5 - box) * 0.04 * G
        assert force[below].sum() == pytest.approx(above, rel=100 * rounding)


# Slopes


@pytest.fixture(scope="module")
def slope(sim):
    """Angle, frictions and rollout of boxes on a slope, and how far they have come along it and off it."""
    angle = 0.3
    along, normal = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    frictions = np.array([0.0, 0.2, np.tan(angle) - 0.01, np.tan(angle) + 0.01, 0.8])
    params = sim.params()
    params["scene.obstacle_angle"][0] = angle
    params["scene.initial_position"][:] = 0.1 * normal + np.outer(20.0 * LEVELS, along)
    params["scene.initial_angle"][:] = angle
    params["scene.body_friction"][:] = frictions
    rollout = sim.rollout(params)
    moved = rollout.position - rollout.position[0]
    return angle, frictions, rollout, moved @ along, moved @ normal


def test_boxes_lie_flat_on_a_slope(slope):
    angle, _, rollout, _, off = slope
    assert np.abs(off).max() < DEPTH
    assert 0.1 * np.abs(rollout.angle - angle).max() < DEPTH


def test_below_the_angle_of_friction_boxes_slide(slope):
    angle, frictions, rollout, way, _ = slope
    down = G * (np.sin(angle) - frictions[:3] * np.cos(angle))
    assert (down > 0.0).all()
    # Semi-implicit Euler: after n steps n (n + 1) / 2 of dt^2 times the acceleration.
    fallen = 0.5 * rollout.time * (rollout.time + DT)
    np.testing.assert_allclose(way[:, :3], -np.outer(fallen, down), rtol=0, atol=DEPTH)


def test_above_the_angle_of_friction_boxes_rest_and_do_not_creep(slope):
    *_, way, _ = slope
    assert np.abs(way[:, 3:]).max() < DEPTH
    assert np.ptp(way[STEPS // 10 :, 3:], axis=0).max() < 1e-13  # roundings of places up to 80 m
