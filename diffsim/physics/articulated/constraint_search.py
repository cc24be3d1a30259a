"""Which acceleration MuJoCo's constraints leave: decided, forward only.

Gauss's principle with soft constraints: a minimises 1/2 (a - a_0)' M (a - a_0) + sum of s(J a - a_ref), M a_0 the
forces without constraints, s convex with the gradient that is minus their push (Todorov 2014, ICRA; MuJoCo's
documentation, "Computation: constraint solver"). Newton's method with a search along its direction ends after few
turns, as the curvature is constant in pieces. Stages that are differentiated improve on what is found: see
`constraint_motion`.
"""

import taichi as ti

from diffsim.physics.articulated.constraint_cones import curvature_of, edges_of, push_of
from diffsim.physics.articulated.constraint_joints import row_push
from diffsim.physics.articulated.constraint_matrices import factorise, invert, slow_down, solve
from diffsim.physics.articulated.constraint_tie_search import (
    change_ties,
    lay_ties,
    move_ties,
    patterns_of_ties,
    slope_of_ties,
    start_ties,
    weigh_ties,
)
from diffsim.physics.articulated.spatial import angular, linear, times

__all__ = ["search"]

TURNS = 50
"""Most turns of Newton's method."""

TRIES = 20
"""Most points along a direction."""

STEEP = 0.01
"""Slope along a direction, over that at its start, at which its minimum is found well enough."""


@ti.func
def search(
    con: ti.template(),
    touch: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    part,
):
    """Find the accelerations of one evaluation, and the inverses of the matrices that they are corrected with."""
    n = tree.freedoms
    weigh_all(con, tree, motion, work, env, row, part)
    count = list_contacts(con, touch, tree, work, env, row, part)
    begin(con, env, row, part, count, n)
    searching = 1
    turn = 0
    while searching == 1 and turn < TURNS:
        lay_out(con, tree, env, row, part, count, n)
        factorise(con, env, n)
        for k in range(n):
            con.way[env, k] = -con.slope[env, k]
        solve(con, env, n)
        steep = 0.0
        for k in range(n):
            steep -= con.slope[env, k] * con.way[env, k]
        along(con, env, row, part, count, n)
        span = reach(con, tree, env, row, part, count, n, -steep)
        before = patterns(con, tree, env, row, part, count)
        largest, moved = 0.0, 0.0
        for k in range(n):
            change = span * con.way[env, k]
            con.now[env, k] += change
            largest = ti.max(largest, ti.abs(con.now[env, k]))
            moved = ti.max(moved, ti.abs(change))
        for c in range(count):
            con.offset[env, c] += span * con.change[env, c]
        for k in range(con.rows):
            con.row_offset[env, k] += span * con.row_change[env, k]
        if ti.static(con.tied):
            move_ties(con.ties, env, span)
        turn += 1
        same = patterns(con, tree, env, row, part, count) == before
        if moved <= con.still * largest or (same and span == 1.0 and straight(con, env, row, part, count)):
            searching = 0
            if not same:
                searching = 2
    if searching > 0:
        lay_out(con, tree, env, row, part, count, n)
        factorise(con, env, n)
    for k in range(n):
        con.solution[env, row, part * n + k] = con.now[env, k]
    invert(con, con.inverse, env, row, part * n * n, n)
    if ti.static(con.damped):
        slow_down(con, tree, motion, work, env, row, part, n)


@ti.func
def weigh_all(con: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, part):
    """The inertia matrix, and the forces without constraints (Featherstone 2008, section 6.2)."""
    n = tree.freedoms
    first = part * tree.chains
    con.drifting[env, n] = 0.0 * con.drifting[env, n]
    for k in range(n):
        drift = con.drifting[env, tree.parent[k]] + work.bias[env, row, first + k]
        con.drifting[env, k] = drift
        inertia = work.inertia[env, row, first + k]
        con.gathered[env, k] = inertia
        con.beyond[env, k] = work.force[env, row, first + k] + times(inertia, drift)
        for i in range(n):
            con.mass[env, k * n + i] = 0.0
    for back in range(n):
        k = n - 1 - back
        axis = work.axis[env, row, first + k]
        column = times(con.gathered[env, k], axis)
        con.mass[env, k * n + k] = axis.dot(column) + tree.armature[env, k]
        i = tree.parent[k]
        if i < n:
            con.gathered[env, i] += con.gathered[env, k]
            con.beyond[env, i] += con.beyond[env, k]
        while i < n:
            entry = work.axis[env, row, first + i].dot(column)
            con.mass[env, k * n + i] = entry
            con.mass[env, i * n + k] = entry
            i = tree.parent[i]
        con.effort[env, k] = (
            work.torque[env, row, first + k]
            - tree.damping[env, k] * motion.now_velocity[env, row, part * n + k]
            - axis.dot(con.beyond[env, k])
        )
    if ti.static(con.tied):
        weigh_ties(con.ties, con.mass, env, row, part, n)


