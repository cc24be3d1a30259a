"""Sequential impulses: contacts and joints of planar rigid bodies solved one after the other, over and over.

Catto 2005 (GDC, "Iterative dynamics with temporal coherence"): every constraint in turn gives the impulse that makes its
own speed right, accumulated impulses are clamped, and a step begins with the impulses that the last one ended with. What
differs:

* Impulses act when they happen within the step (see `Courses`), so that landing and bouncing keep their time of impact.
* A bounce is an impulse of its own, given whenever bodies approach each other, and is not taken back: impacts are passed
  on from body to body (Guendelman et al. 2003, ACM Trans. Graph. 22(3), section 5). Without friction each conserves
  momentum, and energy if the restitution is 1.
* Joints aim at staying closed to the end of the step, as in SHAKE (Ryckaert et al. 1977, J. Comput. Phys. 23): a speed of
  zero at its start would lead off the circle on which bodies turn, and cost energy. Where they are open, as contacts
  that are too deep, they are closed by a displacement that leaves no speed behind.
* No slot is written twice, or Taichi's reverse pass would read what was overwritten: each side of each constraint writes
  a course of its own in each pass.
"""

import taichi as ti

from diffsim.models import contact
from diffsim.models.collision import turned

__all__ = ["ropes", "slot", "solve_contact", "solve_joint", "solve_rope", "warm_contact", "warm_joint", "warm_rope"]

DEPTH = 1.0e-6
"""Bodies may stay this deep in each other [m]: pushed out completely, they would touch in one step and not in the next.
Ten roundings of a float32 coordinate of order one."""

PUSH = 0.2
"""Share of a greater depth that is pushed out in a step, as a displacement without speed. More would overshoot where
several contacts of a body each push it (Box2D's value)."""


@ti.func
def slot(
    courses: ti.template(),
    env: ti.template(),
    row: ti.template(),
    constraint: ti.template(),
    side: ti.template(),
    turn: ti.template(),
    place: ti.template(),
):
    """The slot of the course that a side of a constraint finds in pass ``turn``, 0 being the warm start."""
    index = turn * 2 * courses.constraints + courses.before[env, row, 2 * constraint + side]
    return ti.select(index < 0, place, courses.places + index)


@ti.func
def own_slot(courses: ti.template(), constraint: ti.template(), side: ti.template(), turn: ti.template()):
    """The slot that it writes."""
    return courses.places + turn * 2 * courses.constraints + 2 * constraint + side


@ti.func
def last_slot(
    courses: ti.template(), env: ti.template(), row: ti.template(), passes: ti.template(), body: ti.template()
):
    """The slot of a body's course after all passes."""
    index = passes * 2 * courses.constraints + courses.after[env, row, body]
    return ti.select(index < 0, body, courses.places + index)


@ti.func
def bend(
    bodies: ti.template(),
    courses: ti.template(),
    env: ti.template(),
    row: ti.template(),
    start: ti.template(),
    end: ti.template(),
    place: ti.template(),
    impulse: ti.template(),
    turn: ti.template(),
    time: ti.template(),
    push: ti.template(),
    push_turn: ti.template(),
):
    """Write the course that is left after an impulse and an angular impulse at ``time``, and a push that moves only."""
    inverse_mass = bodies.inverse_mass[env, place]
    inverse_inertia = bodies.inverse_inertia[env, place]
    change = ti.Vector([inverse_mass * impulse[0], inverse_mass * impulse[1], inverse_inertia * turn])
    move = ti.Vector([inverse_mass * push[0], inverse_mass * push[1], inverse_inertia * push_turn])
    courses.speed[env, row, end] = courses.speed[env, row, start] + change
    courses.shift[env, row, end] = courses.shift[env, row, start] + move - time * change


# Contacts


