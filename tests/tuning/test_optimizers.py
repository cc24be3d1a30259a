"""Optimizers against steps computed by hand and, where it is installed, PyTorch; schedules; clipping."""

from __future__ import annotations

import dataclasses
import math
import pickle

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.tuning import (
    SGD,
    Adam,
    Constant,
    CosineDecay,
    ExponentialDecay,
    NormalisedGradientDescent,
    PiecewiseConstant,
    RMSProp,
    clip_by_norm,
    global_norm,
)

EXACT = {"rtol": 0.0, "atol": 1e-14}  # a handful of float64 operations on numbers of order one


def steps(optimizer, start, gradients, copies=False):
    """Parameters after each of the given gradients, one array named "p"."""
    params = {"p": np.array(start, dtype=float)}
    state = optimizer.start(params, copies=copies)
    found = []
    for gradient in gradients:
        grad = {"p": np.array(gradient, dtype=float)}
        params, state = optimizer.step(params, grad, state, copies=copies)
        found.append(params["p"])
    return found


def test_gradient_descent_by_hand():
    first, second = steps(SGD(0.1), [1.0, -2.0], [[2.0, 4.0], [-1.0, 0.5]])
    np.testing.assert_allclose(first, [0.8, -2.4], **EXACT)
    np.testing.assert_allclose(second, [0.9, -2.45], **EXACT)


def test_momentum_by_hand():
    # velocities: 2, then 0.5 * 2 - 1 = 0, then 0.5 * 0 + 3 = 3
    found = steps(SGD(0.1, momentum=0.5), [1.0], [[2.0], [-1.0], [3.0]])
    np.testing.assert_allclose(np.ravel(found), [0.8, 0.8, 0.5], **EXACT)


def test_nesterov_by_hand():
    # velocities 2, 0; the steps are g + 0.5 v: 2 + 1 = 3, then -1 + 0 = -1
    found = steps(SGD(0.1, momentum=0.5, nesterov=True), [1.0], [[2.0], [-1.0]])
    np.testing.assert_allclose(np.ravel(found), [0.7, 0.8], **EXACT)


def test_adam_by_hand():
    # With beta1 = 1/2, beta2 = 3/4 and gradients 2, -1:
    # m = 1, 0;  m_hat = 1 / (1/2) = 2, 0 / (3/4) = 0
    # v = 1, 1;  v_hat = 1 / (1/4) = 4, 1 / (7/16) = 16/7
    found = steps(Adam(0.1, beta1=0.5, beta2=0.75, epsilon=0.5), [1.0], [[2.0], [-1.0]])
    np.testing.assert_allclose(np.ravel(found), [1.0 - 0.1 * 2.0 / 2.5, 1.0 - 0.1 * 2.0 / 2.5], **EXACT)
    # A third gradient of 4: m = 2, m_hat = 2 / (7/8) = 16/7;
    # v = 3/4 + 4 = 19/4, v_hat = (19/4) / (37/64) = 304/37
    third = steps(Adam(0.1, beta1=0.5, beta2=0.75, epsilon=0.5), [1.0], [[2.0], [-1.0], [4.0]])[2]
    wanted = 1.0 - 0.1 * 2.0 / 2.5 - 0.1 * (16 / 7) / (math.sqrt(304 / 37) + 0.5)
    np.testing.assert_allclose(third, [wanted], **EXACT)


def test_adams_first_step_has_the_length_of_the_learning_rate_whatever_the_gradient():
    (found,) = steps(Adam(0.02), [0.0, 0.0, 0.0], [[1e-3, -5.0, 1e6]])
    np.testing.assert_allclose(found, [-0.02, 0.02, -0.02], rtol=2e-5)  # epsilon / 1e-3


def test_rmsprop_by_hand():
    # squares: 0.25 * 4 = 1, then 0.75 * 1 + 0.25 * 1 = 1
    found = steps(RMSProp(0.1, decay=0.75, epsilon=0.25), [1.0], [[2.0], [-1.0]])
    np.testing.assert_allclose(np.ravel(found), [1.0 - 0.2 / 1.25, 1.0 - 0.2 / 1.25 + 0.1 / 1.25], **EXACT)


