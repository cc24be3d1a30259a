"""Impacts at one time: what hits in a step together, or hits what joints hold, is solved together.

Sequential impulses would let one corner of a box that lands flat bounce before the other knows, and a bounce of a body
that a joint holds would not know of the joint's mass. So where a contact begins, all contacts of its cluster (bodies
that touch or nearly do, and what joints hold) get impulses x with

    0 <= x,  A x >= b,  x (A x - b) = 0,   friction within Coulomb's cone,

where A is the inverse mass that they feel with all joints held (``J`` their rows, the joints' answer eliminated), and b
is what each lacks of its speed after the impact: Newton's law, with all of them at one time (Brogliato 2016,
"Nonsmooth Mechanics", section 5.3). What is passed on hits in a round of its own, with the speeds that the round before
left, as in Newton's cradle; what does not bounce, or was held before, stays closed in all of them (Smith et al. 2012,
"Reflections on simultaneous impact", ACM Trans. Graph. 31(4), has both as generalised reflections). Without friction no
round adds energy, and none takes any if the restitution is 1; joints do no work. With friction there may be no such
impulses: what jams between two others, and would leave, stays closed (`complementarity.calm`).

A stage that is not differentiable finds which of them give in each round, which slide, the solution, and the inverse
for these (`decide`); then ``x + inverse (b - A x)`` has its value and its derivative. Each acts at its own time of
impact, and so do the joints' answers to it. Pass 2 r gives what was guessed for round r and sees what that lacks, pass
2 r + 1 gives what is right. A last round finds what forces press on what is closed then, with which the solver may
begin the next step. The courses of bodies after pass p stand at ``(p + 1) * places``, those before all at 0.
"""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.contact_geometry import advanced
from diffsim.physics.rigid_bodies.impulses import row_speed
from diffsim.physics.rigid_bodies.joint_system import factor_of

__all__ = [
    "BOUNCES",
    "JAMS",
    "NOTHING",
    "STAYS",
    "SUPPORTS",
    "aim_impact",
    "answer_rows",
    "answer_together",
    "begin_more",
    "depart",
    "goal_of",
    "hold_bodies",
    "improve",
    "kick",
    "lay_rope",
    "leant",
    "miss_goal",
    "pass_on",
    "set_out",
    "substitute_impacts",
    "time_of",
    "turn_row",
]

NOTHING, BOUNCES, STAYS, SUPPORTS, JAMS = 0, 1, 2, 3, 4
"""What a contact does in a round: it has no part in it, it bounces, it is closed then, or it was and carries what
forces press it with; or it is closed, and friction lets nothing leave."""


@ti.func
def lay_rope(joints: ti.template(), courses: ti.template(), touch: ti.template(), env, row, step, k):
    """A rope as a contact from inside: without friction, without a bounce."""
    joint = joints.roped[k]
    out = joints.row[env, row, 3 * joint]
    error = joints.error[env, row, joint]
    speed = row_speed(out, courses.start[env, row, joints.first[joint]], courses.start[env, row, joints.second[joint]])
    forces = speed - error[1]
    m = touch.contacts + k
    touch.out[env, row, m] = out
    # Nothing acts across it. The row is there to have a mass that is not zero.
    touch.side[env, row, m] = ti.Vector([-out[1], out[0], 0.0, 0.0])
    mass = joints.inverse[env, row, 3 * joint][0]
    touch.law[env, row, m] = ti.Vector([error[0], forces, error[1], mass, mass, 0.0, 0.0, 0.0, ti.abs(forces), 0.0])


@ti.func
def time_of(gap, speed, latest: ti.template()):
    """When bodies at this distance along the normal come together, at most as good as at the end of the step [s]."""
    return ti.min(latest, contact.time_of_bounce(gap, ti.min(speed, -contact.SLOWEST), latest))


@ti.func
def leant(hits: ti.template(), env, row, k):
    """Whether it was closed before all impacts: the first round has what supports then."""
    return hits.kind[env, row, k] == SUPPORTS


@ti.func
def goal_of(bodies: ti.template(), law: ti.template(), kind, speed, share, lands):
    """Which speed along the normal an impact aims at [m/s]: it bounces, or stays; what hovers may come down.

    What ``lands`` may be lifted in what is left of the step; not what `leant` before, nor what rests after all impacts.
    """
    up = contact.rebound(speed, law[1], share, law[7])
    fall = -ti.max(0.0, law[0] - law[9]) / bodies.dt
    stays = ti.select(lands, contact.lifted(law[0], law[2], law[1], share), 0.0)
    closed = ti.select(kind == SUPPORTS, fall, ti.select(kind == JAMS, 0.0, stays))
    return ti.select(kind == BOUNCES, up, closed)


