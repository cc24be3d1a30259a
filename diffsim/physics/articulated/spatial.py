"""Spatial vectors and inertias in stages (Featherstone 2008, Rigid Body Dynamics Algorithms, chapter 2).

A spatial vector has six numbers, the angular part first. All are taken at one point of the world (of a robot: where its
first link is), so nothing is transformed from link to link. A symmetric 6 x 6 matrix is the 21 numbers of its upper
triangle, row by row.
"""

import taichi as ti

__all__ = ["angular", "crossed", "inertia_at", "less_outer", "linear", "point_inertia", "spatial", "times"]

UPPER = tuple((i, j) for i in range(6) for j in range(i, 6))
ENTRY = tuple(tuple(UPPER.index((min(i, j), max(i, j))) for j in range(6)) for i in range(6))


@ti.func
def spatial(angular_part, linear_part):
    """Both parts together."""
    return ti.Vector(
        [angular_part[0], angular_part[1], angular_part[2], linear_part[0], linear_part[1], linear_part[2]]
    )


@ti.func
def angular(s):
    """The first three numbers."""
    return ti.Vector([s[0], s[1], s[2]])


@ti.func
def linear(s):
    """The last three numbers."""
    return ti.Vector([s[3], s[4], s[5]])


@ti.func
def crossed(v, s):
    """How a motion ``s`` that is carried along with velocity ``v`` changes (equation 2.31)."""
    w = angular(v)
    return spatial(w.cross(angular(s)), w.cross(linear(s)) + linear(v).cross(angular(s)))


@ti.func
def times(m, v):
    """A symmetric matrix times a vector."""
    return ti.Vector(
        [
            m[ti.static(ENTRY[i][0])] * v[0]
            + m[ti.static(ENTRY[i][1])] * v[1]
            + m[ti.static(ENTRY[i][2])] * v[2]
            + m[ti.static(ENTRY[i][3])] * v[3]
            + m[ti.static(ENTRY[i][4])] * v[4]
            + m[ti.static(ENTRY[i][5])] * v[5]
            for i in ti.static(range(6))
        ]
    )


@ti.func
def less_outer(m, u, inverse):
    """A symmetric matrix minus ``inverse`` times the outer product of a vector with itself."""
    v = inverse * u
    return ti.Vector([m[k] - u[ti.static(UPPER[k][0])] * v[ti.static(UPPER[k][1])] for k in ti.static(range(21))])


@ti.func
def inertia_at(mass, about, c):
    """Spatial inertia (21,) of a body (equation 2.63).

    Args:
        mass: [kg].
        about: (3, 3) inertia about the centre of mass, in the world [kg m^2].
        c: (3,) centre of mass, from the point that everything is taken at [m].
    """
    x, y, z = mass * c[0], mass * c[1], mass * c[2]
    return ti.Vector(
        [
            about[0, 0] + y * c[1] + z * c[2],
            about[0, 1] - x * c[1],
            about[0, 2] - x * c[2],
            0.0,
            -z,
            y,
            about[1, 1] + x * c[0] + z * c[2],
            about[1, 2] - y * c[2],
            z,
            0.0,
            -x,
            about[2, 2] + x * c[0] + y * c[1],
            -y,
            x,
            0.0,
            mass,
            0.0,
            0.0,
            mass,
            0.0,
            mass,
        ]
    )


@ti.func
def point_inertia(mass, c):
    """Spatial inertia (21,) of a point at ``c`` (3,) [m], from the point that everything is taken at."""
    return inertia_at(mass, ti.Matrix([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), c)
