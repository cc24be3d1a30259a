"""Springs, motors and the geometry of joints between planar rigid bodies.

A joint has rows: directions in which the second body must not move relative to the first. A row is (x, y, lever of
the first, lever of the second), so that its speed is x, y . (v2 - v1) + lever2 * w2 - lever1 * w1. Where bodies turn,
keeping that speed at zero would let them leave their circle by half the square of the step; so a row aims at the
speed that keeps it to second order, from the motion before impulses.
"""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.collision import cross, rotated, turned
from diffsim.physics.rigid_bodies.contact_geometry import advanced, speed_at
from diffsim.physics.rigid_bodies.impulses import PUSH, row_speed

__all__ = [
    "hold_pin",
    "hold_rope",
    "hold_slider",
    "hold_weld",
    "muscle_force",
    "muscle_state",
    "pin_state",
    "pin_torque",
    "slider_force",
    "slider_state",
    "spring_force",
]

SHORTEST = 1.0e-12
"""Added to the squared length of a spring or rope [m^2]: its direction stays finite when it collapses."""


# Forces


@ti.func
def velocity_at(
    motion: ti.template(), env: ti.template(), row: ti.template(), place: ti.template(), arm: ti.template()
):
    """Of a place at ``arm`` from a body's centre [m/s]."""
    return motion.velocity[env, row, place] + motion.angular_velocity[env, row, place] * turned(arm)


@ti.func
def stretch(
    springs: ti.template(), motion: ti.template(), env: ti.template(), row: ti.template(), spring: ti.template()
):
    """Arms of both anchors, the way from the first to the second, its length and the rate of that."""
    a = springs.first[spring]
    b = springs.second[spring]
    arm_a = rotated(motion.rotation[env, row, a], springs.anchor_first[env, spring])
    arm_b = rotated(motion.rotation[env, row, b], springs.anchor_second[env, spring])
    apart = motion.position[env, row, b] + arm_b - motion.position[env, row, a] - arm_a
    length = ti.sqrt(apart.dot(apart) + SHORTEST)
    along = apart / length
    rate = along.dot(velocity_at(motion, env, row, b, arm_b) - velocity_at(motion, env, row, a, arm_a))
    return arm_a, arm_b, along, length, rate


@ti.func
def pull(
    springs: ti.template(),
    motion: ti.template(),
    env: ti.template(),
    row: ti.template(),
    spring: ti.template(),
    target: ti.template(),
):
    """Add the force of a spring that wants to be ``target`` long."""
    a = springs.first[spring]
    b = springs.second[spring]
    arm_a, arm_b, along, length, rate = stretch(springs, motion, env, row, spring)
    tension = springs.stiffness[env, spring] * (length - target) + springs.damping[env, spring] * rate
    force = tension * along
    motion.force[env, row, a] += force
    motion.torque[env, row, a] += cross(arm_a, force)
    motion.force[env, row, b] += -force
    motion.torque[env, row, b] += -cross(arm_b, force)


@ti.func
def muscle_force(springs: ti.template(), motion: ti.template(), env, row, step, k):
    """Of a spring whose rest length an actuator changes."""
    spring = springs.muscles[k]
    longer = 1.0 + springs.actuation[env, spring] * motion.actuation[env, row, k]
    pull(springs, motion, env, row, spring, springs.rest_length[env, spring] * longer)


@ti.func
def spring_force(springs: ti.template(), motion: ti.template(), env, row, step, k):
    """Of a spring that is not driven."""
    spring = springs.passive[k]
    pull(springs, motion, env, row, spring, springs.rest_length[env, spring])


@ti.func
def muscle_state(springs: ti.template(), motion: ti.template(), env, row, step, k):
    """Relative stretch of a driven spring, and its rate."""
    spring = springs.muscles[k]
    _, _, _, length, rate = stretch(springs, motion, env, row, spring)
    rest = springs.rest_length[env, spring]
    motion.actuator_position[env, row, k] = length / rest - 1.0
    motion.actuator_velocity[env, row, k] = rate / rest


@ti.func
def pin_torque(joints: ti.template(), motion: ti.template(), env, row, step, k):
    """Of the motor and the damping of a pin."""
    joint = joints.turning[k]
    a = joints.first[joint]
    b = joints.second[joint]
    drag = joints.damping[env, joint] * (motion.angular_velocity[env, row, b] - motion.angular_velocity[env, row, a])
    if joints.actuator[joint] >= 0:
        torque = joints.motor[env, joint] * motion.actuation[env, row, joints.actuator[joint]] - drag
        motion.torque[env, row, a] += -torque
        motion.torque[env, row, b] += torque
    else:
        motion.torque[env, row, a] += drag
        motion.torque[env, row, b] += -drag


