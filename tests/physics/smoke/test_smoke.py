"""Smoke: a step beside the same step in NumPy, and the laws of what it solves."""

import itertools

import numpy as np
import pytest

import diffsim as ds

from ..references import orders

ROUNDING = 1e-12
"""Of a step: some hundred operations of 1e-16 each on numbers of order one."""

RNG = np.random.default_rng(4)


def smoke(keep, scene, steps=1, picture=None, **settings):
    """A simulation in float64, and its rollout."""
    shape = scene.initial_density.shape
    goal = ds.MatchPicture(np.zeros(shape) if picture is None else picture)
    simulation = keep(ds.Problem(scene, None, goal, steps=steps, tune=("scene.*",)), precision="f64", **settings)
    return simulation, simulation.rollout(simulation.params())


# A step, in NumPy


def keys(x):
    """Keys' kernel of cubic convolution with a = -1/2, as in his equation 15."""
    x = np.abs(x)
    return np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, np.where(x < 2, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2, 0.0))


def looked_up(values, places, mode):
    """Values of a grid at places (d, ...), in cells, and the least and the most of the 4^d around each."""
    low = np.floor(places).astype(int)
    total, least, most = 0.0, np.inf, -np.inf
    for offset in itertools.product(range(-1, 3), repeat=values.ndim):
        weight, cells = 1.0, []
        for n, at, first, k in zip(values.shape, places, low, offset, strict=True):
            weight = weight * keys(at - first - k)
            cells.append((first + k) % n if mode == "wrap" else np.clip(first + k, 0, n - 1))
        each = values[tuple(cells)]
        total = total + weight * each
        least, most = np.minimum(least, each), np.maximum(most, each)
    return total, least, most


def central(values, axis, mode, *, mirrored=False):
    """From the neighbour behind to that ahead; behind a wall that mirrors, a speed is the opposite."""
    beyond = np.moveaxis(np.pad(values, [(int(k == axis),) * 2 for k in range(values.ndim)], mode=mode), axis, 0)
    if mirrored and mode == "edge":
        beyond[[0, -1]] *= -1.0
    return np.moveaxis(beyond[2:] - beyond[:-2], 0, axis)


def gradient(values, mode):
    """(d, ...) differences over two cells, along each axis."""
    return np.stack([central(values, k, mode) for k in range(values.ndim)])


def confining(scene, velocity, mode):
    """(d, ...) acceleration by confinement: strength * spacing * N x vorticity."""
    d, h = len(velocity), scene.spacing
    across = np.array([gradient(each, mode) for each in velocity]) / (2.0 * h)  # [component, axis]
    whole = np.zeros((3, 3, *velocity.shape[1:]))
    whole[:d, :d] = across
    vorticity = np.stack([whole[2, 1] - whole[1, 2], whole[0, 2] - whole[2, 0], whole[1, 0] - whole[0, 1]])
    toward = np.zeros_like(vorticity)
    toward[:d] = gradient(np.linalg.norm(vorticity, axis=0), mode) / (2.0 * h)
    length = np.linalg.norm(toward, axis=0)
    toward = toward / np.where(length > 0.0, length, 1.0)
    return scene.confinement * h * np.cross(toward, vorticity, axis=0)[:d]


def step(scene, density, velocity):
    """Density and velocity after a step."""
    h, dt, d, mode = scene.spacing, scene.dt, density.ndim, "wrap" if scene.edges == "periodic" else "edge"
    velocity = np.moveaxis(velocity, -1, 0)
    places = np.indices(density.shape) - dt / h * velocity
    found, least, most = looked_up(density, places, mode)
    density = np.clip(found, least, most) + dt * scene.source
    push = np.moveaxis(np.broadcast_to(scene.force, (*density.shape, d)), -1, 0) + confining(scene, velocity, mode)
    carried = np.stack([looked_up(each, places, mode)[0] for each in velocity]) + dt * push
    carried[-1] += dt * scene.buoyancy * density

    divergence = 0.5 * sum(central(each, k, mode, mirrored=True) for k, each in enumerate(carried))
    pressure = np.zeros_like(divergence)
    for _ in range(scene.iterations):
        beyond = np.pad(pressure, 1, mode=mode)
        inner = [slice(1, -1)] * d
        ends = [(*inner[:k], side, *inner[k + 1 :]) for k in range(d) for side in (slice(2, None), slice(None, -2))]
        pressure = (sum(beyond[end] for end in ends) - divergence) / (2.0 * d)
    return density, np.moveaxis(carried - 0.5 * gradient(pressure, mode), 0, -1)


