"""Arrays: fields of several indices in a kernel, of one index in memory.

Taichi takes an index of a field apart into one for each axis and puts it together again, at each access, in some twenty
statements that only its optimiser removes: most of the time to compile a kernel with many fields. Here the index is one
number from the beginning.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from taichi.lang import impl
from taichi.lang.matrix import MatrixField

__all__ = ["ROWS", "Array", "Loaded", "Named", "Recorded", "Shaped", "axes", "count", "seen_as"]

ROWS = -1
"""Stands for the number of rows in a shape, until it is known."""


Lengths = int | tuple[int, ...]
"""A number of elements or components, or the lengths of their axes."""


def axes(lengths: Lengths) -> tuple[int, ...]:
    """The lengths of all axes; none for 0."""
    return lengths if isinstance(lengths, tuple) else (lengths,) if lengths else ()


def count(lengths: Lengths) -> int:
    """How many there are in all."""
    return math.prod(lengths) if isinstance(lengths, tuple) else lengths


class Array:
    """A scalar or vector field over (env, ...); the last index varies fastest, or if ``env_last`` the first one.

    Attributes:
        field: of one index.
        shape: of the array; `ROWS` stands for a length that `place` is told.
        grad: the array of its gradient, None without one.
        counts: whether it holds whole numbers.
        rowed: whether it has a row for each step.
        seldom: whether most steps do not use their row of it.
        origin: "number" if it is loaded from a number of the problem, "derived" if it is computed from some, or "".
        view: its memory as a NumPy array, (*shape[, width]), once it was placed on a CPU; None after it was freed.
    """

    view: Any = None
    origin: str = ""

    def __init__(
        self,
        field: Any,
        shape: tuple[int, ...],
        *,
        gradient: bool = False,
        counts: bool = False,
        seldom: bool = False,
    ):
        self.field, self.shape, self.counts, self._env_last = field, shape, counts, False
        self.rowed, self.seldom = ROWS in shape, seldom
        # Taichi makes a gradient for every field of real numbers; only if it is placed does it count.
        self.grad: Array | None = Array(field.grad, shape) if gradient else None

    def place(self, builder: Any, axis: Any, rows: int, *, env_last: bool) -> None:
        """Put it and its gradient into a tree of fields, with this many rows."""
        self.place_alone(builder, axis, rows, env_last=env_last)
        if self.grad is not None:
            self.grad.place(builder, axis, rows, env_last=env_last)

    def place_alone(self, builder: Any, axis: Any, rows: int, *, env_last: bool) -> None:
        """The same without the gradient."""
        self.shape = tuple(rows if length == ROWS else length for length in self.shape)
        self._env_last = env_last and len(self.shape) > 1
        builder.dense(axis, int(np.prod(self.shape))).place(self.field)

    @property
    def nodes(self) -> int:
        """How many nodes of a tree it takes: one for its index, one for each component."""
        own = 1 + max(len(self.field._get_field_members()), 1)
        return own + (self.grad.nodes if self.grad is not None else 0)

    def __getitem__(self, indices: Any) -> Any:
        """An element, in a kernel or (slowly) outside of one."""
        flat = self._flat(indices)
        return impl.subscript(None, self.field, flat) if impl.inside_kernel() else self.field[flat]

    def __setitem__(self, indices: Any, value: Any) -> None:
        """Set an element, outside of kernels."""
        self.field[self._flat(indices)] = value

    def _flat(self, indices: Any) -> Any:
        indices, shape = indices if isinstance(indices, tuple) else (indices,), self.shape
        if self._env_last:
            indices, shape = (*indices[1:], indices[0]), (*shape[1:], shape[0])
        flat = indices[0]
        for index, length in zip(indices[1:], shape[1:], strict=True):
            flat = flat * length + index
        return flat

    def to_numpy(self) -> np.ndarray:
        """Its values, (*shape[, width])."""
        if self.view is not None:
            return self.view.copy()
        found = self.field.to_numpy()
        if not self._env_last:
            return found.reshape(*self.shape, *found.shape[1:])
        found = found.reshape(*self.shape[1:], self.shape[0], *found.shape[1:])
        return np.moveaxis(found, len(self.shape) - 1, 0)

    def from_numpy(self, values: np.ndarray) -> None:
        """Take these values, (*shape[, width])."""
        if self._env_last:
            values = np.moveaxis(values, 0, len(self.shape) - 1)
        self.field.from_numpy(np.ascontiguousarray(values.reshape(-1, *values.shape[len(self.shape) :])))

    def fill(self, value: float) -> None:
        """Set every component of every element."""
        if self.view is not None:
            self.view[...] = value
        else:
            self.field.fill(value)

    def forget(self) -> None:
        """Its memory is given back."""
        self.view = None
        if self.grad is not None:
            self.grad.view = None

    def parts(self) -> list[Any]:
        """The fields that Taichi knows of it."""
        own = [self.field, *self.field._get_field_members()]
        return own + (self.grad.parts() if self.grad is not None else [])


class Shaped(Array):
    """An array as stages see it, whose elements lie on a grid or are matrices.

    An element is found by its number, ``a[env, row, element]``, or by its place, ``a[env, row, i, j]``. In memory, and
    for all that moves numbers, it is the array that it was made of: elements in one row, matrices as vectors by rows.

    Attributes:
        flat: that array.
        grid: (n, m, ...) elements along each axis; one length where elements are in a row.
    """

    def __init__(self, flat: Array, grid: tuple[int, ...], width: Lengths):
        super().__init__(flat.field, flat.shape, counts=flat.counts)
        self.rowed, self.origin = flat.rowed, flat.origin
        self.flat, self.grid = flat, grid
        if isinstance(width, tuple):
            self.field = MatrixField(flat.field.vars, *width)  # the same components, by two indices
        self.grad = None if flat.grad is None else Shaped(flat.grad, grid, width)

    @property
    def is_matrix(self) -> bool:
        """Whether its elements are matrices."""
        return self.field is not self.flat.field

    def _flat(self, indices: Any) -> Any:
        leading = len(self.shape) - 1
        if isinstance(indices, tuple) and len(indices) == leading + len(self.grid):
            element = indices[leading]
            for index, length in zip(indices[leading + 1 :], self.grid[1:], strict=True):
                element = element * length + index
            indices = (*indices[:leading], element)
        return self.flat._flat(indices)

    def to_numpy(self) -> np.ndarray:
        """Its values, (*shape, *grid[, width])."""
        found = self.flat.to_numpy()
        width = (self.field.n, self.field.m) if self.is_matrix else found.shape[len(self.shape) :]
        return found.reshape(*found.shape[: len(self.shape) - 1], *self.grid, *width)


class Named(NamedTuple):
    """An array of the trajectory, as controllers and objectives ask for it."""

    array: Array
    elements: int
    width: tuple[int, ...]  # of a vector or matrix, none of a scalar
    recorded: bool  # whether a rollout reports it


@dataclass(frozen=True)
class Loaded:
    """A field that is loaded from the table of numbers: slot k of an environment holds column index[k]."""

    field: Any
    width: int  # components of a vector, 0 for a scalar
    elements: int
    index: np.ndarray  # (elements * max(width, 1),) columns of the table
    tuned: bool


@dataclass(frozen=True)
class Recorded:
    """A trajectory field."""

    name: str
    field: Any
    width: int
    elements: int
    state: bool
    accumulates: bool
    recorded: int  # how many leading elements a rollout reports; 0 none
    per_step: bool
    grid: tuple[int, ...]  # of its elements, and of their components, as they were declared
    parts: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a row of it in a rollout."""
        return (*(self.grid if self.recorded == count(self.grid) else (self.recorded,)), *self.parts)


def seen_as(field: Array, elements: Lengths, width: Lengths) -> Array:
    """The array as stages see it."""
    if isinstance(elements, tuple) or isinstance(width, tuple):
        return Shaped(field, axes(elements), width)
    return field
