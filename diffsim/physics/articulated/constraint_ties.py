"""Equalities, and limits and friction losses of tendons, as MuJoCo's constraints: ties along rows (see `rows`).

A tie has the lever J of its row, or minus that at the longest length of a tendon. An equality pushes with
D (a_ref - J a), a friction loss with no more than the loss either way, and a limit never pulls; D and a_ref are as
those of contacts (see `constraint_contacts`), for the inverse inertia along the row (MuJoCo's ``tendon_invweight0`` of
tendons). The armature of a tendon is inertia along its row, without what couples joints of different branches.
"""

from dataclasses import dataclass
from typing import Any

import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics import contact
from diffsim.physics.articulated.constraint_contacts import pull_of, shape_of
from diffsim.physics.articulated.forces import UNLIMITED
from diffsim.physics.articulated.impedance import impedance_at
from diffsim.physics.articulated.row_fields import Rows
from diffsim.physics.articulated.scene import Articulated

__all__ = [
    "Ties",
    "asking",
    "both_of",
    "freedoms_of",
    "prepare",
    "push_of_tie",
    "pushing",
    "row_of",
    "slowing",
    "ties_of",
]

_OF_TENDONS = [
    f"scene.tendon_{name}" for name in ("limit_solref", "limit_solimp", "friction_solref", "friction_solimp")
]


@dataclass(frozen=True)
class Ties:
    """Ties along rows: first equalities, then friction losses, then both limits of each tendon that has any."""

    rows: Rows
    limit_solref: Any  # (env, tendon)
    limit_solimp: Any
    friction_solref: Any
    friction_solimp: Any
    mobility: Any  # (env, tendon) [1/kg]
    pull: Any  # (env, loss or limit) b and k of the reference acceleration
    shape: Any  # (env, loss or limit) solimp
    reach: Any  # (env, row, substep row) J a at the solution that was decided
    answer: Any  # (env, row, substep row) force along it
    offset: Any  # scratch
    change: Any
    held: int  # equalities
    rubs: int
    limits: int  # two of each tendon
    count: int
    tendons: bool  # whether any limit or loss
    rubbed: bool
    paired: bool  # whether armature or damping couples joints
    lags: bool  # whether damping of tendons is implicit
    real: Any


def ties_of(scene: Articulated, fields: Fields, rows: Rows | None) -> Ties | None:
    """Declare the fields of ties; None without any."""
    if rows is None or not (rows.ties or rows.pairs):
        return None
    slots, (_, limited, rubs, _) = scene.evaluations, rows.counts
    own = rubs + 2 * limited

    def number(name: str, width: int = 0, *, there: int) -> Any:
        return fields.number(f"scene.tendon_{name}", rows.tendons, width) if there else None

    def kept(name: str, elements: int) -> Any:
        return fields.trajectory(name, slots * elements, accumulates=True, recorded=False)

    return Ties(
        rows=rows,
        limit_solref=number("limit_solref", 2, there=limited),
        limit_solimp=number("limit_solimp", 5, there=limited),
        friction_solref=number("friction_solref", 2, there=rubs),
        friction_solimp=number("friction_solimp", 5, there=rubs),
        mobility=number("mobility", there=own),
        pull=fields.derived(own, 2, of=_OF_TENDONS),
        shape=fields.derived(own, 5, of=_OF_TENDONS),
        reach=kept("tie_reach", rows.rows),
        answer=kept("tie_answer", rows.rows),
        offset=fields.scratch_numbers(rows.ties),
        change=fields.scratch_numbers(rows.ties),
        held=rows.held_ties,
        rubs=rubs,
        limits=2 * limited,
        count=rows.ties,
        tendons=own > 0,
        rubbed=rubs > 0,
        paired=rows.pairs > 0,
        lags=rows.implicit,
        real=fields.real,
    )


# What is asked for


@ti.func
def mix_rub(ties: ti.template(), tree: ti.template(), env, row, step, k):
    """How soft the friction loss of a tendon is."""
    tendon = ties.rows.tie_tendon[ties.held + k]
    shape = shape_of(ties.friction_solimp[env, tendon])
    ties.shape[env, k] = shape
    ties.pull[env, k] = pull_of(ties.friction_solref[env, tendon], shape[1], tree.dt)


