"""Discs and a block whose motion is known in closed form, with all derivatives.

All are in one scene, far from each other, and its time step is compiled into it. A finer step is had by a slower clock:
with velocities times s and accelerations times s^2, a step is s times as long.
"""

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.rigid_bodies.impulses import DEPTH

from ..references import CASES, matched_steps, orders, pulled

# Sums of 480 steps in float64, of numbers of order one.
ROUNDING = 1e-12

STEPS = 480
DT = 1.0 / STEPS
DISC, BLOCK, LEFT, RIGHT = range(4)
HIGH = 10.0  # where the pair of discs is, above the floor [m]


@pytest.fixture(scope="module")
def sim():
    scene = ds.RigidBodies(
        bodies=[
            ds.Disc((0.0, 1.0), 0.1, mass=1.0),
            ds.Box((20.0, 0.05), (0.2, 0.05), mass=1.0),
            ds.Disc((0.0, HIGH), 0.1, mass=1.0, velocity=(1.0, 0.0)),
            ds.Disc((0.7, HIGH), 0.1, mass=1.0),
        ],
        obstacles=[ds.HalfPlane()],
        dt=DT,
    )
    numbers = ("initial_position", "initial_velocity", "mass", "radius", "restitution", "friction", "gravity")
    problem = ds.Problem(scene, steps=STEPS, tune=tuple(f"scene.{name}" for name in numbers))
    with ds.Simulation(problem, precision="f64") as made:
        yield made


def with_numbers(sim, body=None, position=None, velocity=None, **numbers):
    """Parameters with other numbers, and one body elsewhere."""
    params = {**sim.params(), **{f"scene.{name}": np.asarray(value, float) for name, value in numbers.items()}}
    if body is not None:
        params["scene.initial_position"][body] = position
        params["scene.initial_velocity"][body] = velocity
    return params


# Bounces


def test_a_bounce_without_gravity_is_exact(sim):
    case = CASES["bounce_once_no_gravity"]
    y0, v0, r, e = (case["inputs"][name] for name in ("y0", "v0", "r", "e"))
    params = with_numbers(sim, DISC, (0.0, y0), (2.0, v0), restitution=e, friction=0.0, gravity=[0.0, 0.0])
    assert params["scene.radius"][0] == r
    rollout, grad = pulled(sim, params, "position", (-1, DISC, 1))
    np.testing.assert_allclose(rollout.position[-1, DISC], [2.0, case["value"]], rtol=0, atol=ROUNDING)
    found = {
        "y0": grad["scene.initial_position"][DISC, 1],
        "v0": grad["scene.initial_velocity"][DISC, 1],
        "e": grad["scene.restitution"],
    }
    assert found == pytest.approx(case["grad"], abs=ROUNDING)
    assert grad["scene.radius"][0] == pytest.approx(1.0 + e, abs=ROUNDING)  # of the case's formula


@pytest.fixture(scope="module")
def bounces(sim):
    """Steps, height and gradient at T of a dropped disc, for three time steps."""
    y0, v0, e, g, r, T = (CASES["bounce_under_gravity"]["inputs"][name] for name in ("y0", "v0", "e", "g", "r", "T"))
    found = []
    for steps in matched_steps(np.sqrt(2 * (y0 - r) / g) / T, 100):
        clock = T / steps / DT
        params = with_numbers(
            sim, DISC, (0.0, y0), (0.0, clock * v0), restitution=e, friction=0.3, gravity=[0.0, -(clock**2) * g]
        )
        rollout, grad = pulled(sim, params, "position", (steps, DISC, 1))
        by_g = -(clock**2) * grad["scene.gravity"][1]
        by_v0 = clock * grad["scene.initial_velocity"][DISC, 1]
        by_name = {
            "value": rollout.position[steps, DISC, 1],
            "y0": grad["scene.initial_position"][DISC, 1],
            "v0": by_v0,
            "e": grad["scene.restitution"],
            "g": by_g,
            "r": grad["scene.radius"][0],
            "T": (v0 * by_v0 + 2.0 * g * by_g) / T,  # as many steps that are longer: by the clock
        }
        found.append((steps, by_name))
    return found


