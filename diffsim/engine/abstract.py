"""Records without sizes: what a stage's kernel has to know of its records, and what it is told at each launch.

An array becomes a `Place`: a pool of memory, and where in it the array begins and how long it is, which are arguments
of the kernel. Whole numbers that no ``ti.static`` asks for become arguments as well. What is left, types, widths, flags
and numbers with a fraction, is the structure of a record: stages with the same function and records of the same
structure share a kernel, whatever their sizes.
"""

import dataclasses
import inspect
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np
from taichi.lang import impl

from diffsim.engine.arrays import Array, Shaped
from diffsim.engine.fingerprint import refers_to

__all__ = ["Binding", "Place", "Structure"]


class Place:
    """Stands for an `Array` while a kernel is read: an index, flattened, into a pool."""

    def __init__(self, pool: Any, base: Any | None, lengths: list[Any], grid: list[Any]):
        self._pool, self._base, self._lengths, self._grid = pool, base, lengths, grid

    def __getitem__(self, indices: Any) -> Any:
        """An element, in a kernel; by its number, or by its place on a grid."""
        indices = indices if isinstance(indices, tuple) else (indices,)
        leading = len(self._lengths)
        if self._grid and len(indices) == leading + 1 + len(self._grid):
            element = indices[leading]
            for index, length in zip(indices[leading + 1 :], self._grid, strict=True):
                element = element * length + index
            indices = (*indices[:leading], element)
        flat = indices[0]
        for index, length in zip(indices[1:], self._lengths, strict=True):
            flat = flat * length + index
        return impl.subscript(None, self._pool, flat if self._base is None else self._base + flat)


