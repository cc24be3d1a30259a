"""Stages of smoke in space, on a grid of cubes: what `diffsim.physics.smoke.plane` does in the plane.

They are functions of their own so that a flow in the plane compiles what it did without them.
"""

import taichi as ti

from diffsim.physics import interpolation
from diffsim.physics.smoke.plane import QUIET, along

__all__ = ["advect", "diverge", "project", "relax", "spin"]


@ti.func
def spin(flow: ti.template(), env, row, step, c):
    """The vorticity, and its size."""
    x = flow.velocity[env, row, flow.right[c]] - flow.velocity[env, row, flow.left[c]]
    y = flow.velocity[env, row, flow.behind[c]] - flow.velocity[env, row, flow.before[c]]
    z = flow.velocity[env, row, flow.above[c]] - flow.velocity[env, row, flow.below[c]]
    vorticity = (0.5 / flow.spacing) * ti.Vector([y[2] - z[1], z[0] - x[2], x[1] - y[0]])
    flow.vorticity[env, row, c] = vorticity
    flow.turning[env, row, c] = ti.sqrt(vorticity.dot(vorticity) + QUIET)


@ti.func
def confine(flow: ti.template(), env, row, c):
    """The acceleration that makes eddies stronger: across the way to where it turns faster, and the vorticity."""
    x = flow.turning[env, row, flow.right[c]] - flow.turning[env, row, flow.left[c]]
    y = flow.turning[env, row, flow.behind[c]] - flow.turning[env, row, flow.before[c]]
    z = flow.turning[env, row, flow.above[c]] - flow.turning[env, row, flow.below[c]]
    slope = (0.5 / flow.spacing) * ti.Vector([x, y, z])
    strength = flow.confinement[env, 0] * flow.spacing / ti.sqrt(slope.dot(slope) + QUIET)
    return strength * slope.cross(flow.vorticity[env, row, c])


@ti.func
def advect(flow: ti.template(), env, row, step, c):
    """Take velocity and density from where the flow comes from, to first order in time; then accelerate."""
    column = c // flow.l
    i = column // flow.m
    way = (flow.dt / flow.spacing) * flow.velocity[env, row, c]
    x, y, z = i - way[0], column - i * flow.m - way[1], c - column * flow.l - way[2]
    left, front, below = ti.floor(x), ti.floor(y), ti.floor(z)
    across, deep = interpolation.weights(x - left), interpolation.weights(y - front)
    up = interpolation.weights(z - below)
    slices = interpolation.around(left, flow.n, ti.static(flow.periodic)) * (flow.m * flow.l)
    columns = interpolation.around(front, flow.m, ti.static(flow.periodic)) * flow.l
    rows = interpolation.around(below, flow.l, ti.static(flow.periodic))
    velocity, smooth = ti.Vector([0.0, 0.0, 0.0]), 0.0
    least = flow.density[env, row, slices[1] + columns[1] + rows[1]]
    most = least
    for a, b in ti.static(ti.ndrange(4, 4)):
        share, first = across[a] * deep[b], slices[a] + columns[b]
        velocity += share * along(flow.velocity, env, row, first, rows, up)
        smooth += share * along(flow.density, env, row, first, rows, up)
        for k in ti.static(range(4)):
            least = ti.min(least, flow.density[env, row, first + rows[k]])
            most = ti.max(most, flow.density[env, row, first + rows[k]])
    density = ti.min(most, ti.max(least, smooth)) + flow.dt * flow.source[env, c]
    flow.density[env, row + 1, c] = density
    push = flow.force[env, c] + ti.Vector([0.0, 0.0, flow.buoyancy[env, 0] * density])
    if ti.static(flow.confined):
        flow.advected[env, row, c] = velocity + flow.dt * (push + confine(flow, env, row, c))
    else:
        flow.advected[env, row, c] = velocity + flow.dt * push


@ti.func
def diverge(flow: ti.template(), env, row, step, c):
    """The divergence times the spacing [m/s], and the first iteration of the pressure, from zero."""
    right, left, above, below = flow.right[c], flow.left[c], flow.above[c], flow.below[c]
    behind, before = flow.behind[c], flow.before[c]
    u = flow.advected[env, row, right][0] - flow.advected[env, row, left][0]
    v = flow.advected[env, row, behind][1] - flow.advected[env, row, before][1]
    w = flow.advected[env, row, above][2] - flow.advected[env, row, below][2]
    if ti.static(flow.periodic):
        settle(flow, env, row, c, 0.5 * (u + v + w))
    else:  # a neighbour beyond a wall is the cell itself: its image has the opposite speed
        own = flow.advected[env, row, c]
        into = ti.cast(right == c, ti.i32) - ti.cast(left == c, ti.i32)
        through = ti.cast(behind == c, ti.i32) - ti.cast(before == c, ti.i32)
        over = ti.cast(above == c, ti.i32) - ti.cast(below == c, ti.i32)
        settle(flow, env, row, c, 0.5 * (u + v + w) - into * own[0] - through * own[1] - over * own[2])


@ti.func
def settle(flow: ti.template(), env, row, c, divergence):
    flow.divergence[env, row, c] = divergence
    flow.pressure[env, row, c] = -divergence / 6.0


@ti.func
def relax(flow: ti.template(), env, row, step, element):
    """A Jacobi iteration: solves for the pressure of a cell among the neighbours' of the iteration before."""
    cells = flow.n * flow.m * flow.l
    last = element // cells * cells
    c = element - last
    x = flow.pressure[env, row, last + flow.right[c]] + flow.pressure[env, row, last + flow.left[c]]
    y = flow.pressure[env, row, last + flow.behind[c]] + flow.pressure[env, row, last + flow.before[c]]
    z = flow.pressure[env, row, last + flow.above[c]] + flow.pressure[env, row, last + flow.below[c]]
    flow.pressure[env, row, element + cells] = (x + y + z - flow.divergence[env, row, c]) / 6.0


@ti.func
def project(flow: ti.template(), env, row, step, c):
    """Take the gradient of the pressure off the velocity."""
    last = flow.last
    x = flow.pressure[env, row, last + flow.right[c]] - flow.pressure[env, row, last + flow.left[c]]
    y = flow.pressure[env, row, last + flow.behind[c]] - flow.pressure[env, row, last + flow.before[c]]
    z = flow.pressure[env, row, last + flow.above[c]] - flow.pressure[env, row, last + flow.below[c]]
    flow.velocity[env, row + 1, c] = flow.advected[env, row, c] - 0.5 * ti.Vector([x, y, z])
