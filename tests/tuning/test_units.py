"""What a parameter is counted in, what became of it, and what is said about it in the end."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError
from diffsim.protocols import units_of
from diffsim.tuning import SGD, Adam, Run, load_run, tune
from diffsim.tuning.changes import changes_of, findings


class Limits:
    """A problem that has only bounds."""

    steps = 100

    def __init__(self, **given):
        self.given = {name.replace("__", "."): limits for name, limits in given.items()}

    def limits(self, name):
        return self.given.get(name, (-math.inf, math.inf))

    def to_dict(self):
        return {"type": "Limits"}


class Springs:
    """The loss ((k - 5000) / 1000)^2 + (a - 1)^2 of a stiffness k from 3000 and a controller's number a from 0."""

    shared, envs = True, 1

    def __init__(self, **limits):
        self.problem = Limits(**limits)

    def params(self, seed=0):
        return {"scene.stiffness": np.array(3000.0), "controller.a": np.array(0.0)}

    def value_and_grad(self, params):
        k, a = (params["scene.stiffness"] - 5000.0) / 1000.0, params["controller.a"] - 1.0
        return float(k**2 + a**2), {"scene.stiffness": 2.0 * k / 1000.0, "controller.a": 2.0 * a}


def quiet(sim, **settings):
    return tune(sim, **{"progress": False, "optimizer": SGD(0.05), "iterations": 200, **settings})


@pytest.mark.parametrize(
    ("name", "start", "limits", "unit"),
    [
        ("scene.stiffness", 3000.0, {}, 3000.0),
        ("scene.force", np.array([3.0, -4.0, 0.0, 0.0]), {}, 2.5),
        ("scene.damping", 0.0, {}, 1.0),
        ("scene.damping", np.zeros((0, 2)), {}, 1.0),
        ("scene.mass", 2.0, {"scene__mass": (0.5, 4.5)}, 4.0),
        ("scene.mass", 2.0, {"scene__mass": (0.5, math.inf)}, 2.0),
        ("scene.mass", 1e-200, {}, 1e-200),
        ("scene.mass", 1e200, {}, 1e200),
        ("controller.w1", np.full((4, 4), 0.1), {}, 1.0),
        ("controller.a", 0.1, {"controller.a": (-1.0, 1.0)}, 2.0),
        ("objective.weight", 30.0, {}, 1.0),
    ],
)
def test_what_a_parameter_is_counted_in(name, start, limits, unit):
    problem = Limits(**limits)
    assert units_of(problem, {name: start}) == pytest.approx({name: unit}, rel=1e-12)
    assert units_of(problem, {name: start}, {"*": 3.0}) == {name: 3.0}


def test_a_scale_for_what_is_not_tuned_is_refused():
    with pytest.raises(InputError, match=r"tune\(scale\) names 'scene.mass', but the parameters are scene"):
        quiet(Springs(), scale={"scene.mass": 2.0})
    with pytest.raises(InputError, match=r"tune\(scale\)\['\*'\] is 0, but it must be greater than 0"):
        quiet(Springs(), scale={"*": 0.0})


def test_numbers_of_other_sizes_are_found_together():
    result = quiet(Springs())
    assert result.best_params["scene.stiffness"] == pytest.approx(5000.0, rel=1e-6)
    assert result.best_params["controller.a"] == pytest.approx(1.0, rel=1e-6)
    assert result.units == {"scene.stiffness": 3000.0, "controller.a": 1.0}
    assert result.findings == ()


def test_a_number_that_stays_where_it_is_is_told(tmp_path, capsys):
    result = quiet(Springs(), scale={"scene.*": 1.0}, iterations=11, run=Run(tmp_path), progress=None)
    stiffness, gait = result.changes
    assert (stiffness.still, gait.still) == (True, False)
    assert stiffness.moved == pytest.approx(10 * 0.05 * 0.004, rel=0.02)  # N/m, by ten steps along its slope
    (said,) = result.findings
    assert said.startswith("scene.stiffness did not move: by 0.002 from 3000, less than a millionth")
    assert "e.g. scale={'scene.stiffness': 100}" in said
    assert capsys.readouterr().err.splitlines()[-1] == f"note: {said}"
    assert load_run_findings(tmp_path) == result.findings


def load_run_findings(folder):
    """What the files say; the problem is none that `load_run` could load."""
    about = json.loads((folder / "problem.json").read_text())
    with np.load(folder / "params.npz") as held:
        start, best = ({n[len(w) :]: held[n] for n in held.files if n.startswith(w)} for w in ("start/", "best/"))
    changes = changes_of(Limits(), start, best, about["settings"]["units"])
    return findings(changes, [{"iteration": k, "gradient_norm": 1.0} for k in range(2)], None)


def test_a_number_at_its_bound_is_told():
    result = quiet(Springs(scene__stiffness=(1000.0, 4000.0)), optimizer=Adam(0.02))
    assert result.findings == ("scene.stiffness ends at the highest that the bounds allow, 4000",)
    stiffness = result.changes[0]
    assert stiffness.at_bounds == (0, 1)
    assert stiffness.words() == {
        "parameter": "scene.stiffness",
        "shape": "a number",
        "start": "3000",
        "end": "4000",
        "moved by": "+1e+03",
        "bounds": "1000 to 4000",
        "unit": "3000",
    }
    json.dumps(stiffness.to_dict(), allow_nan=False)
    assert result.changes[1].to_dict()["low"] is None


