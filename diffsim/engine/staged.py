"""An executor of small kernels that know no sizes: a few stages each, launched one after the other from Python.

They compile in a fraction of the time of one kernel of everything, whose cost grows with the square of what is in it;
and a kernel that was read once in this process, or that Taichi's cache has, serves every simulation with the same
stages and the same structure of records (`diffsim.engine.abstract`). Values and gradients have the bits of `fused`. For
a CPU, where kernels and NumPy share the fields' memory.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import taichi as ti
from taichi.lang import impl

from diffsim.engine import kernel_files, native
from diffsim.engine.abstract import Binding, Structure
from diffsim.engine.fingerprint import refers_to
from diffsim.engine.grouping import Group, Lists, grouped
from diffsim.engine.mentions import Mentions, arguments_of
from diffsim.engine.reading import Compiled, Launch, Pool, condition, kernel, loop
from diffsim.engine.stages import Stage, Steps
from diffsim.waiting import Work

__all__ = ["Launches", "staged"]

_FIXED = 3  # whole numbers of each kernel before those of its stages: environments, passes, the pass of this launch


class _Known:
    """Kernels of this process, by what they are made of; those of another start of Taichi are forgotten."""

    def __init__(self) -> None:
        self._program: Any = None
        self._found: dict[Any, Compiled | native.Native] = {}
        self.unreadable: set[Any] = set()
        """Keys of kernels that Taichi cannot read unless it knows all whole numbers."""

    def __call__(self, key: Any, make: Callable[[], Compiled | native.Native]) -> Compiled | native.Native:
        """The kernel of this key, made if it is not known."""
        program = impl.get_runtime().prog
        if program is not self._program:
            self._program, self._found = program, {}
        if key not in self._found:
            self._found[key] = make()
        return self._found[key]


_known = _Known()


class _Kernel:
    """The kernel of a group, with the memory and the sizes of one simulation."""

    def __init__(self, group: Group, fields: Any, together: int):
        self._group, self._fields, self._together = group, fields, together
        mentions = [Mentions.of(stage.function) for stage in group.stages]
        names, fixed, self._stored = (_union([getattr(m, w) for m in mentions]) for w in ("names", "fixed", "stored"))
        self._structure = self._abstract(names, fixed)
        self._names: dict[Any, str | None] = {}

    def _abstract(self, names: set[str] | None, fixed: set[str] | None) -> Structure:
        given = [dict(zip(arguments_of(s.function), s.records, strict=False)) for s in self._group.stages]
        known = [self._fields.clock, *given, *(stage.upto for stage in self._group.stages)]
        return Structure(known, names, fixed, self._stored, self._fields.beds.place_of)

    def kept(self, reverse: bool) -> bool:
        """Whether it is on the disk."""
        return kernel_files.kept(self._name(reverse))

    @property
    def reversible(self) -> bool:
        """Whether there is anything to differentiate: whether what it stores has a gradient."""
        stored = [array for _, array, _ in self._structure.pools if array is not None]
        return self._group.differentiable and any(array.grad is not None for array in stored)

    @property
    def stored(self) -> set[int]:
        """What it stores into, and perhaps more: the identities of arrays."""
        return {id(array) for _, array, _ in self._structure.pools if array is not None}

    @property
    def mentioned(self) -> set[int]:
        """What it reads or stores into, and perhaps more, likewise."""
        return {id(array) for array in self._structure.arrays}

    def views(self, *, reverse: bool) -> list[np.ndarray]:
        """Memory (envs, rows, ...) of which most steps use their row."""
        arrays = [array for array in self._structure.arrays if array.rowed and not array.seldom]
        return [part.view for a in arrays for part in ((a, a.grad) if reverse else (a,)) if part is not None]

    def launch(self, turn: int, *, reverse: bool) -> Launch | native.Call:
        """A launch, in pass ``turn``."""
        compiled = self._compiled(reverse) or self._with_constants(reverse)
        group, beds = self._group, self._fields.beds
        own = [self._together, max(group.passes, 1), turn, *(stage.elements for stage in group.stages)]
        memory = [beds.memory(bed, array) for bed, array, _ in self._structure.pools]
        launch = compiled.launch(memory, [*own, *self._structure.integers])
        if group.upto is not None and group.upto.shape[2] == 1 and isinstance(launch, native.Call):
            counts = group.upto.view
            launch = replace(launch, passes=(counts.ctypes.data, counts.shape[1]), turn=turn)
        return launch

    def _compiled(self, reverse: bool) -> Compiled | native.Native | None:
        """The kernel with whole numbers as arguments; None if some must be constants after all."""
        key = self._key(reverse)
        if key in _known.unreadable:
            return None
        try:
            return self._kernel(reverse)
        except Exception:
            _known.unreadable.add(key)
            return None

    def _with_constants(self, reverse: bool) -> Compiled | native.Native:
        """The kernel with all of them as constants; what is wrong with it now is the stage's."""
        name = self._name(reverse)
        self._structure = self._abstract(None, None)
        compiled = self._kernel(reverse)
        if name is not None:
            kernel_files.keep_unreadable(name)
        return compiled

    def _name(self, reverse: bool) -> str | None:
        """Of the kernel in the cache on disk."""
        key = self._key(reverse)
        if key not in self._names:
            self._names[key] = native.name_of(key) if native.available() else None
        return self._names[key]

    def _key(self, reverse: bool) -> Any:
        group, structure = self._group, self._structure
        functions = tuple((s.function, s.differentiable, refers_to(s.function)) for s in group.stages)
        turns = group.passes if group.passes < 2 else 2  # how many passes there are is an argument
        return self._fields.real, functions, turns, self._pools, structure.key, reverse

    @property
    def _pools(self) -> tuple[Pool, ...]:
        # A kernel reads arrays from a whole bed only if it stores into none of them: other pools are other memory.
        places = [(bed, id(array)) for bed, array, _ in self._structure.pools]
        given = zip(self._structure.pools, places, strict=True)
        return tuple(self._fields.beds.pool(bed, matrix, places.index(place)) for (bed, _, matrix), place in given)

    def _kernel(self, reverse: bool) -> Compiled | native.Native:
        pools, integers = self._pools, _FIXED + len(self._group.stages) + len(self._structure.integers)

        def read() -> Compiled:
            # Of a forward kernel, LLVM finds the same out by the tags that it is given.
            followed = reverse or not native.available()
            body = functools.partial(self._body, reverse=reverse)
            return kernel(pools, integers, body, reverse=reverse, followed=followed)

        def make() -> Compiled | native.Native:
            return native.kernel(self._name(reverse), pools, integers, read) if native.available() else read()

        return _known(self._key(reverse), make)

    def _body(self, pools: list[Any], numbers: list[Any], *, reverse: bool) -> None:
        """Environments outside, then turns, then elements, as in `fused`.

        The row, the step and the first of these environments stand in memory.
        """
        group, stages = self._group, self._group.stages
        envs, passes, turn = numbers[:_FIXED]
        elements = numbers[_FIXED : _FIXED + len(stages)]

        def act(k: int, own: Any, before: Any) -> None:
            def on(element: Any) -> None:
                binding = Binding(pools, numbers[_FIXED + len(stages) :])
                clock = self._structure.bound(0, binding)
                records = self._structure.bound(1 + k, binding).values()
                at = element if before is None else before + element
                stages[k].function(*records, clock[2] + own, clock[0], clock[1], at)

            if stages[k].differentiable or not reverse:
                loop(elements[k] if stages[k].upto is None else upto(k, own), on)

        def upto(k: int, own: Any) -> Any:
            binding = Binding(pools, numbers[_FIXED + len(stages) :])
            clock = self._structure.bound(0, binding)
            return self._structure.bound(1 + len(stages) + k, binding)[clock[2] + own, clock[0], 0]

        def turns(own: Any) -> None:
            def choose(now: Any) -> None:
                each, before = now, None
                if group.passes > 1:
                    each, before = now % len(stages), now // len(stages)
                for k in range(len(stages)):
                    offset = None if before is None else before * elements[k]
                    condition(each == k, functools.partial(act, k, own, offset))

            if group.passes == 0:
                act(0, own, turn * elements[0])
            elif len(stages) > 1:
                loop(passes * len(stages), choose)
            elif group.passes == 1:
                act(0, own, None)
            else:
                loop(passes, lambda now: act(0, own, now * elements[0]))

        loop(envs, turns)


