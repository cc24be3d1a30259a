"""How a string runs around a sphere or a cylinder, in NumPy; `wraps` has the same in stages.

Between two points the string is the shortest one that does not enter the geom, or that touches it from within. Both
points are looked at in a plane: of a sphere that through both and its centre, of a cylinder that across its axis, along
which the string climbs in proportion to its length, as a helix does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["STEPS", "Bent", "bent"]

STEPS = 6
"""Of Newton's, towards where a string touches a circle from within: quadratic, from a guess that is near."""

DRAWN = 5
"""Places on a geom between those where a string meets and leaves it."""

TINY = 1e-20

LINED = 1e-20
"""Squared sine below which two points and a centre are on one line."""


class Bent(NamedTuple):
    """Where a string meets a geom and leaves it, (..., 3) each [m], and its length between (...) [m].

    Where it does not touch, both are the middle between its ends. The rim is what is between them, to be drawn.
    """

    first: np.ndarray
    last: np.ndarray
    curve: np.ndarray
    touches: np.ndarray
    rim: list[np.ndarray]


def bent(
    ends: tuple[np.ndarray, np.ndarray],
    centre: np.ndarray,
    axis: np.ndarray | None,
    radius: float,
    side: np.ndarray | None,
) -> Bent:
    """The way of a string between two points.

    Args:
        ends: both points, (..., 3) [m].
        centre: (..., 3) of the geom [m].
        axis: (..., 3) of a cylinder; None is a sphere.
        radius: [m].
        side: (..., 3) a place on the side where it passes [m], or within the geom; None is the shorter way.
    """
    one, other = (end - centre for end in ends)
    heights = [np.zeros(one.shape[:-1])] * 2
    if axis is not None:
        heights = [(end * axis).sum(axis=-1) for end in (one, other)]
        one, other = (end - h[..., None] * axis for end, h in zip((one, other), heights, strict=True))
    lengths = [np.sqrt((end * end).sum(axis=-1) + TINY) for end in (one, other)]
    first = one / lengths[0][..., None]
    if axis is None:
        across = other - (other * first).sum(axis=-1)[..., None] * first
        # Where both and the centre are on one line any plane will do.
        least = np.eye(3)[np.abs(first).argmin(axis=-1)]
        lined = (across * across).sum(axis=-1) < LINED * (other * other).sum(axis=-1)
        across = np.where(lined[..., None], np.cross(first, least), across)
        second = across / np.sqrt((across * across).sum(axis=-1) + TINY)[..., None]
    else:
        second = np.cross(axis, first)

    def seen(place: np.ndarray) -> np.ndarray:
        return np.stack([(place * first).sum(axis=-1), (place * second).sum(axis=-1)], axis=-1)

    points = np.stack([lengths[0], np.zeros_like(lengths[0])], axis=-1), seen(other)
    apart = points[1] - points[0]
    share = np.clip(-(apart * points[0]).sum(axis=-1) / ((apart * apart).sum(axis=-1) + TINY), 0.0, 1.0)
    nearest = points[0] + share[..., None] * apart
    crosses = (nearest * nearest).sum(axis=-1) <= radius * radius
    outside = (lengths[0] > radius) & (lengths[1] > radius)
    sign, touches = _way(points, crosses, None if side is None else seen(side - centre))
    both, arc = _tangents(points, lengths, radius, sign)
    spans = [np.sqrt(np.maximum(length**2 - radius**2, 0.0)) for length in lengths]
    if side is not None:
        inside = np.linalg.norm(side - centre, axis=-1) < radius
        place = _touched(points, lengths, radius)
        both = np.where(inside[..., None], place, both[0]), np.where(inside[..., None], place, both[1])
        arc, touches = np.where(inside, 0.0, arc), np.where(inside, ~crosses, touches)
        within = [np.linalg.norm(place - point, axis=-1) for point in points]
        spans = [np.where(inside, *pair) for pair in zip(within, spans, strict=True)]
    touches = outside & touches
    total = spans[0] + arc + spans[1] + TINY
    climb = heights[1] - heights[0]
    levels = heights[0] + climb * spans[0] / total, heights[0] + climb * (spans[0] + arc) / total
    middle, found = 0.5 * (ends[0] + ends[1]), []
    shares = np.linspace(0.0, 1.0, DRAWN + 2)
    angles = [sign * share * arc / radius for share in shares[:-1]]
    ways = [*(_turned(both[0], angle) for angle in angles), both[1]]
    climbing = [levels[0] + share * (levels[1] - levels[0]) for share in shares]
    for at, level in zip(ways, climbing, strict=True):
        place = centre + at[..., :1] * first + at[..., 1:] * second
        place = place if axis is None else place + level[..., None] * axis
        found.append(np.where(touches[..., None], place, middle))
    return Bent(
        found[0], found[-1], np.where(touches, arc * np.sqrt(1.0 + (climb / total) ** 2), 0.0), touches, found[1:-1]
    )


