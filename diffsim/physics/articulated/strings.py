"""Spatial tendons: strings through sites and around geoms, as rows (see `rows`)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.ahead import Ahead
from diffsim.physics.articulated.connections import carried_by
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import angular, linear
from diffsim.physics.articulated.wraps import Wraps, wound, wraps_of

__all__ = ["Strings", "lengths", "moving", "strings_of"]

TINY = 1.0e-12
"""Added to a squared distance [m^2]."""


@dataclass(frozen=True)
class Strings:
    """Segments of strings, and what moves their ends: fields (k,) of whole numbers.

    First those between sites, then two for each leg around a geom, towards it and away from it (see `wraps`).
    """

    site: Any  # (end,) of two ends of each segment; of what is on a geom 0
    frame: Any  # (end,) the link of the site, or the world behind the frames
    carrier: Any  # (end,) the velocity that moves it last, or the world behind the velocities
    root: Any  # (end,) first link of its tree, or the world behind the frames
    row: Any  # (segment,)
    pulley: Any  # (segment,) which divides its length, -1 none
    divisor: Any  # (env, pulley); None without any
    end: Any  # (pull,) the end that a velocity moves
    freedom: Any  # (pull,) that velocity
    entry: Any  # (pull,) where that counts
    way: Any  # (env, row, substep segment) direction from the first end to the second, over the divisor
    arm: Any  # (env, row, substep end) of the end, from the point that everything is taken at [m]
    wraps: Wraps | None
    branched: bool  # whether there are pulleys
    straight: int  # segments between sites
    segments: int
    pulls: int


def moving(scene: Articulated, parents: np.ndarray, carriers: tuple[int, ...], tendon: Any) -> set[int]:
    """Velocities that move any part of a string."""
    owners = {scene.site(name)[0] for name in tendon.sites}
    owners |= {scene.geom(leg.wrap.geom)[1] for leg in tendon.legs if leg.wrap}
    return {k for owner in owners for k in carried_by(parents, carriers[owner] if owner >= 0 else -1)}


def strings_of(scene: Articulated, fields: Fields, tree: Any, entries: dict[tuple[int, int], int]) -> Strings | None:
    """Declare the fields of strings; None without any.

    Args:
        scene: the robot.
        fields: where to declare.
        tree: its record.
        entries: where a velocity counts in a row, by row and velocity.
    """
    firsts = np.cumsum([0, *(len(each.pulleys) for each in scene.tendons)]).tolist()
    legs = [
        (row, leg, firsts[row] + leg.pulley if leg.pulley >= 0 else -1)
        for row, each in enumerate(scene.tendons)
        for leg in each.legs
    ]
    if not legs:
        return None
    straight, bent = ([each for each in legs if bool(each[1].wrap) == wrapped] for wrapped in (False, True))
    index = [site.name for _, site in scene.all_sites]
    rows_of = [row for row, _, _ in straight] + [row for row, _, _ in bent for _ in range(2)]
    ends: list[tuple[int, int]] = [(index.index(n), scene.site(n)[0]) for _, leg, _ in straight for n in leg.ends]
    for _, leg, _ in bent:
        first, last = ((index.index(name), scene.site(name)[0]) for name in leg.ends)
        geom = (0, scene.geom(leg.wrap.geom)[1])
        ends += [first, geom, geom, last]
    owners = np.array([owner for _, owner in ends])
    carriers = np.where(owners < 0, -1, np.array(tree.carriers)[owners])
    pulls = [
        (end, freedom, entries[rows_of[end // 2], freedom])
        for end, carrier in enumerate(carriers.tolist())
        for freedom in carried_by(np.array(tree.parents), carrier)
    ]
    roots = np.array([lineage[-1] for lineage in scene.lineages])
    world = (tree.frames - 1, scene.freedoms)

    def rows(name: str, elements: int) -> Any:
        return fields.trajectory(name, scene.evaluations * elements, 3, recorded=False)

    pulleys = [over for _, _, over in straight] + [over for _, _, over in bent for _ in range(2)]
    return Strings(
        site=fields.integers(np.array([site for site, _ in ends])),
        frame=fields.integers(np.where(owners < 0, world[0], owners)),
        carrier=fields.integers(np.where(carriers < 0, world[1], carriers)),
        root=fields.integers(np.where(carriers < 0, world[0], roots[owners])),
        row=fields.integers(np.array(rows_of)),
        pulley=fields.integers(np.array(pulleys)),
        divisor=fields.number("scene.tendon_divisor", firsts[-1]) if max(pulleys) >= 0 else None,
        end=fields.integers(np.array([end for end, _, _ in pulls])),
        freedom=fields.integers(np.array([freedom for _, freedom, _ in pulls])),
        entry=fields.integers(np.array([entry for _, _, entry in pulls])),
        way=rows("string_way", len(rows_of)),
        arm=rows("string_arm", 2 * len(rows_of)),
        wraps=wraps_of(scene, fields, world[0], [leg for _, leg, _ in bent]),
        branched=max(pulleys) >= 0,
        straight=len(straight),
        segments=len(rows_of),
        pulls=len(pulls),
    )


@ti.func
def place_of(strings: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, end):
    """Where an end is."""
    frame = part * tree.frames + strings.frame[end]
    rotation = unpacked(motion.rotation[env, row, frame])
    return motion.position[env, row, frame] + rotation @ tree.site_position[env, strings.site[end]]


@ti.func
def share_of(strings: ti.template(), tree: ti.template(), env, segment):
    """Of a segment's length, how much counts."""
    share = ti.cast(1.0, tree.real)
    if ti.static(strings.branched):
        if strings.pulley[segment] >= 0:
            share = 1.0 / strings.divisor[env, strings.pulley[segment]]
    return share


