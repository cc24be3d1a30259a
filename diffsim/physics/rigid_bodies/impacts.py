"""Impacts at one time: what hits in a step together, or hits what joints hold, is solved together.

Sequential impulses would let one corner of a box that lands flat bounce before the other knows, and a bounce of a body
that a joint holds would not know of the joint's mass. So the contacts that begin in a step, where they share a body
or a joint has a part, get impulses x with

    0 <= x,  A x >= b,  x (A x - b) = 0,   friction within Coulomb's cone,

where A is the inverse mass that they feel with all joints held (``J`` their rows, the joints' answer eliminated), and b
is what each lacks of its speed after the impact: Newton's law, with all of them at one time (Brogliato 2016,
"Nonsmooth Mechanics", section 5.3). Without friction this conserves energy if the restitution is 1; joints do no work.

A stage that is not differentiable finds which of them give, which slide, the solution, and the inverse for these
(`decide`); then ``x + inverse (b - A x)`` has its value and its derivative. Each acts at its own time of impact, and so
do the joints' answers to it.
"""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.contact_geometry import advanced
from diffsim.physics.rigid_bodies.impulses import row_speed
from diffsim.physics.rigid_bodies.joint_system import factor_of

__all__ = [
    "aim_impact",
    "answer_rows",
    "depart",
    "give",
    "hold_bodies",
    "kick",
    "lay_rope",
    "miss_goal",
    "recall_contact",
    "substitute_impacts",
    "turn_row",
    "whole",
]


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
    touch.law[env, row, m] = ti.Vector([error[0], forces, error[1], mass, mass, 0.0, 0.0, 0.0, ti.abs(forces)])


@ti.func
def aim_impact(
    bodies: ti.template(), courses: ti.template(), touch: ti.template(), hits: ti.template(), env, row, step, k
):
    """What an impact aims at: speed after it along the normal, 0 if it stays; and its time."""
    if k < hits.count[env, row, 0]:
        m = hits.contact[env, row, k]
        law = touch.law[env, row, m]
        out = touch.out[env, row, m]
        a = courses.start[env, row, touch.first[env, row, m]]
        b = courses.start[env, row, touch.second[env, row, m]]
        speed = row_speed(out, a, b)
        dt = ti.static(bodies.dt)
        impact = ti.min(dt, contact.time_of_bounce(law[0], ti.min(speed, -contact.SLOWEST), dt))
        up = contact.rebound(speed, law[1], impact / dt, law[7])
        leaves = contact.leaves(up, law[1], law[7])
        hits.goal[env, row, k] = ti.Vector([ti.select(leaves, up, 0.0), impact])


@ti.func
def turn_row(
    joints: ti.template(), courses: ti.template(), system: ti.template(), hits: ti.template(), env, row, step, k
):
    """A row of a joint as it is at the impact that it answers to: both bodies have turned by then.

    What joints answered at the start of the step would be off by as much as they turn, in every step, however short.
    """
    if hits.count[env, row, 0] > 0:
        joint = system.joint[k]
        kind = joints.kind[joint]
        which = system.which[k]
        asked = hits.asked[env, row, k]
        time = ti.select(asked < 0, 0.0, hits.goal[env, row, ti.max(asked, 0)][1])
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


# Pass 0 gives what was guessed, and sees what that lacks; pass 1 gives what is right


@ti.func
def give(hits: ti.template(), env, row, step, element):
    """Impulses of impacts, along the normal or the tangent: what was guessed, and in pass 1 the rest.

    An element is a pair of unknowns: how much the lack of the second takes of the first.
    """
    turn = element // (4 * hits.room * hits.room)
    pair = element - turn * (4 * hits.room * hits.room)
    if pair < hits.pairs[env, row, 0]:
        k = pair // hits.unknowns[env, row, 0]
        other = pair - k * hits.unknowns[env, row, 0]
        begins = ti.select(other == 0, hits.guess[env, row, k], 0.0)
        lack = hits.lack[env, row, hits.unknown[env, row, other]]
        more = ti.select(turn == 0, 0.0, hits.inverse[env, row, pair] * lack)
        hits.impulse[env, row, turn * 2 * hits.room + hits.unknown[env, row, k]] += begins + more


@ti.func
def whole(bodies: ti.template(), touch: ti.template(), hits: ti.template(), env, row, turn, k):
    """Impulse along the normal and along the tangent [N s]: what slides gets all that friction can give."""
    at = 2 * (turn * hits.room + k)
    along = hits.impulse[env, row, at]
    friction = touch.law[env, row, hits.contact[env, row, k]][6]
    slides = ti.cast(hits.slides[env, row, k], bodies.real)
    return along, hits.impulse[env, row, at + 1] + slides * friction * along


@ti.func
def bent(bodies: ti.template(), env, place, sign: ti.template(), impulse: ti.template(), turn, time):
    """How an impulse at a time changes the course of one body: speed, then displacement."""
    light = sign * bodies.inverse_mass[env, place]
    spin = sign * bodies.inverse_inertia[env, place] * turn
    x, y = light * impulse[0], light * impulse[1]
    return ti.Vector([x, y, spin, -time * x, -time * y, -time * spin])


