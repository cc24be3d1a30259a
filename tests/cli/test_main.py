"""The command ``diffsim``: what its words name, what it prints, exit statuses."""

import json
import os
import subprocess
import sys

import pytest

import diffsim as ds
from diffsim.cli import gradients

from .calls import call

SCRIPT = '''
"""A square that flies."""
from neighbour import STIFFNESS
import diffsim as ds
from diffsim.cli import scene_main

def problem(speed: float = 1.0, heavy: bool = False):
    body = ds.grid((1, 1), spacing=0.1, origin=(0.0, 0.2))
    mass = 2.0 if heavy else 1.0
    scene = ds.MassSpring(body.points, body.springs, STIFFNESS, mass=mass, initial_velocity=(speed, 0.0), dt=0.01)
    return ds.Problem(scene, None, ds.ReachTarget((1.0, 0.0)), steps=8, tune=("scene.initial_velocity",))

if __name__ == "__main__":
    scene_main(problem)
'''


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch, keep):
    """Each test has a current folder of its own, with a scene script and a module that it imports.

    Problems that are equal are compiled once.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gradients, "Simulation", keep)
    monkeypatch.syspath_prepend(str(tmp_path))  # put back after the test, with what the command adds
    for name in ("neighbour", "throw", "other"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "throw.py").write_text(SCRIPT)
    (tmp_path / "neighbour.py").write_text("STIFFNESS = 100.0\n")


def spoil(monkeypatch, change):
    """Let every simulation return a gradient that ``change`` has been at."""
    right = ds.Simulation.value_and_grad

    def wrong(self, params):
        loss, grad = right(self, params)
        return loss, {name: change(value) for name, value in grad.items()}

    monkeypatch.setattr(ds.Simulation, "value_and_grad", wrong)


# What PROBLEM can be


def test_a_script_with_its_flags(capsys):
    assert call("check", "throw.py", "--speed", 3, "--heavy", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is True
    slow = call("check", "throw.py", "--json"), json.loads(capsys.readouterr().out)
    # The slopes at another speed and mass are others.
    assert slow[0] == 0
    assert slow[1]["checks"][0]["adjoint"] != found["checks"][0]["adjoint"]


def test_a_run_is_looked_at_where_it_was_best(capsys, monkeypatch):
    assert call("check", "throw.py") == 0
    with ds.Simulation(problem := _load().problem()) as simulation:
        result = ds.tune(simulation, iterations=4, run=ds.Run("run"), progress=False)
    seen = []
    right = ds.Simulation.value_and_grad

    def noted(self, params):
        seen.append(params["scene.initial_velocity"].tolist())
        return right(self, params)

    monkeypatch.setattr(ds.Simulation, "value_and_grad", noted)
    best = result.best_params["scene.initial_velocity"].tolist()
    start = problem.numbers()["scene.initial_velocity"].tolist()
    for words, expected in (
        (("run",), best),
        (("run/problem.json",), start),
        (("throw.py", "--params", "run"), best),
        (("throw.py",), start),
    ):
        seen.clear()
        assert call("check", *words) == 0
        assert seen
        assert all(value == expected for value in seen), words


def _load():
    import throw

    return throw


NOT_PROBLEMS = {
    "nothing": (("nowhere.py",), "nowhere.py does not exist; a scene script, a run's folder or a problem.json"),
    "a folder of something else": ((".",), "holds no problem.json"),
    "no JSON": (("notes.txt",), "notes.txt is not JSON"),
    "a script without the function": (("other.py",), "other.py has no function `problem`"),
    "flags for a file": (("notes.txt", "--speed", "3"), "takes no flags of its own, but --speed 3 was given"),
    "a problem that is none": (("empty.py",), "problem() of empty.py returned None, but a Problem is needed"),
    "a device": (("throw.py", "--device", "abacus"), "device is 'abacus'"),
    "a missing run": (("throw.py", "--params", "gone"), "gone"),
}


@pytest.mark.parametrize("case", NOT_PROBLEMS)
@pytest.mark.parametrize("command", ["check", "health", "estimate"])
def test_what_cannot_be_looked_at_is_named(command, case, capsys):
    words, said = NOT_PROBLEMS[case]
    for name, text in (("notes.txt", "not JSON"), ("other.py", "x = 1"), ("empty.py", "def problem():\n    pass\n")):
        with open(name, "w") as file:
            file.write(text)
    assert call(command, *words) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "throw.py", "--speed", "fast"), "argument --speed: invalid float value: 'fast'"),
        (("check", "throw.py", "--colour", "red"), "unrecognized arguments: --colour red"),
        (("check", "throw.py", "--directions", "0"), "argument --directions: it is '0', but it must be a whole number"),
        (("estimate", "throw.py", "--copies", "1"), "argument --copies: it is '1'"),
        (("health", "throw.py", "--precision", "f16"), "invalid choice: 'f16'"),
        (("guess", "throw.py"), "invalid choice: 'guess'"),
        ((), "the following arguments are required: COMMAND"),
    ],
)
def test_wrong_words_are_named(words, said, capsys):
    assert call(*words) == 2
    assert said in capsys.readouterr().err


# The three commands


def test_check_prints_the_table_and_its_status_is_the_report_s(capsys, monkeypatch):
    assert call("check", "throw.py") == 0
    assert "scene.initial_velocity" in capsys.readouterr().out
    spoil(monkeypatch, lambda value: 1.001 * value)
    assert call("check", "throw.py") == 1
    assert call("check", "throw.py", "--json") == 1
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :])["passed"] is False
    assert call("check", "throw.py", "--tolerance", "0.01") == 0


def test_health_prints_and_draws(capsys):
    assert call("health", "throw.py", "--plot", "health.png") == 0
    assert os.path.getsize("health.png") > 1000
    assert capsys.readouterr().out.strip()
    assert call("health", "throw.py", "--precision", "f64", "--json") == 0
    assert json.loads(capsys.readouterr().out)


def test_estimate_compares(capsys):
    words = ("estimate", "throw.py", "--copies", 8, "--rounds", 2, "--sigma", 0.01, "--precision", "f64", "--json")
    assert call(*words) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["samples"] == 16
    assert call(*words) == 0
    assert json.loads(capsys.readouterr().out) == first, "the same seed, the same numbers"
    assert call(*words, "--seed", 1) == 0
    assert json.loads(capsys.readouterr().out) != first


def test_help_has_an_example_and_the_statuses(capsys):
    for command in ("check", "health", "estimate"):
        assert call(command, "--help") == 0
        out = capsys.readouterr().out
        assert f"diffsim {command} scenes/mass_spring_walker.py --robot A" in out
        assert "Exit status: 0" in out


def test_interrupted(monkeypatch, capsys):
    def press(self, params):
        raise KeyboardInterrupt

    monkeypatch.setattr(ds.Simulation, "value_and_grad", press)
    assert call("check", "throw.py") == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["-m", "diffsim"], ["-c", "from diffsim.cli import main; main()"]])
def test_as_a_program(command):
    done = subprocess.run(
        [sys.executable, *command, "check", "nowhere.py"], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("InputError: nowhere.py does not exist")
