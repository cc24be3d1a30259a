"""What Taichi 1.7.4 gets wrong, in the smallest form that shows it; and that the engine refuses it, or avoids it.

Where "Taichi heals this now" fails after an upgrade, the rule that it names can go. What `diffsim.engine.rules` refuses
is tested in test_rules.py, with a good and a bad example of each rule; here are the numbers that a rule is for.
Not here: what ends Taichi's memory (test_fields.py), restarts of it (test_runtime.py), and ``Tape(validation=True)``
and gradients with respect to a kernel's arguments, which the engine does not use.
"""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import taichi as ti
from taichi.lang import impl

import diffsim as ds
from diffsim import controllers, objectives, physics
from diffsim.engine import runtime
from diffsim.engine.executors import make
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.engine.trajectory import Trajectory
from diffsim.spec import Spec

X = np.array([1.0, 2.0, 3.0])
NAN = float("nan")


class Owner:
    """Keeps Taichi started."""


@pytest.fixture(scope="module", autouse=True)
def taichi():
    """Taichi with the engine's flags, in double precision."""
    runtime.attach(owner := Owner(), "cpu")
    with runtime.precision("f64"):
        yield
    runtime.detach(owner)


def assert_trap(found, wrong, right, rule):
    """Taichi gives the number that is wrong."""
    assert not np.allclose(wrong, right, rtol=1e-9, atol=0.0), "no trap"
    if np.allclose(found, right, rtol=1e-9, atol=0.0):
        pytest.fail(f"Taichi heals this now: {rule} is not needed any more")
    assert found == pytest.approx(wrong, rel=1e-12, nan_ok=True)


# Stages over x = (1, 2, 3). Each is refused when it is registered.


@dataclass(frozen=True)
class Bench:
    x: Any  # (env, 3) tuned
    y: Any  # (env, row, 3) zero at the start
    count: Any  # (1,) integer, zero at the start
    loss: Any  # (env,)


@ti.func
def local_before_a_loop(bench: ti.template(), env, row, step, k):
    square = bench.x[env, k] * bench.x[env, k]
    for other in range(3):  # refused
        bench.loss[env] += square * bench.x[env, other]


@ti.func
def local_carried_by_a_loop(bench: ti.template(), env, row, step, k):
    product = bench.x[env, k]
    for other in range(3):  # refused
        product = ti.max(product * bench.x[env, other], 7.0)
    bench.loss[env] += product


@ti.func
def squared_in_place(bench: ti.template(), env, row, step, k):
    bench.y[env, row, k] = 2.0 * bench.x[env, k]
    bench.y[env, row, k] = bench.y[env, row, k] * bench.y[env, row, k]  # refused
    bench.loss[env] += bench.y[env, row, k]


@ti.func
def multiplied_in_place(bench: ti.template(), env, row, step, k):
    bench.y[env, row, k] = bench.x[env, k]
    bench.y[env, row, k] *= bench.x[env, k]  # refused
    bench.loss[env] += bench.y[env, row, k]


@ti.func
def added_after_reading(bench: ti.template(), env, row, step, k):
    bench.y[env, row, k] = bench.x[env, k]
    square = bench.y[env, row, k] * bench.y[env, row, k]
    bench.y[env, row, k] += square  # refused
    bench.loss[env] += bench.y[env, row, k]


@ti.func
def set_after_a_decision(bench: ti.template(), env, row, step, k):
    bench.y[env, row, k] = bench.x[env, k]
    if bench.y[env, row, k] > 1.5:  # in the reverse pass it reads what is written below
        bench.y[env, row, k] = 0.1 * bench.x[env, k] * bench.x[env, k]  # refused
    bench.loss[env] += bench.y[env, row, k]


@ti.func
def added_turn_by_turn(bench: ti.template(), env, row, step, k):
    for _ in ti.static(range(2)):
        bench.y[env, row, k] += bench.x[env, k]  # refused
        bench.loss[env] += bench.y[env, row, k] * bench.y[env, row, k]


@ti.func
def largest(bench: ti.template(), env, row, step, k):
    ti.atomic_max(bench.y[env, row, 0], bench.x[env, k])  # refused
    if k == 2:
        bench.loss[env] += bench.y[env, row, 0]


