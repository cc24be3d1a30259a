"""Rigid bodies in the plane, in maximal coordinates, with contacts, joints, springs and motors.

Per step, with h the time step:

    v_i* = exp(-d h) v_i + h (f_i / m_i + g), w_i* likewise: forces of springs and motors, gravity, damping
    contacts that may happen in the step are found, each with its geometry at the time of impact (see `collision`)
    impulses of contacts and joints at the times when they happen bend the courses of bodies (see `impulses`)
    x_i' = x_i + shift_i + h v_i', with the course that is left at the end

Angles do not wrap.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Passes, Stage
from diffsim.models import impulses
from diffsim.models.collision import cross, face_contact, point_contact, reset, rotated, search, turned
from diffsim.models.rigid_records import Bodies, Courses, Joints, Motion, Springs, Touch
from diffsim.scene import RigidBodies

__all__ = ["build"]

SHORTEST = 1.0e-12
"""Added to the squared length of a spring or rope [m^2]: its direction stays finite when it collapses."""

TINY = 1.0e-30
"""Added to the squared length of an edge [m^2]: the edge of a disc's only vertex, which has no direction, gets none."""

VELOCITY_SCALE = 0.05
"""What a controller observes of a velocity [s/m]: 20 m/s is about one, as an offset of 1 m is."""


# Before the first step


@ti.func
def edge(bodies: ti.template(), vertices: ti.template(), env, shape, k):
    """Vertex k of a shape, the next one, and twice the area of the triangle with the origin; 0 if it has none."""
    vertex = bodies.first[shape] + ti.min(k, bodies.count[shape] - 1)
    a = vertices[env, vertex]
    b = vertices[env, bodies.following[vertex]]
    return a, b, cross(a, b) * ti.cast(k < bodies.count[shape], bodies.real)


@ti.func
def centre_of_edge(bodies: ti.template(), vertices: ti.template(), env, shape, k, axis: ti.template()):
    a, b, area = edge(bodies, vertices, env, shape, k)
    return area * (a[axis] + b[axis])


@ti.func
def spread_of_edge(bodies: ti.template(), vertices: ti.template(), env, shape, k):
    a, b, area = edge(bodies, vertices, env, shape, k)
    return area * (a.dot(a) + a.dot(b) + b.dot(b))


@ti.func
def area_of(bodies: ti.template(), vertices: ti.template(), env, shape):
    """Area of a polygon, by the shoelace formula [m^2]."""
    most = ti.static(bodies.most_vertices)
    return 0.5 * ti.Vector([edge(bodies, vertices, env, shape, k)[2] for k in ti.static(range(most))]).sum()


@ti.func
def find_centroid(bodies: ti.template(), env, row, step, shape):
    """Of the given vertices of a polygon."""
    if bodies.polygon[shape] == 1:
        most = ti.static(bodies.most_vertices)
        given = ti.static(bodies.given_vertex)
        area = area_of(bodies, given, env, shape)
        x = ti.Vector([centre_of_edge(bodies, given, env, shape, k, 0) for k in ti.static(range(most))]).sum()
        y = ti.Vector([centre_of_edge(bodies, given, env, shape, k, 1) for k in ti.static(range(most))]).sum()
        bodies.centroid[env, shape] = ti.Vector([x, y]) / (6.0 * area)


@ti.func
def place_vertex(bodies: ti.template(), env, row, step, vertex):
    """In the body's frame, whose origin is the centre of mass. The line of a half-plane is its x axis."""
    shape = bodies.owner[vertex]
    half = bodies.half_size[env, shape]
    along = half[0] + bodies.half_length[env, shape] + ti.cast(bodies.kind[shape] == 2, bodies.real)
    bodies.vertex[env, vertex] = (
        bodies.given_vertex[env, vertex]
        - bodies.centroid[env, shape]
        + ti.Vector([bodies.side_x[vertex] * along, bodies.side_y[vertex] * half[1]])
    )


