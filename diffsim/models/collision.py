"""Which planar rigid bodies may touch in a step, and where: broad phase, features, and the geometry at the impact.

Shapes are convex: a core of one vertex (disc), two (capsule, segment) or more (polygon), grown by a radius; or a
half-plane, which is one face without ends. Two shapes touch where a vertex of one meets a face of the other, or where two
vertices meet. Which of them is decided by the axis of least penetration, as in Catto 2006 (GDC, "Fast and simple physics
using sequential impulses"); what differs: the ends of the common part of both faces are taken as a vertex against a
face instead of being clipped, so that each contact is one smooth function of both poses.
"""

import taichi as ti

from diffsim.models import contact

__all__ = ["face_contact", "point_contact", "search"]

FAR = -(2**30)
"""Stands for no slot before the first."""

TIE = 1.0e-5
"""A face of the second shape is preferred only if it is farther away by this [m]: faces that lie on each other must not
take turns for rounding."""

ENDLESS = 1.0e9
"""Where the face of a half-plane ends [m]."""


@ti.func
def rotated(rotation, vector):
    """``vector`` turned by an angle whose cosine and sine are given."""
    return ti.Vector(
        [rotation[0] * vector[0] - rotation[1] * vector[1], rotation[1] * vector[0] + rotation[0] * vector[1]]
    )


@ti.func
def cross(a, b):
    """The component out of the plane of a vector product."""
    return a[0] * b[1] - a[1] * b[0]


@ti.func
def turned(vector):
    """``vector`` turned by a right angle, counter-clockwise: the tangent of a normal."""
    return ti.Vector([-vector[1], vector[0]])


# Deciding what may touch: forward only


@ti.func
def place_of(bodies: ti.template(), motion: ti.template(), env, row, shape, vertex):
    """A vertex of a shape in the world."""
    turn = motion.rotation[env, row, shape]
    return motion.position[env, row, shape] + rotated(turn, bodies.vertex[env, vertex])


@ti.func
def normal_of(bodies: ti.template(), motion: ti.template(), env, row, shape, face):
    """A face's normal in the world."""
    return rotated(motion.rotation[env, row, shape], bodies.normal[env, face])


@ti.func
def bound(bodies: ti.template(), motion: ti.template(), touch: ti.template(), env, row, margin):
    """Boxes around all shapes, with half the margin on each side."""
    for shape in range(bodies.places - 1):
        if bodies.kind[shape] == 2:
            touch.box[env, shape] = ti.Vector([-ENDLESS, -ENDLESS, ENDLESS, ENDLESS])
        else:
            lowest = ti.Vector([ENDLESS, ENDLESS])
            highest = ti.Vector([-ENDLESS, -ENDLESS])
            for vertex in range(bodies.first[shape], bodies.first[shape] + bodies.count[shape]):
                place = place_of(bodies, motion, env, row, shape, vertex)
                lowest = ti.min(lowest, place)
                highest = ti.max(highest, place)
            grow = bodies.radius[env, shape] + 0.5 * margin
            touch.box[env, shape] = ti.Vector(
                [lowest[0] - grow, lowest[1] - grow, highest[0] + grow, highest[1] + grow]
            )


@ti.func
def fastest(bodies: ti.template(), motion: ti.template(), courses: ti.template(), touch: ti.template(), env, row):
    """A bound of the speed of all places of all bodies [m/s]."""
    found = 0.0
    for body in range(bodies.bodies):
        speed = courses.speed[env, row, body]
        spin = ti.abs(speed[2]) * touch.reach[env, body]
        found = ti.max(found, ti.sqrt(speed[0] * speed[0] + speed[1] * speed[1]) + spin)
    return found


@ti.func
def axis_of(bodies: ti.template(), motion: ti.template(), env, row, shape, other):
    """The face of ``shape`` from which ``other`` is farthest: distance of the cores [m], and the face."""
    best, chosen = -ENDLESS, bodies.first[shape]
    faces = bodies.count[shape]
    if bodies.kind[shape] == 2:
        faces = 1
    for face in range(bodies.first[shape], bodies.first[shape] + faces):
        normal = normal_of(bodies, motion, env, row, shape, face)
        foot = place_of(bodies, motion, env, row, shape, face)
        nearest = ENDLESS
        for vertex in range(bodies.first[other], bodies.first[other] + bodies.count[other]):
            place = place_of(bodies, motion, env, row, other, vertex)
            nearest = ti.min(nearest, (place - foot).dot(normal))
        if nearest > best:
            best, chosen = nearest, face
    return best, chosen


