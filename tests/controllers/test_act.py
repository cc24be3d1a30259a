"""Controllers and what they see in NumPy: the numbers of a rollout, row by row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

from .. import examples

SCENES = {name: make for made in examples.SCENES.values() for name, make in made.items()}
CONTROLLERS = {
    "network": lambda scene: ds.MLP(hidden=(5, 4), sines=3, goal=np.linspace(0.1, 0.4, scene.dimension), scale=3.0),
    "moving goal": lambda scene: ds.MLP(hidden=4, goal=[np.full(scene.dimension, k) for k in (0.1, 0.4, -0.2)]),
    "elu": lambda scene: ds.MLP(hidden=(5, 4), sines=3, activation="elu", scale=3.0),
    "sine": lambda scene: ds.Sine(amplitude=1.4, offset=0.2, frequency=9.0),
    "frequencies": lambda scene: ds.Sine(frequency=7.0 + np.arange(len(scene.actuators))),
    "steps": lambda scene: ds.OpenLoop(),
    "knots": lambda scene: ds.OpenLoop(knots=4),
    "feedback": lambda scene: ds.PD(target=ds.Sine(offset=0.3), kp=4.0, kd=0.2),
    "track": lambda scene: ds.PD(target=ds.OpenLoop(knots=3), kp=2.0),
}

# float64: sums in another order.
CLOSE = {"rtol": 1e-12, "atol": 1e-13}


def rolled(scene, controller, steps=8):
    """A problem, parameters, and a rollout in float64 that records everything."""
    problem = ds.Problem(scene, controller, steps=steps)
    with ds.Simulation(problem, precision="f64", executor="staged", record="all") as sim:
        params = sim.params(seed=3)
        return problem, params, sim.rollout(params)


def row(rollout, k):
    names = ("observation", "centre", "actuator_position", "actuator_velocity")
    found = {name: rollout[name][k] for name in names if name in rollout}
    return {name: value[0] if name == "centre" else value for name, value in found.items()}


@pytest.mark.parametrize("name", CONTROLLERS)
def test_what_a_controller_gives_is_what_a_rollout_records(name):
    scene = SCENES["air"]()
    problem, params, rollout = rolled(scene, CONTROLLERS[name](scene))
    for k, actuation in enumerate(rollout.actuation):
        seen = row(rollout, k)
        if "centre" in problem.controller.reads:
            seen["centre"] = rollout.position[k].mean(axis=0)
        np.testing.assert_allclose(problem.act(params, seen, k * scene.dt), actuation, **CLOSE)


@pytest.mark.parametrize(("robot", "name"), [("monoped", "feedback"), ("quadruped", "network")])
def test_what_a_robot_senses_is_what_a_rollout_records(robot, name):
    scene = SCENES[robot]()
    problem, params, rollout = rolled(scene, CONTROLLERS[name](scene), steps=20)
    seen = scene.sense(rollout.joint_position, rollout.joint_velocity)
    for array in seen:
        if array in rollout:
            recorded = rollout[array].reshape(seen[array].shape)
            np.testing.assert_allclose(seen[array], recorded, err_msg=array, **CLOSE)
    if robot == "quadruped":
        touch = seen["observation"][:, -4:]
        assert touch.max() > 0.0  # it lands
        observed = scene.observe(rollout.joint_position[3], rollout.joint_velocity[3])
        np.testing.assert_allclose(observed, rollout.observation[3], **CLOSE)
    many = problem.act(params, {n: v[:-1] for n, v in seen.items()}, rollout.time[:-1])
    np.testing.assert_allclose(many, rollout.actuation, **CLOSE)


def test_what_is_missing_is_said():
    scene = SCENES["monoped"]()
    problem = ds.Problem(scene, ds.PD(), steps=3)
    params = {n: v for n, v in problem.numbers().items() if n in problem.tuned}
    with pytest.raises(InputError, match="the controller reads actuator_position, actuator_velocity, but observation"):
        problem.act(params, np.zeros(scene.observations))
    network = ds.Problem(scene, ds.MLP(hidden=3, sines=1), steps=3)
    weights, seen = {n: v for n, v in network.numbers().items() if n in network.tuned}, np.zeros(scene.observations)
    assert network.act({**weights, "scene.mass": scene.numbers()["mass"]}, seen).shape == (len(scene.actuators),)
    with pytest.raises(InputError, match=rf"the observation has shape \(4,\), but \(..., {len(seen)}\) is needed"):
        network.act(weights, {"observation": np.zeros(4)})
    with pytest.raises(InputError, match="params names 'weight', but the controller has controller"):
        network.act({**weights, "weight": 1.0}, seen)
    with pytest.raises(InputError, match="but this problem has no controller"):
        ds.Problem(scene, steps=3).act({}, {})
    with pytest.raises(InputError, match=r"position and velocity have shapes \(3,\) and \(7,\), but"):
        scene.observe(np.zeros(3), np.zeros(7))


def test_what_does_not_feel_senses_all_else():
    """In a rollout and in NumPy."""
    scene = replace(SCENES["monoped"](), feels=False)
    _, _, rollout = rolled(scene, ds.MLP(hidden=3, sines=1), steps=3)
    assert rollout.observation.shape[1] == scene.observations == SCENES["monoped"]().observations - 2
    np.testing.assert_allclose(
        scene.observe(rollout.joint_position, rollout.joint_velocity), rollout.observation, **CLOSE
    )
