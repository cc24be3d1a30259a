"""LLVM by llvmlite: its text in, machine code out, and the loop that runs it.

Its version is Taichi's, so the bits are the same. Whoever wants to know whether there is one asks `llvm`.
"""

import contextlib
import ctypes
import functools
import platform
import sys
from typing import Any

from diffsim.engine.kernel_files import Odd

__all__ = ["Llvm", "llvm"]

_MUCH = 2500  # lines of LLVM's text: of more, to find the same load twice takes as long as all the rest
_CALLED = {
    *("sinf", "cosf", "tanf", "asinf", "acosf", "atanf", "atan2f", "sinhf", "coshf", "tanhf", "expf", "exp2f", "logf"),
    *("log2f", "log10f", "powf", "fmodf", "floorf", "ceilf", "roundf", "truncf", "rintf", "fminf", "fmaxf", "sqrtf"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "exp", "exp2", "log", "log2"),
    *("log10", "pow", "fmod", "floor", "ceil", "round", "trunc", "rint", "fmin", "fmax", "sqrt", "fma", "fmaf"),
    *("memset", "memcpy", "memmove", "nearbyint", "nearbyintf"),
}
"""Functions of the C library that machine code may call; all that it may call."""

_AHEAD = 4
"""So many steps before its use a row is fetched."""

_DRIVER = """
declare void @llvm.prefetch.p0i8(i8*, i32, i32, i32)
define void @diffsim_drive(i64* %launches, i64 %count, i32* %clock, i32 %row, i32 %step, i64 %rows, i32 %by,
                           i64 %envs, i64 %together, i64* %stretches, i64 %ahead) {
entry:
  %steps = getelementptr i32, i32* %clock, i64 1
  %first = getelementptr i32, i32* %clock, i64 2
  br label %copies
copies:
  %env = phi i64 [ 0, %entry ], [ %env.next, %ended ]
  %env.next = add i64 %env, %together
  %env.short = trunc i64 %env to i32
  store i32 %env.short, i32* %first
  br label %turn
turn:
  %r = phi i64 [ 0, %copies ], [ %r.next, %after ]
  %row.now = phi i32 [ %row, %copies ], [ %row.next, %after ]
  %step.now = phi i32 [ %step, %copies ], [ %step.next, %after ]
  %row.wide = sext i32 %row.now to i64
  store i32 %row.now, i32* %clock
  store i32 %step.now, i32* %steps
  %way = mul i32 %by, AHEAD
  %row.ahead = add i32 %row.now, %way
  %row.far = sext i32 %row.ahead to i64
  br label %fetch
fetch:
  %f = phi i64 [ 0, %turn ], [ %f.next, %fetched ]
  %fetches = icmp slt i64 %f, %ahead
  br i1 %fetches, label %stretch, label %launches.begin
stretch:
  %f.words = mul i64 %f, 4
  %place.base = getelementptr i64, i64* %stretches, i64 %f.words
  %place.copies = getelementptr i64, i64* %place.base, i64 1
  %place.rows = getelementptr i64, i64* %place.base, i64 2
  %place.size = getelementptr i64, i64* %place.base, i64 3
  %base = load i64, i64* %place.base
  %copies.apart = load i64, i64* %place.copies
  %rows.apart = load i64, i64* %place.rows
  %size = load i64, i64* %place.size
  %to.copy = mul i64 %env, %copies.apart
  %to.row = mul i64 %row.far, %rows.apart
  %copy.begin = add i64 %base, %to.copy
  %row.begin = add i64 %copy.begin, %to.row
  %row.end = add i64 %row.begin, %size
  %line.first = and i64 %row.begin, -64
  br label %line
line:
  %line.now = phi i64 [ %line.first, %stretch ], [ %line.next, %line ]
  %line.place = inttoptr i64 %line.now to i8*
  call void @llvm.prefetch.p0i8(i8* %line.place, i32 0, i32 2, i32 1)
  %line.next = add i64 %line.now, 64
  %lines = icmp ult i64 %line.next, %row.end
  br i1 %lines, label %line, label %fetched
fetched:
  %f.next = add i64 %f, 1
  br label %fetch
launches.begin:
  br label %launch
launch:
  %k = phi i64 [ 0, %launches.begin ], [ %k.after, %act ], [ %k.skipped, %skip ]
  %at = mul i64 %k, 6
  %place = getelementptr i64, i64* %launches, i64 %at
  %place.passes = getelementptr i64, i64* %place, i64 2
  %passes = load i64, i64* %place.passes
  %always = icmp eq i64 %passes, 0
  br i1 %always, label %act, label %look
look:
  %place.turn = getelementptr i64, i64* %place, i64 3
  %own = load i64, i64* %place.turn
  %place.stride = getelementptr i64, i64* %place, i64 4
  %stride = load i64, i64* %place.stride
  %counts = inttoptr i64 %passes to i32*
  br label %ask
ask:
  %e = phi i64 [ %env, %look ], [ %e.next, %other ]
  %before = mul i64 %e, %stride
  %where = add i64 %before, %row.wide
  %place.count = getelementptr i32, i32* %counts, i64 %where
  %acting = load i32, i32* %place.count
  %acting.wide = sext i32 %acting to i64
  %acts = icmp slt i64 %own, %acting.wide
  br i1 %acts, label %act, label %other
other:
  %e.next = add i64 %e, 1
  %others = icmp slt i64 %e.next, %env.next
  br i1 %others, label %ask, label %skip
skip:
  %place.skips = getelementptr i64, i64* %place, i64 5
  %skips = load i64, i64* %place.skips
  %k.skipped = add i64 %k, %skips
  %goes.on = icmp slt i64 %k.skipped, %count
  br i1 %goes.on, label %launch, label %after
act:
  %place.context = getelementptr i64, i64* %place, i64 1
  %address = load i64, i64* %place
  %context = load i64, i64* %place.context
  %kernel = inttoptr i64 %address to void (i64)*
  call void %kernel(i64 %context)
  %k.after = add i64 %k, 1
  %more = icmp slt i64 %k.after, %count
  br i1 %more, label %launch, label %after
after:
  %r.next = add i64 %r, 1
  %row.next = add i32 %row.now, %by
  %step.next = add i32 %step.now, %by
  %again = icmp slt i64 %r.next, %rows
  br i1 %again, label %turn, label %ended
ended:
  %left = icmp slt i64 %env.next, %envs
  br i1 %left, label %copies, label %done
done:
  ret void
}
"""
"""Copies in groups, in each of them steps, in each of them launches: six words each. One that is a pass acts if so many
act in a copy of the group, else it and those behind it that do not act either are left out. Before a step, the row of
one to come is fetched into the second cache, as `native.fetched` has it. What lies behind the last row may be fetched
as well: that is no access, and never fails."""


