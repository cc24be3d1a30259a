"""A run that was killed goes on and ends with the very numbers of one that was not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from diffsim.errors import DivergenceError, InputError
from diffsim.physics.mass_spring.scene import MassSpring
from diffsim.problem import Problem
from diffsim.tuning import (
    SGD,
    Adam,
    ExponentialDecay,
    NormalisedGradientDescent,
    Run,
    load_history,
    load_params,
    load_run,
    tune,
)

SCENE = MassSpring(points=[[0, 1], [1, 1], [0, 2]], springs=[[0, 1], [1, 2]])
PROBLEM = Problem(SCENE, steps=7, tune=("scene.stiffness", "scene.damping"), bounds={"scene.damping": (0.0, None)})


WALL = 1.9


class Valley:
    """A curved valley of two numbers and a wall, beyond which nothing is finite; with copies or without."""

    def __init__(self, envs=1, shared=True, problem=PROBLEM):
        self.problem, self.envs, self.shared, self.calls = problem, envs, shared, 0

    def params(self, seed=0):
        shape = () if self.shared else (self.envs,)
        rng = np.random.default_rng(seed)
        return {"scene.stiffness": rng.normal(size=shape), "scene.damping": 1.0 + rng.uniform(size=shape)}

    def value_and_grad(self, params):
        self.calls += 1
        k, d = params["scene.stiffness"], params["scene.damping"]
        loss = (1.0 - k) ** 2 + 20.0 * (d - k**2) ** 2
        slope = {"scene.stiffness": 2.0 * (k - 1.0) - 80.0 * k * (d - k**2), "scene.damping": 40.0 * (d - k**2)}
        if self.shared:
            if d > WALL:
                raise DivergenceError("over the wall", array="position", env=0, step=3)
            return float(loss), slope
        return np.where(d > WALL, np.nan, loss), slope


WAYS = {
    "one": ({}, {"optimizer": Adam(0.1)}),
    "rejections": ({}, {"optimizer": SGD(1.0, momentum=0.9), "clip": 5.0}),
    "copies": (
        {"envs": 3, "shared": False},
        {"optimizer": NormalisedGradientDescent(ExponentialDecay(0.3, 0.9), momentum=0.5)},
    ),
    "samples": (
        {"envs": 5, "shared": False},
        {"optimizer": Adam(0.05), "estimator": "mixed", "sigma": 0.05, "scale": {"scene.damping": 2.0}},
    ),
}


def same(a, b):
    """Whether two results are the same to the last bit, but for the clock."""
    timeless = [[{**record, "seconds": 0.0, "compiling": 0.0} for record in result.history] for result in (a, b)]
    np.testing.assert_equal(timeless[0], timeless[1])
    for name in ("best_loss", "best_iteration", "best_copy", "stopped"):
        assert getattr(a, name) == getattr(b, name), name
    for name in ("best_params", "last_params", "snapshots"):
        np.testing.assert_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("way", WAYS)
def test_from_any_iteration_the_same_numbers_come(way, tmp_path):
    made, settings = WAYS[way]
    settings = {**settings, "iterations": 40, "seed": 2, "progress": False}
    run = tmp_path / "run"

    def copy(record, params):
        if record["iteration"] % 3 == 1:  # what is on disk now was written after the iteration before
            shutil.copytree(run, tmp_path / str(record["iteration"]))

    whole = tune(Valley(**made), run=Run(run, every=0.0), callback=copy, **settings)
    if way == "rejections":
        assert any("rejected" in record for record in whole.history)
    assert len(load_history(run)) == 40
    for k in range(1, 40, 3):
        sim = Valley(**made)
        again = tune(sim, run=Run(tmp_path / str(k)), resume=True, **settings)
        assert sim.calls <= 40 - k
        same(whole, again)
        np.testing.assert_equal(load_params(tmp_path / str(k)), whole.best_params)
        assert [r["iteration"] for r in load_history(tmp_path / str(k))] == list(range(40))


@pytest.mark.parametrize("way", WAYS)
def test_pressed_twice_amid_an_iteration(way, tmp_path):
    """The second Ctrl-C tears it: random numbers are drawn, and nothing is recorded."""
    made, settings = WAYS[way]
    settings = {**settings, "iterations": 25, "seed": 2, "progress": False}

    class Pressed(Valley):
        def value_and_grad(self, params):
            if self.calls == 12:
                raise KeyboardInterrupt
            return super().value_and_grad(params)

    cut = tune(Pressed(**made), run=Run(tmp_path, every=0.0), **settings)
    assert cut.stopped == "interrupted"
    again = tune(Valley(**made), run=Run(tmp_path), resume=True, **settings)
    same(tune(Valley(**made), **settings), again)


@pytest.mark.parametrize("after", [True, False])
def test_pressed_twice_as_a_record_is_written(after, tmp_path):
    """What the search knows and what the history holds must not be an iteration apart."""

    class Pressed(Run):
        def record(self, record):
            if after:
                super().record(record)
            if record["iteration"] == 12:
                raise KeyboardInterrupt
            if not after:
                super().record(record)

    settings = {**WAYS["samples"][1], "iterations": 25, "progress": False}
    sim = Valley(**WAYS["samples"][0])
    assert tune(sim, run=Pressed(tmp_path, every=0.0), **settings).stopped == "interrupted"
    again = tune(Valley(**WAYS["samples"][0]), run=Run(tmp_path), resume=True, **settings)
    same(tune(Valley(**WAYS["samples"][0]), **settings), again)


def test_what_was_recorded_after_the_state_comes_again(tmp_path):
    def stop(record, params):
        if record["iteration"] == 9:
            shutil.copytree(tmp_path / "run", tmp_path / "killed")

    settings = {"iterations": 15, "progress": False}
    whole = tune(Valley(), run=Run(tmp_path / "run", every=1e9), callback=stop, **settings)  # one state: the first
    assert len(load_history(tmp_path / "killed")) == 10
    with open(tmp_path / "killed" / "history.jsonl", "ab") as file:
        file.write(b'{"iteration": 10, "lo')  # it was killed while it wrote
    sim = Valley()
    same(whole, tune(sim, run=Run(tmp_path / "killed"), resume=True, **settings))
    assert sim.calls == 14
    assert len(load_history(tmp_path / "killed")) == 15


def test_a_finished_run_is_not_run_again_but_can_go_on_for_longer(tmp_path):
    long = tune(Valley(), iterations=30, progress=False)
    tune(Valley(), iterations=20, progress=False, run=Run(tmp_path))
    sim = Valley()
    again = tune(sim, iterations=20, progress=False, run=Run(tmp_path), resume=True)
    assert (sim.calls, again.stopped) == (0, "all 20 iterations are done")
    longer = tune(sim, iterations=30, progress=False, run=Run(tmp_path), resume=True)
    assert sim.calls == 10
    same(long, longer)
    about = json.loads((tmp_path / "problem.json").read_text())
    assert about["settings"]["iterations"] == 30
    assert len(about["resumed"]) == 2
    less = tune(sim, iterations=10, progress=False, run=Run(tmp_path), resume=True)
    assert (sim.calls, len(less.history)) == (10, 30)  # nothing earned is thrown away


def test_the_clock_goes_on(tmp_path):
    tune(Valley(), iterations=3, progress=False, run=Run(tmp_path), callback=lambda record, params: time.sleep(0.05))
    first = load_history(tmp_path)[-1]["seconds"]
    tune(Valley(), iterations=4, progress=False, run=Run(tmp_path), resume=True)
    assert load_history(tmp_path)[-1]["seconds"] > first >= 0.1


def test_where_there_is_no_run_it_starts(tmp_path, caplog):
    result = tune(Valley(), iterations=3, progress=False, run=Run(tmp_path / "new"), resume=True)
    assert "there is no run to go on with yet; it starts" in caplog.text
    same(result, tune(Valley(), iterations=3, progress=False))
    (tmp_path / "new" / "state.npz").unlink()
    with pytest.raises(InputError, match=r"it has a history, but its state.npz is gone; start it anew"):
        tune(Valley(), iterations=3, progress=False, run=Run(tmp_path / "new"), resume=True)
    first = (tmp_path / "new" / "history.jsonl").read_bytes().partition(b"\n")[0]
    (tmp_path / "new" / "history.jsonl").write_bytes(first + b"\n")  # now it was killed in its first moments
    sim = Valley()
    tune(sim, iterations=3, progress=False, run=Run(tmp_path / "new"), resume=True)
    assert sim.calls == 3


def test_a_state_of_an_earlier_run_is_not_taken_up(tmp_path):
    tune(Valley(), iterations=5, progress=False, run=Run(tmp_path))
    shutil.copy(tmp_path / "state.npz", tmp_path / "old.npz")
    tune(Valley(), iterations=1, seed=4, progress=False, run=Run(tmp_path, overwrite=True))
    (tmp_path / "old.npz").replace(tmp_path / "state.npz")
    sim = Valley()
    tune(sim, iterations=5, seed=4, progress=False, run=Run(tmp_path), resume=True)
    assert sim.calls == 5


OTHER = Problem(SCENE, steps=8, tune=PROBLEM.tune, bounds=dict(PROBLEM.bounds))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 1}, "its seed is 0, but now it is 1"),
        (
            {"optimizer": Adam(0.5)},
            r"its settings.optimizer is .*learning_rate=0.02.*but now it is .*learning_rate=0.5",
        ),
        ({"optimizer": Adam(0.02, epsilon=1e-7)}, r"epsilon=1e-08.*but now it is .*epsilon=1e-07"),
        ({"params": Valley().params(seed=3)}, 'its settings.start is "seed", but now it is "given, '),
        ({"clip": 1.0}, r"its settings.clip is null, but now it is 1.0"),
        ({"sim": Valley(problem=OTHER)}, "its problem.steps is 7, but now it is 8"),
    ],
)
def test_another_run_is_refused_and_stays_as_it_is(changed, message, tmp_path):
    result = tune(Valley(), iterations=4, progress=False, run=Run(tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    changed = dict(changed)
    sim = changed.pop("sim", None) or Valley()
    with pytest.raises(InputError, match=message):
        tune(sim, iterations=9, progress=False, run=Run(tmp_path), resume=True, **changed)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert sim.calls == 0
    np.testing.assert_equal(load_params(tmp_path), result.best_params)


def test_damaged_files_are_named(tmp_path):
    tune(Valley(), iterations=4, progress=False, run=Run(tmp_path))
    history = (tmp_path / "history.jsonl").read_bytes()
    (tmp_path / "history.jsonl").write_bytes(history[: len(history) // 2])
    with pytest.raises(InputError, match=r"its state was saved after 4 records, but history.jsonl holds [12];"):
        tune(Valley(), progress=False, run=Run(tmp_path), resume=True)
    state = (tmp_path / "state.npz").read_bytes()
    (tmp_path / "state.npz").write_bytes(state[: len(state) // 2])
    with pytest.raises(InputError, match=r"state.npz cannot be read as an npz file"):
        tune(Valley(), progress=False, run=Run(tmp_path), resume=True)


def test_resuming_needs_a_folder():
    with pytest.raises(InputError, match="without a run there is no folder to go on from"):
        tune(Valley(), resume=True)


# A real process, killed

SCRIPT = """
import sys
import diffsim as ds
from diffsim.cli import scene_main

