"""Compliant contact of robots: what it is at spots over planes, and between what `touching_pairs` says.

The law, at a spot with depth d (positive where shapes overlap), which grows at the rate d', and a slip velocity u:

    f = max(0, k phi(d) + c phi'(d) d')                  along the normal; never pulls
    phi(x) = x^2 / (2 w) for 0 < x < w, x - w/2 beyond   the spring sets in over a depth of w
    t = -mu f u / sqrt(u^2 + s^2)                        Coulomb's friction, regularised: s is the slip speed

The f of a substep is the mean over the way that d goes in it: see `within_step`.

What is at rest on a floor has a depth of f / k + w / 2, or sqrt(2 w f / k) if that is less than w. On a slope of an
angle a with tan(a) < mu it creeps with s tan(a) / sqrt(mu^2 - tan(a)^2).

At planes the law is linearly implicit (a Rosenbrock-Euler step: Hairer & Wanner 1996, Solving Ordinary Differential
Equations II, section IV.7): with K the derivative of the force with respect to the velocity after the substep, the
link's spatial inertia is larger by h J^T K J in the articulated-body algorithm. So stiff contacts and friction that
holds are stable at any step. Of friction, K is what makes it take the slip that it can, and all of it at most, given
the mass m that the slip is taken from: mu f / sqrt(u^2 + s^2) / r - m / h, r the share that is taken
(`within_step.stopped`). While it slides that is nothing.

K is multiplied with how the velocity changes at the point where it touches. That point of a ball moves with the ball's
centre, so it is a + w x v, a the spatial acceleration there, w the angular velocity, v the velocity of the centre. (A
spatial acceleration is how the velocity changes at a place of the world that bodies move through: of a ball that rolls
it is v^2 / R upwards.) Where the normal turns, as on an edge, see `touching_pairs`.

Links push each other explicitly (see `touching_pairs`), with a stiffness and damping that a substep can follow.
"""

from typing import Any

import taichi as ti

from diffsim.engine.stages import Stage
from diffsim.physics import contact
from diffsim.physics.articulated.contact_masses import bear, borne_alone, mix_springs, pushed_here
from diffsim.physics.articulated.integration import first_of, starts
from diffsim.physics.articulated.rotation import columns, nine, unit, unpacked
from diffsim.physics.articulated.spatial import angular, less_outer, linear, point_inertia, spatial
from diffsim.physics.articulated.touch import CORNER, Touch
from diffsim.physics.articulated.twisting import mix_twist, resist_twist, unshifted
from diffsim.physics.articulated.within_step import pushed, softened, stiffness_share, stopped

__all__ = [
    "TINY",
    "bear_plane",
    "corner_of",
    "feel",
    "prepare",
    "press",
    "push",
    "yield_to",
    "yielded",
]

TINY = 1.0e-12
"""Added to a squared distance [m^2]: the direction between points in one place stays finite."""

UNLIMITED = 1.0e30
"""More than any damping."""


# Before the first step


@ti.func
def turn_geom(touch: ti.template(), env, row, step, geom):
    touch.turn[env, geom] = nine(columns(unit(touch.geom_orientation[env, geom])))


@ti.func
def corner_of(touch: ti.template(), spot):
    """Where a spot is on its geom, in half sizes."""
    return ti.Vector(
        [ti.cast(touch.corner[3 * spot + c], touch.real) * ti.static(1.0 / CORNER) for c in ti.static(range(3))]
    )


@ti.func
def margin_of(touch: ti.template(), env, spot):
    """Distance at which a spot touches already: those of both geoms together, or that of their pair [m]."""
    margin = touch.geom_margin[env, touch.first[spot]] + touch.geom_margin[env, touch.second[spot]]
    if ti.static(touch.paired):
        own = ti.cast(touch.pair[spot] >= 0, touch.real)
        margin = (1.0 - own) * margin + own * touch.pair_margin[env, ti.max(touch.pair[spot], 0)]
    return margin


