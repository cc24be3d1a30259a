"""The commands about scenes and finished runs: run, list, render, show, compare."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import diffsim as ds
from diffsim.cli import artifacts, runs, scene
from diffsim.spec import Spec

from ..learning.cart import CART
from .calls import call

SCRIPT = '''
"""A worm that crawls.

More about it.
"""
import diffsim as ds
from diffsim.cli import scene_main
from neighbour import STIFFNESS

def problem(stiffness: float = STIFFNESS):
    body = ds.grid((2, 1), spacing=0.1, origin=(0.0, 0.05))
    scene = ds.MassSpring(body.points, body.springs, stiffness, actuation=0.1, dt=0.01, ground=ds.Ground())
    return ds.Problem(scene, ds.Sine(), ds.Travel(), steps=30)

if __name__ == "__main__":
    scene_main(problem, iterations=5)
'''


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch, keep):
    """Each test has a current folder of its own, with scenes in it; problems that are equal are compiled once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scene, "Simulation", keep)
    monkeypatch.setattr(runs, "Simulation", keep)
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "worm.py").write_text(SCRIPT)
    (tmp_path / "mine" / "neighbour.py").write_text("STIFFNESS = 100.0\n")


@pytest.fixture
def worm(capfd):
    """The folder of a finished run."""
    assert call("run", "mine/worm.py", "--no-video") == 0
    capfd.readouterr()
    return "outputs/worm"


def picture(path):
    """A picture (height, width, 3), from 0 to 255."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), float)


# run and list


def test_run_runs_a_script_of_ones_own(capfd):
    path = list(sys.path)
    assert call("run", "mine/worm.py", "--iterations", 3, "--no-video", "--stiffness", 50, "--output", "left") == 0
    run = ds.load_run("left")
    assert len(run.history) == 3
    assert run.problem.scene.stiffness.max() == 50.0
    assert "report.html" in os.listdir("left")
    assert sys.path == path


def test_run_passes_help_on_and_has_its_own(capfd):
    assert call("run", "mine/worm.py", "--help") == 0
    out = capfd.readouterr().out
    assert "usage: worm.py" in out
    assert "--stiffness" in out
    assert call("run", "--help") == 0
    assert "usage: diffsim run" in capfd.readouterr().out


def test_run_of_a_script_without_a_main_line(capfd):
    with open("mine/short.py", "w") as file:
        file.write(SCRIPT.partition("if __name__")[0])
    assert call("run", "mine/short.py", "--no-video", "--iterations", 2) == 0
    assert len(ds.load_run("outputs/short").history) == 2


def test_run_leaves_a_script_with_a_main_line_of_its_own_alone(capfd):
    with open("mine/own.py", "w") as file:
        file.write(SCRIPT.partition("if __name__")[0] + "if __name__ == '__main__':\n    print('mine')\n")
    assert call("run", "mine/own.py") == 0
    assert capfd.readouterr().out == "mine\n"
    assert not os.path.exists("outputs")


def test_a_run_of_a_class_of_ones_own_is_shown_with_its_script(capfd, monkeypatch):
    monkeypatch.setattr(Spec, "_classes", dict(Spec._classes))
    own = """
from dataclasses import dataclass
@dataclass(frozen=True, eq=False, repr=False)
class Far(ds.Travel):
    "Far away."
