"""All joints at once: what they answer to forces, and to impulses of contacts, so that they stay as they are.

With J the rows of all joints and M the masses, impulses y along the rows change the speeds by M^-1 J^T y, and

    (J M^-1 J^T) y = b

makes the rows' speeds change by b (Featherstone 2008, "Rigid Body Dynamics Algorithms", section 8.3). The matrix is
sparse, and is taken apart as L D L^T in an order that was found before (`diffsim.physics.rigid_bodies.elimination`).
Every number here is only ever added to, one step of the elimination after the other, so Taichi can reverse it.
"""

import taichi as ti

from diffsim.physics.rigid_bodies.impulses import row_speed

__all__ = ["answer", "couple", "eliminate", "hold_speeds", "miss_aim", "settle", "substitute"]


@ti.func
def lever(row: ti.template(), side):
    """The lever of one side's body in a row."""
    return ti.select(side == 0, row[2], row[3])


@ti.func
def couple(bodies: ti.template(), system: ti.template(), env, row, step, entry):
    """An entry of J M^-1 J^T [1/kg]: over the bodies that both rows hold."""
    left = system.row[env, row, system.place[system.left[entry]]]
    right = system.row[env, row, system.place[system.right[entry]]]
    straight = left[0] * right[0] + left[1] * right[1]
    found = ti.Vector([0.0, 0.0])
    for k in ti.static(range(2)):
        place = system.shared[2 * entry + k]
        one = system.sides[4 * entry + 2 * k]
        other = system.sides[4 * entry + 2 * k + 1]
        sign = ti.select(one == other, 1.0, -1.0)
        turns = bodies.inverse_inertia[env, place] * lever(left, one) * lever(right, other)
        found[k] = sign * (bodies.inverse_mass[env, place] * straight + turns)
    soft = ti.select(system.left[entry] == system.right[entry], 1.0 + ti.static(system.soft), 1.0)
    system.matrix[env, row, entry] += soft * (found[0] + found[1])


@ti.func
def eliminate(system: ti.template(), env, row, step, k):
    """One step of the elimination: the couplings of two rows lose what goes through a third one."""
    target = system.updates[4 * k]
    one = system.matrix[env, row, system.updates[4 * k + 1]]
    other = system.matrix[env, row, system.updates[4 * k + 2]]
    pivot = system.matrix[env, row, system.updates[4 * k + 3]]
    system.matrix[env, row, target] += -one * other / pivot


@ti.func
def factor_of(system: ti.template(), env, row, k):
    """Of step k of a solution: how much of its source goes to its target."""
    pivot = system.matrix[env, row, system.solves[4 * k + 3]]
    entry = system.solves[4 * k + 2]
    return ti.select(entry < 0, 1.0, -system.matrix[env, row, ti.max(entry, 0)]) / pivot


@ti.func
def substitute(system: ti.template(), env, row, step, k):
    """One step of the solution for what joints answer to forces: forwards, then by the pivots, then backwards."""
    source = system.total[env, row, system.solves[4 * k + 1]]
    system.total[env, row, system.solves[4 * k]] += factor_of(system, env, row, k) * source


@ti.func
def miss_aim(joints: ti.template(), courses: ti.template(), system: ti.template(), env, row, step, k):
    """What a row lacks after forces, of the speed that keeps its joint closed to the end of the step."""
    joint = system.joint[k]
    one = system.row[env, row, system.place[k]]
    aim = joints.aim[env, row, joint]
    which = system.which[k]
    wanted = ti.select(which == 0, aim[0], ti.select(which == 1, aim[1], aim[2]))
    a = courses.free[env, row, joints.first[joint]]
    b = courses.free[env, row, joints.second[joint]]
    system.total[env, row, k] += wanted - row_speed(one, a, b)


@ti.func
def answer(bodies: ti.template(), env, place, sign: ti.template(), one: ti.template(), turn, impulse):
    """How an impulse along a row changes the speed (x, y, angular) of one of its bodies."""
    light = sign * bodies.inverse_mass[env, place] * impulse
    return ti.Vector([light * one[0], light * one[1], sign * bodies.inverse_inertia[env, place] * turn * impulse])


@ti.func
def hold_speeds(
    bodies: ti.template(), joints: ti.template(), courses: ti.template(), system: ti.template(), env, row, step, k
):
    """Give both bodies of a row what it answers to forces."""
    joint = system.joint[k]
    one = system.row[env, row, system.place[k]]
    impulse = system.total[env, row, system.rows + k]
    a = joints.first[joint]
    b = joints.second[joint]
    courses.held[env, row, a] += answer(bodies, env, a, -1.0, one, one[2], impulse)
    courses.held[env, row, b] += answer(bodies, env, b, 1.0, one, one[3], impulse)


@ti.func
def settle(courses: ti.template(), env, row, step, place):
    """The speed with which a body goes into the step, forces and joints counted."""
    courses.start[env, row, place] = courses.free[env, row, place] + courses.held[env, row, place]
