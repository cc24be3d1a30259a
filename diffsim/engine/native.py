"""Kernels as machine code of our own: made once from what Taichi compiled, kept on disk, run without Taichi.

Taichi's cache keeps kernels in a language that has to be compiled to machine code in each process, under names that it
only knows once it has read the stages again: both together were most of a start from the cache. Here a small kernel
(`diffsim.engine.reading`) is taken from Taichi as it compiled it, LLVM's text, and given to llvmlite, whose LLVM makes
the same machine code of it. That is kept in a file under the kernel's `fingerprint`, found there by the next process
without reading anything, and loaded in a tenth of a millisecond. All launches of all steps then run in one native
loop, where a launch by Taichi costs microseconds.

Without llvmlite, on other machines than x86-64 with Linux, or if anything is not as expected, kernels are Taichi's as
before. ``DIFFSIM_NATIVE=0`` in the environment asks for that. The bits are the same.
"""

import contextlib
import ctypes
import functools
import hashlib
import os
import pathlib
import platform
import re
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti
from taichi.lang import impl

from diffsim.engine.aliases import tagged
from diffsim.engine.fingerprint import Unknown, fingerprint
from diffsim.engine.reading import Compiled, Pool

__all__ = ["Loop", "Native", "Unreadable", "available", "keep_unreadable", "kernel", "name_of"]

_MOST = 4096  # files that the folder may have, some kilobytes each; of more, the older half is taken away
_MUCH = 2500  # lines of LLVM's text: of more, to find the same load twice takes as long as all the rest
_HEAD = b"diffsim kernel 1\n"
_CALLED = {
    *("sinf", "cosf", "tanf", "asinf", "acosf", "atanf", "atan2f", "sinhf", "coshf", "tanhf", "expf", "exp2f", "logf"),
    *("log2f", "log10f", "powf", "fmodf", "floorf", "ceilf", "roundf", "truncf", "rintf", "fminf", "fmaxf", "sqrtf"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "exp", "exp2", "log", "log2"),
    *("log10", "pow", "fmod", "floor", "ceil", "round", "trunc", "rint", "fmin", "fmax", "sqrt", "fma", "fmaf"),
    *("memset", "memcpy", "memmove", "nearbyint", "nearbyintf"),
}
"""Functions of the C library that machine code may call; all that it may call."""

_DRIVER = """
define void @diffsim_drive(i64* %launches, i64 %count, i32* %clock, i32 %row, i32 %step, i64 %rows, i32 %by) {
entry:
  %steps = getelementptr i32, i32* %clock, i64 1
  br label %turn
turn:
  %r = phi i64 [ 0, %entry ], [ %r.next, %after ]
  %row.now = phi i32 [ %row, %entry ], [ %row.next, %after ]
  %step.now = phi i32 [ %step, %entry ], [ %step.next, %after ]
  store i32 %row.now, i32* %clock
  store i32 %step.now, i32* %steps
  br label %launch
launch:
  %k = phi i64 [ 0, %turn ], [ %k.next, %launch ]
  %at = shl i64 %k, 1
  %place = getelementptr i64, i64* %launches, i64 %at
  %place.context = getelementptr i64, i64* %place, i64 1
  %address = load i64, i64* %place
  %context = load i64, i64* %place.context
  %kernel = inttoptr i64 %address to void (i64)*
  call void %kernel(i64 %context)
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %count
  br i1 %more, label %launch, label %after
after:
  %r.next = add i64 %r, 1
  %row.next = add i32 %row.now, %by
  %step.next = add i32 %step.now, %by
  %again = icmp slt i64 %r.next, %rows
  br i1 %again, label %turn, label %done
done:
  ret void
}
"""


@dataclass(frozen=True)
class Native:
    """A kernel as machine code."""

    address: int
    pools: tuple[Pool, ...]

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
        return Call(self.address, context.ctypes.data, (given, context, pools))


@dataclass(frozen=True)
class Call:
    """A launch: where the kernel is, where its context is, and what must stay where it is."""

    address: int
    context: int
    kept: Any


