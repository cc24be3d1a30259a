"""A rollout as plain data that a player draws without knowing models: points, lines, bodies, scenery, goals, forces.

No I/O, no Taichi. What does not change is a dictionary for JSON, the *still*; what does is channels over time. Places
are in metres, angles in radians, quaternions w, x, y, z. A still has

* ``dimension``, ``floor`` (normal, height, solid), ``walls`` (normal, height), ``goals``, ``outlook`` (azimuth and
  elevation of the eye [degrees]), ``follows``, ``box`` (what the camera must show), ``gains`` and ``legend``;
* what the type of scene is made of: ``points``, ``lines``, ``flesh``, ``bodies``, ``fixed``, ``joints``, ``stems``,
  ``sites``; see `diffsim.viewing.players`.

Channels are ``points`` (rows, n, d); ``places`` (rows, n, d) and ``turns`` (rows, n, 1: angle; or 4: quaternion) of
bodies; ``arrows`` (rows, m, 2 d: tail and vector); ``track`` (rows, d) of the camera; and ``actuation`` (rows, k).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.drawings import DRAWINGS, Drawing
from diffsim.viewing.packing import Channel
from diffsim.viewing.players import SKETCHES
from diffsim.viewing.scenery import Floor, floor_of, goals_of
from diffsim.viewing.view import track_of

__all__ = ["Recording", "frame_rows", "recordings"]

# A length is off by at most half of this share of what the picture shows: invisible, ten times enlarged too.
FINE = 1.0 / 8000.0

# Angles [rad] and quaternions: off by half of this, at the rim of a body that fills the picture 1/4000 of it.
TURN = 5e-4

# Actuations: shares of their range; fewer where there are many.
ASKED, ASKED_MANY, MANY = 1.0 / 2000.0, 1.0 / 250.0, 64

# Frames per second of simulated time; and frames that a short rollout may have all the same.
RATE, SHORT = 30.0, 240

# Forces that are shown at a time.
MOST_ARROWS = 48

# What an iteration shows may be this many times as large as what the first, the best and the last show, or it has no
# say in where the camera is: it diverged. Those themselves may be so many times as large as the median.
ABSURD, LOST = 2.0, 10.0


class Recording(NamedTuple):
    """One rollout for a player.

    Attributes:
        still: plain data, for JSON.
        channels: by name; each has a row per row of the trajectory.
        time: (rows,) [s].
        loss: None without an objective.
    """

    still: dict[str, Any]
    channels: dict[str, Channel]
    time: np.ndarray
    loss: float | None


class _Dots:
    """A `Drawing`'s numbers of places (rows, n, d) that nothing else is known about."""

    roams = False
    outlook = (-62.0, 20.0)

    def __init__(self, rollout: Rollout) -> None:
        places = np.array(rollout["position"], dtype=float)
        places[~(np.abs(places) < 1e100)] = np.nan
        self.position = places
        self.centre = np.nan_to_num(places).mean(axis=1)
        start = places[0][np.isfinite(places[0]).all(axis=1)]
        self.size = float(np.ptp(start, axis=0).max()) if len(start) else 1.0

    def content(self, track: np.ndarray | None = None) -> np.ndarray:
        places = self.position if track is None else self.position - track[:, None]
        places = places.reshape(-1, places.shape[2])
        places = places[np.isfinite(places).all(axis=1)]
        return places if len(places) else np.zeros((1, self.position.shape[2]))

    def ground(self) -> Floor | None:
        return None

    def sketch(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"points": {"count": self.position.shape[1], "ball": True, "pinned": []}}, {"points": self.position}


def recordings(rollouts: Sequence[Rollout], telling: Sequence[int] = (0, -1)) -> list[Recording] | None:
    """Rollouts of one environment each, of one problem, seen by one camera; None if there is nothing to draw.

    Args:
        rollouts: in the order of their iterations.
        telling: indices of those that the camera shows whole.
    """
    drawings = [_drawing(rollout) for rollout in rollouts]
    if not drawings or any(drawing is None for drawing in drawings):
        return None
    follows = any(drawing.roams for drawing in drawings)
    found = [_recording(rollout, drawing, follows) for rollout, drawing in zip(rollouts, drawings, strict=True)]
    box = _common_box([np.array(recording.still["box"]) for recording in found], telling)
    for recording in found:
        recording.still["box"] = box
    return found


def frame_rows(time: np.ndarray, thin: int = 1) -> np.ndarray:
    """Rows that are frames: evenly spread, about `RATE` per second or `SHORT` in all, and the last one.

    Args:
        time: (rows,) [s].
        thin: keep one in so many of them.
    """
    last = len(time) - 1
    most = max(SHORT, RATE * float(time[-1] - time[0]))
    stride = max(1, int(last / most)) * thin
    return np.unique(np.append(np.arange(0, last + 1, stride), last))


def _drawing(rollout: Rollout) -> Any:
    name = type(rollout.problem.scene).__name__
    if name in SKETCHES and name in DRAWINGS:
        return DRAWINGS[name](rollout)
    places = rollout.arrays.get("position")
    if places is not None and places.ndim == 3 and places.shape[2] in (2, 3) and places.size:
        return _Dots(rollout)
    return None


