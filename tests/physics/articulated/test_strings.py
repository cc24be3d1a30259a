"""Spatial tendons: steps of MuJoCo's, laws of strings, gradients, what is refused."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.observing import actuator_state

from ... import gymnasium_robots as gym
from .slopes import assert_slopes_agree
from .stepped import step_errors

mujoco = pytest.importorskip("mujoco")

ROUNDING = 1e-12
"""Of sums over a dozen velocities in float64."""

STRUNG = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}"/>
  <worldbody>
    <site name="nail" pos="0.3 0 1.5"/>
    <body name="trunk" pos="0 0 1"><joint name="root" type="free"/><geom type="box" size="0.2 0.1 0.1"/>
      <site name="shoulder" pos="0.1 0.1 0.1"/>
      <body name="upper" pos="0 0 0.1"><joint name="a" axis="0 1 0"/><joint name="b" type="slide" axis="0 0 1"/>
        <geom type="capsule" size="0.05 0.2" pos="0.1 0 0.2"/>
        <body name="lower" pos="0 0 0.4"><joint name="c" type="ball"/><site name="tip" pos="0.1 0 0.1"/>
          <geom type="capsule" size="0.04 0.2" pos="0.1 0 0"/></body></body></body>
  </worldbody>
  <tendon><spatial name="rope" stiffness="20" damping="0.7" {rope}>
      <site site="nail"/><site site="shoulder"/><site site="tip"/></spatial>
    <spatial name="muscle"><site site="shoulder"/><site site="tip"/>{muscle}</spatial></tendon>
  <actuator><position tendon="muscle" kp="3" kv="0.4" gear="2"/></actuator>
</mujoco>
"""


def xml(integrator="Euler", rope='springlength="0.1"', muscle=""):
    return STRUNG.format(integrator=integrator, rope=rope, muscle=muscle)


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
def test_a_step_is_mujocos(integrator):
    assert step_errors(xml(integrator))[0] < ROUNDING


def test_lengths_at_rest_and_weights_are_mujocos():
    with gym.quiet():
        scene = ds.load_mjcf(xml(rope='range="0 0.2"'), contacts=False)
        model = mujoco.MjModel.from_xml_string(xml(rope='range="0 0.2"'))
    bare = ds.Tendon("rope", path=scene.tendons[0].path, limits=(0.0, 0.2))
    found = ds.Articulated(scene.links, sites=scene.sites, tendons=bare).numbers()
    assert found["tendon_rest"][0] == pytest.approx(model.tendon_lengthspring[0], rel=1e-12)
    moved = 1.0 / model.tendon_invweight0[0]
    assert found["tendon_limit_stiffness"][0] == pytest.approx(moved / 0.02**2, rel=1e-9)


def test_what_controllers_read_is_the_length():
    with gym.quiet():
        scene = ds.load_mjcf(xml(), contacts=False)
        model = mujoco.MjModel.from_xml_string(xml())
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    position, velocity = gym.random_state(model, rng)
    data.qpos[:], data.qvel[:] = position, velocity
    mujoco.mj_forward(model, data)
    length, rate = actuator_state(scene, position, velocity)
    assert length == pytest.approx(data.ten_length[1:], rel=1e-12)
    assert rate == pytest.approx(data.ten_velocity[1:], rel=1e-12)


# Laws: a ball of 0.5 kg on a string of 0.4 m from a nail


BELOW = (0.0, 0.0, -0.3)
"""The ball at its reference: a string without length has no direction [m]."""


def hung(*, position=(0.0, 0.0, -0.38), velocity=(0.0, 0.0, 0.0), dt=0.001, integrator="euler", **tendon):
    slides = [ds.Joint(axis, "slide", axis=np.eye(3)[k]) for k, axis in enumerate("xyz")]
    ball = ds.Link("ball", joints=slides, position=BELOW, mass=0.5, sites=ds.Site("eye"))
    return ds.Articulated(
        [ball],
        sites=ds.Site("nail"),
        tendons=ds.Tendon("string", path=("nail", "eye"), **tendon),
        initial_position=np.subtract(position, BELOW),
        initial_velocity=velocity,
        integrator=integrator,
        dt=dt,
    )


def rolled(scene, steps):
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=("scene.mass",)), precision="f64") as simulation:
        return simulation.rollout(simulation.params())


