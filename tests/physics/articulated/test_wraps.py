"""Strings around geoms and over pulleys: lengths and steps of MuJoCo, laws, gradients, what is refused."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.tendon_kinematics import gradient, length

from ... import gymnasium_robots as gym
from .slopes import assert_slopes_agree
from .stepped import step_errors

mujoco = pytest.importorskip("mujoco")

ROUNDING = 1e-10
"""Of tangents in float64."""

LEG = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}"/>
  <worldbody>
    <site name="nail" pos="0.35 0.03 1.3"/>
    <geom name="post" type="cylinder" size="0.07 0.2" pos="0.3 0 1" euler="80 20 10" contype="0"/>
    <body name="trunk" pos="0 0 1"><joint name="root" type="free"/><geom type="box" size="0.2 0.1 0.1" mass="5"/>
      <site name="shoulder" pos="0.16 0.02 0.12"/>
      <geom name="ball" size="0.08" pos="0.05 0.01 0.2" contype="0" conaffinity="0"/>
      <site name="over" pos="0.05 0.01 0.35"/><site name="under" pos="0.05 0.01 0.05"/>
      <body name="upper" pos="0 0 0.1"><joint name="a" axis="0 1 0"/><joint name="b" type="slide" axis="0 0 1"/>
        <geom type="capsule" size="0.05 0.2" pos="0.1 0 0.2" contype="0"/>
        <geom name="roll" type="cylinder" size="0.06 0.1" pos="0.02 0 0.25" euler="90 10 0" contype="0"/>
        <site name="in" pos="0.03 0.01 0.26"/><site name="root" pos="-0.12 0.03 0.12"/>
        <body name="lower" pos="0 0 0.4"><joint name="c" type="ball"/><site name="tip" pos="-0.1 0.02 0.15"/>
          <geom type="capsule" size="0.04 0.2" pos="0.1 0 0" contype="0"/></body></body></body>
  </worldbody>
  <tendon>{tendons}</tendon>
  <actuator><position tendon="t0" kp="30" kv="2"/></actuator>
</mujoco>
"""

WAYS = {
    "a sphere": '<site site="shoulder"/><geom geom="ball"/><site site="root"/>',
    "over a sphere": '<site site="shoulder"/><geom geom="ball" sidesite="over"/><site site="root"/>',
    "under a sphere": '<site site="shoulder"/><geom geom="ball" sidesite="under"/><site site="tip"/>',
    "a cylinder": '<site site="root"/><geom geom="roll"/><site site="tip"/>',
    "a cylinder's other side": '<site site="root"/><geom geom="roll" sidesite="shoulder"/><site site="tip"/>',
    "inside of a cylinder": '<site site="root"/><geom geom="roll" sidesite="in"/><site site="tip"/>',
    "a post of the world": '<site site="nail"/><geom geom="post"/><site site="shoulder"/><site site="tip"/>',
    "pulleys": '<site site="nail"/><site site="shoulder"/><pulley divisor="2"/><site site="root"/>'
    '<geom geom="roll"/><site site="tip"/><pulley divisor="3"/><site site="tip"/><site site="nail"/>',
    "a pulley first": '<pulley divisor="1.5"/><site site="nail"/><site site="tip"/>',
}


def xml(ways, integrator="Euler", given='stiffness="50" damping="3" springlength="0.1"'):
    tendons = "".join(f'<spatial name="t{k}" {given}>{WAYS[way]}</spatial>' for k, way in enumerate(ways))
    return LEG.format(tendons=tendons, integrator=integrator)


@pytest.fixture(scope="module")
def legs():
    with gym.quiet():
        return ds.load_mjcf(xml(WAYS), contacts=False), mujoco.MjModel.from_xml_string(xml(WAYS))


def test_lengths_and_their_rates_are_mujocos(legs):
    """At random positions; where a string touches from within MuJoCo's iteration ends at 1e-6."""
    scene, model = legs
    data, rng, wrapped = mujoco.MjData(model), np.random.default_rng(0), np.zeros(len(WAYS))
    for _ in range(200):
        position, velocity = gym.random_state(model, rng)
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_forward(model, data)
        for k, (name, tendon) in enumerate(zip(WAYS, scene.tendons, strict=True)):
            close = 1e-5 if "inside" in name else ROUNDING
            assert length(scene, tendon, position) == pytest.approx(data.ten_length[k], rel=1e-9), name
            rate = gradient(scene, tendon, position) @ velocity
            assert rate == pytest.approx(data.ten_velocity[k], abs=close * np.abs(velocity).max()), name
            wrapped[k] += data.ten_wrapnum[k] > 2
    assert all(20 < count < 190 for name, count in zip(WAYS, wrapped, strict=True) if "sphere" in name), wrapped


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
def test_a_step_is_mujocos(integrator):
    ways = [name for name in WAYS if "inside" not in name]
    for seed in range(6):
        assert step_errors(xml(ways, integrator), seed=seed)[0] < ROUNDING
    for seed in range(3):
        assert step_errors(xml(["inside of a cylinder"], integrator), seed=seed)[0] < 1e-6


# Laws: a ball of 0.5 kg on a string over a roll of 0.1 m


