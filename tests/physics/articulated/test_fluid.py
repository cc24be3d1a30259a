"""Drag of a fluid, against MuJoCo, and gradients."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.mjcf import load_mjcf

from .stepped import step_errors

mujoco = pytest.importorskip("mujoco")

SWIMMER = """
<mujoco>
  <option timestep="0.005" integrator="{integrator}" density="{density}" viscosity="{viscosity}" wind="0.3 -0.2 0.1"/>
  <worldbody>
    <body name="head" pos="0 0 1" quat="0.9 0.1 0.2 0.3"><freejoint/>
      <geom type="box" size="0.1 0.05 0.02" pos="0.02 0.01 0" {shape}/>
      <body name="tail" pos="-0.1 0 0"><joint axis="0 0 1"/><geom type="capsule" size="0.02 0.1" pos="-0.1 0 0"/>
        <body name="fin" pos="-0.2 0 0"><joint axis="0 1 0"/>
          <geom type="ellipsoid" size="0.05 0.08 0.01"/></body></body>
    </body>
  </worldbody>
</mujoco>
"""


def xml(integrator="Euler", density=1000, viscosity=0.7, shape=""):
    return SWIMMER.format(integrator=integrator, density=density, viscosity=viscosity, shape=shape)


@pytest.mark.parametrize("integrator", ["Euler", "RK4"])
@pytest.mark.parametrize(("density", "viscosity"), [(1000, 0.7), (0, 0.7), (1000, 0)])
def test_a_step_is_mujocos(integrator, density, viscosity):
    assert step_errors(xml(integrator, density, viscosity))[0] < 1e-12


def test_implicit_drag_is_said_not_to_be():
    with pytest.warns(OmissionWarning, match="the drag of the fluid as part of implicitfast: it is not implicit"):
        load_mjcf(xml("implicitfast"), contacts=False)


def test_drag_is_left_out_by_a_word_and_other_models_are_refused():
    assert not load_mjcf(xml(), contacts=False, ignore="fluid").immersed
    assert load_mjcf(xml(), contacts=False).wind.tolist() == [0.3, -0.2, 0.1]
    with pytest.raises(InputError, match="has a fluidshape, which is not simulated"):
        load_mjcf(xml(shape='fluidshape="ellipsoid"'), contacts=False)
    with pytest.raises(InputError, match=r"Articulated.density is -1"):
        load_mjcf(xml(), contacts=False, density=-1.0)


@pytest.mark.parametrize("executor", ["staged", *(pytest.param(e, marks=pytest.mark.bench) for e in ("fused", "wide"))])
def test_gradients_agree_with_differences(executor):
    scene = load_mjcf(xml(), contacts=False)
    names = ("density", "viscosity", "wind", "mass", "inertia", "centre", "initial_velocity")
    goal = ds.Travel(direction=(1.0, 0.5, -0.3))
    problem = ds.Problem(scene, objective=goal, steps=10, tune=tuple(f"scene.{name}" for name in names))
    rng = np.random.default_rng(0)
    with ds.Simulation(problem, precision="f64", executor=executor) as simulation:
        params = simulation.params()
        params["scene.initial_velocity"] = rng.uniform(-1, 1, scene.freedoms)
        _, grad = simulation.value_and_grad(params)
        for name in params:
            way = rng.uniform(0.5, 1.0, params[name].shape) * params[name]
            ends = [simulation.value({**params, name: params[name] + sign * 1e-5 * way}) for sign in (1, -1)]
            slope = (ends[0] - ends[1]) / 2e-5
            assert (grad[name] * way).sum() == pytest.approx(slope, rel=2e-5, abs=1e-9), name
            assert slope != 0.0, name
