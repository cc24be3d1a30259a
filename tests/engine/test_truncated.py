"""Windows: the gradient of each from the state that the steps before led to."""

import numpy as np
import pytest

import diffsim as ds

STEPS, WINDOW = 7, 3  # windows of 3, 3 and 1
SCENE = ds.MassSpring(
    points=[[0.0, 0.3], [0.9, 0.32], [0.4, 0.7]],
    springs=[[0, 1], [1, 2], [0, 2]],
    stiffness=[200.0, 150.0, 170.0],
    rest_length=[0.95, 0.6, 0.55],
    actuation=[0.2, 0.1, 0.0],
    initial_velocity=[[0.3, -1.1], [0.2, -1.3], [-0.4, 0.1]],
    ground=ds.Ground(height=0.27, friction=0.5, restitution=0.5),
    dt=0.01,
)
DRIVE = np.random.default_rng(5).normal(size=(STEPS, 2))
MEASURED = np.stack([SCENE.points + 0.02 * k for k in range(STEPS + 1)])
STATE = ("scene.initial_position", "scene.initial_velocity")
GOAL = "objective.matchtrajectory.positions"


def part(count=STEPS, also=()):
    """The problem of the first ``count`` steps, with terms at the last row and at every one."""
    # A mean over the measurements there are: the weight makes it the same sum again.
    match = ds.MatchTrajectory(MEASURED[: count + 1], weight=(count + 1) / (STEPS + 1))
    objective = ds.Travel(point=2, direction=(1.0, 0.4), origin=(0.0, 0.0)) + 0.3 * ds.Effort() + match
    tune = ("scene.stiffness", "scene.gravity", "controller.values", *STATE, *also)
    return ds.Problem(SCENE, ds.OpenLoop(DRIVE[:count]), objective, steps=count, tune=tune)


def windows(window=WINDOW):
    return [(first, min(window, STEPS - first)) for first in range(0, STEPS, window)]


def sum_of_windows(pieces):
    """The gradient of the whole, of the gradients of the windows' problems; the state counts in the first only."""
    found = {"controller.values": np.concatenate([grad["controller.values"] for grad in pieces], axis=-2)}
    found.update({name: sum(grad[name] for grad in pieces) for name in ("scene.stiffness", "scene.gravity")})
    return {**found, **{name: pieces[0][name] for name in STATE}}


def from_there(params, rollout, first, count):
    """Parameters of a window's problem, from the recorded state."""
    own = {name: params[name] for name in ("scene.stiffness", "scene.gravity")}
    values = params["controller.values"][..., first : first + count, :]
    state = {STATE[0]: rollout.position[first], STATE[1]: rollout.velocity[first]}
    return {**own, "controller.values": values, **state, GOAL: MEASURED[first : first + count + 1]}


def assert_near(found, expected, precision):
    """Seven steps of rounding, relative to the largest number of each parameter."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        allowed = {"f32": 2e-5, "f64": 1e-13}[precision] * np.abs(value).max()
        assert np.abs(found[name] - value).max() <= allowed, name


def assert_identical(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert np.array_equal(value, other[name]), name


@pytest.fixture(scope="module")
def full(keep):
    return keep(part(), precision="f64")


@pytest.fixture(scope="module")
def truncated(keep):
    return keep(part(), precision="f64", adjoint=ds.Truncated(WINDOW))


@pytest.fixture(scope="module")
def pieces(keep):
    """The simulation of each window's problem; windows that are as long differ in what is tuned only."""
    return [keep(part(count, also=(GOAL,)), precision="f64") for _, count in windows()]


def test_a_window_of_all_steps_is_the_full_gradient_bit_for_bit(full):
    params = full.params()
    loss, grad = full.value_and_grad(params)
    rollout, pullback = full.vjp(params)
    cotangents = {"position": np.cos(rollout.position), "actuation": np.sin(rollout.actuation)}
    pulled = pullback(cotangents)
    other = full.again(window=STEPS)
    again, same = other.value_and_grad(params)
    assert loss == again == other.value(params)
    assert_identical(grad, same)
    assert_identical(pulled, other.vjp(params)[1](cotangents))
    # And a longer one is as long.
    assert ds.Truncated(STEPS + 5).rows(STEPS, 1) == ds.Truncated(STEPS).rows(STEPS, 1) == STEPS


def test_the_gradient_is_the_sum_of_those_of_the_windows(truncated, pieces):
    params = truncated.params()
    rollout = truncated.rollout(params)
    _, grad = truncated.value_and_grad(params)
    starts = [from_there(params, rollout, first, count) for first, count in windows()]
    own = [piece.value_and_grad(start)[1] for piece, start in zip(pieces, starts, strict=True)]
    assert_near(grad, sum_of_windows(own), "f64")


