"""Particles to grid and back, by quadratic B-splines: APIC (Jiang et al. 2015, ACM TOG 34(4)).

With x - x_i in cells, f = x - floor(x - 1/2), the weights of the three nearest nodes along an axis are
(3/2 - f)^2 / 2, 3/4 - (f - 1)^2 and (f - 1/2)^2 / 2; a node's weight is their product.
"""

import taichi as ti

from diffsim.physics.contact import MEETS, RESTS, SLIDES, mark
from diffsim.physics.material_points.grid import base_of, beside, cells_to, escaped, place_of

__all__ = ["feel_walls", "grid_to_particle", "particle_to_grid"]


@ti.func
def weights_of(apart: ti.template()):
    """(3, d) weights along each axis: of the middle node, ``apart`` cells before the particle, and those beside it."""
    return ti.Matrix.rows([0.5 * (0.5 - apart) ** 2, 0.75 - apart**2, 0.5 * (0.5 + apart) ** 2])


@ti.func
def line_weight(weights: ti.template(), line: ti.template(), d: ti.template()):
    """Of three nodes in a row along the last axis: the product of the weights along the others."""
    weight = weights[ti.static(line % 3), 0]
    if ti.static(d == 3):
        weight *= weights[ti.static(line // 3), 1]
    return weight


@ti.func
def place_of_line(grid: ti.template(), env, row, base: ti.template(), line: ti.template()):
    """Where the first of three nodes in a row is kept; ``base`` is the lowest of all."""
    offset = ti.Vector([ti.static(line // 3**a % 3 * (a < grid.d - 1)) for a in ti.static(range(grid.d))])
    return place_of(grid, env, row, base + offset)


@ti.func
def particle_to_grid(matter: ti.template(), grid: ti.template(), env, row, step, p):
    """Add mass and momentum to the nodes around, row by row."""
    d = ti.static(grid.d)
    x = cells_to(grid, matter.position[env, row, p])
    base = base_of(grid, x)
    apart = x - (base + 1)
    weights = weights_of(apart)
    mass, push = matter.mass[env, p], grid.cell * matter.push[env, row, p]
    middle = mass * matter.velocity[env, row, p] - push @ apart  # at the middle node, per weight
    last = ti.Vector([push[a, ti.static(d - 1)] for a in ti.static(range(d))])
    for line in ti.static(range(3 ** (d - 1))):
        there = middle
        for a in ti.static(range(d - 1)):
            if ti.static(line // 3**a % 3 == 0):
                there -= ti.Vector([push[b, a] for b in ti.static(range(d))])
            if ti.static(line // 3**a % 3 == 2):
                there += ti.Vector([push[b, a] for b in ti.static(range(d))])
        weight = line_weight(weights, line, d)
        momentum, more, heavy = weight * there, weight * last, weight * mass
        first = place_of_line(grid, env, row, base, line)
        for k in ti.static(range(3)):
            place = first + k * beside(grid)
            own = momentum
            if ti.static(k == 0):
                own -= more
            if ti.static(k == 2):
                own += more
            own *= weights[k, ti.static(d - 1)]
            for a in ti.static(range(d)):
                grid.inertia[env, row, place][a] += own[a]
            grid.inertia[env, row, place][d] += weights[k, ti.static(d - 1)] * heavy


@ti.func
def grid_to_particle(matter: ti.template(), grid: ti.template(), env, row, step, p):
    """Take velocity and its gradient from the nodes around, row by row, and move; what escaped ends as no number."""
    d = ti.static(grid.d)
    x = cells_to(grid, matter.position[env, row, p])
    base = base_of(grid, x)
    apart = x - (base + 1)
    weights = weights_of(apart)
    velocity = ti.Vector([0.0 for _ in ti.static(range(d))])
    moment = ti.Matrix([[0.0 for _ in ti.static(range(d))] for _ in ti.static(range(d))])  # around the middle node
    for line in ti.static(range(3 ** (d - 1))):
        first = place_of_line(grid, env, row, base, line)
        low = weights[0, ti.static(d - 1)] * grid.velocity[env, row, first]
        middle = weights[1, ti.static(d - 1)] * grid.velocity[env, row, first + beside(grid)]
        high = weights[2, ti.static(d - 1)] * grid.velocity[env, row, first + 2 * beside(grid)]
        weight = line_weight(weights, line, d)
        part = weight * (low + middle + high)
        velocity += part
        more = weight * (high - low)
        for b in ti.static(range(d)):
            moment[b, ti.static(d - 1)] += more[b]
        for a in ti.static(range(d - 1)):
            for b in ti.static(range(d)):
                if ti.static(line // 3**a % 3 == 0):
                    moment[b, a] -= part[b]
                if ti.static(line // 3**a % 3 == 2):
                    moment[b, a] += part[b]
    moment -= velocity.outer_product(apart)
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
