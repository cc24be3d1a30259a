"""Articulated robots by the articulated-body algorithm, in spatial vectors of the world.

Per substep, with h its length: forward kinematics; torques of springs, limits and actuators, forces of weight and
contacts; then Featherstone's algorithm (2008, Rigid Body Dynamics Algorithms, section 7.3) for the accelerations, where
a joint of several velocities is a chain of single ones without mass between them; then

    v' = v + h a, q' = q + h v' (turned by h v' where it is a quaternion)

Joint damping is implicit as in MuJoCo's Euler (Todorov 2014, ICRA, and its documentation, "Numerical integration"): the
algorithm's diagonal holds the armature and h times the damping, and so for limits and dry friction; contacts add to the
inertia of the link likewise (see `compliance`). With "implicitfast" so does what servos lose per velocity. With "rk4"
four evaluations are Runge and Kutta's classical ones, and damping is not implicit; what contacts, limits and dry
friction give in the first of them is held in the others.
"""

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Passes, Stage
from diffsim.physics.articulated import (
    adhesion,
    compliance,
    constraints,
    driving,
    elimination,
    fluid,
    forces,
    gyroscope,
    holds,
    mocap_motion,
    pairs,
    rows,
    senses,
    touching_pairs,
)
from diffsim.physics.articulated.ahead import FIRST, NEXT
from diffsim.physics.articulated.constraint_fields import constraints_of
from diffsim.physics.articulated.fields import (
    BALL,
    FREE,
    GIVEN,
    HINGE,
    SLIDE,
    TURN,
    motion_of,
    tree_of,
    working_of,
)
from diffsim.physics.articulated.friction import rub
from diffsim.physics.articulated.integration import (
    accelerate,
    enter_position,
    enter_velocity,
    four,
    turn_on,
)
from diffsim.physics.articulated.rotation import about, columns, nine, unit, unpacked
from diffsim.physics.articulated.row_fields import rows_of
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import angular, crossed, inertia_at, less_outer, linear, spatial, times
from diffsim.physics.articulated.touch import touch_of

__all__ = ["build"]


# Before the first step


@ti.func
def start_position(tree: ti.template(), motion: ti.template(), env, row, step, k):
    motion.joint_position[env, 0, k] = tree.initial_position[env, k]


@ti.func
def start_velocity(tree: ti.template(), motion: ti.template(), env, row, step, k):
    motion.joint_velocity[env, 0, k] = tree.initial_velocity[env, k]
    tree.added[env, k] = tree.armature[env, k]
    if ti.static(tree.damps):
        tree.added[env, k] = tree.armature[env, k] + tree.dt * tree.damping[env, k]


@ti.func
def find_direction(tree: ti.template(), env, row, step, k):
    """The axis of a velocity, of length 1."""
    own = tree.freedom_axis[k]
    if own < 0:
        axis = tree.axis[env, tree.freedom_joint[k]]
        tree.direction[env, k] = axis / ti.sqrt(axis.dot(axis))
    else:
        tree.direction[env, k] = ti.Vector([ti.cast(own == c, tree.real) for c in ti.static(range(3))])


