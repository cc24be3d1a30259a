"""Grids of square cells in the plane, or of cubes in space: their size, their edges, and who is whose neighbour.

Cell (i, j) is element ``i * m + j`` of an (n, m) grid; its middle is at ``(i + 1/2, j + 1/2)`` times the spacing: i
counts along x, and j along y, up. Cell (i, j, k) is element ``(i * m + j) * l + k`` of an (n, m, l) grid, with y to the
back and z up.
"""

from __future__ import annotations

import math

import numpy as np

from diffsim.errors import InputError

__all__ = ["LEAST", "check_grid", "in_space", "middles", "neighbours"]

LEAST = 4
"""Cells along each axis: the cells of cubic interpolation are then different ones, across periodic edges as well."""

SIDES = {
    2: (("right", "left"), ("above", "below")),
    3: (("right", "left"), ("behind", "before"), ("above", "below")),
}
"""What neighbours along each axis are called, forward and back, in so many dimensions."""


def check_grid(owner: str, shape: tuple[int, ...]) -> None:
    """Raise InputError for a grid that has fewer than `LEAST` cells along an axis."""
    if min(shape) < LEAST:
        raise InputError(f"{owner} has shape {shape}, but a grid with at least {LEAST} cells along each axis is needed")


def in_space(shape: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The shape of a number on a grid in the plane, ("n", "m", 2), for one in space: ("n", "m", "l", 3)."""
    grown: dict[str | int, tuple[str | int, ...]] = {"m": ("m", "l"), 2: (3,)}
    return tuple(length for flat in shape for length in grown.get(flat, (flat,)))


def middles(n: int, m: int, spacing: float) -> np.ndarray:
    """(n, m, 2) where the middle of each cell is [m]."""
    return spacing * (np.stack(np.meshgrid(np.arange(n), np.arange(m), indexing="ij"), axis=2) + 0.5)


def neighbours(*shape: int, periodic: bool) -> dict[str, np.ndarray]:
    """Of each cell the ones beside it, (cells,) each, by their names in `SIDES`.

    At an edge that is not periodic a cell is its own neighbour: what is beyond has the same value.
    """
    cell = np.arange(math.prod(shape)).reshape(shape)
    found = {}
    for axis, (forward, back) in enumerate(SIDES[len(shape)]):
        sides = [(int(k == axis),) * 2 for k in range(len(shape))]
        beyond = np.pad(cell, sides, mode="wrap" if periodic else "edge")
        found[forward] = np.delete(beyond, [0, 1], axis).reshape(-1)
        found[back] = np.delete(beyond, [-1, -2], axis).reshape(-1)
    return found