@ti.func
def component_at_a_computed_index(bench: ti.template(), env, row, step, k):
    vector = ti.Vector([1.0, 1.0, 1.0])
    vector[k] = bench.x[env, k] * bench.x[env, k]  # refused
    bench.loss[env] += vector.dot(vector)


@ti.func
def component_at_an_index_with_a_name(bench: ti.template(), env, row, step, k):
    vector = ti.Vector([bench.x[env, 0], bench.x[env, 1], bench.x[env, 2]])
    second = 1
    square = bench.x[env, k]
    if k == 2:
        square = square * square
    vector[second] = square  # refused
    bench.loss[env] += vector.dot(vector)


@ti.func
def changed_vector_at_a_computed_index(bench: ti.template(), env, row, step, k):
    vector = ti.Vector([bench.x[env, 0], bench.x[env, 1], bench.x[env, 2]])
    if k > 0:
        vector = vector * vector
    bench.loss[env] += vector[k]  # refused


@ti.func
def counted(bench: ti.template(), env, row, step, k):
    bench.count[0] += 1  # refused
    if bench.count[0] <= 3:
        bench.loss[env] += bench.x[env, k] * bench.x[env, k]
    else:
        bench.loss[env] += bench.x[env, k]


@ti.func
def norm_at_zero(bench: ti.template(), env, row, step, k):
    vector = ti.Vector([bench.x[env, k] - 1.0, 0.0])
    bench.loss[env] += vector.norm()  # refused


@ti.func
def normalized_at_zero(bench: ti.template(), env, row, step, k):
    vector = ti.Vector([bench.x[env, k] - 1.0, 0.0])
    bench.loss[env] += vector.normalized(0.1)[0]  # refused


# Gradient that Taichi gives, and the right one, by x.
WRONG = {
    local_before_a_loop: ([16.0, 18.0, 20.0], [26.0, 38.0, 50.0]),
    local_carried_by_a_loop: ([42.0, 69.0, 48.0], [0.0, 63.0, 42.0]),
    squared_in_place: ([16.0, 64.0, 144.0], [8.0, 16.0, 24.0]),
    multiplied_in_place: ([2.0, 6.0, 12.0], [2.0, 4.0, 6.0]),
    added_after_reading: ([5.0, 13.0, 25.0], [3.0, 5.0, 7.0]),
    set_after_a_decision: ([1.0, 1.0, 1.0], [1.0, 0.4, 0.6]),
    added_turn_by_turn: ([12.0, 24.0, 36.0], [10.0, 20.0, 30.0]),
    largest: ([1.0, 1.0, 1.0], [0.0, 0.0, 1.0]),
    component_at_a_computed_index: ([0.0, 0.0, 0.0], [4.0, 32.0, 108.0]),
    component_at_an_index_with_a_name: ([2.0, 4.0, 108.0], [8.0, 4.0, 126.0]),
    changed_vector_at_a_computed_index: ([1.0, 0.0, 0.0], [1.0, 4.0, 6.0]),
    counted: ([1.0, 1.0, 1.0], [2.0, 4.0, 6.0]),
    norm_at_zero: ([NAN, 1.0, 1.0], [0.0, 1.0, 1.0]),
    normalized_at_zero: ([NAN, 0.1 / 1.1**2, 0.1 / 2.1**2], [10.0, 0.1 / 1.1**2, 0.1 / 2.1**2]),
}


@pytest.fixture(scope="module")
def bench(taichi):
    fields = Fields({"x": X}, ("x",), envs=1, precision="f64")
    made = Bench(fields.number("x", 3), fields.trajectory("y", 3), fields.integers(np.zeros(1)), fields.loss)
    fields.allocate(2, segments=1)
    yield made
    fields.close()