def test_normalised_gradient_descent_by_hand():
    params = {"a": np.array([1.0]), "b": np.array([[2.0]])}
    optimizer = NormalisedGradientDescent(0.5, momentum=0.5)
    state = optimizer.start(params)
    # mean gradient (1.5, 2), of length 2.5 over both arrays together: steps 0.5 * (0.6, 0.8)
    params, state = optimizer.step(params, {"a": np.array([3.0]), "b": np.array([[4.0]])}, state)
    np.testing.assert_allclose([params["a"][0], params["b"][0, 0]], [0.7, 1.6], **EXACT)
    # mean (0.75 + 2.25, 1 - 5) = (3, -4)
    params, state = optimizer.step(params, {"a": np.array([4.5]), "b": np.array([[-10.0]])}, state)
    np.testing.assert_allclose([params["a"][0], params["b"][0, 0]], [0.4, 2.0], **EXACT)


@pytest.mark.parametrize("size", [1e-250, 1e-170, 1.0, 1e170])
def test_a_normalised_step_has_its_length_for_any_gradient(size):
    (found,) = steps(NormalisedGradientDescent(0.5), [0.0, 0.0], [[3.0 * size, -4.0 * size]])
    np.testing.assert_allclose(found, [-0.3, 0.4], rtol=1e-14)


def test_a_zero_gradient_moves_nothing():
    for optimizer in (SGD(0.1), Adam(0.1), RMSProp(0.1), NormalisedGradientDescent(0.1)):
        (found,) = steps(optimizer, [1.5, -2.0], [[0.0, 0.0]])
        np.testing.assert_array_equal(found, [1.5, -2.0])


ALL = [
    SGD(0.05, momentum=0.8),
    SGD(0.05, momentum=0.8, nesterov=True),
    Adam(0.05),
    RMSProp(0.05),
    NormalisedGradientDescent(0.05, momentum=0.7),
    Adam(CosineDecay(0.1, 6, warmup=2)),
]


@pytest.mark.parametrize("optimizer", ALL, ids=repr)
def test_copies_are_optimised_as_if_each_were_alone(optimizer):
    rng = np.random.default_rng(3)
    start = rng.normal(size=(3, 2, 2))
    gradients = rng.normal(size=(5, 3, 2, 2)) * np.array([1e-3, 1.0, 1e3])[:, None, None]
    together = steps(optimizer, start, gradients, copies=True)
    for copy in range(3):
        alone = steps(optimizer, start[copy], gradients[:, copy])
        np.testing.assert_array_equal([found[copy] for found in together], alone)


@pytest.mark.parametrize("optimizer", ALL, ids=repr)
def test_step_changes_nothing_in_place_and_goes_on_from_a_saved_state(optimizer, tmp_path):
    rng = np.random.default_rng(4)
    params = {"a": rng.normal(size=(2, 3)), "b": rng.normal(size=())}
    grads = [{"a": rng.normal(size=(2, 3)), "b": rng.normal(size=())} for _ in range(4)]
    state = optimizer.start(params)
    for grad in grads[:2]:
        params, state = optimizer.step(params, grad, state)
    before = pickle.dumps((params, grads[2], state))
    straight, _ = optimizer.step(params, grads[2], state)
    assert pickle.dumps((params, grads[2], state)) == before
    np.savez(tmp_path / "state.npz", **state)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as held:
        resumed, _ = optimizer.step(params, grads[2], dict(held))
    assert resumed["a"].shape == (2, 3)
    assert resumed["b"].shape == ()
    np.testing.assert_array_equal(straight["a"], resumed["a"])
    np.testing.assert_array_equal(straight["b"], resumed["b"])


def torch_optimizer(torch, name, parameters):
    return {
        "sgd": lambda: torch.optim.SGD(parameters, lr=0.03),
        "momentum": lambda: torch.optim.SGD(parameters, lr=0.03, momentum=0.9),
        "nesterov": lambda: torch.optim.SGD(parameters, lr=0.03, momentum=0.9, nesterov=True),
        "adam": lambda: torch.optim.Adam(parameters, lr=0.03, betas=(0.8, 0.95), eps=1e-6),
        "rmsprop": lambda: torch.optim.RMSprop(parameters, lr=0.03, alpha=0.9, eps=1e-8),
    }[name]()


