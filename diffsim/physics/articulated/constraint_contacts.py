"""Contacts as MuJoCo's constraints: where they are, how they would have to accelerate, and what they push with.

A contact is at the middle between both surfaces, with a normal from the first geom to the second and two tangents, the
first of them along a capsule that is on a plane. With r the distance, v the velocity there and d the impedance
(`impedance`), the normal is to accelerate with -b v - k d r, the tangents with -b v. The regulariser of a pyramid's
edges is R = 2 mu^2 (1 + mu^2) (1 - d) / d / m, 1 / m the sum of both links' mobilities (MuJoCo's ``body_invweight0``).
"""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.articulated.constraint_cones import edges_of, push_of
from diffsim.physics.articulated.impedance import impedance_at
from diffsim.physics.articulated.integration import starts
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.spatial import angular, linear, spatial

__all__ = [
    "approach_pair",
    "approach_plane",
    "mix_softness",
    "pull_of",
    "push_spot",
    "record_spot",
    "shape_of",
    "spread_rest",
]

SLIPPERIEST = 1.0e-5
"""MuJoCo's least coefficient of friction (mjMINMU)."""

UPRIGHT = 1.0e-20
"""Squared sine between the axis of a capsule and a normal below which the tangent is another."""

FAR = 1.0e10
"""Farther than anything that touches [m]."""

LEAST, MOST = 1.0e-4, 0.9999
"""MuJoCo's bounds of impedances (mjMINIMP, mjMAXIMP)."""


@ti.func
def shape_of(solimp):
    """solimp as MuJoCo takes it: within its bounds; of no width it is the mean of both ends."""
    least = ti.min(ti.max(solimp[0], LEAST), MOST)
    most = ti.min(ti.max(solimp[1], LEAST), MOST)
    none = ti.cast(solimp[2] <= 1.0e-15, ti.f32)
    mean = 0.5 * (least + most)
    return ti.Vector(
        [
            (1.0 - none) * least + none * mean,
            (1.0 - none) * most + none * mean,
            (1.0 - none) * solimp[2] + none,
            ti.min(ti.max(solimp[3], LEAST), MOST),
            ti.max(solimp[4], 1.0),
        ]
    )


@ti.func
def pull_of(solref, most, dt):
    """b and k of a reference acceleration.

    Args:
        solref: time constant [s] and damping ratio, or minus stiffness and damping per mass.
        most: largest impedance.
        dt: of a step [s]; no time constant is less than two of them.
    """
    direct = ti.cast(solref[0] <= 0.0, ti.f32)
    time = ti.max(solref[0], 2.0 * dt)
    ratio = (1.0 - direct) * solref[1] + direct
    both = ti.Vector([2.0 / (most * time), 1.0 / (most * time * ratio) ** 2])
    return (1.0 - direct) * both - direct * ti.Vector([solref[1] / most, solref[0] / (most * most)])


@ti.func
def mix_softness(con: ti.template(), touch: ti.template(), tree: ti.template(), env, row, step, spot):
    """How soft a contact is: of both geoms, of the one with more priority, or of their pair."""
    a = touch.first[spot]
    b = touch.second[spot]
    whole = con.solmix[env, a] + con.solmix[env, b]
    none = ti.cast(whole <= 0.0, con.real)
    share = (con.solmix[env, a] + 0.5 * none) / (whole + none)
    share = share * ti.cast(touch.prior[spot] == 0, con.real) + ti.cast(touch.prior[spot] == 1, con.real)
    alone = ti.cast(touch.prior[spot] > 0, con.real)
    direct = ti.cast(ti.min(con.solref[env, a][0], con.solref[env, b][0]) <= 0.0, con.real) * (1.0 - alone)
    solref = share * con.solref[env, a] + (1.0 - share) * con.solref[env, b]
    solref = (1.0 - direct) * solref + direct * ti.min(con.solref[env, a], con.solref[env, b])
    solimp = share * con.solimp[env, a] + (1.0 - share) * con.solimp[env, b]
    if ti.static(touch.paired):
        own = ti.cast(touch.pair[spot] >= 0, con.real)
        pair = ti.max(touch.pair[spot], 0)
        solref = (1.0 - own) * solref + own * con.pair_solref[env, pair]
        solimp = (1.0 - own) * solimp + own * con.pair_solimp[env, pair]
    shape = shape_of(solimp)
    con.shape[env, spot] = shape
    con.pull[env, spot] = pull_of(solref, shape[1], tree.dt)
    first = ti.cast(con.owner[a] < tree.links, con.real) * con.link_mobility[env, ti.min(con.owner[a], tree.links - 1)]
    other = ti.cast(con.owner[b] < tree.links, con.real) * con.link_mobility[env, ti.min(con.owner[b], tree.links - 1)]
    con.lightness[env, spot] = first[0] + other[0]
    slide = ti.max(touch.grip[env, spot], SLIPPERIEST)
    if ti.static(con.width > 3):
        twist = touch.twist_grip[env, spot]
        turning = ti.max(twist[0], SLIPPERIEST)
        rolling = ti.max(twist[1], SLIPPERIEST)
        con.grip[env, spot] = ti.Vector([slide, slide, turning, rolling, rolling])
    else:
        con.grip[env, spot] = ti.Vector([slide, slide])