@pytest.mark.parametrize("iterations", [1, 5])
@pytest.mark.parametrize("edges", ["periodic", "walls"])
@pytest.mark.parametrize("grid", [(7, 5), (5, 4, 6)])
def test_a_step_is_that_of_numpy(keep, grid, edges, iterations):
    rng, d = np.random.default_rng(0), len(grid)
    scene = ds.Smoke(
        rng.uniform(0.0, 1.0, grid),
        rng.normal(0.0, 1.5, (*grid, d)),
        source=rng.uniform(0.0, 0.1, grid),
        force=rng.normal(size=(*grid, d)),
        buoyancy=0.7,
        confinement=0.6,
        spacing=0.2,
        edges=edges,
        iterations=iterations,
        dt=0.1,
    )
    _, rollout = smoke(keep, scene, steps=3)
    density, velocity = scene.initial_density, scene.initial_velocity
    assert 0.5 < np.abs(velocity).max() * scene.dt / scene.spacing < 4.0  # over several cells
    for row in range(3):
        assert np.array_equal(rollout.velocity[0], scene.initial_velocity)
        density, velocity = step(scene, density, velocity)
        # What turns slowly is at rest for the scene, by QUIET under its roots: 1e-12 of the numbers' squares.
        assert rollout.density[row + 1] == pytest.approx(density, abs=1e-10)
        assert rollout.velocity[row + 1] == pytest.approx(velocity, abs=1e-10)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_flow_in_a_plane_is_that_in_space_which_is_the_same_along_an_axis(keep, missing):
    """Smoke that rises, with eddies made stronger; iterations of the pressure enough for both to have solved it."""
    rng = np.random.default_rng(missing)
    numbers = {"confinement": 0.6, "spacing": 0.2, "iterations": 900, "dt": 0.1}
    if missing < 2:  # the plane stands upright
        numbers["buoyancy"] = 0.7
    density, velocity = rng.uniform(size=(7, 6)), rng.normal(size=(7, 6, 2))
    force = rng.normal(size=(7, 6, 2))
    _, flat = smoke(keep, ds.Smoke(density, velocity, force=force, edges="walls", **numbers), steps=2)

    def spread(values):
        return np.repeat(np.expand_dims(values, missing), 4, axis=missing)

    def pushed(vectors):
        return np.insert(spread(vectors), missing, 0.0, axis=-1)

    whole = ds.Smoke(spread(density), pushed(velocity), force=pushed(force), edges="walls", **numbers)
    _, rollout = smoke(keep, whole, steps=2)
    for row in range(3):
        assert rollout.density[row] == pytest.approx(spread(flat.density[row]), abs=1e-9)
        assert rollout.velocity[row] == pytest.approx(pushed(flat.velocity[row]), abs=1e-9)


# Advection


def test_a_uniform_flow_carries_smoke_as_it_is(keep):
    """By two cells along x and one against y in each step; so the gradient is known, too."""
    start, picture = RNG.uniform(0.0, 1.0, (2, 8, 6))
    scene = ds.Smoke(start, (0.5, -0.25), spacing=0.25, dt=1.0)
    simulation, rollout = smoke(keep, scene, steps=5, picture=picture)
    for row in range(6):
        np.testing.assert_array_equal(rollout.density[row], np.roll(start, (2 * row, -row), (0, 1)))
    _, grad = simulation.value_and_grad(simulation.params())
    apart = 2.0 / picture.size * (np.roll(start, (10, -5), (0, 1)) - picture)
    assert grad["scene.initial_density"] == pytest.approx(np.roll(apart, (-10, 5), (0, 1)), abs=ROUNDING)


def test_a_uniform_flow_carries_smoke_through_space_as_it_is(keep):
    """By two cells along x, one against y and one up in each step."""
    start = RNG.uniform(0.0, 1.0, (6, 5, 4))
    _, rollout = smoke(keep, ds.Smoke(start, (0.5, -0.25, 0.25), spacing=0.25, dt=1.0), steps=3)
    for row in range(4):
        np.testing.assert_array_equal(rollout.density[row], np.roll(start, (2 * row, -row, row), (0, 1, 2)))


