"""The cart with a pole under its optimal feedback: the known cost, where the gradient by the gain vanishes."""

import numpy as np
import pytest

import diffsim as ds

from .references import CASES
from .small_models import WAYS, LinearSystem, registered

CASE = CASES["cartpole_lqr"]["value"]
START = np.array([0.2, 0.0, 0.1, 0.0])
Q, R, DT = np.diag([1.0, 1.0, 10.0, 1.0]), 0.1, 0.02

# The slowest motion decays by half in a second, and its cost to a quarter: 1e-16 is left for after the last step.
STEPS = 1400


def held_for(dt, rates, push):
    """x' = A x + B u over a step in which u is held: both in one matrix exponential, by its series."""
    n = len(push)
    whole = np.zeros((n + 1, n + 1))
    whole[:n, :n], whole[:n, n] = rates, push
    term = found = np.eye(n + 1)
    for k in range(1, 25):
        term = term @ whole * dt / k
        found = found + term
    return found[:n, :n], found[:n, n]


def cart_and_pole():
    """Linearised with the pole upright; x, x', angle, angle'."""
    cart, bob, length, g = 1.0, 0.1, 0.5, 9.81
    rates = np.zeros((4, 4))
    rates[0, 1] = rates[2, 3] = 1.0
    rates[1, 2] = -bob * g / cart
    rates[3, 2] = (cart + bob) * g / (cart * length)
    return held_for(DT, rates, np.array([0.0, 1.0 / cart, 0.0, -1.0 / (cart * length)]))


A, B = cart_and_pole()


def riccati():
    """Optimal gain and cost matrix, by value iteration."""
    value = Q
    for _ in range(5000):
        gain = (B @ value @ A) / (R + B @ value @ B)
        value = Q + A.T @ value @ (A - np.outer(B, gain))
    return gain, value


GAIN, VALUE = riccati()


def cost_of(gain):
    """Cost from START and its gradient by the gain (Fazel et al. 2018, arXiv:1801.05039, lemma 1), by endless sums."""
    closed = A - np.outer(B, gain)
    value, states, power = np.zeros((4, 4)), np.zeros((4, 4)), np.eye(4)
    for _ in range(5000):
        value += power.T @ (Q + R * np.outer(gain, gain)) @ power
        states += power @ np.outer(START, START) @ power.T
        power = closed @ power
    return START @ value @ START, 2.0 * ((R + B @ value @ B) * gain - B @ value @ A) @ states


@pytest.fixture(scope="module", params=WAYS)
def sim(request):
    with registered():
        scene = LinearSystem(START, A, B, GAIN, DT)
        problem = ds.Problem(scene, steps=STEPS, tune=("scene.gain", "scene.start"))
        with ds.Simulation(problem, precision="f64", **WAYS[request.param]) as simulation:
            yield simulation


def simulated(sim, gain):
    """The same by simulation, with the gradient by the start."""
    rollout, pullback = sim.vjp({**sim.params(), "scene.gain": gain})
    x, u = rollout.state[:, 0], rollout.control[:, 0]
    cost = np.einsum("ri,ij,rj->", x, Q, x) + R * u @ u
    grad = pullback({"state": 2.0 * x[:, None] @ Q, "control": 2.0 * R * u[:, None]})
    return cost, grad["scene.gain"], grad["scene.start"]


def test_the_gain_is_the_known_one():
    np.testing.assert_allclose(GAIN, CASE["K"], rtol=1e-12)  # all digits of the reference


def test_the_optimal_gain_has_the_known_cost_and_no_gradient(sim):
    cost, by_gain, by_start = simulated(sim, GAIN)
    assert cost == pytest.approx(CASE["cost_from_0.2_0_0.1_0"], rel=1e-12)
    np.testing.assert_allclose(by_start, 2.0 * VALUE @ START, rtol=1e-10)
    _, elsewhere, _ = simulated(sim, 1.05 * GAIN)
    assert np.abs(by_gain).max() < 1e-10 * np.abs(elsewhere).max()


@pytest.mark.parametrize("share", [[1.05] * 4, [0.9, 1.1, 1.0, 1.05]])
def test_another_gain_costs_more_by_its_gradient(sim, share):
    cost, by_gain, _ = simulated(sim, share * GAIN)
    known, gradient = cost_of(share * GAIN)
    assert cost == pytest.approx(known, rel=1e-11)
    assert cost > CASE["cost_from_0.2_0_0.1_0"]
    np.testing.assert_allclose(by_gain, gradient, rtol=1e-8)
