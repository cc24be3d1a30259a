"""What it costs on a CPU that a rollout knows that it ended: the same simulation with and without the marks.

`staged` has none there: Python launches every step and waits for it.

Two measures. Instructions of a step, in `fused`, are counted one by one, so they are exact. To the time of a call, what
else a machine does can only add: each is called many times in short rounds, in turns, and the least counts. How far the
leasts of odd and of even rounds are apart is printed as what is not known; and that the same instructions lie elsewhere
in memory changes the time of a kernel by some percent.
"""

import dataclasses
import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine import executors
from diffsim.engine.stages import Stage
from diffsim.engine.witness import Mark, Witness

from .instructions import count, counted, traced
from .scenes import scene

pytestmark = pytest.mark.bench

PROBLEMS = {
    "mass_spring_walker": lambda: scene("mass_spring_walker").problem(),
    "billiards": lambda: scene("billiards").problem(),
    "half_cheetah": lambda: scene("half_cheetah").problem(),
}


@contextmanager
def without_marks() -> Iterator[None]:
    """Kernels that are compiled inside have no marks, and pass by their turns.

    What `wide` counts of decisions stays: an addition beside the work of a stage.
    """
    compiles = executors._compiles

    def other(stage: Stage) -> bool:
        return not isinstance(stage, Mark) and compiles(stage)

    with (
        mock.patch.object(executors, "_compiles", other),
        mock.patch.object(executors, "_first", return_value=1),
        mock.patch.object(executors, "_last", lambda turns: turns - 1),
    ):
        yield


def simulation(problem: ds.Problem, executor: str, *, watched: bool) -> ds.Simulation:
    """A simulation that is compiled."""
    sim = ds.Simulation(problem, executor=executor)
    with ExitStack() as stack:
        if not watched:
            stack.enter_context(without_marks())
            sim._fields.witness = Witness(sim._fields, ())
        sim.value(sim.params(seed=0))
        sim.value_and_grad(sim.params(seed=0), finite=False)
    return sim


def cost(plain: Callable[[], object], watched: Callable[[], object], rounds: int = 400, seconds: float = 0.01) -> str:
    """CPU time of the second over that of the first."""
    calls = 1
    while min(timed(plain, calls) for _ in range(3)) < seconds:
        calls *= 2
    took = np.array([[timed(call, calls) / calls for call in (plain, watched)] for _ in range(rounds)])
    least, halves = took.min(axis=0), [part.min(axis=0) for part in (took[::2], took[1::2])]
    apart = np.abs(np.log(halves[0] / halves[1])).sum()
    return f"{least[0] * 1e3:9.3f} ms, with marks {100.0 * (least[1] / least[0] - 1.0):+.2f} % (+- {100.0 * apart:.2f})"


def timed(call: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        call()
    return time.process_time() - began


@pytest.mark.parametrize("executor", ["fused", "wide"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_cost_of_the_witness(name: str, executor: str) -> None:
    problem = PROBLEMS[name]()
    if executor == "wide":
        problem = dataclasses.replace(problem, steps=50)
    with ExitStack() as stack:
        plain, watched = (stack.enter_context(simulation(problem, executor, watched=w)) for w in (False, True))
        params = watched.params(seed=0)
        (loss, grad), (same, other) = (sim.value_and_grad(params, finite=False) for sim in (plain, watched))
        assert loss == same
        assert all(np.array_equal(grad[key], other[key], equal_nan=True) for key in grad)
        print(f"\n{name}, {executor}, {problem.steps} steps")
        print("a loss      ", cost(partial(plain.value, params), partial(watched.value, params)), flush=True)
        calls = [partial(sim.value_and_grad, params, finite=False) for sim in (plain, watched)]
        print("and gradient", cost(*calls), flush=True)


# Instructions

FEW, MORE, MOST = 5, 15, 30  # steps


@pytest.mark.skipif(sys.platform != "linux", reason="processes are traced as on Linux")
@pytest.mark.parametrize("name", PROBLEMS)
def test_instructions_of_the_witness(name: str) -> None:
    root = str(Path(__file__).parents[2])
    own = (
        f"import sys; sys.path.insert(0, {root!r}); from tests.benchmarks import test_witness as t; t.run_all({name!r})"
    )
    found = np.reshape(count(["-c", own]), (2, 2, 2))  # with marks or not, with gradient or not, few or more steps
    of_a_step = np.diff(found, axis=2)[..., 0] / (MORE - FEW)
    for what, (plain, watched) in zip(("a step", "and gradient"), of_a_step.T, strict=True):
        print(f"\n{name}, {what}: {plain:.1f} instructions, with marks {100.0 * (watched / plain - 1.0):+.2f} %")
    plain, watched = of_a_step[:, 1]
    assert watched < 1.01 * plain  # of a loss with its gradient, which is what tuning pays


def run_all(name: str) -> None:
    """In a process of its own: rollouts of few and of more steps, and their gradients, without marks and with them."""
    problem = dataclasses.replace(PROBLEMS[name](), steps=MOST)
    sims = [simulation(problem, "fused", watched=watched) for watched in (False, True)]
    traced()
    gc.disable()  # it would be counted
    for sim in sims:
        for reverse in (False, True):
            for steps in (FEW, MORE):
                run(sim, steps, reverse, lambda call: call())
                run(sim, steps, reverse, counted)


def run(sim: ds.Simulation, steps: int, reverse: bool, call: Callable[[Callable[[], None]], None]) -> None:
    """Some steps from the start."""
    fields, own = sim._fields, sim._trajectory.own
    fields.kernels.clear_sums()
    fields.kernels.clear_adjoints()
    fields.witness.expect(steps, 1, 1)

    def kernels() -> None:
        if not reverse:
            own._run(0, steps, 1, 1, 1.0)
            return
        with ti.ad.Tape(fields.total, clear_gradients=False):
            own._run(0, steps, 1, 1, 1.0)

    call(kernels)