@ti.func
def add(bodies: ti.template(), touch: ti.template(), env, row, key, first, second, face, corner, points):
    """Put a contact at the end of the list, if there is room."""
    m = touch.count[env, row, 0]
    if m < touch.contacts:
        touch.first[env, row, m] = first
        touch.second[env, row, m] = second
        touch.face[env, row, m] = face
        touch.corner[env, row, m] = corner
        touch.points[env, row, m] = points
        touch.key[env, row, m] = key
    touch.count[env, row, 0] = m + 1


@ti.func
def add_near(
    bodies: ti.template(),
    motion: ti.template(),
    touch: ti.template(),
    env,
    row,
    margin,
    key,
    first,
    second,
    face,
    corner,
):
    """Add a vertex of ``second`` against a face of ``first`` if they are near enough."""
    normal = normal_of(bodies, motion, env, row, first, face)
    apart = place_of(bodies, motion, env, row, second, corner) - place_of(bodies, motion, env, row, first, face)
    if apart.dot(normal) - bodies.radius[env, first] - bodies.radius[env, second] < margin:
        add(bodies, touch, env, row, key, first, second, face, corner, 0)


@ti.func
def ends_of(bodies: ti.template(), motion: ti.template(), env, row, shape, face, tangent):
    """The ends of a face along the tangent: lower place, upper place, lower vertex, upper vertex."""
    a, b = face, bodies.following[face]
    low = tangent.dot(place_of(bodies, motion, env, row, shape, a))
    high = tangent.dot(place_of(bodies, motion, env, row, shape, b))
    if bodies.kind[shape] == 2:
        low, high = -ENDLESS, ENDLESS
    elif low > high:
        low, high = high, low
        a, b = b, a
    return low, high, a, b


@ti.func
def opposite(bodies: ti.template(), motion: ti.template(), env, row, shape, normal):
    """The face whose normal is most opposed to ``normal``."""
    least, chosen = ENDLESS, bodies.first[shape]
    for face in range(bodies.first[shape], bodies.first[shape] + bodies.count[shape]):
        along = normal.dot(normal_of(bodies, motion, env, row, shape, face))
        if along < least:
            least, chosen = along, face
    return chosen


@ti.func
def features(bodies: ti.template(), motion: ti.template(), touch: ti.template(), env, row, margin, pair):
    """Add the contacts of a pair, at most two: the ends of what its faces have in common."""
    a = touch.pair[2 * pair]
    b = touch.pair[2 * pair + 1]
    reach = bodies.radius[env, a] + bodies.radius[env, b]
    gap_a, face_a, gap_b, face_b = -ENDLESS, bodies.first[a], -ENDLESS, bodies.first[b]
    if bodies.count[a] > 1 and bodies.kind[b] != 2:
        gap_a, face_a = axis_of(bodies, motion, env, row, a, b)
    if bodies.count[b] > 1:
        gap_b, face_b = axis_of(bodies, motion, env, row, b, a)
    if bodies.count[a] == 1 and bodies.count[b] == 1:
        apart = place_of(bodies, motion, env, row, a, face_a) - place_of(bodies, motion, env, row, b, face_b)
        if apart.norm() - reach < margin:
            add(bodies, touch, env, row, 2 * pair, a, b, face_a, face_b, 1)
    elif ti.max(gap_a, gap_b) - reach < margin:
        # What the face belongs to, and the other one.
        own, other, face, side = a, b, face_a, 1.0
        if gap_b > gap_a + TIE:
            own, other, face, side = b, a, face_b, -1.0
        normal = normal_of(bodies, motion, env, row, own, face)
        tangent = side * turned(normal)  # the same whichever of the two has the face
        low, high, low_end, high_end = ends_of(bodies, motion, env, row, own, face, tangent)
        against = opposite(bodies, motion, env, row, other, normal)
        low_other, high_other, low_corner, high_corner = ends_of(bodies, motion, env, row, other, against, tangent)
        if low_other > high or high_other < low:  # beside each other: two vertices are nearest
            end, corner = low_end, high_corner
            if low_other > high:
                end, corner = high_end, low_corner
            apart = place_of(bodies, motion, env, row, own, end) - place_of(bodies, motion, env, row, other, corner)
            if apart.norm() - reach < margin:
                add(bodies, touch, env, row, 2 * pair, own, other, end, corner, 1)
        else:
            if low_other >= low:
                add_near(bodies, motion, touch, env, row, margin, 2 * pair, own, other, face, low_corner)
            else:
                add_near(bodies, motion, touch, env, row, margin, 2 * pair, other, own, against, low_end)
            if ti.min(high, high_other) > ti.max(low, low_other) + contact.SKIN:
                if high_other <= high:
                    add_near(bodies, motion, touch, env, row, margin, 2 * pair + 1, own, other, face, high_corner)
                else:
                    add_near(bodies, motion, touch, env, row, margin, 2 * pair + 1, other, own, against, high_end)


