"""From accelerations to the next state: Euler's semi-implicit step, and Runge and Kutta's classical one.

A step of the physics is one evaluation of the accelerations, or four, each in slots of its own ("parts" of a row). What
stands between the evaluations is what MuJoCo's `mj_RungeKutta` does: positions go on by velocities, quaternions are
turned by them, both from the start of the step (see `turning`).
"""

import taichi as ti

from diffsim.physics.articulated.rotation import turned

__all__ = [
    "accelerate",
    "enter_position",
    "enter_velocity",
    "first_of",
    "four",
    "go_by",
    "go_on",
    "set_next",
    "starts",
    "turn_on",
]


@ti.func
def starts(tree: ti.template(), part):
    """1 if an evaluation is the first of its step: that in which contacts and limits are worked out."""
    first = 1
    if ti.static(tree.turns > 1):
        first = ti.cast(part % 4 == 0, ti.i32)
    return first


@ti.func
def first_of(tree: ti.template(), part):
    """The first evaluation of the same step."""
    first = part
    if ti.static(tree.turns > 1):
        first = part - part % 4
    return first


@ti.func
def set_next(
    tree: ti.template(), state: ti.template(), now: ti.template(), count: ti.template(), env, row, part, k, value
):
    """Set number k of a state of ``count`` for the next substep; after the last one, for the next row."""
    if ti.static(tree.substeps == 1):
        state[env, row + 1, k] = value
    else:
        if part + 1 < tree.substeps:
            now[env, row, (part + 1) * count + k] = value
        else:
            state[env, row + 1, k] = value


@ti.func
def enter_position(tree: ti.template(), motion: ti.template(), env, row, step, k):
    """The position of a row is that of its first evaluation."""
    motion.now_position[env, row, k] = motion.joint_position[env, row, k]


@ti.func
def enter_velocity(tree: ti.template(), motion: ti.template(), env, row, step, k):
    """The same for the velocity."""
    motion.now_velocity[env, row, k] = motion.joint_velocity[env, row, k]


@ti.func
def four(position: ti.template(), env, row, first):
    """A quaternion of the joints' position."""
    return ti.Vector([position[env, row, first + c] for c in ti.static(range(4))])


@ti.func
def accelerate(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element):
    """Acceleration of a velocity, given that of the one before it (equations 7.42 to 7.45), and the state after."""
    part = element // tree.freedoms
    k = element - part * tree.freedoms
    at = part * tree.chains + k
    carried = work.acceleration[env, row, part * tree.chains + tree.parent[k]] + work.bias[env, row, at]
    rate = (work.effort[env, row, at] - work.column[env, row, at].dot(carried)) / work.pivot[env, row, at]
    go_on(tree, motion, work, env, row, part, k, carried, rate)


@ti.func
def go_on(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, part, k, carried, rate):
    """Store an acceleration, and go on by it, unless gyroscopic forces change it (see `gyroscope`).

    Args:
        tree, motion, work: records.
        env, row, part, k: where, and which.
        carried: (6,) the spatial acceleration without it.
        rate: the acceleration.
    """
    at = part * tree.chains + k
    work.acceleration[env, row, at] = carried + rate * work.axis[env, row, at]
    if ti.static(tree.gyrates):
        if tree.gyrating[k] == 1:
            work.plain[env, row, part * tree.freedoms + k] = rate
        else:
            go_by(tree, motion, work, env, row, part, k, rate)
    else:
        go_by(tree, motion, work, env, row, part, k, rate)


@ti.func
def go_by(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, part, k, rate):
    """Store the acceleration of a velocity, and go on by it."""
    work.rate[env, row, part * tree.chains + k] = rate
    first = first_of(tree, part)
    velocity = motion.now_velocity[env, row, first * tree.freedoms + k] + tree.dt * rate
    going = velocity
    if ti.static(tree.turns > 1):
        going = mean_velocity(tree, motion, env, row, part, k)
        velocity = motion.now_velocity[env, row, first * tree.freedoms + k] + mean_gain(
            tree, work, env, row, part, k, rate
        )
    set_next(tree, motion.joint_velocity, motion.now_velocity, tree.freedoms, env, row, part, k, velocity)
    coordinate = tree.freedom_coordinate[k]
    if coordinate >= 0:
        span = tree.dt * going
        if ti.static(tree.turns > 1):
            span = ahead(tree, part) * going
        moved = motion.now_position[env, row, first * tree.coordinates + coordinate] + span
        set_next(tree, motion.joint_position, motion.now_position, tree.coordinates, env, row, part, coordinate, moved)


