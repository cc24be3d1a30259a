"""Traps that need a process of their own: they end it, or need Taichi to be started with other flags.

``python taichi_alone.py NAME`` runs one of the functions below and prints what it returns as JSON. No diffsim here.
"""

import json
import sys

import taichi as ti

RIGHT = {
    "default_fp": ti.f64,
    "force_scalarize_matrix": True,
    "ad_stack_size": 256,
    "fast_math": False,
    "flatten_if": False,
    "cpu_max_num_threads": 1,
    "cache_loop_invariant_global_vars": False,
    "unrolling_limit": 0,  # no warnings about long loops
}
"""The flags of diffsim.engine.runtime."""


def start(**changes):
    ti.init(ti.cpu, **{**RIGHT, **changes}, offline_cache=False, log_level=ti.CRITICAL)


def number(shape=()):
    return ti.field(ti.f64, shape=shape, needs_grad=True)


# Started with other flags


def flags():
    """What a kernel gives with one flag as it should not be, and with all as they should be."""
    found = {}
    for name, how, wrong in (
        ("force_scalarize_matrix", local_vectors, False),
        ("cache_loop_invariant_global_vars", two_indices, True),
        ("default_fp", literal, ti.f32),
    ):
        start(**{name: wrong})
        other = how()
        start()
        found[name] = [other, how()]
    return found


def local_vectors():
    """q . q for q = (3, 2 (p . q), 1), p = (1, 10, 100), q = (3, 2, 1) before: 9 + 246^2 + 1."""
    vectors, out = ti.Vector.field(3, ti.f64, shape=2), number()
    vectors[0], vectors[1] = [1.0, 10.0, 100.0], [3.0, 2.0, 1.0]

    @ti.kernel
    def run():
        for _ in range(1):
            p = vectors[0]
            q = vectors[1]
            second = q[1]
            if second < 0.3:
                unused = second  # noqa: F841  # the smallest that does it
            q[1] *= p.dot(q)
            out[None] += q.dot(q)

    run()
    return out[None]


def two_indices():
    """Derivatives of the sum of x[i] * x[1]: (x1, x0 + 2 x1 + x2, x1)."""
    x, out = number(3), number()

    @ti.kernel
    def run():
        ti.loop_config(serialize=True)
        for _ in range(1):
            for i in range(3):
                out[None] += x[i] * x[1]

    for i, value in enumerate((1.0, 2.0, 3.0)):
        x[i] = value
    run()
    out.grad[None] = 1.0
    run.grad()
    return x.grad.to_numpy().tolist()


def literal():
    out = number()

    @ti.kernel
    def run():
        out[None] = 0.1

    run()
    return out[None]


# The tape


def tape():
    """What `ti.ad.Tape` does around a kernel that adds x * x to a loss, x = 3."""
    start()
    x, other, loss = number(), number(), number()
    pair = ti.Vector.field(2, ti.f64, shape=(), needs_grad=True)
    x[None] = 3.0

    @ti.kernel
    def square():
        for _ in range(1):
            loss[None] += x[None] * x[None]

    @ti.kernel
    def square_and_return() -> ti.f64:
        loss[None] += x[None] * x[None]
        return loss[None]

    other.grad[None] = 7.0
    with ti.ad.Tape(loss):
        square()
    found = {"gradient": x.grad[None], "gradient of a field that has no part in it": other.grad[None]}
    try:
        with ti.ad.Tape(loss, clear_gradients=False):
            square()
            raise LookupError
    except LookupError:
        found["gradient after an error inside"] = x.grad[None]
    with ti.ad.Tape(loss):
        square_and_return()
    found["gradient of a kernel that returns"] = x.grad[None]
    try:
        with ti.ad.Tape(loss):
            other.fill(1.0)
        found["fill"] = "works"
    except RuntimeError as error:
        found["fill"] = str(error)
    found["its check of swapped components"] = _swapped(pair, loss)
    return found


def _swapped(pair, loss):
    """What Taichi's own check says of the gradient (2, 3) where (3, 2) is right."""

    @ti.kernel
    def forward():
        for _ in range(1):
            loss[None] += 3.0 * pair[None][0] + 2.0 * pair[None][1]

    @ti.kernel
    def swapped():
        for _ in range(1):
            pair.grad[None][0] += 2.0
            pair.grad[None][1] += 3.0

    @ti.ad.grad_replaced
    def taped():
        forward()

    @ti.ad.grad_for(taped)
    def reverse():
        swapped()

    try:
        with ti.ad.Tape(loss, grad_check=[pair]):
            taped()
    except AssertionError:
        return "found"
    return "passed"


# The end of the process


def atomic_product():
    start()
    x, out = number(3), number()

    @ti.kernel
    def run():
        ti.loop_config(serialize=True)
        for _ in range(1):
            for i in range(3):
                ti.atomic_mul(out[None], x[i])

    run()


def computed_component():
    start()
    x, out, index = number(3), number(), ti.field(ti.i32, shape=())

    @ti.kernel
    def run():
        for _ in range(1):
            vector = ti.Vector([x[0], x[1], x[2]])
            vector[index[None]] += x[0] * x[0]
            out[None] += vector.dot(vector)

    run.grad()


def many_changes(size=8):
    """The derivative of a local that a branch changes 20 times; the stack of its values holds ``size``."""
    start(ad_stack_size=size)
    x, out = number(), number()
    x[None] = 0.5

    @ti.kernel
    def run():
        for _ in range(1):
            value = x[None]
            for turn in ti.static(range(20)):  # noqa: B007
                if value > -9.0:
                    value += 0.01 * ti.sin(value)
            out[None] += value

    run()
    out.grad[None] = 1.0
    run.grad()
    return x.grad[None]


def tape_after_destroyed_fields():
    start()
    x, loss, gone = number(), number(), ti.field(ti.f64, needs_grad=True)
    tree = ti.FieldsBuilder()
    for field in (gone, gone.grad):
        tree.dense(ti.i, 4).place(field)
    tree = tree.finalize()

    @ti.kernel
    def square():
        for _ in range(1):
            loss[None] += x[None] * x[None]

    with ti.ad.Tape(loss):
        square()
    tree.destroy()
    with ti.ad.Tape(loss):
        square()


def load_after_a_loop():
    """Rows with something to differentiate behind their inner loop."""
    start()
    rows = 1000
    x, state, loss = number(), number((rows + 1, 3)), number()

    @ti.kernel
    def run(count: ti.i32):
        ti.loop_config(serialize=True)
        for _ in range(1):
            for row in range(count):
                for i in range(3):
                    state[row + 1, i] = 0.5 * ti.sin(state[row, i] + x[None])
                behind = state[row + 1, 0]
                loss[None] += behind * behind

    run(rows)
    loss.grad[None] = 1.0
    run.grad(rows)


if __name__ == "__main__":
    result = globals()[sys.argv[1]]()
    print(json.dumps({"result": result}))
