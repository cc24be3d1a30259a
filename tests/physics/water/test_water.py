"""Water: a step beside the same step in NumPy, and the laws of waves."""

import numpy as np
import pytest

import diffsim as ds

from ..references import orders, pulled

ROUNDING = 1e-12
"""Of some dozens of steps: a thousand roundings of 1e-16."""

STILL = np.zeros((8, 6))


def water(keep, scene, steps, controller=None, **settings):
    """A simulation in float64, and its rollout."""
    problem = ds.Problem(scene, controller, steps=steps, tune=("scene.*",))
    simulation = keep(problem, precision="f64", **settings)
    return simulation, simulation.rollout(simulation.params())


def laplacian(height, edges):
    beyond = np.pad(height, 1, mode="wrap" if edges == "periodic" else "edge")
    around = beyond[2:, 1:-1] + beyond[:-2, 1:-1] + beyond[1:-1, 2:] + beyond[1:-1, :-2]
    return around - 4.0 * height


def middles(n, m, spacing):
    return np.meshgrid(spacing * (np.arange(n) + 0.5), spacing * (np.arange(m) + 0.5), indexing="ij")


@pytest.mark.parametrize("edges", ["walls", "periodic", "open"])
def test_a_step_is_that_of_numpy(keep, edges):
    rng = np.random.default_rng(0)
    n, m, h, dt, c, damping = 7, 5, 0.2, 0.07, 1.5, 0.6
    places, strength, width = np.array([[0.15, 0.9], [1.1, 0.3]]), np.array([1.3, 0.7]), np.array([0.25, 0.4])
    scene = ds.Water(
        rng.normal(size=(n, m)),
        rng.normal(size=(n, m)),
        wave_speed=c,
        damping=damping,
        source_position=places,
        source_strength=strength,
        source_width=width,
        spacing=h,
        edges=edges,
        dt=dt,
    )
    _, rollout = water(keep, scene, 4, ds.Sine(phase=(0.3, 1.0), frequency=5.0))
    x, y = middles(n, m, h)
    apart = np.stack([x, y], axis=2) - places[:, None, None]
    if edges == "periodic":
        apart = (apart + 0.5 * h * np.array([n, m])) % (h * np.array([n, m])) - 0.5 * h * np.array([n, m])
    shape = strength[:, None, None] * np.exp(-np.square(apart).sum(axis=3) / (2.0 * width[:, None, None] ** 2))
    sides = np.zeros((n, m))
    for side in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        sides[side] += edges == "open"
    loss = 0.5 * dt * (damping + sides * c / h)
    height, velocity = scene.initial_height, scene.initial_velocity
    velocity = velocity - 0.5 * dt * (c / h) ** 2 * laplacian(height, edges)
    for row in range(4):
        assert rollout.height[row] == pytest.approx(height, abs=ROUNDING)
        assert rollout.velocity[row] == pytest.approx(velocity, abs=ROUNDING)
        push = (c / h) ** 2 * laplacian(height, edges) + np.einsum("s,snm->nm", rollout.actuation[row], shape)
        velocity = ((1.0 - loss) * velocity + dt * push) / (1.0 + loss)
        height = height + dt * velocity


def standing(n, steps, p=2, q=1, courant=0.5):
    """A standing wave between walls of a square of side 1, and how fast it swings on its grid and without one."""
    x, y = middles(n, n, 1.0 / n)
    scene = ds.Water(np.cos(p * np.pi * x) * np.cos(q * np.pi * y), wave_speed=1.0, spacing=1.0 / n, dt=courant / n)
    squares = [np.sin(0.5 * k * np.pi / n) ** 2 for k in (p, q)]
    on_grid = 2.0 / scene.dt * np.arcsin(courant * np.sqrt(sum(squares)))
    return scene, on_grid, np.pi * np.hypot(p, q)


def test_standing_waves_swing_by_the_dispersion_relation(keep):
    """That of the scheme, sin(w dt / 2)^2 = (c dt / h)^2 (sin(k h / 2)^2 + ...), to rounding; it is of second order."""
    off = []
    for n in (8, 16, 32):
        steps = 3 * n
        scene, on_grid, smooth = standing(n, steps)
        _, rollout = water(keep, scene, steps)
        time = scene.dt * np.arange(steps + 1)
        expected = np.cos(on_grid * time)[:, None, None] * scene.initial_height
        assert rollout.height == pytest.approx(expected, abs=ROUNDING)
        off.append(np.abs(rollout.height[:, 0, 0] / scene.initial_height[0, 0] - np.cos(smooth * time)).max())
    assert orders(off)[-1] == pytest.approx(2.0, abs=0.1)


def test_the_gradient_of_a_standing_wave_is_known(keep):
    """By its initial height and, through the dispersion relation, by the speed of waves."""
    n, steps = 8, 20
    scene, on_grid, _ = standing(n, steps)
    simulation, _ = water(keep, scene, steps)
    _, grad = pulled(simulation, simulation.params(), "height", (steps, 0, 0))
    angle, half = on_grid * steps * scene.dt, 0.5 * on_grid * scene.dt
    # w dt = 2 arcsin(c s), so that its derivative is 2 s / cos(w dt / 2), where c s = sin(w dt / 2).
    slope = -np.sin(angle) * steps * 2.0 * np.tan(half) * scene.initial_height[0, 0]
    assert grad["scene.wave_speed"] == pytest.approx(slope, rel=1e-11)
    along = np.sum(grad["scene.initial_height"] * scene.initial_height)
    assert along == pytest.approx(np.cos(angle) * scene.initial_height[0, 0], rel=1e-11)


