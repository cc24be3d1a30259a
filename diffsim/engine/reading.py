"""Kernels put together from Python and launched without Taichi's own front.

A kernel here is a function of pools of memory and whole numbers. Taichi reads its stages once in a process; a launch
through a ready context takes a microsecond where Taichi's front takes 15 to 200.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti
from taichi._lib import core
from taichi.lang import impl
from taichi.lang.any_array import AnyArray
from taichi.lang.enums import AutodiffMode
from taichi.lang.expr import Expr
from taichi.lang.util import cook_dtype

from diffsim.engine.frontend import without_collections, without_places
from diffsim.engine.stacks import watched

__all__ = ["Compiled", "Launch", "Pool", "condition", "kernel", "loop"]

Launch = tuple[Any, Any]
"""What ``prog.launch_kernel(*launch)`` takes."""

PLACE = ""  # what Taichi says of where a statement stands that is of no stage: nothing, see `without_places`


@dataclass(frozen=True)
class Pool:
    """The type of a stretch of memory: of its numbers, of their components, and whether there is a gradient."""

    real: Any
    width: tuple[int, ...]  # none for scalars, rows and columns of matrices
    gradient: bool
    memory: int  # equal for those of a kernel that may be the same memory


@dataclass(frozen=True)
class Compiled:
    """A kernel that is ready to be launched."""

    read: Any  # Taichi's kernel
    data: Any  # its machine code

    def launch(self, pools: Sequence[tuple[np.ndarray, np.ndarray | None]], integers: Sequence[int]) -> Launch:
        """A launch with this memory, values and gradients, and these numbers."""
        context = self.read.make_launch_context()
        for k, (values, gradients) in enumerate(pools):
            address = 0 if gradients is None else gradients.ctypes.data
            context.set_arg_external_array_with_shape((k,), values.ctypes.data, values.nbytes, (len(values),), address)
        for k, value in enumerate(integers):
            context.set_struct_arg_int((len(pools), k), value)
        return self.data, context


class _Current:
    """What Taichi asks of the kernel that it is reading."""

    def __init__(self, read: Any, mode: Any):
        self._read, self.autodiff_mode = read, mode

    def ast_builder(self) -> Any:
        return self._read.ast_builder()


def _said() -> Any:
    return core.DebugInfo(PLACE)


def loop(count: Any, body: Callable[[Any], None]) -> None:
    """``for k in range(count): body(k)`` in the kernel that is being read."""
    builder = impl.get_runtime().compiling_callable.ast_builder()
    index = Expr(builder.make_id_expr(""))
    builder.begin_frontend_range_for(index.ptr, Expr(0).ptr, Expr(count).ptr, _said())
    body(index)
    builder.end_frontend_range_for()


def condition(holds: Any, body: Callable[[], None]) -> None:
    """``if holds: body()`` in the kernel that is being read."""
    builder = impl.get_runtime().compiling_callable.ast_builder()
    impl.begin_frontend_if(builder, Expr(holds), _said())
    builder.begin_frontend_if_true()
    body()
    builder.pop_scope()
    builder.begin_frontend_if_false()
    builder.pop_scope()


@without_collections
def kernel(
    pools: Sequence[Pool],
    integers: int,
    body: Callable[[list[Any], list[Any]], None],
    *,
    reverse: bool,
    followed: bool = True,
) -> Compiled:
    """The kernel, or its reverse, whose statements ``body(pools, integers)`` makes; its outermost loop is serial.

    Unless ``followed``, Taichi does not follow which stores reach which loads, for which it takes the square of a
    kernel's size. The values are the same, but not the order in which a reverse kernel adds them up.
    """
    with contextlib.suppress(Exception), without_places():
        return _kernel(pools, integers, body, reverse, followed)
    return _kernel(pools, integers, body, reverse, followed)  # the same error again, which now names the place


def _kernel(pools: Sequence[Pool], integers: int, body: Any, reverse: bool, followed: bool) -> Compiled:
    runtime = impl.get_runtime()
    runtime.materialize()
    mode = AutodiffMode.REVERSE if reverse else AutodiffMode.NONE

    def generate(read: Any) -> None:
        runtime.inside_kernel, runtime.current_kernel, runtime.compiling_callable = True, _Current(read, mode), read
        try:
            with runtime.src_info_guard(PLACE):
                read.finalize_rets()
                memory = [_memory(read, k, pool) for k, pool in enumerate(pools)]
                numbers = _numbers(read, integers)
                read.finalize_params()
                read.ast_builder().strictly_serialize()
                body(memory, numbers)
        finally:
            runtime.inside_kernel, runtime.current_kernel, runtime.compiling_callable = False, None, None

    program = runtime.prog
    with watched(reverse=reverse):
        read = program.create_kernel(generate, "stages", mode)
    config = program.config()
    before, config.cfg_optimization = config.cfg_optimization, followed
    try:
        return Compiled(read, program.compile_kernel(config, program.get_device_caps(), read))
    finally:
        config.cfg_optimization = before


def _memory(read: Any, k: int, pool: Pool) -> Any:
    real = cook_dtype(pool.real)
    if pool.width:
        real = core.get_type_factory_instance().get_tensor_type(pool.width, real)
    argument = read.insert_ndarray_param(real, 1, f"pool{k}", pool.gradient)
    return AnyArray(core.make_external_tensor_expr(real, 1, argument, pool.gradient, 0, core.BoundaryMode.UNSAFE))


def _numbers(read: Any, count: int) -> list[Any]:
    """Whole numbers, as one argument: each argument costs a quarter of a microsecond at each launch."""
    members = [(cook_dtype(ti.i32), f"number{k}") for k in range(count)]
    kind = core.get_type_factory_instance().get_struct_type(members)
    argument = read.insert_scalar_param(kind, "numbers")
    whole = Expr(core.make_arg_load_expr(argument, kind, create_load=False, arg_depth=0, dbg_info=_said()))
    return [Expr(core.make_get_element_expr(whole.ptr, (k,), _said())) for k in range(count)]
