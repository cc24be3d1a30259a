"""Which planar rigid bodies may touch in a step, and where: broad phase and features.

Shapes are convex: a core of one vertex (disc), two (capsule, segment) or more (polygon), grown by a radius; or a
half-plane, which is one face without ends. Two shapes touch where a vertex of one meets a face of the other, or where
two vertices meet. Which of them is decided by the axis of least penetration, as in Catto 2006 (GDC, "Fast and simple
physics using sequential impulses"); what differs: the ends of the common part of both faces are taken as a vertex
against a face instead of being clipped, so that each contact is one smooth function of both poses.
"""

import taichi as ti

from diffsim.physics import contact

__all__ = ["cross", "reset", "rotated", "search", "turned"]

FAR = -(2**30)
"""Stands for no slot before the first."""

TIE = 1.0e-5
"""A face of the second shape is preferred only if it is farther away by this [m]: faces that lie on each other must not
take turns for rounding."""

ENDLESS = 1.0e9
"""Where the face of a half-plane ends [m]."""


@ti.func
def rotated(rotation: ti.template(), vector: ti.template()):
    """``vector`` turned by an angle whose cosine and sine are given."""
    return ti.Vector(
        [rotation[0] * vector[0] - rotation[1] * vector[1], rotation[1] * vector[0] + rotation[0] * vector[1]]
    )


@ti.func
def cross(a: ti.template(), b: ti.template()):
    """The component out of the plane of a vector product."""
    return a[0] * b[1] - a[1] * b[0]


@ti.func
def turned(vector: ti.template()):
    """``vector`` turned by a right angle, counter-clockwise: the tangent of a normal."""
    return ti.Vector([-vector[1], vector[0]])


# Deciding what may touch: forward only


@ti.func
def reset(bodies: ti.template(), touch: ti.template(), env, row, step, element):
    """Before the first step: nothing went wrong yet, and how far shapes reach."""
    touch.limit[env, 0] = 0
    for shape in range(bodies.places - 1):
        farthest = 0.0
        for vertex in range(bodies.first[shape], bodies.first[shape] + bodies.count[shape]):
            farthest = ti.max(farthest, bodies.vertex[env, vertex].norm())
        touch.reach[env, shape] = farthest + bodies.radius[env, shape]


@ti.func
def fastest(bodies: ti.template(), courses: ti.template(), touch: ti.template(), env, row):
    """A bound of the speed of all places of all bodies [m/s]."""
    found = 0.0
    for body in range(bodies.bodies):
        speed = courses.start[env, row, body]
        spin = ti.abs(speed[2]) * touch.reach[env, body]
        found = ti.max(found, ti.sqrt(speed[0] * speed[0] + speed[1] * speed[1]) + spin)
    return found


@ti.func
def outline(bodies: ti.template(), motion: ti.template(), touch: ti.template(), env, row, margin):
    """Vertices and normals in the world, and boxes around all shapes, with half the margin on each side."""
    for shape in range(bodies.places - 1):
        turn = motion.rotation[env, row, shape]
        centre = motion.position[env, row, shape]
        lowest = ti.Vector([ENDLESS, ENDLESS])
        highest = ti.Vector([-ENDLESS, -ENDLESS])
        for vertex in range(bodies.first[shape], bodies.first[shape] + bodies.count[shape]):
            place = centre + rotated(turn, bodies.vertex[env, vertex])
            touch.place[env, vertex] = place
            touch.facing[env, vertex] = rotated(turn, bodies.normal[env, vertex])
            lowest = ti.min(lowest, place)
            highest = ti.max(highest, place)
        grow = bodies.radius[env, shape] + 0.5 * margin
        if bodies.kind[shape] == 2:
            grow = ENDLESS
        touch.box[env, shape] = ti.Vector([lowest[0] - grow, lowest[1] - grow, highest[0] + grow, highest[1] + grow])


@ti.func
def overlap(touch: ti.template(), env, one, other):
    """Whether the boxes around two shapes do."""
    a, b = touch.box[env, one], touch.box[env, other]
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@ti.func
def bucket(touch: ti.template(), x, y):
    """Where a cell of the grid is kept; several cells may share a bucket (Teschner et al. 2003, section 3.1)."""
    return ((x * 73856093) ^ (y * 19349663)) & ti.static(touch.buckets - 1)


