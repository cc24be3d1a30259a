"""Limits and friction losses of joints as MuJoCo's constraints: rows.

A row has a lever J of one velocity, or of the three of a ball. A limit pushes with max(0, D (a_ref - J a)), a friction
loss with D (a_ref - J a), but no more than the loss either way; D and a_ref are as those of contacts (see
`constraint_contacts`), for the mobility of the joint (MuJoCo's ``dof_invweight0``).
"""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.articulated.constraint_contacts import pull_of, shape_of
from diffsim.physics.articulated.forces import UNLIMITED
from diffsim.physics.articulated.impedance import impedance_at
from diffsim.physics.articulated.rotation import rotation_vector, unit

__all__ = ["limit_row", "mix_row", "push_row", "row_push", "rub_row"]


@ti.func
def mix_row(con: ti.template(), tree: ti.template(), env, row, step, k):
    """How soft a row is."""
    joint = con.joint[k]
    if ti.static(con.limit_rows):
        if k < con.limits:
            shape = shape_of(con.limit_solimp[env, joint])
            con.row_shape[env, k] = shape
            con.row_pull[env, k] = pull_of(con.limit_solref[env, joint], shape[1], tree.dt)
    if ti.static(con.friction_rows):
        if k >= con.limits:
            shape = shape_of(con.friction_solimp[env, joint])
            con.row_shape[env, k] = shape
            con.row_pull[env, k] = pull_of(con.friction_solref[env, joint], shape[1], tree.dt)


@ti.func
def limit_row(con: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """What the nearer limit of a joint asks for."""
    part = element // con.limits
    k = element - part * con.limits
    store = part * con.rows + k
    joint = con.joint[k]
    coordinate = part * tree.coordinates + con.coordinate[k]
    freedom = part * tree.freedoms + con.freedom[k]
    ends = con.range[env, joint]
    zero = ti.Vector([0.0, 0.0, 0.0])
    distance = 1.0
    lever = zero
    rate = 0.0
    if con.wide[k] == 1:
        quaternion = ti.Vector([motion.now_position[env, row, coordinate + c] for c in ti.static(range(4))])
        bent = rotation_vector(unit(quaternion))
        spin = ti.Vector([motion.now_velocity[env, row, freedom + c] for c in ti.static(range(3))])
        angle = ti.sqrt(bent.dot(bent) + 1.0e-20)
        distance = ends[1] - angle
        lever = -bent / angle
        rate = lever.dot(spin)
    else:
        position = motion.now_position[env, row, coordinate]
        sign = 1.0 - 2.0 * ti.cast(position - ends[0] > ends[1] - position, tree.real)
        distance = ti.min(position - ends[0], ends[1] - position)
        lever = ti.Vector([sign, 0.0, 0.0])
        rate = sign * motion.now_velocity[env, row, freedom]
    if distance < 0.0:
        pull = con.row_pull[env, k]
        given = impedance_at(-distance, con.row_shape[env, k])
        con.lever[env, row, store] = lever
        con.row_aim[env, row, store] = -pull[0] * rate - pull[1] * given * distance
        con.row_weight[env, row, store] = given / ((1.0 - given) * con.joint_mobility[env, con.freedom[k]])
    else:
        con.lever[env, row, store] = zero
        con.row_aim[env, row, store] = 0.0
        con.row_weight[env, row, store] = 0.0


@ti.func
def rub_row(con: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """What a friction loss asks for."""
    count = ti.static(con.rows - con.limits)
    part = element // count
    k = con.limits + element - part * count
    store = part * con.rows + k
    given = con.row_shape[env, k][0]
    con.lever[env, row, store] = ti.Vector([1.0, 0.0, 0.0])
    con.row_aim[env, row, store] = (
        -con.row_pull[env, k][0] * motion.now_velocity[env, row, part * tree.freedoms + con.freedom[k]]
    )
    con.row_weight[env, row, store] = given / ((1.0 - given) * con.joint_mobility[env, con.freedom[k]])


@ti.func
def ends_of(con: ti.template(), tree: ti.template(), env, k):
    """Least and largest force along a row."""
    limits = ti.cast(k < con.limits, con.real)
    loss = 0.0
    if ti.static(con.friction_rows):
        loss = (1.0 - limits) * tree.friction_loss[env, con.freedom[k]]
    return ti.Vector([-loss, loss + UNLIMITED * limits])


@ti.func
def row_push(con: ti.template(), tree: ti.template(), env, k, x, weight):
    """Force along a row, given how far its acceleration is from the reference; and what it loses by that."""
    ends = ends_of(con, tree, env, k)
    free = -weight * x
    within = ti.cast(free > ends[0], con.real) * ti.cast(free < ends[1], con.real)
    return ti.Vector([ti.min(ti.max(free, ends[0]), ends[1]), within * weight])


@ti.func
def push_row(con: ti.template(), tree: ti.template(), touch: ti.template(), env, row, step, element):
    """What a row pushes with at the acceleration that was decided."""
    part = element // con.rows
    k = element - part * con.rows
    weight = con.row_weight[env, row, element]
    if weight > 0.0:
        lever = con.lever[env, row, element]
        first = part * tree.freedoms + con.freedom[k]
        if con.wide[k] == 1:
            own = ti.Vector([con.solution[env, row, first + c] for c in ti.static(range(3))])
            push = row_push(con, tree, env, k, lever.dot(own) - con.row_aim[env, row, element], weight)
            for c in ti.static(range(3)):
                con.torque[env, row, first + c] += push[0] * lever[c]
        else:
            x = lever[0] * con.solution[env, row, first] - con.row_aim[env, row, element]
            con.torque[env, row, first] += row_push(con, tree, env, k, x, weight)[0] * lever[0]
        if ti.static(contact.recorded(con.branch)):
            x = lever[0] * con.solution[env, row, first] - con.row_aim[env, row, element]
            push = row_push(con, tree, env, k, x, weight)
            con.branch[env, row, tree.substeps * con.spots + element] += 1.0 + ti.cast(push[1] > 0.0, con.real)
