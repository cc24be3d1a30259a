"""Contact with time of impact, for all models: position, velocity and normal are taken at the impact.

Taking the impact at an end of the step, as a plain projection does, gives gradients of the wrong sign: a ball
started higher would seem to end higher after its bounce (Hu et al. 2020, arXiv:1910.00935, section 4; Zhong et al.
2022, arXiv:2207.05060). With the time of impact inside the step both the end and its gradient are right. Where a force
acts, the velocity at the impact depends on that time too (Zhong et al. 2023, arXiv:2305.00092): see `rebound`.

A model asks, in this order: does it meet (`meets`, `discs_meet`), when (`time_of_impact`, `time_of_bounce`), along
which normal (`normal_at_impact`), how fast does it leave if it does (`rebound`, `leaves`), what does friction take
(`grip`, `slides`, `slowed`), what does each body get (`impulse`), where does the step end (`moved`)? Every decision
may be recorded (`mark`).
"""

import taichi as ti

from diffsim.events import BOUNCES, DEEP, LIFTED, MEETS, RESTS, SLIDES, SLIPS

__all__ = [
    "BOUNCES",
    "DEEP",
    "LIFTED",
    "MEETS",
    "RESTS",
    "SKIN",
    "SLIDES",
    "SLIPS",
    "SLOWEST",
    "STILL",
    "TINY",
    "discs_meet",
    "gap_of_discs",
    "grip",
    "impulse",
    "leaves",
    "lifted",
    "lifts",
    "mark",
    "mark_bounce",
    "mark_stay",
    "meets",
    "moved",
    "normal_at_impact",
    "rebound",
    "recorded",
    "rests",
    "size",
    "slides",
    "slipping",
    "slowed",
    "speed_of_discs",
    "sunken",
    "time_ahead",
    "time_of_bounce",
    "time_of_discs",
    "time_of_impact",
]

SKIN = 1e-6
"""A point at rest closer to the plane than this is on it [m]. Above the rounding of float32 coordinates of order one:
it would otherwise meet the plane at a time that is rounding noise, with a gradient that is noise as well."""

STILL = 1e-6
"""A point that approached the plane slower than this in the step before was at rest [m/s]. Above the rounding of a
float32 velocity along a tilted plane; any faster and it is landing, however near it is, and when it lands is in the
gradient."""

SLOWEST = 1e-9
"""Approach slower than this does not count [m/s]: its fourth power is still a normal float32, so nothing divides by
zero."""

TINY = 1e-24
"""Added to the square of a length that may be zero [m^2] or [m^2/s^2], a normal float32: no root of zero."""


# Time of impact


@ti.func
def meets(gap, speed, dt):
    """Whether a point at distance ``gap`` [m] with ``speed`` [m/s] along the normal meets the plane in ``dt`` [s]."""
    return speed < -SLOWEST and gap + dt * speed < 0.0


@ti.func
def rests(gap, before):
    """Whether a point that meets the plane lay on it at the start of the step.

    ``before`` is its speed along the normal at that time [m/s].
    """
    return gap <= SKIN and before >= -STILL


@ti.func
def sunken(gap, speed, dt):
    """Whether a point that meets the plane starts the step below it by more than rounding: a hundredth of its way."""
    return gap <= 0.01 * dt * speed


@ti.func
def time_of_impact(gap, speed, before, dt):
    """When a point that meets the plane does so, since the start of the step [s]; 0 for one that `rests` on it."""
    return ti.select(rests(gap, before), 0.0, time_of_bounce(gap, speed, dt))


@ti.func
def time_of_bounce(gap, speed, dt):
    """The same for a point that bounces: no skin, or a bounce in it would have no part in the gradient.

    A gap that rounding made negative counts as well; for a `sunken` point it is 0.
    """
    return ti.select(sunken(gap, speed, dt), 0.0, gap) / -speed


