"""Impulses of joints and ropes, within the passes of `diffsim.physics.rigid_bodies.impulses`."""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.carried import LIGHTEST
from diffsim.physics.rigid_bodies.impulses import DEPTH, PUSH, bend_both, row_speed, slot

__all__ = ["carry_joint", "recall_joint", "recall_rope", "solve_joint", "solve_rope"]


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
    last = ti.static((joints.passes + 1) * joints.joints)
    found = joints.impulse[env, row, last + joint]
    if joints.kind[joint] == 3:
        first = joints.impulse[env, row, joint]
        found = ti.Vector([ti.max(0.0, found[0] - first[0] * first[2]), 0.0, 0.0])
    joints.carried[env, row + 1, joint] = found


@ti.func
def solve_joint(bodies: ti.template(), courses: ti.template(), joints: ti.template(), env, row, step, element):
    """Make a joint stay closed: displacement + dt * speed is what the joint aims at, along each of its rows.

    Pass 0 gives the impulses of the last step instead, and the displacement that closes the joint.
    """
    turn = element // joints.holds
    joint = joints.held[element - turn * joints.holds]
    a = joints.first[joint]
    b = joints.second[joint]
    start_a = slot(courses, env, row, joint, 0, turn, a)
    start_b = slot(courses, env, row, joint, 1, turn, b)
    end_a = courses.speed[env, row, start_a] + courses.shift[env, row, start_a] / bodies.dt
    end_b = courses.speed[env, row, start_b] + courses.shift[env, row, start_b] / bodies.dt
    before = joints.impulse[env, row, turn * joints.joints + joint]
    one = joints.row[env, row, 3 * joint]
    two = joints.row[env, row, 3 * joint + 1]
    recalls = turn == 0
    # What the rows lack; in pass 0, by how much the joint is open.
    target = ti.select(recalls, PUSH * joints.error[env, row, joint], -joints.aim[env, row, joint])
    first = target[0] + ti.select(recalls, 0.0, row_speed(one, end_a, end_b))
    second = target[1] + ti.select(recalls, 0.0, row_speed(two, end_a, end_b))
    if ti.static(joints.rows == 3):
        three = joints.row[env, row, 3 * joint + 2]
        lacks = ti.Vector([first, second, target[2] + ti.select(recalls, 0.0, row_speed(three, end_a, end_b))])
        change = ti.Vector([-joints.inverse[env, row, 3 * joint + k].dot(lacks) for k in ti.static(range(3))])
        gives = ti.select(recalls, before, change)
        moves = ti.select(recalls, change, 0.0)
        joints.impulse[env, row, (turn + 1) * joints.joints + joint] = ti.select(recalls, before, before + change)
        impulse = gives[0] * one + gives[1] * two + gives[2] * three
        push = moves[0] * one + moves[1] * two + moves[2] * three
        bend_both(bodies, courses, env, row, joint, turn, a, b, start_a, start_b, impulse, 0.0, push)
    else:
        lacks = ti.Vector([first, second, 0.0])
        change = ti.Vector([-joints.inverse[env, row, 3 * joint + k].dot(lacks) for k in ti.static(range(2))] + [0.0])
        gives = ti.select(recalls, before, change)
        moves = ti.select(recalls, change, 0.0)
        joints.impulse[env, row, (turn + 1) * joints.joints + joint] = ti.select(recalls, before, before + change)
        impulse = gives[0] * one + gives[1] * two
        push = moves[0] * one + moves[1] * two
        bend_both(bodies, courses, env, row, joint, turn, a, b, start_a, start_b, impulse, 0.0, push)


@ti.func
def solve_rope(bodies: ti.template(), courses: ti.template(), joints: ti.template(), env, row, step, element):
    """Let a rope not get longer than it is: its row points inward, its error is what is left of the length.

    A contact from inside, without friction and without bounce.
    """
    turn = element // joints.ropes
    joint = joints.roped[element - turn * joints.ropes]
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
    before = joints.impulse[env, row, turn * joints.joints + joint]
    dt = ti.static(bodies.dt)
    recalls = turn == 0
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
    along = ti.select(recalls, (1.0 - before[2]) * before[0], taut - before[0])
    kept = ti.select(recalls, before[0], taut)
    joints.impulse[env, row, (turn + 1) * joints.joints + joint] = ti.Vector([kept, time, before[2]])
    end = gap + dt * speed + (dt - time) * along / mass
    impulse = along * one
    push = ti.select(turn == ti.static(joints.passes), PUSH * ti.max(0.0, -end - DEPTH) * mass, 0.0) * one
    bend_both(bodies, courses, env, row, joint, turn, a, b, start_a, start_b, impulse, time, push)