@ti.func
def warm_contact(bodies: ti.template(), courses: ti.template(), touch: ti.template(), env, row, step, m):
    """Give the impulse that a contact ended the last step with."""
    if m < touch.count[env, row, 0]:
        old = touch.warm[env, row, m]
        if old >= 0:
            push(bodies, courses, touch, env, row, m, touch.carried[env, row, old])
        else:
            push(bodies, courses, touch, env, row, m, ti.Vector([0.0, 0.0]))


@ti.func
def push(
    bodies: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    env: ti.template(),
    row: ti.template(),
    m: ti.template(),
    impulse: ti.template(),
):
    touch.impulse[env, row, m] = ti.Vector([impulse[0], impulse[1], 0.0, 0.0, 0.0])
    give(bodies, courses, touch, env, row, m, 0, impulse[0], impulse[1], 0.0, 0.0)


@ti.func
def give(
    bodies: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    env: ti.template(),
    row: ti.template(),
    m: ti.template(),
    turn: ti.template(),
    along: ti.template(),
    across: ti.template(),
    time: ti.template(),
    out: ti.template(),
):
    """Bend the courses of both bodies by impulses along the normal and the tangent, and push them apart by ``out``."""
    a = touch.first[env, row, m]
    b = touch.second[env, row, m]
    constraint = courses.joints + m
    normal = touch.normal[env, row, m]
    lever = touch.lever[env, row, m]
    impulse = along * normal + across * turned(normal)
    bend(
        bodies,
        courses,
        env,
        row,
        slot(courses, env, row, constraint, 0, turn, a),
        own_slot(courses, constraint, 0, turn),
        a,
        -impulse,
        -(along * lever[0] + across * lever[2]),
        time,
        -out * normal,
        -out * lever[0],
    )
    bend(
        bodies,
        courses,
        env,
        row,
        slot(courses, env, row, constraint, 1, turn, b),
        own_slot(courses, constraint, 1, turn),
        b,
        impulse,
        along * lever[1] + across * lever[3],
        time,
        out * normal,
        out * lever[1],
    )


