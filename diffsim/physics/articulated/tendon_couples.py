"""Tendons whose lengths follow each other: equalities of two tendons, as rows of their own (see `rows`)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.ahead import Ahead
from diffsim.physics.articulated.scene import Articulated

__all__ = ["Couples", "coupled", "couples_of", "lengths"]


@dataclass(frozen=True)
class Couples:
    """Equalities of two tendons. Fields (k,) and (source,) of whole numbers."""

    equality: Any  # (k,)
    row: Any  # (k,)
    first: Any  # (k,) row of the tendon that follows
    second: Any  # (k,) row of the one that it follows
    source: Any  # (source,) entry of a tendon's J
    target: Any  # (source,) where that counts in the row's J
    which: Any  # (source,) k
    follows: Any  # (source,) 1 if it is of the tendon that follows
    count: int
    sources: int


def coupled(scene: Articulated) -> list[int]:
    """Equalities of two tendons."""
    return [k for k, each in enumerate(scene.equalities) if each.of == "tendons" and each.second is not None]


def couples_of(
    scene: Articulated, fields: Fields, held: list[int], entries: dict[tuple[int, int], int]
) -> Couples | None:
    """Declare the fields of equalities of two tendons; None without any.

    Args:
        scene: the robot.
        fields: where to declare.
        held: the row of each equality.
        entries: where a velocity counts in a row, by row and velocity.
    """
    chosen = coupled(scene)
    if not chosen:
        return None
    names = [each.name for each in scene.tendons]
    pairs = [scene.equalities[k] for k in chosen]
    ends = [(names.index(each.first), names.index(each.second)) for each in pairs]
    sources = [
        (entry, entries[held[chosen[k]], freedom], k, 1 - side)
        for k, pair in enumerate(ends)
        for side, tendon in enumerate(pair)
        for (row, freedom), entry in entries.items()
        if row == tendon
    ]

    def whole(values: Any) -> Any:
        return fields.integers(np.array(values, dtype=int))

    return Couples(
        equality=whole(chosen),
        row=whole([held[k] for k in chosen]),
        first=whole([first for first, _ in ends]),
        second=whole([second for _, second in ends]),
        source=whole([entry for entry, *_ in sources]),
        target=whole([target for _, target, *_ in sources]),
        which=whole([k for *_, k, _ in sources]),
        follows=whole([first for *_, first in sources]),
        count=len(chosen),
        sources=len(sources),
    )


@ti.func
def slope_of(couples: ti.template(), rows: ti.template(), env, row, part, k):
    """How much the first tendon is to lengthen with the second."""
    c = rows.polynomial[env, couples.equality[k]]
    x = rows.length[env, row, part * rows.rows + couples.second[k]]
    return c[1] + x * (2.0 * c[2] + x * (3.0 * c[3] + x * 4.0 * c[4]))


@ti.func
def follow(couples: ti.template(), rows: ti.template(), env, row, part, k):
    """How far a tendon's length is from where another's has it."""
    c = rows.polynomial[env, couples.equality[k]]
    at = part * rows.rows
    x = rows.length[env, row, at + couples.second[k]]
    wanted = c[0] + x * (c[1] + x * (c[2] + x * (c[3] + x * c[4])))
    slope = slope_of(couples, rows, env, row, part, k)
    rows.length[env, row, at + couples.row[k]] += rows.length[env, row, at + couples.first[k]] - wanted
    rate = rows.rate[env, row, at + couples.first[k]] - slope * rows.rate[env, row, at + couples.second[k]]
    rows.rate[env, row, at + couples.row[k]] += rate


@ti.func
def share(couples: ti.template(), rows: ti.template(), env, row, part, source):
    """How a velocity moves the row by one of its tendons."""
    k = couples.which[source]
    first = ti.cast(couples.follows[source], rows.real)
    factor = first - (1.0 - first) * slope_of(couples, rows, env, row, part, k)
    entries = part * rows.entries
    own = rows.gradient[env, row, entries + couples.source[source]]
    rows.gradient[env, row, entries + couples.target[source]] += factor * own


@ti.func
def follow_on(
    couples: ti.template(), rows: ti.template(), tree: ti.template(), ahead: ti.template(), env, row, step, k
):
    """`follow`, of this evaluation or the next."""
    part = k // couples.count
    if part + ahead.parts < tree.substeps:
        follow(couples, rows, env, row, part + ahead.parts, k - part * couples.count)


@ti.func
def share_on(couples: ti.template(), rows: ti.template(), tree: ti.template(), ahead: ti.template(), env, row, step, k):
    """`share`, of this evaluation or the next."""
    part = k // couples.sources
    if part + ahead.parts < tree.substeps:
        share(couples, rows, env, row, part + ahead.parts, k - part * couples.sources)


def lengths(couples: Couples | None, rows: Any, tree: Any, ahead: Ahead) -> tuple[Stage, ...]:
    """What equalities of two tendons lack, and how that changes, in this evaluation or the next."""
    if couples is None:
        return ()
    records = (couples, rows, tree, ahead)
    return (Stage(follow_on, records, couples.count), Stage(share_on, records, couples.sources))
