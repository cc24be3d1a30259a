"""Arrays: fields of several indices in a kernel, of one index in memory.

Taichi takes an index of a field apart into one for each axis and puts it together again, at each access, in some twenty
statements that only its optimiser removes: most of the time to compile a kernel with many fields. Here the index is one
number from the beginning.
"""

from typing import Any

import numpy as np
from taichi.lang import impl

__all__ = ["ROWS", "Array"]

ROWS = -1
"""Stands for the number of rows in a shape, until it is known."""


class Array:
    """A scalar or vector field over (env, ...); the last index varies fastest, or if ``env_last`` the first one.

    Attributes:
        field: of one index.
        shape: of the array; `ROWS` stands for a length that `place` is told.
        grad: the array of its gradient, None without one.
        view: its memory as a NumPy array, (*shape[, width]), once it was placed on a CPU; None after it was freed.
    """

    view: Any = None

    def __init__(self, field: Any, shape: tuple[int, ...], *, gradient: bool = False):
        self.field, self.shape, self._env_last = field, shape, False
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
