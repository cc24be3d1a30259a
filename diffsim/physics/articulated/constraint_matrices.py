"""Matrices of the search for accelerations (see `constraint_search`): forward only."""

import taichi as ti

from diffsim.physics.articulated.constraint_tie_search import slow_ties
from diffsim.physics.articulated.gyroscope import add_spins, keep_spins

__all__ = ["factorise", "invert", "slow_down", "solve"]


@ti.func
def factorise(con: ti.template(), env, n):
    """Cholesky's factor of the system."""
    for i in range(n):
        for j in range(i + 1):
            total = con.system[env, i * n + j]
            for k in range(j):
                total -= con.factor[env, i * n + k] * con.factor[env, j * n + k]
            if i == j:
                con.factor[env, i * n + i] = ti.sqrt(ti.max(total, 1.0e-30))
            else:
                con.factor[env, i * n + j] = total / con.factor[env, j * n + j]


@ti.func
def solve(con: ti.template(), env, n):
    """Solve for the way, in place."""
    for i in range(n):
        total = con.way[env, i]
        for j in range(i):
            total -= con.factor[env, i * n + j] * con.way[env, j]
        con.way[env, i] = total / con.factor[env, i * n + i]
    for back in range(n):
        i = n - 1 - back
        total = con.way[env, i] / con.factor[env, i * n + i]
        con.way[env, i] = total
        for j in range(i):
            con.way[env, j] -= con.factor[env, i * n + j] * total


@ti.func
def invert(con: ti.template(), inverse: ti.template(), env, row, first, n):
    """The inverse of the system from its factor: column after column of the factor's own, then their products."""
    for j in range(n):
        for i in range(j, n):
            total = ti.select(i == j, 1.0, 0.0)
            for k in range(j, i):
                total -= con.factor[env, i * n + k] * con.system[env, k * n + j]
            con.system[env, i * n + j] = total / con.factor[env, i * n + i]
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, n):
                total += con.system[env, k * n + i] * con.system[env, k * n + j]
            inverse[env, row, first + i * n + j] = total
            inverse[env, row, first + j * n + i] = total


@ti.func
def slow_down(con: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, part, n):
    """What implicit damping takes of the accelerations."""
    for i in range(n):
        added = tree.added[env, i] - tree.armature[env, i] + work.stiffening[env, row, part * tree.chains + i]
        for j in range(i + 1):
            con.system[env, i * n + j] = con.mass[env, i * n + j]
        con.system[env, i * n + i] += added
        con.way[env, i] = added * con.now[env, i]
    if ti.static(con.tied):
        slow_ties(con.ties, con.system, con.way, con.now, env, row, part, n)
    if ti.static(con.spins):
        keep_spins(con.gyros, con.system, con.way, env, n)
    factorise(con, env, n)
    solve(con, env, n)
    for i in range(n):
        con.slowed[env, row, part * n + i] = con.way[env, i]
    invert(con, con.slowed_inverse, env, row, part * n * n, n)
    if ti.static(con.spins):
        add_spins(con.gyros, con, tree, motion, env, row, part, n)
