"""Starting Taichi: which device, what is said, and what happens when somebody else restarts it."""

import os
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine import runtime

PROBLEM = ds.Problem(
    ds.MassSpring(points=[[0.0, 0.0], [1.0, 0.0]], springs=[[0, 1]], stiffness=70.0, actuation=0.1),
    ds.Sine(phase=0.4),
    ds.Travel(point=1),
    steps=9,
)

FALL = ds.Problem(
    ds.MassSpring(points=[[0.3, 0.7]], gravity=(0.1, -9.81), damping=0.1, dt=0.01),
    objective=ds.Travel(point=0),
    steps=20,
)

SETUP = """
import sys
import diffsim as ds
scene = ds.MassSpring(points=[[0.0, 0.0]], initial_velocity=(0.3, 0.1))
problem = ds.Problem(scene, objective=ds.Travel(), steps=5, tune=("scene.initial_velocity",))
"""


def python(script):
    """Run a script in a Python of its own; what it printed on standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-c", SETUP + script], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_unknown_device_is_refused_with_the_ones_there_are():
    with pytest.raises(ds.InputError, match="device is 'gpu', but it must be one of 'cpu', 'cuda', 'vulkan'"):
        ds.Simulation(PROBLEM, device="gpu")


def test_absent_device_is_refused_with_the_available_ones(monkeypatch):
    monkeypatch.setattr(runtime, "_supported", lambda device: False)
    with pytest.raises(ds.DeviceError, match=r"there is no 'cuda' device here; available: cpu$"):
        ds.Simulation(PROBLEM, device="cuda")
    assert runtime.available() == ["cpu"]


def test_devices_that_do_not_exist_here_are_not_available():
    for device in set(runtime._DEVICES) - set(runtime.available()):
        with pytest.raises(ds.DeviceError, match=f"there is no '{device}' device here"):
            ds.Simulation(PROBLEM, device=device)


def test_nothing_is_printed_on_standard_output():
    out, _ = python("""
with ds.Simulation(problem) as simulation:
    simulation.value_and_grad(simulation.params())
    simulation.rollout(simulation.params())
""")
    assert out == ""


def test_a_restart_by_somebody_else_is_an_error_and_not_a_crash():
    _, said = python("""
import taichi as ti
for restart, precision in ((ti.reset, "f64"), (lambda: ti.init(arch=ti.cpu, log_level=ti.ERROR), "f32")):
    old = ds.Simulation(problem, precision=precision)
    params = old.params()
    expected = old.value(params)
    restart()
    for use in (old.value, old.value_and_grad, old.rollout, old.vjp):
        try:
            use(params)
        except ds.DeviceError as error:
            print(error, file=sys.stderr)
    new = ds.Simulation(problem, precision=precision)
    assert new.value(params) == expected
    old.close()  # its tree has the number of a new one
    assert new.value(params) == expected
    new.close()