def _union(sets: list[set[str] | None]) -> set[str] | None:
    found: set[str] = set()
    for one in sets:
        if one is None:
            return None
        found |= one
    return found


class Launches:
    """Stages as launches in their order: what runs before, in or after the steps.

    Args:
        steps: the stages.
        fields: allocated, on a CPU.
        work: is told how many kernels there are to compile, and of each.
        begin: called before the first of them is compiled, forward or in reverse.
        lists: all lists of stages of the simulation; none: this one is the only one.
        apart: each copy goes through some steps before the next one does: what it needs stays in the first caches, and
            passes of a solver that it does not need are left out. All go together where there are few steps.
    """

    def __init__(
        self,
        steps: Steps | Sequence[Stage],
        fields: Any,
        work: Work,
        begin: Callable[[], None] | None = None,
        *,
        lists: Lists = (),
        apart: bool = False,
    ):
        self._work, self._begin = work, begin
        self._apart = apart and native.available()
        self._envs, self._together = fields.envs, 1 if self._apart else fields.envs
        kernels: dict[Group, _Kernel] = {}
        self._launched: list[tuple[_Kernel, int]] = []
        for group, turn in grouped(steps, lists or [steps]):
            if group not in kernels:
                kernels[group] = _Kernel(group, fields, self._together)
            self._launched.append((kernels[group], turn))
        self._ready: dict[tuple[bool, bool], _Run] = {}
        self.telling: frozenset[_Kernel] = frozenset()
        """Kernels that are left out where nothing is recorded."""
        work.total += len(self._launched) + sum(own.reversible for own, _ in self._launched)

    def leave_out(self, telling: frozenset[_Kernel]) -> None:
        """Do without these where nothing is recorded: they are not compiled before something is."""
        left = [own for own, _ in self._launched if own in telling]
        self.telling = frozenset(left)
        self._work.total -= len(left) + sum(own.reversible for own in left)

    def run(self, *, reverse: bool, whole: bool = True) -> "_Run":
        """What makes the launches, in their order; compiled when it is first asked for."""
        key = reverse, whole or not self.telling
        if key not in self._ready:
            if self._begin is not None:
                self._begin()
            found, chosen = [], self.chosen(reverse=reverse, whole=whole)
            self._work.total += len(chosen) if self.telling and whole else 0  # they were counted without these
            for own, turn in chosen:
                with self._work.one():
                    found.append(own.launch(turn, reverse=reverse))
            used = [view for own, _ in chosen if self._apart for view in own.views(reverse=reverse)]
            self._ready[key] = _loop(found, self._envs, self._together, used)
        return self._ready[key]

    def chosen(self, *, reverse: bool, whole: bool = True) -> list[tuple[_Kernel, int]]:
        """The kernel and the pass of each launch, in their order; unless ``whole``, without those that only tell."""
        found = [k for k in self._launched if whole or k[0] not in self.telling]
        return [k for k in reversed(found) if k[0].reversible] if reverse else found