class Llvm:
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
        driver = llvm.parse_assembly(_DRIVER.replace("AHEAD", str(_AHEAD)))
        self._engine = llvm.create_mcjit_compiler(driver, self._machine)
        self._engine.finalize_object()
        kinds = (
            ctypes.c_void_p,
            ctypes.c_int64,
            ctypes.c_void_p,
            *(ctypes.c_int32,) * 2,
            ctypes.c_int64,
            ctypes.c_int32,
            *(ctypes.c_int64,) * 2,
            ctypes.c_void_p,
            ctypes.c_int64,
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

    def compiled(self, text: str, *, folded: bool = False, wide: bool = False) -> bytes:
        """Machine code of LLVM's text, after what its tags allow: Taichi's LLVM did the rest.

        With ``folded``, what follows from its constants is done as well; with ``wide``, neighbours are computed
        together, for which Taichi's LLVM did not know enough.
        """
        module = self._binding.parse_assembly(text)
        passes = self._binding.create_module_pass_manager()
        self._machine.add_analysis_passes(passes)
        passes.add_type_based_alias_analysis_pass()
        passes.add_basic_alias_analysis_pass()
        if folded:
            passes.add_sccp_pass()
            passes.add_instruction_combining_pass()
            passes.add_cfg_simplification_pass()
        passes.add_licm_pass()
        if folded or text.count("\n") < _MUCH:
            passes.add_gvn_pass()
            passes.add_licm_pass()  # what is computed from what is loaded once
        if wide:
            builder = self._binding.create_pass_manager_builder()
            builder.opt_level, builder.slp_vectorize = 3, True
            builder.populate(passes)
        passes.run(module)
        return bytes(self._machine.emit_object(module))

    def load(self, symbol: str, code: bytes) -> int:
        """Where the function begins."""
        if symbol not in self._loaded:
            self._engine.add_object_file(self._binding.ObjectFileRef.from_data(code))
            self._engine.finalize_object()
            self._loaded[symbol] = self._engine.get_function_address(symbol)
            if not self._loaded[symbol]:
                raise Odd
        return self._loaded[symbol]


@functools.cache
def llvm() -> Any:
    """llvmlite; None if it is not there or does not start."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        return Llvm()
    except Exception:
        return None
