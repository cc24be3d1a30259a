"""Gyroscopic forces of links that move freely and carry nothing, implicit in MuJoCo's "implicitfast".

With c(v) the force that such a link needs to move on as it does, B = dc/dv and D what else is implicit, MuJoCo solves
(M + h D + h B) a' = M a with the 6 x 6 matrix of the link (its documentation, "Computation: gyroscopic derivatives for
free bodies"). With R the link's rotation, s its centre from its origin, I its inertia about the centre and w its
angular velocity, all in the world, B takes an angular velocity u to

    f = m (u x (w x s) + w x (u x s)),   t = u x (I w) + w x (I u) + s x f

and is zero of velocities of the origin; the turns of a free joint are about the link's axes, so t counts as R' t.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.integration import go_by
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import times

__all__ = ["Gyros", "add_spins", "gyros_of", "keep_spins", "settling", "slowing"]


@dataclass(frozen=True)
class Gyros:
    """Links that spin freely. Fields (k,) of whole numbers."""

    link: Any
    freedom: Any  # its first velocity
    block: Any  # scratch (36 k): M + h D of each, then with h B
    side: Any  # scratch (6 k): h D a
    inverse: Any  # scratch (36)
    count: int
    real: Any


def gyros_of(scene: Articulated, fields: Fields) -> Gyros | None:
    """Declare the fields of links that spin freely; None without any, or with another integrator."""
    free = scene.spinning
    if not free:
        return None
    return Gyros(
        link=fields.integers(np.array([k for k, _ in free])),
        freedom=fields.integers(np.array([first for _, first in free])),
        block=fields.scratch_numbers(36 * len(free)),
        side=fields.scratch_numbers(6 * len(free)),
        inverse=fields.scratch_numbers(36),
        count=len(free),
        real=fields.real,
    )


@ti.func
def spin_force(tree: ti.template(), motion: ti.template(), env, row, part, link, first, gained):
    """(6,) B times angular velocities about the axes of a link: along the world's axes, then about the link's."""
    rotation = unpacked(motion.rotation[env, row, part * tree.frames + link])
    own = part * tree.freedoms + first + 3
    w = rotation @ ti.Vector([motion.now_velocity[env, row, own + c] for c in ti.static(range(3))])
    u = rotation @ gained
    s = rotation @ tree.centre[env, link]
    axes = rotation @ unpacked(tree.axes[env, link])
    moments = tree.inertia[env, link]
    spun = axes @ (moments * (axes.transpose() @ w))
    gains = axes @ (moments * (axes.transpose() @ u))
    force = tree.mass[env, link] * (u.cross(w.cross(s)) + w.cross(u.cross(s)))
    torque = rotation.transpose() @ (u.cross(spun) + w.cross(gains) + s.cross(force))
    return ti.Vector([force[0], force[1], force[2], torque[0], torque[1], torque[2]])


@ti.func
def keep_spins(gyros: ti.template(), system: ti.template(), way: ti.template(), env, n):
    """Keep M + h D and h D a of what spins, before the matrix is factored. Forward only."""
    for which in range(gyros.count):
        first = gyros.freedom[which]
        for i in range(6):
            gyros.side[env, 6 * which + i] = way[env, first + i]
            for j in range(6):
                at = ti.max(first + i, first + j) * n + ti.min(first + i, first + j)
                gyros.block[env, 36 * which + 6 * i + j] = system[env, at]


@ti.func
def add_spins(gyros: ti.template(), con: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, n):
    """Solve for what spins anew, with h B. Forward only."""
    for which in range(gyros.count):
        first = gyros.freedom[which]
        gains = ti.Vector([con.now[env, first + 3 + c] for c in ti.static(range(3))])
        taken = tree.dt * spin_force(tree, motion, env, row, part, gyros.link[which], first, gains)
        for i in ti.static(range(6)):
            gyros.side[env, 6 * which + i] += taken[i]
        for c in ti.static(range(3)):
            unit = ti.Vector([1.0 if ti.static(c == d) else 0.0 for d in ti.static(range(3))])
            column = tree.dt * spin_force(tree, motion, env, row, part, gyros.link[which], first, unit)
            for i in ti.static(range(6)):
                gyros.block[env, 36 * which + 6 * i + 3 + c] += column[i]
        invert_block(gyros, env, which)
        for i in range(6):
            total = ti.cast(0.0, gyros.real)
            for j in range(6):
                entry = gyros.inverse[env, 6 * i + j]
                con.slowed_inverse[env, row, part * n * n + (first + i) * n + first + j] = entry
                total += entry * gyros.side[env, 6 * which + j]
            con.slowed[env, row, part * n + first + i] = total


@ti.func
def invert_block(gyros: ti.template(), env, which):
    """The inverse of a block by Gauss and Jordan: its diagonal is the inertia's, so no rows are exchanged."""
    at = 36 * which
    for i in range(6):
        for j in range(6):
            gyros.inverse[env, 6 * i + j] = ti.select(i == j, 1.0, 0.0)
    for k in range(6):
        pivot = 1.0 / gyros.block[env, at + 7 * k]
        for j in range(6):
            gyros.block[env, at + 6 * k + j] *= pivot
            gyros.inverse[env, 6 * k + j] *= pivot
        for i in range(6):
            if i != k:
                share = gyros.block[env, at + 6 * i + k]
                for j in range(6):
                    gyros.block[env, at + 6 * i + j] -= share * gyros.block[env, at + 6 * k + j]
                    gyros.inverse[env, 6 * i + j] -= share * gyros.inverse[env, 6 * k + j]


