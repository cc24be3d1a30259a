"""Contacts of pairs: what is round against each other and boxes, corners against boxes, what rolls against planes.

First the geometry of every pair (that of corners, cylinders and ellipsoids is in `touching_corners`), then what follows
from it: see `compliance`.
"""

from typing import Any

import taichi as ti

from diffsim.engine.stages import Stage
from diffsim.physics.articulated import height_fields
from diffsim.physics.articulated.compliance import TINY, bear_plane, corner_of, press, push, yield_to, yielded
from diffsim.physics.articulated.contact_masses import bear
from diffsim.physics.articulated.integration import first_of, starts
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.spatial import angular, linear, spatial
from diffsim.physics.articulated.touch import Touch
from diffsim.physics.articulated.touching_cans import meet_can
from diffsim.physics.articulated.touching_convex import bulging
from diffsim.physics.articulated.touching_corners import meet_flat, meet_point
from diffsim.physics.articulated.touching_tubes import meet_tube
from diffsim.physics.articulated.turning_normals import bent_by, carry_over, lies_flat
from diffsim.physics.articulated.twisting import unshifted

__all__ = ["meetings", "record", "stages"]


@ti.func
def put_geom(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """Centre and axis of a sphere or capsule in the world."""
    part = element // touch.geoms
    geom = element - part * touch.geoms
    if touch.round[geom] == 1:
        frame = part * tree.frames + touch.frame[geom]
        rotation = unpacked(motion.rotation[env, row, frame])
        turn = touch.turn[env, geom]
        half = ti.cast(touch.long[geom], touch.real) * touch.geom_size[env, geom][1]
        touch.centre[env, row, element] = motion.position[env, row, frame] + rotation @ touch.geom_position[env, geom]
        touch.axis[env, row, element] = rotation @ (half * ti.Vector([turn[2], turn[5], turn[8]]))


@ti.func
def clamped(x):
    """Within -1 and 1."""
    return ti.min(ti.max(x, -1.0), 1.0)


@ti.func
def nearest(touch: ti.template(), along, other, between):
    """Where two segments are nearest, from -1 to 1 on each: Ericson 2005, Real-Time Collision Detection, section 5.1.9.

    Args:
        along, other: (3,) from the middle of each to its end [m]; zero for a point.
        between: (3,) from the middle of the second to that of the first [m].
    """
    short = touch.short
    a = along.dot(along) + short
    b = along.dot(other)
    e = other.dot(other) + short
    c = along.dot(between)
    f = other.dot(between)
    s = clamped((b * f - c * e) / (a * e * (1.0 + touch.parallel) - b * b))
    t = clamped((b * s + f) / e)
    return ti.Vector([clamped((b * t - c) / a), t])


@ti.func
def meet_round(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """Two spheres or capsules."""
    part = element // touch.rounds
    pair = element - part * touch.rounds
    a = touch.first[touch.planes + pair]
    b = touch.second[touch.planes + pair]
    along = touch.axis[env, row, part * touch.geoms + a]
    other = touch.axis[env, row, part * touch.geoms + b]
    centre = touch.centre[env, row, part * touch.geoms + a]
    between = centre - touch.centre[env, row, part * touch.geoms + b]
    radius = touch.geom_size[env, a][0]
    reach = radius + touch.geom_size[env, b][0]
    near = reach + touch.margin[env, touch.planes + pair]
    store = part * touch.couples + pair
    # Spheres around both: what is farther apart has nothing to do with each other.
    if between.dot(between) < 3.0 * (along.dot(along) + other.dot(other) + 4.0 * near * near):
        at = nearest(touch, along, other, between)
        apart = at[1] * other - between - at[0] * along
        distance = ti.sqrt(apart.dot(apart) + TINY)
        normal = apart / distance
        touch.overlap[env, row, store] = ti.Vector([near - distance, 1.0])
        touch.toward[env, row, store] = normal
        to_point = radius - 0.5 * (reach - distance)
        touch.place_of[env, row, store] = centre + at[0] * along + to_point * normal
        if ti.static(touch.held):
            swapped = ti.cast(moved_side(touch, touch.planes + pair), touch.real)
            still = swapped * other + (1.0 - swapped) * along
            between_ends = ti.cast(ti.abs(swapped * at[1] + (1.0 - swapped) * at[0]) < 1.0, touch.real)
            ridge = between_ends / ti.sqrt(still.dot(still) + TINY) * still
            out = swapped * to_point + (1.0 - swapped) * (distance - to_point)
            touch.bend[env, row, store] = ti.Vector([ridge[0], ridge[1], ridge[2], 1.0 / distance, out])
    else:
        miss(touch, env, row, store)


@ti.func
def miss(touch: ti.template(), env, row, store):
    touch.overlap[env, row, store] = ti.Vector([-1.0e10, 0.0])
    touch.toward[env, row, store] = ti.Vector([0.0, 0.0, 1.0])
    touch.place_of[env, row, store] = ti.Vector([0.0, 0.0, 0.0])
    if ti.static(touch.held):
        touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0])