@ti.func
def time_ahead(gap, closing, dt):
    """When a place at distance ``gap`` that comes nearer at ``closing`` [m/s] will be at a face, at most ``dt`` [s].

    For looking at how bodies will lie then, whether or not they meet. What moves by less than the skin in a step has a
    time of rounding noise: it lies there already, or does not come. So the slope is at most ``dt / SKIN``.
    """
    comes = dt * closing > ti.max(gap, SKIN)
    time = ti.max(0.0, gap) / ti.max(closing, SKIN / dt)
    return ti.select(comes, time, ti.select(gap > SKIN, dt, 0.0))


# Two discs, or two balls: what `meets` asks of them, and the gap and speed with which the functions above tell the time


@ti.func
def discs_meet(apart, approach, reach, dt):
    """Whether two discs come to touch in ``dt`` [s], at more than a grazing speed; or overlap, and go on to.

    Args:
        apart: centre of the second less centre of the first [m].
        approach: velocity of the second less velocity of the first [m/s].
        reach: distance of the centres at which they touch [m].
        dt: [s].
    """
    closing = -apart.dot(approach)
    square = _square(apart, approach, reach)
    # Its root over reach is the speed along the normal at the impact; a square that is negative is a miss.
    passes = closing > 0.0 and square > (SLOWEST * reach) ** 2
    return passes and apart.dot(apart) - reach * reach < dt * (closing + ti.sqrt(ti.max(square, 0.0)))


@ti.func
def gap_of_discs(apart, reach):
    """Between two discs [m]: (|apart|^2 - reach^2) / (2 reach), the distance between them when they are close."""
    return (apart.dot(apart) - reach * reach) / (2.0 * reach)


@ti.func
def speed_of_discs(apart, approach, reach):
    """Mean speed at which that gap changes until two discs that meet do so (negative) [m/s].

    The gap over this speed is the first root of ``|apart + time * approach| = reach``, without a difference of near
    numbers: as close discs give it, and fast ones that start many radii apart.
    """
    return (apart.dot(approach) - ti.sqrt(_square(apart, approach, reach))) / (2.0 * reach)


@ti.func
def time_of_discs(apart, approach, reach, dt):
    """When two discs that meet in ``dt`` [s] do so, or 0 if they do not; for any discs, without a branch.

    Also 0 if they come nearer by less than the skin: see `time_ahead`.
    """
    closing = -apart.dot(approach)
    root = ti.sqrt(ti.max(_square(apart, approach, reach), (SLOWEST * reach) ** 2 + TINY))
    fast, least = ti.max(0.0, closing) + root, 2.0 * reach * SKIN / dt
    time = ti.max(0.0, apart.dot(apart) - reach * reach) / ti.max(fast, least)
    comes = discs_meet(apart, approach, reach, dt) and fast > least
    return ti.select(comes, ti.min(dt, time), 0.0)


@ti.func
def _square(apart, approach, reach):
    """Square of (reach times the speed along the normal at the impact); not positive if the discs pass each other."""
    fast = approach.dot(approach) + SLOWEST**2  # its square, which the reverse pass divides by, is a normal float32
    beside = apart - (apart.dot(approach) / fast) * approach  # how far beside each other they would pass
    return fast * (reach * reach - beside.dot(beside))


@ti.func
def normal_at_impact(apart, approach, impact):
    """Unit vector from the first disc to the second at their impact."""
    at = apart + impact * approach
    return at / size(at)


# Restitution


@ti.func
def rebound(speed, gain, share, restitution):
    """Normal speed at the end of a step in which a point bounces off the plane [m/s], if it `leaves` at all.

    A speed that is stored at the end of a step is the speed in the step's middle, as in the leapfrog method; so the
    speed at the impact differs from ``speed`` by what is gained from the middle of the step to the impact, and what is
    gained from the impact to the middle is added after it. Without this term a bounce under gravity would not depend
    on when it happens, and the gradient would stay wrong however small the step.

    Args:
        speed: at the end of the step if there were no plane (negative) [m/s].
        gain: what forces added to the speed in the step [m/s]; not what damping took, which turns round with the speed.
        share: part of the step that is over at the impact.
        restitution: share of the normal speed that is kept.
    """
    return (1.0 + restitution) * (0.5 - share) * gain - restitution * speed


