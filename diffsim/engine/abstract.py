"""Records without sizes: what a stage's kernel has to know of its records, and what it is told at each launch.

An array becomes a `Place`: a pool of memory, and where in it the array begins and how long it is, which are arguments of
the kernel. Whole numbers that no ``ti.static`` asks for become arguments as well. What is left, types, widths, flags and
numbers with a fraction, is the structure of a record: stages with the same function and records of the same structure
share a kernel, whatever their sizes.
"""

import dataclasses
import inspect
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from taichi.lang import impl

from diffsim.engine.arrays import Array

__all__ = ["Binding", "Place", "Structure"]


class Place:
    """Stands for an `Array` while a kernel is read: an index, flattened, into a pool."""

    def __init__(self, pool: Any, base: Any, lengths: list[Any]):
        self._pool, self._base, self._lengths = pool, base, lengths

    def __getitem__(self, indices: Any) -> Any:
        """An element, in a kernel."""
        indices = indices if isinstance(indices, tuple) else (indices,)
        flat = indices[0]
        for index, length in zip(indices[1:], self._lengths, strict=True):
            flat = flat * length + index
        return impl.subscript(None, self._pool, self._base + flat)


@dataclasses.dataclass(frozen=True)
class Binding:
    """What stands for the arguments of a kernel while it is read, each in the order of `Structure`."""

    pools: list[Any]
    integers: list[Any]


class _Same:
    """An object that is equal to itself only, and is kept."""

    def __init__(self, value: object):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


class Structure:
    """The structure of the records of some stages.

    Args:
        records: of the stages.
        names: of the attributes that their functions mention; None: of all.
        fixed: of those, the ones whose whole numbers must be known when the kernel is compiled; None: all.
        place_of: the number of the pool in which an array lies and where it begins there; None if it lies in none.

    Attributes:
        key: equal for records that may share a kernel.
        pools: numbers of the pools, in the order of the kernel's arguments.
        integers: values of its whole numbers, likewise.
    """

    def __init__(
        self,
        records: Any,
        names: set[str] | None,
        fixed: set[str] | None,
        place_of: Callable[[Array], tuple[int, int] | None],
    ):
        self.pools: list[int] = []
        self.integers: list[int] = []
        self._records, self._names, self._fixed, self._place_of = records, names, fixed, place_of
        self._arrays: dict[int, tuple[int, int, list[int]]] = {}  # slots of pool, beginning and lengths
        self._given: list[int] = []  # slots of whole numbers, in the order in which they are met
        self._parts: list[Hashable] = []
        self._walk(records, "")
        self.key: Hashable = tuple(self._parts)

    def bound(self, binding: Binding) -> Any:
        """The records, with what stands for arguments in place of arrays and whole numbers."""
        self._met = iter(self._given)
        return self._walk(self._records, "", binding)

    def _slot(self, value: int) -> int:
        self.integers.append(int(value))
        return len(self.integers) - 1

    def _walk(self, value: Any, name: str, binding: Binding | None = None) -> Any:
        """A copy of the value with what ``binding`` has, or without one the value's part of the key, put down."""
        part: tuple[Any, ...]
        made = value
        if isinstance(value, Array) and self._slots_of(value) is not None:
            pool, base, lengths = self._slots_of(value) or (0, 0, [])
            part = ("place", pool, base, *lengths)
            if binding is not None:
                made = Place(binding.pools[pool], binding.integers[base], [binding.integers[k] for k in lengths])
        elif isinstance(value, (list, tuple)):
            self._parts.append((type(value).__name__, len(value)))
            return type(value)([self._walk(entry, name, binding) for entry in value])
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._record(value, binding)
        elif self._fixed is not None and name and name not in self._fixed and _whole(value):
            if binding is None:
                self._given.append(self._slot(value))
                part = ("integer", self._given[-1])
            else:
                part, made = (), binding.integers[next(self._met)]
        elif isinstance(value, np.ndarray):
            part = ("array", value.dtype.str, value.shape, value.tobytes())
        elif isinstance(value, float):
            part = ("real", float(value).hex())
        elif value is None or isinstance(value, (bool, int, str)):
            part = (type(value).__name__, value)
        else:
            part = ("object", _Same(value))
        if binding is None:
            self._parts.append(part)
        return made

    def _record(self, value: Any, binding: Binding | None) -> Any:
        kind = type(value)
        if binding is None:
            self._parts.append(("record", kind))
        made = object.__new__(kind)
        everything = self._names is None or any(map(_computes, vars(kind).items()))
        for name, own in vars(value).items():
            if everything or name in (self._names or ()):
                if binding is None:
                    self._parts.append(name)
                object.__setattr__(made, name, self._walk(own, name, binding))
        return made

    def _slots_of(self, array: Array) -> tuple[int, int, list[int]] | None:
        if id(array) not in self._arrays:
            found = self._place_of(array)
            if found is None:
                return None
            bed, begin = found
            if bed not in self.pools:
                self.pools.append(bed)
            lengths = [self._slot(length) for length in array.shape[1:]]
            self._arrays[id(array)] = self.pools.index(bed), self._slot(begin), lengths
        return self._arrays[id(array)]


def _whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _computes(entry: tuple[str, Any]) -> bool:
    """Whether an attribute of a class is a method or a property of its own."""
    name, value = entry
    return not name.startswith("__") and (inspect.isfunction(value) or isinstance(value, property))
