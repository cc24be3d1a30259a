"""How impulses are shared that depend on each other, as under four corners of two boxes: forward only.

Only what they do together is known. Near scenes must share them alike, and no share may have a derivative that the
inverse does not know. See `rigid_bodies.complementarity`.
"""

import numpy as np
import taichi as ti

__all__ = ["coarse", "lean", "share"]

LEAST = 1.0e-12
"""An impulse that is none [N s]."""

LOG_2 = float(np.log(2.0))


@ti.func
def coarse(impulse, up):
    """An impulse to some five bits, towards 0 or, if ``up``, away from it.

    How it is shared is open, but near scenes share it alike, or a share would have a derivative that nobody knows.
    """
    steps = 32.0 / ti.pow(2.0, ti.floor(ti.log(ti.max(ti.abs(impulse), LEAST)) / LOG_2))
    return ti.select(impulse < 0.0, -1.0, 1.0) * (ti.floor(ti.abs(impulse) * steps) + up) / steps


@ti.func
def share(hits: ti.template(), env, n):
    """Let what depends on others have its part of what they get, for all unknowns in the inverse.

    Of what adds up to nothing each unknown that is not solved for gives one direction, and the impulses are to have no
    part along any, rounded to 1/256: so they are those of about the least norm, and of which near scenes share alike,
    or they would change with the directions, which is not in the inverse. (Gram-Schmidt for two bases.)
    """
    width, span = 4 * hits.room, 2 * hits.room
    for d in range(n):
        if hits.beyond[env, d] == 0:
            for i in range(n):
                part = ti.select(hits.beyond[env, i] == 1, -hits.table[env, i * width + d], ti.cast(i == d, hits.real))
                hits.table[env, d * width + i] = part
                hits.table[env, d * width + n + i] = 0.0
                hits.across[env, d * span + i] = ti.floor(256.0 * part + 0.5) / 256.0
    for d in range(n):
        if hits.beyond[env, d] == 0:
            for e in range(d):
                if hits.beyond[env, e] == 0:
                    one, other = ti.cast(0.0, hits.real), ti.cast(0.0, hits.real)
                    for i in range(n):
                        one += hits.across[env, e * span + i] * hits.table[env, d * width + i]
                        other += hits.across[env, d * span + i] * hits.table[env, e * width + i]
                    for i in range(n):
                        hits.table[env, d * width + i] -= one * hits.table[env, e * width + i]
                        hits.across[env, d * span + i] -= other * hits.across[env, e * span + i]
            both = ti.cast(0.0, hits.real)
            for i in range(n):
                both += hits.across[env, d * span + i] * hits.table[env, d * width + i]
            for i in range(n):
                hits.table[env, d * width + i] /= both
            for j in range(n):
                part = ti.cast(0.0, hits.real)
                for i in range(n):
                    part += hits.across[env, d * span + i] * hits.table[env, i * width + n + j]
                for i in range(n):
                    hits.table[env, i * width + n + j] -= part * hits.table[env, d * width + i]
    for d in range(n):
        hits.flips[env, d] = 1 - hits.beyond[env, d]
        hits.beyond[env, d] = 1


@ti.func
def lean(hits: ti.template(), env, row, turn, n, up):
    """Give impulses about the parts along what adds up to nothing that those of compliant contacts have.

    To some five bits, one more if ``up``: the parts themselves would have a derivative that the inverse does not know.
    """
    width, span, base = 4 * hits.room, 2 * hits.room, 2 * turn * hits.room
    for d in range(n):
        if hits.flips[env, d] == 1:
            part = ti.cast(0.0, hits.real)
            for i in range(n):
                part += hits.across[env, d * span + i] * hits.centre[env, hits.unknown[env, row, base + i]]
            part = coarse(part, up)
            for i in range(n):
                hits.found[env, hits.unknown[env, row, base + i]] += part * hits.table[env, d * width + i]