@ti.func
def solve_contact(bodies: ti.template(), courses: ti.template(), touch: ti.template(), env, row, step, element):
    """Make the speeds of one contact right: it bounces, or it does not go deeper; and friction.

    Straight-line code: every case is computed and one is selected, since each branch would have to write all results.
    """
    turn = element // touch.contacts + 1
    m = element - (turn - 1) * touch.contacts
    if m < touch.count[env, row, 0]:
        a = touch.first[env, row, m]
        b = touch.second[env, row, m]
        dt = ti.static(bodies.dt)
        constraint = courses.joints + m
        start_a = slot(courses, env, row, constraint, 0, turn, a)
        start_b = slot(courses, env, row, constraint, 1, turn, b)
        normal = touch.normal[env, row, m]
        tangent = turned(normal)
        lever = touch.lever[env, row, m]
        mass = touch.mass[env, row, m]
        apart = courses.speed[env, row, start_b] - courses.speed[env, row, start_a]
        spin_a = courses.speed[env, row, start_a][2]
        spin_b = courses.speed[env, row, start_b][2]
        speed = apart[0] * normal[0] + apart[1] * normal[1] + lever[1] * spin_b - lever[0] * spin_a
        slide = apart[0] * tangent[0] + apart[1] * tangent[1] + lever[3] * spin_b - lever[2] * spin_a
        moved = courses.shift[env, row, start_b] - courses.shift[env, row, start_a]
        gap = (
            touch.gap[env, row, m]
            + moved[0] * normal[0]
            + moved[1] * normal[1]
            + lever[1] * courses.shift[env, row, start_b][2]
            - lever[0] * courses.shift[env, row, start_a][2]
        )
        # What both directions have in common: an impulse along the normal turns bodies, and so makes them slide.
        couple = (
            bodies.inverse_inertia[env, a] * lever[0] * lever[2] + bodies.inverse_inertia[env, b] * lever[1] * lever[3]
        )
        before = touch.impulse[env, row, (turn - 1) * touch.contacts + m]
        meets = contact.meets(gap, speed, dt)
        closing = ti.min(speed, -contact.SLOWEST)
        # If it stays. What it gave before is counted, and when it landed.
        stays = meets or before[0] > 0.0
        # Where it hovers, it may come down in this step.
        fall = ti.select(before[0] > 0.0, ti.max(0.0, gap) / dt, 0.0)
        rests = ti.select(stays, ti.max(0.0, before[0] - (speed + fall) * mass[0]), 0.0)
        landed = ti.min(dt, contact.time_of_impact(gap, closing, touch.entry[env, row, m], dt))
        time_of_rest = ti.select(before[0] > 0.0, before[2], ti.select(meets, landed, 0.0))
        friction = touch.coefficient[env, row, m][0]
        if ti.static(touch.bouncy):
            restitution = touch.coefficient[env, row, m][1]
            gain = touch.gain[env, row, m]
            impact = ti.min(dt, contact.time_of_bounce(gap, closing, dt))
            up = contact.rebound(speed, gain, impact / dt, restitution)
            bounces = meets and contact.leaves(up, gain, restitution) and up > speed
            along = ti.select(bounces, (up - speed) * mass[0], rests - before[0])
            time = ti.select(bounces, impact, time_of_rest)
            base = ti.select(bounces, 0.0, before[1])
            most = friction * ti.select(bounces, along, rests)
            wanted = base - (slide + couple * along) * mass[1]
            across = ti.min(most, ti.max(-most, wanted)) - base
            touch.impulse[env, row, turn * touch.contacts + m] = ti.Vector(
                [
                    ti.select(bounces, before[0], rests),
                    ti.select(bounces, before[1], base + across),
                    ti.select(bounces, before[2], time),
                    before[3] + ti.select(bounces, along, 0.0),
                    before[4] + ti.select(bounces, across, 0.0),
                ]
            )
            note(touch, env, row, m, turn, bounces, stays, rests, wanted, most, before, gap, closing, dt)
            finish(bodies, courses, touch, env, row, m, turn, along, across, time, gap, speed, couple, dt)
        else:
            along = rests - before[0]
            most = friction * rests
            wanted = before[1] - (slide + couple * along) * mass[1]
            across = ti.min(most, ti.max(-most, wanted)) - before[1]
            touch.impulse[env, row, turn * touch.contacts + m] = ti.Vector(
                [rests, before[1] + across, time_of_rest, 0.0, 0.0]
            )
            note(touch, env, row, m, turn, False, stays, rests, wanted, most, before, gap, closing, dt)
            finish(bodies, courses, touch, env, row, m, turn, along, across, time_of_rest, gap, speed, couple, dt)


@ti.func
def finish(
    bodies: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    env: ti.template(),
    row: ti.template(),
    m: ti.template(),
    turn: ti.template(),
    along: ti.template(),
    across: ti.template(),
    time: ti.template(),
    gap: ti.template(),
    speed: ti.template(),
    couple: ti.template(),
    dt: ti.template(),
):
    """Give the impulses; in the last pass also push bodies apart that are still deep in each other at the step's end."""
    mass = touch.mass[env, row, m][0]
    left = dt - time
    end = gap + dt * speed + left * (along / mass + couple * across)
    deep = ti.max(0.0, -end - DEPTH)
    out = ti.select(turn == ti.static(touch.passes), PUSH * deep * mass, 0.0)
    give(bodies, courses, touch, env, row, m, turn, along, across, time, out)


