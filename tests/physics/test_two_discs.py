"""Two discs that collide: time, place and normal of the impact, all in the gradient."""

import numpy as np
import pytest

import diffsim as ds

from .references import CASES, pulled
from .small_models import WAYS, DiscPair, registered

# Sums of some fifty steps in float64, of numbers of order one.
ROUNDING = 1e-12

STEPS = 60
HEAD_ON = DiscPair([[0.0, 0.0], [0.7, 0.0]], [[1.0, 0.0], [0.0, 0.0]], [1.0, 1.0], [0.1, 0.1], 1.0, 1.0 / STEPS)


@pytest.fixture(scope="module")
def ways():
    """One simulation for each of `WAYS`; all stay open, as closing one makes Taichi read the others' kernels anew."""
    problem = ds.Problem(HEAD_ON, objective=ds.ReachTarget((1.0, 0.5), point=1), steps=STEPS, tune=("scene.*",))
    with registered():
        made = {way: ds.Simulation(problem, precision="f64", **settings) for way, settings in WAYS.items()}
    yield made
    for simulation in made.values():
        simulation.close()


@pytest.fixture(params=WAYS)
def sim(request, ways):
    return ways[request.param]


@pytest.mark.parametrize("steps", [47, 48, 59, 60])
def test_equal_discs_swap_their_velocities(sim, steps):
    # The impact is at half of the time: on the border of two steps, or in the middle of one.
    case = CASES["equal_discs_head_on"]
    params = {**sim.params(), "scene.dt": np.array(1.0 / steps)}
    rollout, grad = pulled(sim, params, "position", (steps, 1, 0))
    np.testing.assert_allclose(rollout.position[steps], [[0.5, 0.0], [case["value"], 0.0]], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(rollout.velocity[steps], [[0.0, 0.0], [1.0, 0.0]], rtol=0, atol=ROUNDING)
    found = {
        "x1": grad["scene.initial_position"][0, 0],
        "x2": grad["scene.initial_position"][1, 0],
        "v1": grad["scene.initial_velocity"][0, 0],
        "v2": grad["scene.initial_velocity"][1, 0],
        "m1": grad["scene.mass"][0],
        "m2": grad["scene.mass"][1],
        "e": grad["scene.restitution"],
        "r": grad["scene.radius"].sum(),
    }
    assert found == pytest.approx(case["grad"], abs=ROUNDING)
    assert grad["scene.dt"] / steps == pytest.approx(1.0, abs=ROUNDING)  # by T: the final speed


@pytest.mark.parametrize("offset", [-1e-5, -1e-8, -1e-15, 0.0, 1e-15, 1e-8, 1e-5])
def test_a_collision_on_the_border_of_two_steps_has_one_gradient(sim, offset):
    params = sim.params()
    params["scene.initial_position"] = params["scene.initial_position"] + [[offset, 0.0], [0.0, 0.0]]
    rollout, grad = pulled(sim, params, "position", (-1, 1, 0))
    assert rollout.position[-1, 1, 0] == pytest.approx(1.2 + offset, abs=ROUNDING)
    np.testing.assert_allclose(grad["scene.initial_position"][:, 0], [1.0, 0.0], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(grad["scene.radius"], 1.0, rtol=0, atol=ROUNDING)


# Askew, with different discs


ASKEW = {
    "scene.initial_position": np.array([[0.05, -0.1], [0.9, 0.3]]),
    "scene.initial_velocity": np.array([[1.3, 0.4], [-0.6, -0.5]]),
    "scene.mass": np.array([1.5, 0.4]),
    "scene.radius": np.array([0.12, 0.2]),
    "scene.restitution": np.array(0.7),
    "scene.dt": np.array(1.0 / STEPS),
}


def collided(numbers, duration):
    """Positions after ``duration`` in closed form; works for complex numbers, whose derivatives it then carries."""
    position, velocity = numbers["scene.initial_position"], numbers["scene.initial_velocity"]
    mass, reach = numbers["scene.mass"], numbers["scene.radius"].sum()
    apart, approach = position[1] - position[0], velocity[1] - velocity[0]
    a, b, c = approach @ approach, apart @ approach, apart @ apart - reach * reach
    impact = (-b - np.sqrt(b * b - a * c)) / a
    normal = (apart + impact * approach) / reach
    give = -(1 + numbers["scene.restitution"]) * (approach @ normal) / (1 / mass[0] + 1 / mass[1]) * normal
    after = velocity + np.stack([-give / mass[0], give / mass[1]])
    return position + impact * velocity + (duration - impact) * after


def test_a_collision_askew_is_exact(sim):
    rollout, pullback = sim.vjp(ASKEW)
    np.testing.assert_allclose(rollout.position[-1], collided(ASKEW, 1.0), rtol=0, atol=ROUNDING)
    cotangent = np.zeros(rollout.position.shape)
    cotangent[-1] = weights = np.array([[1.0, -2.0], [0.5, 1.5]])
    grad = pullback({"position": cotangent})
    for name in ASKEW:
        if name == "scene.dt":
            continue
        for place in np.ndindex(ASKEW[name].shape):
            moved = {other: value.astype(complex) for other, value in ASKEW.items()}
            moved[name][place] += 1e-30j
            slope = (weights * collided(moved, 1.0)).sum().imag / 1e-30
            assert grad[name][place] == pytest.approx(slope, abs=10 * ROUNDING), (name, place)


def test_a_collision_keeps_momentum_and_turns_round_its_normal_speed(sim):
    rollout = sim.rollout(ASKEW)
    first, last, mass = rollout.velocity[0], rollout.velocity[-1], ASKEW["scene.mass"]
    np.testing.assert_allclose(mass @ last, mass @ first, rtol=0, atol=ROUNDING)
    change = (last - first)[1]
    normal = change / np.linalg.norm(change)
    before, after = (first[1] - first[0]) @ normal, (last[1] - last[0]) @ normal
    assert after == pytest.approx(-0.7 * before, abs=ROUNDING)
    distance = np.linalg.norm(rollout.position[:, 1] - rollout.position[:, 0], axis=1)
    assert distance.min() >= 0.32 - ROUNDING


@pytest.mark.parametrize("beside", [0.19999, 0.20001])
def test_discs_graze_or_pass(sim, beside):
    # At 0.2 m beside each other they just touch; the gradient of what touches grows without bound there.
    params = sim.params()
    params["scene.initial_position"] = np.array([[0.0, 0.0], [0.7, beside]])
    rollout, grad = pulled(sim, params, "position", (-1, 1, 1))
    touched = beside < 0.2
    assert (rollout.velocity[-1, 1] != 0.0).any() == touched
    assert (rollout.velocity[-1, 0] != [1.0, 0.0]).any() == touched
    assert np.isfinite(grad["scene.initial_position"]).all()
    if not touched:
        np.testing.assert_allclose(grad["scene.initial_position"], [[0.0, 0.0], [0.0, 1.0]], rtol=0, atol=ROUNDING)


def test_discs_that_part_are_left_alone_even_if_they_overlap(sim):
    params = sim.params()
    params["scene.initial_position"] = np.array([[0.0, 0.0], [0.15, 0.0]])
    params["scene.initial_velocity"] = np.array([[-0.1, 0.0], [0.2, 0.0]])
    rollout = sim.rollout(params)
    np.testing.assert_allclose(np.ptp(rollout.velocity, axis=0), 0.0, atol=ROUNDING)


def test_fast_discs_do_not_pass_through_each_other(sim):
    # 200 m/s: a step is 3.3 m, sixteen times the reach of the two.
    params = sim.params()
    params["scene.initial_velocity"] = np.array([[200.0, 0.0], [0.0, 0.0]])
    rollout = sim.rollout(params)
    np.testing.assert_allclose(rollout.velocity[-1], [[0.0, 0.0], [200.0, 0.0]], rtol=0, atol=1e3 * ROUNDING)


# A model of one's own is as good as any other


def test_an_objective_and_the_check_of_gradients_take_the_model(sim):
    loss, grad = sim.value_and_grad(ASKEW)
    rollout, pullback = sim.vjp(ASKEW)
    cotangent = np.zeros(rollout.position.shape)
    offset = rollout.position[-1, 1] - [1.0, 0.5]
    assert loss == pytest.approx(offset @ offset, rel=ROUNDING)
    cotangent[-1, 1] = 2.0 * offset
    pulled_back = pullback({"position": cotangent})
    for name in ASKEW:
        np.testing.assert_allclose(grad[name], pulled_back[name], rtol=0, atol=10 * ROUNDING)
    ds.check_gradients(sim, ASKEW, tolerance=1e-6)


def test_segments_give_the_same_bits(ways):
    found = [ways[way].value_and_grad(ASKEW) for way in ("fused", "fused, in segments")]
    assert found[0][0] == found[1][0]
    assert all(np.array_equal(found[0][1][name], found[1][1][name]) for name in ASKEW)