def _telling(parts: Sequence[Launches], fields: Any) -> frozenset[_Kernel]:
    """Kernels whose results are only recorded: they store rows of arrays that no other one reads, and no state.

    A loss is the same without them, and so is its gradient: adjoints of what is recorded are zero, unless a rollout is
    asked for the products with cotangents.
    """
    rows = {id(r.field) for r in fields.trajectories} - {id(r.field) for r in fields.states}
    others = {kernel for part in parts for kernel, _ in part.chosen(reverse=False)}
    reads = set[int]()
    while needed := {own for own in others if not own.stored or not own.stored <= rows - reads}:
        others -= needed
        reads.update(*(own.mentioned for own in needed))
    return frozenset(others)


_Run = Callable[[np.ndarray, int, int, int, int], None]
"""``run(clock, row, step, rows, by)``: launches in so many steps; the next one is at ``row + by``, ``step + by``."""


def _loop(launches: list[Launch | native.Call], envs: int, together: int, used: Sequence[np.ndarray]) -> _Run:
    calls = [one for one in launches if isinstance(one, native.Call)]
    if len(calls) == len(launches):
        return native.Loop(calls, envs, together, used)
    program = impl.get_runtime().prog
    single = [native.Loop([one], envs, together) if isinstance(one, native.Call) else None for one in launches]

    def run(clock: np.ndarray, row: int, step: int, rows: int, by: int) -> None:
        for _ in range(rows):
            for launch, own in zip(launches, single, strict=True):
                if own is not None:
                    own(clock, row, step, 1, by)
                elif isinstance(launch, tuple):
                    for env in range(0, envs, together):
                        clock[:] = row, step, env
                        program.launch_kernel(*launch)
            row, step = row + by, step + by

    return run


