"""Stages that decide in whole numbers, passes of a solver, and room that does not suffice."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

from diffsim.engine import runtime
from diffsim.engine.executors import make
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Passes, Stage, turns_of
from diffsim.engine.trajectory import Trajectory
from diffsim.errors import CapacityError, InputError

# Points on a line. In each step those that are right of the origin are listed, from the right to the left; the list is
# walked over and over, each visit depends on the one before, and what comes of it moves all points.

ENVS, POINTS, VISITS, STEPS, DT = 2, 4, 3, 6, 0.2


@dataclass(frozen=True)
class Line:
    start: Any  # (env, point)
    weight: Any  # (env, point)
    place: Any  # (env, row, point)
    visit: Any  # (env, row, pass * points + k) of the list; the first is zero
    sum: Any  # (env, row, 0)
    listed: Any  # (env, row, k) a point
    count: Any  # (env, row, 0)
    free: Any  # (env, point) whether it is in no list yet
    limit: Any
    room: int


@ti.func
def begin(line: ti.template(), env, row, step, point):
    line.place[env, 0, point] = line.start[env, point]


@ti.func
def unlimited(line: ti.template(), env, row, step, element):
    line.limit[env, 0] = 0


@ti.func
def farther(line: ti.template(), env, row, point, best):
    found = point
    if best >= 0 and line.place[env, row, best] > line.place[env, row, point]:
        found = best
    return found


@ti.func
def choose(line: ti.template(), env, row, step, element):
    for point in range(POINTS):
        line.free[env, point] = 1
    line.count[env, row, 0] = 0
    searching = True
    while searching:
        best = -1
        for point in range(POINTS):
            if line.free[env, point] == 1 and line.place[env, row, point] > 0.0:
                best = farther(line, env, row, point, best)
        searching = best >= 0
        if searching:
            line.free[env, best] = 0
            at = line.count[env, row, 0]
            if at < line.room:
                line.listed[env, row, at] = best
            line.count[env, row, 0] = at + 1
    if line.count[env, row, 0] > line.room:
        if line.limit[env, 0] == 0:
            line.limit[env, 0] = step + 1
            line.limit[env, 1] = line.count[env, row, 0]
        line.count[env, row, 0] = line.room


@ti.func
def look(line: ti.template(), env, row, step, element):
    k = element - element // POINTS * POINTS
    before = line.visit[env, row, element]
    if k < line.count[env, row, 0]:
        point = line.listed[env, row, k]
        weight = line.weight[env, point]
        line.visit[env, row, element + 1] = weight * before + ti.sin(line.place[env, row, point] + 0.3 * before)
    else:
        line.visit[env, row, element + 1] = before


@ti.func
def add(line: ti.template(), env, row, step, turn):
    line.sum[env, row, 0] += (1.0 + turn) * line.visit[env, row, (turn + 1) * POINTS]


@ti.func
def move(line: ti.template(), env, row, step, point):
    push = line.sum[env, row, 0] * (point - 1.5) - 2.0 * line.place[env, row, point]
    line.place[env, row + 1, point] = line.place[env, row, point] + DT * push


@ti.func
def square(line: ti.template(), loss: ti.template(), env, row, step, point):
    loss[env] += line.place[env, row, point] * line.place[env, row, point]


def by_numpy(start, weight):
    """The same, with complex numbers; and how many were listed in each step."""
    place, counts = np.array(start), []
    for _ in range(STEPS):
        listed = [k for k in np.argsort(-place.real) if place[k].real > 0.0]
        counts.append(len(listed))
        visit, total = 0.0, 0.0
        for turn in range(VISITS):
            for point in listed:
                visit = weight[point] * visit + np.sin(place[point] + 0.3 * visit)
            total = total + (1.0 + turn) * visit
        place = place + DT * (total * (np.arange(POINTS) - 1.5) - 2.0 * place)
    return np.sum(place * place), counts


class Owner:
    """Keeps Taichi started."""


@pytest.fixture
def started():
    runtime.attach(owner := Owner(), "cpu")
    with runtime.precision("f64"):
        yield
    runtime.detach(owner)


def trajectory_of(executor, rows, room=POINTS):
    numbers = {"start": np.zeros(POINTS), "weight": np.zeros(POINTS)}
    fields = Fields(numbers, tuple(numbers), envs=ENVS, precision="f64")
    line = Line(
        start=fields.number("start", POINTS),
        weight=fields.number("weight", POINTS),
        place=fields.trajectory("place", POINTS, state=True),
        visit=fields.trajectory("visit", VISITS * POINTS + 1),
        sum=fields.trajectory("sum", 1, accumulates=True),
        listed=fields.decision(POINTS),
        count=fields.decision(1),
        free=fields.scratch(POINTS),
        limit=fields.limit(lambda env, step, needed: f"{needed} in copy {env} at step {step}"),
        room=room,
    )
    fields.allocate(rows, segments=-(-STEPS // rows))
    prepare = [Stage(begin, (line,), POINTS), Stage(unlimited, (line,), 1, differentiable=False)]
    step = [
        Stage(choose, (line,), 1, differentiable=False),
        Passes((Stage(look, (line,), POINTS), Stage(add, (line,), 1)), VISITS),
        Stage(move, (line,), POINTS),
    ]
    run, finish = make(executor, prepare, step, [Stage(square, (line, fields.loss), POINTS)], fields, serial=True)
    return fields, Trajectory(fields, run, finish, STEPS)


@pytest.mark.parametrize(("executor", "rows"), [("fused", STEPS), ("fused", 4), ("wide", 4)])
def test_what_was_decided_is_still_there_in_the_reverse_pass(started, executor, rows):
    fields, trajectory = trajectory_of(executor, rows)
    rng = np.random.default_rng(10)
    table = np.concatenate([rng.normal(size=(ENVS, 2 * POINTS)), np.zeros((ENVS, 1))], axis=1)
    out = np.zeros_like(table)
    losses = trajectory.gradient(table, out, 1.0)
    assert np.array_equal(losses, trajectory.forward(table))
    fields.close()
    for env in range(ENVS):
        numbers = table[env, :-1]
        loss, counts = by_numpy(numbers[:POINTS], numbers[POINTS:])
        assert len(set(counts)) > 1, "lists should differ from step to step"
        assert losses[env] == pytest.approx(loss, rel=1e-13)  # some hundred roundings of 1e-16 each
        slopes = []
        for k in range(2 * POINTS):
            moved = numbers.astype(complex)
            moved[k] += 1e-30j
            slopes.append(by_numpy(moved[:POINTS], moved[POINTS:])[0].imag / 1e-30)
        assert out[env, :-1] == pytest.approx(slopes, rel=1e-12, abs=1e-13)


def test_too_little_room_is_an_error_that_says_how_much_is_needed(started):
    fields, trajectory = trajectory_of("fused", STEPS, room=2)
    start, weight = np.array([-1.0, -1.0, 1.0, -1.0]), np.zeros(POINTS)
    table = np.concatenate([np.tile([*start, *weight], (ENVS, 1)), np.zeros((ENVS, 1))], axis=1)
    _, counts = by_numpy(start, weight)
    assert max(counts) <= 2
    trajectory.forward(table)
    table[1, :POINTS] = 1.0
    with pytest.raises(CapacityError, match=r"^4 in copy 1 at step 0$"):
        trajectory.forward(table)
    table[1, :POINTS] = start  # what went wrong in one rollout does not stay
    trajectory.forward(table)
    fields.close()


def test_a_stage_that_is_differentiated_may_not_do_so(started):
    with pytest.raises(InputError, match="while"):
        Stage(choose, (), 1)


def test_passes_take_turns():
    """Two stages of a pass, three passes, between two single ones; a stage without elements has no turn."""
    line = Line(**dict.fromkeys(Line.__dataclass_fields__))
    one, other = Stage(move, (line,), 3), Stage(begin, (line,), 2)
    none = Stage(add, (line,), 0)
    turns, count = turns_of([one, Passes((one, none, other), 3), other])
    assert count == 8
    assert [(turn.first, turn.stride, turn.passes, turn.last) for turn in turns] == [
        (0, 1, 1, 0),
        (1, 2, 3, 5),
        (2, 2, 3, 6),
        (7, 1, 1, 7),
    ]
    assert Passes((one, none, other), 3).elements == 3


@ti.func
def _add(counted: ti.template(), env, k):
    counted[env, k] += 1  # refused


@ti.func
def counts_up(own: ti.template(), env, row, step, k):
    for other in range(3):
        _add(own.counted, env, other)


@ti.func
def counts_as_it_should(own: ti.template(), env, row, step, k):
    for other in range(3):
        own.counted[env, other] = own.counted[env, other] + 1
        own.numbers[env, other] += 0.5 * other


@dataclass(frozen=True)
class Counted:
    counted: Any
    numbers: Any


def test_whole_numbers_are_not_added_up_atomically():
    """It would end the loop on Vulkan: `test_vulkan_stops` shows it."""
    runtime.attach(owner := Owner(), "cpu")
    try:
        fields = Fields({}, (), envs=1, precision="f32")
        own = Counted(fields.scratch(3), fields.scratch_numbers(3))
        Stage(counts_as_it_should, own, 1, differentiable=False)
        with pytest.raises(InputError, match=r"(?s)counts_up would stop on a GPU.*in _add: counted.*field\[i\] \+ 1"):
            Stage(counts_up, own, 1, differentiable=False)
        fields.close()
    finally:
        runtime.detach(owner)