""")
    assert said.count("Taichi was restarted (ti.init or ti.reset)") == 8


def test_precisions_live_side_by_side():
    """Each gives the same bits as when it is alone, whatever compiles between."""

    def run(simulation):
        params = simulation.params(seed=2)
        return simulation.value(params), *simulation.value_and_grad(params)

    alone = {}
    for precision in ("f32", "f64"):
        with ds.Simulation(PROBLEM, precision=precision) as simulation:
            alone[precision] = run(simulation)
    with ds.Simulation(PROBLEM, precision="f32") as single, ds.Simulation(PROBLEM, precision="f64") as double:
        params = single.params(seed=2)
        value = {"f32": single.value(params), "f64": double.value(params)}
        together = {"f32": single.value_and_grad(params), "f64": double.value_and_grad(params)}
    for precision in ("f32", "f64"):
        loss, also, grad = alone[precision]
        assert loss == also == value[precision] == together[precision][0]
        for name in grad:
            assert np.array_equal(grad[name], together[precision][1][name]), (precision, name)
    # Single precision has 24 bits, and it must show: nine steps of numbers of order one round a few times.
    assert 1e-9 < abs(value["f32"] - value["f64"]) < 1e-5


def test_literals_of_float64_kernels_are_float64():
    """Free fall of n steps from rest is g dt^2 n (n + 1) / 2, to rounding."""
    with ds.Simulation(FALL, precision="f32") as first, ds.Simulation(FALL, precision="f64") as simulation:
        first.rollout({})
        found = simulation.rollout({}).velocity[-1, 0]
    keep = np.exp(-0.1 * 0.01)
    expected = 0.01 * np.array([0.1, -9.81]) * (1.0 - keep**20) / (1.0 - keep)
    assert found == pytest.approx(expected, rel=1e-13)  # twenty roundings of 1e-16, and the cancellation in 1 - keep


@pytest.fixture
def pretended(monkeypatch):
    """A machine with every device, on which starting one is only noted; the list of starts."""
    runtime.attach(starter := Owner(), "cpu")
    runtime.detach(starter)
    starts = []
    monkeypatch.setattr(runtime, "_supported", lambda device: True)
    monkeypatch.setattr(runtime, "_start", starts.append)
    monkeypatch.setattr(runtime, "_alive", weakref.WeakSet())
    monkeypatch.setattr(runtime, "_device", "cpu")
    monkeypatch.setattr(runtime, "_program", runtime._program)
    return starts


class Owner:
    """Stands for a simulation."""


def test_another_device_waits_until_all_simulations_are_closed(pretended):
    one, other = Owner(), Owner()
    runtime.attach(one, "cpu")
    with pytest.raises(ds.DeviceError, match=r"1 simulation\(s\) are alive on 'cpu'.*close them.*'vulkan'"):
        runtime.attach(other, "vulkan")
    assert pretended == []
    runtime.detach(one)
    runtime.attach(other, "vulkan")
    assert pretended == ["vulkan"]
    with pytest.raises(ds.DeviceError, match="alive on 'vulkan'"):
        runtime.attach(one, "cpu")


def test_a_simulation_that_nobody_holds_does_not_block_a_device(pretended):
    runtime.attach(Owner(), "cpu")
    runtime.attach(Owner(), "vulkan")
    assert pretended == ["vulkan"]


def test_the_refusal_leaves_the_living_simulation_alone(monkeypatch):
    with ds.Simulation(FALL) as simulation:
        expected = simulation.value(simulation.params())
        monkeypatch.setattr(runtime, "_supported", lambda device: True)
        with pytest.raises(ds.DeviceError, match="alive on 'cpu'"):
            ds.Simulation(PROBLEM, device="vulkan")
        assert simulation.value(simulation.params()) == expected


# Taichi's cache of kernels


def test_a_lock_that_a_killed_process_left_is_taken_away(tmp_path, monkeypatch):
    monkeypatch.setenv("TI_OFFLINE_CACHE_FILE_PATH", str(tmp_path / "cache"))
    runtime._free_cache()  # there is no such folder yet
    lock = tmp_path / "cache" / "ticache.lock"
    lock.parent.mkdir()
    lock.touch()
    runtime._free_cache()
    assert lock.exists(), "a process may be writing at this moment"
    old = time.time() - 2 * runtime._STALE
    os.utime(lock, (old, old))
    runtime._free_cache()
    assert not lock.exists()


# What Taichi says of a line


@ti.func
def broken(value):
    return value.no_such_thing


def test_errors_in_kernels_still_show_their_line():
    """Their words are made once for each line and kept, so a second kernel with the same line has to have them too."""

    class Owner:
        pass

    runtime.attach(owner := Owner(), "cpu")
    for _ in range(2):

        @ti.kernel
        def compute():
            value = ti.Vector([1.0, 2.0])
            broken(value)

        with pytest.raises(ti.TaichiCompilationError) as caught:
            compute()
        assert "in broken:" in str(caught.value)
        assert "return value.no_such_thing" in str(caught.value)
        assert "            broken(value)" in str(caught.value)
    runtime.detach(owner)


def test_another_thread_is_told_so_and_the_first_goes_on():
    _, said = python("""
import threading

own = ds.Simulation(problem)
params = own.params()
expected = own.value(params)

def elsewhere():
    for use in (lambda: ds.Simulation(problem), lambda: own.value(params), lambda: own.rollout(params)):
        try:
            use()
        except ds.DeviceError as error:
            print(error, file=sys.stderr)

thread = threading.Thread(target=elsewhere, name="worker")
thread.start()
thread.join()
assert own.value(params) == expected
assert ds.Simulation(problem).value(params) == expected
""")
    expected = "belong to the thread 'MainThread', which made the first one, but this is 'worker'"
    assert said.count(expected) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_is_told_so():
    _, said = python("""
import os
import warnings

own = ds.Simulation(problem)
params = own.params()
expected = own.value(params)
warnings.simplefilter("ignore")  # newer Pythons say that forking with threads is dangerous
child = os.fork()
if not child:
    for use in (lambda: ds.Simulation(problem), lambda: own.value(params)):
        try:
            use()
        except ds.DeviceError as error:
            print(error, file=sys.stderr, flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert own.value(params) == expected
""")
    assert said.count("this process was forked from one in which simulations had been made") == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_ends_as_any_process():
    """Taichi's destructor waits for threads that a fork does not have: it hung unless it left by ``os._exit``."""
    said, _ = python("""
import gc, os, signal, time, warnings
sim = ds.Simulation(problem)
before = sim.value(sim.params())
warnings.simplefilter("ignore")  # newer Pythons say that forking with threads is dangerous
for how in ("leaves", "closes", "forgets"):
    child = os.fork()
    if child == 0:
        if how == "closes":
            sim.close()
        elif how == "forgets":
            del sim
            gc.collect()
        sys.exit(0)
    end = time.monotonic() + 30.0
    while (found := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < end:
        time.sleep(0.02)
    if found[0] == 0:
        os.kill(child, signal.SIGKILL)
    print(found == (child, 0), sim.value(sim.params()) == before)
""")
    assert said.split() == ["True"] * 6