def test_a_start_that_nothing_was_better_than_is_told():
    class Uphill(Springs):
        def value_and_grad(self, params):
            loss, grad = super().value_and_grad(params)
            return loss, {name: -value for name, value in grad.items()}

    assert quiet(Uphill(), iterations=3).findings == (
        "nothing better than the start was found, so the best parameters are those of the start",
    )
    assert quiet(Uphill(), iterations=1).findings == ()


def test_the_start_of_the_best_copy_is_told():
    class Copies(Springs):
        shared, envs = False, 2

        def params(self, seed=0):
            return {"controller.a": np.array([[9.0, 9.0], [2.0, 0.0]])}

        def value_and_grad(self, params):
            a = params["controller.a"] - 1.0
            return (a**2).sum(axis=1), {"controller.a": 2.0 * a}

    (change,) = quiet(Copies(), iterations=2).changes
    assert change.start.tolist() == [2.0, 0.0]
    assert change.moved == pytest.approx(0.1)
    assert change.words()["end"] == "0.1 to 1.9"


def test_numbers_of_an_array_at_their_bounds_are_counted():
    class Many(Springs):
        def params(self, seed=0):
            return {"controller.a": np.zeros(5)}

        def value_and_grad(self, params):
            a = params["controller.a"] - np.array([-9.0, -9.0, 0.5, 9.0, 0.0])
            return float((a**2).sum()), {"controller.a": 2.0 * a}

    (said,) = quiet(Many(controller__a=(-1.0, 2.0))).findings
    assert said == (
        "of 5 numbers of controller.a end 2 at the lowest that the bounds allow, -1, and 1 at the highest that the "
        "bounds allow, 2"
    )


def record(k, **more):
    return {"iteration": k, "gradient_norm": 1.0, **more}


def test_gradients_that_explode_are_told():
    assert findings((), [record(k, growth=1.05) for k in range(5)], 100) == ()  # two digits
    (said,) = findings((), [record(k, growth=1.1) for k in range(5)], 100, "outputs/ant")
    assert said.startswith("the gradient explodes: going back in time the adjoint grows by 4.1 digits (median")
    assert said.endswith("`diffsim health outputs/ant` shows where, and what to do")
    jump = [*(record(k) for k in range(5)), record(5, gradient_norm=2e6), record(6, gradient_norm=math.nan)]
    (said,) = findings((), jump, 100)
    assert "its length is 2e+06 at iteration 5, and was 1 in those before;" in said
    assert findings((), [record(k, gradient_norm=0.5**k) for k in range(100)], 100) == ()  # it arrives
    assert findings((), [*jump[:5], record(5, gradient_norm=900.0)], 100) == ()


def test_a_run_keeps_its_units_and_its_start(tmp_path):
    body = ds.grid((1, 1), spacing=0.1, origin=(0.0, 0.2))
    scene = ds.MassSpring(body.points, body.springs, stiffness=100.0, initial_velocity=(3.0, 4.0), dt=0.01)
    goal, tuned = ds.ReachTarget((1.0, 0.0)), ("scene.initial_velocity",)
    problem = ds.Problem(scene, None, goal, steps=5, tune=tuned, bounds={"scene.*": (None, 9.0)})
    with ds.Simulation(problem) as sim:
        result = tune(sim, iterations=4, progress=False, run=Run(tmp_path))
        run = load_run(tmp_path)
        unit = math.sqrt(12.5)
        assert run.about["settings"]["units"] == {tuned[0]: pytest.approx(unit)}
        (change,) = run.changes
        assert change.words() == result.changes[0].words()
        assert change.start.tolist() == [3.0, 4.0]
        assert (change.unit, change.high) == (pytest.approx(unit), 9.0)
        about = json.loads((tmp_path / "problem.json").read_text())
        about["settings"]["units"] = {tuned[0]: 2.5}  # what a run has is what it goes on with
        (tmp_path / "problem.json").write_text(json.dumps(about))
        assert tune(sim, iterations=5, progress=False, run=Run(tmp_path), resume=True).units == {tuned[0]: 2.5}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_stiffness_and_gait_walk_further_together_than_the_gait_alone(seed, worms):
    """The README's worm, its optimizer, and its two lines of co-design.

    After 200 iterations: muscles that keep to their share learn a gait more slowly than those that had no limit, and
    after 100 one of these seeds is still behind.
    """
    gait, both = (
        tune(worm, optimizer=ds.NormalisedGradientDescent(0.3), iterations=200, seed=seed, progress=False)
        for worm in worms
    )
    assert both.best_loss < gait.best_loss
    for worm, result in zip(worms, (gait, both), strict=True):
        assert np.abs(worm.rollout(result.best_params).actuation).max() < 1.0  # no muscle beyond its share
    moved = {change.name: change for change in both.changes}
    assert moved["scene.stiffness"].moved > 1000.0  # N/m, of 3000
    assert moved["controller.phase"].moved > 0.1
    assert not any("did not move" in words for words in both.findings)


@pytest.fixture(scope="module")
def worms():
    body = ds.grid((6, 2), spacing=0.1)
    scene = ds.MassSpring(
        points=body.points,
        springs=body.springs,
        stiffness=3e3,
        actuation=0.15,
        damping=5.0,
        ground=ds.Ground(friction=0.7),
        dt=0.004,
    )
    made = []
    for tuned in (("controller.*",), ("scene.stiffness", "controller.*")):
        problem = ds.Problem(scene, controller=ds.Sine(), objective=ds.Travel(direction=(1, 0)), steps=300, tune=tuned)
        made.append(ds.Simulation(problem))
    yield made
    for simulation in made:
        simulation.close()
