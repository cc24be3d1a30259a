"""What is refused when a stage is made, and what is not; test_traps.py has the numbers behind it."""

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine import rules, runtime
from diffsim.engine.fields import Fields
from diffsim.engine.source import Source
from diffsim.engine.stages import Stage

from . import rules_elsewhere
from .rules_elsewhere import doubled

SIZES = (2, 3)


class Owner:
    """Keeps Taichi started."""


@dataclass(frozen=True)
class Record:
    x: Any  # (env, k)
    y: Any  # (env, row, k)
    v: Any  # (env, row, k) vectors
    count: Any  # (k,) integers
    number: int


@pytest.fixture(scope="module")
def record():
    runtime.attach(owner := Owner(), "cpu")
    fields = Fields({"x": np.zeros(6)}, ("x",), envs=1, precision="f64")
    x, y, v = fields.number("x", 6), fields.trajectory("y", 6), fields.trajectory("v", 6, 3)
    made = Record(x, y, v, fields.integers(np.zeros(3)), 1)
    fields.allocate(1, segments=1)
    with runtime.precision("f64"):
        yield made
    fields.close()
    runtime.detach(owner)


def is_refused(function, records, marked=None):
    """The message; it names the line of ``marked`` (None: the function itself) that ends with "# refused"."""
    marked = marked or function
    lines, first = inspect.getsourcelines(marked)
    at = next(k for k, line in enumerate(lines) if "# refused" in line)
    with pytest.raises(ds.InputError) as error:
        Stage(function, records, 3)
    place = f"{inspect.getsourcefile(inspect.unwrap(marked))}, line {first + at}, in {marked.__name__}: "
    assert place + lines[at].strip() in str(error.value)
    assert str(error.value).count(", line ") == 1, "one fault, told once"
    assert str(error.value).startswith(f"the stage function {function.__name__} cannot be differentiated")
    return str(error.value)


# Loops


@ti.func
def loop(r: ti.template(), env, row, step, k):
    for other in range(3):  # refused
        r.y[env, row, k] += r.x[env, other]


@ti.func
def loop_over_a_grid(r: ti.template(), env, row, step, k):
    for i, j in ti.ndrange(2, 2):  # refused
        r.y[env, row, i] += r.x[env, j]


@ti.func
def loop_in_a_branch_of_a_static_loop(r: ti.template(), env, row, step, k):
    for _ in ti.static(range(2)):
        if k > 1:
            for other in range(r.number):  # refused
                r.y[env, row, k] += r.x[env, other]


@ti.func
def static_loops(r: ti.template(), env, row, step, k):
    for i, j in ti.static(ti.ndrange(2, 2)):
        r.y[env, row, i] += r.x[env, j]
    for size in ti.static(SIZES):
        if ti.static(size == 2):
            continue
        r.y[env, row, k] += size * r.x[env, k]
    r.v[env, row, k] = ti.Vector([r.x[env, i] for i in range(3)])


@ti.func
def until(r: ti.template(), env, row, step, k):
    value = r.x[env, k]
    while value < 9.0:  # refused
        value = value * value + 1.0
    r.y[env, row, k] = value


@ti.func
def return_from_a_branch(r: ti.template(), env, row, step, k):
    if r.x[env, k] > 1.0:
        return  # refused
    r.y[env, row, k] = r.x[env, k]


@ti.func
def _root_or_zero(r: ti.template(), x):
    if ti.static(r.number == 1):
        return ti.sqrt(x + 1.0)
    return 0.0


