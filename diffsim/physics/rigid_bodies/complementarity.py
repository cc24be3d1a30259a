"""The impulses of a round of impacts: which give, which slide, the solution and its inverse. Forward only.

See `rigid_bodies.impacts` for what is solved. Projected Gauss-Seidel says which way each impact goes; then what gives
is a system of linear equations.
"""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.impacts import NOTHING

__all__ = ["solve_round"]

SWEEPS = 1000
"""Most sweeps of projected Gauss-Seidel over the impacts of a round, of which there are few."""

DEPENDS = 1.0e-2
"""An unknown of which less than this share of its inverse mass is left, where others have their speeds, depends on
them: of a body's two corners, if they are nearer to its middle than a twentieth of its radius of gyration."""

ALIKE = 1.1
"""Unknowns whose shares differ by less than this factor are alike: a pivot need not be the largest."""


@ti.func
def solve_round(touch: ti.template(), hits: ti.template(), env, row, turn, known):
    """Find the impulses of a round, if there is room for it."""
    still = hits.still
    for u in range(2 * known):
        hits.tried[env, u] = 0.0
        hits.beyond[env, u] = 0
        still = ti.max(still, hits.still * ti.abs(hits.wanted[env, u]))
    moves = 1.0
    for rubs in range(2):  # normals first: two corners of one body would rub against each other where nothing slips
        sweeps = 0
        moves = 1.0
        while sweeps < SWEEPS and moves > still:
            moves = sweep(touch, hits, env, row, turn, known, rubs)
            sweeps += 1
    n, begin = sort(touch, hits, env, row, turn, known), 0
    if turn > 0:
        begin = hits.offset[env, row, turn - 1] + hits.unknowns[env, row, turn - 1] * hits.unknowns[env, row, turn - 1]
    fits = begin + n * n <= hits.space
    if fits:
        hits.offset[env, row, turn] = begin
        hits.unknowns[env, row, turn] = n
        hits.pairs[env, row, 0] = ti.max(hits.pairs[env, row, 0], n * n)
        invert(touch, hits, env, row, turn, n, moves <= still)
    return fits


