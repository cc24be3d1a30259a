"""Files that are whole or not there, and formats that say their version."""

from __future__ import annotations

import contextlib
import io
import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError

__all__ = [
    "FORMAT",
    "check_format",
    "draft",
    "finite",
    "inside",
    "packed",
    "read_packed",
    "sweep",
    "with_nan",
    "write_all",
    "write_whole",
]

FORMAT = 3  # of all files of a run; a reader takes this one and older ones


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
    """An npz file with these arrays of numbers or strings, and its format."""
    held = io.BytesIO()
    save: Any = np.savez_compressed if compressed else np.savez
    save(held, format=np.array(FORMAT), **{name: np.asarray(value) for name, value in arrays.items()})
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
    except (OSError, ValueError, TypeError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as an npz file: {error}") from None
    given = found.pop("format", np.array(1))
    check_format(path, given.item() if given.size == 1 else given)
    return found


def inside(path: str | os.PathLike[str], name: str) -> Path:
    """The file of that name in a folder, or the path itself if it is no folder."""
    path = Path(path)
    return path / name if path.is_dir() else path


@contextlib.contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to: it takes its place at the end, and vanishes after an error.

    Whoever reads ``path`` sees the old content or all of the new. Folders are made as needed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file by way of a `draft`, forced to the disk before it takes its place."""
    with draft(path) as beside, open(beside, "wb", buffering=0) as file:
        write_all(file, data)
        os.fsync(file.fileno())


def sweep(path: Path) -> None:
    """Remove the drafts of a file that processes left which were killed while they wrote."""
    for left in path.parent.glob(f".{path.stem}.*.part{path.suffix}"):
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