@pytest.mark.parametrize("edges", ["walls", "periodic"])
def test_energy_stays_without_damping(keep, edges):
    """That of leapfrog: of the velocity, and of the heights before and after it."""
    rng = np.random.default_rng(1)
    scene = ds.Water(rng.normal(size=(9, 7)), rng.normal(size=(9, 7)), edges=edges, dt=0.7)
    _, rollout = water(keep, scene, 200)
    energy = [
        0.5 * np.sum(rollout.velocity[row] ** 2)
        - 0.5 * np.sum(rollout.height[row] * laplacian(rollout.height[row - 1], edges))
        for row in range(1, 201)
    ]
    assert energy == pytest.approx([energy[0]] * 200, rel=ROUNDING)


def test_damping_takes_energy_as_it_says(keep):
    """Of a uniform rise, whose velocity falls as exp(-damping t), to second order of the step."""
    off = []
    for dt in (0.2, 0.1, 0.05):
        steps = round(2.0 / dt)
        _, rollout = water(keep, ds.Water(STILL, 0.5, damping=0.8, dt=dt), steps)
        assert np.ptp(rollout.velocity[-1]) < ROUNDING
        off.append(rollout.velocity[-1, 0, 0] / (0.5 * np.exp(-0.8 * steps * dt)) - 1.0)
    assert orders(off)[-1] == pytest.approx(2.0, abs=0.05)


def test_waves_leave_through_open_edges(keep):
    """A ring, which meets them at up to 45 degrees, where a sixth of its height comes back; and a wall keeps all."""
    x, y = middles(40, 40, 1.0)
    start = np.exp(-((x - 20.0) ** 2 + (y - 20.0) ** 2) / 18.0)
    left = {}
    for edges in ("walls", "open"):
        _, rollout = water(keep, ds.Water(start, edges=edges, dt=0.7), 100)
        size = np.square(rollout.velocity).sum(axis=(1, 2))
        left[edges] = size[-1] / size.max()
    assert left["open"] < 0.02
    assert left["walls"] > 0.3


def test_sources_raise_the_water_by_what_they_push(keep):
    """Between walls its mean height is that of a body that falls upwards."""
    steps, dt, middle = 12, 0.3, [[3.1, 2.4]]
    scene = ds.Water(STILL, source_position=middle, source_strength=0.7, source_width=1.5, dt=dt)
    _, rollout = water(keep, scene, steps, ds.Sine(amplitude=0.0, offset=0.5, phase=0.0))
    x, y = middles(8, 6, 1.0)
    push = 0.5 * 0.7 * np.exp(-((x - 3.1) ** 2 + (y - 2.4) ** 2) / (2.0 * 1.5**2)).mean()
    k = np.arange(steps + 1)
    assert rollout.height.mean(axis=(1, 2)) == pytest.approx(push * dt**2 * k * (k + 1) / 2.0, abs=ROUNDING)


def test_a_source_reaches_across_a_periodic_edge(keep):
    """Moved by some cells it makes the same waves, moved by as many."""
    heights = []
    for place in ([4.3, 2.6], [7.3, 5.6]):
        scene = ds.Water(STILL, source_position=[place], edges="periodic")
        heights.append(water(keep, scene, 10, ds.Sine(phase=0.4))[1].height)
    assert np.abs(heights[0]).max() > 0.1
    assert np.roll(heights[0], (3, 3), (1, 2)) == pytest.approx(heights[1], abs=ROUNDING)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (
            {"wave_speed": 2.0},
            "Water.wave_speed is 2 m/s: waves go 1 cells in a step of 0.5 s, but with more than 0.707 they grow "
            "without bound; take a step of at most 0.354 s, or larger cells",
        ),
        ({"wave_speed": 0.0}, "Water.wave_speed is 0, but it must be greater than 0 m/s"),
        ({"initial_height": np.zeros((8, 3))}, r"Water.initial_height has shape \(8, 3\), but a grid with at least 4"),
        ({"edges": "sea"}, "Water.edges is 'sea', but it must be one of 'walls', 'periodic', 'open'"),
        ({"source_width": 1.0}, "Water.source_width is given, but no source_position says where it is"),
        ({"source_position": [1.0, 2.0]}, r"Water.source_position has shape \(2,\), but \(s, 2\) is needed"),
    ],
)
def test_what_is_wrong_is_named(numbers, message):
    with pytest.raises(ds.InputError, match=message):
        ds.Water(**{"initial_height": STILL, **numbers})


def test_one_cell_less_than_the_limit_is_stable_and_more_is_not_simulated(keep):
    rng = np.random.default_rng(2)
    scene = ds.Water(rng.normal(size=(8, 8)), dt=0.707)
    _, rollout = water(keep, scene, 400)
    assert np.abs(rollout.height).max() < 50.0
    with pytest.raises(ds.InputError, match="grow without bound"):
        scene.with_numbers({"wave_speed": 1.001})
