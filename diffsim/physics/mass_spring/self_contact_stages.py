"""Contact of a body with itself: a decision which facets each point is near to, and the force of each such pair.

Where a point is nearest to an edge or corner that several facets share, the one of them that is nearest counts (of
equally near ones the first), so that a flat surface of many facets presses like one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.mass_spring.scene import MassSpring
from diffsim.physics.mass_spring.self_contact import pressed_points, skipped_facets

__all__ = ["touching"]

TINY = 1e-24
"""Added to a squared distance [m^2], or to the square of twice an area [m^4], that is divided by."""


@dataclass(frozen=True)
class Near:
    """Points and the facets that they are near to; k points, each with room for some facets."""

    point: Any  # (k,) the points that may meet facets
    facet: Any  # (facet * d + i,) points of each facet
    first: Any  # (k + 1,) where the facets that a point skips begin
    skipped: Any  # the facets that a point skips, in rising order
    count: Any  # (env, row, k) how many facets each point is near to
    corners: Any  # (env, row, k * room + slot) how many corners the nearest place lies between; 0: another facet has it
    corner: Any  # (env, row, (k * room + slot) * d + i) the facet's points, those first
    square: Any  # (env, k * room + slot) squared distance [m^2]
    limit: Any  # (env, 2) where room did not suffice
    stiffness: Any  # (env, 0) [N/m]
    damping: Any  # (env, 0) [s/m]
    points: int
    facets: int
    room: int
    d: int
    thickness: float  # [m]


@ti.func
def reset(near: ti.template(), motion: ti.template(), env, row, step, element):
    near.limit[env, 0] = 0


# Deciding what is near: forward only


@ti.func
def keep(near: ti.template(), env, row, k, square, corners, corner: ti.template()):
    """List a facet; what is nearest to the point lies between its first corners."""
    d = ti.static(len(corner))
    m = near.count[env, row, k]
    if m < near.room:
        slot = k * near.room + m
        near.square[env, slot] = square
        near.corners[env, row, slot] = corners
        for i in ti.static(range(d)):
            near.corner[env, row, slot * d + i] = corner[i]
    near.count[env, row, k] = m + 1


@ti.func
def share_of(apart, side):
    """Where along a side the place nearest to a point lies, from 0 to 1."""
    return ti.min(1.0, ti.max(0.0, apart.dot(side) / ti.max(side.dot(side), TINY)))


@ti.func
def look_at_edge(near: ti.template(), motion: ti.template(), env, row, k, facet):
    a, b = near.facet[2 * facet], near.facet[2 * facet + 1]
    apart = motion.position[env, row, near.point[k]] - motion.position[env, row, a]
    side = motion.position[env, row, b] - motion.position[env, row, a]
    share = share_of(apart, side)
    offset = apart - share * side
    square = offset.dot(offset)
    if square < near.thickness * near.thickness:
        if share > 0.0 and share < 1.0:
            keep(near, env, row, k, square, 2, ti.Vector([a, b]))
        elif share > 0.0:
            keep(near, env, row, k, square, 1, ti.Vector([b, a]))
        else:
            keep(near, env, row, k, square, 1, ti.Vector([a, b]))


@ti.func
def look_at_triangle(near: ti.template(), motion: ti.template(), env, row, k, facet):
    a, b, c = near.facet[3 * facet], near.facet[3 * facet + 1], near.facet[3 * facet + 2]
    apart = motion.position[env, row, near.point[k]] - motion.position[env, row, a]
    u = motion.position[env, row, b] - motion.position[env, row, a]
    v = motion.position[env, row, c] - motion.position[env, row, a]
    reach = ti.max(u.dot(u), v.dot(v)) + near.thickness * near.thickness
    if apart.dot(apart) < 2.0 * reach:
        uu, uv, vv, up, vp = u.dot(u), u.dot(v), v.dot(v), u.dot(apart), v.dot(apart)
        spread = ti.max(uu * vv - uv * uv, TINY)
        x, y = (vv * up - uv * vp) / spread, (uu * vp - uv * up) / spread
        offset = apart - x * u - y * v
        square, corners = offset.dot(offset), 3
        order = ti.Vector([a, b, c])
        if x <= 0.0 or y <= 0.0 or x + y >= 1.0:
            square = 1e30
            for side in range(3):  # the nearest of its sides, or of their ends
                start, along = ti.Vector([0.0, 0.0, 0.0]), u
                ends = ti.Vector([a, b, c])
                if side == 1:
                    start, along, ends = u, v - u, ti.Vector([b, c, a])
                elif side == 2:
                    start, along, ends = v, -v, ti.Vector([c, a, b])
                share = share_of(apart - start, along)
                off = apart - start - share * along
                if off.dot(off) < square:
                    square, corners, order = off.dot(off), 2, ends
                    if share <= 0.0:
                        corners = 1
                    elif share >= 1.0:
                        corners, order = 1, ti.Vector([ends[1], ends[2], ends[0]])
        if square < near.thickness * near.thickness:
            keep(near, env, row, k, square, corners, order)


@ti.func
def drop_shared(near: ti.template(), env, row, k, found):
    """Leave a shared edge or corner to the nearest of the facets that have it, and of equally near ones to the first.

    Of a facet that is left out, the corners are counted as none; which they are stays, so the order does not matter.
    """
    for m in range(found):
        slot = k * near.room + m
        corners = near.corners[env, row, slot]
        lost = False
        for other in range(found):
            place = k * near.room + other
            closer = near.square[env, place] < near.square[env, slot]
            tie = near.square[env, place] == near.square[env, slot] and other < m
            if corners < near.d and (closer or tie):
                shared = 0
                for i in range(corners):
                    for j in range(near.d):
                        if near.corner[env, row, slot * near.d + i] == near.corner[env, row, place * near.d + j]:
                            shared += 1
                lost = lost or shared == corners
        if lost:
            near.corners[env, row, slot] = 0


@ti.func
def search(near: ti.template(), motion: ti.template(), env, row, step, k):
    """List the facets that a point is near to."""
    near.count[env, row, k] = 0
    skip = near.first[k]
    for facet in range(near.facets):
        if skip < near.first[k + 1] and near.skipped[skip] == facet:
            skip += 1
        elif ti.static(near.d == 2):
            look_at_edge(near, motion, env, row, k, facet)
        else:
            look_at_triangle(near, motion, env, row, k, facet)
    found = near.count[env, row, k]
    if found > near.room:
        first = near.limit[env, 0] == 0
        if first or (near.limit[env, 0] == step + 1 and near.limit[env, 1] < found):
            near.limit[env, 0] = step + 1
            near.limit[env, 1] = found
        found = near.room
        near.count[env, row, k] = found
    drop_shared(near, env, row, k, found)


# What is near presses


@ti.func
def strength(near: ti.template(), env, gap, rate):
    """The force [N] at a distance and its rate."""
    depth = near.thickness - gap
    return near.stiffness[env, 0] * depth * ti.max(0.0, 1.0 - near.damping[env, 0] * rate)


@ti.func
def push_from_edge(near: ti.template(), motion: ti.template(), env, row, point, a, b, share, way: ti.template(), gap):
    """Push a point along ``way``, a unit vector, away from the place at that share of an edge."""
    moved = (1.0 - share) * motion.velocity[env, row, a] + share * motion.velocity[env, row, b]
    rate = way.dot(motion.velocity[env, row, point] - moved)
    force = strength(near, env, gap, rate) * way
    motion.force[env, row, point] += force
    motion.force[env, row, a] += (share - 1.0) * force
    motion.force[env, row, b] += -share * force


@ti.func
def press_edge(near: ti.template(), motion: ti.template(), env, row, step, slot):
    k = slot // near.room
    if slot - k * near.room < near.count[env, row, k]:
        point = near.point[k]
        a, b = near.corner[env, row, 2 * slot], near.corner[env, row, 2 * slot + 1]
        apart = motion.position[env, row, point] - motion.position[env, row, a]
        if near.corners[env, row, slot] == 2:
            side = motion.position[env, row, b] - motion.position[env, row, a]
            square = side.dot(side) + TINY
            out = ti.Vector([side[1], -side[0]]) / ti.sqrt(square)
            push_from_edge(near, motion, env, row, point, a, b, apart.dot(side) / square, out, apart.dot(out))
        elif near.corners[env, row, slot] == 1:
            distance = ti.sqrt(apart.dot(apart) + TINY)
            push_from_edge(near, motion, env, row, point, a, b, 0.0, apart / distance, distance)


@ti.func
def push_from_triangle(
    near: ti.template(), motion: ti.template(), env, row, point, slot, x, y, way: ti.template(), gap
):
    """Push a point along ``way``, a unit vector, off the place of a triangle with these weights of corners 1 and 2."""
    a, b, c = near.corner[env, row, 3 * slot], near.corner[env, row, 3 * slot + 1], near.corner[env, row, 3 * slot + 2]
    own = 1.0 - x - y
    moved = own * motion.velocity[env, row, a] + x * motion.velocity[env, row, b] + y * motion.velocity[env, row, c]
    rate = way.dot(motion.velocity[env, row, point] - moved)
    force = strength(near, env, gap, rate) * way
    motion.force[env, row, point] += force
    motion.force[env, row, a] += -own * force
    motion.force[env, row, b] += -x * force
    motion.force[env, row, c] += -y * force


@ti.func
def press_triangle(near: ti.template(), motion: ti.template(), env, row, step, slot):
    k = slot // near.room
    if slot - k * near.room < near.count[env, row, k]:
        point, corners = near.point[k], near.corners[env, row, slot]
        a = near.corner[env, row, 3 * slot]
        apart = motion.position[env, row, point] - motion.position[env, row, a]
        u = motion.position[env, row, near.corner[env, row, 3 * slot + 1]] - motion.position[env, row, a]
        if corners == 3:
            v = motion.position[env, row, near.corner[env, row, 3 * slot + 2]] - motion.position[env, row, a]
            uu, uv, vv, up, vp = u.dot(u), u.dot(v), v.dot(v), u.dot(apart), v.dot(apart)
            spread = uu * vv - uv * uv + TINY
            out = u.cross(v) / ti.sqrt(spread)
            x, y = (vv * up - uv * vp) / spread, (uu * vp - uv * up) / spread
            push_from_triangle(near, motion, env, row, point, slot, x, y, out, apart.dot(out))
        elif corners > 0:
            along = corners - 1  # 1: the nearest place is on the side from corner 0 to 1; 0: it is corner 0
            x = along * apart.dot(u) / (u.dot(u) + TINY)
            offset = apart - x * u
            distance = ti.sqrt(offset.dot(offset) + TINY)
            push_from_triangle(near, motion, env, row, point, slot, x, 0.0, offset / distance, distance)


def touching(scene: MassSpring, fields: Fields, motion: Any) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """Stages of preparation and of a step, of a scene whose body touches itself; none of one that does not."""
    if scene.self_contact is None:
        return (), ()
    near = _near(scene, fields, scene.self_contact)
    k, press = near.points, press_edge if scene.dimension == 2 else press_triangle
    decide = Stage(search, (near, motion), k, differentiable=False)
    return (Stage(reset, (near, motion), 1, differentiable=False),), (
        decide,
        Stage(press, (near, motion), k * near.room),
    )


def _near(scene: MassSpring, fields: Fields, law: Any) -> Near:
    n, d = len(scene.points), scene.dimension
    points = pressed_points(n, scene.cells, scene.surface)
    skipped = skipped_facets(points, scene.springs, scene.surface, n)
    k = len(points)

    def explain(env: int, step: int, needed: int) -> str:
        return (
            f"step {step} of environment {env} has a point near to {needed} facets of its own surface, but there is "
            f"room for {law.room}; SelfContact(room={needed + 2}) makes more, and a smaller thickness leaves fewer"
        )

    return Near(
        point=fields.integers(points),
        facet=fields.integers(scene.surface),
        first=fields.integers(np.cumsum([0, *map(len, skipped)])),
        skipped=fields.integers(np.concatenate([*skipped, np.array([-1])])),
        count=fields.decision(k),
        corners=fields.decision(k * law.room),
        corner=fields.decision(k * law.room * d),
        square=fields.scratch_numbers(k * law.room),
        limit=fields.limit(explain),
        stiffness=fields.number("scene.contact_stiffness", 1),
        damping=fields.number("scene.contact_damping", 1),
        points=k,
        facets=len(scene.surface),
        room=law.room,
        d=d,
        thickness=law.thickness,
    )
