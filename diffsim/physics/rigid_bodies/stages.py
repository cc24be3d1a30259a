"""Rigid bodies in the plane, in maximal coordinates, with contacts, joints, springs and motors.

Per step, with h the time step:

    v_i* = exp(-d h) v_i + h (f_i / m_i + g), w_i* likewise: forces of springs and motors, gravity, damping
    contacts that may happen in the step are found, each with its geometry at the time of impact (see `collision`,
    `contact_geometry`)
    impulses of contacts and joints at the times when they happen bend the courses of bodies (see `impulses`)
    x_i' = x_i + shift_i + h v_i', with the course that is left at the end

Angles do not wrap.
"""

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Passes, Stage
from diffsim.physics.rigid_bodies import carried, drive_forces, impacts, impulses, joint_impulses
from diffsim.physics.rigid_bodies import joint_forces as links
from diffsim.physics.rigid_bodies.clusters import forget
from diffsim.physics.rigid_bodies.collision import cross, reset, search, turned
from diffsim.physics.rigid_bodies.contact_geometry import face_contact, point_contact, prepare_contact
from diffsim.physics.rigid_bodies.drive_fields import drives_of, pushes_of
from diffsim.physics.rigid_bodies.fields import (
    PIN,
    SLIDER,
    bodies_of,
    courses_of,
    driven,
    joints_of,
    joints_of_kind,
    motion_of,
    rounded,
    springs_of,
    touch_of,
)
from diffsim.physics.rigid_bodies.impact_fields import impacts_of, room_of, system_of
from diffsim.physics.rigid_bodies.impact_stages import answering, hitting
from diffsim.physics.rigid_bodies.scene import RigidBodies

__all__ = ["build"]

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
        area = area_of(bodies, bodies.given_vertex, env, shape)
        x = ti.Vector(
            [centre_of_edge(bodies, bodies.given_vertex, env, shape, k, 0) for k in ti.static(range(most))]
        ).sum()
        y = ti.Vector(
            [centre_of_edge(bodies, bodies.given_vertex, env, shape, k, 1) for k in ti.static(range(most))]
        ).sum()
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
        spread = ti.Vector([spread_of_edge(bodies, bodies.vertex, env, body, k) for k in ti.static(range(most))]).sum()
        balance(bodies, env, body, density, area_of(bodies, bodies.vertex, env, body), spread / 12.0)


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
    bodies.friction[env, shape] = (
        bodies.shared_friction[env, shape] + bodies.own_friction[env, shape] + bodies.obstacle_friction[env, shape]
    )
    bodies.restitution[env, shape] = (
        bodies.shared_restitution[env, shape]
        + bodies.own_restitution[env, shape]
        + bodies.obstacle_restitution[env, shape]
    )


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
    for k in ti.static(range(joints.parts)):
        joints.carried[env, 0, joint][k] = 0.0


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
    courses.free[env, row, body] = ti.Vector([velocity[0], velocity[1], spin])


@ti.func
def hold(bodies: ti.template(), motion: ti.template(), courses: ti.template(), env, row, step, k):
    """What does not move."""
    place = bodies.bodies + k
    courses.free[env, row, place] = ti.Vector([0.0, 0.0, 0.0])
    motion.position[env, row + 1, place] = motion.position[env, row, place]
    motion.velocity[env, row + 1, place] = ti.Vector([0.0, 0.0])
    motion.angle[env, row + 1, place] = motion.angle[env, row, place]
    motion.angular_velocity[env, row + 1, place] = 0.0


