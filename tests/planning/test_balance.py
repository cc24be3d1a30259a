"""Where something stays: gains in closed form, statics by hand, feedback inside a network, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

DT, MASS, GRAVITY = 0.02, 2.0, 9.81


def cart():
    """A mass on a rail: x'' = u / mass."""
    rail = ds.Joint("rail", "slide", axis=(1, 0, 0))
    link = ds.Link("cart", joints=[rail], mass=MASS, inertia=(0.1, 0.1, 0.1))
    return ds.Articulated([link], [ds.Actuator("push", "rail")], contacts=False, unobserved=("rail",), dt=DT)


def arm(gear=20.0):
    """A rod with a motor in its hinge: that holds m g l sin(angle), 9.81 N m if it lies flat."""
    hinge = ds.Joint("hinge", axis=(0, 1, 0), damping=0.05)
    rod = ds.Link("rod", joints=[hinge], mass=MASS, centre=(0, 0, 0.5), inertia=(0.05, 0.05, 0.001))
    motor = ds.Actuator.motor("hinge", gear=gear)
    return ds.Articulated([rod], [motor], initial_position=(0.5,), contacts=False, dt=DT)


def test_a_gain_in_closed_form():
    """Of v' = v + b u with weights q and r: p b^2 is the positive root of z^2 - q b^2 z - q b^2 r."""
    found = ds.balance(cart(), ds.QuadraticCost(running={"rail.velocity": 3.0}, effort=0.2))
    b, q, r = DT / MASS, 3.0, 0.2
    z = 0.5 * (q * b**2 + np.sqrt((q * b**2) ** 2 + 4.0 * q * b**2 * r))
    np.testing.assert_allclose(found.gain, [[0.0, -(z / b) / (r + z)]], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(np.linalg.eigvals(found.loop), [1.0, 1.0 - z / (r + z)], rtol=1e-8)  # and where it is


def test_it_is_held_by_what_gravity_asks_for():
    """As near to where it starts as is worth it: of q (angle - start)^2 + r action^2 the derivative is zero."""
    cost = ds.QuadraticCost(running={"hinge": 1.0, "hinge.velocity": 0.1}, effort=0.1)
    found = ds.balance(arm(), cost, repeat=2)
    angle = found.state[0]
    assert 20.0 * found.action[0] == pytest.approx(-MASS * GRAVITY * 0.5 * np.sin(angle), rel=1e-7)
    most = MASS * GRAVITY * 0.5 / 20.0
    slope = (angle - 0.5) + 0.1 * most**2 * np.sin(angle) * np.cos(angle)
    assert slope == pytest.approx(0.0, abs=1e-4)  # each of its terms is 0.01
    assert found.state[1] == pytest.approx(0.0, abs=1e-9)
    assert np.abs(np.linalg.eigvals(found.loop)).max() < 1.0
    with ds.Stepper(arm(), precision="f64", repeat=2) as stepper:
        state = found.state[None] + [[0.1, -0.2]]
        for _ in range(200):
            state, _ = stepper.step(state, found.act(state))
    np.testing.assert_allclose(state[0], found.state, atol=1e-6)


def test_feedback_as_a_network():
    """Value and slope of the network are those of the feedback, where it stays: by central differences."""
    found = ds.balance(arm(), ds.QuadraticCost(running={"hinge": 1.0, "hinge.velocity": 0.1}, effort=0.1))
    policy, scene = ds.MLP(hidden=(), sines=0), arm()

    def act(state):
        return policy.act(found.weights(), {"observation": scene.observe(state[:1], state[1:])}, 0.0, None)

    np.testing.assert_allclose(act(found.state), found.action, rtol=1e-9)
    slope = [(act(found.state + x) - act(found.state - x)) / 2e-5 for x in 1e-5 * np.eye(2)]
    np.testing.assert_allclose(np.transpose(slope), found.gain, rtol=1e-6)


def test_what_cannot_stay_is_refused():
    cost = ds.QuadraticCost(running={"hinge": 1.0, "hinge.velocity": 0.1}, effort=0.1)
    with pytest.raises(InputError, match=r"actuator 0 would have to give -?1.* less than 1"):
        ds.balance(arm(gear=1.0), cost, start={"joint_position": [1.5]})
    falling = ds.load_mjcf(FALLS)
    with pytest.raises(InputError, match=r"no state nearby stays; joint_velocity\[2\] still changes by -"):
        ds.balance(falling, ds.QuadraticCost(running={"joint_velocity": 1.0}))
    with pytest.raises(InputError, match="no running weights"):
        ds.balance(arm(), ds.QuadraticCost(final={"hinge": 1.0}))


def test_what_is_not_observed_cannot_be_fed_back():
    found = ds.balance(cart(), ds.QuadraticCost(running={"rail": 1.0, "rail.velocity": 1.0}, effort=0.2))
    with pytest.raises(InputError, match=r"needs joint_position\[0\]"):
        found.weights()


FALLS = """
<mujoco><worldbody><body><freejoint/><geom size="0.1"/>
  <body pos="0 0 0.2"><joint name="hinge" axis="0 1 0"/><geom size="0.1"/></body>
</body></worldbody><actuator><motor joint="hinge" ctrllimited="true" ctrlrange="-1 1"/></actuator></mujoco>
"""
