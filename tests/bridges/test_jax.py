"""Simulations and steppers in JAX: its own check, in float64. On request: `pytest -m bench tests/bridges`."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds

from .small import ENVS, body_scene

jax = pytest.importorskip("jax", reason='JAX is not installed: pip install "diffsim[jax]"')
jnp = jax.numpy

pytestmark = pytest.mark.bench

CLOSE = {"order": 1, "modes": ["rev"], "eps": 1e-6, "atol": 1e-5, "rtol": 1e-5}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=["one", "own", "one set for all copies"])
def case(request):
    sim = request.getfixturevalue("one" if request.param == "one" else "own")
    params = sim.params(seed=1)
    if request.param == "one set for all copies":
        params = {name: value[0] for name, value in params.items()}
    return sim, {name: jnp.asarray(value) for name, value in params.items()}


def check(function, arguments):
    from jax.test_util import check_grads

    check_grads(function, arguments, **CLOSE)


def test_the_gradient_of_a_loss(case):
    sim, params = case
    check(lambda p: ds.jax.value(sim, p), (params,))


def test_the_gradient_of_arrays(case):
    sim, params = case
    check(lambda p: ds.jax.rollout(sim, p, ("position", "actuation")), (params,))


def test_jit_gives_the_same(case):
    sim, params = case

    def loss(p):
        return jnp.sum(ds.jax.value(sim, p)) + jnp.sum(ds.jax.rollout(sim, p)["position"] ** 2)

    plain, compiled = jax.value_and_grad(loss)(params), jax.jit(jax.value_and_grad(loss))(params)
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(compiled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_vmap_of_a_loss_is_one_after_the_other(one):
    params = one.params()
    many = {name: jnp.stack([value, 1.1 * value]) for name, value in params.items()}
    found = jax.vmap(jax.value_and_grad(lambda p: ds.jax.value(one, p)))(many)
    for k, factor in enumerate((1.0, 1.1)):
        loss, grad = one.value_and_grad({name: factor * value for name, value in params.items()})
        np.testing.assert_allclose(found[0][k], loss, rtol=1e-13)
        for name, value in grad.items():
            np.testing.assert_allclose(found[1][name][k], value, rtol=1e-12, atol=1e-15)


def states(stepper, count):
    rng = np.random.default_rng(0)
    rows = [stepper.start(rng, noise={"velocity": 0.1}) for _ in range(-(-count // stepper.envs))]
    return jnp.asarray(np.concatenate(rows)[:count]), jnp.asarray(rng.uniform(-0.5, 0.5, (count, stepper.action_size)))


def test_the_gradient_of_a_step(stepper):
    check(lambda state, action: ds.jax.step(stepper, state, action), states(stepper, ENVS))
    check(lambda state, action: ds.jax.step(stepper, state[0], action[0]), states(stepper, 1))


@pytest.mark.parametrize("count", [ENVS, 1, 2, 7])
def test_vmap_spreads_states_over_copies(stepper, count):
    state, action = states(stepper, count)

    def weighed(state, action):
        following, sensed = ds.jax.step(stepper, state, action)
        return jnp.sum(following**2) + jnp.sum(jnp.sin(sensed["observation"]))

    calls = stepper._calls
    found = jax.jit(jax.vmap(jax.value_and_grad(weighed, argnums=(0, 1))))(state, action)
    assert stepper._calls - calls == -(-count // ENVS)  # nothing is run again
    for k in range(count):
        alone = jax.value_and_grad(weighed, argnums=(0, 1))(state[k], action[k])
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[k], b, rtol=1e-12, atol=1e-15)


def test_a_jacobian_pulls_one_call_many_times(stepper):
    state, action = states(stepper, 1)
    found = jax.jacrev(lambda s, a: ds.jax.step(stepper, s, a)[0], argnums=(0, 1))(state[0], action[0])
    by_state, by_action = stepper.jacobians(np.repeat(state, ENVS, axis=0), np.repeat(action, ENVS, axis=0))
    np.testing.assert_allclose(found[0], by_state[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found[1], by_action[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("keep", [8, 2])
def test_a_closed_loop_in_a_scan(keep):
    """With too little memory calls are stepped anew, and the gradient is the same."""
    with ds.Stepper(body_scene(), envs=ENVS, repeat=2, reads="observation", precision="f64", keep=keep) as stepper:
        state = jnp.asarray(stepper.start(0, noise={"velocity": 0.1}))
        first = jnp.asarray(stepper.observe(np.asarray(state))["observation"])

        def loss(gain):
            def turn(carry, _):
                state, observation = carry
                state, sensed = ds.jax.step(stepper, state, jnp.tanh(observation @ gain))
                return (state, sensed["observation"]), jnp.mean(state[:, 0])

            _, places = jax.lax.scan(turn, (state, first), length=6)
            return -jnp.sum(places)

        gain = 0.1 * np.random.default_rng(1).normal(size=(first.shape[1], stepper.action_size))
        way = np.random.default_rng(2).normal(size=gain.shape)
        grad = jax.jit(jax.grad(loss))(gain)
        difference = (loss(gain + 1e-6 * way) - loss(gain - 1e-6 * way)) / 2e-6
        assert float(jnp.sum(grad * way)) == pytest.approx(float(difference), rel=1e-6)


def test_forward_mode_is_an_error(one):
    params = {name: jnp.asarray(value) for name, value in one.params().items()}
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda p: ds.jax.value(one, p), (params,), (params,))
