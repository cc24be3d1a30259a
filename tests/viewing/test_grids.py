"""How smoke and water look: grids as pictures, what is seen through water, sources and gauges, and their curves."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics import physics_of
from diffsim.viewing.look import Field, Points

RNG = np.random.default_rng(0)
DENSITY, FLOOR = RNG.uniform(size=(2, 6, 5))


def seen(keep, problem):
    """The look of a rollout, and the rollout."""
    simulation = keep(problem, precision="f64")
    rollout = simulation.rollout(simulation.params())
    return physics_of(problem.scene).look(rollout), rollout


def smoke(keep):
    scene = ds.Smoke(DENSITY, RNG.normal(size=(6, 5, 2)), spacing=0.5)
    return seen(keep, ds.Problem(scene, steps=3, tune=("scene.*",)))


def water(keep):
    gauges = ds.MatchReadings(np.zeros((2, 1)), [(2, 3)])
    goal = gauges + ds.MatchRefraction(FLOOR, FLOOR)
    scene = ds.Water(0.1 * DENSITY, source_position=[(1.0, 0.5)], spacing=0.5, dt=0.2)
    return seen(keep, ds.Problem(scene, ds.Sine(phase=0.0), goal, steps=3, tune=("scene.*",)))


def test_smoke_is_a_picture_of_its_density(keep):
    look, rollout = smoke(keep)
    (field,) = look.elements
    np.testing.assert_array_equal(field.values, rollout.density)
    assert field.low.tolist() == [0.0, 0.0]
    assert field.high.tolist() == [3.0, 2.5]


def test_smoke_in_space_is_seen_from_the_front(keep):
    """What there is of it along y, and curves of all of it."""
    scene = ds.Smoke(RNG.uniform(size=(4, 5, 6)), (0.1, 0.2, 0.3), spacing=0.5)
    look, rollout = seen(keep, ds.Problem(scene, steps=2, tune=("scene.*",)))
    (field,) = look.elements
    assert field.values == pytest.approx(0.5 * rollout.density.sum(axis=2))
    assert field.high.tolist() == [2.0, 3.0]
    assert field.scale.high == field.values.max()
    amount, energy = look.series
    assert amount.values[:, 0] == pytest.approx(0.125 * rollout.density.sum(axis=(1, 2, 3)))
    assert amount.unit == "m³"
    assert energy.values[:, 0] == pytest.approx(0.07)
    assert ds.snapshot(rollout, size=(64, 64)).std() > 10.0


def test_water_shows_its_height_and_what_is_seen_through_it(keep):
    look, rollout = water(keep)
    height, through = look.of(Field)
    np.testing.assert_array_equal(height.values, rollout.height)
    assert height.scale.high == -height.scale.low == np.abs(rollout.height).max()
    np.testing.assert_array_equal(through.values, rollout.problem.objective.terms[1].seen(rollout))
    assert through.low[0] > height.high[0]
    assert (through.high - through.low).tolist() == pytest.approx([3.0, 2.5])
    sources, gauges = look.of(Points)
    assert sources.places[0].tolist() == [[1.0, 0.5]]
    assert gauges.places[0].tolist() == [[1.25, 1.75]]  # the middle of its cell


def test_reports_draw_what_there_is_of_it(keep):
    look, rollout = smoke(keep)
    amount, energy = look.series
    assert amount.values[:, 0] == pytest.approx(0.25 * rollout.density.sum(axis=(1, 2)))
    assert energy.values[:, 0] == pytest.approx(0.5 * np.square(rollout.velocity).sum(axis=3).mean(axis=(1, 2)))
    look, rollout = water(keep)
    ends, energy = look.series
    np.testing.assert_array_equal(ends.values[:, 1], rollout.height.min(axis=(1, 2)))
    assert energy.values[:, 0] == pytest.approx(0.5 * np.square(rollout.velocity).mean(axis=(1, 2)))


def test_pictures_are_drawn(keep):
    """From thin to thick smoke the picture gets darker."""
    rows = []
    for density in (np.zeros((6, 5)), np.ones((6, 5))):
        simulation = keep(ds.Problem(ds.Smoke(density), steps=1, tune=("scene.*",)), precision="f64")
        rows.append(ds.snapshot(simulation.rollout(simulation.params()), size=(64, 64))[24:40, 24:40].mean())
    assert rows[1] < 0.5 * rows[0]
