"""Where corners meet boxes, and cylinders and ellipsoids planes.

Of two boxes the larger one says where out is: along that of its axes on which they overlap least (the separating axis
of its faces: Gottschalk, Lin & Manocha 1996, OBBTree, section 5). The corners of the other one's face that looks there
are moved sideways until they are over the larger one's face, along the plane of their own: the corners of the part that
both share, if the faces are parallel and their edges, too, also of bars that cross. At other angles the part is too
large by corners that only one of them has. Corners of meshes are not moved; beyond the edge of a box their force fades
out.
"""

import taichi as ti

from diffsim.physics.articulated.compliance import TINY, corner_of
from diffsim.physics.articulated.rotation import unpacked

__all__ = ["FADE", "meet_flat", "meet_point", "rim_of"]

FADE = 0.02
"""Over which part of the half diagonal of a box the force of a corner fades out beyond its edge."""

LEVEL = 1.0e-3
"""Sine of the tilt of an upright cylinder below which the points on its rim stay where they are; with MuJoCo's law
that is `Touch.upright`."""


@ti.func
def meet_point(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """A corner of the first geom, and the box that the second is or has around it."""
    part = element // touch.points
    pair = touch.rounds + touch.boxes + element - part * touch.points
    spot = touch.planes + pair
    a = touch.first[spot]
    b = touch.second[spot]
    store = part * touch.couples + pair
    frame = part * tree.frames + touch.frame[b]
    turned = unpacked(motion.rotation[env, row, frame])
    middle = motion.position[env, row, frame] + turned @ touch.geom_position[env, b]
    out_of = turned @ unpacked(touch.turn[env, b])
    own = part * tree.frames + touch.frame[a]
    carrying = unpacked(motion.rotation[env, row, own])
    centre = motion.position[env, row, own] + carrying @ touch.geom_position[env, a]
    between = out_of.transpose() @ (centre - middle)
    half = touch.geom_size[env, b]
    size = touch.geom_size[env, a]
    margin = touch.margin[env, spot]
    far = 3.0 * (half.dot(half) + size.dot(size) + margin * margin)
    if between.dot(between) < far:
        along = out_of.transpose() @ (carrying @ unpacked(touch.turn[env, a]))
        place = between + along @ (corner_of(touch, spot) * size)
        pick = least_overlap(between, along, size, half)
        sign = ti.Vector([2.0 * ti.cast(between[c] > 0.0, touch.real) - 1.0 for c in ti.static(range(3))])
        aside = (1.0 - pick) * (ti.min(ti.max(place, -half), half) - place)
        sharp = ti.cast(touch.sharp[a] == 1, touch.real)
        slope = slope_of(along, pick, aside, touch)
        outside = ti.sqrt(aside.dot(aside) + TINY) / (FADE * ti.sqrt(half.dot(half)))
        fade = ti.max(1.0 - outside, 0.0)
        met = place + sharp * (aside - slope * pick)
        height = (pick * sign * met).sum()
        deep = (pick * half).sum() - height + margin
        touch.overlap[env, row, store] = ti.Vector([deep, sharp + (1.0 - sharp) * fade * fade * (3.0 - 2.0 * fade)])
        touch.toward[env, row, store] = out_of @ (-pick * sign)
        touch.place_of[env, row, store] = middle + out_of @ met
        if ti.static(touch.held):
            still = ti.cast(touch.flat[b], touch.real)
            touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, (still - 1.0) * TINY])
    else:
        touch.overlap[env, row, store] = ti.Vector([-1.0e10, 0.0])
        touch.toward[env, row, store] = ti.Vector([0.0, 0.0, 1.0])
        touch.place_of[env, row, store] = ti.Vector([0.0, 0.0, 0.0])
        if ti.static(touch.held):
            touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0])


@ti.func
def least_overlap(between, along, size, half):
    """1 for the axis of a box along which it and another overlap least, 0 for the others.

    Args:
        between: (3,) from the box to the other, in the frame of the box [m].
        along: (3, 3) from the other's frame to the box's.
        size, half: half sizes of the other and of the box [m].
    """
    extent = ti.Vector([sum_of(along, size, c) for c in ti.static(range(3))])
    both = half + extent - ti.abs(between)
    first = ti.cast(both[0] <= ti.min(both[1], both[2]), ti.f32)
    second = (1.0 - first) * ti.cast(both[1] <= both[2], ti.f32)
    return ti.Vector([first, second, 1.0 - first - second])


