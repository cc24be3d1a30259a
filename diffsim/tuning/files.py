"""Files that are whole or not there, and formats that say their version."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError

__all__ = [
    "FORMAT",
    "check_format",
    "finite",
    "inside",
    "packed",
    "read_packed",
    "sweep",
    "with_nan",
    "write_all",
    "write_whole",
]

FORMAT = 1  # of all files of a run; a reader takes this one and older ones


def check_format(path: Path, given: Any) -> None:
    """Refuse what a later version wrote, or nobody.

    Raises:
        InputError: naming the file, its format and the one that this version reads.
    """
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < 1:
        raise InputError(f"{path} has format {given!r}, but this version of diffsim reads format {FORMAT}")
    if given > FORMAT:
        raise InputError(
            f"{path} has format {given}, but this version of diffsim reads formats up to {FORMAT}: it was written by a "
            "later one; pip install --upgrade diffsim"
        )


def packed(arrays: Mapping[str, Any], *, compressed: bool = False) -> bytes:
    """An npz file with these arrays and its format; nothing in it is a pickle."""
    held = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(held, allow_pickle=False, format=np.array(FORMAT), **arrays)
    return held.getvalue()


def read_packed(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file, but for its format.

    Raises:
        InputError: if it is none, is damaged, or a later version wrote it.
        FileNotFoundError: if there is no such file.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as held:  # NumPy leaves a damaged file open
            found = {name: held[name] for name in held.files}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read as an npz file: {error}") from None
    given = found.pop("format", np.array(1))
    check_format(path, given.item() if given.size == 1 else given)
    return found


def inside(path: str | os.PathLike[str], name: str) -> Path:
    """The file of that name in a folder, or the path itself if it is no folder."""
    path = Path(path)
    return path / name if path.is_dir() else path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside and rename it: whoever reads ``path`` sees the old content or all of the new."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb", buffering=0) as file:
            write_all(file, data)
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def sweep(folder: Path) -> None:
    """Remove what processes that were killed while they wrote left beside the files of a folder."""
    for left in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            left.unlink()


def write_all(file: Any, data: bytes) -> None:
    """An unbuffered write may take only a part: a disk that fills up accepts what still fits."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def finite(value: Any) -> Any:
    """The value with None for numbers that are not finite, which strict JSON has no word for."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def with_nan(value: Any) -> Any:
    """The value with nan for None."""
    if isinstance(value, dict):
        return {key: with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_nan(item) for item in value]
    return math.nan if value is None else value