@ti.func
def sweep(touch: ti.template(), hits: ti.template(), env, row, turn, known, rubs):
    """Projected Gauss-Seidel, once over all impacts of a round; the largest change of a speed."""
    largest = 0.0
    for u in range(2 * known):
        if hits.kind[env, row, turn * hits.room + u // 2] != NOTHING and u % 2 <= rubs:
            lack = hits.wanted[env, u]
            first = u * 2 * hits.room
            for v in range(2 * known):
                lack -= hits.mass[env, first + v] * hits.tried[env, v]
            before = hits.tried[env, u]
            own = hits.mass[env, first + u]
            free = before + lack / own
            most = touch.law[env, row, hits.contact[env, row, u // 2]][6] * hits.tried[env, u - u % 2]
            after = ti.select(u % 2 == 0, ti.max(0.0, free), ti.min(ti.max(free, -most), most))
            hits.tried[env, u] = after
            # What friction lacks: an impact of which it gives less than it could sticks, any other slides.
            hits.beyond[env, u] = ti.select(
                ti.abs(free) < most, 0, ti.select(free > 0.0, 1, ti.select(free < 0.0, -1, 0))
            )
            largest = ti.max(largest, ti.abs(after - before) * own)
    return largest


@ti.func
def sort(touch: ti.template(), hits: ti.template(), env, row, turn, known):
    """Say which way each impact slides, and list the unknowns: of what gives, and of what sticks."""
    n, base = 0, turn * hits.room
    for u in range(2 * known):
        gives = hits.tried[env, u - u % 2] > 0.0
        slides = hits.beyond[env, u]
        if u % 2 == 1:
            hits.slides[env, row, base + u // 2] = slides
        hits.guess[env, row, 2 * base + u] = 0.0
        rubs = touch.law[env, row, hits.contact[env, row, u // 2]][6] > 0.0
        if gives and (u % 2 == 0 or (slides == 0 and rubs)):
            hits.unknown[env, row, 2 * base + n] = u
            n += 1
    return n


@ti.func
def entry(touch: ti.template(), hits: ti.template(), env, row, turn, i, j):
    """Which speed along unknown i an impulse of unknown j gives [1/kg], with what friction gives where it slides."""
    base = turn * hits.room
    u, v = hits.unknown[env, row, 2 * base + i], hits.unknown[env, row, 2 * base + j]
    at = u * 2 * hits.room + v
    found = hits.mass[env, at]
    if v % 2 == 0:
        friction = touch.law[env, row, hits.contact[env, row, v // 2]][6]
        found += hits.slides[env, row, base + v // 2] * friction * hits.mass[env, at + 1]
    return found


@ti.func
def fill(touch: ti.template(), hits: ti.template(), env, row, turn, n):
    """The system of n unknowns beside the unit matrix; and of each, that nothing is solved for it yet."""
    width = 4 * hits.room
    for i in range(n):
        for j in range(n):
            hits.table[env, i * width + j] = entry(touch, hits, env, row, turn, i, j)
            hits.table[env, i * width + n + j] = ti.select(i == j, 1.0, 0.0)
        hits.own[env, i] = hits.table[env, i * width + i]
        hits.beyond[env, i] = 0


@ti.func
def next_pivot(hits: ti.template(), env, n):
    """Of the unknowns that are not solved for yet, the one that depends least on those that are; -1 if all do.

    Of some that are much alike the first one, so that rounding does not say which.
    """
    width = 4 * hits.room
    found, most = -1, DEPENDS
    for i in range(n):
        share = hits.table[env, i * width + i] / hits.own[env, i]
        if hits.beyond[env, i] == 0 and share > most:
            found, most = i, ALIKE * share
    return found


@ti.func
def invert(touch: ti.template(), hits: ti.template(), env, row, turn, n, ended):
    """Gauss-Jordan with pivots from the diagonal; and the solution.

    What depends on the others, as do four corners of two boxes that share a pin, or friction at both corners of one,
    gets nothing: whatever it were given, others would take it back, and a little difference of what they aim at would
    let both grow without end. Where that are contacts, so that others would have to pull or to rub instead, it gets
    what it got in the sweeps, if these came to an end.
    """
    width = 4 * hits.room
    fill(touch, hits, env, row, turn, n)
    p = n
    while p >= 0:
        p = next_pivot(hits, env, n)
        if p < 0:
            break
        hits.beyond[env, p] = 1
        pivot = hits.table[env, p * width + p]
        for j in range(2 * n):
            hits.table[env, p * width + j] /= pivot
        for i in range(n):
            factor = hits.table[env, i * width + p]
            if i != p:
                for j in range(2 * n):
                    hits.table[env, i * width + j] -= factor * hits.table[env, p * width + j]
    misses = True
    for shared in range(2):
        if misses and (shared == 0 or ended):
            misses = settle(touch, hits, env, row, turn, n, shared == 1)


@ti.func
def settle(touch: ti.template(), hits: ti.template(), env, row, turn, n, shared):
    """Inverse and solution from the table; whether a contact depends on the others, or a speed is missed.

    What depends has what the sweeps gave it if ``shared``, else nothing.
    """
    width, base = 4 * hits.room, 2 * turn * hits.room
    for j in range(n):
        hits.own[env, j] = hits.wanted[env, hits.unknown[env, row, base + j]]
        for i in range(n):
            if shared and hits.beyond[env, i] == 0:
                given = hits.tried[env, hits.unknown[env, row, base + i]]
                hits.own[env, j] -= entry(touch, hits, env, row, turn, j, i) * given
    depends, misses = False, False
    for i in range(n):
        u = hits.unknown[env, row, base + i]
        guess = ti.select(shared and hits.beyond[env, i] == 0, hits.tried[env, u], 0.0)
        for j in range(n):
            found = hits.beyond[env, i] * hits.table[env, i * width + n + j]
            hits.inverse[env, row, hits.offset[env, row, turn] + i * n + j] = found
            guess += found * hits.own[env, j]
        hits.guess[env, row, base + u] = guess
        depends = depends or (u % 2 == 0 and hits.beyond[env, i] == 0)
    for i in range(n):
        lack = hits.wanted[env, hits.unknown[env, row, base + i]]
        for j in range(n):
            given = hits.guess[env, row, base + hits.unknown[env, row, base + j]]
            lack -= entry(touch, hits, env, row, turn, i, j) * given
        misses = misses or ti.abs(lack) > contact.STILL
    return depends or misses
