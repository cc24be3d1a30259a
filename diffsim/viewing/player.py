"""A rollout as plain data that a player draws without knowing kinds of worlds: elements, scenery, goals, a camera.

No I/O, no Taichi. What does not change is a dictionary for JSON, the *still*; what does is channels over time. Places
are in metres, angles in radians, quaternions w, x, y, z. A still has

* ``dimension``, ``floor`` and ``walls`` (normal, height, whether solid, whether with shadows), ``goals``, ``outlook``
  (azimuth and elevation of the eye [degrees]), ``follows``, ``box`` (what the camera must show), ``legend`` (scales);
* ``elements``, a dictionary each, with names of channels in place of what moves; see `Elements`;
* ``series``, what is drawn over time: ``name``, ``unit``, ``labels`` and the ``channel``; of very many actuators also
  the ``order`` in which they are alike;
* ``table``, whether it is one that is seen from above.

Channels are those of the elements; ``track`` (rows, d) of the camera; ``actuation`` (rows, k); and those of the series.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.extent import extremes
from diffsim.viewing.legend import scales_of
from diffsim.viewing.packing import Channel
from diffsim.viewing.planes import Floor
from diffsim.viewing.player_elements import FINE, Elements, plain_scale
from diffsim.viewing.scenery import floor_of, goals_of
from diffsim.viewing.series import Series, alike
from diffsim.viewing.shaped import tame
from diffsim.viewing.sight import Sight
from diffsim.viewing.view import track_of

__all__ = ["Recording", "frame_rows", "recordings"]

# Actuations: shares of their range; fewer where there are many.
ASKED, ASKED_MANY, MANY = 1.0 / 2000.0, 1.0 / 250.0, 64

# Of more actuators than this the rows of a picture are sorted.
MIXED = 40

# Frames per second of simulated time; and frames that a short rollout may have all the same.
RATE, SHORT = 30.0, 240

# What an iteration shows may be this many times as large as what the first, the best and the last show, or it has no
# say in where the camera is: it diverged. Those themselves may be so many times as large as the median.
ABSURD, BEYOND = 2.0, 10.0


class Recording(NamedTuple):
    """One rollout for a player.

    Attributes:
        still: plain data, for JSON.
        channels: by name; each has a row per row of the trajectory.
        time: (rows,) [s].
        loss: None without an objective.
        words: the loss in words, by term; empty without.
        surfaces: plain data for JSON, to which parts of the still that are meshes point by number.
    """

    still: dict[str, Any]
    channels: dict[str, Channel]
    time: np.ndarray
    loss: float | None
    words: str
    surfaces: list[dict[str, Any]]


def recordings(rollouts: Sequence[Rollout], telling: Sequence[int] = (0, -1)) -> list[Recording] | None:
    """Rollouts of one environment each, of one problem, seen by one camera; None if there is nothing to draw.

    Args:
        rollouts: in the order of their iterations.
        telling: indices of those that the camera shows whole.
    """
    sights = [Sight(rollout) for rollout in rollouts]
    if not sights or any(sight.empty for sight in sights):
        return None
    follows = any(sight.roams for sight in sights)
    found = [_recording(rollout, sight, follows) for rollout, sight in zip(rollouts, sights, strict=True)]
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


def _recording(rollout: Rollout, sight: Sight, follows: bool) -> Recording:
    look = sight.look
    track = track_of(sight, rollout) if follows else None
    whole = shown = sight.content()
    if track is not None:
        shown = sight.content(track)
    dimension = shown.shape[1]
    floor = floor_of(look.ground, whole)
    goals = goals_of(rollout, dimension)
    shown = np.concatenate([shown, goals if track is None else goals[:0]])
    shown = np.concatenate([shown, _feet(floor, shown, track)])
    size = float(np.ptp(shown, axis=0).max()) or 1.0
    elements = Elements(look, len(rollout.time), size)
    still = {
        "dimension": dimension,
        "floor": _plane(floor),
        "walls": [_plane(wall) for wall in look.walls],
        "goals": numbers(goals),
        "outlook": list(look.outlook),
        "follows": follows,
        "size": sight.size,
        "box": numbers(extremes(shown)),
        "elements": elements.plain,
        "legend": [plain_scale(scale) for scale in scales_of(look)],
        "table": look.table,
    }
    channels = dict(elements.channels)
    if track is not None:
        channels["track"] = Channel(track, FINE * size)
    channels["actuation"] = asked = _actuation(rollout)
    still["series"] = [_asked(rollout, asked.values)] if asked.values.size else []
    for k, series in enumerate([*look.series, *_energy(rollout)]):
        channels[f"series{k}"] = _curves(series, len(rollout.time))
        told = {"name": series.name, "unit": series.unit, "labels": list(series.labels)}
        still["series"].append({**told, "channel": f"series{k}"})
    loss = rollout.loss
    plain = float(loss) if loss is not None and np.ndim(loss) == 0 and np.isfinite(loss) else None
    return Recording(still, channels, np.asarray(rollout.time, dtype=float), plain, rollout.words, elements.surfaces)


def _plane(floor: Floor) -> dict[str, Any]:
    normal = numbers(floor.normal, 9)
    return {"normal": normal, "height": floor.height, "solid": floor.solid, "shadows": floor.shadows}


def _actuation(rollout: Rollout) -> Channel:
    """(rows, k): what is asked in the step that begins at a row; of the last row, what was asked before."""
    rows = len(rollout.time)
    asked = rollout.arrays.get("actuation")
    if asked is None or asked.ndim != 2 or not asked.size:
        return Channel(np.zeros((rows, 0)), 1.0)
    values = tame(asked)[np.minimum(np.arange(rows), len(asked) - 1)]
    fine = np.abs(values[np.isfinite(values)])
    share = ASKED if values.shape[1] <= MANY else ASKED_MANY
    return Channel(values, share * (float(np.quantile(fine, 0.999)) if len(fine) else 1.0) or 1.0)


def _asked(rollout: Rollout, asked: np.ndarray) -> dict[str, Any]:
    """The series of what is asked of actuators; of many also an order in which those that act alike are near."""
    actuators = getattr(rollout.problem.scene, "actuators", ())
    names = [str(getattr(actuator, "name", None) or k) for k, actuator in enumerate(actuators)]
    if len(names) != asked.shape[1]:
        names = list(map(str, range(asked.shape[1])))
    found: dict[str, Any] = {"name": "actuation", "unit": "", "labels": names, "channel": "actuation"}
    if asked.shape[1] > MIXED:
        found["order"] = alike(asked).tolist()
    return found


def _energy(rollout: Rollout) -> list[Series]:
    if "energy" not in rollout.derives:
        return []
    try:
        return [Series("energy", "J", rollout["energy"], ("energy",))]
    except KeyError:  # the rollout holds only a part of what the scene records
        return []


def _curves(series: Series, rows: int) -> Channel:
    values = series.values[np.minimum(np.arange(rows), len(series.values) - 1)]
    fine = np.abs(values[np.isfinite(values)])
    return Channel(values, ASKED * (float(np.quantile(fine, 0.999)) if len(fine) else 1.0) or 1.0, series.peaks)


def _feet(floor: Floor, points: np.ndarray, track: np.ndarray | None) -> np.ndarray:
    """Feet of the points on the ground, unless it is far below."""
    lifted = points if track is None else points + track[0]
    size = float(np.ptp(lifted, axis=0).max())
    if not floor.solid or floor.gap(lifted).min() > 3.0 * max(size, 0.1):
        return points[:0]
    feet = floor.foot(lifted)
    return feet if track is None else feet - track[0]


def _common_box(boxes: list[np.ndarray], telling: Sequence[int]) -> list[list[float]]:
    """What one camera shows of all: the telling ones, and others that are no absurdity beside them."""
    sizes = np.array([np.ptp(box, axis=0).max() for box in boxes])
    usual = float(np.median(sizes))
    chosen = [boxes[k] for k in telling if sizes[k] <= BEYOND * usual] or [boxes[int(np.abs(sizes - usual).argmin())]]
    union = np.concatenate(chosen)
    most = ABSURD * float(np.ptp(union, axis=0).max())
    others = [box for box in boxes if np.ptp(np.concatenate([box, union]), axis=0).max() <= most]
    found: list[list[float]] = numbers(extremes(np.concatenate([union, *others])))
    return found


def numbers(values: np.ndarray, digits: int = 6) -> Any:
    """Nested lists of floats with so many digits that count."""
    array = np.asarray(values, dtype=float)
    flat = [float(f"{value:.{digits}g}") for value in array.ravel().tolist()]
    return np.array(flat).reshape(array.shape).tolist()