@ti.func
def into(place, half):
    """The nearest point of a box, in its own frame."""
    return ti.min(ti.max(place, -half), half)


@ti.func
def nearer(touch: ti.template(), t, centre, axis, half):
    """A point of a capsule's axis that is nearer to a box: onto the box, and back onto the axis."""
    aim = into(centre + t * axis, half) - centre
    return clamped(axis.dot(aim) / (axis.dot(axis) + touch.short))


@ti.func
def meet_box(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """A point of a sphere or capsule, and a box: an end, or the point between that is nearest.

    The point between fades out within a radius of the ends, which are spots of their own.
    """
    part = element // touch.boxes
    pair = touch.rounds + element - part * touch.boxes
    spot = touch.planes + pair
    a = touch.first[spot]
    b = touch.second[spot]
    frame = part * tree.frames + touch.frame[b]
    turned = unpacked(motion.rotation[env, row, frame])
    middle = motion.position[env, row, frame] + turned @ touch.geom_position[env, b]
    out_of = turned @ unpacked(touch.turn[env, b])
    back = out_of.transpose()
    centre = back @ (touch.centre[env, row, part * touch.geoms + a] - middle)
    axis = back @ touch.axis[env, row, part * touch.geoms + a]
    half = touch.geom_size[env, b]
    reach = touch.geom_size[env, a][0] + touch.margin[env, spot]
    store = part * touch.couples + pair
    if centre.dot(centre) < 3.0 * (half.dot(half) + axis.dot(axis) + 4.0 * reach * reach):
        end = corner_of(touch, spot)[2]
        between = (1.0 - end * end) * (1.0 - ti.cast(touch.pointed[spot], touch.real))
        first = nearer(touch, nearer(touch, 0.0, centre, axis, half), centre, axis, half)
        t = end + between * nearer(touch, nearer(touch, first, centre, axis, half), centre, axis, half)
        inside = ti.min((1.0 - ti.abs(t)) * ti.sqrt(axis.dot(axis) + TINY) / touch.geom_size[env, a][0], 1.0)
        strength = 1.0 - between * (1.0 - inside * inside * (3.0 - 2.0 * inside))
        place = centre + t * axis
        face = into(place, half)
        apart = place - face
        sides = half - ti.abs(place)
        least = ti.min(sides[0], ti.min(sides[1], sides[2]))
        if least <= 0.0:
            distance = ti.sqrt(apart.dot(apart) + TINY)
            touch.overlap[env, row, store] = ti.Vector([reach - distance, strength])
            touch.toward[env, row, store] = out_of @ (-apart / distance)
            # MuJoCo's law has it in the middle of what overlaps.
            deep = ti.static(0.5 if touch.soft else 0.0) * (touch.geom_size[env, a][0] - distance)
            touch.place_of[env, row, store] = middle + out_of @ (face - (deep / distance) * apart)
            if ti.static(touch.held):
                swapped = ti.cast(moved_side(touch, spot), touch.real)
                free = ti.Vector([ti.cast(sides[c] > 0.0, touch.real) for c in ti.static(range(3))])
                count = free.sum()  # 2 over a face, 1 over an edge, 0 at a corner
                curved = swapped * ti.cast(count < 1.5, touch.real) / distance
                ridge = out_of @ (ti.cast(count > 0.5, touch.real) * free)
                out = (2.0 * swapped - 1.0) * distance
                touch.bend[env, row, store] = ti.Vector([ridge[0], ridge[1], ridge[2], curved, out])
        else:
            # Inside: out by the nearest face.
            pick = ti.Vector([ti.cast(sides[c] <= least, touch.real) for c in ti.static(range(3))])
            sign = ti.Vector([2.0 * ti.cast(place[c] > 0.0, touch.real) - 1.0 for c in ti.static(range(3))])
            touch.overlap[env, row, store] = ti.Vector([reach + least, strength])
            touch.toward[env, row, store] = out_of @ (-pick * sign)
            deep = ti.static(0.5 if touch.soft else 0.0) * (touch.geom_size[env, a][0] - least)
            touch.place_of[env, row, store] = middle + out_of @ (place - deep * pick * sign)
            if ti.static(touch.held):
                swapped = ti.cast(moved_side(touch, spot), touch.real)
                touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, (swapped - 1.0) * TINY])
    else:
        miss(touch, env, row, store)


