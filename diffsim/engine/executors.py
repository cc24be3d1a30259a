"""Executors: they turn lists of stages into kernels, and those into a rollout.

`fused` puts everything into one kernel: environments outside, then steps, then stages, each with a loop over its
elements innermost. `wide` runs each stage of each step as one parallel loop over all its elements.
"""

from collections.abc import Callable, Sequence
from typing import Any

import taichi as ti
from taichi.lang import impl
from taichi.lang.enums import AutodiffMode

from diffsim.engine.kernels import BIG
from diffsim.engine.staged import staged
from diffsim.engine.stages import Passes, Stage, Steps, Turn, pass_by_pass, turns_of
from diffsim.engine.witness import Chain, Mark, Witness
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

_LOOPS = 16_384
"""Turns of loops in a launch of `fused` off the CPU, as far as they are known: those within a decision are not.

Mesa's software driver ends all loops of a thread after 65,535 turns, without a word; drivers of cards end what takes
seconds, and this should take some tens of milliseconds there."""

_TOGETHER = 8
"""Stages, of all its steps together, in a launch of `wide` off the CPU, unless a single step has more of them.

A launch from Python takes as long as a card needs for some small stages, so one for each step of two stages is slow.
But kernels of 16 and 32 stages compiled 4 and 20 times as long in reverse as one of 8, and ran no faster."""

_MANY = 512  # elements of the largest stage from which a GPU is busy with one environment


def choose(executor: str, device: str, envs: int, elements: int, *, small: bool = True) -> str:
    """The executor to use: what was asked for, or with "auto" what is faster on the device.

    Args:
        executor: one of `EXECUTORS`.
        device: name of the Taichi device.
        envs: number of environments.
        elements: of the largest stage.
        small: whether small kernels pay on a CPU: as machine code of our own, or until another process, which can be
            given the problem, has compiled the fused kernel.
    """
    if executor not in EXECUTORS:
        raise InputError(f"executor is {executor!r}, but it must be one of {', '.join(map(repr, EXECUTORS))}")
    if executor == "staged" and device != "cpu":
        raise InputError(f"executor='staged' is for device='cpu', but device is {device!r}; use 'fused' or 'wide'")
    if executor != "auto":
        return executor
    if device == "cpu":
        return "staged" if small else "fused"
    return "wide" if envs < elements and elements >= _MANY else "fused"


def make(
    executor: str,
    prepare: Sequence[Stage],
    step: Steps,
    final: Sequence[Stage],
    fields: Any,
    *,
    serial: bool,
    helpers: Any = None,
) -> tuple[Run, Finish]:
    """The rollout of these stages, and its end alone; an enclosing ``ti.ad.Tape`` records every launch inside them.

    ``fields.witness`` is set to what knows whether they ended. Of `staged`, ``fields.small`` is set to its kernels;
    helpers may compile them, too.
    """
    if executor == "staged":
        fields.witness = Witness(fields, ())  # every launch is made from Python, which waits for its end
        return staged(prepare, step, final, fields, helpers)
    if executor == "fused":
        return _fused(prepare, step, final, fields, serial)
    before, during, after = _present(prepare, pass_by_pass(step), final)
    return _wide(before, during, after, fields, serial)


def _present(*lists: Steps | Sequence[Stage]) -> list[list[Any]]:
    """What has elements."""
    return [[entry for entry in entries if entry.elements] for entries in lists]


def _forward() -> bool:
    """Whether the kernel that is being compiled runs forward."""
    return impl.get_runtime().current_kernel.autodiff_mode == AutodiffMode.NONE


def _compiles(stage: Stage) -> bool:
    """Whether the stage is part of the kernel that is being compiled: a reverse kernel leaves decisions as they are."""
    if isinstance(stage, Mark):
        return stage.reverse != _forward()
    return stage.differentiable or _forward()


def _all_of_it(stage: Stage) -> bool:
    """Whether all its elements act in every row."""
    return stage.upto is None


def _first() -> int:
    """The first turn: the mark of the reverse pass is the first, that of the rollout the last; each passes by one."""
    return int(_forward())


def _last(turns: int) -> int:
    return turns if _forward() else turns - 1


@ti.func
def _in_pass(own: ti.template(), turn: ti.template()):
    """The first element of a stage in the pass to which a turn belongs."""
    return (turn - ti.static(own.first)) // ti.static(own.stride) * ti.static(own.stage.elements)


