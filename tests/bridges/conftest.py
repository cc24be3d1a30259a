"""Simulations that the tests of all bridges share."""

from __future__ import annotations

import pytest

import diffsim as ds

from .small import ENVS, body_scene, problem_of


@pytest.fixture(scope="module")
def one():
    with ds.Simulation(problem_of(), precision="f64") as sim:
        yield sim


@pytest.fixture(scope="module")
def own():
    with ds.Simulation(problem_of(), precision="f64", envs=ENVS, shared=False) as sim:
        yield sim


@pytest.fixture(scope="module")
def stepper():
    with ds.Stepper(body_scene(), envs=ENVS, precision="f64", repeat=2, reads=("observation", "centre")) as made:
        yield made
