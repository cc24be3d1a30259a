"""Impulses of joints and ropes, within the passes of `diffsim.physics.rigid_bodies.impulses`."""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.carried import LIGHTEST
from diffsim.physics.rigid_bodies.impulses import (
    PUSH,
    bend_both,
    end_of,
    end_speed,
    give_both,
    move_both,
    push_both,
    row_speed,
    slot,
)

__all__ = [
    "begin_joint",
    "begin_rope",
    "carry_joint",
    "push_rope",
    "recall_joint",
    "recall_rope",
    "solve_joint",
    "solve_rope",
]


@ti.func
def recall_joint(joints: ti.template(), env, row, step, k):
    """The impulses that a joint ended the last step with."""
    joint = joints.held[k]
    joints.impulse[env, row, joint] = joints.carried[env, row, joint]


@ti.func
def recall_rope(joints: ti.template(), touch: ti.template(), hits: ti.template(), env, row, step, k):
    """The same of a rope; or what it gave together with impacts, and when."""
    joint = joints.roped[k]
    m = touch.contacts + k
    solved = ti.select(hits.room > 0, hits.slot[env, row, m], -1)
    if solved >= 0:
        given = hits.given[env, row, solved]
        joints.impulse[env, row, joint] = ti.Vector([given[0], given[2] / (given[0] + LIGHTEST), 1.0])
    else:
        joints.impulse[env, row, joint] = ti.Vector([joints.carried[env, row, joint][0], 0.0, 0.0])


@ti.func
def carry_joint(joints: ti.template(), env, row, step, joint):
    """Hand the impulses on to the next step; of a rope, not what it gave at once."""
    last = ti.static(joints.passes * joints.joints)
    found = joints.impulse[env, row, last + joint]
    if ti.static(joints.parts == 3):
        if joints.kind[joint] == 3:
            first = joints.impulse[env, row, joint]
            found = ti.Vector([ti.max(0.0, found[0] - first[0] * first[2]), 0.0, 0.0])
    joints.carried[env, row + 1, joint] = found


@ti.func
def along_rows(joints: ti.template(), env, row, joint, impulses):
    """The row that a joint's impulses add up to."""
    found = impulses[0] * joints.row[env, row, 3 * joint] + impulses[1] * joints.row[env, row, 3 * joint + 1]
    if ti.static(joints.rows == 3):
        found += impulses[2] * joints.row[env, row, 3 * joint + 2]
    return found


@ti.func
def answer_of(joints: ti.template(), env, row, joint, lacks):
    """The impulses along a joint's rows that make up for what it lacks along them."""
    found = ti.Vector([0.0 for _ in ti.static(range(joints.rows))])
    for k in ti.static(range(joints.rows)):
        weights = joints.inverse[env, row, 3 * joint + k]
        found[k] = -ti.Vector([weights[c] * lacks[c] for c in ti.static(range(joints.rows))]).sum()
    return found


@ti.func
def begin_joint(bodies: ti.template(), courses: ti.template(), joints: ti.template(), env, row, step, k):
    """Pass 0 gives the impulses of the last step, and the displacement that closes the joint."""
    joint = joints.held[k]
    a = joints.first[joint]
    b = joints.second[joint]
    start_a = slot(courses, env, row, joint, 0, 0, a)
    start_b = slot(courses, env, row, joint, 1, 0, b)
    end = end_of(courses, joint, 0)
    impulse = along_rows(joints, env, row, joint, joints.impulse[env, row, joint])
    closes = answer_of(joints, env, row, joint, PUSH * joints.error[env, row, joint])
    push = along_rows(joints, env, row, joint, closes)
    move_both(bodies, courses, env, row, end, a, b, start_a, start_b, impulse, push)


