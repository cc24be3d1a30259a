"""L-BFGS: the steps of the textbook, a line search that lowers the loss or goes back, bounds, copies, resuming."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import DivergenceError, InputError
from diffsim.tuning import LBFGS, Run, tune


class Bounds:
    """A problem that has only bounds."""

    def __init__(self, limits=None):
        self.given = limits or {}

    def limits(self, name):
        return self.given.get(name, (-math.inf, math.inf))

    def to_dict(self):
        return {"type": "Bounds"}


class Function:
    """A loss of one array "x", with ``copies`` starts beside each other if there is more than one."""

    def __init__(self, value, gradient, start, limits=None):
        self.value, self.gradient = value, gradient
        self.start = np.atleast_2d(np.asarray(start, float))
        self.envs = len(self.start)
        self.shared = self.envs == 1
        self.problem = Bounds(limits)
        self.calls = 0

    def params(self, seed=0):
        return {"x": self.start[0] if self.shared else self.start}

    def value_and_grad(self, params):
        self.calls += 1
        if self.shared:
            return float(self.value(params["x"])), {"x": self.gradient(params["x"])}
        losses = np.array([self.value(x) for x in params["x"]])
        return losses, {"x": np.array([self.gradient(x) for x in params["x"]])}


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def slope_of_rosenbrock(x):
    found = np.zeros_like(x)
    found[:-1] = -400.0 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2.0 * (1.0 - x[:-1])
    found[1:] += 200.0 * (x[1:] - x[:-1] ** 2)
    return found


def quiet(sim, iterations=200, **settings):
    return tune(sim, **{"progress": False, "optimizer": LBFGS(), "iterations": iterations, **settings})


def ellipsoid(n=12, seed=0):
    """A quadratic with a condition of 10^4: its Hessian, minimum, and the function."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(n, n)))[0]
    hessian, centre = axes @ np.diag(np.logspace(0, 4, n)) @ axes.T, rng.normal(size=n)
    return (
        hessian,
        centre,
        lambda x: 0.5 * (x - centre) @ hessian @ (x - centre),
        lambda x: hessian @ (x - centre),
    )


def test_with_all_pairs_the_direction_is_that_of_the_inverse_hessian():
    hessian, _, _, gradient = ellipsoid(5)
    optimizer, x = LBFGS(pairs=5), np.zeros((1, 5))
    state = optimizer.start_rows(x)
    # Conjugate steps show all of the curvature: then the next step is Newton's, whatever the starting scale.
    eigen = np.linalg.eigh(hessian)[1].T
    for direction in eigen:
        _, state = optimizer.step_rows(x, gradient(x[0])[None], state, 1.0)
        x = x + 0.3 * direction[None]
    there, _ = optimizer.step_rows(x, gradient(x[0])[None], state, 1.0)
    np.testing.assert_allclose(there[0] - x[0], -np.linalg.solve(hessian, gradient(x[0])), rtol=1e-6, atol=1e-9)


def test_the_first_trial_goes_along_the_gradient_and_is_short():
    optimizer = LBFGS(first_step=0.1)
    gradient = np.array([[3.0, -4.0]])
    there, _ = optimizer.step_rows(np.zeros((1, 2)), gradient, optimizer.start_rows(np.zeros((1, 2))), 1.0)
    np.testing.assert_allclose(there, [[-0.06, 0.08]])


@pytest.mark.parametrize("seed", range(3))
def test_an_ill_conditioned_bowl_needs_as_few_evaluations_as_other_programs_do(seed):
    # SciPy's L-BFGS-B needs 157 to 187 of these; Adam is at a thousandth after as many.
    _, _, value, gradient = ellipsoid(seed=seed)
    result = quiet(Function(value, gradient, np.zeros(12)), target=1e-9 * value(np.zeros(12)))
    assert result.stopped.startswith("the target")
    assert len(result.history) < 190
    adam = quiet(Function(value, gradient, np.zeros(12)), optimizer=ds.Adam(0.1), iterations=len(result.history))
    assert adam.best_loss > 1e4 * result.best_loss


def test_rosenbrock_from_its_usual_start():
    result = quiet(Function(rosenbrock, slope_of_rosenbrock, [-1.2, 1.0]), target=1e-14)
    assert result.best_loss < 1e-14
    assert len(result.history) < 60


def test_accepted_losses_never_rise_and_the_best_is_the_last_accepted():
    result = quiet(Function(rosenbrock, slope_of_rosenbrock, [-1.2, 1.0, -0.5, 0.8]), iterations=60)
    best = [record["best"] for record in result.history]
    assert all(later <= earlier for earlier, later in itertools.pairwise(best))
    np.testing.assert_array_equal(result.last_params["x"], result.best_params["x"])
    assert any(record["loss"] > record["best"] for record in result.history)  # trials that were too long are told


