"""Arrays of a look: of the right shape, and with what diverged taken out of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.errors import InputError

__all__ = ["LOST", "WILD", "indices", "row_of", "shaped", "tame"]

# Nothing is drawn this far away [m]: its square could not be taken, nor infinity times 0.
LOST = 1e100

# The camera does not look for what gets farther away than this many sizes of what moves, as in a rollout that diverges:
# the rest would be a dot.
WILD = 100.0


def tame(array: Any) -> np.ndarray:
    """A copy in which what diverged is NaN: it is not there, and could not be drawn."""
    found = np.array(array, dtype=float)
    with np.errstate(invalid="ignore"):
        found[~(np.abs(found) < LOST)] = np.nan
    return found


def shaped(owner: str, given: Any, *shapes: tuple[int | str, ...], moves: int = 0) -> np.ndarray:
    """``given`` as an array of floats of one of the shapes, tamed; words in a shape stand for any length.

    With ``moves`` axes where it moves, one that has an axis less gets one in front: a row that counts for all times.

    Raises:
        InputError: naming the owner, what was given and what is allowed.
    """
    try:
        found = tame(given)
    except (ValueError, TypeError) as error:
        raise InputError(f"{owner} is {type(given).__name__}, but an array of numbers is needed") from error
    if not any(_fits(found.shape, shape) for shape in shapes):
        raise InputError(f"{owner} has shape {found.shape}, but {_words(shapes)} is needed")
    if moves and found.ndim == moves - 1:
        found = found[None]
    if moves and not len(found):
        raise InputError(f"{owner} has shape {found.shape}, but at least one row is needed")
    return found


def indices(owner: str, given: Any, *, width: int = 0, below: int | None = None, least: int = 0) -> np.ndarray:
    """``given`` as whole numbers (k,), or (k, width), from ``least`` to less than ``below``.

    Raises:
        InputError: naming the owner and the first entry that is not allowed.
    """
    found = np.asarray(given)
    shape = (-1, width) if width else (-1,)
    if found.size == 0:
        return np.zeros((0, width) if width else (0,), dtype=np.intp)
    if found.ndim != len(shape) or (width and found.shape[1] != width):
        raise InputError(
            f"{owner} has shape {found.shape}, but {_words((('k', width) if width else ('k',),))} is needed"
        )
    if found.dtype.kind not in "iu":
        raise InputError(f"{owner} is of {found.dtype}, but whole numbers are needed")
    bad = (found < least) | (found >= below if below is not None else False)
    if bad.any():
        at = ", ".join(map(str, np.argwhere(bad)[0].tolist()))
        most = "" if below is None else f" and at most {below - 1}"
        raise InputError(f"{owner}[{at}] is {found[bad][0]}, but it must be at least {least}{most}")
    return found.astype(np.intp)


def row_of(array: np.ndarray, row: int) -> np.ndarray:
    """What an array (rows, ...) says of a row of the trajectory; the last that it has goes on."""
    found: np.ndarray = array[min(row, len(array) - 1)]
    return found


def _fits(shape: tuple[int, ...], wanted: tuple[int | str, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        isinstance(want, str) or want == have for have, want in zip(shape, wanted, strict=True)
    )


def _words(shapes: tuple[tuple[int | str, ...], ...]) -> str:
    told = ["a number" if not shape else f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})" for shape in shapes]
    return " or ".join(told)
