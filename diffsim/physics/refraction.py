"""Light that comes straight down and is bent at the surface of water, in NumPy: for what is looked at."""

from __future__ import annotations

import itertools

import numpy as np

from diffsim.physics.grids import neighbours

__all__ = ["caustics", "landing"]


def landing(height: np.ndarray, spacing: float, periodic: bool, depth: float, index: float) -> np.ndarray:
    """(2, n * m) how far from its cell each ray meets the floor [cells]: Snell's law, exactly.

    Args:
        height: (n, m) of the surface over that of still water [m].
        spacing: side of a cell [m].
        periodic: whether the grid goes on at its other side.
        depth: of still water [m].
        index: of refraction, of the water over that of the air.
    """
    beside = neighbours(*height.shape, periodic=periodic)
    flat = height.reshape(-1)
    slope = np.stack([flat[beside["right"]] - flat[beside["left"]], flat[beside["above"]] - flat[beside["below"]]]) / (
        2.0 * spacing
    )
    length = np.sqrt(1.0 + np.square(slope).sum(axis=0))
    turned = np.sqrt(1.0 - (1.0 - length**-2.0) / index**2) - 1.0 / (index * length)
    found: np.ndarray = (depth + flat) / spacing * turned / (length / index + turned) * slope
    return found


def caustics(height: np.ndarray, spacing: float, periodic: bool, depth: float, index: float) -> np.ndarray:
    """(n, m) how bright the sun, straight above, makes the floor; 1 below still water.

    Four rays of each cell, from between its middle and those of its neighbours, share their light among the four cells
    around the place where they end; what leaves a grid that is not periodic is lost. Arguments are those of `landing`.
    """
    n, m = height.shape
    shift = landing(height, spacing, periodic, depth, index).reshape(2, n, m)
    around = np.pad(shift, ((0, 0), (1, 1), (1, 1)), mode="wrap" if periodic else "edge")
    middle = np.stack(np.meshgrid(np.arange(n), np.arange(m), indexing="ij"))
    light = np.zeros(n * m)
    for a, b in itertools.product((-1, 1), repeat=2):
        beside, beyond = around[:, 1 + a : n + 1 + a, 1:-1], around[:, 1 + a : n + 1 + a, 1 + b : m + 1 + b]
        above = around[:, 1:-1, 1 + b : m + 1 + b]
        bent = 0.5625 * shift + 0.1875 * (beside + above) + 0.0625 * beyond
        light += _shared(middle + 0.25 * np.array([a, b])[:, None, None] + bent, n, m, periodic)
    return 0.25 * light.reshape(n, m)


def _shared(place: np.ndarray, n: int, m: int, periodic: bool) -> np.ndarray:
    """(n * m,) what each cell gets of rays that end at places (2, ...), counted in cells."""
    low = np.floor(place).astype(np.int64)
    part, found = place - low, np.zeros(n * m)
    for k, j in itertools.product((0, 1), repeat=2):
        x, y = low[0] + k, low[1] + j
        share = np.abs(1 - k - part[0]) * np.abs(1 - j - part[1])
        inside = periodic | ((x >= 0) & (x < n) & (y >= 0) & (y < m))
        found += np.bincount((x % n * m + y % m).reshape(-1), np.where(inside, share, 0.0).reshape(-1), n * m)
    return found
