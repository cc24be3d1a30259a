"""Executors: they turn lists of stages into kernels, and those into a rollout.

`fused` puts everything into one kernel: environments outside, then steps, then stages, each with a loop over its
elements innermost. `wide` runs each stage of each step as one parallel loop over all its elements.
"""

from collections.abc import Callable, Sequence
from typing import Any

import taichi as ti
from taichi.lang import impl
from taichi.lang.enums import AutodiffMode

from diffsim.engine.staged import staged
from diffsim.engine.stages import Passes, Stage, Steps, Turn, turns_of
from diffsim.errors import InputError

__all__ = ["EXECUTORS", "Finish", "Run", "choose", "make"]

EXECUTORS = ("auto", "fused", "wide", "staged")

# run(first, count, begins, ends, weight): steps first .. first + count - 1, stored from row 0; prepare stages before if
# `begins` is 1; final stages after if `ends` is 1, and total += weight * loss of every environment.
Run = Callable[[int, int, int, int, float], None]

# finish(first, count, weight): what `run` does at the end, on its own, after the steps first .. first + count - 1.
Finish = Callable[[int, int, float], None]

_Turns = tuple[list[Turn], int]

_FEW = 10
"""So many stages before and after the steps are compiled into the kernel of the steps, more into kernels of their
own. The time to compile a kernel grows with the square of what is in it; a launch more costs 15 us, forward and in
reverse."""

_UNROLL = 4  # steps per launch of `wide` on a GPU; more cost compile time, fewer cost launches
_MANY = 512  # elements of the largest stage from which a GPU is busy with one environment


def choose(executor: str, device: str, envs: int, elements: int, *, portable: bool = True) -> str:
    """The executor to use: what was asked for, or with "auto" what is faster on the device.

    Args:
        executor: one of `EXECUTORS`.
        device: name of the Taichi device.
        envs: number of environments.
        elements: of the largest stage.
        portable: whether another process could be given the problem, to compile its fused kernel.
    """
    if executor not in EXECUTORS:
        raise InputError(f"executor is {executor!r}, but it must be one of {', '.join(map(repr, EXECUTORS))}")
    if executor == "staged" and device != "cpu":
        raise InputError(f"executor='staged' is for device='cpu', but device is {device!r}; use 'fused' or 'wide'")
    if executor != "auto":
        return executor
    if device == "cpu":
        return "staged" if portable else "fused"
    return "wide" if envs < elements and elements >= _MANY else "fused"


def make(
    executor: str,
    prepare: Sequence[Stage],
    step: Steps,
    final: Sequence[Stage],
    fields: Any,
    *,
    serial: bool,
) -> tuple[Run, Finish]:
    """The rollout of these stages, and its end alone; an enclosing ``ti.ad.Tape`` records every launch inside them."""
    if executor == "staged":
        return staged(prepare, step, final, fields)
    if executor == "fused":
        return _fused(turns_of(prepare), turns_of(step), turns_of(final), fields, serial)
    before, after = ([stage for stage in stages if stage.elements] for stages in (prepare, final))
    return _wide(before, step, after, fields, 1 if serial else _UNROLL)


def _compiles(stage: Stage) -> bool:
    """Whether the stage is part of the kernel that is being compiled: a reverse kernel leaves decisions as they are."""
    return stage.differentiable or impl.get_runtime().current_kernel.autodiff_mode == AutodiffMode.NONE


@ti.func
def _act(turns: ti.template(), turn: ti.template(), env: ti.template(), row: ti.template(), at: ti.template()):
    """Run the stage whose turn it is. Arguments are templates: they must not become statements beside the loops."""
    for k in ti.static(range(len(turns))):
        if ti.static(_compiles(turns[k].stage)):
            if ti.static(turns[k].passes == 1):
                if turn == ti.static(turns[k].first):
                    for element in range(ti.static(turns[k].stage.elements)):
                        turns[k].stage.function(*turns[k].stage.records, env, row, at, element)
            else:
                if (
                    turn >= ti.static(turns[k].first)
                    and turn <= ti.static(turns[k].last)
                    and (turn - ti.static(turns[k].first)) % ti.static(turns[k].stride) == 0
                ):
                    for element in range(ti.static(turns[k].stage.elements)):
                        turns[k].stage.function(
                            *turns[k].stage.records,
                            env,
                            row,
                            at,
                            (turn - ti.static(turns[k].first))
                            // ti.static(turns[k].stride)
                            * ti.static(turns[k].stage.elements)
                            + element,
                        )


