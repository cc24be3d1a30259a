"""Sequential impulses: contacts and joints of planar rigid bodies solved one after the other, over and over.

Catto 2005 (GDC, "Iterative dynamics with temporal coherence"): every constraint in turn gives the impulse that makes
its own speed right, accumulated impulses are clamped, and a step begins with the impulses that the last one ended
with. What differs:

* Impulses act when they happen within the step (see `Courses`), so that landing and bouncing keep their time of impact.
* A bounce is an impulse of its own, given whenever bodies approach each other faster than forces explain (see
  `PASSED_ON`), and is not taken back: impacts are passed on from body to body (Guendelman et al. 2003, ACM Trans.
  Graph. 22(3), section 5). Without friction each conserves momentum, and energy if the restitution is 1.
* Joints aim at staying closed to the end of the step, as in SHAKE (Ryckaert et al. 1977, J. Comput. Phys. 23): a
  speed of zero at its start would lead off the circle on which bodies turn, and cost energy. Where they are open, as
  contacts that are too deep, they are closed by a displacement that leaves no speed behind.
* No slot is written twice, or Taichi's reverse pass would read what was overwritten: each side of each constraint
  writes a course of its own in each pass.
"""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.carried import spare_of

__all__ = [
    "DEPTH",
    "PUSH",
    "SOLVED",
    "begin_contact",
    "bend_both",
    "end_of",
    "end_speed",
    "give_both",
    "last_slot",
    "move_both",
    "push_both",
    "push_contact",
    "row_speed",
    "slot",
    "solve_contact",
]

DEPTH = 1.0e-6
"""Bodies may stay this deep in each other, or this far apart where they were held [m]: pushed out completely, they
would touch in one step and not in the next. Ten roundings of a float32 coordinate of order one."""

PUSH = 0.25
"""Share of a greater depth that is pushed out in a step, as a displacement without speed. More would overshoot where
several contacts of a body each push it (Box2D has a fifth, one after the other)."""

PASSED_ON = 10.0
"""A contact bounces if bodies approach each other faster at the start of a step than forces push them in it, along its
normal, or if what others pass on to it is faster by this factor. Forces pass through a pile as impulses do; if each
contact in it bounced from that, it would not learn what it has to carry, and the pile would sink into itself. A pile
ten bodies high is at rest though nothing is known yet of what carries it; what is hit by more still hands it on."""

SOLVED = -2
"""Stands for the contact of the step before, where impulses are known from impacts that were solved together."""

ROUNDED = 1.0e-5
"""Relative rounding of sums of impulses, in float32."""


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
    """The slot of the course that a side of a constraint finds in a pass."""
    index = 2 * courses.constraints * turn + courses.before[env, row, 2 * constraint + side]
    return ti.select(index < 0, place, courses.places + index)


@ti.func
def last_slot(
    courses: ti.template(), env: ti.template(), row: ti.template(), passes: ti.template(), body: ti.template()
):
    """The slot of a body's course after all passes, the last of which has this number."""
    index = 2 * courses.constraints * passes + courses.after[env, row, body]
    return ti.select(index < 0, body, courses.places + index)


@ti.func
def row_speed(row: ti.template(), first: ti.template(), second: ti.template()):
    """Speed along a row (x, y, lever of the first, lever of the second) of bodies with speeds (x, y, angular)."""
    return row[0] * (second[0] - first[0]) + row[1] * (second[1] - first[1]) + row[3] * second[2] - row[2] * first[2]


@ti.func
def change_of(bodies: ti.template(), env: ti.template(), place, sign: ti.template(), lever: ti.template(), along):
    """How an impulse along a row changes the speeds (x, y, angular) of one of its bodies."""
    light = sign * bodies.inverse_mass[env, place]
    loose = sign * bodies.inverse_inertia[env, place]
    return ti.Vector([light * along[0], light * along[1], loose * along[lever]])


@ti.func
def end_of(courses: ti.template(), constraint: ti.template(), turn: ti.template()):
    """The slot of the course that a constraint leaves its first body with in a pass; the second one's comes next."""
    return courses.places + 2 * (courses.constraints * turn + constraint)


