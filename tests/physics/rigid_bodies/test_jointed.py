"""Pins, welds, sliders, ropes, motors and springs against the laws of mechanics.

One scene holds an experiment each, of bodies of one group: they never touch. It runs with gravity and without, and the
motors only without.
"""

from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.rigid_bodies.impulses import DEPTH
from diffsim.physics.rigid_bodies.joints import in_world, owners_of
from diffsim.physics.rigid_bodies.masses import mass_and_inertia

from ..references import orders, swing

# Sums of 2048 steps in float64, of numbers of order one.
ROUNDING = 1e-11

DT, STEPS, G = 2e-3, 2048, 9.81
SLOPE = 0.5
BODIES = {
    "upper": ds.Box((0.5, 0.0), (0.5, 0.05)),
    "lower": ds.Box((1.5, 0.0), (0.5, 0.05)),
    "swinging": ds.Box((0.3 * np.sin(0.02), -0.3 * np.cos(0.02)), (0.1, 0.4), angle=0.02),
    "left half": ds.Box((-0.25, 0.0), (0.25, 0.1), velocity=(1.0, 2.0 - 0.5), angular_velocity=2.0),
    "right half": ds.Box((0.25, 0.0), (0.25, 0.1), velocity=(1.0, 2.0 + 0.5), angular_velocity=2.0),
    "whole": ds.Box((0.0, 0.0), (0.5, 0.1), velocity=(1.0, 2.0), angular_velocity=2.0),
    "sliding": ds.Box((0.0, 0.0), (0.1, 0.1), angle=SLOPE, mass=2.0),
    "dropped": ds.Disc((0.0, -0.5), 0.1),
    "bob": ds.Disc((1.0, 0.0), 0.1),
    "tied": ds.Disc((0.0, 0.0), 0.1, mass=1.0, velocity=(-2.0, 0.0)),
    "to it": ds.Disc((0.5, 0.0), 0.1, mass=3.0),
    "hinged": ds.Box((0.5, 0.0), (0.5, 0.1), mass=2.0),
    "disc": ds.Disc((0.0, 0.0), 0.3),
    "capsule": ds.Capsule((0.0, 0.0), 0.3, 0.1),
    "polygon": ds.Polygon((0.0, 0.0), [(0.0, 0.0), (0.5, 0.0), (0.1, 0.4)]),
    "box": ds.Box((0.0, 0.0), (0.3, 0.1)),
    "pushed": ds.Box((0.0, 0.0), (0.1, 0.1), mass=2.0),
    "from": ds.Disc((0.0, 0.0), 0.1, mass=4.0),
    "braked": ds.Disc((0.0, 0.0), 0.3, mass=2.0, inertia=0.5, angular_velocity=3.0),
    "dragged": ds.Box((0.0, 0.0), (0.1, 0.1), mass=2.0, velocity=(3.0, 0.0)),
    "sprung": ds.Disc((0.0, 0.0), 0.1, mass=2.0),
    "against": ds.Box((1.0, 0.0), (0.1, 0.1), mass=3.0),
    "rocking": ds.Box((0.5, 0.0), (0.5, 0.1), mass=2.0),
    "muscled": ds.Disc((1.0, 0.0), 0.1, mass=1.0),
}
AT = {name: k for k, name in enumerate(BODIES)}
WORLD = (0.0, 0.0)
JOINTS = {
    "shoulder": ds.Pin(AT["upper"], None, at=WORLD),
    "elbow": ds.Pin(AT["upper"], AT["lower"], at=(1.0, 0.0)),
    "axle": ds.Pin(AT["swinging"], None, at=WORLD),
    "weld": ds.Weld(AT["left half"], AT["right half"], at=WORLD),
    "rail": ds.Slider(AT["sliding"], None, at=WORLD, axis=(np.cos(SLOPE), np.sin(SLOPE))),
    "leash": ds.Rope(AT["dropped"], None, (WORLD, WORLD), 1.0),
    "string": ds.Rope(AT["bob"], None, (WORLD, WORLD)),
    "tie": ds.Rope(AT["tied"], AT["to it"], (WORLD, WORLD), 1.0),
    "hinge": ds.Pin(AT["hinged"], None, at=WORLD, motor=1.0),
    "hub": ds.Pin(AT["disc"], AT["capsule"], at=WORLD, motor=0.1),
    "other hub": ds.Pin(AT["polygon"], AT["box"], at=WORLD, motor=0.1),
    "piston": ds.Slider(AT["from"], AT["pushed"], at=WORLD, axis=(0.6, 0.8), motor=5.0),
    "brake": ds.Pin(AT["braked"], None, at=WORLD, damping=0.4),
    "drag": ds.Slider(AT["dragged"], None, at=WORLD, damping=3.0),
    "rocker": ds.Pin(AT["rocking"], None, at=WORLD),
}
MOTORS = ("hinge", "hub", "other hub", "piston")  # after the muscle
SPRINGS = [
    ds.Spring(AT["sprung"], AT["against"], (WORLD, WORLD), 30.0, rest_length=0.8),
    ds.Spring(AT["rocking"], None, ((0.4, 0.0), (0.9, 100.0)), 50.0, rest_length=99.99),
    ds.Spring(AT["muscled"], None, (WORLD, WORLD), 20.0, damping=9.0, actuation=0.3),
]