@ti.func
def place_normal(bodies: ti.template(), env, row, step, vertex):
    """Of the face from this vertex to the next one, counter-clockwise around the shape."""
    along = bodies.vertex[env, bodies.following[vertex]] - bodies.vertex[env, vertex]
    bodies.normal[env, vertex] = -turned(along) / ti.sqrt(along.dot(along) + TINY)


@ti.func
def weigh(bodies: ti.template(), env, row, step, body):
    """Mass and moment of inertia: as given, or of an even density. Capsules: a rectangle and two half discs."""
    vertices = ti.static(bodies.vertex)
    half = bodies.half_length[env, body]
    radius = bodies.radius[env, body]
    density = bodies.density[env, body] + bodies.own_density[env, body]
    if bodies.kind[body] == 1:
        disc = np.pi * radius * radius
        bar = 4.0 * half * radius
        spread = bar * (half * half + radius * radius) / 3.0 + disc * (
            0.5 * radius * radius + half * half + 8.0 / (3.0 * np.pi) * half * radius
        )
        balance(bodies, env, body, density, disc + bar, spread)
    else:
        most = ti.static(bodies.most_vertices)
        spread = ti.Vector([spread_of_edge(bodies, vertices, env, body, k) for k in ti.static(range(most))]).sum()
        balance(bodies, env, body, density, area_of(bodies, vertices, env, body), spread / 12.0)


@ti.func
def balance(bodies: ti.template(), env, body, density, area, spread):
    mass = bodies.given_mass[env, body] + density * area
    bodies.mass[env, body] = mass
    bodies.inverse_mass[env, body] = 1.0 / mass
    if bodies.by_inertia[body] == 1:
        bodies.inverse_inertia[env, body] = 1.0 / bodies.given_inertia[env, body]
    else:
        bodies.inverse_inertia[env, body] = area / (mass * spread)


@ti.func
def mix(bodies: ti.template(), env, row, step, shape):
    bodies.friction[env, shape] = bodies.shared_friction[env, shape] + bodies.own_friction[env, shape]
    bodies.restitution[env, shape] = bodies.shared_restitution[env, shape] + bodies.own_restitution[env, shape]


@ti.func
def decay(bodies: ti.template(), env, row, step, element):
    bodies.keep[env, 0] = ti.exp(-bodies.damping[env, 0] * bodies.dt)


@ti.func
def start(bodies: ti.template(), motion: ti.template(), env, row, step, body):
    motion.position[env, 0, body] = bodies.initial_position[env, body]
    motion.velocity[env, 0, body] = bodies.initial_velocity[env, body]
    motion.angle[env, 0, body] = bodies.initial_angle[env, body]
    motion.angular_velocity[env, 0, body] = bodies.initial_angular_velocity[env, body]


@ti.func
def stand(bodies: ti.template(), motion: ti.template(), env, row, step, k):
    """What does not move: obstacles, and the world behind them."""
    place = bodies.bodies + k
    if place < bodies.places - 1:
        motion.position[env, 0, place] = bodies.obstacle_position[env, k]
        motion.angle[env, 0, place] = bodies.obstacle_angle[env, k]
    else:
        motion.position[env, 0, place] = ti.Vector([0.0, 0.0])
        motion.angle[env, 0, place] = 0.0
    motion.velocity[env, 0, place] = ti.Vector([0.0, 0.0])
    motion.angular_velocity[env, 0, place] = 0.0


@ti.func
def start_contacts(touch: ti.template(), env, row, step, element):
    touch.carried_count[env, 0, 0] = 0.0


@ti.func
def start_joint(joints: ti.template(), env, row, step, joint):
    joints.carried[env, 0, joint] = ti.Vector([0.0, 0.0, 0.0])


# What controllers and objectives read


@ti.func
def centre(bodies: ti.template(), motion: ti.template(), env, row, step, body):
    motion.centre[env, row, 0] += bodies.share[env, body] * motion.position[env, row, body]


@ti.func
def total_mass(bodies: ti.template(), env, row, step, element):
    bodies.total[env, 0] = ti.Vector([bodies.mass[env, k] for k in ti.static(range(bodies.bodies))]).sum()


@ti.func
def share_mass(bodies: ti.template(), env, row, step, body):
    bodies.share[env, body] = bodies.mass[env, body] / bodies.total[env, 0]


