"""Stages that read what no stage of their rollout has written are found by two rollouts of the same parameters."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine.stages import Part, Stage


@dataclass(frozen=True)
class Room:
    position: Any
    height: Any
    kept: Any  # (env, row, 1)


@ti.func
def keep_it(room: ti.template(), env, row, step, element):
    room.kept[env, row, 0] = room.position[env, row, 0][1] * room.height[env, 0]


@ti.func
def keep_next(room: ti.template(), env, row, step, element):
    room.kept[env, row + 1, 0] = room.position[env, row, 0][1] * room.height[env, 0]


@ti.func
def put(room: ti.template(), env, row, value):
    room.kept[env, row, 0] = value


@ti.func
def keep_a_sum(room: ti.template(), env, row, step, element):
    put(room, env, row, room.kept[env, row, 0] + room.position[env, row, 0][1] * room.height[env, 0])


@ti.func
def add_this(room: ti.template(), loss: ti.template(), env, row, step, element):
    loss[env] += room.kept[env, row, 0] * room.kept[env, row, 0]


@ti.func
def add_next(room: ti.template(), loss: ti.template(), env, row, step, element):
    loss[env] += room.kept[env, row + 1, 0] * room.kept[env, row + 1, 0]


@ti.func
def add_now_and_then(room: ti.template(), loss: ti.template(), env, row, step, element):
    if step == 7:
        loss[env] += 0.001 * room.kept[env, row + 1, 0]
    else:
        loss[env] += room.kept[env, row, 0]


STAGES = {
    "a row of its own": (keep_it, add_this),
    "the next row, written before": (keep_next, add_next),
    "a row that is written later": (keep_it, add_next),
    "once a rollout": (keep_it, add_now_and_then),
    "the first row, which nothing writes": (keep_next, add_this),
    "a slot that one function reads and another sets": (keep_a_sum, add_this),
}
GOOD = ("a row of its own", "the next row, written before")


@dataclass(frozen=True, eq=False, repr=False)
class Kept(ds.Objective):
    """Squares of a product that is kept in a field of the objective's own."""

    stages: str = ""

    def numbers(self, scene):
        return {"height": np.array(0.7)}

    def build(self, fields, model, prefix="objective"):
        kept = fields.trajectory("kept", 1, recorded=False)
        room = Room(model.motion.position, fields.number(f"{prefix}.height", 1), kept)
        put, add = STAGES[self.stages]
        return Part(step=(Stage(put, (room,), 1), Stage(add, (room, fields.loss), 1)))


def problem_of(stages):
    ball = ds.MassSpring(points=[[0.0, 1.0]], initial_velocity=(0.0, 0.5), dt=0.05)
    tuned = ("scene.initial_velocity", "objective.height")
    return ds.Problem(ball, objective=Kept(stages), steps=12, tune=tuned)


@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("adjoint", [ds.FullTape(), ds.Checkpointed(every=5)], ids=["full", "segments"])
def test_two_rollouts_of_the_same_parameters(stages, adjoint):
    with ds.Simulation(problem_of(stages), precision="f64", executor="staged", adjoint=adjoint) as simulation:
        report = ds.check_gradients(simulation, raises=False)
        assert bool(report.stale) == (stages not in GOOD)
        if stages in GOOD:
            assert report.passed
            return
        assert not report.passed
        assert report.exit_status == 1
        assert "two rollouts of the same parameters differ: the loss is " in report.stale
        assert " by what kept held before them" in report.stale  # and not what position held
        assert report.stale in str(report)
        assert report.to_dict()["stale"] == report.stale
        with pytest.raises(ds.GradientError, match="two rollouts of the same parameters differ"):
            ds.check_gradients(simulation)


def test_it_names_the_copy():
    problem = problem_of("a slot that one function reads and another sets")
    with ds.Simulation(problem, envs=2, shared=False, executor="staged") as simulation:
        params = {name: np.array(value) for name, value in simulation.params().items()}
        assert "the loss of copy 0 is" in ds.check_gradients(simulation, params, raises=False).stale


@dataclass(frozen=True)
class Store:
    position: Any
    height: Any
    twice: Any  # (env, 2) derived, of which one is never written


@ti.func
def derive(store: ti.template(), env, row, step, element):
    store.twice[env, 0] = 2.0 * store.height[env, 0]


@ti.func
def derive_by_adding(store: ti.template(), env, row, step, element):
    store.twice[env, 0] += 2.0 * store.height[env, 0]


@ti.func
def add_twice(store: ti.template(), loss: ti.template(), env, row, step, element):
    loss[env] += (store.twice[env, 0] + store.twice[env, 1]) * store.position[env, row, 0][1]


@dataclass(frozen=True, eq=False, repr=False)
class Derived(ds.Objective):
    """The last height times what is derived from a number."""

    adds: bool = False

    def numbers(self, scene):
        return {"height": np.array(0.7)}

    def build(self, fields, model, prefix="objective"):
        name = f"{prefix}.height"
        store = Store(model.motion.position, fields.number(name, 1), fields.derived(2, of=[name]))
        first = Stage(derive_by_adding if self.adds else derive, store, 1)
        return Part(prepare=(first,), final=(Stage(add_twice, (store, fields.loss), 1),))


@pytest.mark.parametrize("adds", [False, True])
def test_what_is_derived_by_adding_is_found(adds):
    ball = ds.MassSpring(points=[[0.0, 1.0]], initial_velocity=(0.0, 0.5), dt=0.05)
    problem = ds.Problem(ball, objective=Derived(adds), steps=6, tune=("scene.initial_velocity", "objective.height"))
    with ds.Simulation(problem, precision="f64", executor="staged", adjoint=ds.Checkpointed(every=4)) as simulation:
        report = ds.check_gradients(simulation, raises=False)
    assert ("by what a field derived from objective.height held before them" in report.stale) == adds
    assert adds or report.passed
