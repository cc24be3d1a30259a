"""What a contact pushes with, given how far its acceleration is from its reference: MuJoCo's pyramids and cones.

With x = J a - a_ref in the coordinates of the contact (normal first) and friction mu_k along the k-th of the others, a
pyramid has the edges x_0 + mu_k x_k and x_0 - mu_k x_k. Each pushes with max(0, -D edge), D = 1 / R, so the force is
minus the gradient of a convex function of x, whose curvature is constant between the planes on which edges begin to
push, and lies within the pyramid: the sum of |f_k| / mu_k is at most f_0 (Todorov 2014, ICRA, section IV).

An elliptic cone has the mu_k as its half axes. D of the normal is 1 / R, of the others D_k = D i (mu_k / mu_1)^2, i
the impratio. With m = mu_1 / sqrt(i), N = m x_0 and T the length of all mu_k x_k, it pushes with -D x inside (where
m N + T <= 0), with nothing where N >= m T, and between with minus the gradient of D (N - m T)^2 / (2 m^2 (1 + m^2)):
all are continuous where they meet (MuJoCo's documentation, "Computation: friction cones").
"""

import taichi as ti

__all__ = ["curvature_of", "edges_of", "push_of"]

TINY = 1.0e-30
"""Added to a square, under a root."""


@ti.func
def edge(con: ti.template(), x, grip, weight, dims, k: ti.template(), sign: ti.template()):
    """What an edge of a pyramid pushes with; none beyond the dimensions of the contact."""
    there = ti.cast(dims > k + 1, con.real)
    return there * weight * ti.max(-(x[0] + ti.static(float(sign)) * grip[k] * x[ti.static(k + 1)]), 0.0)


@ti.func
def sole(con: ti.template(), x, weight, dims):
    """What a contact without friction pushes with."""
    return ti.cast(dims == 1, con.real) * weight * ti.max(-x[0], 0.0)


@ti.func
def pyramid(con: ti.template(), x, grip, weight, dims):
    """Force of a pyramid."""
    found = ti.Vector.zero(con.real, con.width)
    normal = sole(con, x, weight, dims)
    for k in ti.static(range(con.width - 1)):
        plus = edge(con, x, grip, weight, dims, k, 1)
        minus = edge(con, x, grip, weight, dims, k, -1)
        normal += plus + minus
        found[k + 1] = grip[k] * (plus - minus)
    found[0] = normal
    return found


@ti.func
def across(con: ti.template(), x, grip, dims):
    """All x_k scaled by friction, without the normal; and their length as the last."""
    found = ti.Vector.zero(con.real, con.width)
    square = 0.0 * x[0]
    for k in ti.static(range(con.width - 1)):
        found[k] = ti.cast(dims > k + 1, con.real) * grip[k] * x[k + 1]
        square += found[k] * found[k]
    found[con.width - 1] = ti.sqrt(square + TINY)
    return found


@ti.func
def zone(con: ti.template(), x, grip, dims):
    """Where x is: 0 it does not push, 1 inside of the cone, 2 between."""
    slope = grip[0] / ti.static(con.impratio**0.5)
    length = across(con, x, grip, dims)[con.width - 1]
    normal = slope * x[0]
    pushes = ti.cast(normal < slope * length, ti.i32)
    inside = ti.cast(slope * normal + length <= 0.0, ti.i32)
    return ti.select(dims == 1, ti.cast(x[0] < 0.0, ti.i32), pushes * (2 - inside))


@ti.func
def cone(con: ti.template(), x, grip, weight, dims):
    """Force of an elliptic cone."""
    where = zone(con, x, grip, dims)
    inside = ti.cast(where == 1, con.real)
    between = ti.cast(where == 2, con.real)
    slope = grip[0] / ti.static(con.impratio**0.5)
    scaled = across(con, x, grip, dims)
    length = scaled[con.width - 1]
    lack = slope * (x[0] - length) * weight / (slope * slope * (1.0 + slope * slope))
    harder = con.impratio / (grip[0] * grip[0])
    found = ti.Vector.zero(con.real, con.width)
    found[0] = -inside * weight * x[0] - between * lack * slope
    for k in ti.static(range(con.width - 1)):
        inner = -inside * weight * harder * grip[k] * scaled[k]
        found[k + 1] = inner + between * lack * slope * grip[k] * scaled[k] / length
    return found


