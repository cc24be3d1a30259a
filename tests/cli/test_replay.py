"""The command ``replay``."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import diffsim as ds
import diffsim.cli.scene
from diffsim.errors import InputError

from ..bridges.test_replay import ARM, PLANK
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
        ds.tune(sim, iterations=2, run=ds.Run(folder / "run", source=folder / "arm.xml"), progress=False)
    return folder


def test_it_says_how_far_the_robot_comes_here_and_there(arm, capsys):
    assert call("replay", arm / "run", "--in", arm / "arm.xml", "--no-video") == 0
    here, there = capsys.readouterr().out.splitlines()
    assert here.split("  ")[0] == "in diffsim"
    assert there.split("  ")[0] == "in MuJoCo"
    assert here.split()[2:] == there.split()[2:]  # without contact they agree
    assert there.endswith("m in 0.20 s")
    for own in ([], ["--in", "mujoco"]):  # the run knows its file
        assert call("replay", arm / "run", *own, "--no-video") == 0
        assert capsys.readouterr().out.splitlines() == [here, there]
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


def sliding() -> ds.Problem:
    """A plank that is to get along."""
    return ds.Problem(ds.load_mjcf(PLANK, dt=0.01), ds.OpenLoop(), ds.Travel(point="plank"), steps=20)


def test_a_script_tells_what_became_of_it_in_mujoco(tmp_path, monkeypatch, capsys):
    """In its summary and in its report; and it begins with what it is told to."""
    monkeypatch.chdir(tmp_path)

    def start(seed):
        return {"controller.values": np.full((20, 1), 0.5 + seed)}

    flags = ["--iterations", "2", "--no-video", "--seed", "1"]
    ds.cli.scene_main(sliding, optimizer=ds.SGD(1e-9), source=PLANK, start=start, arguments=flags)
    told = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("mujoco"))
    run = ds.load_run(tmp_path / "outputs" / "test_replay")
    np.testing.assert_allclose(run.rollouts[0].actuation, 1.5, atol=1e-6)
    gone = run.rollouts[0].joint_position[-1, 0]
    assert told == f"mujoco   {gone:.2f} m in 0.20 s"
    assert "in MuJoCo" in (run.folder / "report.html").read_text()
    assert f"{gone:.2f} m in 0.20 s" in (run.folder / "report.html").read_text()
    with pytest.raises(SystemExit):
        ds.cli.scene_main(sliding, start=start, arguments=["--starts", "2"])
    assert "share one start" in capsys.readouterr().err
    monkeypatch.setattr(ds.cli.scene, "asked", [lambda problem, settings: None])  # as a sweep does
    with pytest.raises(InputError, match="begins with parameters that it finds itself"):
        ds.cli.scene_main(sliding, start=start)