@ti.func
def pin_state(joints: ti.template(), motion: ti.template(), env, row, step, k):
    """Angle and angular velocity of a driven pin."""
    joint = joints.turning[k]
    if joints.actuator[joint] >= 0:
        a = joints.first[joint]
        b = joints.second[joint]
        angle = motion.angle[env, row, b] - motion.angle[env, row, a]
        rate = motion.angular_velocity[env, row, b] - motion.angular_velocity[env, row, a]
        motion.actuator_position[env, row, joints.actuator[joint]] = angle
        motion.actuator_velocity[env, row, joints.actuator[joint]] = rate


@ti.func
def anchors(joints: ti.template(), motion: ti.template(), env: ti.template(), row: ti.template(), joint: ti.template()):
    """Arms of both anchors of a joint, and the way from the first to the second."""
    a = joints.first[joint]
    b = joints.second[joint]
    arm_a = rotated(motion.rotation[env, row, a], joints.anchor_first[env, joint])
    arm_b = rotated(motion.rotation[env, row, b], joints.anchor_second[env, joint])
    return arm_a, arm_b, motion.position[env, row, b] + arm_b - motion.position[env, row, a] - arm_a


@ti.func
def axis_of_slider(
    joints: ti.template(), motion: ti.template(), env: ti.template(), row: ti.template(), joint: ti.template()
):
    angle = joints.axis[env, joint]
    return rotated(motion.rotation[env, row, joints.first[joint]], ti.Vector([ti.cos(angle), ti.sin(angle)]))


@ti.func
def slide(joints: ti.template(), motion: ti.template(), env: ti.template(), row: ti.template(), joint: ti.template()):
    """Arm of the place of the first that is at the second's anchor, the other arm, the axis, the way and its rate."""
    a = joints.first[joint]
    b = joints.second[joint]
    arm_a, arm_b, apart = anchors(joints, motion, env, row, joint)
    axis = axis_of_slider(joints, motion, env, row, joint)
    arm = arm_a + apart
    rate = axis.dot(velocity_at(motion, env, row, b, arm_b) - velocity_at(motion, env, row, a, arm))
    return arm, arm_b, axis, axis.dot(apart), rate


@ti.func
def slider_force(joints: ti.template(), motion: ti.template(), env, row, step, k):
    """Of the motor and the damping of a slider."""
    joint = joints.sliding[k]
    a = joints.first[joint]
    b = joints.second[joint]
    arm_a, arm_b, axis, _, rate = slide(joints, motion, env, row, joint)
    drag = -joints.damping[env, joint] * rate
    if joints.actuator[joint] >= 0:
        force = (joints.motor[env, joint] * motion.actuation[env, row, joints.actuator[joint]] + drag) * axis
        motion.force[env, row, a] += -force
        motion.torque[env, row, a] += -cross(arm_a, force)
        motion.force[env, row, b] += force
        motion.torque[env, row, b] += cross(arm_b, force)
    else:
        force = drag * axis
        motion.force[env, row, a] += -force
        motion.torque[env, row, a] += -cross(arm_a, force)
        motion.force[env, row, b] += force
        motion.torque[env, row, b] += cross(arm_b, force)


@ti.func
def slider_state(joints: ti.template(), motion: ti.template(), env, row, step, k):
    """Way and speed along the axis of a driven slider."""
    joint = joints.sliding[k]
    if joints.actuator[joint] >= 0:
        _, _, _, way, rate = slide(joints, motion, env, row, joint)
        motion.actuator_position[env, row, joints.actuator[joint]] = way
        motion.actuator_velocity[env, row, joints.actuator[joint]] = rate


# What a joint must keep in a step


@ti.func
def centripetal(
    joints: ti.template(),
    courses: ti.template(),
    env: ti.template(),
    row: ti.template(),
    joint: ti.template(),
    arm_a: ti.template(),
    arm_b: ti.template(),
):
    """Acceleration of the second anchor relative to the first, because both bodies turn [m/s^2]."""
    spin_a = courses.free[env, row, joints.first[joint]][2]
    spin_b = courses.free[env, row, joints.second[joint]][2]
    return spin_a * spin_a * arm_a - spin_b * spin_b * arm_b


