"""Where points, balls and ellipsoids meet height fields: a decision which triangle is near, and what follows from it.

A field is MuJoCo's: heights at the corners of equal rectangles, each of two triangles along the diagonal from its
corner of the lowest x and y. Above them a ball meets what is nearest, a triangle, an edge or a corner; a second spot is
for a further triangle, as in a valley. Corners, and balls whose centre is below, are pushed along the normal of the
triangle at their place.

An ellipsoid is a ball of radius 1 in a frame that is stretched along its axes, and what is nearest is found there. With
n across what was found, a triangle or an edge, it reaches h(n) = |s m| down from its middle, m that direction in its
frame and s the half sizes: its depth in a triangle is exact, that in an edge or a corner but for the square of the
depth over how round it is there.
"""

from typing import Any

import taichi as ti

from diffsim.engine.stages import Stage
from diffsim.physics.articulated.compliance import TINY, corner_of
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.touch import Touch

__all__ = ["stages"]

FAR = 1.0e10
"""More than any distance [m]."""

AHEAD = 1.5
"""Of its radius, or largest half size, how far from something round is looked: it may come nearer within a substep."""


@ti.func
def corner_at(touch: ti.template(), env, geom, number):
    """(3,) a corner of a field in its frame [m]."""
    size = touch.geom_size[env, geom]
    row = number // touch.field_columns[geom]
    column = number - row * touch.field_columns[geom]
    x = 2.0 * ti.cast(column, touch.real) / ti.cast(touch.field_columns[geom] - 1, touch.real) - 1.0
    y = 2.0 * ti.cast(row, touch.real) / ti.cast(touch.field_rows[geom] - 1, touch.real) - 1.0
    return ti.Vector([x * size[0], y * size[1], touch.heights[env, touch.field_start[geom] + number]])


@ti.func
def place_over(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, spot):
    """(3,) a spot of the first geom in the frame of the second, a field [m]."""
    a = touch.first[spot]
    b = touch.second[spot]
    own = part * tree.frames + touch.frame[a]
    size = touch.geom_size[env, a]
    ball = ti.cast(touch.round[a], touch.real)
    tube = ti.cast(touch.tube[a], touch.real)
    along = ball * size[1] + (1.0 - ball) * (tube * size[1] + (1.0 - tube) * size[2])
    across = tube * size[0] + (1.0 - tube) * size[1]
    corner = corner_of(touch, spot)
    out = ti.Vector([corner[0] * size[0], corner[1] * across, corner[2] * along])
    inner = touch.geom_position[env, a] + unpacked(touch.turn[env, a]) @ out
    place = motion.position[env, row, own] + unpacked(motion.rotation[env, row, own]) @ inner
    frame = part * tree.frames + touch.frame[b]
    turned = unpacked(motion.rotation[env, row, frame])
    middle = motion.position[env, row, frame] + turned @ touch.geom_position[env, b]
    return (turned @ unpacked(touch.turn[env, b])).transpose() @ (place - middle)


@ti.func
def stretch_of(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, spot):
    """(3, 3) from a frame in which an ellipsoid is a ball of radius 1 to that of the field [m]; 1 for other shapes."""
    a = touch.first[spot]
    b = touch.second[spot]
    oval = ti.cast(touch.oval[a], touch.real)
    size = touch.geom_size[env, a]
    own = unpacked(motion.rotation[env, row, part * tree.frames + touch.frame[a]]) @ unpacked(touch.turn[env, a])
    field = unpacked(motion.rotation[env, row, part * tree.frames + touch.frame[b]]) @ unpacked(touch.turn[env, b])
    turned = field.transpose() @ own
    return ti.Matrix(
        [[oval * turned[i, j] * size[j] + (1.0 - oval) * (1.0 if i == j else 0.0) for j in range(3)] for i in range(3)]
    )


@ti.func
def triangle_of(touch: ti.template(), geom, x: ti.i32, y: ti.i32, upper: ti.i32):
    """(3,) corners of a triangle of a cell, counter-clockwise seen from above; the lower one has the larger x."""
    first = y * touch.field_columns[geom] + x
    second = first + 1 + upper * touch.field_columns[geom]
    third = first + touch.field_columns[geom] + 1 - upper
    return ti.Vector([first, second, third])


