"""What does not fit where it is stored is refused while a kernel is read, with the line."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine.stages import Part, Stage


@dataclass(frozen=True)
class Sums:
    x: Any  # (env, row, k) positions, vectors of two
    y: Any  # (env, row, k)


@ti.func
def begins_whole(r: ti.template(), env, row, step, k):
    total = 0
    for c in ti.static(range(2)):
        total += r.x[env, row, k][c]  # refused
    r.y[env, row, k] = total


@ti.func
def set_in_a_branch(r: ti.template(), env, row, step, k):
    larger = 1
    if r.x[env, row, k][0] > 1.0:
        larger = r.x[env, row, k][0]  # refused
    r.y[env, row, k] = larger


@ti.func
def divided(r: ti.template(), env, row, step, k):
    share = 1
    share /= 3  # refused
    r.y[env, row, k] = share * r.x[env, row, k][0]


@ti.func
def whole_vector(r: ti.template(), env, row, step, k):
    total = ti.Vector([0, 0])
    total += r.x[env, row, k]  # refused
    r.y[env, row, k] = total[0] + total[1]


@ti.func
def vector_into_a_number(r: ti.template(), env, row, step, k):
    r.y[env, row, k] = r.x[env, row, k]  # refused


@ti.func
def fits(r: ti.template(), env, row, step, k):
    many, total, both = 0, 0.0, ti.Vector([0.0, 0.0])
    for c in ti.static(range(2)):
        many += 1
        total += r.x[env, row, k][c]
    many = ti.cast(2.5 * total, ti.i32) - many
    both += total
    both[0] = many - many + 1
    r.y[env, row, k] = both[0] * both[1]


CUT, SHAPE = "Taichi cuts that off; begin with 0.0", "has another shape: a number is given a vector of 2"
BAD = {
    begins_whole: CUT,
    set_in_a_branch: CUT,
    divided: CUT,
    whole_vector: CUT,
    vector_into_a_number: SHAPE,
}


@ti.func
def add(r: ti.template(), loss: ti.template(), env, row, step, k):
    loss[env] += r.y[env, row, k]


@dataclass(frozen=True, eq=False, repr=False)
class Summed(ds.Objective):
    """A sum of what a stage makes of positions."""

    stage: Any = None

    def build(self, fields, model, prefix="objective"):
        own = Sums(model.motion.position, fields.trajectory("y", 1, recorded=False))
        return Part(step=(Stage(self.stage, own, 1), Stage(add, (own, fields.loss), 1)))


def problem(stage):
    ball = ds.MassSpring(points=[[0.3, 1.0]], initial_velocity=(0.2, 0.5), dt=0.05)
    return ds.Problem(ball, objective=Summed(stage), steps=3, tune=("scene.initial_velocity",))


@pytest.mark.parametrize("executor", ["staged", "fused"])
@pytest.mark.parametrize("stage", BAD)
def test_refused(stage, executor):
    with ds.Simulation(problem(stage), executor=executor) as simulation:
        params = simulation.params()
        with pytest.raises(ds.InputError, match=BAD[stage]) as error:
            simulation.value(params)
    assert f"{__file__}, line " in str(error.value)
    assert f"in {stage.__name__}: " in str(error.value)


@pytest.mark.parametrize("executor", ["staged", "fused"])
def test_what_fits_is_right(executor):
    with ds.Simulation(problem(fits), executor=executor, precision="f64", record="all") as simulation:
        params = simulation.params()
        rollout = simulation.rollout(params)
        assert rollout.loss == pytest.approx(rollout.position[:-1, 0].sum(), rel=1e-12)
        assert ds.check_gradients(simulation, params).passed
        assert np.isfinite(rollout.position).all()
