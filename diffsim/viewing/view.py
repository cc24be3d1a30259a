"""Where the eye is, and how it goes along with what runs away: smoothly, knowing beforehand where that will go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from diffsim.rollout import Rollout

if TYPE_CHECKING:
    from diffsim.viewing.sight import Sight

__all__ = ["Content", "View", "smooth", "steady", "track_of"]

# Standard deviation of the moments that the camera averages over [s]: longer than a stride, so that the picture does
# not nod, and short enough for a robot that speeds up to stay in the middle.
CALM = 0.3


@dataclass(frozen=True)
class View:
    """Where the eye is.

    Attributes:
        azimuth: in 3D, direction from the scene to the eye, from the x axis towards the y axis [degrees]; None is -62,
            or the side from which a robot that moves in a plane is seen best.
        elevation: in 3D, height of the eye above the horizontal [degrees]; None is 20, or less for such a robot.
        perspective: in 3D, near things are larger; False is orthographic.
        follow: go along with what moves; False shows the whole way at once. None goes along with robots that get far
            for their size.
    """

    azimuth: float | None = None
    elevation: float | None = None
    perspective: bool = True
    follow: bool | None = None


class Content(NamedTuple):
    """What cameras must show of one rollout, or of several that are seen alike.

    Attributes:
        points: (m, d) positions [m]; of cameras that follow, less where the camera is.
        follows: whether they do.
    """

    points: np.ndarray
    follows: bool

    @classmethod
    def of(cls, sights: Sequence[Sight], rollouts: Sequence[Rollout], view: View) -> Content:
        """All that is to be seen of these rollouts; cameras follow all of them or none."""
        follows = any(sight.roams for sight in sights) if view.follow is None else view.follow
        pairs = zip(sights, rollouts, strict=True)
        parts = [sight.content(track_of(sight, rollout) if follows else None) for sight, rollout in pairs]
        return cls(np.concatenate(parts), follows)


def track_of(sight: Sight, rollout: Rollout) -> np.ndarray:
    """(rows, d) where a camera is that follows what is seen [m].

    Along the last axis, up and down, it goes only if that gets farther than its size; what hops, hops. There it
    is at zero otherwise.
    """
    found = smooth(steady(sight.centre, sight.size), rollout.time)
    if float(np.ptp(found[:, -1])) <= sight.size:
        found[:, -1] = 0.0
    return found


def steady(centre: np.ndarray, size: float) -> np.ndarray:
    """Places (rows, d) of something of a size [m] up to where it first leaps farther than that; NaN from there on.

    It diverged: a camera would follow it into the void, and long before it leaps.
    """
    rows = np.flatnonzero(np.isfinite(centre).all(axis=1))
    leaps = np.linalg.norm(np.diff(centre[rows], axis=0), axis=1) > size
    if not leaps.any():
        return centre
    found = centre.copy()
    found[rows[1:][leaps][0] :] = np.nan
    return found


def smooth(centre: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(rows, d) places (rows, d) at times (rows,) [s], averaged over moments before and after; NaN is filled in."""
    rows, fine = np.arange(len(centre)), np.isfinite(centre).all(axis=1)
    if not fine.any():
        return np.zeros_like(centre)
    filled = np.stack([np.interp(rows, rows[fine], part[fine]) for part in centre.T], axis=1)
    spacing = float(np.ptp(time)) / max(len(time) - 1, 1)
    width = min(CALM / spacing, len(rows) / 6.0) if spacing > 0.0 else 0.0
    reach = min(int(3.0 * width), len(rows) - 1)
    if reach > 0:
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
        # Goes on beyond the ends as it was before them, or the camera would lag behind there.
        padded = np.pad(filled, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
        filled = np.stack([np.convolve(part, weights / weights.sum(), mode="valid") for part in padded.T], axis=1)
    return filled