@ti.func
def share_of(apart, side):
    """Where along a side the place nearest to a point lies, from 0 to 1."""
    return ti.min(1.0, ti.max(0.0, apart.dot(side) / side.dot(side)))


@ti.func
def nearest_of(touch: ti.template(), env, geom, place, squeezed, triangle):
    """Squared distance from a triangle, between how many corners its nearest place is, and the corners.

    Args:
        touch, env, geom: which field.
        place: (3,) in its frame [m].
        squeezed: (3, 3) from there to the frame in which distances count.
        triangle: (3,) its corners.
    """
    corner = corner_at(touch, env, geom, triangle[0])
    u = squeezed @ (corner_at(touch, env, geom, triangle[1]) - corner)
    v = squeezed @ (corner_at(touch, env, geom, triangle[2]) - corner)
    apart = squeezed @ (place - corner)
    uu, uv, vv, up, vp = u.dot(u), u.dot(v), v.dot(v), u.dot(apart), v.dot(apart)
    spread = uu * vv - uv * uv
    x, y = (vv * up - uv * vp) / spread, (uu * vp - uv * up) / spread
    offset = apart - x * u - y * v
    square, corners, order = offset.dot(offset), 3, triangle
    if x < 0.0 or y < 0.0 or x + y > 1.0:
        square = FAR
        for side in range(3):  # the nearest of its sides, or of their ends
            start, along, ends = ti.Vector([0.0, 0.0, 0.0]) * x, u, triangle
            if side == 1:
                start, along, ends = u, v - u, ti.Vector([triangle[1], triangle[2], triangle[0]])
            elif side == 2:
                start, along, ends = v, -v, ti.Vector([triangle[2], triangle[0], triangle[1]])
            share = share_of(apart - start, along)
            off = apart - start - share * along
            if off.dot(off) < square:
                square, corners, order = off.dot(off), 2, ends
                if share <= 0.0:
                    corners = 1
                elif share >= 1.0:
                    corners, order = 1, ti.Vector([ends[1], ends[2], ends[0]])
    return square, corners, order


