"""Controllers in MuJoCo: the same motion while the physics agree, and a rollout that can be drawn."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, MissingExtraError

mujoco = pytest.importorskip("mujoco", reason='MuJoCo is not installed: pip install "diffsim[robots]"')

ARM = """
<mujoco>
  <option timestep="0.002" gravity="0 0 -9.81" integrator="Euler"/>
  <worldbody>
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" type="hinge" axis="0 1 0" damping="0.05" armature="0.01"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.4" size="0.03"/>
      <body name="lower" pos="0 0 -0.4">
        <joint name="elbow" type="hinge" axis="0 1 0" damping="0.05" armature="0.01"/>
        <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02"/>
        <site name="hand" pos="0 0 -0.3"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="second" joint="elbow" gear="2" ctrllimited="true" ctrlrange="-0.5 1.5"/>
    <motor name="first" joint="shoulder" gear="3" ctrllimited="true" ctrlrange="-1 1"/>
  </actuator>
</mujoco>
"""


@pytest.fixture(scope="module")
def problem():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scene = ds.load_mjcf(ARM, dt=0.01, substeps=5, contacts=False)
    controller = ds.MLP(hidden=4, sines=2, frequency=6.0, scale=2.0)
    return ds.Problem(scene, controller, ds.Travel(point="hand"), steps=60)


def test_without_contact_the_motion_is_the_same(problem):
    """Feedback in both: actuators by name, controls within their ranges, an action held for five of MuJoCo's steps."""
    with ds.Simulation(problem, precision="f64", executor="staged") as sim:
        params = sim.params(seed=1)
        own = sim.rollout(params)
    there = ds.replay_in_mujoco(problem, params, ARM)
    assert np.ptp(own.joint_position) > 1.0  # it swings
    for name in ("joint_position", "joint_velocity", "position", "rotation", "actuation"):
        shape = own[name].shape
        np.testing.assert_allclose(there[name].reshape(shape), own[name], rtol=0.0, atol=1e-8, err_msg=name)


def test_a_run_says_what_it_is_of(problem, tmp_path, monkeypatch):
    """Parameters and file: of a run that was saved in another folder than it is read from, of one that does not say."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "arm.xml").write_text(ARM)
    params = {n: v for n, v in problem.numbers(1).items() if n in problem.tuned}
    wanted = ds.replay_in_mujoco(problem, params, ARM, seconds=0.1)
    for name, source in {"file": "arm.xml", "text": ARM, "none": None}.items():
        with ds.Simulation(problem, executor="staged") as sim:
            ds.tune(sim, params=params, iterations=1, run=ds.Run(name, source=source), progress=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in ("file", "text"):
        found = ds.replay_in_mujoco(ds.load_run(tmp_path / name), seconds=0.1)
        np.testing.assert_array_equal(found.joint_position, wanted.joint_position)
    with pytest.raises(InputError, match="the file of the robot is not known"):
        ds.replay_in_mujoco(ds.load_run(tmp_path / "none"))
    with pytest.raises(InputError, match="of a problem the parameters are needed"):
        ds.replay_in_mujoco(problem)
    with pytest.raises(InputError, match=r"but 'runs/arm' was given"):
        ds.replay_in_mujoco("runs/arm")


def test_what_differs_from_the_file_is_said(problem):
    from diffsim.bridges.mujoco import Peer

    rk4 = ARM.replace('integrator="Euler"', 'integrator="RK4"')
    assert Peer("test", problem.scene, ARM).differs == ("the law of contact is compliant here and mujoco there",)
    scene = replace(problem.scene, substeps=2, contact_law="mujoco")
    assert Peer("test", scene, rk4).differs == (
        "the integrator is euler here and rk4 there",
        "the time step is 0.005 s here and 0.002 s there",
    )


def test_it_is_a_rollout_that_can_be_drawn(problem, tmp_path):
    params = {n: v for n, v in problem.numbers(1).items() if n in problem.tuned}
    there = ds.replay_in_mujoco(problem, params, ARM, seconds=0.2)
    assert there.joint_position.shape == (21, 2)
    assert there.observation.shape == (21, problem.scene.observations)
    assert there.loss is None
    assert not there.derives
    ds.save_png(ds.snapshot(there), tmp_path / "there.png")
    assert (tmp_path / "there.png").stat().st_size > 1000


def test_several_starts_are_run_each_as_alone(problem):
    """Those that a `Simulation` takes, by the same names; what is not given is the scene's."""
    params = {n: v for n, v in problem.numbers(1).items() if n in problem.tuned}
    starts = {"scene.initial_position": np.array([[0.1, 0.2], [-0.3, 0.0], [0.4, -0.1]])}
    there = ds.replay_in_mujoco(problem, params, ARM, initial_states=starts, seconds=0.2)
    assert (there.envs, there.joint_position.shape, there.actuation.shape) == (3, (3, 21, 2), (3, 20, 2))
    assert there.position.shape[:2] == there.rotation.shape[:2] == (3, 21)
    scene = problem.scene.with_numbers({"initial_position": starts["scene.initial_position"][1]})
    alone = ds.replay_in_mujoco(replace(problem, scene=scene), params, ARM, seconds=0.2)
    for name in ("joint_position", "position", "rotation", "observation", "actuation"):
        # But for how NumPy rounds products of several: 2e-16 of 1.4.
        np.testing.assert_allclose(there.env(1)[name], alone[name], rtol=0.0, atol=1e-12, err_msg=name)
    one = {"initial_position": starts["scene.initial_position"][1:2], "initial_velocity": np.zeros((1, 2))}
    same = ds.replay_in_mujoco(problem, params, ARM, initial_states=one, seconds=0.2)
    np.testing.assert_array_equal(same.joint_position, alone.joint_position)


