"""Links that are held to each other at a point: MuJoCo's equality connect of two bodies, as three rows (see `rows`)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.impedance import softness_of
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import angular, linear

__all__ = ["Connections", "carried_by", "connections_of", "stages"]

TINY = 1.0e-12


@dataclass(frozen=True)
class Connections:
    """Connections, and what moves both ends: fields (k,) of whole numbers, (env, hold) of numbers."""

    hold: Any  # (connection,) which hold it is
    row: Any  # (connection,) the first of its rows
    frame: Any  # (end,) link of each of two ends
    carrier: Any  # (end,) the velocity that moves it last, or the world behind the velocities
    root: Any  # (end,) first link of its tree, or the world behind the frames
    end: Any  # (pull,) the end that a velocity moves
    freedom: Any  # (pull,) that velocity
    entry: Any  # (3 pull,) where that counts in each row
    anchor: Any  # [m]
    place: Any  # [m]
    weight: Any  # [kg]
    reference: Any
    impedance: Any
    arm: Any  # (env, row, substep end) of the end, from the point that everything is taken at [m]
    pulls: int
    count: int


def carried_by(parents: np.ndarray, carrier: int) -> list[int]:
    """A velocity and those before it; none of -1."""
    found, k = [], carrier
    while 0 <= k < len(parents):
        found.append(k)
        k = int(parents[k])
    return found


def connections_of(
    scene: Articulated, fields: Fields, tree: Any, first_row: int, entries: dict[tuple[int, int], int]
) -> Connections | None:
    """Declare the fields of connections; None without any.

    Args:
        scene: the robot.
        fields: where to declare.
        tree: its record.
        first_row: the first row of the first connection.
        entries: where a velocity counts in a row, by row and velocity.
    """
    chosen = [k for k, hold in enumerate(scene.holds) if hold.other is not None]
    if not chosen:
        return None
    names, parents = [link.name for link in scene.links], np.array(tree.parents)
    ends = np.array([names.index(name) for k in chosen for name in (scene.holds[k].link, scene.holds[k].other)])
    carriers, roots = np.array(tree.carriers)[ends], np.array([lineage[-1] for lineage in scene.lineages])[ends]
    pulls = [(end, freedom) for end in range(len(ends)) for freedom in carried_by(parents, int(carriers[end]))]

    def number(name: str, width: int) -> Any:
        return fields.number(f"scene.hold_{name}", len(scene.holds), width)

    return Connections(
        hold=fields.integers(np.array(chosen)),
        row=fields.integers(first_row + 3 * np.arange(len(chosen))),
        frame=fields.integers(ends),
        carrier=fields.integers(np.where(carriers < 0, scene.freedoms, carriers)),
        root=fields.integers(np.where(carriers < 0, tree.frames - 1, roots)),
        end=fields.integers(np.array([end for end, _ in pulls])),
        freedom=fields.integers(np.array([freedom for _, freedom in pulls])),
        entry=fields.integers(np.array([entries[first_row + 3 * (e // 2) + c, f] for e, f in pulls for c in range(3)])),
        anchor=number("anchor", 3),
        place=number("place", 3),
        weight=number("weight", 2),
        reference=number("reference", 2),
        impedance=number("impedance", 5),
        arm=fields.trajectory("connection_arm", scene.evaluations * len(ends), 3, recorded=False),
        pulls=len(pulls),
        count=len(chosen),
    )


@ti.func
def join(
    joined: ti.template(),
    rows: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    element,
):
    """Forces along the three rows of a connection: how far the first point is from the second, in the world."""
    part = element // joined.count
    which = element - part * joined.count
    k = joined.hold[which]
    one = part * tree.frames + joined.frame[2 * which]
    other = part * tree.frames + joined.frame[2 * which + 1]
    here = motion.position[env, row, one] + unpacked(motion.rotation[env, row, one]) @ joined.anchor[env, k]
    there = motion.position[env, row, other] + unpacked(motion.rotation[env, row, other]) @ joined.place[env, k]
    first = here - motion.position[env, row, part * tree.frames + joined.root[2 * which]]
    second = there - motion.position[env, row, part * tree.frames + joined.root[2 * which + 1]]
    joined.arm[env, row, 2 * element] = first
    joined.arm[env, row, 2 * element + 1] = second
    at = part * tree.chains + joined.carrier[2 * which]
    to = part * tree.chains + joined.carrier[2 * which + 1]
    speed = work.speed[env, row, at]
    pace = work.speed[env, row, to]
    velocity = linear(speed) + angular(speed).cross(first)
    leaves = linear(pace) + angular(pace).cross(second)
    # What the motion alone gives as an acceleration.
    drift = rows.system.drift[env, row, at]
    sways = rows.system.drift[env, row, to]
    carried = linear(drift) + angular(drift).cross(first) + angular(speed).cross(velocity)
    carried -= linear(sways) + angular(sways).cross(second) + angular(pace).cross(leaves)
    off = here - there
    size = ti.sqrt(off.dot(off) + TINY * TINY)
    soft = softness_of(size, joined.impedance[env, k], joined.reference[env, k], tree.dt)
    weight = joined.weight[env, k][0] * soft[2]
    force = -weight * (soft[0] * (velocity - leaves) + soft[1] * off + carried)
    for c in ti.static(range(3)):
        rows.force[env, row, part * rows.rows + joined.row[which] + c] += force[c]
        rows.inertia[env, row, part * rows.rows + joined.row[which] + c] += weight


@ti.func
def lean_on(
    joined: ti.template(), rows: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, element
):
    """How a velocity moves an end."""
    part = element // joined.pulls
    pull = element - part * joined.pulls
    end = joined.end[pull]
    axis = work.axis[env, row, part * tree.chains + joined.freedom[pull]]
    arm = joined.arm[env, row, 2 * part * joined.count + end]
    moved = (1.0 - 2.0 * ti.cast(end % 2, tree.real)) * (linear(axis) + angular(axis).cross(arm))
    for c in ti.static(range(3)):
        rows.gradient[env, row, part * rows.entries + joined.entry[3 * pull + c]] += moved[c]


def stages(joined: Connections | None, rows: Any, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What connections do along their rows."""
    if joined is None:
        return ()
    return (
        Stage(join, (joined, rows, tree, motion, work), joined.count),
        Stage(lean_on, (joined, rows, tree, work), joined.pulls),
    )