def _fused(prepare: _Turns, step: _Turns, final: _Turns, fields: Any, serial: bool) -> Any:
    envs, loss, total = fields.envs, fields.loss, fields.total
    (before, begin_turns), (during, step_turns), (after, end_turns) = prepare, step, final

    # A loop over turns, in each of which one stage acts: Taichi's reverse pass turns loops around, but not the order of
    # loops that stand side by side, so only one of those inside may do something. Every stage then has an innermost
    # loop of its own, which is what Taichi differentiates; in one flat loop over the elements of all stages, each
    # element would pay for the intermediate values of every stage.
    # `serialize` turns the reverse pass's atomic adds into plain ones; it leaves the order of the outermost loop
    # alone, which does not matter here.
    @ti.func
    def start(active: ti.template(), first: ti.template()):
        ti.loop_config(serialize=serial)
        for env in range(envs * active):
            for turn in range(begin_turns):
                _act(before, turn, env, 0, first)

    @ti.func
    def step_on(first: ti.template(), count: ti.template()):
        ti.loop_config(serialize=serial)
        for env in range(envs):
            for row in range(count):
                for turn in range(step_turns):
                    _act(during, turn, env, row, first + row)

    @ti.func
    def conclude(active: ti.template(), first: ti.template(), count: ti.template(), weight: ti.template()):
        ti.loop_config(serialize=serial)
        for env in range(envs * active):
            for turn in range(end_turns):
                _act(after, turn, env, count, first + count)
        ti.loop_config(serialize=serial)
        for env in range(envs * active):
            total[None] += weight * loss[env]

    @ti.kernel
    def all_of_it(first: ti.i32, count: ti.i32, begins: ti.i32, ends: ti.i32, weight: fields.real):
        start(begins, first)
        step_on(first, count)
        conclude(ends, first, count, weight)

    @ti.kernel
    def begin(first: ti.i32):
        start(1, first)

    @ti.kernel
    def advance(first: ti.i32, count: ti.i32):
        step_on(first, count)

    @ti.kernel
    def finish(first: ti.i32, count: ti.i32, weight: fields.real):
        conclude(1, first, count, weight)

    def one_by_one(first: int, count: int, begins: int, ends: int, weight: float) -> None:
        if begins:
            begin(first)
        if count:
            advance(first, count)
        if ends:
            finish(first, count, weight)

    return (all_of_it if begin_turns + end_turns <= _FEW else one_by_one), finish


def _wide(prepare: list[Stage], step: Steps, final: list[Stage], fields: Any, unroll: int) -> Any:
    envs, loss, total = fields.envs, fields.loss, fields.total
    solvers = {k: turns_of((entry,)) for k, entry in enumerate(step) if isinstance(entry, Passes)}

    @ti.func
    def each(stage: ti.template(), active: ti.template(), row: ti.template(), at: ti.template()):
        """One parallel loop over the stage's elements in all environments, over none unless `active` is 1."""
        if ti.static(stage.elements and _compiles(stage)):
            if ti.static(stage.ordered):
                for env in range(envs * active):
                    for element in range(ti.static(stage.elements)):
                        stage.function(*stage.records, env, row, at, element)
            else:
                for index in range(envs * ti.static(stage.elements) * active):
                    env = index // ti.static(stage.elements)
                    stage.function(*stage.records, env, row, at, index - env * ti.static(stage.elements))

    @ti.func
    def solve(turns: ti.template(), count: ti.template(), active: ti.template(), row: ti.template(), at: ti.template()):
        """All passes of a solver, environments in parallel."""
        for env in range(envs * active):
            for turn in range(count):
                _act(turns, turn, env, row, at)

    @ti.kernel
    def begin(first: ti.i32):
        for k in ti.static(range(len(prepare))):
            each(prepare[k], 1, 0, first)

    @ti.kernel
    def advance(first: ti.i32, start: ti.i32, count: ti.i32):
        for ahead in ti.static(range(unroll)):
            for k in ti.static(range(len(step))):
                if ti.static(k in solvers):
                    solve(
                        solvers[k][0],
                        solvers[k][1],
                        ti.min(1, ti.max(0, count - start - ahead)),
                        start + ahead,
                        first + start + ahead,
                    )
                else:
                    each(step[k], ti.min(1, ti.max(0, count - start - ahead)), start + ahead, first + start + ahead)

    @ti.kernel
    def end(first: ti.i32, count: ti.i32, weight: fields.real):
        for k in ti.static(range(len(final))):
            each(final[k], 1, count, first + count)
        for env in range(envs):
            total[None] += weight * loss[env]

    def run(first: int, count: int, begins: int, ends: int, weight: float) -> None:
        if begins:
            begin(first)
        for start in range(0, count, unroll):
            advance(first, start, count)
        if ends:
            end(first, count, weight)

    return run, end