@ti.func
def mix_limit(ties: ti.template(), tree: ti.template(), env, row, step, element):
    """How soft a limit of a tendon is."""
    k = ties.rubs + element
    tendon = ties.rows.tie_tendon[ties.held + k]
    shape = shape_of(ties.limit_solimp[env, tendon])
    ties.shape[env, k] = shape
    ties.pull[env, k] = pull_of(ties.limit_solref[env, tendon], shape[1], tree.dt)


@ti.func
def rub_tie(ties: ti.template(), env, row, step, element):
    """What the friction loss of a tendon asks for."""
    part = element // ties.rubs
    own = element - part * ties.rubs
    tendon = ties.rows.tie_tendon[ties.held + own]
    tie = part * ties.count + ties.held + own
    given = ties.shape[env, own][0]
    ties.rows.aim[env, row, tie] = -ties.pull[env, own][0] * ties.rows.rate[env, row, part * ties.rows.rows + tendon]
    ties.rows.weight_of[env, row, tie] = given / ((1.0 - given) * ties.mobility[env, tendon])


@ti.func
def limit_tie(ties: ti.template(), env, row, step, element):
    """What a limit of a tendon asks for: nothing within it."""
    part = element // ties.limits
    own = ties.rubs + element - part * ties.limits
    tendon = ties.rows.tie_tendon[ties.held + own]
    tie = part * ties.count + ties.held + own
    sign = ti.cast(ties.rows.tie_sign[ties.held + own], ties.real)
    ends = ties.rows.range[env, tendon]
    end = 0.5 * ((1.0 + sign) * ends[0] + (1.0 - sign) * ends[1])
    at = part * ties.rows.rows + tendon
    distance = sign * (ties.rows.length[env, row, at] - end)
    if distance < 0.0:
        given = impedance_at(-distance, ties.shape[env, own])
        pull = ties.pull[env, own]
        ties.rows.aim[env, row, tie] = -pull[0] * sign * ties.rows.rate[env, row, at] - pull[1] * given * distance
        ties.rows.weight_of[env, row, tie] = given / ((1.0 - given) * ties.mobility[env, tendon])
    else:
        ties.rows.aim[env, row, tie] = 0.0
        ties.rows.weight_of[env, row, tie] = 0.0


@ti.func
def push_of_tie(ties: ti.template(), env, k, x, weight):
    """Force along a tie, given how far its acceleration is from the reference; and what it loses by that."""
    rubs = ti.cast(k >= ties.held and k < ties.held + ties.rubs, ties.real)
    limits = ti.cast(k >= ties.held + ties.rubs, ties.real)
    least = -UNLIMITED * (1.0 - rubs - limits)
    most = UNLIMITED * (1.0 - rubs)
    if ti.static(ties.rubbed):
        loss = rubs * ties.rows.friction_loss[env, ties.rows.tie_tendon[k]]
        least -= loss
        most += loss
    free = -weight * x
    within = ti.cast(free > least, ties.real) * ti.cast(free < most, ties.real)
    return ti.Vector([ti.min(ti.max(free, least), most), within * weight])


# At the solution


@ti.func
def both_of(ties: ti.template(), env, row, part, pair):
    """Product of two entries of a lever."""
    entries = part * ties.rows.entries
    one = ties.rows.gradient[env, row, entries + ties.rows.one[pair]]
    return one * ties.rows.gradient[env, row, entries + ties.rows.other[pair]]


@ti.func
def reach_out(con: ti.template(), ties: ti.template(), tree: ti.template(), env, row, step, element):
    """How a velocity's acceleration moves a row."""
    part = element // ties.rows.entries
    entry = element - part * ties.rows.entries
    rate = con.solution[env, row, part * tree.freedoms + ties.rows.entry_freedom[entry]]
    at = part * ties.rows.rows + ties.rows.entry_row[entry]
    ties.reach[env, row, at] += ties.rows.gradient[env, row, element] * rate


