"""The memory of a simulation's fields on a CPU, as NumPy arrays: what moves numbers in and out without a kernel.

Taichi's fields on a CPU lie in memory that Python may read and write, so what only copies or clears needs nothing
compiled. `Fields` places arrays of one kind beside each other, and what lies beside each other is moved in one piece.
`Memory` does what `diffsim.engine.kernels.Kernels` does on a GPU, under the same names.
"""

import ctypes
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.arrays import Array
from diffsim.engine.reading import Pool

__all__ = ["Beds", "Memory", "attach_views"]

_TYPES = {ti.f32: np.float32, ti.f64: np.float64, ti.i32: np.int32}
_MOST = 2**31  # elements of a bed that a kernel's whole numbers can count


def attach_views(trees: Iterable[tuple[list[Array], list[Any]]]) -> None:
    """Give every array, and every scalar field, of trees that were placed its ``view``: a NumPy array of its memory.

    Args:
        trees: arrays, in the order in which they were placed, and scalars of each tree.
    """
    for arrays, scalars in trees:
        first = arrays[0].field
        root = _address(first) - _offset(first)
        for array in arrays:
            for part in (array, array.grad):
                if part is not None:
                    part.view = _view(part.field, root, (*part.shape, *_width(part.field)))
        for scalar in scalars:
            scalar.view = _view(scalar, root, (1,))


def _component(field: Any) -> Any:
    return field.get_scalar_field(0) if isinstance(field, ti.MatrixField) else field


def _width(field: Any) -> tuple[int, ...]:
    return (field.n,) if isinstance(field, ti.MatrixField) else ()


def _address(field: Any) -> int:
    """Where a field begins. A kernel tells it: some hundredths of a second to compile, once for each tree of fields."""
    component, out = _component(field), np.zeros(1, np.uint64)

    @ti.kernel
    def find(out: ti.types.ndarray(dtype=ti.u64, ndim=1)):
        out[0] = ti.get_addr(component, 0)

    find(out)
    return int(out[0])


def _offset(field: Any) -> int:
    """Of a field from the beginning of its tree [bytes]: it, or what it is dense in, stands right below the root."""
    component = _component(field)
    parent = component.parent()
    return component.snode._offset_bytes_in_parent_cell + parent._offset_bytes_in_parent_cell


def _view(field: Any, root: int, shape: tuple[int, ...]) -> np.ndarray:
    kind: Any = np.dtype(_TYPES[field.dtype])
    return _at(root + _offset(field), int(np.prod(shape)) * kind.itemsize, kind).reshape(shape)


def _at(address: int, size: int, kind: Any) -> np.ndarray:
    memory: Any = (ctypes.c_char * size).from_address(address)
    return np.frombuffer(memory, kind)


def _address_of(view: np.ndarray) -> int:
    return int(view.__array_interface__["data"][0])


def _runs(views: Iterable[np.ndarray]) -> list[tuple[np.ndarray, list[int]]]:
    """Flat views of stretches of memory that these fill without a gap, and which of them lie there, in order."""
    listed = list(views)
    found: list[tuple[int, int, Any, list[int]]] = []
    for k in sorted(range(len(listed)), key=lambda k: _address_of(listed[k])):
        begin, size, kind = _address_of(listed[k]), listed[k].nbytes, listed[k].dtype
        if found and found[-1][0] + found[-1][1] == begin and found[-1][2] == kind:
            before = found.pop()
            found.append((before[0], before[1] + size, kind, [*before[3], k]))
        else:
            found.append((begin, size, kind, [k]))
    return [(_at(begin, size, kind), members) for begin, size, kind, members in found]