@ti.func
def find(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """Decide which triangle a spot is over, and what of it is nearest."""
    part = element // touch.lands
    own = element - part * touch.lands
    spot = touch.planes + touch.couples - touch.lands + own
    a = touch.first[spot]
    b = touch.second[spot]
    place = place_over(touch, tree, motion, env, row, part, spot)
    size = touch.geom_size[env, b]
    cells = ti.Vector([touch.field_columns[b] - 1, touch.field_rows[b] - 1])
    across = 0.5 * (place[0] / size[0] + 1.0) * ti.cast(cells[0], touch.real)
    along = 0.5 * (place[1] / size[1] + 1.0) * ti.cast(cells[1], touch.real)
    found, order = 0, ti.Vector([0, 0, 0])
    if across >= 0.0 and along >= 0.0 and across <= cells[0] and along <= cells[1]:
        x = ti.min(ti.cast(across, ti.i32), cells[0] - 1)
        y = ti.min(ti.cast(along, ti.i32), cells[1] - 1)
        below = triangle_of(touch, b, x, y, ti.cast(along - y > across - x, ti.i32))
        corner = corner_at(touch, env, b, below[0])
        normal = (corner_at(touch, env, b, below[1]) - corner).cross(corner_at(touch, env, b, below[2]) - corner)
        high = normal.dot(place - corner) > 0.0
        if touch.round[a] + touch.oval[a] == 1 and high:
            squeezed = stretch_of(touch, tree, motion, env, row, part, spot).inverse()
            sizes = touch.geom_size[env, a]
            largest = ti.max(sizes[0], ti.cast(touch.oval[a], touch.real) * ti.max(sizes[1], sizes[2]))
            reach = ti.static(AHEAD) * largest + touch.margin[env, spot]
            wide = ti.cast(reach * cells[0] / (2.0 * size[0]), ti.i32) + 1
            deep = ti.cast(reach * cells[1] / (2.0 * size[1]), ti.i32) + 1
            least, next_least = FAR, FAR
            first = -1
            second_order = ti.Vector([0, 0, 0])
            second_found = 0
            for j in range(ti.max(y - deep, 0), ti.min(y + deep, cells[1] - 1) + 1):
                for i in range(ti.max(x - wide, 0), ti.min(x + wide, cells[0] - 1) + 1):
                    for upper in range(2):
                        triangle = triangle_of(touch, b, i, j, upper)
                        number = 2 * (j * cells[0] + i) + upper
                        square, corners, ends = nearest_of(touch, env, b, place, squeezed, triangle)
                        if square < least:
                            # What was nearest is the further one, if it is a triangle.
                            if found == 3:
                                next_least, second_found, second_order = least, 3, order
                            least, found, order, first = square, corners, ends, number
                        elif corners == 3 and square < next_least and number != first:
                            next_least, second_found, second_order = square, 3, ends
            if touch.further[own] == 1:
                found, order = second_found, second_order
        elif touch.further[own] == 0:
            found, order = 3, below
    touch.near_corners[env, row, element] = found
    for k in ti.static(range(3)):
        touch.near_corner[env, row, 3 * element + k] = order[k]


@ti.func
def meet_field(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """A corner or a ball, and what it is near to of a field."""
    part = element // touch.lands
    pair = touch.couples - touch.lands + element - part * touch.lands
    spot = touch.planes + pair
    a = touch.first[spot]
    b = touch.second[spot]
    store = part * touch.couples + pair
    corners = touch.near_corners[env, row, element]
    if corners > 0:
        frame = part * tree.frames + touch.frame[b]
        turned = unpacked(motion.rotation[env, row, frame])
        middle = motion.position[env, row, frame] + turned @ touch.geom_position[env, b]
        out_of = turned @ unpacked(touch.turn[env, b])
        place = place_over(touch, tree, motion, env, row, part, spot)
        stretch = stretch_of(touch, tree, motion, env, row, part, spot)
        squeezed = stretch.inverse()
        ball = ti.cast(touch.round[a], touch.real)
        oval = ti.cast(touch.oval[a], touch.real)
        face = ti.cast(corners == 3, touch.real)
        edge = ti.cast(corners > 1, touch.real)
        corner = corner_at(touch, env, b, touch.near_corner[env, row, 3 * element])
        one = corner_at(touch, env, b, touch.near_corner[env, row, 3 * element + 1]) - corner
        other = corner_at(touch, env, b, touch.near_corner[env, row, 3 * element + 2]) - corner
        apart = place - corner
        # Away from an edge, or from a corner; across the ellipsoid of this shape that just touches it.
        along = squeezed @ one
        beside = apart - edge * (squeezed @ apart).dot(along) / along.dot(along) * one
        across = squeezed.transpose() @ (squeezed @ beside)
        upright = one.cross(other)
        level = upright / ti.sqrt(upright.dot(upright))
        normal = face * level + (1.0 - face) * across / ti.sqrt(across.dot(across) + TINY)
        distance = normal.dot(face * apart + (1.0 - face) * beside)
        bulge = stretch.transpose() @ normal
        reach = ti.sqrt(bulge.dot(bulge))
        radius = ball * touch.geom_size[env, a][0] + oval * reach
        lowest = place - ball * radius * normal - oval / reach * (stretch @ bulge)
        touch.overlap[env, row, store] = ti.Vector([radius + touch.margin[env, spot] - distance, 1.0])
        touch.toward[env, row, store] = out_of @ (-normal)
        if ti.static(not touch.held):
            # MuJoCo's law has it in the middle of what overlaps.
            touch.place_of[env, row, store] = middle + out_of @ (lowest + 0.5 * (radius - distance) * normal)
        else:
            touch.place_of[env, row, store] = middle + out_of @ lowest
            ridge = (1.0 - face) * edge / ti.sqrt(one.dot(one)) * (out_of @ one)
            curved = (1.0 - face) / ti.sqrt(beside.dot(beside) + TINY)
            touch.bend[env, row, store] = ti.Vector([ridge[0], ridge[1], ridge[2], curved, radius])
    else:
        touch.overlap[env, row, store] = ti.Vector([-FAR, 0.0])
        touch.toward[env, row, store] = ti.Vector([0.0, 0.0, 1.0])
        touch.place_of[env, row, store] = ti.Vector([0.0, 0.0, 0.0])
        if ti.static(touch.held):
            touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0])


def stages(touch: Touch, tree: Any, motion: Any) -> tuple[Stage, ...]:
    """The decision, and the geometry of every spot."""
    records = (touch, tree, motion)
    return (Stage(find, records, touch.lands, differentiable=False), Stage(meet_field, records, touch.lands))
