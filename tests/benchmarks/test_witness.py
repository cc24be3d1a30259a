"""What it costs on a CPU that a rollout knows that it ended: the same simulation with and without the marks.

`staged` has none there: Python launches every step and waits for it.

What else a machine does can only add to the time of a call, so each is called many times in short rounds, in turns, and
the least counts. How far the leasts of odd and of even rounds are apart is printed as what is not known.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest import mock

import numpy as np
import pytest

import diffsim as ds
from diffsim.engine import executors
from diffsim.engine.stages import Stage
from diffsim.engine.witness import Mark, Witness

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
