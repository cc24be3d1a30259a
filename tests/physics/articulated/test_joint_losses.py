"""Dry friction, efforts, buoyancy and springs of free joints, against MuJoCo and closed forms."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.mjcf import load_mjcf

from ... import gymnasium_robots as gym
from .slopes import assert_slopes_agree
from .stepped import step_errors

mujoco = pytest.importorskip("mujoco")

ROUNDING = 1e-12

# Two arms, one of them with several motors at a joint, and a raft on a spring: what MuJoCo computes without iterating.
EXACT = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}"/>
  <worldbody>
    <body name="upper" pos="0 0 1" gravcomp="0.6">
      <joint name="shoulder" axis="0 1 0" damping="0.3" actuatorfrcrange="-2 3"/>
      <geom type="capsule" size="0.05 0.2" pos="0.1 0 0.2"/>
      <body name="lower" pos="0 0 0.5" gravcomp="1.2">
        <joint name="elbow" axis="1 0 0" damping="0.2" actuatorfrcrange="-50 50"/>
        <geom type="capsule" size="0.04 0.2" pos="0 0.1 0.2"/>
        <body name="hand" pos="0 0 0.3"><joint name="wrist" axis="1 1 0"/><geom size="0.05" pos="0.1 0 0"/></body>
      </body>
    </body>
    <body name="raft" pos="1 0 1" quat="0.9 0.1 0.3 -0.2">
      <joint name="root" type="free" stiffness="30" damping="0.5"/><geom type="box" size="0.2 0.3 0.05" pos="0.1 0 0"/>
      <body pos="0 0 0.3"><joint name="mast" axis="1 0 0" damping="0.1"/><geom size="0.1" pos="0 0.1 0.1"/></body>
    </body>
  </worldbody>
  <actuator>
    <motor name="m" joint="shoulder" gear="3"/>
    <position name="p" joint="shoulder" kp="4" kv="0.5" forcerange="-4 4"/>
    <position name="q" joint="elbow" kp="20" kv="1"/>
    <velocity name="v" joint="wrist" kv="0.3"/>
  </actuator>
</mujoco>
"""


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast"])
def test_a_step_is_mujocos(integrator):
    """At random states, some with the shoulder's motors at the limit of their efforts."""
    source, limited = EXACT.format(integrator=integrator), []
    for seed in range(4):
        error, _, data = step_errors(source, seed=seed)
        assert error < ROUNDING
        limited.append(data.qfrc_actuator[0] in (-2.0, 3.0))
    assert {True, False} == set(limited)


def test_a_word_leaves_out_what_holds_against_gravity_and_dry_friction():
    source = EXACT.format(integrator="Euler").replace('axis="1 1 0"', 'axis="1 1 0" frictionloss="2"')
    scene = load_mjcf(source, ignore=("gravcomp", "frictionloss"))
    assert not scene.buoyant
    assert not scene.rough
    scene = load_mjcf(source)
    assert [link.buoyancy for link in scene.links] == [0.6, 1.2, 0.0, 0.0, 0.0]
    assert [joint.friction_loss for joint in scene.joints] == [0, 0, 2, 0, 0]


# Dry friction

SLIDE = """
<mujoco><option timestep="{dt}" gravity="0 0 0" integrator="{integrator}"/><worldbody>
  <body><joint name="rail" type="slide" axis="1 0 0" frictionloss="{loss}"/><geom size="0.1" mass="{mass}"/></body>
</worldbody><actuator><motor joint="rail"/></actuator></mujoco>
"""


def slide(dt=0.002, integrator="euler", loss=0.5, mass=1.0, **changes):
    integrator = {"euler": "Euler", "rk4": "RK4"}.get(integrator, integrator)
    source = SLIDE.format(dt=dt, integrator=integrator, loss=loss, mass=mass)
    return load_mjcf(source, **changes), mujoco.MjModel.from_xml_string(source)


