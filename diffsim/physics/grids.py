"""Grids of square cells in the plane: their size, their edges, and who is whose neighbour.

Cell (i, j) is element ``i * m + j`` of an (n, m) grid; its middle is at ``(i + 1/2, j + 1/2)`` times the spacing: i
counts along x, and j along y, up.
"""

from __future__ import annotations

import numpy as np

from diffsim.errors import InputError

__all__ = ["LEAST", "check_grid", "middles", "neighbours"]

LEAST = 4
"""Cells along each axis: the cells of cubic interpolation are then different ones, across periodic edges as well."""


def check_grid(owner: str, shape: tuple[int, ...]) -> None:
    """Raise InputError for a grid that has fewer than `LEAST` cells along an axis."""
    if min(shape[:2]) < LEAST:
        raise InputError(f"{owner} has shape {shape}, but a grid with at least {LEAST} cells along both axes is needed")


def middles(n: int, m: int, spacing: float) -> np.ndarray:
    """(n, m, 2) where the middle of each cell is [m]."""
    return spacing * (np.stack(np.meshgrid(np.arange(n), np.arange(m), indexing="ij"), axis=2) + 0.5)


def neighbours(n: int, m: int, *, periodic: bool) -> dict[str, np.ndarray]:
    """Of each cell the one on its "right", on its "left", "above" and "below", (n * m,) each.

    At an edge that is not periodic a cell is its own neighbour: what is beyond has the same value.
    """
    cell = np.arange(n * m).reshape(n, m)
    beyond = np.pad(cell, 1, mode="wrap" if periodic else "edge")
    sides = {
        "right": beyond[2:, 1:-1],
        "left": beyond[:-2, 1:-1],
        "above": beyond[1:-1, 2:],
        "below": beyond[1:-1, :-2],
    }
    return {side: found.reshape(-1) for side, found in sides.items()}