def _tangents(
    points: tuple[np.ndarray, np.ndarray], lengths: list[np.ndarray], radius: float, sign: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Where tangents from both points touch the circle, and the arc between; counterclockwise for a sign of 1."""
    both = []
    for point, length, way in zip(points, lengths, (sign, -sign), strict=True):
        cosine = np.minimum(radius / length, 1.0)
        sine = way * np.sqrt(1.0 - cosine**2)
        x, y = point[..., 0] / length, point[..., 1] / length
        both.append(radius * np.stack([cosine * x - sine * y, cosine * y + sine * x], axis=-1))
    angle = np.arctan2(sign * _cross(*both), (both[0] * both[1]).sum(axis=-1))
    return (both[0], both[1]), radius * np.where(angle < -1e-6, angle + 2.0 * np.pi, angle)


def _way(
    points: tuple[np.ndarray, np.ndarray], crosses: np.ndarray, side: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Which way round in the plane, 1 or -1, and whether at all.

    It is the shorter one, if the geom is in the way, but for a side that is opposite: where its mirror image is between
    the directions of both ends, the string goes around even what it would pass.
    """
    shorter = np.where(points[1][..., 1] >= 0.0, 1.0, -1.0)
    if side is None:
        return shorter, crosses
    opposite = (shorter * _cross(points[0], side) <= 0.0) & (shorter * _cross(side, points[1]) <= 0.0)
    return np.where(opposite, -shorter, shorter), crosses | opposite


def _touched(points: tuple[np.ndarray, np.ndarray], lengths: list[np.ndarray], radius: float) -> np.ndarray:
    """The place on a circle that is nearest to both points together, which are beyond it: by Newton's steps."""
    ways = [point / length[..., None] for point, length in zip(points, lengths, strict=True)]
    gaps = [np.maximum(length - radius, TINY)[..., None] for length in lengths]
    way = ways[0] * gaps[1] + ways[1] * gaps[0]
    way = way / np.sqrt((way * way).sum(axis=-1) + TINY)[..., None]
    for _ in range(STEPS):
        along = np.stack([-way[..., 1], way[..., 0]], axis=-1)
        slope, curvature = np.zeros(way.shape[:-1]), np.zeros(way.shape[:-1])
        for point in points:
            beside, ahead = (point * along).sum(axis=-1), (point * way).sum(axis=-1)
            span = np.sqrt(np.maximum(radius**2 + (point * point).sum(axis=-1) - 2.0 * radius * ahead, TINY))
            slope -= beside / span
            curvature += ahead / span - radius * beside**2 / span**3
        way = way - (slope / np.where(np.abs(curvature) < TINY, 1.0, curvature))[..., None] * along
        way = way / np.sqrt((way * way).sum(axis=-1) + TINY)[..., None]
    return radius * way


def _turned(point: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """A point of the plane after a turn about the middle."""
    x, y, cosine, sine = point[..., 0], point[..., 1], np.cos(angle), np.sin(angle)
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