@pytest.mark.parametrize("name", ["value", "y0", "v0", "e", "g", "r", "T"])
def test_a_bounce_under_gravity_converges_with_first_order(bounces, name):
    case = CASES["bounce_under_gravity"]
    truth = case["value"] if name == "value" else case["grad"][name]
    scaled = [steps * (found[name] - truth) for steps, found in bounces]
    # First order: error times steps is a constant, but for where in its step the impact is (the same to 0.02 of a step,
    # see `matched_steps`) and for the next term, a share of about 1 / steps of it.
    np.testing.assert_allclose(scaled, scaled[-1], rtol=0.04)
    assert abs(scaled[-1]) / bounces[-1][0] < 0.01


# Two discs


@pytest.mark.parametrize("friction", [0.0, 0.5])
def test_equal_discs_swap_their_velocities(sim, friction):
    case = CASES["equal_discs_head_on"]
    params = with_numbers(sim, restitution=1.0, friction=friction, gravity=[0.0, 0.0])
    rollout, grad = pulled(sim, params, "position", (-1, RIGHT, 0))
    expected = [[0.5, HIGH], [case["value"], HIGH]]
    np.testing.assert_allclose(rollout.position[-1, LEFT:], expected, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(rollout.velocity[-1, LEFT:], [[0.0, 0.0], [1.0, 0.0]], rtol=0, atol=ROUNDING)
    found = {
        "x1": grad["scene.initial_position"][LEFT, 0],
        "x2": grad["scene.initial_position"][RIGHT, 0],
        "v1": grad["scene.initial_velocity"][LEFT, 0],
        "v2": grad["scene.initial_velocity"][RIGHT, 0],
        "m1": grad["scene.mass"][LEFT],
        "m2": grad["scene.mass"][RIGHT],
        "e": grad["scene.restitution"],
        "r": grad["scene.radius"][1:].sum(),
    }
    assert found == pytest.approx(case["grad"], abs=ROUNDING)


@pytest.mark.parametrize("offset", [-1e-5, -1e-8, -1e-15, 0.0, 1e-15, 1e-8, 1e-5])
def test_a_collision_on_the_border_of_two_steps_has_one_gradient(sim, offset):
    params = with_numbers(sim, LEFT, (offset, HIGH), (1.0, 0.0), restitution=1.0, friction=0.0, gravity=[0.0, 0.0])
    rollout, grad = pulled(sim, params, "position", (-1, RIGHT, 0))
    assert rollout.position[-1, RIGHT, 0] == pytest.approx(1.2 + offset, abs=ROUNDING)
    np.testing.assert_allclose(grad["scene.initial_position"][LEFT:, 0], [1.0, 0.0], rtol=0, atol=ROUNDING)


# Friction


@pytest.fixture(scope="module")
def blocks(sim):
    """Clock, rollout, stopping distance and its gradient of a sliding block, for three time steps."""
    v0, mu, g = (CASES["block_stopping_distance"]["inputs"][name] for name in ("v0", "mu", "g"))
    found = []
    for steps in (50, 100, 200):
        clock = v0 / (mu * g) / (steps + 0.25) / DT  # all stop in the first quarter of a step
        params = with_numbers(
            sim,
            BLOCK,
            (20.0, 0.05),
            (clock * v0, 0.0),
            friction=mu,
            restitution=0.5,  # which is for impacts; a block that slides has none
            gravity=[0.0, -(clock**2) * g],
        )
        rollout, grad = pulled(sim, params, "position", (steps + 10, BLOCK, 0))
        numbers = {
            "value": rollout.position[steps + 10, BLOCK, 0] - 20.0,
            "v0": clock * grad["scene.initial_velocity"][BLOCK, 0],
            "mu": grad["scene.friction"],
        }
        found.append((steps, clock, rollout, numbers))
    return found


def test_a_block_slides_flat_on_the_floor_and_then_sticks(blocks):
    for steps, clock, rollout, _ in blocks:
        # Friction below its centre presses its front down: the solver ends with the corners in the floor by less than
        # the depth that is left to bodies, and with that much of a jump when it stops.
        assert np.abs(rollout.position[:, BLOCK, 1] - 0.05).max() < DEPTH
        assert 0.2 * np.abs(rollout.angle[:, BLOCK]).max() < DEPTH
        assert np.abs(np.diff(rollout.position[steps + 1 :, BLOCK], axis=0)).max() < DEPTH
        assert np.abs(rollout.velocity[-1, BLOCK]).max() < clock * ROUNDING


@pytest.mark.parametrize("name", ["value", "v0", "mu"])
def test_the_stopping_distance_converges_with_first_order(blocks, name):
    case = CASES["block_stopping_distance"]
    truth = case["value"] if name == "value" else case["grad"][name]
    errors = [numbers[name] - truth for *_, numbers in blocks]
    # The next term of the error is 1 / steps of it: 0.02 at the coarsest.
    np.testing.assert_allclose(orders(errors), 1.0, atol=0.03)
    assert abs(errors[-1] / truth) < 0.01


@pytest.fixture(scope="module")
def slips(sim):
    """Steps until it rolls, length of a step, clock, rollout and gradient of the place at twice the time."""
    v0, mu, g = (CASES["disc_slip_to_roll"]["inputs"][name] for name in ("v0", "mu", "g"))
    found = []
    for steps in (50, 100, 200):
        dt = v0 / (3 * mu * g) / (steps + 0.25)  # all grip in the first quarter of a step
        clock = dt / DT
        params = with_numbers(
            sim, DISC, (0.0, 0.1), (clock * v0, 0.0), friction=mu, restitution=0.5, gravity=[0.0, -(clock**2) * g]
        )
        found.append((steps, dt, clock, *pulled(sim, params, "position", (2 * steps, DISC, 0))))
    return found


def test_a_sliding_disc_ends_up_rolling(slips):
    v = CASES["disc_slip_to_roll"]["value"]["v"]
    for *_, clock, rollout, _ in slips:
        np.testing.assert_allclose(rollout.velocity[-1, DISC] / clock, [v, 0.0], rtol=0, atol=ROUNDING)
        assert 0.1 * rollout.angular_velocity[-1, DISC] / clock == pytest.approx(-v, abs=ROUNDING)
        assert np.ptp(rollout.position[:, DISC, 1]) == 0.0


def test_a_disc_rolls_when_and_where_it_should(slips):
    v0, mu, g = (CASES["disc_slip_to_roll"]["inputs"][name] for name in ("v0", "mu", "g"))
    case = CASES["disc_slip_to_roll"]["value"]
    errors = []
    for steps, dt, clock, rollout, grad in slips:
        T = 2 * steps * dt
        slip = (rollout.velocity[:, DISC, 0] + 0.1 * rollout.angular_velocity[:, DISC]) / clock
        rolls = np.flatnonzero(np.abs(slip) < ROUNDING)[0]
        # It slips for x, then rolls at v until T: x + v (T - t), with the case's formulas.
        there = case["x"] + case["v"] * (T - case["t"])
        errors.append(
            {
                "t": rolls * dt - case["t"],
                "x": rollout.position[2 * steps, DISC, 0] - there,
                "v0": clock * grad["scene.initial_velocity"][DISC, 0] - (2 * T / 3 + v0 / (9 * mu * g)),
                "mu": grad["scene.friction"] + v0**2 / (18 * mu**2 * g),
            }
        )
    for name in errors[0]:
        found = [error[name] for error in errors]
        # The next term of the error is a share of about 1 / steps of it, 0.02 at the coarsest.
        np.testing.assert_allclose(orders(found), 1.0, atol=0.03)
