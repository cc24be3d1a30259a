"""Rewards, ends and starts of DiffRL for gymnasium's robots, beside values worked out by hand from its definitions."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError
from diffsim.physics.articulated.quaternions import rotation_of

pytest.importorskip("gymnasium", reason='gymnasium is not installed: pip install "diffsim[robots]"')
pytest.importorskip("mujoco", reason='MuJoCo is not installed: pip install "diffsim[robots]"')

OPTIONS = {"integrator": "euler"}
TURNED = (np.cos(0.3), 0.0, 0.0, np.sin(0.3))  # by 0.6 rad to the left
TILTED = (np.cos(0.2), np.sin(0.2), 0.0, 0.0)  # by 0.4 rad about its x axis


def states(task, *changed):
    """The start, standing still, with other positions and speeds at some places: {"q": {1: 0.9}, "v": {0: 2.0}}."""
    q = np.repeat(task.scene.initial_position[None], len(changed), axis=0)
    v = np.zeros((len(changed), task.scene.freedoms))
    for k, each in enumerate(changed):
        for at, value in each.get("q", {}).items():
            q[k, at] = value
        for at, value in each.get("v", {}).items():
            v[k, at] = value
    return {"joint_position": q, "joint_velocity": v}


def quaternion(values):
    return dict(zip(range(3, 7), values, strict=True))


CASES = {
    # The speed less a tenth of the squared actions.
    "HalfCheetah": [
        ({"v": {0: 2.5}}, 0.0, 2.5, False),
        ({"q": {1: -0.5}, "v": {0: -1.0}}, 0.5, -1.0 - 0.1 * 6 * 0.25, False),
    ],
    # 0.3 for standing, 1 for being upright; 0.2 m low: 0.1; 0.4 m low: -200 of a tenth squared; ends 0.45 m low.
    "Hopper": [
        ({"v": {0: 1.5}}, 1.0, 1.5 + 0.3 + 1.0 - 0.1 * 3, False),
        ({"q": {1: 1.05, 2: np.pi / 12}}, 0.0, 0.1 + 1.0 - 0.25, False),
        ({"q": {1: 0.85}}, 0.0, -2.0 + 1.0, False),
        ({"q": {1: 0.79}}, 0.0, -200 * 0.16**2 + 1.0, True),
        ({"q": {1: 1.75}}, 0.0, 0.3 + 1.0, False),
    ],
    # A tenth for being upright, 1 for facing ahead, and its height above 0.27 m, below which it ends.
    "Ant": [
        ({"v": {0: 1.2}}, 1.0, 1.2 + 0.1 + 1.0 + 0.48, False),
        ({"q": {2: 0.25, **quaternion(TURNED)}}, 0.0, 0.1 + np.cos(0.6) - 0.02, True),
        ({"q": quaternion(TILTED)}, 0.0, 0.1 * np.cos(0.4) + 1.0 + 0.48, False),
    ],
    # Ten times the height above 0.84 m, at most 1; below it -200 times its square; ends at 0.74 m.
    "Humanoid": [
        ({"v": {0: 0.7}}, 0.4, 0.7 + 0.1 + 1.0 + 1.0 - 0.002 * 17, False),
        ({"q": {2: 0.89, **quaternion(TURNED)}}, 0.0, 0.1 + np.cos(0.6) + 0.5, False),
        ({"q": {2: 0.73}}, 0.0, 0.1 + 1.0 - 200 * 0.11**2, True),
    ],
}


@pytest.fixture(scope="module", params=CASES)
def given(request):
    return request.param, ds.gym.task(request.param, reward="diffrl", **OPTIONS)


def test_rewards_and_ends_are_those_of_its_definitions(given):
    name, task = given
    after = states(task, *(case[0] for case in CASES[name]))
    actions = np.array([np.full(len(task.scene.actuators), case[1]) for case in CASES[name]])
    np.testing.assert_allclose(task.reward(after, actions, after), [case[2] for case in CASES[name]], atol=1e-12)
    np.testing.assert_array_equal(task.ended(after), [case[3] for case in CASES[name]])
    assert task.steps == 1000
    assert 0.014 < task.seconds < 0.021  # 1/60 s there


def test_starts_spread_as_there(given):
    """How far places, turns, joints and speeds are from the start: uniformly, up to the published sizes."""
    name, task = given
    begin = states(task, *[{}] * 2000)
    found = task.start(begin, np.random.default_rng(0))
    off = np.abs(found["joint_position"] - begin["joint_position"]).max(axis=0)
    speed = np.abs(found["joint_velocity"]).max(axis=0)
    size, joints, speeds = {"HalfCheetah": (0.1, 0.1, 0.25), "Hopper": (0.05, 0.05, 0.05)}.get(name, (0.1, 0.2, 0.25))
    np.testing.assert_allclose(speed, speeds, rtol=0.02)
    np.testing.assert_allclose(off[:3], size, rtol=0.02)
    np.testing.assert_allclose(off[7 if name in ("Ant", "Humanoid") else 3 :], joints, rtol=0.02)
    if name in ("Ant", "Humanoid"):
        turn = found["joint_position"][:, 3:7]
        np.testing.assert_allclose(np.linalg.norm(turn, axis=1), 1.0, atol=1e-12)
        angle = 2.0 * np.arccos(np.clip(turn[:, 0], -1.0, 1.0))
        assert np.degrees(angle.max()) == pytest.approx(7.5, rel=0.02)
        np.testing.assert_allclose(rotation_of(turn)[:, 2, :2].mean(axis=0), 0.0, atol=0.01)  # to all sides


def test_a_policy_learns_from_them_in_tensors(given):
    torch = pytest.importorskip("torch", reason='PyTorch is not installed: pip install "torch==2.13.0"')
    name, task = given
    after, rng = states(task, *(case[0] for case in CASES[name])), np.random.default_rng(0)
    actions = rng.uniform(-1.0, 1.0, (len(CASES[name]), len(task.scene.actuators)))
    tensors = {key: torch.from_numpy(value) for key, value in after.items()}
    np.testing.assert_allclose(
        task.reward(tensors, torch.from_numpy(actions), tensors).numpy(), task.reward(after, actions, after)
    )


def test_other_names_are_refused():
    with pytest.raises(InputError, match="no task 'Walker2d' with the reward of diffrl; there are HalfCheetah, Hopper"):
        ds.gym.task("Walker2d", reward="diffrl")
    with pytest.raises(InputError, match="reward is 'brax', but it must be one of 'gymnasium', 'diffrl'"):
        ds.gym.task("Ant", reward="brax")
