"""Values between the middles of a grid's cells, by cubic convolution (Keys 1981, equation 15 with a = -1/2).

It goes through the values, is right for quadratic polynomials, and has a continuous derivative everywhere. A bilinear
one has kinks in the middles of cells, which is just where still air or water looks values up.
"""

import taichi as ti

__all__ = ["around", "mean", "weights"]


@ti.func
def weights(share):
    """Of four cells in a row, for a place that far, 0 to 1, from the middle of the second to that of the third."""
    t = share
    return ti.Vector(
        [
            ((-0.5 * t + 1.0) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1.0,
            ((-1.5 * t + 2.0) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        ]
    )


@ti.func
def around(low, n: ti.template(), periodic: ti.template()):
    """The four cells, of n along an axis, around a place whose second is ``low``, a whole number of floating point.

    Beyond an edge that is not periodic stands the cell at the edge, over and over.
    """
    return _around_a_circle(low, n) if ti.static(periodic) else _between_walls(low, n)


@ti.func
def _around_a_circle(low, n: ti.template()):
    second = ti.cast(low - n * ti.floor(low / n), ti.i32)
    third = ti.select(second == n - 1, 0, second + 1)
    fourth = ti.select(third == n - 1, 0, third + 1)
    return ti.Vector([ti.select(second == 0, n - 1, second - 1), second, third, fourth])


@ti.func
def _between_walls(low, n: ti.template()):
    second = ti.cast(ti.min(ti.max(low, -2.0), n + 1.0), ti.i32)
    return ti.Vector([_within(second - 1, n), _within(second, n), _within(second + 1, n), _within(second + 2, n)])


@ti.func
def _within(cell, n: ti.template()):
    return ti.min(ti.max(cell, 0), n - 1)


@ti.func
def mean(weight, a, b, c, d):
    """Of four values."""
    return weight[0] * a + weight[1] * b + weight[2] * c + weight[3] * d
