"""Kernels as machine code of our own: made once from what Taichi compiled, kept on disk, run without Taichi.

Taichi's cache keeps kernels in a language that has to be compiled to machine code in each process, under names that it
only knows once it has read the stages again: both together were most of a start from the cache. Here a small kernel
(`diffsim.engine.reading`) is taken from Taichi as it compiled it, LLVM's text, and given to llvmlite, whose LLVM makes
the same machine code of it. That is kept in a file under the kernel's `fingerprint`, found there by the next process
without reading anything, and loaded in a tenth of a millisecond. All launches of all steps then run in one native
loop, where a launch by Taichi costs microseconds. A loop that has run for long is made once more, from LLVM's text that
is kept as well, with the sizes of its simulation as constants: it runs about a tenth faster.

Without llvmlite, on other machines than x86-64 with Linux, or if anything is not as expected, kernels are Taichi's as
before. ``DIFFSIM_NATIVE=0`` in the environment asks for that. The bits are the same.
"""

import contextlib
import hashlib
import math
import os
import pathlib
import re
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti
from taichi.lang import impl

from diffsim.engine.aliases import tagged, with_numbers
from diffsim.engine.fingerprint import Unknown, fingerprint
from diffsim.engine.kernel_files import HEAD, Odd, store, stored
from diffsim.engine.machine_code import llvm
from diffsim.engine.reading import Compiled, Pool
from diffsim.waiting import Work

__all__ = ["Loop", "Native", "Unreadable", "available", "fetched", "kernel", "name_of"]

_WIDE = 16  # components of a vector that fill a register
_CALL = r" call [^@]*@(?!llvm\.)"  # in LLVM's text
_PIECE = 64  # steps between two looks for Ctrl-C
_PASS = 2  # place among the whole numbers of what differs between launches of one kernel
_SHARPENING = (
    1e-4  # s that a loop runs for each byte of its machine code before it is made again: ten times what that takes
)
_NEAR = 2**18
"""Memory of one copy that stays in the second cache from one use to the next [bytes]."""
_FEW = 24
"""So many arrays, values and gradients, a processor fetches ahead by itself: it sees that they are read in order."""
_SHORT = 2**11
"""A row that is longer it fetches as well, or most of it is not used [bytes]."""
_SHARP: dict[tuple[str, tuple[int, ...]], int] = {}
"""Where kernels begin that were made again with numbers as constants: by symbol and numbers."""


