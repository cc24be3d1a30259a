"""Tendons, equalities and holds by MuJoCo's own law: steps and Jacobians in contact."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

from ... import gymnasium_robots as gym
from .against_mujoco import tangent
from .test_mujoco_law import EXACT, exactly

mujoco = pytest.importorskip("mujoco")

# A trunk with two legs on the floor and two arms, a lid welded to a box on it, a bob on a rope. Loops are closed by
# connect and weld, both signs of solref, joints with damping and without, strings around a sphere and over a pulley.
WORLD = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}" cone="{cone}"/>
  <default><geom friction="0.6 0.01 0.005" contype="0"/></default>
  <worldbody>
    <geom name="floor" type="plane" size="9 9 .1" contype="1"/>
    <site name="peg" pos="0 .3 1.2"/>
    <body name="trunk" pos="0 0 .52" euler="5 8 0"><freejoint name="root"/>
      <geom type="box" size=".2 .1 .1" mass="12"/><site name="rib" pos=".1 .1 .1"/>
      <body name="thigh" pos=".2 0 0"><joint name="a" axis="0 1 0" damping="1"/>
        <geom type="capsule" size=".03 .12" pos="0 0 -.15"/>
        <geom name="bead" type="sphere" size=".05" pos=".05 0 -.1" conaffinity="0"/>
        <site name="knee" pos=".05 0 -.2"/>
        <body name="shank" pos="0 0 -.3"><joint name="c" axis="0 1 0" damping=".5"/>
          <geom type="capsule" size=".03 .1" pos="0 0 -.12"/><site name="toe" pos="0 0 -.2"/></body></body>
      <body name="arm" pos="-.2 0 0"><joint name="b" axis="0 1 0" ref="10" damping="1"/>
        <geom type="capsule" size=".03 .12" pos="0 0 -.15"/><site name="elbow" pos="-.05 0 -.2"/>
        <body name="hand" pos="0 0 -.3"><joint name="d" axis="0 1 0" frictionloss=".1"/>
          <geom type="capsule" size=".03 .1" pos="0 0 -.12"/></body></body>
      <body name="left" pos="0 .2 .1"><joint name="e" axis="1 0 0" limited="true" range="-20 30"/>
        <geom type="capsule" size=".03 .08" pos="0 0 .12"/></body>
      <body name="right" pos="0 -.2 .1"><joint name="f" axis="1 0 0"/>
        <geom type="capsule" size=".03 .08" pos="0 0 .12"/></body>
    </body>
    <body name="box" pos="1 0 .1"><freejoint/><geom type="box" size=".1 .1 .1" mass="1"/></body>
    <body name="lid" pos="1 .05 .35" euler="10 0 20"><freejoint/><geom type="sphere" size=".1" mass=".7"/></body>
    <body name="bob" pos="1 .6 .8" euler="20 0 30"><freejoint/>
      <geom type="box" size=".05 .03 .01" pos=".02 0 0" mass=".4"/></body>
  </worldbody>
  <tendon>
    <fixed name="bow" limited="true" range="-.05 .1" solreflimit=".03 .8" solimplimit=".7 .95 .01">
      <joint joint="a" coef="1.5"/><joint joint="b" coef="-.7"/></fixed>
    <fixed name="line" frictionloss=".4" solreffriction=".04 1" solimpfriction=".8 .9 .01" armature=".05" damping=".3">
      <joint joint="c" coef="1"/><joint joint="e" coef=".5"/><joint joint="a" coef=".3"/></fixed>
    <fixed name="held"><joint joint="e" coef="1"/><joint joint="d" coef=".3"/></fixed>
    <spatial name="string" limited="true" range=".1 .42" margin=".01" frictionloss=".2">
      <site site="rib"/><geom geom="bead"/><site site="toe"/></spatial>
    <spatial name="rope" limited="true" range="0 .9" stiffness="20" springlength=".2 .3" damping="1">
      <site site="peg"/><site site="rib"/><pulley divisor="2"/><site site="elbow"/><site site="knee"/></spatial>
  </tendon>
  <equality>
    <joint joint1="d" joint2="c" polycoef="0.1 0.5 0.7 0.2 0.1" solref="0.03 0.8"/>
    <tendon tendon1="held" polycoef=".1 0 0 0 0" solref="-300 -20"/>
    <tendon tendon1="string" tendon2="line" polycoef=".02 .2 .3 .2 .1" solref=".05 1" solimp=".3 .9 .1"/>
    <weld body1="box" body2="lid" solref=".03 1" torquescale=".5" relpose="0 .05 .3 1 .1 0 0"/>
    <connect body1="left" body2="right" anchor="0 -.2 .25" solimp=".8 .95 .02"/>
    <connect body1="bob" anchor=".1 .05 .02"/>
  </equality>
  <actuator>
    <motor joint="a" gear="4" ctrlrange="-1 1"/>
    <position tendon="line" kp="20" kv="2" ctrlrange="-.5 .5"/>
    <motor tendon="rope" gear="-1" ctrlrange="0 1"/>
  </actuator>
</mujoco>
"""

STEPS, LATE = 100, 10
"""Of the rollout; and of them, from where a step is differentiated: a leg and the box touch, two limits push."""


