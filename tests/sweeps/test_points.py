"""What a name of a sweep changes, and what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import diffsim as ds
from diffsim.sweeps.points import points_of, task_of


def problem(cells=3, springy=True):
    body = ds.grid((cells, 1), spacing=0.1, origin=(0.0, 0.05))
    mass = np.full(len(body.points), 0.1)
    scene = ds.MassSpring(body.points, body.springs, stiffness=500.0, mass=mass, actuation=0.1 * springy, dt=0.01)
    return ds.Problem(scene, ds.MLP(hidden=4), ds.Travel(), steps=20)


def made(over, settings=None, of=problem):
    """The problem, options and settings of the last combination."""
    point = points_of(over, 0)[-1]
    task = task_of(point, of, settings or {}, "folder")
    return pickle.loads(task.problem), task.options, task.settings


def test_every_combination_with_every_seed():
    points = points_of({"steps": [10, 20], "clip": [None, 1.0]}, range(3))
    assert len(points) == 12
    assert [point.seed for point in points[:4]] == [0, 1, 2, 0]
    assert points[3].values == {"steps": 10, "clip": 1.0}
    assert points[-1].words == "steps=20, clip=1, seed=2"
    assert [point.seed for point in points_of({}, 5)] == [5]


def test_names_reach_every_part():
    found, options, settings = made(
        {
            "steps": [7],
            "controller.hidden": [(5,)],
            "scene.stiffness": [300.0],
            "scene.mass[1]": [0.7],
            "objective.weight": [2.5],
            "optimizer.learning_rate": [0.3],
            "clip": [1.5],
            "precision": ["f64"],
            "cells": [4],
        },
        {"optimizer": ds.SGD(0.1), "iterations": 9},
    )
    assert found.steps == 7
    assert found.controller.hidden == (5,)
    assert found.scene.stiffness == 300.0
    assert len(found.scene.points) == 10
    assert found.numbers()["scene.mass"][1] == 0.7
    assert found.objective.weight == 2.5
    assert settings["optimizer"] == ds.SGD(0.3)
    assert (settings["clip"], settings["iterations"]) == (1.5, 9)
    assert options == {"precision": "f64"}


def test_without_an_optimizer_it_is_that_of_tune():
    assert made({"optimizer.beta1": [0.5]})[2]["optimizer"] == ds.Adam(0.02, beta1=0.5)


def test_a_problem_is_taken_as_it_is():
    given = problem()
    assert made({}, of=given)[0] == given


BAD = {
    "a name that is none": ({"rate": [1]}, {}, r"names 'rate', but it takes steps, optimizer\.X"),
    "a field that is none": (
        {"scene.stifness": [1.0]},
        {},
        r"'scene.stifness', but this problem's scene has .*stiffness",
    ),
    "a field of the optimizer": ({"optimizer.rate": [1.0]}, {}, "a Adam has learning_rate, beta1"),
    "a setting that is none": ({}, {"iteration": 3}, "sweep takes no 'iteration'"),
    "a value that does not fit": ({"steps": [0]}, {}, "Problem.steps is 0"),
    "a negative rate": ({"optimizer.learning_rate": [-1.0]}, {}, "must be greater than 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_names_are_refused_with_those_that_there_are(case):
    over, settings, message = BAD[case]
    with pytest.raises(ds.InputError, match=message):
        made(over, settings)


@pytest.mark.parametrize(
    ("over", "seeds", "message"),
    [
        ([1], 0, "values by name are needed"),
        ({"steps": []}, 0, r"gives \[\] for steps"),
        ({"steps": "12"}, 0, "gives '12' for steps"),
        ({}, [], "seeds. is empty"),
        ({}, [0, -1], r"sweep\(seeds\)\[1\] is -1"),
    ],
)
def test_bad_values_and_seeds(over, seeds, message):
    with pytest.raises(ds.InputError, match=message):
        points_of(over, seeds)


def test_arrays_are_values():
    stiffness = np.linspace(100.0, 200.0, len(problem().scene.springs))
    assert made({"scene.stiffness": [stiffness]})[0].scene.stiffness.tolist() == stiffness.tolist()