def test_what_is_derived_from_a_number_counts_in_every_window(keep):
    """1 / mass and exp(-damping dt) are worked out once, and every window reads them."""
    tune = ("scene.mass", "scene.damping", *STATE)
    points, still = [[0.0, 0.3], [0.9, 0.4]], np.zeros((2, 2))
    scene = ds.MassSpring(
        points, [[0, 1]], stiffness=40.0, rest_length=0.7, damping=0.6, initial_velocity=still, dt=0.01
    )
    short = ds.Problem(scene, None, ds.Travel((1.0, 0.3), point=0), steps=WINDOW, tune=tune)
    whole = ds.Problem(scene, None, short.objective, steps=2 * WINDOW, tune=tune)
    windows, piece = keep(whole, precision="f64", adjoint=ds.Truncated(WINDOW)), keep(short, precision="f64")
    params = windows.params()
    rollout, (_, grad) = windows.rollout(params), windows.value_and_grad(params)
    later = {**params, STATE[0]: rollout.position[WINDOW], STATE[1]: rollout.velocity[WINDOW]}
    first, second = piece.value_and_grad(params)[1], piece.value_and_grad(later)[1]
    for name in ("scene.mass", "scene.damping"):
        assert abs(second[name]) > 1e-3 * abs(first[name])
        assert_near({name: grad[name]}, {name: first[name] + second[name]}, "f64")


def test_loss_and_rollout_are_those_of_the_full_tape(truncated, full):
    params = full.params()
    one, other = full.rollout(params), truncated.rollout(params)
    assert full.value(params) == truncated.value(params) == one.loss == other.loss
    assert truncated.value_and_grad(params)[0] == full.value(params)
    assert_identical(dict(one), dict(other))


def test_the_gradient_is_another_than_the_full_one(truncated, full):
    params = full.params()
    cut, whole = truncated.value_and_grad(params)[1], full.value_and_grad(params)[1]
    assert all(not np.array_equal(cut[name], whole[name]) for name in whole)


def test_pullbacks_are_the_sums_of_those_of_the_windows(truncated, pieces):
    params = truncated.params()
    rng = np.random.default_rng(7)
    rollout, pullback = truncated.vjp(params)
    cotangents = {name: rng.normal(size=rollout[name].shape) for name in ("position", "velocity", "actuation")}
    pulled = []
    for (first, count), piece in zip(windows(), pieces, strict=True):
        own = {name: value[first : first + count + 1] for name, value in cotangents.items()}
        own["actuation"] = own["actuation"][:count]  # of a step, not of a row
        pulled.append(piece.vjp(from_there(params, rollout, first, count))[1](own))
    assert_near(pullback(cotangents), sum_of_windows(pulled), "f64")


def test_what_one_reverse_pass_leaves_the_next_does_not_see(truncated):
    params = truncated.params()
    loss, grad = truncated.value_and_grad(params)
    rollout, pullback = truncated.vjp(params)
    cotangents = {name: np.ones_like(rollout[name]) for name in ("position", "actuation")}
    pulled = pullback(cotangents)
    for _ in range(2):
        again, same = truncated.value_and_grad(params)
        assert again == loss
        assert_identical(grad, same)
        assert_identical(pulled, pullback(cotangents))


def test_environments_are_single_runs_bit_for_bit(truncated):
    params = truncated.params()
    rng = np.random.default_rng(2)
    copies = [{name: value * rng.uniform(0.97, 1.03, value.shape) for name, value in params.items()} for _ in range(3)]
    stacked = {name: np.stack([copy[name] for copy in copies]) for name in params}
    with ds.Simulation(part(), precision="f64", adjoint=ds.Truncated(WINDOW), envs=3, shared=False) as many:
        losses, grads = many.value_and_grad(stacked)
    for env, copy in enumerate(copies):
        loss, grad = truncated.value_and_grad(copy)
        assert losses[env] == loss
        assert_identical({name: value[env] for name, value in grads.items()}, grad)


def test_executors_and_precisions_agree(truncated):
    """A shared mean over two environments that are the same is the same again."""
    params = truncated.params()
    loss, grad = truncated.value_and_grad(params)
    with ds.Simulation(part(), adjoint=ds.Truncated(WINDOW), executor="wide", precision="f32", envs=2) as other:
        again, same = other.value_and_grad(params)
    assert_near(same, grad, "f32")
    assert again == pytest.approx(loss, rel=1e-6)


def test_there_are_no_adjoints_between_windows(truncated):
    with pytest.raises(ds.InputError, match=r"adjoint=Truncated\(window=3\) and 7 steps; adjoints of the state"):
        truncated.adjoints(truncated.params())
    truncated.value_and_grad(truncated.params())
    assert truncated.adjoint_growth is None


@pytest.mark.parametrize("window", [0, -1, 2.5, True, "all", None])
def test_windows_are_whole_numbers(window):
    with pytest.raises(ds.InputError, match=r"Truncated.window is .*, but it must be a whole number of at least 1"):
        ds.Truncated(window)
