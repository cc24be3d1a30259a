"""Tendons and equalities: functions of the joints, and forces along them.

A row is a number r that follows from positions of joints, the length of a tendon or what an equality lacks, with its
derivatives J by the velocities. What acts along it is a force f - w a, a = J a_joints its second derivative: f goes to
the joints as J^T f, and w, of what is implicit, to the inertia matrix as w J^T J (`elimination`).

* Springs and dampers of tendons are explicit, as MuJoCo's; with "implicitfast" the damping is implicit. Of that, and of
  armature, MuJoCo leaves out what couples joints of different branches, and so it is here.
* Limits are those of joints (see `within_step`), friction losses are F v' / sqrt(v^2 + w^2), v' the rate after the
  step.
* Equalities are MuJoCo's soft constraints (see `impedance`), without the second derivative that motion alone gives r.

With MuJoCo's law limits, friction losses and equalities are its constraints (see `constraint_ties`); here is what acts
along rows beside them, and what equalities ask for.
"""

from typing import Any

import taichi as ti

from diffsim.engine.stages import Stage
from diffsim.physics.articulated import connections, elimination, strings, tendon_couples
from diffsim.physics.articulated.ahead import Ahead
from diffsim.physics.articulated.impedance import softness_of
from diffsim.physics.articulated.integration import first_of, starts
from diffsim.physics.articulated.row_fields import Rows
from diffsim.physics.articulated.within_step import pushed, stiffness_share

__all__ = ["forces", "lengths", "prepare"]

LIMIT_DEPTH = 0.01
"""Over which the stiffness of a limit sets in [m]."""

TINY = 1.0e-12


@ti.func
def weigh_limit(rows: ti.template(), tree: ti.template(), env, row, step, element):
    """How stiff a limit is for what it moves: the mass of which its damping is critical."""
    k = rows.limits[element]
    stiffness = rows.limit_stiffness[env, k]
    damping = rows.limit_damping[env, k]
    mass = 0.25 * damping * damping / (stiffness + TINY)
    rows.stiff[env, k] = stiffness_share(stiffness, damping, mass, tree.dt)


@ti.func
def stretch(rows: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, entry):
    """What a joint adds to the length of a tendon."""
    at = part * rows.rows + rows.entry_row[entry]
    coefficient = rows.coefficient[env, entry]
    rows.gradient[env, row, part * rows.entries + entry] += coefficient
    position = motion.now_position[env, row, part * tree.coordinates + rows.entry_coordinate[entry]]
    velocity = motion.now_velocity[env, row, part * tree.freedoms + rows.entry_freedom[entry]]
    rows.length[env, row, at] += coefficient * position
    rows.rate[env, row, at] += coefficient * velocity


@ti.func
def follow(rows: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, which):
    """How far a joint is from where another has it."""
    k = 4 * which
    entry = rows.follow[k + 1]
    at = part * rows.rows + rows.entry_row[entry]
    c = rows.polynomial[env, rows.follow[k]]
    first = motion.now_position[env, row, part * tree.coordinates + rows.entry_coordinate[entry]]
    speed = motion.now_velocity[env, row, part * tree.freedoms + rows.entry_freedom[entry]]
    apart = first - tree.reference[env, rows.follow[k + 2]] - c[0]
    rows.gradient[env, row, part * rows.entries + entry] += 1.0
    second = rows.follow[k + 3]
    if second >= 0:
        x = motion.now_position[env, row, part * tree.coordinates + rows.entry_coordinate[entry + 1]]
        x -= tree.reference[env, second]
        slope = c[1] + x * (2.0 * c[2] + x * (3.0 * c[3] + x * 4.0 * c[4]))
        other = motion.now_velocity[env, row, part * tree.freedoms + rows.entry_freedom[entry + 1]]
        rows.gradient[env, row, part * rows.entries + entry + 1] += -slope
        rows.length[env, row, at] += apart - x * (c[1] + x * (c[2] + x * (c[3] + x * c[4])))
        rows.rate[env, row, at] += speed - slope * other
    else:
        rows.length[env, row, at] += apart
        rows.rate[env, row, at] += speed


