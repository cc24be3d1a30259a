"""Gauss and Newton's steps in `tune`: closed forms, bounds, divergence, copies, and runs that go on."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.least_squares import region_step
from diffsim.tuning import Run, tune
from diffsim.tuning.gauss_newton import Squares

STEPS, DT = 60, 0.004
TRUE = 420.0


def thrown(velocity=(1.0, 2.0), steps=50):
    """A free point: where it is depends on its velocity and place by straight lines."""
    return ds.MassSpring([[0.0, 0.0]], initial_velocity=[velocity], gravity=(0.0, -9.81), dt=0.01), steps


def straight(tune=("scene.initial_velocity",), noise=0.1, **settings):
    """A noisy trajectory of the free point, and the least squares of it from a textbook."""
    scene, steps = thrown()
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=()), precision="f64") as simulation:
        seen = simulation.rollout({}).position
    seen = seen + noise * np.random.default_rng(0).normal(size=seen.shape)
    start, _ = thrown((-3.0, 7.0))
    return ds.Problem(start, None, ds.MatchTrajectory(seen), steps=steps, tune=tune, **settings), seen


def net(guess=300.0, **settings):
    body = ds.grid((3, 2), spacing=0.1, origin=(0.0, 0.5))
    scene = ds.MassSpring(body.points, body.springs, stiffness=guess, mass=0.05, fixed=[0, 3], dt=DT)
    with ds.Simulation(ds.Problem(scene, steps=STEPS, tune=("scene.stiffness",)), precision="f64") as simulation:
        seen = simulation.rollout({"scene.stiffness": np.array(TRUE)}).position
    return ds.Problem(scene, None, ds.MatchTrajectory(seen), steps=STEPS, tune=("scene.stiffness",), **settings)


@pytest.fixture(scope="module")
def hung():
    with ds.Simulation(net()) as simulation:
        yield simulation


def quiet(simulation, iterations=30, **settings):
    return tune(simulation, **{"optimizer": ds.GaussNewton(), "iterations": iterations, "progress": False, **settings})


def same(history):
    return [{k: v for k, v in record.items() if k not in ("seconds", "compiling")} for record in history]


def test_what_is_linear_is_solved_in_one_step():
    problem, seen = straight()
    with ds.Simulation(problem) as simulation:
        result = quiet(simulation, optimizer=ds.GaussNewton(1e3), iterations=2)
    t = 0.01 * np.arange(len(seen))[:, None]
    fall = np.array([0.0, -9.81]) * t * (t + 0.01) / 2.0  # semi-implicit Euler
    wanted = np.sum(t * (seen[:, 0] - fall), axis=0) / np.sum(t * t)
    np.testing.assert_allclose(result.best_params["scene.initial_velocity"][0], wanted, rtol=1e-6)
    assert result.best_iteration == 1


def test_steps_stay_within_the_region_and_it_grows_where_the_model_is_right():
    with ds.Simulation(straight()[0]) as simulation:
        evaluated = []
        result = quiet(
            simulation,
            optimizer=ds.GaussNewton(0.1),
            callback=lambda record, params: evaluated.append(params["scene.initial_velocity"]),
        )
    size = np.sqrt(np.mean(np.array([-3.0, 7.0]) ** 2))  # what the velocity is counted in
    lengths = [np.abs(there - here).max() / size for here, there in itertools.pairwise(evaluated)]
    assert lengths[0] == pytest.approx(0.1, rel=1e-9)
    assert lengths[1] == pytest.approx(0.4, rel=1e-9)
    assert result.stopped == "no step along the gradient lowers the loss any more"


def test_bounds_are_kept_and_the_rest_is_the_least_within_them():
    bounds = {"scene.initial_velocity": (-10.0, 1.5)}  # the second is 2
    with ds.Simulation(straight(bounds=bounds)[0]) as simulation:
        held = quiet(simulation).best_params["scene.initial_velocity"][0]
    with ds.Simulation(straight()[0]) as simulation:
        free = quiet(simulation).best_params["scene.initial_velocity"][0]
    assert held[1] == 1.5
    assert held[0] == pytest.approx(free[0], rel=1e-6)


def test_a_simulation_is_fitted_in_few_evaluations_and_goes_on_to_the_same_numbers(hung, tmp_path):
    whole = quiet(hung, iterations=9, run=Run(tmp_path / "whole", every=0.0))
    quiet(hung, iterations=3, run=Run(tmp_path / "parts", every=0.0))
    parts = quiet(hung, iterations=9, run=Run(tmp_path / "parts", every=0.0), resume=True)
    assert whole.best_params["scene.stiffness"] == pytest.approx(TRUE, rel=1e-7)
    assert len(whole.history) < 10
    assert same(parts.history) == same(whole.history)
    assert parts.best_params["scene.stiffness"] == whole.best_params["scene.stiffness"]
    kept = ds.load_run(tmp_path / "parts")
    assert kept.params["scene.stiffness"] == whole.best_params["scene.stiffness"]
    ds.write_report(kept)
    assert "GaussNewton" in (tmp_path / "parts" / "report.html").read_text()


def test_losses_and_gradients_are_those_of_the_simulation():
    problem = net()
    with ds.Simulation(problem, precision="f64") as simulation:
        params = simulation.params()
        loss, grad = simulation.value_and_grad(params)
        seen = []
        result = quiet(simulation, iterations=1, callback=lambda record, _: seen.append(record))
    assert seen[0]["loss"] == pytest.approx(loss, rel=1e-12)
    # In the record it is per unit, here the size of the start.
    assert seen[0]["gradient_norm"] == pytest.approx(abs(float(grad["scene.stiffness"])) * 300.0, rel=1e-5)
    assert result.best_loss == seen[0]["loss"]


def test_copies_search_on_their_own(hung):
    starts = np.array([200.0, 300.0, 900.0])
    with ds.Simulation(net(), envs=3, shared=False) as simulation:
        together = quiet(simulation, iterations=6, params={"scene.stiffness": starts}, scale={"scene.stiffness": 300.0})
    for k, start in enumerate(starts):
        alone = quiet(hung, iterations=6, params={"scene.stiffness": np.array(start)}, scale={"scene.stiffness": 300.0})
        losses = [record["losses"][k] for record in together.history][: len(alone.history)]
        np.testing.assert_allclose(losses, [record["loss"] for record in alone.history], rtol=1e-9, atol=1e-25)


def test_environments_that_share_parameters_are_fitted_together():
    problem, _ = straight(("scene.gravity[1]",), noise=0.0)
    speeds = {"initial_velocity": np.array([[[1.0, 2.0]], [[1.0, 2.5]]])}  # measured was the first
    with ds.Simulation(problem, precision="f64", envs=2, initial_states=speeds) as simulation:
        first = simulation.value(simulation.params())
        result = quiet(simulation)
        best = simulation.value(result.best_params)
        t = 0.01 * np.arange(51)
        a = t * (t + 0.01) / 2.0
        # Least squares of gravity for both: 0 off in one, 0.5 t in the other.
        off = -(a @ (0.5 * t)) / (2.0 * (a @ a))
    assert result.history[0]["loss"] == pytest.approx(first, rel=1e-12)
    assert result.best_loss == pytest.approx(best, rel=1e-9)
    assert float(result.best_params["scene.gravity[1]"]) == pytest.approx(-9.81 + off, rel=1e-6)


def test_steps_that_raise_the_loss_are_taken_shorter():
    # The stiffer the less it hangs, until the step of time does not bear it: what is wanted is a net that never moves.
    problem = net()
    still = np.repeat(problem.scene.points[None], STEPS + 1, axis=0)
    stiff = ds.Problem(problem.scene, None, ds.MatchTrajectory(still), steps=STEPS, tune=("scene.stiffness",))
    with ds.Simulation(stiff, precision="f64") as simulation:
        result = quiet(simulation, iterations=30)
    assert any(record["loss"] > 1e9 for record in result.history)
    assert not any("explodes" in words for words in result.findings)  # nobody goes on from there
    best = [record["best"] for record in result.history]
    assert all(later <= earlier for earlier, later in itertools.pairwise(best))
    assert result.best_params["scene.stiffness"] == pytest.approx(2096.0, rel=1e-3)  # the least on a fine grid


def test_steps_into_what_is_not_finite_are_rejected(hung, monkeypatch):
    evaluate = Squares.value_and_grad

    def walled(self, params):
        loss, grad = evaluate(self, params)
        return (np.nan if params["scene.stiffness"] > 400.0 else loss), grad

    monkeypatch.setattr(Squares, "value_and_grad", walled)
    result = quiet(hung, iterations=30)
    assert any(record.get("rejected") == "the loss is nan" for record in result.history)
    assert 390.0 < result.best_params["scene.stiffness"] <= 400.0
    with pytest.raises(ds.DivergenceError):
        quiet(hung, params={"scene.stiffness": np.array(500.0)})


def test_along_what_nothing_depends_on_it_does_not_move():
    jacobian = np.array([[1.0, 1.0 + 1e-9], [2.0, 2.0], [-1.0, -1.0]])  # only the sum is seen, but for rounding
    left = np.array([0.5, 0.1, -0.3])
    far = np.array([np.inf, np.inf])
    step = region_step(jacobian.T @ jacobian, jacobian.T @ left, 1e6, -far, far)
    assert step[0] == pytest.approx(step[1], rel=1e-6)
    assert np.abs(step).max() < 1.0


@dataclass(frozen=True, eq=False, repr=False)
class Low(ds.Objective):
    """A term of one's own that says nothing of residuals."""

    reads = "centre"
    weight: float = 1.0

    @ti.func
    def formula(goal: ti.template(), env, row, step, element):
        return goal.centre[env, row, 0][1]


