"""Numbers over time in few bytes: steps of a fixed size, differences of differences, deflate, base64.

What moves smoothly is nearly a straight line from one frame to the next, so that most of its second differences fit
into a byte, and most of those bytes are alike. ``page/data.js`` reads what is written here.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from diffsim.files import finite

__all__ = ["Channel", "Packed", "pack", "packed_json", "unpack"]

# No step is counted beyond this: a float64 holds every whole number up to it, as JavaScript does, and so do the second
# differences.
MOST_STEPS = 2**50


class Channel(NamedTuple):
    """Numbers over time.

    Attributes:
        values: (rows, ...) NaN where there is none.
        step: values are rounded to whole multiples of it, so that they are off by half of it at most.
        peaks: whether a row that is kept stands for the largest of those up to the next one.
    """

    values: np.ndarray
    step: float
    peaks: bool = False


class Packed(NamedTuple):
    """Channels as text.

    Attributes:
        head: for each channel its name, how many columns it has, and its step.
        text: base64 of deflated bytes.
    """

    head: list[tuple[str, int, float]]
    text: str


def pack(channels: Mapping[str, Channel], rows: np.ndarray) -> Packed:
    """Some rows of channels, in this order."""
    head, parts = [], []
    for name, (values, step, peaks) in channels.items():
        table = np.asarray(values, dtype=float)
        table = (np.fmax.reduceat(table, rows, axis=0) if peaks else table[rows]).reshape(len(rows), -1)
        head.append((name, table.shape[1], float(step)))
        parts.append(_bytes_of(_codes(table, step)))
    return Packed(head, _text(b"".join(parts)))


def packed_json(value: Any) -> str:
    """Plain data as base64 of deflated JSON; a number that is not finite, as of what diverged, becomes null."""
    try:
        words = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:
        words = json.dumps(finite(value), separators=(",", ":"))
    return _text(words.encode())


def unpack(packed: Packed, rows: int) -> dict[str, np.ndarray]:
    """(rows, columns) by name, as the browser finds them."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(packed.text)), dtype=np.uint8)
    ends = np.flatnonzero(data < 128) + 1
    starts = np.concatenate([[0], ends[:-1]])
    codes = [
        sum(int(byte & 127) << 7 * k for k, byte in enumerate(data[a:b])) for a, b in zip(starts, ends, strict=True)
    ]
    found, at = {}, 0
    for name, columns, step in packed.head:
        table = np.full((columns, rows), np.nan)
        for column in table:
            value = slope = 0
            for row in range(rows):
                code, at = codes[at] - 1, at + 1
                slope = 0 if code < 0 else slope + ((code >> 1) ^ -(code & 1))
                value += slope
                column[row] = np.nan if code < 0 else value * step
        found[name] = table.T
    return found


def _codes(table: np.ndarray, step: float) -> np.ndarray:
    """(columns * rows,) uint64, column by column: 0 for NaN, else 1 more than the second difference in zigzag."""
    there = np.isfinite(table)
    steps = np.rint(np.clip(np.where(there, table, 0.0) / step, -MOST_STEPS, MOST_STEPS)).astype(np.int64)
    # Where there is none, the last that there was goes on.
    last = np.maximum.accumulate(np.where(there, np.arange(len(table))[:, None], -1), axis=0)
    filled = np.where(last >= 0, np.take_along_axis(steps, np.maximum(last, 0), axis=0), 0)
    second = np.diff(filled, n=2, axis=0, prepend=np.zeros((2, table.shape[1]), dtype=np.int64))
    codes = ((second << 1) ^ (second >> 63)) + 1
    return np.where(there, codes, 0).T.reshape(-1).astype(np.uint64)


def _bytes_of(codes: np.ndarray) -> bytes:
    """Seven bits to a byte, the lowest first; all but the last have the eighth bit set (LEB128)."""
    most = int(codes.max(initial=0)).bit_length()  # most of what moves smoothly takes a byte
    digits = (codes[:, None] >> np.arange(0, max(most, 1), 7, dtype=np.uint64)) & np.uint64(127)
    count = np.maximum(1, digits.shape[1] - np.argmax(digits[:, ::-1] > 0, axis=1))
    count[codes == 0] = 1
    at = np.arange(digits.shape[1])
    digits[at < count[:, None] - 1] |= np.uint64(128)
    return digits[at < count[:, None]].astype(np.uint8).tobytes()


def _text(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()
