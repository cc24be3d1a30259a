"""Room for what branches change: gradients up to it are right, and beyond it an error says so before a kernel runs."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

from diffsim.engine import runtime, stacks
from diffsim.engine.executors import make
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.engine.trajectory import Trajectory
from diffsim.errors import DeviceError, InputError

START, STEPS = 0.5, 2


@dataclass(frozen=True)
class Curve:
    start: Any  # (env, element)
    place: Any  # (env, row, element)
    turns: int


@ti.func
def begin(curve: ti.template(), env, row, step, element):
    curve.place[env, 0, element] = curve.start[env, element]


@ti.func
def bend(curve: ti.template(), env, row, step, element):
    value = curve.place[env, row, element]
    for turn in ti.static(range(curve.turns)):  # noqa: B007
        if value > -9.0:
            value += 0.01 * ti.sin(value)
    curve.place[env, row + 1, element] = value


@ti.func
def bend_argument(value, turns: ti.template()):
    for turn in ti.static(range(turns)):  # noqa: B007
        if value > -9.0:
            value += 0.01 * ti.sin(value)
    return value


@ti.func
def bend_elsewhere(curve: ti.template(), env, row, step, element):
    curve.place[env, row + 1, element] = bend_argument(curve.place[env, row, element], curve.turns)


@ti.func
def bend_components(curve: ti.template(), env, row, step, element):
    both = ti.Vector([curve.place[env, row, element], 0.3])
    for turn in ti.static(range(curve.turns)):
        k = ti.static(turn % 2)
        if both[k] > -9.0:
            both[k] += 0.01 * ti.sin(both[k])
    curve.place[env, row + 1, element] = both[0] + both[1]


@ti.func
def bend_one_way(curve: ti.template(), env, row, step, element):
    value = curve.place[env, row, element]
    for turn in ti.static(range(curve.turns)):  # noqa: B007
        if value > 9.0:
            value -= 1.0
        elif value > 5.0:
            value -= 0.5
        else:
            value += 0.01 * ti.sin(value)
    curve.place[env, row + 1, element] = value


@ti.func
def in_a_line(curve: ti.template(), env, row, step, element):
    value = curve.place[env, row, element]
    for turn in ti.static(range(curve.turns)):  # noqa: B007
        value += 0.01 * ti.sin(value)
    if value > -9.0:
        curve.place[env, row + 1, element] = value


@ti.func
def conclude(curve: ti.template(), loss: ti.template(), env, row, step, element):
    loss[env] += curve.place[env, row, element]


def by_numpy(times, slope=1.0, value=START):
    """The place after so many turns, and how it depends on the first."""
    for _ in range(times):
        value, slope = value + 0.01 * np.sin(value), slope * (1.0 + 0.01 * np.cos(value))
    return value, slope


class Owner:
    """Keeps Taichi started."""


@contextmanager
def trajectory(device, executor, function, turns):
    """A rollout in which a stage changes a local so often, in each step."""
    runtime.attach(owner := Owner(), device)
    cpu = device == "cpu"
    with runtime.precision("f32"):
        fields = Fields({"start": np.zeros(1)}, ("start",), envs=1, precision="f32", serial=cpu, single=not cpu)
        curve = Curve(fields.number("start", 1), fields.trajectory("place", 1, state=True), turns)
        fields.allocate(STEPS, segments=1)
        stages = [Stage(begin, curve, 1)], (Stage(function, curve, 1),), [Stage(conclude, (curve, fields.loss), 1)]
        run, finish = make(executor, *stages, fields, serial=cpu)
        try:
            yield Trajectory(fields, run, finish, STEPS)
        finally:
            fields.close()
            runtime.detach(owner)


def gradient(made):
    table = np.array([[START, 0.0]])
    out = np.zeros_like(table)
    loss = made.gradient(table, out, 1.0)
    return loss[0], out[0, 0]


DEVICES = [name for name in ("cpu", "vulkan") if name in runtime.available()]


@pytest.mark.parametrize(
    ("device", "executor"),
    [pair for pair in [("cpu", "staged"), ("cpu", "fused"), ("vulkan", "wide")] if pair[0] in DEVICES],
)
def test_beyond_the_room_is_an_error_that_says_where(device, executor):
    room = stacks.size_on(device) - stacks.SPARE
    message = f"bend changes 'value' {room + 1} times.*test_stacks.py, line .*room for {room} changes"
    with trajectory(device, executor, bend, room + 1) as made, pytest.raises(InputError, match=message):
        gradient(made)


def is_right_up_to_the_room(device):
    room = stacks.size_on(device) - stacks.SPARE
    with trajectory(device, "fused", bend, room) as made:
        assert gradient(made) == pytest.approx(by_numpy(STEPS * room), rel=1e-4)  # roundings of some hundred sums


@pytest.mark.bench  # half a minute to compile
def test_up_to_the_room_gradients_are_right():
    is_right_up_to_the_room("cpu")


@pytest.mark.skipif("vulkan" not in DEVICES, reason="there is no Vulkan device here")
def test_up_to_the_room_gradients_are_right_on_vulkan(monkeypatch):
    is_right_up_to_the_room("vulkan")
    monkeypatch.setattr(stacks, "_THREAD", 500)
    message = r"needs 512 bytes in each thread: 1 locals that branches change x 64 .* \(vulkan\) has 500; use executor"
    with trajectory("vulkan", "fused", bend, 3) as made, pytest.raises(DeviceError, match=message):
        gradient(made)


COUNTED = {
    bend: {"value": 6},
    bend_elsewhere: {"value": 6},  # an argument
    bend_components: {"both": 3},  # of each component
    bend_one_way: {"value": 6},  # of alternatives, one acts
    in_a_line: {},  # Taichi needs no stack
}


@pytest.mark.parametrize("function", COUNTED, ids=lambda function: function.__name__)
def test_what_is_counted(monkeypatch, function):
    found = {}

    def look(counts, *_):
        kept = [local for local in counts.locals.values() if local.in_branches]
        found.update({local.name: local.most for local in kept})

    monkeypatch.setattr(stacks, "_check", look)
    with trajectory("cpu", "wide", function, 6) as made:
        gradient(made)
    assert found == COUNTED[function]