@ti.func
def push_of(con: ti.template(), x, grip, weight, dims):
    """Force in the coordinates of a contact.

    Args:
        con: record.
        x: how far its acceleration is from the reference.
        grip: coefficients of friction.
        weight: 1 / R.
        dims: MuJoCo's condim.
    """
    found = 0.0 * x
    if ti.static(con.elliptic):
        found = cone(con, x, grip, weight, dims)
    else:
        found = pyramid(con, x, grip, weight, dims)
    return found


@ti.func
def edges_of(con: ti.template(), x, grip, weight, dims):
    """Which edges push, as a whole number: a bit for each; of a cone where x is."""
    found = 0
    if ti.static(con.elliptic):
        found = zone(con, x, grip, dims)
    else:
        found = ti.cast(sole(con, x, weight, dims) > 0.0, ti.i32)
        for k in ti.static(range(con.width - 1)):
            found += ti.static(2 ** (2 * k + 1)) * ti.cast(edge(con, x, grip, weight, dims, k, 1) > 0.0, ti.i32)
            found += ti.static(2 ** (2 * k + 2)) * ti.cast(edge(con, x, grip, weight, dims, k, -1) > 0.0, ti.i32)
    return found


@ti.func
def pyramid_curvature(con: ti.template(), x, grip, weight, dims):
    """What the force of a pyramid loses by x."""
    found = ti.Matrix.zero(con.real, con.width, con.width)
    found[0, 0] = weight * ti.cast(sole(con, x, weight, dims) > 0.0, con.real)
    for k in ti.static(range(con.width - 1)):
        plus = weight * ti.cast(edge(con, x, grip, weight, dims, k, 1) > 0.0, con.real)
        minus = weight * ti.cast(edge(con, x, grip, weight, dims, k, -1) > 0.0, con.real)
        found[0, 0] += plus + minus
        found[0, k + 1] += grip[k] * (plus - minus)
        found[k + 1, 0] += grip[k] * (plus - minus)
        found[k + 1, k + 1] += grip[k] * grip[k] * (plus + minus)
    return found


@ti.func
def cone_curvature(con: ti.template(), x, grip, weight, dims):
    """What the force of a cone loses by x."""
    found = ti.Matrix.zero(con.real, con.width, con.width)
    where = zone(con, x, grip, dims)
    slope = grip[0] / ti.static(con.impratio**0.5)
    if where == 1:
        found[0, 0] = weight
        for k in ti.static(range(con.width - 1)):
            there = ti.cast(dims > k + 1, con.real)
            found[k + 1, k + 1] = there * weight * con.impratio * grip[k] * grip[k] / (grip[0] * grip[0])
    if where == 2:
        scaled = across(con, x, grip, dims)
        length = scaled[con.width - 1]
        stiff = weight / (1.0 + slope * slope)
        lack = stiff * (x[0] - length)
        found[0, 0] = stiff
        for k in ti.static(range(con.width - 1)):
            there = ti.cast(dims > k + 1, con.real)
            along = grip[k] * scaled[k] / length
            found[0, k + 1] = -stiff * along
            found[k + 1, 0] = -stiff * along
            for j in ti.static(range(con.width - 1)):
                found[k + 1, j + 1] = (stiff + lack / length) * along * grip[j] * scaled[j] / length
            found[k + 1, k + 1] -= there * lack * grip[k] * grip[k] / length
    return found


@ti.func
def curvature_of(con: ti.template(), x, grip, weight, dims):
    """What the force loses by x: its negative derivative, a matrix. Forward only."""
    found = ti.Matrix.zero(con.real, con.width, con.width)
    if ti.static(con.elliptic):
        found = cone_curvature(con, x, grip, weight, dims)
    else:
        found = pyramid_curvature(con, x, grip, weight, dims)
    return found
