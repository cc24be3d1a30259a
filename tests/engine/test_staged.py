"""Small kernels: what shares one, what does not, and stages that must know a whole number when they are compiled."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine import grouping, native, runtime, staged
from diffsim.engine.executors import make
from diffsim.engine.fields import Fields
from diffsim.engine.mentions import Mentions
from diffsim.engine.stages import Passes, Stage
from diffsim.engine.trajectory import Trajectory
from diffsim.waiting import Work


def chain(points, **changes):
    """So many points in a row, joined by springs."""
    at = np.stack([0.3 * np.arange(points), 0.2 + 0.01 * np.arange(points)], axis=1)
    joined = [[k, k + 1] for k in range(points - 1)]
    scene = ds.MassSpring(at, joined, stiffness=60.0, actuation=0.2, dt=0.01, **changes)
    return ds.Problem(scene, ds.Sine(), ds.Travel(point=1), steps=points + 4, tune=("controller.*", "scene.stiffness"))


@pytest.fixture
def fresh(monkeypatch):
    """As in a process in which nothing was compiled yet: other tests use the same chains."""
    monkeypatch.setattr(staged, "_known", staged._Known())


def compiled(problem, **settings):
    """How many kernels a simulation adds to those of this process, for a loss and a gradient; and the gradient."""
    with ds.Simulation(problem, executor="staged", **settings) as simulation:
        before = len(staged._known._found)
        _, grad = simulation.value_and_grad(simulation.params(0))
        return len(staged._known._found) - before, grad


def test_other_sizes_find_every_kernel(fresh):
    assert compiled(chain(3))[0] > 0
    for problem, settings in [
        (chain(5), {}),
        (chain(3), {"envs": 3, "shared": False}),
        (chain(4), {"adjoint": ds.Truncated(3)}),
        (chain(4), {"adjoint": ds.Checkpointed(every=3)}),
    ]:
        found, grad = compiled(problem, **settings)
        assert found == 0
        with ds.Simulation(problem, executor="fused", **settings) as simulation:
            _, same = simulation.value_and_grad(simulation.params(0))
        assert all(np.array_equal(grad[name], same[name]) for name in same)


def test_other_features_and_precisions_do_not(fresh):
    compiled(chain(3))
    assert compiled(chain(3, spring_damping=0.1))[0] > 0
    assert compiled(chain(3), precision="f64")[0] > 0


# Stages of our own


@dataclass(frozen=True)
class Table:
    start: Any  # (env, element)
    value: Any  # (env, row, element)
    sums: Any  # (env, row, 0)
    turns: int
    power: int
    half: int


@ti.func
def unrolled(x, count: ti.template()):
    found = x
    for _ in ti.static(range(count)):
        found = found * x
    return found


@ti.func
def begin(table: ti.template(), env, row, step, k):
    table.value[env, 0, k] = table.start[env, k]


@ti.func
def add(table: ti.template(), env, row, step, k):
    """In passes: element k + turn * half."""
    table.sums[env, row, 0] += table.value[env, row, k % table.half] / table.turns


@ti.func
def move(table: ti.template(), env, row, step, k):
    grown = unrolled(table.value[env, row, k], table.power)
    table.value[env, row + 1, k] = 0.5 * grown + 0.1 * table.sums[env, row, 0]


@ti.func
def total(table: ti.template(), loss: ti.template(), env, row, step, k):
    loss[env] += table.value[env, row, k]


class Owner:
    """Keeps Taichi started."""


def gradient(executor, elements, power, turns):
    numbers = {"start": np.zeros(elements)}
    fields = Fields(numbers, ("start",), envs=2, precision="f64")
    table = Table(
        fields.number("start", elements),
        fields.trajectory("value", elements, state=True),
        fields.trajectory("sums", 1, accumulates=True),
        turns=turns,
        power=power,
        half=elements,
    )
    fields.allocate(3, segments=1)
    records = (table,)
    step = (Passes((Stage(add, records, elements),), turns), Stage(move, records, elements))
    final = [Stage(total, (table, fields.loss), elements)]
    run, finish = make(executor, [Stage(begin, records, elements)], step, final, fields, serial=True)
    values = np.random.default_rng(1).uniform(0.5, 0.9, (2, elements + 1))
    out = np.zeros_like(values)
    losses = Trajectory(fields, run, finish, 3).gradient(values, out, 1.0)
    fields.close()
    return losses, out


@pytest.mark.parametrize(("elements", "power", "turns"), [(3, 2, 2), (4, 2, 3), (3, 1, 1)])
def test_passes_and_whole_numbers_that_are_unrolled(elements, power, turns):
    runtime.attach(owner := Owner(), "cpu")
    with runtime.precision("f64"):
        one, other = (gradient(executor, elements, power, turns) for executor in ("staged", "fused"))
    runtime.detach(owner)
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])
    assert np.any(one[1])


def test_what_a_stage_mentions():
    move_, add_, total_ = (Mentions.of(function) for function in (move, add, total))
    assert move_.names == {"value", "power", "sums", "static"}  # of `ti.static`: a name more does no harm
    assert "power" in move_.fixed
    assert move_.stored == {"value"}
    assert add_.names == {"sums", "value", "half", "turns"}
    assert not add_.fixed & {"half", "turns"}
    assert add_.stored == {"sums"}
    assert total_.stored == {":loss"}


@ti.func
def square(table: ti.template(), derived: ti.template(), env, row, step, k):
    derived[env, k] = table.start[env, k] ** 2 + 0.0 * table.value[env, 0, k]


@ti.func
def put(target: ti.template(), env, row, k, value):
    target[env, row, k] = value


@ti.func
def scatter(table: ti.template(), env, row, step, k):
    found = ti.static(table.sums)
    found[env, row, 0] += 1.0
    put(env=env, row=row, k=k, value=table.start[env, k], target=table.value)


def test_what_a_stage_stores_into_by_another_name():
    assert Mentions.of(scatter).stored >= {"sums", "value"}


def test_what_stands_in_a_list_twice_or_in_two_shares_no_kernel_with_the_rest():
    table = Table(None, None, None, turns=1, power=2, half=2)  # nothing of it is looked at
    adds, moves, begins, totals = (Stage(function, (table,), 2) for function in (add, move, begin, scatter))
    once, other = (adds, moves, begins), (totals,)
    assert [group.stages for group, _ in grouping.grouped(once, [once, other])] == [once]
    twice = (adds, moves, begins, adds)
    found = grouping.grouped(twice, [twice, other])
    assert [group.stages for group, _ in found] == [(adds,), (moves, begins), (adds,)]
    assert found[0] == found[2]
    final = (moves, totals)
    found = grouping.grouped(once, [once, final])
    assert [group.stages for group, _ in found] == [(adds,), (moves,), (begins,)]
    assert grouping.grouped(final, [once, final])[0] == found[1]


@pytest.mark.parametrize("tuned", [True, False])
def test_what_stores_nothing_that_has_a_gradient_has_no_reverse(tuned):
    runtime.attach(owner := Owner(), "cpu")
    fields = Fields({"start": np.zeros(2)}, ("start",) if tuned else (), envs=1, precision="f64")
    state, sums = fields.trajectory("value", 2, state=True), fields.trajectory("sums", 1, accumulates=True)
    table = Table(fields.number("start", 2), state, sums, turns=1, power=2, half=2)
    derived = fields.derived(2, of=["start"])
    fields.allocate(1, segments=1)
    launches = staged.Launches([Stage(square, (table, derived), 2)], fields, Work())
    assert len(launches.chosen(reverse=True)) == int(tuned)
    fields.close()
    runtime.detach(owner)


# What is only told


@dataclass(frozen=True)
class Told:
    start: Any  # (env, element)
    place: Any  # (env, row, element)
    square_of: Any  # (env, row, element)
    half_of: Any  # (env, row, element), made of the squares
    cubes: Any  # (env, row, 0), by two stages


@ti.func
def begin_told(told: ti.template(), env, row, step, k):
    told.place[env, 0, k] = told.start[env, k]


@ti.func
def shrink(told: ti.template(), env, row, step, k):
    told.place[env, row + 1, k] = 0.5 * told.place[env, row, k]


@ti.func
def tell_square(told: ti.template(), env, row, step, k):
    told.square_of[env, row, k] = told.place[env, row, k] ** 2


@ti.func
def tell_half(told: ti.template(), env, row, step, k):
    told.half_of[env, row, k] = 0.5 * told.square_of[env, row, k]


@ti.func
def tell_cube(told: ti.template(), env, row, step, k):
    told.cubes[env, row, 0] += told.place[env, row, k] ** 3


@ti.func
def tell_more(told: ti.template(), env, row, step, k):
    told.cubes[env, row, 0] += 1.0


@ti.func
def add_place(told: ti.template(), loss: ti.template(), env, row, step, k):
    loss[env] += told.place[env, row, k]


@ti.func
def add_half(told: ti.template(), loss: ti.template(), env, row, step, k):
    loss[env] += told.half_of[env, row, k]


@pytest.mark.parametrize("rows", [4, 2])
@pytest.mark.parametrize("reads", [False, True])
def test_what_is_only_recorded_is_left_out_unless_something_is(rows, reads, monkeypatch):
    monkeypatch.setattr(grouping, "HEAVY", 0)  # each in a kernel of its own
    runtime.attach(owner := Owner(), "cpu")
    with runtime.precision("f64"):
        fields = Fields({"start": np.zeros(2)}, ("start",), envs=1, precision="f64")
        told = Told(
            fields.number("start", 2),
            fields.trajectory("place", 2, state=True),
            fields.trajectory("square_of", 2),
            fields.trajectory("half_of", 2),
            fields.trajectory("cubes", 1, accumulates=True),
        )
        fields.allocate(rows, segments=4 // rows)
        telling = [Stage(function, told, 2) for function in (tell_square, tell_half, tell_cube, tell_more)]
        step = (*telling, Stage(shrink, told, 2), *([Stage(add_half, (told, fields.loss), 2)] if reads else []))
        final = [Stage(add_place, (told, fields.loss), 2)]
        run, finish = make("staged", [Stage(begin_told, told, 2)], step, final, fields, serial=True)
        values, trajectory = np.array([[0.8, 0.6, 0.0]]), Trajectory(fields, run, finish, 4)
        told.cubes.view[:], told.half_of.view[:] = 0.0, 7.0

        def gradient(cotangents=None):
            out = np.zeros_like(values)
            return trajectory.gradient(values, out, 1.0, cotangents)[0], out[0, :2]

        place, shares = values[0, :2], 0.5 ** np.arange(4)
        loss, grad = gradient()
        squares = (shares**2).sum() * reads
        assert loss == pytest.approx((place / 16.0).sum() + 0.5 * squares * (place**2).sum(), rel=1e-14)
        assert grad == pytest.approx(1.0 / 16.0 + squares * place, rel=1e-14)
        assert np.all(told.cubes.view == 0.0)
        assert np.all(told.half_of.view == 7.0) != reads
        found = {name: np.zeros((4, *shape)) for name, shape in fields.recorded().items()}

        def keep(first, count, arrays):
            for name, array in arrays.items():
                found[name][first : first + count] = array[0, :count]

        assert trajectory.forward(values, keep)[0] == loss
        assert found["half_of"] == pytest.approx(0.5 * (shares[:, None] * place) ** 2, rel=1e-14)
        assert found["cubes"][:, 0] == pytest.approx(shares**3 * (place**3).sum() + 2.0, rel=1e-14)
        cotangents = {name: np.zeros((1, 5, *shape)) for name, shape in fields.recorded().items()}
        cotangents["half_of"][0, 1], cotangents["cubes"][0, 2] = 1.0, 0.1
        _, whole = gradient(cotangents)
        assert whole - grad == pytest.approx(shares[1] ** 2 * place + 0.3 * shares[2] ** 3 * place**2, rel=1e-12)
        assert np.array_equal(gradient()[1], grad)
    fields.close()
    runtime.detach(owner)


# Passes of which so many act


@dataclass(frozen=True)
class Halved:
    start: Any  # (env, 0)
    share: Any  # (env, 0)
    value: Any  # (env, row, 0)
    cut: Any  # (env, row, pass)
    left: Any  # (env, row, pass)
    launched: Any  # (env, row, 0)
    acting: Any  # (env, row, 0)


@ti.func
def decide(h: ti.template(), env, row, step, k):
    h.acting[env, row, 0] = (3 * env + 2 * step) % 4


@ti.func
def start_whole(h: ti.template(), env, row, step, k):
    h.value[env, 0, 0] = h.start[env, 0]


@ti.func
def enter(h: ti.template(), env, row, step, k):
    h.left[env, row, 0] = h.value[env, row, 0]


@ti.func
def cut(h: ti.template(), env, row, step, turn):
    if turn < h.acting[env, row, 0]:
        h.cut[env, row, turn] = h.share[env, 0] * h.left[env, row, turn]


@ti.func
def take(h: ti.template(), env, row, step, turn):
    h.launched[env, row, 0] += 1.0  # it does not look
    if turn < h.acting[env, row, 0]:
        h.left[env, row, turn + 1] = h.left[env, row, turn] - h.cut[env, row, turn]


@ti.func
def leave(h: ti.template(), env, row, step, k):
    h.value[env, row + 1, 0] = h.left[env, row, h.acting[env, row, 0]] + 1.0


@ti.func
def whole(h: ti.template(), loss: ti.template(), env, row, step, k):
    loss[env] += h.value[env, row, 0]


def halving(executor, envs, steps=5):
    """Losses and gradients by start and share of each copy, and how many passes ran in each row."""
    fields = Fields({"start": np.zeros(1), "share": np.zeros(1)}, ("start", "share"), envs=envs, precision="f64")
    h = Halved(
        fields.number("start", 1),
        fields.number("share", 1),
        fields.trajectory("value", 1, state=True),
        fields.trajectory("cut", 3),
        fields.trajectory("left", 4),
        fields.trajectory("launched", 1, accumulates=True),
        fields.decision(1),
    )
    fields.allocate(steps, segments=1)
    step = (
        Stage(decide, h, 1, differentiable=False),
        Stage(enter, h, 1),
        Passes((Stage(cut, h, 1), Stage(take, h, 1)), 3, upto=h.acting),
        Stage(leave, h, 1),
    )
    final = [Stage(whole, (h, fields.loss), 1)]
    run, finish = make(executor, [Stage(start_whole, h, 1)], step, final, fields, serial=True)
    values = np.tile([2.0, 0.3, 0.0], (envs, 1)) + 0.01 * np.arange(envs)[:, None]
    out = np.zeros_like(values)
    losses = Trajectory(fields, run, finish, steps).gradient(values, out, 1.0)
    launched = h.launched.to_numpy()[:, :steps, 0]
    fields.close()
    return losses, out[:, :2], launched


@pytest.mark.parametrize("envs", [1, 3])
@pytest.mark.parametrize("executor", ["staged", "fused", "wide"])
def test_so_many_passes_act_in_each_row_of_each_copy(executor, envs, monkeypatch):
    monkeypatch.setattr(grouping, "HEAVY", 0)  # else the kernel of both stages would run all passes
    runtime.attach(owner := Owner(), "cpu")
    with runtime.precision("f64"):
        losses, gradients, launched = halving(executor, envs)
    runtime.detach(owner)
    acting = (3 * np.arange(envs)[:, None] + 2 * np.arange(5)) % 4
    for env in range(envs):
        start, share = 2.0 + 0.01 * env, 0.3 + 0.01 * env
        value, by_start, by_share = start, 1.0, 0.0
        for passes in acting[env]:  # value (1 - share)^passes + 1, and its derivative
            left = (1.0 - share) ** passes
            by_share = by_share * left - value * passes * (1.0 - share) ** (passes - 1.0)
            value, by_start = value * left + 1.0, by_start * left
        assert losses[env] == pytest.approx(value, rel=1e-12)
        assert gradients[env] == pytest.approx([by_start, by_share], rel=1e-12)
    left_out = executor == "staged" and native.available()
    assert np.array_equal(launched, acting if left_out else np.full((envs, 5), 3))
