"""How planar rigid bodies lie where they touch, at the time of impact: what the solver needs of a contact."""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.collision import rotated
from diffsim.physics.rigid_bodies.impulses import DEPTH, row_speed

__all__ = ["advanced", "face_contact", "point_contact", "prepare_contact", "speed_at"]


@ti.func
def advanced(rotation: ti.template(), angle: ti.template()):
    """A rotation turned on by a small angle: its Cayley transform, which keeps lengths and is off by angle^3 / 12."""
    half = 0.5 * angle
    scale = 1.0 / (1.0 + half * half)
    c = (1.0 - half * half) * scale
    s = 2.0 * half * scale
    return ti.Vector([c * rotation[0] - s * rotation[1], c * rotation[1] + s * rotation[0]])


@ti.func
def speed_at(speed: ti.template(), arm: ti.template()):
    """Velocity of a place at ``arm`` from the centre, of a body with speed (x, y, angular) [m/s]."""
    return ti.Vector([speed[0] - speed[2] * arm[1], speed[1] + speed[2] * arm[0]])


@ti.func
def face_contact(
    bodies: ti.template(), motion: ti.template(), courses: ti.template(), touch: ti.template(), env, row, step, m
):
    """A vertex of the second shape against a face of the first: how they lie when they meet if nothing else happens."""
    if m < touch.count[env, row, 0]:
        if touch.points[env, row, m] == 0:
            a = touch.first[env, row, m]
            b = touch.second[env, row, m]
            foot = bodies.vertex[env, touch.face[env, row, m]]
            facing = bodies.normal[env, touch.face[env, row, m]]
            tip = bodies.vertex[env, touch.corner[env, row, m]]
            turn_a = motion.rotation[env, row, a]
            turn_b = motion.rotation[env, row, b]
            speed_a = courses.start[env, row, a]
            speed_b = courses.start[env, row, b]
            radius = bodies.radius[env, b]
            reach = radius + bodies.radius[env, a]
            between = motion.position[env, row, b] - motion.position[env, row, a]
            normal_now = rotated(turn_a, facing)
            arm_now = rotated(turn_b, tip)
            apart_now = between + arm_now
            approach = speed_at(speed_b, arm_now) - speed_at(speed_a, apart_now)
            gap_now = (apart_now - rotated(turn_a, foot)).dot(normal_now) - reach
            time = contact.time_ahead(gap_now, -approach.dot(normal_now), bodies.dt)
            angle_a = time * speed_a[2]
            angle_b = time * speed_b[2]
            turn_then = advanced(turn_a, angle_a)
            normal = rotated(turn_then, facing)
            turn_other = advanced(turn_b, angle_b)
            corner = rotated(turn_other, tip)
            travel = ti.Vector([speed_b[0] - speed_a[0], speed_b[1] - speed_a[1]])
            apart = between + time * travel + corner
            gap = (apart - rotated(turn_then, foot)).dot(normal) - reach
            arm = apart - radius * normal
            touch.seen[env, row, m] = ti.Vector([time, gap])
            touch.facing_then[env, row, m] = normal
            touch.arms[env, row, m] = ti.Vector(
                [arm[0], arm[1], arm[0] - between[0] - time * travel[0], arm[1] - between[1] - time * travel[1]]
            )