@ti.func
def observe(bodies: ti.template(), motion: ti.template(), env, row, step, body):
    offset = motion.position[env, row, body] - motion.centre[env, row, 0]
    velocity = motion.velocity[env, row, body]
    for c in ti.static(range(2)):
        motion.observation[env, row, 6 * body + c] = offset[c]
        motion.observation[env, row, 6 * body + 3 + c] = VELOCITY_SCALE * velocity[c]
    motion.observation[env, row, 6 * body + 2] = motion.angle[env, row, body]
    motion.observation[env, row, 6 * body + 5] = VELOCITY_SCALE * motion.angular_velocity[env, row, body]


@ti.func
def turn(motion: ti.template(), env, row, step, place):
    angle = motion.angle[env, row, place]
    motion.rotation[env, row, place] = ti.Vector([ti.cos(angle), ti.sin(angle)])


# Forces


@ti.func
def velocity_at(motion: ti.template(), env, row, place, arm):
    """Of a place at ``arm`` from a body's centre [m/s]."""
    return motion.velocity[env, row, place] + motion.angular_velocity[env, row, place] * turned(arm)


@ti.func
def stretch(springs: ti.template(), motion: ti.template(), env, row, spring):
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
def pull(springs: ti.template(), motion: ti.template(), env, row, spring, target):
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
    spring = springs.muscles[k]
    longer = 1.0 + springs.actuation[env, spring] * motion.actuation[env, row, k]
    pull(springs, motion, env, row, spring, springs.rest_length[env, spring] * longer)


@ti.func
def spring_force(springs: ti.template(), motion: ti.template(), env, row, step, k):
    spring = springs.passive[k]
    pull(springs, motion, env, row, spring, springs.rest_length[env, spring])


@ti.func
def muscle_state(springs: ti.template(), motion: ti.template(), env, row, step, k):
    spring = springs.muscles[k]
    arm_a, arm_b, along, length, rate = stretch(springs, motion, env, row, spring)
    rest = springs.rest_length[env, spring]
    motion.actuator_position[env, row, k] = length / rest - 1.0
    motion.actuator_velocity[env, row, k] = rate / rest


@ti.func
def pin_torque(joints: ti.template(), motion: ti.template(), env, row, step, k):
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
    joint = joints.turning[k]
    if joints.actuator[joint] >= 0:
        a = joints.first[joint]
        b = joints.second[joint]
        angle = motion.angle[env, row, b] - motion.angle[env, row, a]
        rate = motion.angular_velocity[env, row, b] - motion.angular_velocity[env, row, a]
        motion.actuator_position[env, row, joints.actuator[joint]] = angle
        motion.actuator_velocity[env, row, joints.actuator[joint]] = rate


@ti.func
def anchors(joints: ti.template(), motion: ti.template(), env, row, joint):
    """Arms of both anchors of a joint, and the way from the first to the second."""
    a = joints.first[joint]
    b = joints.second[joint]
    arm_a = rotated(motion.rotation[env, row, a], joints.anchor_first[env, joint])
    arm_b = rotated(motion.rotation[env, row, b], joints.anchor_second[env, joint])
    return arm_a, arm_b, motion.position[env, row, b] + arm_b - motion.position[env, row, a] - arm_a


@ti.func
def axis_of_slider(joints: ti.template(), motion: ti.template(), env, row, joint):
    angle = joints.axis[env, joint]
    return rotated(motion.rotation[env, row, joints.first[joint]], ti.Vector([ti.cos(angle), ti.sin(angle)]))


@ti.func
def slide(joints: ti.template(), motion: ti.template(), env, row, joint):
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
    joint = joints.sliding[k]
    a = joints.first[joint]
    b = joints.second[joint]
    arm_a, arm_b, axis, way, rate = slide(joints, motion, env, row, joint)
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
    joint = joints.sliding[k]
    if joints.actuator[joint] >= 0:
        arm_a, arm_b, axis, way, rate = slide(joints, motion, env, row, joint)
        motion.actuator_position[env, row, joints.actuator[joint]] = way
        motion.actuator_velocity[env, row, joints.actuator[joint]] = rate


