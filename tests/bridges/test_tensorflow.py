"""Simulations and steppers in TensorFlow: its own check, in float64. On request: `pytest -m bench tests/bridges`."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds

from .small import ENVS

tf = pytest.importorskip("tensorflow", reason='TensorFlow is not installed: pip install "diffsim[tensorflow]"')

pytestmark = pytest.mark.bench


@pytest.fixture(params=["one", "own", "one set for all copies"])
def case(request):
    sim = request.getfixturevalue("one" if request.param == "one" else "own")
    params = sim.params(seed=1)
    if request.param == "one set for all copies":
        params = {name: value[0] for name, value in params.items()}
    return sim, tuple(params), [tf.constant(value) for value in params.values()]


def check(function, tensors):
    """Of every output by every input: TensorFlow's derivatives, and differences."""
    exact, numeric = tf.test.compute_gradient(function, tensors, delta=1e-6)
    for a, b in zip(exact, numeric, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_the_gradient_of_a_loss(case):
    sim, names, tensors = case
    check(lambda *t: ds.tensorflow.value(sim, dict(zip(names, t, strict=True))), tensors)


def test_the_gradient_of_arrays(case):
    """Of a sum with random weights: TensorFlow's check of each number of each array would take minutes."""
    sim, names, tensors = case
    rng = np.random.default_rng(3)
    weights = {name: rng.normal(size=shape) for name, shape in sim.shapes(("position", "actuation")).items()}

    def weighed(*t):
        found = ds.tensorflow.rollout(sim, dict(zip(names, t, strict=True)), tuple(weights))
        return sum(tf.reduce_sum(weight * found[name]) for name, weight in weights.items())

    check(weighed, tensors)


def test_a_graph_is_an_error_in_words(one):
    """TensorFlow runs the Python in a graph in a thread of its own, and Taichi works in one thread."""
    params = {name: tf.Variable(value) for name, value in one.params().items()}
    with pytest.raises(Exception, match="Taichi works in one thread"):
        tf.function(lambda: ds.tensorflow.value(one, params))()


@pytest.mark.parametrize("count", [ENVS, 7])
def test_the_gradient_of_a_step(stepper, count):
    rng = np.random.default_rng(0)
    state = np.repeat(stepper.start(rng, noise={"velocity": 0.1})[:1], count, axis=0)
    action = rng.uniform(-0.5, 0.5, (count, stepper.action_size))
    calls = stepper._calls
    following, _ = ds.tensorflow.step(stepper, state, action)
    assert stepper._calls - calls == -(-count // ENVS)
    assert following.shape == state.shape
    both = [tf.constant(state), tf.constant(action)]
    check(lambda *t: ds.tensorflow.step(stepper, *t)[0], both)
    check(lambda *t: ds.tensorflow.step(stepper, *t)[1]["observation"], both)
