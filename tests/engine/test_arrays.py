"""Arrays: several indices over a field of one."""

import numpy as np
import pytest
import taichi as ti

from diffsim.engine import runtime
from diffsim.engine.arrays import ROWS, Array


class Owner:
    """Keeps Taichi started."""


@pytest.fixture(params=[False, True], ids=["env first", "env last"])
def arrays(request):
    """A scalar one with a gradient and a vector one, (2 envs, 3 rows, 4 elements)."""
    runtime.attach(owner := Owner(), "cpu")
    builder = ti.FieldsBuilder()
    scalar = Array(ti.field(ti.f64, needs_grad=True), (2, ROWS, 4), gradient=True)
    vector = Array(ti.Vector.field(2, ti.f64), (2, ROWS, 4))
    for array in (scalar, vector):
        array.place(builder, ti.i, 3, env_last=request.param)
    tree = builder.finalize()
    yield scalar, vector
    tree.destroy()
    runtime.detach(owner)


def test_elements_are_where_numpy_puts_them(arrays):
    scalar, vector = arrays
    values = np.arange(24.0).reshape(2, 3, 4)
    scalar.from_numpy(values)
    vector.from_numpy(np.stack([values, -values], axis=-1))
    assert scalar.shape == vector.shape == (2, 3, 4)
    assert np.array_equal(scalar.to_numpy(), values)
    assert np.array_equal(vector.to_numpy()[..., 1], -values)
    assert scalar[1, 2, 3] == 23.0
    assert vector[0, 1, 2].to_list() == [6.0, -6.0]
    scalar[1, 0, 2] = 50.0
    assert np.argwhere(scalar.to_numpy() != values).tolist() == [[1, 0, 2]]


def test_kernels_see_the_same_elements(arrays):
    scalar, vector = arrays
    real = ti.f64

    @ti.kernel
    def number():
        for env, row, k in ti.ndrange(2, 3, 4):
            scalar[env, row, k] = ti.cast(100 * env + 10 * row + k, real)
            vector[env, row, k] = ti.Vector([ti.cast(k, real), ti.cast(env, real)])
            scalar.grad[env, row, k] = -scalar[env, row, k]

    number()
    env, row, k = np.meshgrid(*map(range, (2, 3, 4)), indexing="ij")
    assert np.array_equal(scalar.to_numpy(), 100 * env + 10 * row + k)
    assert np.array_equal(scalar.grad.to_numpy(), -(100.0 * env + 10 * row + k))
    assert np.array_equal(vector.to_numpy(), np.stack([k, env], axis=-1))


def test_fill_and_parts(arrays):
    scalar, vector = arrays
    scalar.fill(3.0)
    vector.fill(2.0)
    assert np.all(scalar.to_numpy() == 3.0)
    assert np.all(vector.to_numpy() == 2.0)
    assert vector.grad is None
    assert scalar.grad.shape == scalar.shape
    assert len(scalar.parts()) == len({id(part) for part in scalar.parts()})
    assert {id(scalar.field), id(scalar.grad.field)} <= {id(part) for part in scalar.parts()}


def test_one_environment_a_row_and_an_element_are_no_different(arrays):
    """Arrays of one axis have no environment to put last."""
    builder = ti.FieldsBuilder()
    flat = Array(ti.field(ti.i32), (5,))
    flat.place(builder, ti.i, 3, env_last=True)
    tree = builder.finalize()
    flat.from_numpy(np.arange(5))
    assert flat[4] == 4
    assert np.array_equal(flat.to_numpy(), np.arange(5))
    tree.destroy()