@ti.func
def stretch_on(
    rows: ti.template(), tree: ti.template(), motion: ti.template(), ahead: ti.template(), env, row, step, element
):
    """`stretch`, of this evaluation or the next."""
    part = element // rows.fixed
    if part + ahead.parts < tree.substeps:
        stretch(rows, tree, motion, env, row, part + ahead.parts, element - part * rows.fixed)


@ti.func
def follow_on(
    rows: ti.template(), tree: ti.template(), motion: ti.template(), ahead: ti.template(), env, row, step, element
):
    """`follow`, of this evaluation or the next."""
    part = element // rows.follows
    if part + ahead.parts < tree.substeps:
        follow(rows, tree, motion, env, row, part + ahead.parts, element - part * rows.follows)


@ti.func
def pull_back(rows: ti.template(), tree: ti.template(), env, row, step, element):
    """Spring and damper of a tendon."""
    part = element // rows.counts[0]
    k = rows.springs[element - part * rows.counts[0]]
    at = part * rows.rows + k
    length = rows.length[env, row, at]
    rest = rows.rest[env, k]
    stretched = ti.max(length - rest[1], 0.0) + ti.min(length - rest[0], 0.0)
    damping = rows.damping[env, k]
    rows.force[env, row, at] += -rows.stiffness[env, k] * stretched - damping * rows.rate[env, row, at]
    if ti.static(rows.damps):
        rows.passive[env, row, at] += tree.dt * damping


@ti.func
def push_back(rows: ti.template(), tree: ti.template(), env, row, step, element):
    """Limits of a tendon; of Runge and Kutta's evaluations the first says what they do in all."""
    part = element // rows.counts[1]
    k = rows.limits[element - part * rows.counts[1]]
    at = part * rows.rows + k
    low = rows.range[env, k][0] - rows.length[env, row, at]
    high = rows.length[env, row, at] - rows.range[env, k][1]
    sign = 1.0 - 2.0 * ti.cast(high > low, rows.real)  # which way the nearer one pushes
    rate = -sign * rows.rate[env, row, at]
    depth = ti.max(low, high)
    begins = starts(tree, part)
    if ti.static(tree.turns > 1):
        rows.held[env, row, part * rows.tendons + k] = ti.Vector([0.0, 0.0])
        if begins == 0:
            given = rows.held[env, row, first_of(tree, part) * rows.tendons + k]
            rows.force[env, row, at] += given[0]
            rows.inertia[env, row, at] += given[1]
    if depth + tree.dt * ti.abs(rate) > 0.0 and begins == 1:
        stiffness = rows.limit_stiffness[env, k]
        damping = rows.limit_damping[env, k]
        law = pushed(depth, rate, tree.dt, stiffness, damping, LIMIT_DEPTH, rows.stiff[env, k], tree.turns > 1)
        rows.force[env, row, at] += sign * law[0]
        rows.inertia[env, row, at] += tree.dt * law[1]
        if ti.static(tree.turns > 1):
            rows.held[env, row, part * rows.tendons + k] += ti.Vector([sign * law[0], tree.dt * law[1]])


@ti.func
def rub_along(rows: ti.template(), tree: ti.template(), env, row, step, element):
    """Friction loss of a tendon, at the rate after the step."""
    part = element // rows.counts[2]
    k = rows.frictions[element - part * rows.counts[2]]
    at = part * rows.rows + k
    rate = rows.rate[env, row, at]
    slow = rows.friction_width[env, k]
    hold = rows.friction_loss[env, k] / ti.sqrt(rate * rate + slow * slow)
    rows.force[env, row, at] += -hold * rate
    rows.inertia[env, row, at] += tree.dt * hold


