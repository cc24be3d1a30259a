"""The command ``replay``."""

from __future__ import annotations

import warnings

import pytest

import diffsim as ds

from ..bridges.test_replay import ARM
from .calls import call

pytest.importorskip("mujoco", reason='MuJoCo is not installed: pip install "diffsim[robots]"')


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    """A run of an arm that was tuned for two iterations, and the file that it is from."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "arm.xml").write_text(ARM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scene = ds.load_mjcf(folder / "arm.xml", dt=0.01, substeps=5, contacts=False)
    problem = ds.Problem(scene, ds.Sine(), ds.Travel(point="hand"), steps=20)
    with ds.Simulation(problem, executor="staged") as sim:
        ds.tune(sim, iterations=2, run=ds.Run(folder / "run"), progress=False)
    return folder


def test_it_says_how_far_the_robot_comes_here_and_there(arm, capsys):
    assert call("replay", arm / "run", "--in", arm / "arm.xml", "--no-video") == 0
    here, there = capsys.readouterr().out.splitlines()
    assert here.split("  ")[0] == "in diffsim"
    assert there.split("  ")[0] == "in MuJoCo"
    assert here.split()[2:] == there.split()[2:]  # without contact they agree
    assert there.endswith("m in 0.20 s")
    assert call("replay", arm / "run", "--in", arm / "arm.xml", "--no-video", "--seconds", "0.5") == 0
    longer = capsys.readouterr().out.splitlines()
    assert longer[1].endswith("m in 0.50 s")
    assert longer[0].split()[2:] == longer[1].split()[2:]  # here for as long as there


def test_there_is_a_video(arm, capsys):
    pytest.importorskip("imageio_ffmpeg", reason='videos need pip install "diffsim[video]"')
    assert call("replay", arm / "run", "--in", arm / "arm.xml", "--seconds", "0.05") == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(arm / "run" / "mujoco.mp4")
    assert (arm / "run" / "mujoco.mp4").stat().st_size > 1000


def test_a_file_that_does_not_fit_is_refused(arm, capsys):
    assert call("replay", arm / "run", "--in", arm / "none.xml") == 2
    assert "cannot read" in capsys.readouterr().err
    assert call("replay", arm / "run", "--in", arm / "arm.xml", "--timestep", "0.003") == 2
    assert "no whole number of time steps" in capsys.readouterr().err