@ti.func
def row_change(row: ti.template(), first: ti.template(), second: ti.template()):
    """Along a row: speed, and displacement, of bodies with courses (both)."""
    speed = row_speed(row, first, second)
    shift = row[0] * (second[3] - first[3]) + row[1] * (second[4] - first[4]) + row[3] * second[5] - row[2] * first[5]
    return ti.Vector([speed, shift])


@ti.func
def aim_impact(bodies: ti.template(), touch: ti.template(), hits: ti.template(), env, row, step, element):
    """What an impact aims at in a round: speed along the normal; and its time. What supports does so all the time."""
    turn = element // hits.room
    k = element - turn * hits.room
    if turn < hits.passes[env, row, 0] and k < hits.count[env, row, 0] and turn % 2 == 0:
        at = turn // 2 * hits.room
        m = hits.contact[env, row, k]
        first = hits.contact[env, row, hits.leader[env, row, at + k]]
        kind = hits.kind[env, row, at + k]
        base = turn * hits.places
        law = touch.law[env, row, m]
        ahead = row_change(
            touch.out[env, row, first],
            hits.course[env, row, base + touch.first[env, row, first]],
            hits.course[env, row, base + touch.second[env, row, first]],
        )
        dt = ti.static(bodies.dt)
        time = time_of(touch.law[env, row, first][0] + ahead[1], ahead[0], ti.static(hits.latest))
        # Only what comes by itself bounces, and it is its own leader.
        lands = turn // 2 != hits.rest[env, row, 0] and not leant(hits, env, row, k)
        goal = goal_of(bodies, law, kind, ahead[0], time / dt, lands)
        hits.goal[env, row, at + k] = ti.Vector([goal, ti.select(kind == SUPPORTS, 0.0, time)])


@ti.func
def turn_row(
    bodies: ti.template(),
    joints: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    system: ti.template(),
    hits: ti.template(),
    env,
    row,
    step,
    k,
):
    """A row of a joint as it is at the impact that it answers to: both bodies have turned by then.

    What joints answered at the start of the step would be off by as much as they turn, in every step, however short.
    """
    if hits.count[env, row, 0] > 0:
        joint = system.joint[k]
        kind = joints.kind[joint]
        which = system.which[k]
        asked = hits.asked[env, row, k]
        m = hits.contact[env, row, ti.max(asked, 0)]
        start_a = courses.start[env, row, touch.first[env, row, m]]
        start_b = courses.start[env, row, touch.second[env, row, m]]
        speed = row_speed(touch.out[env, row, m], start_a, start_b)
        time = ti.select(asked < 0, 0.0, time_of(touch.law[env, row, m][0], speed, ti.static(hits.latest)))
        one = joints.row[env, row, 3 * joint]
        two = joints.row[env, row, 3 * joint + 1]
        own = joints.row[env, row, 3 * joint + which]
        angle_a = time * courses.start[env, row, joints.first[joint]][2]
        angle_b = time * courses.start[env, row, joints.second[joint]][2]
        arm_a = advanced(ti.Vector([two[2], -one[2]]), angle_a)
        arm_b = advanced(ti.Vector([two[3], -one[3]]), angle_b)
        across = advanced(ti.Vector([one[0], one[1]]), angle_a)
        slid = time * joints.error[env, row, joint][2]
        straight = ti.select(
            which == 0, ti.Vector([1.0, 0.0, -arm_a[1], -arm_b[1]]), ti.Vector([0.0, 1.0, arm_a[0], arm_b[0]])
        )
        beside = ti.Vector([across[0], across[1], one[2] + slid, one[3]])
        slides = kind == 2 and which == 0
        system.row[env, row, k] = ti.select(slides, beside, ti.select(kind != 2 and which < 2, straight, own))


# Round after round


@ti.func
def set_out(motion: ti.template(), courses: ti.template(), hits: ti.template(), env, row, step, element):
    """Courses before all impacts, and what of them is by forces; nothing was given yet."""
    if element < hits.places:
        start = courses.start[env, row, element]
        before = motion.velocity[env, row, element]
        spin = start[2] - motion.angular_velocity[env, row, element]
        hits.course[env, row, element] = ti.Vector([start[0], start[1], start[2], 0.0, 0.0, 0.0])
        hits.pressed[env, row, element] = ti.Vector([start[0] - before[0], start[1] - before[1], spin, 0.0, 0.0, 0.0])
    if element < hits.room:
        hits.given[env, row, element] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])