@ti.func
def tangent_of(normal, wanted, aligned):
    """A unit tangent: along ``wanted`` if it is ``aligned`` and that is not along the normal, else MuJoCo's choice."""
    along = wanted - normal.dot(wanted) * normal
    some = ti.cast(ti.abs(normal[1]) < 0.5, ti.f32)
    other = ti.Vector([0.0 * normal[0], some, 1.0 - some])
    if aligned == 1:
        if along.dot(along) > UPRIGHT:
            other = wanted
        else:
            other = ti.Vector([1.0 + 0.0 * normal[0], 0.0, 0.0])
    across = other - normal.dot(other) * normal
    return across / ti.sqrt(across.dot(across) + UPRIGHT)


@ti.func
def joined(con: ti.template(), shifts, turns):
    """Shifts along the axes of a contact, and turns about them if there is friction against these."""
    found = ti.Vector.zero(con.real, con.width)
    for c in ti.static(range(3)):
        found[c] = shifts[c]
    for c in ti.static(range(con.width - 3)):
        found[c + 3] = turns[c]
    return found


@ti.func
def approach(
    con: ti.template(),
    touch: ti.template(),
    tree: ti.template(),
    work: ti.template(),
    env,
    row,
    store,
    spot,
    at,
    other,
    arm,
    other_arm,
    normal,
    tangent,
    gap,
    strength,
):
    """What a contact asks for.

    Args:
        con, touch, tree, work: records.
        env, row, store, spot: which, and where it is stored.
        at, other: velocities that move the second geom and the first.
        arm, other_arm: (3,) of the contact from where the trees of both are taken at [m].
        normal, tangent: (3,) of the contact, the normal towards the second geom.
        gap: distance less the margin [m].
        strength: share of 1 / R, from 0 to 1, of what fades out.
    """
    side = normal.cross(tangent)
    con.arm[env, row, store] = arm
    con.other_arm[env, row, store] = other_arm
    con.frame[env, row, store] = ti.Vector(
        [normal[0], normal[1], normal[2], tangent[0], tangent[1], tangent[2], side[0], side[1], side[2]]
    )
    second = work.speed[env, row, at]
    first = work.speed[env, row, other]
    velocity = linear(second) + angular(second).cross(arm) - linear(first) - angular(first).cross(other_arm)
    pull = con.pull[env, spot]
    given = impedance_at(-gap, con.shape[env, spot])
    rates = ti.Vector([normal.dot(velocity), tangent.dot(velocity), side.dot(velocity)])
    wanted = ti.Vector([pull[1] * given * gap, 0.0 * gap, 0.0 * gap])
    spin = angular(second) - angular(first)
    turns = ti.Vector([normal.dot(spin), tangent.dot(spin), side.dot(spin)])
    con.aim[env, row, store] = -pull[0] * joined(con, rates, turns) - joined(con, wanted, 0.0 * turns)
    square = con.grip[env, spot][0] * con.grip[env, spot][0]
    rough = ti.cast(con.condim[spot] > 1, con.real)
    softer = 1.0 + 0.0 * square
    if ti.static(not con.elliptic):
        softer = rough * (2.0 / con.impratio * square * (1.0 + square)) + 1.0 - rough
    con.weight[env, row, store] = strength * given / ((1.0 - given) * softer * con.lightness[env, spot])


@ti.func
def approach_plane(
    con: ti.template(),
    touch: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    element,
):
    """A spot over a plane."""
    part = element // touch.planes
    spot = element - part * touch.planes
    link = touch.second_link[spot]
    last = tree.carrier[link]
    frame = part * tree.frames + link
    normal = touch.normal[env, spot]
    rotation = unpacked(motion.rotation[env, row, frame])
    place = motion.position[env, row, frame] + rotation @ touch.place[env, spot]
    gap = normal.dot(place) - touch.reach[env, spot] - touch.height[env, spot]
    # Of a box only the four corners below its middle touch, however deep it is.
    out = rotation @ (touch.place[env, spot] - touch.geom_position[env, touch.second[spot]])
    gap += FAR * ti.cast(touch.sharp[touch.second[spot]] == 1 and normal.dot(out) > 0.0, con.real)
    store = part * touch.spots + spot
    con.gap[env, row, store] = gap
    distance = gap + touch.margin[env, spot]
    point = place - (touch.reach[env, spot] + 0.5 * distance) * normal
    if part == 0:
        touch.contact_point[env, row, spot] = point
    if gap < 0.0:
        turn = touch.turn[env, touch.second[spot]]
        axis = rotation @ ti.Vector([turn[2], turn[5], turn[8]])
        arm = point - motion.position[env, row, part * tree.frames + tree.root[last]]
        approach(
            con,
            touch,
            tree,
            work,
            env,
            row,
            store,
            spot,
            part * tree.chains + last,
            part * tree.chains + tree.freedoms,
            arm,
            arm,
            normal,
            tangent_of(normal, axis, con.aligned[spot]),
            gap,
            1.0,
        )


