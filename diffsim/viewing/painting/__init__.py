"""Pictures painted by hand from a look, whatever kind of world it is of: one file for each sort of element."""

from __future__ import annotations

from diffsim.rollout import Rollout
from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.legend import paint_scales, scales_of
from diffsim.viewing.look import Areas, Arrows, Bodies, Field, Fixed, Joints
from diffsim.viewing.painting.actuation import Actuation
from diffsim.viewing.painting.arrows import paint_arrows
from diffsim.viewing.painting.bodies import FlatBodies, paint_fixed, paint_walls
from diffsim.viewing.painting.fields import paint_areas, paint_field
from diffsim.viewing.painting.joints import FlatJoints
from diffsim.viewing.painting.points import Nets
from diffsim.viewing.painting.solid_bodies import SolidBodies, paint_planes
from diffsim.viewing.planes import Floor
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
        self._scales = scales_of(look)

    def paint_scenery(self, canvas: Canvas, camera: Camera) -> None:
        """What stays as it is: onto the background, once, or each time that the camera has moved.

        In space only planes that are not the ground: what else there is may stand before bodies, and is painted with
        them.
        """
        if not camera.flat:
            paint_planes(canvas, camera, self._look, self._size)
            return
        paint_walls(canvas, camera, self._look)
        for fixed in self._look.of(Fixed):
            paint_fixed(canvas, camera, fixed)

    def paint_filled(self, canvas: Canvas, camera: Camera, row: int) -> None:
        """Fields and areas at a row of the trajectory; scenery stands before them."""
        for element in self._filled:
            (paint_field if isinstance(element, Field) else paint_areas)(canvas, camera, element, row)

    def paint(self, canvas: Canvas, camera: Camera, floor: Floor, row: int) -> None:
        """All else, with shadows, as it is at a row of the trajectory."""
        self._nets.paint_shadows(canvas, camera, floor, row)
        for bodies in self._bodies:
            bodies.paint_shadows(canvas, camera, row)
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
