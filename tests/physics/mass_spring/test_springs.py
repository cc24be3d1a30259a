"""Springs against closed forms: the oscillator, the hanging chain, modes of a chain, the pendulum.

A spring of rest length 0 pulls with a force that is linear in the positions, so that its discrete motion is known too.
"""

import numpy as np
import pytest

import diffsim as ds

from ..references import CASES, orders, pulled, swing

# Sums of a thousand steps in float64, each rounded to 1e-16 of numbers up to 10, with nothing that amplifies.
ROUNDING = 1e-10

STEPS = 1000


# The oscillator


def oscillator(steps, m, k, T, **_):
    scene = ds.MassSpring(
        points=[[0.0, 0.0], [1.0, 0.0]],
        springs=[[0, 1]],
        rest_length=0.0,
        stiffness=k,
        mass=m,
        gravity=(0.0, 0.0),
        fixed=[0],
        dt=T / steps,
    )
    return ds.Problem(scene, steps=steps, tune=("scene.stiffness", "scene.mass", "scene.initial_*"))


@pytest.fixture(scope="module")
def swinging():
    """What oscillators of three time steps give: the finest simulation is kept open."""
    case, found = CASES["oscillator"], {}
    for steps in (STEPS // 4, STEPS // 2):
        with ds.Simulation(oscillator(steps, **case["inputs"]), precision="f64") as sim:
            rollout, grad = pulled(sim, sim.params(), "position", (-1, 1, 0))
            found[steps] = rollout.position[-1, 1, 0], grad
    with ds.Simulation(oscillator(STEPS, **case["inputs"]), precision="f64") as sim:
        rollout, grad = pulled(sim, sim.params(), "position", (-1, 1, 0))
        found[STEPS] = rollout.position[-1, 1, 0], grad
        yield sim, found


def test_the_oscillator_meets_its_discrete_solution(swinging):
    sim, found = swinging
    exact = CASES["oscillator"]["discrete_exact"]
    value, _ = found[STEPS]
    assert value == pytest.approx(exact["x_1000"], abs=ROUNDING)
    assert sim.problem.scene.dt == exact["dt"]
    # Off the axis it moves (position) and along time (every row), not only at the end.
    x = sim.rollout(sim.params()).position[:, 1, 0]
    np.testing.assert_allclose(x, swing(10.0, exact["dt"], np.arange(STEPS + 1))[0], rtol=0, atol=ROUNDING)


def test_the_oscillator_has_the_gradient_of_its_discrete_solution(swinging):
    _, found = swinging
    k, m = (CASES["oscillator"]["inputs"][name] for name in "km")
    omega = np.sqrt(k / m)
    for steps, (_, grad) in found.items():
        _, slope = swing(omega, 1.0 / steps, steps)
        assert grad["scene.stiffness"] == pytest.approx(slope * omega / (2 * k), rel=ROUNDING)
        # The fixed point has the same mass; it plays no part.
        assert grad["scene.mass"] == pytest.approx(-slope * omega / (2 * m), rel=ROUNDING)
        # x(T) is linear in x0, and x0 is 1: the derivative is the value.
        assert grad["scene.initial_position"][1, 0] == pytest.approx(found[steps][0], rel=ROUNDING)


def test_the_oscillator_keeps_its_discrete_energy(swinging):
    sim, _ = swinging
    rollout = sim.rollout(sim.params())
    x, v, dt = rollout.position[:, 1, 0], rollout.velocity[:, 1, 0], sim.problem.scene.dt
    np.testing.assert_allclose(v**2 / 2 + 100 * x**2 / 2 - dt * 100 * x * v / 2, 50.0, rtol=ROUNDING)


@pytest.mark.parametrize("name", ["value", "stiffness", "mass"])
def test_the_oscillator_converges_with_first_order(swinging, name):
    _, found = swinging
    case = CASES["oscillator"]
    if name == "value":
        errors = [value - case["value"] for value, _ in found.values()]
    else:
        truth = case["grad"][{"stiffness": "k", "mass": "m"}[name]]
        errors = [grad[f"scene.{name}"] - truth for _, grad in found.values()]
    # The second term of the error is a share omega^2 T dt / 12 of the first, 0.03 at the coarsest: 0.025 of an order.
    np.testing.assert_allclose(orders(errors), 1.0, atol=0.05)


def test_the_energy_of_the_oscillator_stays_within_a_band(swinging):
    sim, _ = swinging
    k = 1.0e4
    params = {**sim.params(), "scene.stiffness": np.array(k)}  # 16 periods of 63 steps
    rollout = sim.rollout(params)
    x, v, dt = rollout.position[:, 1, 0], rollout.velocity[:, 1, 0], sim.problem.scene.dt
    energy = v**2 / 2 + k * x**2 / 2
    # E - dt omega^2 x v / 2 is conserved, and |omega x v| is at most E.
    band = np.sqrt(k) * dt / 2
    assert energy.max() <= energy[0] / (1 - band) + ROUNDING * k
    assert energy.min() >= energy[0] / (1 + band) - ROUNDING * k
    periods = energy[1:].reshape(8, -1).mean(axis=1)  # two periods each: no drift from the first to the last
    np.testing.assert_allclose(periods, periods[0], rtol=band / 2)


# The hanging chain


@pytest.fixture(scope="module")
def hanging():
    """A chain let go from its rest length, with the damping that is critical for its slowest mode."""
    N, k, m, L0, g = (CASES["hanging_chain"]["inputs"][name] for name in ("N", "k", "m", "L0", "g"))
    slowest = 2 * np.sqrt(k / m) * np.sin(np.pi / (4 * N + 2))  # one end fixed [rad/s]
    scene = ds.MassSpring(
        points=np.stack([np.zeros(N + 1), -L0 * np.arange(N + 1)], axis=1),
        springs=np.stack([np.arange(N), np.arange(1, N + 1)], axis=1),
        stiffness=k,
        mass=m,
        damping=2 * slowest,
        gravity=(0.0, -g),
        fixed=[0],
        dt=0.001,
    )
    problem = ds.Problem(scene, steps=STEPS, tune=("scene.stiffness", "scene.mass", "scene.rest_length"))
    with ds.Simulation(problem, precision="f64") as sim:
        yield pulled(sim, sim.params(), "position", (-1, N, 1))


# Motion has decayed to exp(-47) = 1e-20. The square of a length has 1e-12 m^2 added (`SHORTEST`): 1e-10 of a spring's
# 0.01 m^2, so that each of the ten is 5e-12 m shorter, and slopes are off by a share of 1e-10.
SHORTENED = 1e-10


def test_the_hanging_chain_has_its_length(hanging):
    rollout, _ = hanging
    N, k, m, L0, g = (CASES["hanging_chain"]["inputs"][name] for name in ("N", "k", "m", "L0", "g"))
    assert -rollout.position[-1, N, 1] == pytest.approx(CASES["hanging_chain"]["value"], abs=SHORTENED)
    below = np.arange(N, 0, -1)  # points that hang on each spring
    np.testing.assert_allclose(-np.diff(rollout.position[-1, :, 1]), L0 + below * m * g / k, rtol=0, atol=SHORTENED)
    np.testing.assert_allclose(rollout.velocity[-1], 0.0, atol=SHORTENED)


def test_the_hanging_chain_has_its_gradient(hanging):
    _, grad = hanging
    truth = CASES["hanging_chain"]["grad"]
    assert -grad["scene.stiffness"] == pytest.approx(truth["k"], rel=2 * SHORTENED)
    assert -grad["scene.mass"] == pytest.approx(truth["m"], rel=2 * SHORTENED)
    np.testing.assert_allclose(-grad["scene.rest_length"], 1.0, rtol=2 * SHORTENED)


# The modes of a chain


@pytest.fixture(scope="module")
def vibrating():
    """A chain between two walls that starts in its first mode along x, its second along y, its third along z."""
    N, k, m = (CASES["chain_modes"]["inputs"][name] for name in ("N", "k", "m"))
    place = np.arange(N + 2)
    shapes = np.sin(np.pi * np.outer(place, [1, 2, 3]) / (N + 1))
    points = np.outer(place, [1.0, 0.0, 0.0]) + 0.1 * shapes
    scene = ds.MassSpring(
        points=points,
        springs=np.stack([place[:-1], place[1:]], axis=1),
        stiffness=k,
        rest_length=0.0,
        mass=m,
        gravity=(0.0, 0.0, 0.0),
        fixed=[0, N + 1],
        dt=0.01,
    )
    problem = ds.Problem(scene, steps=300, tune=("scene.stiffness", "scene.mass"))
    with ds.Simulation(problem, precision="f64") as sim:
        yield sim, shapes


def amplitudes(position, shapes):
    """How much of its mode each axis holds, (rows, 3)."""
    offset = position - np.outer(np.arange(len(shapes)), [1.0, 0.0, 0.0])
    return np.einsum("rpc,pc->rc", offset, shapes) / (shapes**2).sum(axis=0)


def test_a_chain_vibrates_with_its_frequencies(vibrating):
    sim, shapes = vibrating
    position, dt = sim.rollout(sim.params()).position, sim.problem.scene.dt
    q = amplitudes(position, shapes)
    # q[n + 1] + q[n - 1] = 2 cos(angle) q[n]; all rows together, by least squares.
    cosine = ((q[2:] + q[:-2]) * q[1:-1]).sum(axis=0) / (2 * q[1:-1] ** 2).sum(axis=0)
    omega = 2 / dt * np.sin(np.arccos(cosine) / 2)
    np.testing.assert_allclose(omega, CASES["chain_modes"]["value"], rtol=ROUNDING)
    # Nothing leaks into other modes, and every row is where the discrete solution says.
    exact = 0.1 * swing(omega, dt, np.arange(len(q))[:, None])[0]
    rest = np.outer(np.arange(len(shapes)), [1.0, 0.0, 0.0])
    np.testing.assert_allclose(position, rest + exact[:, None] * shapes, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_the_modes_of_a_chain_have_their_gradients(vibrating, mode):
    sim, shapes = vibrating
    k, m = (CASES["chain_modes"]["inputs"][name] for name in "km")
    rollout, pullback = sim.vjp(sim.params())
    cotangent = np.zeros(rollout.position.shape)
    cotangent[-1, :, mode] = shapes[:, mode] / (shapes[:, mode] ** 2).sum()
    grad = pullback({"position": cotangent})
    omega = CASES["chain_modes"]["value"][mode]
    slope = 0.1 * swing(omega, sim.problem.scene.dt, sim.problem.steps)[1]
    assert grad["scene.stiffness"] == pytest.approx(slope * omega / (2 * k), rel=ROUNDING)
    assert grad["scene.mass"] == pytest.approx(-slope * omega / (2 * m), rel=ROUNDING)


# The pendulum, as a stiff spring


@pytest.fixture(scope="module")
def pendulum():
    """Half a period [s] and its derivatives by l, g and the angle, of a pendulum that is a spring of 1e5 N/m."""
    case = CASES["pendulum_period"]["inputs"]
    length, g, angle, k = case["l"], case["g"], np.deg2rad(case["theta0_deg"]), 1.0e5
    along = np.array([np.sin(angle), -np.cos(angle)])
    start = length + g * np.cos(angle) / k  # stretched as the weight asks: it does not start to ring
    scene = ds.MassSpring(
        points=[[0.0, 0.0], start * along],
        springs=[[0, 1]],
        rest_length=length,
        stiffness=k,
        gravity=(0.0, -g),
        fixed=[0],
        dt=0.001,
    )
    problem = ds.Problem(scene, steps=1700, tune=("scene.rest_length", "scene.gravity", "scene.initial_position"))
    with ds.Simulation(problem, precision="f64") as sim:
        rollout, pullback = sim.vjp(sim.params())
        x = rollout.position[:, 1, 0]
        cotangent, crossings = np.zeros(rollout.position.shape), []
        for sign, row in zip((-1, 1), np.flatnonzero(x[:-1] * x[1:] < 0), strict=True):
            # x is zero at t = dt (row + x0 / (x0 - x1)), by a straight line between rows.
            x0, x1 = x[row], x[row + 1]
            crossings.append(scene.dt * (row + x0 / (x0 - x1)))
            cotangent[row, 1, 0] = sign * scene.dt * -x1 / (x0 - x1) ** 2
            cotangent[row + 1, 1, 0] = sign * scene.dt * x0 / (x0 - x1) ** 2
        grad = pullback({"position": cotangent})
    pulled_start = grad["scene.initial_position"][1]
    across = np.array([np.cos(angle), np.sin(angle)])
    # A longer pendulum starts farther out; a heavier g starts it a little more stretched.
    return {
        "value": crossings[1] - crossings[0],
        "l": grad["scene.rest_length"] + pulled_start @ along,
        "g": -grad["scene.gravity"][1] + pulled_start @ along * np.cos(angle) / k,
        "theta0_rad": start * pulled_start @ across + pulled_start @ along * -g * np.sin(angle) / k,
    }


@pytest.mark.parametrize("name", ["value", "l", "g", "theta0_rad"])
def test_the_pendulum_has_its_period_and_gradient(pendulum, name):
    case = CASES["pendulum_period"]
    truth = case["value"] if name == "value" else case["grad"][name]
    # The spring is longer than l by up to 2 g / k = 2e-4 of it, and rings with some 1e-4 of its length; a straight
    # line between rows errs by less. The angle's part is the smallest and takes a tenfold share of that.
    assert 2 * pendulum[name] == pytest.approx(truth, rel=2e-3 if name == "theta0_rad" else 2e-4)