@ti.func
def recognise(touch: ti.template(), env, row):
    """Find the contacts of the step before that are still there: both lists rise with their keys."""
    old = 0
    olds = ti.cast(touch.carried_count[env, row, 0] + 0.5, ti.i32)
    for m in range(touch.count[env, row, 0]):
        key = touch.key[env, row, m]
        while old < olds and ti.cast(touch.carried_key[env, row, old] + 0.5, ti.i32) < key:
            old += 1
        touch.warm[env, row, m] = -1
        if old < olds and ti.cast(touch.carried_key[env, row, old] + 0.5, ti.i32) == key:
            touch.warm[env, row, m] = old


@ti.func
def enlist(bodies: ti.template(), courses: ti.template(), touch: ti.template(), env, row, constraint, side, place):
    """Note after which other side of a constraint this one comes, for a body that moves."""
    index = 2 * constraint + side
    courses.before[env, row, index] = FAR
    if place < bodies.bodies:
        courses.before[env, row, index] = touch.last[env, place]
        touch.last[env, place] = index


@ti.func
def close(bodies: ti.template(), courses: ti.template(), touch: ti.template(), env, row, constraint, side, place):
    """Whatever comes first in a pass comes after what was last in the pass before."""
    index = 2 * constraint + side
    if place < bodies.bodies and courses.before[env, row, index] == FAR:
        courses.before[env, row, index] = touch.last[env, place] - 2 * courses.constraints


@ti.func
def link(bodies: ti.template(), joints: ti.template(), courses: ti.template(), touch: ti.template(), env, row):
    """Put the sides of all constraints in order, body by body; see `diffsim.models.impulses.slot`."""
    for place in range(bodies.places):
        touch.last[env, place] = FAR
    for turn in range(2):
        for joint in range(courses.joints):
            if turn == 0:
                enlist(bodies, courses, touch, env, row, joint, 0, joints.first[joint])
                enlist(bodies, courses, touch, env, row, joint, 1, joints.second[joint])
            else:
                close(bodies, courses, touch, env, row, joint, 0, joints.first[joint])
                close(bodies, courses, touch, env, row, joint, 1, joints.second[joint])
        for m in range(touch.count[env, row, 0]):
            constraint = courses.joints + m
            if turn == 0:
                enlist(bodies, courses, touch, env, row, constraint, 0, touch.first[env, row, m])
                enlist(bodies, courses, touch, env, row, constraint, 1, touch.second[env, row, m])
            else:
                close(bodies, courses, touch, env, row, constraint, 0, touch.first[env, row, m])
                close(bodies, courses, touch, env, row, constraint, 1, touch.second[env, row, m])
    for body in range(bodies.bodies):
        courses.after[env, row, body] = touch.last[env, body]


@ti.func
def search(
    bodies: ti.template(),
    motion: ti.template(),
    joints: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    env,
    row,
    step,
    element,
):
    """List what may touch in this step, and in which order impulses act.

    What is farther away than two bodies can come in a step, even if impacts make them twice as fast as any is now, is
    left out.
    """
    margin = 4.0 * bodies.dt * fastest(bodies, motion, courses, touch, env, row) + contact.SKIN
    touch.count[env, row, 0] = 0
    bound(bodies, motion, touch, env, row, margin)
    for pair in range(touch.pairs):
        a = touch.box[env, touch.pair[2 * pair]]
        b = touch.box[env, touch.pair[2 * pair + 1]]
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]:
            features(bodies, motion, touch, env, row, margin, pair)
    if touch.count[env, row, 0] > touch.contacts:
        if touch.limit[env, 0] == 0:
            touch.limit[env, 0] = step + 1
            touch.limit[env, 1] = touch.count[env, row, 0]
        touch.count[env, row, 0] = touch.contacts
    recognise(touch, env, row)
    link(bodies, joints, courses, touch, env, row)