OURS = {
    "sgd": SGD(0.03),
    "momentum": SGD(0.03, momentum=0.9),
    "nesterov": SGD(0.03, momentum=0.9, nesterov=True),
    "adam": Adam(0.03, beta1=0.8, beta2=0.95, epsilon=1e-6),
    "rmsprop": RMSProp(0.03, decay=0.9),
}


@pytest.mark.parametrize("name", OURS)
def test_same_as_torch(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    start = rng.normal(size=(4, 3))
    gradients = rng.normal(size=(50, 4, 3)) * rng.choice([1e-4, 1.0, 1e3], size=(50, 4, 3))
    parameter = torch.nn.Parameter(torch.tensor(start))
    theirs = torch_optimizer(torch, name, [parameter])
    found = steps(OURS[name], start, gradients)
    for ours, gradient in zip(found, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
        theirs.step()
        # float64 both; the order of the operations differs, over 50 steps
        np.testing.assert_allclose(ours, parameter.detach().numpy(), rtol=1e-11, atol=1e-13)


def test_clipping_is_the_same_as_torchs():
    torch = pytest.importorskip("torch")
    grad = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0], [12.0]])}
    parameters = [torch.nn.Parameter(torch.zeros(value.shape, dtype=torch.float64)) for value in grad.values()]
    for parameter, value in zip(parameters, grad.values(), strict=True):
        parameter.grad = torch.tensor(value)
    torch.nn.utils.clip_grad_norm_(parameters, 2.0)
    for parameter, value in zip(parameters, clip_by_norm(grad, 2.0).values(), strict=True):
        np.testing.assert_allclose(value, parameter.grad.numpy(), rtol=1e-6)  # torch adds 1e-6 to the norm


def test_clipping_by_hand():
    grad = {"a": np.array([3.0, 0.0]), "b": np.array([[4.0], [12.0]])}  # of norm 13
    assert global_norm(grad) == 13.0
    clipped = clip_by_norm(grad, 6.5)
    np.testing.assert_allclose(clipped["a"], [1.5, 0.0], **EXACT)
    np.testing.assert_allclose(clipped["b"], [[2.0], [6.0]], **EXACT)
    np.testing.assert_array_equal(clip_by_norm(grad, 13.0)["b"], grad["b"])


def test_clipping_is_per_copy():
    grad = {"a": np.array([[3.0], [0.3], [0.0]]), "b": np.array([[4.0], [0.4], [0.0]])}  # norms 5, 0.5, 0
    np.testing.assert_allclose(global_norm(grad, copies=True), [5.0, 0.5, 0.0], rtol=1e-15)
    clipped = clip_by_norm(grad, 1.0, copies=True)
    np.testing.assert_allclose(clipped["a"], [[0.6], [0.3], [0.0]], **EXACT)
    np.testing.assert_allclose(clipped["b"], [[0.8], [0.4], [0.0]], **EXACT)


def test_norms_survive_numbers_whose_squares_do_not():
    # 1e-15: two roundings after the scaling
    np.testing.assert_allclose(global_norm({"a": np.array([3e200, 4e200])}), 5e200, rtol=1e-15)
    np.testing.assert_allclose(global_norm({"a": np.array([3e-200, 4e-200])}), 5e-200, rtol=1e-15)
    assert not np.isfinite(global_norm({"a": np.array([1.0, np.inf])}))
    assert not np.isfinite(global_norm({"a": np.array([1.0, np.nan])}))


def test_cosine_decay():
    schedule = CosineDecay(0.4, steps=10, floor=0.1, warmup=2)
    found = [schedule(i) for i in (0, 1, 2, 6, 10, 500)]
    np.testing.assert_allclose(found, [0.2, 0.4, 0.4, 0.25, 0.1, 0.1], **EXACT)
    assert CosineDecay(1.0, steps=4)(1) == pytest.approx(0.5 + math.sqrt(0.125), abs=1e-15)