@ti.func
def hold_pin(
    bodies: ti.template(), joints: ti.template(), motion: ti.template(), courses: ti.template(), env, row, step, k
):
    """Both anchors stay together."""
    joint = joints.pins[k]
    arm_a, arm_b, apart = anchors(joints, motion, env, row, joint)
    one = ti.Vector([1.0, 0.0, -arm_a[1], -arm_b[1]])
    two = ti.Vector([0.0, 1.0, arm_a[0], arm_b[0]])
    joints.row[env, row, 3 * joint] = one
    joints.row[env, row, 3 * joint + 1] = two
    joints.error[env, row, joint] = ti.Vector([apart[0], apart[1], 0.0])
    curve = centripetal(joints, courses, env, row, joint, arm_a, arm_b)
    aim = -0.5 * bodies.dt * curve - PUSH / bodies.dt * apart
    joints.aim[env, row, joint] = ti.Vector([aim[0], aim[1], 0.0])
    hold_two(bodies, joints, env, row, joint, one, two)


@ti.func
def hold_slider(
    bodies: ti.template(), joints: ti.template(), motion: ti.template(), courses: ti.template(), env, row, step, k
):
    """The second's anchor stays on the axis through the first's, and the angle between both stays."""
    joint = joints.sliders[k]
    a = joints.first[joint]
    b = joints.second[joint]
    arm_a, arm_b, apart = anchors(joints, motion, env, row, joint)
    axis = axis_of_slider(joints, motion, env, row, joint)
    across = turned(axis)
    one = ti.Vector([across[0], across[1], cross(arm_a + apart, across), cross(arm_b, across)])
    two = ti.Vector([0.0, 0.0, 1.0, 1.0])
    joints.row[env, row, 3 * joint] = one
    joints.row[env, row, 3 * joint + 1] = two
    bent = motion.angle[env, row, b] - motion.angle[env, row, a] - joints.angle[env, joint]
    beside = across.dot(apart)
    # The second derivative of the way beside the axis, which turns with the first body.
    spin = courses.free[env, row, a][2]
    slip = speed_at(courses.free[env, row, b], arm_b) - speed_at(courses.free[env, row, a], arm_a)
    # The third, how fast it slides, is for rows at the time of an impact.
    joints.error[env, row, joint] = ti.Vector([beside, bent, axis.dot(slip)])
    curve = across.dot(centripetal(joints, courses, env, row, joint, arm_a, arm_b))
    curves = curve - spin * spin * beside - 2.0 * spin * axis.dot(slip)
    aim = -0.5 * bodies.dt * curves - PUSH / bodies.dt * beside
    joints.aim[env, row, joint] = ti.Vector([aim, -PUSH / bodies.dt * bent, 0.0])
    hold_two(bodies, joints, env, row, joint, one, two)


@ti.func
def share_of(
    bodies: ti.template(),
    env: ti.template(),
    a: ti.template(),
    b: ti.template(),
    one: ti.template(),
    two: ti.template(),
):
    """How much speed along row ``one`` an impulse along row ``two`` gives [1/kg]."""
    inverse = bodies.inverse_mass[env, a] + bodies.inverse_mass[env, b]
    return (
        inverse * (one[0] * two[0] + one[1] * two[1])
        + bodies.inverse_inertia[env, a] * one[2] * two[2]
        + bodies.inverse_inertia[env, b] * one[3] * two[3]
    )


@ti.func
def hold_two(
    bodies: ti.template(),
    joints: ti.template(),
    env: ti.template(),
    row: ti.template(),
    joint: ti.template(),
    one: ti.template(),
    two: ti.template(),
):
    """Invert the effective mass of a joint of two rows; a third one is empty."""
    a = joints.first[joint]
    b = joints.second[joint]
    k11 = share_of(bodies, env, a, b, one, one)
    k12 = share_of(bodies, env, a, b, one, two)
    k22 = share_of(bodies, env, a, b, two, two)
    scale = 1.0 / (k11 * k22 - k12 * k12)
    joints.inverse[env, row, 3 * joint] = ti.Vector([scale * k22, -scale * k12, 0.0])
    joints.inverse[env, row, 3 * joint + 1] = ti.Vector([-scale * k12, scale * k11, 0.0])
    if ti.static(joints.rows == 3):
        joints.row[env, row, 3 * joint + 2] = ti.Vector([0.0, 0.0, 0.0, 0.0])
        joints.inverse[env, row, 3 * joint + 2] = ti.Vector([0.0, 0.0, 0.0])