def _recording(rollout: Rollout, drawing: Drawing | _Dots, follows: bool) -> Recording:
    track = track_of(drawing, rollout) if follows else None  # type: ignore[arg-type]
    whole = shown = drawing.content()
    if track is not None:
        shown = drawing.content(track)
    dimension = shown.shape[1]
    floor = floor_of(drawing.ground(), whole)
    goals = goals_of(rollout, dimension)
    shown = np.concatenate([shown, goals if track is None else goals[:0]])
    shown = np.concatenate([shown, _feet(floor, shown, track)])
    size = float(np.ptp(shown, axis=0).max()) or 1.0
    if isinstance(drawing, _Dots):
        parts, moving = drawing.sketch()
    else:
        parts, moving = SKETCHES[type(rollout.problem.scene).__name__](rollout, drawing)
    still = {
        "dimension": dimension,
        "floor": {"normal": numbers(floor.normal), "height": floor.height, "solid": floor.solid},
        "goals": numbers(goals),
        "outlook": list(drawing.outlook),
        "follows": follows,
        "size": drawing.size,
        "box": numbers(_extremes(shown)),
        **parts,
    }
    if track is not None:
        moving["track"] = track
    channels = {name: Channel(values, _step(name, size)) for name, values in moving.items()}
    channels.update(_turning(channels, dimension))
    if "arrows" in channels:
        channels["arrows"] = Channel(_dense(channels["arrows"].values), channels["arrows"].step)
    channels["actuation"] = _actuation(rollout)
    loss = rollout.loss
    plain = float(loss) if loss is not None and np.ndim(loss) == 0 and np.isfinite(loss) else None
    return Recording(still, channels, np.asarray(rollout.time, dtype=float), plain)


def _step(name: str, size: float) -> float:
    return TURN if name == "turns" else FINE * size


def _turning(channels: dict[str, Channel], dimension: int) -> dict[str, Channel]:
    """Quaternions do not jump from one sign to the other: frames are interpolated."""
    if "turns" not in channels or dimension == 2:
        return {}
    turns = np.array(channels["turns"].values)
    filled = np.nan_to_num(turns)
    flips = np.where((filled[1:] * filled[:-1]).sum(axis=-1) < 0.0, -1.0, 1.0)
    turns[1:] *= np.cumprod(flips, axis=0)[..., None]
    return {"turns": Channel(turns, TURN)}


def _dense(arrows: np.ndarray) -> np.ndarray:
    """(rows, m, 2 d) of (rows, slots, 2 d): as many as there are at a time, those that are first."""
    there = np.isfinite(arrows).all(axis=2)
    most = min(int(there.sum(axis=1).max(initial=0)), MOST_ARROWS)
    order = np.argsort(~there, axis=1, kind="stable")[:, :most]
    return np.take_along_axis(np.where(there[..., None], arrows, np.nan), order[..., None], axis=1)


def _actuation(rollout: Rollout) -> Channel:
    """(rows, k): what is asked in the step that begins at a row; of the last row, what was asked before."""
    rows = len(rollout.time)
    asked = rollout.arrays.get("actuation")
    if asked is None or asked.ndim != 2 or not asked.size:
        return Channel(np.zeros((rows, 0)), 1.0)
    values = np.array(asked, dtype=float)[np.minimum(np.arange(rows), len(asked) - 1)]
    values[~(np.abs(values) < 1e100)] = np.nan
    fine = np.abs(values[np.isfinite(values)])
    share = ASKED if values.shape[1] <= MANY else ASKED_MANY
    return Channel(values, share * (float(np.quantile(fine, 0.999)) if len(fine) else 1.0) or 1.0)


def _feet(floor: Floor, points: np.ndarray, track: np.ndarray | None) -> np.ndarray:
    """Feet of the points on the ground, unless it is far below."""
    lifted = points if track is None else points + track[0]
    size = float(np.ptp(lifted, axis=0).max())
    if not floor.solid or floor.gap(lifted).min() > 3.0 * max(size, 0.1):
        return points[:0]
    feet = floor.foot(lifted)
    return feet if track is None else feet - track[0]


def _extremes(points: np.ndarray) -> np.ndarray:
    """Few of the points (m, d) that reach as far as all of them do, seen from anywhere."""
    if points.shape[1] == 2:
        low, high = points.min(axis=0), points.max(axis=0)
        return np.array([low, high])
    k = np.arange(96) + 0.5
    up, turn = 1.0 - 2.0 * k / 96.0, np.pi * (1.0 + 5.0**0.5) * k
    flat = np.sqrt(1.0 - up * up)
    ways = np.concatenate([np.stack([flat * np.cos(turn), flat * np.sin(turn), up], axis=1), np.eye(3), -np.eye(3)])
    return points[np.unique((points @ ways.T).argmax(axis=0))]


def _common_box(boxes: list[np.ndarray], telling: Sequence[int]) -> list[list[float]]:
    """What one camera shows of all: the telling ones, and others that are no absurdity beside them."""
    sizes = np.array([np.ptp(box, axis=0).max() for box in boxes])
    usual = float(np.median(sizes))
    chosen = [boxes[k] for k in telling if sizes[k] <= LOST * usual] or [boxes[int(np.abs(sizes - usual).argmin())]]
    union = np.concatenate(chosen)
    most = ABSURD * float(np.ptp(union, axis=0).max())
    others = [box for box in boxes if np.ptp(np.concatenate([box, union]), axis=0).max() <= most]
    found: list[list[float]] = numbers(_extremes(np.concatenate([union, *others])))
    return found


def numbers(values: np.ndarray, digits: int = 6) -> Any:
    """Nested lists of floats with so many digits that count."""
    array = np.asarray(values, dtype=float)
    flat = [float(f"{value:.{digits}g}") for value in array.ravel().tolist()]
    return np.array(flat).reshape(array.shape).tolist()
