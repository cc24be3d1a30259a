"""Spatial tendons: strings through sites, as rows (see `rows`)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.connections import carried_by
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import angular, linear

__all__ = ["Strings", "following", "lengths", "moved_by", "strings_of"]

TINY = 1.0e-12
"""Added to a squared distance [m^2]."""


@dataclass(frozen=True)
class Strings:
    """Segments of strings, and what moves their ends: fields (k,) of whole numbers."""

    site: Any  # (end,) of two ends of each segment
    frame: Any  # (end,) the link of the site, or the world behind the frames
    carrier: Any  # (end,) the velocity that moves it last, or the world behind the velocities
    root: Any  # (end,) first link of its tree, or the world behind the frames
    row: Any  # (segment,)
    end: Any  # (pull,) the end that a velocity moves
    freedom: Any  # (pull,) that velocity
    entry: Any  # (pull,) where that counts
    way: Any  # (env, row, substep segment) direction from the first end to the second
    arm: Any  # (env, row, substep end) of the end, from the point that everything is taken at [m]
    segments: int
    pulls: int


def moved_by(scene: Articulated, parents: np.ndarray, carriers: tuple[int, ...], site: str) -> list[int]:
    """Velocities that move a site."""
    owner, _ = scene.site(site)
    return carried_by(parents, carriers[owner] if owner >= 0 else -1)


def strings_of(scene: Articulated, fields: Fields, tree: Any, entries: dict[tuple[int, int], int]) -> Strings | None:
    """Declare the fields of strings; None without any.

    Args:
        scene: the robot.
        fields: where to declare.
        tree: its record.
        entries: where a velocity counts in a row, by row and velocity.
    """
    segments = [(row, ends) for row, each in enumerate(scene.tendons) for ends in pairwise(each.path)]
    if not segments:
        return None
    parents = np.array(tree.parents)
    ends = [name for _, names in segments for name in names]
    pulls = [
        (end, freedom, entries[segments[end // 2][0], freedom])
        for end, name in enumerate(ends)
        for freedom in moved_by(scene, parents, tree.carriers, name)
    ]
    index = [site.name for _, site in scene.all_sites]
    owners = np.array([scene.site(name)[0] for name in ends])
    still = (owners < 0) | (np.array(tree.carriers)[owners] < 0)
    roots = np.array([lineage[-1] for lineage in scene.lineages])
    world = (tree.frames - 1, scene.freedoms)

    def rows(name: str, elements: int) -> Any:
        return fields.trajectory(name, scene.evaluations * elements, 3, recorded=False)

    return Strings(
        site=fields.integers(np.array([index.index(name) for name in ends])),
        frame=fields.integers(np.where(owners < 0, world[0], owners)),
        carrier=fields.integers(np.where(still, world[1], np.array(tree.carriers)[owners])),
        root=fields.integers(np.where(still, world[0], roots[owners])),
        row=fields.integers(np.array([row for row, _ in segments])),
        end=fields.integers(np.array([end for end, _, _ in pulls])),
        freedom=fields.integers(np.array([freedom for _, freedom, _ in pulls])),
        entry=fields.integers(np.array([entry for _, _, entry in pulls])),
        way=rows("string_way", len(segments)),
        arm=rows("string_arm", 2 * len(segments)),
        segments=len(segments),
        pulls=len(pulls),
    )


@ti.func
def place_of(strings: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, end):
    """Where an end is."""
    frame = part * tree.frames + strings.frame[end]
    rotation = unpacked(motion.rotation[env, row, frame])
    return motion.position[env, row, frame] + rotation @ tree.site_position[env, strings.site[end]]


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
    """Length of a segment, and how fast it changes."""
    here = place_of(strings, tree, motion, env, row, part, 2 * segment)
    there = place_of(strings, tree, motion, env, row, part, 2 * segment + 1)
    apart = there - here
    span = ti.sqrt(apart.dot(apart) + TINY)
    way = apart / span
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
    rows.length[env, row, at] += span
    rows.rate[env, row, at] += way.dot(rate)


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
def run_first(
    strings: ti.template(),
    rows: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    k,
):
    run(strings, rows, tree, motion, work, env, row, 0, k)


@ti.func
def run_next(
    strings: ti.template(),
    rows: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    element,
):
    part = element // strings.segments
    if part + 1 < tree.substeps:
        run(strings, rows, tree, motion, work, env, row, part + 1, element - part * strings.segments)


@ti.func
def lean_first(
    strings: ti.template(), rows: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, k
):
    lean(strings, rows, tree, work, env, row, 0, k)


@ti.func
def lean_next(
    strings: ti.template(), rows: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, element
):
    part = element // strings.pulls
    if part + 1 < tree.substeps:
        lean(strings, rows, tree, work, env, row, part + 1, element - part * strings.pulls)


def lengths(strings: Strings | None, rows: Any, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """How long strings are, and how that changes."""
    if strings is None:
        return ()
    return (
        Stage(run_first, (strings, rows, tree, motion, work), strings.segments),
        Stage(lean_first, (strings, rows, tree, work), strings.pulls),
    )


def following(strings: Strings | None, rows: Any, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """The same for the next substep."""
    if strings is None:
        return ()
    return (
        Stage(run_next, (strings, rows, tree, motion, work), strings.segments),
        Stage(lean_next, (strings, rows, tree, work), strings.pulls),
    )
