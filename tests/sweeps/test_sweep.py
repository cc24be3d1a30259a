"""Sweeps: the same table however they run, whatever is killed under way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import diffsim as ds
from diffsim.sweeps.points import points_of, task_of
from diffsim.sweeps.processes import in_processes
from diffsim.sweeps.work import work

SCRIPT = """
import sys
import diffsim as ds

def problem(cells=2):
    body = ds.grid((cells, 1), spacing=0.1, origin=(0.0, 0.05))
    scene = ds.MassSpring(body.points, body.springs, stiffness=500.0, actuation=0.1, ground=ds.Ground(), dt=0.01)
    return ds.Problem(scene, ds.Sine(), ds.Travel(), steps=60)

if __name__ == "__main__":
    folder, workers, iterations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    over = {"optimizer.learning_rate": [0.05, 0.2]}
    ds.sweep(problem, folder, over=over, seeds=range(2), workers=workers, iterations=iterations)
"""


def problem(cells=2):
    """As in the script."""
    body = ds.grid((cells, 1), spacing=0.1, origin=(0.0, 0.05))
    scene = ds.MassSpring(body.points, body.springs, stiffness=500.0, actuation=0.1, ground=ds.Ground(), dt=0.01)
    return ds.Problem(scene, ds.Sine(), ds.Travel(), steps=60)


def script(folder, text=SCRIPT):
    path = folder / "search.py"
    path.write_text(text)
    return path


def start(path, *words):
    return subprocess.Popen(
        [sys.executable, str(path), *map(str, words)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def alone(folder, points, iterations):
    """The table that runs one after another in this process give."""
    found = []
    for point in points:
        settings = {"iterations": iterations, "executor": "staged"}
        told = work(task_of(point, problem, settings, str(folder / str(point.number))))
        assert "failed" not in told, told
        found.append((told["loss"], told["at"]))
    return found


POINTS = points_of({"optimizer.learning_rate": [0.05, 0.2]}, range(2))


def test_two_processes_give_the_table_of_one_after_another(tmp_path):
    path = script(tmp_path)
    done = start(path, tmp_path / "made", 2, 6)
    said = done.communicate(timeout=300)[1]
    assert done.returncode == 0, said
    assert said.count("sweep: ") == 4
    table = (tmp_path / "made" / "table.csv").read_text().splitlines()
    assert table[0] == "optimizer.learning_rate,seed,loss,at,stopped,failed,run"
    losses = [float(line.split(",")[2]) for line in table[1:]]
    assert losses == [loss for loss, _ in alone(tmp_path / "alone", POINTS, 6)]
    # The same call again finds all of it, and starts no process.
    found = ds.sweep(
        problem,
        tmp_path / "made",
        over={"optimizer.learning_rate": [0.05, 0.2]},
        seeds=range(2),
        workers=2,
        iterations=6,
    )
    assert [row["loss"] for row in found.table] == losses
    assert found.best.loss == min(losses)
    assert found.best_run.best_loss == min(losses)
    assert str(found.best.point.seed) in found.summary()
    assert found.write_report().read_text().count("data:image/png") == 2
    assert "<table>" in found._repr_html_()
    with pytest.raises(ds.InputError, match="holds another sweep, with other settings"):
        ds.sweep(
            problem, tmp_path / "made", over={"optimizer.learning_rate": [0.05, 0.2]}, seeds=range(2), iterations=7
        )


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def test_killed_and_called_again_it_ends_with_the_same_table(tmp_path):
    path, folder = script(tmp_path), tmp_path / "made"
    begun = start(path, folder, 2, 400)
    wait_for(lambda: len(list(folder.glob("*/state.npz"))) >= 2)
    os.killpg(begun.pid, signal.SIGKILL)  # the whole sweep, its workers with it
    begun.communicate()
    assert begun.returncode == -signal.SIGKILL
    assert not (folder / "table.csv").exists()
    again = start(path, folder, 2, 400)
    said = again.communicate(timeout=300)[1]
    assert again.returncode == 0, said
    rows = (folder / "table.csv").read_text().splitlines()[1:]
    assert [float(row.split(",")[2]) for row in rows] == [loss for loss, _ in alone(tmp_path / "alone", POINTS, 400)]


def workers_of(parent):
    """Processes that a process started to work."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
            words = (place.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == parent and "spawn_main" in words:
            found.append(int(place.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="it looks for processes in /proc")
def test_a_worker_that_is_killed_costs_nothing_but_time(tmp_path):
    path, folder = script(tmp_path), tmp_path / "made"
    begun = start(path, folder, 2, 400)
    wait_for(lambda: list(folder.glob("*/state.npz")))
    victims = workers_of(begun.pid)
    assert victims
    os.kill(victims[0], signal.SIGKILL)
    said = begun.communicate(timeout=300)[1]
    assert begun.returncode == 0, said
    rows = [line.split(",") for line in (folder / "table.csv").read_text().splitlines()[1:]]
    assert [row[5] for row in rows] == [""] * 4  # none failed
    assert [float(row[2]) for row in rows] == [loss for loss, _ in alone(tmp_path / "alone", POINTS, 400)]


def test_a_script_without_a_main_line_is_told_so(tmp_path):
    text = SCRIPT.replace('if __name__ == "__main__":', "if True:")
    done = start(script(tmp_path, text), tmp_path / "made", 1, 3)
    said = done.communicate(timeout=300)[1]
    assert "if __name__ == '__main__':" in said


def test_a_run_that_fails_is_a_row_and_not_the_end(tmp_path):
    def explosive(stiffness=500.0):
        body = ds.grid((2, 1), spacing=0.1, origin=(0.0, 0.05))
        scene = ds.MassSpring(body.points, body.springs, stiffness=stiffness, actuation=0.1, dt=0.01)
        return ds.Problem(scene, ds.Sine(), ds.Travel(), steps=60)

    told = {}
    points = points_of({"stiffness": [500.0, 1e9]}, 0)
    tasks = [
        task_of(p, explosive, {"iterations": 3, "executor": "staged"}, str(tmp_path / str(p.number))) for p in points
    ]
    in_processes(tasks, 1, lambda task, found: told.setdefault(task.point.number, found))
    assert "failed" not in told[0]
    assert told[1]["failed"].startswith("DivergenceError")
    assert json.loads((tmp_path / "0" / "done.json").read_text())["loss"] == told[0]["loss"]
    assert not (tmp_path / "1" / "done.json").exists()  # called again, it is tried again


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ds.InputError, match="is not empty, and holds no sweep"):
        ds.sweep(problem, tmp_path, progress=False)
    with pytest.raises(ds.InputError, match=r"sweep\(workers\) is 0"):
        ds.sweep(problem, tmp_path / "new", workers=0)
    with pytest.raises(ds.InputError, match="Client is needed"):
        ds.sweep(problem, tmp_path / "other", cluster=3)


def test_the_command_takes_the_settings_of_a_scene(tmp_path):
    text = SCRIPT[: SCRIPT.index("if __name__")] + (
        "from diffsim.cli import scene_main\n\n"
        'if __name__ == "__main__":\n    scene_main(problem, optimizer=ds.SGD(0.01), iterations=4, '
        "adjoint=ds.Checkpointed(every=16))\n"
    )
    words = [
        "sweep",
        script(tmp_path, text),
        "--set",
        "optimizer.learning_rate=0.1,0.2",
        "--set",
        "cells=2,3",
        "--json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "diffsim", *map(str, words), "--output", str(tmp_path / "made"), "--workers", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert [(row["optimizer.learning_rate"], row["cells"]) for row in table] == [(0.1, 2), (0.1, 3), (0.2, 2), (0.2, 3)]
    about = json.loads((tmp_path / "made" / "003" / "problem.json").read_text())
    assert about["settings"]["optimizer"].startswith("SGD(learning_rate=0.2")
    assert about["settings"]["iterations"] == 4
    plan = json.loads((tmp_path / "made" / "sweep.json").read_text())
    assert plan["settings"]["adjoint"].startswith("Checkpointed(every=16")
    assert (tmp_path / "made" / "report.html").exists()
