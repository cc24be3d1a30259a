"""How strings run around spheres and cylinders, in stages: `wrapping` says how, in NumPy.

The way round, and whether there is one, are decided where the string is; places and lengths follow smoothly from that.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.physics.articulated.rotation import columns, unit, unpacked
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.tendon_kinematics import runs_inside
from diffsim.physics.articulated.wrapping import STEPS

__all__ = ["Wraps", "wound", "wraps_of"]

TINY = 1.0e-12
"""Added to a squared length [m^2]."""

LINED = 1.0e-12
"""Squared sine below which two points and the centre of a sphere are on one line."""


@dataclass(frozen=True)
class Wraps:
    """Legs around geoms: fields (wrap,) of whole numbers, (env, geom) and (env, site) of numbers."""

    geom: Any  # which geom
    frame: Any  # of its link, or the world behind the frames
    tube: Any  # 1 for a cylinder
    within: Any  # 1 where it runs inside, 2 where it does if its site is
    sided: Any  # 1 where a site says on which side
    site: Any  # that site, or 0
    site_frame: Any
    position: Any  # [m]
    orientation: Any
    size: Any  # [m]
    inner: bool  # whether any may run inside
    real: Any
    count: int


def wraps_of(scene: Articulated, fields: Fields, world: int, legs: list[Any]) -> Wraps | None:
    """Declare the fields of legs around geoms; None without any. ``world`` is its frame."""
    if not legs:
        return None
    geoms = [scene.geom(leg.wrap.geom) for leg in legs]
    names = [site.name for _, site in scene.all_sites]
    sides = [names.index(leg.wrap.side) if leg.wrap.side else 0 for leg in legs]
    within = np.array([runs_inside(scene, leg.wrap) for leg in legs])

    def stored(owners: list[int]) -> Any:
        return fields.integers(np.array([owner if owner >= 0 else world for owner in owners]))

    def number(name: str, width: int) -> Any:
        return fields.number(f"scene.geom_{name}", len(scene.all_geoms), width)

    return Wraps(
        geom=fields.integers(np.array([k for k, _, _ in geoms])),
        frame=stored([owner for _, owner, _ in geoms]),
        tube=fields.integers(np.array([geom.shape == "cylinder" for _, _, geom in geoms])),
        within=fields.integers(within),
        sided=fields.integers(np.array([leg.wrap.side is not None for leg in legs])),
        site=fields.integers(np.array(sides)),
        site_frame=stored([scene.all_sites[k][0] for k in sides]),
        position=number("position", 3),
        orientation=number("orientation", 4),
        size=number("size", 3),
        inner=bool(within.any()),
        real=fields.real,
        count=len(legs),
    )


@ti.func
def planar(place, first, second):
    """A place in the plane of two directions."""
    return ti.Vector([place.dot(first), place.dot(second)])


@ti.func
def square_cross(a, b):
    """The cross product of two vectors of a plane."""
    return a[0] * b[1] - a[1] * b[0]


@ti.func
def tangent(point, length, radius, sign):
    """Where a tangent from a point touches the circle; counterclockwise of the point for a sign of 1."""
    cosine = ti.min(radius / length, 1.0)
    sine = sign * ti.sqrt(ti.max(1.0 - cosine * cosine, 0.0) + TINY)
    return (radius / length) * ti.Vector([cosine * point[0] - sine * point[1], cosine * point[1] + sine * point[0]])


@ti.func
def way_round(one, other, crosses, side, sided):
    """(2,) sign of the way round, and 1 if there is one: the shorter one, but for a side that is opposite."""
    shorter = 2.0 * ti.cast(other[1] >= 0.0, ti.f32) - 1.0
    opposite = sided * ti.cast(shorter * square_cross(one, side) <= 0.0, ti.f32)
    opposite *= ti.cast(shorter * square_cross(side, other) <= 0.0, ti.f32)
    return ti.Vector([(1.0 - 2.0 * opposite) * shorter, ti.max(crosses, opposite)])


@ti.func
def touched(one, other, lengths, radius):
    """The place on the circle from which both points, beyond it, are nearest together."""
    gap = ti.max(lengths[0] - radius, TINY)
    beyond = ti.max(lengths[1] - radius, TINY)
    aim = (beyond / lengths[0]) * one + (gap / lengths[1]) * other
    way = aim / ti.sqrt(aim.dot(aim) + TINY * TINY)
    for _ in ti.static(range(STEPS)):
        along = ti.Vector([-way[1], way[0]])
        first = ti.sqrt(ti.max(radius * radius + one.dot(one) - 2.0 * radius * one.dot(way), 0.0) + TINY)
        second = ti.sqrt(ti.max(radius * radius + other.dot(other) - 2.0 * radius * other.dot(way), 0.0) + TINY)
        beside = one.dot(along) / first
        ahead = other.dot(along) / second
        curvature = one.dot(way) / first + other.dot(way) / second
        curvature -= radius * (beside * beside / first + ahead * ahead / second)
        safe = ti.cast(ti.abs(curvature) > TINY, ti.f32)
        turned = way + (safe * (beside + ahead) / (curvature + 1.0 - safe)) * along
        way = turned / ti.sqrt(turned.dot(turned))
    return radius * way


@ti.func
def wound(wraps: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, which, here, there):
    """(7,) where a string from ``here`` to ``there`` meets a geom and leaves it, and its length between [m].

    Where it does not touch, both are the middle between its ends, and there is no length.
    """
    geom = wraps.geom[which]
    frame = part * tree.frames + wraps.frame[which]
    rotation = unpacked(motion.rotation[env, row, frame])
    centre = motion.position[env, row, frame] + rotation @ wraps.position[env, geom]
    turn = columns(unit(wraps.orientation[env, geom]))
    radius = wraps.size[env, geom][0]
    tube = ti.cast(wraps.tube[which], wraps.real)
    axis = tube * (rotation @ ti.Vector([turn[0, 2], turn[1, 2], turn[2, 2]]))
    low = (here - centre).dot(axis)
    high = (there - centre).dot(axis)
    one = here - centre - low * axis
    other = there - centre - high * axis
    near = ti.sqrt(one.dot(one) + TINY * TINY)
    far = ti.sqrt(other.dot(other) + TINY * TINY)
    first = one / near
    # Across it in the plane: of a sphere towards the other end; where all are on one line any plane will do.
    across = other - other.dot(first) * first
    pick = ti.Vector([ti.cast(ti.abs(first[c]) < 0.6, wraps.real) for c in ti.static(range(3))])
    lined = ti.cast(across.dot(across) < LINED * far * far, wraps.real)
    across = (1.0 - lined) * across + lined * first.cross(ti.Vector([pick[0], 2.0 * pick[1], 3.0 * pick[2]]))
    second = tube * axis.cross(first) + (1.0 - tube) / ti.sqrt(across.dot(across) + TINY * TINY) * across
    begin = ti.Vector([near, 0.0])
    end = planar(other, first, second)
    lengths = ti.Vector([near, far])
    # The straight way.
    apart = end - begin
    share = ti.min(ti.max(-apart.dot(begin) / (apart.dot(apart) + TINY * TINY), 0.0), 1.0)
    nearest = begin + share * apart
    crosses = ti.cast(nearest.dot(nearest) <= radius * radius, wraps.real)
    outside = ti.cast(near > radius, wraps.real) * ti.cast(far > radius, wraps.real)
    # Around.
    sided = ti.cast(wraps.sided[which], wraps.real)
    site = part * tree.frames + wraps.site_frame[which]
    spot = motion.position[env, row, site]
    spot += unpacked(motion.rotation[env, row, site]) @ tree.site_position[env, wraps.site[which]]
    round_it = way_round(begin, end, crosses, planar(spot - centre, first, second), sided)
    touches = outside * round_it[1]
    meets = tangent(begin, near, radius, round_it[0])
    leaves = tangent(end, far, radius, -round_it[0])
    angle = ti.atan2(round_it[0] * square_cross(meets, leaves), meets.dot(leaves))
    arc = radius * (angle + ti.static(2.0 * np.pi) * ti.cast(angle < -1.0e-6, wraps.real))
    comes = ti.sqrt(ti.max(near * near - radius * radius, 0.0) + TINY)
    goes = ti.sqrt(ti.max(far * far - radius * radius, 0.0) + TINY)
    if ti.static(wraps.inner):
        off = (spot - centre).dot(spot - centre) - radius * radius
        if wraps.within[which] == 1 or (wraps.within[which] == 2 and off < 0.0):
            place = touched(begin, end, lengths, radius)
            touches = outside * (1.0 - crosses)
            meets = place
            leaves = place
            arc = 0.0
            comes = ti.sqrt((place - begin).dot(place - begin) + TINY)
            goes = ti.sqrt((place - end).dot(place - end) + TINY)
    total = comes + arc + goes
    climb = (high - low) / total
    middle = 0.5 * (here + there)
    met = centre + meets[0] * first + meets[1] * second + (low + climb * comes) * axis
    left = centre + leaves[0] * first + leaves[1] * second + (low + climb * (comes + arc)) * axis
    met = touches * met + (1.0 - touches) * middle
    left = touches * left + (1.0 - touches) * middle
    curve = touches * arc * ti.sqrt(1.0 + climb * climb)
    return ti.Vector([met[0], met[1], met[2], left[0], left[1], left[2], curve])