@ti.func
def solve_joint(bodies: ti.template(), courses: ti.template(), joints: ti.template(), env, row, step, element):
    """Make a joint stay closed: displacement + dt * speed is what the joint aims at, along each of its rows."""
    turn = element // joints.holds + 1
    joint = joints.held[element - (turn - 1) * joints.holds]
    a = joints.first[joint]
    b = joints.second[joint]
    start_a = slot(courses, env, row, joint, 0, turn, a)
    start_b = slot(courses, env, row, joint, 1, turn, b)
    end = end_of(courses, joint, turn)
    rate = ti.static(1.0 / bodies.dt)
    end_a = courses.speed[env, row, start_a] + rate * courses.shift[env, row, start_a]
    end_b = courses.speed[env, row, start_b] + rate * courses.shift[env, row, start_b]
    before = joints.impulse[env, row, (turn - 1) * joints.joints + joint]
    aim = joints.aim[env, row, joint]
    lacks = ti.Vector([0.0 for _ in ti.static(range(joints.rows))])
    for k in ti.static(range(joints.rows)):
        lacks[k] = row_speed(joints.row[env, row, 3 * joint + k], end_a, end_b) - aim[k]
    change = answer_of(joints, env, row, joint, lacks)
    for k in ti.static(range(joints.rows)):
        joints.impulse[env, row, turn * joints.joints + joint][k] = before[k] + change[k]
    for k in ti.static(range(joints.rows, joints.parts)):
        joints.impulse[env, row, turn * joints.joints + joint][k] = 0.0
    impulse = along_rows(joints, env, row, joint, change)
    give_both(bodies, courses, env, row, end, a, b, start_a, start_b, impulse)


@ti.func
def begin_rope(bodies: ti.template(), courses: ti.template(), joints: ti.template(), env, row, step, k):
    """Pass 0 gives the impulse of the last step; a jerk gave its own together with impacts."""
    joint = joints.roped[k]
    a = joints.first[joint]
    b = joints.second[joint]
    start_a = slot(courses, env, row, joint, 0, 0, a)
    start_b = slot(courses, env, row, joint, 1, 0, b)
    before = joints.impulse[env, row, joint]
    impulse = (1.0 - before[2]) * before[0] * joints.row[env, row, 3 * joint]
    give_both(bodies, courses, env, row, end_of(courses, joint, 0), a, b, start_a, start_b, impulse)


@ti.func
def solve_rope(bodies: ti.template(), courses: ti.template(), joints: ti.template(), env, row, step, element):
    """Let a rope not get longer than it is: its row points inward, its error is what is left of the length.

    A contact from inside, without friction and without bounce.
    """
    turn = element // joints.ropes + 1
    joint = joints.roped[element - (turn - 1) * joints.ropes]
    a = joints.first[joint]
    b = joints.second[joint]
    start_a = slot(courses, env, row, joint, 0, turn, a)
    start_b = slot(courses, env, row, joint, 1, turn, b)
    speed_a = courses.speed[env, row, start_a]
    speed_b = courses.speed[env, row, start_b]
    shift_a = courses.shift[env, row, start_a]
    shift_b = courses.shift[env, row, start_b]
    one = joints.row[env, row, 3 * joint]
    error = joints.error[env, row, joint]
    mass = joints.inverse[env, row, 3 * joint][0]
    before = joints.impulse[env, row, (turn - 1) * joints.joints + joint]
    dt = ti.static(bodies.dt)
    held = before[0] > 0.0
    speed = row_speed(one, speed_a, speed_b)
    gap = error[0] + row_speed(one, shift_a, shift_b)
    meets = contact.meets(gap, speed, dt)
    landed = ti.min(dt, contact.time_of_impact(gap, ti.min(speed, -contact.SLOWEST), error[1], dt))
    time = ti.select(held, before[1], ti.select(meets, landed, 0.0))
    # Where it is slack it may still give way, but not in the step of a jerk, after which it is so by rounding only; and
    # where bodies turn it has to go in for staying as long as it is.
    fall = ti.select(held and before[2] == 0.0, ti.max(0.0, gap) / dt, 0.0) - joints.aim[env, row, joint][0]
    taut = ti.select(meets or held, ti.max(0.0, before[0] - (speed + fall) * mass), 0.0)
    along = taut - before[0]
    joints.impulse[env, row, turn * joints.joints + joint] = ti.Vector([taut, time, before[2]])
    end = end_of(courses, joint, turn)
    bend_both(bodies, courses, env, row, end, a, b, start_a, start_b, along * one, time)


@ti.func
def push_rope(
    bodies: ti.template(), courses: ti.template(), joints: ti.template(), passes: ti.template(), env, row, step, k
):
    """Pull together what a rope should hold and does not at the end of the step."""
    joint = joints.roped[k]
    a = joints.first[joint]
    b = joints.second[joint]
    one = joints.row[env, row, 3 * joint]
    end_a = end_speed(bodies, courses, env, row, passes, a)
    end_b = end_speed(bodies, courses, env, row, passes, b)
    deep = -joints.error[env, row, joint][0] - ti.static(bodies.dt) * row_speed(one, end_a, end_b)
    push_both(bodies, courses, env, row, a, b, one, deep, joints.inverse[env, row, 3 * joint][0])