class Beds:
    """Where arrays lie: those of one kind in one bed, one after the other, their gradients likewise.

    Args:
        kinds: of each bed: the type of its numbers, how wide they are, whether they have a gradient.
        beds: its arrays.

    Attributes:
        fit: whether a whole number of 32 bits can count the elements of each.
    """

    def __init__(self, kinds: list[tuple[Any, int, bool]], beds: list[list[Array]]):
        self._kinds, self._places = kinds, {}
        self._memory: list[tuple[np.ndarray, np.ndarray | None]] = []
        self.fit = True
        for k, bed in enumerate(beds):
            values = self._whole([array.view for array in bed])
            self._memory.append((values, self._whole([a.grad.view for a in bed if a.grad is not None])))
            begin = 0
            for array in bed:
                self._places[id(array)] = k, begin
                begin += math.prod(array.shape)
            self.fit = self.fit and begin < _MOST

    @staticmethod
    def _whole(views: list[np.ndarray]) -> Any:
        if not views:
            return None
        ((whole, members),) = _runs(views)
        assert members == list(range(len(views)))
        return whole

    def place_of(self, array: Array) -> tuple[int, int] | None:
        """The number of its bed and the element with which it begins there; None for an array of somebody else."""
        return self._places.get(id(array))

    def pool(self, bed: int, matrix: tuple[int, ...], memory: int) -> Pool:
        """The type of a bed, whose elements may be seen as matrices of so many rows and columns; see `Pool`."""
        real, width, gradient = self._kinds[bed]
        return Pool(real, matrix or ((width,) if width else ()), gradient, memory)

    def memory(self, bed: int, array: Array | None) -> tuple[np.ndarray, np.ndarray | None]:
        """Numbers and their gradients, flat: of the bed, or of one array in it."""
        if array is None:
            return self._memory[bed]
        return array.view.reshape(-1), None if array.grad is None else array.grad.view.reshape(-1)


