"""A disc that bounces, slips and rolls: the contact of all models with a body that has a radius and spins."""

import numpy as np
import pytest

import diffsim as ds

from .references import CASES, matched_steps, orders, pulled
from .small_models import WAYS, RollingDisc, registered

# Sums of a few hundred steps in float64, of numbers of order one.
ROUNDING = 1e-11

STEPS = 480


@pytest.fixture(scope="module", params=WAYS)
def sim(request):
    with registered():
        scene = RollingDisc([[0.0, 1.0]], [[2.0, -2.0]], radius=0.1)
        with ds.Simulation(ds.Problem(scene, steps=STEPS, tune=("*",)), precision="f64", **WAYS[request.param]) as made:
            yield made


def with_numbers(sim, **numbers):
    return {**sim.params(), **{f"scene.{name}": np.asarray(value, float) for name, value in numbers.items()}}


# Bounces


def test_a_bounce_without_gravity_is_exact(sim):
    case = CASES["bounce_once_no_gravity"]
    y0, v0, r, e, T = (case["inputs"][name] for name in ("y0", "v0", "r", "e", "T"))
    params = with_numbers(
        sim,
        initial_position=[[0.0, y0]],
        initial_velocity=[[2.0, v0]],
        radius=r,
        restitution=e,
        gravity=[0.0, 0.0],
        dt=T / STEPS,
    )
    rollout, grad = pulled(sim, params, "position", (-1, 0, 1))
    np.testing.assert_allclose(rollout.position[-1, 0], [2.0, case["value"]], rtol=0, atol=ROUNDING)
    found = {
        "y0": grad["scene.initial_position"][0, 1],
        "v0": grad["scene.initial_velocity"][0, 1],
        "e": grad["scene.restitution"],
        "r": grad["scene.radius"],
        "T": grad["scene.dt"] / STEPS,
    }
    expected = {**case["grad"], "r": 1.0 + e, "T": e * -v0}  # of the case's formula
    assert found == pytest.approx(expected, abs=ROUNDING)


@pytest.fixture(scope="module")
def bounces(sim):
    """Steps, height and gradient at T of a dropped disc, for three time steps."""
    y0, v0, e, g, r, T = (CASES["bounce_under_gravity"]["inputs"][name] for name in ("y0", "v0", "e", "g", "r", "T"))
    found = []
    for steps in matched_steps(np.sqrt(2 * (y0 - r) / g) / T, 100):
        params = with_numbers(
            sim,
            initial_position=[[0.0, y0]],
            initial_velocity=[[0.0, v0]],
            radius=r,
            restitution=e,
            gravity=[0.0, -g],
            dt=T / steps,
        )
        rollout, grad = pulled(sim, params, "position", (steps, 0, 1))
        by_name = {
            "value": rollout.position[steps, 0, 1],
            "y0": grad["scene.initial_position"][0, 1],
            "v0": grad["scene.initial_velocity"][0, 1],
            "e": grad["scene.restitution"],
            "g": -grad["scene.gravity"][1],
            "r": grad["scene.radius"],
            "T": grad["scene.dt"] / steps,
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


# Friction turns sliding into rolling


@pytest.fixture(scope="module")
def slips(sim):
    """dt, rollout, gradient of the place at the end, for three time steps."""
    v0, mu, g = (CASES["disc_slip_to_roll"]["inputs"][name] for name in ("v0", "mu", "g"))
    found = []
    for steps in (50, 100, 200):
        dt = v0 / (3 * mu * g) / (steps + 0.25)  # all grip in the first quarter of a step
        params = with_numbers(
            sim,
            initial_position=[[0.0, 0.1]],
            initial_velocity=[[v0, 0.0]],
            friction=mu,
            restitution=0.5,  # which is for impacts; a disc that lies on the floor has none
            gravity=[0.0, -g],
            dt=dt,
        )
        found.append((dt, *pulled(sim, params, "position", (2 * steps, 0, 0))))
    return found


def test_a_sliding_disc_ends_up_rolling(slips):
    v = CASES["disc_slip_to_roll"]["value"]["v"]
    for _, rollout, _ in slips:
        np.testing.assert_allclose(rollout.velocity[-1, 0], [v, 0.0], rtol=0, atol=ROUNDING)
        assert 0.1 * rollout.spin[-1, 0] == pytest.approx(-v, abs=ROUNDING)
        assert np.ptp(rollout.position[:, 0, 1]) == 0.0


def test_a_disc_rolls_when_and_where_it_should(slips):
    v0, mu, g = (CASES["disc_slip_to_roll"]["inputs"][name] for name in ("v0", "mu", "g"))
    case = CASES["disc_slip_to_roll"]["value"]
    errors = []
    for steps, (dt, rollout, grad) in zip((50, 100, 200), slips, strict=True):
        T = 2 * steps * dt
        slip = rollout.velocity[:, 0, 0] + 0.1 * rollout.spin[:, 0]
        rolls = np.flatnonzero(np.abs(slip) < ROUNDING)[0]
        # It slips for x, then rolls at v until T: x + v (T - t), with the case's formulas.
        there = case["x"] + case["v"] * (T - case["t"])
        errors.append(
            {
                "t": rolls * dt - case["t"],
                "x": rollout.position[2 * steps, 0, 0] - there,
                "v0": grad["scene.initial_velocity"][0, 0] - (2 * T / 3 + v0 / (9 * mu * g)),
                "mu": grad["scene.friction"] + v0**2 / (18 * mu**2 * g),
                "dt": grad["scene.dt"] / (2 * steps) - case["v"],
            }
        )
    for name in errors[0]:
        found = [error[name] for error in errors]
        # The next term of the error is a share of about 1 / steps of it, 0.02 at the coarsest.
        np.testing.assert_allclose(orders(found), 1.0, atol=0.03)


@pytest.mark.parametrize("friction", [0.1, 5.0])
def test_a_disc_that_lands_askew_is_turned_by_friction(sim, friction):
    # Without gravity: one impulse of (1 + e) 2 m/s upward, up to friction times that along the floor.
    params = with_numbers(sim, friction=friction, restitution=0.5, gravity=[0.0, 0.0], dt=0.003)
    rollout, grad = pulled(sim, params, "velocity", (-1, 0, 0))
    along = min(friction * 1.5 * 2.0, 2.0 / 3.0)  # 2 / 3 of the speed is left when it grips
    np.testing.assert_allclose(rollout.velocity[-1, 0], [2.0 - along, 1.0], rtol=0, atol=ROUNDING)
    assert rollout.spin[-1, 0] == pytest.approx(-2.0 * along / 0.1, abs=10 * ROUNDING)
    grips = friction == 5.0
    by_velocity = [2.0 / 3.0, 0.0] if grips else [1.0, friction * 1.5]
    np.testing.assert_allclose(grad["scene.initial_velocity"][0], by_velocity, rtol=0, atol=ROUNDING)
    assert grad["scene.friction"] == pytest.approx(0.0 if grips else -3.0, abs=ROUNDING)
