"""The rotation R of a deformation gradient F = R S, with S symmetric: its polar decomposition.

In the plane it has a closed form. In space it is found by Newton's iteration R <- (R + R^-T) / 2 (Higham 1986, SIAM J.
Sci. Stat. Comput. 7(4)), forward only, and one step of another of Newton's iterations, which is differentiated,

    R' = R (I + [w]_x),   w = (tr(S) I - S)^-1 axl(R^T F - F^T R),   S = (R^T F + F^T R) / 2

gives it its derivative: w is zero, but its derivative is that of the rotation. (`ti.svd` in three dimensions has none.)
"""

import taichi as ti

from diffsim.physics.contact import TINY

__all__ = ["better_rotation", "rotation_2d", "rotation_3d"]

ITERATIONS = 30
"""At most: from a stretch of s it takes about log2(s) + 5."""


@ti.func
def rotation_2d(f: ti.template()):
    """That nearest to F, also where F turns matter inside out."""
    c, s = f[0, 0] + f[1, 1], f[1, 0] - f[0, 1]
    shorter = 1.0 / ti.sqrt(c * c + s * s + TINY)
    cosine, sine = shorter * c, shorter * s
    return ti.Matrix([[cosine, -sine], [sine, cosine]])


@ti.func
def rotation_3d(f: ti.template()):
    """Not differentiable. Where F is singular, or not finite, what is found is of no use."""
    r = f
    left = ITERATIONS
    while left > 0:
        better = 0.5 * (r + r.inverse().transpose())
        change = better - r
        moved = 0.0
        for i in ti.static(range(3)):
            for j in ti.static(range(3)):
                moved += change[i, j] * change[i, j]
        r = better
        left -= 1
        if moved < 1e-10:  # the error is that of the square of the last change
            left = 0
    return r


@ti.func
def better_rotation(f: ti.template(), found: ti.template(), env, row, solid):
    """The rotation in F, with its derivative; nine numbers of ``found`` are near to it, row by row."""
    r = ti.Matrix([[found[env, row, 9 * solid + 3 * i + j] for j in ti.static(range(3))] for i in ti.static(range(3))])
    s = r.transpose() @ f
    a = ti.Vector([s[2, 1] - s[1, 2], s[0, 2] - s[2, 0], s[1, 0] - s[0, 1]])
    xx, yy, zz = s[1, 1] + s[2, 2], s[0, 0] + s[2, 2], s[0, 0] + s[1, 1]
    xy, xz, yz = -0.5 * (s[0, 1] + s[1, 0]), -0.5 * (s[0, 2] + s[2, 0]), -0.5 * (s[1, 2] + s[2, 1])
    cx = ti.Vector([yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy])  # cofactors
    cy = ti.Vector([cx[1], xx * zz - xz * xz, xy * xz - xx * yz])
    cz = ti.Vector([cx[2], cy[2], xx * yy - xy * xy])
    w = ti.Vector([cx.dot(a), cy.dot(a), cz.dot(a)]) / (xx * cx[0] + xy * cx[1] + xz * cx[2])
    return r + r @ ti.Matrix([[0.0, -w[2], w[1]], [w[2], 0.0, -w[0]], [-w[1], w[0], 0.0]])
