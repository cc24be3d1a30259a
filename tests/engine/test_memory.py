"""What moves numbers on a CPU, by NumPy, does what the kernels of a GPU do; and it takes memory where Taichi does."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.engine import assembly, fields
from diffsim.engine.fields import Fields

SCENE = ds.MassSpring(
    points=[[0.0, 0.21], [0.31, 0.24], [0.12, 0.57]],
    springs=[[0, 1], [0, 2], [1, 2]],
    stiffness=[60.0, 70.0, 80.0],
    actuation=0.2,
    ground=ds.Ground(height=0.1, friction=0.4, restitution=0.6),
    dt=0.01,
)
PROBLEM = ds.Problem(SCENE, ds.Sine(), ds.Travel(point=1), steps=11, tune=("*",))

# Each combination compiles the kernels of two simulations.
SETTINGS = [
    {"adjoint": ds.Truncated(4)},
    {"adjoint": ds.Checkpointed(every=4), "envs": 3, "shared": False},
    {"adjoint": ds.FullTape(), "envs": 2, "precision": "f64"},
]


def everything(sim):
    """All numbers that a simulation gives out."""
    params = sim.params(seed=1)
    rollout = sim.rollout(params)
    loss, grad = sim.value_and_grad(params)
    _, pullback = sim.vjp(params)
    found = {"value": sim.value(params), "loss": loss, "growth": sim.adjoint_growth, **rollout.arrays}
    found |= {f"grad of {name}": value for name, value in grad.items()}
    weights = np.random.default_rng(2).normal(size=rollout.position.shape)
    found |= {f"pulled {name}": value for name, value in pullback({"position": weights}).items()}
    if isinstance(sim.adjoint, ds.Checkpointed):
        found |= {f"adjoint of {name}": value for name, value in sim.adjoints(params)[1].items()}
    return found


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_cpu_without_kernels_is_a_gpu_with_kernels(monkeypatch, settings):
    with ds.Simulation(PROBLEM, executor="fused", **settings) as sim:
        by_numpy = everything(sim)

    def of_a_gpu(numbers, tuned, *, serial, **options):
        return Fields(numbers, tuned, serial=False, **options)

    monkeypatch.setattr(assembly, "Fields", of_a_gpu)
    with ds.Simulation(PROBLEM, executor="fused", **settings) as sim:
        by_kernels = everything(sim)
    assert by_numpy.keys() == by_kernels.keys()
    for name, value in by_numpy.items():
        if name == "growth" and value is not None:  # of norms, whose squares are added in another order
            assert value == pytest.approx(by_kernels[name], rel=1e-12)
        else:
            assert np.array_equal(value, by_kernels[name]), name


def test_arrays_in_several_trees_and_of_every_kind_are_found(monkeypatch):
    """What is written through a view is what Taichi reads, and no view overlaps another."""
    monkeypatch.setattr(fields, "_MOST_NODES", 25)
    with ds.Simulation(PROBLEM, envs=2, precision="f64") as sim:
        mine = sim._fields
        assert len(mine._trees) > 3
        parts = [part for array in mine._arrays for part in (array, array.grad) if part is not None]
        for k, part in enumerate(parts):
            part.view[...] = 3 * k + 1
        for k, part in enumerate(parts):
            index = tuple(length - 1 for length in part.shape)
            found = np.array(part[index])
            assert np.all(found == 3 * k + 1), k
            part[index] = found + 1
            assert part.view[index] == pytest.approx(3 * k + 2)
