"""What `load_run` gives back: the same problem, the same loss, the same trajectories."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import diffsim as ds
import diffsim.files as files
from diffsim.rollout import Rollout

STARTS = {"initial_velocity": np.array([[[1.0, 0.0]] * 6, [[0.0, 1.0]] * 6])}


def problem(scale=1.0):
    body = ds.grid((2, 1), spacing=0.1, origin=(0.0, 0.2))
    scene = ds.MassSpring(
        body.points, body.springs, stiffness=scale * 100.0, actuation=0.1, dt=0.01, ground=ds.Ground()
    )
    return ds.Problem(scene, ds.Sine(), ds.Travel(), steps=20)


class Flat:
    """Stands for a simulation: nothing changes the loss."""

    problem, envs, shared = problem(), 1, True

    def params(self, seed=0):
        return {name: np.array(value) for name, value in self.problem.numbers().items() if "controller" in name}

    def value_and_grad(self, params):
        return 1.0, {name: np.zeros_like(value) for name, value in params.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two copies with initial states of their own, and its result."""
    folder = tmp_path_factory.mktemp("run")
    with ds.Simulation(problem(), precision="f64", envs=2, shared=False, initial_states=STARTS) as simulation:
        result = ds.tune(simulation, iterations=6, progress=False, run=ds.Run(folder))
        losses = simulation.value(result.best_params)
    with ds.Simulation(problem()) as simulation:
        shown = [(iteration, simulation.rollout(params)) for iteration, params in result.snapshots]
    ds.save_rollouts(folder, shown)
    return folder, result, losses, dict(shown)


def test_everything_comes_back(made):
    folder, result, _, shown = made
    run = ds.load_run(folder)
    assert run.problem == problem()
    np.testing.assert_equal(run.params, result.best_params)
    np.testing.assert_equal(run.last_params, result.last_params)
    assert (run.best_loss, run.best_iteration) == (result.best_loss, result.best_iteration)
    assert run.history == result.history
    assert run.about["seed"] == 0
    assert run.about["environment"]["command"] == sys.orig_argv
    assert list(run.rollouts) == list(shown)
    for iteration, rollout in run.rollouts.items():
        assert set(rollout) == set(shown[iteration])
        for name in rollout:
            np.testing.assert_array_equal(rollout[name], shown[iteration][name])
        np.testing.assert_equal(rollout.params, shown[iteration].params)
        assert rollout.loss == shown[iteration].loss
        assert rollout.problem == problem()
    assert "best_iteration" in repr(run)


