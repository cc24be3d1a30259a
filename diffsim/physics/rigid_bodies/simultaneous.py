"""Which impacts of a step are solved together, and a first solution: forward only. See `rigid_bodies.impacts`."""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.impulses import PASSED_ON, row_speed

__all__ = ["choose", "decide"]

SWEEPS = 1000
"""Most sweeps of projected Gauss-Seidel over the impacts of a step, of which there are few."""

TIGHT = 1.0e-5
"""A rope that is shorter than its length by less is taut [m]: rounding of some steps' way in float32."""

DEPENDS = 1.0e-2
"""An unknown of which less than this share of its inverse mass is left, where others have their speeds, depends on
them: of a body's two corners, if they are nearer to its middle than a twentieth of its radius of gyration."""


ALIKE = 1.1
"""Unknowns whose shares differ by less than this factor are alike: a pivot need not be the largest."""


@ti.func
def held(touch: ti.template(), env, row, m):
    """Whether a contact gave something at the end of the step before: bodies lean on each other there."""
    old = touch.warm[env, row, m]
    found = False
    if old >= 0:
        found = touch.carried[env, row, old][0] > 0.0
    return found


@ti.func
def begins(bodies: ti.template(), courses: ti.template(), touch: ti.template(), env, row, m):
    """Whether a contact begins in this step, if nothing was held: bodies come faster than forces push them."""
    law = touch.law[env, row, m]
    a = courses.start[env, row, touch.first[env, row, m]]
    b = courses.start[env, row, touch.second[env, row, m]]
    speed = row_speed(touch.out[env, row, m], a, b)
    hits = ti.max(-law[2], -speed / PASSED_ON) > law[8]
    return contact.meets(law[0], speed, bodies.dt) and hits


@ti.func
def tight(courses: ti.template(), touch: ti.template(), env, row, m):
    """Whether a rope is as long as it can be, and stays so if nothing happens: a pull at one end is felt at both."""
    a = courses.start[env, row, touch.first[env, row, m]]
    b = courses.start[env, row, touch.second[env, row, m]]
    law = touch.law[env, row, m]
    return law[0] < TIGHT and ti.abs(row_speed(touch.out[env, row, m], a, b)) <= law[8] + contact.STILL


@ti.func
def list_ropes(
    bodies: ti.template(),
    joints: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    hits: ti.template(),
    env,
    row,
    found,
    taut: ti.template(),
):
    """List the ropes that go taut, or those that are; how many there are in the list then."""
    count = found
    for k in range(joints.ropes):
        m = touch.contacts + k
        touch.first[env, row, m] = joints.first[joints.roped[k]]
        touch.second[env, row, m] = joints.second[joints.roped[k]]
        hits.slot[env, row, m] = -1
        goes = begins(bodies, courses, touch, env, row, m)
        if ti.static(taut):
            if tight(courses, touch, env, row, m) and not goes:
                hits.begun[env, count] = m
                count += 1
        elif goes and joints.carried[env, row, joints.roped[k]][0] == 0.0:
            hits.begun[env, count] = m
            count += 1
    return count


