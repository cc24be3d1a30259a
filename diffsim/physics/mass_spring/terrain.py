"""Ground that is not flat: heights between which it goes in straight lines or triangles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.mass_spring.ground import coefficient
from diffsim.spec import Spec, array, number

__all__ = ["Terrain"]


@dataclass(frozen=True, eq=False, repr=False)
class Terrain(Spec):
    """Ground that is as high as is said at equal distances, and goes on beyond its ends as it does before them.

    In two dimensions it is a polyline; in three each cell has two triangles, along the diagonal from its corner of the
    lowest x and y. A point meets the piece that its way of a step first leads to, at the time of impact, as it meets
    `Ground`; what has come below, as past a corner in a hollow, is put back onto it.

    Attributes:
        heights: (k,) along x; in three dimensions (rows, columns) along y and x [m]. The parameter ``scene.heights``,
            row after row.
        low, high: where the first and the last heights are: x; in three dimensions (x, y) [m].
        friction: Coulomb's coefficient; infinite (the default) means that a point sticks where it lands.
        restitution: share of the normal speed that a point keeps when it bounces, from 0 to 1.
    """

    heights: Any
    low: Any = 0.0
    high: Any = 1.0
    friction: float = float("inf")
    restitution: float = 0.0

    def __post_init__(self) -> None:
        """Check every number."""
        heights = array("Terrain.heights", self.heights, ("k",), ("rows", "columns"))
        if min(heights.shape) < 2:
            raise InputError(
                f"Terrain.heights has shape {heights.shape}, but at least two heights to a side are needed"
            )
        shape = () if heights.ndim == 1 else (2,)
        low, high = (array(f"Terrain.{name}", getattr(self, name), shape) for name in ("low", "high"))
        if not np.all(low < high):
            raise InputError(f"Terrain.low is {low.tolist()} and high {high.tolist()}, but low must be below high")
        self._set(
            heights=heights,
            low=low,
            high=high,
            friction=coefficient("Terrain.friction", self.friction),
            restitution=number("Terrain.restitution", self.restitution, least=0.0, most=1.0),
        )

    @property
    def dimension(self) -> int:
        """Of the space it is in: 2 or 3."""
        return int(self.heights.ndim) + 1

    @property
    def cells(self) -> np.ndarray:
        """(d - 1,) how many cells there are along x, and y."""
        return np.array(self.heights.shape[::-1]) - 1

    @property
    def corners(self) -> np.ndarray:
        """(k, d) the places of the heights, row after row [m]."""
        axes = [
            np.linspace(a, b, n + 1) for a, b, n in zip(self._lows, np.atleast_1d(self.high), self.cells, strict=True)
        ]
        return np.stack([*(axis.ravel() for axis in np.meshgrid(*axes)), self.heights.ravel()], axis=1)

    @property
    def _lows(self) -> np.ndarray:
        return np.atleast_1d(self.low)

    def above(self, points: np.ndarray) -> np.ndarray:
        """(n,) how far points (n, d) are above it, straight up [m]."""
        share = (points[:, :-1] - self._lows) / (np.atleast_1d(self.high) - self._lows) * self.cells
        cell = np.clip(np.floor(share).astype(int), 0, self.cells - 1)
        inner = share - cell
        if self.dimension == 2:
            first, second = self.heights[cell[:, 0]], self.heights[cell[:, 0] + 1]
            found: np.ndarray = points[:, 1] - first - inner[:, 0] * (second - first)
            return found
        (x, y), (u, v) = cell.T, inner.T
        a, b, c, d = (self.heights[y + j, x + i] for i, j in ((0, 0), (1, 0), (1, 1), (0, 1)))
        height = np.where(u >= v, a + u * (b - a) + v * (c - b), a + v * (d - a) + u * (c - d))
        return np.asarray(points[:, 2] - height)
