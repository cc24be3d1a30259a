"""What ties are to the search for accelerations (see `constraint_search`, `constraint_ties`): forward only."""

import taichi as ti

from diffsim.physics.articulated.constraint_ties import both_of, freedoms_of, push_of_tie, row_of

__all__ = [
    "change_ties",
    "lay_ties",
    "move_ties",
    "patterns_of_ties",
    "slope_of_ties",
    "slow_ties",
    "start_ties",
    "weigh_ties",
]


@ti.func
def entries_of(ties: ti.template(), k):
    """The first entry of a tie's lever, and the first behind it."""
    at = ties.rows.tie_row[k]
    return ti.Vector([ties.rows.start[at], ties.rows.start[at] + ties.rows.size[at]])


@ti.func
def lever_of(ties: ti.template(), env, row, part, k, entry):
    """How a velocity moves a tie."""
    sign = ti.cast(ties.rows.tie_sign[k], ties.real)
    return sign * ties.rows.gradient[env, row, part * ties.rows.entries + entry]


@ti.func
def start_ties(ties: ti.template(), env, row, part):
    """How far ties are from their references without acceleration."""
    for k in range(ties.count):
        ties.offset[env, k] = -ties.rows.aim[env, row, part * ties.count + k]


@ti.func
def move_ties(ties: ti.template(), env, span):
    """Go along the way."""
    for k in range(ties.count):
        ties.offset[env, k] += span * ties.change[env, k]


@ti.func
def change_ties(ties: ti.template(), way: ti.template(), env, row, part):
    """How ties change along the way."""
    for k in range(ties.count):
        ends = entries_of(ties, k)
        change = ti.cast(0.0, ties.real)
        for e in range(ends[0], ends[1]):
            change += lever_of(ties, env, row, part, k, e) * way[env, ties.rows.entry_freedom[e]]
        ties.change[env, k] = change


@ti.func
def lay_ties(ties: ti.template(), slope: ti.template(), system: ti.template(), env, row, part, n):
    """Add what ties push with, and lose by accelerations, to a gradient and a curvature."""
    for k in range(ties.count):
        weight = ties.rows.weight_of[env, row, part * ties.count + k]
        if weight > 0.0:
            push = push_of_tie(ties, env, k, ties.offset[env, k], weight)
            ends = entries_of(ties, k)
            for e in range(ends[0], ends[1]):
                i = ties.rows.entry_freedom[e]
                lever = lever_of(ties, env, row, part, k, e)
                slope[env, i] -= lever * push[0]
                for other in range(ends[0], ends[1]):
                    j = ties.rows.entry_freedom[other]
                    if j <= i:
                        system[env, i * n + j] += push[1] * lever * lever_of(ties, env, row, part, k, other)


@ti.func
def slope_of_ties(ties: ti.template(), env, row, part, span):
    """What ties add to the slope and to the curvature at a point along the way."""
    slope, bend = ti.cast(0.0, ties.real), ti.cast(0.0, ties.real)
    for k in range(ties.count):
        weight = ties.rows.weight_of[env, row, part * ties.count + k]
        if weight > 0.0:
            change = ties.change[env, k]
            push = push_of_tie(ties, env, k, ties.offset[env, k] + span * change, weight)
            slope -= change * push[0]
            bend += change * change * push[1]
    return ti.Vector([slope, bend])


@ti.func
def patterns_of_ties(ties: ti.template(), env, row, part, before):
    """Go on with the number that says which losses slip and which limits push."""
    found = before
    for k in range(ties.held, ties.count):
        weight = ties.rows.weight_of[env, row, part * ties.count + k]
        if weight > 0.0:
            push = push_of_tie(ties, env, k, ties.offset[env, k], weight)
            found = found * 5 + ti.cast(push[1] > 0.0, ti.i32) + 2 * ti.cast(push[0] > 0.0, ti.i32)
    return found


@ti.func
def weigh_ties(ties: ti.template(), mass: ti.template(), env, row, part, n):
    """Add the armature of tendons to the inertia matrix."""
    if ti.static(ties.paired):
        for pair in range(ties.rows.pairs):
            k, i = freedoms_of(ties, pair)
            entry = ties.rows.armature[env, row_of(ties, pair)] * both_of(ties, env, row, part, pair)
            mass[env, k * n + i] += entry
            if k != i:
                mass[env, i * n + k] += entry


@ti.func
def slow_ties(ties: ti.template(), system: ti.template(), way: ti.template(), now: ti.template(), env, row, part, n):
    """Add implicit damping of tendons to a matrix, and what it takes of the accelerations to its right side."""
    if ti.static(ties.lags):
        for pair in range(ties.rows.pairs):
            k, i = freedoms_of(ties, pair)
            passive = ties.rows.passive[env, row, part * ties.rows.rows + row_of(ties, pair)]
            entry = passive * both_of(ties, env, row, part, pair)
            system[env, ti.max(k, i) * n + ti.min(k, i)] += entry
            way[env, k] += entry * now[env, i]
            if k != i:
                way[env, i] += entry * now[env, k]
