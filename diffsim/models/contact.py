"""Contact with time of impact: what happens when a point meets a plane during a step.

Taking the impact at the end of the step, as a plain projection does, gives gradients of the wrong sign: a ball
started higher would seem to end higher after its bounce (Hu et al. 2020, arXiv:1910.00935, section 4; Zhong et al.
2022, arXiv:2207.05060). With the time of impact inside the step both the end and its gradient are right. Where a force
acts, the velocity at the impact depends on that time too (Zhong et al. 2023, arXiv:2305.00092): see `rebound`.
"""

import taichi as ti

__all__ = ["SKIN", "SLOWEST", "STILL", "leaves", "meets", "rebound", "time_of_bounce", "time_of_impact"]

SKIN = 1e-6
"""A point at rest closer to the plane than this is on it [m]. Above the rounding of float32 coordinates of order one:
it would otherwise meet the plane at a time that is rounding noise, with a gradient that is noise as well."""

STILL = 1e-6
"""A point that approached the plane slower than this in the step before was at rest [m/s]. Above the rounding of a
float32 velocity along a tilted plane; any faster and it is landing, however near it is, and when it lands is in the
gradient."""

SLOWEST = 1e-9
"""Approach slower than this does not count [m/s]: its square is still a normal float32, so nothing divides by zero."""


@ti.func
def meets(gap, speed, dt):
    """Whether a point at distance ``gap`` [m] with ``speed`` [m/s] along the normal meets the plane in ``dt`` [s]."""
    return speed < -SLOWEST and gap + dt * speed < 0.0


@ti.func
def time_of_impact(gap, speed, before, dt):
    """When a point that meets the plane does so, since the start of the step [s]; 0 for one that rests on it.

    ``before`` is its speed along the normal at the start of the step [m/s].
    """
    return ti.select(gap > SKIN or before < -STILL, time_of_bounce(gap, speed, dt), 0.0)


@ti.func
def time_of_bounce(gap, speed, dt):
    """The same for a point that bounces: no skin, or a bounce in it would have no part in the gradient.

    A gap that rounding made negative counts as well, up to a hundredth of the step.
    """
    return ti.select(gap > 0.01 * dt * speed, gap, 0.0) / -speed


@ti.func
def rebound(speed, gain, share, restitution):
    """Normal speed at the end of a step in which a point bounces off the plane [m/s], if it `leaves` at all.

    A speed that is stored at the end of a step is the speed in the step's middle, as in the leapfrog method; so the
    speed at the impact differs from ``speed`` by what is gained from the middle of the step to the impact, and what is
    gained from the impact to the middle is added after it. Without this term a bounce under gravity would not depend
    on when it happens, and the gradient would stay wrong however small the step.

    Args:
        speed: at the end of the step if there were no plane (negative) [m/s].
        gain: what forces and damping added to the speed in the step [m/s].
        share: part of the step that is over at the impact.
        restitution: share of the normal speed that is kept.
    """
    return (1.0 + restitution) * (0.5 - share) * gain - restitution * speed


@ti.func
def leaves(up, gain, restitution):
    """Whether a point that bounces with ``up`` is off the plane at the step's middle and at its end; else it rests.

    Without restitution it rests to the end of the step even if forces lift it.
    """
    return up >= 0.0 and up + 0.5 * gain >= 0.0 and (restitution > 0.0 or gain <= 0.0)
