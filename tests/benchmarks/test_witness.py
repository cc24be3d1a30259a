"""What it costs on a CPU that a rollout knows that it ended: the same simulation with and without the marks.

`staged` has none there: Python launches every step and waits for it.
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


def cost(plain: Callable[[], object], watched: Callable[[], object], rounds: int = 60, seconds: float = 0.1) -> str:
    """CPU time of the second over that of the first: each round takes them in turns, in alternating order."""
    calls = 1
    while timed(plain, calls) < seconds:
        calls *= 2
    ratios, least = [], [np.inf, np.inf]
    for k in range(rounds):
        order = (0, 1) if k % 2 else (1, 0)
        took = {which: timed((plain, watched)[which], calls) / calls for which in order}
        least = [min(least[which], took[which]) for which in (0, 1)]
        ratios.append(took[1] / took[0])
    low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75)) * 100.0 - 100.0
    return (
        f"{least[0] * 1e3:9.3f} ms, with marks {middle:+.2f} % (quartiles {low:+.2f} to {high:+.2f}), "
        f"the least of each {100.0 * (least[1] / least[0] - 1.0):+.2f} %"
    )


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
