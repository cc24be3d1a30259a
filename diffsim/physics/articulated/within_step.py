"""What a contact or a limit does within a step: the law of `compliance`, averaged over the way of the depth.

A force that is taken at one time of a step, however smooth it is, sets in at whichever step comes next: what is lost or
gained differs from phase to phase of a landing within its step, and so does the gradient, in teeth of the wrong sign
that do not become smaller with the step. Here landings, lift-offs and all between count from when to when they are.

With h the step, q' = q + h v' moves the depth in straight lines from d - h r (a step ago) to d to d + h r', where r
and r' are its rates before and after. The force of a step is the mean of the law over both of them, weighted with a hat
that falls from 1 at d to 0 at the ends:

    f = integral of (1 - s) (g(d - s h r, r) + g(d + s h r', r')) ds, s from 0 to 1
    g(x, r) = max(0, k phi(x) + c phi'(x) r)

That is the law's part in the discrete Euler-Lagrange equations of piecewise linear motion with integrals that are exact
(Marsden & West 2001, Discrete mechanics and variational integrators, Acta Numerica 10, section 2.6): of second order,
no energy is lost but to the damper, and a kink of the law has no part in the error of first order. phi is a difference
of squares, phi(x) = (max(0, x)^2 - max(0, x - w)^2) / (2 w), and max(0, .) of g only moves the depth at which it ends,
so the integrals are those of truncated powers (`hat`).

The r' that is not known yet is r + h a: f is taken at r' = r, and its derivative K is implicit (see `compliance`). What
is so stiff that a step cannot follow would ring; it is damped by taking a share of the law at the end of the step, as
Euler's implicit step does (`stiffness_share`).
"""

import taichi as ti

__all__ = ["TINY", "pushed", "softened", "stiffness_share", "stopped", "time_within"]

TINY = 1.0e-12
"""Added to what may be zero and is divided by."""

FOLLOWED = 4.0
"""Squared step times squared frequency (h^2 k / m, and the damper's likewise) up to which a step can follow: beyond it
Euler's implicit step has more than half of the say. The hat alone is stable up to 12."""


@ti.func
def softened(depth, width):
    """phi': share of the stiffness at a depth, which is positive."""
    return ti.min(depth / width, 1.0)


@ti.func
def sprung(depth, share, width):
    """phi at a depth, which is positive, given phi' there."""
    return 0.5 * share * share * width + ti.max(depth - width, 0.0)


@ti.func
def stiffness_share(stiffness, damping, mass, dt):
    """How much of a contact is Euler's implicit step, from 0 to 1, given the mass that it moves [kg]."""
    per_mass = dt / (mass + TINY)
    fast = dt * stiffness * per_mass + (0.5 * damping * per_mass) ** 2
    return fast * fast / (fast * fast + ti.static(FOLLOWED**2))


@ti.func
def hat(depth, way, least):
    """Integrals over s from 0 to 1 of (1 - s) max(0, x)^n, x = depth + s way - least.

    Returns:
        (5,) for n = 0, 1 and 2; then the derivatives of the last two with respect to ``way``.
    """
    first = ti.max(depth - least, 0.0)
    last = ti.max(depth + way - least, 0.0)
    share = ti.min(ti.max(first, last) / (ti.abs(way) + TINY), 1.0)  # of the way on which x is positive
    square = share * share
    leaves = ti.cast(way < 0.0, ti.f32)
    return ti.Vector(
        [
            0.5 * square + leaves * (share - square),
            (first * (3.0 * share - square) + last * square) / 6.0,
            (first * first * (4.0 * share - square) + 2.0 * first * last + last * last * square) / 12.0,
            square * (3.0 - 2.0 * share) / 6.0,
            (first + last) * square * (2.0 - share) / 6.0,
        ]
    )