@ti.func
def put_spot(touch: ti.template(), env, row, step, spot):
    """Where a spot over a plane is on its link, and the plane."""
    a = touch.first[spot]
    b = touch.second[spot]
    size = touch.geom_size[env, b]
    plane = touch.turn[env, a]
    normal = ti.Vector([plane[2], plane[5], plane[8]])
    margin = margin_of(touch, env, spot)
    touch.normal[env, spot] = normal
    touch.height[env, spot] = normal.dot(touch.geom_position[env, a]) + margin
    corner = corner_of(touch, spot)
    along = unpacked(touch.turn[env, b])
    if touch.round[b] == 1:
        touch.reach[env, spot] = size[0]
        touch.place[env, spot] = touch.geom_position[env, b] + along @ (corner * size[1])
    else:
        touch.reach[env, spot] = 0.0
        touch.place[env, spot] = touch.geom_position[env, b] + along @ (corner * size)


@ti.func
def mix(touch: ti.template(), tree: ti.template(), env, row, step, spot):
    """Friction, stiffness and damping of a spot: two geoms are springs in series. Without a branch, which Taichi's
    reverse pass would trip over where nothing of it is tuned."""
    a = touch.first[spot]
    b = touch.second[spot]
    rough = 1.0 - ti.cast(touch.slippery[spot], touch.real)
    first = ti.cast(touch.prior[spot] == 1, touch.real)
    second = ti.cast(touch.prior[spot] == 2, touch.real)
    either = 1.0 - first - second
    larger = ti.max(touch.friction[env, a], touch.friction[env, b])
    friction = either * larger + first * touch.friction[env, a] + second * touch.friction[env, b]
    if ti.static(touch.paired):
        own = ti.cast(touch.pair[spot] >= 0, touch.real)
        friction = (1.0 - own) * friction + own * touch.pair_friction[env, ti.max(touch.pair[spot], 0)]
    touch.grip[env, spot] = rough * friction
    touch.margin[env, spot] = margin_of(touch, env, spot)
    if ti.static(not touch.soft):
        mix_springs(touch, tree, env, spot, a, b)


# Spots over planes


@ti.func
def feel(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, spot):
    """How much a geom touches a plane."""
    link = touch.second_link[spot]
    place = motion.position[env, row, link] + unpacked(motion.rotation[env, row, link]) @ touch.place[env, spot]
    depth = touch.reach[env, spot] + touch.height[env, spot] - touch.normal[env, spot].dot(place)
    if depth > 0.0:
        motion.touch[env, row, touch.felt_geom[spot]] += softened(depth, touch.depth[env, 0])


@ti.func
def over_plane(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, spot):
    """(4,) where a spot is, from the first link of its tree, and how deep [m]."""
    link = touch.second_link[spot]
    frame = part * tree.frames + link
    place = motion.position[env, row, frame] + unpacked(motion.rotation[env, row, frame]) @ touch.place[env, spot]
    centre = place - motion.position[env, row, part * tree.frames + tree.root[tree.carrier[link]]]
    depth = touch.reach[env, spot] + touch.height[env, spot] - touch.normal[env, spot].dot(place)
    return ti.Vector([centre[0], centre[1], centre[2], depth])


