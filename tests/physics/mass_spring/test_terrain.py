"""Ground that is not flat: a plane where it is one, hills that keep energy, feet that rest, closed forms at corners."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError
from diffsim.viewing.look import Fixed
from diffsim.viewing.sight import look_of


def run(scene, steps):
    with ds.Simulation(ds.Problem(scene, steps=steps), precision="f64") as simulation:
        return simulation.rollout(simulation.params(seed=0))


def mass(ground, at, velocity, dt=0.004, **changes):
    return ds.MassSpring([at], ground=ground, initial_velocity=velocity, dt=dt, **changes)


@pytest.mark.parametrize(("friction", "restitution"), [(0.2, 0.0), (float("inf"), 0.0), (0.1, 0.6)])
def test_one_that_slopes_is_a_plane(friction, restitution):
    law = {"friction": friction, "restitution": restitution}
    plane, line = (
        run(mass(ground, (1.0, 0.8), (0.7, -1.0)), 250)
        for ground in (
            ds.Ground(normal=(-0.3, 1.0), **law),
            ds.Terrain(np.linspace(-0.3, 0.9, 41), low=-1.0, high=3.0, **law),
        )
    )
    assert np.ptp(plane["position"][:, 0, 0]) > 0.1
    assert line["position"] == pytest.approx(plane["position"], abs=1e-12)


def test_a_field_that_slopes_is_a_plane():
    x, y = np.meshgrid(np.linspace(-1, 2, 7), np.linspace(-1, 1, 6))
    plane, field = (
        run(mass(ground, (0.1, 0.2, 0.5), (0.9, -0.3, -1.0)), 250)
        for ground in (
            ds.Ground(normal=(-0.3, 0.2, 1.0), friction=0.2, restitution=0.3),
            ds.Terrain(0.3 * x - 0.2 * y, low=(-1, -1), high=(2, 1), friction=0.2, restitution=0.3),
        )
    )
    assert np.ptp(plane["position"][:, 0, :2], axis=0).min() > 0.1
    assert field["position"] == pytest.approx(plane["position"], abs=1e-11)


@pytest.mark.parametrize("dimension", [2, 3])
def test_hills_without_friction_keep_energy_to_the_order_of_the_step(dimension):
    """Cells as small as the way of a step: what is lost is proportional to both."""
    lost = []
    for n, dt in ((101, 0.004), (201, 0.002), (401, 0.001)):
        x = np.linspace(-2.0, 2.0, n)
        heights = 0.3 * np.cos(2.0 * x)
        start, speed = -1.2, 3.2
        way = np.array([1.0, -0.6 * np.sin(2.0 * start)])
        if dimension == 2:
            land, at = ds.Terrain(heights, low=-2.0, high=2.0, friction=0.0), (start, 0.3 * np.cos(2.0 * start))
        else:
            both = np.stack([heights, heights])
            land, way = (
                ds.Terrain(both, low=(-2.0, -1.0), high=(2.0, 1.0), friction=0.0),
                np.array([way[0], 0.3, way[1]]),
            )
            at = (start, 0.1, 0.3 * np.cos(2.0 * start))
        ball = mass(land, at, speed * way, dt, on_ground=True)
        rollout = run(ball, round(1.0 / dt))
        energy = rollout["energy"]
        lost.append((energy[0] - energy[-1]) / energy[0])
        gap = land.above(rollout["position"][:, 0])
        assert gap.min() > -8.0 * dt * dt * speed**2  # past a corner in a hollow, for a step
        assert np.ptp(rollout["position"][:, 0, 0]) > 1.0
    assert lost[0] < 0.12
    assert np.array(lost[:-1]) / lost[1:] == pytest.approx(np.full(2, 2.0), rel=0.25)


@pytest.mark.parametrize("dimension", [2, 3])
def test_feet_at_rest_on_a_hill_stay(dimension):
    """On sides of it, on a corner at the top and in one at the bottom: for three seconds, to a micrometre a second."""
    x = np.array([-0.6, -0.33, 0.1, 0.25, 0.61])
    corners = np.linspace(-1.0, 1.0, 21)
    heights = 0.15 * np.cos(5.0 * corners)
    if dimension == 2:
        land = ds.Terrain(heights, low=-1.0, high=1.0, friction=0.9)
        places = np.c_[x, np.zeros(5)]
    else:
        land = ds.Terrain(np.stack([heights, heights + 0.02]), low=(-1.0, 0.0), high=(1.0, 0.4), friction=0.9)
        places = np.c_[x, np.full(5, 0.13), np.zeros(5)]
    places[:, -1] -= land.above(places)
    rollout = run(ds.MassSpring(places, ground=land, dt=0.004), 750)
    assert rollout["position"][-1] == pytest.approx(places, abs=3e-6)


def test_a_slide_down_one_piece_and_up_the_next():
    """With friction, closed form on each piece; past the corner what goes along the new piece is left."""
    down, up, friction = 0.5, 0.3, 0.2
    land = ds.Terrain([1.0, 0.5, 0.5 + up], low=-1.0, high=1.0, friction=friction)
    a, b = np.arctan(down), np.arctan(up)
    rollout = run(mass(land, (-0.5, 0.75), (0.0, 0.0), 0.0005), 3000)
    length = 0.5 / np.cos(a)
    fast = np.sqrt(2.0 * 9.81 * (np.sin(a) - friction * np.cos(a)) * length)
    # At the corner the impulse along the normal takes its friction, too.
    after = fast * (np.cos(a + b) - friction * np.sin(a + b))
    far = after**2 / (2.0 * 9.81 * (np.sin(b) + friction * np.cos(b)))
    assert rollout["position"][:, 0, 0].max() == pytest.approx(far * np.cos(b), rel=0.01)


def test_a_throw_off_an_edge():
    """Off a table it flies on, and lands where it must on the lower part."""
    land = ds.Terrain([0.5, 0.5, 0.0, 0.0], low=0.0, high=3.0, friction=0.0)
    rollout = run(mass(land, (0.8, 0.5), (4.0, 0.0), 0.001), 700)
    position = rollout["position"][:, 0]
    time = rollout.time - 0.05
    # It leaves the edge at 0.05 s; the slope falls 0.5 m a metre, the parabola less until (g/2) t^2 = 0.5 * 4 t.
    free = (time > 0.01) & (time < 2.0 * 0.5 * 4.0 / 9.81 - 0.01) & (position[:, 0] < 1.95)
    assert position[free, 1] == pytest.approx(0.5 - 0.5 * 9.81 * time[free] ** 2, abs=0.01)
    assert position[-1, 1] == pytest.approx(0.0, abs=1e-9)


def test_a_landing_has_the_slope_of_its_piece():
    """Height after a bounce, by where it is dropped: d x / d x0 of the closed form on each piece."""
    land = ds.Terrain([0.0, 0.2, 0.1], low=0.0, high=2.0, friction=0.0, restitution=0.5)
    for start, slope in ((0.4, 0.2), (1.3, -0.1)):
        problem = ds.Problem(
            mass(land, (start, 0.6), (0.0, 0.0), 0.001),
            objective=ds.Travel(point=0),
            steps=400,
            tune=("scene.initial_position", "scene.heights"),
        )
        with ds.Simulation(problem, precision="f64") as simulation:
            params = simulation.params(seed=0)
            _, grad = simulation.value_and_grad(params)
            fall = 0.6 - (0.2 * start if slope > 0 else 0.3 - 0.1 * start)
            c, s = np.cos(np.arctan(slope)), np.sin(np.arctan(slope))
            speed, left = np.sqrt(2.0 * 9.81 * fall), 0.4 - np.sqrt(2.0 * fall / 9.81)
            # After the bounce it goes sideways with (1 + e) v c s, away from the slope.
            sideways = -1.5 * speed * c * s
            expected = start + sideways * left
            assert simulation.rollout(params)["position"][-1, 0, 0] == pytest.approx(expected, abs=2e-3)
            change = 1.0 - 1.5 * c * s * (9.81 / speed * left - speed / np.sqrt(2.0 * fall * 9.81)) * -slope
            # The loss is minus how far it came.
            assert 1.0 - grad["scene.initial_position"][0, 0] == pytest.approx(change, abs=2e-2)


def test_placing_on_the_ground():
    body = ds.grid((2, 1), spacing=0.1)
    land = ds.Terrain([0.3, 0.0, 0.3], low=-1.0, high=1.0)
    placed = ds.MassSpring(body, ground=land, on_ground=True)
    assert land.above(placed.points).min() == pytest.approx(0.0, abs=1e-15)
    assert np.diff(placed.points, axis=0) == pytest.approx(np.diff(body.points, axis=0), abs=1e-15)
    higher = placed.points + np.array([0.0, 0.2])
    assert placed.with_numbers({"initial_position": higher}).points == pytest.approx(higher)
    tilted = ds.Ground(height=0.2, normal=(0.3, 1.0))
    found = ds.MassSpring(body, ground=tilted, on_ground=True)
    gap = found.points @ found.ground.normal - 0.2
    assert gap.min() == pytest.approx(0.0, abs=1e-15)


def test_numbers_come_and_go():
    heights = np.arange(6.0).reshape(2, 3) / 10
    scene = mass(ds.Terrain(heights, low=(0, 0), high=(1, 1)), (0.5, 0.5, 2.0), (0, 0, 0))
    numbers = scene.numbers()
    assert numbers["heights"].tolist() == heights.ravel().tolist()
    assert "ground_height" not in numbers
    changed = scene.with_numbers({"heights": 2.0 * numbers["heights"], "restitution": 0.3})
    assert changed.ground.heights.tolist() == (2.0 * heights).tolist()
    assert changed.ground.restitution == 0.3
    assert ds.MassSpring.from_dict(changed.to_dict()) == changed


@pytest.mark.parametrize("dimension", [2, 3])
def test_it_is_seen(dimension):
    heights = np.array([0.0, 0.3, 0.1, 0.4])
    if dimension == 2:
        scene = mass(ds.Terrain(heights, low=-1.0, high=1.0), (0.2, 0.6), (0.3, 0.0))
    else:
        scene = mass(ds.Terrain([heights, heights], low=(-1, -1), high=(1, 1)), (0.2, 0.1, 0.6), (0.3, 0.0, 0.0))
    (land,) = look_of(run(scene, 5)).of(Fixed)
    if dimension == 3:
        (part,) = land.parts
        assert part.surface.vertices + part.at == pytest.approx(scene.ground.corners)
        assert len(part.surface.faces) == 6
        return
    soil = [part.corners for part in land.parts if part.shape == "polygon"]
    # As far as needed beyond both ends, too; each piece from below up to the line.
    assert len(soil) == 5
    tops = np.concatenate([corners[corners[:, 1].argsort()[-2:]] for corners in soil])
    assert scene.ground.above(tops) == pytest.approx(np.zeros(10), abs=1e-12)
    assert {part.shape for part in land.parts} == {"polygon", "capsule"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: ds.Terrain([1.0]), r"Terrain.heights has shape \(1,\)"),
        (lambda: ds.Terrain([1.0, np.inf]), r"Terrain.heights\[1\]"),
        (lambda: ds.Terrain([1.0, 2.0], low=1.0, high=0.0), "low must be below high"),
        (lambda: ds.Terrain([1.0, 2.0], friction=-1.0), "Terrain.friction"),
        (lambda: mass(ds.Terrain([0.0, 1.0]), (0.5, 0.2), (0, 0)), r"points\[0\] lies 0.3 m below the terrain"),
        (lambda: mass(ds.Terrain([0.0, 1.0]), (0.5, 0.2, 1.0), (0, 0, 0)), "Terrain.heights is of 2 dimensions"),
        (lambda: mass("hill", (0.5, 0.2), (0, 0)), "but a Ground, a Terrain or None is needed"),
        (lambda: mass(None, (0.5, 0.2), (0, 0), on_ground=True), "on_ground is True, but there is no ground"),
        (lambda: mass(ds.Ground(normal=(0, -1)), (0, -1), (0, 0), on_ground=True), "does not look up"),
    ],
)
def test_errors(wrong, words):
    with pytest.raises(InputError, match=words):
        wrong()