@ti.func
def point_contact(
    bodies: ti.template(), motion: ti.template(), courses: ti.template(), touch: ti.template(), env, row, step, m
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
            speed_a = courses.start[env, row, a]
            speed_b = courses.start[env, row, b]
            radius = bodies.radius[env, b]
            reach = radius + bodies.radius[env, a]
            between = motion.position[env, row, b] - motion.position[env, row, a]
            base_now = rotated(turn_a, foot)
            arm_now = rotated(turn_b, tip)
            apart_now = between + arm_now - base_now
            approach = speed_at(speed_b, arm_now) - speed_at(speed_a, base_now)
            time = contact.time_of_discs(apart_now, approach, reach, bodies.dt)
            angle_a = time * speed_a[2]
            angle_b = time * speed_b[2]
            turn_then = advanced(turn_a, angle_a)
            base = rotated(turn_then, foot)
            turn_other = advanced(turn_b, angle_b)
            corner = rotated(turn_other, tip)
            travel = between + time * ti.Vector([speed_b[0] - speed_a[0], speed_b[1] - speed_a[1]])
            apart = travel + corner - base
            length = contact.size(apart)
            normal = apart / length
            arm_a = base + apart - radius * normal
            arm_b = corner - radius * normal
            touch.seen[env, row, m] = ti.Vector([time, length - reach])
            touch.facing_then[env, row, m] = normal
            touch.arms[env, row, m] = ti.Vector([arm_a[0], arm_a[1], arm_b[0], arm_b[1]])


@ti.func
def prepare_contact(
    bodies: ti.template(), motion: ti.template(), courses: ti.template(), touch: ti.template(), env, row, step, m
):
    """What the solver needs of a contact whose geometry is known.

    The gap is carried back to the start of the step along the normal speed, so that ``gap + t * speed`` is right at the
    impact.
    """
    if m < touch.count[env, row, 0]:
        a = touch.first[env, row, m]
        b = touch.second[env, row, m]
        seen = touch.seen[env, row, m]
        n = touch.facing_then[env, row, m]
        arm = touch.arms[env, row, m]
        speed_a = courses.start[env, row, a]
        speed_b = courses.start[env, row, b]
        out = ti.Vector([n[0], n[1], arm[0] * n[1] - arm[1] * n[0], arm[2] * n[1] - arm[3] * n[0]])
        side = ti.Vector([-n[1], n[0], arm[0] * n[0] + arm[1] * n[1], arm[2] * n[0] + arm[3] * n[1]])
        light = bodies.inverse_mass[env, a] + bodies.inverse_mass[env, b]
        loose_a = bodies.inverse_inertia[env, a]
        loose_b = bodies.inverse_inertia[env, b]
        velocity = motion.velocity[env, row, b] - motion.velocity[env, row, a]
        spin_a = motion.angular_velocity[env, row, a]
        spin_b = motion.angular_velocity[env, row, b]
        speed = row_speed(out, speed_a, speed_b)
        entry = n.dot(velocity) + out[3] * spin_b - out[2] * spin_a
        both = bodies.material[a] & bodies.material[b]
        friction = combined(bodies.friction[env, a], bodies.friction[env, b], both & 1)
        restitution = combined(bodies.restitution[env, a], bodies.restitution[env, b], both // 2)
        touch.out[env, row, m] = out
        touch.side[env, row, m] = side
        touch.law[env, row, m] = ti.Vector(
            [
                seen[1] - seen[0] * speed,
                speed - entry,
                entry,
                1.0 / (light + loose_a * out[2] * out[2] + loose_b * out[3] * out[3]),
                1.0 / (light + loose_a * side[2] * side[2] + loose_b * side[3] * side[3]),
                loose_a * out[2] * side[2] + loose_b * out[3] * side[3],
                friction,
                restitution,
                ti.max(pushed(motion, env, row, a, speed_a, out, 2), pushed(motion, env, row, b, speed_b, out, 3)),
                ti.select(ti.max(bodies.joined[a], bodies.joined[b]) > 0, 0.0, DEPTH),
            ]
        )
        place = motion.position[env, row, a] + seen[0] * ti.Vector([speed_a[0], speed_a[1]])
        touch.point[env, row, m] = place + ti.Vector([arm[0], arm[1]])


@ti.func
def pushed(
    motion: ti.template(),
    env: ti.template(),
    row: ti.template(),
    place: ti.template(),
    speed: ti.template(),
    out: ti.template(),
    lever: ti.template(),
):
    """How much forces change the speed of a body along the normal, where it touches, in this step [m/s].

    And a little more, so that rounding does not say which corner bounces of what fell for just one step.
    """
    before = motion.velocity[env, row, place]
    turns = speed[2] - motion.angular_velocity[env, row, place]
    change = out[0] * (speed[0] - before[0]) + out[1] * (speed[1] - before[1]) + out[lever] * turns
    return ti.abs(change) + contact.STILL


@ti.func
def combined(one, other, both: ti.template()):
    """Geometric mean of two coefficients; of one alone, where the other is 0 because the obstacle has none.

    Exactly 0 where one of two is: with a little friction a head-on contact would stick, and its gradient tell of that.
    """
    mean = ti.select(one * other > 0.0, ti.sqrt(one * other + contact.TINY), 0.0)
    return ti.select(both == 1, mean, one + other)