@ti.func
def _act(turns: ti.template(), turn: ti.template(), env: ti.template(), row: ti.template(), at: ti.template()):
    """Run the stage whose turn it is. Arguments are templates: they must not become statements beside the loops."""
    for k in ti.static(range(len(turns))):
        if ti.static(_compiles(turns[k].stage)):
            if ti.static(turns[k].passes == 1):
                if turn == ti.static(turns[k].first):
                    if ti.static(_all_of_it(turns[k].stage)):
                        for element in range(ti.static(turns[k].stage.elements)):
                            turns[k].stage.function(*turns[k].stage.records, env, row, at, element)
                    else:
                        for element in range(turns[k].stage.upto[env, row, 0]):
                            turns[k].stage.function(*turns[k].stage.records, env, row, at, element)
            else:
                if (
                    turn >= ti.static(turns[k].first)
                    and turn <= ti.static(turns[k].last)
                    and (turn - ti.static(turns[k].first)) % ti.static(turns[k].stride) == 0
                ):
                    if ti.static(_all_of_it(turns[k].stage)):
                        for element in range(ti.static(turns[k].stage.elements)):
                            turns[k].stage.function(
                                *turns[k].stage.records, env, row, at, _in_pass(turns[k], turn) + element
                            )
                    else:
                        for element in range(turns[k].stage.upto[env, row, 0]):
                            turns[k].stage.function(
                                *turns[k].stage.records, env, row, at, _in_pass(turns[k], turn) + element
                            )