@ti.func
def moved_side(touch: ti.template(), spot):
    """1 if the first geom of a pair is the one that is pushed, because the second does not move; else 0."""
    return touch.flat[touch.second[spot]]


@ti.func
def bear_pair(
    touch: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """What a spot of a pair has to bear, beside the others of its links."""
    part = element // touch.couples
    pair = element - part * touch.couples
    spot = touch.planes + pair
    overlap = touch.overlap[env, row, element]
    swapped = moved_side(touch, spot)
    a = swapped * touch.second[spot] + (1 - swapped) * touch.first[spot]
    b = swapped * touch.first[spot] + (1 - swapped) * touch.second[spot]
    normal = (1.0 - 2.0 * ti.cast(swapped, touch.real)) * touch.toward[env, row, element]
    point = touch.place_of[env, row, element]
    at = part * tree.chains + touch.carrier[b]
    other = part * tree.chains + touch.carrier[a]
    if starts(tree, part) == 1:
        arm = point - motion.position[env, row, part * tree.frames + touch.root[b]]
        other_arm = point - motion.position[env, row, part * tree.frames + touch.root[a]]
        speed = work.speed[env, row, at]
        against = work.speed[env, row, other]
        velocity = linear(speed) + angular(speed).cross(arm) - linear(against) - angular(against).cross(other_arm)
        both = ti.cast(touch.moving[spot], touch.real)
        rate = -normal.dot(velocity)
        bear(touch, tree, env, row, at, other, arm, other_arm, normal, overlap[0], rate, overlap[1], both)


@ti.func
def push_apart(
    touch: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Push the geoms of a pair apart."""
    part = element // touch.couples
    pair = element - part * touch.couples
    spot = touch.planes + pair
    swapped = moved_side(touch, spot)
    a = swapped * touch.second[spot] + (1 - swapped) * touch.first[spot]
    b = swapped * touch.first[spot] + (1 - swapped) * touch.second[spot]
    sign = 1.0 - 2.0 * ti.cast(swapped, touch.real)
    fixed = 1.0 - ti.cast(touch.moving[spot], touch.real)
    overlap = touch.overlap[env, row, element]
    normal = sign * touch.toward[env, row, element]
    point = touch.place_of[env, row, element]
    at = part * tree.chains + touch.carrier[b]
    other = part * tree.chains + touch.carrier[a]
    arm = point - motion.position[env, row, part * tree.frames + touch.root[b]]
    other_arm = point - motion.position[env, row, part * tree.frames + touch.root[a]]
    speed = work.speed[env, row, at]
    against = work.speed[env, row, other]
    velocity = linear(speed) + angular(speed).cross(arm) - linear(against) - angular(against).cross(other_arm)
    store = part * touch.spots + spot
    touch.arm[env, row, store] = arm
    carried = ti.Vector([0.0, 0.0, 0.0])
    bending = ti.cast(0.0, touch.real)
    if ti.static(touch.held):
        carried = carry_over(touch, env, row, element, speed, arm, normal)
    if ti.static(touch.flats + touch.lands > 0):
        if touch.oval[b] == 1 and lies_flat(touch, pair) == 1:
            bending = bent_by(touch, motion, env, row, part * tree.frames + touch.frame[b], element, b, speed, normal)
    if starts(tree, part) == 1:
        push(
            touch,
            tree,
            motion,
            work,
            env,
            row,
            part,
            store,
            spot,
            b,
            a,
            at,
            arm,
            normal,
            overlap[0],
            velocity,
            carried,
            bending,
            overlap[1],
            fixed,
            other,
            other_arm,
            True,
        )
    if ti.static(tree.turns > 1):
        if starts(tree, part) == 0:
            first = first_of(tree, part)
            total = touch.settled[env, row, first * touch.spots + spot]
            begun = touch.place_of[env, row, first * touch.couples + pair]
            mine = begun - motion.position[env, row, part * tree.frames + touch.root[b]]
            its = begun - motion.position[env, row, part * tree.frames + touch.root[a]]
            work.force[env, row, at] += -spatial(mine.cross(total), total)
            work.force[env, row, other] += spatial(its.cross(total), total)
            if ti.static(touch.twists):
                torque = unshifted(touch.twist[env, row, first * touch.spots + spot])
                work.force[env, row, at] += -torque
                work.force[env, row, other] += torque


@ti.func
def yield_apart(
    touch: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """What the force of a pair was in the end, on the second geom."""
    part = element // touch.couples
    spot = touch.planes + element - part * touch.couples
    swapped = moved_side(touch, spot)
    b = swapped * touch.first[spot] + (1 - swapped) * touch.second[spot]
    sign = 1.0 - 2.0 * ti.cast(swapped, touch.real)
    store = part * touch.spots + spot
    change = work.acceleration[env, row, part * tree.chains + touch.carrier[b]]
    normal = sign * touch.toward[env, row, element]
    total = yielded(touch, tree, env, row, store, touch.arm[env, row, store], normal, change)
    if starts(tree, part) == 1:
        touch.contact_force[env, row, spot] += (sign * tree.turns / tree.substeps) * total
    if ti.static(tree.turns > 1):
        touch.settled[env, row, store] = total
    if part == 0:
        touch.contact_point[env, row, spot] = touch.place_of[env, row, element]


def meetings(touch: Touch, tree: Any, motion: Any) -> tuple[Stage, ...]:
    """Where pairs meet."""
    geometry = (touch, tree, motion)
    return (
        Stage(put_geom, geometry, touch.geoms if touch.couples else 0),
        Stage(meet_round, geometry, touch.rounds),
        Stage(meet_box, geometry, touch.boxes),
        Stage(meet_point, geometry, touch.points),
        Stage(meet_flat, geometry, touch.flats),
        Stage(meet_tube, geometry, touch.tubes),
        Stage(meet_can, geometry, touch.cans),
        *bulging(touch, tree, motion),
        *height_fields.stages(touch, tree, motion),
    )


def stages(touch: Touch, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What adds contacts to the forces of a substep."""
    records = (touch, tree, motion, work)
    return (
        *meetings(touch, tree, motion),
        Stage(bear_plane, records, touch.planes * touch.bounces),
        Stage(bear_pair, records, touch.couples * touch.bounces),
        Stage(press, records, touch.planes),
        Stage(push_apart, records, touch.couples),
    )


def record(touch: Touch, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What tells the forces of contacts, after the accelerations."""
    records = (touch, tree, motion, work)
    return (Stage(yield_to, records, touch.planes), Stage(yield_apart, records, touch.couples))
