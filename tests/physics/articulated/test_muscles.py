"""Muscles: curves and steps of MuJoCo's, gradients, laws, what is refused."""

from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

from ... import gymnasium_robots as gym
from .slopes import assert_slopes_agree
from .stepped import step_errors

mujoco = pytest.importorskip("mujoco")

ROUNDING = 1e-11
"""Of forces of some hundred newtons in float64, beyond the curves of some thousand, on links of some kilograms."""

ARM = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}"/>
  <worldbody>
    <body name="upper" pos="0 0 1"><joint name="shoulder" axis="0 1 0" range="-90 90" damping="0.1"/>
      <geom type="capsule" size="0.05 0.2" pos="0.1 0 -0.2"/><site name="root" pos="0.05 0.02 -0.1"/>
      <body name="lower" pos="0 0 -0.4"><joint name="elbow" axis="0.2 1 0" range="0 120" damping="0.2"/>
        <geom type="capsule" size="0.04 0.15" pos="0 0 -0.15"/><site name="end" pos="0.04 0 -0.08"/>
        <body name="hand" pos="0 0 -0.3"><joint name="wrist" type="slide" axis="0 0 1" range="-0.1 0.1" damping="3"/>
          <geom size="0.05"/></body></body></body>
  </worldbody>
  <tendon><spatial name="biceps"><site site="root"/><site site="end"/></spatial>
    <fixed name="flexor"><joint joint="elbow" coef="0.03"/><joint joint="wrist" coef="-0.7"/></fixed></tendon>
  <actuator>
    <muscle name="biceps" tendon="biceps" force="{force}" ctrllimited="true" ctrlrange="0 1" {biceps}/>
    <muscle name="flexor" tendon="flexor" scale="30" timeconst="0.02 0.05" tausmooth="0.4" lengthrange="-0.05 0.12"/>
    <muscle name="back" joint="shoulder" gear="-0.05" force="80" lengthrange="-0.08 0.08" range="0.6 1.5" lmin="0.4"
            lmax="1.7" vmax="3" fpmax="0.9" fvmax="1.6" tausmooth="0.1"/>
    <general name="plain" joint="wrist" dyntype="muscle" dynprm="0.03 0.06 0.2" gainprm="5"/>
    <position name="servo" joint="elbow" kp="2" kv="0.1"/>
  </actuator>
</mujoco>
"""


def xml(integrator="Euler", force="200", biceps='lengthrange="0.15 0.4" forcerange="-150 0"'):
    return ARM.format(integrator=integrator, force=force, biceps=biceps)


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast"])
@pytest.mark.parametrize("speed", [0.3, 3.0])
def test_a_step_is_mujocos(integrator, speed):
    for seed in range(3):
        assert step_errors(xml(integrator), seed=seed, speed=speed)[0] < ROUNDING


def test_what_mujoco_works_out_counts():
    """The range of lengths, from the joints', and the force, from the acceleration that it gives."""
    source = xml(force="-1", biceps='scale="20"')
    errors, scene, _ = step_errors(source)
    assert errors < ROUNDING
    model = mujoco.MjModel.from_xml_string(source)
    muscle = scene.actuators[0].muscle
    assert muscle.length_range == pytest.approx(model.actuator_lengthrange[0])
    assert muscle.force == pytest.approx(20.0 / model.actuator_acc0[0])


def test_many_steps_are_mujocos():
    """A whole bend of the arm: through all parts of the curves, and of activation and release."""
    with gym.quiet():
        scene = ds.load_mjcf(xml(), contacts=False, limits=False, dt=0.004, substeps=2)
    model = gym.without_contacts(mujoco.MjModel.from_xml_string(xml()))
    model.jnt_limited[:] = 0
    data = mujoco.MjData(model)
    data.ctrl[:] = 0.9, 0.6, 0.1, 0.5, 0.5
    mujoco.mj_step(model, data, 100)
    data.ctrl[:] = 0.05, 0.2, 0.9, 0.0, 0.0
    mujoco.mj_step(model, data, 100)
    low, high = np.where(model.actuator_ctrllimited[:, None].astype(bool), model.actuator_ctrlrange, (-1, 1)).T
    asked = np.repeat([[0.9, 0.6, 0.1, 0.5, 0.5], [0.05, 0.2, 0.9, 0.0, 0.0]], 50, axis=0)
    with ds.Simulation(ds.Problem(scene, ds.OpenLoop(), steps=100), precision="f64") as simulation:
        found = simulation.rollout({"controller.values": 2.0 * (asked - low) / (high - low) - 1.0})
    assert found.joint_position[-1] == pytest.approx(data.qpos, abs=1e-9)
    assert found.activation[-1] == pytest.approx(data.act, abs=1e-11)