@ti.func
def pass_on(hits: ti.template(), env, row, step, element):
    """Both passes of a round begin with the courses that the round before left."""
    turn = element // hits.places
    if turn < hits.passes[env, row, 0]:
        before = hits.course[env, row, element - turn % 2 * hits.places]
        forces = hits.pressed[env, row, element - turn * hits.places]
        rests = turn // 2 == hits.rest[env, row, 0]
        hits.struck[env, row, hits.places + element] = ti.select(rests, forces, before)


@ti.func
def begin_more(hits: ti.template(), env, row, step, element):
    """Nothing is added to the impulses yet that were guessed, along the normal or the tangent."""
    turn = element // (2 * hits.room)
    u = element - turn * (2 * hits.room)
    if turn < hits.passes[env, row, 0] and u < hits.twice[env, row, 0]:
        hits.more[env, row, element] = 0.0


@ti.func
def improve(hits: ti.template(), env, row, step, element):
    """What the lack of one unknown takes of another, in the second pass of a round."""
    turn = element // (4 * hits.room * hits.room)
    pair = element - turn * (4 * hits.room * hits.room)
    if turn < hits.passes[env, row, 0] and turn % 2 == 1:
        base = turn // 2 * 2 * hits.room
        n = hits.unknowns[env, row, turn // 2]
        if pair < n * n:
            k = pair // n
            other = hits.unknown[env, row, base + pair - k * n]
            more = hits.inverse[env, row, hits.offset[env, row, turn // 2] + pair] * hits.lack[env, row, base + other]
            hits.more[env, row, turn * 2 * hits.room + hits.unknown[env, row, base + k]] += more


@ti.func
def bent(bodies: ti.template(), env, place, sign: ti.template(), impulse: ti.template(), turn, time):
    """How an impulse at a time changes the course of one body: speed, then displacement."""
    light = sign * bodies.inverse_mass[env, place]
    spin = sign * bodies.inverse_inertia[env, place] * turn
    x, y = light * impulse[0], light * impulse[1]
    return ti.Vector([x, y, spin, -time * x, -time * y, -time * spin])


@ti.func
def kick(bodies: ti.template(), touch: ti.template(), hits: ti.template(), env, row, step, element):
    """Bend the courses of both bodies of an impact, as if they were free; what slides gets all that friction can."""
    turn = element // hits.room
    k = element - turn * hits.room
    if turn < hits.passes[env, row, 0] and k < hits.count[env, row, 0]:
        m = hits.contact[env, row, k]
        a = touch.first[env, row, m]
        b = touch.second[env, row, m]
        at = turn // 2 * hits.room + k
        slides = ti.cast(hits.slides[env, row, at], bodies.real)
        along = ti.cast(hits.guess[env, row, 2 * at] + hits.more[env, row, 2 * element], bodies.real)
        beside = ti.cast(hits.guess[env, row, 2 * at + 1] + hits.more[env, row, 2 * element + 1], bodies.real)
        across = beside + slides * touch.law[env, row, m][6] * along
        impulse = along * touch.out[env, row, m] + across * touch.side[env, row, m]
        time = hits.goal[env, row, at][1]
        base = (turn + 1) * hits.places
        hits.struck[env, row, base + a] += bent(bodies, env, a, -1.0, impulse, impulse[2], time)
        hits.struck[env, row, base + b] += bent(bodies, env, b, 1.0, impulse, impulse[3], time)
        rests = ti.select(turn % 2 == 1 and turn // 2 == hits.rest[env, row, 0], 1.0, 0.0)
        right = ti.select(turn % 2 == 1, 1.0 - rests, 0.0)
        stays = ti.select(hits.kind[env, row, at] == BOUNCES, 0.0, right)
        lands = ti.select(hits.kind[env, row, at] == STAYS, right, 0.0)
        hits.given[env, row, k] += ti.Vector(
            [
                stays * along,
                stays * across,
                stays * along * time,
                (right - stays) * along,
                (right - stays) * across,
                rests * along,
                rests * across,
                lands * along,
            ]
        )


@ti.func
def answer_rows(joints: ti.template(), system: ti.template(), hits: ti.template(), env, row, step, element):
    """What a row of a joint must take back."""
    turn = element // system.rows
    if turn < hits.passes[env, row, 0]:
        k = element - turn * system.rows
        joint = system.joint[k]
        a, b = joints.first[joint], joints.second[joint]
        base, after = (turn - turn % 2) * hits.places, (turn + 1) * hits.places
        rests = turn // 2 == hits.rest[env, row, 0]
        before_a = ti.select(rests, hits.pressed[env, row, a], hits.course[env, row, base + a])
        before_b = ti.select(rests, hits.pressed[env, row, b], hits.course[env, row, base + b])
        change_a = hits.struck[env, row, after + a] - before_a
        change_b = hits.struck[env, row, after + b] - before_b
        system.total[env, row, 2 * turn * system.rows + k] = -row_change(system.row[env, row, k], change_a, change_b)
        system.total[env, row, (2 * turn + 1) * system.rows + k] = ti.Vector([0.0, 0.0])


@ti.func
def substitute_impacts(system: ti.template(), hits: ti.template(), env, row, step, element):
    """One step of the solution for what joints answer to impacts."""
    turn = element // system.steps
    if turn < hits.passes[env, row, 0]:
        k = element - turn * system.steps
        base = 2 * turn * system.rows
        source = system.total[env, row, base + system.solves[4 * k + 1]]
        system.total[env, row, base + system.solves[4 * k]] += factor_of(system, env, row, k) * source


@ti.func
def answer_together(hits: ti.template(), env, row, step, element):
    """Courses as contacts bent them, to which joints add what they answer."""
    if element // hits.places < hits.passes[env, row, 0]:
        hits.course[env, row, hits.places + element] = hits.struck[env, row, hits.places + element]


@ti.func
def hold_bodies(
    bodies: ti.template(), joints: ti.template(), system: ti.template(), hits: ti.template(), env, row, step, element
):
    """Give both bodies of a row what it answers to impacts."""
    turn = element // system.rows
    if turn < hits.passes[env, row, 0]:
        k = element - turn * system.rows
        joint = system.joint[k]
        one = system.row[env, row, k]
        found = system.total[env, row, (2 * turn + 1) * system.rows + k]
        a = joints.first[joint]
        b = joints.second[joint]
        base = (turn + 1) * hits.places
        hits.course[env, row, base + a] += held(bodies, env, a, -1.0, one, one[2], found)
        hits.course[env, row, base + b] += held(bodies, env, b, 1.0, one, one[3], found)


@ti.func
def held(bodies: ti.template(), env, place, sign: ti.template(), one: ti.template(), turn, found: ti.template()):
    """The change of a body's speed and displacement for one of both along a row."""
    light = sign * bodies.inverse_mass[env, place]
    spin = sign * bodies.inverse_inertia[env, place] * turn
    x, y = light * one[0], light * one[1]
    return ti.Vector([x * found[0], y * found[0], spin * found[0], x * found[1], y * found[1], spin * found[1]])


@ti.func
def miss_goal(touch: ti.template(), hits: ti.template(), env, row, step, element):
    """What the guess lacks of the speeds that impacts aim at, along the normal and along the tangent."""
    turn = element // hits.room
    k = element - turn * hits.room
    if turn < hits.passes[env, row, 0] and k < hits.count[env, row, 0] and turn % 2 == 0:
        m = hits.contact[env, row, k]
        base = (turn + 1) * hits.places
        at = turn // 2 * hits.room + k
        goal = hits.goal[env, row, at]
        a = hits.course[env, row, base + touch.first[env, row, m]]
        b = hits.course[env, row, base + touch.second[env, row, m]]
        hits.lack[env, row, 2 * at] = goal[0] - row_speed(touch.out[env, row, m], a, b)
        hits.lack[env, row, 2 * at + 1] = -row_speed(touch.side[env, row, m], a, b)


@ti.func
def depart(courses: ti.template(), hits: ti.template(), env, row, step, place):
    """The course of a body after all rounds, with which the solver begins."""
    if hits.count[env, row, 0] > 0:
        after = hits.course[env, row, 2 * hits.rest[env, row, 0] * hits.places + place]
        courses.speed[env, row, place] = ti.Vector([after[0], after[1], after[2]])
        courses.shift[env, row, place] = ti.Vector([after[3], after[4], after[5]])
    else:
        courses.speed[env, row, place] = courses.start[env, row, place]
        courses.shift[env, row, place] = ti.Vector([0.0, 0.0, 0.0])