@ti.func
def list_contacts(con: ti.template(), touch: ti.template(), tree: ti.template(), work: ti.template(), env, row, part):
    """List what touches, with its Jacobian; how many there are."""
    count = 0
    n = tree.freedoms
    for spot in range(con.spots):
        store = part * con.spots + spot
        if con.gap[env, row, store] < 0.0:
            con.where[env, count] = spot
            for k in range(n):
                con.jacobian[env, count * n + k] = 0.0 * con.jacobian[env, count * n + k]
            for side in range(2):
                geom = ti.select(side == 0, touch.second[spot], touch.first[spot])
                arm = ti.select(side == 0, con.arm[env, row, store], con.other_arm[env, row, store])
                sign = ti.select(side == 0, 1.0, -1.0)
                k = touch.carrier[geom]
                while k < n:
                    axis = work.axis[env, row, part * tree.chains + k]
                    shift = linear(axis) + angular(axis).cross(arm)
                    con.jacobian[env, count * n + k] += sign * in_frame(con, env, row, store, shift, angular(axis))
                    k = tree.parent[k]
            count += 1
    return count


@ti.func
def in_frame(con: ti.template(), env, row, store, shift, turn):
    """A shift and a turn in the coordinates of a contact."""
    frame = con.frame[env, row, store]
    found = ti.Vector.zero(con.real, con.width)
    for c in ti.static(range(con.width)):
        i = ti.static(3 * (c % 3))
        part = frame[i] * shift[0] + frame[i + 1] * shift[1] + frame[i + 2] * shift[2]
        about = frame[i] * turn[0] + frame[i + 1] * turn[1] + frame[i + 2] * turn[2]
        found[c] = ti.select(ti.static(c < 3), part, about)
    return found


@ti.func
def begin(con: ti.template(), env, row, part, count, n):
    """No acceleration, and how far contacts and rows are from theirs."""
    for k in range(n):
        con.now[env, k] = 0.0
    for c in range(count):
        con.offset[env, c] = -con.aim[env, row, part * con.spots + con.where[env, c]]
    for k in range(con.rows):
        con.row_offset[env, k] = -con.row_aim[env, row, part * con.rows + k]
    if ti.static(con.tied):
        start_ties(con.ties, env, row, part)


@ti.func
def lay_out(con: ti.template(), tree: ti.template(), env, row, part, count, n):
    """Gradient and curvature of what is minimised, where it is now."""
    for i in range(n):
        total = -con.effort[env, i]
        for j in range(n):
            entry = con.mass[env, i * n + j]
            con.system[env, i * n + j] = entry
            total += entry * con.now[env, j]
        con.slope[env, i] = total
    for k in range(con.rows):
        lay_row(con, tree, env, row, part, k, n)
    if ti.static(con.tied):
        lay_ties(con.ties, con.slope, con.system, env, row, part, n)
    for c in range(count):
        spot = con.where[env, c]
        weight = con.weight[env, row, part * con.spots + spot]
        grip = con.grip[env, spot]
        x = con.offset[env, c]
        dims = con.condim[spot]
        if edges_of(con, x, grip, weight, dims) > 0:
            push = push_of(con, x, grip, weight, dims)
            curve = curvature_of(con, x, grip, weight, dims)
            for i in range(n):
                lever = con.jacobian[env, c * n + i]
                con.slope[env, i] -= lever.dot(push)
                column = curve @ lever
                for j in range(i + 1):
                    con.system[env, i * n + j] += column.dot(con.jacobian[env, c * n + j])


@ti.func
def lay_row(con: ti.template(), tree: ti.template(), env, row, part, k, n):
    """The same of a limit or a friction loss."""
    weight = con.row_weight[env, row, part * con.rows + k]
    if weight > 0.0:
        push = row_push(con, tree, env, k, con.row_offset[env, k], weight)
        lever = con.lever[env, row, part * con.rows + k]
        first = con.freedom[k]
        for i in ti.static(range(3)):
            if i <= 2 * con.wide[k]:
                con.slope[env, first + i] -= lever[i] * push[0]
                for j in ti.static(range(i + 1)):
                    con.system[env, (first + i) * n + first + j] += push[1] * lever[i] * lever[j]


