"""Sweeps whose values Optuna asks for."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution

import diffsim as ds
from diffsim.cli.sweeps import _values
from diffsim.sweeps.study import Study

RATE = FloatDistribution(0.01, 0.5, log=True)

SCRIPT = """
import sys
import diffsim as ds
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler

def problem(cells=2):
    body = ds.grid((cells, 1), spacing=0.1, origin=(0.0, 0.05))
    scene = ds.MassSpring(body.points, body.springs, stiffness=500.0, actuation=0.1, ground=ds.Ground(), dt=0.01)
    return ds.Problem(scene, ds.Sine(), ds.Travel(), steps=40)

if __name__ == "__main__":
    over = {"optimizer.learning_rate": FloatDistribution(0.01, 0.5, log=True), "cells": [1, 2]}
    ds.sweep(problem, sys.argv[1], over=over, sampler=RandomSampler(seed=1), trials=int(sys.argv[2]), seeds=range(2),
             workers=2, iterations=4)
"""


def run(path, *words):
    command = [sys.executable, str(path), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_trials_are_run_told_and_gone_on_with(tmp_path):
    path, folder = tmp_path / "search.py", tmp_path / "found"
    path.write_text(SCRIPT)
    tables = []
    for trials in (2, 3):
        done = run(path, folder, trials)
        assert done.returncode == 0, done.stderr
        tables.append((folder / "table.csv").read_text().splitlines())
    assert [len(table) for table in tables] == [1 + 2 * 2, 1 + 3 * 2]
    assert tables[1][:5] == tables[0]  # the first trials are not run again
    study = optuna.load_study(study_name="found", storage=f"sqlite:///{folder / 'study.db'}")
    assert len(study.trials) == 3
    assert len({trial.params["optimizer.learning_rate"] for trial in study.trials}) == 3
    for trial in study.trials:
        rows = tables[1][1 + 2 * trial.number : 3 + 2 * trial.number]
        losses = [float(row.split(",")[3]) for row in rows]
        assert trial.value == np.median(losses)
        assert all(float(row.split(",")[0]) == trial.params["optimizer.learning_rate"] for row in rows)
        saved = [ds.load_run(folder / f"{2 * trial.number + seed:04d}") for seed in range(2)]
        assert [run.best_loss for run in saved] == losses
        assert len(saved[0].problem.scene.points) == 2 * (trial.params["cells"] + 1)
    other = SCRIPT.replace("[1, 2]", "[1, 3]")
    path.write_text(other)
    done = run(path, folder, 3)
    assert done.returncode != 0
    assert "holds another sweep, with other study" in done.stderr


@pytest.fixture
def study(tmp_path):
    made = Study({"optimizer.learning_rate": RATE, "steps": [20, 40]}, optuna.samplers.RandomSampler(seed=0), 5)
    made.open(f"sqlite:///{tmp_path / 'study.db'}", "own")
    return made


def test_as_many_are_asked_for_as_are_wanted(study):
    asked = []
    while batch := study.ask(2):
        asked.append(sorted(batch))
        for number, values in batch.items():
            assert 0.01 <= values["optimizer.learning_rate"] <= 0.5
            assert values["steps"] in (20, 40)
            study.tell(number, [1.0, float("nan"), 3.0] if number else [float("nan")])
    assert asked == [[0, 1], [2, 3], [4]]
    states = [trial.state.name for trial in study._study.trials]
    assert states == ["FAIL", *["COMPLETE"] * 4]
    assert study._study.best_value == 2.0


def test_what_was_asked_for_and_not_told_is_asked_for_again(study, tmp_path):
    first = study.ask(2)
    study.tell(0, [1.0])
    again = Study({"optimizer.learning_rate": RATE, "steps": [20, 40]}, optuna.samplers.RandomSampler(seed=0), 3)
    again.open(f"sqlite:///{tmp_path / 'study.db'}", "own")
    assert again.ask(2) == first
    for number in first:
        again.tell(number, [2.0])
    assert again._study.trials[0].value == 1.0  # it was told before
    (number,) = again.ask(2)
    assert number == 2
    assert again.ask(2)[2]["optimizer.learning_rate"] not in [v["optimizer.learning_rate"] for v in first.values()]


SAMPLER = optuna.samplers.RandomSampler(seed=0)
BAD = {
    "no sampler": ({"sampler": "TPE", "trials": 3}, "sweep(sampler) is 'TPE', but a sampler of Optuna is needed"),
    "no trials": ({"sampler": SAMPLER}, "needs a number of trials"),
    "no number of trials": ({"sampler": SAMPLER, "trials": 0}, "sweep(trials) is 0"),
    "nothing to choose": ({"sampler": SAMPLER, "trials": 3, "over": {}}, "nothing to choose"),
    "a value": ({"sampler": SAMPLER, "trials": 3, "over": {"steps": 3}}, "a list or a distribution is needed"),
    "no plain choice": (
        {"sampler": SAMPLER, "trials": 3, "over": {"optimizer": [ds.Adam(0.1)]}},
        "for optimizer[0], but",
    ),
    "another name": ({"sampler": SAMPLER, "trials": 3, "over": {"speed": RATE}}, "names 'speed'"),
    "trials alone": ({"trials": 3, "over": {"steps": [1, 2]}}, "sweep(trials) is given, but no sampler"),
    "a storage alone": ({"storage": "sqlite://", "over": {"steps": [1]}}, "sweep(storage) is given, but no sampler"),
    "a distribution alone": ({}, "a list of values is needed"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case, tmp_path):
    given, message = BAD[case]
    scene = ds.MassSpring([[0.0, 1.0]])
    problem = ds.Problem(scene, objective=ds.Travel(), steps=4, tune=("scene.mass",))
    with pytest.raises(ds.InputError) as error:
        ds.sweep(problem, tmp_path / "found", **{"over": {"optimizer.learning_rate": RATE}, **given})
    assert message in str(error.value)
    assert not (tmp_path / "found").exists()


def test_ranges_on_the_command_line():
    assert _values("a.b=0.01..0.5:log", searched=True) == ("a.b", RATE)
    assert _values("hidden=8..64", searched=True) == ("hidden", IntDistribution(8, 64))
    assert _values("x=1,2.5,B", searched=True) == ("x", [1, 2.5, "B"])
    for word in ("x=2..1", "x=a..b", "x=1..2:lin", "x=0..1:log"):
        with pytest.raises(ds.InputError, match="two numbers that rise"):
            _values(word, searched=True)
    with pytest.raises(ds.InputError, match="only --trials searches"):
        _values("x=1..2", searched=False)


def test_the_plan_is_json_and_the_same_for_more_trials():
    few, more = (Study({"a": RATE, "b": ("x", "y")}, SAMPLER, trials) for trials in (2, 9))
    assert json.dumps(few.plain()) == json.dumps(more.plain())
    assert few.example == {"a": 0.01, "b": "x"}
