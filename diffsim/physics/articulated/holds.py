"""What holds a link to a place of the world, or of a link that no joint moves: MuJoCo's equalities connect and weld.

With J the Jacobian of what is held (the rows r: how far the point is from its place, and the sine of half the angle by
which the link is turned), MuJoCo's soft constraint (its documentation, "Computation", section "Constraint model") gives
the force

    J^T (a_ref - a) / R

w the inertia at the point, a the second derivative of the rows (see `impedance`). As R is diagonal and the force
linear, it is an inertia J^T J / R of the link and a force, and nothing has to be iterated.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.impedance import softness_of
from diffsim.physics.articulated.rotation import (
    columns,
    half_turned,
    half_turns,
    nine,
    unit,
    unpacked,
    vector_of,
)
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import angular, inertia_at, linear, point_inertia, spatial

__all__ = ["Held", "held_of", "prepare", "stages", "turn_hold"]

TINY = 1.0e-12


@dataclass(frozen=True)
class Held:
    """Holds: fields (k,) of whole numbers, (env, k) of numbers."""

    which: Any  # (k,) holds to the world
    link: Any  # (hold,)
    other: Any  # (hold,) frame of the link that it is held to, or the world behind the frames
    turns: Any  # (hold,) 1 if the orientation is held, too
    anchor: Any  # (env, k) in the link's frame [m]
    place: Any  # (env, k) in that frame [m]
    orientation: Any  # (env, k) of the link in that frame
    weight: Any  # (env, k) inertia against shifts and turns [kg], [kg m^2]
    reference: Any  # (env, k) time constant [s] and damping ratio
    impedance: Any  # (env, k) MuJoCo's solimp
    lever: Any  # (env, k) length that turns are counted with [m]
    turn: Any  # (env, k) rotation of the orientation
    real: Any
    count: int  # to the world
    holds: int
    placed: bool  # whether there are any to such links


def held_of(scene: Articulated, fields: Fields, world: int) -> Held | None:
    """Declare the fields of holds; None without any, or where they are rows (see `connections`).

    Args:
        scene: the robot.
        fields: where to declare.
        world: its frame.
    """
    holds = scene.holds
    solved = scene.contact_law == "mujoco"
    alone = [] if solved else [k for k in range(len(holds)) if k not in scene.mutual_holds]
    if not alone:
        return None
    names = [link.name for link in scene.links]

    def number(name: str, width: int = 0) -> Any:
        return fields.number(f"scene.hold_{name}", len(holds), width)

    return Held(
        which=fields.integers(np.array(alone)),
        link=fields.integers(np.array([names.index(hold.link) for hold in holds])),
        other=fields.integers(np.array([world if hold.other is None else names.index(hold.other) for hold in holds])),
        turns=fields.integers(np.array([hold.orientation is not None for hold in holds])),
        anchor=number("anchor", 3),
        place=number("place", 3),
        orientation=number("orientation", 4),
        weight=number("weight", 2),
        reference=number("reference", 2),
        impedance=number("impedance", 5),
        lever=number("lever"),
        turn=fields.derived(len(holds), 9, of=["scene.hold_orientation"]),
        real=fields.real,
        count=len(alone),
        holds=len(holds),
        placed=any(holds[k].other is not None for k in alone),
    )


@ti.func
def turn_hold(held: ti.template(), env, row, step, k):
    """The rotation of a hold's orientation."""
    held.turn[env, k] = nine(columns(unit(held.orientation[env, k])))


@ti.func
def hold_link(
    held: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Force of a hold on its link, and the inertia that it adds."""
    part = element // held.count
    k = held.which[element - part * held.count]
    link = held.link[k]
    last = tree.carrier[link]
    at = part * tree.chains + last
    frame = part * tree.frames + link
    rotation = unpacked(motion.rotation[env, row, frame])
    point = motion.position[env, row, frame] + rotation @ held.anchor[env, k]
    arm = point - motion.position[env, row, part * tree.frames + tree.root[last]]
    place = held.place[env, k]
    wanted = unpacked(held.turn[env, k])
    if ti.static(held.placed):
        other = part * tree.frames + held.other[k]
        stands = unpacked(motion.rotation[env, row, other])
        place = motion.position[env, row, other] + stands @ place
        wanted = stands @ wanted
    off = point - place
    speed = work.speed[env, row, at]
    velocity = linear(speed) + angular(speed).cross(arm)
    # By what the link would have to turn, as a quaternion in its frame.
    back = rotation.transpose()
    apart = half_turned(back @ wanted)
    turning = ti.cast(held.turns[k] == 1, held.real) * held.lever[env, k]
    rows = (-0.5 * turning) * (half_turns(apart) @ back)
    turned = turning * vector_of(apart)
    size = ti.sqrt(off.dot(off) + turned.dot(turned) + TINY * TINY)
    soft = softness_of(size, held.impedance[env, k], held.reference[env, k], tree.dt)
    weight = held.weight[env, k] * soft[2]
    # How the rows' rates change beside the spatial acceleration: of the point, and of the quaternion.
    spin = angular(speed)
    carried = spin.cross(velocity)
    bent = (-0.25 * spin.dot(spin)) * turned
    force = -weight[0] * (soft[0] * velocity + soft[1] * off + carried)
    torque = -weight[1] * (rows.transpose() @ (soft[0] * (rows @ spin) + soft[1] * turned + bent))
    work.inertia[env, row, at] += point_inertia(weight[0], arm)
    work.inertia[env, row, at] += inertia_at(0.0, weight[1] * (rows.transpose() @ rows), arm)
    work.force[env, row, at] += -spatial(arm.cross(force) + torque, force)


def prepare(held: Held | None) -> tuple[Stage, ...]:
    """Stages before the first step."""
    return (Stage(turn_hold, (held,), held.holds),) if held else ()


def stages(held: Held | None, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What adds holds to the forces of a substep."""
    if held is None:
        return ()
    return (Stage(hold_link, (held, tree, motion, work), held.count),)