@ti.func
def stretch_between(
    strings: ti.template(),
    rows: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    part,
    segment,
    here,
    there,
):
    """A segment between two places in the world: its length, and how fast that changes."""
    apart = there - here
    span = ti.sqrt(apart.dot(apart) + TINY)
    share = share_of(strings, tree, env, segment)
    way = (share / span) * apart
    store = part * strings.segments + segment
    strings.way[env, row, store] = way
    first = here - motion.position[env, row, part * tree.frames + strings.root[2 * segment]]
    second = there - motion.position[env, row, part * tree.frames + strings.root[2 * segment + 1]]
    strings.arm[env, row, 2 * store] = first
    strings.arm[env, row, 2 * store + 1] = second
    one = work.speed[env, row, part * tree.chains + strings.carrier[2 * segment]]
    other = work.speed[env, row, part * tree.chains + strings.carrier[2 * segment + 1]]
    rate = linear(other) + angular(other).cross(second) - linear(one) - angular(one).cross(first)
    at = part * rows.rows + strings.row[segment]
    rows.length[env, row, at] += share * span
    rows.rate[env, row, at] += way.dot(rate)


@ti.func
def run(
    strings: ti.template(),
    rows: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    part,
    segment,
):
    """A segment between two sites."""
    here = place_of(strings, tree, motion, env, row, part, 2 * segment)
    there = place_of(strings, tree, motion, env, row, part, 2 * segment + 1)
    stretch_between(strings, rows, tree, motion, work, env, row, part, segment, here, there)


@ti.func
def run_around(
    strings: ti.template(),
    rows: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    part,
    which,
):
    """A leg around a geom: towards it, along it, and away."""
    segment = strings.straight + 2 * which
    here = place_of(strings, tree, motion, env, row, part, 2 * segment)
    there = place_of(strings, tree, motion, env, row, part, 2 * segment + 3)
    bend = wound(strings.wraps, tree, motion, env, row, part, which, here, there)
    first = ti.Vector([bend[0], bend[1], bend[2]])
    last = ti.Vector([bend[3], bend[4], bend[5]])
    stretch_between(strings, rows, tree, motion, work, env, row, part, segment, here, first)
    stretch_between(strings, rows, tree, motion, work, env, row, part, segment + 1, last, there)
    at = part * rows.rows + strings.row[segment]
    rows.length[env, row, at] += share_of(strings, tree, env, segment) * bend[6]


@ti.func
def lean(strings: ti.template(), rows: ti.template(), tree: ti.template(), work: ti.template(), env, row, part, pull):
    """How a velocity that moves an end changes the length."""
    end = strings.end[pull]
    axis = work.axis[env, row, part * tree.chains + strings.freedom[pull]]
    arm = strings.arm[env, row, part * 2 * strings.segments + end]
    moved = linear(axis) + angular(axis).cross(arm)
    sign = 2.0 * ti.cast(end % 2, tree.real) - 1.0
    way = strings.way[env, row, part * strings.segments + end // 2]
    rows.gradient[env, row, part * rows.entries + strings.entry[pull]] += sign * way.dot(moved)


@ti.func
def run_on(
    strings: ti.template(),
    rows: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    ahead: ti.template(),
    env,
    row,
    step,
    element,
):
    """`run`, of this evaluation or the next."""
    part = element // strings.straight
    if part + ahead.parts < tree.substeps:
        run(strings, rows, tree, motion, work, env, row, part + ahead.parts, element - part * strings.straight)


@ti.func
def wind_on(
    strings: ti.template(),
    rows: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    ahead: ti.template(),
    env,
    row,
    step,
    element,
):
    """`run_around`, of this evaluation or the next."""
    part = element // strings.wraps.count
    if part + ahead.parts < tree.substeps:
        wrap = element - part * strings.wraps.count
        run_around(strings, rows, tree, motion, work, env, row, part + ahead.parts, wrap)


@ti.func
def lean_on(
    strings: ti.template(),
    rows: ti.template(),
    tree: ti.template(),
    work: ti.template(),
    ahead: ti.template(),
    env,
    row,
    step,
    element,
):
    """`lean`, of this evaluation or the next."""
    part = element // strings.pulls
    if part + ahead.parts < tree.substeps:
        lean(strings, rows, tree, work, env, row, part + ahead.parts, element - part * strings.pulls)


def lengths(strings: Strings | None, rows: Any, tree: Any, motion: Any, work: Any, ahead: Ahead) -> tuple[Stage, ...]:
    """How long strings are, and how that changes, in this evaluation or the next."""
    if strings is None:
        return ()
    return (
        Stage(run_on, (strings, rows, tree, motion, work, ahead), strings.straight),
        Stage(wind_on, (strings, rows, tree, motion, work, ahead), strings.wraps.count if strings.wraps else 0),
        Stage(lean_on, (strings, rows, tree, work, ahead), strings.pulls),
    )
