"""The impulses of a round of impacts by an active set, of contacts that give way a little: forward only.

Where bodies lean on each other more often than they need to, as bricks on two bricks, many impulses are right. So that
the order of contacts has no say, those are taken that contacts of a small compliance would have, the same for all of
them: it makes the matrix definite, so without friction its solution is the only one, and mirror images have the same.
The compliance is then taken back step by step (proximal point iterations, Rockafellar 1976, SIAM J. Control Optim.
14(5)), which ends at impulses of rigid contacts: of all that are right those of the least norm. Which give and which
stick is found by principal pivots of blocks (Judice & Pires 1994, Comput. Oper. Res. 21(5)): all that are wrong change
at once, and only the last of them if that leads in a circle.
"""

import taichi as ti

from diffsim.physics.rigid_bodies.impacts import NOTHING

__all__ = ["entry", "friction_of", "pivot"]

PATIENCE, CHANGES, STEPS = 5, 60, 60
"""Changes of the set of which none is better before one unknown at a time has its turn; most changes; most steps in
which the compliance is taken back."""

SLOWER, SOFTER = 0.1, 0.01
"""If a step leaves more than this share of what contacts gave way before, the compliance is less by this factor from
then on: what hardly depends on the others would take thousands of steps."""

NEARER = 0.3
"""How much nearer to right a solution is here than it must be (`Impacts.loose`)."""