@ti.func
def return_from_a_static_branch(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = _root_or_zero(r, r.x[env, k])


# What is read before it is written


@ti.func
def updated(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = 2.0 * r.y[env, row, k]  # refused


@ti.func
def updated_by_another_name(r: ti.template(), env, row, step, k):
    r.y[env, 0 + row, k] = 2.0 * r.y[env, row, k]  # refused


@ti.func
def next_row_in_another_order(r: ti.template(), env, row, step, k):
    square = r.y[env, row + 1, k] * r.y[env, row + 1, k]
    r.y[env, 1 + row, k - 0] += square  # refused


@ti.func
def halved(r: ti.template(), env, row, step, k):
    r.y[env, row, k] /= 2.0  # refused


@ti.func
def component_scaled(r: ti.template(), env, row, step, k):
    r.v[env, row, k][0] *= r.x[env, k]  # refused


@ti.func
def read_in_a_branch(r: ti.template(), env, row, step, k):
    if k > 1:
        r.y[env, row + 1, k] = r.y[env, row, k]
    r.y[env, row, k] += r.x[env, k]  # refused


@ti.func
def vector_read_component_written(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = r.v[env, row, k].dot(r.v[env, row, 0])
    r.v[env, row, k][1] = r.x[env, k]  # refused


@ti.func
def component_read_by_a_loop(r: ti.template(), env, row, step, k):
    for c in ti.static(range(3)):
        r.y[env, row, k] += r.v[env, row, k][c]
    r.v[env, row, k][1] = r.x[env, k]  # refused


@ti.func
def read_by_the_turn_before(r: ti.template(), env, row, step, k):
    for c in ti.static(range(2)):
        r.y[env, row, k] -= r.v[env, row, k][c]  # refused
        r.v[env, row + 1, k][c] = r.y[env, row, k]


@ti.func
def added_by_an_atomic_after_reading(r: ti.template(), env, row, step, k):
    square = r.y[env, row, k] * r.y[env, row, k]
    ti.atomic_add(r.y[env, row, k], square)  # refused


@ti.func
def written_then_read(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = r.x[env, k]
    r.y[env, row, k] += r.x[env, 0]
    ti.atomic_sub(r.y[env, row, k], 1.0)
    r.y[env, row + 1, k] = r.y[env, row, k] * r.y[env, row, 0]


@ti.func
def each_branch_for_itself(r: ti.template(), env, row, step, k):
    if r.x[env, k] > 0.0:
        r.y[env, row + 1, k] = r.y[env, row, k]
    else:
        r.y[env, row, k] += r.x[env, k]


@ti.func
def components_one_by_one(r: ti.template(), env, row, step, k):
    for c in ti.static(range(3)):
        square = r.v[env, row, k][c] * r.v[env, row, k][c]
        r.v[env, row + 1, k][c] = square


@ti.func
def another_component(r: ti.template(), env, row, step, k):
    r.v[env, row, k][1] = r.x[env, k] * r.v[env, row, k][0] * r.v[env, row, k][2]


@ti.func
def component_of_a_field_at_a_computed_index(r: ti.template(), env, row, step, k):
    r.v[env, row + 1, k][2 - k] = r.v[env, row, k][k] * r.v[env, row, k][2 - k]
    r.v[env, row + 1, k][k] += r.x[env, k] * r.x[env, k]


@ti.func
def one_slot_after_the_other(r: ti.template(), env, row, step, k):
    for c in ti.static(range(2)):
        at = 2 * k + c
        r.y[env, row, at] += r.x[env, at]
        r.v[env, row, at][0] = r.y[env, row, at]


# Locals


@ti.func
def component_at_a_computed_index(r: ti.template(), env, row, step, k):
    vector = ti.Vector([1.0, 1.0, 1.0])
    vector[k] = r.x[env, k]  # refused
    r.v[env, row, k] = vector


@ti.func
def component_changed_at_an_index_that_branches_choose(r: ti.template(), env, row, step, k):
    vector = r.v[env, row, k]
    c = 0
    if k > 1:
        c = 1
    vector[c] += r.x[env, k]  # refused
    r.v[env, row + 1, k] = vector


@ti.func
def component_at_an_index_with_a_name(r: ti.template(), env, row, step, k):
    vector = r.v[env, row, k]
    second = 1  # to Taichi a variable
    vector[second] = r.x[env, k]  # refused
    r.v[env, row + 1, k] = vector


@ti.func
def changing_vector_at_a_computed_index(r: ti.template(), env, row, step, k):
    vector = r.v[env, row, k]
    if k > 1:
        vector[0] = r.x[env, k]
    r.y[env, row, k] = vector[k]  # refused


@ti.func
def locals_that_change(r: ti.template(), env, row, step, k):
    vector = r.v[env, row, k]
    kept = 2.0 * vector
    total = 0.0
    second = ti.static(1)
    for c in ti.static(range(2)):
        vector[c + 1] *= r.x[env, c]
        total += vector[c]
    if total > 1.0:
        total = total * total
    vector[second] = total
    vector[r.number] = r.v[env, row, 0][k] * kept[k]
    vector[ti.static(len(SIZES))] -= 1.0
    vector.x += 1.0
    r.v[env, row + 1, k] = total * vector


# Calls


@ti.func
def largest(r: ti.template(), env, row, step, k):
    ti.atomic_max(r.y[env, row, 0], r.x[env, k])  # refused


@ti.func
def tangent(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = ti.math.tan(r.x[env, k])  # refused


@ti.func
def rounded(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = ti.round(r.x[env, k])  # refused


@ti.func
def drawn(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = ti.randn() * r.x[env, k]  # refused


@ti.func
def length(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = r.v[env, row, k].norm()  # refused


@ti.func
def unit_vector(r: ti.template(), env, row, step, k):
    r.v[env, row + 1, k] = ti.math.normalize(r.v[env, row, k])  # refused


@ti.func
def unit_vector_with_eps(r: ti.template(), env, row, step, k):
    r.v[env, row + 1, k] = r.v[env, row, k].normalized(1e-6)  # refused


@ti.real_func
def real(x: ti.f64) -> ti.f64:
    return x


@ti.func
def calling_a_real_function(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = real(r.x[env, k])  # refused


@ti.func
def counting(r: ti.template(), env, row, step, k):
    r.count[k] += 1  # refused


@ti.func
def _count(field: ti.template(), k):
    ti.atomic_sub(field[k], 1)  # refused


@ti.func
def counting_inside(r: ti.template(), env, row, step, k):
    _count(r.y, 0)
    _count(field=r.count, k=k)


@ti.func
def calls_that_are_fine(r: ti.template(), env, row, step, tangent):
    """An argument has the name of a function that would be refused."""
    k = ti.static(round(1.2))
    apart = r.v[env, row, k]
    far = apart.norm(1e-9) + ti.sqrt(apart.dot(apart) + 1e-12) + ti.static(float(np.linalg.norm(SIZES)))
    r.y[env, row, k] = ti.atan2(far, 1.0) + ti.floor(far) + doubled(tangent * far)
    r.y[env, row + 1, k] = ti.math.clamp(ti.select(far > 1.0, far, 1.0), 0.0, 2.0)


BAD = [
    loop,
    loop_over_a_grid,
    loop_in_a_branch_of_a_static_loop,
    until,
    return_from_a_branch,
    updated,
    updated_by_another_name,
    next_row_in_another_order,
    halved,
    component_scaled,
    read_in_a_branch,
    vector_read_component_written,
    component_read_by_a_loop,
    read_by_the_turn_before,
    added_by_an_atomic_after_reading,
    component_at_a_computed_index,
    component_changed_at_an_index_that_branches_choose,
    component_at_an_index_with_a_name,
    changing_vector_at_a_computed_index,
    largest,
    tangent,
    rounded,
    drawn,
    length,
    unit_vector,
    unit_vector_with_eps,
    calling_a_real_function,
    counting,
]

GOOD = [
    static_loops,
    return_from_a_static_branch,
    written_then_read,
    each_branch_for_itself,
    components_one_by_one,
    another_component,
    component_of_a_field_at_a_computed_index,
    one_slot_after_the_other,
    locals_that_change,
    calls_that_are_fine,
]


@pytest.mark.parametrize("function", BAD)
def test_refused(function, record):
    is_refused(function, (record,))


@pytest.mark.parametrize("function", GOOD)
def test_not_refused(function, record):
    Stage(function, (record,), 3)


@pytest.mark.parametrize("function", GOOD)
def test_what_is_not_refused_has_the_right_gradient(function, record):
    """Of a sum of everything that the function writes, each with a weight of its own, against central differences."""
    r, total = record, ti.field(ti.f64)
    tree = ti.FieldsBuilder()
    tree.place(total, total.grad)
    tree = tree.finalize()

    @ti.kernel
    def run():
        for env in range(1):
            for k in range(3):
                function(r, env, 0, 0, k)
        for row, k in ti.ndrange(2, 6):
            total[None] += (row + 0.3 * k + 0.5) * r.y[0, row, k] + r.v[0, row, k].dot(ti.Vector([0.4, k, 0.9 - row]))

    rng = np.random.default_rng(4)
    start = [rng.uniform(0.3, 0.9, field.to_numpy().shape) for field in (r.x, r.y, r.v)]

    def value(values):
        for field, array in zip((r.x, r.y, r.v), values, strict=True):
            field.from_numpy(array)
        total[None] = 0.0
        run()
        return total[None]

    value(start)
    for field in (r.x, r.y, r.v):
        field.grad.fill(0.0)
    total.grad[None] = 1.0
    run.grad()
    found = [field.grad.to_numpy() for field in (r.x, r.y, r.v)]
    for _ in range(5):
        way = [rng.normal(size=array.shape) for array in start]
        ahead, behind = (value([a + sign * 1e-6 * w for a, w in zip(start, way, strict=True)]) for sign in (1.0, -1.0))
        taped = sum((gradient * w).sum() for gradient, w in zip(found, way, strict=True))
        assert taped == pytest.approx((ahead - behind) / 2e-6, rel=1e-6, abs=1e-7)
    tree.destroy()


# What is called


@ti.func
def calls_one_that_is_bad(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = doubled(r.x[env, k]) + rules_elsewhere.outer(r.x[env, k])


def test_a_bad_function_called_by_a_good_one_is_found_where_it_is(record):
    assert "tan" in is_refused(calls_one_that_is_bad, (record,), rules_elsewhere.inner)


def test_integers_are_told_from_numbers_by_what_is_passed(record):
    is_refused(counting_inside, (record,), _count)


@ti.func
def _put(vector: ti.template(), index, value):
    vector[index] = value  # refused


@ti.func
def _put_first(vector: ti.template(), value):
    vector[0] = value


@ti.func
def puts_into_a_local_vector(r: ti.template(), env, row, step, k):
    vector = ti.Vector([1.0, 1.0, 1.0])
    _put_first(vector, r.x[env, k])
    _put(vector, k, r.x[env, k])
    r.v[env, row, k] = vector


@ti.func
def puts_into_a_component(r: ti.template(), env, row, step, k):
    _put(r.x, ti.Vector([env, k]), 1.0)


def test_local_vectors_are_told_from_fields_by_what_is_passed(record):
    is_refused(puts_into_a_local_vector, (record,), _put)
    Stage(puts_into_a_component, (record,), 3)


def test_a_field_can_be_a_record(record):
    Stage(_counts_given, (record.y,), 3)
    is_refused(_counts_given, (record.count,))


@ti.func
def _counts_given(field: ti.template(), env, row, step, k):
    field[k] += 1  # refused


def test_a_function_of_a_closure_is_looked_up_there(record):
    @ti.func
    def helper(x):
        return ti.tan(x)  # refused

    @ti.func
    def stage(r: ti.template(), env, row, step, k):
        r.y[env, row, k] = helper(r.x[env, k])

    is_refused(stage, (record,), helper)


def test_functions_that_call_each_other_are_read_once(record):
    with pytest.raises(ds.InputError) as error:
        Stage(rules_elsewhere.even, (record,), 3)
    assert str(error.value).count("tan") == 2  # the line, and what is wrong with it


def test_every_fault_is_told(record):
    @ti.func
    def stage(r: ti.template(), env, row, step, k):
        r.y[env, row, k] *= 2.0
        loop(r, env, row, step, k)
        tangent(r, env, row, step, k)
        loop(r, env, row, step, k)

    with pytest.raises(ds.InputError) as error:
        Stage(stage, (record,), 3)
    assert [str(error.value).count(f"in {name}: ") for name in ("stage", "loop", "tangent")] == [1, 1, 1]


# What cannot be read


def test_a_python_function_is_refused(record):
    def stage(r, env, row, step, k):
        pass

    with pytest.raises(ds.InputError, match=r"Stage\.function is <function .*stage.*>, but a @ti\.func is needed"):
        Stage(stage, (record,), 3)


def test_a_function_without_a_file_is_refused(record):
    names = {"ti": ti}
    exec("@ti.func\ndef typed(r: ti.template(), env, row, step, k):\n    pass\n", names)
    with pytest.raises(
        ds.InputError, match=r"the source of the stage function typed cannot be read.*define it in a file"
    ):
        Stage(names["typed"], (record,), 3)


def test_a_function_without_a_definition_is_refused(record):
    stage = ti.func(lambda r, env, row, step, k: None)
    with pytest.raises(ds.InputError, match="the source of the stage function <lambda> cannot be read"):
        Stage(stage, (record,), 3)


def test_a_function_whose_last_line_with_code_is_not_its_last(record):
    @ti.func
    def stage(r: ti.template(), env, row, step, k):
        r.y[env, row, k] = ti.max(
            r.x[
                env,
                k,
            ],
            ti.tan(1.0),  # refused
            # brackets are closed below
        )

    is_refused(stage, (record,))


def test_a_function_is_read_once(record, monkeypatch):
    read = []
    monkeypatch.setattr(rules, "Source", lambda function: read.append(function) or Source(function))

    @ti.func
    def stage(r: ti.template(), env, row, step, k):
        r.y[env, row, k] = doubled(doubled(r.x[env, k]))

    rules._readers.pop(doubled, None)
    Stage(stage, (record,), 3)
    Stage(stage, (record,), 2)
    assert read == [stage, doubled]
