"""What acts at the joints of a robot: springs and limits, and how far their actuators together can go."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.integration import first_of, starts
from diffsim.physics.articulated.rotation import rotation_vector, turned_from, unit
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.within_step import pushed, stiffness_share

__all__ = ["UNLIMITED", "passive_of", "prepare", "stages", "starts_of"]

LIMIT_DEPTH = 0.01
"""Over which the stiffness of a limit sets in [rad] or [m]."""

UNLIMITED = 1.0e30
"""More than any force or control."""


@dataclass(frozen=True)
class Passive:
    """Springs and limits: fields (k,) of whole numbers, (env, joint) of numbers."""

    springs: Any  # (k,) hinges and slides with a spring
    limits: Any  # (k,) hinges and slides with limits
    ball_springs: Any  # (k,) balls with a spring
    ball_limits: Any  # (k,) balls with limits
    free_springs: Any  # (k,) free joints with a spring
    bounded: Any  # (k,) hinges and slides whose actuators together are limited
    coordinate: Any  # (joint,) where its position begins
    freedom: Any  # (joint,) where its velocity begins
    stiffness: Any  # [N/m] or [N m]
    rest: Any  # [m] or [rad]
    range: Any  # lowest and highest position
    limit_stiffness: Any
    limit_damping: Any
    owner: Any  # (joint,) its link
    slides: Any  # (joint,) 1 if it is a slide
    balls: Any  # (joint,) 1 if it is a ball
    stiff: Any  # (env, joint) how much of its limit is Euler's implicit step
    effort_range: Any  # lowest and highest of all actuators together
    unbounded: Any  # (joint,) 1 if they are not limited
    counts: tuple[int, ...]  # of the first six


def starts_of(scene: Articulated) -> tuple[np.ndarray, np.ndarray]:
    """Where the position and the velocity of each joint begin."""
    sizes = [(joint.coordinates, joint.freedoms) for joint in scene.joints]
    starts = np.cumsum([(0, 0), *sizes], axis=0)[:-1]
    return starts[:, 0], starts[:, 1]


def passive_of(scene: Articulated, fields: Fields) -> Passive:
    """Declare the fields of springs and limits."""
    joints, tuned = scene.joints, {name.partition("[")[0] for name in fields.tuned}
    scalar = np.array([joint.freedoms == 1 for joint in joints])
    ball = np.array([joint.motion == "ball" for joint in joints])
    sprung = np.array([joint.stiffness > 0.0 or "scene.stiffness" in tuned for joint in joints])
    springs_of_limits = scene.limited and scene.contact_law != "mujoco"
    springy = scene.limits and scene.contact_law != "mujoco"
    limited = np.array([springy and joint.limits is not None for joint in joints])
    groups = [np.flatnonzero(kind & what) for what in (sprung, limited) for kind in (scalar, ball)]
    springs, ball_springs, limits, ball_limits = groups
    free_springs = np.flatnonzero(np.array([joint.motion == "free" for joint in joints]) & sprung)
    ends = np.array([joint.effort_range is not None for joint in joints])
    names = [joint.name for joint in joints]
    driven = sorted({names.index(each.joint) for each in scene.actuators if each.joint})
    bounded = np.array(driven if ends.any() else [], dtype=int)
    coordinate, freedom = starts_of(scene)

    def number(name: str, width: int = 0) -> Any:
        return fields.number(f"scene.{name}", len(joints), width)

    return Passive(
        springs=fields.integers(springs),
        limits=fields.integers(limits),
        ball_springs=fields.integers(ball_springs),
        ball_limits=fields.integers(ball_limits),
        free_springs=fields.integers(free_springs),
        bounded=fields.integers(bounded),
        coordinate=fields.integers(coordinate),
        freedom=fields.integers(freedom),
        stiffness=number("stiffness"),
        rest=number("rest"),
        range=number("joint_limits", 2) if springs_of_limits else None,
        limit_stiffness=number("limit_stiffness") if springs_of_limits else None,
        limit_damping=number("limit_damping") if springs_of_limits else None,
        owner=fields.integers(np.array([k for k, link in enumerate(scene.links) for _ in link.joints])),
        slides=fields.integers(np.array([joint.motion == "slide" for joint in joints])),
        balls=fields.integers(np.array([joint.motion == "ball" for joint in joints])),
        stiff=fields.derived(
            len(joints),
            of=[
                f"scene.{name}" for name in ("limit_stiffness", "limit_damping", "mass", "inertia", "centre", "anchor")
            ],
        )
        if springs_of_limits
        else None,
        effort_range=number("effort_range", 2) if len(bounded) else None,
        unbounded=fields.integers(~ends),
        counts=tuple(map(len, (springs, limits, ball_springs, ball_limits, free_springs, bounded))),
    )


@ti.func
def pull(
    joints: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Spring of a hinge or slide."""
    part = element // joints.counts[0]
    joint = joints.springs[element - part * joints.counts[0]]
    position = motion.now_position[env, row, part * tree.coordinates + joints.coordinate[joint]]
    at = part * tree.chains + joints.freedom[joint]
    work.torque[env, row, at] += joints.stiffness[env, joint] * (joints.rest[env, joint] - position)


