"""The checker of gradients is itself checked, with gradients that are wrong."""

import contextlib
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine.stages import Part, Stage
from diffsim.gradients import check
from diffsim.gradients.differences import STEPS
from diffsim.gradients.report import ALL, ParameterCheck

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


def disagreeing(report):
    return {(row.name, row.env) for row in report.checks if row.verdict == "disagrees"}


@pytest.mark.parametrize("seed", range(20))
def test_right_gradients_pass(single, copies, seed):
    for simulation in (single, copies):
        report = ds.check_gradients(simulation, seed=seed)
        assert report.passed
        assert len(report.checks) == simulation.envs * (len(simulation.problem.tuned) + 1)


NAMES = problem().tuned


def scaled(factor):
    return lambda value: value * factor


def swapped(value):
    turned = value.copy()
    turned.reshape(-1)[[0, 1]] = value.reshape(-1)[[1, 0]]
    return turned


def first_times(factor):
    return lambda value: np.where(np.arange(value.size).reshape(value.shape) == 0, factor * value, value)


WRONG = {
    "a thousandth too large": scaled(1.001),
    "a thousandth too small": scaled(0.999),
    "sign": scaled(-1.0),
    "zero": scaled(0.0),
    "double": scaled(2.0),
    "two components swapped": swapped,
    "one component lost": first_times(0.0),
    "sign of one component": first_times(-1.0),
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
    lines = str(caught.value).splitlines()[2:]
    wrong = [line.split("  ")[0].strip() for line in lines if line.endswith("DISAGREES")]
    assert wrong in ([name], [name, ALL])  # a thousandth of what matters little is less than the tolerance of all
    assert sum(line.endswith("  agrees") for line in lines) == len(NAMES) + 1 - len(wrong)


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("env", [0, 2])
def test_a_gradient_wrong_in_one_environment_is_found_and_named(monkeypatch, copies, env, what):
    def change(grad):
        grad["controller.phase"][env] = WRONG[what](grad["controller.phase"][env])

    spoil(monkeypatch, change)
    report = ds.check_gradients(copies, raises=False)
    assert ("controller.phase", env) in disagreeing(report)
    assert disagreeing(report) <= {("controller.phase", env), (ALL, env)}
    with pytest.raises(ds.GradientError, match="the gradient disagrees"):
        ds.check_gradients(copies)


def test_environments_that_share_parameters_have_one_loss(monkeypatch):
    velocity = np.array([[[0.4, 0.9]] * 3, [[0.1, -0.3]] * 3])
    tuned = tuple(name for name in NAMES if name != "scene.initial_velocity")
    states = {"initial_velocity": velocity}
    with ds.Simulation(problem(tune=tuned), precision="f64", envs=2, initial_states=states) as simulation:
        report = ds.check_gradients(simulation)
        assert report.passed
        assert [(row.name, row.env) for row in report.checks] == [(name, None) for name in (*tuned, ALL)]
        spoil(monkeypatch, lambda grad: grad.update({"scene.gravity": 1.001 * grad["scene.gravity"]}))
        assert ("scene.gravity", None) in disagreeing(ds.check_gradients(simulation, raises=False))


def test_directions_of_space_are_not_taken_for_each_other(monkeypatch, single):
    """Taichi's own check passes a gradient whose x and y are swapped."""
    spoil(monkeypatch, lambda grad: grad.update({"scene.gravity": grad["scene.gravity"][::-1]}))
    for seed in range(10):
        assert ("scene.gravity", None) in disagreeing(ds.check_gradients(single, seed=seed, raises=False))


@pytest.fixture(scope="module")
def far_away():
    """The loss is 3,000 and what the parameters change of it 0.01: small steps see only the loss's rounding."""
    far = problem(objective=ds.Travel(origin=(-3000.0, 0.0)), tune=("controller.*",))
    with ds.Simulation(far, precision="f64") as simulation:
        yield simulation


def test_parameters_that_matter_little_pass_when_right(far_away):
    report = ds.check_gradients(far_away, directions=3)
    assert report.passed
    assert len(report.checks) == 3 * (len(far_away.problem.tuned) + 1)


@pytest.mark.parametrize("what", ["a thousandth too large", "sign", "zero"])
def test_parameters_that_matter_little_are_checked_all_the_same(monkeypatch, far_away, what):
    spoil(monkeypatch, lambda grad: grad.update({"controller.phase": WRONG[what](grad["controller.phase"])}))
    report = ds.check_gradients(far_away, directions=3, raises=False)
    rows = [row for row in report.checks if row.name == "controller.phase"]
    assert [(row.direction, row.verdict) for row in rows] == [(k, "disagrees") for k in range(3)]


def test_a_parameter_without_effect_passes(monkeypatch):
    """The mass of a ball in free fall: both slopes are zero, and there is no relative difference of zeros."""
    ball = ds.MassSpring(points=[[0.0, 1.0]])
    fall = ds.Problem(ball, objective=ds.Travel(point=0, direction=(0, 1)), steps=5, tune=("scene.mass",))
    with ds.Simulation(fall) as simulation:
        (found,) = ds.check_gradients(simulation).checks
        assert (found.adjoint, found.differences, found.error, found.verdict) == (0.0, 0.0, 0.0, "agrees")
        spoil(monkeypatch, lambda grad: grad.update({"scene.mass": np.array(1e-3)}))
        assert disagreeing(ds.check_gradients(simulation, raises=False)) == {("scene.mass", None)}


# Points without a derivative


def test_a_landing_at_the_very_end_of_a_step():
    """A ball falls with v = 1/4, 2/4, ... and lands after its second step, exactly: h = 1 - 1/16 - 2/16.

    How far it flies until then, v_x t, has the slope v_x / v of the step in which it lands: 1 / (1/2) from below, where
    that is the second, 1 / (3/4) from above. Both are exact, and so is the point in between.
    """
    ball = ds.MassSpring(
        points=[[0.0, 1.0]],
        initial_velocity=(1.0, 0.0),
        gravity=(0.0, -1.0),
        ground=ds.Ground(height=0.8125),
        dt=0.25,
    )
    travel = ds.Travel(point=0, direction=(-1.0, 0.0))
    with ds.Simulation(
        ds.Problem(ball, objective=travel, steps=6, tune=("scene.ground_height",)), precision="f64"
    ) as simulation:
        report = ds.check_gradients(simulation)
        (row,) = report.checks
        higher = np.sign(row.adjoint)  # whether a step along the direction raises the ground
        size = row.adjoint / simulation.value_and_grad(simulation.params())[1]["scene.ground_height"]
        slopes = {"lower ground": -size / 0.75, "higher ground": -size / 0.5}
        assert row.verdict == "not differentiable"
        assert sorted(row.slopes) == pytest.approx(sorted(slopes.values()), rel=1e-6)
        assert any(row.adjoint == pytest.approx(slope, rel=1e-9) for slope in slopes.values())
        assert (report.passed, report.exit_status) == (False, 3)
        assert higher != 0.0
        nearby = {"scene.ground_height": np.array(0.8124)}
        assert ds.check_gradients(simulation, nearby).passed


def test_two_coefficients_of_zero_have_a_kink_only_together():
    """The restitution of a pair is the root of a product; each alone leaves it 0."""
    disc = ds.Disc((0.0, 0.15), 0.1, velocity=(0.3, -2.0), restitution=0.0)
    scene = ds.RigidBodies([disc], [ds.HalfPlane(angle=0.1, restitution=0.0)], density=1.0, dt=0.005)
    tune = ("scene.body_restitution", "scene.obstacle_restitution", "scene.initial_velocity")
    with ds.Simulation(ds.Problem(scene, objective=ds.Travel(point=0), steps=20, tune=tune), precision="f64") as sim:
        assert ds.check_gradients(sim, directions=3).passed


@dataclass(frozen=True)
class Place:
    position: Any
    edge: Any  # (env, 0) [m]
    jumps: bool


@ti.func
def edge(goal: ti.template(), loss: ti.template(), env, row, step, element):
    off = goal.position[env, row, 0][0] - goal.edge[env, 0]
    if ti.static(goal.jumps):
        if off > 0.0:
            loss[env] += 1.0 + off
        else:
            loss[env] += off
    else:
        loss[env] += ti.abs(off)


@dataclass(frozen=True, eq=False, repr=False)
class Edge(ds.Objective):
    """The distance of a point from a place along x, or a step there."""

    jumps: bool = False

    def numbers(self, scene):
        return {"edge": np.array(0.0)}

    def build(self, fields, model, prefix="objective"):
        goal = Place(model.motion.position, fields.number(f"{prefix}.edge", 1), self.jumps)
        return Part(final=(Stage(edge, (goal, fields.loss), 1),))


@pytest.mark.parametrize("jumps", [False, True])
def test_an_objective_without_a_derivative(jumps):
    ball = ds.MassSpring(points=[[0.0, 0.0]], gravity=(0.0, 0.0), dt=0.125)
    reach = ds.Problem(ball, objective=Edge(jumps), steps=4, tune=("scene.initial_velocity", "objective.edge"))
    with ds.Simulation(reach, precision="f64") as simulation:
        report = ds.check_gradients(simulation)
        assert {row.verdict for row in report.checks} == {"not differentiable"}
        assert ("jumps" in report.checks[0].note) == jumps
        away = {"scene.initial_velocity": np.array([0.5, 0.0]), "objective.edge": np.array(0.1)}
        assert ds.check_gradients(simulation, away).passed


# What the simulation does not know: losses made up for the purpose


class MadeUp:
    """Looks like a simulation; its losses and contacts are functions of its only parameter.

    Args:
        loss: of the parameter of one environment, an array.
        slope: derivative of ``loss``, an array like the parameter.
        contact: (steps, points) of the same; None records no contacts.
    """

    def __init__(self, loss, slope, contact=None, *, start=1.0, envs=1, shared=True, precision="f64", record="usual"):
        self.loss, self.slope, self.contact, self.start = loss, slope, contact, np.array(start)
        self.envs, self.shared, self.precision, self.record = envs, shared, precision, record
        self.problem = SimpleNamespace(steps=5, scene=ds.MassSpring(points=[[0.0, 1.0]]))
        self.made, self.rollouts, self.values, self.elements = [], 0, 0, 2
        shapes = {"contact": (self.elements,), "position": (3, 2)}
        self._fields = SimpleNamespace(recorded=lambda: shapes, trajectories=(), worked_out=())  # no rows

    def params(self, seed=0):
        return {"p": self.start if self.shared else np.stack([self.start] * self.envs)}

    def value(self, params):
        self.values += 1
        losses = np.array([self.loss(p) for p in self._each(params)])
        if self.shared and not np.isfinite(losses).all():
            raise ds.DivergenceError("too far", array="position", env=0, step=1)
        return float(losses[0]) if self.shared else losses

    def value_and_grad(self, params):
        slopes = np.array([self.slope(p) for p in self._each(params)])
        return self.value(params), {"p": slopes[0] if self.shared else slopes}

    def rollout(self, params):
        self.rollouts += 1
        arrays = {"position": np.zeros((self.envs, 6, 3, 2))}
        if self.contact is not None:
            arrays["contact"] = np.stack([self.contact(p) for p in self._each(params)]).astype(float)
        if not all(np.isfinite(self.loss(p)) for p in self._each(params)):
            raise ds.DivergenceError("too far", array="position", env=0, step=1)
        return SimpleNamespace(arrays=arrays if self.envs > 1 else {name: a[0] for name, a in arrays.items()})

    def _each(self, params):
        return [params["p"]] * self.envs if self.shared else list(params["p"])

    @contextlib.contextmanager
    def again(self, **settings):
        self.made.append(settings)
        options = {"envs": self.envs, "shared": self.shared, "precision": self.precision, "record": self.record}
        other = MadeUp(self.loss, self.slope, self.contact, start=self.start, **{**options, **settings})
        other.elements = self.elements
        yield other
        self.rollouts += other.rollouts


def kinked(at, by=1.0):
    """Sine with another slope beyond ``at``, where point 1 lands in step 3."""

    def loss(p):
        return float(np.sin(3.0 * p)) + (by * float(p - at) if p > at else 0.0)

    def slope(p):
        return 3.0 * np.cos(3.0 * p) + (by if p > at else 0.0)

    def contact(p):
        found = np.zeros((5, 2))
        found[2, 0] = 1.0
        found[3:, 1] = 5.0 if p > at else 0.0
        return found

    return loss, slope, contact


def test_a_switch_nearby_is_named():
    """At 3e-9 of the parameter: the smallest steps still tell, but not to a millionth."""
    for seed in range(5):
        simulation = MadeUp(*kinked(1.0 + 3e-9))
        (row,) = ds.check_gradients(simulation, seed=seed).checks
        switches = 3e-9 / abs(row.adjoint / (3.0 * np.cos(3.0)))
        within = max(step for step in STEPS if step < switches)
        assert row.verdict == "agrees"
        assert row.note == f"beyond {within:.0e} a contact switches: point 1 at step 3"
        assert row.step <= within
        assert simulation.made == [{"record": "all"}]


def test_a_switch_nearby_does_not_hide_an_error():
    loss, slope, contact = kinked(1.0 + 3e-9)
    for factor in (1.001, 0.999, -1.0, 0.0):
        (row,) = ds.check_gradients(MadeUp(loss, lambda p, f=factor: f * slope(p), contact), raises=False).checks
        assert row.verdict == "disagrees"


def test_a_switch_right_here_is_named():
    simulation = MadeUp(*kinked(1.0))
    (row,) = ds.check_gradients(simulation).checks
    assert row.verdict == "not differentiable"
    assert row.note.endswith("on the right; right here a contact switches: point 1 at step 3")
    assert sorted(row.slopes) == pytest.approx(sorted(row.adjoint * np.array([1.0, 1.0 + 1.0 / (3.0 * np.cos(3.0))])))


def test_a_switch_that_leaves_no_step_is_named():
    """At 2e-12 no step tells anything; what is known of the slopes beyond is said, and that it is beyond."""
    simulation = MadeUp(*kinked(1.0 + 2e-12))
    report = ds.check_gradients(simulation)
    (row,) = report.checks
    assert row.verdict == "not differentiable"
    assert "a contact switches: point 1 at step 3, and smaller steps cannot tell" in row.note
    assert report.exit_status == 3


def test_nobody_looks_for_switches_without_need():
    simulation = MadeUp(*kinked(1.01))
    (row,) = ds.check_gradients(simulation).checks
    assert (row.verdict, row.note, simulation.made, simulation.rollouts) == ("agrees", "", [], 0)


def test_a_simulation_that_records_everything_is_not_made_again():
    simulation = MadeUp(*kinked(1.0 + 3e-9), record="all")
    assert "point 1 at step 3" in ds.check_gradients(simulation).checks[0].note
    assert simulation.made == []


def test_models_need_not_tell_their_contacts():
    loss, slope, _ = kinked(1.0 + 3e-9)
    simulation = MadeUp(loss, slope)
    (row,) = ds.check_gradients(simulation, directions=1).checks
    assert row.verdict == "agrees"
    assert "the slope is another one" in row.note
    assert simulation.rollouts == 1


def test_large_rollouts_are_not_recorded(monkeypatch):
    """6 rows of 2 contacts and 3 positions with 2 components are 48 numbers."""
    for most, said in ((48, "point 1 at step 3"), (47, "would record 5e+01 numbers")):
        monkeypatch.setattr(check, "MOST_RECORDED", most)
        simulation = MadeUp(*kinked(1.0 + 3e-9))
        assert said in ds.check_gradients(simulation).checks[0].note
        assert (simulation.rollouts > 0) == (most == 48)


def test_each_environment_has_its_own_switches():
    starts = np.array([1.0, 1.2, 1.0 + 2e-9])
    simulation = MadeUp(*kinked(1.2), envs=3, shared=False)
    rows = ds.check_gradients(simulation, {"p": starts}).checks
    assert [row.env for row in rows] == [0, 1, 2]
    assert [row.verdict for row in rows] == ["agrees", "not differentiable", "agrees"]
    assert ["point 1 at step 3" in row.note for row in rows] == [False, True, False]


def test_environments_that_share_parameters_are_named_in_a_switch():
    simulation = MadeUp(*kinked(1.0 + 3e-9), envs=2)
    assert ds.check_gradients(simulation).checks[0].note.endswith("point 1 at step 3 in environment 0")


def test_steps_that_leave_the_domain_are_dropped():
    """A mass of 1e-3 among larger ones becomes negative long before the largest step."""

    def loss(p):
        return float(np.sum(1.0 / p)) if (p > 0.0).all() else np.nan

    for options in ({}, {"envs": 2, "shared": False}):
        simulation = MadeUp(loss, lambda p: -1.0 / p**2, start=[1e-3, 2.0, 3.0], **options)
        assert ds.check_gradients(simulation).passed
        wrong = MadeUp(loss, lambda p: -1.001 / p**2, start=[1e-3, 2.0, 3.0], **options)
        assert ds.check_gradients(wrong, raises=False).exit_status == 1


def test_one_environment_may_leave_the_domain_while_others_stay():
    simulation = MadeUp(
        lambda p: float(np.sqrt(p)) if p > 0.0 else np.nan, lambda p: 0.5 / np.sqrt(p), envs=2, shared=False
    )
    rows = ds.check_gradients(simulation, {"p": np.array([1.0, 1e-3])}).checks
    assert [row.verdict for row in rows] == ["agrees", "agrees"]


def test_a_loss_that_is_not_finite_is_a_divergence():
    for options in ({}, {"envs": 2, "shared": False}):
        with pytest.raises(ds.DivergenceError):
            ds.check_gradients(MadeUp(lambda p: np.nan, lambda p: p, **options))


def test_a_loss_that_is_not_finite_though_the_trajectory_is():
    simulation = MadeUp(lambda p: np.inf if p > 1.0 else float(p), lambda p: 1.0, envs=3, shared=False)
    simulation.rollout = lambda params: None
    with pytest.raises(ds.DivergenceError, match="loss of environment 1") as caught:
        ds.check_gradients(simulation, {"p": np.array([1.0, 2.0, 3.0])})
    assert (caught.value.array, caught.value.env, caught.value.step) == ("loss", 1, 5)


def test_a_gradient_that_is_not_finite_in_one_environment():
    simulation = MadeUp(lambda p: float(p**2), lambda p: 2.0 * p if p < 2.0 else np.nan, envs=2, shared=False)
    report = ds.check_gradients(simulation, {"p": np.array([1.0, 2.0])}, raises=False)
    assert disagreeing(report) == {("p", 1)}
    assert report.checks[1].note == "the gradient is not finite"


@pytest.mark.parametrize("value", [0.0, [0.0, 0.0], [0.0, 5.0], 1e-8, 1e8])
def test_parameters_of_any_size(value):
    """One that is zero is moved by about 1; others by about their size."""
    simulation = MadeUp(lambda p: float(np.sum(np.sin(p + 0.3))), lambda p: np.cos(p + 0.3), start=value)
    (row,) = ds.check_gradients(simulation).checks
    size = np.sqrt(np.mean(np.square(value))) or 1.0
    assert row.verdict == "agrees"
    assert 0.1 * size <= abs(row.adjoint) <= 4.0 * size


def test_a_direction_along_which_the_gradient_cancels_is_not_used():
    """Two equal components: every other direction would be nearly along the line on which nothing changes."""
    simulation = MadeUp(lambda p: float(np.sin(np.sum(p))), lambda p: np.cos(np.sum(p)) * np.ones(2), start=[1.0, 1.0])
    for seed in range(30):
        (row,) = ds.check_gradients(simulation, seed=seed).checks
        assert abs(row.adjoint) > 0.2 * abs(np.cos(2.0))


# How it is called


def test_float32_simulations_are_checked_in_float64(monkeypatch):
    """1e-6 is beyond what differences of float32 can tell; the simulation itself is left as it was."""
    seen = []
    right = ds.Simulation.value_and_grad

    def noted(self, params):
        seen.append((self.precision, self.executor, self.adjoint, self.envs, self.shared))
        return right(self, params)

    monkeypatch.setattr(ds.Simulation, "value_and_grad", noted)
    settings = {"executor": "fused", "adjoint": ds.Checkpointed(every=4), "envs": 2, "shared": False}
    with ds.Simulation(problem(tune=("controller.*",)), precision="f32", **settings) as simulation:
        before = simulation.value(simulation.params())
        assert ds.check_gradients(simulation).passed
        assert simulation.precision == "f32"
        assert np.array_equal(simulation.value(simulation.params()), before)
    assert seen == [("f64", "fused", ds.Checkpointed(every=4), 2, False)]


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


def test_parameters_given_once_are_for_all_environments(copies):
    given = copies.problem.numbers()
    once = {name: given[name] for name in NAMES}
    each = {name: np.stack([value] * 3) for name, value in once.items()}
    assert ds.check_gradients(copies, once) == ds.check_gradients(copies, each)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda params: params.pop("scene.gravity"), "this problem tunes"),
        (lambda params: params.update({"scene.gravity": np.zeros(3)}), "has shape"),
        (lambda params: params.update({"scene.gravity": np.full(2, np.nan)}), "not finite"),
    ],
)
def test_wrong_parameters_are_refused_by_the_simulation(single, change, said):
    params = single.params()
    change(params)
    with pytest.raises(ds.InputError, match=said):
        ds.check_gradients(single, params)