@pytest.fixture(scope="module")
def sim():
    bodies = [replace(body, group=0) for body in BODIES.values()]
    scene = ds.RigidBodies(bodies, joints=list(JOINTS.values()), springs=SPRINGS, gravity=(0.0, -G), dt=DT)
    controller = ds.OpenLoop(np.zeros((STEPS, 1 + len(MOTORS))))
    problem = ds.Problem(scene, controller, steps=STEPS, tune=("scene.gravity", "controller.values"))
    with ds.Simulation(problem, precision="f64", adjoint=ds.Checkpointed(every=64)) as made:
        yield made


@pytest.fixture(scope="module")
def falling(sim):
    return sim.rollout(sim.params())


HALF = 0.5  # of what motors can


@pytest.fixture(scope="module")
def driven(sim):
    """Without gravity; motors and the muscle are at work."""
    params = sim.params()
    return sim.rollout(
        {"scene.gravity": np.zeros(2), "controller.values": np.full_like(params["controller.values"], HALF)}
    )


@pytest.fixture(scope="module")
def clocks(sim):
    """Clock, and a rollout with a slower one: gravity times its square, so that a step is shorter."""
    return [(c, sim.rollout({**sim.params(), "scene.gravity": np.array([0.0, -G * c**2])})) for c in (1.0, 0.5, 0.25)]


def of(rollout, array, name):
    """The rows of one body."""
    return rollout[array][:, AT[name]]


def mass_of(name):
    """Mass and moment of inertia by the closed forms."""
    (mass,), (inertia,) = mass_and_inertia([BODIES[name].checked(name)], 1.0)
    return mass, inertia


def energy(rollout, names, g):
    """Of some bodies, at each row [J]."""
    found = np.zeros(len(rollout.time))
    for name in names:
        mass, inertia = mass_of(name)
        found += 0.5 * mass * (of(rollout, "velocity", name) ** 2).sum(axis=1)
        found += mass * g * of(rollout, "position", name)[:, 1]
        found += 0.5 * inertia * of(rollout, "angular_velocity", name) ** 2
    return found


def cross(a, b):
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def apart(rollout):
    """By name, (rows, 2) from the first anchor of a joint to the second [m]."""
    scene = rollout.problem.scene
    owners, anchors = owners_of(scene.joints, len(scene.bodies)), scene.numbers()["joint_anchor"]
    first, second = (in_world(rollout.position, rollout.angle, owners[:, s], anchors[:, s]) for s in (0, 1))
    return dict(zip(JOINTS, np.moveaxis(second - first, 1, 0), strict=True))


# They hold


def test_joints_stay_closed(falling, driven):
    # Of bodies of one metre; the elbow is the only joint that the solver has to find together with another.
    for rollout in (falling, driven):
        found = apart(rollout)
        for name, joint in JOINTS.items():
            if isinstance(joint, (ds.Pin, ds.Weld)):
                assert np.linalg.norm(found[name], axis=1).max() < 1e-4, name
        for name, axis in {"rail": (np.cos(SLOPE), np.sin(SLOPE)), "piston": (0.6, 0.8), "drag": (1.0, 0.0)}.items():
            assert np.abs(found[name] @ [-axis[1], axis[0]]).max() < ROUNDING, name
        for first, second in {"left half": "right half", "from": "pushed"}.items():
            assert np.abs(of(rollout, "angle", first) - of(rollout, "angle", second)).max() < ROUNDING
        assert np.abs(of(rollout, "angle", "sliding") - SLOPE).max() < ROUNDING
        for name, length in {"leash": 1.0, "string": 1.0, "tie": 1.0}.items():
            assert np.linalg.norm(found[name], axis=1).max() < length + DEPTH