# Courses: from forces to the end of the step


@ti.func
def predict(bodies: ti.template(), motion: ti.template(), courses: ti.template(), env, row, step, body):
    """The course without any impulse."""
    push = bodies.inverse_mass[env, body] * motion.force[env, row, body] + bodies.gravity[env, 0]
    velocity = bodies.keep[env, 0] * motion.velocity[env, row, body] + bodies.dt * push
    spin = (
        bodies.keep[env, 0] * motion.angular_velocity[env, row, body]
        + bodies.dt * bodies.inverse_inertia[env, body] * motion.torque[env, row, body]
    )
    courses.shift[env, row, body] = ti.Vector([0.0, 0.0, 0.0])
    courses.speed[env, row, body] = ti.Vector([velocity[0], velocity[1], spin])


@ti.func
def hold(bodies: ti.template(), motion: ti.template(), courses: ti.template(), env, row, step, k):
    """What does not move."""
    place = bodies.bodies + k
    courses.shift[env, row, place] = ti.Vector([0.0, 0.0, 0.0])
    courses.speed[env, row, place] = ti.Vector([0.0, 0.0, 0.0])
    motion.position[env, row + 1, place] = motion.position[env, row, place]
    motion.velocity[env, row + 1, place] = ti.Vector([0.0, 0.0])
    motion.angle[env, row + 1, place] = motion.angle[env, row, place]
    motion.angular_velocity[env, row + 1, place] = 0.0


@ti.func
def hold_pin(bodies: ti.template(), joints: ti.template(), motion: ti.template(), env, row, step, k):
    """Both anchors stay together."""
    joint = joints.pins[k]
    arm_a, arm_b, apart = anchors(joints, motion, env, row, joint)
    one = ti.Vector([1.0, 0.0, -arm_a[1], -arm_b[1]])
    two = ti.Vector([0.0, 1.0, arm_a[0], arm_b[0]])
    joints.row[env, row, 3 * joint] = one
    joints.row[env, row, 3 * joint + 1] = two
    joints.error[env, row, joint] = ti.Vector([apart[0], apart[1], 0.0])
    hold_two(bodies, joints, env, row, joint, one, two)


@ti.func
def hold_slider(bodies: ti.template(), joints: ti.template(), motion: ti.template(), env, row, step, k):
    """The second's anchor stays on the axis through the first's, and the angle between both stays."""
    joint = joints.sliders[k]
    arm_a, arm_b, apart = anchors(joints, motion, env, row, joint)
    across = turned(axis_of_slider(joints, motion, env, row, joint))
    one = ti.Vector([across[0], across[1], cross(arm_a + apart, across), cross(arm_b, across)])
    two = ti.Vector([0.0, 0.0, 1.0, 1.0])
    joints.row[env, row, 3 * joint] = one
    joints.row[env, row, 3 * joint + 1] = two
    bent = motion.angle[env, row, joints.second[joint]] - motion.angle[env, row, joints.first[joint]]
    joints.error[env, row, joint] = ti.Vector([across.dot(apart), bent - joints.angle[env, joint], 0.0])
    hold_two(bodies, joints, env, row, joint, one, two)


@ti.func
def share_of(bodies: ti.template(), env, a, b, one, two):
    """How much speed along row ``one`` an impulse along row ``two`` gives [1/kg]."""
    inverse = bodies.inverse_mass[env, a] + bodies.inverse_mass[env, b]
    return (
        inverse * (one[0] * two[0] + one[1] * two[1])
        + bodies.inverse_inertia[env, a] * one[2] * two[2]
        + bodies.inverse_inertia[env, b] * one[3] * two[3]
    )