def test_a_ball_falls_until_its_string_is_taut_and_hangs_there():
    """Free fall of 2 cm, then the limit carries the weight, where its spring has m g."""
    found = rolled(hung(limits=(0.0, 0.4)), 1500)
    fall = -0.38 - 0.5 * 9.81 * 0.04 * (0.04 + 0.001)
    assert found.position[40, 0, 2] == pytest.approx(fall, abs=1e-9)
    stiffness = 0.5 / 0.02**2
    depth = 0.5 * 9.81 / stiffness  # of a spring that sets in over 0.01: less than that
    assert -found.position[-1, 0, 2] - 0.4 == pytest.approx(np.sqrt(2.0 * 0.01 * depth), rel=1e-3)
    assert np.abs(found.joint_velocity[-1]).max() < 1e-6


@pytest.mark.parametrize("integrator", ["euler", "rk4"])
def test_a_taut_string_swings_as_a_pendulum(integrator):
    """A period of 2 pi sqrt(l / g) for small swings, and all of it back after one."""
    length, angle = 0.4, 0.05
    start = (length * np.sin(angle), 0.0, -length * np.cos(angle))
    dt = 0.001 if integrator == "rk4" else 0.0002
    scene = hung(position=start, stiffness=2e5, rest=length, integrator=integrator, dt=dt)
    period = 2.0 * np.pi * np.sqrt(length / 9.81) * (1.0 + angle**2 / 16.0)
    found = rolled(scene, round(period / dt))
    assert found.position[-1, 0, 0] == pytest.approx(start[0], rel=2e-3)
    assert found.position[len(found.position) // 2, 0, 0] == pytest.approx(-start[0], rel=2e-3)
    assert found["energy"] == pytest.approx(found["energy"][0], abs=2e-3)


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
def test_gradients_agree_with_differences(integrator):
    with gym.quiet():
        source = xml(integrator, rope='springlength="0.1" range="0 0.5" limited="true" frictionloss="0.3"')
        scene = ds.load_mjcf(source, contacts=False)
    named = [name for name in scene.numbers() if name.startswith("tendon_") and name != "tendon_armature"]
    tune = (*(f"scene.{name}" for name in named), "scene.site_position", "scene.initial_velocity", "scene.gear")
    goal = ds.Travel(direction=(1.0, 0.5, -0.3), point="tip")
    problem = ds.Problem(scene, ds.PD(target=ds.Sine(frequency=30.0)), goal, steps=10, tune=(*tune, "controller.kp"))
    rng = np.random.default_rng(0)
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        params = simulation.params(seed=0)
        params["scene.initial_velocity"] = rng.uniform(-1, 1, scene.freedoms)
        assert_slopes_agree(simulation, params, rng)


# What is refused

BAD = {
    "one site": (lambda: ds.Tendon("t", path=("a",)), r"tendon 't': path is \['a'\], but two sites or more"),
    "a site after itself": (lambda: ds.Tendon("t", path=("a", "b", "b")), "none after itself"),
    "both": (lambda: ds.Tendon("t", {"x": 1.0}, path=("a", "b")), "tendon 't': joints and path are given"),
    "armature": (lambda: ds.Tendon("t", path=("a", "b"), armature=1.0), "tendon 't': armature is 1, but a spatial"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_string_cannot_be_is_said(case):
    make, words = BAD[case]
    with pytest.raises(InputError, match=words):
        make()


def test_a_string_through_no_site_is_refused():
    scene = hung()
    with pytest.raises(InputError, match="tendon 't' runs through site 'hook', but the sites are eye, nail"):
        ds.Articulated(scene.links, sites=scene.sites, tendons=ds.Tendon("t", path=("nail", "hook")))


def test_a_string_between_sites_that_do_not_move_is_refused():
    scene = hung()
    sites = [*scene.sites, ds.Site("other", (0, 0, 1))]
    with pytest.raises(InputError, match="tendon 't' runs through sites that do not move"):
        ds.Articulated(scene.links, sites=sites, tendons=ds.Tendon("t", path=("nail", "other")))


def test_an_armature_is_refused_by_name():
    source = xml(rope='armature="0.1"')
    with pytest.raises(InputError, match="tendon 'rope' is spatial and has an armature"):
        ds.load_mjcf(source, contacts=False)
    with pytest.warns(OmissionWarning, match="tendon 'rope' is spatial"):
        assert not ds.load_mjcf(source, contacts=False, ignore=("tendon", "actuator")).tendons
