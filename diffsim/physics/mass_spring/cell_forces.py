"""Forces of cells against a change of area or volume, and out of inversion: minus the derivative of `cells`' energy."""

import taichi as ti

from diffsim.physics.mass_spring.cells import FLAT

__all__ = ["area_force", "volume_force"]


@ti.func
def slope(j):
    """U'(J): (J - 1 / J) / 2, and below FLAT its tangent there."""
    above = ti.max(FLAT, j)
    return 0.5 * (j - 1.0 / above + (j - above) / (FLAT * FLAT))


@ti.func
def area_force(points: ti.template(), motion: ti.template(), env, row, step, cell):
    """Of a triangle: with u and v its sides from a, the area's slope at b is v turned clockwise by half, and so on."""
    a, b, c = points.corner[3 * cell], points.corner[3 * cell + 1], points.corner[3 * cell + 2]
    origin = motion.position[env, row, a]
    u = motion.position[env, row, b] - origin
    v = motion.position[env, row, c] - origin
    area = 0.5 * (u[0] * v[1] - u[1] * v[0])
    pressure = points.cell_stiffness[env, cell] * slope(area / points.cell_volume[env, cell])
    on_b = (0.5 * pressure) * ti.Vector([-v[1], v[0]])
    on_c = (0.5 * pressure) * ti.Vector([u[1], -u[0]])
    motion.force[env, row, b] += on_b
    motion.force[env, row, c] += on_c
    motion.force[env, row, a] += -(on_b + on_c)


@ti.func
def volume_force(points: ti.template(), motion: ti.template(), env, row, step, cell):
    """Of a tetrahedron: with u, v, w its sides from a, the volume's slope at b is v x w / 6, and so on."""
    a, b = points.corner[4 * cell], points.corner[4 * cell + 1]
    c, d = points.corner[4 * cell + 2], points.corner[4 * cell + 3]
    origin = motion.position[env, row, a]
    u = motion.position[env, row, b] - origin
    v = motion.position[env, row, c] - origin
    w = motion.position[env, row, d] - origin
    facing = v.cross(w)
    volume = u.dot(facing) / 6.0
    pressure = points.cell_stiffness[env, cell] * slope(volume / points.cell_volume[env, cell])
    on_b = (-pressure / 6.0) * facing
    on_c = (-pressure / 6.0) * w.cross(u)
    on_d = (-pressure / 6.0) * u.cross(v)
    motion.force[env, row, b] += on_b
    motion.force[env, row, c] += on_c
    motion.force[env, row, d] += on_d
    motion.force[env, row, a] += -(on_b + on_c + on_d)