def test_curves_are_mujocos_beyond_every_knot():
    """Of the force at rest and in motion: short, optimal, long and beyond, from shortening too fast to lengthening."""
    curves = {"shortest": 0.6, "longest": 1.5, "fastest": 2.0, "passive": 1.1, "lengthening": 1.4}
    muscle = ds.Muscle(70.0, (0.1, 0.25), operating_range=(0.8, 1.1), **curves)
    slider = ds.Link("slider", joints=ds.Joint("x", "slide"), mass=2.0, inertia=(1, 1, 1))
    drawn = ds.Actuator("m", "x", muscle=muscle, gear=0.5)
    scene = ds.Articulated([slider], [drawn], gravity=(0, 0, 0), dt=0.001)
    lengths, rates = (each.ravel() for each in np.meshgrid(np.linspace(0.02, 0.5, 25), np.linspace(-1.2, 0.9, 15)))
    problem = ds.Problem(scene, ds.OpenLoop(), steps=1, tune=("scene.initial_*", "controller.*"))
    with ds.Simulation(problem, precision="f64", envs=len(rates), shared=False) as simulation:
        start = {"scene.initial_position": 2.0 * lengths[:, None], "scene.initial_velocity": 2.0 * rates[:, None]}
        found = simulation.rollout({**start, "controller.values": np.full((len(rates), 1, 1), 0.7)})
    force = 2.0 * (found.joint_velocity[:, 1, 0] - 2.0 * rates) / (0.001 * 0.5)
    prm = np.array([0.8, 1.1, 70.0, 0.0, 0.6, 1.5, 2.0, 1.1, 1.4])
    ends = np.array([0.1, 0.25])
    theirs = [
        0.7 * mujoco.mju_muscleGain(x, v, ends, 1.0, prm) + mujoco.mju_muscleBias(x, ends, 1.0, prm)
        for x, v in zip(lengths, rates, strict=True)
    ]
    assert force == pytest.approx(theirs, abs=1e-7)
    assert min(theirs) < -50.0


@pytest.mark.parametrize("integrator", ["Euler", "implicitfast"])
def test_gradients_agree_with_differences(integrator):
    """Of all numbers of muscles; in other executors in test_conformance.py."""
    with gym.quiet():
        scene = ds.load_mjcf(xml(integrator), contacts=False, limits=False)
    names = [n for n in scene.numbers() if n.startswith("muscle_") or n in ("deactivation_time", "activation_width")]
    names += ["gear", "gain", "bias", "time_constant", "initial_activation", "site_position", "initial_velocity"]
    tune = (*(f"scene.{name}" for name in names), "controller.values")
    goal = ds.Travel(direction=(1.0, 0.5, -0.3), point="hand")
    problem = ds.Problem(scene, ds.OpenLoop(), goal, steps=12, tune=tune)
    rng = np.random.default_rng(0)
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        params = simulation.params(seed=0)
        params["scene.initial_velocity"] = np.array([-2.0, -0.8, 0.2])
        params["scene.initial_activation"] = np.array([0.3, 0.5, 0.4, 0.6, 0.0])
        params["controller.values"] = rng.uniform(0.1, 0.9, (12, 5))
        assert_slopes_agree(simulation, params, rng)