class Loop:
    """All these launches, in each of many steps."""

    def __init__(self, calls: Sequence[Call]):
        self._calls = list(calls)  # keeps their memory
        self._table = np.array([(call.address, call.context) for call in calls], np.uint64).reshape(-1)
        self._drive, self._place = _llvm().drive, self._table.ctypes.data

    def __call__(self, clock: np.ndarray, row: int, step: int, rows: int, by: int) -> None:
        """Launch them in so many steps, of which each next one's row and step are greater by ``by``.

        The clock is memory of two whole numbers, from which kernels read both.
        """
        while rows > 0 and self._calls:  # in pieces: between two of them Python notices Ctrl-C
            now = min(rows, _PIECE)
            self._drive(self._place, len(self._calls), clock.ctypes.data, row, step, now, by)
            row, step, rows = row + by * now, step + by * now, rows - now


_PIECE = 64  # steps


class _Llvm:
    """llvmlite, started, with the machine code that was loaded."""

    def __init__(self) -> None:
        import llvmlite.binding as llvm

        if llvm.llvm_version_info[0] != 15:  # Taichi's: another one may not read its text, or make other bits of it
            raise RuntimeError("llvmlite 0.44 has LLVM 15")
        self._binding = llvm
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.processor = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), llvm.llvm_version_info
        target = llvm.Target.from_default_triple()
        self._machine = target.create_target_machine(
            cpu=self.processor[0],
            features=self.processor[1],
            opt=2,
            reloc="static" if platform.machine() == "x86_64" else "default",
            codemodel="jitdefault",
        )
        self._symbols()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_DRIVER), self._machine)
        self._engine.finalize_object()
        kinds = (
            ctypes.c_void_p,
            ctypes.c_int64,
            ctypes.c_void_p,
            *(ctypes.c_int32,) * 2,
            ctypes.c_int64,
            ctypes.c_int32,
        )
        self.drive = ctypes.CFUNCTYPE(None, *kinds)(self._engine.get_function_address("diffsim_drive"))
        self._loaded: dict[str, int] = {}

    def _symbols(self) -> None:
        """Tell LLVM where the C library's functions are: the process would end at one that it does not find."""
        library = ctypes.CDLL("libm.so.6")
        for name in _CALLED:
            with contextlib.suppress(AttributeError):
                self._binding.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)

    def known(self, symbol: str) -> bool:
        """Whether machine code may call this."""
        return symbol in _CALLED and self._binding.address_of_symbol(symbol) is not None

    def compiled(self, text: str) -> bytes:
        """Machine code of LLVM's text, after what its tags allow: Taichi's LLVM did the rest."""
        module = self._binding.parse_assembly(text)
        passes = self._binding.create_module_pass_manager()
        self._machine.add_analysis_passes(passes)
        passes.add_type_based_alias_analysis_pass()
        passes.add_basic_alias_analysis_pass()
        passes.add_licm_pass()
        if text.count("\n") < _MUCH:
            passes.add_gvn_pass()
            passes.add_licm_pass()  # what is computed from what is loaded once
        passes.run(module)
        return bytes(self._machine.emit_object(module))

    def load(self, symbol: str, code: bytes) -> int:
        """Where the function begins."""
        if symbol not in self._loaded:
            self._engine.add_object_file(self._binding.ObjectFileRef.from_data(code))
            self._engine.finalize_object()
            self._loaded[symbol] = self._engine.get_function_address(symbol)
            if not self._loaded[symbol]:
                raise _Odd
        return self._loaded[symbol]


