"""Pieces of a terrain: where they are, and a decision which one a point's way of a step leads to first.

A piece is a part of a polyline, number k from its left end, or a triangle, number 2 cell + 1 if it is the one of the
larger y. Those at the ends go on for ever.
"""

import taichi as ti

from diffsim.physics import contact

__all__ = ["find_piece", "piece_of"]

BESIDE = 1.0e-6
"""Share of a cell by which pieces are larger: nothing falls between two by rounding."""


@ti.func
def corner_of(points: ti.template(), env, x, y):
    """(d,) where the terrain is at a corner of its cells [m]."""
    if ti.static(len(points.cells) == 1):
        return ti.Vector([points.low[0] + points.width[0] * x, points.heights[env, x]])
    else:
        number = y * ti.static(points.cells[0] + 1) + x
        return ti.Vector(
            [points.low[0] + points.width[0] * x, points.low[1] + points.width[1] * y, points.heights[env, number]]
        )


@ti.func
def piece_of(points: ti.template(), env, piece):
    """(d,) a place on a piece [m], and its normal."""
    if ti.static(len(points.cells) == 1):
        at = corner_of(points, env, piece, 0)
        along = corner_of(points, env, piece + 1, 0) - at
        normal = ti.Vector([-along[1], along[0]])
        return at, normal / ti.sqrt(normal.dot(normal))
    else:
        cell = piece // 2
        upper = piece - 2 * cell
        y = cell // ti.static(points.cells[0])
        x = cell - y * ti.static(points.cells[0])
        at = corner_of(points, env, x, y)
        one = corner_of(points, env, x + 1, y + upper) - at
        other = corner_of(points, env, x + 1 - upper, y + 1) - at
        normal = one.cross(other)
        return at, normal / ti.sqrt(normal.dot(normal))


@ti.func
def share_of(points: ti.template(), position, c: ti.template()):
    """How many cells a place is from the low end along an axis."""
    return (position[c] - points.low[c]) / points.width[c]


@ti.func
def cell_of(points: ti.template(), position, c: ti.template()):
    """Number of the cell that a place is over, along an axis; beyond the ends that at the end."""
    last = ti.static(float(points.cells[c] - 1))
    return ti.cast(ti.min(ti.max(ti.floor(share_of(points, position, c)), 0.0), last), ti.i32)


@ti.func
def on_cell(points: ti.template(), position, c: ti.template(), cell):
    """Whether a place is over a cell, along an axis."""
    inner = share_of(points, position, c) - cell
    after = inner >= -BESIDE or cell == 0
    before = inner <= 1.0 + BESIDE or cell == ti.static(points.cells[c] - 1)
    return after and before


@ti.func
def time_on(points: ti.template(), motion: ti.template(), env, row, point, dt, position, velocity, piece):
    """When a point meets a piece in a step [s]; more than the step if it does not.

    Below a piece that it is over, as past a corner in a hollow, it is there at once.
    """
    at, normal = piece_of(points, env, piece)
    gap, speed = (position - at).dot(normal), velocity.dot(normal)
    found = 2.0 * dt
    if contact.meets(gap, speed, dt):
        time = contact.time_of_impact(ti.max(gap, 0.0), speed, motion.velocity[env, row, point].dot(normal), dt)
        place = position + time * velocity
        over = True
        if ti.static(len(points.cells) == 1):
            over = on_cell(points, place, 0, piece)
        else:
            cell = piece // 2
            upper = piece - 2 * cell
            y = cell // ti.static(points.cells[0])
            x = cell - y * ti.static(points.cells[0])
            slant = share_of(points, place, 1) - y - share_of(points, place, 0) + x
            side = (slant >= -BESIDE and upper == 1) or (slant <= BESIDE and upper == 0)
            over = on_cell(points, place, 0, x) and on_cell(points, place, 1, y) and side
        if over:
            found = time
    return found


@ti.func
def find_piece(points: ti.template(), motion: ti.template(), env, row, step, k):
    """Which piece a point meets first, if any."""
    point = points.mobile[k]
    dt = ti.static(points.dt)
    force = motion.force[env, row, point]
    if ti.static(points.pushed):
        force += points.force[env, point]
    velocity = points.keep[env, 0] * motion.velocity[env, row, point] + dt * (
        points.inverse_mass[env, point] * force + points.gravity[env, 0]
    )
    position = motion.position[env, row, point]
    end = position + dt * velocity
    best, piece = 1.5 * dt, -1
    first, last = cell_of(points, position, 0), cell_of(points, end, 0)
    if ti.static(len(points.cells) == 1):
        for x in range(ti.max(ti.min(first, last) - 1, 0), ti.min(ti.max(first, last) + 1, points.cells[0] - 1) + 1):
            time = time_on(points, motion, env, row, point, dt, position, velocity, x)
            if time < best:
                best, piece = time, x
    else:
        below, behind = cell_of(points, position, 1), cell_of(points, end, 1)
        for y in range(ti.min(below, behind), ti.max(below, behind) + 1):
            for x in range(ti.min(first, last), ti.max(first, last) + 1):
                for upper in range(2):
                    number = 2 * (y * ti.static(points.cells[0]) + x) + upper
                    time = time_on(points, motion, env, row, point, dt, position, velocity, number)
                    if time < best:
                        best, piece = time, number
    motion.piece[env, row, point] = piece
