"""Where the eye is, and how it goes along with what runs away: smoothly, knowing beforehand where that will go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.motion import smooth, steady
from diffsim.viewing.sight import Sight

__all__ = ["Content", "View", "track_of"]


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