@ti.func
def sum_of(along, size, c: ti.template()):
    return ti.abs(along[c, 0]) * size[0] + ti.abs(along[c, 1]) * size[1] + ti.abs(along[c, 2]) * size[2]


@ti.func
def slope_of(along, pick, aside, touch: ti.template()):
    """How far a plane sinks along an axis on the way aside: that of the other's face that looks along it most."""
    facing = ti.abs(pick @ along)
    first = ti.cast(facing[0] >= ti.max(facing[1], facing[2]), touch.real)
    second = (1.0 - first) * ti.cast(facing[1] >= facing[2], touch.real)
    normal = along @ ti.Vector([first, second, 1.0 - first - second])
    return normal.dot(aside) / normal.dot(pick)


@ti.func
def meet_flat(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """A point of a cylinder's rim, or the lowest one of an ellipsoid, over a plane.

    Of a rim it is the lowest point, and those a third of a turn from there: so it stands on three, lies on two, rolls
    on one or two.
    """
    part = element // touch.flats
    pair = touch.rounds + touch.boxes + touch.points + element - part * touch.flats
    spot = touch.planes + pair
    a = touch.first[spot]
    b = touch.second[spot]
    store = part * touch.couples + pair
    frame = part * tree.frames + touch.frame[b]
    turned = unpacked(motion.rotation[env, row, frame])
    centre = motion.position[env, row, frame] + turned @ touch.geom_position[env, b]
    along = turned @ unpacked(touch.turn[env, b])
    plane = touch.turn[env, a]
    normal = ti.Vector([plane[2], plane[5], plane[8]])
    size = touch.geom_size[env, b]
    tube = ti.cast(touch.tube[b] == 1, touch.real)
    # Of an ellipsoid with half sizes s: -s^2 m / |s m|, m the normal in its frame.
    own = along.transpose() @ normal
    scaled = size * own
    lowest = along @ (-(size * scaled) / ti.sqrt(scaled.dot(scaled) + TINY))
    out = tube * (along @ rim_of(touch, env, spot, own, size)) + (1.0 - tube) * lowest
    point = centre + out
    up = normal.dot(point - touch.geom_position[env, a])
    touch.overlap[env, row, store] = ti.Vector([touch.margin[env, spot] - up, 1.0])
    touch.toward[env, row, store] = normal
    # MuJoCo's law has it in the middle of what overlaps.
    touch.place_of[env, row, store] = point - ti.static(0.5 if touch.soft else 0.0) * up * normal
    if ti.static(touch.held):
        tilt = ti.sqrt(own[0] * own[0] + own[1] * own[1] + TINY)
        upwards = tube * size[0] * tilt - (1.0 - tube) * normal.dot(lowest)
        touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, upwards])


@ti.func
def rim_of(touch: ti.template(), env, spot, own, size):
    """(3,) from the centre of a cylinder to a point of its rim, in its own frame [m].

    Args:
        touch, env, spot: which.
        own: (3,) the plane's normal in its frame.
        size: radius and half length [m].
    """
    corner = corner_of(touch, spot)
    down = ti.Vector([LEVEL * own[2] * own[2] - own[0], -own[1]])
    if ti.static(touch.soft):
        stands = ti.cast(own[0] * own[0] + own[1] * own[1] < touch.upright * touch.upright, touch.real)
        down = ti.Vector([stands - (1.0 - stands) * own[0], (stands - 1.0) * own[1]])
    length = ti.sqrt(down.dot(down) + ti.static(0.0 if touch.soft else TINY))
    cosine = ti.static(1.5) * (1.0 - corner[0] * corner[0]) - ti.static(0.5)  # of 0 or a third of a turn
    sine = ti.static(0.75**0.5) * corner[0]
    x = size[0] / length * (cosine * down[0] - sine * down[1])
    y = size[0] / length * (sine * down[0] + cosine * down[1])
    return ti.Vector([x, y, corner[2] * size[1]])
