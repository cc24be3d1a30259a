"""Parts of algorithms against what they should be: gradients against differences, targets and norms by hand."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds
from diffsim.learning.evolution import SeparableCMA
from diffsim.learning.learner import Setting
from diffsim.learning.normaliser import LEAST, Normaliser

from .cart import POLICY, cart

torch = pytest.importorskip("torch", reason='PyTorch is not installed: pip install "torch==2.13.0"')
pytest.importorskip("mujoco", reason='MuJoCo is not installed: pip install "diffsim[robots]"')

SEVERAL = ("APG", "SHAC")


@pytest.fixture(scope="module", params=SEVERAL)
def learner(request):
    """At its start, in float64; episodes are so short that one ends within a window."""
    algorithm = {"APG": ds.APG(window=6), "SHAC": ds.SHAC(window=6, critic=(5,))}[request.param]
    task = cart(steps=4, shaping=lambda before, action, after: -0.1 * after["joint_velocity"][:, 0] ** 2)
    numbers = ds.Problem(task.scene, POLICY, steps=1).numbers(2)
    weights = {n.removeprefix("controller."): v for n, v in numbers.items() if n.startswith("controller.")}
    made = algorithm.start(Setting(task, POLICY, weights, envs=4, iterations=10, seed=1, precision="f64"))
    made.normaliser.see(np.random.default_rng(0).normal(size=(20, task.scene.observations)))
    yield made
    made.close()


def test_the_gradient_of_a_window(learner, monkeypatch):
    """Rewards, shaping and, of SHAC, the value at each end, by the weights: central differences."""
    monkeypatch.setattr("diffsim.learning.actor.STIFF", np.inf)
    where, age = learner.episodes.state.copy(), learner.episodes.age.copy()

    def gained():
        learner.episodes.put(where)
        learner.episodes.age = age
        window = learner.play(np.random.default_rng(4))
        assert window.over[:-1].any()  # an episode ends within it
        return learner.gained(window, sum(window.rewards(learner._low, learner._high))).sum()

    learner.optimizer.zero_grad()
    gained().backward()
    rng = np.random.default_rng(5)
    with torch.no_grad():
        for parameter in learner.parameters:
            way = torch.tensor(rng.normal(size=tuple(parameter.shape)))
            ends = []
            for sign in (1.0, -1.0):
                parameter += sign * 1e-6 * way
                ends.append(float(gained()))
                parameter -= sign * 1e-6 * way
            # Rounding of losses of order ten at a step of 1e-6.
            assert float((parameter.grad * way).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6, abs=1e-7)


def test_targets_look_ahead_as_far_as_they_should():
    from diffsim.learning.actor_critic import targets

    rng = np.random.default_rng(0)
    reward, value = (torch.tensor(rng.normal(size=(5, 2))) for _ in range(2))
    last = torch.zeros(5, 2, dtype=torch.bool)
    last[-1] = True
    powers = 0.9 ** np.arange(6)
    far = targets(reward, value, last, 0.9, 1.0)
    np.testing.assert_allclose(far[0], powers[:5] @ reward.numpy() + powers[5] * value[-1].numpy(), rtol=1e-12)
    near = targets(reward, value, last, 0.9, 0.0)
    np.testing.assert_allclose(near, reward + 0.9 * value, rtol=1e-12)
    last[2, 0] = True  # the first copy's episode ends there, and nothing comes after it
    value[2, 0] = 0.0
    ended = targets(reward, value, last, 0.9, 1.0)
    assert float(ended[0, 0]) == pytest.approx(float(powers[:3] @ reward[:3, 0].numpy()), rel=1e-12)
    np.testing.assert_array_equal(ended[:, 1], far[:, 1])


def test_one_copy_does_not_drown_the_others():
    from diffsim.learning.actor import STIFF, _tempered

    given = torch.tensor([[3.0, 4.0], [0.0, 1e6], [np.nan, 1.0], [0.0, 5.0]])
    found = _tempered(given)
    np.testing.assert_array_equal(found[[0, 2, 3]], [[3.0, 4.0], [0.0, 0.0], [0.0, 5.0]])
    np.testing.assert_allclose(found[1], [0.0, 5.0 * STIFF])  # in its direction


def test_normalising_is_folded_into_the_weights():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(60, 3)) * [2.0, 0.5, 0.0] + [1.0, -3.0, 0.2]
    made = Normaliser(3)
    np.testing.assert_array_equal(made.scale, 1.0)
    for part in np.split(seen, 4):
        made.see(np.concatenate([part, [[np.nan, 0.0, 0.0]]]))
    np.testing.assert_allclose(made.mean, seen.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(made.scale, [*seen.std(axis=0)[:2], LEAST], rtol=1e-12)
    weights = {"w1": rng.normal(size=(4, 3)), "b1": rng.normal(size=4)}
    folded = made.folded(weights)
    wanted = (seen - made.mean) / made.scale @ weights["w1"].T + weights["b1"]
    np.testing.assert_allclose(seen @ folded["w1"].T + folded["b1"], wanted, rtol=1e-9, atol=1e-12)


def test_evolution_finds_the_lowest_point_of_a_long_valley():
    """Ros & Hansen's ellipsoid along the axes, in 12 dimensions and a conditioning of 1e4; and goes on where it was."""
    scales = 10.0 ** (2.0 * np.arange(12) / 11)
    made = SeparableCMA(np.ones(12), 0.5, 12)
    losses = []
    for k in range(250):
        candidates = made.ask(np.random.default_rng(k))
        found = np.sum((scales * candidates) ** 2, axis=1)
        found[0] = np.nan  # one that is not finite is the worst
        made.tell(candidates, found)
        losses.append(np.nanmin(found))
        if k == 99:
            held = made.saved()
    assert losses[0] > 1e3
    assert losses[-1] < 1e-6
    again = SeparableCMA(np.zeros(12), 1.0, 12)
    again.restore(held)
    np.testing.assert_array_equal(again.ask(np.random.default_rng(100))[1:2], _at(100, scales)[1:2])


def _at(generation, scales):
    """Candidates of that generation, in a run that was not ended."""
    made = SeparableCMA(np.ones(12), 0.5, 12)
    for k in range(generation):
        candidates = made.ask(np.random.default_rng(k))
        found = np.sum((scales * candidates) ** 2, axis=1)
        found[0] = np.nan
        made.tell(candidates, found)
    return made.ask(np.random.default_rng(generation))


def test_shaping_of_robots_is_a_slope_towards_what_is_fine():
    """Zero while it stands, negative when it leans or sinks; tensors and arrays alike."""
    for name in ("Hopper", "Walker2d", "Ant", "Humanoid"):
        pytest.importorskip("gymnasium", reason='gymnasium is not installed: pip install "diffsim[robots]"')
        task = ds.gym.task(name, integrator="euler")
        q = np.repeat(task.scene.initial_position[None], 3, axis=0)
        q[1, 1 if name in ("Hopper", "Walker2d") else 2] -= 0.5
        if name in ("Hopper", "Walker2d"):
            q[2, 2] = 0.15 if name == "Hopper" else 0.9
        else:
            q[2, 3:7] = [0.7, 0.7, 0.0, 0.0]
        seen = {"joint_position": q, "joint_velocity": np.zeros((3, task.scene.freedoms))}
        found = task.shaping(seen, np.zeros((3, 1)), seen)
        assert found[0] == 0.0
        assert np.all(found[1:] < -0.01)
        tensors = {key: torch.tensor(value) for key, value in seen.items()}
        np.testing.assert_allclose(task.shaping(tensors, torch.zeros(3, 1), tensors), found, rtol=1e-12)
