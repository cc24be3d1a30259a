"""Gradients of a robot in contact where few numbers are tuned: the kernels are others than where all are.

On request only: each takes a minute to compile.
"""

import pytest

import diffsim as ds

from ..physics.articulated.test_gradients import problem

pytestmark = pytest.mark.bench

SOME = (("scene.initial_velocity",), ("scene.friction", "scene.mass"), ("scene.geom_size",), ("scene.damping",))


def gradients(*tune):
    with ds.Simulation(problem(*tune), precision="f64") as simulation:
        return simulation.value_and_grad(simulation.params())[1]


def test_they_are_those_that_they_are_among_all():
    found = gradients("scene.*")
    for names in SOME:
        some = gradients(*names)
        assert tuple(some) == tuple(name for name in found if name in names)
        for name, gradient in some.items():
            largest = abs(found[name]).max()
            print(f"\n{name}: {abs(gradient - found[name]).max() / max(largest, 1e-300):.0e} of the largest")
            assert gradient == pytest.approx(found[name], abs=1e-12 * largest), name
