"""How many instructions a call takes, counted one by one: what else a machine does changes nothing of it.

A process is traced, and between two signals to itself it runs one instruction at a time (ptrace, Linux). Its main
thread is counted, which is all of it where Taichi's own threads have no part in a kernel, as in `fused`.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable

__all__ = ["count", "counted", "traced"]

_TRACEME, _CONT, _SINGLESTEP = 0, 7, 9

_BEGIN, _END = signal.SIGUSR1, signal.SIGUSR2


def traced() -> None:
    """Let the parent trace this process from now on."""
    _ptrace(_TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)


def counted(call: Callable[[], object]) -> None:
    """Call it, as something to be counted."""
    os.kill(os.getpid(), _BEGIN)
    call()
    os.kill(os.getpid(), _END)


def count(arguments: list[str]) -> list[int]:
    """Instructions of each `counted` call of a Python process with these arguments, which calls `traced`."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL) as process:
        found, pid = [], process.pid
        _, status = os.waitpid(pid, 0)
        while os.WIFSTOPPED(status):
            given = os.WSTOPSIG(status)
            if given == _BEGIN:
                steps, status = _count(pid)
                found.append(steps)
                continue
            # What it was stopped for is not given to it, but for signals that are its own.
            _ptrace(_CONT, pid, 0 if given in (signal.SIGSTOP, signal.SIGTRAP, _END) else given)
            _, status = os.waitpid(pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return found


def _count(pid: int) -> tuple[int, int]:
    """Steps until it stops for something else, and what for."""
    step, wait, steps = _libc.ptrace, os.waitpid, 0
    while True:
        step(_SINGLESTEP, pid, 0, 0)
        _, status = wait(pid, 0)
        if not os.WIFSTOPPED(status) or os.WSTOPSIG(status) != signal.SIGTRAP:
            return steps, status
        steps += 1


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request: int, pid: int, data: int = 0) -> None:
    if _libc.ptrace(request, pid, 0, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
