"""Links that are held to each other: MuJoCo's equalities connect and weld of two bodies, as rows (see `rows`).

With MuJoCo's law so is what is held to the world, which does not move.

Three rows are how far a point of the one is from a point of the other; of a weld three more are the sine of half the
angle by which the one is turned away from where the other has it, as of what is held to the world (see `holds`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.holds import turn_hold
from diffsim.physics.articulated.impedance import softness_of
from diffsim.physics.articulated.rotation import half_turned, half_turns, unpacked, vector_of
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import angular, linear

__all__ = ["Connections", "carried_by", "connected", "connections_of", "ends_of", "prepare", "stages"]

TINY = 1.0e-12


@dataclass(frozen=True)
class Connections:
    """Connections, first welds, and what moves both ends: fields (k,) of whole numbers, (env, hold) of numbers."""

    hold: Any  # (connection,) which hold it is
    row: Any  # (connection,) the first of its rows
    frame: Any  # (end,) link of each of two ends, or the world behind the frames
    carrier: Any  # (end,) the velocity that moves it last, or the world behind the velocities
    root: Any  # (end,) first link of its tree, or the world behind the frames
    end: Any  # (pull,) the end that a velocity moves; first those of welds
    freedom: Any  # (pull,) that velocity
    entry: Any  # (3 pull,) where that counts in each row of places
    twist_entry: Any  # (3 pull,) and in each row of turns; of welds
    anchor: Any  # [m]
    place: Any  # [m]
    orientation: Any  # of the first link in the frame of the second; None without welds, as all of turns
    lever: Any  # [m]
    turn: Any  # (env, hold) rotation of the orientation
    weight: Any  # [kg], [kg m^2]
    reference: Any
    impedance: Any
    arm: Any  # (env, row, substep end) of the end, from the point that everything is taken at [m]
    tilt: Any  # (env, row, substep weld) how its rows of turns go with the spin of the first link
    real: Any
    pulls: int
    count: int
    welds: int
    weld_pulls: int
    holds: int


def carried_by(parents: np.ndarray, carrier: int) -> list[int]:
    """A velocity and those before it; none of -1."""
    found, k = [], carrier
    while 0 <= k < len(parents):
        found.append(k)
        k = int(parents[k])
    return found


def connected(scene: Articulated) -> list[int]:
    """Holds that are rows, of two links or with MuJoCo's law all: first those that may not turn."""
    chosen = range(len(scene.holds)) if scene.contact_law == "mujoco" else scene.mutual_holds
    return sorted(chosen, key=lambda k: scene.holds[k].orientation is None)


