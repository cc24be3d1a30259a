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

from diffsim.engine.executors import Finish, Run, _act, _compiles
from diffsim.engine.stages import Passes, Stage, Steps, turns_of
from diffsim.engine.witness import Witness

__all__ = ["executor", "launches_per_step"]

Entry = Stage | Passes


@contextmanager
def executor(kernels: int | None = None, *, serial: bool = False) -> Iterator[None]:
    """Simulations made inside launch from Python at each step: a kernel per stage, or ``kernels`` kernels in all.

    All passes of a solver are one launch: kinder than a script, which would launch each stage in each pass.

    With ``kernels``, neighbours share a launch, each with a loop of its own. ``serial`` runs loops without Taichi's
    thread pool, which no script does.
    """

    def make(
        executor: str,
        prepare: Sequence[Stage],
        step: Steps,
        final: Sequence[Stage],
        fields: Any,
        *,
        serial: bool = serial,
    ) -> tuple[Run, Finish]:
        fields.witness = Witness(fields, ())  # every launch is made from Python, which waits for its end
        before, during, after = ([entry for entry in entries if entry.elements] for entries in (prepare, step, final))
        return launch_by_launch(before, grouped(during, kernels), after, fields, chosen)

    chosen = serial
    with mock.patch.multiple("diffsim.engine.assembly", make=make, allowed=lambda: False):
        yield


def grouped(entries: list[Entry], kernels: int | None) -> list[list[Entry]]:
    """Neighbours together, so that there are ``kernels`` groups; None is a group per stage."""
    count = len(entries) if kernels is None else min(kernels, len(entries))
    cuts = [len(entries) * k // count for k in range(count + 1)]
    return [entries[a:b] for a, b in pairwise(cuts)]


def launches_per_step(simulation: Any) -> int:
    """How many kernels a step of a simulation made inside `executor` launches, forward."""
    return simulation._trajectory._run.launches_per_step


def launch_by_launch(
    prepare: list[Stage], step: list[list[Entry]], final: list[Stage], fields: Any, serial: bool
) -> tuple[Run, Finish]:
    envs, loss, total = fields.envs, fields.loss, fields.total

    @ti.kernel
    def add(weight: fields.real):
        for env in range(envs):
            total[None] += weight * loss[env]

    before = [kernel_of([stage], envs, serial) for stage in prepare]
    during = [kernel_of(entries, envs, serial) for entries in step]
    after = [kernel_of([stage], envs, serial) for stage in final]

    def run(first: int, count: int, begins: int, ends: int, weight: float) -> None:
        if begins:
            for kernel in before:
                kernel(0, first)
        for row in range(count):
            for kernel in during:
                kernel(row, first + row)
        if ends:
            finish(first, count, weight)

    def finish(first: int, count: int, weight: float) -> None:
        for kernel in after:
            kernel(count, first + count)
        add(weight)

    run.launches_per_step = len(during)
    return run, finish


def kernel_of(entries: list[Entry], envs: int, serial: bool) -> Any:
    """One kernel with a parallel loop over (environment, element) for each stage; over environments for a solver."""
    solvers = {k: turns_of((entry,)) for k, entry in enumerate(entries) if isinstance(entry, Passes)}

    @ti.kernel
    def launch(row: ti.i32, at: ti.i32):
        for k in ti.static(range(len(entries))):
            if ti.static(k in solvers):
                ti.loop_config(serialize=serial)
                for env in range(envs):
                    for turn in range(ti.static(solvers[k][1])):
                        _act(solvers[k][0], turn, env, row, at)
            elif ti.static(_compiles(entries[k])):
                ti.loop_config(serialize=serial)
                for index in range(envs * ti.static(entries[k].elements)):
                    env = index // ti.static(entries[k].elements)
                    entries[k].function(*entries[k].records, env, row, at, index - env * ti.static(entries[k].elements))

    return launch
