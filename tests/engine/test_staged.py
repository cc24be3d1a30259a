"""Small kernels: what shares one, what does not, and stages that must know a whole number when they are compiled."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine import runtime, staged
from diffsim.engine.executors import make
from diffsim.engine.fields import Fields
from diffsim.engine.mentions import Mentions
from diffsim.engine.stages import Passes, Stage
from diffsim.engine.trajectory import Trajectory


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
