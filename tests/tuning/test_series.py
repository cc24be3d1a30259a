"""A folder that holds another run gets a number; who writes, goes on and replaces where."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.tuning import SGD, Run, load_history, load_params, tune
from diffsim.tuning.series import newest, numbered, take


class Problem:
    """Has no bounds."""

    def limits(self, name):
        return -np.inf, np.inf

    def to_dict(self):
        return {"type": "Problem"}


class Line:
    """The loss (x - 1)^2 of one number."""

    shared, envs, problem = True, 1, Problem()

    def params(self, seed=0):
        return {"x": np.array(float(seed))}

    def value_and_grad(self, params):
        return float((params["x"] - 1.0) ** 2), {"x": 2.0 * (params["x"] - 1.0)}


def quiet(run, iterations=3, **settings):
    return tune(Line(), optimizer=SGD(0.1), iterations=iterations, progress=False, run=run, **settings)


def test_a_folder_that_holds_a_run_gets_a_number(tmp_path, caplog):
    name = tmp_path / "outputs" / "robot"
    folders = []
    with caplog.at_level(logging.WARNING, logger="diffsim"):
        for iterations in (3, 4, 5):
            run = Run(name)
            folders.append(quiet(run, iterations).folder)
            assert run.folder == folders[-1]
    assert [folder.name for folder in folders] == ["robot", "robot-2", "robot-3"]
    assert [len(load_history(folder)) for folder in folders] == [3, 4, 5]
    assert caplog.messages == [f"{name} holds another run; this one goes to {folder}" for folder in folders[1:]]
    assert sorted(path.name for path in name.parent.iterdir()) == ["robot", "robot-2", "robot-3"]


def test_one_run_object_does_not_replace_its_own_earlier_run(tmp_path):
    run = Run(tmp_path / "robot")
    assert [quiet(run).folder.name for _ in range(3)] == ["robot", "robot-2", "robot-3"]


def test_overwrite_takes_the_very_folder(tmp_path):
    quiet(Run(tmp_path / "robot"), 5)
    assert quiet(Run(tmp_path / "robot", overwrite=True), 2).folder == tmp_path / "robot"
    assert len(load_history(tmp_path / "robot")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["robot"]
    with pytest.raises(InputError, match=r"Run.overwrite is 'yes', but it must be True or False"):
        Run(tmp_path, overwrite="yes")


def test_what_is_no_run_takes_no_number(tmp_path):
    name = tmp_path / "robot"
    name.mkdir()
    (name / "notes.txt").write_text("mine")
    (tmp_path / "robot-2").mkdir()  # left by a run that was killed before it had anything
    (tmp_path / "robot-7").write_text("a file")
    (tmp_path / "robot-arm").mkdir()
    quiet(Run(tmp_path / "robot-arm"))
    assert quiet(Run(name)).folder == name
    assert (name / "notes.txt").read_text() == "mine"
    assert quiet(Run(name)).folder.name == "robot-2"
    assert quiet(Run(name)).folder.name == "robot-3"


def test_numbers_say_which_is_newer(tmp_path):
    """The first may be gone: a new run must not look older than those that are left."""
    name = tmp_path / "robot"
    for number in (1, 4):
        quiet(Run(numbered(name, number), overwrite=True))
    assert quiet(Run(name)).folder.name == "robot-5"
    (name / "problem.json").unlink()
    (name / "params.npz").unlink()
    (name / "history.jsonl").unlink()
    assert quiet(Run(name)).folder.name == "robot-6"
    assert newest(name).name == "robot-6"


def test_a_folder_without_a_name_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert quiet(Run(".")).folder == Path()
    assert quiet(Run(".")).folder == tmp_path / "here-2"


def test_resume_goes_on_with_the_newest_or_the_very_one(tmp_path):
    name = tmp_path / "robot"
    for seed in (0, 5):
        quiet(Run(name), seed=seed)
    longer = quiet(Run(name), 6, seed=5, resume=True)
    assert (longer.folder.name, len(longer.history)) == ("robot-2", 6)
    assert len(load_history(name)) == 3
    older = quiet(Run(name, overwrite=True), 7, resume=True)
    assert (older.folder, len(older.history)) == (name, 7)
    again = quiet(Run(tmp_path / "robot-2"), 8, seed=5, resume=True)  # by its own name
    assert (again.folder.name, len(again.history)) == ("robot-2", 8)
    with pytest.raises(InputError, match=r"robot-2 cannot be resumed: its seed is 5, but now it is 0"):
        quiet(Run(name), 9, resume=True)
    assert quiet(Run(tmp_path / "new"), resume=True).folder == tmp_path / "new"


def test_a_folder_that_another_run_writes_to_is_left_to_it(tmp_path):
    pytest.importorskip("fcntl", reason="files are not locked on Windows")
    name = tmp_path / "robot"
    folder, handle = take(name)  # as another process does before it has written anything
    assert folder == name
    assert quiet(Run(name)).folder.name == "robot-2"
    handle.close()
    assert load_params(name.with_name("robot-2"))["x"] > 0.0
    assert quiet(Run(name)).folder.name == "robot-3"


PROGRAM = """
import sys, time
from pathlib import Path
from diffsim.tuning import Run
sys.path.insert(0, sys.argv[2])
from test_series import quiet
print(quiet(Run(sys.argv[1])).folder.name, flush=True)
"""


def test_processes_that_begin_at_once_take_a_folder_each(tmp_path):
    pytest.importorskip("fcntl", reason="files are not locked on Windows")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "robot"), str(Path(__file__).parent)]
    begun = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    found = sorted(process.communicate(timeout=200)[0].strip() for process in begun)
    assert len(set(found)) == 4
    assert set(found) <= {path.name for path in tmp_path.iterdir()}
    assert all(len(load_history(tmp_path / name)) == 3 for name in found)