def problem():
    body = ds.grid((2, 1), spacing=0.1, origin=(0.0, 0.2))
    scene = ds.MassSpring(body.points, body.springs, stiffness=100.0, actuation=0.1, dt=0.01, ground=ds.Ground())
    return ds.Problem(scene, ds.Sine(), ds.Travel(), steps=30)

if __name__ == "__main__":
    scene_main(problem, optimizer=ds.Adam(0.05), iterations=1500, starts=2)
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_killed_and_resumed_as_a_program(tmp_path):
    script = tmp_path / "worm.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), "--no-video", "--output"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True, timeout=200)
    process = subprocess.Popen([*command, str(tmp_path / "cut")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for line in process.stderr:
        if line.startswith(b"1/1500 "):
            break
    time.sleep(0.2)  # the state is some iterations old
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    begun = len(load_history(tmp_path / "cut"))
    assert begun < 1500
    subprocess.run([*command, str(tmp_path / "cut"), "--resume"], check=True, capture_output=True, timeout=200)
    whole, cut = load_run(tmp_path / "whole"), load_run(tmp_path / "cut")
    np.testing.assert_equal(
        [{**record, "seconds": 0.0, "compiling": 0.0} for record in cut.history],
        [{**record, "seconds": 0.0, "compiling": 0.0} for record in whole.history],
    )
    np.testing.assert_equal(cut.params, whole.params)
    np.testing.assert_equal(cut.last_params, whole.last_params)
    assert list(cut.rollouts) == list(whole.rollouts)
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == sorted(
        path.name for path in (tmp_path / "whole").iterdir()
    )
