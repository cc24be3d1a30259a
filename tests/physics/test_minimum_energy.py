"""The least effort that moves a mass by one metre in one second, from rest to rest, found with the model's gradients.

A spring of 1e-12 N/m whose rest length the controller changes by 1e12 times itself is an actuator of 1 N, nothing else.
"""

import numpy as np
import pytest

import diffsim as ds

from .references import CASES, pulled

STEPS = CASES["minimum_energy_transfer"]["discrete_exact"]["steps"]

# The spring's own force is 1e-12 N of about 6 N; what it moves in a second is 1e-12 m.
PASSIVE = 1e-11


@pytest.fixture(scope="module")
def mover():
    """A mass that a force drives from 1 m to 2 m along x."""
    scene = ds.MassSpring(
        points=[[0.0, 0.0], [1.0, 0.0]],
        springs=[[0, 1]],
        stiffness=1.0e-12,
        rest_length=1.0,
        actuation=1.0e12,
        gravity=(0.0, 0.0),
        fixed=[0],
        dt=1.0 / STEPS,
    )
    objective = ds.Effort() + 1.0e4 * ds.ReachTarget(target=(2.0, 0.0), point=1)
    controller = ds.OpenLoop(values=np.zeros((STEPS, 1)), saturate=False)
    with ds.Simulation(ds.Problem(scene, controller, objective, steps=STEPS), precision="f64") as sim:
        yield sim


@pytest.fixture(scope="module")
def solved(mover):
    """The least controls that end at 2 m and at rest: one solve, as both ends are linear in the controls."""
    start = mover.params()
    rollout, by_position = pulled(mover, start, "position", (-1, 1, 0))
    _, by_velocity = pulled(mover, start, "velocity", (-1, 1, 0))
    jacobian = np.stack([by["controller.values"].ravel() for by in (by_position, by_velocity)])
    missing = np.array([2.0, 0.0]) - [rollout.position[-1, 1, 0], rollout.velocity[-1, 1, 0]]
    values = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T, missing)
    return jacobian, {"controller.values": values[:, None]}


def test_the_jacobian_is_that_of_the_double_integrator(solved):
    jacobian, _ = solved
    dt = 1.0 / STEPS
    remaining = np.arange(STEPS, 0, -1)  # steps that a control's velocity is carried on for
    np.testing.assert_allclose(jacobian[0], dt**2 * remaining, rtol=PASSIVE)
    np.testing.assert_allclose(jacobian[1], dt, rtol=PASSIVE)


def test_the_least_effort_is_the_known_one(mover, solved):
    exact = CASES["minimum_energy_transfer"]["discrete_exact"]
    jacobian, params = solved
    values = params["controller.values"][:, 0]
    loss, grad = mover.value_and_grad(params)  # the distance to the target adds nothing
    assert loss == pytest.approx(exact["J"], abs=12 * PASSIVE)
    assert values[0] == pytest.approx(exact["u_first"], abs=6 * PASSIVE)
    assert values[-1] == pytest.approx(exact["u_last"], abs=6 * PASSIVE)
    np.testing.assert_allclose(np.diff(values), np.diff(values)[0], rtol=0, atol=PASSIVE)  # a straight line
    # Continuous time: one over STEPS squared away.
    assert loss == pytest.approx(CASES["minimum_energy_transfer"]["value"]["J"], rel=2 / STEPS**2)
    rollout = mover.rollout(params)
    np.testing.assert_allclose(rollout.position[-1, 1], [2.0, 0.0], rtol=0, atol=PASSIVE)
    np.testing.assert_allclose(rollout.velocity[-1, 1], 0.0, rtol=0, atol=PASSIVE)
    # At the optimum the gradient of the effort is a combination of the two constraints' gradients.
    effort = grad["controller.values"][:, 0]
    multipliers, *_ = np.linalg.lstsq(jacobian.T, effort, rcond=None)
    np.testing.assert_allclose(jacobian.T @ multipliers, effort, rtol=0, atol=PASSIVE)


def test_the_objective_finds_the_same_when_only_the_end_is_weighted(mover):
    # Effort + w |x - 2|^2 is quadratic: conjugate gradients on its gradient end after as many steps as it has
    # different curvatures, here two.
    zero = {"controller.values": np.zeros((STEPS, 1))}

    def slope(values):
        return mover.value_and_grad({"controller.values": values[:, None]})[1]["controller.values"][:, 0]

    offset = slope(zero["controller.values"][:, 0])
    values, residual = np.zeros(STEPS), -offset
    direction = residual
    for _ in range(3):
        curved = slope(direction) - offset
        along = residual @ residual / (direction @ curved)
        values, after = values + along * direction, residual - along * curved
        direction, residual = after + (after @ after) / (residual @ residual) * direction, after
    # In closed form: least norm to reach 2 m (final speed free), short of it by a share 1 / (1 + w |b|^2 / dt).
    dt = 1.0 / STEPS
    b = dt**2 * np.arange(STEPS, 0, -1)
    w = 1.0e4
    # The ratio of the two curvatures, 1 + w |b|^2 / dt = 3e3, squared, times a rounding of 1e-16, is 1e-9.
    np.testing.assert_allclose(values, b * w / (dt + w * b @ b), rtol=0, atol=1e-8)