def test_another_process_has_the_same_loss_to_the_last_bit(made):
    folder, _, losses, _ = made
    program = (
        "import sys, diffsim as ds\n"
        "run = ds.load_run(sys.argv[1])\n"
        "with ds.Simulation(run.problem, **run.options) as simulation:\n"
        "    print(*(float(loss).hex() for loss in simulation.value(run.params)))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [float(loss).hex() for loss in losses]


def test_a_pattern_means_what_it_named_when_the_run_was_made(made, tmp_path):
    """A scene may have more numbers in a later version."""
    folder = shutil.copytree(made[0], tmp_path / "run")
    about = json.loads((folder / "problem.json").read_text())
    about["problem"]["tune"] = ["*"]
    (folder / "problem.json").write_text(json.dumps(about))
    run = ds.load_run(folder)
    assert run.problem.tuned == ds.load_problem(folder / "problem.json").tuned == tuple(run.params)
    with ds.Simulation(run.problem, **run.options) as simulation:
        assert run.best_loss in simulation.value(run.params)


def test_trajectories_take_the_room_of_their_precision(made, tmp_path):
    folder, *_ = made
    with np.load(folder / "rollouts.npz") as held:
        assert held["0/arrays/position"].dtype == np.float32  # it was computed in it
    (tmp_path / "problem.json").write_bytes((folder / "problem.json").read_bytes())
    fine = Rollout(problem(), {}, np.zeros(1), {"position": np.full((1, 1, 2), 0.1)})
    ds.save_rollouts(tmp_path, [(0, fine)])
    with np.load(tmp_path / "rollouts.npz") as held:
        assert held["0/arrays/position"].dtype == np.float64


def copy(folder, to):
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize("name", ["problem.json", "params.npz", "history.jsonl", "rollouts.npz"])
def test_a_later_format_is_refused_by_its_file(made, tmp_path, monkeypatch, name):
    folder, *_ = made
    copy(folder, tmp_path)
    if name.endswith("npz"):
        with np.load(folder / name) as held:
            arrays = dict(held)
        np.savez(tmp_path / name, **{**arrays, "format": np.array(files.FORMAT + 1)})
    else:
        text = (tmp_path / name).read_text()
        assert f'"format": {files.FORMAT}' in text
        (tmp_path / name).write_text(text.replace(f'"format": {files.FORMAT}', f'"format": {files.FORMAT + 1}', 1))
    later = rf"{name} has format {files.FORMAT + 1}, but .* reads formats up to {files.FORMAT}: it was written by a"
    with pytest.raises(ds.InputError, match=later):
        ds.load_run(tmp_path)


@pytest.mark.parametrize("name", ["problem.json", "params.npz", "history.jsonl"])
def test_what_is_missing_is_named(made, tmp_path, name):
    folder, *_ = made
    copy(folder, tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ds.InputError, match=f"holds no {name}; it was not written by a run"):
        ds.load_run(tmp_path)


def test_what_is_damaged_is_named(made, tmp_path):
    folder, *_ = made
    copy(folder, tmp_path)
    whole = (tmp_path / "params.npz").read_bytes()
    (tmp_path / "params.npz").write_bytes(whole[:200])
    with pytest.raises(ds.InputError, match=r"params.npz cannot be read as an npz file"):
        ds.load_run(tmp_path)
    (tmp_path / "params.npz").write_bytes(whole)
    (tmp_path / "problem.json").write_text("[1, 2]")
    with pytest.raises(ds.InputError, match=r"problem.json holds no run"):
        ds.load_run(tmp_path)
    with pytest.raises(ds.InputError, match="nowhere does not exist"):
        ds.load_run(tmp_path / "nowhere")
    with pytest.raises(ds.InputError, match=r"params.npz is no folder of a run"):
        ds.load_run(tmp_path / "params.npz")


@pytest.mark.parametrize("name", ["params.npz", "history.jsonl"])
def test_files_of_two_runs_are_told_apart(made, tmp_path, name):
    folder, *_ = made
    copy(folder, tmp_path)
    (tmp_path / "another").mkdir()
    ds.tune(Flat(), iterations=2, progress=False, run=ds.Run(tmp_path / "another"))
    (tmp_path / "another" / name).replace(tmp_path / name)
    with pytest.raises(ds.InputError, match=f"{name} is of another run than problem.json"):
        ds.load_run(tmp_path)


def test_of_a_killed_run_the_loss_is_that_of_the_parameters(made, tmp_path):
    """The history is written at each iteration, the parameters now and then."""
    folder, result, *_ = made
    copy(folder, tmp_path)
    better = {"iteration": 6, "loss": -9.0, "best": -9.0, "gradient_norm": 1.0, "seconds": 1.0}
    with open(tmp_path / "history.jsonl", "a") as file:
        file.write(json.dumps(better) + "\n")
    run = ds.load_run(tmp_path)
    assert run.history[-1]["best"] == -9.0
    assert (run.best_loss, run.best_iteration) == (result.best_loss, result.best_iteration)


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:300] + bytes([data[300] ^ 255]) + data[301:]])
def test_damaged_trajectories_are_named(made, tmp_path, damage):
    folder, *_ = made
    copy(folder, tmp_path)
    path = tmp_path / "rollouts.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ds.InputError, match=r"rollouts.npz cannot be read as an npz file"):
        ds.load_run(tmp_path)


def test_trajectories_of_an_earlier_run_are_not_shown(made, tmp_path):
    folder, *_ = made
    copy(folder, tmp_path)
    about = json.loads((tmp_path / "problem.json").read_text())
    ds.tune(Flat(), iterations=2, progress=False, run=ds.Run(tmp_path, overwrite=True))
    run = ds.load_run(tmp_path)
    assert run.about["run"] != about["run"]
    assert run.rollouts == {}


def test_a_trajectory_of_a_copy_keeps_the_numbers_of_that_copy(tmp_path):
    numbers = {"scene.gravity": [(0.0, -9.81), (1.0, 2.0)], "objective.weight": [1.0, 3.0]}
    with ds.Simulation(problem(), envs=2, numbers=numbers) as simulation:
        result = ds.tune(simulation, iterations=2, progress=False, run=ds.Run(tmp_path))
        second = simulation.rollout(result.best_params).env(1)
        loss = simulation.value(result.best_params)
    ds.save_rollouts(tmp_path, [(1, second)])
    run = ds.load_run(tmp_path)
    found = run.rollouts[1]
    assert found.numbers["scene.gravity"].tolist() == [1.0, 2.0]
    assert np.array_equal(found.energy, second.energy)
    with ds.Simulation(run.problem, **run.options) as again:
        assert again.value(run.params) == loss