@ti.func
def reset(bodies: ti.template(), touch: ti.template(), env, row, step, element):
    """Before the first step: nothing went wrong yet, and how far shapes reach."""
    touch.limit[env, 0] = 0
    for shape in range(bodies.places - 1):
        farthest = 0.0
        for vertex in range(bodies.first[shape], bodies.first[shape] + bodies.count[shape]):
            farthest = ti.max(farthest, bodies.vertex[env, vertex].norm())
        touch.reach[env, shape] = farthest + bodies.radius[env, shape]


# Geometry of one contact, at the time of its impact


@ti.func
def advanced(rotation, angle):
    """A rotation turned on by a small angle: its Cayley transform, which keeps lengths and is off by angle^3 / 12."""
    half = 0.5 * angle
    scale = 1.0 / (1.0 + half * half)
    c = (1.0 - half * half) * scale
    s = 2.0 * half * scale
    return ti.Vector([c * rotation[0] - s * rotation[1], c * rotation[1] + s * rotation[0]])


@ti.func
def place_at(motion: ti.template(), courses: ti.template(), env, row, place, time):
    """Position of a place at that time of the step, if no impulse acted [m]."""
    speed = courses.speed[env, row, place]
    return motion.position[env, row, place] + time * ti.Vector([speed[0], speed[1]])


@ti.func
def speed_at(speed, arm):
    """Velocity of a place at ``arm`` from the centre, of a body with speed (x, y, angular) [m/s]."""
    return ti.Vector([speed[0] - speed[2] * arm[1], speed[1] + speed[2] * arm[0]])


@ti.func
def entry_speed(motion: ti.template(), env, row, place, arm):
    """The same at the start of the step, before forces."""
    velocity = motion.velocity[env, row, place]
    spin = motion.angular_velocity[env, row, place]
    return ti.Vector([velocity[0] - spin * arm[1], velocity[1] + spin * arm[0]])


@ti.func
def clamped(gap, speed, dt):
    """When a gap closes at a speed, between the start of the step and its end [s]."""
    return ti.min(dt, ti.max(0.0, gap) / ti.max(-speed, contact.SLOWEST))


@ti.func
def face_contact(
    bodies: ti.template(),
    motion: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    env,
    row,
    step,
    m,
):
    """A vertex of the second shape against a face of the first."""
    if m < touch.count[env, row, 0]:
        if touch.points[env, row, m] == 0:
            a = touch.first[env, row, m]
            b = touch.second[env, row, m]
            foot = bodies.vertex[env, touch.face[env, row, m]]
            out = bodies.normal[env, touch.face[env, row, m]]
            tip = bodies.vertex[env, touch.corner[env, row, m]]
            turn_a = motion.rotation[env, row, a]
            turn_b = motion.rotation[env, row, b]
            speed_a = courses.speed[env, row, a]
            speed_b = courses.speed[env, row, b]
            radius = bodies.radius[env, b]
            reach = radius + bodies.radius[env, a]
            # When they meet, if nothing else happens.
            normal_now = rotated(turn_a, out)
            arm_now = rotated(turn_b, tip)
            apart_now = motion.position[env, row, b] + arm_now - motion.position[env, row, a]
            gap_now = (apart_now - rotated(turn_a, foot)).dot(normal_now) - reach
            speed_now = (speed_at(speed_b, arm_now) - speed_at(speed_a, apart_now)).dot(normal_now)
            time = clamped(gap_now, speed_now, bodies.dt)
            # And how they lie then.
            turn_then = advanced(turn_a, time * speed_a[2])
            normal = rotated(turn_then, out)
            corner = rotated(advanced(turn_b, time * speed_b[2]), tip)
            origin = place_at(motion, courses, env, row, a, time)
            apart = place_at(motion, courses, env, row, b, time) + corner - origin
            gap = (apart - rotated(turn_then, foot)).dot(normal) - reach
            arm_b = corner - radius * normal
            settle(
                bodies,
                motion,
                courses,
                touch,
                env,
                row,
                m,
                a,
                b,
                time,
                gap,
                normal,
                apart - radius * normal,
                arm_b,
                origin,
            )


