"""What matter is made of: a stage for each law, from the deformation of a particle to the stress in it.

Each works out the deformation gradient at the end of the step, F' = (I + h C) F with the velocity's gradient C, and the
Kirchhoff stress tau = J sigma, of which `push` is made. Lame's numbers are mu = E / (2 (1 + nu)) and
lambda = E nu / ((1 + nu) (1 - 2 nu)).

    corotated    tau = 2 mu (F - R) F^T + lambda (J - 1) J I           Stomakhin et al. 2012, SCA, equation 8
    neo-Hookean  tau = mu (F F^T - I) + lambda log(J) I               Sifakis and Barbic 2012, SIGGRAPH course, 3.4
    liquid       tau = -J p I + eta J (C + C^T), p = K (J^-7 - 1) / 7   Tait's equation, with Newton's viscosity
    muscle       tau += a s (F m) (F m)^T                             fibres m of strength s, at an actuation a
"""

import taichi as ti

from diffsim.physics.material_points.rotations import better_rotation, rotation_2d, rotation_3d

__all__ = ["corotated", "find_rotations", "lame", "liquid", "neo_hookean"]


@ti.func
def lame(matter: ti.template(), group: ti.template(), env, row, step, k):
    """Lame's numbers of a solid."""
    p = group.which[k]
    young, poisson = matter.youngs_modulus[env, p], matter.poissons_ratio[env, p]
    shear = young / (2.0 * (1.0 + poisson))
    matter.lame[env, p] = ti.Vector([shear, 2.0 * shear * poisson / (1.0 - 2.0 * poisson)])


@ti.func
def identity(d: ti.template()):
    return ti.Matrix([[ti.static(float(i == j)) for j in ti.static(range(d))] for i in ti.static(range(d))])


@ti.func
def deformed(matter: ti.template(), env, row, p, solid):
    """The deformation gradient at the end of the step."""
    before = matter.deformation[env, row, solid]
    return before + matter.dt * (matter.affine[env, row, p] @ before)


@ti.func
def push(matter: ti.template(), env, row, p, stress: ti.template()):
    """What a particle adds to a node's momentum, per distance from it: Hu et al. 2018, equations 16 and 29."""
    scale = ti.static(-4.0 * matter.dt / matter.cell**2) * matter.volume[env, p]
    matter.push[env, row, p] = scale * stress + matter.mass[env, p] * matter.affine[env, row, p]


@ti.func
def press(matter: ti.template(), group: ti.template(), env, row, k, f: ti.template(), passive):
    """Keep the deformation of a solid, and push with its stress and that of its muscle."""
    p = group.which[k]
    matter.deformation[env, row + 1, group.first + k] = f
    if ti.static(group.driven):
        fibre = f @ matter.fibre[env, p]
        pull = matter.strength[env, p] * matter.actuation[env, row, group.actuator[k]]
        push(matter, env, row, p, passive + pull * fibre.outer_product(fibre))
    else:
        push(matter, env, row, p, passive)


@ti.func
def corotated(matter: ti.template(), group: ti.template(), env, row, step, k):
    """Push with the stress of a solid that may be crushed."""
    d = ti.static(matter.d)
    p = group.which[k]
    f = deformed(matter, env, row, p, group.first + k)
    j = f.determinant()
    shear, bulk = matter.lame[env, p][0], matter.lame[env, p][1]
    away = f
    if ti.static(d == 2):
        away = f - rotation_2d(f)
    else:
        away = f - better_rotation(f, matter.rotation, env, row, group.first + k)
    press(
        matter, group, env, row, k, f,
        2.0 * shear * (away @ f.transpose()) + (bulk * (j - 1.0) * j) * identity(d),
    )  # fmt: skip


@ti.func
def find_rotations(matter: ti.template(), group: ti.template(), env, row, step, k):
    """A decision, in three dimensions: the rotation in the deformation at the end of the step."""
    p = group.which[k]
    found = rotation_3d(deformed(matter, env, row, p, group.first + k))
    for i in ti.static(range(9)):
        matter.rotation[env, row, 9 * (group.first + k) + i] = found[i // 3, i % 3]


@ti.func
def neo_hookean(matter: ti.template(), group: ti.template(), env, row, step, k):
    """Push with the stress of rubber."""
    d = ti.static(matter.d)
    p = group.which[k]
    f = deformed(matter, env, row, p, group.first + k)
    shear, bulk = matter.lame[env, p][0], matter.lame[env, p][1]
    press(
        matter, group, env, row, k, f,
        shear * (f @ f.transpose()) + (bulk * ti.log(f.determinant()) - shear) * identity(d),
    )  # fmt: skip


@ti.func
def liquid(matter: ti.template(), group: ti.template(), env, row, step, k):
    """Push with the stress of a liquid, which knows of its deformation the volume only."""
    d = ti.static(matter.d)
    p = group.which[k]
    rate = matter.affine[env, row, p]
    j = matter.volume_ratio[env, row, k] * (1.0 + matter.dt * rate.trace())
    matter.volume_ratio[env, row + 1, k] = j
    j2 = j * j
    j4 = j2 * j2
    pressure = matter.bulk_modulus[env, p] * (1.0 / (j4 * j2 * j) - 1.0) / 7.0
    if ti.static(matter.viscous):
        friction = matter.viscosity[env, p] * j * (rate + rate.transpose())
        push(matter, env, row, p, friction - (j * pressure) * identity(d))
    else:
        push(matter, env, row, p, (-j * pressure) * identity(d))
