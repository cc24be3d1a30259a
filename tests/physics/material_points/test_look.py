"""What is seen of matter: muscles by what is asked of them, liquids by their speed, walls."""

import numpy as np
import pytest

import diffsim as ds
from diffsim import Matter
from diffsim.physics.material_points.look import look
from diffsim.viewing.look import Points


@pytest.fixture(scope="module")
def seen():
    body = Matter.box((0.2, 0.5), (0.1, 0.1), 0.05, "back") + Matter.box((0.3, 0.5), (0.1, 0.1), 0.05, "leg")
    body += Matter.box((0.6, 0.5), (0.1, 0.1), 0.05, "drop")
    scene = ds.MaterialPoints(
        body,
        material=body.by_region({"drop": "liquid"}, "corotated"),
        actuator=body.by_region({"leg": 0}, -1),
        youngs_modulus=30.0,
        bulk_modulus=30.0,
        density=1.0,
        strength=3.0,
        low=(0.1, 0.1),
        cell=0.1,
        dt=0.01,
    )
    drive = ds.OpenLoop(values=[0.5], saturate=False)
    with ds.Simulation(ds.Problem(scene, drive, steps=10, tune=()), precision="f64") as sim:
        rollout = sim.rollout({})
    return rollout, look(rollout)


def test_each_particle_is_seen_once_as_large_as_its_share(seen):
    rollout, found = seen
    passive, muscle, liquid = found.of(Points)
    assert [element.places.shape for element in (passive, muscle, liquid)] == [(11, 4, 2)] * 3
    assert np.array_equal(np.concatenate([e.places for e in (passive, muscle, liquid)], axis=1), rollout.position)
    assert passive.radius == pytest.approx(0.025)


def test_a_muscle_that_pulls_is_shown_contracted(seen):
    _, muscle, _ = seen[1].of(Points)
    assert muscle.colour.scale.words[0] == "contracted"
    assert np.all(muscle.colour.values == -0.5)


def test_a_liquid_shows_its_speed(seen):
    _, _, liquid = seen[1].of(Points)
    assert liquid.colour.values[-1] == pytest.approx(9.81 * 0.1, rel=0.05)  # it falls


def test_walls_are_where_they_are(seen):
    found = seen[1]
    assert found.ground.height == pytest.approx(0.1)
    assert [wall.height for wall in found.walls] == pytest.approx([0.1, -1.0])
    assert np.array_equal(found.walls[0].normal, [1.0, 0.0])


def test_sand_shows_its_speed_in_colours_of_its_own():
    body = Matter.box((0.2, 0.5), (0.1, 0.1), 0.05, "heap") + Matter.box((0.6, 0.5), (0.1, 0.1), 0.05, "drop")
    scene = ds.MaterialPoints(
        body,
        material=body.by_region({"drop": "liquid"}, "sand"),
        youngs_modulus=30.0,
        bulk_modulus=30.0,
        density=1.0,
        cell=0.1,
        dt=0.01,
    )
    with ds.Simulation(ds.Problem(scene, steps=10, tune=()), precision="f64") as sim:
        sand, liquid = look(sim.rollout({})).of(Points)
    assert sand.places.shape == liquid.places.shape == (11, 4, 2)
    assert sand.colour.values[-1] == pytest.approx(9.81 * 0.1, rel=0.05)
    assert sand.colour.scale.colours != liquid.colour.scale.colours
