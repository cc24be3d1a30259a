"""The impulses of a round of impacts: which give, which slide, the solution and its inverse. Forward only.

See `rigid_bodies.impacts` for what is solved. Some sweeps of projected Gauss-Seidel guess which way each impact goes;
what gives then is a system of linear equations, whose solution says whether the guess was right. If not, or if many
impulses are right, an active set finds which are taken (`active_set.pivot`). Where it finds none, sweeps go on
(Silcowitz, Niebe & Erleben 2010, "Projected Gauss-Seidel subspace minimization method"): alone, they would take
thousands where bodies stand on each other.
"""

import taichi as ti

from diffsim.physics.rigid_bodies.active_set import entry, friction_of, pivot
from diffsim.physics.rigid_bodies.clusters import lacks_room
from diffsim.physics.rigid_bodies.impacts import JAMS, NOTHING
from diffsim.physics.rigid_bodies.shares import coarse, lean, share

__all__ = ["solve_round"]

FEW, GUESSES = 20, 16
"""Sweeps before the first guesses, and most guesses. From the fifth on sweeps go on from each other, twice as many each
time, up to some 80,000: with friction, or if bodies touch twice at nearly one place, solutions may lead in a circle."""

ALIKE = 1.1
"""Unknowns whose shares differ by less than this factor are alike: a pivot need not be the largest."""


@ti.func
def solve_round(touch: ti.template(), hits: ti.template(), env, row, step, turn, known):
    """Find the impulses of a round, if there is room for it. What jams does not leave: see `calm`."""
    begin = 0
    if turn > 0:
        begin = hits.offset[env, row, turn - 1] + hits.unknowns[env, row, turn - 1] * hits.unknowns[env, row, turn - 1]
    hits.offset[env, row, turn] = begin
    n, jams = 0, 1
    while jams > 0:
        right, many = search(touch, hits, env, row, turn, known)
        n, jams = many, 0
        if not right:
            jams = calm(hits, env, row, turn, known)
    for u in range(2 * known):
        hits.guess[env, row, 2 * turn * hits.room + u] = shortened(hits, hits.found[env, u])
    return keep(hits, env, row, turn, n, step)


