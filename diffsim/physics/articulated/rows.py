"""Tendons and equalities: functions of the joints, and forces along them.

A row is a number r that follows from positions of joints, the length of a tendon or what an equality lacks, with its
derivatives J by the velocities. What acts along it is a force f - w a, a = J a_joints its second derivative: f goes to
the joints as J^T f, and w, of what is implicit, to the inertia matrix as w J^T J (`elimination`).

* Springs and dampers of tendons are explicit, as MuJoCo's; with "implicitfast" the damping is implicit.
* Limits are those of joints (see `within_step`), friction losses are F v' / sqrt(v^2 + w^2), v' the rate after the
  step.
* Equalities are MuJoCo's soft constraints (see `impedance`), without the second derivative that motion alone gives r.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.elimination import System, system_of
from diffsim.physics.articulated.impedance import softness_of
from diffsim.physics.articulated.integration import first_of, starts
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.within_step import pushed, stiffness_share

__all__ = ["Rows", "following", "forces", "lengths", "prepare", "rows_of"]

LIMIT_DEPTH = 0.01
"""Over which the stiffness of a limit sets in [m]."""

TINY = 1.0e-12


@dataclass(frozen=True)
class Rows:
    """Rows: first tendons, then equalities of joints. Fields (k,) of whole numbers, (env, k) of numbers."""

    entry_row: Any  # (entry,) which row an entry of J belongs to; first those of tendons
    entry_freedom: Any  # (entry,) which velocity
    entry_coordinate: Any  # (entry,) where its position is
    one: Any  # (pair,) entry of J
    other: Any  # (pair,) another of the same row
    slot: Any  # (pair,) where w times both goes in the matrix
    springs: Any  # (k,) tendons with a spring or damper
    limits: Any  # (k,) tendons with limits
    frictions: Any  # (k,) tendons with friction
    motors: Any  # (k,) tendons with armature
    follow: Any  # (4 k,) equality, its first entry, then where its joints' references are, -1 without a second
    held_row: Any  # (equality,) its row
    offset: Any  # (equality,) 1 if the row is a length, to be that of the polynomial
    coefficient: Any  # (env, entry) of tendons
    stiffness: Any
    damping: Any
    rest: Any
    range: Any
    limit_stiffness: Any
    limit_damping: Any
    friction_loss: Any
    friction_width: Any
    armature: Any
    polynomial: Any  # (env, equality)
    weight: Any
    reference: Any
    impedance: Any
    stiff: Any  # (env, tendon) how much of its limit is Euler's implicit step
    gradient: Any  # (env, row, substep entry) J
    length: Any  # (env, row, substep row) r
    rate: Any
    force: Any  # f
    inertia: Any  # w; None where nothing is implicit
    held: Any  # (env, row, substep tendon) f and w of a limit; None but with Runge and Kutta's
    system: System | None  # what the accelerations follow from; None where nothing is implicit
    counts: tuple[int, ...]  # of springs, limits, frictions, motors
    tendons: int
    fixed: int  # entries of tendons
    entries: int
    rows: int
    pairs: int
    follows: int
    equalities: int
    damps: bool  # whether damping of tendons is implicit
    implicit: bool  # whether anything is
    real: Any


def rows_of(scene: Articulated, fields: Fields, tree: Any, parents: np.ndarray) -> Rows | None:
    """Declare the fields of tendons and equalities; None without any."""
    tendons, equalities = scene.tendons, scene.equalities
    if not tendons and not equalities:
        return None
    names = [each.name for each in tendons]
    entries = [(k, joint) for k, each in enumerate(tendons) for joint in each.joints]
    fixed, held = len(entries), []
    follow: list[tuple[int, int, int, int]] = []
    joints = [joint.name for joint in scene.joints]
    for k, each in enumerate(equalities):
        if each.of == "tendons":
            held.append(names.index(each.first))
            continue
        row = len(tendons) + len(follow)
        second = -1 if each.second is None else joints.index(each.second)
        follow.append((k, len(entries), joints.index(each.first), second))
        entries += [(row, name) for name in (each.first, each.second) if name is not None]
        held.append(row)
    freedoms = [scene.freedom(name) for _, name in entries]
    count, slots = len(tendons) + len(follow), scene.evaluations
    groups = [[f for (row, _), f in zip(entries, freedoms, strict=True) if row == k] for k in range(count)]
    system, slots_of = system_of(scene, fields, parents, groups) if scene.coupled else (None, {})
    pairs = [
        (a, b, slots_of[min(freedoms[a], freedoms[b]), max(freedoms[a], freedoms[b])])
        for a in range(len(entries))
        for b in range(len(entries))
        if system and entries[a][0] == entries[b][0] and freedoms[a] <= freedoms[b]
    ]
    bounded = [scene.limits and each.limits is not None for each in tendons]
    lists: list[Any] = [
        [k for k, each in enumerate(tendons) if each.stiffness or each.damping or _tuned(fields)],
        np.flatnonzero(bounded),
        [k for k, each in enumerate(tendons) if each.friction_loss],
        [k for k, each in enumerate(tendons) if each.armature],
    ]
    springs, limits, frictions, motors = (fields.integers(np.array(each, dtype=int)) for each in lists)

    def number(name: str, width: int = 0, *, of: Any = tendons, kind: str = "tendon") -> Any:
        return fields.number(f"scene.{kind}_{name}", len(of), width) if len(of) else None

    def equal(name: str, width: int = 0) -> Any:
        return number(name, width, of=equalities, kind="equality")

    def rows(name: str, elements: int, width: int = 0, *, accumulates: bool = True) -> Any:
        return fields.trajectory(name, slots * elements, width, accumulates=accumulates, recorded=False)

    holds_limits = scene.integrator == "rk4" and len(lists[1]) > 0
    of_limits = [f"scene.tendon_{name}" for name in ("limit_stiffness", "limit_damping")]
    return Rows(
        entry_row=fields.integers(np.array([row for row, _ in entries])),
        entry_freedom=fields.integers(np.array(freedoms)),
        entry_coordinate=fields.integers(np.array([scene.coordinate("row", name) for _, name in entries])),
        one=fields.integers(np.array([a for a, _, _ in pairs])),
        other=fields.integers(np.array([b for _, b, _ in pairs])),
        slot=fields.integers(np.array([at for _, _, at in pairs])),
        springs=springs,
        limits=limits,
        frictions=frictions,
        motors=motors,
        follow=fields.integers(np.array(follow)),
        held_row=fields.integers(np.array(held)),
        offset=fields.integers(np.array([each.of == "tendons" for each in equalities])),
        coefficient=number("coefficient", of=range(fixed)),
        stiffness=number("stiffness"),
        damping=number("damping"),
        rest=number("rest", 2),
        range=number("limits", 2),
        limit_stiffness=number("limit_stiffness"),
        limit_damping=number("limit_damping"),
        friction_loss=number("friction_loss"),
        friction_width=number("friction_width"),
        armature=number("armature"),
        polynomial=equal("polynomial", 5),
        weight=equal("weight"),
        reference=equal("reference", 2),
        impedance=equal("impedance", 5),
        stiff=fields.derived(len(tendons), of=of_limits) if len(lists[1]) else None,
        gradient=rows("row_gradient", len(entries), accumulates=False),
        length=rows("row_length", count),
        rate=rows("row_rate", count),
        force=rows("row_force", count),
        inertia=rows("row_inertia", count) if system else None,
        held=rows("row_limit", len(tendons), 2, accumulates=False) if holds_limits else None,
        system=system,
        counts=tuple(map(len, lists)),
        tendons=len(tendons),
        fixed=fixed,
        entries=len(entries),
        rows=count,
        pairs=len(pairs),
        follows=len(follow),
        equalities=len(equalities),
        implicit=system is not None,
        damps=scene.integrator == "implicitfast",
        real=fields.real,
    )


def _tuned(fields: Fields) -> bool:
    """Whether springs or dampers of tendons are tuned, and may become some."""
    return bool({"scene.tendon_stiffness", "scene.tendon_damping"} & {name.partition("[")[0] for name in fields.tuned})


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
    rows.gradient[env, row, part * rows.entries + entry] = coefficient
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
    rows.gradient[env, row, part * rows.entries + entry] = 1.0
    second = rows.follow[k + 3]
    if second >= 0:
        x = motion.now_position[env, row, part * tree.coordinates + rows.entry_coordinate[entry + 1]]
        x -= tree.reference[env, second]
        slope = c[1] + x * (2.0 * c[2] + x * (3.0 * c[3] + x * 4.0 * c[4]))
        other = motion.now_velocity[env, row, part * tree.freedoms + rows.entry_freedom[entry + 1]]
        rows.gradient[env, row, part * rows.entries + entry + 1] = -slope
        rows.length[env, row, at] += apart - x * (c[1] + x * (c[2] + x * (c[3] + x * c[4])))
        rows.rate[env, row, at] += speed - slope * other
    else:
        rows.length[env, row, at] += apart
        rows.rate[env, row, at] += speed


@ti.func
def stretch_first(rows: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, k):
    stretch(rows, tree, motion, env, row, 0, k)


@ti.func
def stretch_next(rows: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    part = element // rows.fixed
    if part + 1 < tree.substeps:
        stretch(rows, tree, motion, env, row, part + 1, element - part * rows.fixed)


@ti.func
def follow_first(rows: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, k):
    follow(rows, tree, motion, env, row, 0, k)


@ti.func
def follow_next(rows: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    part = element // rows.follows
    if part + 1 < tree.substeps:
        follow(rows, tree, motion, env, row, part + 1, element - part * rows.follows)


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
        rows.inertia[env, row, at] += tree.dt * damping


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
    rows.inertia[env, row, part * rows.rows + k] += rows.armature[env, k]


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
    rows.force[env, row, at] += -weight * (soft[0] * rows.rate[env, row, at] + soft[1] * off)
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
    inertia = rows.inertia[env, row, part * rows.rows + rows.entry_row[rows.one[pair]]]
    system.matrix[env, row, part * system.entries + rows.slot[pair]] += both * inertia


def prepare(rows: Rows | None, tree: Any) -> tuple[Stage, ...]:
    """Stages before the first step."""
    return (Stage(weigh_limit, (rows, tree), rows.counts[1]),) if rows else ()


def lengths(rows: Rows | None, tree: Any, motion: Any) -> tuple[Stage, ...]:
    """How long rows are, and how fast that changes."""
    if rows is None:
        return ()
    records = (rows, tree, motion)
    return (Stage(stretch_first, records, rows.fixed), Stage(follow_first, records, rows.follows))


def following(rows: Rows | None, tree: Any, motion: Any) -> tuple[Stage, ...]:
    """The same for the next substep."""
    if rows is None:
        return ()
    records = (rows, tree, motion)
    return (Stage(stretch_next, records, rows.fixed), Stage(follow_next, records, rows.follows))


def forces(rows: Rows | None, tree: Any, work: Any) -> tuple[Stage, ...]:
    """What acts along rows, and what it adds to the torques of joints and to the inertia matrix."""
    if rows is None:
        return ()
    springs, limits, frictions, motors = rows.counts
    return (
        Stage(pull_back, (rows, tree), springs),
        Stage(push_back, (rows, tree), limits),
        Stage(rub_along, (rows, tree), frictions),
        Stage(weigh_down, (rows,), motors),
        Stage(hold_row, (rows, tree), rows.equalities),
        Stage(spread_force, (rows, tree, work), rows.entries),
        Stage(spread_inertia, (rows, rows.system), rows.pairs),
    )
