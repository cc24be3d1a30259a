"""The equations of motion at the acceleration that was decided, and the step from there.

With a* the solution, f* the forces of constraints there and H their system's matrix, M a - f - f_c(a) lacks

    r = f + f_c(a*) - M a*,   a = a* + H^-1 r

which is a* but for rounding, and has the derivative of the solution by all that f, f_c and M depend on, as H is the
derivative of the left side. M a* follows from the accelerations of links outward and forces inward (Featherstone 2008,
section 5.3). MuJoCo's implicit damping D comes after its constraints: (M + h D) a' = M a, so a - a' solves
(M + h D) (a - a') = h D a, in the same way.
"""

import taichi as ti

from diffsim.physics.articulated.integration import go_by
from diffsim.physics.articulated.spatial import times

__all__ = ["advance", "collect", "correct", "correct_lag", "settle", "spread"]


@ti.func
def spread(con: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, element):
    """Spatial accelerations by the solution and by the motion: of the world first, which has none."""
    part = element // tree.chains
    k = element - part * tree.chains - 1
    if k < 0:
        world = part * tree.chains + tree.freedoms
        nothing = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        con.pure[env, row, world] = nothing
        con.drift[env, row, world] = nothing
        if ti.static(con.damped):
            con.lag[env, row, world] = nothing
    else:
        at = part * tree.chains + k
        before = part * tree.chains + tree.parent[k]
        axis = work.axis[env, row, at]
        own = part * tree.freedoms + k
        con.pure[env, row, at] = con.pure[env, row, before] + con.solution[env, row, own] * axis
        con.drift[env, row, at] = con.drift[env, row, before] + work.bias[env, row, at]
        if ti.static(con.damped):
            con.lag[env, row, at] = con.lag[env, row, before] + con.slowed[env, row, own] * axis


@ti.func
def implicit(tree: ti.template(), work: ti.template(), env, row, at, k):
    """What implicit damping and servos add to the inertia of a velocity."""
    return tree.added[env, k] - tree.armature[env, k] + work.stiffening[env, row, at]


@ti.func
def collect(
    con: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """What the equation of a velocity lacks, children first."""
    part = element // tree.freedoms
    k = tree.freedoms - 1 - (element - part * tree.freedoms)
    at = part * tree.chains + k
    own = part * tree.freedoms + k
    parent = part * tree.chains + tree.parent[k]
    axis = work.axis[env, row, at]
    inertia = work.inertia[env, row, at]
    change = con.pure[env, row, at] + con.drift[env, row, at]
    force = times(inertia, change) + work.force[env, row, at] - con.reply[env, row, at] + con.handed[env, row, at]
    con.handed[env, row, parent] += force
    con.lack[env, row, own] = (
        work.torque[env, row, at]
        + con.torque[env, row, own]
        - tree.damping[env, k] * motion.now_velocity[env, row, own]
        - tree.armature[env, k] * con.solution[env, row, own]
        - axis.dot(force)
    )
    if ti.static(con.damped):
        lag = times(inertia, con.lag[env, row, at]) + con.handed_lag[env, row, at]
        con.handed_lag[env, row, parent] += lag
        held = tree.added[env, k] + work.stiffening[env, row, at]
        con.lag_lack[env, row, own] = -held * con.slowed[env, row, own] - axis.dot(lag)


@ti.func
def correct(con: ti.template(), tree: ti.template(), env, row, step, element):
    """What one equation's lack takes of one acceleration."""
    part = element // con.squares
    k = (element - part * con.squares) // tree.freedoms
    other = element - part * con.squares - k * tree.freedoms
    lack = con.lack[env, row, part * tree.freedoms + other]
    con.gained[env, row, part * tree.freedoms + k] += con.inverse[env, row, element] * lack


@ti.func
def settle(con: ti.template(), tree: ti.template(), env, row, step, element):
    """Accelerations without implicit damping."""
    con.rate[env, row, element] = con.solution[env, row, element] + con.gained[env, row, element]


@ti.func
def correct_lag(con: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, element):
    """The same of what implicit damping takes."""
    part = element // con.squares
    k = (element - part * con.squares) // tree.freedoms
    other = element - part * con.squares - k * tree.freedoms
    own = part * tree.freedoms + other
    added = implicit(tree, work, env, row, part * tree.chains + other, other)
    lack = con.lag_lack[env, row, own] + added * con.rate[env, row, own]
    if ti.static(con.beside):
        lack += con.lag_beside[env, row, own]
    con.lag_gained[env, row, part * tree.freedoms + k] += con.slowed_inverse[env, row, element] * lack


@ti.func
def advance(
    con: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """The state after."""
    part = element // tree.freedoms
    k = element - part * tree.freedoms
    rate = con.rate[env, row, element]
    if ti.static(con.damped):
        rate = con.rate[env, row, element] - con.slowed[env, row, element] - con.lag_gained[env, row, element]
    go_by(tree, motion, work, env, row, part, k, rate)
