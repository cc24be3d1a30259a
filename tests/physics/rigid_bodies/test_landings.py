"""Landings without a bounce from which something lifts at once: closed forms, over the phases of a landing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import diffsim as ds

from .differences import check_both_adjoints

DT = 2e-3
PHASES = np.linspace(0.05, 0.95, 8)  # of the step in which it lands

# A step begins with the speed in the middle of the step before: half a step's gain less than at its start.
FALLING = {"velocity": (0.0, -1.5 - 2.5 * DT), "mass": 1.0}
LANDING = {
    "disc": ([ds.Disc((0.0, 0.3), 0.1, **FALLING)], []),
    "flat box": ([ds.Box((0.0, 0.3), (0.2, 0.1), **FALLING)], []),
    "welded discs": (
        [ds.Disc((0.0, y), 0.1, **FALLING) for y in (0.3, 0.6)],
        [ds.Weld(0, 1, at=(0.0, 0.45))],
    ),
}


def landing(name):
    """A problem in which a body falls at 1.5 m/s from 0.2 m above a floor, and is pulled up by 5 m/s^2."""
    bodies, joints = LANDING[name]
    scene = ds.RigidBodies(bodies, [ds.HalfPlane()], joints=joints, gravity=(0.0, 5.0), dt=DT)
    return ds.Problem(scene, steps=150, tune=("scene.initial_position",))


@pytest.mark.parametrize("name", LANDING)
def test_what_is_pulled_up_leaves_from_when_it_landed(name):
    """Height a (T - t)^2 / 2, whose slope by the height that it came from is -a (T - t) / v, at every phase."""
    with ds.Simulation(landing(name), precision="f64", envs=len(PHASES), shared=False) as sim:
        params = sim.params()
        start = 0.2 + 1.5 * DT * PHASES
        params["scene.initial_position"][:, :, 1] += (start - 0.2)[:, None]
        rollout, pull = sim.vjp(params)
        lands = (1.5 - np.sqrt(1.5**2 - 10.0 * start)) / 5.0
        left = 150 * DT - lands
        np.testing.assert_allclose(rollout.position[:, -1, 0, 1] - 0.1, 2.5 * left**2, atol=1e-5)
        chosen = np.zeros_like(rollout.position)
        chosen[:, -1, 0, 1] = 1.0
        slope = pull({"position": chosen})["scene.initial_position"][:, :, 1].sum(axis=1)
        np.testing.assert_allclose(slope, -5.0 * left / (1.5 - 5.0 * lands), rtol=0.025)
        ends = []
        for step in (1e-7, -1e-7):
            moved = sim.params()
            moved["scene.initial_position"][:, :, 1] += (start - 0.2 + step)[:, None]
            ends.append(sim.rollout(moved).position[:, -1, 0, 1])
        np.testing.assert_allclose((ends[0] - ends[1]) / 2e-7, slope, rtol=1e-5)


@pytest.mark.bench
@pytest.mark.parametrize("executor", ["staged", "wide", "fused"])
def test_the_gradient_of_what_is_pulled_up_where_it_landed(executor):
    """In coarse steps, of which it lands in the tenth, after three quarters."""
    scene = replace(landing("welded discs").scene, dt=0.0205)
    # By the floor's height, as bodies moved apart would open the weld.
    problem = ds.Problem(scene, objective=ds.Travel(direction=(0, 1)), steps=14, tune=("scene.obstacle_position",))
    check_both_adjoints(problem, executor, 5)


# Two bars, pinned to each other and to the world a metre up: half length to the round end's centre, mass, inertia.
BARS = ((0.25, 1.0, 0.02), (0.2, 0.6, 0.012))
ANGLES, RATES, RADIUS = np.array([-0.6, -0.2]), np.array([-0.8, -2.0]), 0.03
OUT = np.array([-np.sin(0.3), np.cos(0.3)])  # of the floor


def along(angle):
    return np.array([np.cos(angle), np.sin(angle)])


def swung(height, duration):
    """Angles of a double pendulum without gravity whose tip lands on a floor, by Lagrange's equations."""
    (half, mass, inertia), (other, light, small) = BARS
    length, tip = 2.0 * half, 2.0 * other

    def masses(angles):
        cross = light * length * other * np.cos(angles[1] - angles[0])
        return np.array([[inertia + mass * half**2 + light * length**2, cross], [cross, small + light * other**2]])

    def motion(_, state):
        twist = light * length * other * np.sin(state[1] - state[0])
        torque = twist * np.array([state[3] ** 2, -(state[2] ** 2)])
        return [*state[2:], *np.linalg.solve(masses(state[:2]), torque)]

    def gap(_, state):
        return OUT @ (length * along(state[0]) + tip * along(state[1]) + [0.0, 1.0]) - RADIUS - height

    gap.terminal = True
    exact = {"rtol": 1e-11, "atol": 1e-13}
    flight = solve_ivp(motion, (0.0, duration), [*ANGLES, *RATES], events=gap, **exact)
    state = flight.y[:, -1]
    row = np.array([length, tip]) * [OUT @ along(state[0] + np.pi / 2.0), OUT @ along(state[1] + np.pi / 2.0)]
    answer = np.linalg.solve(masses(state[:2]), row)
    state[2:] -= answer * (row @ state[2:]) / (row @ answer)
    return solve_ivp(motion, (flight.t[-1], duration), state, **exact).y[:2, -1]


def test_a_double_pendulum_whose_tip_lands_and_is_pulled_off():
    """The joints turn it off the floor at once: its slope by the floor's height is the law's, at every phase."""
    (half, mass, inertia), (other, light, small) = BARS
    elbow = np.array([0.0, 1.0]) + 2.0 * half * along(ANGLES[0])
    turning = np.array([[0.0, -1.0], [1.0, 0.0]])
    first = half * RATES[0] * turning @ along(ANGLES[0])
    second = 2.0 * first + other * RATES[1] * turning @ along(ANGLES[1])
    bars = [
        ds.Capsule(elbow - half * along(ANGLES[0]), 0.2, 0.04, angle=ANGLES[0], mass=mass, inertia=inertia,
                   velocity=first, angular_velocity=RATES[0]),
        ds.Capsule(elbow + other * along(ANGLES[1]), 0.2, RADIUS, angle=ANGLES[1], mass=light, inertia=small,
                   velocity=second, angular_velocity=RATES[1]),
    ]  # fmt: skip
    scene = ds.RigidBodies(
        bars,
        [ds.HalfPlane(0.3 * OUT, angle=0.3)],
        joints=[ds.Pin(0, None, at=(0.0, 1.0)), ds.Pin(0, 1, at=elbow)],
        gravity=(0.0, 0.0),
        friction=0.0,
        dt=DT,
    )
    problem = ds.Problem(scene, steps=200, tune=("scene.obstacle_position",))
    with ds.Simulation(problem, precision="f64", envs=len(PHASES), shared=False) as sim:
        heights = 0.3 + DT * PHASES
        params = {"scene.obstacle_position": heights[:, None, None] * OUT}
        rollout, pull = sim.vjp(params)
        chosen = np.zeros_like(rollout.angle)
        chosen[:, -1, 1] = 1.0
        slope = pull({"angle": chosen})["scene.obstacle_position"][:, 0] @ OUT
        law = np.array([swung(height, 200 * DT) for height in heights])
        np.testing.assert_allclose(rollout.angle[:, -1], law, atol=2e-5)
        steep = [(swung(h + 1e-5, 200 * DT) - swung(h - 1e-5, 200 * DT))[1] / 2e-5 for h in heights]
        np.testing.assert_allclose(slope, steep, rtol=0.01)