@ti.func
def leaves(up, gain, restitution):
    """Whether a point that bounces with ``up`` is off the plane at the step's middle and at its end.

    Else it stays, but for what forces lift in this very step: see `lifts`, and `lifted` for its speed without a bounce.
    """
    return up >= 0.0 and up + 0.5 * gain >= 0.0 and (restitution > 0.0 or gain <= 0.0)


@ti.func
def lifts(gap, before, gain):
    """Whether forces lift what lands, however slowly it does. Its speed at the end of the step is its `rebound`."""
    return gain > 0.0 and not rests(gap, before)


@ti.func
def lifted(gap, before, gain, share):
    """Speed along the normal of what lands after a ``share`` of the step and does not bounce [m/s].

    0, but if forces lift it (``gain``) the `rebound` of a restitution of 0: they do from when it landed. Held down to
    the end of the step it would leave a step late, and nothing would depend on when it landed. What `rests` is held.
    """
    return ti.select(rests(gap, before), 0.0, rebound(0.0, ti.max(0.0, gain), share, 0.0))


# Impulse and Coulomb friction. Impulses are in N s; or, for points, per kilogram and so in m/s.


@ti.func
def impulse(speed, up, inverse_mass):
    """Impulse along the normal that changes the speed of approach from ``speed`` to ``up`` [N s].

    ``inverse_mass`` [1/kg] is how much speed an impulse gives: the sum of 1 / mass over both bodies, and of
    arm^2 / inertia where the impulse passes beside a centre of mass.
    """
    return (up - speed) / inverse_mass


@ti.func
def grip(friction, impulse):
    """The largest impulse along the surface that friction can give: Coulomb's cone."""
    return friction * impulse


@ti.func
def size(vector):
    """Length of a vector that may be zero, with a finite slope there."""
    return ti.sqrt(vector.dot(vector) + TINY)


@ti.func
def slides(needed, grip):
    """Whether friction cannot give the impulse ``needed`` to stop the sliding. If it can, the speed after is zero."""
    return needed > grip


@ti.func
def slowed(along, needed, grip):
    """Velocity (or speed) along the surface of what `slides`, after friction took what it can."""
    return (1.0 - grip / needed) * along


@ti.func
def slipping(gain, grip):
    """What of forces along the surface friction does not hold; ``grip`` is what it can, in the same step [m/s]."""
    return ti.max(0.0, 1.0 - grip / size(gain)) * gain


# The rest of the step


@ti.func
def moved(position, before, after, impact, dt):
    """Position at the end of a step in which the velocity changes from ``before`` to ``after`` at the impact."""
    return position + impact * before + (dt - impact) * after


# Events


def recorded(contact):
    """Whether there is a trajectory field to record in; asked while a kernel compiles, of a field or None."""
    return contact is not None


@ti.func
def mark(contact: ti.template(), env, row, element, flag: ti.template()):
    """Record a decision: add its flag to the trajectory field ``contact``. Nothing is compiled if there is none."""
    if ti.static(recorded(contact)):
        contact[env, row, element] += ti.static(float(flag))


@ti.func
def mark_bounce(contact: ti.template(), env, row, element, gap, speed, dt):
    """Record that it bounces, and what its `time_of_bounce` depends on."""
    if ti.static(recorded(contact)):
        mark(contact, env, row, element, BOUNCES)
        if sunken(gap, speed, dt):
            mark(contact, env, row, element, DEEP)


@ti.func
def mark_stay(contact: ti.template(), env, row, element, gap, speed, before, dt):
    """Record, for what does not bounce, what its `time_of_impact` depends on."""
    if ti.static(recorded(contact)):
        if rests(gap, before):
            mark(contact, env, row, element, RESTS)
        elif sunken(gap, speed, dt):
            mark(contact, env, row, element, DEEP)