@pytest.mark.parametrize("integrator", ["euler", "rk4"])
@pytest.mark.parametrize("dt", [0.002, 0.01])
def test_what_slides_stops_where_it_should(dt, integrator):
    """1 kg at 1 m/s against 0.5 N: after 1 m and 2 s. It is v^2 / 2F, with its derivatives 2 and -2.

    At any phase of the stop within a step. Euler's step is behind or ahead by half a step's way at most.
    """
    scene, _ = slide(dt, integrator=integrator)
    goal = ds.ReachTarget((0.0, 0.0, 0.0), point="body_1")
    problem = ds.Problem(
        scene, None, goal, steps=round(2.5 / dt), tune=("scene.friction_loss", "scene.initial_velocity")
    )
    phases = 1.0 + np.arange(8)[:, None] / 8 * 0.5 * dt
    with ds.Simulation(problem, precision="f64", envs=8, shared=False) as simulation:
        params = {**simulation.params(), "scene.initial_velocity": phases}
        found = simulation.rollout(params)
        ends = found.position[:, -1, 0, 0]
        behind = 0.5 * dt * phases[:, 0] * (integrator == "euler")
        assert ends == pytest.approx(phases[:, 0] ** 2 - behind, abs=1e-3)
        assert np.abs(found.joint_velocity[:, -1]).max() < 1e-6
        stops = (found.joint_velocity[:, :, 0] > 1e-3).sum(axis=1) * dt
        assert stops == pytest.approx(np.full(8, 2.0), abs=2 * dt)
        _, grad = simulation.value_and_grad(params)
    chain = 2.0 * ends
    by_velocity = grad["scene.initial_velocity"][:, 0] / chain
    by_loss = grad["scene.friction_loss"][:, 0] / chain
    assert by_velocity == pytest.approx(2.0 * phases[:, 0], rel=0.02)
    assert by_loss == pytest.approx(-2.0 * phases[:, 0] ** 2, rel=0.02)


@pytest.mark.parametrize("integrator", ["euler", "implicitfast", "rk4"])
def test_what_slides_fast_is_mujocos(integrator):
    """The part that is smooth is (w / v)^2 / 2."""
    mine, model = slide(integrator=integrator)
    for speed in (1.0, -3.0):
        data = mujoco.MjData(model)
        data.qvel[0] = speed
        mujoco.mj_step(model, data)
        with ds.Simulation(ds.Problem(mine, steps=1, tune=("scene.initial_velocity",)), precision="f64") as simulation:
            found = simulation.rollout({"scene.initial_velocity": np.array([speed])})
        lost = found.joint_velocity[1, 0] - speed
        assert lost == pytest.approx(data.qvel[0] - speed, rel=1e-6)


def test_what_stays_creeps_as_in_mujoco():
    """Of half the friction loss MuJoCo's creep is half the width, here 0.58 of it; nothing breaks loose below."""
    for loss, mass in ((0.5, 1.0), (3.0, 0.2)):
        mine, model = slide(loss=loss, mass=mass)
        width = mine.numbers()["friction_width"][0]
        assert width == pytest.approx(loss / mass * 1.0556e-3, rel=1e-3)
        data = mujoco.MjData(model)
        data.ctrl[0] = 0.5 * loss
        for _ in range(200):
            mujoco.mj_step(model, data)
        with ds.Simulation(ds.Problem(mine, ds.OpenLoop(saturate=False), steps=200), precision="f64") as simulation:
            asked = np.full((200, 1), 0.5 * loss)
            found = simulation.rollout({**simulation.params(), "controller.values": asked})
        assert data.qvel[0] == pytest.approx(0.5 * width, rel=0.02)
        assert found.joint_velocity[-1, 0] == pytest.approx(width / np.sqrt(3.0), rel=1e-6)


def test_what_is_pushed_by_more_goes():
    mine, model = slide(loss=3.0, mass=0.2)
    data = mujoco.MjData(model)
    data.ctrl[0] = 4.0
    for _ in range(100):
        mujoco.mj_step(model, data)
    with ds.Simulation(ds.Problem(mine, ds.OpenLoop(saturate=False), steps=100), precision="f64") as simulation:
        found = simulation.rollout({**simulation.params(), "controller.values": np.full((100, 1), 4.0)})
    assert found.joint_velocity[-1, 0] == pytest.approx(0.2 * 5.0, rel=0.05)
    assert data.qvel[0] == pytest.approx(0.2 * 5.0, rel=0.05)


