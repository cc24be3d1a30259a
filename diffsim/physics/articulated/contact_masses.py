"""What contacts have to move: masses that are pushed, and how what lands on several spots is shared among them."""

import math

import taichi as ti

from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.spatial import angular, linear, spatial
from diffsim.physics.articulated.within_step import TINY, stiffness_share

__all__ = ["bear", "borne_alone", "mix_springs", "pushed_here"]

UNLIMITED = 1.0e30
"""More than any mass or damping."""

LEAST = math.exp(-2.0)
"""Restitution of critical damping."""

SHALLOW = 0.01
"""Part of the touch depth that is nothing beside what is borne."""


@ti.func
def mix_springs(touch: ti.template(), tree: ti.template(), env, spot, a, b):
    """Stiffness and damping of a spot, and what it moves."""
    moving = ti.cast(touch.moving[spot], touch.real)
    flat_a = ti.cast(touch.flat[a], touch.real)
    flat_b = ti.cast(touch.flat[b], touch.real)
    one = ti.Vector([touch.stiffness[env, a], touch.damping[env, a]])
    other = ti.Vector([touch.stiffness[env, b], touch.damping[env, b]])
    both = ((1.0 - flat_a) * one + flat_a) * ((1.0 - flat_b) * other + flat_b)
    gain = both / (moving * (one + other + TINY) + 1.0 - moving)
    restitution = ti.max(touch.restitution[env, a], touch.restitution[env, b])
    gain[1] *= damped_by(restitution)
    rises = ti.min(ti.max(restitution * ti.static(2.0 / LEAST) - 1.0, 0.0), 1.0)
    touch.lively[env, spot] = rises * rises * (3.0 - 2.0 * rises)
    mass = ti.min(
        felt_mass(touch, tree, env, a, moving) + UNLIMITED * flat_a,
        felt_mass(touch, tree, env, b, moving) + UNLIMITED * flat_b,
    )
    mover = touch.flat[b] * a + (1 - touch.flat[b]) * b
    held = felt_mass(touch, tree, env, mover, 1.0)
    extent = ti.cast(touch.geom_size[env, mover][1] > 0.0, touch.real)
    held = ti.max(held, 0.25 * extent * tree.mass[env, touch.body[mover]])
    touch.grasp[env, spot] = moving * 0.25 * mass + (1.0 - moving) * held + TINY
    # Against what is not pushed a link is heavy without limit.
    inverse = (1.0 - flat_a) / pushed_mass(touch, tree, env, a) + (1.0 - flat_b) / pushed_mass(touch, tree, env, b)
    touch.heft[env, spot] = 1.0 / (inverse + TINY)
    # Of two that move it is explicit: no stiffer than a substep can follow, and what is softer for that is damped less.
    most = ti.max(0.25 * mass, 0.25 * touch.heft[env, spot]) / (tree.dt * tree.dt) + UNLIMITED * (1.0 - moving)
    damped = ti.max(0.5 * mass, touch.heft[env, spot]) / tree.dt
    # With a restitution it is shared among the spots of a link first (see `contact_masses`).
    whole = 1.0 / (1.0 / (tree.mass[env, touch.body[a]] + TINY) + 1.0 / (tree.mass[env, touch.body[b]] + TINY))
    damped += touch.lively[env, spot] * 2.0 * ti.sqrt(most * whole) + UNLIMITED * (1.0 - moving)
    stiffness = ti.min(gain[0], most)
    gain = ti.Vector([stiffness, ti.min(gain[1] * ti.sqrt((stiffness + TINY) / (gain[0] + TINY)), damped)])
    touch.gain[env, spot] = gain
    touch.stiff[env, spot] = stiffness_share(gain[0], gain[1], touch.heft[env, spot], tree.dt)


@ti.func
def damped_by(restitution):
    """Damping, over critical damping, at which a spring and damper that never pulls throws back with a restitution.

    With z = cos(a) it is e = exp(-2 a / tan(a)) (Schwager & Poschel 2007, Granular Matter 9, equations 20 to 22): four
    steps of Newton's for a.
    """
    wanted = -0.5 * ti.log(ti.max(restitution, ti.static(LEAST)))
    a = ti.static(0.5 * math.pi) * ti.sqrt(1.0 - ti.min(wanted, 1.0 - 1.0e-6))
    for _ in ti.static(range(4)):
        a -= (a * ti.cos(a) - wanted * ti.sin(a)) / ((1.0 - wanted) * ti.cos(a) - a * ti.sin(a))
    return ti.select(restitution > ti.static(LEAST), ti.cos(a), 1.0)


@ti.func
def felt_mass(touch: ti.template(), tree: ti.template(), env, geom, moving):
    """Mass of a geom's link; if both move, that which it has at its far end: a push there turns the link, too [kg]."""
    link = touch.body[geom]
    mass = tree.mass[env, link]
    moments = tree.inertia[env, link]
    size = touch.geom_size[env, geom]
    out = touch.geom_position[env, geom] - tree.centre[env, link]
    lever = out.dot(out) + size.dot(size)
    return mass / (1.0 + 3.0 * moving * mass * lever / (moments.sum() + TINY))


