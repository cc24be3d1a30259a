"""What a run leaves behind, and what it does when the disk does not take it."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import shutil
import stat
import sys

import numpy as np
import pytest

import diffsim.files as files_module
import diffsim.tuning.run as run_module
from diffsim.errors import InputError
from diffsim.files import FORMAT
from diffsim.physics.mass_spring.scene import Ground, MassSpring
from diffsim.problem import Problem
from diffsim.tuning import SGD, Run, load_history, load_params, load_problem, tune

PARAMS = {"scene.stiffness": np.array([1.0, 2.0]), "scene.damping": np.array(0.5)}


@pytest.fixture
def problem():
    scene = MassSpring(points=[[0, 1], [1, 1], [0, 2]], springs=[[0, 1], [1, 2]], ground=Ground())
    return Problem(scene, steps=7, tune=("scene.damping",), bounds={"scene.damping": (0.0, None)})


class Line:
    """The loss (d - 1)^2 of one number, scene.damping; calls ``during(k)`` in evaluation k."""

    shared, envs = True, 1

    def __init__(self, problem, during=None):
        self.problem, self.during, self.count = problem, during, 0

    def params(self, seed=0):
        return {"scene.damping": np.array(0.0)}

    def value_and_grad(self, params):
        if self.during is not None:
            self.during(self.count)
        self.count += 1
        d = params["scene.damping"]
        return float((d - 1.0) ** 2), {"scene.damping": 2.0 * (d - 1.0)}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def full(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


def begun(folder, problem, lines=2):
    run = Run(folder, every=0.0)
    run.start(problem)
    run.save(PARAMS, PARAMS)
    for k in range(lines):
        run.record({"iteration": k, "loss": 0.5})
    return run


def test_a_run_leaves_its_problem_parameters_and_history(tmp_path, problem):
    folder = tmp_path / "outputs" / "line"
    result = tune(Line(problem), optimizer=SGD(0.75), iterations=5, seed=3, progress=False, run=Run(folder), clip=10.0)
    assert names(folder) == ["history.jsonl", "params.npz", "problem.json", "state.npz"]
    assert result.unsaved is None
    assert load_history(folder) == result.history
    assert load_problem(folder) == problem  # with its infinite friction
    np.testing.assert_array_equal(load_params(folder)["scene.damping"], result.best_params["scene.damping"])
    np.testing.assert_array_equal(load_params(folder, "last")["scene.damping"], result.last_params["scene.damping"])
    with np.load(folder / "params.npz", allow_pickle=False) as held:
        known = ["best/scene.damping", "best_iteration", "best_loss", "format", "last/scene.damping", "run"]
        assert sorted(held.files) == [*known, "start/scene.damping"]
    about = json.loads((folder / "problem.json").read_text(), parse_constant=pytest.fail)
    assert about["format"] == FORMAT
    assert about["seed"] == 3
    assert about["settings"]["optimizer"] == "SGD(learning_rate=0.75, momentum=0.0, nesterov=False)"
    assert about["settings"]["clip"] == 10.0
    assert about["environment"]["numpy"] == np.__version__
    assert about["environment"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert about["environment"]["command"] == sys.orig_argv


def test_each_iteration_is_on_disk_when_the_next_one_begins(tmp_path, problem):
    seen = []

    def during(k):
        seen.append(len(load_history(tmp_path)) if k else 0)

    tune(Line(problem, during), iterations=5, progress=False, run=Run(tmp_path))
    assert seen == [0, 1, 2, 3, 4]


def test_numbers_that_are_not_finite_are_null(tmp_path, problem):
    run = begun(tmp_path, problem, lines=0)
    run.record({"iteration": 0, "loss": math.nan, "losses": [1.5, -math.inf], "rejected": "the loss is nan"})
    run.close()
    text = (tmp_path / "history.jsonl").read_text()
    wanted = '"iteration": 0, "loss": null, "losses": [1.5, null], "rejected": "the loss is nan"}\n'
    assert text.endswith(wanted)
    assert text.startswith(f'{{"format": {FORMAT}, "run": "')
    (record,) = load_history(tmp_path)
    assert math.isnan(record["loss"])
    assert record["losses"][0] == 1.5
    assert math.isnan(record["losses"][1])


def test_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"iteration": 0}\n{"iteration": 1}\n{"iteration": 2, "lo')
    assert load_history(path) == [{"iteration": 0}, {"iteration": 1}]
    path.write_text('{"iteration": 0}\n12')
    assert load_history(path) == [{"iteration": 0}]
    path.write_text('{"iteration": 0}\n{"itera\n{"iteration": 2}\n')
    with pytest.raises(InputError, match="line 2 is not a record"):
        load_history(path)


def test_readers_say_what_they_were_given(tmp_path):
    (tmp_path / "problem.json").write_text('{"format": 99}')
    with pytest.raises(
        InputError, match=rf"has format 99, but .* reads formats up to {FORMAT}: it was written by a later"
    ):
        load_problem(tmp_path)
    (tmp_path / "problem.json").write_text('{"form')
    with pytest.raises(InputError, match="is not JSON"):
        load_problem(tmp_path)
    np.savez(tmp_path / "params.npz", a=np.zeros(2))
    with pytest.raises(InputError, match="holds no best parameters"):
        load_params(tmp_path)
    with pytest.raises(InputError, match="which is 'first', but it must be one of 'best', 'last'"):
        load_params(tmp_path, "first")
    with pytest.raises(FileNotFoundError):
        load_history(tmp_path / "nowhere")


@pytest.mark.parametrize("broken", ["replace", "fsync", "write_all"])
def test_a_failed_write_leaves_the_old_parameters_whole(tmp_path, problem, monkeypatch, broken):
    run = begun(tmp_path, problem)
    with monkeypatch.context() as patch:
        patch.setattr(files_module if broken == "write_all" else os, broken, full)
        run.save({"scene.damping": np.array(9.0)}, {"scene.damping": np.array(9.0)})
        assert run.trouble == (
            f"cannot write {tmp_path / 'params.npz'}: No space left on device; only in memory: the best and last "
            "parameters"
        )
        assert names(tmp_path) == [
            "history.jsonl",
            "params.npz",
            "problem.json",
        ]  # nothing half-written beside
        np.testing.assert_array_equal(load_params(tmp_path)["scene.stiffness"], [1.0, 2.0])
        run.record({"iteration": 2})
    run.close()
    assert run.trouble is None
    assert load_params(tmp_path)["scene.damping"] == 9.0
    assert len(load_history(tmp_path)) == 3


def test_a_disk_that_fills_up_amid_a_line_loses_no_line(tmp_path, problem, monkeypatch):
    run = begun(tmp_path, problem)

    def half(file, data):
        file.write(data[: len(data) // 2])
        full()

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "write_all", half)
        run.record({"iteration": 2, "loss": 0.25})
    run.record({"iteration": 3, "loss": 0.125})
    assert "history.jsonl: No space left on device; only in memory: 1 line of history" in run.trouble
    assert [record["iteration"] for record in load_history(tmp_path)] == [0, 1]  # and half of the third
    run.save(PARAMS, PARAMS)
    assert run.trouble is None
    run.record({"iteration": 4, "loss": 0.5})
    run.close()
    assert [record["iteration"] for record in load_history(tmp_path)] == [0, 1, 2, 3, 4]


def test_a_write_that_takes_only_a_part_goes_on(tmp_path):
    taken = []

    class Reluctant:
        def write(self, data):
            taken.append(bytes(data[:3]))
            return len(data[:3])

    files_module.write_all(Reluctant(), b"12345678")
    assert taken == [b"123", b"456", b"78"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_device_is_one_warning_and_the_run_goes_on(tmp_path, problem, caplog):
    (tmp_path / "history.jsonl").symlink_to("/dev/full")
    with caplog.at_level(logging.WARNING, logger="diffsim"):
        result = tune(Line(problem), optimizer=SGD(0.25), iterations=30, progress=False, run=Run(tmp_path, every=0.0))
    assert len(result.history) == 30
    assert result.best_loss < 1e-12
    assert "history.jsonl: No space left on device; only in memory: 30 lines of history" in result.unsaved
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith("the run goes on")
    assert load_params(tmp_path)["scene.damping"] == result.best_params["scene.damping"]


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path, problem, caplog):
    (tmp_path / "outputs").write_text("a file where a folder should be")
    with caplog.at_level(logging.WARNING, logger="diffsim"):
        result = tune(Line(problem), iterations=5, progress=False, run=Run(tmp_path / "outputs" / "line"))
    assert f"cannot write {tmp_path / 'outputs' / 'line'}: Not a directory" in result.unsaved
    assert "the best and last parameters and 5 lines of history" in result.unsaved
    assert len(caplog.messages) == 1
    assert result.best_iteration == 4


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder_is_a_warning(tmp_path, problem):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        result = tune(Line(problem), iterations=5, progress=False, run=Run(tmp_path))
    finally:
        tmp_path.chmod(stat.S_IRWXU)
    assert "Permission denied" in result.unsaved


@pytest.mark.parametrize("what", ["folder", "problem.json", "history.jsonl", "params.npz"])
def test_what_vanishes_is_written_again_from_memory(tmp_path, problem, what):
    folder = tmp_path / "line"

    def during(k):
        if k == 3:
            shutil.rmtree(folder) if what == "folder" else (folder / what).unlink()

    result = tune(Line(problem, during), iterations=6, progress=False, run=Run(folder))
    assert result.unsaved is None
    assert load_history(folder) == result.history
    assert load_problem(folder) == problem
    assert load_params(folder)["scene.damping"] == result.best_params["scene.damping"]


def test_a_disk_that_comes_back_gets_everything(tmp_path, problem, monkeypatch, caplog):
    usual = os.replace

    def during(k):
        monkeypatch.setattr(os, "replace", full if 2 <= k < 6 else usual)

    with caplog.at_level(logging.WARNING, logger="diffsim"):
        result = tune(Line(problem, during), iterations=10, progress=False, run=Run(tmp_path, every=0.0))
    assert len(caplog.messages) == 2
    assert "params.npz: No space left on device" in caplog.messages[0]
    assert caplog.messages[1] == "all files are written after all"
    assert result.unsaved is None
    assert load_history(tmp_path) == result.history


def test_a_new_run_replaces_the_old_one_but_not_before_it_has_something(tmp_path, problem):
    tune(Line(problem), iterations=8, progress=False, run=Run(tmp_path, overwrite=True))

    def stop(k):
        raise RuntimeError("it does not even compile")

    with pytest.raises(RuntimeError):
        tune(Line(problem, stop), progress=False, run=Run(tmp_path, overwrite=True))
    assert len(load_history(tmp_path)) == 8
    tune(Line(problem), iterations=3, progress=False, run=Run(tmp_path, overwrite=True))
    assert len(load_history(tmp_path)) == 3


def test_parameters_are_written_at_once_then_rarely_then_at_the_end(tmp_path, problem, monkeypatch):
    saved = []
    usual = Run.save
    monkeypatch.setattr(Run, "save", lambda run, *a, **b: (saved.append(len(run._lines)), usual(run, *a, **b)))
    tune(Line(problem), iterations=50, progress=False, run=Run(tmp_path, every=60.0))
    assert saved == [1, 50]


def test_two_processes_do_not_write_to_one_folder(tmp_path, problem):
    pytest.importorskip("fcntl", reason="files are not locked on Windows")
    run = begun(tmp_path, problem)
    with pytest.raises(InputError, match="another process is writing its run to"):
        tune(Line(problem), iterations=5, progress=False, run=Run(tmp_path, overwrite=True))
    late = Run(tmp_path, overwrite=True)
    late.start(problem)
    late.save(PARAMS, PARAMS)  # it began where the other was not there yet
    assert "another process is writing to it" in late.trouble
    late.close()
    run.record({"iteration": 2})
    run.close()
    assert len(load_history(tmp_path)) == 3
    tune(Line(problem), iterations=5, progress=False, run=Run(tmp_path, overwrite=True))
    assert len(load_history(tmp_path)) == 5


def test_a_new_run_takes_the_pictures_of_the_earlier_one_away(tmp_path, problem):
    for name in ("report.html", "optimisation.mp4", "rollouts.npz", "notes.txt", ".params.123.part.npz"):
        (tmp_path / name).write_text("of an earlier run")
    tune(Line(problem), iterations=2, progress=False, run=Run(tmp_path, overwrite=True))
    assert names(tmp_path) == ["history.jsonl", "notes.txt", "params.npz", "problem.json", "state.npz"]
    (tmp_path / "report.html").write_text("of this run")
    tune(Line(problem), iterations=4, progress=False, run=Run(tmp_path), resume=True)
    assert "report.html" in names(tmp_path)


def test_settings_may_be_numpy_numbers_and_functions(tmp_path, problem):
    changes = [
        {"iterations": np.int64(3)},
        {"seed": np.int64(3)},
        {"target": np.float32(1e-9)},
        {"scale": {"scene.*": np.float32(2.0)}},
    ]
    for change in changes:
        tune(Line(problem), **{"iterations": 3, "progress": False, "run": Run(tmp_path, overwrite=True), **change})
        assert len(load_history(tmp_path)) == 3
    optimizer = SGD(lambda iteration: 0.1 / (iteration + 1))
    tune(Line(problem), optimizer=optimizer, iterations=3, progress=False, run=Run(tmp_path, overwrite=True))
    again = SGD(lambda iteration: 0.1 / (iteration + 1))  # another function of the same name
    tune(Line(problem), optimizer=again, iterations=5, progress=False, run=Run(tmp_path), resume=True)
    assert len(load_history(tmp_path)) == 5


def test_what_is_not_plain_is_said_before_anything_runs(tmp_path, problem):
    class Odd(Line):
        options = {"device": object()}  # noqa: RUF012

    sim = Odd(problem)
    with pytest.raises(InputError, match="cannot be written as JSON"):
        tune(sim, iterations=3, progress=False, run=Run(tmp_path))
    assert sim.count == 0


def test_history_of_copies_that_began_with_an_exception_is_complete(tmp_path, problem):
    """Nothing is accepted in iteration 0, so nothing is written then; its line must not be lost."""
    from diffsim.errors import DivergenceError

    class Copies(Line):
        shared, envs = False, 2

        def params(self, seed=0):
            return {"scene.damping": np.array([0.0, 5.0])}

        def value_and_grad(self, params):
            d = params["scene.damping"]
            if (d > 4.0).any():
                raise DivergenceError("env 1 diverged", array="position", env=1, step=2)
            return (d - 1.0) ** 2, {"scene.damping": 2.0 * (d - 1.0)}

    result = tune(Copies(problem), iterations=4, progress=False, run=Run(tmp_path))
    found = load_history(tmp_path)
    assert [record["iteration"] for record in found] == [0, 1, 2, 3]
    assert found[0]["rejected"] == "copy 1: env 1 diverged"
    assert load_params(tmp_path)["scene.damping"].shape == ()
    assert load_params(tmp_path, "last")["scene.damping"].shape == (2,)
    assert result.best_copy == 0