@pytest.mark.parametrize("dynamics", [None, "muscle"])
def test_at_rest_and_just_at_its_bounds_a_muscle_has_the_slopes_inwards(dynamics):
    """Controls of 0 and 1, activations of the same, no velocity: the ends of curves, where many a rollout begins."""
    steps, width = 5, 1e-6
    arm = ds.Link(
        "arm", joints=ds.Joint("elbow", axis=(0, 1, 0)), mass=1.0, centre=(0.3, 0, 0), inertia=(0.01, 0.02, 0.02)
    )
    flesh = ds.Muscle(force=5.0, length_range=(-1.0, 1.0))
    muscle = ds.Actuator("flesh", "elbow", muscle=flesh, dynamics=dynamics, control_range=(0, 1), activation_width=0.5)
    scene = ds.Articulated(arm, muscle, gravity=(0, 0, 0), dt=0.01)
    goal = ds.TrackJoints(np.full((steps + 1, 1), 3.0))
    tune = ("controller.values", "scene.initial_velocity", *(("scene.initial_activation",) if dynamics else ()))
    with ds.Simulation(ds.Problem(scene, ds.OpenLoop(), goal, steps=steps, tune=tune), precision="f64") as simulation:
        for low in (True, False):
            params = {**simulation.params(), "controller.values": np.full((steps, 1), -1.0 if low else 1.0)}
            if dynamics:
                params["scene.initial_activation"] = np.array([0.0 if low else 1.0])
            value, grad = simulation.value_and_grad(params)
            for name, start in params.items():
                inwards = width * (1.0 if low else -1.0)
                slope = (simulation.value({**params, name: start + inwards}) - value) / inwards
                assert grad[name].sum() == pytest.approx(slope, rel=1e-4), (name, low)
                assert abs(slope) > 1e-6


def test_a_keyframe_keeps_its_activations():
    key = '<keyframe><key name="bent" qpos="0.1 0.5 0" act="0.7 0.2 0.3 0.4"/></keyframe></mujoco>'
    with gym.quiet():
        scene = ds.load_mjcf(xml().replace("</mujoco>", key), contacts=False, pose="bent")
    assert [each.initial_activation for each in scene.actuators] == [0.7, 0.2, 0.3, 0.4, 0.0]
    with pytest.raises(InputError, match="pose_activations names 'high', but the poses are bent"):
        replace(scene, pose_activations={"high": np.zeros(5)})


BAD = {
    "no force": (lambda: ds.Muscle(-1.0, (0, 1)), "Muscle.force is -1"),
    "no lengths": (lambda: ds.Muscle(1.0, (1, 1)), "Muscle.length_range is"),
    "too long": (lambda: ds.Muscle(1.0, (0, 1), shortest=1.2), "Muscle.shortest is 1.2, but less than 1"),
    "not long": (lambda: ds.Muscle(1.0, (0, 1), longest=0.9), "Muscle.longest is 0.9"),
    "at a site": (
        lambda: ds.Actuator("m", site="s", muscle=ds.Muscle(1.0, (0, 1))),
        "actuator 'm': a muscle drives site 's', but it needs a tendon or joint",
    ),
    "a gain": (
        lambda: ds.Actuator("m", "j", gain=2.0, muscle=ds.Muscle(1.0, (0, 1))),
        "actuator 'm': gain, bias or gain_slope is given, but a muscle has its own",
    ),
    "a number": (lambda: ds.Actuator("m", "j", muscle=3.0), "actuator 'm': muscle is 3.0, but a Muscle is needed"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_muscle_cannot_be_is_said(case):
    make, words = BAD[case]
    with pytest.raises(InputError, match=words):
        make()


def test_what_does_not_grow_by_lengthening_is_mujocos():
    """A tendon that is drawn out with a force that stays (fvmax 1)."""
    for seed in range(4):
        assert step_errors(xml(biceps='lengthrange="0.15 0.4" fvmax="1"'), seed=seed)[0] < ROUNDING


def test_muscles_that_cannot_be_are_refused_by_name():
    with pytest.raises(InputError, match="actuator 'biceps' is a muscle whose curves"):
        ds.load_mjcf(xml(biceps='lengthrange="0.15 0.4" fvmax="0.9"'), contacts=False)
    model = mujoco.MjModel.from_xml_string(xml())
    model.actuator_lengthrange[1] = 0.2
    model.actuator_biasprm[2, 2] = 3.0
    with pytest.raises(
        InputError, match=r"actuator 'flexor' is a muscle whose range or lengthrange is empty \(and 1 more"
    ):
        ds.load_mjcf(model, contacts=False)
