"""Mesa's driver ends the loops of a thread after 65,535 turns in all, wherever they are: within a step as well.

What stopped is an error, in each executor, and where nothing need be in one thread, as in `wide`, it is right.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine import devices, runtime
from diffsim.engine.executors import make
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Passes, Stage
from diffsim.engine.trajectory import Trajectory

from .on_vulkan import ROUNDING, needs_vulkan

pytestmark = [
    needs_vulkan,
    pytest.mark.skipif("llvmpipe" not in devices.name_of_vulkan(), reason="this device is not one that stops"),
]

MANY, STEPS = 70_000, 2


@dataclass(frozen=True)
class Heap:
    weight: Any  # (env, 0)
    sum: Any  # (env, row, 0)
    turns: Any  # (env, row, 0) a decision
    seen: Any  # (env, 0)
    many: int


@ti.func
def begin(heap: ti.template(), env, row, step, element):
    heap.sum[env, 0, 0] = 0.0


@ti.func
def pile(heap: ti.template(), env, row, step, element):
    heap.sum[env, row + 1, 0] += heap.weight[env, 0] * (1.0 / heap.many)


@ti.func
def look(heap: ti.template(), env, row, step, element):
    heap.seen[env, 0] = 0
    for k in range(heap.many):
        heap.seen[env, 0] = heap.seen[env, 0] + k % 2
    heap.turns[env, row, 0] = heap.seen[env, 0]


@ti.func
def conclude(heap: ti.template(), loss: ti.template(), env, row, step, element):
    loss[env] += heap.sum[env, row, 0]


class Owner:
    """Keeps Taichi started."""


@contextmanager
def trajectory(executor, many, step):
    """A rollout of two environments with the stages that ``step`` makes of a heap."""
    runtime.attach(owner := Owner(), "vulkan")
    with runtime.precision("f32"):
        fields = Fields({"weight": np.zeros(1)}, ("weight",), envs=2, precision="f32", serial=False, single=True)
        heap = Heap(
            fields.number("weight", 1),
            fields.trajectory("sum", 1, accumulates=True),
            fields.decision(1),
            fields.scratch(1),
            many,
        )
        fields.allocate(STEPS, segments=1)
        end = [Stage(conclude, (heap, fields.loss), 1)]
        run, finish = make(executor, [Stage(begin, heap, 1)], step(heap), end, fields, serial=False)
        try:
            yield Trajectory(fields, run, finish, STEPS)
        finally:
            fields.close()
            runtime.detach(owner)


def all_at_once(heap):
    return (Stage(pile, heap, heap.many),)


def in_order(heap):
    return (Stage(pile, heap, heap.many, ordered=True),)


def in_passes(heap):
    return (Passes((Stage(pile, heap, heap.many // 10),), 10),)


def a_decision(heap):
    return (Stage(look, heap, 1, differentiable=False), Stage(pile, heap, 5))


CASES = [
    ("fused", all_at_once, True),
    ("wide", all_at_once, False),
    ("fused", in_passes, True),
    ("wide", in_order, True),
    ("wide", in_passes, True),
    ("fused", a_decision, True),
    ("wide", a_decision, True),
]


@pytest.mark.parametrize(("executor", "step", "stops"), CASES)
def test_a_step_that_is_too_long_for_a_launch_is_an_error(executor, step, stops):
    table = np.array([[1.5, 0.0]])
    with trajectory(executor, MANY, step) as made:
        if stops:
            said = "rollout of copy 0 came to step 0, of steps 0 to 2"
            if step is a_decision and executor == "wide":  # where it is a launch of its own
                said = (
                    "a decision of copy 0, a stage that is not differentiable, did not come to its end, of steps 0 to 2"
                )
            for call in (made.forward, lambda table: made.gradient(table, np.zeros_like(table), 1.0)):
                with pytest.raises(ds.DeviceError, match=said):
                    call(table)
            return
        out = np.zeros_like(table)
        # Sums of 70,000 numbers in float32, of which the last step's are the loss.
        assert made.gradient(table, out, 1.0) == pytest.approx(table[0, 0], rel=1e-3)
        assert out[0, 0] == pytest.approx(2.0, rel=1e-3)


def lattice():
    """Springs and points of a step are more than a thread may work on."""
    body = ds.grid((130, 130), spacing=0.01)
    scene = ds.MassSpring(body.points, body.springs, stiffness=50.0, initial_velocity=(0.3, 0.2), dt=0.001)
    return ds.Problem(scene, None, ds.Travel(), steps=3, tune=("scene.initial_velocity",))


def test_a_large_scene_is_an_error_in_one_thread_and_right_side_by_side():
    with ds.Simulation(lattice()) as sim:
        params = sim.params()
        loss, grad = sim.value_and_grad(params)
    with ds.Simulation(lattice(), device="vulkan") as sim:
        assert sim.executor == "wide"
        found, gradient = sim.value_and_grad(params)
    # A mean of 16,900 places of up to 1.3 m, added in any order in float32: rounding grows as the root of their number.
    # It is 0.9 mm; a step that is lost would be a third of that.
    assert found == pytest.approx(loss, abs=16_900**0.5 * 1.2e-7 * 1.3)
    for name, value in grad.items():
        assert gradient[name] == pytest.approx(value, rel=ROUNDING, abs=ROUNDING * np.abs(value).max())
    with ds.Simulation(lattice(), device="vulkan", executor="fused") as sim:
        for call in (sim.value, sim.rollout, sim.value_and_grad):
            with pytest.raises(ds.DeviceError, match=r"came to step 0, of steps 0 to 3.*executor='wide'"):
                call(params)


def test_an_atomic_sum_of_whole_numbers_ends_its_loop():
    """What the rule for decisions is for: of eight turns two were made, and what stands behind the loop was not."""
    if "llvmpipe" not in devices.name_of_vulkan():
        pytest.skip("it was seen on Mesa's software driver only")
    runtime.attach(owner := Owner(), "vulkan")
    try:
        counted, after = ti.field(ti.i32, 4), ti.field(ti.i32, 1)

        @ti.kernel
        def count(turns: ti.i32):
            for _ in range(1):
                for turn in range(turns):
                    counted[turn % 4] += 1
                after[0] = 1

        count(8)
        assert (counted.to_numpy().sum(), after[0]) == (2, 0)
    finally:
        runtime.detach(owner)
