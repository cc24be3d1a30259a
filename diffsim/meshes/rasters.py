"""Triangles in pixels: which is seen where."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Seen", "seen_triangles"]

# Pixels of the rectangles around triangles that are looked at in one go.
MOST = 2_000_000


# Share of a triangle by which it is larger: rounding leaves no gap between two.
EDGE = np.float32(1e-4)


class Seen(NamedTuple):
    """What the pixels of a picture (h, w) see of some triangles.

    Attributes:
        which: (h, w) the triangle that is nearest, -1 none.
        near: (h, w) its nearness.
        light: (h, w) what is given at its corners, between them.
    """

    which: np.ndarray
    near: np.ndarray
    light: np.ndarray


def seen_triangles(
    pixels: np.ndarray, near: np.ndarray, light: np.ndarray, shape: tuple[int, int], nowhere: np.float32
) -> Seen:
    """The nearest of triangles in each pixel of a picture.

    Args:
        pixels: (m, 3, 2) corners, x and y from the lower left of the picture [pixels].
        near: (m, 3) nearness at the corners.
        light: (m, 3) a number at the corners.
        shape: rows and columns of the picture.
        nowhere: nearness where there is none.
    """
    rows, columns = shape
    which, best = np.full(rows * columns, -1, np.int32), np.full(rows * columns, nowhere, np.float32)
    shown = np.zeros(rows * columns, np.float32)
    low = np.clip(np.ceil(pixels.min(axis=1) - 0.5), 0, (columns, rows)).astype(np.int32)
    high = np.clip(np.floor(pixels.max(axis=1) - 0.5) + 1, 0, (columns, rows)).astype(np.int32)
    wide = np.maximum(high - low, 0)
    area = wide[:, 0] * wide[:, 1]
    order = np.flatnonzero(area)
    ends = np.cumsum(area[order])
    start = 0
    while start < len(order):
        done = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, done + MOST, side="right")), start + 1)
        part = order[start:stop]
        place, triangle, depth, value = _candidates(part, pixels, near, light, low, wide, area, columns)
        np.maximum.at(best, place, depth)
        front = depth >= best[place]
        which[place[front]], shown[place[front]] = triangle[front], value[front]
        start = stop
    return Seen(which.reshape(shape), best.reshape(shape), shown.reshape(shape))


def _candidates(
    part: np.ndarray,
    pixels: np.ndarray,
    near: np.ndarray,
    light: np.ndarray,
    low: np.ndarray,
    wide: np.ndarray,
    area: np.ndarray,
    columns: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels within triangles, by their number: which one, how near, what light."""
    counts = area[part]
    triangle = np.repeat(part, counts)
    inner = np.arange(len(triangle), dtype=np.int64) - np.repeat(np.cumsum(counts) - counts, counts)
    across = wide[triangle, 0]
    x = low[triangle, 0] + inner % across
    y = low[triangle, 1] + inner // across
    corners = pixels[part].astype(np.float64)
    (ax, ay), (bx, by), (cx, cy) = (corners[:, k].T for k in range(3))
    twice = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Shares of the second and the third corner, linear in x and y.
        second = np.stack([(cy - ay) / twice, (ax - cx) / twice, (ay * cx - ax * cy) / twice])
        third = np.stack([(ay - by) / twice, (bx - ax) / twice, (ax * by - ay * bx) / twice])
    fine = np.isfinite(second).all(axis=0) & np.isfinite(third).all(axis=0)
    second, third = (np.where(fine, line, -1.0).astype(np.float32) for line in (second, third))
    own = np.repeat(np.arange(len(part)), counts)
    px, py = (x + 0.5).astype(np.float32), (y + 0.5).astype(np.float32)
    v = second[0, own] * px + second[1, own] * py + second[2, own]
    w = third[0, own] * px + third[1, own] * py + third[2, own]
    inside = (v >= -EDGE) & (w >= -EDGE) & (v + w <= 1.0 + EDGE)
    triangle, v, w = triangle[inside], v[inside], w[inside]
    place = y[inside].astype(np.int64) * columns + x[inside]
    shares = (1.0 - v - w, v, w)
    depth, value = (
        sum(share * of[triangle, k].astype(np.float32) for k, share in enumerate(shares)) for of in (near, light)
    )
    return place, triangle, depth, value
