"""What a name in a stage stands for may change between two simulations of a process, as in a notebook."""

from dataclasses import dataclass
from typing import Any

import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine.stages import Part, Stage

SCALE = 2.0
TABLE = [0.5, 1.5]
SETTINGS = {"power": 1.0}


@ti.func
def _pulled(x):
    return 3.0 * x


@dataclass(frozen=True)
class Own:
    position: Any


@ti.func
def scaled(own: ti.template(), loss: ti.template(), env, row, step, k):
    weight = SCALE * ti.static(TABLE[0]) + ti.static(SETTINGS["power"])
    loss[env] += weight * _pulled(own.position[env, row, k][1])


@dataclass(frozen=True, eq=False, repr=False)
class Scaled(ds.Objective):
    """The last height, times what the module says now."""

    def build(self, fields, model, prefix="objective"):
        return Part(final=(Stage(scaled, (Own(model.motion.position), fields.loss), 1),))


def found(executor):
    ball = ds.MassSpring(points=[[0.0, 1.0]], initial_velocity=(0.0, 0.5), gravity=(0.0, 0.0), dt=0.1)
    problem = ds.Problem(ball, objective=Scaled(), steps=10, tune=("scene.initial_velocity",))
    with ds.Simulation(problem, executor=executor, precision="f64") as simulation:
        loss, grad = simulation.value_and_grad(simulation.params())
    return loss, grad["scene.initial_velocity"][..., 1].item()


@ti.func
def _pulled_harder(x):
    return 4.0 * x


@pytest.mark.parametrize(
    ("executor", "name"),
    [("staged", "SCALE"), ("staged", "TABLE"), ("staged", "SETTINGS"), ("staged", "_pulled"), ("fused", "SCALE")],
)
def test_a_kernel_is_read_anew(executor, name, monkeypatch):
    """The weight is (2 * 0.5 + 1) * 3 at first, at a height of 1.5 after a second."""
    assert found(executor) == pytest.approx((9.0, 6.0), rel=1e-12)
    with monkeypatch.context() as changed:
        if name == "SCALE":
            changed.setitem(globals(), name, 6.0)
        elif name == "TABLE":
            changed.setitem(globals(), name, [1.5, 1.5])
        elif name == "SETTINGS":
            changed.setitem(SETTINGS, "power", 3.0)
        else:
            changed.setitem(globals(), name, _pulled_harder)
        weight = 8.0 if name == "_pulled" else 12.0
        assert found(executor) == pytest.approx((1.5 * weight, weight), rel=1e-12)
    assert found(executor) == pytest.approx((9.0, 6.0), rel=1e-12)