@ti.func
def give_both(
    bodies: ti.template(),
    courses: ti.template(),
    env: ti.template(),
    row: ti.template(),
    end: ti.template(),
    a: ti.template(),
    b: ti.template(),
    start_a: ti.template(),
    start_b: ti.template(),
    impulse: ti.template(),
):
    """Write the courses of both bodies of a constraint after an impulse at the start of the step."""
    change_a = change_of(bodies, env, a, -1.0, 2, impulse)
    change_b = change_of(bodies, env, b, 1.0, 3, impulse)
    courses.speed[env, row, end] = courses.speed[env, row, start_a] + change_a
    courses.speed[env, row, end + 1] = courses.speed[env, row, start_b] + change_b
    courses.shift[env, row, end] = courses.shift[env, row, start_a]
    courses.shift[env, row, end + 1] = courses.shift[env, row, start_b]


@ti.func
def move_both(
    bodies: ti.template(),
    courses: ti.template(),
    env: ti.template(),
    row: ti.template(),
    end: ti.template(),
    a: ti.template(),
    b: ti.template(),
    start_a: ti.template(),
    start_b: ti.template(),
    impulse: ti.template(),
    push: ti.template(),
):
    """The same, with a push that moves bodies only."""
    change_a = change_of(bodies, env, a, -1.0, 2, impulse)
    change_b = change_of(bodies, env, b, 1.0, 3, impulse)
    move_a = change_of(bodies, env, a, -1.0, 2, push)
    move_b = change_of(bodies, env, b, 1.0, 3, push)
    courses.speed[env, row, end] = courses.speed[env, row, start_a] + change_a
    courses.speed[env, row, end + 1] = courses.speed[env, row, start_b] + change_b
    courses.shift[env, row, end] = courses.shift[env, row, start_a] + move_a
    courses.shift[env, row, end + 1] = courses.shift[env, row, start_b] + move_b


@ti.func
def bend_both(
    bodies: ti.template(),
    courses: ti.template(),
    env: ti.template(),
    row: ti.template(),
    end: ti.template(),
    a: ti.template(),
    b: ti.template(),
    start_a: ti.template(),
    start_b: ti.template(),
    impulse: ti.template(),
    time: ti.template(),
):
    """The same, with an impulse at ``time``."""
    change_a = change_of(bodies, env, a, -1.0, 2, impulse)
    change_b = change_of(bodies, env, b, 1.0, 3, impulse)
    courses.speed[env, row, end] = courses.speed[env, row, start_a] + change_a
    courses.speed[env, row, end + 1] = courses.speed[env, row, start_b] + change_b
    courses.shift[env, row, end] = courses.shift[env, row, start_a] - time * change_a
    courses.shift[env, row, end + 1] = courses.shift[env, row, start_b] - time * change_b


@ti.func
def end_speed(bodies: ti.template(), courses: ti.template(), env, row, passes: ti.template(), place):
    """How far a body has moved by the end of the step, after all passes, over its length [m/s, m/s, rad/s]."""
    last = last_slot(courses, env, row, passes, ti.min(place, bodies.bodies - 1))
    end = ti.select(place < bodies.bodies, last, place)
    return courses.speed[env, row, end] + ti.static(1.0 / bodies.dt) * courses.shift[env, row, end]


@ti.func
def push_both(bodies: ti.template(), courses: ti.template(), env, row, a, b, out: ti.template(), deep, mass):
    """Push bodies apart that are too deep at the end of the step: a displacement without speed.

    Of all constraints at once, so that it is the same whatever their order; a body that lies flat would turn else.
    """
    push = PUSH * ti.max(0.0, deep - DEPTH) * mass * out
    courses.push[env, row, a] += change_of(bodies, env, a, -1.0, 2, push)
    courses.push[env, row, b] += change_of(bodies, env, b, 1.0, 3, push)


# Contacts


@ti.func
def within(wanted, most):
    """``wanted``, but from ``-most`` to ``most``.

    Where both are equal Taichi gives the gradient to the second argument of its minimum or maximum, here the limit:
    without friction both are 0, and the gradient would be that of a contact that sticks.
    """
    return ti.min(ti.max(wanted, -most), most)