@ti.func
def kick(bodies: ti.template(), touch: ti.template(), hits: ti.template(), env, row, step, element):
    """Bend the courses of both bodies of an impact, as if they were free."""
    turn = element // hits.room
    k = element - turn * hits.room
    if k < hits.count[env, row, 0]:
        m = hits.contact[env, row, k]
        a = touch.first[env, row, m]
        b = touch.second[env, row, m]
        along, across = whole(bodies, touch, hits, env, row, turn, k)
        impulse = along * touch.out[env, row, m] + across * touch.side[env, row, m]
        time = hits.goal[env, row, k][1]
        hits.kicked[env, row, turn * hits.places + a] += bent(bodies, env, a, -1.0, impulse, impulse[2], time)
        hits.kicked[env, row, turn * hits.places + b] += bent(bodies, env, b, 1.0, impulse, impulse[3], time)


@ti.func
def row_change(row: ti.template(), first: ti.template(), second: ti.template()):
    """Along a row: change of the speed, and of the displacement."""
    speed = row_speed(row, first, second)
    shift = row[0] * (second[3] - first[3]) + row[1] * (second[4] - first[4]) + row[3] * second[5] - row[2] * first[5]
    return ti.Vector([speed, shift])


@ti.func
def answer_rows(joints: ti.template(), system: ti.template(), hits: ti.template(), env, row, step, element):
    """What a row of a joint must take back."""
    if hits.count[env, row, 0] > 0:
        turn = element // system.rows
        k = element - turn * system.rows
        joint = system.joint[k]
        one = system.row[env, row, k]
        a = hits.kicked[env, row, turn * hits.places + joints.first[joint]]
        b = hits.kicked[env, row, turn * hits.places + joints.second[joint]]
        system.total[env, row, 2 * turn * system.rows + k] += -row_change(one, a, b)


@ti.func
def substitute_impacts(system: ti.template(), hits: ti.template(), env, row, step, element):
    """One step of the solution for what joints answer to impacts."""
    if hits.count[env, row, 0] > 0:
        turn = element // system.steps
        k = element - turn * system.steps
        base = 2 * turn * system.rows
        source = system.total[env, row, base + system.solves[4 * k + 1]]
        system.total[env, row, base + system.solves[4 * k]] += factor_of(system, env, row, k) * source


@ti.func
def hold_bodies(
    bodies: ti.template(), joints: ti.template(), system: ti.template(), hits: ti.template(), env, row, step, element
):
    """Give both bodies of a row what it answers to impacts."""
    if hits.count[env, row, 0] > 0:
        turn = element // system.rows
        k = element - turn * system.rows
        joint = system.joint[k]
        one = system.row[env, row, k]
        found = system.total[env, row, (2 * turn + 1) * system.rows + k]
        a = joints.first[joint]
        b = joints.second[joint]
        hits.held[env, row, turn * hits.places + a] += held(bodies, env, a, -1.0, one, one[2], found)
        hits.held[env, row, turn * hits.places + b] += held(bodies, env, b, 1.0, one, one[3], found)


@ti.func
def held(bodies: ti.template(), env, place, sign: ti.template(), one: ti.template(), turn, found: ti.template()):
    """The change of a body's speed and displacement for one of both along a row."""
    light = sign * bodies.inverse_mass[env, place]
    spin = sign * bodies.inverse_inertia[env, place] * turn
    x, y = light * one[0], light * one[1]
    return ti.Vector([x * found[0], y * found[0], spin * found[0], x * found[1], y * found[1], spin * found[1]])


@ti.func
def changed(courses: ti.template(), hits: ti.template(), env, row, place):
    """Speed of a body after what was guessed."""
    change = hits.kicked[env, row, place] + hits.held[env, row, place]
    return courses.start[env, row, place] + ti.Vector([change[0], change[1], change[2]])


@ti.func
def miss_goal(courses: ti.template(), touch: ti.template(), hits: ti.template(), env, row, step, element):
    """What the guess lacks of the speeds that impacts aim at, along the normal and along the tangent."""
    if element < hits.count[env, row, 0]:  # so in pass 0 only
        m = hits.contact[env, row, element]
        a = changed(courses, hits, env, row, touch.first[env, row, m])
        b = changed(courses, hits, env, row, touch.second[env, row, m])
        hits.lack[env, row, 2 * element] = hits.goal[env, row, element][0] - row_speed(touch.out[env, row, m], a, b)
        hits.lack[env, row, 2 * element + 1] = -row_speed(touch.side[env, row, m], a, b)


@ti.func
def depart(courses: ti.template(), hits: ti.template(), env, row, step, place):
    """The course of a body after the impacts, with which the solver begins."""
    start = courses.start[env, row, place]
    change = hits.kicked[env, row, hits.places + place] + hits.held[env, row, hits.places + place]
    courses.speed[env, row, place] = start + ti.Vector([change[0], change[1], change[2]])
    courses.shift[env, row, place] = ti.Vector([change[3], change[4], change[5]])


@ti.func
def recall_contact(bodies: ti.template(), touch: ti.template(), hits: ti.template(), env, row, step, m):
    """The impulse that a contact ended the last step with, or that its impact gave already."""
    if m < touch.count[env, row, 0]:
        k = ti.select(hits.room > 0, hits.slot[env, row, m], -1)
        old = touch.warm[env, row, m]
        if k >= 0:
            along, across = whole(bodies, touch, hits, env, row, 1, k)
            if hits.goal[env, row, k][0] > 0.0:
                touch.impulse[env, row, m] = ti.Vector([0.0, 0.0, 0.0, along, across])
            else:
                touch.impulse[env, row, m] = ti.Vector([along, across, hits.goal[env, row, k][1], 0.0, 0.0])
        elif old >= 0:
            carried = touch.carried[env, row, old]
            touch.impulse[env, row, m] = ti.Vector([carried[0], carried[1], 0.0, 0.0, 0.0])
        else:
            touch.impulse[env, row, m] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0])