@ti.func
def put_frame(tree: ti.template(), env, row, step, k):
    """How a frame stands to the one before it while its joint is at its reference, and about what it turns."""
    link = tree.link[k]
    if link < 0:
        tree.offset[env, k] = ti.Vector([0.0, 0.0, 0.0])
        tree.turn[env, k] = ti.Vector([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    else:
        tree.offset[env, k] = tree.link_position[env, link]
        tree.turn[env, k] = nine(columns(unit(tree.link_orientation[env, link])))
    axis = tree.axis[env, tree.joint[k]]
    tree.around[env, k] = axis / ti.sqrt(axis.dot(axis))


@ti.func
def orient(tree: ti.template(), env, row, step, link):
    tree.axes[env, link] = nine(columns(unit(tree.inertia_orientation[env, link])))


@ti.func
def total_mass(tree: ti.template(), env, row, step, element):
    tree.total[env, 0] = ti.Vector([tree.mass[env, k] for k in ti.static(range(tree.links))]).sum()


@ti.func
def share_mass(tree: ti.template(), env, row, step, link):
    tree.share[env, link] = tree.mass[env, link] / tree.total[env, 0]


# Kinematics


@ti.func
def stand(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, part):
    """The world: what everything begins from, behind the frames and behind the velocities."""
    frame = part * tree.frames + tree.frames - 1
    at = part * tree.chains + tree.freedoms
    motion.position[env, row, frame] = ti.Vector([0.0, 0.0, 0.0])
    motion.rotation[env, row, frame] = ti.Vector([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    work.speed[env, row, at] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    if ti.static(not tree.soft):
        work.acceleration[env, row, at] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0, 0.0])


@ti.func
def place_frame(tree: ti.template(), motion: ti.template(), env, row, part, k):
    """Put a frame of the tree where it is, given the one before it."""
    at = part * tree.frames + tree.order[k]
    before = part * tree.frames + tree.before[k]
    kind = tree.motion[k]
    first = part * tree.coordinates + tree.coordinate[k]
    if ti.static(tree.frees):
        if kind == FREE:
            motion.rotation[env, row, at] = nine(columns(unit(four(motion.now_position, env, row, first + 3))))
            motion.position[env, row, at] = ti.Vector(
                [motion.now_position[env, row, first + c] for c in ti.static(range(3))]
            )
    if ti.static(tree.balls):
        if kind == BALL:
            parent = unpacked(motion.rotation[env, row, before])
            frame = parent @ unpacked(tree.turn[env, k])
            anchor = tree.anchor[env, tree.joint[k]]
            moved = frame @ columns(unit(four(motion.now_position, env, row, first)))
            motion.rotation[env, row, at] = nine(moved)
            motion.position[env, row, at] = (
                motion.position[env, row, before] + parent @ tree.offset[env, k] + frame @ anchor - moved @ anchor
            )
    if ti.static(tree.guided):
        if kind == GIVEN:
            own = part * tree.guides.count + tree.coordinate[k]
            motion.rotation[env, row, at] = tree.guides.put_rotation[env, row, own]
            motion.position[env, row, at] = tree.guides.put_position[env, row, own]
    if ti.static(tree.scalars):
        if kind <= SLIDE:
            # A weld is a hinge that does not turn; so there is one way for most of what a robot has.
            parent = unpacked(motion.rotation[env, row, before])
            frame = parent @ unpacked(tree.turn[env, k])
            joint = tree.joint[k]
            anchor = tree.anchor[env, joint]
            axis = tree.around[env, k]
            change = motion.now_position[env, row, first] - tree.reference[env, joint]
            moved = frame @ about(axis, ti.cast(kind == HINGE, tree.real) * change)
            shift = anchor + (ti.cast(kind == SLIDE, tree.real) * change) * axis
            motion.rotation[env, row, at] = nine(moved)
            motion.position[env, row, at] = (
                motion.position[env, row, before] + parent @ tree.offset[env, k] + frame @ shift - moved @ anchor
            )


@ti.func
def carry(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, part, k):
    """The axis of a velocity, and what all velocities up to it add up to."""
    frame = part * tree.frames + tree.freedom_frame[k]
    at = part * tree.chains + k
    rotation = unpacked(motion.rotation[env, row, frame])
    direction = rotation @ tree.direction[env, k]
    anchor = rotation @ tree.anchor[env, tree.freedom_joint[k]]
    arm = motion.position[env, row, frame] + anchor - motion.position[env, row, part * tree.frames + tree.root[k]]
    turns = ti.cast(tree.freedom_kind[k] == TURN, tree.real)
    axis = spatial(turns * direction, turns * arm.cross(direction) + (1.0 - turns) * direction)
    moved = motion.now_velocity[env, row, part * tree.freedoms + k] * axis
    work.axis[env, row, at] = axis
    work.speed[env, row, at] = work.speed[env, row, part * tree.chains + tree.parent[k]] + moved
    work.bias[env, row, at] = crossed(work.speed[env, row, part * tree.chains + tree.base[k]], moved)


@ti.func
def place(tree: ti.template(), motion: ti.template(), ahead: ti.template(), env, row, step, element):
    """Where a frame is, of this evaluation or the next."""
    part = element // tree.kinematics
    if part + ahead.parts < tree.substeps:
        place_frame(tree, motion, env, row, part + ahead.parts, element - part * tree.kinematics)


@ti.func
def carry_on(
    tree: ti.template(), motion: ti.template(), work: ti.template(), ahead: ti.template(), env, row, step, element
):
    """How a velocity moves what is beyond it, of this evaluation or the next."""
    part = element // tree.freedoms
    if part + ahead.parts < tree.substeps:
        carry(tree, motion, work, env, row, part + ahead.parts, element - part * tree.freedoms)


@ti.func
def place_site(tree: ti.template(), motion: ti.template(), env, row, step, site):
    link = tree.site_link[site]
    if link < 0:
        motion.position[env, row, tree.links + site] = tree.site_position[env, site]
    else:
        motion.position[env, row, tree.links + site] = (
            motion.position[env, row, link] + unpacked(motion.rotation[env, row, link]) @ tree.site_position[env, site]
        )


# Dynamics


@ti.func
def weigh(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element):
    """Inertia of a link, and the forces of its weight and of its motion."""
    part = element // tree.bodies
    link = tree.heavy[element - part * tree.bodies]
    last = tree.carrier[link]
    at = part * tree.chains + last
    frame = part * tree.frames + link
    rotation = unpacked(motion.rotation[env, row, frame])
    mass = tree.mass[env, link]
    origin = motion.position[env, row, part * tree.frames + tree.root[last]]
    c = motion.position[env, row, frame] - origin + rotation @ tree.centre[env, link]
    axes = rotation @ unpacked(tree.axes[env, link])
    moments = tree.inertia[env, link]
    scaled = ti.Matrix([[axes[i, j] * moments[j] for j in ti.static(range(3))] for i in ti.static(range(3))])
    inertia = inertia_at(mass, scaled @ axes.transpose(), c)
    v = work.speed[env, row, at]
    h = times(inertia, v)
    weight = mass * tree.gravity[env, 0]
    if ti.static(tree.buoyant):
        weight = (1.0 - tree.buoyancy[env, link]) * mass * tree.gravity[env, 0]
    work.inertia[env, row, at] += inertia
    work.force[env, row, at] += spatial(
        angular(v).cross(angular(h)) + linear(v).cross(linear(h)) - c.cross(weight),
        angular(v).cross(linear(h)) - weight,
    )


@ti.func
def eliminate(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element):
    """Hand inertia and force of a velocity on to the one before it (equations 7.36 to 7.41), children first."""
    part = element // tree.freedoms
    k = tree.freedoms - 1 - (element - part * tree.freedoms)
    at = part * tree.chains + k
    parent = part * tree.chains + tree.parent[k]
    axis = work.axis[env, row, at]
    inertia = work.inertia[env, row, at]
    column = times(inertia, axis)
    pivot = axis.dot(column) + tree.added[env, k] + work.stiffening[env, row, at]
    effort = (
        work.torque[env, row, at]
        - tree.damping[env, k] * motion.now_velocity[env, row, part * tree.freedoms + k]
        - axis.dot(work.force[env, row, at])
    )
    if ti.static(tree.rough):
        lost = rub(tree, motion, work, env, row, part, k, pivot)
        pivot += lost[1]
        effort -= lost[0]
    inverse = 1.0 / pivot
    rest = less_outer(inertia, column, inverse)
    work.column[env, row, at] = column
    work.pivot[env, row, at] = pivot
    work.effort[env, row, at] = effort
    work.inertia[env, row, parent] += rest
    work.force[env, row, parent] += (
        work.force[env, row, at] + times(rest, work.bias[env, row, at]) + (effort * inverse) * column
    )


# Putting it together


def build(scene: Articulated, fields: Fields, steps: int, reads: frozenset[str]) -> Model:
    """Declare the fields of a scene and list its stages.

    Args:
        scene: what to simulate.
        fields: where fields are declared; not allocated yet.
        steps: length of the rollout.
        reads: what controller and objective want to read: "centre", "velocity", "observation", "actuator_state".
    """
    tree = tree_of(scene, fields)
    motion = motion_of(scene, fields, tree, reads, len(pairs.touch_geoms(scene)))
    work = working_of(scene, fields)
    held, medium = holds.held_of(scene, fields, tree.frames - 1), fluid.medium_of(scene, fields)
    joints, muscles = forces.passive_of(scene, fields), driving.muscles_of(scene, fields)
    tied = rows_of(scene, fields, tree, np.array(tree.parents))
    touch = touch_of(scene, fields, (tree.frames - 1, tree.freedoms), tree.carriers)
    gyros, bonds = gyroscope.gyros_of(scene, fields), adhesion.bonds_of(scene, fields)
    con = constraints_of(scene, fields, touch, tree, tied, gyros)
    frames, nq, nv = tree.kinematics, scene.coordinates, scene.freedoms
    several = scene.evaluations > 1
    prepare = (
        Stage(start_position, (tree, motion), nq),
        Stage(start_velocity, (tree, motion), nv),
        Stage(find_direction, (tree,), nv),
        Stage(put_frame, (tree,), tree.kinematics),
        Stage(orient, (tree,), tree.links),
        Stage(total_mass, (tree,), int("centre" in reads)),
        Stage(share_mass, (tree,), tree.links if "centre" in reads else 0),
        *driving.prepare(muscles, motion),
        *forces.prepare(joints, tree),
        *holds.prepare(held),
        *rows.prepare(tied, tree),
        *(constraints.prepare(con, touch, tree) if con else compliance.prepare(touch, tree)),
    )
    placing = (
        Stage(enter_position, (tree, motion), nq * several),
        Stage(enter_velocity, (tree, motion), nv * several),
        *driving.start(muscles, motion, several=several),
        Stage(stand, (tree, motion, work), scene.evaluations),
        *mocap_motion.stages(tree.guides),
        Stage(place, (tree, motion, FIRST), frames, ordered=True),
        Stage(carry_on, (tree, motion, work, FIRST), nv, ordered=True),
        Stage(place_site, (tree, motion), len(scene.all_sites)),
        *rows.lengths(tied, tree, motion, work, FIRST),
    )
    solving: tuple[Stage, ...] = (
        Stage(eliminate, (tree, motion, work), nv, ordered=True),
        Stage(accelerate, (tree, motion, work), nv, ordered=True),
    )
    if tied and tied.system:
        solving = elimination.stages(tied.system, tree, motion, work)
    solving += gyroscope.settling(gyros, tree, motion, work)
    touching, recording = (
        touching_pairs.stages(touch, tree, motion, work),
        touching_pairs.record(touch, tree, motion, work),
    )
    if con:
        touching = constraints.approaching(con, touch, tree, motion, work)
        solving = constraints.stages(con, touch, tree, motion, work)
        recording = constraints.record(con, touch, tree, work)
    physics = (
        *forces.stages(joints, driving.stages(muscles, tied, tree, motion, work), tree, motion, work),
        *rows.forces(tied, tree, motion, work),
        Stage(weigh, (tree, motion, work), tree.bodies),
        *fluid.stages(medium, tree, motion, work),
        *touching,
        *adhesion.stages(bonds, muscles, touch, tree, motion, work),
        *holds.stages(held, tree, motion, work),
        *solving,
        Stage(turn_on, (tree, motion, work), tree.quaternions),
        *driving.following(muscles, tree, motion),
        *recording,
    )
    following = (
        Stage(place, (tree, motion, NEXT), frames, ordered=True),
        Stage(carry_on, (tree, motion, work, NEXT), nv, ordered=True),
        *rows.lengths(tied, tree, motion, work, NEXT),
    )
    return Model(
        motion=motion,
        dimension=3,
        dt=scene.dt,
        steps=steps,
        places=len(scene.places),
        actuators=len(scene.actuators),
        observations=scene.observations,
        prepare=prepare,
        place=placing,
        place_names=scene.places,
        coordinates={
            joint.name: scene.coordinate("joint", joint.name) for joint in scene.joints if joint.freedoms == 1
        },
        sense=senses.stages(scene, fields, reads, tree, motion, work, muscles, tied, touch),
        step=(Passes((*physics, *following), scene.evaluations),) if several else physics,
    )