def test_smoke_never_gets_thicker_or_thinner_than_around_it(keep):
    """A rough flow, which no pressure can keep incompressible; without the limit, cubics would overshoot."""
    rng = np.random.default_rng(1)
    start = (rng.uniform(size=(16, 16)) > 0.5).astype(float)
    for edges in ("periodic", "walls"):
        _, rollout = smoke(keep, ds.Smoke(start, rng.normal(0.0, 1.0, (16, 16, 2)), edges=edges), steps=40)
        assert rollout.density.min() >= 0.0
        assert rollout.density.max() <= 1.0
        assert 0.01 < rollout.density[-1].std() < 0.45  # it was mixed, and not all of it


def whirl(n, background=(0.0, 0.0), amplitude=1.0):
    """(n, n, 2) a Taylor-Green vortex on a square of side 1, carried by a uniform flow."""
    x, y = np.meshgrid(*[2.0 * np.pi * (np.arange(n) + 0.5) / n] * 2, indexing="ij")
    turning = amplitude * np.stack([np.sin(x) * np.cos(y), -np.cos(x) * np.sin(y)], axis=2)
    return turning + background


def damped(share, n):
    """What interpolation leaves of a wave of n cells, a share of a cell beside their middles."""
    k = np.arange(-1, 3)
    return abs(np.sum(keys(share - k) * np.exp(2j * np.pi * k / n)))


def test_a_vortex_decays_by_the_schemes_own_viscosity(keep):
    """So small that it does not move itself, in a flow of half and a third of a cell a step."""
    left = []
    for n in (8, 16, 32):
        steps, amplitude = 2 * n, 1e-6
        scene = ds.Smoke(
            np.zeros((n, n)), whirl(n, (0.5 / n, 1.0 / 3.0 / n), amplitude), spacing=1.0 / n, dt=1.0, iterations=8
        )
        _, rollout = smoke(keep, scene, steps=steps)
        own = rollout.velocity - np.array([0.5 / n, 1.0 / 3.0 / n])
        size = np.sqrt(np.square(own).mean(axis=(1, 2, 3)))
        expected = (damped(0.5, n) * damped(1.0 / 3.0, n)) ** np.arange(steps + 1)
        # It moves itself by its amplitude over the cell, 3e-5 of one in a step at most, of which the square counts.
        assert size / size[0] == pytest.approx(expected, rel=1e-3)
        left.append(-np.log(size[-1] / size[0]))
    # The same way each time: cubic convolution is of the third order.
    assert orders(left)[-1] == pytest.approx(3.0, abs=0.1)
    assert left[0] > 0.1


