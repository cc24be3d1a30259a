"""The main line of scripts that learn a policy: what a run leaves, and that it goes on."""

import shutil

import pytest

import diffsim as ds

from ..learning.cart import CART
from .calls import call

pytest.importorskip("torch", reason='PyTorch is not installed: pip install "torch==2.13.0"')
pytest.importorskip("mujoco", reason='MuJoCo is not installed: pip install "diffsim[robots]"')

SCRIPT = f'''
"""A pole that stays up.

More about it.
"""
import diffsim as ds
from diffsim.cli import policy_main

CART = """{CART}"""


def reward(before, action, after):
    return 1.0 - after["joint_position"][:, 1] ** 2


def task(steps: int = 8):
    return ds.Task(ds.load_mjcf(CART, dt=0.02, substeps=2), reward, steps=steps, source=CART)


if __name__ == "__main__":
    policy_main(task, policy=ds.MLP(hidden=4, sines=0), algorithm=ds.APG(window=4), iterations=4, envs=4)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("scripts")
    (made / "cart.py").write_text(SCRIPT)
    return made


@pytest.fixture(scope="module")
def left(folder):
    """A finished run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert call("run", "cart.py", "--iterations", "4", "--no-video", "--output", "left") == 0
    return folder / "left"


def test_a_run_leaves_its_files(left):
    names = sorted(path.name for path in left.iterdir())
    wanted = ["history.jsonl", "loss.png", "params.npz", "problem.json", "report.html", "rollouts.npz", "state.npz"]
    assert names == wanted
    kept = ds.load_run(left)
    assert len(kept.history) == 4
    assert kept.best_iteration in kept.rollouts
    assert kept.about["settings"]["episode"] == 8
    assert "earns in MuJoCo" in (left / "report.html").read_text()


def test_it_goes_on_and_is_done(left, folder, monkeypatch, capfd):
    """A run that is done has nothing to do but to say what it found."""
    monkeypatch.chdir(folder)
    shutil.copytree(left, folder / "again")
    assert call("run", "cart.py", "--no-video", "--output", "again", "--resume") == 0
    said = capfd.readouterr().out
    assert "in 8 steps of diffsim" in said
    assert "in 8 steps of MuJoCo, at iteration" in said
    assert "all 4 iterations are done" in said
    assert ds.load_run("again").history == ds.load_run(left).history


def test_flags_of_the_task_and_refusals(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    assert call("run", "cart.py", "--help") == 0
    assert "--steps" in capfd.readouterr().out
    assert call("run", "cart.py", "--envs", "2") == 2
    assert "it must be a whole number of at least 4" in capfd.readouterr().err
    assert call("run", "cart.py", "--steps", "0") == 2
    assert "Task.steps is 0" in capfd.readouterr().err


def test_it_is_listed_and_has_no_problem_to_check(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    assert call("list", ".") == 0
    assert "A pole that stays up." in capfd.readouterr().out
    assert call("check", "cart.py") == 2
    assert "cart.py has no function `problem`" in capfd.readouterr().err
