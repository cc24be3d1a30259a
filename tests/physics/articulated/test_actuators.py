"""Actuators along tendons and at sites, dampers, and dynamics: steps of MuJoCo's, gradients, what is refused."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

from ... import gymnasium_robots as gym
from .slopes import assert_slopes_agree
from .stepped import step_errors

mujoco = pytest.importorskip("mujoco")

ROUNDING = 1e-12
"""Of sums over six joints in float64."""

DRONE = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}"/>
  <worldbody>
    <body name="drone" pos="0 0 1"><freejoint name="root"/><geom type="box" size="0.2 0.1 0.05" pos="0.01 0 0"/>
      <site name="rotor" pos="0.2 0.1 0.05" quat="0.9 0.1 0.2 0"/>
      <body name="upper" pos="0 0 -0.1"><joint name="a" axis="0 1 0"/>
        <geom type="capsule" size="0.05 0.2" pos="0.1 0 -0.2"/>
        <body name="lower" pos="0 0 -0.4"><joint name="c" axis="1 1 0"/><site name="tip" pos="0 0.1 0"/>
          <geom type="capsule" size="0.04 0.2" pos="0.1 0 0"/></body></body>
      <body name="other" pos="0.3 0 0"><joint name="b" axis="0 0 1"/>
        <geom type="capsule" size="0.05 0.2" pos="0.1 0.1 0"/></body>
    </body>
  </worldbody>
  <tendon><fixed name="bow"><joint joint="a" coef="1.5"/><joint joint="c" coef="-0.7"/></fixed></tendon>
  <actuator>{actuators}</actuator>
</mujoco>
"""

ACTUATORS = {
    "motor along a tendon": '<motor tendon="bow" gear="2" ctrlrange="-1 2"/>',
    "servos along a tendon": '<position tendon="bow" kp="3" gear="0.7"/>'
    '<velocity name="v" tendon="bow" kv="0.3" gear="2" forcerange="-0.5 5"/>',
    "at sites": '<motor site="rotor" gear="0 0 3 0 0.1 0.2"/><velocity site="tip" kv="0.4" gear="0.3 1 0 0 0 0.5"/>',
    "damper": '<damper joint="b" kv="2" ctrlrange="0 3"/><damper tendon="bow" kv="0.3" ctrlrange="0 1"/>',
    "integrator": '<intvelocity joint="b" kp="3" kv="0.2" actrange="-1 1"/>',
    "filter": '<general joint="a" dyntype="filter" dynprm="0.05" gainprm="3" biastype="affine" biasprm="0 -3 -0.1"/>'
    '<general tendon="bow" dyntype="filterexact" dynprm="0.003" gainprm="2" ctrllimited="true" ctrlrange="-1 2"/>',
    "cylinder": '<cylinder joint="c" timeconst="0.1" area="2" bias="0.1 -0.5 -0.2"/>',
}


def xml(actuators, integrator="Euler"):
    return DRONE.format(actuators=actuators, integrator=integrator)


@pytest.mark.parametrize("case", ACTUATORS)
def test_a_step_is_mujocos(case):
    assert step_errors(xml(ACTUATORS[case]))[0] < ROUNDING


@pytest.mark.parametrize("case", [case for case in ACTUATORS if case != "at sites"])
def test_a_step_of_implicitfast_is_mujocos(case):
    assert step_errors(xml(ACTUATORS[case], "implicitfast"))[0] < ROUNDING


def test_an_implicit_servo_at_a_site_is_mujocos_to_second_order():
    """Here what the motion alone changes of the site's velocity is implicit, too: a difference of h^2."""
    source = xml('<velocity site="tip" kv="4" gear="0.3 1 0 0 0 0.5"/>', "implicitfast")
    errors = [step_errors(source.replace("0.002", f"{dt}"))[0] for dt in (0.002, 0.001)]
    assert errors[0] < 1e-4
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)


def test_a_step_of_runge_and_kuttas_is_mujocos():
    """With activations, which go on from evaluation to evaluation; one of them ends at the end of its range."""
    for seed in range(3):
        assert step_errors(xml("".join(ACTUATORS.values()), "RK4"), seed=seed)[0] < ROUNDING


def test_many_steps_with_dynamics_are_mujocos():
    """Activations go on from step to step, in substeps, too."""
    source = xml(ACTUATORS["filter"] + ACTUATORS["integrator"])
    with gym.quiet():
        scene = ds.load_mjcf(source, contacts=False, dt=0.004, substeps=2)
        model = gym.without_contacts(mujoco.MjModel.from_xml_string(source))
    data = mujoco.MjData(model)
    data.ctrl[:] = 0.5, 0.5, 0.3
    mujoco.mj_step(model, data, 100)
    with ds.Simulation(ds.Problem(scene, ds.OpenLoop(), steps=50), precision="f64") as simulation:
        actuation = np.broadcast_to([0.5, 0.0, 0.3], (50, 3))  # the middle of the second one's range is 0.5
        found = simulation.rollout({"controller.values": actuation})
    assert found.joint_position[-1] == pytest.approx(data.qpos, abs=1e-10)
    assert found.activation[-1] == pytest.approx(data.act, abs=1e-12)