def test_a_steady_vortex_keeps_its_energy_and_the_smoke_to_first_order(keep):
    """A steady flow of Euler's equations, with a pressure that is solved; the way back in time is of first order."""
    lost, missing = [], []
    for n in (8, 16, 32):
        x, y = np.meshgrid(*[(np.arange(n) + 0.5) / n] * 2, indexing="ij")
        blob = np.exp(-((x - 0.4) ** 2 + (y - 0.3) ** 2) / 0.02)
        _, rollout = smoke(keep, ds.Smoke(blob, whirl(n), spacing=1.0 / n, dt=0.5 / n, iterations=300), steps=n // 4)
        energy = np.square(rollout.velocity).sum(axis=(1, 2, 3))
        lost.append(1.0 - energy[-1] / energy[0])
        missing.append(1.0 - rollout.density[-1].mean() / blob.mean())
    # 9 and 4 % of the energy on 16 and 32 cells, 2 and 1 % of the smoke.
    assert 0.9 < orders(lost)[-1] < 1.3
    assert 0.9 < orders(missing)[-1] < 1.3


# Pressure


@pytest.mark.parametrize("grid", [(16, 16), (16, 4, 4)])
@pytest.mark.parametrize("iterations", [1, 6, 25])
def test_the_divergence_of_a_wave_falls_by_jacobis_rate(keep, iterations, grid):
    """Of one wave along x, whose error each iteration multiplies by (d - 1 + cos) / d; of the rest the wide differences
    leave."""
    n, d, amplitude = grid[0], len(grid), 1e-9  # it does not move itself
    angle = 2.0 * np.pi / n
    wave = np.zeros((*grid, d))
    wave.T[0] = amplitude * np.sin(angle * np.arange(n))
    _, rollout = smoke(keep, ds.Smoke(np.zeros(grid), wave, iterations=iterations), record="all")
    solved = 1.0 - ((d - 1.0 + np.cos(angle)) / d) ** iterations
    left = 1.0 - solved * np.sin(angle) ** 2 / (2.0 - 2.0 * np.cos(angle))
    assert rollout.velocity[1] == pytest.approx(left * wave, abs=1e-7 * amplitude)
    pressure = rollout.arrays["pressure"][0].reshape(iterations, *grid)[-1]
    laplacian = sum(np.roll(pressure, s, a) for s in (1, -1) for a in range(d)) - 2.0 * d * pressure
    residual = rollout.arrays["divergence"][0] - laplacian
    size = [np.linalg.norm(each) for each in (residual, rollout.arrays["divergence"][0])]
    assert size[0] / size[1] == pytest.approx(1.0 - solved, rel=1e-6)


@pytest.mark.parametrize("grid", [(6, 9), (4, 6, 5)])
def test_nothing_flows_through_walls(keep, grid):
    """What leaves one cell enters another, so that all of the divergence adds up to nothing."""
    rng = np.random.default_rng(2)
    velocity, force = rng.normal(size=(2, *grid, len(grid)))
    scene = ds.Smoke(np.zeros(grid), velocity, edges="walls", force=force)
    _, rollout = smoke(keep, scene, steps=4, record="all")
    divergence = rollout.arrays["divergence"][:4]
    assert np.abs(divergence.reshape(4, -1).sum(axis=1)) == pytest.approx(0.0, abs=ROUNDING)
    assert np.abs(divergence).max() > 0.1


# What drives it


def test_uniform_drives_add_up(keep):
    """Smoke that comes in everywhere, pushed and lifted everywhere: sums, and their derivatives."""
    steps, dt, source, lift = 6, 0.1, 0.5, 0.8
    scene = ds.Smoke(np.zeros((4, 5)), source=source, force=(0.3, -0.2), buoyancy=lift, dt=dt)
    simulation, rollout = smoke(keep, scene, steps=steps)
    k = np.arange(steps + 1)
    assert rollout.density[:, 1, 2] == pytest.approx(dt * source * k, abs=ROUNDING)
    assert rollout.velocity[:, 3, 1, 0] == pytest.approx(0.3 * dt * k, abs=ROUNDING)
    risen = -0.2 * dt * k + lift * dt**2 * source * k * (k + 1) / 2.0
    assert rollout.velocity[:, 3, 1, 1] == pytest.approx(risen, abs=ROUNDING)
    _, grad = simulation.value_and_grad(simulation.params())
    assert grad["scene.source"] == pytest.approx(2.0 * source * (steps * dt) ** 2, rel=ROUNDING)


def test_confinement_makes_eddies_stronger(keep):
    still = ds.Smoke(np.zeros((16, 16)), whirl(16, amplitude=0.02), confinement=0.0)
    energies = []
    for strength in (0.0, 0.05):
        scene = still.with_numbers({"confinement": strength})
        _, rollout = smoke(keep, scene, steps=30)
        energies.append(np.square(rollout.velocity[-1]).sum())
    assert energies[1] > 1.02 * energies[0]


# What is refused


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (
            {"initial_density": np.zeros((3, 8))},
            r"Smoke.initial_density has shape \(3, 8\), but a grid with at least 4",
        ),
        (
            {"initial_density": np.zeros((4, 5, 3))},
            r"Smoke.initial_density has shape \(4, 5, 3\), but a grid with at least 4",
        ),
        (
            {"initial_density": np.zeros(6)},
            r"Smoke.initial_density has shape \(6,\), but \(n, m\) or \(n, m, l\) is needed",
        ),
        (
            {"initial_density": np.zeros((4, 5, 6)), "initial_velocity": (1.0, 0.0)},
            r"Smoke.initial_velocity has shape \(2,\), but \(3,\) or \(4, 5, 6, 3\) is needed",
        ),
        ({"initial_velocity": np.zeros((8, 6, 2))}, r"Smoke.initial_velocity has shape \(8, 6, 2\), but \(2,\) or"),
        ({"edges": "open"}, "Smoke.edges is 'open', but it must be one of 'periodic', 'walls'"),
        ({"iterations": 0}, "Smoke.iterations is 0, but it must be a whole number of at least 1"),
        ({"confinement": -1.0}, "Smoke.confinement is -1, but it must be at least 0"),
        ({"spacing": 0.0}, "Smoke.spacing is 0, but it must be greater than 0 m"),
    ],
)
def test_what_is_wrong_is_named(numbers, message):
    with pytest.raises(ds.InputError, match=message):
        ds.Smoke(**{"initial_density": np.zeros((6, 8)), **numbers})