@ti.func
def along(con: ti.template(), env, row, part, count, n):
    """How contacts and rows change along the way."""
    for c in range(count):
        change = 0.0 * con.offset[env, c]
        for k in range(n):
            change += con.way[env, k] * con.jacobian[env, c * n + k]
        con.change[env, c] = change
    for k in range(con.rows):
        change = 0.0
        if con.row_weight[env, row, part * con.rows + k] > 0.0:
            lever = con.lever[env, row, part * con.rows + k]
            for i in ti.static(range(3)):
                if i <= 2 * con.wide[k]:
                    change += lever[i] * con.way[env, con.freedom[k] + i]
        con.row_change[env, k] = change
    if ti.static(con.tied):
        change_ties(con.ties, con.way, env, row, part)


@ti.func
def reach(con: ti.template(), tree: ti.template(), env, row, part, count, n, steep):
    """How far to go along the way: to where the slope is nearly zero. Newton's method between two ends."""
    flat, bend = 0.0, 0.0
    for i in range(n):
        flat -= con.way[env, i] * con.effort[env, i]
        for j in range(n):
            entry = con.mass[env, i * n + j] * con.way[env, i]
            flat += entry * con.now[env, j]
            bend += entry * con.way[env, j]
    low, high, span = 0.0, -1.0, 1.0
    tries = 0
    while tries < TRIES:
        found = slope_at(con, tree, env, row, part, count, span)
        slope = flat + span * bend + found[0]
        tries += 1
        if ti.abs(slope) <= STEEP * ti.abs(steep):
            tries = 2 * TRIES
        else:
            if slope < 0.0:
                low = span
            else:
                high = span
            span -= slope / (bend + found[1])
            if span <= low or (high > 0.0 and span >= high):
                span = ti.select(high > 0.0, 0.5 * (low + high), 2.0 * low + 1.0)
    return span


@ti.func
def slope_at(con: ti.template(), tree: ti.template(), env, row, part, count, span):
    """What contacts and rows add to the slope and to the curvature at a point along the way."""
    slope, bend = 0.0, 0.0
    for c in range(count):
        spot = con.where[env, c]
        weight = con.weight[env, row, part * con.spots + spot]
        change = con.change[env, c]
        x = con.offset[env, c] + span * change
        grip = con.grip[env, spot]
        slope -= change.dot(push_of(con, x, grip, weight, con.condim[spot]))
        bend += change.dot(curvature_of(con, x, grip, weight, con.condim[spot]) @ change)
    for k in range(con.rows):
        weight = con.row_weight[env, row, part * con.rows + k]
        if weight > 0.0:
            change = con.row_change[env, k]
            push = row_push(con, tree, env, k, con.row_offset[env, k] + span * change, weight)
            slope -= change * push[0]
            bend += change * change * push[1]
    if ti.static(con.tied):
        own = slope_of_ties(con.ties, env, row, part, span)
        slope += own[0]
        bend += own[1]
    return ti.Vector([slope, bend])


@ti.func
def patterns(con: ti.template(), tree: ti.template(), env, row, part, count):
    """Which edges and rows push, as a number that differs if they do."""
    found = ti.cast(0, ti.i32)
    for c in range(count):
        spot = con.where[env, c]
        weight = con.weight[env, row, part * con.spots + spot]
        edges = edges_of(con, con.offset[env, c], con.grip[env, spot], weight, con.condim[spot])
        found = found * 2053 + edges
    for k in range(con.rows):
        weight = con.row_weight[env, row, part * con.rows + k]
        if weight > 0.0:
            push = row_push(con, tree, env, k, con.row_offset[env, k], weight)
            found = found * 5 + ti.cast(push[1] > 0.0, ti.i32) + 2 * ti.cast(push[0] > 0.0, ti.i32)
    if ti.static(con.tied):
        found = patterns_of_ties(con.ties, env, row, part, found)
    return found


@ti.func
def straight(con: ti.template(), env, row, part, count):
    """Whether the curvature is constant around here: no contact is between the zones of an elliptic cone."""
    found = True
    if ti.static(con.elliptic):
        for c in range(count):
            spot = con.where[env, c]
            if edges_of(con, con.offset[env, c], con.grip[env, spot], 1.0, con.condim[spot]) == 2:
                found = False
    return found
