"""Numbers over time, which a report draws as curves below its player: angles, speeds, forces, energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.viewing.shaped import shaped

__all__ = ["Series", "alike", "speeds"]

# Of more curves than this in one chart only the least, the middle and the largest number at each time are kept.
MOST = 64

OUTLINE = ("least", "median", "most")


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers over time of one kind, that share an axis.

    Attributes:
        name: what they are: "joint angles".
        unit: of all of them: "rad"; empty has none.
        values: (rows, k), or (rows,) of one: a row for each of the rollout's, or one less, as arrays of steps have.
        labels: (k,) what each is of: "knee"; none numbers them.
        peaks: whether they come in short blows, as contact forces do: of the steps between two frames of a report the
            largest number is shown, not that of the frame.
    """

    name: str
    unit: str
    values: Any
    labels: Sequence[str] = ()
    peaks: bool = False

    def __post_init__(self) -> None:
        """Check and keep arrays; of very many numbers their outline."""
        values = shaped("Series.values", self.values, ("rows",), ("rows", "k"))
        values = values[:, None] if values.ndim == 1 else values
        labels = tuple(map(str, self.labels)) or tuple(map(str, range(values.shape[1])))
        if len(labels) != values.shape[1]:
            raise InputError(
                f"Series.labels of {self.name!r} holds {len(labels)}, but its values have {values.shape[1]} columns"
            )
        if values.shape[1] > MOST:
            values, labels = _outline(values), OUTLINE
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "labels", labels)


def speeds(velocity: np.ndarray, labels: Sequence[str] = (), name: str = "speeds") -> Series:
    """How fast things move [m/s], of velocities (rows, k, d)."""
    with np.errstate(invalid="ignore", over="ignore"):
        return Series(name, "m/s", np.linalg.norm(velocity, axis=2), labels)


def alike(values: np.ndarray) -> np.ndarray:
    """(k,) an order of curves (rows, k) in which those of one course are neighbours: by their phase.

    It is the angle in the plane of the two strongest common courses (principal components), which for waves of one
    frequency are its sine and its cosine.
    """
    centred = np.nan_to_num(values - np.nanmean(values, axis=0))
    _, _, parts = np.linalg.svd(centred, full_matrices=False)
    first, second = parts[0], parts[min(1, len(parts) - 1)]
    return np.argsort(np.arctan2(second, first), kind="stable")


def _outline(values: np.ndarray) -> np.ndarray:
    """(rows, 3) of (rows, k): the least, the median and the largest; NaN where there is none."""
    there = np.isfinite(values).any(axis=1)
    found = np.full((len(values), 3), np.nan)
    found[there] = np.nanquantile(values[there], (0.0, 0.5, 1.0), axis=1).T
    return found
