"""Elements on a grid and matrices: numbers, trajectories, checkpoints, windows, pullbacks and seeds of them.

A few tensors turn and stretch while cells of a grid give them a push: every kind of field has such a shape.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim import physics
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.spec import Spec

STEPS = 9
EVERY = 4  # segments of 4, 4 and 1

GRADIENT = 1e-7
"""Of differences of a smooth loss of order one, at the best step; what they reach here is 1e-9."""


@dataclass(frozen=True, eq=False, repr=False)
class Tensors(Spec):
    kind: ClassVar[str] = "scene"
    dimension: ClassVar[int] = 2
    observations: ClassVar[int] = 0
    actuators: ClassVar[Any] = np.zeros(0, int)

    start: Any  # (k, 2, 2)
    rate: Any  # (2, 2) [1/s]
    heat: Any  # (n, m)
    wind: Any  # (n, m, 2)
    dt: float = 0.1  # [s]

    def numbers(self):
        return {name: np.asarray(getattr(self, name), float) for name in ("start", "rate", "heat", "wind")}

    def with_numbers(self, numbers):
        return replace(self, **numbers)


@dataclass(frozen=True)
class Turning:
    start: Any  # (env, tensor) matrices
    rate: Any  # (env, 0) matrix
    heat: Any  # (env, i, j)
    wind: Any  # (env, i, j) vectors
    skew: Any  # (env, 0) matrix, derived
    tensor: Any  # (env, row, tensor) matrices
    warmth: Any  # (env, row, i, j)
    push: Any  # (env, row, 0) matrix, sum over the grid
    n: int
    m: int
    dt: float


@ti.func
def begin(own: ti.template(), env, row, step, k):
    own.tensor[env, 0, k] = own.start[env, k]


@ti.func
def warm(own: ti.template(), env, row, step, c):
    own.warmth[env, 0, c] = own.heat[env, c]


@ti.func
def derive(own: ti.template(), env, row, step, k):
    own.skew[env, 0] = 0.5 * (own.rate[env, 0] - own.rate[env, 0].transpose())


@ti.func
def gather(own: ti.template(), env, row, step, c):
    i = c // own.m
    j = c - i * own.m
    wind = own.wind[env, i, j]
    own.push[env, row, 0] += own.warmth[env, row, i, j] * wind.outer_product(wind)


@ti.func
def spread(own: ti.template(), env, row, step, c):
    i = c // own.m
    j = c - i * own.m
    beside = own.warmth[env, row, i, (j + 1) % own.m] + own.warmth[env, row, (i + 1) % own.n, j]
    own.warmth[env, row + 1, c] = own.warmth[env, row, c] + 0.1 * (beside - 2.0 * own.warmth[env, row, i, j])


@ti.func
def turn(own: ti.template(), env, row, step, k):
    f = own.tensor[env, row, k]
    own.tensor[env, row + 1, k] = f + own.dt * (own.skew[env, 0] + own.push[env, row, 0]) @ f * ti.sin(f[0, 1])


def build(scene, fields, steps, reads):
    k, (n, m) = len(scene.start), scene.heat.shape
    own = Turning(
        start=fields.number("scene.start", k, (2, 2)),
        rate=fields.number("scene.rate", 1, (2, 2)),
        heat=fields.number("scene.heat", (n, m)),
        wind=fields.number("scene.wind", (n, m), 2),
        skew=fields.derived(1, (2, 2), of=["scene.rate"]),
        tensor=fields.trajectory("tensor", k, (2, 2), state=True),
        warmth=fields.trajectory("warmth", (n, m), state=True),
        push=fields.trajectory("push", 1, (2, 2), accumulates=True, per_step=True),
        n=n,
        m=m,
        dt=scene.dt,
    )
    return Model(
        own,
        scene.dimension,
        scene.dt,
        steps,
        places=k,
        actuators=0,
        observations=0,
        prepare=(Stage(begin, (own,), k), Stage(warm, (own,), (n, m)), Stage(derive, (own,), 1)),
        step=(Stage(gather, (own,), (n, m)), Stage(spread, (own,), (n, m)), Stage(turn, (own,), k)),
    )


@dataclass(frozen=True)
class Measuring:
    tensor: Any
    warmth: Any
    wanted: Any  # (env, i, j)


@ti.func
def strain(goal: ti.template(), loss: ti.template(), env, row, step, k):
    f = goal.tensor[env, row, k]
    loss[env] += f.determinant() + 0.3 * (f @ f.transpose()).trace() + f[0, 1] * f[1, 1] * f[1, 1]


@ti.func
def miss(goal: ti.template(), loss: ti.template(), env, row, step, c):
    off = goal.warmth[env, row, c] - goal.wanted[env, c]
    loss[env] += off * off * off


@dataclass(frozen=True, eq=False, repr=False)
class Shape(ds.Objective):
    wanted: Any
    weight: float = 1.0

    def numbers(self, scene):
        return {"wanted": np.asarray(self.wanted, float)}

    def build(self, fields, model, prefix="objective"):
        wanted = fields.number(f"{prefix}.wanted", self.wanted.shape)
        goal = Measuring(model.motion.tensor, model.motion.warmth, wanted)
        final = Stage(strain, (goal, fields.loss), model.places)
        return Part(step=(Stage(miss, (goal, fields.loss), self.wanted.shape),), final=(final,))


@pytest.fixture(scope="module")
def problem():
    """Not square, so that no two axes can be taken for one another."""
    rng = np.random.default_rng(4)
    scene = Tensors(
        start=rng.normal(size=(5, 2, 2)),
        rate=rng.normal(size=(2, 2)),
        heat=rng.normal(size=(2, 3)),
        wind=rng.normal(size=(2, 3, 2)),
    )
    before = dict(physics._REGISTRY)
    physics.register(Tensors, build)
    yield ds.Problem(scene, objective=Shape(rng.normal(size=(2, 3))), steps=STEPS, tune=("*",))
    physics._REGISTRY.clear()
    physics._REGISTRY.update(before)


ADJOINTS = {"full": ds.FullTape(), "segments": ds.Checkpointed(every=EVERY), "windows": ds.Truncated(EVERY)}


@pytest.mark.parametrize("adjoint", ["full", "segments"])
@pytest.mark.parametrize("executor", ["fused", "wide"])
def test_gradients_agree_with_differences(problem, keep, executor, adjoint):
    simulation = keep(problem, precision="f64", executor=executor, adjoint=ADJOINTS[adjoint])
    report = ds.check_gradients(simulation, tolerance=GRADIENT)
    assert report.passed, report


@pytest.mark.parametrize("executor", ["fused", "wide"])
def test_segments_have_the_bits_of_the_full_tape(problem, keep, executor):
    full, segments = (
        keep(problem, precision="f64", executor=executor, adjoint=ADJOINTS[name]) for name in ("full", "segments")
    )
    (loss, grad), (again, same) = (each.value_and_grad(each.params()) for each in (full, segments))
    assert loss == again
    for name in grad:
        assert np.array_equal(grad[name], same[name]), name


@pytest.mark.parametrize("executor", ["fused", "wide"])
def test_a_rollout_is_the_formulas_in_numpy(problem, keep, executor):
    scene = problem.scene
    rollout = keep(problem, precision="f64", executor=executor).rollout(problem.numbers())
    assert {name: value.shape for name, value in rollout.arrays.items()} == {
        "tensor": (STEPS + 1, 5, 2, 2),
        "warmth": (STEPS + 1, 2, 3),
        "push": (STEPS, 1, 2, 2),
    }
    tensor, warmth = scene.start, scene.heat
    skew = 0.5 * (scene.rate - scene.rate.T)
    for row in range(STEPS):
        push = np.einsum("ij,ija,ijb->ab", warmth, scene.wind, scene.wind)
        np.testing.assert_allclose(rollout.tensor[row], tensor, rtol=1e-13, atol=1e-13)  # rounding, nine steps
        np.testing.assert_allclose(rollout.warmth[row], warmth, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(rollout.push[row, 0], push, rtol=1e-13, atol=1e-13)
        tensor = tensor + scene.dt * (skew + push) @ tensor * np.sin(tensor[:, 0, 1])[:, None, None]
        around = np.roll(warmth, -1, axis=1) + np.roll(warmth, -1, axis=0)
        warmth = warmth + 0.1 * (around - 2.0 * warmth)


def test_windows_are_the_sum_of_their_own_gradients(problem, keep):
    """Each window is a rollout of its own from where the one before ended."""
    windows = keep(problem, precision="f64", adjoint=ADJOINTS["windows"])
    params = windows.params()
    _, grad = windows.value_and_grad(params)
    rollout, total = windows.rollout(params), 0.0
    for first in range(0, STEPS, EVERY):
        start = {"scene.start": rollout.tensor[first], "scene.heat": rollout.warmth[first]}
        short = replace(problem, steps=min(EVERY, STEPS - first))
        _, own = keep(short, precision="f64").value_and_grad({**params, **start})
        total = total + own["scene.rate"]
        if first == 0:
            np.testing.assert_allclose(grad["scene.start"], own["scene.start"], rtol=1e-12)
    np.testing.assert_allclose(grad["scene.rate"], total, rtol=1e-12)


def test_copies_are_single_runs_bit_for_bit(problem, keep):
    one, many = keep(problem, precision="f64"), keep(problem, precision="f64", envs=3, shared=False)
    rng = np.random.default_rng(6)
    stacked = {n: v * rng.uniform(0.9, 1.1, (3, *v.shape)) for n, v in one.params().items()}
    losses, grads = many.value_and_grad(stacked)
    rollout = many.rollout(stacked)
    assert rollout.tensor.shape == (3, STEPS + 1, 5, 2, 2)
    for env in range(3):
        own = {name: value[env] for name, value in stacked.items()}
        loss, grad = one.value_and_grad(own)
        assert losses[env] == loss
        assert all(np.array_equal(grads[name][env], grad[name]) for name in grad)
        assert np.array_equal(rollout.env(env).warmth, one.rollout(own).warmth)


@pytest.mark.parametrize("adjoint", ["full", "segments"])
def test_pullbacks_agree_with_differences(problem, keep, adjoint):
    simulation = keep(problem, precision="f64", adjoint=ADJOINTS[adjoint])
    params, rng = simulation.params(), np.random.default_rng(2)
    rollout, pullback = simulation.vjp(params)
    way = {name: rng.normal(size=value.shape) for name, value in params.items()}
    ahead, behind = (simulation.rollout({n: v + s * way[n] for n, v in params.items()}) for s in (1e-5, -1e-5))
    for name, recorded in rollout.arrays.items():
        cotangent = rng.normal(size=recorded.shape)
        slope = float(np.sum(cotangent * (ahead[name] - behind[name]))) / 2e-5
        pulled = pullback({name: cotangent})
        assert sum(float(np.sum(pulled[n] * way[n])) for n in params) == pytest.approx(slope, rel=GRADIENT), name


def test_adjoints_of_the_state_have_its_shape(problem, keep):
    """At the start they are the gradient with respect to the initial state."""
    simulation = keep(problem, precision="f64", adjoint=ADJOINTS["segments"])
    params = simulation.params()
    steps, found = simulation.adjoints(params)
    assert steps.tolist() == [0, 4, 8]
    assert {name: value.shape for name, value in found.items()} == {"tensor": (1, 3, 5, 2, 2), "warmth": (1, 3, 2, 3)}
    _, grad = simulation.value_and_grad(params)
    np.testing.assert_allclose(found["tensor"][0, 0], grad["scene.start"], rtol=1e-12)
    np.testing.assert_allclose(found["warmth"][0, 0], grad["scene.heat"], rtol=1e-12)


@pytest.mark.parametrize(
    ("elements", "width", "needed"),
    [(6, 0, r"\(6,\)"), ((3, 2), 0, r"\(3, 2\)"), ((2, 3), 2, r"\(2, 3, 2\)"), ((2, 3), (2, 2), r"\(2, 3, 2, 2\)")],
)
def test_a_number_of_another_shape_is_refused(elements, width, needed):
    fields = Fields({"scene.heat": np.zeros((2, 3))}, (), envs=1, precision="f32")
    try:
        with pytest.raises(ds.InputError, match=rf"scene.heat has shape \(2, 3\), which does not spread over {needed}"):
            fields.number("scene.heat", elements, width)
    finally:
        fields.close()