@ti.func
def unless_rounding(touch: ti.template(), env: ti.template(), row: ti.template(), m: ti.template(), speed):
    """The speed along a contact; 0 for what is only rounding, without a derivative, after impacts that were solved
    together: one corner after the other would take it back, and what lands flat would turn by it."""
    found = speed
    if ti.static(touch.loose):
        least, solved = touch.least[env, row, 0], touch.warm[env, row, m] == SOLVED
        found = ti.select(solved and speed < least and speed > -least, 0.0, speed)
    return found


@ti.func
def comes(touch: ti.template(), env: ti.template(), row: ti.template(), speed):
    """Whether bodies come nearer at more than rounding, where that may turn what lies flat."""
    found = True
    if ti.static(touch.loose):
        found = speed < -touch.least[env, row, 0]
    return found


@ti.func
def begin_contact(bodies: ti.template(), courses: ti.template(), touch: ti.template(), env, row, step, m):
    """Pass 0 gives the impulse of the last step, if there is one; impacts that were solved together gave theirs."""
    if m < touch.count[env, row, 0]:
        a = touch.first[env, row, m]
        b = touch.second[env, row, m]
        constraint = courses.joints + m
        start_a = slot(courses, env, row, constraint, 0, 0, a)
        start_b = slot(courses, env, row, constraint, 1, 0, b)
        end = end_of(courses, constraint, 0)
        before = touch.impulse[env, row, m]
        remembered = ti.cast(touch.warm[env, row, m] >= 0, bodies.real)
        along, across = remembered * (before[0] - spare_of(touch, env, row, m)), remembered * before[1]
        impulse = along * touch.out[env, row, m] + across * touch.side[env, row, m]
        give_both(bodies, courses, env, row, end, a, b, start_a, start_b, impulse)


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
        constraint = courses.joints + m
        start_a = slot(courses, env, row, constraint, 0, turn, a)
        start_b = slot(courses, env, row, constraint, 1, turn, b)
        end = end_of(courses, constraint, turn)
        speed_a = courses.speed[env, row, start_a]
        speed_b = courses.speed[env, row, start_b]
        shift_a = courses.shift[env, row, start_a]
        shift_b = courses.shift[env, row, start_b]
        out = touch.out[env, row, m]
        side = touch.side[env, row, m]
        law = touch.law[env, row, m]
        before = touch.impulse[env, row, element]
        dt = ti.static(bodies.dt)
        speed = unless_rounding(touch, env, row, m, row_speed(out, speed_a, speed_b))
        slide = unless_rounding(touch, env, row, m, row_speed(side, speed_a, speed_b))
        gap = law[0] + row_speed(out, shift_a, shift_b)
        mass = law[3]
        couple = law[5]
        held = before[0] > 0.0
        meets = contact.meets(gap, speed, dt) and comes(touch, env, row, speed)
        closing = ti.min(speed, -contact.SLOWEST)
        # If it stays: what it gave before is counted, and when it landed. Where it hovers, it may still come down.
        landed = ti.min(dt, contact.time_of_impact(gap, closing, law[2], dt))
        hovers = held and touch.warm[env, row, m] > SOLVED
        when = ti.select(held, before[2], ti.select(meets, landed, 0.0))
        leant = touch.warm[env, row, m] >= 0 and touch.impulse[env, row, m][0] > 0.0
        lifts = ti.select(leant, 0.0, contact.lifted(law[0], law[2], law[1], when * ti.static(1.0 / dt)))
        fall = ti.select(hovers, ti.max(0.0, gap + when * lifts - law[9]) * ti.static(1.0 / bodies.dt), 0.0)
        stays = meets or held
        rests = ti.select(stays, ti.max(touch.landed[env, row, m], before[0] - (speed + fall - lifts) * mass), 0.0)
        presses = ti.max(0.0, rests - spare_of(touch, env, row, m))
        if ti.static(touch.bouncy):
            impact = ti.min(dt, contact.time_of_bounce(gap, closing, dt))
            up = contact.rebound(speed, law[1], impact * ti.static(1.0 / bodies.dt), law[7])
            hits = ti.max(-law[2], ti.static(1.0 / PASSED_ON) * -speed) > law[8]
            # Where it gave what lets it just come down, rounding would say whether it meets.
            lacks = not held or speed + fall < -contact.STILL
            bounces = meets and lacks and hits and contact.leaves(up, law[1], law[7])
            along = ti.select(bounces, (up - speed) * mass, rests - before[0])
            time = ti.select(bounces, impact, when)
            base = ti.select(bounces, 0.0, before[1])
            most = law[6] * ti.select(bounces, along, presses)
            wanted = base - (slide + couple * along) * law[4]
            across = within(wanted, most) - base
            touch.impulse[env, row, element + touch.contacts] = ti.Vector(
                [
                    ti.select(bounces, before[0], rests),
                    ti.select(bounces, before[1], base + across),
                    ti.select(bounces, before[2], time),
                    before[3] + ti.select(bounces, along, 0.0),
                    before[4] + ti.select(bounces, across, 0.0),
                ]
            )
            note(touch, env, row, m, turn, bounces, stays, presses, wanted, most, before, gap, closing, dt)
            impulse = along * out + across * side
            bend_both(bodies, courses, env, row, end, a, b, start_a, start_b, impulse, time)
        else:
            along = rests - before[0]
            most = law[6] * presses
            wanted = before[1] - (slide + couple * along) * law[4]
            across = within(wanted, most) - before[1]
            touch.impulse[env, row, element + touch.contacts] = ti.Vector([rests, before[1] + across, when])
            note(touch, env, row, m, turn, False, stays, presses, wanted, most, before, gap, closing, dt)
            impulse = along * out + across * side
            bend_both(bodies, courses, env, row, end, a, b, start_a, start_b, impulse, when)


