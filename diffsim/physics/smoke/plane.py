"""Stages of smoke in the plane: advection, what accelerates the flow, and the pressure that keeps it incompressible.

Numbers are in the middles of cells; a wall is halfway to the mirror image of a cell, of the same pressure and the
opposite speed across.
"""

import taichi as ti

from diffsim.physics import interpolation

__all__ = ["QUIET", "advect", "along", "begin", "diverge", "project", "relax", "spin"]

QUIET = 1.0e-12
"""Under the roots of vorticity confinement: what turns slower than a millionth of its unit counts as at rest."""


@ti.func
def begin(flow: ti.template(), env, row, step, c):
    """Density and flow at the start, in the plane or in space."""
    flow.velocity[env, 0, c] = flow.initial_velocity[env, c]
    flow.density[env, 0, c] = flow.initial_density[env, c]


@ti.func
def spin(flow: ti.template(), env, row, step, c):
    """The vorticity, and its size."""
    v = flow.velocity[env, row, flow.right[c]][1] - flow.velocity[env, row, flow.left[c]][1]
    u = flow.velocity[env, row, flow.above[c]][0] - flow.velocity[env, row, flow.below[c]][0]
    vorticity = (v - u) * (0.5 / flow.spacing)
    flow.vorticity[env, row, c] = vorticity
    flow.turning[env, row, c] = ti.sqrt(vorticity * vorticity + QUIET)


@ti.func
def confine(flow: ti.template(), env, row, c):
    """The acceleration that makes eddies stronger: across the way to where it turns faster."""
    x = (flow.turning[env, row, flow.right[c]] - flow.turning[env, row, flow.left[c]]) * (0.5 / flow.spacing)
    y = (flow.turning[env, row, flow.above[c]] - flow.turning[env, row, flow.below[c]]) * (0.5 / flow.spacing)
    strength = flow.confinement[env, 0] * flow.spacing * flow.vorticity[env, row, c] / ti.sqrt(x * x + y * y + QUIET)
    return strength * ti.Vector([y, -x])


@ti.func
def advect(flow: ti.template(), env, row, step, c):
    """Take velocity and density from where the flow comes from, to first order in time; then accelerate."""
    column = c // flow.m
    way = (flow.dt / flow.spacing) * flow.velocity[env, row, c]
    x, y = column - way[0], c - column * flow.m - way[1]
    left, below = ti.floor(x), ti.floor(y)
    across, up = interpolation.weights(x - left), interpolation.weights(y - below)
    columns = interpolation.around(left, flow.n, ti.static(flow.periodic)) * flow.m
    rows = interpolation.around(below, flow.m, ti.static(flow.periodic))
    velocity, smooth = ti.Vector([0.0, 0.0]), 0.0
    least = flow.density[env, row, columns[1] + rows[1]]
    most = least
    for k in ti.static(range(4)):
        velocity += across[k] * along(flow.velocity, env, row, columns[k], rows, up)
        smooth += across[k] * along(flow.density, env, row, columns[k], rows, up)
        for j in ti.static(range(4)):
            least = ti.min(least, flow.density[env, row, columns[k] + rows[j]])
            most = ti.max(most, flow.density[env, row, columns[k] + rows[j]])
    density = ti.min(most, ti.max(least, smooth)) + flow.dt * flow.source[env, c]
    flow.density[env, row + 1, c] = density
    lift = ti.Vector([0.0, flow.buoyancy[env, 0] * density])
    if ti.static(flow.confined):
        push = flow.force[env, c] + lift + confine(flow, env, row, c)
        flow.advected[env, row, c] = velocity + flow.dt * push
    else:
        flow.advected[env, row, c] = velocity + flow.dt * (flow.force[env, c] + lift)


@ti.func
def along(field: ti.template(), env, row, column, rows, weight):
    """Interpolated within a column of cells."""
    a, b = field[env, row, column + rows[0]], field[env, row, column + rows[1]]
    c, d = field[env, row, column + rows[2]], field[env, row, column + rows[3]]
    return interpolation.mean(weight, a, b, c, d)


@ti.func
def diverge(flow: ti.template(), env, row, step, c):
    """The divergence times the spacing [m/s], and the first iteration of the pressure, from zero."""
    right, left, above, below = flow.right[c], flow.left[c], flow.above[c], flow.below[c]
    u = flow.advected[env, row, right][0] - flow.advected[env, row, left][0]
    v = flow.advected[env, row, above][1] - flow.advected[env, row, below][1]
    if ti.static(flow.periodic):
        settle(flow, env, row, c, 0.5 * (u + v))
    else:  # a neighbour beyond a wall is the cell itself: its image has the opposite speed
        own = flow.advected[env, row, c]
        into = ti.cast(right == c, ti.i32) - ti.cast(left == c, ti.i32)
        over = ti.cast(above == c, ti.i32) - ti.cast(below == c, ti.i32)
        settle(flow, env, row, c, 0.5 * (u + v) - into * own[0] - over * own[1])


@ti.func
def settle(flow: ti.template(), env, row, c, divergence):
    flow.divergence[env, row, c] = divergence
    flow.pressure[env, row, c] = -0.25 * divergence


@ti.func
def relax(flow: ti.template(), env, row, step, element):
    """A Jacobi iteration: solves for the pressure of a cell among the neighbours' of the iteration before."""
    cells = flow.n * flow.m
    before = element // cells * cells
    c = element - before
    x = flow.pressure[env, row, before + flow.right[c]] + flow.pressure[env, row, before + flow.left[c]]
    y = flow.pressure[env, row, before + flow.above[c]] + flow.pressure[env, row, before + flow.below[c]]
    flow.pressure[env, row, element + cells] = 0.25 * (x + y - flow.divergence[env, row, c])


@ti.func
def project(flow: ti.template(), env, row, step, c):
    """Take the gradient of the pressure off the velocity."""
    last = flow.last
    x = flow.pressure[env, row, last + flow.right[c]] - flow.pressure[env, row, last + flow.left[c]]
    y = flow.pressure[env, row, last + flow.above[c]] - flow.pressure[env, row, last + flow.below[c]]
    flow.velocity[env, row + 1, c] = flow.advected[env, row, c] - 0.5 * ti.Vector([x, y])
