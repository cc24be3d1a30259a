"""Contact with time of impact: what happens when a point meets a plane during a step.

Taking the impact at the end of the step, as a plain projection does, gives gradients of the wrong sign: a ball
started higher would seem to end higher after its bounce (Hu et al. 2020, arXiv:1910.00935, section 4; Zhong et al.
2022, arXiv:2207.05060). With the time of impact inside the step both the end and its gradient are right.
"""

import taichi as ti

__all__ = ["SKIN", "SLOWEST", "meets", "rebound", "time_of_impact"]

SKIN = 1e-6
"""A point closer to the plane than this is on it [m]. Above the rounding of float32 coordinates of order one: a point
at rest would otherwise meet the plane at a time that is rounding noise, with a gradient that is noise as well."""

SLOWEST = 1e-9
"""Approach slower than this does not count [m/s]: its square is still a normal float32, so nothing divides by zero."""


@ti.func
def meets(gap, speed, dt):
    """Whether a point at distance ``gap`` [m] moving with ``speed`` [m/s] along the normal meets the plane in ``dt``."""
    return speed < -SLOWEST and gap + dt * speed < 0.0


@ti.func
def time_of_impact(gap, speed):
    """When a point that meets the plane does so, since the start of the step [s]; 0 for one that is on it."""
    return ti.select(gap > SKIN, gap, 0.0) / -speed


@ti.func
def rebound(velocity: ti.template(), normal: ti.template(), speed, restitution, grip):
    """Velocity after an impact [m/s].

    Args:
        velocity: before it, ``speed`` of it (negative) along ``normal``.
        normal: unit vector out of the plane.
        speed: velocity . normal.
        restitution: share of the normal speed that is kept.
        grip: share of the tangential velocity that is kept; see `sliding`.
    """
    return grip * (velocity - speed * normal) - (restitution * speed) * normal
