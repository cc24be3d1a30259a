"""Rotations in stages: matrices as vectors of nine numbers, row by row, and quaternions w, x, y, z.

All are smooth where they are used: no square root or division is at zero.
"""

import taichi as ti

__all__ = [
    "about",
    "columns",
    "half_turned",
    "half_turns",
    "nine",
    "product",
    "rotation_vector",
    "turned",
    "turned_from",
    "unit",
    "unpacked",
    "vector_of",
]

SMALLEST = 1.0e-20
"""Added to a squared angle [rad^2]: turns of less than 1e-10 rad are none."""

TINY = 1.0e-12


@ti.func
def unpacked(r):
    """The matrix (3, 3) of nine numbers."""
    return ti.Matrix([[r[0], r[1], r[2]], [r[3], r[4], r[5]], [r[6], r[7], r[8]]])


@ti.func
def nine(m):
    """The nine numbers of a matrix (3, 3)."""
    return ti.Vector([m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], m[2, 0], m[2, 1], m[2, 2]])


@ti.func
def unit(q):
    """The quaternion of length 1; none of a scene is zero."""
    return q / ti.sqrt(q.dot(q))


@ti.func
def columns(q):
    """The matrix (3, 3) of a unit quaternion."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    return ti.Matrix(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


@ti.func
def about(axis, angle):
    """The matrix (3, 3) of a turn about a unit axis (Rodrigues)."""
    s, c = ti.sin(angle), ti.cos(angle)
    x, y, z = axis[0], axis[1], axis[2]
    t = 1.0 - c
    return ti.Matrix(
        [
            [c + t * x * x, t * x * y - s * z, t * x * z + s * y],
            [t * x * y + s * z, c + t * y * y, t * y * z - s * x],
            [t * x * z - s * y, t * y * z + s * x, c + t * z * z],
        ]
    )


@ti.func
def product(a, b):
    """The quaternion of the turn ``b``, then ``a``."""
    return ti.Vector(
        [
            a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
            a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
            a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
            a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
        ]
    )


@ti.func
def turned(q, spin, dt):
    """The unit quaternion after turning with ``spin`` [rad/s], in its own frame, for ``dt``."""
    rate = ti.sqrt(spin.dot(spin) + SMALLEST)
    half = 0.5 * dt * rate
    s = ti.sin(half) / rate
    turn = ti.Vector([ti.cos(half), s * spin[0], s * spin[1], s * spin[2]])
    return unit(product(unit(q), turn))


@ti.func
def turned_from(a, b):
    """The turn that leads from the unit quaternion ``a`` to ``b``, in the frame of ``b``."""
    return product(ti.Vector([a[0], -a[1], -a[2], -a[3]]), b)


@ti.func
def vector_of(q):
    """The last three components."""
    return ti.Vector([q[1], q[2], q[3]])


@ti.func
def rotation_vector(q):
    """Axis times angle [rad] of a unit quaternion, the shorter way round."""
    side = ti.select(q[0] >= 0.0, 1.0, -1.0)
    v = side * vector_of(q)
    sine = ti.sqrt(v.dot(v) + SMALLEST)
    return (2.0 * ti.atan2(sine, side * q[0]) / sine) * v


@ti.func
def half_turned(apart):
    """Of a rotation (3, 3) by less than half a turn the quaternion: cosine of half the angle, sine times axis."""
    cosine = 0.5 * ti.sqrt(ti.max(1.0 + apart[0, 0] + apart[1, 1] + apart[2, 2], 0.0) + TINY)
    share = 0.25 / cosine
    return ti.Vector(
        [
            cosine,
            share * (apart[2, 1] - apart[1, 2]),
            share * (apart[0, 2] - apart[2, 0]),
            share * (apart[1, 0] - apart[0, 1]),
        ]
    )


@ti.func
def half_turns(q):
    """The matrix (3, 3) that has of a spin w the vector part of the product of (0, w) and a quaternion."""
    return ti.Matrix([[q[0], q[3], -q[2]], [-q[3], q[0], q[1]], [q[2], -q[1], q[0]]])
