"""Which folder a run takes: the one that was named or, where that holds another run, one with a number behind it.

Runs of one name are a series: ``outputs/robot``, ``outputs/robot-2``, ``outputs/robot-3``, the newest with the highest
number. A folder is taken by a lock on the history in it, so two processes never take the same one.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["HISTORY", "claim", "lock", "newest", "numbered", "take"]

HISTORY = "history.jsonl"


def numbered(base: Path, number: int) -> Path:
    """The folder of that number in a series; 1 is the one without a number."""
    if number <= 1:
        return base
    base = base if base.name not in ("", "..") else base.resolve()
    return base.with_name(f"{base.name}-{number}")


def _highest(base: Path) -> int:
    """The highest number whose folder holds a run; 0 if none does."""
    second = numbered(base, 2)
    stem = second.name.removesuffix("-2")
    found = [1] if _holds_run(base) else []
    with contextlib.suppress(OSError):
        for path in second.parent.iterdir():
            match = re.fullmatch(re.escape(stem) + r"-([1-9]\d*)", path.name)
            if match and int(match[1]) > 1 and _holds_run(path):
                found.append(int(match[1]))
    return max(found, default=0)


def _holds_run(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        if any((folder / name).exists() for name in ("problem.json", "params.npz")):
            return True
        return (folder / HISTORY).stat().st_size > 0
    return False


def newest(base: Path) -> Path:
    """The folder of the newest run of a series; the one without a number if there is none."""
    return numbered(base, _highest(base))


def take(base: Path) -> tuple[Path, BinaryIO]:
    """The first folder of the series that comes after all its runs and that no other process writes to, made if it is
    not there, and its history, locked.

    Raises:
        OSError: if it cannot be made or written to; ``filename`` says which.
    """
    number = _highest(base) + 1
    while True:
        folder = numbered(base, number)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = claim(folder)
        except BlockingIOError:
            number += 1
            continue
        if not _holds_run(folder):  # else somebody was faster, and is done already
            return folder, handle
        handle.close()
        number += 1


def claim(folder: Path) -> BinaryIO:
    """The history in a folder, ours alone while it is open; what is in it stays.

    Raises:
        BlockingIOError: another process writes to it.
    """
    descriptor = os.open(folder / HISTORY, os.O_RDWR | os.O_CREAT, 0o666)
    handle = open(descriptor, "r+b", buffering=0)  # noqa: SIM115  (stays open)
    try:
        lock(handle)
    except BaseException:
        handle.close()
        raise
    return handle


def lock(file: BinaryIO) -> None:
    """Be the only process that writes to the file, until it is closed or the process ends; not on Windows.

    Raises:
        BlockingIOError: another one does.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