class Held:
    """The world in MuJoCo under random controls, and its scene."""

    def __init__(self, integrator, cone):
        source = WORLD.format(integrator=integrator, cone=cone)
        self.model = exactly(mujoco.MjModel.from_xml_string(source))
        with gym.quiet():
            self.scene = ds.load_mjcf(source, contact_law="mujoco")
        self.actuation = np.random.default_rng(0).uniform(-1.0, 1.0, (STEPS, self.model.nu))
        self.data = mujoco.MjData(self.model)

    def step(self, actuation):
        low, high = self.model.actuator_ctrlrange.T
        self.data.ctrl[:] = low + 0.5 * (high - low) * (actuation + 1.0)
        mujoco.mj_step(self.model, self.data)

    def differences(self, width):
        """MuJoCo's of a step, by state and control."""
        nv = self.model.nv
        found = np.zeros((2 * nv, 2 * nv)), np.zeros((2 * nv, self.model.nu))
        mujoco.mjd_transitionFD(self.model, self.data, width, True, *found, None, None)
        return found

    def simulation(self, steps):
        problem = ds.Problem(self.scene, ds.OpenLoop(), steps=steps, tune=("scene.initial_*", "controller.values"))
        return ds.Simulation(problem, precision="f64", executor="staged")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("implicitfast", "pyramidal"), id="implicitfast"),
        pytest.param(("Euler", "elliptic"), id="euler", marks=pytest.mark.bench),
        pytest.param(("RK4", "pyramidal"), id="rk4", marks=pytest.mark.bench),
    ],
)
def held(request):
    return Held(*request.param)


def test_a_world_of_ties_is_mujocos(held):
    mujoco.mj_resetData(held.model, held.data)
    theirs, kinds = [held.data.qpos.copy()], np.zeros(4, int)
    for actuation in held.actuation:
        held.step(actuation)
        theirs.append(held.data.qpos.copy())
        kinds = np.maximum(kinds, (held.data.ne, held.data.nf, held.data.nl, held.data.ncon))
    assert (kinds >= (15, 3, 2, 6)).all()
    with held.simulation(STEPS) as sim:
        found = sim.rollout({**sim.params(), "controller.values": held.actuation})
    assert np.abs(found.joint_position - np.array(theirs)).max() < EXACT


def test_the_jacobian_of_a_step_is_that_of_mujocos_differences(held):
    if held.model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4:
        pytest.skip("MuJoCo has no differences of RK4's steps")
    mujoco.mj_resetData(held.model, held.data)
    for actuation in held.actuation[:LATE]:
        held.step(actuation)
    nv = held.model.nv
    state = {"scene.initial_position": held.data.qpos.copy(), "scene.initial_velocity": held.data.qvel.copy()}
    mujoco.mj_forward(held.model, held.data)
    assert held.data.ncon >= 5
    assert held.data.nl >= 2
    # Differences of two widths, of which the error of second order cancels: a contact is 1e-6 m deep, so those of
    # positions are narrow; no control switches anything.
    by_state, by_control = (
        (4.0 * held.differences(width)[k] - held.differences(2.0 * width)[k]) / 3.0
        for k, width in enumerate((2e-7, 1e-5))
    )
    by_control *= 0.5 * np.diff(held.model.actuator_ctrlrange).T
    with held.simulation(1) as sim:
        params = {**state, "controller.values": held.actuation[LATE - 1 : LATE]}
        rows = [sim.pull(params, {"joint_velocity": np.eye(2 * nv)[nv + k].reshape(2, nv)}) for k in range(nv)]
    ours = {name: np.array([row[name].reshape(-1) for row in rows]) for name in params}
    ours["scene.initial_position"] = ours["scene.initial_position"] @ tangent(
        held.scene, state["scene.initial_position"]
    )
    for name, theirs in (
        ("scene.initial_velocity", by_state[nv:, nv:]),
        ("scene.initial_position", by_state[nv:, :nv]),
        ("controller.values", by_control[nv:]),
    ):
        assert np.abs(ours[name] - theirs).max() < 1e-7 * np.abs(theirs).max(), name


def test_numbers_of_a_tendon_are_of_its_law():
    scene = Held("Euler", "pyramidal").scene
    names = {name for name in scene.numbers() if name.startswith("tendon")}
    assert {"tendon_limit_solref", "tendon_friction_solimp", "tendon_mobility"} <= names
    assert not names & {"tendon_limit_stiffness", "tendon_limit_damping", "tendon_friction_width"}
    model = mujoco.MjModel.from_xml_string(WORLD.format(integrator="Euler", cone="pyramidal"))
    assert np.allclose(scene.numbers()["tendon_mobility"], model.tendon_invweight0)
    other = scene.with_numbers({"tendon_mobility": 2.0 * scene.numbers()["tendon_mobility"]})
    assert np.allclose(other.numbers()["tendon_mobility"], 2.0 * model.tendon_invweight0)


def test_a_bad_solref_of_a_tendon_is_said():
    with pytest.raises(InputError, match=r"tendon 'bow': limit_solref is \(0\.02, -1\)"):
        ds.Tendon("bow", {"x": 1.0}, limit_solref=(0.02, -1.0))