@ti.func
def weigh_down(rows: ti.template(), env, row, step, element):
    """Armature of a tendon."""
    part = element // rows.counts[3]
    k = rows.motors[element - part * rows.counts[3]]
    rows.passive[env, row, part * rows.rows + k] += rows.armature[env, k]


@ti.func
def hold_row(rows: ti.template(), tree: ti.template(), env, row, step, element):
    """MuJoCo's soft constraint of an equality."""
    part = element // rows.equalities
    k = element - part * rows.equalities
    at = part * rows.rows + rows.held_row[k]
    wanted = ti.cast(rows.offset[k] == 1, rows.real) * rows.polynomial[env, k][0]
    off = rows.length[env, row, at] - wanted
    soft = softness_of(ti.abs(off), rows.impedance[env, k], rows.reference[env, k], tree.dt)
    weight = rows.weight[env, k] * soft[2]
    aim = -soft[0] * rows.rate[env, row, at] - soft[1] * off
    if ti.static(rows.solved):
        rows.aim[env, row, part * rows.ties + k] = aim
        rows.weight_of[env, row, part * rows.ties + k] = weight
    else:
        rows.force[env, row, at] += weight * aim
        rows.inertia[env, row, at] += weight


@ti.func
def spread_force(rows: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, element):
    """The force along a row, at one of its joints."""
    part = element // rows.entries
    entry = element - part * rows.entries
    force = rows.gradient[env, row, element] * rows.force[env, row, part * rows.rows + rows.entry_row[entry]]
    work.torque[env, row, part * tree.chains + rows.entry_freedom[entry]] += force


@ti.func
def spread_inertia(rows: ti.template(), system: ti.template(), env, row, step, element):
    """The inertia along a row, between two of its joints."""
    part = element // rows.pairs
    pair = element - part * rows.pairs
    entries = part * rows.entries
    both = rows.gradient[env, row, entries + rows.one[pair]] * rows.gradient[env, row, entries + rows.other[pair]]
    at = part * rows.rows + rows.entry_row[rows.one[pair]]
    inertia = rows.inertia[env, row, at] + ti.cast(rows.carried[pair] == 1, rows.real) * rows.passive[env, row, at]
    system.matrix[env, row, part * system.entries + rows.slot[pair]] += both * inertia


def prepare(rows: Rows | None, tree: Any) -> tuple[Stage, ...]:
    """Stages before the first step."""
    if rows is None:
        return ()
    sprung = () if rows.solved else (Stage(weigh_limit, (rows, tree), rows.counts[1]),)
    return (*sprung, *connections.prepare(rows.joined))


def lengths(rows: Rows | None, tree: Any, motion: Any, work: Any, ahead: Ahead) -> tuple[Stage, ...]:
    """How long rows are, and how fast that changes, in this evaluation or the next."""
    if rows is None:
        return ()
    return (
        Stage(stretch_on, (rows, tree, motion, ahead), rows.fixed),
        Stage(follow_on, (rows, tree, motion, ahead), rows.follows),
        *strings.lengths(rows.strings, rows, tree, motion, work, ahead),
        *tendon_couples.lengths(rows.couples, rows, tree, ahead),
    )


def forces(rows: Rows | None, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What acts along rows, and what it adds to the torques of joints and to the inertia matrix."""
    if rows is None:
        return ()
    springs, limits, frictions, motors = rows.counts
    held = (
        Stage(hold_row, (rows, tree), rows.equalities),
        *connections.stages(rows.joined, rows, tree, motion, work),
        Stage(spread_force, (rows, tree, work), rows.entries),
    )
    drifting, pulling = elimination.drifting(rows.drift, tree, work), Stage(pull_back, (rows, tree), springs)
    if rows.solved:
        return (*drifting, pulling, *held)
    return (
        *drifting,
        pulling,
        Stage(push_back, (rows, tree), limits),
        Stage(rub_along, (rows, tree), frictions),
        Stage(weigh_down, (rows,), motors),
        *held,
        Stage(spread_inertia, (rows, rows.system), rows.pairs),
    )