@ti.func
def point_contact(
    bodies: ti.template(),
    motion: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    env,
    row,
    step,
    m,
):
    """A vertex of the second shape against one of the first."""
    if m < touch.count[env, row, 0]:
        if touch.points[env, row, m] == 1:
            a = touch.first[env, row, m]
            b = touch.second[env, row, m]
            foot = bodies.vertex[env, touch.face[env, row, m]]
            tip = bodies.vertex[env, touch.corner[env, row, m]]
            turn_a = motion.rotation[env, row, a]
            turn_b = motion.rotation[env, row, b]
            speed_a = courses.speed[env, row, a]
            speed_b = courses.speed[env, row, b]
            radius = bodies.radius[env, b]
            reach = radius + bodies.radius[env, a]
            base_now = rotated(turn_a, foot)
            arm_now = rotated(turn_b, tip)
            apart_now = motion.position[env, row, b] + arm_now - motion.position[env, row, a] - base_now
            approach = speed_at(speed_b, arm_now) - speed_at(speed_a, base_now)
            time = contact.time_of_discs(apart_now, approach, reach, bodies.dt)
            base = rotated(advanced(turn_a, time * speed_a[2]), foot)
            corner = rotated(advanced(turn_b, time * speed_b[2]), tip)
            origin = place_at(motion, courses, env, row, a, time)
            apart = place_at(motion, courses, env, row, b, time) + corner - origin - base
            length = contact.size(apart)
            normal = apart / length
            arm_b = corner - radius * normal
            arm_a = base + apart - radius * normal
            settle(
                bodies, motion, courses, touch, env, row, m, a, b, time, length - reach, normal, arm_a, arm_b, origin
            )


@ti.func
def settle(
    bodies: ti.template(),
    motion: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    env,
    row,
    m,
    a,
    b,
    time,
    gap,
    normal,
    arm_a,
    arm_b,
    origin,
):
    """Note what the solver needs of a contact whose geometry at ``time`` is known.

    ``gap`` is carried back to the start of the step along the normal speed, so that ``gap + t * speed`` is right at the
    impact.
    """
    tangent = turned(normal)
    speed = (speed_at(courses.speed[env, row, b], arm_b) - speed_at(courses.speed[env, row, a], arm_a)).dot(normal)
    entry = (entry_speed(motion, env, row, b, arm_b) - entry_speed(motion, env, row, a, arm_a)).dot(normal)
    lever = ti.Vector([cross(arm_a, normal), cross(arm_b, normal), cross(arm_a, tangent), cross(arm_b, tangent)])
    inverse = bodies.inverse_mass[env, a] + bodies.inverse_mass[env, b]
    spin_a = bodies.inverse_inertia[env, a]
    spin_b = bodies.inverse_inertia[env, b]
    touch.normal[env, row, m] = normal
    touch.lever[env, row, m] = lever
    touch.gap[env, row, m] = gap - time * speed
    touch.gain[env, row, m] = speed - entry
    touch.entry[env, row, m] = entry
    touch.mass[env, row, m] = ti.Vector(
        [
            1.0 / (inverse + spin_a * lever[0] * lever[0] + spin_b * lever[1] * lever[1]),
            1.0 / (inverse + spin_a * lever[2] * lever[2] + spin_b * lever[3] * lever[3]),
        ]
    )
    touch.point[env, row, m] = origin + arm_a
    touch.coefficient[env, row, m] = ti.Vector(
        [
            combined(bodies.friction[env, a], bodies.friction[env, b], bodies.material[a] & bodies.material[b] & 1),
            combined(
                bodies.restitution[env, a],
                bodies.restitution[env, b],
                (bodies.material[a] & bodies.material[b]) // 2,
            ),
        ]
    )


@ti.func
def combined(one, other, both):
    """Geometric mean of two coefficients; of one alone, where the other is 0 because the obstacle has none."""
    return ti.select(both == 1, ti.sqrt(one * other + contact.TINY), one + other)