@ti.func
def time_within(depth, rate, dt, forth: ti.template()):
    """Share of a step in which a depth is positive, from 0 to 1.

    Args:
        depth, rate, dt, forth: as of `pushed`.
    """
    before = hat(depth + ti.static(1.0 if forth else 0.0) * dt * rate, -dt * rate, 0.0)
    return before[0] + hat(depth, dt * rate, 0.0)[0]


@ti.func
def along(depth, rate, dt, stiffness, damping, width):
    """The mean force on the way that begins at a depth with a rate, and its derivatives: by the damper, by the way.

    Args:
        depth: where it begins, and is weighted with 1.
        rate: of the depth; with a negative ``dt`` the way leads back from there.
        dt, stiffness, damping, width: of the law.
    """
    # Where the force ends: at no depth on the way in; on the way out where the damper would begin to pull.
    drag = -damping * rate
    out = ti.max(drag, 0.0) / (stiffness + TINY)
    shift = ti.min(drag, 0.5 * stiffness * width)
    begins = ti.min(2.0 * out, out + 0.5 * width)
    linear = ti.max(begins, width)
    one = hat(depth, dt * rate, begins)
    other = hat(depth, dt * rate, linear)
    scale = 0.5 / width
    # At no rate ``out`` has the slope of the way in, and so has the size of the shift: of a tie the second counts.
    size = ti.max(shift, -shift)
    force = scale * (stiffness * (one[2] - other[2]) + 2.0 * (size * one[1] + shift * other[1]))
    path = scale * (stiffness * (one[4] - other[4]) + 2.0 * (size * one[3] + shift * other[3]))
    damped = (one[1] + ti.min(begins, width) * one[0] - other[1]) / width
    return ti.Vector([force, damping * damped, ti.abs(dt) * path])


@ti.func
def pushed(depth, rate, dt, stiffness, damping, width, stiff, forth: ti.template()):
    """Mean force of a step, and what it loses per rate that the step adds, K; then how much of the force is of the way
    before, and how much is the damper's on the way in.

    Args:
        depth: now.
        rate: of the depth, before the step.
        dt, stiffness, damping, width: of the law.
        stiff: share of Euler's implicit step.
        forth: whether the force is that of the way from here to the next place, as with Runge and Kutta's, which moves
            by h (r + r') / 2; else the step moves by h r'.
    """
    after = along(depth, rate, dt, stiffness, damping, width)
    before = along(depth + ti.static(1.0 if forth else 0.0) * dt * rate, rate, -dt, stiffness, damping, width)
    loses = after[1] + after[2]
    if ti.static(forth):
        loses = before[1] + after[1] + 1.5 * after[2]
    end = ti.max(depth + dt * rate, 0.0)
    share = softened(end, width)
    euler = stiffness * sprung(end, share, width) + damping * share * rate
    pulls = ti.cast(euler > 0.0, ti.f32)
    gain = pulls * share * (damping + dt * stiffness)
    whole = before[0] + after[0]
    past = ti.static(1.0 if forth else 0.0) * whole + ti.static(0.0 if forth else 1.0) * before[0]
    damper = ti.max(rate, 0.0) * (before[1] + after[1])
    hats = ti.Vector([whole, loses, past, damper])
    return hats + stiff * (ti.Vector([pulls * euler, gain, 0.0, ti.max(rate, 0.0) * share * damping]) - hats)


@ti.func
def stopped(most, past):
    """How much of a slip friction takes in a step, from 0 to 1: all of it only if it stops before the step's middle.

    The step's hat falls from its middle on; what friction does there until the slip stops counts with it, and the rest
    is left to the next step. So when it stops is in the motion, and not only in which step.

    Args:
        most: slip that friction can take in the step, over that which there is; positive.
        past: the share of that which lies in the first half.
    """
    early = most * past
    late = most - early
    left = ti.max(1.0 - early, 0.0)
    until = left / (2.0 * late + TINY)  # when it stops, in steps from the middle on
    taken = early + left * (1.0 - 0.5 * until)
    if until >= 1.0:
        taken = most
    if early >= 1.0:
        taken = 1.0
    return taken