@ti.func
def hold_weld(
    bodies: ti.template(), joints: ti.template(), motion: ti.template(), courses: ti.template(), env, row, step, k
):
    """Both anchors stay together, and so does the angle."""
    joint = joints.welds[k]
    a = joints.first[joint]
    b = joints.second[joint]
    arm_a, arm_b, apart = anchors(joints, motion, env, row, joint)
    one = ti.Vector([1.0, 0.0, -arm_a[1], -arm_b[1]])
    two = ti.Vector([0.0, 1.0, arm_a[0], arm_b[0]])
    three = ti.Vector([0.0, 0.0, 1.0, 1.0])
    joints.row[env, row, 3 * joint] = one
    joints.row[env, row, 3 * joint + 1] = two
    joints.row[env, row, 3 * joint + 2] = three
    bent = motion.angle[env, row, b] - motion.angle[env, row, a] - joints.angle[env, joint]
    joints.error[env, row, joint] = ti.Vector([apart[0], apart[1], bent])
    curve = centripetal(joints, courses, env, row, joint, arm_a, arm_b)
    aim = -0.5 * bodies.dt * curve - PUSH / bodies.dt * apart
    joints.aim[env, row, joint] = ti.Vector([aim[0], aim[1], -PUSH / bodies.dt * bent])
    k11 = share_of(bodies, env, a, b, one, one)
    k12 = share_of(bodies, env, a, b, one, two)
    k13 = share_of(bodies, env, a, b, one, three)
    k22 = share_of(bodies, env, a, b, two, two)
    k23 = share_of(bodies, env, a, b, two, three)
    k33 = share_of(bodies, env, a, b, three, three)
    inverse = ti.Matrix([[k11, k12, k13], [k12, k22, k23], [k13, k23, k33]]).inverse()
    for r in ti.static(range(3)):
        joints.inverse[env, row, 3 * joint + r] = ti.Vector([inverse[r, 0], inverse[r, 1], inverse[r, 2]])


@ti.func
def hold_rope(
    bodies: ti.template(), joints: ti.template(), motion: ti.template(), courses: ti.template(), env, row, step, k
):
    """The anchors do not come farther apart than the rope is long: as they will be when it goes taut in this step."""
    joint = joints.roped[k]
    a = joints.first[joint]
    b = joints.second[joint]
    arm_now, other_now, apart_now = anchors(joints, motion, env, row, joint)
    speed_a = courses.start[env, row, a]
    speed_b = courses.start[env, row, b]
    slip = speed_at(speed_b, other_now) - speed_at(speed_a, arm_now)
    time = time_taut(apart_now, slip, joints.length[env, joint], ti.static(bodies.dt))
    arm_a = advanced(arm_now, time * speed_a[2])
    arm_b = advanced(other_now, time * speed_b[2])
    travel = time * ti.Vector([speed_b[0] - speed_a[0], speed_b[1] - speed_a[1]])
    apart = apart_now + travel + arm_b - other_now - arm_a + arm_now
    length = ti.sqrt(apart.dot(apart) + SHORTEST)
    inward = -apart / length
    one = ti.Vector([inward[0], inward[1], cross(arm_a, inward), cross(arm_b, inward)])
    entry = inward.dot(velocity_at(motion, env, row, b, arm_b) - velocity_at(motion, env, row, a, arm_a))
    around = cross(inward, speed_at(speed_b, arm_b) - speed_at(speed_a, arm_a))
    curve = around * around / length - inward.dot(centripetal(joints, courses, env, row, joint, arm_a, arm_b))
    joints.row[env, row, 3 * joint] = one
    # From when it is taut to the end of the step; a rope that the anchors leave by themselves holds nothing back.
    joints.aim[env, row, joint] = ti.Vector([0.5 * (bodies.dt - time) * ti.max(curve, 0.0), 0.0, 0.0])
    gap = joints.length[env, joint] - length - time * row_speed(one, speed_a, speed_b)
    joints.error[env, row, joint] = ti.Vector([gap, entry, 0.0])
    joints.inverse[env, row, 3 * joint] = ti.Vector([1.0 / share_of(bodies, env, a, b, one, one), 0.0, 0.0])


@ti.func
def time_taut(apart: ti.template(), slip: ti.template(), length, dt: ti.template()):
    """When two points that move apart are ``length`` from each other, if in this step; else 0 [s].

    The root of ``|apart + time * slip| = length``, without a difference of near numbers. Less than the skin is not
    waited for (`contact.time_ahead`).
    """
    away = apart.dot(slip)
    left = ti.max(0.0, length * length - apart.dot(apart))
    fast = ti.max(away, length * contact.SKIN / dt)
    time = left / (fast + ti.sqrt(fast * fast + slip.dot(slip) * left))
    comes = dt * away > ti.max(0.5 * left, length * contact.SKIN)
    return ti.select(comes, ti.min(time, dt), 0.0)