@ti.func
def push_tie(con: ti.template(), ties: ti.template(), tree: ti.template(), env, row, step, element):
    """What a tie pushes with at the acceleration that was decided."""
    part = element // ties.count
    k = element - part * ties.count
    weight = ties.rows.weight_of[env, row, element]
    if weight > 0.0:
        at = part * ties.rows.rows + ties.rows.tie_row[k]
        sign = ti.cast(ties.rows.tie_sign[k], ties.real)
        push = push_of_tie(ties, env, k, sign * ties.reach[env, row, at] - ties.rows.aim[env, row, element], weight)
        ties.answer[env, row, at] += sign * push[0]
        if ti.static(contact.recorded(con.branch)):
            if k >= ties.held:
                first = tree.substeps * (con.spots + con.rows)
                con.branch[env, row, first + element] += 1.0 + ti.cast(push[1] > 0.0, con.real)


@ti.func
def pull_at(con: ti.template(), ties: ti.template(), tree: ti.template(), env, row, step, element):
    """The force along a row, at one of its velocities."""
    part = element // ties.rows.entries
    entry = element - part * ties.rows.entries
    force = ties.answer[env, row, part * ties.rows.rows + ties.rows.entry_row[entry]]
    own = part * tree.freedoms + ties.rows.entry_freedom[entry]
    con.torque[env, row, own] += ties.rows.gradient[env, row, element] * force


@ti.func
def freedoms_of(ties: ti.template(), pair):
    """Both velocities of a pair of entries of one row."""
    return ti.Vector([ties.rows.entry_freedom[ties.rows.one[pair]], ties.rows.entry_freedom[ties.rows.other[pair]]])


@ti.func
def row_of(ties: ti.template(), pair):
    """The row of a pair of entries."""
    return ties.rows.entry_row[ties.rows.one[pair]]


@ti.func
def carry_along(con: ti.template(), ties: ti.template(), tree: ti.template(), env, row, step, element):
    """What the armature of a tendon takes."""
    part = element // ties.rows.pairs
    pair = element - part * ties.rows.pairs
    k, i = part * tree.freedoms + freedoms_of(ties, pair)
    heavy = ties.rows.armature[env, row_of(ties, pair)] * both_of(ties, env, row, part, pair)
    con.torque[env, row, k] += -heavy * con.solution[env, row, i]
    if k != i:
        con.torque[env, row, i] += -heavy * con.solution[env, row, k]


@ti.func
def lag_behind(con: ti.template(), ties: ti.template(), tree: ti.template(), env, row, step, element):
    """What implicit damping of a tendon takes, and its armature of what damping takes."""
    part = element // ties.rows.pairs
    pair = element - part * ties.rows.pairs
    k, i = part * tree.freedoms + freedoms_of(ties, pair)
    at = row_of(ties, pair)
    both = both_of(ties, env, row, part, pair)
    heavy = both * ties.rows.armature[env, at]
    held = ti.cast(0.0, ties.real)
    if ti.static(ties.lags):
        held = both * ties.rows.passive[env, row, part * ties.rows.rows + at]
    ahead = held * (con.rate[env, row, i] - con.slowed[env, row, i]) - heavy * con.slowed[env, row, i]
    behind = held * (con.rate[env, row, k] - con.slowed[env, row, k]) - heavy * con.slowed[env, row, k]
    con.lag_beside[env, row, k] += ahead
    if k != i:
        con.lag_beside[env, row, i] += behind


def prepare(ties: Ties | None, tree: Any) -> tuple[Stage, ...]:
    """Stages before the first step."""
    if ties is None:
        return ()
    return (Stage(mix_rub, (ties, tree), ties.rubs), Stage(mix_limit, (ties, tree), ties.limits))


def asking(ties: Ties | None) -> tuple[Stage, ...]:
    """What limits and friction losses of tendons ask for; equalities have said so (see `rows`)."""
    if ties is None:
        return ()
    return (Stage(rub_tie, (ties,), ties.rubs), Stage(limit_tie, (ties,), ties.limits))


def pushing(ties: Ties | None, con: Any, tree: Any) -> tuple[Stage, ...]:
    """Torques of ties at the solution."""
    if ties is None:
        return ()
    records = (con, ties, tree)
    entries = ties.rows.entries if ties.count else 0
    return (
        Stage(reach_out, records, entries),
        Stage(push_tie, records, ties.count),
        Stage(pull_at, records, entries),
        Stage(carry_along, records, ties.rows.pairs),
    )


def slowing(ties: Ties | None, con: Any, tree: Any) -> tuple[Stage, ...]:
    """What implicit damping takes of tendons."""
    return (Stage(lag_behind, (con, ties, tree), ties.rows.pairs if con.damped else 0),) if ties else ()