@ti.func
def meet_at(touch: ti.template(), hits: ti.template(), env, row, m, other, bodies):
    """Whether two impacts are of one body that moves, or of what joints hold together."""
    found = False
    for side in range(4):
        mine = ti.select(side % 2 == 0, touch.first[env, row, m], touch.second[env, row, m])
        its = ti.select(side // 2 == 0, touch.first[env, row, other], touch.second[env, row, other])
        found = found or (mine == its and mine < bodies)
        found = found or (hits.assembly[mine] == hits.assembly[its] and hits.assembly[mine] >= 0)
    return found


@ti.func
def choose(
    bodies: ti.template(),
    joints: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    system: ti.template(),
    hits: ti.template(),
    env,
    row,
    step,
    element,
):
    """List the impacts that are solved together: of what joints hold, those of one body, and ropes that are taut there.

    What hits something that leans on others is for the solver, which finds it together with what carries it: a pile
    would sink into itself where impacts are solved as if there was nothing below.
    """
    for body in range(bodies.bodies):
        hits.leans[env, body] = 0
    found = list_ropes(bodies, joints, courses, touch, hits, env, row, 0, False)
    for m in range(touch.count[env, row, 0]):
        hits.slot[env, row, m] = -1
        if held(touch, env, row, m):
            for side in range(2):
                place = ti.select(side == 0, touch.first[env, row, m], touch.second[env, row, m])
                hits.leans[env, ti.min(place, bodies.bodies)] = 1
        elif begins(bodies, courses, touch, env, row, m):
            hits.begun[env, found] = m
            found += 1
    hits.leans[env, bodies.bodies] = 0
    known = found
    if found > 0:
        known = list_ropes(bodies, joints, courses, touch, hits, env, row, found, True)
    for one in range(known):
        m = hits.begun[env, one]
        a = touch.first[env, row, m]
        b = touch.second[env, row, m]
        joins = one < found and ti.max(hits.assembly[a], hits.assembly[b]) >= 0
        free = hits.leans[env, ti.min(a, bodies.bodies)] + hits.leans[env, ti.min(b, bodies.bodies)] == 0
        for other in range(known):
            if free and other != one and one < found:
                joins = joins or meet_at(touch, hits, env, row, m, hits.begun[env, other], bodies.bodies)
        hits.joins[env, one] = ti.cast(joins, ti.i32)
    # Ropes that are taut join what they hang on, and so on from rope to rope.
    for _ in range(known - found):
        for one in range(found, known):
            for other in range(known):
                if hits.joins[env, one] == 0 and hits.joins[env, other] == 1:
                    near = meet_at(touch, hits, env, row, hits.begun[env, one], hits.begun[env, other], bodies.bodies)
                    hits.joins[env, one] = ti.cast(near, ti.i32)
    kept = 0
    for one in range(known):
        if hits.joins[env, one] == 1 and kept < hits.room:
            hits.contact[env, row, kept] = hits.begun[env, one]
            kept += 1
    hits.count[env, row, 0] = kept
    answer(joints, touch, system, hits, env, row, kept)


@ti.func
def answer(joints: ti.template(), touch: ti.template(), system: ti.template(), hits: ti.template(), env, row, kept):
    """Which rows of joints answer to impacts, and to which."""
    some = ti.cast(kept > 0, ti.i32)
    hits.joined[env, row, 0] = some * system.rows
    hits.entries[env, row, 0] = some * system.entries
    hits.changes[env, row, 0] = some * system.changes
    hits.solves[env, row, 0] = some * system.steps
    for k in range(some * system.rows):
        own = ti.max(hits.assembly[joints.first[system.joint[k]]], hits.assembly[joints.second[system.joint[k]]])
        hits.asked[env, row, k] = -1
        for back in range(kept):
            m = hits.contact[env, row, kept - 1 - back]
            if own == hits.assembly[touch.first[env, row, m]] or own == hits.assembly[touch.second[env, row, m]]:
                hits.asked[env, row, k] = kept - 1 - back


@ti.func
def push(bodies: ti.template(), hits: ti.template(), env, a, b, one: ti.template()):
    """An impulse along a row, on both of its bodies."""
    for side in range(2):
        place = ti.select(side == 0, a, b)
        sign = 2.0 * side - 1.0
        light = sign * bodies.inverse_mass[env, place]
        spin = sign * bodies.inverse_inertia[env, place] * ti.select(side == 0, one[2], one[3])
        hits.change[env, place] += ti.Vector([light * one[0], light * one[1], spin])


@ti.func
def answers(
    bodies: ti.template(),
    joints: ti.template(),
    touch: ti.template(),
    system: ti.template(),
    hits: ti.template(),
    env,
    row,
    known,
    which,
):
    """Column ``which`` of the inverse mass that impacts feel: even for normals, odd for tangents."""
    for place in range(hits.places):
        hits.change[env, place] = ti.Vector([0.0, 0.0, 0.0])
    m = hits.contact[env, row, which // 2]
    push(bodies, hits, env, touch.first[env, row, m], touch.second[env, row, m], axis(touch, env, row, m, which % 2))
    for k in range(system.rows):
        joint = system.joint[k]
        a = hits.change[env, joints.first[joint]]
        b = hits.change[env, joints.second[joint]]
        hits.thought[env, k] = -row_speed(system.row[env, row, k], a, b)
        hits.thought[env, system.rows + k] = 0.0
    for k in range(system.steps):
        entry = system.solves[4 * k + 2]
        factor = 1.0 / system.matrix[env, row, system.solves[4 * k + 3]]
        if entry >= 0:
            factor *= -system.matrix[env, row, entry]
        hits.thought[env, system.solves[4 * k]] += factor * hits.thought[env, system.solves[4 * k + 1]]
    for k in range(system.rows):
        joint = system.joint[k]
        held = hits.thought[env, system.rows + k] * system.row[env, row, k]
        push(bodies, hits, env, joints.first[joint], joints.second[joint], held)
    for u in range(2 * known):
        m = hits.contact[env, row, u // 2]
        a = hits.change[env, touch.first[env, row, m]]
        b = hits.change[env, touch.second[env, row, m]]
        hits.mass[env, u * 2 * hits.room + which] = row_speed(axis(touch, env, row, m, u % 2), a, b)


@ti.func
def axis(touch: ti.template(), env, row, m, side):
    """The row of a contact along its normal, or along its tangent."""
    return ti.select(side == 0, touch.out[env, row, m], touch.side[env, row, m])


@ti.func
def want(courses: ti.template(), touch: ti.template(), hits: ti.template(), env, row, u):
    """What an impact lacks of its speed along the normal or the tangent."""
    m = hits.contact[env, row, u // 2]
    a = courses.start[env, row, touch.first[env, row, m]]
    b = courses.start[env, row, touch.second[env, row, m]]
    goal = ti.select(u % 2 == 0, hits.goal[env, row, u // 2][0], 0.0)
    hits.wanted[env, u] = goal - row_speed(axis(touch, env, row, m, u % 2), a, b)
    hits.tried[env, u] = 0.0


@ti.func
def sweep(touch: ti.template(), hits: ti.template(), env, row, known):
    """Projected Gauss-Seidel, once over all impacts; the largest change of a speed."""
    largest = 0.0
    for u in range(2 * known):
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
        hits.beyond[env, u] = ti.select(ti.abs(free) < most, 0, ti.select(free > 0.0, 1, ti.select(free < 0.0, -1, 0)))
        largest = ti.max(largest, ti.abs(after - before) * own)
    return largest


@ti.func
def sort(hits: ti.template(), env, row, known):
    """Say which way each impact slides, and list the unknowns: of what gives, and of what sticks."""
    n = 0
    for u in range(2 * known):
        gives = hits.tried[env, u - u % 2] > 0.0
        slides = hits.beyond[env, u]
        if u % 2 == 1:
            hits.slides[env, row, u // 2] = slides
        if gives and (u % 2 == 0 or slides == 0):
            hits.unknown[env, row, n] = u
            n += 1
    return n


@ti.func
def fill(touch: ti.template(), hits: ti.template(), env, row, n):
    """The system of n unknowns beside the unit matrix; and of each, that nothing is solved for it yet."""
    width = 4 * hits.room
    for i in range(n):
        for j in range(n):
            u, v = hits.unknown[env, row, i], hits.unknown[env, row, j]
            at = u * 2 * hits.room + v
            found = hits.mass[env, at]
            if v % 2 == 0:  # with what friction gives where it slides
                friction = touch.law[env, row, hits.contact[env, row, v // 2]][6]
                found += hits.slides[env, row, v // 2] * friction * hits.mass[env, at + 1]
            hits.table[env, i * width + j] = found
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
def invert(touch: ti.template(), hits: ti.template(), env, row, n):
    """Gauss-Jordan with pivots from the diagonal; and the solution.

    What depends on the others gets nothing: four corners of two boxes that share a pin, friction at both corners of
    one. Whatever it were given, others would take it back, and a little difference of what they aim at would let both
    grow without end.
    """
    width = 4 * hits.room
    fill(touch, hits, env, row, n)
    p = next_pivot(hits, env, n)
    while p >= 0:
        hits.beyond[env, p] = 1
        pivot = hits.table[env, p * width + p]
        for j in range(2 * n):
            hits.table[env, p * width + j] /= pivot
        for i in range(n):
            factor = hits.table[env, i * width + p]
            if i != p:
                for j in range(2 * n):
                    hits.table[env, i * width + j] -= factor * hits.table[env, p * width + j]
        p = next_pivot(hits, env, n)
    for i in range(n):
        guess = 0.0
        for j in range(n):
            found = hits.beyond[env, i] * hits.table[env, i * width + n + j]
            hits.inverse[env, row, i * n + j] = found
            guess += found * hits.wanted[env, hits.unknown[env, row, j]]
        hits.guess[env, row, i] = guess


@ti.func
def decide(
    bodies: ti.template(),
    joints: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    system: ti.template(),
    hits: ti.template(),
    env,
    row,
    step,
    element,
):
    """What each impact does that is solved with others, and all their impulses."""
    known = hits.count[env, row, 0]
    n = 0
    if known > 0:
        for u in range(2 * known):
            want(courses, touch, hits, env, row, u)
            answers(bodies, joints, touch, system, hits, env, row, known, u)
        turns, moves = 0, 1.0
        while turns < SWEEPS and moves > hits.still:
            moves = sweep(touch, hits, env, row, known)
            turns += 1
        n = sort(hits, env, row, known)
        invert(touch, hits, env, row, n)
        for k in range(known):
            if hits.tried[env, 2 * k] > 0.0:
                m = hits.contact[env, row, k]
                hits.slot[env, row, m] = k
                if m < touch.contacts:
                    touch.warm[env, row, m] = -1  # what it gave is no impulse of the step before
    hits.unknowns[env, row, 0] = n
    hits.pairs[env, row, 0] = n * n
