"""What changes where two geoms touch as one of them turns: the point, the normal, and the rate of the depth."""

import taichi as ti

from diffsim.physics.articulated.compliance import TINY
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.spatial import angular, linear

__all__ = ["bent_by", "carry_over", "lies_flat"]


@ti.func
def carry_over(touch: ti.template(), env, row, element, speed, arm, normal):
    """How the velocity of a link changes where it touches something that stands still, at no spatial acceleration.

    What is round moves the point along with its centre, and turns the normal on what is not flat; of a box that moves
    over something round, the point stays there and the normal turns with the box.

    Args:
        touch, env, row, element: which pair.
        speed: spatial velocity of the link.
        arm: (3,) of the point of contact [m].
        normal: (3,) towards the link.
    """
    bend = touch.bend[env, row, element]
    ridge = ti.Vector([bend[0], bend[1], bend[2]])  # along which the normal does not turn
    spin = angular(speed)
    centre = linear(speed) + spin.cross(arm + bend[4] * normal)
    turning = bend[3] * (centre - normal.dot(centre) * normal - ridge.dot(centre) * ridge)
    point = linear(speed) + spin.cross(arm)
    side = 2.0 * ti.cast(bend[4] >= 0.0, touch.real) - 1.0
    return side * spin.cross(centre - bend[4] * turning) + turning.dot(point) * normal


@ti.func
def lies_flat(touch: ti.template(), pair):
    """1 if a pair is of those with a plane or a height field."""
    over = pair - (touch.rounds + touch.boxes + touch.points)
    land = pair - (touch.couples - touch.lands)
    return ti.cast((over >= 0 and over < touch.flats) or (land >= 0 and land < touch.lands), ti.i32)


@ti.func
def bent_by(touch: ti.template(), motion: ti.template(), env, row, frame, element, geom, speed, normal):
    """How the rate of its depth changes as an ellipsoid turns on something flat, beside what `carry_over` says.

    With its half sizes s, the normal m in its frame and q = |s m| its lowest point moves over it by H u, u = w x n the
    way that the normal turns in its frame and H = (s^2 - s^2 m m s^2 / q^2) / q: of a ball the radius, twice.

    Args:
        touch, motion, env, row, element: which pair.
        frame, geom: of the ellipsoid.
        speed: spatial velocity of its link.
        normal: (3,) towards it.
    """
    along = unpacked(motion.rotation[env, row, frame]) @ unpacked(touch.turn[env, geom])
    turning = angular(speed).cross(normal)
    own = along.transpose() @ turning
    squares = touch.geom_size[env, geom] * touch.geom_size[env, geom]
    far = squares * (along.transpose() @ normal)
    high = ti.sqrt(far.dot(along.transpose() @ normal) + TINY)
    curved = ((squares * own).dot(own) - (far.dot(own) / high) ** 2) / high
    bend = touch.bend[env, row, element]
    even = ti.cast(bend[3] == 0.0, touch.real)  # not on an edge of a height field
    return even * (curved - bend[4] * turning.dot(turning))