class Small:
    """The kernels of a simulation's gradient, in the order in which they are compiled."""

    def __init__(self, before: Launches, during: Launches, after: Launches):
        forward, reverse = (before, during, after), (after, during, before)
        found = [(*chosen, False) for own in forward for chosen in own.chosen(reverse=False, whole=False)]
        found += [(*chosen, True) for own in reverse for chosen in own.chosen(reverse=True, whole=False)]
        self._kernels = list({(id(kernel), back): (kernel, turn, back) for kernel, turn, back in found}.values())

    @property
    def missing(self) -> int:
        """How many are not on the disk."""
        return sum(not kernel.kept(reverse) for kernel, _, reverse in self._kernels)

    def compile(self, order: Callable[[int], Sequence[int]]) -> None:
        """Have all on the disk, in the order that is given for so many."""
        for k in order(len(self._kernels)):
            kernel, turn, reverse = self._kernels[k]
            if not kernel.kept(reverse):
                kernel.launch(turn, reverse=reverse)


def staged(prepare: Sequence[Stage], step: Steps, final: Sequence[Stage], fields: Any, helpers: Any = None) -> Any:
    """`Run` and `Finish` of these stages; sets ``fields.small``."""
    work = Work()

    def begin() -> None:
        if helpers is not None:
            helpers.start(lambda: fields.small.missing)

    lists = (prepare, step, final)
    before, after = (Launches(stages, fields, work, begin, lists=lists) for stages in (prepare, final))
    during = Launches(step, fields, work, begin, lists=lists, apart=True)
    telling = _telling((before, during, after), fields)
    for part in (before, during, after):
        part.leave_out(telling)
    fields.small = Small(before, during, after)
    real = np.float32 if fields.real == ti.f32 else np.float64

    def forward(first: int, count: int, begins: int, moves: int, ends: int, weight: float) -> None:
        clock = fields.clock.view
        if begins:
            before.run(reverse=False, whole=fields.telling)(clock, 0, first, 1, 1)
        if moves:
            during.run(reverse=False, whole=fields.telling)(clock, 0, first, count, 1)
        if ends:
            after.run(reverse=False, whole=fields.telling)(clock, count, first + count, 1, 1)

    def backward(first: int, count: int, begins: int, moves: int, ends: int, weight: float) -> None:
        clock = fields.clock.view
        if ends:
            fields.loss.grad.view[:] += real(weight) * fields.total.grad.view[0]
            after.run(reverse=True, whole=fields.telling)(clock, count, first + count, 1, 1)
        if moves:
            during.run(reverse=True, whole=fields.telling)(clock, count - 1, first + count - 1, count, -1)
        if begins:
            before.run(reverse=True, whole=fields.telling)(clock, 0, first, 1, 1)
            if helpers is not None:  # those were the last
                helpers.close()

    taped = ti.ad.grad_replaced(forward)
    ti.ad.grad_for(taped)(backward)

    def run(first: int, count: int, begins: int, ends: int, weight: float) -> None:
        taped(first, count, begins, 1, ends, weight)

    def finish(first: int, count: int, weight: float) -> None:
        taped(first, count, 0, 0, 1, weight)

    return run, finish
