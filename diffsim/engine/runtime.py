"""Taichi, started once with the flags that keep its gradients right.

Both precisions live side by side: a kernel's literals take the default float type that is set while it
compiles, so `precision` sets it around everything a simulation does. Another device needs another start, which
is refused while simulations are alive.
"""

import contextlib
import ctypes
import io
import os
import pathlib
import threading
import time
import weakref
from collections.abc import Iterator

import taichi as ti
from taichi.lang import impl, misc

from diffsim.engine.stacks import size_on
from diffsim.errors import DeviceError, InputError

__all__ = ["REAL", "attach", "available", "check", "detach", "precision"]

REAL = {"f32": ti.f32, "f64": ti.f64}
_STALE = 60.0  # [s] a lock on the cache that is older belongs to nobody: writing takes less than a second
_DEVICES = ("cpu", "cuda", "vulkan", "metal", "amdgpu")

_device: str | None = None
_program: object = None  # Taichi's, to notice that somebody else restarted it
_process: int | None = None  # that started it
_thread: tuple[int, str] = (0, "")  # the same: number and name
_alive: "weakref.WeakSet[object]" = weakref.WeakSet()


def available() -> list[str]:
    """Names of the devices that Taichi finds on this machine."""
    return [name for name in _DEVICES if name == "cpu" or _supported(name)]


def _supported(device: str) -> bool:
    ti.set_logging_level(ti.ERROR)  # it warns of what is not there, and that is what was asked
    with contextlib.redirect_stdout(io.StringIO()):
        return bool(misc.is_arch_supported(getattr(ti, device)))


def attach(owner: object, device: str) -> None:
    """Start Taichi on ``device`` if it does not run there yet, and keep it there while ``owner`` is alive.

    Raises:
        InputError: no device has this name.
        DeviceError: it is not on this machine, simulations are alive on another, or Taichi belongs to another thread
            or process.
    """
    global _device, _process, _program, _thread
    if device not in _DEVICES:
        raise InputError(f"device is {device!r}, but it must be one of {', '.join(map(repr, _DEVICES))}")
    if device != "cpu" and not _supported(device):
        raise DeviceError(f"there is no {device!r} device here; available: {', '.join(available())}")
    running = _program is not None and impl.get_runtime().prog is _program
    if running and device != _device and len(_alive):
        raise DeviceError(
            f"{len(_alive)} simulation(s) are alive on {_device!r}, and Taichi runs on one device at a time; "
            f"close them before asking for {device!r}"
        )
    if running:
        _check_owner()
    if not running or device != _device:
        _start(device)
        _device, _program = device, impl.get_runtime().prog
        _process, _thread = os.getpid(), (threading.get_ident(), threading.current_thread().name)
    _alive.add(owner)


def _check_owner() -> None:
    """Raise DeviceError anywhere but in the thread that started Taichi: elsewhere it ends the process, or hangs."""
    alone = "in a process of its own: multiprocessing.get_context('spawn'), or subprocess"
    if os.getpid() != _process:
        raise DeviceError(
            "this process was forked from one in which simulations had been made, and Taichi does not work in it; "
            f"make each simulation {alone}"
        )
    if threading.get_ident() != _thread[0]:
        raise DeviceError(
            f"simulations of this process belong to the thread {_thread[1]!r}, which made the first one, but this is "
            f"{threading.current_thread().name!r}: Taichi works in one thread; make and use all simulations there, or "
            f"each {alone}"
        )


def cache_folder() -> pathlib.Path:
    """Where Taichi keeps compiled kernels."""
    given = os.environ.get("TI_OFFLINE_CACHE_FILE_PATH", impl.default_cfg().offline_cache_file_path)
    return pathlib.Path(given)


def _free_cache() -> None:
    """Take away the lock that a killed process left on Taichi's cache of kernels: nobody could add to it any more.

    It is held for the moment in which a process that ends writes what it compiled.
    """
    lock = cache_folder() / "ticache.lock"
    with contextlib.suppress(OSError):
        if time.time() - lock.stat().st_mtime > _STALE:
            lock.unlink()


def _start(device: str) -> None:
    _free_cache()
    with contextlib.redirect_stdout(io.StringIO()):
        ti.init(
            arch=getattr(ti, device),
            force_scalarize_matrix=True,  # without it local vectors are miscompiled, forward and reverse
            ad_stack_size=size_on(device),  # Taichi's own choice is 32
            # Taichi would keep f[0] in a register while a loop over i also adds to f[i] (its open issue 8578): the
            # gradient of a stage that reads both was wrong. Without it gradients take 5 to 20 % longer. The key of
            # Taichi's cache on disk does not tell the two apart, but it does know ad_stack_size.
            cache_loop_invariant_global_vars=False,
            fast_math=False,
            flatten_if=False,
            unrolling_limit=0,  # a loop over fields is as long as there are fields
            # One thread adds in one order: results are the same to the bit in every run. More cores are
            # used by more processes.
            cpu_max_num_threads=int(os.environ.get("DIFFSIM_THREADS", "1")),
            # A kernel of stages is one task on a CPU: each thread more would only load Taichi's runtime.
            num_compile_threads=1 if device == "cpu" else 4,
            log_level=ti.ERROR,
        )
    if ti.cfg.arch != getattr(ti, device) and device != "cpu":
        ti.reset()
        raise DeviceError(f"Taichi could not start on {device!r}; available: {', '.join(available())}")


def _kept_forever() -> None:
    """In a process that was forked: never destroy Taichi, which waits for threads that only the other process has."""
    if _program is not None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(_program))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_kept_forever)


def detach(owner: object) -> None:
    """``owner`` needs Taichi no longer."""
    _alive.discard(owner)


def check(owner: object) -> None:
    """Raise DeviceError if Taichi was restarted, so that the fields of ``owner`` are gone, or in another thread."""
    if owner not in _alive or impl.get_runtime().prog is not _program:
        raise DeviceError("Taichi was restarted (ti.init or ti.reset) since this simulation was made; make it anew")
    _check_owner()


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Compile what is called inside with literals of this precision ("f32" or "f64")."""
    real = REAL[name]
    runtime = impl.get_runtime()
    if runtime.prog is not None and runtime.default_fp != real:  # after ti.reset there is none; `check` says so
        runtime.set_default_fp(real)
        runtime.prog.config().default_fp = real
    yield
