"""Estimates of the smoothed loss's gradient, against losses whose smoothed gradient is known in closed form."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import DivergenceError, InputError
from diffsim.gradients.averages import alpha_of, angle
from diffsim.gradients.estimators import GradientEstimate, estimate_gradient


class Bounds:
    """A problem that has only bounds."""

    def __init__(self, **limits):
        self.given = limits

    def limits(self, name):
        return self.given.get(name, (-math.inf, math.inf))


class Copies:
    """Copies of the loss f(x, y), where x is a number and y has two, from x = 0.1 and y = (1, -1).

    ``loss`` and ``slope`` take and return arrays with an axis of copies.
    """

    shared = False

    def __init__(self, loss, slope, envs=8, **limits):
        self.loss, self.slope, self.envs, self.problem = loss, slope, envs, Bounds(**limits)
        self.asked = []
        self.values = 0

    def params(self, seed=0):
        return {"x": np.full(self.envs, 0.1), "y": np.tile([1.0, -1.0], (self.envs, 1))}

    def value_and_grad(self, params):
        self.asked.append({name: value.copy() for name, value in params.items()})
        return self.loss(params["x"], params["y"]), self.slope(params["x"], params["y"])

    @property
    def noise(self):
        """(pairs, 3) the perturbations of the last call, told from what was asked."""
        rows = np.concatenate([self.asked[-1]["x"][:, None], self.asked[-1]["y"]], axis=1)
        return 0.5 * (rows[0 : self.envs // 2 * 2 : 2] - rows[1::2])


class Line:
    """Copies of a loss of a single number, from 0.1."""

    shared = False

    def __init__(self, loss, slope, envs, **limits):
        self.loss, self.slope, self.envs, self.problem = loss, slope, envs, Bounds(**limits)
        self.asked = []

    def params(self, seed=0):
        return {"x": np.full((self.envs,), 0.1)}

    def value_and_grad(self, params):
        self.asked.append(params["x"].copy())
        return self.loss(params["x"]), {"x": self.slope(params["x"])}


def step(envs):
    return Line(lambda x: np.where(x > 0.0, 1.0, 0.0), np.zeros_like, envs)


def bowl(envs=8, **limits):
    """3 x^2 + y1^2 + 2 y2^2."""

    def loss(x, y):
        return 3.0 * x**2 + y[:, 0] ** 2 + 2.0 * y[:, 1] ** 2

    return Copies(loss, lambda x, y: {"x": 6.0 * x, "y": y * [2.0, 4.0]}, envs, **limits)


def waves(envs=8):
    """sin(x) sin(y1) + y2: smooth, and its gradients vary from copy to copy."""

    def slope(x, y):
        s, t = np.sin(x), np.sin(y[:, 0])
        return {"x": np.cos(x) * t, "y": np.stack([s * np.cos(y[:, 0]), np.ones_like(x)], axis=1)}

    return Copies(lambda x, y: np.sin(x) * np.sin(y[:, 0]) + y[:, 1], slope, envs)


def error_of(found, name="zeroth"):
    """Standard error of a number that is the only one."""
    return math.sqrt(float(getattr(found, f"variance_{name}")["x"]))


# The smoothed Heaviside step: F(x) = Phi(x / s), F'(x) = phi(x / s) / s
SMOOTH, SLOPE = 0.6914625, 1.76033


def test_the_step_is_seen_by_the_zeroth_order_only():
    found = estimate_gradient(step(2000), sigma=0.2, rounds=100, seed=3)
    error = error_of(found)
    assert found.samples == 200_000
    # The samples are 12.5 |w| for |w| > 0.1, whose variance is 2.9605.
    assert error == pytest.approx(math.sqrt(2.9605 / 100_000), rel=0.02)
    assert abs(found.zeroth["x"] - SLOPE) < 3.0 * error
    assert found.first["x"] == 0.0
    assert found.variance_first["x"] == 0.0
    assert abs(found.loss - SMOOTH) < 3.0 * math.sqrt(SMOOTH * (1.0 - SMOOTH) / 200_000)
    # The first order has no variance at all, and is found out all the same.
    assert 0.0 < found.alpha < 0.01
    assert abs(found.gradient["x"] - SLOPE) < 3.0 * error + 2.0 * error
    assert found.gradient["x"] == pytest.approx((1.0 - found.alpha) * found.zeroth["x"], rel=1e-12)
    assert math.isnan(found.angle)  # zero has no direction


def test_the_zeroth_order_converges_at_the_rate_of_monte_carlo():
    errors = {}
    for copies in (40, 4000):
        drawn = [estimate_gradient(step(copies), sigma=0.2, seed=seed) for seed in range(100)]
        off = np.array([(found.zeroth["x"] - SLOPE) for found in drawn])
        said = np.array([error_of(found) for found in drawn])
        # in units of the error that the estimate itself reports
        assert 0.75 < np.sqrt(np.mean((off / said) ** 2)) < 1.25
        assert abs(off.mean()) < 3.0 * said.mean() / 10.0
        errors[copies] = np.sqrt(np.mean(off**2))
    assert errors[40] / errors[4000] == pytest.approx(10.0, rel=0.25)


def test_alpha_falls_with_the_samples_where_the_loss_jumps():
    def mean_alpha(copies):
        return np.mean([estimate_gradient(step(copies), sigma=0.2, seed=seed).alpha for seed in range(30)])

    assert mean_alpha(200) / mean_alpha(20_000) == pytest.approx(10.0, rel=0.2)


def test_on_a_bowl_the_first_order_is_exact_and_gets_all():
    sim, sigma = bowl(64), {"x": 0.1, "y": 0.3}
    alphas = []
    for seed in range(40):
        found = estimate_gradient(sim, sigma=sigma, seed=seed)
        # The noise of a pair cancels in a gradient that is linear.
        np.testing.assert_allclose(found.first["x"], 0.6, rtol=1e-12)
        np.testing.assert_allclose(found.first["y"], [2.0, -4.0], rtol=1e-12)
        assert max(np.max(v) for v in found.variance_first.values()) < 1e-25
        assert min(np.min(v) for v in found.variance_zeroth.values()) > 1e-3
        alphas.append(found.alpha)
    assert np.mean(np.array(alphas) > 0.999) >= 0.9  # the bound holds with 95 %
    assert min(alphas) > 0.5
    # smoothing adds half the trace of the Hessian times sigma^2
    losses = [estimate_gradient(sim, sigma=sigma, seed=seed).loss for seed in range(40)]
    expected = 0.03 + 1.0 + 2.0 + 3.0 * 0.1**2 + (1.0 + 2.0) * 0.3**2
    assert abs(np.mean(losses) - expected) < 3.0 * np.std(losses, ddof=1) / math.sqrt(40)


def test_both_orders_estimate_the_same_gradient_and_report_their_variances():
    """E sin(x + w) = exp(-s^2 / 2) sin x; the variance over repeated draws is the reported one, number by number."""
    sx, sy = 0.5, 0.4
    sim = waves(16)
    drawn = [estimate_gradient(sim, sigma={"x": sx, "y": sy}, seed=seed) for seed in range(600)]
    damp = math.exp(-0.5 * (sx**2 + sy**2))
    truth = {"x": damp * math.cos(0.1) * math.sin(1.0), "y": [damp * math.sin(0.1) * math.cos(1.0), 1.0]}
    for order in ("first", "zeroth"):
        for name, expected in truth.items():
            estimates = np.array([getattr(found, order)[name] for found in drawn])
            said = np.mean([getattr(found, f"variance_{order}")[name] for found in drawn], axis=0)
            seen = estimates.var(axis=0, ddof=1)
            np.testing.assert_allclose(said, seen, rtol=0.2, atol=1e-25)
            off = np.abs(estimates.mean(axis=0) - expected)
            assert np.all(off <= 3.5 * np.sqrt(seen / len(drawn)) + 1e-12)


def test_the_samples_of_both_variances_are_pairs():
    sim = waves(6)
    found = estimate_gradient(sim, sigma=0.4, seed=2)
    x, y = sim.asked[0]["x"], sim.asked[0]["y"]
    means = sim.slope(x, y)["x"].reshape(3, 2).mean(axis=1)
    assert found.variance_first["x"] == pytest.approx(np.var(means, ddof=1) / 3, rel=1e-12)
    losses = sim.loss(x, y).reshape(3, 2)
    weighted = (losses[:, 0] - losses[:, 1]) / (2.0 * 0.4**2) * sim.noise[:, 0]
    assert found.variance_zeroth["x"] == pytest.approx(np.var(weighted, ddof=1) / 3, rel=1e-12)


def test_rounds_are_more_samples():
    few = [estimate_gradient(waves(10), sigma=0.4, seed=seed) for seed in range(200)]
    many = estimate_gradient(waves(10), sigma=0.4, rounds=400, seed=1)
    assert (few[0].samples, many.samples) == (10, 4000)
    variance = np.mean([found.variance_zeroth["y"] for found in few], axis=0)
    np.testing.assert_allclose(many.variance_zeroth["y"], variance / 400, rtol=0.25)


def test_each_estimator_gives_what_it_is_named_after():
    kinds = {kind: estimate_gradient(waves(), estimator=kind, sigma=0.4, seed=5) for kind in ("first", "mixed")}
    first, mixed = kinds["first"], kinds["mixed"]
    for name in ("x", "y"):
        np.testing.assert_array_equal(first.gradient[name], mixed.first[name])
        blend = mixed.alpha * mixed.first[name] + (1.0 - mixed.alpha) * mixed.zeroth[name]
        np.testing.assert_allclose(mixed.gradient[name], blend, rtol=1e-14)
    assert first.alpha == 1.0
    zeroth = estimate_gradient(waves(), estimator="zeroth", sigma=0.4, seed=5)
    assert zeroth.alpha == 0.0
    np.testing.assert_array_equal(zeroth.gradient["y"], mixed.zeroth["y"])
    assert np.isnan(zeroth.first["y"]).all()
    assert np.isnan(zeroth.variance_first["y"]).all()
    assert math.isnan(zeroth.angle)


def test_the_zeroth_order_runs_no_gradient_where_it_need_not():
    class Valued(Copies):
        def value(self, params):
            self.values += 1
            return self.loss(params["x"], params["y"])

    sim = waves()
    valued = Valued(sim.loss, sim.slope)
    found, other = (estimate_gradient(s, estimator="zeroth", seed=4) for s in (valued, sim))
    assert (valued.values, len(valued.asked), len(sim.asked)) == (1, 0, 1)
    np.testing.assert_array_equal(found.gradient["y"], other.gradient["y"])
    estimate_gradient(valued, estimator="mixed")
    assert (valued.values, len(valued.asked)) == (1, 1)


def test_copies_are_pairs_around_the_point_with_the_noise_that_was_asked_for():
    sim = bowl(2000)
    estimate_gradient(sim, {"x": 2.0, "y": [3.0, 4.0]}, sigma={"*": 0.5, "x": 0.01}, seed=2)
    x, y = sim.asked[0]["x"], sim.asked[0]["y"]
    np.testing.assert_allclose(x[0::2] + x[1::2], 4.0, rtol=1e-14)
    np.testing.assert_allclose(y[0::2] + y[1::2], np.tile([6.0, 8.0], (1000, 1)), rtol=1e-14)
    deviations = np.array([0.01, 0.5, 0.5])
    np.testing.assert_allclose(sim.noise.std(axis=0), deviations, rtol=0.1)
    assert np.all(np.abs(np.corrcoef(sim.noise.T) - np.eye(3)) < 0.1)
    assert np.all(np.abs(sim.noise.mean(axis=0)) < 4.0 * deviations / math.sqrt(1000))


def test_seeds():
    one, same, other = (estimate_gradient(waves(), seed=seed).gradient["y"] for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, same)
    assert np.all(one[0] != other[0])


def test_the_start_is_the_first_copy_of_the_seed_and_the_noise_is_not_drawn_like_it():
    class Random(Copies):
        def params(self, seed=0):
            rng = np.random.default_rng(seed)
            return {"x": rng.normal(size=self.envs), "y": rng.normal(size=(self.envs, 2))}

    sim = Random(waves().loss, waves().slope)
    estimate_gradient(sim, seed=7, sigma=1.0)
    start = sim.params(7)
    np.testing.assert_allclose(sim.asked[0]["y"][0] + sim.asked[0]["y"][1], 2.0 * start["y"][0], rtol=1e-12)
    drawn = np.concatenate([start["x"], start["y"].reshape(-1)])
    assert not np.isclose(sim.noise[..., None], drawn, rtol=1e-3).any()


def test_units_of_a_parameter_change_nothing_but_its_units():
    """The same loss of x counted in thousands."""
    plain, sim = estimate_gradient(waves(), sigma=0.3, seed=1), waves()
    thousands = Copies(
        lambda x, y: sim.loss(x / 1e3, y),
        lambda x, y: {"x": sim.slope(x / 1e3, y)["x"] / 1e3, "y": sim.slope(x / 1e3, y)["y"]},
    )
    scaled = estimate_gradient(thousands, {"x": 100.0, "y": [1.0, -1.0]}, sigma={"x": 300.0, "y": 0.3}, seed=1)
    assert 0.05 < plain.alpha < 0.999
    for name in ("alpha", "radius", "angle", "loss"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name), rel=1e-9)
    np.testing.assert_allclose(scaled.gradient["x"] * 1e3, plain.gradient["x"], rtol=1e-9)
    np.testing.assert_allclose(scaled.gradient["y"], plain.gradient["y"], rtol=1e-9)


def test_accuracy_is_gamma():
    """With one sigma, all norms are sigma times those of the gradient."""
    sim, sigma = step(400), 0.2
    free = estimate_gradient(sim, sigma=sigma, seed=2)
    apart = sigma * abs(free.first["x"] - free.zeroth["x"])
    assert free.radius == pytest.approx(1.96 * sigma * error_of(free), rel=1e-12)
    assert free.alpha == pytest.approx(free.radius / apart, rel=1e-12)  # gamma is twice the radius
    assert estimate_gradient(sim, sigma=sigma, seed=2, accuracy=0.99 * free.radius).alpha == 0.0
    tight = estimate_gradient(sim, sigma=sigma, seed=2, accuracy=1.5 * free.radius)
    assert tight.alpha == pytest.approx(0.5 * free.radius / apart, rel=1e-12)
    assert estimate_gradient(sim, sigma=sigma, seed=2, accuracy=1e3).alpha == 1.0  # no variance in the first order


@pytest.mark.parametrize("seed", range(30))
def test_the_closed_form_of_alpha_is_the_constrained_minimum(seed):
    rng = np.random.default_rng(seed)
    s1, s0, apart, radius, accuracy = rng.exponential([1.0, 1.0, 1.0, 0.3, 1.0])
    alphas = np.linspace(0.0, 1.0, 100_001)
    allowed = radius + alphas * apart <= accuracy
    found = alpha_of(s1, s0, apart, radius, accuracy)
    if not allowed.any():
        assert found == 0.0
        return
    variance = alphas**2 * s1 + (1.0 - alphas) ** 2 * s0
    assert found == pytest.approx(alphas[allowed][np.argmin(variance[allowed])], abs=1e-5)


def test_alpha_at_the_edges():
    assert alpha_of(0.0, 1.0, 0.0, 0.1, 0.2) == 1.0
    assert alpha_of(1.0, 0.0, 0.0, 0.0, 0.0) == 0.0
    assert alpha_of(0.0, 0.0, 0.0, 0.0, 0.0) == 1.0  # a constant: both are right
    assert alpha_of(0.0, 0.0, 2.0, 0.0, 0.0) == 0.0
    assert alpha_of(math.inf, 1.0, 1.0, 0.1, 9.0) == 0.0
    assert alpha_of(math.inf, math.inf, 1.0, math.inf, math.inf) == 0.0
    assert alpha_of(math.nan, 1.0, 1.0, 0.1, 9.0) == 0.0
    assert alpha_of(1.0, math.nan, 1.0, math.nan, math.nan) == 0.0


def test_angles():
    assert angle(np.array([1.0, 0.0]), np.array([1e200, 1e200])) == pytest.approx(45.0, rel=1e-12)
    assert angle(np.array([1.0, 2.0]), np.array([-1e-200, -2e-200])) == pytest.approx(180.0, rel=1e-12)
    assert angle(np.array([1.0, 1e-9]), np.array([1.0, 0.0])) == pytest.approx(math.degrees(1e-9), rel=1e-6)
    assert math.isnan(angle(np.zeros(2), np.ones(2)))
    assert math.isnan(angle(np.array([np.inf, 1.0]), np.ones(2)))


def test_copies_stay_within_the_bounds_and_what_is_smoothed_is_the_projected_loss():
    """The loss x, bounded at where it is taken: half of the copies move."""
    sim = Line(lambda x: x, np.ones_like, 4000, x=(0.1, math.inf))
    found = estimate_gradient(sim, sigma=0.2, rounds=4, seed=1)
    assert min(asked.min() for asked in sim.asked) == 0.1
    assert found.best_params["x"] >= 0.1
    for order in ("first", "zeroth"):
        assert abs(getattr(found, order)["x"] - 0.5) < 3.0 * error_of(found, order) + 1e-12
    assert abs(found.loss - (0.1 + 0.2 / math.sqrt(2.0 * math.pi))) < 0.004


def spoilt(sim, bad_loss=(), bad_gradient=()):
    """The copies with these losses and gradients not finite."""
    right, slope = sim.loss, sim.slope

    def loss(x, y):
        found = right(x, y)
        found[list(bad_loss)] = np.nan
        return found

    def worse(x, y):
        found = {name: np.array(value) for name, value in slope(x, y).items()}
        found["y"][list(bad_gradient), 1] = np.inf
        return found

    sim.loss, sim.slope = loss, worse
    return sim


def test_what_is_not_finite_is_left_out_and_counted():
    sim = spoilt(waves(12), bad_loss=[3], bad_gradient=[3, 4, 8, 9])
    found = estimate_gradient(sim, sigma=0.4, seed=6)
    assert (found.samples, found.dropped) == (12, 4)
    kept = np.array([0, 1, 2, 5, 6, 7, 10, 11])
    x, y = sim.asked[0]["x"], sim.asked[0]["y"]
    slopes, losses = sim.slope(x, y), sim.loss(x, y)
    np.testing.assert_allclose(found.first["x"], slopes["x"][kept].mean(), rtol=1e-12)
    np.testing.assert_allclose(found.first["y"], slopes["y"][kept].mean(axis=0), rtol=1e-12)
    pairs = [0, 2, 3, 4, 5]  # the gradients do not matter here
    weighted = [(losses[2 * k] - losses[2 * k + 1]) / (2.0 * 0.4**2) * sim.noise[k] for k in pairs]
    np.testing.assert_allclose([found.zeroth["x"], *found.zeroth["y"]], np.mean(weighted, axis=0), rtol=1e-12)
    variance = np.var(weighted, axis=0, ddof=1) / 5
    np.testing.assert_allclose([found.variance_zeroth["x"], *found.variance_zeroth["y"]], variance, rtol=1e-12)
    assert found.loss == pytest.approx(np.nanmean(losses), rel=1e-12)
    assert np.isfinite(found.gradient["y"]).all()


def test_variances_stay_right_where_copies_are_missing():
    drawn = []
    for seed in range(600):
        sim = spoilt(waves(12), bad_gradient=[1, 4, 6, 7])
        drawn.append(estimate_gradient(sim, estimator="first", sigma=0.5, seed=seed))
    said = np.mean([found.variance_first["x"] for found in drawn])
    seen = np.var([found.first["x"] for found in drawn], ddof=1)
    assert said == pytest.approx(seen, rel=0.2)


def test_one_order_is_enough():
    everything = range(8)
    found = estimate_gradient(spoilt(waves(), bad_gradient=everything), sigma=0.4)
    assert (found.alpha, found.dropped) == (0.0, 8)
    np.testing.assert_array_equal(found.gradient["y"], found.zeroth["y"])
    found = estimate_gradient(spoilt(waves(), bad_loss=[0, 3, 4, 7]), sigma=0.4)  # one of each pair
    assert (found.alpha, found.dropped) == (1.0, 4)
    np.testing.assert_array_equal(found.gradient["y"], found.first["y"])
    assert np.isnan(found.zeroth["x"])
    found = estimate_gradient(
        spoilt(waves(), bad_gradient=range(2, 8)), sigma=0.4
    )  # the variance of one pair is unknown
    assert found.alpha == 0.0


@pytest.mark.parametrize(
    ("estimator", "bad", "array", "message"),
    [
        ("first", {"bad_gradient": range(8)}, "gradient", "has a finite gradient"),
        ("first", {"bad_loss": range(8)}, "loss", "has a finite loss"),
        ("zeroth", {"bad_loss": [0, 2, 4, 6]}, "loss", "has a pair of finite losses"),
        ("mixed", {"bad_loss": range(8)}, "loss", "none of the 8 copies with perturbed parameters has a finite loss"),
        ("mixed", {"bad_loss": [1, 2, 4, 6], "bad_gradient": range(8)}, "gradient", "has a finite gradient"),
    ],
)
def test_nothing_left_is_a_divergence(estimator, bad, array, message):
    with pytest.raises(DivergenceError, match=message) as caught:
        estimate_gradient(spoilt(waves(), **bad), estimator=estimator)
    assert caught.value.array == array


def test_gradients_too_large_to_be_squared():
    sim = waves()
    sim.slope = lambda x, y: {"x": np.full_like(x, 1e200) * np.sign(x), "y": np.zeros_like(y)}
    found = estimate_gradient(sim, sigma=0.4, seed=1)
    assert found.alpha == 0.0
    assert math.isinf(found.variance_first["x"])
    np.testing.assert_array_equal(found.gradient["x"], found.zeroth["x"])


def test_an_odd_number_of_copies_has_the_point_itself():
    even, odd = (estimate_gradient(bowl(envs), sigma=0.3, seed=3) for envs in (8, 9))
    assert math.isnan(even.centre)
    assert odd.centre == pytest.approx(3.03, rel=1e-14)
    assert (even.samples, odd.samples) == (8, 8)
    # no sample of the smoothed loss: all else is as without it
    np.testing.assert_array_equal(odd.gradient["y"], even.gradient["y"])
    assert odd.loss == even.loss


def test_the_best_copy_is_one_that_was_evaluated():
    sim = bowl(8)
    found = estimate_gradient(sim, sigma=0.3, rounds=5, seed=3)
    losses = np.array([sim.loss(asked["x"], asked["y"]) for asked in sim.asked])
    at, copy = np.unravel_index(np.argmin(losses), losses.shape)
    assert found.best_loss == losses.min()
    assert found.best_copy == copy
    np.testing.assert_array_equal(found.best_params["y"], sim.asked[at]["y"][copy])
    assert found.best_params["x"].shape == ()
    alone = Line(lambda x: np.abs(x - 0.1), np.sign, 3)
    centre = estimate_gradient(alone, estimator="first", sigma=0.3)
    assert (centre.best_loss, centre.best_copy, float(centre.best_params["x"])) == (0.0, 2, 0.1)


BAD = [
    ({"estimator": "median"}, r"estimate_gradient\(estimator\) is 'median', but it must be one of 'first', 'zeroth'"),
    ({"rounds": 0}, r"estimate_gradient\(rounds\) is 0"),
    ({"seed": -1}, r"estimate_gradient\(seed\) is -1"),
    ({"accuracy": 0.0}, r"estimate_gradient\(accuracy\) is 0, but it must be greater than 0"),
    ({"sigma": 0.0}, r"estimate_gradient\(sigma\) is 0, but it must be greater than 0"),
    ({"sigma": {"x": 0.1, "y": -1.0}}, r"estimate_gradient\(sigma\)\['y'\] is -1"),
    ({"sigma": {"z*": 0.1}}, r"estimate_gradient\(sigma\) names 'z\*', but the parameters are x, y"),
    ({"sigma": {"x": 0.1}}, r"estimate_gradient\(sigma\) gives nothing for y; name it"),
    ({"params": {"x": 0.1}}, "params holds x, but exactly x, y is needed"),
    (
        {"params": {"x": 0.1, "y": np.zeros((8, 2))}},
        r"params\['y'\] has shape \(8, 2\), but \(2,\) is needed",
    ),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_arguments_are_named_before_anything_runs(settings, message):
    sim = waves()
    with pytest.raises(InputError, match=message):
        estimate_gradient(sim, **settings)
    assert sim.asked == []


def test_a_simulation_that_does_not_fit_is_told_how_to_make_one():
    sim = waves()
    sim.shared = True
    with pytest.raises(InputError, match=r"share them; make one with Simulation\(problem, envs=16, shared=False\)"):
        estimate_gradient(sim)
    with pytest.raises(InputError, match=r"at least two copies to perturb, .* has envs=1; make one with Simulation"):
        estimate_gradient(waves(1))
    with pytest.raises(InputError, match=r"needs two pairs of copies .* has envs=3; make one"):
        estimate_gradient(waves(3))
    assert estimate_gradient(waves(3), rounds=2).samples == 4
    assert estimate_gradient(waves(2), estimator="first").samples == 2
    empty = waves()
    empty.params = lambda seed=0: {}
    with pytest.raises(InputError, match="nothing to tune"):
        estimate_gradient(empty)


TABLE = """\
parameter       first   std error      zeroth   std error       mixed
phase       3.000e+00   1.000e-01   4.000e+00   2.000e-01   3.200e+00
w1          5.000e+00   5.000e-01   0.000e+00   0.000e+00   4.000e+00
alpha 0.800, first and zeroth 12.5 degrees apart, smoothed loss -0.25, 16 samples, 1 left out
disagrees: the averaged gradient is not the slope that the losses show, because of jumps or chaos; tune with \
estimator="mixed" or "zeroth", with windows, or over a shorter time"""


def test_the_verdict_on_losses_whose_slope_is_known():
    smooth = estimate_gradient(bowl(16), sigma=0.05, rounds=8)
    assert (smooth.verdict, smooth.exit_status) == ("agrees", 0)
    few = [estimate_gradient(bowl(8), sigma=0.05, rounds=2, seed=seed).verdict for seed in range(300)]
    assert few.count("disagrees") <= 6  # of 300; three were seen
    jumps = estimate_gradient(step(200), sigma=0.2, rounds=10, seed=3)
    assert (jumps.verdict, jumps.exit_status) == ("disagrees", 1)
    assert str(jumps).splitlines()[-1].startswith("disagrees: the averaged gradient is not the slope that the losses")
    flat = Line(lambda x: 1e-3 * x + np.sin(1e9 * x), lambda x: 1e-3 + 1e9 * np.cos(1e9 * x), 16)
    noisy = estimate_gradient(flat, sigma=0.2, rounds=4)
    assert (noisy.verdict, noisy.exit_status) == ("too noisy", 3)
    alone = estimate_gradient(bowl(16), sigma=0.05, estimator="zeroth")
    assert (alone.verdict, alone.exit_status) == ("not compared", 3)
    assert alone.to_dict()["verdict"] == "not compared"


def test_sigma_is_counted_in_the_scales():
    class Stiff(Copies):
        def params(self, seed=0):
            return {"scene.stiffness": np.full(self.envs, 3000.0), "scene.mass": np.full((self.envs, 2), 0.5)}

    def loss(params):
        return params["scene.stiffness"] ** 2

    sim = Stiff(None, None, 8, **{"scene.mass": (0.0, 4.0)})
    sim.value = loss
    found = estimate_gradient(sim, sigma=0.01, estimator="zeroth")
    assert found.sigma == pytest.approx({"scene.stiffness": 30.0, "scene.mass": 0.04})
    found = estimate_gradient(sim, sigma=0.01, estimator="zeroth", scale={"*": 2.0})
    assert found.sigma == pytest.approx({"scene.stiffness": 0.02, "scene.mass": 0.02})
    with pytest.raises(InputError, match=r"estimate_gradient\(scale\) names 'mass', but the parameters are scene"):
        estimate_gradient(sim, scale={"mass": 2.0})


def test_the_table_and_json():
    found = GradientEstimate(
        estimator="mixed",
        loss=-0.25,
        gradient={"phase": np.array(3.2), "w1": np.array([0.0, 4.0])},
        first={"phase": np.array(3.0), "w1": np.array([3.0, 4.0])},
        zeroth={"phase": np.array(-4.0), "w1": np.zeros(2)},
        variance_first={"phase": np.array(0.01), "w1": np.array([0.09, 0.16])},
        variance_zeroth={"phase": np.array(0.04), "w1": np.zeros(2)},
        alpha=0.8,
        radius=math.inf,
        angle=12.5,
        samples=16,
        dropped=1,
        sigma={"phase": 0.1, "w1": 0.1},
        centre=math.nan,
        best_loss=-1.0,
        best_copy=3,
        best_params={"phase": np.array(1.0), "w1": np.array([1.0, 2.0])},
    )
    assert str(found) == TABLE
    page = found._repr_html_()
    assert "<th>w1</th><td>5.000e+00</td><td>5.000e-01</td>" in page
    assert "<p>disagrees: the averaged gradient is not the slope" in page
    read = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert read["gradient"] == {"phase": 3.2, "w1": [0.0, 4.0]}
    assert (read["centre"], read["radius"], read["best_copy"]) == (None, None, 3)
    assert read.keys() == {field.name for field in dataclasses.fields(found)} | {"verdict", "advice", "exit_status"}
    assert repr(found) == "GradientEstimate(mixed, loss=-0.25, alpha=0.8, angle=12.5, samples=16, dropped=1)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.loss = 0.0
    unknown = estimate_gradient(waves(), estimator="zeroth")
    assert "nan" in str(unknown)
    json.dumps(unknown.to_dict(), allow_nan=False)


# A real simulation: a ball in free flight, thrown at a target. The loss is a parabola in its initial velocity.

STEPS, DT, TARGET = 10, 0.05, np.array([1.0, 0.5])


def throw(**settings):
    scene = ds.MassSpring(points=[[0.0, 1.0]], initial_velocity=(1.5, 2.0), gravity=(0.0, -9.8), dt=DT)
    reach = ds.ReachTarget(target=TARGET, point=0)
    problem = ds.Problem(scene, objective=reach, steps=STEPS, tune=("scene.initial_velocity",))
    return ds.Simulation(problem, precision="f64", shared=False, **settings)


@pytest.mark.parametrize("moved", [False, True])
def test_a_simulation(moved):
    """Copies may also start at places of their own; then the loss is smoothed over these too."""
    places = np.random.default_rng(0).normal(loc=(0.0, 1.0), scale=0.2, size=(6, 1, 2)).repeat(2, axis=0)
    states = {"initial_states": {"initial_position": places}} if moved else {}
    velocity, duration = np.array([1.5, 2.0]), STEPS * DT
    with throw(envs=12, **states) as sim:
        # Where a copy ends without noise; noise adds its product with the duration.
        ends = sim.rollout({"scene.initial_velocity": velocity}).position[:, -1, 0]
        settings = {"sigma": 0.1, "scale": {"*": 1.0}, "rounds": 40, "seed": 1}  # 0.1 m/s
        found = ds.estimate_gradient(sim, {"scene.initial_velocity": velocity}, **settings)
    exact = np.mean(2.0 * duration * (ends - TARGET), axis=0)
    name = "scene.initial_velocity"
    np.testing.assert_allclose(found.first[name], exact, rtol=1e-12)
    error = np.sqrt(found.variance_zeroth[name])
    assert np.all(error > 0.0)
    assert np.all(np.abs(found.zeroth[name] - exact) < 3.0 * error)
    smoothed = np.mean(np.sum((ends - TARGET) ** 2, axis=1)) + 2 * (0.1 * duration) ** 2
    assert found.loss == pytest.approx(smoothed, rel=0.02)
    assert found.alpha > (0.9 if moved else 0.999)  # the places count as samples, too
    assert found.dropped == 0