def gradients(bench, stage):
    """Of the loss by x, by Taichi and by central differences of the forward pass."""

    @ti.kernel
    def run():
        ti.loop_config(serialize=True)
        for env in range(1):
            for element in range(3):
                stage(bench, env, 0, 0, element)

    def value(x):
        for field in (bench.y, bench.loss, bench.count):
            field.fill(0)
        bench.x.from_numpy(x[None])
        run()
        return bench.loss[0]

    step = 1e-6
    differences = [(value(X + step * way) - value(X - step * way)) / (2.0 * step) for way in np.eye(3)]
    value(X)
    for field in (bench.x, bench.y, bench.loss):
        field.grad.fill(0.0)
    bench.loss.grad.fill(1.0)
    run.grad()
    return bench.x.grad.to_numpy()[0], np.array(differences)


def refused_line(stage):
    """Number and text of the line marked "refused"."""
    lines, first = inspect.getsourcelines(stage)
    at = next(k for k, line in enumerate(lines) if "# refused" in line)
    return first + at, lines[at].strip()


@pytest.mark.parametrize("stage", WRONG)
def test_a_gradient_that_is_wrong(bench, stage):
    wrong, right = WRONG[stage]
    found, differences = gradients(bench, stage)
    # Rounding of differences: 1e-16 of a loss of 100, over a step of 1e-6; next to a kink also the step itself.
    assert differences == pytest.approx(right, rel=1e-4, abs=1e-7)
    assert_trap(found, wrong, right, f"what refuses {stage.__name__}")


@ti.func
def multiplied_by_atomics(bench: ti.template(), env, row, step, k):
    ti.atomic_mul(bench.y[env, row, 0], bench.x[env, k])  # refused


@ti.func
def component_changed_at_a_computed_index(bench: ti.template(), env, row, step, k):
    vector = ti.Vector([1.0, 1.0, 1.0])
    vector[k] += bench.x[env, k]  # refused
    bench.loss[env] += vector.dot(vector)


@pytest.mark.parametrize("stage", [*WRONG, multiplied_by_atomics, component_changed_at_a_computed_index])
def test_is_refused(bench, stage):
    number, line = refused_line(stage)
    with pytest.raises(ds.InputError) as error:
        Stage(stage, (bench,), 3)
    assert f"{__file__}, line {number}, in {stage.__name__}: {line}\n" in str(error.value)


# Stages that Taichi does not compile; most of its errors do not say where


@ti.func
def looping_while(bench: ti.template(), env, row, step, k):
    value = bench.x[env, k]
    while value < 9.0:  # refused
        value = value * value + 1.0
    bench.loss[env] += value


@ti.func
def breaking(bench: ti.template(), env, row, step, k):
    for other in range(3):  # refused
        if other == 2:
            break
        bench.loss[env] += bench.x[env, other]


@ti.func
def tangent(bench: ti.template(), env, row, step, k):
    bench.loss[env] += ti.tan(bench.x[env, k])  # refused


@ti.func
def rounding(bench: ti.template(), env, row, step, k):
    bench.loss[env] += bench.x[env, k] * ti.round(bench.x[env, k])  # refused


@ti.func
def drawing(bench: ti.template(), env, row, step, k):
    bench.loss[env] += bench.x[env, k] * ti.random()  # refused


@ti.real_func
def real_square(x: ti.f64) -> ti.f64:
    return x * x


@ti.func
def calling_a_real_function(bench: ti.template(), env, row, step, k):
    bench.loss[env] += real_square(bench.x[env, k])  # refused


@ti.func
def returning_from_a_branch(bench: ti.template(), env, row, step, k):
    if bench.x[env, k] > 1.5:
        return  # refused
    bench.loss[env] += bench.x[env, k]


ERRORS = {
    looping_while: "Not supported",
    breaking: "Not supported",
    tangent: "Not supported",
    rounding: "Not supported",
    drawing: "RandStmt not supported in AutoDiff",
    calling_a_real_function: "Real function in gradient kernels unsupported",
    returning_from_a_branch: "Return inside non-static if/for is not supported",
}


@pytest.mark.parametrize("stage", ERRORS)
def test_what_taichi_does_not_compile_is_refused_before(bench, stage):
    try:
        gradients(bench, stage)
    except (RuntimeError, ti.TaichiSyntaxError) as error:
        assert ERRORS[stage] in str(error)  # noqa: PT017
    else:
        pytest.fail(f"Taichi heals this now: what refuses {stage.__name__} is not needed any more")
    test_is_refused(bench, stage)


# Loops: a chain in which z becomes the sine of (z + k x) times that of the next element


