"""The helper that compiles and runs the fused kernel: nobody can tell that it answers, and it leaves nothing behind.

There is one only where kernels are no machine code of our own (`diffsim.engine.native`).
"""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest

import diffsim as ds
from diffsim.engine import background

SCENE = ds.MassSpring(
    points=[[0.0, 0.21], [0.31, 0.24], [0.12, 0.57]],
    springs=[[0, 1], [0, 2], [1, 2]],
    stiffness=60.0,
    actuation=0.2,
    ground=ds.Ground(height=0.1),
    dt=0.01,
)
PROBLEM = ds.Problem(SCENE, ds.Sine(), ds.Travel(point=1), steps=12, tune=("controller.*", "scene.stiffness"))
WAIT = 120.0  # s for a helper to compile on a busy machine; it takes some seconds

SCRIPT = """
import os, sys, time
sys.path.insert(0, {here!r})
import diffsim as ds
from diffsim.engine import background
background.PATIENCE = 0.0
from tests.engine.test_background import PROBLEM
simulation = ds.Simulation(PROBLEM)
for _ in range(5):
    simulation.value(simulation.params(0))
print(simulation._trajectory._helper._process.pid, flush=True)
{end}
"""


@contextmanager
def impatient(monkeypatch, **settings):
    """A simulation that starts its helper at once, when that is ready."""
    monkeypatch.setenv("DIFFSIM_BACKGROUND", "1")
    monkeypatch.setenv("DIFFSIM_NATIVE", "0")
    monkeypatch.setattr(background, "PATIENCE", 0.0)
    with ds.Simulation(PROBLEM, **settings) as simulation:
        began = time.monotonic()
        while not simulation._trajectory.helped:
            simulation.value(simulation.params(0))
            assert time.monotonic() - began < WAIT
            time.sleep(0.01)
        yield simulation


@pytest.mark.parametrize(
    "settings",
    [{}, {"envs": 3, "shared": False, "precision": "f64", "adjoint": ds.Checkpointed(every=3)}],
    ids=["plain", "copies and segments"],
)
def test_the_helper_has_the_same_bits(monkeypatch, settings):
    with ds.Simulation(PROBLEM, executor="staged", **settings) as alone, impatient(monkeypatch, **settings) as helped:
        params = alone.params(3)
        for _ in range(2):
            (loss, grad), (same, also) = alone.value_and_grad(params), helped.value_and_grad(params)
            assert np.array_equal(loss, same)
            assert all(np.array_equal(grad[name], also[name]) for name in grad)
            assert np.array_equal(alone.adjoint_growth, helped.adjoint_growth)
            assert np.array_equal(alone.value(params), helped.value(params))
        one, other = alone.rollout(params), helped.rollout(params)  # which it does by itself
        assert np.array_equal(one.position, other.position)


def test_a_loss_that_is_not_finite_is_the_same_error(monkeypatch):
    with impatient(monkeypatch) as helped:
        params = {**helped.params(0), "scene.stiffness": np.array(1e30)}
        with pytest.raises(ds.DivergenceError, match="position"):
            helped.value(params)


def test_when_the_helper_dies_the_simulation_goes_on(monkeypatch):
    with impatient(monkeypatch) as helped:
        params = helped.params(0)
        loss, grad = helped.value_and_grad(params)
        helped._trajectory._helper._process.kill()
        helped._trajectory._helper._process.wait(10)
        again, same = helped.value_and_grad(params)
        assert loss == again
        assert all(np.array_equal(grad[name], same[name]) for name in grad)
        assert not helped._trajectory.helped


def test_closing_ends_it(monkeypatch):
    with impatient(monkeypatch) as helped:
        process = helped._trajectory._helper._process
        assert process.poll() is None
    assert process.poll() is not None


def test_without_leave_there_is_none(monkeypatch):
    monkeypatch.setattr(background, "PATIENCE", 0.0)
    monkeypatch.setenv("DIFFSIM_NATIVE", "0")
    assert os.environ["DIFFSIM_BACKGROUND"] == "0"
    with ds.Simulation(PROBLEM) as simulation:
        for _ in range(5):
            simulation.value(simulation.params(0))
        assert isinstance(simulation._trajectory, background.Trajectory)


def test_machine_code_of_our_own_needs_none(monkeypatch):
    pytest.importorskip("llvmlite")
    monkeypatch.setattr(background, "PATIENCE", 0.0)
    monkeypatch.setenv("DIFFSIM_BACKGROUND", "1")
    with ds.Simulation(PROBLEM) as simulation:
        assert simulation.executor == "auto"
        assert isinstance(simulation._trajectory, background.Trajectory)


def test_a_class_of_the_script_itself_is_not_portable():
    assert background.portable(PROBLEM)
    local = type("Own", (ds.MassSpring,), {"__module__": "__main__"})
    assert not background.portable(local)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends when it has compiled")
@pytest.mark.parametrize("end", ["", "os._exit(0)", "os.kill(os.getpid(), 9)"], ids=["ends", "exits", "is killed"])
def test_it_ends_with_its_parent_in_the_middle_of_compiling(end, tmp_path):
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    given = {"DIFFSIM_BACKGROUND": "1", "DIFFSIM_NATIVE": "0", "TI_OFFLINE_CACHE_FILE_PATH": str(tmp_path)}
    environment = {**os.environ, **given}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(here=here, end=end)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    pid = int(done.stdout.split()[-1])
    began = time.monotonic()
    while os.path.exists(f"/proc/{pid}") and time.monotonic() - began < 10.0:
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":
                break  # dead, and nobody has asked how it ended
        time.sleep(0.05)
    else:
        assert not os.path.exists(f"/proc/{pid}")