@ti.func
def friction_of(touch: ti.template(), hits: ti.template(), env, row, u):
    """Of the contact of an unknown."""
    return touch.law[env, row, hits.contact[env, row, u // 2]][6]


@ti.func
def entry(touch: ti.template(), hits: ti.template(), env, row, turn, i, j):
    """Which speed along unknown i an impulse of unknown j gives [1/kg], with what friction gives where it slides."""
    base = turn * hits.room
    u, v = hits.unknown[env, row, 2 * base + i], hits.unknown[env, row, 2 * base + j]
    at = u * 2 * hits.room + v
    found = hits.mass[env, at]
    if v % 2 == 0:
        friction = friction_of(touch, hits, env, row, v)
        found += hits.slides[env, row, base + v // 2] * friction * hits.mass[env, at + 1]
    return found


@ti.func
def pivot(touch: ti.template(), hits: ti.template(), env, row, turn, known, still, rough):
    """The impulses in ``hits.own``, those of unknowns in ``hits.found``; how many unknowns there are, -1 if none
    are found."""
    for u in range(2 * known):
        acts = hits.kind[env, row, turn * hits.room + u // 2] != NOTHING
        hits.acts[env, u] = ti.cast(acts and u % 2 == 0 and hits.wanted[env, u] > still, ti.i32)
        hits.own[env, u] = 0.0
        hits.centre[env, u] = 0.0
        hits.slides[env, row, turn * hits.room + u // 2] = 0
    n, tries, steps = 0, 0, 0
    softest, gave = ti.cast(0.0, hits.real), ti.cast(1.0 / hits.still, hits.real) * still
    for u in range(2 * known):
        softest = ti.max(softest, hits.softest * hits.mass[env, u * 2 * hits.room + u])
    soft = hits.soft / hits.softest * softest
    rubs, fresh, ends = 0, True, False
    patience, fewest = PATIENCE, 4 * hits.room
    while not ends and tries < CHANGES and steps < STEPS:
        if fresh:
            n = list_unknowns(hits, env, row, turn, known)
            invert(touch, hits, env, row, turn, n, soft)
        solve(touch, hits, env, row, turn, n, known, soft)
        wrong = compare(touch, hits, env, row, turn, known, rubs, still, soft)
        fresh = wrong > 0
        if wrong > 0:
            better = wrong < fewest
            patience = ti.select(better, PATIENCE, patience - 1)
            fewest = ti.min(fewest, wrong)
            change(touch, hits, env, row, turn, known, rubs, ti.select(patience > 0, 0, wrong - 1))
            tries += 1
        elif rubs < rough:  # normals first: two corners of a body would rub against each other where none slips
            rubs, fresh = 1, True
            patience, fewest = PATIENCE, 4 * hits.room
            for k in range(known):
                rubbing = friction_of(touch, hits, env, row, 2 * k) > 0.0
                hits.acts[env, 2 * k + 1] = ti.select(rubbing, hits.acts[env, 2 * k], 0)
        else:
            gives = take_back(hits, env, row, turn, n, known, soft)
            ends = gives <= NEARER * hits.loose * still
            if not ends and gives > SLOWER * gave and soft > softest:
                soft, fresh = SOFTER * soft, True
            gave = gives
            patience, fewest = PATIENCE, 4 * hits.room
            steps += 1
    for u in range(2 * known):
        hits.found[env, u] = ti.select(hits.acts[env, u] == 1, hits.own[env, u], 0.0)
        hits.centre[env, u] = hits.found[env, u]
    return ti.select(ends, n, -1)


@ti.func
def list_unknowns(hits: ti.template(), env, row, turn, known):
    """Of what gives along the normal, and of what sticks; how many."""
    n, base = 0, 2 * turn * hits.room
    for u in range(2 * known):
        if hits.acts[env, u] == 1:
            hits.unknown[env, row, base + n] = u
            n += 1
    return n


@ti.func
def invert(touch: ti.template(), hits: ti.template(), env, row, turn, n, soft):
    """The inverse of the system of compliant contacts, in the place of the system (Gauss-Jordan)."""
    width = 4 * hits.room
    for i in range(n):
        for j in range(n):
            hits.table[env, i * width + j] = entry(touch, hits, env, row, turn, i, j)
        hits.table[env, i * width + i] += soft
    for p in range(n):
        by = 1.0 / hits.table[env, p * width + p]
        hits.table[env, p * width + p] = 1.0
        for j in range(n):
            hits.table[env, p * width + j] *= by
        for i in range(n):
            if i != p:
                factor = hits.table[env, i * width + p]
                hits.table[env, i * width + p] = 0.0
                for j in range(n):
                    hits.table[env, i * width + j] -= factor * hits.table[env, p * width + j]


@ti.func
def lack_of(hits: ti.template(), env, known, u, soft):
    """What an unknown lacks of its speed, with what its compliance gives."""
    lack = hits.wanted[env, u] + soft * (hits.centre[env, u] - hits.own[env, u])
    for v in range(2 * known):
        lack -= hits.mass[env, u * 2 * hits.room + v] * hits.own[env, v]
    return lack


@ti.func
def solve(touch: ti.template(), hits: ti.template(), env, row, turn, n, known, soft):
    """The impulses of a set: solved for, and once more for what rounding left of that."""
    width, base = 4 * hits.room, 2 * turn * hits.room
    for u in range(2 * known):
        hits.own[env, u] = ti.select(hits.acts[env, u] == 1, hits.own[env, u], 0.0)
    for _ in range(2):
        slide(touch, hits, env, row, turn, known)
        for i in range(n):
            hits.lacks[env, i] = lack_of(hits, env, known, hits.unknown[env, row, base + i], soft)
        for i in range(n):
            more = ti.cast(0.0, hits.real)
            for j in range(n):
                more += hits.table[env, i * width + j] * hits.lacks[env, j]
            hits.own[env, hits.unknown[env, row, base + i]] += more
    slide(touch, hits, env, row, turn, known)


@ti.func
def slide(touch: ti.template(), hits: ti.template(), env, row, turn, known):
    """What slides gets all that friction can give."""
    for k in range(known):
        way = hits.slides[env, row, turn * hits.room + k]
        if way != 0:
            hits.own[env, 2 * k + 1] = way * friction_of(touch, hits, env, row, 2 * k) * hits.own[env, 2 * k]


@ti.func
def compare(touch: ti.template(), hits: ti.template(), env, row, turn, known, rubs, still, soft):
    """Mark what is wrong: what pulls, or comes nearer; what sticks by more than friction gives, or slides though that
    drives it. How many."""
    wrong, near = 0, NEARER * hits.loose * still
    for u in range(2 * known):
        hits.flips[env, u] = 0
        k = u // 2
        if hits.kind[env, row, turn * hits.room + k] != NOTHING:
            mass = hits.mass[env, u * 2 * hits.room + u]
            given = mass * hits.own[env, u]
            bad = False
            if u % 2 == 0:
                if hits.acts[env, u] == 1:
                    bad = given < -near
                else:
                    bad = lack_of(hits, env, known, u, soft) > near
            elif rubs == 1 and hits.acts[env, u - 1] == 1:
                if hits.acts[env, u] == 1:
                    most = friction_of(touch, hits, env, row, u) * mass * ti.max(0.0, hits.own[env, u - 1])
                    bad = ti.abs(given) > most + near
                else:
                    way = hits.slides[env, row, turn * hits.room + k]
                    bad = way != 0 and way * lack_of(hits, env, known, u, soft) < -near
            if bad:
                hits.flips[env, u] = 1
                wrong += 1
    return wrong


@ti.func
def change(touch: ti.template(), hits: ti.template(), env, row, turn, known, rubs, first):
    """Change all marked unknowns from the ``first`` on."""
    seen = 0
    for u in range(2 * known):
        if hits.flips[env, u] == 1:
            if seen >= first:
                at = turn * hits.room + u // 2
                now = 1 - hits.acts[env, u]
                hits.acts[env, u] = now
                if u % 2 == 0:
                    rubbing = rubs == 1 and friction_of(touch, hits, env, row, u) > 0.0
                    hits.acts[env, u + 1] = ti.select(rubbing, now, 0)
                    hits.slides[env, row, at] = 0
                    hits.flips[env, u + 1] = 0
                else:
                    way = ti.select(hits.own[env, u] > 0.0, 1, -1)
                    hits.slides[env, row, at] = ti.select(now == 1, 0, way)
            seen += 1


@ti.func
def take_back(hits: ti.template(), env, row, turn, n, known, soft):
    """Take back what contacts gave way; the most of it [m/s]."""
    most, base = ti.cast(0.0, hits.real), 2 * turn * hits.room
    for i in range(n):
        u = hits.unknown[env, row, base + i]
        most = ti.max(most, ti.abs(soft * (hits.own[env, u] - hits.centre[env, u])))
    for u in range(2 * known):
        hits.centre[env, u] = hits.own[env, u]
    return most
