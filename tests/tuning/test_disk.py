"""Disks that are full or read-only, folders that vanish: real ones."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pytest

import diffsim as ds
from diffsim.cli import scene, scene_main


def problem() -> ds.Problem:
    """A worm on the ground, of 180 numbers."""
    body = ds.grid((2, 1), spacing=0.1, origin=(0.0, 0.2))
    scene = ds.MassSpring(body.points, body.springs, stiffness=100.0, actuation=0.1, dt=0.01, ground=ds.Ground())
    return ds.Problem(scene, ds.OpenLoop(), ds.Travel(), steps=30)


@pytest.fixture
def disk(tmp_path):
    """Makes a disk of so many kilobytes, mounted in a folder; gives it back in the end."""
    mounted = []

    def make(kilobytes):
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a small disk (tmpfs) can only be mounted by the superuser of a Linux machine")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=False)


@pytest.fixture
def script(monkeypatch, keep, capfd):
    """Runs the main line of a scene script; its exit status, and what it printed."""
    monkeypatch.setattr(scene, "Simulation", keep)

    def run(*flags):
        status = 0
        try:
            scene_main(problem, arguments=["--no-video", *map(str, flags)])
        except SystemExit as leaving:
            status = leaving.code
        return status, *capfd.readouterr()

    return run


def whole(folder):
    """Every file of a run can be read; the run."""
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")], "leftovers"
    return ds.load_run(folder)


def test_a_full_disk_is_said_and_damages_nothing(disk, script):
    place = disk(400)
    status, _, err = script("--output", place / "worm", "--iterations", 5)
    assert status == 0, err
    before = whole(place / "worm")
    pictures = {name: (place / "worm" / name).read_bytes() for name in ("loss.png", "report.html", "rollouts.npz")}
    filler = place / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    status, out, err = script("--output", place / "worm", "--iterations", 20, "--seed", 1, "--overwrite")
    assert status == 1
    assert "No space left on device; only in memory: the best and last parameters" in err
    assert "loss     " in out  # what was found is said all the same
    after = whole(place / "worm")  # nothing of the earlier run was touched
    np.testing.assert_equal(after.params, before.params)
    assert after.history == before.history
    assert list(after.rollouts) == list(before.rollouts)
    assert all((place / "worm" / name).read_bytes() == data for name, data in pictures.items())
    filler.unlink()
    status, _, err = script("--output", place / "worm", "--iterations", 20, "--seed", 1, "--overwrite")
    assert status == 0, err
    assert len(whole(place / "worm").history) == 20


def test_a_disk_that_fills_up_amid_a_run_keeps_what_was_written(disk):
    place = disk(600)
    filler = open(place / "filler", "wb", buffering=0)  # noqa: SIM115

    def fill(record, params):
        if record["iteration"] == 5:
            try:
                while filler.write(b"x" * 512):
                    pass
            except OSError:
                pass
            filler.close()
        if record["iteration"] == 20:
            assert run.trouble is not None
            assert len(ds.load_history(place / "worm")) >= 6
            ds.load_params(place / "worm")
            (place / "filler").unlink()

    run = ds.Run(place / "worm", every=0.0)
    with ds.Simulation(problem()) as simulation:
        result = ds.tune(simulation, iterations=30, progress=False, run=run, callback=fill)
        assert result.unsaved is None
        assert whole(place / "worm").history == result.history
        same = ds.tune(simulation, iterations=30, progress=False, run=ds.Run(place / "worm"), resume=True)
        np.testing.assert_equal(same.best_params, result.best_params)


def test_a_read_only_disk_is_said(disk, script):
    place = disk(400)
    assert script("--output", place / "worm", "--iterations", 3)[0] == 0
    before = whole(place / "worm")
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    for folder in (place / "worm", place / "new"):
        status, _, err = script("--output", folder, "--iterations", 3, "--seed", 1)
        assert status == 1
        assert "Read-only file system" in err
    assert whole(place / "worm").history == before.history
    assert os.listdir(place) == ["worm"]


def test_a_folder_that_vanishes_amid_a_run_is_made_again(tmp_path):
    with ds.Simulation(problem()) as simulation:
        result = ds.tune(
            simulation,
            iterations=12,
            progress=False,
            run=ds.Run(tmp_path / "worm"),
            callback=lambda record, params: record["iteration"] == 6 and shutil.rmtree(tmp_path / "worm"),
        )
        assert result.unsaved is None
        assert whole(tmp_path / "worm").history == result.history
