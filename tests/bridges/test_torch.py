"""Simulations and steppers in PyTorch: autograd's own check, in float64."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

from .small import ENVS, body_scene

torch = pytest.importorskip("torch", reason='PyTorch is not installed: pip install "torch==2.13.0"')


# gradcheck takes differences at 1e-6 of losses and arrays of order one: their rounding, 1e-16 / 1e-6, and what stiff
# springs make of it in 20 steps.
CLOSE = {"eps": 1e-6, "atol": 1e-6, "rtol": 1e-5}


@pytest.fixture(scope="module")
def stepper():
    reads = ("observation", "centre")
    with ds.Stepper(body_scene(), envs=ENVS, precision="f64", repeat=2, reads=reads, tune="scene.stiffness") as made:
        yield made


@pytest.fixture(params=["one", "own", "one set for all copies"])
def case(request):
    """A simulation, its parameters' names, and tensors for them."""
    sim = request.getfixturevalue("one" if request.param == "one" else "own")
    params = sim.params(seed=1)
    if request.param == "one set for all copies":
        params = {name: value[0] for name, value in params.items()}
    return sim, tuple(params), [torch.tensor(value, requires_grad=True) for value in params.values()]


# Rollouts


def test_the_gradient_of_a_loss(case):
    sim, names, tensors = case
    assert torch.autograd.gradcheck(lambda *t: ds.torch.value(sim, dict(zip(names, t, strict=True))), tensors, **CLOSE)


def test_the_gradient_of_arrays(case):
    sim, names, tensors = case
    arrays = ("position", "velocity", "actuation")

    def roll(*t):
        found = ds.torch.rollout(sim, dict(zip(names, t, strict=True)), arrays)
        assert tuple(found) == arrays
        return tuple(found.values())

    assert torch.autograd.gradcheck(roll, tensors, fast_mode=True, **CLOSE)  # in random directions


def test_values_are_those_of_the_simulation(case):
    sim, names, tensors = case
    params = {name: tensor.detach().numpy() for name, tensor in zip(names, tensors, strict=True)}
    given = dict(zip(names, tensors, strict=True))
    np.testing.assert_array_equal(ds.torch.value(sim, given).detach(), sim.value(params))
    np.testing.assert_array_equal(ds.torch.rollout(sim, given)["position"].detach(), sim.rollout(params).position)
    with torch.no_grad():
        assert not ds.torch.value(sim, given).requires_grad


def test_going_back_from_a_loss_runs_nothing(one, monkeypatch):
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in one.params().items()}
    loss = ds.torch.value(one, tensors)
    monkeypatch.setattr(one, "_trajectory", None)
    (3.0 * loss).backward()
    monkeypatch.undo()
    _, grad = one.value_and_grad(one.params())
    for name, tensor in tensors.items():
        np.testing.assert_allclose(tensor.grad, 3.0 * grad[name], rtol=1e-15)


def test_types_are_those_that_come_in(one):
    tensors = {
        name: torch.tensor(value, dtype=torch.float32, requires_grad=True) for name, value in one.params().items()
    }
    loss, arrays = ds.torch.value(one, tensors), ds.torch.rollout(one, tensors)
    assert (loss.dtype, arrays["position"].dtype) == (torch.float32, torch.float32)
    (loss + arrays["position"].sum()).backward()
    assert all(tensor.grad.dtype == torch.float32 and torch.isfinite(tensor.grad).all() for tensor in tensors.values())


