"""Pictures painted by hand from a look, whatever kind of world it is of: one file for each sort of element."""

from __future__ import annotations

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.camera import Camera, Viewport
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.legend import paint_scales, scales_of
from diffsim.viewing.look import Areas, Arrows, Bodies, Field, Fixed, Joints, Trail
from diffsim.viewing.painting.actuation import Actuation
from diffsim.viewing.painting.arrows import paint_arrows
from diffsim.viewing.painting.bodies import FlatBodies, paint_fixed, paint_table, paint_walls
from diffsim.viewing.painting.fields import paint_areas, paint_field
from diffsim.viewing.painting.joints import FlatJoints
from diffsim.viewing.painting.points import Nets
from diffsim.viewing.painting.solid_bodies import SolidBodies, paint_planes
from diffsim.viewing.painting.trails import Trails
from diffsim.viewing.planes import Floor
from diffsim.viewing.scenery import paint_distances, paint_floor
from diffsim.viewing.sight import Sight
from diffsim.viewing.solids import Layers

__all__ = ["Painter"]


class Painter:
    """Paints what is to be seen of one rollout, of one environment.

    Attributes:
        covers: whether it is painted over what stands in the background.
    """

    def __init__(self, sight: Sight, rollout: Rollout) -> None:
        """Work out what does not change from row to row."""
        look = self._look = sight.look
        self._size = sight.size
        actuation = Actuation(rollout)
        self._filled = look.of(Field, Areas)
        self.covers = bool(self._filled)
        self._nets, self._arrows = Nets(look, actuation), look.of(Arrows)
        self._solids = SolidBodies(look, actuation) if look.dimension == 3 else None
        flat = look.dimension == 2
        self._bodies = [FlatBodies(bodies, look) for bodies in look.of(Bodies)] if flat else []
        self._joints = [FlatJoints(joints, actuation) for joints in look.of(Joints)] if flat else []
        self._trails = [Trails(trail) for trail in look.of(Trail)]
        self._scales = scales_of(look)

    def paint_scenery(self, canvas: Canvas, camera: Camera) -> None:
        """What stays as it is: onto the background, once, or each time that the camera has moved.

        In space only planes that are not the ground: what else there is may stand before bodies, and is painted with
        them.
        """
        if not camera.flat:
            paint_planes(canvas, camera, self._look, self._size)
            return
        if not self._look.table:
            paint_walls(canvas, camera, self._look)
        for fixed in self._look.of(Fixed):
            paint_fixed(canvas, camera, fixed)

    def paint_floor(
        self, canvas: Canvas, camera: Camera, viewport: Viewport, floor: Floor, content: np.ndarray
    ) -> None:
        """What is below or behind everything: a table, else the ground or a grid, with distances."""
        if self._look.table:
            paint_table(canvas, camera, self._look)
            paint_distances(canvas, camera, viewport, floor)
        else:
            paint_floor(canvas, camera, viewport, floor, content)

    def paint_filled(self, canvas: Canvas, camera: Camera, row: int) -> None:
        """Fields and areas at a row of the trajectory; scenery stands before them."""
        for element in self._filled:
            (paint_field if isinstance(element, Field) else paint_areas)(canvas, camera, element, row)

    def paint(self, canvas: Canvas, camera: Camera, floor: Floor, row: int) -> None:
        """All else, with shadows, as it is at a row of the trajectory."""
        self._nets.paint_shadows(canvas, camera, floor, row)
        for bodies in self._bodies:
            bodies.paint_shadows(canvas, camera, row)
        for trail in self._trails:
            trail.paint(canvas, camera, row)
        for joints in self._joints:
            joints.paint_rails(canvas, camera, row)
        for bodies in self._bodies:
            bodies.paint(canvas, camera, row)
        for joints in self._joints:
            joints.paint(canvas, camera, row)
        layers: Layers | None = None
        if self._solids is not None:
            layers = self._solids.paint(canvas, camera, floor, row)
        self._nets.paint(canvas, camera, layers, row)
        if self._solids is not None:
            self._solids.paint_marks(canvas, camera, layers, row)
        thick = 0.0 if self._solids is None else self._solids.thick
        for arrows in self._arrows:
            paint_arrows(canvas, camera, arrows, layers, thick, row)

    def paint_legend(self, canvas: Canvas, corner: tuple[float, float]) -> None:
        """Say what the colours mean, up and left of a corner [pixels]; small, or nothing at all."""
        paint_scales(canvas, corner, self._scales)
