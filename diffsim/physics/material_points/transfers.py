"""Particles to grid and back, by quadratic B-splines: APIC (Jiang et al. 2015, ACM TOG 34(4)).

With x - x_i in cells, f = x - floor(x - 1/2), the weights of the three nearest nodes along an axis are
(3/2 - f)^2 / 2, 3/4 - (f - 1)^2 and (f - 1/2)^2 / 2; a node's weight is their product.
"""

import taichi as ti

from diffsim.physics.contact import MEETS, RESTS, SLIDES, mark
from diffsim.physics.material_points.grid import base_of, cells_to, escaped, place_of

__all__ = ["feel_walls", "grid_to_particle", "particle_to_grid"]


@ti.func
def weights_of(apart: ti.template()):
    """(3, d) weights along each axis of the nodes at 0, 1 and 2 cells from the lowest, the particle at ``apart``."""
    return ti.Matrix.rows([0.5 * (1.5 - apart) ** 2, 0.75 - (apart - 1.0) ** 2, 0.5 * (apart - 0.5) ** 2])


@ti.func
def particle_to_grid(matter: ti.template(), grid: ti.template(), env, row, step, p):
    """Add mass and momentum to the nodes around."""
    d = ti.static(grid.d)
    x = cells_to(grid, matter.position[env, row, p])
    base = base_of(grid, x)
    apart = x - base
    weights = weights_of(apart)
    mass, push = matter.mass[env, p], grid.cell * matter.push[env, row, p]
    there = mass * matter.velocity[env, row, p] - push @ apart  # at the lowest node, per weight
    for corner in ti.static(range(3**d)):
        offset = ti.Vector([ti.static(corner // 3**a % 3) for a in ti.static(range(d))])
        weight = weights[ti.static(corner % 3), 0]
        for a in ti.static(range(1, d)):
            weight *= weights[ti.static(corner // 3**a % 3), a]
        momentum = weight * (there + push @ offset)
        place = place_of(grid, env, row, base + offset)
        for a in ti.static(range(d)):
            grid.inertia[env, row, place][a] += momentum[a]
        grid.inertia[env, row, place][d] += weight * mass


@ti.func
def grid_to_particle(matter: ti.template(), grid: ti.template(), env, row, step, p):
    """Take velocity and its gradient from the nodes around, and move; what escaped ends as no number."""
    d = ti.static(grid.d)
    x = cells_to(grid, matter.position[env, row, p])
    base = base_of(grid, x)
    apart = x - base
    weights = weights_of(apart)
    velocity = ti.Vector([0.0 for _ in ti.static(range(d))])
    moment = ti.Matrix([[0.0 for _ in ti.static(range(d))] for _ in ti.static(range(d))])
    for corner in ti.static(range(3**d)):
        offset = ti.Vector([ti.static(corner // 3**a % 3) for a in ti.static(range(d))])
        weight = weights[ti.static(corner % 3), 0]
        for a in ti.static(range(1, d)):
            weight *= weights[ti.static(corner // 3**a % 3), a]
        part = weight * grid.velocity[env, row, place_of(grid, env, row, base + offset)]
        velocity += part
        moment += part.outer_product(offset - apart)
    matter.velocity[env, row + 1, p] = velocity
    lost = escaped(grid, x)
    nowhere = ti.select(lost, 1.0, 0.0) / ti.select(lost, 0.0, 1.0)
    matter.position[env, row + 1, p] = matter.position[env, row, p] + grid.dt * velocity + nowhere
    matter.affine[env, row + 1, p] = ti.static(4.0 / grid.cell) * moment


@ti.func
def feel_walls(matter: ti.template(), grid: ti.template(), env, row, step, p):
    """Record what walls do to the nodes around."""
    x = cells_to(grid, matter.position[env, row, p])
    base = base_of(grid, x)
    meets, slides = False, False
    for corner in ti.static(range(3**grid.d)):
        offset = ti.Vector([ti.static(corner // 3**a % 3) for a in ti.static(range(grid.d))])
        event = grid.event[env, row, place_of(grid, env, row, base + offset)]
        meets = meets or event > 0.0
        for a in ti.static(range(grid.d)):
            slides = slides or ti.floor(event / ti.static(3.0**a)) % 3.0 > 1.0
        matter.branch[env, row, p] += ti.static((corner + 1) ** 0.5) * event  # no two patterns have one sum
    if meets:
        mark(matter.contact, env, row, p, ti.static(MEETS + RESTS))
    if slides:
        mark(matter.contact, env, row, p, SLIDES)