@ti.func
def bear_plane(
    touch: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """What a spot over a plane has to bear, beside the others of its link."""
    part = element // touch.planes
    spot = element - part * touch.planes
    at = part * tree.chains + tree.carrier[touch.second_link[spot]]
    if starts(tree, part) == 1:
        normal = touch.normal[env, spot]
        over = over_plane(touch, tree, motion, env, row, part, spot)
        arm = ti.Vector([over[0], over[1], over[2]]) - touch.reach[env, spot] * normal
        speed = work.speed[env, row, at]
        rate = -normal.dot(linear(speed) + angular(speed).cross(arm))
        bear(touch, tree, env, row, at, at, arm, arm, normal, over[3], rate, 1.0, 0.0)


@ti.func
def press(
    touch: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Force of a plane on a spot."""
    part = element // touch.planes
    spot = element - part * touch.planes
    last = tree.carrier[touch.second_link[spot]]
    at = part * tree.chains + last
    normal = touch.normal[env, spot]
    over = over_plane(touch, tree, motion, env, row, part, spot)
    centre = ti.Vector([over[0], over[1], over[2]])
    depth = over[3]
    arm = centre - touch.reach[env, spot] * normal
    speed = work.speed[env, row, at]
    velocity = linear(speed) + angular(speed).cross(arm)
    carried = angular(speed).cross(linear(speed) + angular(speed).cross(centre))
    store = part * touch.spots + spot
    touch.arm[env, row, store] = arm
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
            touch.second[spot],
            touch.first[spot],
            at,
            arm,
            normal,
            depth,
            velocity,
            carried,
            0.0,
            1.0,
            1.0,
            at,
            arm,
            False,
        )
    if ti.static(tree.turns > 1):
        if starts(tree, part) == 0:
            first = first_of(tree, part)
            begun = touch.arm[env, row, first * touch.spots + spot]
            moved = motion.position[env, row, part * tree.frames + tree.root[last]]
            held = begun + motion.position[env, row, first * tree.frames + tree.root[last]] - moved
            total = touch.settled[env, row, first * touch.spots + spot]
            work.force[env, row, at] += -spatial(held.cross(total), total)
            if ti.static(touch.twists):
                work.force[env, row, at] += -unshifted(touch.twist[env, row, first * touch.spots + spot])


@ti.func
def push(
    touch: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
    work: ti.template(),
    env,
    row,
    part,
    store,
    spot,
    geom,
    other_geom,
    at,
    arm,
    normal,
    overlap,
    velocity,
    carried,
    bending,
    strength,
    fixed,
    other,
    other_arm,
    pair: ti.template(),
):
    """Push a link, and with ``pair`` what it touches the other way.

    Args:
        touch, tree, motion, work: records.
        env, row, part: where.
        store: where the contact is stored.
        spot: which.
        geom, other_geom: of the link, and what it touches.
        at: the velocity that moves the link.
        arm: (3,) of the point of contact [m].
        normal: (3,) towards the link.
        overlap: depth now [m].
        velocity: (3,) of the link at the point, against what it touches [m/s].
        carried: (3,) how that changes beside the link's spatial acceleration at the point [m/s^2].
        bending: how the rate of the depth changes as the point moves over what is curved [m/s^2].
        strength: share of stiffness and damping.
        fixed: 1 if what it touches does not move, and the force is implicit; 0 if it does.
        other, other_arm: of what it touches.
        pair: whether that gets a force.
    """
    rate = -normal.dot(velocity)
    if overlap + tree.dt * ti.abs(rate) > 0.0:
        gain = strength * touch.gain[env, spot]
        heft = pushed_here(touch, tree, motion, env, row, part, geom, arm, normal)
        if ti.static(touch.bounces):
            share = borne_alone(
                touch,
                tree,
                motion,
                env,
                row,
                part,
                spot,
                geom,
                other_geom,
                at,
                other,
                arm,
                other_arm,
                normal,
                overlap,
                rate,
                strength,
                fixed,
                pair,
            )
            lively = touch.lively[env, spot]
            gain[1] *= 1.0 + lively * (ti.sqrt(share) - 1.0)
            heft += lively * (share * tree.mass[env, touch.body[geom]] + TINY - heft)
        euler = stiffness_share(touch.gain[env, spot][0], touch.gain[env, spot][1], heft, tree.dt)
        if ti.static(pair):
            euler = fixed * euler + (1.0 - fixed) * touch.stiff[env, spot]
        law = pushed(overlap, rate, tree.dt, gain[0], gain[1], touch.depth[env, 0], euler, tree.turns > 1)
        # Of two that move nothing is implicit but what the damper does to them alone.
        taken = (1.0 - fixed) * tree.dt * law[1] / touch.heft[env, spot]
        force = law[0] - law[3] * taken / (1.0 + taken)
        if force > 0.0:
            contact.mark(touch.contact, env, row, store, contact.MEETS)
            slip = velocity + rate * normal
            slow = touch.slip_speed[env, 0]
            limit = touch.grasp[env, spot] / tree.dt
            # What presses in the end: the link gives way to how its surface bends.
            pressing = ti.max(force - fixed * tree.dt * law[1] * bending, 0.0)
            hold = touch.grip[env, spot] * pressing / ti.sqrt(slip.dot(slip) + slow * slow)
            along = fixed * law[1]
            most = hold / limit + TINY
            across = fixed * limit * (most / stopped(most, law[2] / (law[0] + TINY)) - 1.0)
            total = force * normal - ti.min(hold, limit + UNLIMITED * fixed) * slip
            total -= tree.dt * (across * carried + ((along - across) * normal.dot(carried)) * normal)
            touch.press[env, row, store] = total
            touch.yields[env, row, store] = ti.Vector([along, across])
            stiff = point_inertia(tree.dt * across, arm)
            lever = spatial(arm.cross(normal), normal)
            work.force[env, row, at] += -spatial(arm.cross(total), total)
            work.inertia[env, row, at] += less_outer(stiff, lever, tree.dt * (across - along))
            if ti.static(pair):
                work.force[env, row, other] += spatial(other_arm.cross(total), total)
            if ti.static(touch.twists):
                resist_twist(touch, tree, work, env, row, store, spot, at, other, normal, force, fixed, pair)
        else:
            rest(touch, env, row, store)
    else:
        rest(touch, env, row, store)


@ti.func
def rest(touch: ti.template(), env, row, store):
    touch.press[env, row, store] = ti.Vector([0.0, 0.0, 0.0])
    touch.yields[env, row, store] = ti.Vector([0.0, 0.0])
    if ti.static(touch.keeps_twist):
        touch.twist[env, row, store] = ti.Vector([0.0, 0.0, 0.0])


@ti.func
def yield_to(
    touch: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """What the force of a plane was in the end, by the acceleration that it led to."""
    part = element // touch.planes
    spot = element - part * touch.planes
    last = tree.carrier[touch.second_link[spot]]
    store = part * touch.spots + spot
    arm = touch.arm[env, row, store]
    change = work.acceleration[env, row, part * tree.chains + last]
    total = yielded(touch, tree, env, row, store, arm, touch.normal[env, spot], change)
    if starts(tree, part) == 1:
        touch.contact_force[env, row, spot] += (tree.turns / tree.substeps) * total
    if ti.static(tree.turns > 1):
        touch.settled[env, row, store] = total
    if part == 0:
        touch.contact_point[env, row, spot] = arm + motion.position[env, row, tree.root[last]]


@ti.func
def yielded(touch: ti.template(), tree: ti.template(), env, row, store, arm, normal, change):
    """The force of a contact, given the spatial acceleration of the link."""
    gains = touch.yields[env, row, store]
    moved = tree.dt * (linear(change) + angular(change).cross(arm))
    return touch.press[env, row, store] - gains[1] * moved - ((gains[0] - gains[1]) * normal.dot(moved)) * normal


# Putting it together


def prepare(touch: Touch, tree: Any) -> tuple[Stage, ...]:
    """Stages before the first step."""
    return (
        Stage(turn_geom, (touch,), touch.geoms),
        Stage(put_spot, (touch,), touch.planes),
        Stage(mix, (touch, tree), touch.spots),
        Stage(mix_twist, (touch, tree), touch.spots if touch.twists else 0),
    )
