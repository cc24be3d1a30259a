"""Stages that read or write where they must not are refused with the line; the package's own do nothing of it."""

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.controllers import Controller
from diffsim.engine import assembly, places, runtime
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Passes, Stage
from diffsim.numbers import tunable
from tests import examples


class Owner:
    """Keeps Taichi started."""


@dataclass(frozen=True)
class Record:
    x: Any  # (env, k) number
    d: Any  # (env, k) derived
    y: Any  # (env, row, k) state
    g: Any  # (env, row, 2, 2) a grid
    first: Any  # (k,) integers
    n: int


@pytest.fixture(scope="module")
def record():
    runtime.attach(owner := Owner(), "cpu")
    fields = Fields({"x": np.zeros(4)}, ("x",), envs=1, precision="f64")
    x, d, y = fields.number("x", 4), fields.derived(4, of=["x"]), fields.trajectory("y", 4, state=True)
    made = Record(x, d, y, fields.trajectory("g", (2, 2)), fields.integers(np.zeros(4)), 4)
    fields.allocate(1, segments=1)
    yield made
    fields.close()
    runtime.detach(owner)


@ti.func
def row_before(r: ti.template(), env, row, step, k):
    if step > 0:
        r.y[env, row + 1, k] = r.y[env, row - 1, k]  # refused


@ti.func
def row_after_the_next(r: ti.template(), env, row, step, k):
    r.y[env, 2 + row, k] = r.x[env, k]  # refused


@ti.func
def step_for_row(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, k] = r.y[env, step, k]  # refused


@ti.func
def first_row(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, k] = r.y[env, row, k] - r.y[env, 0, k]  # refused


@ti.func
def row_for_step(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, k] = ti.sin(0.1 * row) * r.x[env, k]  # refused


@ti.func
def asks_for_the_first_row(r: ti.template(), env, row, step, k):
    if row == 0:  # refused
        r.y[env, row + 1, k] = r.x[env, k]


@ti.func
def another_environment(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, k] = r.x[0, k]  # refused


@ti.func
def names_in_another_order(r: ti.template(), row, env, step, k):
    r.y[env, row + 1, k] = 1.0  # refused


@ti.func
def too_few_indices(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, k] = r.x[k]  # refused


@ti.func
def too_many_indices(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, k] = r.x[env, row, k]  # refused


@ti.func
def writes_a_number(r: ti.template(), env, row, step, k):
    r.x[env, k] += 0.1  # refused


@ti.func
def writes_what_is_derived(r: ti.template(), env, row, step, k):
    r.d[env, k] = r.y[env, row, k]  # refused


@ti.func
def beyond_the_last(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, k] = r.x[env, k + 1]  # refused