@dataclass(frozen=True)
class Chain:
    x: Any  # (env, 0)
    bent: Any  # (env, row, 3)
    z: Any  # (env, row, 3)
    loss: Any  # (env,)


@ti.func
def rest(chain: ti.template(), env, row, step, k):
    chain.z[env, 0, k] = 0.0


@ti.func
def bend(chain: ti.template(), env, row, step, k):
    chain.bent[env, row, k] = ti.sin(chain.z[env, row, k] + (k + 1) * chain.x[env, 0])


@ti.func
def link(chain: ti.template(), env, row, step, k):
    chain.z[env, row + 1, k] = chain.bent[env, row, k] * chain.bent[env, row, (k + 1) % 3]


@ti.func
def bend_alone(chain: ti.template(), env, row, step, k):
    chain.z[env, row + 1, k] = ti.sin(chain.z[env, row, k] + (k + 1) * chain.x[env, 0])


@ti.func
def tip(chain: ti.template(), env, row, step, k):
    chain.loss[env] += chain.z[env, row, k]


START = 0.6


def chain_slope(rows, linked=True):
    """Derivative of the sum of the last row by x: the imaginary part after an imaginary step."""
    x, z = START + 1e-30j, np.zeros(3)
    for _ in range(rows):
        bent = np.sin(z + np.arange(1, 4) * x)
        z = bent * np.roll(bent, -1) if linked else bent
    return z.sum().imag / 1e-30


def chain_of(rows):
    fields = Fields({"x": np.array(START)}, ("x",), envs=1, precision="f64")
    z = fields.trajectory("z", 3, state=True)
    chain = Chain(fields.number("x", 1), fields.trajectory("bent", 3), z, fields.loss)
    fields.allocate(rows, segments=1)
    return fields, chain


@pytest.fixture(scope="module")
def short(taichi):
    """A chain of four rows for kernels that are not the engine's."""
    fields, chain = chain_of(4)
    yield chain
    fields.close()


def slope_by(kernel, chain):
    chain.x.fill(START)
    for field in (chain.z, chain.loss):
        field.fill(0.0)
    for field in (chain.x, chain.bent, chain.z, chain.loss):
        field.grad.fill(0.0)
    kernel(4)
    chain.loss.grad.fill(1.0)
    kernel.grad(4)
    return chain.x.grad[0, 0]


def test_loops_side_by_side_in_a_loop_over_time(short):
    @ti.kernel
    def run(rows: ti.i32):
        for env in range(1):
            for row in range(rows):
                for k in range(3):
                    bend(short, env, row, row, k)
                for k in range(3):
                    link(short, env, row, row, k)
        for k in range(3):
            tip(short, 0, rows, rows, k)

    assert_trap(slope_by(run, short), 0.0, chain_slope(4), "the executor's loop over turns")


def test_a_loop_over_time_outermost(short):
    @ti.kernel
    def run(rows: ti.i32):
        ti.loop_config(serialize=True)
        for row in range(rows):
            for k in range(3):
                bend_alone(short, 0, row, row, k)
        for k in range(3):
            tip(short, 0, rows, rows, k)

    wrong = -3.6366795694641443  # the rows are reversed in the order 0, 1, 2, 3
    assert_trap(slope_by(run, short), wrong, chain_slope(4, linked=False), "the executor's loop over environments")


def test_a_way_through_a_field_without_gradient(short):
    between = ti.field(ti.f64)
    builder = ti.FieldsBuilder()
    builder.dense(ti.i, 3).place(between)
    tree = builder.finalize()

    @ti.kernel
    def run(rows: ti.i32):
        for k in range(3):
            between[k] = (k + 1) * short.x[0, 0]
        for k in range(3):
            short.loss[0] += between[k]

    found = slope_by(run, short)
    tree.destroy()
    assert_trap(found, 0.0, 6.0, "the gradient of every trajectory field")