def ends_of(scene: Articulated, k: int) -> tuple[int, int]:
    """Both links of a hold; -1 is the world."""
    names, hold = [link.name for link in scene.links], scene.holds[k]
    return names.index(hold.link), -1 if hold.other is None else names.index(hold.other)


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
    chosen = connected(scene)
    if not chosen:
        return None
    parents, world = np.array(tree.parents), tree.frames - 1
    ends = np.array([end for k in chosen for end in ends_of(scene, k)])
    carriers, roots = (np.array([*of, -1])[ends] for of in (tree.carriers, [each[-1] for each in scene.lineages]))
    pulls = [(end, freedom) for end in range(len(ends)) for freedom in carried_by(parents, int(carriers[end]))]
    welds = sum(scene.holds[k].orientation is not None for k in chosen)
    turning = [(end, freedom) for end, freedom in pulls if end < 2 * welds]
    second_row = first_row + 3 * len(chosen)

    def number(name: str, width: int = 0) -> Any:
        return fields.number(f"scene.hold_{name}", len(scene.holds), width)

    def entered(first: int, moved: list[tuple[int, int]]) -> Any:
        return fields.integers(np.array([entries[first + 3 * (e // 2) + c, f] for e, f in moved for c in range(3)]))

    return Connections(
        hold=fields.integers(np.array(chosen)),
        row=fields.integers(first_row + 3 * np.arange(len(chosen))),
        frame=fields.integers(np.where(ends < 0, world, ends)),
        carrier=fields.integers(np.where(carriers < 0, scene.freedoms, carriers)),
        root=fields.integers(np.where(carriers < 0, world, roots)),
        end=fields.integers(np.array([end for end, _ in pulls])),
        freedom=fields.integers(np.array([freedom for _, freedom in pulls])),
        entry=entered(first_row, pulls),
        twist_entry=entered(second_row, turning),
        anchor=number("anchor", 3),
        place=number("place", 3),
        orientation=number("orientation", 4) if welds else None,
        lever=number("lever") if welds else None,
        turn=fields.derived(len(scene.holds), 9, of=["scene.hold_orientation"]) if welds else None,
        weight=number("weight", 2),
        reference=number("reference", 2),
        impedance=number("impedance", 5),
        arm=fields.trajectory("connection_arm", scene.evaluations * len(ends), 3, recorded=False),
        tilt=fields.trajectory("connection_tilt", scene.evaluations * welds, 9, recorded=False) if welds else None,
        real=fields.real,
        pulls=len(pulls),
        count=len(chosen),
        welds=welds,
        weld_pulls=len(turning),
        holds=len(scene.holds),
    )


@ti.func
def apart_of(joined: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, which):
    """(4,) quaternion by which the first link of a weld would have to turn, in its frame."""
    one = unpacked(motion.rotation[env, row, part * tree.frames + joined.frame[2 * which]])
    other = unpacked(motion.rotation[env, row, part * tree.frames + joined.frame[2 * which + 1]])
    return half_turned(one.transpose() @ other @ unpacked(joined.turn[env, joined.hold[which]]))


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
    """Forces along the rows of a connection: how far the first point is from the second, in the world, and turned."""
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
    drift = rows.drift[env, row, at]
    sways = rows.drift[env, row, to]
    carried = linear(drift) + angular(drift).cross(first) + angular(speed).cross(velocity)
    carried -= linear(sways) + angular(sways).cross(second) + angular(pace).cross(leaves)
    off = here - there
    size = ti.sqrt(off.dot(off) + TINY * TINY)
    if ti.static(joined.welds > 0):
        if which < joined.welds:
            turned = joined.lever[env, k] * vector_of(apart_of(joined, tree, motion, env, row, part, which))
            size = ti.sqrt(off.dot(off) + turned.dot(turned) + TINY * TINY)
    soft = softness_of(size, joined.impedance[env, k], joined.reference[env, k], tree.dt)
    ask(
        rows,
        env,
        row,
        part,
        joined.row[which],
        -soft[0] * (velocity - leaves) - soft[1] * off - carried,
        joined.weight[env, k][0] * soft[2],
    )


@ti.func
def ask(rows: ti.template(), env, row, part, first, aim, weight):
    """Have three rows, of equalities, accelerate.

    Args:
        rows: record.
        env, row, part: where.
        first: of the rows.
        aim: (3,) acceleration.
        weight: force per acceleration that is lacking.
    """
    for c in ti.static(range(3)):
        if ti.static(rows.solved):
            tie = part * rows.ties + rows.equalities + first - rows.linked + c
            rows.aim[env, row, tie] = aim[c]
            rows.weight_of[env, row, tie] = weight
        else:
            rows.force[env, row, part * rows.rows + first + c] += weight * aim[c]
            rows.inertia[env, row, part * rows.rows + first + c] += weight


@ti.func
def keep_turned(
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
    """Forces along the rows of turns of a weld."""
    part = element // joined.welds
    which = element - part * joined.welds
    k = joined.hold[which]
    one = part * tree.frames + joined.frame[2 * which]
    other = part * tree.frames + joined.frame[2 * which + 1]
    back = unpacked(motion.rotation[env, row, one]).transpose()
    off = motion.position[env, row, one] + back.transpose() @ joined.anchor[env, k]
    off -= motion.position[env, row, other] + unpacked(motion.rotation[env, row, other]) @ joined.place[env, k]
    apart = apart_of(joined, tree, motion, env, row, part, which)
    lever = joined.lever[env, k]
    turned = lever * vector_of(apart)
    tilt = (-0.5 * lever) * (half_turns(apart) @ back)
    joined.tilt[env, row, element] = ti.Vector([tilt[i, j] for i in ti.static(range(3)) for j in ti.static(range(3))])
    at = part * tree.chains + joined.carrier[2 * which]
    to = part * tree.chains + joined.carrier[2 * which + 1]
    own = angular(work.speed[env, row, at])
    spin = own - angular(work.speed[env, row, to])
    # How the rates change beside the accelerations: by those of motion alone, with the frame, and of the quaternion.
    swings = angular(rows.drift[env, row, at]) - angular(rows.drift[env, row, to]) - own.cross(spin)
    carried = tilt @ swings - (0.25 * spin.dot(spin)) * turned
    size = ti.sqrt(off.dot(off) + turned.dot(turned) + TINY * TINY)
    soft = softness_of(size, joined.impedance[env, k], joined.reference[env, k], tree.dt)
    first = joined.row[0] + 3 * joined.count + 3 * which
    aim = -soft[0] * (tilt @ spin) - soft[1] * turned - carried
    ask(rows, env, row, part, first, aim, joined.weight[env, k][1] * soft[2])


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


@ti.func
def turn_against(
    joined: ti.template(), rows: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, element
):
    """How a velocity turns an end of a weld."""
    part = element // joined.weld_pulls
    pull = element - part * joined.weld_pulls
    end = joined.end[pull]
    axis = work.axis[env, row, part * tree.chains + joined.freedom[pull]]
    tilt = unpacked(joined.tilt[env, row, part * joined.welds + end // 2])
    moved = (1.0 - 2.0 * ti.cast(end % 2, tree.real)) * (tilt @ angular(axis))
    for c in ti.static(range(3)):
        rows.gradient[env, row, part * rows.entries + joined.twist_entry[3 * pull + c]] += moved[c]


def prepare(joined: Connections | None) -> tuple[Stage, ...]:
    """Stages before the first step."""
    return (Stage(turn_hold, (joined,), joined.holds),) if joined and joined.welds else ()


def stages(joined: Connections | None, rows: Any, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What connections do along their rows."""
    if joined is None:
        return ()
    records = (joined, rows, tree, motion, work)
    return (
        Stage(join, records, joined.count),
        Stage(keep_turned, records, joined.welds),
        Stage(lean_on, (joined, rows, tree, work), joined.pulls),
        Stage(turn_against, (joined, rows, tree, work), joined.weld_pulls),
    )