@ti.func
def search(touch: ti.template(), hits: ti.template(), env, row, turn, known):
    """Solve and judge, or guess, until it is right: whether it is, and how many unknowns are listed."""
    still, rough = ti.cast(hits.still, hits.real), 0
    for u in range(2 * known):
        hits.tried[env, u] = 0.0
        hits.found[env, u] = 0.0
        still = ti.max(still, hits.still * ti.abs(hits.wanted[env, u]))
        acts = hits.kind[env, row, turn * hits.room + u // 2] != NOTHING
        rough = ti.max(rough, ti.cast(acts and friction_of(touch, hits, env, row, u) > 0.0, ti.i32))
    n, right, solved, looked = 0, False, False, False
    for rubs in range(rough + 1):  # normals first: two corners of a body would rub against each other where none slips
        guesses = 0
        right = solved
        while not right and guesses < GUESSES:
            if guesses == 1 and not looked:  # few sweeps do where impacts do not depend on each other
                looked = True
                n = pivot(touch, hits, env, row, turn, known, still, rough)
                if n >= 0:
                    right = shared(touch, hits, env, row, turn, n, known, rough, still)
                solved = right
            if not right:
                last = guesses == GUESSES - 1
                most = ti.select(guesses < 4, FEW, FEW << ti.max(0, guesses - 3))
                ended = sweep_on(touch, hits, env, row, turn, known, rubs, still, most)
                n = sort(touch, hits, env, row, turn, known, rubs, still)
                right = solve_guess(touch, hits, env, row, turn, n, known, rubs, ended, last, still, guesses >= 4)
                if not looked:
                    for i in range(n):
                        right = right and hits.beyond[env, i] == 1
                if (right and rubs < rough) or (not right and guesses < 4):
                    go_on(touch, hits, env, row, known)
            guesses += 1
    return right, n


@ti.func
def shared(touch: ti.template(), hits: ti.template(), env, row, turn, n, known, rough, still):
    """The impulses of an active set, where many are right: whether some are found that the inverse gives.

    Without parts of what adds up to nothing; if one would pull, about those of compliant contacts; at last just those.
    """
    right = False
    eliminate(touch, hits, env, row, turn, n)
    share(hits, env, n)
    for way in range(4):
        if not right:
            if way == 3:
                for u in range(2 * known):
                    hits.found[env, u] = hits.centre[env, u]
            else:
                settle(touch, hits, env, row, turn, n, 0)
                if way > 0:
                    lean(hits, env, row, turn, n, way - 1)
            right = judge(touch, hits, env, row, turn, known, rough, still, False)
    return right


@ti.func
def calm(hits: ti.template(), env, row, turn, known):
    """Let what jams stay closed instead of bouncing, or of being lifted; how many that are.

    A body that friction holds between two others cannot leave either: however hard they press it, each takes back what
    the other gives, and no impulses are right. In the sweeps theirs grow without end. That all come to rest always has
    a solution (Acary & Cadoux 2013, "Applications of an existence result for the Coulomb friction problem").
    """
    jams = 0
    for k in range(known):
        at = turn * hits.room + k
        grows = hits.grows[env, 2 * k] + hits.grows[env, 2 * k + 1] > 0
        if grows and hits.leaves[env, k] > 0.0:
            hits.kind[env, row, at] = JAMS
            hits.wanted[env, 2 * k] -= hits.leaves[env, k]
            hits.leaves[env, k] = 0.0
            jams += 1
    return jams


@ti.func
def keep(hits: ti.template(), env, row, turn, n, step):
    """Keep which unknowns were solved for, and the inverse of their system, if there is room."""
    base, begin, solved = 2 * turn * hits.room, hits.offset[env, row, turn], 0
    for i in range(n):
        solved += hits.beyond[env, i]
    fits = begin + solved * solved <= hits.space
    if not fits:
        lacks_room(hits.wide, env, step, 2 * (begin + solved * solved))  # there may be more rounds
    else:
        kept = 0
        for i in range(n):
            if hits.beyond[env, i] == 1:
                at = begin + kept * solved
                for j in range(n):
                    if hits.beyond[env, j] == 1:
                        hits.inverse[env, row, at] = hits.table[env, i * 4 * hits.room + n + j]
                        at += 1
                hits.unknown[env, row, base + kept] = hits.unknown[env, row, base + i]
                kept += 1
        hits.unknowns[env, row, turn] = solved
        hits.pairs[env, row, 0] = ti.max(hits.pairs[env, row, 0], solved * solved)
    return fits


@ti.func
def shortened(hits: ti.template(), impulse):
    """An impulse without the bits that rounding in the elimination may have changed, so that mirror images have the
    same; their inverse adds what they lack.

    Dekker 1971, "A floating-point technique for extending the available precision", Numer. Math. 18.
    """
    more = hits.halves * impulse
    return more - (more - impulse)


@ti.func
def sweep_on(touch: ti.template(), hits: ti.template(), env, row, turn, known, rubs, still, most):
    """At most so many sweeps, from the impulses that were tried last; whether they came to an end."""
    for u in range(2 * known):
        hits.beyond[env, u] = 0
        hits.grows[env, u] = 0
    sweeps, moves = 0, 2.0 * still
    while sweeps < most and moves > still:
        moves = sweep(touch, hits, env, row, turn, known, rubs, still)
        sweeps += 1
    return moves <= still


@ti.func
def sweep(touch: ti.template(), hits: ti.template(), env, row, turn, known, rubs, still):
    """Projected Gauss-Seidel, once over all impacts of a round; the largest change of a speed."""
    largest = ti.cast(0.0, hits.real)
    for u in range(2 * known):
        if hits.kind[env, row, turn * hits.room + u // 2] != NOTHING and u % 2 <= rubs:
            lack = hits.wanted[env, u]
            first = u * 2 * hits.room
            for v in range(2 * known):
                lack -= hits.mass[env, first + v] * hits.tried[env, v]
            before = hits.tried[env, u]
            own = hits.mass[env, first + u]
            free = before + lack / own
            most = friction_of(touch, hits, env, row, u) * hits.tried[env, u - u % 2]
            after = ti.select(u % 2 == 0, ti.max(0.0, free), ti.min(ti.max(free, -most), most))
            hits.tried[env, u] = after
            # What friction lacks: an impact of which it gives less than it could sticks, any other slides.
            hits.beyond[env, u] = ti.select(
                ti.abs(free) < most, 0, ti.select(free > 0.0, 1, ti.select(free < 0.0, -1, 0))
            )
            moves = ti.abs(after - before) * own
            hits.grows[env, u] = ti.cast(moves > hits.loose * still, ti.i32)
            largest = ti.max(largest, moves)
    return largest


@ti.func
def sort(touch: ti.template(), hits: ti.template(), env, row, turn, known, rubs, still):
    """Say which way each impact slides, and list the unknowns: of what gives, and of what sticks."""
    n, base = 0, turn * hits.room
    for u in range(2 * known):
        normal = u - u % 2
        gives = hits.tried[env, normal] * hits.mass[env, normal * 2 * hits.room + normal] > still
        slides = hits.beyond[env, u]
        if u % 2 == 1:
            hits.slides[env, row, base + u // 2] = slides
        sticks = rubs == 1 and slides == 0 and friction_of(touch, hits, env, row, u) > 0.0
        if gives and (u % 2 == 0 or sticks):
            hits.unknown[env, row, 2 * base + n] = u
            n += 1
    return n


@ti.func
def fill(touch: ti.template(), hits: ti.template(), env, row, turn, n):
    """The system of n unknowns beside the unit matrix; and of each, that nothing is solved for it yet."""
    width = 4 * hits.room
    for i in range(n):
        for j in range(n):
            hits.table[env, i * width + j] = entry(touch, hits, env, row, turn, i, j)
            hits.table[env, i * width + n + j] = ti.select(i == j, 1.0, 0.0)
        u = hits.unknown[env, row, 2 * turn * hits.room + i]
        hits.own[env, i] = hits.mass[env, u * 2 * hits.room + u]
        hits.beyond[env, i] = 0


@ti.func
def next_pivot(hits: ti.template(), env, n):
    """Of the unknowns that are not solved for yet, the one that depends least on those that are; -1 if all do.

    Of some that are much alike the first one, so that rounding does not say which. What slides may leave less than
    nothing: the more it is pressed, the faster it comes, as where it jams.
    """
    width = 4 * hits.room
    found, most = -1, ti.cast(hits.depends, hits.real)
    for i in range(n):
        share = ti.abs(hits.table[env, i * width + i]) / hits.own[env, i]
        if hits.beyond[env, i] == 0 and share > most:
            found, most = i, ALIKE * share
    return found


@ti.func
def solve_guess(
    touch: ti.template(), hits: ti.template(), env, row, turn, n, known, rubs, ended, last: ti.template(), still, lax
):
    """The solution of a guess. Whether it is right; else sweeps go on from it.

    What depends on the others, as do four corners of two boxes that share a pin, or friction at both corners of one,
    gets nothing: whatever it were given, others would take it back. Where that are contacts, so that others would have
    to pull or to rub instead, it gets about what it got in the sweeps.
    """
    eliminate(touch, hits, env, row, turn, n)
    depends = 0
    for i in range(n):
        depends = ti.max(depends, 1 - hits.beyond[env, i])
    right = False
    for way in range(3):
        # Nothing for what depends, or what sweeps gave it; at last, if neither is right, what they gave to all.
        if not right and (way <= depends or (way == 2 and last and not ended)):
            settle(touch, hits, env, row, turn, n, way)
            right = judge(touch, hits, env, row, turn, known, rubs, still, lax)
    return right


@ti.func
def eliminate(touch: ti.template(), hits: ti.template(), env, row, turn, n):
    """Gauss-Jordan with pivots from the diagonal, but for what depends on the others."""
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


@ti.func
def go_on(touch: ti.template(), hits: ti.template(), env, row, known):
    """Let sweeps go on from the last solution, without what pulls or rubs too much."""
    for k in range(known):
        along = ti.max(0.0, hits.own[env, 2 * k])
        most = friction_of(touch, hits, env, row, 2 * k) * along
        hits.tried[env, 2 * k] = along
        hits.tried[env, 2 * k + 1] = ti.min(ti.max(hits.own[env, 2 * k + 1], -most), most)


@ti.func
def judge(touch: ti.template(), hits: ti.template(), env, row, turn, known, rubs, still, lax):
    """Whether a solution is what impacts do: none pulls, none comes nearer than it may, friction is within its cone.

    What nearly depends on the others, as friction at both corners of a box that lies a little askew, and gets nothing,
    may lack more if ``lax``. All impulses, also of what slides, are left in ``hits.own``.
    """
    right, base, room = True, turn * hits.room, 2 * hits.room
    for u in range(2 * known):
        slides = hits.slides[env, row, base + u // 2] * friction_of(touch, hits, env, row, u)
        along = hits.found[env, u - u % 2]
        hits.own[env, u] = hits.found[env, u] + ti.select(u % 2 == 1, slides * along, 0.0)
    for u in range(2 * known):
        friction = friction_of(touch, hits, env, row, u)
        acts = hits.kind[env, row, base + u // 2] != NOTHING
        if acts and (u % 2 == 0 or (rubs == 1 and friction > 0.0)):
            lack = hits.wanted[env, u]
            for v in range(2 * known):
                lack -= hits.mass[env, u * room + v] * hits.own[env, v]
            mass = hits.mass[env, u * room + u]
            most = mass * friction * hits.own[env, u - u % 2]
            given = mass * hits.own[env, u]
            near = hits.loose * still
            # A pivot is a square of how far two rows are apart, and the largest speed asked for is still / hits.still.
            left = ti.select(lax and hits.spare[env, u] == 1, ti.sqrt(hits.depends) / hits.still * still, near)
            if u % 2 == 0:  # at least 0, of which only 0 may be more than is lacked
                right = right and given >= -near and lack <= left and (given <= near or lack >= -left)
            else:
                right = right and ti.abs(given) <= most + near
                right = right and (given >= most - near or lack <= left) and (given <= near - most or lack >= -left)
    return right


@ti.func
def settle(touch: ti.template(), hits: ti.template(), env, row, turn, n, way):
    """The solution from the table. What depends gets nothing, or what sweeps gave (``way`` 1; 2: all does)."""
    width, base = 4 * hits.room, 2 * turn * hits.room
    for j in range(n):
        hits.own[env, j] = hits.wanted[env, hits.unknown[env, row, base + j]]
        for i in range(n):
            if way == 1 and hits.beyond[env, i] == 0:
                given = coarse(hits.tried[env, hits.unknown[env, row, base + i]], 0)
                hits.own[env, j] -= entry(touch, hits, env, row, turn, j, i) * given
    for u in range(2 * hits.room):
        hits.found[env, u] = 0.0
        hits.spare[env, u] = 0
    for i in range(n):
        u = hits.unknown[env, row, base + i]
        hits.spare[env, u] = 1 - hits.beyond[env, i]
        if way == 2:
            hits.beyond[env, i] = 0
        solved = hits.beyond[env, i]
        guess = ti.select(way == 2, hits.tried[env, u], ti.select(way > solved, coarse(hits.tried[env, u], 0), 0.0))
        if solved == 1:
            for j in range(n):
                guess += hits.table[env, i * width + n + j] * hits.own[env, j]
        hits.found[env, u] = guess
