"""Rotations in deformations, against the singular value decomposition, and their derivatives in space."""

import numpy as np
import pytest
import taichi as ti

from diffsim.engine import runtime
from diffsim.physics.material_points.rotations import better_rotation, rotation_2d, rotation_3d


def polar(f):
    u, _, v = np.linalg.svd(f)
    return u @ v


def deformations(d, count=20):
    rng = np.random.default_rng(4)
    found = np.eye(d) + 0.5 * rng.normal(size=(3 * count, d, d))
    return found[np.linalg.det(found) > 0.1][:count]


class Owner:
    """Holds Taichi as a simulation does."""


@pytest.fixture(scope="module")
def fields():
    owner = Owner()
    runtime.attach(owner, "cpu")
    with runtime.precision("f64"):
        yield
    runtime.detach(owner)


def test_in_the_plane(fields):
    given, found = deformations(2), np.zeros((20, 2, 2))

    @ti.kernel
    def turn(given: ti.types.ndarray(), found: ti.types.ndarray()):
        for k in range(given.shape[0]):
            f = ti.Matrix([[given[k, i, j] for j in ti.static(range(2))] for i in ti.static(range(2))])
            r = rotation_2d(f)
            for i, j in ti.static(ti.ndrange(2, 2)):
                found[k, i, j] = r[i, j]

    turn(given, found)
    assert np.abs(found - np.stack([polar(f) for f in given])).max() < 1e-12


def test_in_space_with_the_derivative(fields):
    """The better one, of what is found for one deformation, follows another that is near by, but for a square."""
    given, found, better = deformations(3), np.zeros((20, 3, 3)), np.zeros((20, 3, 3))
    near = given + 1e-6 * np.random.default_rng(5).normal(size=given.shape)

    @ti.kernel
    def turn(given: ti.types.ndarray(), found: ti.types.ndarray()):
        for k in range(given.shape[0]):
            r = rotation_3d(ti.Matrix([[given[k, i, j] for j in ti.static(range(3))] for i in ti.static(range(3))]))
            for i, j in ti.static(ti.ndrange(3, 3)):
                found[k, i, j] = r[i, j]

    @ti.kernel
    def improve(near: ti.types.ndarray(), numbers: ti.template(), better: ti.types.ndarray()):
        for k in range(near.shape[0]):
            f = ti.Matrix([[near[k, i, j] for j in ti.static(range(3))] for i in ti.static(range(3))])
            r = better_rotation(f, numbers, 0, 0, k)
            for i, j in ti.static(ti.ndrange(3, 3)):
                better[k, i, j] = r[i, j]

    turn(given, found)
    assert np.abs(found - np.stack([polar(f) for f in given])).max() < 1e-10
    numbers = ti.field(ti.f64, (1, 1, 9 * 20))
    numbers.from_numpy(found.reshape(1, 1, -1))
    improve(near, numbers, better)
    apart = np.abs(better - np.stack([polar(f) for f in near])).max()
    assert np.abs(found - better).max() > 1e-7  # it has moved with it
    assert apart < 1e-10