@ti.func
def beyond_by_a_name(r: ti.template(), env, row, step, k):
    left, right = 2 * (k // 2), 2 * (k % 2) + 2
    if left >= 0:
        r.y[env, row + 1, k] = r.x[env, left] * r.x[env, right]  # refused


@ti.func
def all_set_one(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, 0] = r.x[env, k]  # refused


@ti.func
def reads_a_neighbour(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, k] = r.x[env, k]
    if k > 0:
        r.y[env, row + 1, k] += r.y[env, row + 1, k - 1]  # refused


@ti.func
def adds_to_a_neighbour(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, k] = r.x[env, k]
    if k < r.n - 1:
        r.y[env, row + 1, k + 1] += r.x[env, k]  # refused


@ti.func
def asserts(r: ti.template(), env, row, step, k):
    assert r.x[env, k] > 0.0  # refused
    r.y[env, row + 1, k] = r.x[env, k]


@ti.func
def _taken(field: ti.template(), env, at, k):
    return field[env, at - 2, k]  # refused


@ti.func
def in_what_it_calls(r: ti.template(), env, row, step, k):
    r.y[env, row + 1, k] = _taken(r.y, env, row + 1, k)


BAD = {
    row_before: "with segments the others are somewhere else",
    row_after_the_next: "only this row and the next one",
    step_for_row: "only this row and the next one",
    first_row: "row 0 is where a rollout begins only for stages of prepare",
    row_for_step: "the number of the step is `step`",
    asks_for_the_first_row: "the number of the step is `step`",
    another_environment: "the first index of a field is env",
    names_in_another_order: "the first index of a field is env",
    too_few_indices: r"1 indices, but it has \[env, element\]",
    too_many_indices: r"3 indices, but it has \[env, element\]",
    writes_a_number: "write to a field of its own",
    writes_what_is_derived: "computed once, in prepare",
    beyond_the_last: r"element 3 of the stage is at 4 here, but there are 4 \(0 to 3\)",
    beyond_by_a_name: "element 1 of the stage is at 4 here",
    all_set_one: "two elements set the same slot, 0",
    reads_a_neighbour: "element 1 reads what element 0 of the same stage writes",
    adds_to_a_neighbour: "element 0 adds to what element 1 of the same stage writes",
    asserts: "Taichi leaves `assert` away",
    in_what_it_calls: "only this row and the next one",
}


@pytest.mark.parametrize("function", BAD)
def test_refused(function, record):
    stage = Stage(function, (record,), record.n)
    with pytest.raises(ds.InputError, match=BAD[function]) as error:
        places.check((), (stage,), ())
    marked = _taken if function is in_what_it_calls else function
    lines, first = inspect.getsourcelines(marked)
    at = next(k for k, line in enumerate(lines) if "# refused" in line)
    text = lines[at].partition("#")[0].strip()
    assert f"{__file__}, line {first + at}, in {marked.__name__}: {text}" in str(error.value)
    assert str(error.value).startswith(f"the stage function {function.__name__} reads or writes where it must not")


@ti.func
def begins(r: ti.template(), env, row, step, k):
    r.y[env, 0, k] = r.x[env, k]
    r.d[env, k] = 2.0 * r.x[env, k]


@ti.func
def goes_on(r: ti.template(), env, row, step, k):
    here, behind = row, row + 1
    r.g[env, here, k // 2, k % 2] = r.d[env, r.first[k]] * step
    added = 0.0
    for c in ti.static(range(2)):
        added += r.x[env, c + 2] if k > 1 else r.x[env, k + 2]
    if k < r.n - 1:
        r.y[env, behind, k + 1] = r.y[env, behind - 1, k] + r.g[env, row, k] + added
    else:
        r.y[env, behind, 0] = r.x[env, k - r.n + 1]


def test_what_is_right_is_not_refused(record):
    places.check((Stage(begins, (record,), record.n),), (Stage(goes_on, (record,), record.n),), ())


def test_in_order_a_neighbour_may_be_read(record):
    one = Stage(reads_a_neighbour, (record,), record.n, ordered=True)
    places.check((), (one, Passes((Stage(reads_a_neighbour, (record,), record.n),), 2)), ())


def test_a_function_with_other_arguments(record):
    @ti.func
    def short(r: ti.template(), env, row, k):
        r.y[env, row + 1, k] = r.x[env, k]

    with pytest.raises(ds.InputError, match=r"short takes \(r, env, row, k\), but is called with 1 record"):
        places.check((), (Stage(short, (record,), record.n),), ())


@dataclass(frozen=True, eq=False, repr=False)
class Clock(Controller):
    """Takes the row for the time."""

    gain: Any = tunable("k", default=0.5)

    @ti.func
    def formula(own: ti.template(), env, row, step, actuator):
        return own.gain[env, actuator] * ti.sin(0.2 * row)


def test_a_formula_is_gone_through_where_it_is_called():
    body = ds.grid((1, 1), spacing=0.1)
    scene = ds.MassSpring(body.points, body.springs, stiffness=50.0, actuation=0.1, dt=0.01)
    problem = ds.Problem(scene, Clock(), ds.Travel(), steps=3, tune=("scene.stiffness",))
    with pytest.raises(ds.InputError, match=r"in formula: .*\n.*the number of the step is `step`"):
        ds.Simulation(problem)


SCENES = {name: make for kind in examples.SCENES.values() for name, make in kind.items()}
FEW = {"slope", "jointed", "quadruped", "ring", "ghost", "draught", "matter", "pond"}


@pytest.mark.filterwarnings("ignore::diffsim.StartWarning")
@pytest.mark.parametrize("name", [k if k in FEW else pytest.param(k, marks=pytest.mark.bench) for k in SCENES])
def test_the_packages_own_stages(name, monkeypatch):
    """Of every kind of scene: nothing is refused, so what is refused of others is not what a right stage does."""
    seen = []

    def check(*lists):
        places.check(*lists, everything=True)
        seen.append(lists)

    monkeypatch.setattr(assembly, "places", type("Places", (), {"check": staticmethod(check)}))
    with ds.Simulation(ds.Problem(SCENES[name](), steps=4), executor="staged", record="all"):
        assert seen