class Rollout:
    """The engine's rollout of the chain."""

    def __init__(self, rows):
        self.fields, chain = chain_of(rows)
        stages = [Stage(bend, (chain,), 3), Stage(link, (chain,), 3)]
        run, finish = make(
            "fused", [Stage(rest, (chain,), 3)], stages, [Stage(tip, (chain,), 3)], self.fields, serial=True
        )
        self.trajectory = Trajectory(self.fields, run, finish, rows)

    def slope(self):
        table = np.array([[START, 0.0]])
        out = np.zeros_like(table)
        self.trajectory.gradient(table, out, 1.0)
        return out[0, 0]


@pytest.fixture(scope="module")
def rollout(taichi):
    """As many rows as `load_after_a_loop` has, which is too many for Taichi's stack."""
    made = Rollout(1000)
    yield made
    made.fields.close()


def test_the_engines_loops_are_right(rollout):
    # Rounding of a sum; the chain forgets its past within some ten rows.
    assert rollout.slope() == pytest.approx(chain_slope(1000), rel=1e-13)


def test_a_second_gradient_is_the_first_one(rollout):
    """The reverse pass uses up adjoints of what was set, and leaves those of what was added to."""
    assert rollout.slope() == rollout.slope()


def test_the_engine_leaves_gradients_of_others_alone(rollout, short):
    short.bent.grad[0, 0, 0] = 7.0
    rollout.slope()
    assert short.bent.grad[0, 0, 0] == 7.0


def test_the_engine_runs_next_to_destroyed_fields(rollout):
    expected = rollout.slope()
    fields, _ = chain_of(2)
    fields.close()
    assert rollout.slope() == expected


def test_an_error_inside_the_tape_leaves_nothing_behind(rollout, monkeypatch):
    """Taichi runs the reverse pass nevertheless: adjoints are left over, and have to be cleared."""
    expected = rollout.slope()
    right = rollout.trajectory._run

    def broken(*arguments):
        right(*arguments)
        raise LookupError

    monkeypatch.setattr(rollout.trajectory, "_run", broken)
    with pytest.raises(LookupError):
        rollout.slope()
    monkeypatch.undo()
    assert rollout.slope() == expected


# Records


def test_what_a_kernel_finds_in_an_object_stays_what_it_was():
    @ti.data_oriented
    class Factor:
        def __init__(self, value):
            self.value = value
            self.out = ti.field(ti.f64)

        @ti.kernel
        def run(self):
            self.out[None] = self.value

    factor = Factor(2.0)
    builder = ti.FieldsBuilder()
    builder.place(factor.out)
    tree = builder.finalize()
    found = []
    for value in (2.0, 5.0):
        factor.value = value
        factor.run()
        found.append(factor.out[None])
    tree.destroy()
    assert_trap(found[1], 2.0, 5.0, "that records are frozen")


def test_every_record_of_the_package_is_frozen():
    parts = (physics, controllers, objectives)
    names = [found.name for part in parts for found in pkgutil.walk_packages(part.__path__, f"{part.__name__}.")]
    modules = [importlib.import_module(name) for name in names]
    found = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    records = {each for each in found if is_dataclass(each) and not issubclass(each, Spec)}
    assert len(records) > 8
    assert all(each.__dataclass_params__.frozen for each in records)


# Flags


@ti.func
def two_indices(bench: ti.template(), env, row, step, k):
    bench.loss[env] += bench.x[env, k] * bench.x[env, 1]


@ti.func
def changed_by_branches(bench: ti.template(), env, row, step, k):
    value = bench.x[env, k]
    for half in ti.static(range(2)):  # noqa: B007  # forty changes; without the engine's flag there is room for thirty
        for turn in ti.static(range(20)):  # noqa: B007
            if value > -9.0:
                value += 0.01 * ti.sin(value)
    bench.loss[env] += value


@ti.func
def local_vectors(bench: ti.template(), env, row, step, k):
    p = ti.Vector([bench.x[env, 0], bench.x[env, 1], bench.x[env, 2]])
    q = ti.Vector([bench.x[env, k], bench.x[env, k], bench.x[env, k]])
    second = q[1]
    if second < 0.3:
        unused = second  # noqa: F841  # see taichi_alone.py
    q[1] *= p.dot(q)
    bench.loss[env] += q.dot(q)


