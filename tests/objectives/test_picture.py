"""Pictures as objectives: what is compared, and what is refused."""

import numpy as np
import pytest

import diffsim as ds

RNG = np.random.default_rng(0)
DENSITY, PICTURE = RNG.uniform(size=(2, 5, 4))


def smoke(goal, **changes):
    return ds.Problem(ds.Smoke(DENSITY, **changes), None, goal, steps=2, tune=("scene.initial_density", "objective.*"))


def test_it_is_the_mean_squared_difference(keep):
    """Of smoke at rest, which stays as it is."""
    simulation = keep(smoke(ds.MatchPicture(PICTURE, weight=3.0)), precision="f64")
    loss, grad = simulation.value_and_grad(simulation.params())
    apart = DENSITY - PICTURE
    assert loss == pytest.approx(3.0 * np.mean(apart**2), rel=1e-14)  # rounding of a sum
    assert grad["objective.picture"] == pytest.approx(-6.0 * apart / apart.size, rel=1e-13)
    assert grad["scene.initial_density"] == pytest.approx(6.0 * apart / apart.size, rel=1e-13)
    rollout = simulation.rollout(simulation.params())
    assert rollout.terms[0].loss == pytest.approx(loss, rel=1e-14)
    assert rollout.words == f"{np.mean(apart**2) ** 0.5:.3g} off the picture (root mean square)"


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (ds.MatchPicture(np.zeros((4, 5))), r"picture has shape \(4, 5\), but 'density' has \(5, 4\); both need a num"),
        (ds.MatchPicture(PICTURE, "velocity"), r"picture has shape \(5, 4\), but 'velocity' has"),
        (ds.MatchPicture(PICTURE, "height"), "MatchPicture reads 'height', but a Smoke has density, velocity"),
    ],
)
def test_what_does_not_fit_is_named(goal, message):
    with pytest.raises(ds.InputError, match=message):
        ds.Simulation(smoke(goal, initial_velocity=np.zeros((5, 4, 2))))


# Through water


def through(height, floor, picture=None, depth=2.0, index=1.4, **changes):
    goal = ds.MatchRefraction(np.zeros_like(floor) if picture is None else picture, floor, depth=depth, index=index)
    scene = ds.Water(height, spacing=0.25, dt=0.1, **changes)
    return ds.Problem(scene, None, goal, steps=1, tune=("scene.initial_height", "objective.*"))


@pytest.mark.parametrize("edges", ["walls", "periodic"])
def test_through_still_water_the_floor_is_as_it_is(keep, edges):
    """And there is no kink there: differences on both sides agree with the gradient."""
    floor, picture = RNG.uniform(size=(2, 6, 5))
    simulation = keep(through(np.zeros((6, 5)), floor, picture, edges=edges), precision="f64")
    loss, grad = simulation.value_and_grad(simulation.params())
    assert loss == pytest.approx(np.mean((floor - picture) ** 2), rel=1e-13)
    assert grad["objective.floor"] == pytest.approx(2.0 * (floor - picture) / floor.size, rel=1e-12, abs=1e-14)
    # Tighter than the default: at a kink, central differences are off by half the jump of the slope.
    report = ds.check_gradients(simulation, tolerance=1e-7)
    assert report.passed, report


def ray(slope, index):
    """The way of a ray from straight above that the surface z = slope . x bends: Snell's law, as vectors."""
    normal = np.array([-slope[0], -slope[1], 1.0]) / np.sqrt(1.0 + slope[0] ** 2 + slope[1] ** 2)
    down = np.array([0.0, 0.0, -1.0])
    across = (down - (down @ normal) * normal) / index
    return across - np.sqrt(1.0 - across @ across) * normal


@pytest.mark.parametrize("slope", [(0.3, -0.2), (-0.7, 0.1)])
def test_a_slope_shifts_the_floor_by_snells_law(keep, slope):
    """A floor whose brightness rises evenly, which cubics follow exactly; away from the edges."""
    x, y = np.meshgrid(0.25 * (np.arange(20) + 0.5), 0.25 * (np.arange(18) + 0.5), indexing="ij")
    height = slope[0] * (x - 2.5) + slope[1] * (y - 2.25)
    problem = through(height, 3.0 * x - 2.0 * y)
    rollout = keep(problem, precision="f64").rollout({name: problem.numbers()[name] for name in problem.tuned})
    seen = problem.objective.seen(rollout)[0]
    way = ray(slope, 1.4)
    depth = 2.0 + height
    expected = 3.0 * (x + depth * way[0] / -way[2]) - 2.0 * (y + depth * way[1] / -way[2])
    inner = np.s_[6:-6, 6:-6]
    assert seen[inner] == pytest.approx(expected[inner], rel=1e-12)
    assert np.abs(expected - (3.0 * x - 2.0 * y))[inner].min() > 0.1


@pytest.mark.parametrize("edges", ["walls", "periodic"])
def test_what_is_measured_in_numpy_is_the_loss(keep, edges):
    rng = np.random.default_rng(3)
    floor, picture = rng.uniform(size=(2, 6, 5))
    problem = through(0.3 * rng.normal(size=(6, 5)), floor, picture, edges=edges)
    simulation = keep(problem, precision="f64")
    rollout = simulation.rollout(simulation.params())
    numbers = {name.removeprefix("objective."): value for name, value in rollout.numbers.items()}
    assert problem.objective.measure(rollout, numbers) == pytest.approx(rollout.loss, rel=1e-12)
    assert rollout.loss > 0.05


def test_only_water_is_looked_through():
    floor = np.zeros((5, 4))
    with pytest.raises(ds.InputError, match="MatchRefraction looks through water, but the scene is Smoke"):
        smoke(ds.MatchRefraction(floor, floor))
    with pytest.raises(ds.InputError, match=r"MatchRefraction.picture has shape \(5, 4\), but the water has \(6, 4\)"):
        through(np.zeros((6, 4)), floor)
