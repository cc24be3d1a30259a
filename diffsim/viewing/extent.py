"""How far what moves reaches: corners around it at some rows of a rollout."""

from __future__ import annotations

import numpy as np

from diffsim.viewing.look import Areas, Bodies, Element, Field, Points
from diffsim.viewing.parts import reaches

__all__ = ["around", "extremes", "finite", "rows_of", "size_of"]


def rows_of(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """What an array (rows, ...) says of some rows of the trajectory; the last that it has goes on."""
    found: np.ndarray = array[np.minimum(rows, len(array) - 1)]
    return found


def finite(points: np.ndarray) -> np.ndarray:
    """Those of points (m, d) that are there."""
    found: np.ndarray = points[np.isfinite(points).all(axis=1)]
    return found


def size_of(element: Element) -> float:
    """Extent of an element at the start [m]; 1 where it has none."""
    start = around(element, np.zeros(1, dtype=np.intp))
    places = np.zeros((0, 2)) if start is None else finite(start[0])
    return (float(np.ptp(places, axis=0).max()) if len(places) else 0.0) or 1.0


def extremes(points: np.ndarray) -> np.ndarray:
    """Few of the points (m, d) that reach as far as all of them do, seen from anywhere: in the plane a box."""
    if points.shape[1] == 2:
        return np.array([points.min(axis=0), points.max(axis=0)])
    return points[np.unique((_WAYS @ points.T).argmax(axis=1))]


def _ways() -> np.ndarray:
    """(k, 3) directions, evenly spread (a spiral from pole to pole), and the axes."""
    k = np.arange(96) + 0.5
    up, turn = 1.0 - 2.0 * k / 96.0, np.pi * (1.0 + 5.0**0.5) * k
    flat = np.sqrt(1.0 - up * up)
    ways = np.stack([flat * np.cos(turn), flat * np.sin(turn), up], axis=1)
    return np.concatenate([ways, np.eye(3), -np.eye(3)])


_WAYS = _ways()


def around(element: Element, rows: np.ndarray) -> np.ndarray | None:
    """(k, m, d) corners at k rows around an element [m]; None if it adds nothing to others."""
    if isinstance(element, Points):
        places = rows_of(element.places, rows)
        if element.radius is None:
            return places
        return np.concatenate([places - element.radius[:, None], places + element.radius[:, None]], axis=1)
    if isinstance(element, Field):
        return np.broadcast_to(np.stack([element.low, element.high]), (len(rows), 2, 2))
    if isinstance(element, Areas):
        corners = rows_of(element.corners, rows)
        return corners.reshape(len(rows), -1, corners.shape[-1])
    if isinstance(element, Bodies):
        places, turns = rows_of(element.places, rows), rows_of(element.turns, rows)
        return _of_plane(element, places) if places.shape[2] == 2 else _of_solids(element, places, turns)
    return None


def _of_plane(bodies: Bodies, places: np.ndarray) -> np.ndarray:
    """Opposite corners of the squares around bodies, however they turn."""
    reach = np.zeros(places.shape[1])
    for part in bodies.parts:
        reach[part.body] = max(reach[part.body], part.reach)
    return np.concatenate([places - reach[:, None], places + reach[:, None]], axis=1)


def _of_solids(bodies: Bodies, places: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """The places, and corners of upright boxes around all parts."""
    parts, owners = bodies.parts, [part.body for part in bodies.parts]
    if not parts:
        return places
    at, size = np.array([part.at for part in parts]), np.array([part.size for part in parts])
    turned = turns[:, owners] @ np.array([part.turn for part in parts])
    with np.errstate(invalid="ignore"):
        centre = places[:, owners] + (turns[:, owners] @ at[..., None])[..., 0]
        reach = reaches([part.shape for part in parts], turned, size)
        signs = np.stack(np.meshgrid(*[(-1.0, 1.0)] * 3), axis=-1).reshape(8, 1, 3)
        boxes = (centre[:, None] + signs * reach[:, None]).reshape(len(places), 8 * len(parts), 3)
    return np.concatenate([places, boxes], axis=1)