def test_bounds_hold_and_what_they_hold_does_not_spoil_the_curvature_of_the_rest():
    hessian, centre, value, gradient = ellipsoid(6, seed=4)
    shift = centre + np.array([0.5, -9.0, -9.0, 0.3, -9.0, -9.0])  # so that the bound of all is zero
    limits = {"x": (0.0, math.inf)}
    sim = Function(lambda x: value(x + shift), lambda x: gradient(x + shift), np.ones(6), limits)
    x = quiet(sim, iterations=300).best_params["x"]
    assert (x >= 0.0).all()
    # Karush, Kuhn and Tucker: no slope where it is free, and one that leads out where it is held.
    slope, held = gradient(x + shift), x <= 0.0
    assert held.any()
    assert np.abs(slope[~held]).max() < 1e-4 * np.abs(hessian).max()
    assert (slope[held] > 0.0).all()


def test_copies_search_on_their_own():
    starts = np.array([[-1.2, 1.0], [2.0, -1.0], [0.0, 0.5]])
    together = quiet(Function(rosenbrock, slope_of_rosenbrock, starts), iterations=40)
    for k, start in enumerate(starts):
        alone = quiet(Function(rosenbrock, slope_of_rosenbrock, start), iterations=40)
        losses = [record["losses"][k] for record in together.history]
        np.testing.assert_array_equal(losses, [record["loss"] for record in alone.history])


def test_a_wall_is_backed_away_from():
    def value(x):
        if x[0] > 0.9:
            raise DivergenceError("too far", array="x", env=0, step=1)
        return float((x[0] - 0.8) ** 2)

    result = quiet(Function(value, lambda x: 2.0 * (x - 0.8), [0.0]), optimizer=LBFGS(first_step=5.0))
    assert result.best_params["x"][0] == pytest.approx(0.8, abs=1e-6)
    assert any("rejected" in record for record in result.history)


def test_where_no_step_lowers_the_loss_it_ends_and_says_so():
    result = quiet(Function(lambda x: float(np.abs(x).sum()), lambda x: -np.sign(x), [1.0]))  # a gradient that lies
    assert result.stopped == "no step along the gradient lowers the loss any more"
    assert len(result.history) == 21
    assert result.best_params["x"][0] == 1.0


def test_after_eight_refusals_it_forgets_the_curvature():
    # A pair from the steep side is no guide behind the kink.
    def value(x):
        return float(1e3 * x[0] ** 2 if x[0] > 0.0 else 1e-3 * x[0] ** 2 + 1e-3 * x[0])

    def gradient(x):
        return np.array([2e3 * x[0] if x[0] > 0.0 else 2e-3 * x[0] + 1e-3])

    result = quiet(Function(value, gradient, [1.0]), iterations=150)
    assert result.best_loss == pytest.approx(-0.25e-3, rel=0.05)


def problem():
    body = ds.grid((3, 2), spacing=0.1, origin=(0.0, 0.5))
    scene = ds.MassSpring(body.points, body.springs, stiffness=300.0, mass=0.05, fixed=[0, 3], dt=0.004)
    with ds.Simulation(ds.Problem(scene, steps=60, tune=("scene.stiffness",)), precision="f64") as simulation:
        seen = simulation.rollout({"scene.stiffness": np.array(420.0)}).position
    return ds.Problem(scene, None, ds.MatchTrajectory(seen), steps=60, tune=("scene.stiffness",))


def test_a_simulation_is_fitted_in_few_evaluations_and_goes_on_to_the_same_numbers(tmp_path):
    with ds.Simulation(problem(), precision="f64") as simulation:
        settings = {"optimizer": LBFGS(), "progress": False}
        whole = tune(simulation, iterations=16, run=Run(tmp_path / "whole", every=0.0), **settings)
        tune(simulation, iterations=7, run=Run(tmp_path / "parts", every=0.0), **settings)
        parts = tune(simulation, iterations=16, run=Run(tmp_path / "parts", every=0.0), resume=True, **settings)
    assert whole.best_params["scene.stiffness"] == pytest.approx(420.0, rel=1e-4)
    plain = [{k: v for k, v in record.items() if k not in ("seconds", "compiling")} for record in whole.history]
    assert [{k: v for k, v in record.items() if k not in ("seconds", "compiling")} for record in parts.history] == plain


@pytest.mark.parametrize("settings", [{"clip": 1.0}, {"estimator": "first"}])
def test_what_changes_gradients_is_refused(settings):
    with pytest.raises(InputError, match="does not go with LBFGS"):
        quiet(Function(rosenbrock, slope_of_rosenbrock, [[0.0, 0.0], [1.0, 0.0]]), **settings)


@pytest.mark.parametrize("settings", [{"pairs": 0}, {"first_step": 0.0}, {"learning_rate": -1.0}])
def test_settings_are_checked(settings):
    with pytest.raises(InputError, match=f"LBFGS.{next(iter(settings))}"):
        LBFGS(**settings)
