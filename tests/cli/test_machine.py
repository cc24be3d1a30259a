"""The commands about this machine: bench, info, completion; and tables on a terminal and elsewhere."""

import builtins
import json
import re
import sys
from pathlib import Path

import pytest

import diffsim as ds
from diffsim.cli import machine
from diffsim.cli.lookup import find_problem
from diffsim.cli.table import print_table, sparkline
from diffsim.engine import runtime

from .calls import call


def test_bench_times_a_problem(tmp_path, monkeypatch, keep, capfd):
    monkeypatch.setattr(machine, "Simulation", keep)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fall.py").write_text(
        "import diffsim as ds\n"
        "def problem(steps: int = 20):\n"
        "    scene = ds.MassSpring([[0, 1], [1, 1]], [[0, 1]], stiffness=10.0, dt=0.01)\n"
        "    return ds.Problem(scene, None, ds.ReachTarget((0.0, 0.0)), steps=steps, tune='scene.stiffness')\n"
    )
    assert call("bench", "fall.py", "--steps", 10, "--repeats", 3, "--envs", 2, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["steps"], found["envs"], found["device"]) == (10, 2, "cpu")
    assert all(found[name] > 0.0 for name in ("loss_s", "gradient_s", "first_loss_s", "first_gradient_s"))
    assert call("bench", "fall.py", "--repeats", 3) == 0
    assert re.search(r"loss and gradient +[\d.e-]+ ms, [\d.e-]+ us per step and environment", capfd.readouterr().out)


def test_info_tells_versions_devices_and_the_cache(capfd, monkeypatch):
    assert call("info", "--json") == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert err == ""  # Taichi would warn of a GPU that is not there
    assert found["versions"]["taichi"] == "1.7.4"
    assert "cpu" in found["devices"]
    assert found["cache"]["folder"] == str(runtime.cache_folder())
    assert call("info") == 0
    assert f"diffsim     {found['versions']['diffsim']}" in capfd.readouterr().out
    monkeypatch.setattr("diffsim.viewing.find_encoder", lambda: None)
    monkeypatch.setattr(machine, "EXTRAS", {"video": ("no_such_package",)})
    assert call("info") == 0
    out = capfd.readouterr().out
    assert 'for MP4 pip install "diffsim[video]"' in out
    assert 'missing: pip install "diffsim[video]"' in out


def test_version(capfd):
    assert call("--version") == 0
    assert capfd.readouterr().out.startswith("diffsim ")


def test_completion(capfd, monkeypatch):
    pytest.importorskip("shtab")
    assert call("completion", "bash") == 0
    out = capfd.readouterr().out
    assert "compare" in out
    assert "--iteration" in out
    usual = builtins.__import__

    def without(name, *rest, **more):
        if name == "shtab":
            raise ImportError(name)
        return usual(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert call("completion", "bash") == 2
    assert 'pip install "diffsim[completion]"' in capfd.readouterr().err


def test_a_table_keeps_to_a_narrow_terminal_and_is_whole_elsewhere(capfd, monkeypatch):
    rows = [("a" * 30, "1.5"), ("b", "22.5")]
    print_table(("name", "number"), rows, numbers=("number",))
    assert capfd.readouterr().out.splitlines()[1:] == ["a" * 30 + "     1.5", "b" + " " * 29 + "    22.5"]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(("name", "number"), rows, numbers=("number",))
    out = capfd.readouterr().out
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in out.splitlines()) <= 24
    assert out.count("a") >= 30  # folded, not cut off
    assert "\x1b[3" not in out


def test_sparkline():
    assert sparkline([0.0, 1.0, float("nan"), 7.0]) == "▁▂ █"
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert len(sparkline(list(range(100)), 10)) == 10


def test_names_of_scenes_stand_for_their_scripts(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where there is no folder of scenes
    assert isinstance(find_problem(Path("soft_throw")), ds.Problem)
