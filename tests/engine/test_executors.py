"""Which executor runs, and that stages whose elements depend on each other are right in both."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

from diffsim.engine import executors, runtime
from diffsim.engine.executors import choose, make
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Passes, Stage, pass_by_pass
from diffsim.engine.trajectory import Trajectory
from diffsim.errors import InputError


@pytest.mark.parametrize(
    ("executor", "device", "envs", "elements", "expected"),
    [
        ("fused", "cuda", 1, 100_000, "fused"),  # what is asked for
        ("wide", "cpu", 100, 3, "wide"),
        ("auto", "cpu", 1, 100_000, "staged"),  # ready at once
        ("auto", "cuda", 1, 100_000, "wide"),  # one large scene
        ("auto", "cuda", 1, 511, "fused"),  # a small one
        ("auto", "cuda", 1, 512, "wide"),
        ("auto", "vulkan", 4096, 600, "fused"),  # more environments than elements
    ],
)
def test_choice(executor, device, envs, elements, expected):
    assert choose(executor, device, envs, elements) == expected


def test_where_small_kernels_do_not_pay_it_is_fused_on_a_cpu():
    assert choose("auto", "cpu", 1, 10, small=False) == "fused"


def test_small_kernels_are_for_a_cpu():
    with pytest.raises(InputError, match="executor='staged' is for device='cpu', but device is 'cuda'"):
        choose("staged", "cuda", 1, 10)


def test_unknown_executor_is_named():
    with pytest.raises(
        InputError, match="executor is 'serial', but it must be one of 'auto', 'fused', 'wide', 'staged'"
    ):
        choose("serial", "cpu", 1, 10)


# A chain: each element carries what the elements before it sum up to, as bodies of a tree carry their parents' motion.

ENVS, LINKS, STEPS, DT = 2, 5, 6, 0.1


@dataclass(frozen=True)
class Chain:
    start: Any  # (env, link)
    gain: Any  # (env, link)
    angle: Any  # (env, row, link)
    carried: Any  # (env, row, link + 1) what the links before add up to; the first is zero
    bend: Any  # (env, link)


@ti.func
def begin(chain: ti.template(), env, row, step, link):
    chain.angle[env, 0, link] = chain.start[env, link]


@ti.func
def fold(chain: ti.template(), env, row, step, link):
    """Once, before the first step: it depends on the link before as well."""
    chain.bend[env, link + 1] = ti.sin(chain.bend[env, link]) + chain.gain[env, link]


@ti.func
def carry(chain: ti.template(), env, row, step, link):
    before = chain.carried[env, row, link]
    chain.carried[env, row, link + 1] = chain.gain[env, link] * before + ti.sin(
        chain.angle[env, row, link] + 0.3 * before
    )


@ti.func
def turn(chain: ti.template(), env, row, step, link):
    push = chain.carried[env, row, link + 1] + chain.bend[env, link + 1]
    chain.angle[env, row + 1, link] = chain.angle[env, row, link] + DT * push


@ti.func
def tip(chain: ti.template(), loss: ti.template(), env, row, step, link):
    angle = chain.angle[env, row, link]
    loss[env] += angle * angle


def by_numpy(start, gain):
    """The same chain; it takes complex numbers, so that an imaginary step gives its derivative to rounding."""
    bend = [0.0]
    for link in range(LINKS):
        bend.append(np.sin(bend[-1]) + gain[link])
    angle = np.array(start)
    for _ in range(STEPS):
        carried = [0.0]
        for link in range(LINKS):
            carried.append(gain[link] * carried[-1] + np.sin(angle[link] + 0.3 * carried[-1]))
        angle = angle + DT * (np.array(carried[1:]) + np.array(bend[1:]))
    return np.sum(angle * angle)


def imaginary_slopes(start, gain):
    """Derivatives of `by_numpy`: the imaginary part after a step of 1e-30 i, without subtracting anything."""
    numbers = np.concatenate([start, gain]).astype(complex)
    found = np.empty(len(numbers))
    for k in range(len(numbers)):
        moved = numbers.copy()
        moved[k] += 1e-30j
        found[k] = by_numpy(moved[:LINKS], moved[LINKS:]).imag / 1e-30
    return found


class Owner:
    """Keeps Taichi started."""


def chain_trajectory(executor, rows):
    """The fields of a chain, and its rollouts."""
    numbers = {"start": np.zeros(LINKS), "gain": np.zeros(LINKS)}
    fields = Fields(numbers, tuple(numbers), envs=ENVS, precision="f64")
    chain = Chain(
        start=fields.number("start", LINKS),
        gain=fields.number("gain", LINKS),
        angle=fields.trajectory("angle", LINKS, state=True),
        carried=fields.trajectory("carried", LINKS + 1),
        bend=fields.derived(LINKS + 1, of=["gain"]),
    )
    fields.allocate(rows, segments=-(-STEPS // rows))
    prepare = [Stage(begin, (chain,), LINKS), Stage(fold, (chain,), LINKS, ordered=True)]
    step = [Stage(carry, (chain,), LINKS, ordered=True), Stage(turn, (chain,), LINKS)]
    final = [Stage(tip, (chain, fields.loss), LINKS)]
    serial = executor != "in pieces"  # as off the CPU: several launches
    run, finish = make(executor if serial else "fused", prepare, step, final, fields, serial=serial)
    return fields, Trajectory(fields, run, finish, STEPS)


@pytest.mark.parametrize("rows", [STEPS, 4])
@pytest.mark.parametrize("executor", ["fused", "wide", "staged", "in pieces"])
def test_ordered_stages_and_their_gradient(monkeypatch, executor, rows):
    monkeypatch.setattr(executors, "_LOOPS", 30)  # two steps
    runtime.attach(owner := Owner(), "cpu")
    rng = np.random.default_rng(2)
    with runtime.precision("f64"):
        fields, trajectory = chain_trajectory(executor, rows)
        table = np.concatenate([rng.normal(size=(ENVS, 2 * LINKS)), np.zeros((ENVS, 1))], axis=1)
        out = np.zeros_like(table)
        losses = trajectory.gradient(table, out, 1.0)
        forward = trajectory.forward(table)
        fields.close()
    runtime.detach(owner)
    assert np.array_equal(losses, forward)
    for env in range(ENVS):
        start, gain = table[env, :LINKS], table[env, LINKS : 2 * LINKS]
        # Both are exact up to rounding: some hundred operations of 1e-16 each.
        assert losses[env] == pytest.approx(by_numpy(start, gain), rel=1e-13)
        assert out[env, : 2 * LINKS] == pytest.approx(imaginary_slopes(start, gain), rel=1e-12, abs=1e-13)


def test_passes_without_an_order_become_stages_with_elements_of_their_own():
    """As `wide` runs them, each a parallel loop; those with an order stay together."""
    alone, first, second = Stage(begin, (), 3), Stage(carry, (), 5), Stage(turn, (), 2)
    solver = Passes((first, second), 3)
    assert pass_by_pass((alone, solver)) == (alone, solver)
    free = pass_by_pass((alone, Passes((first, second), 3, ordered=False)))
    assert [(stage.function, stage.elements, stage.before) for stage in free] == [
        (begin, 3, 0),
        *((function, n, k * n) for k in range(3) for function, n in ((carry, 5), (turn, 2))),
    ]