@ti.func
def note(
    touch: ti.template(),
    env: ti.template(),
    row: ti.template(),
    m: ti.template(),
    turn: ti.template(),
    bounces: ti.template(),
    stays: ti.template(),
    rests: ti.template(),
    wanted: ti.template(),
    most: ti.template(),
    before: ti.template(),
    gap: ti.template(),
    closing: ti.template(),
    dt: ti.template(),
):
    """Record which way the contact law went, if anybody wants to know."""
    if ti.static(touch.branch):
        key = touch.key[env, row, m]
        lies = contact.rests(gap, touch.entry[env, row, m])
        sunken = contact.sunken(gap, closing, dt)
        slides = ti.abs(wanted) > most
        code = (
            1
            + ti.select(bounces, 1, 0)
            + ti.select(stays, 2, 0)
            + ti.select(rests > 0.0, 4, 0)
            + ti.select(slides, ti.select(wanted > 0.0, 8, 16), 0)
            + ti.select(before[0] > 0.0, 32, 0)
            + ti.select(lies, 64, 0)
            + ti.select(sunken, 128, 0)
        )
        touch.branch[env, row, (turn - 1) * 2 * touch.pairs + key] += ti.cast(code, ti.f32)
        if turn == 1:
            feature = 256 * (
                1 + touch.points[env, row, m] + 2 * (touch.face[env, row, m] + 64 * touch.corner[env, row, m])
            )
            touch.branch[env, row, key] += ti.cast(feature, ti.f32)
        if turn == ti.static(touch.passes):
            hit = before[3] > 0.0 or bounces
            if hit or rests > 0.0:
                contact.mark(touch.contact, env, row, key, contact.MEETS)
                if slides:
                    contact.mark(touch.contact, env, row, key, contact.SLIDES)
                if hit:
                    contact.mark(touch.contact, env, row, key, contact.BOUNCES)
                elif lies:
                    contact.mark(touch.contact, env, row, key, contact.RESTS)
                elif sunken:
                    contact.mark(touch.contact, env, row, key, contact.DEEP)