def test_two_welded_halves_move_as_the_whole(falling, driven):
    (_, inertia), (half, own) = mass_of("whole"), mass_of("left half")
    # Speeds are those in the middle of a step and arms those at its end: their product is off by a square of the turn.
    turn = 2.0 * DT
    for rollout in (falling, driven):
        halves = [
            {a: of(rollout, a, name) for a in ("position", "velocity", "angular_velocity")}
            for name in ("left half", "right half")
        ]
        centre = 0.5 * (halves[0]["position"] + halves[1]["position"])
        np.testing.assert_allclose(centre, of(rollout, "position", "whole"), rtol=0, atol=ROUNDING)
        spun = of(rollout, "angle", "whole")
        np.testing.assert_allclose(of(rollout, "angle", "left half"), spun, rtol=turn**2, atol=0)
        around = sum(
            half * cross(part["position"] - centre, part["velocity"]) + own * part["angular_velocity"]
            for part in halves
        )
        np.testing.assert_allclose(around, inertia * 2.0, rtol=turn**2)


# Pendulums


def test_a_double_pendulum_keeps_its_energy(falling, clocks):
    names, weight = ("upper", "lower"), mass_of("upper")[0] * G
    # Semi-implicit Euler: the speed is half a step ahead of the place, by which gravity's power is off at 5 m/s.
    most = 0.5 * DT * weight * 2 * 5.0
    whole = energy(falling, names, G)
    assert np.abs(whole - whole[0]).max() < most
    errors = []
    for clock, rollout in clocks:
        found = energy(rollout, names, G * clock**2)[: round(512 / clock)] / clock**2
        errors.append(np.abs(found - found[0]).max())
    np.testing.assert_allclose(orders(errors), 1.0, atol=0.03)


def test_a_compound_pendulum_has_its_period(falling):
    mass, inertia = mass_of("swinging")
    period = 2.0 * np.pi * np.sqrt((inertia + mass * 0.3**2) / (mass * G * 0.3))
    angle = of(falling, "angle", "swinging")
    down = np.flatnonzero((angle[:-1] > 0.0) & (angle[1:] <= 0.0))
    when = DT * (down + angle[down] / (angle[down] - angle[down + 1]))
    # It swings by 0.02: longer by angle^2 / 16; and semi-implicit Euler is faster by (omega dt)^2 / 24.
    expected = period * (1.0 + 0.02**2 / 16.0 - (2.0 * np.pi * DT / period) ** 2 / 24.0)
    np.testing.assert_allclose(np.diff(when), expected, rtol=1e-7)


# Ropes