class Memory:
    """The methods of `Kernels`, over views of the fields' memory."""

    def __init__(self, fields: Any):
        self._fields = fields
        rows = fields.trajectories
        self._loss, self._loss_grad = fields.loss.view, fields.loss.grad.view
        self._seed_of_total = fields.total.grad.view
        self._finished = fields.finished.view
        sums = [r.field for r in rows if r.accumulates]
        paths = [r.field for r in rows if not r.accumulates]
        leaves = [n.field for n in fields.numbers if n.tuned] + [f for f, *_ in fields.derivatives]
        self._sums = self._clearing(array.view for array in sums)
        self._sums_grad = self._clearing(array.grad.view for array in sums)
        self._paths_grad = self._clearing(array.grad.view for array in paths)
        self._leaves_grad = self._clearing([*(array.grad.view for array in leaves), self._loss_grad])
        self._states = [r.field.view for r in fields.states]
        self._states_grad = [r.field.grad.view for r in fields.states]
        self._saved = [array.view for array in fields.saved]
        self._adjoints = [array.view for array in fields.adjoints]
        self._norms = fields.norms.view
        self._numbers = _runs(n.field.view for n in fields.numbers)
        tuned = [n for n in fields.numbers if n.tuned]
        self._gradients = _runs(n.field.grad.view for n in tuned)
        self._columns_of_numbers = [[fields.numbers[k].index for k in members] for _, members in self._numbers]
        self._columns_of_gradients = [[tuned[k].index for k in members] for _, members in self._gradients]
        self._indices: dict[tuple[str, int], Any] = {}  # by what is moved and how many copies the table has
        recorded = [r for r in rows if r.recorded]
        self._recorded = [r.field.view[:, :, : r.recorded] for r in recorded]
        self._recorded_grad = [r.field.grad.view[:, :, : r.recorded] for r in recorded]

    @staticmethod
    def _clearing(views: Iterable[np.ndarray]) -> list[np.ndarray]:
        return [run for run, _ in _runs(views)]

    def _index(self, columns: list[np.ndarray], copies: int) -> np.ndarray:
        """Where in a flat table with so many copies each number of a run is found: environments, one after another."""
        width = self._fields.spare + 1
        copy = (np.arange(self._fields.envs) % copies)[:, None] * width
        return np.concatenate([(copy + own).reshape(-1) for own in columns])

    def load(self) -> None:
        """Set the constants."""
        for array, values in self._fields.constants:
            array.view[:] = values

    def start(self, table: np.ndarray, reverse: int, stale: int) -> None:
        """See `Kernels`."""
        key = ("numbers", len(table))
        if key not in self._indices:
            self._indices[key] = [self._index(columns, len(table)) for columns in self._columns_of_numbers]
        flat = table.reshape(-1)
        with np.errstate(over="ignore"):  # what is too large for float32 is infinite there, as a kernel would make it
            for (run, _), index in zip(self._numbers, self._indices[key], strict=True):
                run[:] = flat[index]
        self._loss[:] = 0.0
        self.clear_sums()
        if reverse:
            for run in self._sums_grad:
                run.fill(0.0)
            self.clear_leaves()
        if stale:
            for run in self._paths_grad:
                run.fill(0.0)
        self._seed_of_total[0] = 1.0

    def gather(self, table: np.ndarray, out: np.ndarray) -> None:
        """See `Kernels`; ``out`` may be None."""
        key = ("gradients", len(table))
        if key not in self._indices:
            indices = [self._index(columns, len(table)) for columns in self._columns_of_gradients]
            self._indices[key] = np.concatenate([np.empty(0, np.int64), *indices])
        weights = [run for run, _ in self._gradients]
        if weights:
            found = np.concatenate(weights) if len(weights) > 1 else weights[0]
            table += np.bincount(self._indices[key], found, table.size).reshape(table.shape)
        self.losses(out)

    def losses(self, out: np.ndarray) -> None:
        """See `Kernels`."""
        out[:] = self._loss

    def expect(self, numbers: np.ndarray) -> None:
        """See `Kernels`."""
        self._finished[:] = numbers

    def finished(self) -> np.ndarray:
        """See `Kernels`."""
        return self._finished

    def limit(self, out: np.ndarray) -> None:
        """See `Kernels`."""
        for k, limit in enumerate(self._fields.limits.fields):
            out[k] = limit.view

    def clear_sums(self) -> None:
        """See `Kernels`."""
        for run in self._sums:
            run.fill(0.0)

    def clear_leaves(self) -> None:
        """Clear the gradients of numbers, and of what is derived from them."""
        for run in self._leaves_grad:
            run.fill(0.0)

    def clear_adjoints(self) -> None:
        """See `Kernels`."""
        for run in self._sums_grad:
            run.fill(0.0)
        for state in self._states_grad:  # nothing in the segment set them, so nothing used them up
            state[:, 0] = 0.0

    def save(self, segment: int) -> None:
        """See `Kernels`."""
        for kept, state in zip(self._saved, self._states, strict=True):
            kept[:, segment] = state[:, 0]

    def restore(self, segment: int) -> None:
        """See `Kernels`."""
        for kept, state in zip(self._saved, self._states, strict=True):
            state[:, 0] = kept[:, segment]

    def carry_on(self, row: int) -> None:
        """See `Kernels`."""
        for state in self._states:
            state[:, 0] = state[:, row]

    def next_window(self, row: int, losses: np.ndarray) -> None:
        """See `Kernels`."""
        self.carry_on(row)
        self.clear_sums()
        self.clear_adjoints()
        with np.errstate(over="ignore"):
            self._loss[:] = losses

    def take_adjoint(self, segment: int) -> None:
        """See `Kernels`."""
        squares = np.zeros(self._fields.envs)
        for kept, state in zip(self._adjoints, self._states_grad, strict=True):
            kept[:] = state[:, 0]
            squares += np.square(kept.reshape(len(kept), -1), dtype=np.float64).sum(axis=1)
        self._norms[:, segment] = squares

    def norms(self, out: np.ndarray) -> None:
        """See `Kernels`."""
        out[:] = np.sqrt(self._norms)

    def give_adjoint(self, row: int) -> None:
        """See `Kernels`."""
        for kept, state in zip(self._adjoints, self._states_grad, strict=True):
            state[:, row] = kept

    def record(self, flat: np.ndarray, wanted: Iterable[bool] | None = None) -> None:
        """See `Kernels`; of arrays that are not wanted nothing is read."""
        wanted = [True] * len(self._recorded) if wanted is None else wanted
        for view, start, asked in zip(self._recorded, self._fields.offsets, wanted, strict=False):
            if not asked:
                continue
            flat[start : start + view.size].reshape(view.shape)[...] = view

    def seed(self, flat: np.ndarray) -> None:
        """See `Kernels`."""
        for view, start in zip(self._recorded_grad, self._fields.offsets, strict=False):
            view[...] = flat[start : start + view.size].reshape(view.shape)