def _fused(prepare: Sequence[Stage], step: Steps, final: Sequence[Stage], fields: Any, serial: bool) -> Any:
    envs, loss, total, finished = fields.envs, fields.loss, fields.total, fields.finished
    chain = Chain(0, 1, 1, 1)
    (down_before, up_before), (down, up), (down_after, up_after) = (
        chain.marks(finished, part, 0) for part in ("before", "during", "after")
    )
    before, begin_turns = turns_of((down_before, *prepare, up_before))
    during, step_turns = turns_of((down, *step, up))
    after, end_turns = turns_of((down_after, *final, up_after))
    fields.witness = Witness(
        fields, [chain], remedy="use executor='wide', whose launches are short, or a CPU, or fewer steps or copies"
    )
    turns, big = _turns_in(during, step_turns), not serial and envs > BIG

    # How long a decision takes is not known, so off the CPU a launch has one step where there are some.
    decides = any(not (turn.stage.differentiable or isinstance(turn.stage, Mark)) for turn in during)

    def pieces(count: int) -> list[tuple[int, int]]:
        return [(0, count)] if serial else _pieces(count, 1 if decides else max(1, _LOOPS // turns))

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
            for turn in range(ti.static(_first()), ti.static(_last(begin_turns))):
                _act(before, turn, env, 0, first)

    @ti.func
    def step_on(first: ti.template(), begin: ti.template(), count: ti.template()):
        ti.loop_config(serialize=serial)
        for env in range(envs * ti.min(1, count) if ti.static(big) else envs):
            for ahead in range(count):
                for turn in range(ti.static(_first()), ti.static(_last(step_turns))):
                    _act(during, turn, env, begin + ahead, first + begin + ahead)

    @ti.func
    def conclude(active: ti.template(), first: ti.template(), count: ti.template(), weight: ti.template()):
        ti.loop_config(serialize=serial)
        for env in range(envs * active):
            for turn in range(ti.static(_first()), ti.static(_last(end_turns))):
                _act(after, turn, env, count, first + count)
        ti.loop_config(serialize=serial)
        for env in range(envs * active):
            total[None] += weight * loss[env]

    @ti.kernel
    def all_of_it(first: ti.i32, count: ti.i32, begins: ti.i32, ends: ti.i32, weight: fields.real):
        start(begins, first)
        step_on(first, 0, count)  # a number that is known makes the kernel faster
        conclude(ends, first, count, weight)

    @ti.kernel
    def begin(first: ti.i32, one: ti.i32):
        start(one if ti.static(big) else 1, first)

    @ti.kernel
    def advance(first: ti.i32, begin: ti.i32, count: ti.i32):
        step_on(first, 0 if ti.static(serial) else begin, count)

    @ti.kernel
    def end(first: ti.i32, count: ti.i32, one: ti.i32, weight: fields.real):
        conclude(one if ti.static(big) else 1, first, count, weight)

    def finish(first: int, count: int, weight: float) -> None:
        end(first, count, 1, weight)

    def at_once(first: int, count: int, begins: int, ends: int, weight: float) -> None:
        all_of_it(first, count, begins, ends, weight)

    def one_by_one(first: int, count: int, begins: int, ends: int, weight: float) -> None:
        if begins:
            begin(first, 1)
        for row, rows in pieces(count):
            advance(first, row, rows)
        if ends:
            finish(first, count, weight)

    few = begin_turns + end_turns <= _FEW + 4  # four are marks
    return (at_once if serial and few else one_by_one), finish


def _turns_in(turns: list[Turn], total: int) -> int:
    """Turns of all loops within a step of one environment."""
    return total + sum(turn.stage.elements * turn.passes for turn in turns)


def _pieces(count: int, every: int) -> list[tuple[int, int]]:
    """First row and number of rows of each launch."""
    return [(row, min(every, count - row)) for row in range(0, count, every)]


def _wide(prepare: list[Stage], step: list[Stage | Passes], final: list[Stage], fields: Any, serial: bool) -> Any:
    unroll = 1 if serial else max(1, _TOGETHER // max(len(step), 1))
    envs, loss, total, finished = fields.envs, fields.loss, fields.total, fields.finished
    # What runs in one thread for a while has marks of its own; of the others there is one for each launch.
    parts: dict[str, list[Any]] = {"before": prepare, "during": step, "after": final}
    long = {part: [k for k, entry in enumerate(parts[part]) if _is_long(entry)] for part in parts}
    chain = Chain(0, *(len(found) for found in long.values()))
    tasks = {
        (part, k): turns_of(chain.around(finished, part, number, parts[part][k]))
        for part, found in long.items()
        for number, k in enumerate(found)
    }
    launches = Chain(2, 1, 1, 1, unroll)
    ticks = {part: launches.marks(finished, part, 0) for part in parts}
    counted = [
        sum(entry.elements for k, entry in enumerate(entries) if k not in long[part] and not entry.differentiable)
        for part, entries in parts.items()
    ]
    fields.witness = Witness(
        fields,
        [chain, launches],
        (counted[0], counted[1], counted[2]),
        "use a CPU, or fewer steps, copies or iterations of a solver",
    )

    @ti.func
    def each(stage: ti.template(), one: ti.template(), row: ti.template(), at: ti.template()):
        """One parallel loop over the stage's elements in all environments."""
        if ti.static(_compiles(stage)):
            if ti.static(stage.differentiable):
                for index in range(_threads(envs * ti.static(stage.elements), one)):
                    env = index // ti.static(stage.elements)
                    element = index - env * ti.static(stage.elements) + ti.static(stage.before)
                    stage.function(*stage.records, env, row, at, element)
            else:
                for index in range(_threads(envs * ti.static(stage.elements), one)):
                    env = index // ti.static(stage.elements)
                    for turn in range(2):  # a decision may have loops, and what ends them early never comes to turn 1
                        if turn == 0:
                            element = index - env * ti.static(stage.elements) + ti.static(stage.before)
                            stage.function(*stage.records, env, row, at, element)
                        else:
                            finished[env, 4] += 1

    @ti.func
    def solve(task: ti.template(), one: ti.template(), row: ti.template(), at: ti.template()):
        """All turns of an ordered stage or a solver, environments in parallel."""
        for env in range(_threads(envs, one)):
            for turn in range(ti.static(_first()), ti.static(_last(task[1]))):
                _act(task[0], turn, env, row, at)

    @ti.func
    def tick(mark: ti.template(), one: ti.template(), row: ti.template()):
        """A mark of all environments."""
        if ti.static(_compiles(mark)):
            ti.loop_config(serialize=serial)  # on a CPU a parallel loop takes as long as a small stage
            for env in range(_threads(envs, one)):
                mark.function(*mark.records, env, row, 0, 0)

    @ti.func
    def do(part: ti.template(), one: ti.template(), row: ti.template(), at: ti.template()):
        for k in ti.static(range(len(parts[part]))):
            if ti.static((part, k) in tasks):
                solve(tasks[part, k], one, row, at)
            else:
                each(parts[part][k], one, row, at)

    # The argument `one` is 1; see `_threads`.

    @ti.kernel
    def begin(first: ti.i32, one: ti.i32):
        tick(ticks["before"][0], one, 0)
        do("before", one, 0, first)
        tick(ticks["before"][1], one, 0)

    @ti.kernel
    def advance(first: ti.i32, start: ti.i32, launch: ti.i32, one: ti.i32):
        tick(ticks["during"][0], one, launch)
        for ahead in ti.static(range(unroll)):
            do("during", one, start + ahead, first + start + ahead)
        tick(ticks["during"][1], one, launch)

    @ti.kernel
    def advance_by_one(first: ti.i32, start: ti.i32, launch: ti.i32, one: ti.i32):
        tick(ticks["during"][0], one, launch)
        do("during", one, start, first + start)
        tick(ticks["during"][1], one, launch)

    @ti.kernel
    def end(first: ti.i32, count: ti.i32, launch: ti.i32, one: ti.i32, weight: fields.real):
        tick(ticks["after"][0], one, launch)
        do("after", one, count, first + count)
        for env in range(_threads(envs, one)):
            total[None] += weight * loss[env]
        tick(ticks["after"][1], one, launch)

    def run(first: int, count: int, begins: int, ends: int, weight: float) -> None:
        if begins:
            begin(first, 1)
        together = count // unroll
        for launch in range(together):
            advance(first, launch * unroll, launch, 1)
        for start in range(together * unroll, count):
            advance_by_one(first, start, together + start - together * unroll, 1)
        if ends:
            finish(first, count, weight)

    def finish(first: int, count: int, weight: float) -> None:
        end(first, count, launches.number(count), 1, weight)

    return run, finish


@ti.func
def _threads(many: ti.template(), one: ti.template()):
    """The length of a parallel loop: known while it compiles, unless it is too large (`diffsim.engine.kernels.BIG`)."""
    return many * one if ti.static(many > BIG) else many


def _is_long(entry: Stage | Passes) -> bool:
    """Whether it runs in one thread for each environment."""
    return isinstance(entry, Passes) or entry.ordered