@ti.func
def fill_grid(bodies: ti.template(), touch: ti.template(), env):
    """Put every body into the cell of its box's middle. Cells are as large as the largest box of a body."""
    size = 0.0
    for body in range(bodies.bodies):
        box = touch.box[env, body]
        size = ti.max(size, box[2] - box[0], box[3] - box[1])
    for k in range(touch.buckets):
        touch.head[env, k] = -1
    for body in range(bodies.bodies):
        box = touch.box[env, body]
        x = ti.cast(ti.floor(0.5 * (box[0] + box[2]) / size), ti.i32)
        y = ti.cast(ti.floor(0.5 * (box[1] + box[3]) / size), ti.i32)
        touch.cell[env, 2 * body] = x
        touch.cell[env, 2 * body + 1] = y
        k = bucket(touch, x, y)
        touch.chain[env, body] = touch.head[env, k]
        touch.head[env, k] = body


@ti.func
def neighbours(bodies: ti.template(), touch: ti.template(), env, body):
    """List the shapes after ``body`` that it may touch and whose boxes overlap, in rising order; how many they are."""
    found = 0
    for k in range(9):
        x = touch.cell[env, 2 * body] + k % 3 - 1
        y = touch.cell[env, 2 * body + 1] + k // 3 - 1
        other = touch.head[env, bucket(touch, x, y)]
        while other >= 0:
            same = touch.cell[env, 2 * other] == x and touch.cell[env, 2 * other + 1] == y
            if other > body and same and touch.pair_of[body * (bodies.places - 1) + other] >= 0:
                if overlap(touch, env, body, other):
                    at = found
                    while at > 0 and touch.near[env, ti.max(at - 1, 0)] > other:
                        touch.near[env, at] = touch.near[env, at - 1]
                        at -= 1
                    touch.near[env, at] = other
                    found += 1
            other = touch.chain[env, other]
    for shape in range(bodies.bodies, bodies.places - 1):
        if overlap(touch, env, body, shape):
            touch.near[env, found] = shape
            found += 1
    return found


@ti.func
def axis_of(bodies: ti.template(), touch: ti.template(), env, shape, other):
    """The face of ``shape`` from which ``other`` is farthest: distance of the cores [m], and the face."""
    best, chosen = -ENDLESS, bodies.first[shape]
    faces = bodies.count[shape]
    if bodies.kind[shape] == 2:
        faces = 1
    for face in range(bodies.first[shape], bodies.first[shape] + faces):
        normal = touch.facing[env, face]
        foot = touch.place[env, face]
        nearest = ENDLESS
        for vertex in range(bodies.first[other], bodies.first[other] + bodies.count[other]):
            nearest = ti.min(nearest, (touch.place[env, vertex] - foot).dot(normal))
        if nearest > best:
            best, chosen = nearest, face
    return best, chosen


@ti.func
def opposite(bodies: ti.template(), touch: ti.template(), env, shape, normal):
    """The face whose normal is most opposed to ``normal``."""
    least, chosen = ENDLESS, bodies.first[shape]
    for face in range(bodies.first[shape], bodies.first[shape] + bodies.count[shape]):
        along = normal.dot(touch.facing[env, face])
        if along < least:
            least, chosen = along, face
    return chosen


@ti.func
def ends_of(bodies: ti.template(), touch: ti.template(), env, shape, face, tangent):
    """The ends of a face along the tangent: lower place, upper place, lower vertex, upper vertex."""
    a, b = face, bodies.following[face]
    low = tangent.dot(touch.place[env, a])
    high = tangent.dot(touch.place[env, b])
    if bodies.kind[shape] == 2:
        low, high = -ENDLESS, ENDLESS
    elif low > high:
        low, high = high, low
        a, b = b, a
    return low, high, a, b


