"""Plans: the linear-quadratic regulator in closed form, limits, feedback, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import diffsim as ds
from diffsim.least_squares import box_step


def cart(limit=None, damping=0.3, mass=2.0):
    """A mass on a rail: x'' = (u - damping x') / mass."""
    rail = ds.Joint("rail", "slide", axis=(1, 0, 0), damping=damping)
    link = ds.Link("cart", joints=[rail], mass=mass, inertia=(0.1, 0.1, 0.1))
    motor = ds.Actuator("push", "rail", control_range=limit)
    return ds.Articulated([link], [motor], initial_position=(1.0,), contacts=False, dt=0.02)


COST = ds.QuadraticCost(
    running={"rail": 3.0, "rail.velocity": 0.4}, final={"rail": 5.0, "rail.velocity": 1.0}, effort=0.2
)


def regulator(scene, calls, repeat=1):
    """Riccati's recursion for the cart (Anderson & Moore, "Optimal Control", 1990, section 2.4): gains and cost."""
    with ds.Stepper(scene, precision="f64", repeat=repeat) as stepper:
        a, b = (each[0] for each in stepper.jacobians(stepper.start(), np.zeros((1, 1))))
        start = stepper.start()[0]
    dt = scene.dt * repeat
    q, r, value = dt * np.diag([3.0, 0.4]), dt * np.array([[0.2]]), np.diag([5.0, 1.0])
    gains = []
    for _ in range(calls):
        gain = -np.linalg.solve(r + b.T @ value @ b, b.T @ value @ a)
        value = q + a.T @ value @ (a + b @ gain)
        gains.append(gain)
    return np.array(gains[::-1]), 0.5 * start @ value @ start


@pytest.mark.parametrize("repeat", [1, 4])
def test_a_linear_system_is_solved_as_riccati_says(repeat):
    scene = cart()
    found = ds.plan(scene, COST, 40, repeat=repeat)
    gains, cost = regulator(scene, 40, repeat)
    assert found.cost == pytest.approx(cost, rel=1e-9)
    np.testing.assert_allclose(found.gains, gains, rtol=1e-7)
    assert len(found.history) <= 4  # the first step is the whole way
    np.testing.assert_allclose(found.actions, np.einsum("tkn,tn->tk", gains, found.states[:-1]), atol=1e-7)


def test_the_trajectory_is_that_of_a_simulation_with_its_controller():
    found = ds.plan(cart(), COST, 20, repeat=3)
    problem = ds.Problem(cart(), found.controller, steps=60, tune=())
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        rollout = simulation.rollout({})
    np.testing.assert_allclose(rollout.joint_position[::3, 0], found.states[:, 0], atol=1e-12)


def test_limits_hold_and_the_cost_cannot_be_lowered_within_them():
    scene = cart(limit=(-1.0, 1.0))
    found = ds.plan(scene, COST, 60, limits=(-0.4, 0.9), tolerance=1e-10)
    assert (found.actions >= -0.4).all()
    assert (found.actions <= 0.9).all()
    held = np.flatnonzero(found.actions[:, 0] <= -0.4)
    assert 3 < len(held) < 60
    assert np.all(found.gains[held] == 0.0)

    def cost(actions):
        state, total = np.array(found.states[:1]), 0.0
        with ds.Stepper(scene, precision="f64") as stepper:
            for action in actions:
                total += 0.02 * 0.5 * (3.0 * state[0, 0] ** 2 + 0.4 * state[0, 1] ** 2 + 0.2 * action[0] ** 2)
                state, _ = stepper.step(state, action[None])
        return total + 0.5 * (5.0 * state[0, 0] ** 2 + state[0, 1] ** 2)

    assert cost(found.actions) == pytest.approx(found.cost, rel=1e-12)
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = np.clip(found.actions + 0.01 * rng.normal(size=found.actions.shape), -0.4, 0.9)
        assert cost(other) >= found.cost


def pendulum():
    """A pole that hangs, and a motor that cannot lift it at once."""
    hinge = ds.Joint("hinge", axis=(0, 1, 0), damping=0.05)
    pole = ds.Link("pole", joints=[hinge], mass=1.0, centre=(0, 0, 0.5), inertia=(0.02, 0.02, 0.001))
    return ds.Articulated(
        [pole], [ds.Actuator.motor("hinge", gear=3.0)], initial_position=(np.pi,), contacts=False, dt=0.02
    )


def swing_up(seed):
    cost = ds.QuadraticCost(
        running={"hinge": 1.0, "hinge.velocity": 0.02},
        final={"hinge": 20.0, "hinge.velocity": 4.0},
        effort=0.1,
        periodic="hinge",
    )
    return ds.plan(pendulum(), cost, 80, repeat=2, seed=seed)


@pytest.mark.parametrize("seed", range(2))
def test_a_weak_motor_swings_a_pole_up_and_feedback_keeps_it_on_the_way(seed):
    found = swing_up(seed)
    turned = found.states[:, 0] / (2.0 * np.pi)
    assert abs(turned[-1] - round(turned[-1])) < 0.01  # upright, after whatever turns
    assert np.abs(found.states[-1, 1]) < 0.2
    assert 0.9 < np.abs(found.actions).max() <= 1.0  # about all that the motor has
    later = [later <= earlier for earlier, later in itertools.pairwise(found.history)]
    assert all(later)
    # From other starts: with feedback it arrives, the same actions alone do not.
    starts = found.states[0] + np.array([[0.02, 0.0], [-0.02, 0.02], [0.0, -0.04]])
    followed, acted = found.follow(starts)
    assert (np.abs(acted) <= 1.0).all()
    gains = found.gains.copy()
    found.gains[:] = 0.0
    alone, _ = found.follow(starts)
    found.gains[:] = gains
    off = [np.abs(states[:, -1, 0] - found.states[-1, 0]).max() for states in (followed, alone)]
    assert off[0] < 0.05
    assert off[1] > 4.0 * off[0]


def test_horizons_that_grow_bring_up_early_and_hold():
    cost = ds.QuadraticCost(
        running={"hinge": 1.0, "hinge.velocity": 0.02},
        final={"hinge": 20.0, "hinge.velocity": 4.0},
        effort=0.1,
        periodic="hinge",
    )
    at_once = ds.plan(pendulum(), cost, 100, repeat=2)
    grown = ds.plan(pendulum(), cost, 100, repeat=2, horizons=range(40, 100, 10))
    assert grown.cost <= at_once.cost * (1.0 + 1e-6)
    assert len(grown.actions) == 100
    assert (np.cos(grown.states[60:, 0]) > 0.99).all()  # it stands for the last 1.6 s


@pytest.mark.parametrize("seed", range(5))
def test_a_step_in_a_box_is_the_best_of_the_box(seed):
    rng = np.random.default_rng(seed)
    root, slope = rng.normal(size=(3, 3)), 3.0 * rng.normal(size=3)
    curvature = root @ root.T + 0.1 * np.eye(3)
    low, high = -rng.uniform(0.1, 1.0, 3), rng.uniform(0.1, 1.0, 3)
    x, free = box_step(curvature, slope, low, high, np.zeros(3))
    gradient = slope + curvature @ x
    assert np.abs(gradient[free]).max(initial=0.0) < 1e-8
    for k in np.flatnonzero(~free):
        assert (x[k] == low[k] and gradient[k] > 0.0) or (x[k] == high[k] and gradient[k] < 0.0)
    grid = np.stack(np.meshgrid(*[np.linspace(a, b, 21) for a, b in zip(low, high, strict=True)]), -1).reshape(-1, 3)
    values = grid @ slope + 0.5 * np.einsum("gi,ij,gj->g", grid, curvature, grid)
    assert slope @ x + 0.5 * x @ curvature @ x <= values.min() + 1e-12


def test_a_saddle_has_no_step():
    assert box_step(np.diag([1.0, -1.0]), np.ones(2), -np.ones(2), np.ones(2), np.zeros(2)) is None


BAD = {
    "no cost": (lambda: ds.plan(cart(), 3, 10), "a QuadraticCost is needed"),
    "a state that is none": (
        lambda: ds.plan(cart(), ds.QuadraticCost(running={"wheel": 1.0}), 10),
        "QuadraticCost.running: 'wheel' is not recorded of this scene.*joints rail",
    ),
    "nothing wanted": (ds.QuadraticCost, "nothing is wanted"),
    "a negative weight": (lambda: ds.QuadraticCost(running={"rail": -1.0}), r"running\['rail'\] is -1"),
    "no effort": (lambda: ds.QuadraticCost(running={"rail": 1.0}, effort=0.0), "effort is 0"),
    "actions of another shape": (lambda: ds.plan(cart(), COST, 10, actions=np.zeros((9, 1))), r"shape \(9, 1\)"),
    "limits that cross": (lambda: ds.plan(cart(), COST, 10, limits=(1.0, -1.0)), "lowest must be below"),
    "horizons that fall": (lambda: ds.plan(cart(), COST, 10, horizons=(6, 4)), r"horizons\) is \[6, 4\]"),
    "horizons beyond the end": (lambda: ds.plan(cart(), COST, 10, horizons=(6, 12)), "stay below 10"),
    "no calls": (lambda: ds.plan(cart(), COST, 0), r"plan\(calls\) is 0"),
    "a start that is none": (lambda: ds.plan(cart(), COST, 10, start={"angle": 1.0}), "a state has no 'angle'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    make, message = BAD[case]
    with pytest.raises(ds.InputError, match=message):
        make()


def test_springs_are_driven_too():
    body = ds.grid((2, 1), spacing=0.1, origin=(0.0, 0.5))
    scene = ds.MassSpring(
        body.points, body.springs, stiffness=200.0, actuation=0.2, mass=0.1, gravity=(0.0, 0.0), damping=1.0, dt=0.01
    )
    cost = ds.QuadraticCost(final={"position[2, 0]": 100.0}, goal={"position[2, 0]": 0.23}, effort=1e-3)
    found = ds.plan(scene, cost, 30)
    assert found.cost < 0.2 * found.history[0]
    assert np.abs(found.actions).max() <= 1.0
