"""Dry friction of joints."""

import taichi as ti

from diffsim.physics.articulated.integration import first_of, starts
from diffsim.physics.articulated.within_step import TINY, stopped

__all__ = ["rub"]


@ti.func
def rub(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, part, k, inertia):
    """Dry friction of a velocity, and what it adds to the inertia that it is taken from.

    With F the friction loss, w its width and v the velocity it is F v / sqrt(v^2 + w^2), of which a step takes as much
    as stops what it moves and no more, as friction of contacts does (see `compliance`).
    """
    at = part * tree.chains + k
    slow = tree.friction_width[env, k]
    first = first_of(tree, part)
    velocity = motion.now_velocity[env, row, first * tree.freedoms + k]
    hold = tree.friction_loss[env, k] / ti.sqrt(velocity * velocity + slow * slow)
    most = tree.dt * hold / inertia + TINY
    lost = ti.Vector([hold * velocity, inertia * (most / stopped(most, 0.5) - 1.0)])
    if ti.static(tree.turns > 1):
        # What it is in the first evaluation is held in the others.
        starting = ti.cast(starts(tree, part), tree.real)
        start = first * tree.chains + k
        work.rubbed[env, row, at] = starting * lost
        if starts(tree, part) == 0:
            given = work.rubbed[env, row, start]
            lost = ti.Vector([given[0] + given[1] * work.rate[env, row, start], 0.0])
    return lost