@ti.func
def push_contact(
    bodies: ti.template(), courses: ti.template(), touch: ti.template(), passes: ti.template(), env, row, step, m
):
    """Push apart what is too deep at the end of the step."""
    if m < touch.count[env, row, 0]:
        a = touch.first[env, row, m]
        b = touch.second[env, row, m]
        out = touch.out[env, row, m]
        law = touch.law[env, row, m]
        end_a = end_speed(bodies, courses, env, row, passes, a)
        end_b = end_speed(bodies, courses, env, row, passes, b)
        deep = -law[0] - ti.static(bodies.dt) * row_speed(out, end_a, end_b)
        push_both(bodies, courses, env, row, a, b, out, deep, law[3])


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
    if ti.static(contact.recorded(touch.branch)):
        key = touch.key[env, row, m]
        lies = contact.rests(gap, touch.law[env, row, m][2])
        sunken = contact.sunken(gap, closing, dt)
        # Where nothing is given, as after a bounce, friction has no say, and what it wants is rounding.
        gives = bounces or rests > 0.0
        # What slid among impacts and stands now wants what friction gives, up to rounding.
        faster = ti.abs(wanted) > (1.0 - ROUNDED) * most
        slides = gives and faster
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
            vertices = touch.face[env, row, m] + 64 * touch.corner[env, row, m]
            feature = 256 * (1 + touch.points[env, row, m] + 2 * vertices)
            touch.branch[env, row, key] += ti.cast(feature, ti.f32)
        if turn == ti.static(touch.passes):
            bounced = ti.Vector([0.0, 0.0])
            if ti.static(touch.bouncy):
                bounced = ti.Vector([before[3], before[4]])
            hit = bounced[0] > 0.0 or bounces
            if hit or rests > 0.0:
                contact.mark(touch.contact, env, row, key, contact.MEETS)
                # What bounced in an earlier pass slid if it got all that friction could give.
                friction = touch.law[env, row, m][6]
                slid = ti.abs(bounced[1]) >= (1.0 - ROUNDED) * friction * bounced[0]
                if ti.select(gives or friction == 0.0, faster, slid):
                    contact.mark(touch.contact, env, row, key, contact.SLIDES)
                if hit:
                    contact.mark(touch.contact, env, row, key, contact.BOUNCES)
                elif lies:
                    contact.mark(touch.contact, env, row, key, contact.RESTS)
                elif sunken:
                    contact.mark(touch.contact, env, row, key, contact.DEEP)