@ti.func
def ahead(tree: ti.template(), part):
    """How far from the start of its step the next evaluation of Runge and Kutta's is [s]."""
    return tree.dt * (0.5 + 0.5 * ti.cast(part % 4 > 1, tree.real))


@ti.func
def mean_velocity(tree: ti.template(), motion: ti.template(), env, row, part, k):
    """With what velocity positions go from the start of a step of Runge and Kutta's to the next evaluation."""
    at = part * tree.freedoms + k
    going = motion.now_velocity[env, row, at]
    if part % 4 == 3:
        back = ti.static(tree.freedoms)
        going = (
            motion.now_velocity[env, row, at - 3 * back]
            + 2.0 * motion.now_velocity[env, row, at - 2 * back]
            + 2.0 * motion.now_velocity[env, row, at - back]
            + motion.now_velocity[env, row, at]
        ) / 6.0
    return going


@ti.func
def mean_gain(tree: ti.template(), work: ti.template(), env, row, part, k, rate):
    """The same of velocities: what they gain."""
    gain = ahead(tree, part) * rate
    if part % 4 == 3:
        at = part * tree.chains + k
        back = ti.static(tree.chains)
        gain = (
            tree.dt
            * (
                work.rate[env, row, at - 3 * back]
                + 2.0 * work.rate[env, row, at - 2 * back]
                + 2.0 * work.rate[env, row, at - back]
                + rate
            )
            / 6.0
        )
    return gain


@ti.func
def turning(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, part, which, first):
    """With what angular velocity a quaternion goes from the start of a step to the next evaluation.

    Turns do not add up: an angular velocity w after a turn u counts as w + u x w / 2 + b u x (u x w), the inverse of
    the derivative of the exponential (Munthe-Kaas 1998, BIT 38, section 3), b = 1/12 + |u|^2 / 720 + ...: as in MuJoCo.
    """
    at = part * tree.quaternions + which
    back = ti.static(tree.quaternions)
    spin = ti.Vector([motion.now_velocity[env, row, part * tree.freedoms + first + c] for c in ti.static(range(3))])
    own = spin
    if part % 4 > 0:
        gone = ahead(tree, part - 1) * work.spin[env, row, at - back]
        across = gone.cross(spin)
        square = gone.dot(gone)
        share = 1.0 / 12.0 + square * (1.0 / 720.0 + square * (1.0 / 30240.0 + square / 1209600.0))
        own = spin + 0.5 * across + share * gone.cross(across)
    work.spin[env, row, at] = own
    going = own
    if part % 4 == 3:
        first_one = work.spin[env, row, at - 3 * back]
        going = (
            first_one + 2.0 * work.spin[env, row, at - 2 * back] + 2.0 * work.spin[env, row, at - back] + own
        ) / 6.0
    return going


@ti.func
def turn_on(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element):
    """Turn a quaternion by its new angular velocity."""
    part = element // tree.quaternions
    which = element - part * tree.quaternions
    at = tree.turning[which]
    first = tree.spinning[which]
    spin = ti.Vector([0.0, 0.0, 0.0])
    begins = first_of(tree, part)
    span = tree.dt
    if ti.static(tree.turns == 1):
        spin = ti.Vector(
            [
                motion.now_velocity[env, row, part * tree.freedoms + first + c]
                + tree.dt * work.rate[env, row, part * tree.chains + first + c]
                for c in ti.static(range(3))
            ]
        )
    else:
        spin = turning(tree, motion, work, env, row, part, which, first)
        span = ahead(tree, part)
    quaternion = four(motion.now_position, env, row, begins * tree.coordinates + at)
    after = turned(quaternion, spin, span)
    for c in ti.static(range(4)):
        set_next(tree, motion.joint_position, motion.now_position, tree.coordinates, env, row, part, at + c, after[c])