# Gradients


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast", pytest.param("RK4", marks=pytest.mark.bench)])
def test_gradients_agree_with_differences(integrator):
    """Of all numbers of actuators; in other executors in test_conformance.py."""
    with gym.quiet():
        scene = ds.load_mjcf(xml("".join(ACTUATORS.values()), integrator), contacts=False)
    names = ("gear", "gain", "gain_slope", "bias", "wrench", "time_constant", "initial_activation", "activation_range")
    tune = (*(f"scene.{name}" for name in names), "scene.site_position", "scene.initial_velocity", "controller.kp")
    goal = ds.Travel(direction=(1.0, 0.5, -0.3), point="tip") + 0.1 * ds.Effort()
    problem = ds.Problem(scene, ds.PD(target=ds.Sine(frequency=30.0)), goal, steps=10, tune=tune)
    rng = np.random.default_rng(0)
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        params = simulation.params(seed=0)
        params["scene.initial_velocity"] = rng.uniform(-1, 1, scene.freedoms)
        params["scene.initial_activation"] = np.where(
            [each.activation_range is not None for each in scene.actuators], 1.2, 0.5
        )
        assert_slopes_agree(simulation, params, rng)


def test_a_thrust_lifts_by_its_law():
    """Four rotors of a quarter of the weight each hold a body; a tenth more lifts it by t^2 g / 20."""
    rotors = [ds.Site(f"rotor_{k}", (x, y, 0.02)) for k, (x, y) in enumerate(((1, 1), (1, -1), (-1, 1), (-1, -1)))]
    body = ds.Link("body", joints=ds.Joint("root", "free"), mass=2.0, inertia=(0.1, 0.1, 0.2), sites=rotors)
    thrusters = [ds.Actuator(f"t{k}", site=f"rotor_{k}") for k in range(4)]
    problem = ds.Problem(ds.Articulated([body], thrusters, dt=0.001), ds.OpenLoop(), steps=200)
    with ds.Simulation(problem, precision="f64") as simulation:
        found = simulation.rollout({"controller.values": np.full((200, 4), 1.1 * 2.0 * 9.81 / 4.0)})
    lifted = 0.1 * 9.81 * 0.5 * 0.2 * (0.2 + 0.001)  # Euler's steps
    assert found.joint_position[-1, :3] == pytest.approx([0, 0, lifted], abs=1e-12)


def test_a_robot_with_dynamics_can_be_stepped():
    with gym.quiet():
        scene = ds.load_mjcf(xml(ACTUATORS["filter"]), contacts=False)
    with ds.Stepper(scene, precision="f64") as stepper:
        assert sorted(stepper.layout) == ["activation", "joint_position", "joint_velocity"]
        after = stepper.named(stepper.step(stepper.start(), np.array([[0.5, 0.0]]))[0])
    assert after["activation"][0, 0] == pytest.approx(0.5 * 0.002 / 0.05)


# What is refused


def robot(*actuators, **changes):
    link = ds.Link("arm", joints=ds.Joint("elbow"), mass=1.0, inertia=(1, 1, 1), sites=ds.Site("tip"))
    return ds.Articulated([link], actuators, sites=ds.Site("goal"), **changes)


BAD = {
    "nothing": (lambda: ds.Actuator("a"), "actuator 'a': nothing is given, but it drives one joint"),
    "two": (lambda: ds.Actuator("a", "elbow", site="tip"), "actuator 'a': joint and site is given"),
    "no joint": (lambda: robot(ds.Actuator("a", "knee")), "'a' drives joint 'knee', but the hinges and slides are elb"),
    "no tendon": (lambda: robot(ds.Actuator("a", tendon="t")), "'a' drives tendon 't', but the tendons are none"),
    "the world": (lambda: robot(ds.Actuator("a", site="goal")), "'a' drives site 'goal', but the links' sites are tip"),
    "dynamics": (lambda: ds.Actuator("a", "elbow", dynamics="spring"), "actuator 'a': dynamics is 'spring'"),
    "no time": (lambda: ds.Actuator("a", "elbow", time_constant=0.0), "actuator 'a': time_constant is 0"),
    "no activation": (lambda: ds.Actuator("a", "elbow", activation_range=(0, 1)), "activation_range is given, but"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_an_actuator_cannot_be_is_said(case):
    make, words = BAD[case]
    with pytest.raises(InputError, match=words):
        make()


REFUSED = {
    "a plugin's": ('<general name="m" joint="b" dyntype="user" actdim="1"/>', "actuator 'm' has dynamics of its own"),
    "a site against another": ('<motor name="m" site="tip" refsite="rotor"/>', "actuator 'm' acts on a site against"),
    "a free joint": ('<motor name="m" joint="root"/>', "actuator 'm' acts on a joint that is neither"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_simulated_is_refused_by_name(case):
    actuators, words = REFUSED[case]
    with pytest.raises(InputError, match=words):
        ds.load_mjcf(xml(actuators), contacts=False)