PLANK = """
<mujoco>
  <option timestep="0.002" gravity="0 0 0"/>
  <worldbody>
    <body name="plank" pos="0 0 0.5">
      <joint name="along" type="slide" axis="1 0 0"/>
      <joint name="up" type="slide" axis="0 0 1"/>
      <joint name="tilt" type="hinge" axis="0 1 0"/>
      <geom type="box" size="0.05 0.05 0.5"/>
    </body>
  </worldbody>
  <actuator><motor joint="along"/></actuator>
</mujoco>
"""


def test_the_first_fall_is_when_it_leans_by_90_degrees_or_sinks():
    """A plank that stands, one that tilts over, one that rises and comes back, one that sinks by its start's rate."""
    problem = ds.Problem(ds.load_mjcf(PLANK, dt=0.01), ds.Sine(), steps=100)
    still = {name: np.zeros_like(value) for name, value in problem.numbers().items() if name in problem.tuned}
    speed = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, np.pi], [0.0, 0.4, -1.5], [0.0, -0.5, 0.0]])
    there = ds.replay_in_mujoco(problem, still, PLANK, initial_states={"initial_velocity": speed})
    expected = [np.inf, 0.5, np.inf, 0.5]
    np.testing.assert_allclose(ds.first_fall(there), expected, atol=0.02)  # two rows
    assert ds.first_fall(there.env(1)) == ds.first_fall(there)[1]


def test_what_cannot_fall_is_refused(problem):
    params = {n: v for n, v in problem.numbers().items() if n in problem.tuned}
    arm = ds.replay_in_mujoco(problem, params, ARM, seconds=0.02)
    with pytest.raises(InputError, match="no joint lets 'upper' rise or sink"):
        ds.first_fall(arm)


def test_what_does_not_fit_is_said(problem):
    params = {n: v for n, v in problem.numbers().items() if n in problem.tuned}
    other = ARM.replace('<joint name="elbow" type="hinge"', '<joint name="elbow" type="ball"').replace(
        '<motor name="second" joint="elbow" gear="2" ctrllimited="true" ctrlrange="-0.5 1.5"/>', ""
    )
    for call, words in (
        (lambda: ds.replay_in_mujoco(problem, params, other), "joints have 5 positions and 4 velocities"),
        (lambda: ds.replay_in_mujoco(problem, params, ARM, timestep=0.003), "no whole number of time steps of 0.003 s"),
        (lambda: ds.replay_in_mujoco(replace(problem, controller=None), {}, ARM), "this problem has no controller"),
        (lambda: ds.replay_in_mujoco(problem, params, ARM, initial_states={"mass": [1.0]}), "names 'mass', but it"),
        (lambda: ds.replay_in_mujoco(problem, params, ARM, initial_states={"initial_position": np.zeros(2)}), "shape"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_an_old_version_is_refused(problem, monkeypatch):
    """Those read some files wrongly: the robot there would be another one."""
    params = {n: v for n, v in problem.numbers(1).items() if n in problem.tuned}
    monkeypatch.setattr(mujoco, "__version__", "3.3.7")
    with pytest.raises(MissingExtraError, match=r"replay_in_mujoco needs the package mujoco 4\.0 or newer"):
        ds.replay_in_mujoco(problem, params, ARM)