@dataclass(frozen=True)
class Native:
    """A kernel as machine code.

    Attributes:
        symbol: its name.
        address: where it begins.
        pools: its memory.
        text: LLVM's, of which it was made, compressed.
        size: of the machine code [bytes].
    """

    symbol: str
    address: int
    pools: tuple[Pool, ...]
    text: bytes
    size: int

    def launch(self, pools: Sequence[tuple[np.ndarray, np.ndarray | None]], integers: Sequence[int]) -> "Call":
        """A launch with this memory, values and gradients, and these numbers."""
        words: list[int] = []
        for own, (values, gradients) in zip(self.pools, pools, strict=True):
            words += [len(values), values.ctypes.data]
            if own.gradient:
                words.append(0 if gradients is None else gradients.ctypes.data)
        packed = struct.pack(f"={len(words)}Q{len(integers)}i", *words, *(int(k) for k in integers))
        given = np.frombuffer(packed.ljust(-(-len(packed) // 16) * 16, b"\0"), np.uint8).copy()
        context = np.array([given.ctypes.data, 0, 0, 0], np.uint64)  # of Taichi's RuntimeContext only this is used
        return Call(self, tuple(map(int, integers)), context.ctypes.data, (given, context, pools))

    def sharp(self, integers: tuple[int, ...]) -> int:
        """Where the same kernel begins that has these numbers as constants."""
        numbers = {k: value for k, value in enumerate(integers) if k != _PASS}
        key = self.symbol, tuple(numbers.values())
        if key not in _SHARP:
            text, symbol = zlib.decompress(self.text).decode(), f"{self.symbol}_{len(_SHARP)}"
            arguments, memory = _arguments(self.pools, len(integers)), [pool.memory for pool in self.pools]
            text = with_numbers(text.replace(f"@{self.symbol}(", f"@{symbol}("), arguments, len(memory), numbers)
            code = llvm().compiled(tagged(text, arguments, memory), folded=True, wide=_wide(self.pools, text))
            _SHARP[key] = llvm().load(symbol, code)
        return _SHARP[key]


@dataclass(frozen=True)
class Call:
    """A launch.

    Attributes:
        kernel: what is launched.
        integers: its whole numbers.
        context: where its context is.
        kept: what must stay where it is.
        passes: where it stands how many passes of a solver act, int32 (envs, rows), and how many rows there are; None:
            it is launched in every row.
        turn: the pass that it is.
    """

    kernel: Native
    integers: tuple[int, ...]
    context: int
    kept: Any
    passes: tuple[int, int] | None = None
    turn: int = 0

    def left_out_with(self, other: "Call") -> bool:
        """Whether it does not act where that one does not."""
        return self.passes is not None and self.passes == other.passes and self.turn >= other.turn


class Loop:
    """All these launches, in each of many steps.

    Args:
        calls: each of a kernel that is told of ``together`` copies, and finds the first of them in the clock.
        envs: how many copies there are in all.
        together: how many go through the launches together, a divisor of them.
        used: memory (envs, rows, ...) of which most steps use their row; the rows of steps to come are fetched, see
            `fetched`.
    """

    def __init__(self, calls: Sequence[Call], envs: int, together: int, used: Sequence[np.ndarray] = ()):
        self._calls = list(calls)  # keeps their memory
        self._ahead = np.array(fetched(used), np.int64).reshape(-1, 4)
        self._envs, self._together = envs, together
        self._drive = llvm().drive
        self._begin_at([call.kernel.address for call in calls])
        self._left = _SHARPENING * sum({call.kernel.symbol: call.kernel.size for call in calls}.values())

    def __call__(self, clock: np.ndarray, row: int, step: int, rows: int, by: int) -> None:
        """Launch them in so many steps, of which each next one's row and step are greater by ``by``.

        The clock is memory of three whole numbers, from which kernels read both, and the first copy.
        """
        began, copies = time.perf_counter(), (self._envs, self._together)
        ahead = self._ahead.ctypes.data, len(self._ahead)
        while rows > 0 and self._calls:  # in pieces: between two of them Python notices Ctrl-C
            now = min(rows, _PIECE)
            self._drive(self._place, len(self._calls), clock.ctypes.data, row, step, now, by, *copies, *ahead)
            row, step, rows = row + by * now, step + by * now, rows - now
        self._left -= time.perf_counter() - began
        if self._left < 0.0:
            self._left = math.inf
            self._sharpen()

    def _begin_at(self, addresses: Sequence[int]) -> None:
        """Have each launch begin there."""
        rows = [
            (address, call.context, *self._pass_of(call), self._skips(k))
            for k, (address, call) in enumerate(zip(addresses, self._calls, strict=True))
        ]
        self._table = np.array(rows, np.uint64).reshape(-1)
        self._place = self._table.ctypes.data

    @staticmethod
    def _pass_of(call: Call) -> tuple[int, int, int]:
        where, rows = call.passes or (0, 0)
        return where, call.turn, rows

    def _skips(self, k: int) -> int:
        """How many launches are left out if this one does not act, itself included."""
        behind = 1
        while k + behind < len(self._calls) and self._calls[k + behind].left_out_with(self._calls[k]):
            behind += 1
        return behind

    def _sharpen(self) -> None:
        """Make all kernels once more, with their numbers as constants."""
        work = Work()
        work.total = 1
        with contextlib.suppress(Odd, RuntimeError), work.one():
            self._begin_at([call.kernel.sharp(call.integers) for call in self._calls])


def fetched(used: Sequence[np.ndarray]) -> list[tuple[int, int, int, int]]:
    """Of which of these (envs, rows, ...) the row of a step to come is fetched into the second cache.

    Returns:
        Of each where it begins, and bytes from copy to copy, from row to row, and of a row. None if a processor fetches
        them well enough by itself, or all of a copy stays near.
    """
    views = {view.ctypes.data: view for view in used}.values()
    if len(views) <= _FEW or sum(view[0].nbytes for view in views) <= _NEAR:
        return []
    rows = [(view.ctypes.data, *view.strides[:2], view[0, 0].nbytes) for view in views]
    return [row for row in rows if row[3] <= _SHORT]


def available() -> bool:
    """Whether kernels can be machine code of our own."""
    return os.environ.get("DIFFSIM_NATIVE", "1") != "0" and ti.cfg.arch in (ti.x64, ti.arm64) and llvm() is not None


def name_of(*values: Any) -> str | None:
    """The name of a kernel that is made of these; None if it cannot be told, and so cannot be kept on disk."""
    try:
        return fingerprint(HEAD, *llvm().processor, *values)
    except Unknown:
        return None


def kernel(name: str | None, pools: tuple[Pool, ...], integers: int, read: Callable[[], Compiled]) -> Compiled | Native:
    """The kernel of this name: from the disk, or as ``read`` has it from Taichi, then kept on the disk.

    Raises:
        Unreadable: so it was found by another process.
    """
    with contextlib.suppress(Odd):
        if name is not None:
            text, code = stored(name)
            if not code:
                raise Unreadable
            return Native(_symbol(name), llvm().load(_symbol(name), code), pools, text, len(code))
    compiled = read()
    with contextlib.suppress(Odd, OSError, RuntimeError):
        symbol = _symbol(name or hashlib.sha256(os.urandom(16)).hexdigest())
        text, code = _made(compiled, symbol, pools, integers)
        if name is not None:
            store(name, text, code)
        return Native(symbol, llvm().load(symbol, code), pools, text, len(code))
    return compiled


class Unreadable(Exception):
    """Taichi cannot read the kernel, unless it knows all whole numbers."""


def _symbol(name: str) -> str:
    return f"diffsim_{name}"


# From Taichi


def _made(compiled: Compiled, symbol: str, pools: tuple[Pool, ...], integers: int) -> tuple[bytes, bytes]:
    """LLVM's text, compressed, and machine code of a kernel that Taichi compiled."""
    text = _text(compiled)
    heads = re.findall(r"^define [^@]*@(\w+)\(%struct\.RuntimeContext[.\d]*\* [\w ]*%context\)", text, re.MULTILINE)
    if len(heads) != 1 or text.count("\ndefine ") != 1:
        raise Odd("more than one function")
    # What is looked at of the context: the place of the arguments, whose type is as `Native.launch` puts them down.
    uses = re.findall(r"= bitcast %struct\.RuntimeContext[.\d]*\* %context to (.*)\*\*\n", text)
    if text.count("%context") != 2 or uses != [_arguments(pools, integers)]:
        raise Odd("other arguments")
    text = text.replace(f"@{heads[0]}(", f"@{symbol}(")
    code = llvm().compiled(tagged(text, uses[0], [pool.memory for pool in pools]))
    if not all(name == "_GLOBAL_OFFSET_TABLE_" or llvm().known(name) for name in _missing(code)):
        raise Odd("calls of Taichi's own functions")
    return zlib.compress(text.encode(), 1), code


def _wide(pools: Sequence[Pool], text: str) -> bool:
    """Whether components of vectors are computed together: of long ones that fill registers.

    Putting short ones together and taking them apart took as long as was gained, and of those that do not fill them, as
    the 21 numbers of a spatial inertia, longer; so it did where a function of the C library takes one by one.
    """
    long = [pool.width[0] for pool in pools if len(pool.width) == 1 and pool.width[0] >= _WIDE]
    return bool(long) and not any(width % _WIDE for width in long) and not re.search(_CALL, text)


def _missing(code: bytes) -> list[str]:
    """The symbols that an object file in the format ELF does not define itself."""
    if code[:6] != b"\x7fELF\x02\x01":
        raise Odd("another format")
    begin, size, count = *struct.unpack_from("<Q", code, 40), *struct.unpack_from("<HH", code, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, begin + k * size) for k in range(count)]
    found = []
    for _, kind, _, _, offset, length, link, *_, each in sections:
        if kind == 2:  # a table of symbols
            names = sections[link][4]
            for place in range(offset, offset + length, each):
                name, _, _, section, _, _ = struct.unpack_from("<IBBHQQ", code, place)
                if section == 0 and name:
                    found.append(code[names + name : code.index(b"\0", names + name)].decode())
    return found


def _arguments(pools: tuple[Pool, ...], integers: int) -> str:
    """The type of a kernel's arguments, in LLVM's words."""
    kinds = {ti.f32: "float", ti.f64: "double", ti.i32: "i32"}
    parts = [f"{{ {', '.join(['{ i32 }', *[kinds[p.real] + '*'] * (1 + p.gradient)])} }}" for p in pools]
    return f"{{ {', '.join([*parts, '{ ' + ', '.join(['i32'] * integers) + ' }'])} }}"


def _text(compiled: Compiled) -> str:
    """A kernel as Taichi compiled it, which it only tells in files."""
    with tempfile.TemporaryDirectory() as folder:
        builder = impl.get_runtime().prog.make_aot_module_builder(ti.cfg.arch, [])
        builder.add("kernel", compiled.read)
        builder.dump(folder, "")
        return pathlib.Path(folder, "kernel.ll").read_text()
