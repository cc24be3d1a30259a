"""The period of a pendulum that swings wide, and its gradients: of second order."""

import numpy as np
import pytest

import diffsim as ds

from .references import CASES, orders
from .small_models import WAYS, MathematicalPendulum, registered

CASE = CASES["pendulum_period"]
# Rows before the first passage through zero. Where in its step a passage falls is in the error, so all three time steps
# have both passages in the middle of one. (The motion is symmetric about -dt / 2.)
ROWS = (50, 100, 200)


@pytest.fixture(scope="module", params=WAYS)
def periods(request):
    """The period [s] and its gradient, for three time steps."""
    quarter = CASE["value"] / 4
    length, g, angle = CASE["inputs"]["l"], CASE["inputs"]["g"], np.deg2rad(CASE["inputs"]["theta0_deg"])
    with registered():
        problem = ds.Problem(MathematicalPendulum(length, g, angle, dt=0.0), steps=3 * ROWS[-1] + 5, tune=("scene.*",))
        with ds.Simulation(problem, precision="f64", **WAYS[request.param]) as sim:
            yield [period(sim, quarter / (rows + 1)) for rows in ROWS]


def period(sim, dt):
    params = {**sim.params(), "scene.dt": np.array(dt)}
    rollout, pullback = sim.vjp(params)
    angle = rollout.angle[:, 0]
    cotangent, found = np.zeros(rollout.angle.shape), 0.0
    for sign, row in zip((-2.0, 2.0), np.flatnonzero(angle[:-1] * angle[1:] < 0)[:2], strict=True):
        # Through zero at dt (row + a / (a - b)): a straight line between rows, and no force acts at zero.
        a, b = angle[row], angle[row + 1]
        found += sign * dt * (row + a / (a - b))
        cotangent[row] = sign * dt * -b / (a - b) ** 2
        cotangent[row + 1] = sign * dt * a / (a - b) ** 2
    grad = pullback({"angle": cotangent})
    return {
        "value": found,
        "l": float(grad["scene.length"]),
        "g": float(grad["scene.gravity"]),
        "theta0_rad": float(grad["scene.angle"]),
    }


@pytest.mark.parametrize("name", ["value", "l", "g", "theta0_rad"])
def test_the_period_converges_with_second_order(periods, name):
    truth = CASE["value"] if name == "value" else CASE["grad"][name]
    errors = [found[name] - truth for found in periods]
    # The next term of the error is a share of about 1 / rows of it, 0.03 of an order at the coarsest.
    np.testing.assert_allclose(orders(errors), 2.0, atol=0.05)
    assert abs(errors[-1] / truth) < 3e-5  # (omega dt)^2 / 24 is 3e-6
