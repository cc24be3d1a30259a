"""Actuators: from actuation to control, to force; where there are dynamics by an activation (see `activation`)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.activation import activate, activate_in_turns, asked_of, enter_activation, remember
from diffsim.physics.articulated.actuators import DYNAMICS
from diffsim.physics.articulated.contraction import Flesh, contract, flesh_of
from diffsim.physics.articulated.forces import UNLIMITED, starts_of
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import angular, less_outer, linear, spatial

__all__ = ["Muscles", "following", "muscles_of", "prepare", "stages", "start"]


@dataclass(frozen=True)
class Muscles:
    """Actuators: fields (actuator,) of whole numbers, (env, actuator) of numbers."""

    jointed: Any  # (k,) those that drive a joint
    tied: Any  # (k,) those along a tendon
    thrusting: Any  # (k,) those at a site
    resting: Any  # (k,) those that have no position: at a site, or of a link that sticks
    lagging: Any  # (k,) those with dynamics
    kind: Any  # (k,) of these, which
    memory: Any  # (actuator,) which of these it is, or -1
    coordinate: Any  # of its joint
    freedom: Any
    row: Any  # of its tendon
    place: Any  # of its site
    link: Any  # of its site
    controlled: Any  # whether it has a control range
    forced: Any  # whether it has a force range
    kept: Any  # whether it has an activation range
    gear: Any
    gain: Any
    gain_slope: Any  # None without any
    bias: Any
    wrench: Any  # None without sites
    control_range: Any
    force_range: Any
    neutral: Any  # (env, actuator) control of no actuation, of those that have one of their own
    flesh: Flesh | None  # None without muscles
    time_constant: Any  # None without dynamics
    deactivation_time: Any  # None without dynamics of muscles
    activation_width: Any
    activation_range: Any  # None without any
    initial_activation: Any
    pace: Any  # (env, row, substep k) rate of an activation; None but with Runge and Kutta's
    centred: Any  # 1 for an actuator whose control of no actuation is the middle of its range
    control: Any  # (env, actuator) of no actuation, and per actuation
    reach: Any  # (env, actuator) lowest and highest control; None without neutral controls
    ends: Any  # (env, actuator) lowest and highest force
    control_ranges: bool  # whether any has
    force_ranges: bool
    activation_ranges: bool
    slopes: bool  # whether a gain grows
    neutrals: bool  # whether any has a neutral control of its own
    mixed: bool  # whether some drive no joint
    dynamics: bool
    fleshy: bool  # whether any is a muscle
    twitching: bool  # whether any has the dynamics of one
    bounded: bool  # whether all of a joint together are limited
    real: Any  # the type of numbers
    count: int
    counts: tuple[int, ...]  # of those at joints, at tendons, at sites, with dynamics, without a position


def muscles_of(scene: Articulated, fields: Fields) -> Muscles:
    """Declare the fields of actuators."""
    actuators, joints = scene.actuators, [joint.name for joint in scene.joints]
    driven = np.array([joints.index(each.joint) if each.joint else 0 for each in actuators], dtype=int)
    coordinate, freedom = starts_of(scene)
    sites = {site.name: (len(scene.links) + k, owner) for k, (owner, site) in enumerate(scene.all_sites)}
    tendons = [each.name for each in scene.tendons]
    groups = [
        [k for k, each in enumerate(actuators) if getattr(each, what) is not None]
        for what in ("joint", "tendon", "site", "dynamics", "link")
    ]
    jointed, tied, thrusting, lagging, sticking = (np.array(group, dtype=int) for group in groups)
    resting = np.sort(np.concatenate([thrusting, sticking]))

    def which(name: str) -> np.ndarray:
        return np.array([getattr(each, name) is not None for each in actuators], dtype=bool)

    def number(name: str, width: int = 0) -> Any:
        return fields.number(f"scene.{name}", len(actuators), width) if actuators else None

    ranges = {name: bool(which(name).any()) for name in ("control_range", "force_range", "activation_range")}
    twitching = any(each.dynamics == "muscle" for each in actuators)
    neutral, slopes = bool(which("neutral").any()), any(each.gain_slope.any() for each in actuators)
    return Muscles(
        jointed=fields.integers(jointed),
        tied=fields.integers(tied),
        thrusting=fields.integers(thrusting),
        resting=fields.integers(resting),
        lagging=fields.integers(lagging),
        kind=fields.integers(np.array([DYNAMICS.index(actuators[k].dynamics) for k in lagging], dtype=int)),
        memory=fields.integers(np.array([groups[3].index(k) if k in groups[3] else -1 for k in range(len(actuators))])),
        coordinate=fields.integers(coordinate[driven]),
        freedom=fields.integers(freedom[driven]),
        row=fields.integers(np.array([tendons.index(each.tendon) if each.tendon else 0 for each in actuators])),
        place=fields.integers(np.array([sites[each.site][0] if each.site else 0 for each in actuators])),
        link=fields.integers(np.array([sites[each.site][1] if each.site else 0 for each in actuators])),
        controlled=fields.integers(which("control_range")),
        forced=fields.integers(which("force_range")),
        kept=fields.integers(which("activation_range")),
        gear=number("gear"),
        gain=number("gain"),
        gain_slope=number("gain_slope", 2) if slopes else None,
        bias=number("bias", 3),
        wrench=number("wrench", 6) if groups[2] else None,
        control_range=number("control_range", 2) if ranges["control_range"] else None,
        force_range=number("force_range", 2) if ranges["force_range"] else None,
        neutral=number("neutral") if neutral else None,
        flesh=flesh_of(scene, fields),
        time_constant=number("time_constant") if groups[3] else None,
        deactivation_time=number("deactivation_time") if twitching else None,
        activation_width=number("activation_width") if twitching else None,
        activation_range=number("activation_range", 2) if ranges["activation_range"] else None,
        initial_activation=number("initial_activation") if groups[3] else None,
        pace=fields.trajectory("activation_rate", scene.evaluations * len(lagging), recorded=False)
        if groups[3] and scene.integrator == "rk4"
        else None,
        centred=fields.integers(~which("neutral")),
        control=fields.derived(len(actuators), 2, of=["scene.control_range", "scene.neutral"]),
        reach=fields.derived(len(actuators), 2, of=["scene.control_range"]) if neutral else None,
        ends=fields.derived(len(actuators), 2, of=["scene.force_range"]),
        control_ranges=ranges["control_range"],
        force_ranges=ranges["force_range"],
        activation_ranges=ranges["activation_range"],
        slopes=slopes,
        neutrals=neutral,
        mixed=len(jointed) < len(actuators),
        dynamics=bool(groups[3]),
        fleshy=any(each.muscle for each in actuators),
        twitching=twitching,
        bounded=any(joint.effort_range is not None for joint in scene.joints),
        real=fields.real,
        count=len(actuators),
        counts=tuple(map(len, (jointed, tied, thrusting, lagging, resting))),
    )


@ti.func
def span(muscles: ti.template(), env, row, step, k):
    """What an actuation of 0 and a change of it by 1 mean."""
    if ti.static(muscles.control_ranges):
        if muscles.controlled[k] == 1:
            ends = muscles.control_range[env, k]
            muscles.control[env, k] = ti.Vector([0.5 * (ends[0] + ends[1]), 0.5 * (ends[1] - ends[0])])
    if muscles.controlled[k] == 0:
        muscles.control[env, k] = ti.Vector([0.0, 1.0])


@ti.func
def end(muscles: ti.template(), env, row, step, k):
    """Between which forces an actuator can be."""
    if ti.static(muscles.force_ranges):
        if muscles.forced[k] == 1:
            muscles.ends[env, k] = muscles.force_range[env, k]
    if muscles.forced[k] == 0:
        muscles.ends[env, k] = ti.Vector([-UNLIMITED, UNLIMITED])


@ti.func
def span_from_neutral(muscles: ti.template(), env, row, step, k):
    """The same where actuators have neutral controls; without a branch, as `compliance.mix` is."""
    ranged = ti.cast(muscles.controlled[k] == 1, muscles.real)
    ends = ti.Vector([-UNLIMITED, UNLIMITED])
    far = 1.0
    if ti.static(muscles.control_ranges):
        ends = ranged * muscles.control_range[env, k] + (1.0 - ranged) * ends
        far = ranged * ti.max(ends[1] - muscles.neutral[env, k], muscles.neutral[env, k] - ends[0]) + 1.0 - ranged
    middle = ranged * 0.5 * (ends[0] + ends[1])
    half = ranged * 0.5 * (ends[1] - ends[0]) + 1.0 - ranged
    centred = ti.cast(muscles.centred[k] == 1, muscles.real)
    muscles.reach[env, k] = ends
    muscles.control[env, k] = ti.Vector(
        [
            centred * middle + (1.0 - centred) * muscles.neutral[env, k],
            centred * half + (1.0 - centred) * far,
        ]
    )


@ti.func
def force_of(muscles: ti.template(), motion: ti.template(), env, row, part, k, position, velocity):
    """Force of an actuator within its range, and what it gains per velocity.

    Args:
        muscles, motion: records.
        env, row, part, k: where, and which.
        position, velocity: of what it drives, times its gear.
    """
    level = asked_of(muscles, motion, env, row, k)
    if ti.static(muscles.dynamics):
        at = muscles.memory[k]
        if at >= 0:
            level = motion.now_activation[env, row, part * muscles.counts[3] + at]
    gain = muscles.gain[env, k]
    bias = muscles.bias[env, k]
    slope = bias[2]
    if ti.static(muscles.slopes):
        grows = muscles.gain_slope[env, k]
        gain += grows[0] * position + grows[1] * velocity
        slope += grows[1] * level
    if ti.static(muscles.fleshy):
        own = 1.0 - ti.cast(muscles.flesh.present[k], muscles.real)
        drawn = contract(muscles.flesh, env, k, position, velocity)
        gain = own * gain + drawn[0]
        bias = own * bias + ti.Vector([drawn[1], 0.0, 0.0])
        slope = own * slope + drawn[2] * level
    driven = gain * level
    force = driven + bias[0] + bias[1] * position + bias[2] * velocity
    ends = muscles.ends[env, k]
    free = ti.cast(force > ends[0], muscles.real) * ti.cast(force < ends[1], muscles.real)
    return ti.Vector([ti.min(ends[1], ti.max(ends[0], force)), free * slope])


@ti.func
def drive(
    muscles: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """An actuator at a joint."""
    part = element // muscles.counts[0]
    k = element - part * muscles.counts[0]
    if ti.static(muscles.mixed):
        k = muscles.jointed[element - part * muscles.counts[0]]
    gear = muscles.gear[env, k]
    position = gear * motion.now_position[env, row, part * tree.coordinates + muscles.coordinate[k]]
    velocity = gear * motion.now_velocity[env, row, part * tree.freedoms + muscles.freedom[k]]
    found = force_of(muscles, motion, env, row, part, k, position, velocity)
    at = part * tree.chains + muscles.freedom[k]
    given = gear * found[0]
    lost = ti.cast(0.0, tree.real)
    if ti.static(tree.servos):
        lost = -tree.dt * gear * gear * found[1]
    if ti.static(muscles.bounded):
        work.driven[env, row, at] += ti.Vector([given, lost])
    else:
        work.torque[env, row, at] += given
        if ti.static(tree.servos):
            work.stiffening[env, row, at] += lost


@ti.func
def draw(
    muscles: ti.template(), rows: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element
):
    """An actuator along a tendon."""
    part = element // muscles.counts[1]
    k = muscles.tied[element - part * muscles.counts[1]]
    gear = muscles.gear[env, k]
    at = part * rows.rows + muscles.row[k]
    length = gear * rows.length[env, row, at]
    found = force_of(muscles, motion, env, row, part, k, length, gear * rows.rate[env, row, at])
    rows.force[env, row, at] += gear * found[0]
    if ti.static(tree.servos and rows.implicit):
        rows.passive[env, row, at] += -tree.dt * gear * gear * found[1]


@ti.func
def thrust(
    muscles: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """An actuator at a site."""
    part = element // muscles.counts[2]
    k = muscles.thrusting[element - part * muscles.counts[2]]
    link = muscles.link[k]
    last = tree.carrier[link]
    at = part * tree.chains + last
    frame = part * tree.frames + link
    rotation = unpacked(motion.rotation[env, row, frame])
    arm = motion.position[env, row, frame] - motion.position[env, row, part * tree.frames + tree.root[last]]
    arm += rotation @ tree.site_position[env, muscles.place[k] - tree.links]
    wrench = muscles.wrench[env, k]
    push = rotation @ ti.Vector([wrench[0], wrench[1], wrench[2]])
    turn = rotation @ ti.Vector([wrench[3], wrench[4], wrench[5]]) + arm.cross(push)
    speed = work.speed[env, row, at]
    gear = muscles.gear[env, k]
    velocity = gear * (turn.dot(angular(speed)) + push.dot(linear(speed)))
    found = force_of(muscles, motion, env, row, part, k, 0.0, velocity)
    way = gear * spatial(turn, push)
    work.force[env, row, at] += -found[0] * way
    if ti.static(tree.servos):
        none = ti.Vector([0.0 for _ in ti.static(range(21))])
        work.inertia[env, row, at] += less_outer(none, way, tree.dt * found[1])


def prepare(muscles: Muscles, motion: Any) -> tuple[Stage, ...]:
    """Stages before the first step."""
    return (
        Stage(span_from_neutral if muscles.neutrals else span, (muscles,), muscles.count),
        Stage(end, (muscles,), muscles.count),
        Stage(remember, (muscles, motion), muscles.counts[3]),
    )


def start(muscles: Muscles, motion: Any, *, several: bool) -> tuple[Stage, ...]:
    """What begins a step of several substeps."""
    return (Stage(enter_activation, (motion,), muscles.counts[3] * several),)


def stages(muscles: Muscles, rows: Any, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What drives joints, tendons and sites in a substep."""
    jointed, tied, thrusting, *_ = muscles.counts
    return (
        Stage(drive, (muscles, tree, motion, work), jointed),
        Stage(draw, (muscles, rows, tree, motion), tied),
        Stage(thrust, (muscles, tree, motion, work), thrusting),
    )


def following(muscles: Muscles, tree: Any, motion: Any) -> tuple[Stage, ...]:
    """What goes on by the end of a substep."""
    return (Stage(activate_in_turns if tree.turns > 1 else activate, (muscles, tree, motion), muscles.counts[3]),)