def with_objective(objective, tune=("scene.stiffness",)):
    problem = net()
    return ds.Problem(problem.scene, None, objective, steps=STEPS, tune=tune)


REFUSED = {
    "no squares": (with_objective(ds.Travel()), {}, "sum of squares, with residuals, but of Travel it has none"),
    "a term that is none": (with_objective(ds.ReachTarget((0.0, 0.0)) + ds.Travel()), {}, "but of Travel it has none"),
    "one's own": (with_objective(Low()), {}, "but of Low it has none"),
    "a weight below zero": (with_objective(ds.ReachTarget((0.0, 0.0), weight=-1.0)), {}, "weight is -1"),
    "no objective": (with_objective(None), {}, "has no objective"),
    "numbers of the objective": (
        with_objective(ds.ReachTarget((0.0, 0.0)), ("scene.stiffness", "objective.weight")),
        {},
        "cannot tune objective.weight",
    ),
    "a clip": (net(), {"clip": 1.0}, "does not go with GaussNewton"),
    "a window": (net(), {"window": 5}, r"tune\(window=5\) does not go with GaussNewton"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_cannot_do_is_said_before_anything_runs(case):
    problem, settings, words = REFUSED[case]
    with ds.Simulation(problem) as simulation, pytest.raises(ds.InputError, match=words):
        quiet(simulation, **settings)