def hung(**tendon):
    """A ball on each end of a string that is as stiff as can be, over a roll, or on pulleys."""
    links = [
        ds.Link(
            name, joints=ds.Joint(name, "slide", axis=(0, 0, 1)), position=(x, 0, -0.5), mass=mass, sites=ds.Site(eye)
        )
        for name, x, mass, eye in (("left", -0.1, 1.0, "l"), ("right", 0.1, 1.5, "r"))
    ]
    roll = ds.Geom("roll", "cylinder", (0.1, 0.2), orientation=(1, 1, 0, 0), contype=0, conaffinity=0)
    sites = [ds.Site("top", (0, 0, 0.3)), ds.Site("nail", (0.1, 0, 0))]
    return ds.Articulated(links, geoms=roll, sites=sites, tendons=ds.Tendon("string", **tendon), dt=0.0002)


def rolled(scene, steps):
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=("scene.mass",)), precision="f64") as simulation:
        return simulation.rollout(simulation.params())


def test_two_weights_over_a_roll_accelerate_as_atwoods_do():
    scene = hung(path=("l", ds.Wrap("roll", "top"), "r"), stiffness=1e5, damping=60.0, rest=None)
    assert length(scene, scene.tendons[0], np.zeros(2)) == pytest.approx(1.0 + 0.1 * np.pi, rel=1e-12)
    found = rolled(scene, 1000)
    fall = 0.5 * (1.5 - 1.0) / (1.5 + 1.0) * 9.81 * 0.2**2
    assert found.joint_position[-1] == pytest.approx([fall, -fall], rel=0.01)


def test_a_pulley_halves_the_force():
    """A string from the nail to the heavier ball, and over a pulley of 2 to the lighter one, which hangs obliquely."""
    way = ("nail", "r", ds.Pulley(2.0), "top", "l")
    scene = hung(path=way, stiffness=1e5, damping=60.0)
    found = rolled(scene, 1000)
    lever = 0.5 * 0.8 / np.hypot(0.1, 0.8)  # of the left one's way, how much the string gets longer
    force = 9.81 * (1.0 + lever) / (1.0 / 1.5 + lever**2 / 1.0)
    fall = 0.5 * 0.2**2 * np.array([9.81 - lever * force, 9.81 - force / 1.5])
    assert found.joint_position[-1] == pytest.approx(-fall, rel=0.03)


# Gradients


@pytest.mark.parametrize("executor", ["staged", *(pytest.param(e, marks=pytest.mark.bench) for e in ("fused", "wide"))])
@pytest.mark.parametrize("integrator", ["Euler", "implicitfast"])
def test_gradients_agree_with_differences(integrator, executor):
    source = xml(WAYS, integrator, 'stiffness="50" damping="3" springlength="0.1" range="0 0.2" limited="true"')
    with gym.quiet():
        scene = ds.load_mjcf(source, contacts=False)
    names = ("tendon_stiffness", "tendon_damping", "tendon_divisor", "tendon_limits", "site_position", "gear")
    names += ("geom_position", "geom_orientation", "geom_size", "initial_velocity", "initial_position")
    goal = ds.Travel(direction=(1.0, 0.5, -0.3), point="tip")
    tune = tuple(f"scene.{name}" for name in names)
    problem = ds.Problem(scene, ds.PD(target=ds.Sine(frequency=30.0)), goal, steps=8, tune=tune)
    rng = np.random.default_rng(3)
    with ds.Simulation(problem, precision="f64", executor=executor) as simulation:
        params = simulation.params(seed=0)
        params["scene.initial_velocity"] = rng.uniform(-1, 1, scene.freedoms)
        assert_slopes_agree(simulation, params, rng)


# What is refused

BAD = {
    "a wrap at the end": (lambda: ds.Tendon("t", path=("a", "b", ds.Wrap("g"))), "a site before and after each Wrap"),
    "two wraps": (lambda: ds.Tendon("t", path=("a", ds.Wrap("g"), ds.Wrap("h"), "b")), "tendon 't': path is"),
    "a site alone": (lambda: ds.Tendon("t", path=("a", ds.Pulley(2.0), "b", "c")), "two sites or more are needed"),
    "no divisor": (lambda: ds.Pulley(0.0), "Pulley.divisor is 0"),
    "a box": (
        lambda: hung(path=("l", ds.Wrap("wall"), "r")),
        "tendon 'string' is wrapped around geom 'wall', but the spheres and cylinders are roll",
    ),
    "no side": (
        lambda: hung(path=("l", ds.Wrap("roll", "left side"), "r")),
        "tendon 'string' passes geom 'roll' on the side of site 'left side', but the sites are l, r, top, nail",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_string_cannot_be_wrapped_around_is_said(case):
    make, words = BAD[case]
    with pytest.raises(InputError, match=words):
        make()


def test_numbers_come_back(legs):
    scene = legs[0]
    renewed = scene.with_numbers({"tendon_divisor": [2.5, 3.5, 1.25]})
    assert [pulley.divisor for tendon in renewed.tendons for pulley in tendon.pulleys] == [2.5, 3.5, 1.25]
    with pytest.warns(OmissionWarning, match="tendon 't0'"):
        assert not ds.load_mjcf(xml(["a sphere"]), contacts=False, ignore=("tendon", "actuator")).tendons