"""
    with open("mine/far.py", "w") as file:
        script = SCRIPT.replace("from neighbour import STIFFNESS\n", "STIFFNESS = 100.0\n" + own)
        file.write(script.replace("ds.Travel(), steps", "Far(), steps"))
    assert call("run", "mine/far.py", "--no-video", "--iterations", 1) == 0
    del Spec._classes["Far"]
    assert call("show", "outputs/far") == 2
    err = capfd.readouterr().err
    assert "there is no specification named 'Far'; on the command line give --scene FILE, which defines it" in err
    assert os.path.join("mine", "far.py") in err
    assert call("show", "outputs/far", "--scene", "mine/far.py") == 0
    assert "Far" in capfd.readouterr().out


def test_run_hands_on_the_exit_status(monkeypatch, capfd):
    assert call("run", "mine/worm.py", "--iterations", "none") == 2
    assert call("run", "mine/worm.py", "--device", "abacus") == 2
    assert "InputError: device is 'abacus'" in capfd.readouterr().err


def test_run_says_what_is_no_scene(capfd):
    with open("other.py", "w") as file:
        file.write("x = 1\n")
    assert call("run", "other.py") == 2
    assert "other.py has no function `problem`" in capfd.readouterr().err
    assert call("run", "mass_sprig_walker") == 2
    assert (
        "there is no scene script mass_sprig_walker; scenes known by name: mass_spring_walker" in capfd.readouterr().err
    )


def test_list_has_a_line_for_each_scene(capfd):
    assert call("list", "mine") == 0
    out = capfd.readouterr().out.splitlines()
    assert out == ["scene  what it is", "worm   A worm that crawls."]
    assert call("list", "--json") == 0
    found = {entry["name"]: entry for entry in json.loads(capfd.readouterr().out)}
    assert len(found) >= 15
    assert all(entry["about"] for entry in found.values())
    assert "worm" not in found  # it is not in scenes/
    os.rename("mine", "scenes")
    assert call("list", "--json") == 0
    assert "worm" in {entry["name"] for entry in json.loads(capfd.readouterr().out)}
    assert call("list", "nowhere") == 2


def test_few_letters_are_no_error(worm):
    command = [sys.executable, "-m", "diffsim", "show", worm]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


# render


def test_render_draws_each_kind(worm, capfd):
    for flags, name in (
        ((), "optimisation.mp4"),
        (("--gif", "--iteration", 0), "iteration-0.gif"),
        (("--png",), "best.png"),
        (("--png", "--iteration", -1, "--output", "here.png", "--size", "320x200"), "../../here.png"),
        (("--html", "--iteration", 2), "iteration-2.html"),
    ):
        assert call("render", worm, *flags) == 0
        path = capfd.readouterr().out.strip()
        assert os.path.samefile(path, os.path.join(worm, name))
        assert os.path.getsize(path) > 1000
    assert picture("here.png").shape == (200, 320, 3)


def test_render_shows_the_moment(worm):
    for time in ("0", "0.3"):
        assert call("render", worm, "--png", "--time", time, "--output", f"{time}.png") == 0
    first, last = (picture(f"{time}.png") for time in ("0", "0.3"))
    assert np.abs(first - last).max() > 50.0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--iteration", 9), "iteration 9 of outputs/worm was not saved; saved are 0, 1, 2, 3, 4"),
        (("--png", "--output", "a.jpg"), "--output is a.jpg, but a file made with --png ends in .png"),
        (("--png", "--time", 3), "--time is 3 s, but the trajectory goes from 0 to 0.3 s"),
        (("--size", "big"), "it is 'big', but it must be like 640x480"),
    ],
)
def test_render_says_what_it_cannot(worm, flags, said, capfd):
    assert call("render", worm, *flags) == 2
    assert said in capfd.readouterr().err


def test_render_simulates_where_no_trajectory_was_saved(worm, capfd):
    os.remove(f"{worm}/rollouts.npz")
    assert call("render", worm, "--html") == 0
    with open(f"{worm}/report.html") as file:
        report = file.read()
    assert all(f"<th>{name}</th>" in report for name in ("device", "precision", "wall time"))
    assert call("render", worm, "--png", "--iteration", 0) == 2
    assert "(only the best parameters are there, simulated again)" in capfd.readouterr().err


# show and compare


def test_show_tells_what_the_run_is(worm, capfd):
    run = ds.load_run(worm)
    assert call("show", worm) == 0
    out = capfd.readouterr().out
    for words in (
        f"{run.best_loss:.6g} at iteration {run.best_iteration}",
        "Adam(learning_rate=0.02",
        "controller.amplitude",
        "report.html",
        "iterations     5, 0 rejected",
        f"took           {run.history[-1]['seconds']:.1f} s: {run.history[-1]['compiling']:.1f} s compiling, ",
        f"found          {run.words}",
    ):
        assert words in out
    assert "\x1b" not in out
    assert call("show", worm, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["best_loss"] == run.best_loss
    assert found["params"]["controller.amplitude"]["shape"] == list(run.params["controller.amplitude"].shape)
    assert found["settings"]["iterations"] == 5
    assert set(found["files"]) == set(os.listdir(worm))
    assert found["findings"] == list(run.findings)
    assert found["words"] == run.words
    assert run.words.startswith("travelled ")
    amplitude = next(change for change in run.changes if change.name == "controller.amplitude")
    assert found["changes"] == [change.to_dict() for change in run.changes]
    assert amplitude.moved > 1e-3
    line = next(line for line in out.splitlines() if line.startswith("controller.amplitude"))
    assert line.split() == " ".join(word for word in amplitude.words().values() if word).split()


def test_compare_puts_the_best_first(worm, capfd):
    assert call("run", "mine/worm.py", "--no-video", "--iterations", 1, "--output", "short") == 0
    capfd.readouterr()
    assert call("compare", "short", worm, "--plot", "curves.png") == 0
    out = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in out] == ["run", "outputs/worm", "short", "curves.png"]
    assert picture("curves.png").shape == (540, 960, 3)
    assert call("run", "mine/worm.py", "--no-video", "--iterations", 1, "--output", "soft", "--stiffness", 50) == 0
    capfd.readouterr()
    assert call("compare", worm, "soft") == 0
    assert "different problems" in capfd.readouterr().out
    assert call("compare", worm, "soft", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found[0]["best_loss"] <= found[1]["best_loss"]


def table(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def test_export_writes_tables(worm, capfd):
    run = ds.load_run(worm)
    assert call("export", worm, "--csv") == 0
    written = capfd.readouterr().out.split()
    assert sorted(os.path.basename(path) for path in written) == sorted(os.listdir(f"{worm}/csv"))
    titles, *rows = table(f"{worm}/csv/history.csv")
    assert titles[:3] == ["iteration", "loss", "best"]
    assert [float(row[1]) for row in rows] == [record["loss"] for record in run.history]
    titles, *rows = table(f"{worm}/csv/parameters.csv")
    assert titles == ["parameter", "index", "start", "best", "lowest", "highest"]
    found = [row for row in rows if row[0] == "controller.phase"]
    assert [float(row[3]) for row in found] == run.params["controller.phase"].tolist()
    assert [float(row[2]) for row in found] == run.start_params["controller.phase"].tolist()
    assert [row[1] for row in found] == [str(k) for k in range(len(found))]
    assert found[0][4:] == ["", ""]  # no bounds
    titles, *rows = table(f"{worm}/csv/best_position.csv")
    best = run.rollouts[run.best_iteration]
    assert titles[:4] == ["time", "position_0_x", "position_0_y", "position_1_x"]
    numbers = np.array(rows, float)
    assert np.array_equal(numbers[:, 0], best.time)
    assert np.array_equal(numbers[:, 1:].reshape(best.position.shape), best.position)
    titles, *rows = table(f"{worm}/csv/best_actuation.csv")
    assert len(rows) == 30  # one less than there are positions
    assert [row[0] for row in table(f"{worm}/csv/best_energy.csv")][:2] == ["time", "0.0"]


def test_export_simulates_where_no_trajectory_was_saved_and_goes_elsewhere(worm, capfd):
    best = ds.load_run(worm).rollouts[ds.load_run(worm).best_iteration]
    os.remove(f"{worm}/rollouts.npz")
    assert call("export", worm, "--csv", "--output", "tables") == 0
    assert not os.path.exists(f"{worm}/csv")
    numbers = np.array(table("tables/best_position.csv")[1:], float)
    assert np.allclose(numbers[:, 1:].reshape(best.position.shape), best.position, rtol=0, atol=1e-6)


def test_export_writes_a_policy(capfd):
    scene = ds.load_mjcf(CART, dt=0.02, substeps=2)
    problem = ds.Problem(scene, ds.MLP(hidden=2, sines=0), ds.Effort(), steps=3)
    with ds.Simulation(problem) as sim:
        ds.tune(sim, iterations=1, progress=False, run=ds.Run("cart"))
    assert call("export", "cart", "--c") == 0
    written = capfd.readouterr().out.split()
    assert written == [os.path.join("cart", "policy", name) for name in ("policy.c", "contract.json", "vectors.csv")]
    assert all(os.path.exists(path) for path in written)
    assert call("export", "cart", "--c", "--csv") == 2


def test_export_of_copies_and_rejected_steps_has_a_column_for_each_and_gaps(capfd):
    assert call("run", "mine/worm.py", "--no-video", "--iterations", 3, "--starts", 2, "--output", "two") == 0
    with open("two/history.jsonl") as file:
        lines = [json.loads(line) for line in file]
    lines[1]["losses"][1] = None  # as of a copy whose step was rejected
    with open("two/history.jsonl", "w") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    assert call("export", "two", "--csv") == 0
    titles, *rows = table("two/csv/history.csv")
    assert [row[titles.index("losses_1")] for row in rows][1] == ""
    assert float(rows[0][titles.index("losses_0")]) == lines[0]["losses"][0]


def test_a_folder_that_is_no_run_is_said(capfd):
    os.mkdir("empty")
    for command in ("show", "compare", "render", "export"):
        assert call(command, "empty") == 2
        assert "InputError: empty holds no problem.json; it was not written by a run" in capfd.readouterr().err


def test_what_no_command_knows_is_refused(worm, capfd):
    assert call("show", worm, "--robot", "B") == 2
    assert "unrecognized arguments: --robot B" in capfd.readouterr().err
    assert call("frobnicate") == 2


def test_each_command_has_help_with_an_example(capfd):
    for command in (
        "run",
        "check",
        "health",
        "estimate",
        "render",
        "list",
        "show",
        "compare",
        "export",
        "replay",
        "bench",
        "info",
    ):
        assert call(command, "--help") == 0
        out = capfd.readouterr().out
        assert f"example:\n  diffsim {command} " in out or f"example:\n  diffsim {command}\n" in out
        assert "Exit status: 0" in out


def test_a_reader_that_has_enough_is_no_error(worm):
    program = "from diffsim.cli import main; main()"
    command = [sys.executable, "-c", program, "show", worm, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(timeout=100) == 0
    assert b"Traceback" not in said


def test_of_large_trajectories_only_those_are_saved_that_fit(worm, monkeypatch):
    """The report has them all; the best comes before what else the video shows, and that before others."""
    run = ds.load_run(worm)
    some = dict.fromkeys((0, 3, 6, 9, 12), run.rollouts[run.best_iteration])
    size = sum(value.nbytes for value in some[0].arrays.values()) // 2
    for room, kept in ((0, []), (1, [9]), (3, [0, 3, 9]), (4, [0, 3, 9, 12]), (5, list(some))):
        monkeypatch.setattr(artifacts, "ON_DISK", room * size)
        assert list(artifacts._saved(some, 9)) == kept
    monkeypatch.setattr(artifacts, "ON_DISK", 0)
    assert call("run", "mine/worm.py", "--no-video", "--overwrite") == 0
    assert ds.load_run(worm).rollouts == {}
    assert call("render", worm, "--png") == 0  # simulated again
