"""What a contact pushes with, given how far its acceleration is from its reference: MuJoCo's pyramids.

With x = J a - a_ref in the coordinates of the contact (normal first) and friction mu_k along the k-th of the others, a
pyramid has the edges x_0 + mu_k x_k and x_0 - mu_k x_k. Each pushes with max(0, -D edge), D = 1 / R, so the force is
minus the gradient of a convex function of x, whose curvature is constant between the planes on which edges begin to
push, and lies within the pyramid: the sum of |f_k| / mu_k is at most f_0 (Todorov 2014, ICRA, section IV).
"""

import taichi as ti

__all__ = ["curvature_of", "edges_of", "push_of"]


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
def push_of(con: ti.template(), x, grip, weight, dims):
    """Force in the coordinates of a contact.

    Args:
        con: record.
        x: how far its acceleration is from the reference.
        grip: coefficients of friction.
        weight: 1 / R.
        dims: MuJoCo's condim.
    """
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
def edges_of(con: ti.template(), x, grip, weight, dims):
    """Which edges push, as a whole number: a bit for each."""
    found = ti.cast(sole(con, x, weight, dims) > 0.0, ti.i32)
    for k in ti.static(range(con.width - 1)):
        found += ti.static(2 ** (2 * k + 1)) * ti.cast(edge(con, x, grip, weight, dims, k, 1) > 0.0, ti.i32)
        found += ti.static(2 ** (2 * k + 2)) * ti.cast(edge(con, x, grip, weight, dims, k, -1) > 0.0, ti.i32)
    return found


@ti.func
def curvature_of(con: ti.template(), x, grip, weight, dims):
    """What the force loses by x: its negative derivative, a matrix. Forward only."""
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
