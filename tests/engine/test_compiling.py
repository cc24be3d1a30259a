"""Kernels that helpers compile: in orders that meet, found by whoever comes later, and only where it pays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import diffsim as ds
from diffsim.engine import compiling, kernel_files
from tests.engine.test_native import SCRIPT
from tests.engine.test_staged import chain

pytest.importorskip("llvmlite")

HELPER = """
import sys
from diffsim.engine.compiling import _started
from tests.engine.test_staged import chain

helper = _started((list(sys.path), chain(9), {"precision": "f32", "record": "usual"}, 1))
print("status", helper.wait())
"""


def test_the_orders_of_helpers_meet():
    for count in (1, 2, 7, 24):
        own = [list(compiling.order(count, number)) for number in (1, 2, 3)]
        assert own[0] == list(reversed(range(count)))
        assert sorted(own[1] + own[2]) == list(range(count))
        assert own[1] == sorted(own[1])


def test_what_a_helper_compiled_another_process_finds(tmp_path):
    def run(script):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "TI_OFFLINE_CACHE_FILE_PATH": str(tmp_path), "TI_OFFLINE_CACHE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()[-2:]

    assert run(HELPER) == ["status", "0"]
    read, bits = run(SCRIPT)  # of a chain of another length, with other settings
    assert read == "0"
    for file in (tmp_path / "diffsim").iterdir():
        file.unlink()
    read, own = run(SCRIPT)
    assert int(read) > 0
    assert own == bits


@pytest.fixture
def started(monkeypatch):
    """What helpers were started with."""
    found = []

    class Process:
        ended = False

        def kill(self):
            self.ended = True

        def wait(self, timeout):
            assert self.ended

    def start(what):
        found.append((what, Process()))
        return found[-1][1]

    monkeypatch.setattr(compiling, "_started", start)
    monkeypatch.setattr(compiling, "allowed", lambda: True)
    monkeypatch.setattr(compiling, "_idle", lambda: 7)
    return found


SETTINGS = {"envs": 64, "shared": False, "precision": "f64", "initial_states": {}, "device": "cpu"}


def test_as_many_as_there_are_idle_cores_but_no_more_than_three_orders(started, monkeypatch):
    helpers = compiling.Helpers(chain(4), SETTINGS)
    helpers.start(lambda: 60)
    helpers.start(lambda: 60)
    assert [what[3] for what, _ in started] == [1, 2, 3]
    assert started[0][0][2] == {"precision": "f64"}  # one copy
    helpers.close()
    assert all(process.ended for _, process in started)
    started.clear()
    monkeypatch.setattr(compiling, "_idle", lambda: 1)
    compiling.Helpers(chain(4), SETTINGS).start(lambda: 60)
    assert [what[3] for what, _ in started] == [1]


def test_a_simulation_starts_them_when_it_compiles_and_ends_them_with_its_last_kernel(started, monkeypatch):
    monkeypatch.setattr(compiling, "ENOUGH", 1)
    monkeypatch.setattr(kernel_files, "kept", lambda name: False)
    with ds.Simulation(chain(4), envs=2) as simulation:
        assert not started
        simulation.value(simulation.params(0))
        assert len(started) == 3
        assert started[0][0][1:3] == (simulation.problem, {"precision": "f32", "record": "usual"})
        assert not started[0][1].ended
        simulation.value_and_grad(simulation.params(0))
        assert all(process.ended for _, process in started)
    assert len(started) == 3


class Local(type(chain(4))):
    """A problem of the script that is run."""


Local.__module__ = "__main__"


@pytest.mark.parametrize("why", ["few kernels", "busy cores", "not wanted", "a class of the script"])
def test_none_where_they_do_not_pay(started, monkeypatch, why):
    problem, missing = chain(4), 60
    if why == "few kernels":
        missing = compiling.ENOUGH - 1
    elif why == "busy cores":
        monkeypatch.setattr(compiling, "_idle", lambda: 0)
    elif why == "not wanted":
        monkeypatch.setattr(compiling, "allowed", lambda: False)
    else:
        problem = Local(problem.scene, problem.controller, problem.objective, steps=3)
    compiling.Helpers(problem, SETTINGS).start(lambda: missing)
    assert not started


def test_idle_cores_are_those_that_nobody_uses(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    for load, idle in ((0.0, 3), (0.9, 3), (1.5, 2), (2.9, 1), (3.5, 0), (12.0, 0)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0), raising=False)
        assert compiling._idle() == idle