@ti.func
def carry_contact(bodies: ti.template(), touch: ti.template(), env, row, step, m):
    """Hand the impulses on to the next step, with the key to know them by; and record what the contact did."""
    if m < touch.count[env, row, 0]:
        found = touch.impulse[env, row, ti.static(touch.passes * touch.contacts) + m]
        key = touch.key[env, row, m]
        touch.carried[env, row + 1, m] = ti.Vector([found[0], found[1]])
        touch.carried_key[env, row + 1, m] = ti.cast(key, bodies.real)
        touch.force[env, row, m] = ti.Vector([found[0] + found[3], found[1] + found[4]]) / bodies.dt
        touch.where[env, row, m] = touch.point[env, row, m]
        touch.which[env, row, m] = ti.cast(key // 2, bodies.real)
    else:
        touch.force[env, row, m] = ti.Vector([0.0, 0.0])
        touch.where[env, row, m] = ti.Vector([0.0, 0.0])
        touch.which[env, row, m] = -1.0


@ti.func
def carry_count(bodies: ti.template(), touch: ti.template(), env, row, step, element):
    touch.carried_count[env, row + 1, 0] = ti.cast(touch.count[env, row, 0], bodies.real)


# Joints


@ti.func
def row_speed(row: ti.template(), first: ti.template(), second: ti.template()):
    """Speed along a row of a joint, of bodies with speeds (x, y, angular)."""
    return row[0] * (second[0] - first[0]) + row[1] * (second[1] - first[1]) + row[3] * second[2] - row[2] * first[2]


@ti.func
def warm_joint(bodies: ti.template(), courses: ti.template(), joints: ti.template(), env, row, step, k):
    """Give the impulses that a joint ended the last step with."""
    joint = joints.held[k]
    impulse = joints.carried[env, row, joint]
    joints.impulse[env, row, joint] = impulse
    push = -PUSH * against(joints, env, row, joint, joints.error[env, row, joint])
    start_a = slot(courses, env, row, joint, 0, 0, joints.first[joint])
    start_b = slot(courses, env, row, joint, 1, 0, joints.second[joint])
    force = along_rows(joints, env, row, joint, impulse)
    move = along_rows(joints, env, row, joint, push)
    end_a = own_slot(courses, joint, 0, 0)
    end_b = own_slot(courses, joint, 1, 0)
    out_a = ti.Vector([-move[0], -move[1]])
    out_b = ti.Vector([move[0], move[1]])
    drive_a = ti.Vector([-force[0], -force[1]])
    drive_b = ti.Vector([force[0], force[1]])
    bend(bodies, courses, env, row, start_a, end_a, joints.first[joint], drive_a, -force[2], 0.0, out_a, -move[2])
    bend(bodies, courses, env, row, start_b, end_b, joints.second[joint], drive_b, force[3], 0.0, out_b, move[3])


@ti.func
def along_rows(
    joints: ti.template(), env: ti.template(), row: ti.template(), joint: ti.template(), impulse: ti.template()
):
    """Impulses along the rows of a joint as one: x, y, angular on the first (reversed) and on the second."""
    one = joints.row[env, row, 3 * joint]
    two = joints.row[env, row, 3 * joint + 1]
    if ti.static(joints.rows == 3):
        return impulse[0] * one + impulse[1] * two + impulse[2] * joints.row[env, row, 3 * joint + 2]
    return impulse[0] * one + impulse[1] * two


@ti.func
def against(joints: ti.template(), env: ti.template(), row: ti.template(), joint: ti.template(), wrong: ti.template()):
    """The impulses that give the speeds ``wrong`` along the rows of a joint."""
    if ti.static(joints.rows == 3):
        return ti.Vector([joints.inverse[env, row, 3 * joint + k].dot(wrong) for k in ti.static(range(3))])
    return ti.Vector([joints.inverse[env, row, 3 * joint + k].dot(wrong) for k in ti.static(range(2))] + [0.0])


@ti.func
def pull(
    bodies: ti.template(),
    courses: ti.template(),
    joints: ti.template(),
    env: ti.template(),
    row: ti.template(),
    joint: ti.template(),
    turn: ti.template(),
    impulse: ti.template(),
    time: ti.template(),
):
    """Bend the courses of both bodies by an impulse of `along_rows`."""
    still = ti.Vector([0.0, 0.0])
    start_a = slot(courses, env, row, joint, 0, turn, joints.first[joint])
    start_b = slot(courses, env, row, joint, 1, turn, joints.second[joint])
    end_a = own_slot(courses, joint, 0, turn)
    end_b = own_slot(courses, joint, 1, turn)
    drive = ti.Vector([impulse[0], impulse[1]])
    bend(bodies, courses, env, row, start_a, end_a, joints.first[joint], -drive, -impulse[2], time, still, 0.0)
    bend(bodies, courses, env, row, start_b, end_b, joints.second[joint], drive, impulse[3], time, still, 0.0)


@ti.func
def solve_joint(bodies: ti.template(), courses: ti.template(), joints: ti.template(), env, row, step, element):
    """Make a joint stay closed: displacement + dt * speed is what the joint aims at, along each of its rows."""
    turn = element // ti.static(joints.holds) + 1
    joint = joints.held[element - (turn - 1) * ti.static(joints.holds)]
    dt = ti.static(bodies.dt)
    start_a = slot(courses, env, row, joint, 0, turn, joints.first[joint])
    start_b = slot(courses, env, row, joint, 1, turn, joints.second[joint])
    end_a = courses.speed[env, row, start_a] + courses.shift[env, row, start_a] / dt
    end_b = courses.speed[env, row, start_b] + courses.shift[env, row, start_b] / dt
    aim = joints.aim[env, row, joint]
    one = row_speed(joints.row[env, row, 3 * joint], end_a, end_b) - aim[0]
    two = row_speed(joints.row[env, row, 3 * joint + 1], end_a, end_b) - aim[1]
    before = joints.impulse[env, row, (turn - 1) * courses.joints + joint]
    if ti.static(joints.rows == 3):
        three = row_speed(joints.row[env, row, 3 * joint + 2], end_a, end_b) - aim[2]
        change = -against(joints, env, row, joint, ti.Vector([one, two, three]))
        joints.impulse[env, row, turn * courses.joints + joint] = before + change
        pull(bodies, courses, joints, env, row, joint, turn, along_rows(joints, env, row, joint, change), 0.0)
    else:
        change = -against(joints, env, row, joint, ti.Vector([one, two, 0.0]))
        joints.impulse[env, row, turn * courses.joints + joint] = before + change
        pull(bodies, courses, joints, env, row, joint, turn, along_rows(joints, env, row, joint, change), 0.0)


# Ropes: a contact from inside, without friction and without bounce


@ti.func
def warm_rope(bodies: ti.template(), courses: ti.template(), joints: ti.template(), env, row, step, k):
    """Give the impulse that a rope ended the last step with."""
    joint = joints.roped[k]
    along = joints.carried[env, row, joint][0]
    joints.impulse[env, row, joint] = ti.Vector([along, 0.0, 0.0])
    pull(bodies, courses, joints, env, row, joint, 0, along * joints.row[env, row, 3 * joint], 0.0)


@ti.func
def solve_rope(bodies: ti.template(), courses: ti.template(), joints: ti.template(), env, row, step, element):
    """Let a rope not get longer than it is: its row points inward, its error is what is left of the length."""
    turn = element // ti.static(joints.ropes) + 1
    joint = joints.roped[element - (turn - 1) * ti.static(joints.ropes)]
    dt = ti.static(bodies.dt)
    start_a = slot(courses, env, row, joint, 0, turn, joints.first[joint])
    start_b = slot(courses, env, row, joint, 1, turn, joints.second[joint])
    one = joints.row[env, row, 3 * joint]
    error = joints.error[env, row, joint]
    mass = joints.inverse[env, row, 3 * joint][0]
    before = joints.impulse[env, row, (turn - 1) * courses.joints + joint]
    speed = row_speed(one, courses.speed[env, row, start_a], courses.speed[env, row, start_b])
    gap = error[0] + row_speed(one, courses.shift[env, row, start_a], courses.shift[env, row, start_b])
    meets = contact.meets(gap, speed, dt)
    landed = ti.min(dt, contact.time_of_impact(gap, ti.min(speed, -contact.SLOWEST), error[1], dt))
    time = ti.select(before[0] > 0.0, before[1], ti.select(meets, landed, 0.0))
    # Where it is slack it may still give way, and where bodies turn it has to go in for staying as long as it is.
    fall = ti.select(before[0] > 0.0, ti.max(0.0, gap) / dt, 0.0) - joints.aim[env, row, joint][0]
    taut = ti.select(meets or before[0] > 0.0, ti.max(0.0, before[0] - (speed + fall) * mass), 0.0)
    along = taut - before[0]
    joints.impulse[env, row, turn * courses.joints + joint] = ti.Vector([taut, time, 0.0])
    end = gap + dt * speed + (dt - time) * along / mass
    out = ti.select(turn == ti.static(joints.passes), PUSH * ti.max(0.0, -end - DEPTH) * mass, 0.0)
    a = joints.first[joint]
    b = joints.second[joint]
    drive = along * ti.Vector([one[0], one[1]])
    move = out * ti.Vector([one[0], one[1]])
    end_a = own_slot(courses, joint, 0, turn)
    end_b = own_slot(courses, joint, 1, turn)
    bend(bodies, courses, env, row, start_a, end_a, a, -drive, -along * one[2], time, -move, -out * one[2])
    bend(bodies, courses, env, row, start_b, end_b, b, drive, along * one[3], time, move, out * one[3])


@ti.func
def carry_joint(courses: ti.template(), joints: ti.template(), passes: ti.template(), env, row, step, joint):
    """Hand the impulses on to the next step."""
    joints.carried[env, row + 1, joint] = joints.impulse[env, row, passes * courses.joints + joint]