@ti.func
def hold_two(bodies: ti.template(), joints: ti.template(), env, row, joint, one, two):
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
def hold_weld(bodies: ti.template(), joints: ti.template(), motion: ti.template(), env, row, step, k):
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
def hold_rope(bodies: ti.template(), joints: ti.template(), motion: ti.template(), env, row, step, k):
    """The anchors do not come farther apart than the rope is long."""
    joint = joints.roped[k]
    a = joints.first[joint]
    b = joints.second[joint]
    arm_a, arm_b, apart = anchors(joints, motion, env, row, joint)
    length = ti.sqrt(apart.dot(apart) + SHORTEST)
    inward = -apart / length
    one = ti.Vector([inward[0], inward[1], cross(arm_a, inward), cross(arm_b, inward)])
    entry = inward.dot(velocity_at(motion, env, row, b, arm_b) - velocity_at(motion, env, row, a, arm_a))
    joints.row[env, row, 3 * joint] = one
    joints.error[env, row, joint] = ti.Vector([joints.length[env, joint] - length, entry, 0.0])
    joints.inverse[env, row, 3 * joint] = ti.Vector([1.0 / share_of(bodies, env, a, b, one, one), 0.0, 0.0])


@ti.func
def advance(bodies: ti.template(), motion: ti.template(), courses: ti.template(), passes: ti.template(), env, row, step, body):
    """Semi-implicit Euler along the course that is left after all impulses."""
    end = impulses.last_slot(courses, env, row, passes, body)
    shift = courses.shift[env, row, end]
    speed = courses.speed[env, row, end]
    velocity = ti.Vector([speed[0], speed[1]])
    moved = ti.Vector([shift[0], shift[1]]) + bodies.dt * velocity
    motion.position[env, row + 1, body] = motion.position[env, row, body] + moved
    motion.velocity[env, row + 1, body] = velocity
    motion.angle[env, row + 1, body] = motion.angle[env, row, body] + shift[2] + bodies.dt * speed[2]
    motion.angular_velocity[env, row + 1, body] = speed[2]


# Putting it together


def build(scene: RigidBodies, fields: Fields, steps: int, reads: frozenset[str]) -> Model:
    """Declare the fields of a scene and list its stages.

    Args:
        scene: what to simulate.
        fields: where fields are declared; not allocated yet.
        steps: length of the rollout.
        reads: what controller and objective want to read: "centre", "observation", "actuator_state".
    """
    n, m, passes = len(scene.bodies), len(scene.obstacles), scene.iterations
    bodies = _bodies(scene, fields)
    springs, joints = _springs(scene, fields), _joints(scene, fields)
    motion = _motion(scene, fields, reads)
    courses, touch = _solver(scene, fields)
    places, shapes, vertices = n + m + 1, n + m, int(scene.vertex_counts.sum())
    count, pairs, contacts = len(scene.joints), len(scene.pairs), touch.contacts
    centred = bool(reads & {"centre", "observation"})
    muscles, passive = len(scene.driven_springs), len(scene.springs) - len(scene.driven_springs)
    turning, sliding = (_driven(scene, kind) for kind in (0, 2))
    kinds = _kinds(scene)
    prepare = [
        Stage(find_centroid, (bodies,), shapes if 1 in _polygons(scene) else 0),
        Stage(place_vertex, (bodies,), vertices),
        Stage(place_normal, (bodies,), vertices),
        Stage(weigh, (bodies,), n),
        Stage(total_mass, (bodies,), int(centred)),
        Stage(share_mass, (bodies,), n if centred else 0),
        Stage(mix, (bodies,), shapes),
        Stage(decay, (bodies,), 1),
        Stage(start, (bodies, motion), n),
        Stage(stand, (bodies, motion), m + 1),
        Stage(start_contacts, (touch,), 1),
        Stage(start_joint, (joints,), count),
        Stage(reset, (bodies, touch), 1, differentiable=False),
    ]
    sense = []
    if centred:
        sense.append(Stage(centre, (bodies, motion), n))
    if "observation" in reads:
        sense.append(Stage(observe, (bodies, motion), n))
    if "actuator_state" in reads:
        sense += [
            Stage(turn, (motion,), places),
            Stage(muscle_state, (springs, motion), muscles),
            Stage(pin_state, (joints, motion), len(turning)),
            Stage(slider_state, (joints, motion), len(sliding)),
        ]
    solver = (bodies, courses, joints)
    contact_solver = (bodies, courses, touch)
    step: list[Stage | Passes] = [
        Stage(turn, (motion,), places),
        Stage(muscle_force, (springs, motion), muscles),
        Stage(spring_force, (springs, motion), passive),
        Stage(pin_torque, (joints, motion), len(turning)),
        Stage(slider_force, (joints, motion), len(sliding)),
        Stage(predict, (bodies, motion, courses), n),
        Stage(hold, (bodies, motion, courses), m + 1),
        Stage(search, (bodies, motion, joints, courses, touch), 1, differentiable=False),
        Stage(face_contact, (bodies, motion, courses, touch), contacts if pairs else 0),
        Stage(point_contact, (bodies, motion, courses, touch), contacts if _rounded(scene) else 0),
        Stage(hold_pin, (bodies, joints, motion), kinds.count(0)),
        Stage(hold_weld, (bodies, joints, motion), kinds.count(1)),
        Stage(hold_slider, (bodies, joints, motion), kinds.count(2)),
        Stage(hold_rope, (bodies, joints, motion), kinds.count(3)),
        Stage(impulses.warm_joint, solver, joints.holds, ordered=True),
        Stage(impulses.warm_rope, solver, joints.ropes, ordered=True),
        Stage(impulses.warm_contact, contact_solver, contacts if pairs else 0, ordered=True),
        Passes(
            (
                Stage(impulses.solve_joint, solver, joints.holds),
                Stage(impulses.solve_rope, solver, joints.ropes),
                Stage(impulses.solve_contact, contact_solver, contacts if pairs else 0),
            ),
            passes,
        ),
        Stage(advance, (bodies, motion, courses, passes), n),
        Stage(impulses.carry_joint, (courses, joints, passes), count),
        Stage(impulses.carry_contact, (touch,), contacts if pairs else 0),
        Stage(impulses.carry_count, (touch,), 1),
    ]
    return Model(
        motion=motion,
        dimension=2,
        dt=scene.dt,
        steps=steps,
        places=n,
        actuators=len(scene.actuators),
        observations=scene.observations,
        prepare=tuple(prepare),
        sense=tuple(sense),
        step=tuple(step),
    )