@ti.func
def push_back(
    joints: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Limits of a hinge or slide: a spring and damper beyond each, implicit as contacts are."""
    part = element // joints.counts[1]
    joint = joints.limits[element - part * joints.counts[1]]
    position = motion.now_position[env, row, part * tree.coordinates + joints.coordinate[joint]]
    at = part * tree.chains + joints.freedom[joint]
    velocity = motion.now_velocity[env, row, part * tree.freedoms + joints.freedom[joint]]
    low = joints.range[env, joint][0] - position
    high = position - joints.range[env, joint][1]
    if ti.max(low, high) + tree.dt * ti.abs(velocity) > 0.0:
        sign = 1.0 - 2.0 * ti.cast(high > low, tree.real)  # which way the nearer one pushes
        if starts(tree, part) == 1:
            law = resisted(joints, tree, env, joint, ti.max(low, high), -sign * velocity)
            work.torque[env, row, at] += sign * law[0]
            work.stiffening[env, row, at] += tree.dt * law[1]
            if ti.static(tree.turns > 1):
                work.held[env, row, at] += sign * law[0]
    if ti.static(tree.turns > 1):
        if starts(tree, part) == 0:
            hold_limit(tree, work, env, row, part, joints.freedom[joint])


@ti.func
def hold_limit(tree: ti.template(), work: ti.template(), env, row, part, freedom):
    """What a limit gave in the first evaluation of a step, in the others."""
    start = first_of(tree, part) * tree.chains + freedom
    given = work.held[env, row, start] - work.stiffening[env, row, start] * work.rate[env, row, start]
    work.torque[env, row, part * tree.chains + freedom] += given


@ti.func
def resisted(joints: ti.template(), tree: ti.template(), env, joint, depth, rate):
    """Force of a limit, and its K: see `within_step`."""
    stiffness = joints.limit_stiffness[env, joint]
    damping = joints.limit_damping[env, joint]
    return pushed(depth, rate, tree.dt, stiffness, damping, LIMIT_DEPTH, joints.stiff[env, joint], tree.turns > 1)


@ti.func
def weigh_limit(joints: ti.template(), tree: ti.template(), env, row, step, joint):
    """How stiff a limit is for its own link: what hangs on that makes it heavier, what it hangs on lighter.

    A ball turns about any axis: the mean of all counts.
    """
    link = joints.owner[joint]
    mass = tree.mass[env, link]
    axis = tree.axis[env, joint]
    out = tree.centre[env, link] - tree.anchor[env, joint]
    arm = axis.cross(out)
    ball = ti.cast(joints.balls[joint] == 1, tree.real)
    square = (1.0 - ball) * arm.dot(arm) / axis.dot(axis) + ball * out.dot(out) * (2.0 / 3.0)
    turned = tree.inertia[env, link].sum() / 3.0 + mass * square
    slides = ti.cast(joints.slides[joint] == 1, tree.real)
    moved = slides * mass + (1.0 - slides) * turned + tree.armature[env, joints.freedom[joint]]
    joints.stiff[env, joint] = stiffness_share(
        joints.limit_stiffness[env, joint], joints.limit_damping[env, joint], moved, tree.dt
    )


@ti.func
def rotation_of(joints: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, joint):
    """Axis times angle of a ball [rad]."""
    at = part * tree.coordinates + joints.coordinate[joint]
    return rotation_vector(unit(ti.Vector([motion.now_position[env, row, at + c] for c in ti.static(range(4))])))


@ti.func
def straighten(
    joints: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Spring of a ball."""
    part = element // joints.counts[2]
    joint = joints.ball_springs[element - part * joints.counts[2]]
    bent = rotation_of(joints, tree, motion, env, row, part, joint)
    at = part * tree.chains + joints.freedom[joint]
    for c in ti.static(range(3)):
        work.torque[env, row, at + c] += -joints.stiffness[env, joint] * bent[c]


@ti.func
def draw_back(
    joints: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Spring of a free joint to where its link's position and orientation put it."""
    part = element // joints.counts[4]
    joint = joints.free_springs[element - part * joints.counts[4]]
    link = joints.owner[joint]
    first = part * tree.coordinates + joints.coordinate[joint]
    at = part * tree.chains + joints.freedom[joint]
    place = ti.Vector([motion.now_position[env, row, first + c] for c in ti.static(range(3))])
    away = place - tree.link_position[env, link]
    q = unit(ti.Vector([motion.now_position[env, row, first + 3 + c] for c in ti.static(range(4))]))
    bent = rotation_vector(turned_from(unit(tree.link_orientation[env, link]), q))
    for c in ti.static(range(3)):
        work.torque[env, row, at + c] += -joints.stiffness[env, joint] * away[c]
        work.torque[env, row, at + 3 + c] += -joints.stiffness[env, joint] * bent[c]


@ti.func
def bend_back(
    joints: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Limit of a ball's angle."""
    part = element // joints.counts[3]
    joint = joints.ball_limits[element - part * joints.counts[3]]
    bent = rotation_of(joints, tree, motion, env, row, part, joint)
    at = part * tree.chains + joints.freedom[joint]
    first = part * tree.freedoms + joints.freedom[joint]
    spin = ti.Vector([motion.now_velocity[env, row, first + c] for c in ti.static(range(3))])
    angle = ti.sqrt(bent.dot(bent) + 1.0e-20)
    axis = bent / angle
    rate = axis.dot(spin)
    depth = angle - joints.range[env, joint][1]
    if depth + tree.dt * ti.abs(rate) > 0.0 and starts(tree, part) == 1:
        law = resisted(joints, tree, env, joint, depth, rate)
        for c in ti.static(range(3)):
            work.torque[env, row, at + c] += -law[0] * axis[c]
            work.stiffening[env, row, at + c] += tree.dt * law[1]
            if ti.static(tree.turns > 1):
                work.held[env, row, at + c] += -law[0] * axis[c]
    if ti.static(tree.turns > 1):
        if starts(tree, part) == 0:
            for c in ti.static(range(3)):
                hold_limit(tree, work, env, row, part, joints.freedom[joint] + c)


@ti.func
def bound(
    joints: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """What all actuators of a joint do together, within its efforts."""
    part = element // joints.counts[5]
    joint = joints.bounded[element - part * joints.counts[5]]
    at = part * tree.chains + joints.freedom[joint]
    driven = work.driven[env, row, at]
    most = UNLIMITED * ti.cast(joints.unbounded[joint] == 1, tree.real)
    ends = joints.effort_range[env, joint] + ti.Vector([-most, most])
    work.torque[env, row, at] += ti.min(ends[1], ti.max(ends[0], driven[0]))
    if ti.static(tree.servos):
        free = ti.cast(driven[0] > ends[0], tree.real) * ti.cast(driven[0] < ends[1], tree.real)
        work.stiffening[env, row, at] += free * driven[1]


def prepare(joints: Passive, tree: Any) -> tuple[Stage, ...]:
    """Stages before the first step."""
    limited = tree.joints if joints.limit_stiffness is not None else 0
    return (Stage(weigh_limit, (joints, tree), limited),)


def stages(joints: Passive, driving: tuple[Stage, ...], tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What adds to the torques of a substep; ``driving`` is what actuators do."""
    records = (joints, tree, motion, work)
    functions = (pull, push_back, straighten, bend_back, draw_back, bound)
    *passive, last = (Stage(each, records, count) for each, count in zip(functions, joints.counts, strict=True))
    return (*passive, *driving, last)
