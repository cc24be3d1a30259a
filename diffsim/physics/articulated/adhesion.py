"""Adhesion: an actuator pulls a link towards all that it touches, along the normals of its contacts.

The force is shared equally among the contacts of the link, as MuJoCo's actuators of bodies share it (its documentation,
"actuator/adhesion"): what is nearer than margin and gap counts as a contact. How many there are is a switch: where a
contact begins or ends, the force jumps.

With MuJoCo's law, whether it counts is told at the start of a step. With the compliant law it counts for as much of the
step as it is near (`within_step.time_within`): so when a contact begins is in the motion and its gradient, and not only
in which step. One that fades out (`Touch.overlap`) is near for as much less. Of contacts that are near for shares
a1 <= a2 <= ... of a step all are near for a1, all but the first for a2 - a1, and so on, so they get of the force

    s1 = a1 / n,   s2 = s1 + (a2 - a1) / (n - 1),   ...
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics import contact
from diffsim.physics.articulated import pairs
from diffsim.physics.articulated.driving import Muscles, force_of
from diffsim.physics.articulated.integration import first_of, starts
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import angular, linear, spatial
from diffsim.physics.articulated.touch import Touch
from diffsim.physics.articulated.within_step import time_within

__all__ = ["Bonds", "bonds_of", "stages"]


@dataclass(frozen=True)
class Bonds:
    """What may stick: a spot and an actuator each, those over planes first. Fields (bond,) of whole numbers."""

    actuator: Any  # which
    spot: Any  # which
    member: Any  # the bonds of one actuator after those of another
    begin: Any  # (slot,) where those of an actuator that sticks begin in ``member``; then their number
    left: Any  # how many bonds of an actuator are left at a place of ``member``, with its own
    geom_gap: Any  # (env, geom) beyond the margin [m]; None without any
    pair_gap: Any  # (env, pair) [m]
    near: Any  # (env, row, substep bond) how much of a step it is a contact: 0 if it is too far
    order: Any  # (env, row, substep place of ``member``) bonds of an actuator, what is near for longest last
    share: Any  # (env, row, substep bond) of the force of its actuator
    found: Any  # (env, row, substep spot) how many stick there; None unless everything is recorded
    spots: int  # of all contacts
    planes: int  # bonds over planes
    couples: int  # of pairs
    slots: int  # actuators that stick
    gaps: bool  # whether anything sticks beyond its margin
    paired: bool  # whether pairs do
    real: Any  # the type of numbers


def bonds_of(scene: Articulated, fields: Fields) -> Bonds | None:
    """Declare the fields of adhesion; None if nothing sticks to anything."""
    links = [link.name for link in scene.links]
    sticking = [(k, links.index(each.link)) for k, each in enumerate(scene.actuators) if each.link is not None]
    spots = pairs.spots(scene) if sticking else ()
    found = [
        (k, slot, at)
        for at, spot in enumerate(spots)
        for slot, (k, link) in enumerate(sticking)
        if link in (scene.all_geoms[geom][0] for geom in spot.geoms)
    ]
    if not found:
        return None
    actuator, slot, spot = np.array(found).T
    counts = np.bincount(slot, minlength=len(sticking))
    begin = np.concatenate([[0], np.cumsum(counts)])
    planes = sum(spots[at].kind == "plane" for _, _, at in found)
    gaps, rows = pairs.has_gaps(scene), scene.evaluations
    return Bonds(
        actuator=fields.integers(actuator),
        spot=fields.integers(spot),
        member=fields.integers(np.argsort(slot, kind="stable")),
        begin=fields.integers(begin),
        left=fields.integers(np.repeat(begin[1:], counts) - np.arange(len(found))),
        geom_gap=fields.number("scene.geom_gap", len(scene.all_geoms)) if gaps else None,
        pair_gap=fields.number("scene.pair_gap", len(scene.pairs)) if gaps and scene.pairs else None,
        near=fields.trajectory("bond_near", rows * len(found), recorded=False),
        order=fields.decision(rows * len(found)),
        share=fields.trajectory("bond_share", rows * len(found), recorded=False),
        found=fields.trajectory("bonds", rows * len(spots), accumulates=True, per_step=True)
        if fields.record_all
        else None,
        spots=len(spots),
        planes=planes,
        couples=len(found) - planes,
        slots=len(sticking),
        gaps=gaps,
        paired=gaps and bool(scene.pairs),
        real=fields.real,
    )


@ti.func
def gap_of(bonds: ti.template(), touch: ti.template(), env, spot):
    """How far beyond the margin a spot still sticks [m]: both geoms' together, or that of their pair."""
    gap = ti.cast(0.0, bonds.real)
    if ti.static(bonds.gaps):
        gap = bonds.geom_gap[env, touch.first[spot]] + bonds.geom_gap[env, touch.second[spot]]
        if ti.static(bonds.paired):
            own = ti.cast(touch.pair[spot] >= 0, bonds.real)
            gap = (1.0 - own) * gap + own * bonds.pair_gap[env, ti.max(touch.pair[spot], 0)]
    return gap


