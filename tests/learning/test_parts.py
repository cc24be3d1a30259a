"""Parts of algorithms against what they should be: gradients against differences, targets and norms by hand."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError
from diffsim.learning.evolution import SeparableCMA
from diffsim.learning.learner import Setting
from diffsim.learning.normaliser import LEAST, Normaliser
from diffsim.learning.start import carrying, drawn

from .cart import POLICY, cart

torch = pytest.importorskip("torch", reason='PyTorch is not installed: pip install "torch==2.13.0"')
pytest.importorskip("mujoco", reason='MuJoCo is not installed: pip install "diffsim[robots]"')

SEVERAL = ("APG", "SHAC", "SAPO")


SAPO = ds.SHAC(window=6, critic=(5,), critics=2, entropy=-0.5)
"""With the reward for entropy, and several critics."""


def started(algorithm, task):
    """Its learner, in float64."""
    numbers = ds.Problem(task.scene, POLICY, steps=1).numbers(2)
    weights = {n.removeprefix("controller."): v for n, v in numbers.items() if n.startswith("controller.")}
    made = algorithm.start(Setting(task, POLICY, weights, envs=4, iterations=10, seed=1, precision="f64"))
    made.normaliser.see(np.random.default_rng(0).normal(size=(20, task.scene.observations)))
    return made


@pytest.fixture(scope="module", params=SEVERAL)
def learner(request):
    """At its start, in float64; episodes are so short that one ends within a window."""
    algorithm = {"APG": ds.APG(window=6), "SHAC": ds.SHAC(window=6, critic=(5,)), "SAPO": SAPO}[request.param]
    task = cart(steps=4, shaping=lambda before, action, after: -0.1 * after["joint_velocity"][:, 0] ** 2)
    made = started(algorithm, task)
    yield made
    made.close()


def test_the_gradient_of_a_window(learner, monkeypatch):
    """Rewards, shaping, entropy and, of SHAC, the value at each end, by weights and noise: central differences."""
    monkeypatch.setattr("diffsim.learning.actor.STIFF", np.inf)
    where, age = learner.episodes.state.copy(), learner.episodes.age.copy()

    def gained():
        learner.episodes.put(where)
        learner.episodes.age = age
        window = learner.play(np.random.default_rng(4))
        assert window.over[:-1].any()  # an episode ends within it
        return learner.gained(window, sum(window.rewards(learner._low, learner._high)) + learner.bonus(window)).sum()

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


class Drawn:
    """Draws what it is given: the noise of a window."""

    def __init__(self, noise):
        self._noise = noise

    def standard_normal(self, shape):
        assert shape == self._noise.shape
        return self._noise


def test_a_window_that_is_cut_is_two_windows(monkeypatch):
    """Closed between the third step and the fourth: the gradient of two windows of three steps, one after the other."""
    monkeypatch.setattr("diffsim.learning.actor.STIFF", np.inf)
    noise = np.random.default_rng(3).normal(size=(6, 4, 1))

    def gradient(parts, closed=()):
        made = started(ds.SHAC(window=6 // parts, critic=(5,), stiff=2.0), cart())
        made.episodes.age[:] = 0
        count = iter(range(6))

        def watch(gate, state, following, rng):
            gate.closed[:] = next(count) in closed

        monkeypatch.setattr(made, "watch", watch)
        made.optimizer.zero_grad()
        for part in np.split(noise, parts):
            window = made.play(Drawn(part))
            made.gained(window, sum(window.rewards(made._low, made._high))).sum().backward()
        found = np.concatenate([p.grad.flatten().numpy() for p in made.parameters])
        made.close()
        return found

    whole, cut, both = gradient(1), gradient(1, closed=(3,)), gradient(2)
    np.testing.assert_allclose(cut, both, rtol=1e-9, atol=1e-12)
    assert np.abs(whole - both).max() > 1e-2 * np.abs(both).max()


def test_what_stretches_most_is_cut():
    """The length of one pull, as the derivatives of the step say it; and copies above twice the median."""
    from diffsim.bridges.torch import step
    from diffsim.learning.gate import Gate, stretch

    made = started(ds.SHAC(window=1), cart())
    stepper, state = made.episodes.stepper, torch.tensor(made.episodes.state, requires_grad=True)
    action = torch.zeros(4, 1, dtype=torch.float64)
    found = stretch(state, step(stepper, state, action)[0], np.random.default_rng(0))
    by_state, _ = stepper.jacobians(state.detach().numpy(), action.numpy())
    signs = np.random.default_rng(0).choice((-1.0, 1.0), stepper.state_size)
    np.testing.assert_allclose(found, np.linalg.norm(signs @ by_state, axis=1), rtol=1e-10)
    gate = Gate(4)
    gate.close(torch.tensor([1.0, 2.0, 4.1, np.nan]), 2.0)
    assert gate.closed.tolist() == [False, False, True, True]
    made.close()


def test_the_entropy_of_actions():
    """Of what tanh makes of a normal distribution: the mean is minus the integral of p log p, by quadrature."""
    made = started(ds.SHAC(window=1, noise=0.6), cart())
    nodes, shares = np.polynomial.hermite_e.hermegauss(60)
    observed = np.random.default_rng(1).normal(size=(1, cart().scene.observations))
    seen = torch.tensor(np.repeat(observed, 60, axis=0))
    action, entropy = (each.detach().numpy() for each in made._act(seen, torch.tensor(nodes[:, None])))
    middle = np.arctanh(action[0, 0]) - 0.6 * nodes[0]
    a = np.tanh(np.linspace(middle - 6.0, middle + 6.0, 20001))
    density = np.exp(-0.5 * ((np.arctanh(a) - middle) / 0.6) ** 2) / (0.6 * np.sqrt(2.0 * np.pi) * (1.0 - a**2))
    wanted = np.trapezoid(-density * np.log(density), a)
    assert shares @ entropy / shares.sum() == pytest.approx(wanted, rel=1e-6)
    made.close()


def test_the_temperature_keeps_the_entropy_up():
    """It falls while there is more than is wanted, else it rises."""
    for wanted, way in ((-5.0, -1.0), (5.0, 1.0)):
        made = started(ds.SHAC(window=2, critic=(5,), entropy=wanted), cart())
        before = made.saved()["temperature"].copy()
        made.update(0)
        assert way * (made.saved()["temperature"] - before) > 0.0
        made.close()


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
    """Zero while it stands, negative when it leans, sinks or leaps; tensors and arrays alike."""
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
        if name == "Ant":
            q[1, 2] = 0.95  # it leaps
            assert task.shaping(seen, np.zeros((3, 1)), seen)[1] < -0.01


def test_a_network_does_what_linear_feedback_does():
    """Where that is not cut off: tanh of -2 is what it comes to at most there, and the others have no say yet."""
    task, policy = cart(), ds.MLP(hidden=(8, 5), sines=0, activation="elu")
    problem = ds.Problem(task.scene, policy, steps=1, tune=("controller.w*", "controller.b*"))
    rng, n = np.random.default_rng(0), task.scene.observations
    feedback = {"w1": 3.0 * rng.normal(size=(1, n)), "b1": np.array([0.2])}
    weights = carrying(policy, drawn(problem, 0), {f"controller.{name}": each for name, each in feedback.items()})
    seen = {"observation": rng.normal(size=(50, n))}
    asked = seen["observation"] @ feedback["w1"].T + feedback["b1"]
    inside = asked[:, 0] > -1.9
    assert 10 < inside.sum() < 50
    others = {**weights, "w3": np.where(np.arange(5) < 1, weights["w3"], 0.0)}
    np.testing.assert_allclose(policy.act(others, seen, 0.0, None)[inside], np.tanh(asked[inside]), atol=1e-12)
    assert np.abs(policy.act(weights, seen, 0.0, None) - policy.act(others, seen, 0.0, None)).max() < 0.2
    assert carrying(policy, weights, weights).keys() == weights.keys()  # its own weights are taken as they are
    for given, other, words in (
        ({"w1": np.zeros((1, n))}, policy, "holds w1, but the policy has w1, b1, w2, b2, w3, b3"),
        ({"w1": np.zeros((1, n + 1)), "b1": [0.0]}, policy, r"learn\(start\)\['w1'\]"),
        (feedback, ds.MLP(hidden=(8, 5), sines=0), "the activation 'elu'"),
    ):
        with pytest.raises(InputError, match=words):
            carrying(other, weights, given)