@pytest.mark.parametrize("stage", [two_indices, changed_by_branches, local_vectors])
def test_with_the_engines_flags_gradients_are_right(bench, stage, monkeypatch):
    # From the cache on disk comes what was compiled with other flags: not all of them are in its key.
    monkeypatch.setattr(impl.get_runtime().prog.config(), "offline_cache", False)
    Stage(stage, (bench,), 3)
    found, differences = gradients(bench, stage)
    assert found == pytest.approx(differences, rel=1e-6)


# Processes of their own: with other flags, around the tape, and those that end

ALONE = Path(__file__).with_name("taichi_alone.py")
ENDS = ("atomic_product", "computed_component", "many_changes", "tape_after_destroyed_fields", "load_after_a_loop")
ENDED = "ended"


@pytest.fixture(scope="module")
def alone():
    """What each function of taichi_alone.py gave; ENDED if its process did, or hangs. All run at the same time."""
    running = {
        name: subprocess.Popen([sys.executable, ALONE, name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for name in ("flags", "tape", *ENDS)
    }
    found = {}
    for name, process in running.items():
        try:
            out, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            out = b""
        found[name] = json.loads(out.splitlines()[-1])["result"] if process.returncode == 0 else ENDED
    return found


FLAGS = {
    "force_scalarize_matrix": (14.0, 60526.0),  # q[1] keeps its old value
    "cache_loop_invariant_global_vars": ([2.0, 6.0, 2.0], [2.0, 8.0, 2.0]),
    "default_fp": (float(np.float32(0.1)), 0.1),
}


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_that_is_not_set(alone, flag):
    wrong, right = FLAGS[flag]
    without, with_it = alone["flags"][flag]
    assert with_it == right
    assert_trap(without, wrong, right, f"{flag} in diffsim.engine.runtime")


TAPE = {
    "gradient of a field that has no part in it": (0.0, 7.0),
    "gradient after an error inside": (12.0, 6.0),
    "gradient of a kernel that returns": (0.0, 6.0),
}


@pytest.mark.parametrize("what", TAPE)
def test_taichis_tape(alone, what):
    assert alone["tape"]["gradient"] == 6.0
    assert_trap(alone["tape"][what], *TAPE[what], "what diffsim.engine.trajectory does around the tape")


def test_nothing_can_be_filled_inside_a_tape(alone):
    """So the engine's loss fills itself, and everything is cleared before."""
    assert "Mixed usage of for-loops and statements without looping" in alone["tape"]["fill"]


def test_taichis_own_check_of_gradients_passes_swapped_components(alone):
    """`diffsim.check_gradients` does not: tests/test_conformance.py, "components in another order"."""
    assert alone["tape"]["its check of swapped components"] == "passed"


@pytest.mark.parametrize("what", ENDS)
def test_the_process_ends(alone, what):
    if (
        what == "many_changes" and alone[what] is not ENDED
    ):  # what lies behind the stack was not needed for anything else
        assert alone[what] != pytest.approx(1.1852020129324343), "Taichi heals this now: ad_stack_size is not needed"
    else:
        assert alone[what] is ENDED, f"Taichi heals this now: nothing has to be done about {what}"


# Slopes at a tie, and at the edge of a function: nothing refuses these, docs/how_stages_work.md tells of them


def test_slopes_at_ties_and_edges():
    x, total = ti.field(ti.f64), ti.field(ti.f64)
    builder = ti.FieldsBuilder()
    for field in (x, x.grad):
        builder.dense(ti.i, 8).place(field)
    builder.place(total, total.grad)
    tree = builder.finalize()

    @ti.kernel
    def run():
        for _ in range(1):
            total[None] += ti.max(x[0], 0.0) + ti.max(0.0, x[1]) + ti.min(x[2], 0.0) + ti.min(0.0, x[3])
            total[None] += ti.select(x[4] > 0.0, ti.sqrt(x[4]), 0.0) + ti.atan2(x[6], x[7])
            if x[5] > 0.0:
                total[None] += ti.sqrt(x[5])

    x[4] = x[5] = -1.0
    total.grad[None] = 1.0
    run.grad()
    found = x.grad.to_numpy()
    tree.destroy()
    assert found == pytest.approx([0.0, 1.0, 0.0, 1.0, NAN, 0.0, NAN, NAN], nan_ok=True)