@ti.func
def keep(bonds: ti.template(), touch: ti.template(), tree: ti.template(), env, row, part, bond, depth, rate, strength):
    """Say how much of a step a bond is near, by its depth within reach [m], and how fast that grows [m/s]."""
    count = ti.static(bonds.planes + bonds.couples)
    if ti.static(touch.soft):
        bonds.near[env, row, part * count + bond] = ti.cast(depth > 0.0, bonds.real) * strength
    else:
        if starts(tree, part) == 1:
            near = time_within(depth, rate, tree.dt, tree.turns > 1)
            bonds.near[env, row, part * count + bond] = near * strength
        else:
            bonds.near[env, row, part * count + bond] = bonds.near[env, row, first_of(tree, part) * count + bond]
    if ti.static(contact.recorded(bonds.found)):
        held = ti.cast(bonds.near[env, row, part * count + bond] > 0.0, bonds.real)
        bonds.found[env, row, part * bonds.spots + bonds.spot[bond]] += held


@ti.func
def find_over_plane(
    bonds: ti.template(),
    touch: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    element,
):
    """Whether a spot is near its plane."""
    part = element // bonds.planes
    bond = element - part * bonds.planes
    spot = bonds.spot[bond]
    link = touch.second_link[spot]
    last = tree.carrier[link]
    frame = part * tree.frames + link
    rotation = unpacked(motion.rotation[env, row, frame])
    place = motion.position[env, row, frame] + rotation @ touch.place[env, spot]
    normal = touch.normal[env, spot]
    depth = touch.reach[env, spot] + touch.height[env, spot] + gap_of(bonds, touch, env, spot) - normal.dot(place)
    speed = work.speed[env, row, part * tree.chains + last]
    arm = place - motion.position[env, row, part * tree.frames + tree.root[last]]
    rate = -normal.dot(linear(speed) + angular(speed).cross(arm))
    # Of a box only the corners below its middle touch, however deep it is.
    out = rotation @ (touch.place[env, spot] - touch.geom_position[env, touch.second[spot]])
    below = 1.0 - ti.cast(touch.sharp[touch.second[spot]] == 1 and normal.dot(out) > 0.0, bonds.real)
    keep(bonds, touch, tree, env, row, part, bond, depth, rate, below)


@ti.func
def find_pair(
    bonds: ti.template(),
    touch: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    element,
):
    """Whether the geoms of a pair are near each other."""
    part = element // bonds.couples
    bond = bonds.planes + element - part * bonds.couples
    spot = bonds.spot[bond]
    pair = part * touch.couples + spot - touch.planes
    overlap = touch.overlap[env, row, pair]
    a = touch.first[spot]
    b = touch.second[spot]
    point = touch.place_of[env, row, pair]
    speed = work.speed[env, row, part * tree.chains + touch.carrier[b]]
    against = work.speed[env, row, part * tree.chains + touch.carrier[a]]
    arm = point - motion.position[env, row, part * tree.frames + touch.root[b]]
    other_arm = point - motion.position[env, row, part * tree.frames + touch.root[a]]
    velocity = linear(speed) + angular(speed).cross(arm) - linear(against) - angular(against).cross(other_arm)
    rate = -touch.toward[env, row, pair].dot(velocity)
    keep(bonds, touch, tree, env, row, part, bond, overlap[0] + gap_of(bonds, touch, env, spot), rate, overlap[1])