def test_a_rope_goes_taut_at_its_length_and_not_before(falling):
    height, time = of(falling, "position", "dropped")[:, 1], falling.time
    free = -0.5 - 0.5 * G * time * (time + DT)  # semi-implicit
    taut = int(np.argmax(free < -1.0))
    np.testing.assert_allclose(height[:taut], free[:taut], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(height[taut:], -1.0, rtol=0, atol=ROUNDING)


def test_a_bob_on_a_rope_swings_with_the_tension(falling, clocks):
    place, velocity = of(falling, "position", "bob"), of(falling, "velocity", "bob")
    np.testing.assert_allclose(np.linalg.norm(place, axis=1), 1.0, rtol=0, atol=DEPTH)
    # What gravity does not explain of the acceleration is the tension: 3 m g times the cosine of the angle, inward.
    pull, fast = np.diff(velocity, axis=0) / DT + [0.0, G], np.abs(velocity).max()
    np.testing.assert_allclose(cross(place[:-1], pull), 0.0, atol=ROUNDING)
    tension = -(pull * place[:-1]).sum(axis=1)
    # To second order in the turn of a step.
    np.testing.assert_allclose(tension, -3.0 * G * place[:-1, 1], rtol=0, atol=3.0 * G * (fast * DT) ** 2)
    errors = []
    for clock, rollout in clocks:
        found = energy(rollout, ["bob"], G * clock**2)[: round(512 / clock)] / clock**2
        errors.append(np.abs(found - found[0]).max())
    np.testing.assert_allclose(orders(errors), 1.0, atol=0.03)


def test_a_rope_between_two_bodies_makes_them_one(driven):
    # 1 kg leaves 3 kg that rest with 2 m/s; half a metre of the rope is slack, so it is taut after 0.25 s.
    velocity = np.stack([of(driven, "velocity", name)[:, 0] for name in ("tied", "to it")], axis=1)
    late = driven.time > 0.25 + 0.5 * DT
    np.testing.assert_allclose(velocity[~late][:-1], [[-2.0, 0.0]] * (np.sum(~late) - 1), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(velocity[late], [[-0.5, -0.5]] * np.sum(late), rtol=0, atol=ROUNDING)


# Motors and brakes


def test_a_motor_turns_bodies_by_torque_over_inertia(driven):
    for first, second in (("disc", "capsule"), ("polygon", "box")):
        for name, sign in ((first, -1.0), (second, 1.0)):
            rate = sign * HALF * 0.1 / mass_of(name)[1]
            np.testing.assert_allclose(of(driven, "angular_velocity", name), rate * driven.time, rtol=0, atol=ROUNDING)


def test_a_motor_turns_a_bar_about_its_hinge(driven):
    mass, inertia = mass_of("hinged")
    rate = -HALF * 1.0 / (inertia + mass * 0.5**2)
    found = of(driven, "angular_velocity", "hinged")
    # As of the weld: a share of the square of the turn of a step.
    np.testing.assert_allclose(found, rate * driven.time, rtol=(found[-1] * DT) ** 2, atol=ROUNDING)


def test_a_motor_pushes_bodies_by_force_over_mass(driven):
    for name, sign in (("from", -1.0), ("pushed", 1.0)):
        speed = sign * HALF * 5.0 / mass_of(name)[0] * driven.time
        np.testing.assert_allclose(of(driven, "velocity", name), np.outer(speed, (0.6, 0.8)), rtol=0, atol=ROUNDING)


def test_damping_slows_exponentially(driven):
    steps = np.arange(STEPS + 1)
    for found, start, rate in (
        (of(driven, "angular_velocity", "braked"), 3.0, 0.4 / 0.5),
        (of(driven, "velocity", "dragged")[:, 0], 3.0, 3.0 / 2.0),
    ):
        np.testing.assert_allclose(found, start * (1.0 - rate * DT) ** steps, rtol=0, atol=ROUNDING)
        # Which goes to the exponential: half of rate^2 dt a second.
        np.testing.assert_allclose(found, start * np.exp(-rate * driven.time), rtol=0, atol=start * rate * DT)


def test_a_block_slides_down_a_rail(falling):
    way = of(falling, "position", "sliding") @ [np.cos(SLOPE), np.sin(SLOPE)]
    expected = -0.5 * G * np.sin(SLOPE) * falling.time * (falling.time + DT)
    np.testing.assert_allclose(way, expected, rtol=0, atol=ROUNDING)


# Springs


def test_two_bodies_on_a_spring_swing_with_their_reduced_mass(driven):
    length = of(driven, "position", "against")[:, 0] - of(driven, "position", "sprung")[:, 0]
    expected, _ = swing(np.sqrt(30.0 * (1 / 2.0 + 1 / 3.0)), DT, np.arange(STEPS + 1))
    np.testing.assert_allclose(length, 0.8 + 0.2 * expected, rtol=0, atol=ROUNDING)


def test_a_bar_on_a_spring_rocks_with_the_square_of_the_arm(driven):
    mass, inertia = mass_of("rocking")
    arm = 0.9
    expected, _ = swing(np.sqrt(50.0 * arm**2 / (inertia + mass * 0.5**2)), DT, np.arange(STEPS + 1))
    angle = of(driven, "angle", "rocking")
    # The spring is 0.01 m too long: it rocks about 0.01 / 0.9. Angles up to 0.022 are not small to 0.5 % of that.
    np.testing.assert_allclose(angle, 0.01 / arm * (1.0 - expected), rtol=0, atol=1e-4)


def test_a_muscle_settles_at_the_length_that_it_is_asked_for(driven):
    length = np.linalg.norm(of(driven, "position", "muscled"), axis=1)
    # Critically damped at 4.5 / s, nearly: after 4 s all but 1e-7 of it.
    assert length[0] == 1.0
    assert length[-1] == pytest.approx(1.0 + 0.3 * HALF, abs=1e-6)
