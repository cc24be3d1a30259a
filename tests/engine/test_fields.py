"""Memory: what is taken, given back, and refused."""

import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import diffsim as ds
from diffsim.engine import runtime
from diffsim.engine.stages import Part
from diffsim.spec import Spec

BALL = ds.MassSpring(points=[[0.0, 1.0]])


def ball(**changes):
    return ds.Problem(
        **{"scene": BALL, "objective": ds.Travel(point=0), "steps": 4, "tune": ("scene.gravity",), **changes}
    )


# A row of one ball is position, velocity, force and a place for an actuation: 7 numbers and their gradients, 56 bytes
# in float32. 2,000 balls over 900 steps make 101 MB, all of it touched when Taichi clears it.
OPEN_AND_CLOSE = """
import diffsim as ds

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1e3  # kB to MB

scene = ds.MassSpring(points=[[0.0, 1.0]])
problem = ds.Problem(scene, objective=ds.Travel(point=0), steps=900, tune=("scene.gravity",))
for turn in range(20):
    before = resident()
    with ds.Simulation(problem, envs=2000) as simulation:
        if turn % 10 == 0:  # compiling is what takes the time
            simulation.value(simulation.params())
        taken = resident() - before
    print(taken, resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_stays_flat_when_simulations_are_opened_and_closed():
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AND_CLOSE], check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    taken, left = np.array([line.split() for line in done.stdout.splitlines()], float).T
    assert len(left) == 20
    assert taken.min() > 95.0, "a simulation did not use the memory that this test is about"
    # What stays is the code that Taichi compiled, 1 to 5 MB for each simulation, which only ti.reset gives back. Of
    # 1,500 MB that 15 simulations took it may be a twentieth.
    assert left[-1] - left[4] < 75.0


def test_closing_twice_is_closing_once():
    simulation = ds.Simulation(ball())
    simulation.value(simulation.params())
    simulation.close()
    simulation.close()
    assert simulation not in runtime._alive


@pytest.mark.parametrize("use", ["value", "value_and_grad", "rollout", "vjp"])
def test_a_closed_simulation_says_so(use):
    simulation = ds.Simulation(ball())
    simulation.close()
    with pytest.raises(ds.InputError, match="this simulation is closed"):
        getattr(simulation, use)({"scene.gravity": [0.0, -1.0]})


def test_closing_one_leaves_another_as_it_was():
    with ds.Simulation(ball()) as kept:
        params = kept.params()
        expected = kept.value_and_grad(params)
        with ds.Simulation(ball(steps=7)) as other:
            other.value_and_grad(other.params())
        loss, grad = kept.value_and_grad(params)
    assert loss == expected[0]
    assert np.array_equal(grad["scene.gravity"], expected[1]["scene.gravity"])


def assert_others_still_run():
    """Taichi compiles nothing any more while it knows of a field without a place, so a refusal must leave none."""
    with ds.Simulation(ball()) as simulation:
        # Free fall does not move sideways, and the direction of travel is the first axis.
        assert simulation.value(simulation.params()) == 0.0


def test_too_large_arrays_are_refused_before_memory_is_taken():
    alive = len(runtime._alive)
    with pytest.raises(ds.InputError, match=r"70000 x 40001 x 1 elements is larger .* Checkpointed\(\)"):
        ds.Simulation(ball(steps=40_000), envs=70_000)
    assert len(runtime._alive) == alive
    assert_others_still_run()


@dataclass(frozen=True, eq=False, repr=False)
class Forgetful(Spec):
    """A controller with a number that no stage of it reads."""

    kind: ClassVar[str] = "controller"
    reads: ClassVar[frozenset[str]] = frozenset()

    def check(self, scene, steps):
        pass

    def numbers(self, scene, steps, seed=0):
        return {"gain": np.array(1.0), "spare": np.array(2.0)}

    def build(self, fields, model, prefix="controller"):
        fields.number(f"{prefix}.gain", 1)
        return Part()


def test_a_parameter_that_nothing_reads_is_refused():
    with pytest.raises(ds.InputError, match=r"tune names controller\.spare, but nothing in this problem depends on it"):
        ds.Simulation(ball(controller=Forgetful(), tune=("controller.*",)))
    assert_others_still_run()
    with ds.Simulation(ball(controller=Forgetful(), tune=("controller.gain",))) as simulation:
        assert list(simulation.params()) == ["controller.gain"]