@functools.cache
def _llvm() -> Any:
    """llvmlite; None if it is not there or does not start."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        return _Llvm()
    except Exception:
        return None


def available() -> bool:
    """Whether kernels can be machine code of our own."""
    return os.environ.get("DIFFSIM_NATIVE", "1") != "0" and ti.cfg.arch in (ti.x64, ti.arm64) and _llvm() is not None


def name_of(*values: Any) -> str | None:
    """The name of a kernel that is made of these; None if it cannot be told, and so cannot be kept on disk."""
    try:
        return fingerprint(_HEAD, *_llvm().processor, *values)
    except Unknown:
        return None


def kernel(name: str | None, pools: tuple[Pool, ...], integers: int, read: Callable[[], Compiled]) -> Compiled | Native:
    """The kernel of this name: from the disk, or as ``read`` has it from Taichi, then kept on the disk.

    Raises:
        Unreadable: so it was found by another process.
    """
    with contextlib.suppress(_Odd):
        if name is not None:
            code = _stored(name)
            if not code:
                raise Unreadable
            return Native(_llvm().load(_symbol(name), code), pools)
    compiled = read()
    with contextlib.suppress(_Odd, OSError, RuntimeError):
        symbol = _symbol(name or hashlib.sha256(os.urandom(16)).hexdigest())
        code = _made(compiled, symbol, pools, integers)
        if name is not None:
            _store(name, code)
        return Native(_llvm().load(symbol, code), pools)
    return compiled


def keep_unreadable(name: str | None) -> None:
    """Other processes need not try either to read the kernel of this name."""
    if name is not None:
        with contextlib.suppress(OSError):
            _store(name, b"")


class Unreadable(Exception):
    """Taichi cannot read the kernel, unless it knows all whole numbers."""


class _Odd(Exception):
    """Something is not as it is expected here."""


def _symbol(name: str) -> str:
    return f"diffsim_{name}"


# From Taichi


def _made(compiled: Compiled, symbol: str, pools: tuple[Pool, ...], integers: int) -> bytes:
    """Machine code of a kernel that Taichi compiled."""
    text = _text(compiled)
    heads = re.findall(r"^define [^@]*@(\w+)\(%struct\.RuntimeContext[.\d]*\* [\w ]*%context\)", text, re.MULTILINE)
    if len(heads) != 1 or text.count("\ndefine ") != 1:
        raise _Odd("more than one function")
    # What is looked at of the context: the place of the arguments, whose type is as `Native.launch` puts them down.
    uses = re.findall(r"= bitcast %struct\.RuntimeContext[.\d]*\* %context to (.*)\*\*\n", text)
    if text.count("%context") != 2 or uses != [_arguments(pools, integers)]:
        raise _Odd("other arguments")
    told = tagged(text.replace(f"@{heads[0]}(", f"@{symbol}("), uses[0], [pool.memory for pool in pools])
    code = _llvm().compiled(told)
    if not all(name == "_GLOBAL_OFFSET_TABLE_" or _llvm().known(name) for name in _missing(code)):
        raise _Odd("calls of Taichi's own functions")
    return code


def _missing(code: bytes) -> list[str]:
    """The symbols that an object file in the format ELF does not define itself."""
    if code[:6] != b"\x7fELF\x02\x01":
        raise _Odd("another format")
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


# On the disk


def _folder() -> pathlib.Path | None:
    """Where kernels are kept: in a folder beside those of Taichi; None if it is told to keep nothing."""
    config = impl.get_runtime().prog.config()
    return pathlib.Path(config.offline_cache_file_path, "diffsim") if config.offline_cache else None


def _stored(name: str) -> bytes:
    folder = _folder()
    if folder is None:
        raise _Odd("nothing is kept")
    try:
        content = (folder / name).read_bytes()
    except OSError:
        raise _Odd("not there") from None
    code = content[len(_HEAD) + 32 :]
    if content[: len(_HEAD)] != _HEAD or content[len(_HEAD) : len(_HEAD) + 32] != _check(name, code):
        raise _Odd("damaged")
    return code


def _check(name: str, code: bytes) -> bytes:
    return hashlib.sha256(name.encode() + code).digest()


def _store(name: str, code: bytes) -> None:
    """Put it there in one go: who reads at the same time finds all of it or nothing."""
    folder = _folder()
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    _make_room(folder)
    own = folder / f"{name}.{os.getpid()}"
    own.write_bytes(_HEAD + _check(name, code) + code)
    own.replace(folder / name)


@functools.cache
def _make_room(folder: pathlib.Path) -> None:
    """Take the older half of the files away if there are too many; once in a process."""
    files = [file for file in folder.iterdir() if file.is_file()]
    if len(files) > _MOST:
        for file in sorted(files, key=lambda file: file.stat().st_mtime)[: len(files) // 2]:
            file.unlink(missing_ok=True)
