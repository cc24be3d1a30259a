"""What matter is made of: a stage for each law, from the deformation of a particle to the stress in it.

Each works out the deformation gradient at the end of the step, F' = (I + h C) F with the velocity's gradient C, and the
Kirchhoff stress tau = J sigma, of which `push` is made. Lame's numbers are mu = E / (2 (1 + nu)) and
lambda = E nu / ((1 + nu) (1 - 2 nu)).

    corotated    tau = 2 mu (F - R) F^T + lambda (J - 1) J I           Stomakhin et al. 2012, SCA, equation 8
    neo-Hookean  tau = mu (F F^T - I) + lambda log(J) I               Sifakis and Barbic 2012, SIGGRAPH course, 3.4
    liquid       tau = -J p I + eta J (C + C^T), p = K (J^-7 - 1) / 7   Tait's equation, with Newton's viscosity
    muscle       tau += a s (F m) (F m)^T                             fibres m of strength s, at an actuation a

Sand has no F: of b = J^(-2/d) F_e F_e^T, of its elastic part F_e, and of J is kept what they become,

    sand         tau = mu dev(b) - p I, p = max(0, K (1 - J^2) / 2), K = lambda + 2 mu / d

where dev(b) is made shorter until the shear is no more than internal friction bears under the pressure p (Drucker and
Prager 1952), |mu dev(b)| <= c p. That is the return mapping of Simo and Hughes 1998, Computational Inelasticity, box
9.1, for the yield condition of Klar et al. 2016, ACM TOG 35(4): nothing dilates in shear, and nothing is pulled. With
tan(phi) the friction, c = sqrt(2) sin(phi) in the plane, as Mohr and Coulomb have it, and in space
c = 2 sqrt(6) sin(phi) / (3 - sin(phi)), which is theirs in triaxial compression.
"""

import taichi as ti

from diffsim.physics.contact import TINY
from diffsim.physics.material_points.rotations import better_rotation, rotation_2d, rotation_3d

__all__ = ["corotated", "find_rotations", "lame", "liquid", "neo_hookean", "sand"]


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
def borne(matter: ti.template(), env, p):
    """Norm of the shear that internal friction bears, for a pressure of 1."""
    slope = matter.internal_friction[env, p]
    sine = slope / ti.sqrt(1.0 + slope * slope)
    found = ti.static(2.0**0.5) * sine
    if ti.static(matter.d == 3):
        found = ti.static(2.0 * 6.0**0.5) * sine / (3.0 - sine)
    return found


@ti.func
def unit_volume(shear: ti.template(), square, d: ti.template()):
    """The multiple of I that makes a symmetric matrix of no trace, of this squared norm, one of determinant 1.

    In space a step of Newton's method for m^3 - m |shear|^2 / 2 + det(shear) = 1, which is enough for shears below 0.3.
    """
    found = 1.0
    if ti.static(d == 2):
        found = ti.sqrt(1.0 + 0.5 * square)
    else:
        near, whole = 1.0 + square / 6.0, shear.determinant()
        found = near - (near * (near * near - 0.5 * square) + whole - 1.0) / (3.0 * near * near - 0.5 * square)
    return found


@ti.func
def sand(matter: ti.template(), group: ti.template(), env, row, step, k):
    """Push with the stress of grains that slide on each other, and do not hold together."""
    d = ti.static(matter.d)
    p, solid, loose = group.which[k], group.first + k, group.loose + k
    change = identity(d) + matter.dt * matter.affine[env, row, p]
    bigger = change.determinant()
    j = matter.volume_ratio[env, row, loose] * bigger
    matter.volume_ratio[env, row + 1, loose] = j
    modulus, bulk = matter.lame[env, p][0], matter.lame[env, p][1] + ti.static(2.0 / d) * matter.lame[env, p][0]
    pressure = ti.max(0.5 * bulk * (1.0 - j * j), 0.0)
    tried = change @ matter.deformation[env, row, solid] @ change.transpose()
    tried *= bigger ** ti.static(-2.0 / d)
    tried -= (tried.trace() / d) * identity(d)
    square = 0.0
    for a in ti.static(range(d)):
        for b in ti.static(range(d)):
            square += tried[a, b] * tried[a, b]
    kept = ti.min(borne(matter, env, p) * pressure / (modulus * ti.sqrt(square + TINY)), 1.0)
    shear = kept * tried
    matter.deformation[env, row + 1, solid] = shear + unit_volume(shear, kept * kept * square, d) * identity(d)
    push(matter, env, row, p, modulus * shear - pressure * identity(d))


@ti.func
def liquid(matter: ti.template(), group: ti.template(), env, row, step, k):
    """Push with the stress of a liquid, which knows of its deformation the volume only."""
    d = ti.static(matter.d)
    p = group.which[k]
    rate = matter.affine[env, row, p]
    j = matter.volume_ratio[env, row, group.loose + k] * (1.0 + matter.dt * rate.trace())
    matter.volume_ratio[env, row + 1, group.loose + k] = j
    j2 = j * j
    j4 = j2 * j2
    pressure = matter.bulk_modulus[env, p] * (1.0 / (j4 * j2 * j) - 1.0) / 7.0
    if ti.static(matter.viscous):
        friction = matter.viscosity[env, p] * j * (rate + rate.transpose())
        push(matter, env, row, p, friction - (j * pressure) * identity(d))
    else:
        push(matter, env, row, p, (-j * pressure) * identity(d))