def test_a_second_derivative_is_an_error(one):
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in one.params().items()}
    (first,) = torch.autograd.grad(ds.torch.value(one, tensors) ** 2, tensors["scene.stiffness"], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


# The module


def test_a_module_learns_and_takes_what_a_network_says(one):
    module = ds.torch.Rollout(one, seed=0)
    assert set(dict(module.named_parameters())) == set(module.names.values())
    assert "controller_phase" in dict(module.named_parameters())
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = -module()["position"][-1, :, 0].mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    known = module.params()
    assert known.keys() == one.params().keys()
    assert -one.rollout(known).position[-1, :, 0].mean() == pytest.approx(-module()["position"][-1, :, 0].mean().item())
    known["controller.phase"][:] = 7.0
    assert not np.any(module.params()["controller.phase"] == 7.0)
    phase = torch.zeros_like(module.controller_phase, requires_grad=True)
    module(controller_phase=phase)["position"][-1].sum().backward()
    assert torch.any(phase.grad != 0.0)
    with pytest.raises(InputError, match="the module has no parameter 'phase'; it has"):
        module(phase=phase)


# Steps


def test_what_is_no_tensor_is_a_constant(one, stepper):
    """Arrays as a simulation and a stepper give them, and whole numbers; the gradient of the others is as it was."""
    params = one.params(seed=1)
    names = list(params)
    usual = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    ds.torch.value(one, usual).backward()
    mixed = {**params, names[-1]: torch.tensor(params[names[-1]], requires_grad=True)}
    loss = ds.torch.value(one, mixed)
    loss.backward()
    assert torch.equal(mixed[names[-1]].grad, usual[names[-1]].grad)
    assert not ds.torch.value(one, params).requires_grad
    assert ds.torch.rollout(one, params)["position"].dtype == torch.float64
    whole = {name: np.round(value).astype(int) for name, value in params.items()}
    assert ds.torch.value(one, whole).dtype == torch.float64

    state, action, stiffness = given_to(stepper)
    following, _ = ds.torch.step(stepper, state.detach().numpy(), action, {"scene.stiffness": stiffness})
    following.sum().backward()
    found = action.grad.clone()
    action.grad = None
    ds.torch.step(stepper, state, action, {"scene.stiffness": stiffness})[0].sum().backward()
    assert torch.equal(found, action.grad)


def given_to(stepper, seed=0):
    """State, action and numbers, each a tensor."""
    rng = np.random.default_rng(seed)
    state = stepper.start(rng, noise={"velocity": 0.1})
    action = rng.uniform(-0.5, 0.5, (stepper.envs, stepper.action_size))
    stiffness = rng.uniform(40.0, 60.0, (stepper.envs, *np.shape(stepper.scene.stiffness)))
    return [torch.tensor(value, requires_grad=True) for value in (state, action, stiffness)]


def test_the_gradient_of_a_step(stepper):
    def step(state, action, stiffness):
        following, sensed = ds.torch.step(stepper, state, action, {"scene.stiffness": stiffness})
        assert tuple(sensed) == ("observation", "centre")
        return following, *sensed.values()

    assert torch.autograd.gradcheck(step, given_to(stepper), **CLOSE)


def test_numbers_that_all_copies_share_get_the_sum(stepper):
    state, action, stiffness = given_to(stepper)
    one = stiffness.detach()[0].clone().requires_grad_()
    ds.torch.step(stepper, state, action, {"scene.stiffness": one})[0].sum().backward()
    each = one.detach().expand(ENVS, *one.shape).clone().requires_grad_()
    ds.torch.step(stepper, state, action, {"scene.stiffness": each})[0].sum().backward()
    torch.testing.assert_close(one.grad, each.grad.sum(0), rtol=1e-14, atol=0.0)


@pytest.mark.parametrize("keep", [8, 2])
def test_a_closed_loop_learns_through_a_window(keep):
    """A network in PyTorch drives the body; with too little memory calls are stepped anew, and nothing else changes."""
    torch.manual_seed(0)
    with ds.Stepper(body_scene(), envs=ENVS, repeat=2, reads="observation", precision="f64", keep=keep) as stepper:
        size = stepper.sensed["observation"][0]
        policy = torch.nn.Sequential(torch.nn.Linear(size, 8), torch.nn.Tanh(), torch.nn.Linear(8, stepper.action_size))
        policy.double()

        def loss():
            state = torch.from_numpy(stepper.start(0, noise={"velocity": 0.1}))
            observation = torch.from_numpy(stepper.observe(state.numpy())["observation"])
            total = 0.0
            for k in range(6):
                state, sensed = ds.torch.step(stepper, state, policy(observation).tanh(), at=2 * k)
                observation = sensed["observation"]
                total = total + (observation**2).mean() - state[:, 0].mean()
            return total

        weight = policy[0].weight
        (found,) = torch.autograd.grad(loss(), weight)
        way = torch.randn_like(weight)
        ends = []
        for h in (1e-5, -1e-5):
            with torch.no_grad():
                weight += h * way
                ends.append(loss().item())
                weight -= h * way
        assert (found * way).sum().item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)


def test_a_state_that_was_changed_in_place_is_not_stepped_anew():
    with ds.Stepper(body_scene(), keep=1) as stepper:
        state = torch.tensor(stepper.start(), requires_grad=True) * 1.0
        action = torch.zeros((1, stepper.action_size))
        following, _ = ds.torch.step(stepper, state, action)
        ds.torch.step(stepper, state.detach(), action)
        state.detach().add_(1.0)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            following.sum().backward()


def test_a_call_is_pulled_with_the_numbers_that_it_was_made_with():
    """Whatever was loaded since; and what was loaded stays."""
    with ds.Stepper(body_scene(), tune="scene.stiffness", precision="f64") as stepper:
        found = []
        for others in (False, True):
            state = torch.tensor(stepper.start(), requires_grad=True)
            following, _ = ds.torch.step(stepper, state, torch.ones((1, stepper.action_size)))
            if others:
                stepper.load({"scene.stiffness": 70.0})
            following.sum().backward()
            found.append(state.grad)
        assert np.all(stepper.loaded["scene.stiffness"] == 70.0)
        torch.testing.assert_close(found[0], found[1], rtol=0.0, atol=0.0)
