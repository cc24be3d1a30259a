"""The rollout as a Taichi script has it: Python loops over the steps and launches a kernel for each stage.

The stages, the fields, the tape and the kernels that clear and copy are diffsim's own; only the executor is another.
`executor` puts it in the place of diffsim's while a simulation is made.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from unittest import mock

import taichi as ti

from diffsim.engine.executors import Run
from diffsim.engine.stages import Stage

__all__ = ["executor", "launches_per_step"]


@contextmanager
def executor(kernels: int | None = None, *, serial: bool = False) -> Iterator[None]:
    """Simulations made inside launch from Python at each step: a kernel per stage, or ``kernels`` kernels in all.

    With ``kernels``, neighbours share a launch, each with a loop of its own. ``serial`` runs loops without Taichi's
    thread pool, which no script does.
    """

    def make(
        executor: str,
        prepare: Sequence[Stage],
        step: Sequence[Stage],
        final: Sequence[Stage],
        fields: Any,
        *,
        serial: bool = serial,
    ) -> Run:
        before, during, after = ([stage for stage in stages if stage.elements] for stages in (prepare, step, final))
        return launch_by_launch(before, grouped(during, kernels), after, fields, chosen)

    chosen = serial
    with mock.patch("diffsim.simulation.make", make):
        yield


def grouped(stages: list[Stage], kernels: int | None) -> list[list[Stage]]:
    """Neighbours together, so that there are ``kernels`` groups; None is a group per stage."""
    count = len(stages) if kernels is None else min(kernels, len(stages))
    cuts = [len(stages) * k // count for k in range(count + 1)]
    return [stages[a:b] for a, b in pairwise(cuts)]


def launches_per_step(simulation: Any) -> int:
    """How many kernels a step of a simulation made inside `executor` launches, forward."""
    return simulation._trajectory._run.launches_per_step


def launch_by_launch(
    prepare: list[Stage], step: list[list[Stage]], final: list[Stage], fields: Any, serial: bool
) -> Run:
    envs, loss, total = fields.envs, fields.loss, fields.total

    @ti.kernel
    def add(weight: fields.real):
        for env in range(envs):
            total[None] += weight * loss[env]

    before = [kernel_of([stage], envs, serial) for stage in prepare]
    during = [kernel_of(stages, envs, serial) for stages in step]
    after = [kernel_of([stage], envs, serial) for stage in final]

    def run(first: int, count: int, begins: int, ends: int, weight: float) -> None:
        if begins:
            for kernel in before:
                kernel(0, first)
        for row in range(count):
            for kernel in during:
                kernel(row, first + row)
        if ends:
            for kernel in after:
                kernel(count, first + count)
            add(weight)

    run.launches_per_step = len(during)
    return run


def kernel_of(stages: list[Stage], envs: int, serial: bool) -> Any:
    """One kernel with a parallel loop over (environment, element) for each of the stages."""

    @ti.kernel
    def launch(row: ti.i32, at: ti.i32):
        for k in ti.static(range(len(stages))):
            ti.loop_config(serialize=serial)
            for index in range(envs * ti.static(stages[k].elements)):
                env = index // ti.static(stages[k].elements)
                stages[k].function(*stages[k].records, env, row, at, index - env * ti.static(stages[k].elements))

    return launch
