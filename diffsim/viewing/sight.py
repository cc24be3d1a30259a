"""The look of a rollout, asked of its kind of world, and measured: what a camera must show, and what it may follow."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.paths import along
from diffsim.physics import physics_of
from diffsim.rollout import Rollout
from diffsim.viewing.extent import around, extremes, finite, rows_of
from diffsim.viewing.look import Bodies, Fixed, Joints, Look, Points
from diffsim.viewing.motion import steady
from diffsim.viewing.parts import Part, reaches
from diffsim.viewing.planes import Floor
from diffsim.viewing.shaped import WILD

__all__ = ["Sight", "look_of", "why_empty"]

# What stands still is shown as far as it is no farther from where bodies are than this share of their space: a floor
# may be a mile long. In space, where more is seen of what is far, less.
NEAR = {2: 1.0, 3: 0.5}

# What gets farther than this many times its size is followed, if it may be.
FAR = 1.5

# Rows that the camera looks at, and those where boxes around solids have to be found; a view that fits 400 rows fits
# those between. Of very many points fewer: so many numbers in all.
MOST_ROWS, MOST_ROWS_OF_SOLIDS, MOST_NUMBERS = 400, 200, 2_000_000

# Of more places than this only those that reach farthest are told.
MOST_PLACES = 60_000


def look_of(rollout: Rollout) -> Look:
    """What is to be seen of a rollout of one environment; of a kind that says nothing, its points.

    Raises:
        InputError: the look that is registered is no `Look`, or not for as many rows as the rollout has.
    """
    scene = rollout.problem.scene
    try:
        look: Any = physics_of(scene).look
    except InputError:  # nobody has registered it: there is a rollout all the same
        look = None
    if look is None:
        return _with_goals(_points(rollout), rollout)
    found = look(rollout)
    if not isinstance(found, Look):
        raise InputError(f"the look of a {type(scene).__name__} is {type(found).__name__}, but a Look is needed")
    rows = len(rollout.time)
    for element in found.elements:
        for name, array in element.moving().items():
            if len(array) not in (1, rows - 1, rows):
                raise InputError(
                    f"{type(element).__name__}.{name} of a {type(scene).__name__} has {len(array)} rows, but the "
                    f"rollout has {rows}; {rows}, {rows - 1} (one a step) or 1 (it does not move) are allowed"
                )
    if found.centre is not None and len(found.centre) != rows:
        raise InputError(f"Look.centre has {len(found.centre)} rows, but the rollout has {rows}")
    return _with_goals(found, rollout)


def _with_goals(look: Look, rollout: Rollout) -> Look:
    """The same with the places that the objective wants followed (`diffsim.objectives.Follow`), below all others."""
    numbers, share = rollout.numbers, np.linspace(0.0, 1.0, len(rollout.time))
    paths = [value for name, value in numbers.items() if name.startswith("objective.") and name.endswith(".path")]
    if not paths or not look.elements:
        return look
    places = np.stack([along(path, share)[0] for path in paths], axis=1)
    return replace(look, elements=(Points(places, colour="goal"), *look.elements))


def why_empty(rollout: Rollout) -> tuple[str, str]:
    """Two lines of words, of a rollout of which nothing is to be seen."""
    name = type(rollout.problem.scene).__name__
    return f"There is nothing to be seen of a {name}:", "it has no look, and no array position of points."


def _points(rollout: Rollout) -> Look:
    places = rollout.arrays.get("position")
    if places is None or places.ndim != 3 or places.shape[2] not in (2, 3) or not places.size:
        return Look([])
    return Look([Points(places)])


class Sight:
    """A look as a camera finds it, over ``rows`` rows and in d dimensions.

    Attributes:
        look: what is to be seen.
        empty: whether that is nothing.
        dimension: d.
    """

    def __init__(self, rollout: Rollout) -> None:
        """Of one environment."""
        self.look = look_of(rollout)
        self.empty = not self.look.elements
        self.dimension = self.look.dimension
        self._rows = len(rollout.time)

    @cached_property
    def roams(self) -> bool:
        """Whether it gets so far that a picture had better follow it."""
        if not self.look.roams:
            return False
        centre = finite(steady(self.centre, self.size))
        return bool(len(centre) and np.ptp(centre, axis=0).max() > FAR * self.size)

    @cached_property
    def size(self) -> float:
        """Of what moves, at the start [m]."""
        if self.look.size is not None:
            return float(self.look.size)
        start = finite(self._around(np.zeros(1, dtype=np.intp), None))
        return (float(np.ptp(start, axis=0).max()) if len(start) else 0.0) or 1.0

    @cached_property
    def centre(self) -> np.ndarray:
        """(rows, d) of what moves [m]."""
        if self.look.centre is not None:
            found: np.ndarray = self.look.centre
            return found
        rows = np.arange(self._rows)
        places = [rows_of(element.places, rows) for element in self._moving()]
        if not places:
            return np.zeros((self._rows, self.dimension))
        together = np.concatenate(places, axis=1)
        there = np.isfinite(together)
        count = np.where(there.any(axis=1), there.sum(axis=1), np.nan)
        return np.where(there, together, 0.0).sum(axis=1) / count

    def _moving(self) -> list[Points | Bodies]:
        found: list[Points | Bodies] = self.look.of(Points, Bodies)
        return [element for element in found if len(element.places) > 1 or self._rows == 1]

    def content(self, track: np.ndarray | None = None) -> np.ndarray:
        """(m, d) positions that the camera must show [m]: what moves, but not what flies off, and what is near it.

        With a track (rows, d) that the camera moves along: what moves as seen from there, and nothing else.
        """
        still = self._still() if track is None else []
        moving = finite(self._around(self._looked_at(), track))
        if len(moving):
            reach = WILD * self.size if self.look.reach is None else self.look.reach
            moving = moving[np.abs(moving - moving[0]).max(axis=1) <= reach]
            if len(moving) > MOST_PLACES:
                moving = extremes(moving)
        elif still:
            return np.concatenate(still)
        else:
            return np.zeros((1, self.dimension))
        low, high = moving.min(axis=0), moving.max(axis=0)
        margin = NEAR[self.dimension] * float((high - low).max())
        near = [_common(box, low - margin, high + margin) for box in still]
        if self.dimension == 2 and track is None:
            corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
            feet = [plane.foot(corners)[plane.gap(corners).argmin()][None] for plane in self._planes()]
            near += [foot for foot in feet if np.all((foot >= low - margin) & (foot <= high + margin))]
        return np.concatenate([moving, *near])

    def _planes(self) -> list[Floor]:
        return [*([self.look.ground] if self.look.ground is not None else []), *self.look.walls]

    def _looked_at(self) -> np.ndarray:
        """Indices of the rows that the camera looks at."""
        most = MOST_ROWS_OF_SOLIDS if self.dimension == 3 and self.look.of(Bodies) else MOST_ROWS
        count = sum(array[0].size for element in self.look.elements for array in element.moving().values())
        most = min(most, max(MOST_NUMBERS // max(count, 1), 20))
        return np.unique(np.linspace(0, self._rows - 1, most).astype(int))

    def _around(self, rows: np.ndarray, track: np.ndarray | None) -> np.ndarray:
        """(m, d) corners around what moves in some rows [m], less the track there."""
        found = [np.zeros((0, self.dimension))]
        for element in self.look.elements:
            corners = around(element, rows)
            if corners is None:
                continue
            if track is not None:
                corners = corners - track[rows, None]
            found.append(corners.reshape(-1, self.dimension))
        return np.concatenate(found)

    def _still(self) -> list[np.ndarray]:
        """Boxes (2, d) around scenery, and places (1, d) of anchors in the world [m]."""
        found = []
        for element in self.look.of(Fixed, Joints):
            if isinstance(element, Fixed):
                found += [_box(part) for part in element.parts if part.fill[3] > 0.0]
            elif self.dimension == 2:
                ends = ((joint.bodies[k], joint.anchors[k]) for joint in element.joints for k in range(2))
                found += [anchor[None] for owner, anchor in ends if owner < 0]
        return found


def _box(part: Part) -> np.ndarray:
    """(2, d) opposite corners of the upright box around a part that stands still [m]."""
    if part.dimension == 3:
        reach = reaches([part.shape], part.turn[None], part.size[None])[0]
        return np.stack([part.at - reach, part.at + reach])
    points = part.placed(part.core)
    return np.array([points.min(axis=0) - part.margin, points.max(axis=0) + part.margin])


def _common(box: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The part of a box, or a point, given by corners (k, d), that is within another box; (0, d) if there is none."""
    apart = np.any(box.min(axis=0) > high) or np.any(box.max(axis=0) < low)
    return box[:0] if apart else np.clip(box, low, high)