class Binding:
    """What stands for the arguments of a kernel while the body of a loop is read, each in the order of `Structure`.

    A whole number that is asked for becomes a local variable there and then: Taichi does not see that two readings of
    the same argument are the same, and with other indices it would add adjoints up in another order than `fused` does.
    """

    def __init__(self, pools: list[Any], integers: list[Any]):
        self.pools, self._integers = pools, integers
        self._locals: dict[int, Any] = {}

    def integer(self, slot: int) -> Any:
        """The local variable of a whole number."""
        if slot not in self._locals:
            self._locals[slot] = impl.expr_init(self._integers[slot])
        return self._locals[slot]


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
        records: single ones, and dictionaries of the names of a function's arguments and what is given for them.
        names: of the attributes that their functions mention; None: of all.
        fixed: of those, the ones whose whole numbers must be known when the kernel is compiled; None: all.
        stored: those that hold arrays into which something is stored, and arguments, with a colon; None: all. Such an
            array is given to the kernel by itself. Taichi then sees which loads have the same value although something
            else was stored between, as it does with fields, and sums of adjoints have the same bits.
        place_of: the number of the pool in which an array lies and where it begins there; None if it lies in none.

    Attributes:
        key: equal for records that may share a kernel.
        pools: of each argument that is memory: number of the bed, the array if it is given by itself, and the rows and
            columns of its elements if they are matrices.
        integers: values of its whole numbers, likewise.
        arrays: that lie in these pools.
    """

    def __init__(
        self,
        records: list[Any],
        names: set[str] | None,
        fixed: set[str] | None,
        stored: set[str] | None,
        place_of: Callable[[Array], tuple[int, int] | None],
    ):
        self.pools: list[tuple[int, Array | None, tuple[int, ...]]] = []
        self.integers: list[int] = []
        self.arrays: list[Array] = []
        self._records, self._names, self._place_of = records, names, place_of
        self._fixed, self._stored = fixed, stored
        self._alone = {id(array) for array in self._arrays_in(records, "")}
        self._arrays: dict[tuple[int, tuple[int, ...]], _Slots] = {}
        self._given: list[list[int]] = []  # slots of each one's whole numbers, in the order in which they are met
        self._parts: list[Hashable] = []
        for record in records:
            self._given.append([])
            self._walk(record, "")
        self.key: Hashable = tuple(self._parts)

    def bound(self, k: int, binding: Binding) -> Any:
        """One of the records, with what stands for arguments in place of arrays and whole numbers."""
        self._met = iter(self._given[k])
        return self._walk(self._records[k], "", binding)

    def _slot(self, value: int) -> int:
        self.integers.append(int(value))
        return len(self.integers) - 1

    def _walk(self, value: Any, name: str, binding: Binding | None = None) -> Any:
        """A copy of the value with what ``binding`` has, or without one the value's part of the key, put down."""
        part: tuple[Any, ...]
        made = value
        if isinstance(value, Array) and (slots := self._slots_of(value)) is not None:
            pool, base, lengths = slots
            grid = self._grid(value, binding)
            part = ("place", pool, base, *lengths, "grid", *grid)
            if binding is not None:
                begin = None if base is None else binding.integer(base)
                made = Place(
                    binding.pools[pool],
                    begin,
                    [binding.integer(k) for k in lengths],
                    [binding.integer(k) for k in grid],
                )
        elif isinstance(value, tuple) and hasattr(value, "_fields"):  # a NamedTuple
            return type(value)(**self._attributes(value, binding))
        elif isinstance(value, (list, tuple)):
            self._parts.append((type(value).__name__, len(value)))
            return type(value)([self._walk(entry, name, binding) for entry in value])
        elif isinstance(value, dict):
            self._parts.append(("arguments", len(value)))
            return {key: self._walk(entry, f":{key}", binding) for key, entry in value.items()}
        elif _is_record(value):
            made = object.__new__(type(value))
            for attribute, own in self._attributes(value, binding).items():
                object.__setattr__(made, attribute, own)
            return made
        elif _whole(value) and self._fixed is not None and name[:1] not in ("", ":") and name not in self._fixed:
            if binding is None:
                self._given[-1].append(self._slot(value))
                part = ("integer", self._given[-1][-1])
            else:
                part, made = (), binding.integer(next(self._met))
        elif isinstance(value, np.ndarray):
            part = ("array", value.dtype.str, value.shape, value.tobytes())
        elif isinstance(value, float):
            part = ("real", float(value).hex())
        elif value is None or isinstance(value, (bool, int, str)):
            part = (type(value).__name__, value)
        else:
            part = ("object", _Same(value), refers_to(value) if inspect.isroutine(value) else None)
        if binding is None:
            self._parts.append(part)
        return made

    def _attributes(self, value: Any, binding: Binding | None) -> dict[str, Any]:
        kind = type(value)
        if binding is None:
            self._parts.append(("record", kind))
        found = {}
        everything = self._names is None or any(map(_computes, vars(kind).items()))
        for name, own in _attributes(value).items():
            if isinstance(value, tuple) or everything or name in (self._names or ()):
                if binding is None:
                    self._parts.append(name)
                found[name] = self._walk(own, name, binding)
        return found

    def _arrays_in(self, value: Any, name: str) -> Iterator[Array]:
        """Those that are given to the kernel by themselves."""
        if isinstance(value, Array):
            if self._stored is None or name in self._stored:
                yield value.flat if isinstance(value, Shaped) else value
        elif isinstance(value, dict):
            for key, entry in value.items():
                yield from self._arrays_in(entry, f":{key}")
        elif _is_record(value):
            for key, entry in _attributes(value).items():
                yield from self._arrays_in(entry, key)
        elif isinstance(value, (list, tuple)):
            for entry in value:
                yield from self._arrays_in(entry, name)

    def _grid(self, array: Array, binding: Binding | None) -> list[int]:
        """Slots of the lengths of a grid, but for the first."""
        if not isinstance(array, Shaped) or len(array.grid) < 2:
            return []
        if binding is None:
            for length in array.grid[1:]:
                self._given[-1].append(self._slot(length))
            return self._given[-1][1 - len(array.grid) :]
        return [next(self._met) for _ in array.grid[1:]]

    def _slots_of(self, array: Array) -> "_Slots | None":
        matrix = (array.field.n, array.field.m) if isinstance(array, Shaped) and array.is_matrix else ()
        array = array.flat if isinstance(array, Shaped) else array
        key = id(array), matrix
        if key not in self._arrays:
            found = self._place_of(array)
            if found is None:
                return None
            bed, begin = found
            alone = id(array) in self._alone
            pool = (bed, array if alone else None, matrix)
            if pool not in self.pools:
                self.pools.append(pool)
            self.arrays.append(array)
            lengths = [self._slot(length) for length in array.shape[1:]]
            self._arrays[key] = self.pools.index(pool), None if alone else self._slot(begin), lengths
        return self._arrays[key]


_Slots = tuple[int, int | None, list[int]]
"""Of an array: which pool, where in it the array begins, and the lengths of its axes but for the first."""


def _attributes(value: Any) -> dict[str, Any]:
    if isinstance(value, tuple):
        return value._asdict()  # type: ignore[attr-defined]
    if hasattr(value, "__dict__"):
        return vars(value)
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _is_record(value: Any) -> bool:
    """Whether it holds arrays by name, so that they may be replaced: a dataclass, or any object that has some."""
    if isinstance(value, (Array, type)):
        return False
    if dataclasses.is_dataclass(value) or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return True
    return any(isinstance(own, Array) for own in getattr(value, "__dict__", {}).values())


def _whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _computes(entry: tuple[str, Any]) -> bool:
    """Whether an attribute of a class is a method or a property of its own."""
    name, value = entry
    return not name.startswith("__") and (inspect.isfunction(value) or isinstance(value, property))