def test_a_standing_leg_is_held_by_the_friction_of_its_joints():
    """Three hinges under a load that their friction can carry, for a second, as in MuJoCo."""
    source = """<mujoco><option timestep="0.004"/><worldbody>
      <body pos="0 0 1"><joint axis="0 1 0" frictionloss="9"/>
        <geom type="capsule" size="0.03 0.1" pos="0.1 0 0" mass="1"/>
        <body pos="0.2 0 0"><joint axis="0 1 0" frictionloss="5"/>
          <geom type="capsule" size="0.03 0.1" pos="0.1 0 0" mass="0.5"/>
          <body pos="0.2 0 0"><joint axis="1 0 0" frictionloss="0.2"/>
            <geom type="capsule" size="0.03 0.1" pos="0 0.1 0" mass="0.1"/></body></body></body>
      </worldbody></mujoco>"""
    mine, model = load_mjcf(source, contacts=False), gym.without_contacts(mujoco.MjModel.from_xml_string(source))
    assert len(mine.joints) == 3
    data = mujoco.MjData(model)
    for _ in range(250):
        mujoco.mj_step(model, data)
    with ds.Simulation(ds.Problem(mine, steps=250, tune=("scene.mass",)), precision="f64") as simulation:
        found = simulation.rollout(simulation.params())
    assert 0.05 < np.abs(data.qpos).max() < 0.3  # it creeps there, too; without friction it falls by 2 rad
    assert found.joint_position[-1] == pytest.approx(data.qpos, rel=0.15)


# Bad input and limits

BAD = {
    "a loss below zero": ({"friction_loss": -1.0}, "joint 'j': friction_loss is -1"),
    "no width": ({"friction_width": 0.0}, "joint 'j': friction_width is 0"),
    "efforts the wrong way round": ({"effort_range": (2, 1)}, "joint 'j': effort_range is"),
    "efforts of a ball": ({"motion": "ball", "effort_range": (-1, 1)}, "effort_range is of hinges and slides"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_joint_cannot_be_is_said(case):
    changes, words = BAD[case]
    with pytest.raises(InputError, match=words):
        ds.Joint("j", **changes)


def test_a_margin_wider_than_half_the_range_sets_in_at_the_middle():
    source = EXACT.format(integrator="Euler").replace('name="wrist"', 'name="wrist" range="-20 40" margin="1"')
    low, high = load_mjcf(source).joints[2].limits
    assert low < np.radians(10.0) < high
    assert high - low < 0.01
    with pytest.warns(OmissionWarning, match="margins of the limits of wrist beyond the middle"):
        load_mjcf(source, contact_law="mujoco")


# Gradients


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", "RK4"])
def test_gradients_agree_with_differences(integrator):
    """Of everything that is new here, in the small kernels; the others are compared in test_conformance.py."""
    source = EXACT.format(integrator=integrator).replace('axis="1 1 0"', 'axis="1 1 0" frictionloss="0.02"')
    keys = '<keyframe><key name="home" qpos="0.2 0.1 0.3 1.1 0.1 0.9 0.8 0.1 0.3 0.2 0.4" ctrl="0.1 0.2 0.3 0.1"/>'
    source = source.replace('frcrange="-2 3"', 'frcrange="-0.05 0.03"')
    source = source.replace("<actuator>", f"{keys}</keyframe><actuator>")
    scene = load_mjcf(source, contacts=False, pose="home", hold=True)
    names = ("buoyancy", "friction_loss", "friction_width", "effort_range", "stiffness", "neutral", "link_orientation")
    tuned = (*(f"scene.{name}" for name in names), "scene.initial_velocity", "scene.link_position")
    goal = ds.Travel(direction=(1.0, 0.5, -0.3))
    problem = ds.Problem(scene, ds.OpenLoop(), goal, steps=12, tune=(*tuned, "controller.*"))
    rng = np.random.default_rng(0)
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        params = simulation.params(seed=0)
        params["scene.initial_velocity"] = rng.uniform(-0.05, 0.05, scene.freedoms)
        params["controller.values"] = rng.uniform(-0.3, 0.3, (12, 4))
        assert_slopes_agree(simulation, params, rng, relative=1e-5, absolute=1e-9)