def _polygons(scene: RigidBodies) -> list[int]:
    """For each shape, whether its vertices are given."""
    given = set(scene.members("vertices").tolist()) if "vertices" in scene.numbers() else set()
    return [int(shape in given) for shape in range(len(scene.kinds))]


def _rounded(scene: RigidBodies) -> bool:
    """Whether two vertices may meet: not where there are only half-planes to meet."""
    return bool(len(scene.pairs) and np.any(scene.kinds[scene.pairs[:, 1]] != 2))


_KINDS = {"Pin": 0, "Weld": 1, "Slider": 2, "Rope": 3}


def _kinds(scene: RigidBodies) -> list[int]:
    return [_KINDS[type(joint).__name__] for joint in scene.joints]


def _driven(scene: RigidBodies, kind: int) -> np.ndarray:
    """Joints of a kind that have a motor or damping."""
    found = [k for k, j in enumerate(scene.joints) if _KINDS[type(j).__name__] == kind and (j.motor or j.damping)]
    return np.array(found, dtype=np.int64)


class _Numbers:
    """Declares the fields of numbers that only some elements have: the others have 0."""

    def __init__(self, scene: RigidBodies, fields: Fields):
        self._scene, self._fields, self.known = scene, fields, scene.numbers()

    def all(self, name: str, elements: int, width: int = 0) -> Any:
        """Of a number that every element has, or that all share."""
        return self._fields.number(f"scene.{name}", elements, width)

    def some(self, name: str, elements: int, width: int = 0, members: Any = None) -> Any:
        """Of a number whose entries belong to those elements; or to no element, if the scene has no such number."""
        index = np.full((elements, width) if width else (elements,), -1)
        if name not in self.known:
            return self._fields.constant(elements, width)
        members = self._scene.members(name) if members is None else members
        index[members] = np.arange(self.known[name].size).reshape(self.known[name].shape)
        return self._fields.number(f"scene.{name}", elements, width, index)
