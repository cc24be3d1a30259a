"""How soft MuJoCo's constraints are: impedance and reference acceleration.

A constraint with the row J of a Jacobian, the residual r and the inertia w that it is made for gives the force
J^T (a_ref - J a) / R (MuJoCo's documentation, "Computation", section "Constraint model"), with

    a_ref = -b J v - k d r,   R = (1 - d) / d / w,   b = 2 / (d_max T),   k = 1 / (d_max T z)^2

T and z are time constant and damping ratio (solref), d is the impedance at a residual, up to d_max (solimp).
"""

import taichi as ti

__all__ = ["impedance_at", "softness_of"]

TINY = 1.0e-12


@ti.func
def impedance_at(distance, shape):
    """MuJoCo's d at a distance: from the first number to the second over the third, with a midpoint and a power."""
    least = ti.min(ti.max(shape[0], 1.0e-4), 0.9999)
    most = ti.min(ti.max(shape[1], 1.0e-4), 0.9999)
    x = ti.min(distance / shape[2], 1.0 - TINY) + TINY
    middle = shape[3]
    power = shape[4]
    rising = ti.pow(x, power) / ti.pow(middle, power - 1.0)
    falling = 1.0 - ti.pow(1.0 - x + TINY, power) / ti.pow(1.0 - middle, power - 1.0)
    first = ti.cast(x <= middle, ti.f32)
    return least + (first * rising + (1.0 - first) * falling) * (most - least)


@ti.func
def softness_of(distance, shape, reference, dt):
    """(3,) b, k d, and d / (1 - d) of a constraint whose residual has the length ``distance``.

    Args:
        distance: of the residual.
        shape: (5,) solimp.
        reference: (2,) time constant [s], which is at least two steps, and damping ratio.
        dt: of a step [s].
    """
    given = impedance_at(distance, shape)
    most = ti.min(ti.max(shape[1], 1.0e-4), 0.9999)
    time = ti.max(reference[0], 2.0 * dt)
    return ti.Vector([2.0 / (most * time), given / (most * time * reference[1]) ** 2, given / (1.0 - given)])
