"""Where the machine code of kernels is kept: a file for each, under the name that is its fingerprint.

A file holds a head, a check of what follows, and LLVM's text, compressed, with the machine code made of it: neither of
a kernel that Taichi cannot read. What is damaged is as if it were not there.
"""

import contextlib
import functools
import hashlib
import os
import pathlib
import struct

from taichi.lang import impl

__all__ = ["HEAD", "Odd", "keep_unreadable", "kept", "store", "stored"]

HEAD = b"diffsim kernel 2\n"
_MOST = 4096  # files that the folder may have, some kilobytes each; of more, the older half is taken away


class Odd(Exception):
    """Something is not as it is expected here."""


def kept(name: str | None) -> bool:
    """Whether the kernel of this name is on the disk."""
    folder = _folder()
    return name is not None and folder is not None and (folder / name).exists()


def keep_unreadable(name: str | None) -> None:
    """Other processes need not try either to read the kernel of this name."""
    if name is not None:
        with contextlib.suppress(OSError):
            store(name, b"", b"")


def _folder() -> pathlib.Path | None:
    """Where kernels are kept: in a folder beside those of Taichi; None if it is told to keep nothing."""
    config = impl.get_runtime().prog.config()
    return pathlib.Path(config.offline_cache_file_path, "diffsim") if config.offline_cache else None


def stored(name: str) -> tuple[bytes, bytes]:
    """LLVM's text, compressed, and machine code; neither of a kernel that is unreadable."""
    folder = _folder()
    if folder is None:
        raise Odd("nothing is kept")
    try:
        content = (folder / name).read_bytes()
    except OSError:
        raise Odd("not there") from None
    head, check, kept = content[: len(HEAD)], content[len(HEAD) : len(HEAD) + 32], content[len(HEAD) + 32 :]
    if head != HEAD or check != _check(name, kept):
        raise Odd("damaged")
    (size,) = struct.unpack_from("<Q", kept)
    return kept[8 : 8 + size], kept[8 + size :]


def _check(name: str, kept: bytes) -> bytes:
    return hashlib.sha256(name.encode() + kept).digest()


def store(name: str, text: bytes, code: bytes) -> None:
    """Put it there in one go: who reads at the same time finds all of it or nothing."""
    folder = _folder()
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    _make_room(folder)
    own = folder / f"{name}.{os.getpid()}"
    kept = struct.pack("<Q", len(text)) + text + code
    own.write_bytes(HEAD + _check(name, kept) + kept)
    own.replace(folder / name)


@functools.cache
def _make_room(folder: pathlib.Path) -> None:
    """Take the older half of the files away if there are too many; once in a process."""
    files = [file for file in folder.iterdir() if file.is_file()]
    if len(files) > _MOST:
        for file in sorted(files, key=lambda file: file.stat().st_mtime)[: len(files) // 2]:
            file.unlink(missing_ok=True)
