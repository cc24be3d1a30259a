"""Torsion springs, thrusters and recorded pushes against closed forms; and what a scene refuses of them."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

DT, STEPS = 2e-3, 500
TIME = DT * np.arange(STEPS + 1)
SAMPLES = np.array([(0.0, 0.0), (2.0, 1.0), (-1.0, 3.0), (0.0, 0.0)])
INERTIA = 0.5


@pytest.fixture(scope="module")
def rollout():
    heavy = {"mass": 2.0, "inertia": INERTIA}
    bodies = [
        ds.Disc((0.0, 0.0), 0.1, angle=0.3, **heavy),  # turns about its middle on a torsion spring to the world
        ds.Disc((1.0, 0.0), 0.1, **heavy),
        ds.Disc((2.0, 0.0), 0.1, angle=0.4, **heavy),  # two against each other
        ds.Disc((4.0, 0.0), 0.1, angle=0.5, **heavy),  # pushed in the world, beside its middle
        ds.Disc((6.0, 0.0), 0.1, angle=0.5, **heavy),  # pushed along its own axis
        ds.Disc((8.0, 0.0), 0.1, **heavy),  # a recorded push
        ds.Disc((9.0, 0.0), 0.1, **heavy),  # turned by a muscle
    ]
    scene = ds.RigidBodies(
        bodies,
        gravity=(0.0, 0.0),
        dt=DT,
        torsion_springs=[
            ds.TorsionSpring(0, None, 8.0, rest_angle=-0.1),
            ds.TorsionSpring(1, 2, 4.0, rest_angle=0.0),
            ds.TorsionSpring(6, None, 8.0, damping=4.0, actuation=0.6),
        ],
        thrusters=[
            ds.Thruster(3, thrust=4.0, point=(0.0, 0.05), angle=0.5 * np.pi, turns=False),
            ds.Thruster(4, thrust=4.0),
        ],
        pushes=[ds.Push(5, SAMPLES, every=0.2, start=0.1)],
    )
    controller = ds.OpenLoop(np.full((STEPS, 3), 0.5))
    with ds.Simulation(ds.Problem(scene, controller, steps=STEPS), precision="f64") as sim:
        return sim.rollout(sim.params())


def test_a_torsion_spring_swings_with_its_period(rollout):
    # The angle of the world less that of the body has its rest at -0.1: the body at 0.1.
    right = 0.1 + 0.2 * np.cos(np.sqrt(8.0 / INERTIA) * TIME)
    np.testing.assert_allclose(rollout.angle[:, 0], right, rtol=0, atol=0.2 * 4.0 * DT)
    apart = rollout.angle[:, 2] - rollout.angle[:, 1]
    np.testing.assert_allclose(apart, 0.4 * np.cos(np.sqrt(2 * 4.0 / INERTIA) * TIME), rtol=0, atol=0.4 * 4.0 * DT)
    assert np.abs(rollout.angle[:, 1] + rollout.angle[:, 2] - 0.4).max() < 1e-12


def test_a_driven_one_goes_where_it_is_asked_to(rollout):
    # Critically damped, from 0 to -0.3: half of 0.6, of the world against the body.
    rate = np.sqrt(8.0 / INERTIA)
    right = -0.3 * (1.0 - (1.0 + rate * TIME) * np.exp(-rate * TIME))
    np.testing.assert_allclose(rollout.angle[:, 6], right, rtol=0, atol=2 * DT)


def test_thrusters_push_along_the_world_or_along_the_body(rollout):
    way = 0.5 * 2.0 / 2.0 * TIME * (TIME + DT)
    np.testing.assert_allclose(rollout.position[:, 4], np.array([6.0, 0.0]) + np.outer(way, [np.cos(0.5), np.sin(0.5)]))
    assert np.abs(rollout.angle[:, 4] - 0.5).max() == 0.0
    np.testing.assert_allclose(rollout.position[:, 3, 1], way, rtol=0, atol=1e-12)
    assert np.abs(rollout.position[:, 3, 0] - 4.0).max() == 0.0
    torque = 2.0 * -0.05 * np.sin(rollout.angle[:-1, 3])  # the arm of a force along y is x
    np.testing.assert_allclose(np.diff(rollout.angular_velocity[:, 3]), DT * torque / INERTIA, rtol=0, atol=1e-12)


def test_a_recorded_push_gives_the_momentum_under_its_curve(rollout):
    scene = rollout.problem.scene
    gained = DT * np.cumsum(scene.pushes[0].at(TIME[:-1]), axis=0)
    np.testing.assert_allclose(2.0 * rollout.velocity[1:, 5], gained, rtol=0, atol=1e-12)
    np.testing.assert_allclose(2.0 * rollout.velocity[-1, 5], 0.2 * SAMPLES.sum(axis=0), rtol=0, atol=1e-2)


def test_what_swings_keeps_its_energy(rollout):
    k = [0, 1, 2]
    kinetic = 0.5 * INERTIA * (rollout.angular_velocity[:, k] ** 2).sum(axis=1)
    stored = 0.5 * 8.0 * (rollout.angle[:, 0] - 0.1) ** 2
    stored += 0.5 * 4.0 * (rollout.angle[:, 2] - rollout.angle[:, 1]) ** 2
    total = kinetic + stored
    assert np.abs(total / total[0] - 1.0).max() < 0.02


BAD = {
    "absent": (lambda: {"thrusters": [ds.Thruster(3, thrust=1.0)]}, "thrusters[0].body is 3", "1 bodies"),
    "no thrust": (lambda: {"thrusters": [ds.Thruster(0, thrust=0.0)]}, "thrusters[0].thrust is 0", "greater than 0"),
    "turns": (lambda: {"thrusters": [ds.Thruster(0, thrust=1.0, turns=1)]}, "thrusters[0].turns is 1", "True or"),
    "one sample": (lambda: {"pushes": [ds.Push(0, [(1.0, 0.0)], every=0.1)]}, "pushes[0].forces has 1", "at least 2"),
    "no time": (lambda: {"pushes": [ds.Push(0, SAMPLES, every=0.0)]}, "pushes[0].every is 0", "greater than 0"),
    "to itself": (lambda: {"torsion_springs": [ds.TorsionSpring(0, 0, 1.0)]}, "joins body 0 to itself", "two bodies"),
    "soft": (lambda: {"torsion_springs": [ds.TorsionSpring(0, None, -1.0)]}, "[0].stiffness is -1", "at least 0"),
    "a spring": (
        lambda: {"torsion_springs": [ds.Push(0, SAMPLES, every=1.0)]},
        "torsion_springs[0] is",
        "TorsionSpring",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_what_was_given_and_what_is_allowed(case):
    make, given, allowed = BAD[case]
    with pytest.raises(InputError) as caught:
        ds.RigidBodies([ds.Disc((0.0, 0.0), 0.1)], **make())
    assert given in str(caught.value)
    assert allowed in str(caught.value)
