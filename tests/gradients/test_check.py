"""The checker of gradients is itself checked, with gradients that are wrong."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.gradients.check import ParameterCheck

SCENE = ds.MassSpring(
    points=[[0.0, 0.0], [0.31, 0.04], [0.12, -0.27]],
    springs=[[0, 1], [0, 2], [1, 2]],
    stiffness=[120.0, 90.0, 100.0],
    actuation=[0.2, 0.1, 0.0],
    initial_velocity=(0.4, 0.9),
    fixed=(0,),
    dt=0.02,
)
TUNE = ("controller.*", "scene.stiffness", "scene.initial_velocity", "scene.gravity", "objective.weight")


def problem(**changes):
    controller = ds.Sine(amplitude=[0.6, 0.8], offset=[0.2, -0.1], frequency=[8.0, 11.0])
    parts = {"scene": SCENE, "controller": controller, "objective": ds.Travel(direction=(1.0, 0.4)), "steps": 10}
    return ds.Problem(**{**parts, "tune": TUNE, **changes})


@pytest.fixture(scope="module")
def single():
    with ds.Simulation(problem(), precision="f64") as simulation:
        yield simulation


@pytest.fixture(scope="module")
def copies():
    """Three environments with parameters of their own."""
    with ds.Simulation(problem(), precision="f64", envs=3, shared=False) as simulation:
        yield simulation


def spoil(monkeypatch, change):
    """Let every simulation return a gradient that ``change`` has been at."""
    right = ds.Simulation.value_and_grad

    def wrong(self, params):
        loss, grad = right(self, params)
        change(grad)
        return loss, grad

    monkeypatch.setattr(ds.Simulation, "value_and_grad", wrong)


@pytest.mark.parametrize("seed", range(5))
def test_right_gradients_pass(single, copies, seed):
    for simulation in (single, copies):
        report = ds.check_gradients(simulation, seed=seed, directions=2)
        assert report.passed
        assert len(report.checks) == 2 * len(simulation.problem.tuned)


NAMES = problem().tuned


def scaled(factor):
    return lambda value: value * factor


def swapped(value):
    turned = value.copy()
    turned.reshape(-1)[[0, 1]] = value.reshape(-1)[[1, 0]]
    return turned


WRONG = {
    "a thousandth too large": scaled(1.001),
    "a thousandth too small": scaled(0.999),
    "sign": scaled(-1.0),
    "zero": scaled(0.0),
    "double": scaled(2.0),
    "two components swapped": swapped,
    "one component lost": lambda value: np.where(np.arange(value.size).reshape(value.shape) == 0, 0.0, value),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("name", NAMES)
def test_wrong_gradients_are_found_and_named(monkeypatch, single, name, what):
    value = single.params()[name]
    if what == "two components swapped" and value.size < 2:
        what = "sign"  # a single number has nothing to swap
    spoil(monkeypatch, lambda grad: grad.update({name: WRONG[what](grad[name])}))
    with pytest.raises(ds.GradientError) as caught:
        ds.check_gradients(single)
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines if line.endswith("DISAGREES")] == [name]
    assert sum(line.endswith("agrees") for line in lines) == len(NAMES) - 1


@pytest.mark.parametrize("what", ["a thousandth too large", "sign", "zero"])
@pytest.mark.parametrize("env", [0, 2])
def test_a_gradient_wrong_in_one_environment_is_found(monkeypatch, copies, env, what):
    def change(grad):
        grad["controller.phase"][env] = WRONG[what](grad["controller.phase"][env])

    spoil(monkeypatch, change)
    with pytest.raises(ds.GradientError, match=r"controller\.phase .*DISAGREES"):
        ds.check_gradients(copies)


def test_directions_of_space_are_not_taken_for_each_other(monkeypatch, single):
    """Taichi's own check passes a gradient whose x and y are swapped."""

    def change(grad):
        grad["scene.gravity"] = grad["scene.gravity"][::-1]

    spoil(monkeypatch, change)
    with pytest.raises(ds.GradientError, match=r"scene\.gravity .*DISAGREES"):
        ds.check_gradients(single)


@pytest.fixture(scope="module")
def far_away():
    """The loss is 3,000 and what the parameters change of it 0.01: small steps see only the loss's rounding."""
    far = problem(objective=ds.Travel(origin=(-3000.0, 0.0)), tune=("controller.*",))
    with ds.Simulation(far, precision="f64") as simulation:
        yield simulation


