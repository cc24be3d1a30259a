"""What impacts that are solved together do, round after round, and a first solution: forward only.

See `rigid_bodies.impacts`. In each round a contact has a kind: it bounces, stays closed, carries what forces press it
with, or has no part in it.
"""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.clusters import cluster_of, held, push
from diffsim.physics.rigid_bodies.complementarity import solve_round
from diffsim.physics.rigid_bodies.impacts import BOUNCES, JAMS, NOTHING, STAYS, SUPPORTS, goal_of, leant, time_of
from diffsim.physics.rigid_bodies.impulses import PASSED_ON, SOLVED, row_speed

__all__ = ["decide"]

BEFORE, IMPACTS, AFTER = 0, 1, 2
"""Phases: what is closed carries what forces press; impacts, round after round; what forces press on what is closed."""


@ti.func
def hold(bodies: ti.template(), joints: ti.template(), system: ti.template(), hits: ti.template(), env, row):
    """Add to a change what joints answer to it."""
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
        answer = hits.thought[env, system.rows + k] * system.row[env, row, k]
        push(bodies, hits, env, joints.first[joint], joints.second[joint], answer)


@ti.func
def axis(touch: ti.template(), env, row, m, side):
    """The row of a contact along its normal, or along its tangent."""
    return ti.select(side == 0, touch.out[env, row, m], touch.side[env, row, m])


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
):
    """The inverse mass that impacts feel, column by column: even for normals, odd for tangents; all begin to move."""
    for which in range(2 * known):
        for place in range(hits.places):
            hits.change[env, place] = ti.Vector([0.0, 0.0, 0.0])
        m = hits.contact[env, row, which // 2]
        one = axis(touch, env, row, m, which % 2)
        push(bodies, hits, env, touch.first[env, row, m], touch.second[env, row, m], one)
        hold(bodies, joints, system, hits, env, row)
        for u in range(2 * known):
            m = hits.contact[env, row, u // 2]
            a = hits.change[env, touch.first[env, row, m]]
            b = hits.change[env, touch.second[env, row, m]]
            hits.mass[env, u * 2 * hits.room + which] = row_speed(axis(touch, env, row, m, u % 2), a, b)


@ti.func
def along(touch: ti.template(), hits: ti.template(), env, row, k, side, what):
    """Of contact k: its speed along the normal or the tangent, or its displacement (``what`` 1), where bodies are."""
    m = hits.contact[env, row, k]
    base = what * hits.places
    a = hits.now[env, base + touch.first[env, row, m]]
    b = hits.now[env, base + touch.second[env, row, m]]
    return row_speed(axis(touch, env, row, m, side), a, b)


@ti.func
def kind_of(bodies: ti.template(), touch: ti.template(), hits: ti.template(), env, row, turn, k, until):
    """What a contact does in a round, and whether bodies come together there: 2 if faster than forces push them.

    They do so ``until`` a time from the start of the step [s].
    How fast they part, and when they come together if that is all, is left in ``hits.own``.
    """
    m, last = hits.contact[env, row, k], turn >= hits.rounds - hits.closing
    law = touch.law[env, row, m]
    speed = along(touch, hits, env, row, k, 0, 0)
    gap = law[0] + along(touch, hits, env, row, k, 0, 1)
    time = time_of(gap, speed, hits.latest)
    meets = contact.meets(gap, speed, until)
    kind, lacks, hard = NOTHING, ti.cast(0.0, hits.real), -speed > law[8]
    if m >= touch.contacts:
        kind, lacks = STAYS, ti.select(meets, -speed, 0.0)
    elif hits.closed[env, k] == 1:
        kind, lacks = ti.select(last or speed <= contact.STILL, STAYS, NOTHING), -speed
    elif meets:
        kind, lacks = STAYS, -speed
        up = contact.rebound(speed, law[1], time / bodies.dt, law[7])
        hard = ti.max(-law[2], -speed / PASSED_ON) > law[8]
        if lacks > contact.STILL and hard and up > 0.0 and contact.leaves(up, law[1], law[7]) and not last:
            kind = BOUNCES
    elif gap <= contact.SKIN and (last or (law[7] == 0.0 and speed <= contact.STILL)):
        kind = STAYS  # it lies there already, and stays if others press it
    hits.own[env, k] = time
    hits.own[env, hits.room + k] = speed
    return kind, ti.select(lacks > contact.STILL, ti.select(hard, 2, 1), 0)


@ti.func
def begin_round(bodies: ti.template(), touch: ti.template(), hits: ti.template(), env, row, turn, known, phase):
    """Kind, leader, time and lack of each impact in a round of a phase; whether any of them acts."""
    moving, base = 0, turn * hits.room
    for n in range(2 * known):
        # If something comes in this step, so does what comes at its end but for rounding.
        k, until = n % known, ti.cast(bodies.dt, hits.real)
        if n >= known and moving > 0:
            until = hits.latest
        kind, comes = kind_of(bodies, touch, hits, env, row, turn, k, until)
        if phase != IMPACTS:  # what is closed, and nothing else
            closed = hits.closed[env, k] == 1 and hits.contact[env, row, k] < touch.contacts
            kind = ti.select(closed, ti.select(phase == BEFORE, SUPPORTS, STAYS), NOTHING)
            comes = ti.select(closed, 1, 0)
            hits.own[env, k] = 0.0
        hits.kind[env, row, base + k] = kind
        hits.comes[env, k] = comes
        moving += comes
    for k in range(known):
        # What does not come by itself, or by forces only, acts when the first of its cluster does that comes faster.
        leader, earliest, fastest = k, ti.cast(2.0 * bodies.dt, hits.real), hits.comes[env, k]
        m = hits.contact[env, row, k]
        own = cluster_of(bodies, touch, hits, env, row, m)
        for other in range(known):
            its = cluster_of(bodies, touch, hits, env, row, hits.contact[env, row, other])
            faster = hits.comes[env, other] > hits.comes[env, k] and hits.comes[env, other] >= fastest
            if phase == IMPACTS and faster and its == own:
                if hits.own[env, other] < earliest or hits.comes[env, other] > fastest:
                    leader, earliest, fastest = other, hits.own[env, other], hits.comes[env, other]
        time, speed = hits.own[env, leader], hits.own[env, hits.room + k]
        hits.leader[env, row, base + k] = leader
        hits.when[env, k] = time
        law, kind, share = touch.law[env, row, m], hits.kind[env, row, base + k], time / bodies.dt
        lands = phase == IMPACTS and not leant(hits, env, row, k)
        goal = goal_of(bodies, law, kind, speed, share, lands)
        hits.leaves[env, k] = ti.select(kind == BOUNCES or kind == STAYS, ti.max(0.0, goal), 0.0)
        hits.wanted[env, 2 * k] = goal - speed
        hits.wanted[env, 2 * k + 1] = -along(touch, hits, env, row, k, 1, 0)
    return moving > 0


@ti.func
def turn_to_forces(
    bodies: ti.template(),
    motion: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    hits: ti.template(),
    env,
    row,
    known,
):
    """After all impacts: what is closed is what does not part, and speeds are those that forces give.

    Where many impacts of one step act at their own times, what came to stand still may do so above the other. If that
    is farther than forces can bring it down in a step, it carries nothing yet.
    """
    for k in range(known):
        m = hits.contact[env, row, k]
        law, speed = touch.law[env, row, m], hits.own[env, hits.room + k]
        ahead = law[0] + along(touch, hits, env, row, k, 0, 1) + bodies.dt * speed
        parts = speed > contact.STILL or ahead > law[9] + bodies.dt * law[8]
        hits.closed[env, k] = ti.select(parts, 0, hits.closed[env, k])
        if m < touch.contacts:
            touch.warm[env, row, m] = ti.select(law[9] > 0.0, SOLVED, -1)
    for place in range(hits.places):
        before, spin = motion.velocity[env, row, place], motion.angular_velocity[env, row, place]
        hits.now[env, place] = courses.start[env, row, place] - ti.Vector([before[0], before[1], spin])


@ti.func
def end_round(
    bodies: ti.template(),
    joints: ti.template(),
    touch: ti.template(),
    system: ti.template(),
    hits: ti.template(),
    env,
    row,
    turn,
    known,
):
    """Where bodies are after the impulses of a round, as courses (speed, displacement); and what is closed now."""
    base = turn * hits.room
    for what in range(2):
        for place in range(hits.places):
            hits.change[env, place] = ti.Vector([0.0, 0.0, 0.0])
        for k in range(known):
            m = hits.contact[env, row, k]
            gives = hits.found[env, 2 * k]
            slides = hits.slides[env, row, base + k] * touch.law[env, row, m][6]
            rubs = hits.found[env, 2 * k + 1] + slides * gives
            one = gives * touch.out[env, row, m] + rubs * touch.side[env, row, m]
            share = ti.select(what == 0, 1.0, -hits.when[env, k])
            push(bodies, hits, env, touch.first[env, row, m], touch.second[env, row, m], share * one)
            if what == 0:
                # Which way what gives nothing would slide is rounding.
                slid = ti.select(gives > 0.0, 13 + hits.slides[env, row, base + k], 1)
                way = slid + 3 * hits.kind[env, row, base + k]
                hits.way[env, row, k] = (31 * hits.way[env, row, k] + way) % 65521
            stays = hits.kind[env, row, base + k] == STAYS or hits.kind[env, row, base + k] == JAMS
            if stays and m < touch.contacts:
                hits.closed[env, k] = 1
        hold(bodies, joints, system, hits, env, row)
        for place in range(hits.places):
            hits.now[env, what * hits.places + place] += hits.change[env, place]


@ti.func
def decide(
    bodies: ti.template(),
    motion: ti.template(),
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
    """What each impact does that is solved with others, in each round, and all their impulses."""
    known = hits.count[env, row, 0]
    turn, rest = 0, 0
    hits.pairs[env, row, 0] = 0
    if known > 0:
        answers(bodies, joints, touch, system, hits, env, row, known)
        for place in range(hits.places):
            hits.now[env, place] = courses.start[env, row, place]
            hits.now[env, hits.places + place] = ti.Vector([0.0, 0.0, 0.0])
        for k in range(known):
            m = hits.contact[env, row, k]
            hits.closed[env, k] = ti.cast(held(touch, env, row, m), ti.i32)
            hits.way[env, row, k] = 0
            hits.slot[env, row, m] = k
        phase, most = BEFORE, hits.rounds
        while phase <= AFTER:
            acts = begin_round(bodies, touch, hits, env, row, turn, known, phase)
            if phase == IMPACTS and (turn >= most or not acts):
                turn_to_forces(bodies, motion, courses, touch, hits, env, row, known)
                phase = AFTER
            else:
                solved = False
                if acts:
                    solved = solve_round(touch, hits, env, row, step, turn, known)
                if phase == AFTER:
                    rest = ti.cast(solved, ti.i32)
                elif solved:
                    end_round(bodies, joints, touch, system, hits, env, row, turn, known)
                    turn += 1
                if phase != IMPACTS:
                    phase += 1
                elif not solved:
                    most = turn
    hits.rest[env, row, 0] = turn
    hits.passes[env, row, 0] = 2 * (turn + rest)