@ti.func
def advance(
    bodies: ti.template(), motion: ti.template(), courses: ti.template(), passes: ti.template(), env, row, step, body
):
    """Semi-implicit Euler along the course that is left after all impulses."""
    end = impulses.last_slot(courses, env, row, passes, body)
    shift = courses.shift[env, row, end]
    speed = courses.speed[env, row, end]
    velocity = ti.Vector([speed[0], speed[1]])
    push = courses.push[env, row, body]
    moved = ti.Vector([shift[0] + push[0], shift[1] + push[1]]) + bodies.dt * velocity
    motion.position[env, row + 1, body] = motion.position[env, row, body] + moved
    motion.velocity[env, row + 1, body] = velocity
    motion.angle[env, row + 1, body] = motion.angle[env, row, body] + shift[2] + push[2] + bodies.dt * speed[2]
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
    bodies, motion = bodies_of(scene, fields), motion_of(scene, fields, reads)
    springs, joints = springs_of(scene, fields), joints_of(scene, fields)
    drives, pushes = drives_of(scene, fields), pushes_of(scene, fields)
    touch = touch_of(scene, fields)
    courses = courses_of(scene, fields, touch.contacts)
    room = room_of(scene, fields, touch.contacts)
    system, then = system_of(scene, fields, joints, room, touch.bouncy)
    hits = impacts_of(scene, fields, system, touch.contacts, room, touch.bouncy)
    places, shapes, vertices = n + m + 1, n + m, int(scene.vertex_counts.sum())
    contacts = touch.contacts if len(scene.pairs) else 0
    centred = bool(reads & {"centre", "observation"})
    muscles, passive = len(scene.driven_springs), len(scene.springs) - len(scene.driven_springs)
    pins, welds, sliders, ropes = (len(joints_of_kind(scene, kind)) for kind in range(4))
    turning, sliding = len(driven(scene, PIN)), len(driven(scene, SLIDER))
    prepare = [
        Stage(find_centroid, (bodies,), shapes if len(scene.members("vertices")) else 0),
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
        Stage(start_joint, (joints,), len(scene.joints)),
        Stage(reset, (bodies, touch), 1, differentiable=False),
        Stage(forget, (hits,), 1, differentiable=False),
    ]
    sense = []
    if centred:
        sense.append(Stage(centre, (bodies, motion), n))
    if "observation" in reads:
        sense.append(Stage(observe, (bodies, motion), n))
    if "actuator_state" in reads:
        sense += [
            Stage(turn, (motion,), places),
            Stage(links.muscle_state, (springs, motion), muscles),
            Stage(links.pin_state, (joints, motion), turning),
            Stage(links.slider_state, (joints, motion), sliding),
            Stage(drive_forces.torsion_state, (drives, motion), len(scene.torsion_springs)),
            Stage(drive_forces.thruster_state, (drives, motion), len(scene.thrusters)),
        ]
    solver = (bodies, courses, joints)
    step: list[Stage | Passes] = [
        Stage(turn, (motion,), places),
        Stage(links.muscle_force, (springs, motion), muscles),
        Stage(links.spring_force, (springs, motion), passive),
        Stage(links.pin_torque, (joints, motion), turning),
        Stage(links.slider_force, (joints, motion), sliding),
        Stage(drive_forces.torsion_torque, (drives, motion), len(scene.torsion_springs)),
        Stage(drive_forces.thruster_force, (drives, motion), len(scene.thrusters)),
        *(Stage(drive_forces.push_force, (push, motion), 1) for push in pushes),
        Stage(predict, (bodies, motion, courses), n),
        Stage(hold, (bodies, motion, courses), m + 1),
        Stage(links.hold_pin, (bodies, joints, motion, courses), pins),
        Stage(links.hold_weld, (bodies, joints, motion, courses), welds),
        Stage(links.hold_slider, (bodies, joints, motion, courses), sliders),
        *answering(bodies, joints, courses, system, places),
        Stage(links.hold_rope, (bodies, joints, motion, courses), ropes),
        Stage(search, (bodies, motion, joints, courses, touch), 1, differentiable=False),
        Stage(face_contact, (bodies, motion, courses, touch), contacts, upto=touch.count),
        Stage(point_contact, (bodies, motion, courses, touch), contacts if rounded(scene) else 0, upto=touch.count),
        Stage(prepare_contact, (bodies, motion, courses, touch), contacts, upto=touch.count),
        Stage(impacts.lay_rope, (joints, courses, touch), ropes if room else 0),
        *hitting(bodies, joints, motion, courses, touch, then, hits, places),
        Stage(joint_impulses.recall_joint, (joints,), joints.holds),
        Stage(joint_impulses.recall_rope, (joints, touch, hits), ropes),
        Stage(carried.recall_contact, (bodies, touch, hits), contacts, upto=touch.count),
        Stage(joint_impulses.begin_joint, solver, joints.holds, ordered=True),
        Stage(joint_impulses.begin_rope, solver, joints.ropes, ordered=True),
        Stage(impulses.begin_contact, (bodies, courses, touch), contacts, ordered=True, upto=touch.count),
        Passes(
            (
                Stage(joint_impulses.solve_joint, solver, joints.holds),
                Stage(joint_impulses.solve_rope, solver, joints.ropes),
                Stage(impulses.solve_contact, (bodies, courses, touch), contacts, upto=touch.count),
            ),
            passes,
        ),
        Stage(impulses.push_contact, (bodies, courses, touch, passes), contacts, upto=touch.count),
        Stage(joint_impulses.push_rope, (bodies, courses, joints, passes), ropes),
        Stage(advance, (bodies, motion, courses, passes), n),
        Stage(joint_impulses.carry_joint, (joints,), len(scene.joints)),
        Stage(carried.carry_contact, (bodies, touch, hits), contacts),
        Stage(carried.carry_count, (bodies, touch), 1),
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