@ti.func
def sort(bonds: ti.template(), env, row, step, element):
    """Put the bonds of an actuator in order: which ends first, or begins last."""
    part = element // bonds.slots
    slot = element - part * bonds.slots
    base = part * ti.static(bonds.planes + bonds.couples)
    first = bonds.begin[slot]
    for at in range(first, bonds.begin[slot + 1]):
        bond = bonds.member[at]
        near = bonds.near[env, row, base + bond]
        place, moves = at, True
        while moves:
            moves = False
            if place > first:
                before = bonds.order[env, row, base + place - 1]
                if bonds.near[env, row, base + before] > near:
                    bonds.order[env, row, base + place] = before
                    place -= 1
                    moves = True
        bonds.order[env, row, base + place] = bond


@ti.func
def share_out(bonds: ti.template(), env, row, step, element):
    """The share of a bond: as much as the one before it in the order, and of what it is near for longer."""
    count = ti.static(bonds.planes + bonds.couples)
    base = element // count * count
    at = element - base
    bond = bonds.order[env, row, element]
    left = bonds.left[at]
    if at > 0 and bonds.left[ti.max(at - 1, 0)] == left + 1:
        before = bonds.order[env, row, element - 1]
        longer = bonds.near[env, row, base + bond] - bonds.near[env, row, base + before]
        bonds.share[env, row, base + bond] = bonds.share[env, row, base + before] + longer / left
    else:
        bonds.share[env, row, base + bond] = bonds.near[env, row, base + bond] / left


@ti.func
def force_on(bonds: ti.template(), muscles: ti.template(), motion: ti.template(), env, row, part, bond):
    """The force of a bond that holds [N]."""
    k = bonds.actuator[bond]
    share = bonds.share[env, row, part * ti.static(bonds.planes + bonds.couples) + bond]
    return share * muscles.gear[env, k] * force_of(muscles, motion, env, row, part, k, 0.0, 0.0)[0]


@ti.func
def stick_to_plane(
    bonds: ti.template(),
    muscles: ti.template(),
    touch: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    element,
):
    """Pull a spot to its plane."""
    part = element // bonds.planes
    bond = element - part * bonds.planes
    if bonds.near[env, row, part * ti.static(bonds.planes + bonds.couples) + bond] > 0.0:
        spot = bonds.spot[bond]
        link = touch.second_link[spot]
        last = tree.carrier[link]
        frame = part * tree.frames + link
        place = motion.position[env, row, frame] + unpacked(motion.rotation[env, row, frame]) @ touch.place[env, spot]
        arm = place - motion.position[env, row, part * tree.frames + tree.root[last]]
        pull = force_on(bonds, muscles, motion, env, row, part, bond) * touch.normal[env, spot]
        work.force[env, row, part * tree.chains + last] += spatial(arm.cross(pull), pull)


@ti.func
def stick_together(
    bonds: ti.template(),
    muscles: ti.template(),
    touch: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    element,
):
    """Pull the geoms of a pair together."""
    part = element // bonds.couples
    bond = bonds.planes + element - part * bonds.couples
    if bonds.near[env, row, part * ti.static(bonds.planes + bonds.couples) + bond] > 0.0:
        spot = bonds.spot[bond]
        pair = part * touch.couples + spot - touch.planes
        point = touch.place_of[env, row, pair]
        a = touch.first[spot]
        b = touch.second[spot]
        arm = point - motion.position[env, row, part * tree.frames + touch.root[b]]
        other_arm = point - motion.position[env, row, part * tree.frames + touch.root[a]]
        pull = force_on(bonds, muscles, motion, env, row, part, bond) * touch.toward[env, row, pair]
        work.force[env, row, part * tree.chains + touch.carrier[b]] += spatial(arm.cross(pull), pull)
        work.force[env, row, part * tree.chains + touch.carrier[a]] += -spatial(other_arm.cross(pull), pull)


def stages(bonds: Bonds | None, muscles: Muscles, touch: Touch, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What sticks in a substep; where pairs meet is known by then."""
    if bonds is None:
        return ()
    records = (bonds, muscles, touch, tree, motion, work)
    return (
        Stage(find_over_plane, (bonds, touch, tree, motion, work), bonds.planes),
        Stage(find_pair, (bonds, touch, tree, motion, work), bonds.couples),
        Stage(sort, (bonds,), bonds.slots, differentiable=False),
        Stage(share_out, (bonds,), bonds.planes + bonds.couples, ordered=True),
        Stage(stick_to_plane, records, bonds.planes),
        Stage(stick_together, records, bonds.couples),
    )
