"""Paths of straight lines in stages: what `diffsim.paths.along` says, at a step.

``places`` is a field (env, place) of vectors, passed in turn at even times over ``steps`` steps, on ``legs`` straight
lines from each to the next.
"""

import taichi as ti

__all__ = ["place_at", "way_at"]


@ti.func
def place_at(places: ti.template(), env, legs, steps, step):
    """Where it is at a step."""
    leg = ti.min(step * legs // steps, legs - 1)
    share = (step * legs - leg * steps) / steps
    return (1.0 - share) * places[env, leg] + share * places[env, leg + 1]


@ti.func
def way_at(places: ti.template(), env, legs, steps, step):
    """From the place that it passed last to the one that comes next."""
    leg = ti.min(step * legs // steps, legs - 1)
    return places[env, leg + 1] - places[env, leg]