# Differences of 3,000 are known to 5e-13, and to 5e-9 of a slope of 0.01 per unit at a step of 0.01.
FAR = 1e-5


def test_parameters_that_matter_little_pass_when_right(far_away):
    assert ds.check_gradients(far_away, directions=3, tolerance=FAR).passed


@pytest.mark.parametrize("what", ["a thousandth too large", "sign", "zero"])
def test_parameters_that_matter_little_are_checked_all_the_same(monkeypatch, far_away, what):
    def change(grad):
        grad["controller.phase"] = WRONG[what](grad["controller.phase"])

    spoil(monkeypatch, change)
    with pytest.raises(ds.GradientError, match=r"controller\.phase .*DISAGREES"):
        ds.check_gradients(far_away, directions=3, tolerance=FAR)


def test_a_parameter_without_effect_passes():
    """The mass of a ball in free fall: both slopes are zero, and there is no relative difference of zeros."""
    ball = ds.Problem(ds.MassSpring(points=[[0.0, 1.0]]), objective=ds.Travel(point=0, direction=(0, 1)), steps=5)
    with ds.Simulation(ds.Problem(ball.scene, objective=ball.objective, steps=5, tune=("scene.mass",))) as simulation:
        (found,) = ds.check_gradients(simulation).checks
    assert (found.adjoint, found.differences, found.error, found.passed) == (0.0, 0.0, 0.0, True)


def test_float32_simulations_are_checked_in_float64(monkeypatch):
    """1e-6 is beyond what differences of float32 can tell; the simulation itself is left as it was."""
    seen = []
    right = ds.Simulation.value_and_grad

    def noted(self, params):
        seen.append(self.precision)
        return right(self, params)

    monkeypatch.setattr(ds.Simulation, "value_and_grad", noted)
    with ds.Simulation(problem(tune=("controller.*",)), precision="f32") as simulation:
        before = simulation.value(simulation.params())
        report = ds.check_gradients(simulation)
        assert report.passed
        assert simulation.precision == "f32"
        assert simulation.value(simulation.params()) == before
    assert set(seen) == {"f64"}


def test_the_point_can_be_given(monkeypatch, single):
    seen = []
    right = ds.Simulation.value_and_grad

    def noted(self, params):
        seen.append(params)
        return right(self, params)

    monkeypatch.setattr(ds.Simulation, "value_and_grad", noted)
    given = {name: 1.1 * value for name, value in single.params(seed=3).items()}
    ds.check_gradients(single, given)
    ds.check_gradients(single, seed=4)
    for params, expected in zip(seen, (given, single.params(seed=4)), strict=True):
        assert params.keys() == expected.keys()
        assert all(np.array_equal(params[name], expected[name]) for name in params)


def test_the_report_can_be_had_instead_of_an_error(monkeypatch, single):
    spoil(monkeypatch, lambda grad: grad.update({"scene.stiffness": 2.0 * grad["scene.stiffness"]}))
    report = ds.check_gradients(single, raises=False)
    assert not report.passed
    failed = [check for check in report.checks if not check.passed]
    assert [check.name for check in failed] == ["scene.stiffness"]
    # Twice the slope is apart by half of the larger one.
    assert failed[0].error == pytest.approx(0.5, rel=1e-5)
    assert failed[0].adjoint == pytest.approx(2.0 * failed[0].differences, rel=1e-5)


def test_the_tolerance_decides(monkeypatch, single):
    spoil(monkeypatch, lambda grad: grad.update({"scene.gravity": 1.001 * grad["scene.gravity"]}))
    assert ds.check_gradients(single, tolerance=2e-3).passed
    assert not ds.check_gradients(single, tolerance=5e-4, raises=False).passed


def test_the_table():
    checks = (
        ParameterCheck("controller.phase", 0.25, 0.25, 1e-6, 3e-11, True),
        ParameterCheck("scene.mass", -2.0, 1.0, 1e-5, 1.5, False),
    )
    expected = """\
parameter                   adjoint        differences     step    error
controller.phase   +2.500000000e-01   +2.500000000e-01    1e-06  3.0e-11  agrees
scene.mass         -2.000000000e+00   +1.000000000e+00    1e-05  1.5e+00  DISAGREES"""
    assert str(ds.GradientReport(checks, 1e-6)) == expected


def test_nothing_to_tune_is_an_empty_report():
    with ds.Simulation(problem(tune=())) as simulation:
        report = ds.check_gradients(simulation)
    assert report.passed
    assert str(report).split() == ["parameter", "adjoint", "differences", "step", "error"]