def test_the_number_of_directions_is_checked(single):
    with pytest.raises(ds.InputError, match="directions is 0"):
        ds.check_gradients(single, directions=0)


def test_the_seed_decides_the_directions(single):
    params = single.params()
    one, same, other = (ds.check_gradients(single, params, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert all(a.adjoint != b.adjoint for a, b in zip(one.checks, other.checks, strict=True))


def test_the_report_can_be_had_instead_of_an_error(monkeypatch, single):
    spoil(monkeypatch, lambda grad: grad.update({"scene.stiffness": 2.0 * grad["scene.stiffness"]}))
    report = ds.check_gradients(single, raises=False)
    assert (report.passed, report.exit_status) == (False, 1)
    failed = next(row for row in report.checks if row.name == "scene.stiffness")
    # Twice the slope is apart by half of the larger one.
    assert failed.error == pytest.approx(0.5, rel=1e-5)
    assert failed.adjoint == pytest.approx(2.0 * failed.differences, rel=1e-5)


def test_the_tolerance_decides(monkeypatch, single):
    spoil(monkeypatch, lambda grad: grad.update({"scene.gravity": 1.001 * grad["scene.gravity"]}))
    assert ds.check_gradients(single, tolerance=2e-3).passed
    assert not ds.check_gradients(single, tolerance=5e-4, raises=False).passed


def test_what_cannot_be_judged_raises_nothing():
    report = ds.check_gradients(MadeUp(*kinked(1.0)), raises=True)
    assert (report.passed, report.exit_status) == (False, 3)


def test_nothing_to_tune_is_an_empty_report():
    with ds.Simulation(problem(tune=())) as simulation:
        report = ds.check_gradients(simulation)
    assert (report.passed, report.exit_status) == (True, 0)
    assert str(report).split() == ["parameter", "adjoint", "differences", "uncertainty", "step", "verdict"]


# The report

CHECKS = (
    ParameterCheck("controller.phase", None, 0, 0.25, 0.25, 3e-11, 1e-6, "agrees"),
    ParameterCheck("scene.mass", None, 0, -2.0, 1.0, 2e-9, 1e-5, "disagrees"),
    ParameterCheck("scene.friction", None, 0, 1.0, 1.5, 1e-8, 1e-5, "not differentiable", "a kink", (1.0, 2.0)),
    ParameterCheck(ALL, None, 0, 1e20, np.nan, np.inf, np.nan, "too noisy", "the loss is not finite"),
)


def test_the_table():
    expected = """\
parameter                  adjoint       differences  uncertainty   step  verdict
controller.phase  +2.500000000e-01  +2.500000000e-01        3e-11  1e-06  agrees
scene.mass        -2.000000000e+00  +1.000000000e+00        2e-09  1e-05  DISAGREES
scene.friction    +1.000000000e+00  +1.500000000e+00        1e-08  1e-05  not differentiable
    a kink
all parameters    +1.000000000e+20              +nan          inf    nan  too noisy
    the loss is not finite"""
    assert str(ds.GradientReport(CHECKS, 1e-6)) == expected


def test_the_table_names_environments_and_directions():
    name = "controller.target.frequency"
    rows = [
        ParameterCheck(name, env, k, -0.25, -0.25, 3e-11, 1e-6, "not differentiable") for k in (0, 1) for env in (0, 9)
    ]
    lines = str(ds.GradientReport(tuple(rows), 1e-6)).splitlines()
    assert lines[0].split()[:3] == ["parameter", "env", "direction"]
    assert [line.split()[1:3] for line in lines[1:]] == [["0", "0"], ["9", "0"], ["0", "1"], ["9", "1"]]
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ((), 0),
        (("agrees", "agrees"), 0),
        (("agrees", "too noisy"), 3),
        (("not differentiable", "agrees"), 3),
        (("too noisy", "disagrees", "agrees"), 1),
    ],
)
def test_the_exit_status(verdicts, status):
    report = ds.GradientReport(tuple(ParameterCheck("p", None, 0, 1.0, 1.0, 0.0, 1.0, v) for v in verdicts), 1e-6)
    assert report.exit_status == status
    assert report.passed == (status == 0)


def test_the_report_as_json():
    report = ds.GradientReport(CHECKS, 1e-6)
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert (found["tolerance"], found["passed"], found["exit_status"]) == (1e-6, False, 1)
    assert found["checks"][1]["error"] == 1.5
    assert found["checks"][2]["slopes"] == [1.0, 2.0]
    assert found["checks"][3] == {
        "name": ALL,
        "env": None,
        "direction": 0,
        "adjoint": 1e20,
        "differences": None,
        "uncertainty": None,
        "step": None,
        "verdict": "too noisy",
        "note": "the loss is not finite",
        "slopes": None,
        "error": None,
    }