@ti.func
def pushed_mass(touch: ti.template(), tree: ti.template(), env, geom):
    """What a geom's link, all by itself, has as a mass where it is pushed along the normal [kg].

    Of a sphere that goes through its middle; of a capsule it may be at an end, of a box at a corner.
    """
    link = touch.body[geom]
    mass = tree.mass[env, link]
    size = touch.geom_size[env, geom]
    out = touch.geom_position[env, geom] - tree.centre[env, link]
    half = ti.cast(touch.round[geom] == 0, touch.real) * (size[0] * size[0] + size[2] * size[2]) + size[1] * size[1]
    lever = out.dot(out) + half
    return mass / (1.0 + 3.0 * mass * lever / (tree.inertia[env, link].sum() + TINY)) + TINY


@ti.func
def pushed_here(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, geom, arm, normal):
    """What a geom's link, all by itself, has as a mass where and as it is pushed now [kg].

    What it hangs on makes it heavier, so a step that can follow this can follow all of it.

    Args:
        touch, tree, motion: records.
        env, row, part: where.
        geom: which.
        arm: (3,) of the point, from the first link of its tree [m].
        normal: (3,) along which it is pushed.
    """
    link = touch.body[geom]
    frame = part * tree.frames + link
    centre = motion.position[env, row, frame] + unpacked(motion.rotation[env, row, frame]) @ tree.centre[env, link]
    out = arm + motion.position[env, row, part * tree.frames + touch.root[geom]] - centre
    lever = out.cross(normal)
    mass = tree.mass[env, link]
    return mass / (1.0 + 3.0 * mass * lever.dot(lever) / (tree.inertia[env, link].sum() + TINY)) + TINY


# What is shared among spots


@ti.func
def weight_of(touch: ti.template(), tree: ti.template(), env, depth, rate):
    """What a spot counts among others: how deep it is or will be in a step [m]."""
    return ti.max(depth + tree.dt * ti.max(rate, 0.0), 0.0)


@ti.func
def bear(
    touch: ti.template(), tree: ti.template(), env, row, at, other, arm, other_arm, normal, depth, rate, strength, both
):
    """Add what a spot counts to what its link bears.

    Args:
        touch, tree: records.
        env, row: where.
        at, other: the velocities that move both links.
        arm, other_arm: (3,) of the point, from the first links of their trees [m].
        normal: (3,) towards the first link.
        depth, rate: of the spot [m], [m/s].
        strength: share of stiffness and damping.
        both: 1 if both links move, else 0.
    """
    weight = strength * weight_of(touch, tree, env, depth, rate)
    if weight > 0.0:
        touch.borne[env, row, at] += weight * spatial(arm.cross(normal), normal)
        touch.borne[env, row, other] += -both * weight * spatial(other_arm.cross(normal), normal)


@ti.func
def yields_by(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, geom, at, arm, normal):
    """How a geom's link, all by itself, is moved along a normal at a point by all that it bears [m/kg]."""
    link = touch.body[geom]
    frame = part * tree.frames + link
    centre = motion.position[env, row, frame] + unpacked(motion.rotation[env, row, frame]) @ tree.centre[env, link]
    centre -= motion.position[env, row, part * tree.frames + touch.root[geom]]
    borne = touch.borne[env, row, at]
    turn = (angular(borne) - centre.cross(linear(borne))).cross(arm - centre)
    return normal.dot(
        linear(borne) / (tree.mass[env, link] + TINY) + 3.0 / (tree.inertia[env, link].sum() + TINY) * turn
    )


@ti.func
def borne_alone(
    touch: ti.template(),
    tree: ti.template(),
    motion: ti.template(),
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
    depth,
    rate,
    strength,
    fixed,
    pair: ti.template(),
):
    """Which part of the mass of its links a spot has to throw back, from 0 to 1.

    All of it if nothing else bears them and the push goes through their centres; of four corners that land together
    each has a quarter. Arguments as of `push`.
    """
    mass = tree.mass[env, touch.body[geom]] + TINY
    answer = yields_by(touch, tree, motion, env, row, part, geom, at, arm, normal)
    if ti.static(pair):
        theirs = yields_by(touch, tree, motion, env, row, part, other_geom, other, other_arm, normal)
        answer -= (1.0 - fixed) * theirs
        mass = 1.0 / (1.0 / mass + (1.0 - fixed) / (tree.mass[env, touch.body[other_geom]] + TINY))
    own = strength * weight_of(touch, tree, env, depth, rate) + SHALLOW * touch.depth[env, 0]
    return own / ti.max(own, mass * answer + SHALLOW * touch.depth[env, 0])
