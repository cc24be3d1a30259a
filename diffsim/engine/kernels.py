"""The kernels that move numbers into, within and out of the fields of a simulation.

For a GPU, whose memory Python cannot reach; on a CPU `diffsim.engine.memory` does the same without a kernel. Each moves
everything of its kind in one launch, all indices spread over threads. None of them is differentiated.

Arrays with equally many elements share a loop: Taichi compiles each loop of a kernel as a program of its own.

What goes in and out is float64 but on Vulkan and Metal: Metal knows no float64, nor does every driver of Vulkan.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import taichi as ti

from diffsim.engine.witness import COLUMNS

__all__ = ["BIG", "Kernels"]


Entry = TypeVar("Entry")


def _grouped(entries: Iterable[Entry], size: Callable[[Entry], int]) -> list[tuple[int, list[Entry]]]:
    """Entries with one size together: the size, and which have it."""
    found: dict[int, list[Entry]] = {}
    for entry in entries:
        found.setdefault(size(entry), []).append(entry)
    return list(found.items())


_GROUPS = 64
"""In float32, gradients of a parameter are added to so many sums, and these in float64: fewer roundings."""

_SMALLEST = 1e-30
"""Of what adjoints are divided by for their norm."""

BIG = 2**22
"""Threads from which a loop gets a length that is only known at its launch: Taichi then takes a number of threads that
it knows to be allowed, and not one for each turn, of which Vulkan may have no more than 65,535 x 128. Below it, a known
length launches as many threads as there are turns, and not 65,536."""


def _is_big(fields: Any) -> bool:
    rows = max((r.elements for r in fields.trajectories), default=1) * (fields.rows + 1)
    return fields.envs * max([rows, *(n.elements for n in fields.numbers)]) > BIG


@ti.func
def _clear(field: ti.template(), width: ti.template(), env, row, i):
    if ti.static(width == 0):
        field[env, row, i] = 0.0
    else:
        for c in ti.static(range(width)):
            field[env, row, i][c] = 0.0


@ti.func
def _zero(groups: ti.template(), lines, rows: ti.template()):
    """Clear ``lines`` rows of groups of (field, width)."""
    for g in ti.static(range(len(groups))):
        for j, i in ti.ndrange(lines, ti.static(groups[g][0])):
            for k in ti.static(range(len(groups[g][1]))):
                _clear(groups[g][1][k][0], ti.static(groups[g][1][k][1]), j // rows, j % rows, i)


class Kernels:
    """Kernels over the fields of one `Fields`; the attributes launch them, with the given arguments.

    Arrays of numbers are float64 outside, whatever `Fields.moved` is.

    Attributes:
        start: (table, reverse, stale) copy the table of numbers, (copies, columns), into all environments, clear the
            losses and what accumulates; if ``reverse`` is 1, also the gradients that a reverse pass adds to and does
            not use up; if ``stale`` is 1, those that it does use up as well.
        clear_sums: () clear what accumulates.
        clear_adjoints: () clear what a reverse pass of a segment leaves of the trajectory's gradients.
        losses: (out) read the losses, (envs,).
        gather: (table, out) add the parameters' gradients to a table like that of `start`, and read the losses.
        save, restore: (segment) keep row 0 of the state, and bring it back.
        carry_on: (row) make this row of the state row 0.
        next_window: (row, losses) the same, with all clearing in the same launch, and put the losses back.
        take_adjoint: (segment) keep the adjoint of row 0 of the state, at which this segment begins, and its norm.
        norms: (out) read the norms of all adjoints that were kept, (envs, segments).
        give_adjoint: (row) make it the adjoint of this row.
        expect: (numbers) set the numbers of the witness, the same in all environments.
        finished: () read them, (envs, columns).
        limit: (out) read where stages had not enough room, (limits, envs, 2); only if there is a `Fields.limit`.
        load: (values) set the constants, one after the other.
        record, seed: (flat) read all recorded rows, and set their adjoints.
    """

    def __init__(self, fields: Any):
        self._real = np.float32 if fields.moved == ti.f32 else np.float64
        zero_sums, zero_adjoints, zero_leaves, zero_used = self._make_clearing(fields)
        self._make_transfer(fields, zero_sums, zero_adjoints, zero_leaves)
        self._make_segments(fields, zero_sums, zero_used)
        self._make_recording(fields)
        self._make_witness(fields)

    def _in(self, values: np.ndarray) -> np.ndarray:
        """An array as kernels take it."""
        return np.ascontiguousarray(values, self._real)

    def _make_transfer(self, fields: Any, zero_sums: Any, zero_adjoints: Any, zero_leaves: Any) -> None:
        envs, index, loss, total, real = fields.envs, fields.index, fields.loss, fields.total, fields.moved
        big = _is_big(fields)
        pairs = list(zip(fields.numbers, fields.bases[:-1], strict=True))
        groups = _grouped(pairs, lambda pair: pair[0].elements)
        tuned = _grouped([pair for pair in pairs if pair[0].tuned], lambda pair: pair[0].elements)

        @ti.func
        def put(number: ti.template(), base: ti.template(), table: ti.template(), env, i):
            if ti.static(number.width == 0):
                column = index[base + i]
                number.field[env, i] = ti.cast(table[env % table.shape[0], column], fields.real)
            else:
                for c in ti.static(range(number.width)):
                    column = index[base + i * ti.static(number.width) + c]
                    number.field[env, i][c] = ti.cast(table[env % table.shape[0], column], fields.real)

        @ti.func
        def take(number: ti.template(), base: ti.template(), table: ti.template(), copies, env, i):
            row = env % copies + (env // copies + i) % (table.shape[0] // copies) * copies
            if ti.static(number.width == 0):
                column = index[base + i]
                table[row, column] += number.field.grad[env, i]
            else:
                for c in ti.static(range(number.width)):
                    column = index[base + i * ti.static(number.width) + c]
                    table[row, column] += number.field.grad[env, i][c]

        @ti.kernel
        def put_all(table: ti.types.ndarray(dtype=real, ndim=2), reverse: ti.i32, stale: ti.i32):
            one = ti.min(1, table.shape[0]) if ti.static(big) else 1
            for g in ti.static(range(len(groups))):
                for j in range(envs * ti.static(groups[g][0]) * one):
                    env = j // ti.static(groups[g][0])
                    i = j - env * ti.static(groups[g][0])
                    for k in ti.static(range(len(groups[g][1]))):
                        put(groups[g][1][k][0], ti.static(groups[g][1][k][1]), table, env, i)
            for env in range(envs):
                loss[env] = 0.0
            zero_sums(one)
            zero_adjoints(reverse, stale)
            zero_leaves(reverse)
            total.grad[None] = 1.0

        @ti.kernel
        def take_all(table: ti.types.ndarray(dtype=real, ndim=2), copies: ti.i32):
            one = ti.min(1, table.shape[0]) if ti.static(big) else 1
            for g in ti.static(range(len(tuned))):
                for j in range(envs * ti.static(tuned[g][0]) * one):
                    env = j // ti.static(tuned[g][0])
                    i = j - env * ti.static(tuned[g][0])
                    for k in ti.static(range(len(tuned[g][1]))):
                        take(tuned[g][1][k][0], ti.static(tuned[g][1][k][1]), table, copies, env, i)

        @ti.kernel
        def read_losses(out: ti.types.ndarray(dtype=real, ndim=1)):
            for env in range(envs):
                out[env] = loss[env]

        def start(table: np.ndarray, reverse: int, stale: int) -> None:
            put_all(self._in(table), reverse, stale)

        def losses(out: np.ndarray) -> None:
            read_losses(found := np.empty(envs, self._real))
            out[:] = found

        def gather(table: np.ndarray, out: np.ndarray) -> None:
            copies, columns = table.shape
            groups = max(1, _GROUPS // copies) if real == ti.f32 else 1
            sums = np.zeros((groups * copies, columns), self._real)
            take_all(sums, copies)
            table += sums.reshape(groups, copies, columns).sum(axis=0, dtype=np.float64)
            losses(out)

        constants = [(array, len(values)) for array, values in fields.constants]
        starts = [sum(length for _, length in constants[:k]) for k in range(len(constants))]

        @ti.kernel
        def load(values: ti.types.ndarray(dtype=ti.i32, ndim=1)):
            for k in ti.static(range(len(constants))):
                for i in range(ti.static(constants[k][1])):
                    constants[k][0][i] = values[ti.static(starts[k]) + i]

        self.start, self.gather, self.losses, self.load = start, gather, losses, load
        if fields.limits.fields:
            self._make_limit(fields.limits.fields, envs)

    def _make_limit(self, limits: Any, envs: int) -> None:
        @ti.kernel
        def limit(out: ti.types.ndarray(dtype=ti.i32, ndim=3)):
            for env, k in ti.ndrange(envs, 2):
                for which in ti.static(range(len(limits))):
                    out[which, env, k] = limits[which][env, k]

        self.limit = limit

    def _make_witness(self, fields: Any) -> None:
        envs, finished = fields.envs, fields.finished

        @ti.kernel
        def put(numbers: ti.types.ndarray(dtype=ti.i32, ndim=1)):
            for env, k in ti.ndrange(envs, ti.static(COLUMNS)):
                finished[env, k] = numbers[k]

        @ti.kernel
        def take(out: ti.types.ndarray(dtype=ti.i32, ndim=2)):
            for env, k in ti.ndrange(envs, ti.static(COLUMNS)):
                out[env, k] = finished[env, k]

        def read() -> np.ndarray:
            out = np.zeros((envs, COLUMNS), np.int32)
            take(out)
            return out

        self.expect, self.finished = put, read

    def _make_clearing(self, fields: Any) -> tuple[Any, Any, Any, Any]:
        envs, rows, loss, states = fields.envs, fields.rows + 1, fields.loss, fields.states
        big = _is_big(fields)
        parameters = [(n.field.grad, n.width, n.elements) for n in fields.numbers if n.tuned]
        parameters += [(f.grad, width, elements) for f, width, elements in fields.derivatives]
        leaves = _grouped(parameters, lambda leaf: leaf[2])
        sums = [r for r in fields.trajectories if r.accumulates]
        paths = [r for r in fields.trajectories if not r.accumulates]
        values = _grouped([(r.field, r.width, r.elements) for r in sums], lambda part: part[2])
        adjoints = _grouped([(r.field.grad, r.width, r.elements) for r in sums], lambda part: part[2])
        used = _grouped([(r.field.grad, r.width, r.elements) for r in paths], lambda part: part[2])

        @ti.func
        def zero_leaves(wanted):
            for g in ti.static(range(len(leaves))):
                for j in range(envs * ti.static(leaves[g][0]) * wanted):
                    env = j // ti.static(leaves[g][0])
                    i = j - env * ti.static(leaves[g][0])
                    for k in ti.static(range(len(leaves[g][1]))):
                        if ti.static(leaves[g][1][k][1] == 0):
                            leaves[g][1][k][0][env, i] = 0.0
                        else:
                            for c in ti.static(range(leaves[g][1][k][1])):
                                leaves[g][1][k][0][env, i][c] = 0.0
            for env in range(envs * wanted):
                loss.grad[env] = 0.0

        @ti.func
        def zero_sums(one):
            _zero(values, envs * rows * one, rows)

        @ti.func
        def zero_adjoints(wanted, stale):
            # The reverse pass leaves the adjoint of what was set at zero, of what was added to as it is.
            _zero(adjoints, envs * rows * wanted, rows)
            _zero(used, envs * rows * stale, rows)

        @ti.kernel
        def clear_some(active: ti.i32):
            zero_sums(active if ti.static(big) else 1)

        def clear_sums() -> None:
            clear_some(1)

        @ti.func
        def zero_used():
            zero_adjoints(1, 0)
            for k in ti.static(range(len(states))):  # nothing in the segment set them, so nothing used them up
                for env, i in ti.ndrange(envs, ti.static(states[k].elements)):
                    _clear(states[k].field.grad, ti.static(states[k].width), env, 0, i)

        @ti.kernel
        def clear_adjoints():
            zero_used()

        self.clear_sums, self.clear_adjoints = clear_sums, clear_adjoints
        return zero_sums, zero_adjoints, zero_leaves, zero_used

    def _make_segments(self, fields: Any, zero_sums: Any, zero_used: Any) -> None:
        envs, states, saved, adjoint = fields.envs, fields.states, fields.saved, fields.adjoints
        squares, loss, big, real = fields.norms, fields.loss, _is_big(fields), fields.moved

        @ti.kernel
        def save(segment: ti.i32):
            for k in ti.static(range(len(states))):
                for env, i in ti.ndrange(envs, ti.static(states[k].elements)):
                    saved[k][env, segment, i] = states[k].field[env, 0, i]

        @ti.kernel
        def restore(segment: ti.i32):
            for k in ti.static(range(len(states))):
                for env, i in ti.ndrange(envs, ti.static(states[k].elements)):
                    states[k].field[env, 0, i] = saved[k][env, segment, i]

        @ti.func
        def move(row: ti.template()):
            for k in ti.static(range(len(states))):
                for env, i in ti.ndrange(envs, ti.static(states[k].elements)):
                    states[k].field[env, 0, i] = states[k].field[env, row, i]

        @ti.kernel
        def carry_on(row: ti.i32):
            move(row)

        @ti.kernel
        def clear_window(row: ti.i32, losses: ti.types.ndarray(dtype=real, ndim=1)):
            move(row)
            zero_sums(ti.min(1, losses.shape[0]) if ti.static(big) else 1)
            zero_used()
            for env in range(envs):
                loss[env] = ti.cast(losses[env], fields.real)

        def next_window(row: int, losses: np.ndarray) -> None:
            clear_window(row, self._in(losses))

        # A square of float32 overflows beyond 1e19, where adjoints of long rollouts come; so they are scaled.

        @ti.kernel
        def take_adjoint(segment: ti.i32):
            for env, k in ti.ndrange(envs, 2):
                squares[env, segment, k] = 0.0
            for k in ti.static(range(len(states))):
                for env, i in ti.ndrange(envs, ti.static(states[k].elements)):
                    adjoint[k][env, i] = states[k].field.grad[env, 0, i]
                    if ti.static(states[k].width == 0):
                        ti.atomic_max(squares[env, segment, 0], ti.cast(abs(adjoint[k][env, i]), real))
                    else:
                        for c in ti.static(range(states[k].width)):
                            ti.atomic_max(squares[env, segment, 0], ti.cast(abs(adjoint[k][env, i][c]), real))
            for k in ti.static(range(len(states))):
                for env, i in ti.ndrange(envs, ti.static(states[k].elements)):
                    scale = ti.max(squares[env, segment, 0], _SMALLEST)
                    if ti.static(states[k].width == 0):
                        squares[env, segment, 1] += (adjoint[k][env, i] / scale) ** 2
                    else:
                        for c in ti.static(range(states[k].width)):
                            squares[env, segment, 1] += (adjoint[k][env, i][c] / scale) ** 2

        @ti.kernel
        def read_norms(out: ti.types.ndarray(dtype=real, ndim=3)):
            for env, segment, k in ti.ndrange(out.shape[0], out.shape[1], 2):
                out[env, segment, k] = squares[env, segment, k]

        def norms(out: np.ndarray) -> None:
            read_norms(found := np.empty((*out.shape, 2), self._real))
            largest, sums = np.moveaxis(found.astype(np.float64), -1, 0)
            out[:] = np.where(np.isinf(largest), largest, largest * np.sqrt(sums))

        @ti.kernel
        def give_adjoint(row: ti.i32):
            for k in ti.static(range(len(states))):
                for env, i in ti.ndrange(envs, ti.static(states[k].elements)):
                    states[k].field.grad[env, row, i] = adjoint[k][env, i]

        self.save, self.restore, self.carry_on, self.next_window = save, restore, carry_on, next_window
        self.take_adjoint, self.give_adjoint, self.norms = take_adjoint, give_adjoint, norms

    def _make_recording(self, fields: Any) -> None:
        envs, rows, offsets = fields.envs, fields.rows + 1, fields.offsets
        recorded = [r for r in fields.trajectories if r.recorded]
        big, real = _is_big(fields), fields.moved

        @ti.kernel
        def take_rows(flat: ti.types.ndarray(dtype=real, ndim=1)):
            one = ti.min(1, flat.shape[0]) if ti.static(big) else 1
            for k in ti.static(range(len(recorded))):
                for env, row, i in ti.ndrange(envs * one, rows, ti.static(recorded[k].recorded)):
                    at = ti.static(offsets[k]) + ((env * rows + row) * ti.static(recorded[k].recorded) + i) * ti.static(
                        max(recorded[k].width, 1)
                    )
                    if ti.static(recorded[k].width == 0):
                        flat[at] = recorded[k].field[env, row, i]
                    else:
                        for c in ti.static(range(recorded[k].width)):
                            flat[at + c] = recorded[k].field[env, row, i][c]

        @ti.kernel
        def put_adjoints(flat: ti.types.ndarray(dtype=real, ndim=1)):
            one = ti.min(1, flat.shape[0]) if ti.static(big) else 1
            for k in ti.static(range(len(recorded))):
                for env, row, i in ti.ndrange(envs * one, rows, ti.static(recorded[k].recorded)):
                    at = ti.static(offsets[k]) + ((env * rows + row) * ti.static(recorded[k].recorded) + i) * ti.static(
                        max(recorded[k].width, 1)
                    )
                    if ti.static(recorded[k].width == 0):
                        recorded[k].field.grad[env, row, i] = ti.cast(flat[at], fields.real)
                    else:
                        for c in ti.static(range(recorded[k].width)):
                            recorded[k].field.grad[env, row, i][c] = ti.cast(flat[at + c], fields.real)

        def record(flat: np.ndarray) -> None:
            take_rows(found := np.empty(len(flat), self._real))
            flat[:] = found

        def seed(flat: np.ndarray) -> None:
            put_adjoints(self._in(flat))

        self.record, self.seed = record, seed