def test_other_schedules():
    assert [Constant(0.3)(i) for i in (0, 99)] == [0.3, 0.3]
    decay = ExponentialDecay(0.8, 0.25, every=10, floor=0.1)
    np.testing.assert_allclose([decay(i) for i in (0, 5, 10, 100)], [0.8, 0.4, 0.2, 0.1], **EXACT)
    piecewise = PiecewiseConstant((0.3, 0.2, 0.1), (5, 8))
    assert [piecewise(i) for i in (0, 4, 5, 7, 8, 99)] == [0.3, 0.3, 0.2, 0.2, 0.1, 0.1]


def test_the_schedule_sets_the_step():
    found = steps(SGD(PiecewiseConstant((0.5, 0.25), (2,))), [0.0], [[1.0]] * 4)
    np.testing.assert_allclose(np.ravel(found), [-0.5, -1.0, -1.25, -1.5], **EXACT)


def test_settings_are_values():
    assert Adam(0.02) == Adam(0.02, beta1=0.9)
    assert Adam(0.02) != Adam(0.03)
    assert repr(SGD(CosineDecay(0.1, 10))) == (
        "SGD(learning_rate=CosineDecay(peak=0.1, steps=10, floor=0.0, warmup=0), momentum=0.0, nesterov=False)"
    )
    assert pickle.loads(pickle.dumps(Adam(0.02))) == Adam(0.02)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Adam(0.02).beta1 = 0.5


BAD = [
    (lambda: Adam(0.0), "Adam.learning_rate is 0, but it must be greater than 0"),
    (lambda: Adam(float("nan")), "Adam.learning_rate is nan, but it must be finite"),
    (lambda: Adam("fast"), "Adam.learning_rate takes numbers, but 'fast' was given"),
    (lambda: Adam(0.1, beta1=1.0), "Adam.beta1 is 1, but it must be at least 0 and less than 1"),
    (lambda: Adam(0.1, beta2=-0.1), "Adam.beta2 is -0.1, but it must be at least 0"),
    (lambda: Adam(0.1, epsilon=0.0), "Adam.epsilon is 0, but it must be greater than 0"),
    (lambda: SGD(0.1, momentum=1.5), "SGD.momentum is 1.5, but it must be"),
    (lambda: SGD(0.1, nesterov=True), "SGD.nesterov is True, but momentum is 0"),
    (lambda: RMSProp(0.1, decay=1.0), "RMSProp.decay is 1, but it must be at least 0 and less than 1"),
    (lambda: NormalisedGradientDescent(-1), "NormalisedGradientDescent.learning_rate is -1"),
    (lambda: CosineDecay(0.1, 0), "CosineDecay.steps is 0, but it must be a whole number of at least 1"),
    (
        lambda: CosineDecay(0.1, 5, warmup=5),
        "CosineDecay.warmup is 5, but it must be less",
    ),
    (lambda: CosineDecay(0.1, 5, floor=0.2), "CosineDecay.floor is 0.2, but it must be at most 0.1"),
    (lambda: ExponentialDecay(0.1, 1.5), "ExponentialDecay.factor is 1.5, but it must be at most 1"),
    (lambda: PiecewiseConstant((0.1,), (3,)), "has 1 values and 1 boundaries"),
    (
        lambda: PiecewiseConstant((0.1, 0.2, 0.3), (3, 3)),
        r"boundaries\[1\] is 3, but it must be greater than",
    ),
    (lambda: SGD(lambda i: -1.0).rate(7), "SGD.learning_rate gives -1 at iteration 7"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_settings_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_arrays_that_do_not_fit_are_named():
    params = {"a": np.zeros(2), "b": np.zeros(3)}
    optimizer = SGD(0.1)
    state = optimizer.start(params)
    with pytest.raises(InputError, match=r"grad\['b'\] has shape \(2,\), but \(3,\) is needed"):
        optimizer.step(params, {"a": np.zeros(2), "b": np.zeros(2)}, state)
    with pytest.raises(InputError, match="grad holds a, but exactly a, b is needed"):
        optimizer.step(params, {"a": np.zeros(2)}, state)
    with pytest.raises(InputError, match=r"b has shape \(3,\), but every array needs the same leading axis"):
        optimizer.start(params, copies=True)