@ti.func
def hold_back(
    con: ti.template(), gyros: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element
):
    """What gyroscopic forces take at the solution: h B a'."""
    part = element // gyros.count
    which = element - part * gyros.count
    first = gyros.freedom[which]
    own = part * tree.freedoms + first
    gains = ti.Vector(
        [con.rate[env, row, own + 3 + c] - con.slowed[env, row, own + 3 + c] for c in ti.static(range(3))]
    )
    taken = tree.dt * spin_force(tree, motion, env, row, part, gyros.link[which], first, gains)
    for c in ti.static(range(6)):
        con.lag_beside[env, row, own + c] += taken[c]


@ti.func
def settle_spin(
    gyros: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    element,
):
    """The state after of what spins, with the compliant law: a' from a, which solves the equations without h B.

    With A, C and E the blocks of M + h D for shifts and turns, L and T those of h B, and z the turns of a', the turns
    of a - a' are (E - C' A^-1 C)^-1 (T - C' A^-1 L) z.
    """
    part = element // gyros.count
    which = element - part * gyros.count
    first = gyros.freedom[which]
    at = part * tree.chains + first
    own = part * tree.freedoms + first
    inertia = work.inertia[env, row, at + 5]
    shift = ti.Matrix.zero(tree.real, 3, 3)
    across = ti.Matrix.zero(tree.real, 3, 3)
    turn = ti.Matrix.zero(tree.real, 3, 3)
    along = ti.Matrix.zero(tree.real, 3, 3)
    about = ti.Matrix.zero(tree.real, 3, 3)
    for c in ti.static(range(3)):
        moved = times(inertia, work.axis[env, row, at + c])
        turned = times(inertia, work.axis[env, row, at + 3 + c])
        unit = ti.Vector([1.0 if ti.static(c == d) else 0.0 for d in ti.static(range(3))])
        taken = tree.dt * spin_force(tree, motion, env, row, part, gyros.link[which], first, unit)
        for i in ti.static(range(3)):
            shift[i, c] = work.axis[env, row, at + i].dot(moved)
            across[i, c] = work.axis[env, row, at + i].dot(turned)
            turn[i, c] = work.axis[env, row, at + 3 + i].dot(turned)
            along[i, c] = taken[i]
            about[i, c] = taken[3 + i]
        shift[c, c] += tree.added[env, first + c] + work.stiffening[env, row, at + c]
        turn[c, c] += tree.added[env, first + 3 + c] + work.stiffening[env, row, at + 3 + c]
    lighter = shift.inverse()
    through = across.transpose() @ lighter
    share = (turn - through @ across).inverse() @ (about - through @ along)
    rate = ti.Vector([work.plain[env, row, own + 3 + c] for c in ti.static(range(3))])
    whole = ti.Matrix([[ti.cast(i == j, tree.real) for j in ti.static(range(3))] for i in ti.static(range(3))])
    gained = (whole + share).inverse() @ rate
    lost = lighter @ (along @ gained - across @ (rate - gained))
    for c in ti.static(range(3)):
        go_by(tree, motion, work, env, row, part, first + c, work.plain[env, row, own + c] - lost[c])
        go_by(tree, motion, work, env, row, part, first + 3 + c, gained[c])


def settling(gyros: Gyros | None, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What goes on by gyroscopic forces, with the compliant law."""
    return (Stage(settle_spin, (gyros, tree, motion, work), gyros.count),) if gyros else ()


def slowing(gyros: Gyros | None, con: Any, tree: Any, motion: Any) -> tuple[Stage, ...]:
    """What gyroscopic forces take."""
    return (Stage(hold_back, (con, gyros, tree, motion), gyros.count),) if gyros else ()
