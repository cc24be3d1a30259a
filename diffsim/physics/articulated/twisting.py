"""Friction of contacts against turning about the normal, and against rolling: MuJoCo's condim 4 and 6.

With the normal force f, the angular velocity w of one geom against the other and its part w_n along the normal n:

    T = -mu_t f w_n n / sqrt(w_n^2 + s^2) - mu_r f (w - w_n n) / sqrt(|w - w_n n|^2 + s^2)

mu_t and mu_r are lengths: of the patch on which two geoms touch, and by how far the force is ahead of what rolls. s is
where the rim of a patch of `PATCH` slips with the slip speed. On what does not move it is implicit, and takes as much
of the turning as there is, as friction along the surface does (see `compliance`).
"""

import taichi as ti

from diffsim.physics.articulated.spatial import angular, inertia_at, spatial
from diffsim.physics.articulated.within_step import TINY, stopped

__all__ = ["mix_twist", "resist_twist", "unshifted"]

PATCH = 0.01
"""Radius of a patch of contact whose rim slips with the slip speed where this friction has 71 % of its strength [m]."""

UNLIMITED = 1.0e30


@ti.func
def mix_twist(touch: ti.template(), tree: ti.template(), env, row, step, spot):
    """Coefficients of a spot, and the smallest moment of inertia of what turns there."""
    a = touch.first[spot]
    b = touch.second[spot]
    first = ti.cast(touch.prior[spot] == 1, touch.real)
    second = ti.cast(touch.prior[spot] == 2, touch.real)
    one = ti.Vector([touch.torsion[env, a], touch.rolling_friction[env, a]])
    other = ti.Vector([touch.torsion[env, b], touch.rolling_friction[env, b]])
    both = (1.0 - first - second) * ti.max(one, other) + first * one + second * other
    if ti.static(touch.paired):
        pair = ti.max(touch.pair[spot], 0)
        own = ti.cast(touch.pair[spot] >= 0, touch.real)
        both = (1.0 - own) * both + own * ti.Vector([touch.pair_torsion[env, pair], touch.pair_rolling[env, pair]])
    turning = ti.cast(touch.turning[spot], touch.real)
    rolling = ti.cast(touch.rolling[spot], touch.real)
    touch.twist_grip[env, spot] = ti.Vector([turning * both[0], rolling * both[1]])
    if ti.static(not touch.soft):
        weigh_twist(touch, tree, env, spot, a, b)


@ti.func
def weigh_twist(touch: ti.template(), tree: ti.template(), env, spot, a, b):
    """The smallest moment of inertia of what turns."""
    flat_a = ti.cast(touch.flat[a], touch.real)
    flat_b = ti.cast(touch.flat[b], touch.real)
    touch.lightest[env, spot] = ti.min(
        least_moment(touch, tree, env, a) + UNLIMITED * flat_a, least_moment(touch, tree, env, b) + UNLIMITED * flat_b
    )


@ti.func
def least_moment(touch: ti.template(), tree: ti.template(), env, geom):
    moments = tree.inertia[env, touch.body[geom]]
    return ti.min(moments[0], ti.min(moments[1], moments[2])) + TINY


@ti.func
def unshifted(torque):
    """A torque as a spatial force."""
    return spatial(torque, 0.0 * torque)


@ti.func
def resist_twist(
    touch: ti.template(),
    tree: ti.template(),
    work: ti.template(),
    env,
    row,
    store,
    spot,
    at,
    other,
    normal,
    force,
    fixed,
    pair: ti.template(),
):
    """Add the torque of a contact to its link, and with ``pair`` to what it touches; arguments as of `push`.

    Args:
        touch, tree, work, env, row, store, spot, at, other, normal, fixed, pair: see `compliance.push`.
        force: along the normal [N].
    """
    spin = angular(work.speed[env, row, at])
    if ti.static(pair):
        spin = angular(work.speed[env, row, at]) - angular(work.speed[env, row, other])
    slow = touch.slip_speed[env, 0] * ti.static(1.0 / PATCH)
    about = normal.dot(spin)
    rolls = spin - about * normal
    grip = touch.twist_grip[env, spot]
    limit = touch.lightest[env, spot] / tree.dt
    implicit = fixed * ti.static(1.0 if tree.turns == 1 else 0.0)
    turning = grip[0] * force / ti.sqrt(about * about + slow * slow)
    rolling = grip[1] * force / ti.sqrt(rolls.dot(rolls) + slow * slow)
    most = ti.Vector([turning, rolling]) / limit + TINY
    loses = implicit * limit * ti.Vector([most[c] / stopped(most[c], 0.5) - 1.0 for c in ti.static(range(2))])
    explicit = 0.25 * limit + UNLIMITED * implicit
    torque = -ti.min(turning, explicit) * about * normal - ti.min(rolling, explicit) * rolls
    work.force[env, row, at] += -unshifted(torque)
    across = tree.dt * loses[1]
    along = tree.dt * (loses[0] - loses[1])
    about_point = ti.Matrix(
        [
            [along * normal[i] * normal[j] + across * ti.static(1.0 if i == j else 0.0) for j in ti.static(range(3))]
            for i in ti.static(range(3))
        ]
    )
    work.inertia[env, row, at] += inertia_at(0.0, about_point, normal)
    if ti.static(pair):
        work.force[env, row, other] += unshifted(torque)
    if ti.static(tree.turns > 1):
        touch.twist[env, row, store] = torque
