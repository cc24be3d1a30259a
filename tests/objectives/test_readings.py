"""What gauges read: formula, missing readings, and what is refused."""

import numpy as np
import pytest

import diffsim as ds

RNG = np.random.default_rng(0)
HEIGHT = RNG.normal(size=(6, 5))
CELLS = np.array([[1, 2], [5, 0], [0, 4]])
READINGS = RNG.normal(size=(3, 3))
READINGS[1, 0] = np.nan


def water(goal, steps=7):
    return ds.Problem(ds.Water(HEIGHT), None, goal, steps=steps, tune=("scene.initial_height", "objective.*"))


def test_it_is_the_mean_squared_difference_of_what_there_is(keep):
    simulation = keep(water(ds.MatchReadings(READINGS, CELLS, steps=(0, 3, 7), weight=2.0)), precision="f64")
    rollout = simulation.rollout(simulation.params())
    off = rollout.height[[0, 3, 7]][:, CELLS[:, 0], CELLS[:, 1]] - READINGS
    assert rollout.loss == pytest.approx(2.0 * np.nanmean(off**2), rel=1e-13)  # rounding of a sum
    assert rollout.terms[0].loss == pytest.approx(rollout.loss, rel=1e-13)
    _, grad = simulation.value_and_grad(simulation.params())
    assert grad["objective.readings"] == pytest.approx(np.nan_to_num(-4.0 * off / 8.0), rel=1e-12)


def test_all_steps_from_the_start_are_usual(keep):
    simulation = keep(water(ds.MatchReadings(READINGS, CELLS), steps=2), precision="f64")
    rollout = simulation.rollout(simulation.params())
    off = rollout.height[:, CELLS[:, 0], CELLS[:, 1]] - READINGS
    assert rollout.loss == pytest.approx(np.nanmean(off**2), rel=1e-13)


def test_identify_finds_the_speed_of_waves(keep):
    true = keep(ds.Problem(ds.Water(HEIGHT, wave_speed=0.9), steps=12, tune=("scene.wave_speed",)), precision="f64")
    read = true.rollout(true.params()).height[:, CELLS[:, 0], CELLS[:, 1]]
    goal = ds.MatchReadings(read, CELLS)
    problem = ds.Problem(ds.Water(HEIGHT, wave_speed=1.1), None, goal, steps=12, tune=("scene.wave_speed",))
    found = ds.identify(problem, progress=False)
    assert found.params["scene.wave_speed"] == pytest.approx(0.9, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cells": [[1, 2], [6, 0], [0, 4]]}, r"MatchReadings.cells along x\[1\] is 6, but it must be at most 5"),
        ({"cells": [[1, 2]]}, r"MatchReadings.cells has shape \(1, 2\), but \(3, 2\) is needed"),
        ({"steps": (0, 3, 8)}, r"MatchReadings.steps of a rollout of 7 steps\[2\] is 8, but it must be at most 7"),
        ({"steps": (0, 3, 3)}, "MatchReadings.steps must increase from row to row"),
        ({"readings": np.full((3, 3), np.nan)}, "MatchReadings.readings holds no reading: all are NaN"),
        ({"readings": np.zeros(3)}, r"MatchReadings.readings has shape \(3,\), but \(m, k\) is needed"),
        ({"array": "density"}, "MatchReadings reads 'density', but a Water has velocity, height"),
    ],
)
def test_what_does_not_fit_is_named(given, message):
    with pytest.raises(ds.InputError, match=message):
        ds.Simulation(water(ds.MatchReadings(**{"readings": READINGS, "cells": CELLS, "steps": (0, 3, 7), **given})))
