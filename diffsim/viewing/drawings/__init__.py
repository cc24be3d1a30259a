"""How each type of scene looks: one class per type, registered here by the name of the scene's class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from diffsim.errors import InputError
from diffsim.rollout import Rollout
from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.drawings.articulated import ArticulatedDrawing
from diffsim.viewing.drawings.mass_spring import MassSpringDrawing
from diffsim.viewing.drawings.rigid_bodies import RigidBodiesDrawing
from diffsim.viewing.scenery import Floor

__all__ = ["DRAWINGS", "Drawing", "drawing_of"]


class Drawing(Protocol):
    """How the body of one rollout, of one environment, looks; d is 2 or 3."""

    @property
    def centre(self) -> np.ndarray:
        """(rows, d) of what moves [m]."""

    @property
    def roams(self) -> bool:
        """Whether it gets so far that a picture had better follow it."""

    @property
    def size(self) -> float:
        """Of what moves, at the start [m]."""

    @property
    def outlook(self) -> tuple[float, float]:
        """In 3D, azimuth and elevation of an eye that sees it well [degrees]."""

    def content(self, track: np.ndarray | None = None) -> np.ndarray:
        """(m, d) positions that the camera must show [m]; finite, at least one.

        Of a camera that moves along a track (rows, d) [m]: positions less the track, of what moves only.
        """

    def ground(self) -> Floor | None:
        """What it stands on; None is nothing, and a reference grid is drawn."""

    def paint_scenery(self, canvas: Canvas, camera: Camera) -> None:
        """Paint what stays as it is: onto the background, once, or each time that the camera has moved."""

    def paint(self, canvas: Canvas, camera: Camera, floor: Floor, row: int) -> None:
        """Paint the body, with its shadow, as it is at a row of the trajectory."""

    def paint_legend(self, canvas: Canvas, corner: tuple[float, float]) -> None:
        """Say what the colours mean, up and left of a corner [pixels]; small, or nothing at all."""


# A scene type is drawn once it has a line here.
DRAWINGS: dict[str, Callable[[Rollout], Drawing]] = {
    "Articulated": ArticulatedDrawing,
    "MassSpring": MassSpringDrawing,
    "RigidBodies": RigidBodiesDrawing,
}


def drawing_of(rollout: Rollout) -> Drawing:
    """The drawing for the rollout's type of scene.

    Raises:
        InputError: naming the types that can be drawn.
    """
    name = type(rollout.problem.scene).__name__
    if name not in DRAWINGS:
        raise InputError(f"there is no drawing for a {name}; drawn are {', '.join(sorted(DRAWINGS))}")
    return DRAWINGS[name](rollout)