@ti.func
def approach_pair(
    con: ti.template(),
    touch: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    step,
    element,
):
    """A spot of a pair."""
    part = element // touch.couples
    spot = touch.planes + element - part * touch.couples
    store = part * touch.spots + spot
    a = touch.first[spot]
    b = touch.second[spot]
    overlap = touch.overlap[env, row, element]
    gap = -overlap[0]
    con.gap[env, row, store] = gap
    point = touch.place_of[env, row, element]
    if part == 0:
        touch.contact_point[env, row, spot] = point
    if gap < 0.0:
        normal = touch.toward[env, row, element]
        approach(
            con,
            touch,
            tree,
            work,
            env,
            row,
            store,
            spot,
            part * tree.chains + touch.carrier[b],
            part * tree.chains + touch.carrier[a],
            point - motion.position[env, row, part * tree.frames + touch.root[b]],
            point - motion.position[env, row, part * tree.frames + touch.root[a]],
            normal,
            tangent_of(normal, normal, 0),
            gap,
            overlap[1],
        )


@ti.func
def off_by(con: ti.template(), touch: ti.template(), tree: ti.template(), rates: ti.template(), env, row, store, spot):
    """How far the acceleration of a contact is from its reference, given spatial accelerations without drift."""
    part = store // touch.spots
    second = rates[env, row, part * tree.chains + touch.carrier[touch.second[spot]]]
    first = rates[env, row, part * tree.chains + touch.carrier[touch.first[spot]]]
    arm = con.arm[env, row, store]
    other_arm = con.other_arm[env, row, store]
    change = linear(second) + angular(second).cross(arm) - linear(first) - angular(first).cross(other_arm)
    axes = unpacked(con.frame[env, row, store])
    turns = axes @ (angular(second) - angular(first))
    return joined(con, axes @ change, turns) - con.aim[env, row, store]


@ti.func
def push_spot(con: ti.template(), touch: ti.template(), tree: ti.template(), env, row, step, element):
    """What a contact pushes with at the acceleration that was decided."""
    part = element // touch.spots
    spot = element - part * touch.spots
    if con.gap[env, row, element] < 0.0:
        x = off_by(con, touch, tree, con.pure, env, row, element, spot)
        dims = con.condim[spot]
        push = push_of(con, x, con.grip[env, spot], con.weight[env, row, element], dims)
        axes = unpacked(con.frame[env, row, element])
        force = axes.transpose() @ ti.Vector([push[0], push[1], push[2]])
        arm = con.arm[env, row, element]
        other_arm = con.other_arm[env, row, element]
        at = part * tree.chains + touch.carrier[touch.second[spot]]
        other = part * tree.chains + touch.carrier[touch.first[spot]]
        turn = arm.cross(force)
        against = other_arm.cross(force)
        if ti.static(con.width == 6):
            torque = axes.transpose() @ ti.Vector([push[3], push[4], push[5]])
            con.reply[env, row, at] += spatial(turn + torque, force)
            con.reply[env, row, other] += -spatial(against + torque, force)
        else:
            con.reply[env, row, at] += spatial(turn, force)
            con.reply[env, row, other] += -spatial(against, force)
        if ti.static(contact.recorded(con.branch)):
            contact.mark(touch.contact, env, row, element, contact.MEETS)
            edges = edges_of(con, x, con.grip[env, spot], con.weight[env, row, element], dims)
            con.branch[env, row, element] += ti.cast(edges, con.real)


@ti.func
def spread_rest(con: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, element):
    """Spatial accelerations by the solution, without drift: of the world first."""
    part = element // tree.chains
    k = element - part * tree.chains - 1
    if k < 0:
        con.moved[env, row, part * tree.chains + tree.freedoms] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    else:
        at = part * tree.chains + k
        before = con.moved[env, row, part * tree.chains + tree.parent[k]]
        con.moved[env, row, at] = before + con.rate[env, row, part * tree.freedoms + k] * work.axis[env, row, at]


@ti.func
def record_spot(con: ti.template(), touch: ti.template(), tree: ti.template(), env, row, step, element):
    """The force of a contact on its second geom."""
    part = element // touch.spots
    spot = element - part * touch.spots
    if con.gap[env, row, element] < 0.0 and starts(tree, part) == 1:
        x = off_by(con, touch, tree, con.moved, env, row, element, spot)
        push = push_of(con, x, con.grip[env, spot], con.weight[env, row, element], con.condim[spot])
        force = unpacked(con.frame[env, row, element]).transpose() @ ti.Vector([push[0], push[1], push[2]])
        touch.contact_force[env, row, spot] += (tree.turns / tree.substeps) * force
