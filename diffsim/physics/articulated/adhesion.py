"""Adhesion: an actuator pulls a link towards all that it touches, along the normals of its contacts.

The force is shared equally among the contacts of the link, as MuJoCo's actuators of bodies share it (its documentation,
"actuator/adhesion"): what is nearer than margin and gap counts as a contact. One that fades out (`Touch.overlap`) has
as much less of it. How many there are is a switch: where a contact begins or ends, the force jumps.
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
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import spatial
from diffsim.physics.articulated.touch import Touch

__all__ = ["Bonds", "bonds_of", "stages"]


@dataclass(frozen=True)
class Bonds:
    """What may stick: a spot and an actuator each, those over planes first. Fields (bond,) of whole numbers."""

    actuator: Any  # which
    slot: Any  # which of those that stick
    spot: Any  # which
    geom_gap: Any  # (env, geom) beyond the margin [m]; None without any
    pair_gap: Any  # (env, pair) [m]
    near: Any  # (env, row, substep bond) how much of a contact it is: 0 if it is too far
    whole: Any  # (env, row, substep slot) sum of these
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
    planes = sum(spots[at].kind == "plane" for _, _, at in found)
    gaps, rows = pairs.has_gaps(scene), scene.evaluations
    return Bonds(
        actuator=fields.integers(actuator),
        slot=fields.integers(slot),
        spot=fields.integers(spot),
        geom_gap=fields.number("scene.geom_gap", len(scene.all_geoms)) if gaps else None,
        pair_gap=fields.number("scene.pair_gap", len(scene.pairs)) if gaps and scene.pairs else None,
        near=fields.trajectory("bond_near", rows * len(found), recorded=False),
        whole=fields.trajectory("bonds_of_link", rows * len(sticking), accumulates=True, recorded=False),
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
def count(bonds: ti.template(), env, row, part, bond, share):
    """Say how much of a contact a bond is."""
    bonds.near[env, row, part * ti.static(bonds.planes + bonds.couples) + bond] = share
    bonds.whole[env, row, part * bonds.slots + bonds.slot[bond]] += share
    if ti.static(contact.recorded(bonds.found)):
        bonds.found[env, row, part * bonds.spots + bonds.spot[bond]] += ti.cast(share > 0.0, bonds.real)


@ti.func
def find_over_plane(
    bonds: ti.template(), touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element
):
    """Whether a spot is near its plane."""
    part = element // bonds.planes
    bond = element - part * bonds.planes
    spot = bonds.spot[bond]
    frame = part * tree.frames + touch.second_link[spot]
    rotation = unpacked(motion.rotation[env, row, frame])
    place = motion.position[env, row, frame] + rotation @ touch.place[env, spot]
    normal = touch.normal[env, spot]
    far = normal.dot(place) - touch.reach[env, spot] - touch.height[env, spot] - gap_of(bonds, touch, env, spot)
    near = ti.cast(far < 0.0, bonds.real)
    # Of a box only the corners below its middle touch, however deep it is.
    out = rotation @ (touch.place[env, spot] - touch.geom_position[env, touch.second[spot]])
    near *= 1.0 - ti.cast(touch.sharp[touch.second[spot]] == 1 and normal.dot(out) > 0.0, bonds.real)
    count(bonds, env, row, part, bond, near)


@ti.func
def find_pair(bonds: ti.template(), touch: ti.template(), env, row, step, element):
    """Whether the geoms of a pair are near each other."""
    part = element // bonds.couples
    bond = bonds.planes + element - part * bonds.couples
    spot = bonds.spot[bond]
    overlap = touch.overlap[env, row, part * touch.couples + spot - touch.planes]
    near = ti.cast(overlap[0] + gap_of(bonds, touch, env, spot) > 0.0, bonds.real)
    count(bonds, env, row, part, bond, near * overlap[1])


@ti.func
def share_of(bonds: ti.template(), muscles: ti.template(), motion: ti.template(), env, row, part, bond):
    """The force of a bond that holds [N]."""
    k = bonds.actuator[bond]
    whole = bonds.whole[env, row, part * bonds.slots + bonds.slot[bond]]
    near = bonds.near[env, row, part * ti.static(bonds.planes + bonds.couples) + bond]
    return near / whole * muscles.gear[env, k] * force_of(muscles, motion, env, row, part, k, 0.0, 0.0)[0]


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
        pull = share_of(bonds, muscles, motion, env, row, part, bond) * touch.normal[env, spot]
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
        pull = share_of(bonds, muscles, motion, env, row, part, bond) * touch.toward[env, row, pair]
        work.force[env, row, part * tree.chains + touch.carrier[b]] += spatial(arm.cross(pull), pull)
        work.force[env, row, part * tree.chains + touch.carrier[a]] += -spatial(other_arm.cross(pull), pull)


def stages(bonds: Bonds | None, muscles: Muscles, touch: Touch, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What sticks in a substep; where pairs meet is known by then."""
    if bonds is None:
        return ()
    records = (bonds, muscles, touch, tree, motion, work)
    return (
        Stage(find_over_plane, (bonds, touch, tree, motion), bonds.planes),
        Stage(find_pair, (bonds, touch), bonds.couples),
        Stage(stick_to_plane, records, bonds.planes),
        Stage(stick_together, records, bonds.couples),
    )
