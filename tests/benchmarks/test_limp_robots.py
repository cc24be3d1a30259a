"""Robots that are dropped limp, from random poses, with all that may touch: nothing diverges, energy only falls."""

import numpy as np
import pytest

import diffsim as ds

from .. import gymnasium_robots as gym

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

pytestmark = pytest.mark.bench

SECONDS, POSES = 5.0, 100


def start(scene, model, rng):
    """Joints within their limits, any orientation, high enough that nothing is in the floor."""
    position, velocity = gym.random_state(model, rng, spread=0.3, speed=0.0)
    at = 0
    for joint in scene.joints:
        if joint.limits is not None:
            position[at] = rng.uniform(*joint.limits)
        at += joint.coordinates
    turn = rng.normal(size=4)
    position[:7] = [0.0, 0.0, 1.8, *turn / np.linalg.norm(turn)]
    return position, velocity


@pytest.mark.parametrize("name", ["humanoid", "ant"])
@pytest.mark.parametrize("precision", ["f32", "f64"])
def test_they_come_to_lie_down(name, precision):
    scene, model, rng = gym.load(name), gym.peer(name), np.random.default_rng(0)
    steps = round(SECONDS / scene.dt)
    problem = ds.Problem(scene, steps=steps, tune=("scene.initial_*",))
    states = [start(scene, model, rng) for _ in range(POSES)]
    params = {
        f"scene.initial_{what}": np.array(values)
        for what, values in zip(("position", "velocity"), zip(*states, strict=True), strict=True)
    }
    with ds.Simulation(problem, precision=precision, envs=POSES, shared=False, adjoint=ds.Checkpointed(50)) as made:
        rollout = made.rollout(params)  # which raises an error if anything is not finite
    first, last, rise, speeds = [], [], [], []
    for env in range(POSES):
        energy = rollout.env(env).energy
        first.append(energy[0])
        last.append(energy[-1])
        rise.append(np.maximum.accumulate(energy[::-1])[::-1].max() - energy[0])
        speeds.append(np.abs(rollout.joint_velocity[env, -1]).max())
    print(
        f"\n{name} {precision}: energy {np.mean(first):.0f} -> {np.mean(last):.0f} J, largest rise above the start "
        f"{max(rise):.2g} J; fastest joint at the end: median {np.median(speeds):.2g}, largest {max(speeds):.2g}"
    )
    assert (np.array(last) < np.array(first)).all()
    # At rest on the floor: the trunk is lower than it began.
    assert (rollout.position[:, -1, 0, 2] < 1.5).all()
    assert (rollout.position[:, -1, 0, 2] > -0.05).all()