@ti.func
def add(bodies: ti.template(), touch: ti.template(), env, row, margin, key, first, second, face, corner, points):
    """Put a contact at the end of the list, if it is near enough and there is room."""
    apart = touch.place[env, corner] - touch.place[env, face]
    gap = apart.dot(touch.facing[env, face])
    if points == 1:
        gap = apart.norm()
    if gap - bodies.radius[env, first] - bodies.radius[env, second] < margin:
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
def features(bodies: ti.template(), touch: ti.template(), env, row, margin, pair):
    """Add the contacts of a pair, at most two: the ends of what its faces have in common."""
    own, other, side = touch.pair[2 * pair], touch.pair[2 * pair + 1], 1.0
    gap, face = -ENDLESS, bodies.first[own]
    for turn in range(2):  # which of the two has the face that is farthest from the other
        shape, against = touch.pair[2 * pair + turn], touch.pair[2 * pair + 1 - turn]
        if bodies.count[shape] > 1 and bodies.kind[against] != 2:
            found, chosen = axis_of(bodies, touch, env, shape, against)
            if found > gap + turn * TIE:
                gap, face = found, chosen
                own, other, side = shape, against, 1.0 - 2.0 * turn
    reach = bodies.radius[env, own] + bodies.radius[env, other]
    if gap - reach < margin:
        low_end, high_end, low_corner, high_corner = face, face, bodies.first[other], bodies.first[other]
        low, high, low_other, high_other = 0.0, 0.0, 1.0, 1.0
        back = bodies.first[other]
        if gap > -ENDLESS:
            tangent = side * turned(touch.facing[env, face])  # the same whichever of the two has the face
            back = opposite(bodies, touch, env, other, touch.facing[env, face])
            low, high, low_end, high_end = ends_of(bodies, touch, env, own, face, tangent)
            low_other, high_other, low_corner, high_corner = ends_of(bodies, touch, env, other, back, tangent)
        for end in range(2):
            first, second, start, corner, points = own, other, face, low_corner, 0
            here = True
            if low_other > high or high_other < low:  # beside each other: two vertices are nearest
                start, corner, points = high_end, low_corner, 1
                if high_other < low:
                    start, corner = low_end, high_corner
                here = end == 0
            elif end == 0:
                if low_other < low:
                    first, second, start, corner = other, own, back, low_end
            else:
                corner = high_corner
                if high_other > high:
                    first, second, start, corner = other, own, back, high_end
                here = ti.min(high, high_other) > ti.max(low, low_other) + contact.SKIN
            if here and reach > 0.0 and points == 0 and first == other:
                # A vertex beyond the ends of a rounded side is farther from it than from the line through it.
                after = bodies.following[start]
                along = touch.place[env, after] - touch.place[env, start]
                share = along.dot(touch.place[env, corner] - touch.place[env, start])
                if share < 0.0:
                    points = 1
                elif share > along.dot(along):
                    start, points = after, 1
            if here:
                add(bodies, touch, env, row, margin, 2 * pair + end, first, second, start, corner, points)


@ti.func
def recognise(touch: ti.template(), env, row):
    """Find the contacts of the step before that are still there: both lists rise with their keys, and are merged."""
    count = touch.count[env, row, 0]
    olds = ti.cast(touch.carried_count[env, row, 0] + 0.5, ti.i32)
    m, old = 0, 0
    for _ in range(count + olds):
        if m < count:
            known = -FAR
            if old < olds:
                known = ti.cast(touch.carried_key[env, row, old] + 0.5, ti.i32)
            if known < touch.key[env, row, m]:
                old += 1
            else:
                touch.warm[env, row, m] = ti.select(known == touch.key[env, row, m], old, -1)
                m += 1


@ti.func
def link(bodies: ti.template(), joints: ti.template(), courses: ti.template(), touch: ti.template(), env, row):
    """Put the sides of all constraints in order, body by body; see `diffsim.physics.rigid_bodies.impulses.slot`.

    Each comes after the one that the body was in before. What comes first in a pass comes after what was last in the
    pass before, which is known at the end.
    """
    for place in range(bodies.places):
        touch.last[env, place] = FAR
    for turn in range(2):
        for index in range(2 * (courses.joints + touch.count[env, row, 0])):
            constraint = index // 2
            place = 0
            if constraint < courses.joints:
                place = joints.first[constraint]
                if index % 2 == 1:
                    place = joints.second[constraint]
            else:
                place = touch.first[env, row, constraint - courses.joints]
                if index % 2 == 1:
                    place = touch.second[env, row, constraint - courses.joints]
            if turn == 0:
                courses.before[env, row, index] = FAR
                if place < bodies.bodies:
                    courses.before[env, row, index] = touch.last[env, place]
                    touch.last[env, place] = index
            elif place < bodies.bodies and courses.before[env, row, index] == FAR:
                courses.before[env, row, index] = touch.last[env, place] - 2 * courses.constraints
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
    fast = fastest(bodies, courses, touch, env, row)
    margin = 4.0 * bodies.dt * fast + contact.SKIN
    touch.least[env, row, 0] = ti.max(contact.SLOWEST, touch.rounding * (1.0 + fast))
    touch.count[env, row, 0] = 0
    outline(bodies, motion, touch, env, row, margin)
    if ti.static(touch.gridded):
        fill_grid(bodies, touch, env)
        for body in range(bodies.bodies):
            found = neighbours(bodies, touch, env, body)
            for k in range(found):
                features(
                    bodies, touch, env, row, margin, touch.pair_of[body * (bodies.places - 1) + touch.near[env, k]]
                )
    else:
        for pair in range(touch.pairs):
            if overlap(touch, env, touch.pair[2 * pair], touch.pair[2 * pair + 1]):
                features(bodies, touch, env, row, margin, pair)
    if touch.count[env, row, 0] > touch.contacts:
        if touch.limit[env, 0] == 0:
            touch.limit[env, 0] = step + 1
            touch.limit[env, 1] = touch.count[env, row, 0]
        touch.count[env, row, 0] = touch.contacts
    recognise(touch, env, row)
    link(bodies, joints, courses, touch, env, row)
