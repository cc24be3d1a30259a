"""`tune` with an estimator, with windows, and what both leave in the history; on simulations of a few lines."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import DivergenceError, InputError
from diffsim.gradients.estimators import Sampler
from diffsim.tuning import SGD, Adam, NormalisedGradientDescent, Run, load_history, load_params, tune
from diffsim.viewing.curves import best_iteration, plot_loss


class Bounds:
    """A problem that has only bounds."""

    def __init__(self, **limits):
        self.given = limits

    def limits(self, name):
        return self.given.get(name, (-math.inf, math.inf))

    def to_dict(self):
        return {"type": "Bounds"}


class Copies:
    """Copies of the loss (x - 3)^2 + |y|^2, from x = seed and y = (1, -1); not finite where ``bad(x)``."""

    shared = False

    def __init__(self, envs=8, bad=None, **limits):
        self.envs, self.bad, self.problem = envs, bad, Bounds(**limits)
        self.asked = []

    def params(self, seed=0):
        return {"x": seed + np.arange(self.envs) * 1.0, "y": np.tile([1.0, -1.0], (self.envs, 1))}

    def losses(self, params):
        losses = (params["x"] - 3.0) ** 2 + (params["y"] ** 2).sum(axis=1)
        return losses if self.bad is None else np.where(self.bad(params["x"]), np.nan, losses)

    def value_and_grad(self, params):
        self.asked.append({name: value.copy() for name, value in params.items()})
        return self.losses(params), {"x": 2.0 * (params["x"] - 3.0), "y": 2.0 * params["y"]}

    def centres(self):
        """(evaluations,) x of the search points, about which the pairs lie."""
        return np.array([0.5 * (asked["x"][0] + asked["x"][1]) for asked in self.asked])


class Stairs(Copies):
    """The loss is the floor of 4 |x - 3|: its gradient is zero wherever there is one."""

    def losses(self, params):
        return np.floor(4.0 * np.abs(params["x"] - 3.0))

    def value_and_grad(self, params):
        return super().value_and_grad(params)[0], {name: np.zeros_like(value) for name, value in params.items()}


def quiet(sim, **settings):
    return tune(sim, **{"progress": False, "estimator": "mixed", **settings})


def test_an_iteration_is_an_estimate_and_a_step():
    sim, sampler = Copies(), Sampler(Copies(), estimator="mixed", sigma=0.2, seed=4)
    result = quiet(sim, optimizer=SGD(0.1), iterations=3, seed=4, sigma=0.2)
    point = {"x": np.array(4.0), "y": np.array([1.0, -1.0])}  # the first copy of the seed
    for record in result.history:
        found = sampler.estimate(point)
        assert record["loss"] == found.loss
        assert record["alpha"] == found.alpha
        assert record["variance_first"] == pytest.approx(sum(v.sum() for v in found.variance_first.values()))
        assert record["variance_zeroth"] == pytest.approx(sum(v.sum() for v in found.variance_zeroth.values()))
        norm = math.sqrt(sum(np.sum(g**2) for g in found.gradient.values()))
        assert record["gradient_norm"] == pytest.approx(norm, rel=1e-12)
        last, point = point, {name: value - 0.1 * found.gradient[name] for name, value in point.items()}
    assert result.history[0]["variance_zeroth"] > 1.0
    for name, value in last.items():
        np.testing.assert_allclose(result.last_params[name], value, rtol=1e-12)


@pytest.mark.parametrize("estimator", ["first", "zeroth", "mixed"])
def test_every_estimator_finds_the_bottom(estimator):
    sim = Copies(16)
    result = quiet(sim, estimator=estimator, optimizer=Adam(0.1), iterations=150, sigma=0.05)
    np.testing.assert_allclose(result.last_params["x"], 3.0, atol=0.05)
    np.testing.assert_allclose(result.last_params["y"], 0.0, atol=0.05)
    alphas = np.array([record["alpha"] for record in result.history])
    if estimator == "mixed":
        assert np.median(alphas) > 0.99
    else:
        assert set(alphas) == {1.0 if estimator == "first" else 0.0}


def test_stairs_are_descended_only_by_what_sees_them():
    settings = {"optimizer": NormalisedGradientDescent(0.1), "iterations": 60, "sigma": 0.2}
    for estimator, reaches in (("zeroth", True), ("mixed", True), ("first", False)):
        result = quiet(Stairs(32), estimator=estimator, **settings)
        distance = abs(result.last_params["x"] - 3.0)
        assert (distance < 0.5) == reaches
        assert (result.best_loss == 0.0) == reaches
    alone = tune(Stairs(1), optimizer=NormalisedGradientDescent(0.1), iterations=60, progress=False)
    assert alone.last_params["x"] == 0.0


def test_the_noise_is_fresh_in_each_iteration_and_the_same_in_another_run():
    runs = []
    for seed in (0, 0, 1):
        sim = Copies()
        result = quiet(sim, iterations=5, seed=seed, params={"x": np.array(0.0), "y": np.zeros(2)})
        runs.append((np.array([asked["x"] for asked in sim.asked]), result))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert np.all(runs[0][0] != runs[2][0])
    noise = runs[0][0][:, 0] - runs[0][0][:, 1]
    assert len(np.unique(noise)) == 5
    losses = [[record["loss"] for record in result.history] for _, result in runs]
    assert losses[0] == losses[1] != losses[2]


def test_best_are_parameters_that_were_evaluated_with_that_loss():
    sim = Copies()
    result = quiet(sim, optimizer=SGD(0.05), iterations=20, sigma=0.3)
    losses = np.array([sim.losses(asked) for asked in sim.asked])
    assert result.best_loss == losses.min()
    assert (result.best_iteration, result.best_copy) == np.unravel_index(losses.argmin(), losses.shape)
    best = sim.asked[result.best_iteration]
    for name, value in result.best_params.items():
        np.testing.assert_array_equal(value, best[name][result.best_copy])
    np.testing.assert_allclose([r["loss"] for r in result.history], losses.mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal([r["best"] for r in result.history], np.minimum.accumulate(losses.min(axis=1)))
    assert best_iteration(result.history) == result.best_iteration
    assert "losses" not in result.history[0]
    # snapshots are the search points, but for the best
    for iteration, params in result.snapshots:
        if iteration == result.best_iteration:
            np.testing.assert_array_equal(params["x"], result.best_params["x"])
        else:
            np.testing.assert_allclose(params["x"], sim.centres()[iteration], rtol=1e-12)


def test_an_odd_number_of_copies_evaluates_the_search_point_itself():
    sim = Copies(5)
    result = quiet(sim, optimizer=SGD(0.5), iterations=10, sigma=0.2, estimator="first")
    np.testing.assert_allclose([asked["x"][4] for asked in sim.asked], sim.centres(), rtol=1e-12)
    assert result.best_copy == 4  # the first step is to the minimum, and no sample is nearer
    assert result.best_loss == pytest.approx(0.0, abs=1e-25)
    assert result.history[-1]["loss"] > 0.01


def test_scale_is_the_unit_of_sigma_and_of_the_recorded_variance():
    plain, scaled = Copies(6), Copies(6)
    one = quiet(plain, iterations=1, sigma=0.3, estimator="zeroth")
    two = quiet(scaled, iterations=1, sigma=0.3, estimator="zeroth", scale={"y": 10.0})
    (near,), (far,) = plain.asked, scaled.asked
    np.testing.assert_array_equal(near["x"], far["x"])
    y = np.array([1.0, -1.0])
    np.testing.assert_allclose(far["y"] - y, 10.0 * (near["y"] - y), rtol=1e-12)
    assert two.history[0]["variance_zeroth"] != one.history[0]["variance_zeroth"]
    assert math.isnan(two.history[0]["variance_first"])
    sampler = Sampler(Copies(6), estimator="zeroth", sigma={"x": 0.3, "y": 3.0})
    found = sampler.estimate(sampler.start)
    expected = found.variance_zeroth["x"] + 100.0 * found.variance_zeroth["y"].sum()
    assert two.history[0]["variance_zeroth"] == pytest.approx(float(expected), rel=1e-12)
    by_name = Copies(6)
    quiet(by_name, iterations=1, sigma={"*": 0.3, "y": 3.0}, estimator="zeroth")
    np.testing.assert_allclose(by_name.asked[0]["y"], far["y"], rtol=1e-12)


def test_samples_stay_within_the_bounds():
    sim = Copies(16, x=(-math.inf, 0.5))
    result = quiet(sim, optimizer=SGD(0.1), iterations=10, sigma=0.3)
    assert max(asked["x"].max() for asked in sim.asked) == 0.5
    assert result.best_params["x"] <= 0.5


def test_copies_that_diverge_are_counted_and_a_point_where_all_do_is_rejected():
    sim = Copies(8, bad=lambda x: x > 1.0)
    result = quiet(sim, optimizer=SGD(0.2), iterations=30, sigma=0.3, estimator="first")
    lost = np.array([np.sum(asked["x"] > 1.0) for asked in sim.asked])
    assert [record.get("dropped", 0) for record in result.history] == [k if k < 8 else 0 for k in lost]
    rejected = [record["iteration"] for record in result.history if "rejected" in record]
    assert rejected == np.flatnonzero(lost == 8).tolist()
    assert 0 in lost
    assert rejected
    first = result.history[rejected[0]]
    assert first["rejected"].startswith("none of the 8 copies with perturbed parameters has a finite loss")
    assert math.isnan(first["loss"])
    assert "alpha" not in first
    assert result.best_params["x"] <= 1.0
    with pytest.raises(DivergenceError, match="take a smaller sigma"):
        quiet(Copies(8, bad=lambda x: x > -9.0), iterations=3)


def test_going_on_from_the_last_parameters():
    once = quiet(Copies(), iterations=3)
    assert once.last_params["x"].shape == ()
    sim = Copies()
    quiet(sim, iterations=1, params=once.last_params)
    np.testing.assert_allclose(sim.centres(), once.last_params["x"], rtol=1e-12)


def test_the_callback_sees_the_search_point():
    seen = []
    sim = Copies()
    quiet(sim, iterations=3, callback=lambda record, params: seen.append((float(params["x"]), record["alpha"])))
    np.testing.assert_allclose([x for x, _ in seen], sim.centres(), atol=1e-12)


class Widened(Copies):
    """Copies that can be made again with a window."""

    adjoint_growth = None

    def __init__(self, *args, window=None, **settings):
        super().__init__(*args, **settings)
        self.window, self.made, self.open = window, [], True

    def again(self, *, window=None):
        self.made.append(Widened(self.envs, self.bad, window=window))
        return self.made[-1]

    def close(self):
        self.open = False


@pytest.mark.parametrize("estimator", [None, "mixed"])
def test_a_window_runs_on_the_simulation_made_again_and_closes_it(estimator):
    sim = Widened()
    result = quiet(sim, iterations=4, window=5, estimator=estimator)
    (made,) = sim.made
    assert made.window == 5
    assert (len(made.asked), len(sim.asked)) == (4, 0)
    assert (made.open, sim.open) == (False, True)
    assert len(result.history) == 4


def test_the_windowed_simulation_is_closed_whatever_happens():
    made = []
    for settings, error in (
        ({"scale": {"z": 1.0}}, InputError),
        ({"sigma": -1.0}, InputError),
        ({"params": {}}, InputError),
    ):
        sim = Widened()
        with pytest.raises(error):
            quiet(sim, window=5, **settings)
        made += sim.made  # none where it is seen without one
    assert [each.open for each in made] == [False]
    sim = Widened(bad=lambda x: x > -99.0)
    with pytest.raises(DivergenceError):
        quiet(sim, window=5)
    assert not sim.made[0].open


BAD = [
    ({"estimator": "median"}, r"tune\(estimator\) is 'median', but it must be one of 'first', 'zeroth', 'mixed'"),
    ({"sigma": 0.0}, r"tune\(sigma\) is 0, but it must be greater than 0"),
    ({"sigma": {"x": 1.0}}, r"tune\(sigma\) gives nothing for y"),
    ({"sigma": {"z": 1.0}}, r"tune\(sigma\) names 'z', but the parameters are x, y"),
    ({"scale": {"z": 1.0}}, r"tune\(scale\) names 'z', but the parameters are x, y"),
    ({"window": 3}, r"tune\(window\) is 3, but a Copies cannot be made again with a window"),
    ({"window": 0}, r"tune\(window\) is 0, but it must be a whole number of at least 1"),
    ({"params": {"x": np.zeros(8), "y": np.zeros((8, 2))}}, r"tune\(params\)\['x'\] has shape \(8,\), but \(\) is"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_arguments_are_named_before_anything_runs(settings, message):
    sim = Copies()
    with pytest.raises(InputError, match=message):
        quiet(sim, **settings)
    assert sim.asked == []


def test_a_simulation_that_does_not_fit_is_told_how_to_make_one():
    sim = Copies()
    sim.shared = True
    message = r"tune\(estimator='first'\) needs copies with parameters of their own, .* shared=False\)"
    with pytest.raises(InputError, match=message):
        quiet(sim, estimator="first")
    with pytest.raises(
        InputError, match=r"tune\(estimator='mixed'\) needs at least two copies .* envs=16, shared=False"
    ):
        quiet(Copies(1))
    with pytest.raises(InputError, match=r"tune\(estimator='mixed'\) needs two pairs of copies"):
        quiet(Copies(3))


class Growing(Copies):
    """Tells how its adjoint grew: copy k by 1 + k / 8, in the last evaluation."""

    told = True

    @property
    def adjoint_growth(self):
        if not self.told or not self.asked:
            return None
        return 1.25 if self.shared else 1.0 + np.arange(self.envs) / 8


def test_growth_is_that_of_the_recorded_copy():
    own = tune(Growing(6), iterations=2, progress=False)
    # the start of copy 3 is the minimum in x
    assert [record["growth"] for record in own.history] == [1.0 + 3 / 8] * 2
    smoothed = quiet(Growing(6), iterations=2)
    assert [record["growth"] for record in smoothed.history] == [1.0 + 2.5 / 8] * 2
    assert "growth" not in quiet(Growing(6), iterations=1, estimator="zeroth").history[0]  # runs no gradient

    class Silent(Growing):
        told = False

    class Shared(Growing):
        shared = True

        def params(self, seed=0):
            return {"x": np.array(0.0)}

        def value_and_grad(self, params):
            self.asked.append(params)
            return float(params["x"] ** 2), {"x": 2.0 * params["x"]}

    assert "growth" not in tune(Silent(2), iterations=1, progress=False).history[0]
    assert tune(Shared(3), iterations=1, progress=False).history[0]["growth"] == 1.25

    class Unknown(Shared):
        @property
        def adjoint_growth(self):
            return np.nan

    assert math.isnan(tune(Unknown(3), iterations=1, progress=False).history[0]["growth"])


def test_an_evaluation_that_ended_in_an_exception_has_no_growth():
    class Raising(Growing):
        def value_and_grad(self, params):
            if len(self.asked) == 1:
                self.asked.append(params)
                raise DivergenceError("velocity of env 0 is inf", array="velocity", env=0, step=2)
            return super().value_and_grad(params)

    history = tune(Raising(2), iterations=3, progress=False).history
    assert ["growth" in record for record in history] == [True, False, True]


def test_the_files_and_the_plot_take_all_of_it(tmp_path):
    class Spoilt(Growing):
        def losses(self, params):
            losses = super().losses(params)
            losses[0] = np.nan if len(self.asked) == 1 else losses[0]
            return losses

    result = quiet(Spoilt(), iterations=4, sigma={"*": 0.2}, estimator="zeroth", run=Run(tmp_path))
    read = load_history(tmp_path)
    assert [list(record) for record in read] == [list(record) for record in result.history]
    assert read[0]["dropped"] == 1
    assert math.isnan(read[0]["variance_first"])
    for mine, theirs in zip(read, result.history, strict=True):
        np.testing.assert_equal(mine, theirs)
    settings = json.loads((tmp_path / "problem.json").read_bytes())["settings"]
    assert (settings["estimator"], settings["sigma"], settings["window"]) == ("zeroth", {"*": 0.2}, None)
    best, last = (load_params(tmp_path, which) for which in ("best", "last"))
    np.testing.assert_array_equal(best["y"], result.best_params["y"])
    assert last["y"].shape == (2,)
    assert plot_loss(result.history, tmp_path / "loss.png").stat().st_size > 1000
    tune(Copies(2), iterations=1, progress=False, run=Run(tmp_path / "plain"))
    settings = json.loads((tmp_path / "plain" / "problem.json").read_bytes())["settings"]
    assert (settings["estimator"], settings["sigma"]) == (None, None)


# A real simulation: an actuated pair of springs.


@pytest.fixture(scope="module")
def simulation():
    scene = ds.MassSpring(
        points=[[0.0, 0.0], [0.31, 0.04], [0.12, -0.27]],
        springs=[[0, 1], [0, 2], [1, 2]],
        stiffness=100.0,
        actuation=0.2,
        fixed=(0,),
        dt=0.02,
    )
    problem = ds.Problem(scene, controller=ds.Sine(), objective=ds.Travel(direction=(1.0, 0.4)), steps=20)
    with ds.Simulation(problem, envs=9, shared=False, adjoint=ds.Checkpointed(every=4)) as found:
        yield found


def test_a_simulation_is_tuned_by_samples(simulation):
    result = ds.tune(simulation, estimator="mixed", iterations=15, progress=False)
    history = result.history
    assert all(0.0 <= record["alpha"] <= 1.0 for record in history)
    assert all(0.0 < record["growth"] < 10.0 for record in history)
    assert history[-1]["loss"] < history[0]["loss"]
    losses = simulation.value(result.best_params)
    np.testing.assert_allclose(losses, result.best_loss, rtol=1e-6)
    assert result.best_loss == min(record["best"] for record in history)


def test_a_window_of_all_steps_is_the_whole_gradient(simulation):
    """The same samples, the same floats; a short window is another gradient and knows no growth."""
    settings = {"estimator": "first", "iterations": 3, "progress": False}
    whole, short = (ds.tune(simulation, window=window, **settings) for window in (20, 5))
    full = ds.tune(simulation, **settings)
    for name, value in full.last_params.items():
        np.testing.assert_array_equal(whole.last_params[name], value)
    assert "growth" not in short.history[0]
    assert short.history[0]["loss"] == full.history[0]["loss"]
    assert short.history[0]["gradient_norm"] != full.history[0]["gradient_norm"]
