"""Numbers found from measurements: values, how sure they are, and what cannot be told."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import diffsim as ds
from diffsim.identification.experiment import Experiment
from diffsim.identification.least_squares import LeastSquares
from diffsim.identification.signals import Signal
from diffsim.identification.unknowns import Unknowns
from diffsim.identification.verdict import student
from diffsim.least_squares import secant

from .arm_with_friction import FILE, written


def load(path):
    """A scene's script as a module."""
    spec = importlib.util.spec_from_file_location(f"scene_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TRUE = {"stiffness": 30.0, "spring_damping": 0.4}


def swing(stiffness=20.0, spring_damping=0.8, mass=0.5, start=0.3, dt=0.01):
    """A mass that hangs in the air on a spring, along x."""
    return ds.MassSpring(
        [[0.0, 0.0], [1.0 + start, 0.0]],
        [[0, 1]],
        stiffness=stiffness,
        spring_damping=spring_damping,
        rest_length=np.array([1.0]),
        mass=mass,
        fixed=[0],
        gravity=(0.0, 0.0),
        dt=dt,
    )


SIGNAL = "position[1, 0]"
TUNE = ("scene.stiffness", "scene.spring_damping")


def measured(scene=None, times=None, noise=0.0, seed=0, name="log", **changes):
    """What a camera sees of a scene with the true numbers."""
    scene = swing(**{**TRUE, **changes}) if scene is None else scene
    times = np.arange(0.0, 1.5, 0.02) if times is None else np.asarray(times)
    steps = int(np.ceil(times[-1] / scene.dt)) + 2
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=()), precision="f64", executor="staged") as simulation:
        rollout = simulation.rollout({})
    rng = np.random.default_rng(seed)
    value = np.interp(times, rollout.time, rollout.position[:, 1, 0])
    return ds.Log(times, {SIGNAL: value + noise * rng.normal(size=len(times))}, name=name)


def find(logs, scene=None, tune=TUNE, **options):
    return ds.identify(swing() if scene is None else scene, logs, tune=tune, progress=False, **options)


def test_without_noise_the_numbers_are_found_to_rounding():
    found = find(measured())
    assert found.params["scene.stiffness"] == pytest.approx(TRUE["stiffness"], rel=1e-8)
    assert found.params["scene.spring_damping"] == pytest.approx(TRUE["spring_damping"], rel=1e-7)
    assert found.problem.scene.stiffness == pytest.approx(TRUE["stiffness"], rel=1e-8)
    assert found.launches < 30
    assert found.untold == ()


def test_the_intervals_of_a_hundred_noisy_logs_hold_the_truth_as_often_as_they_say():
    clean = measured(times=np.arange(0.0, 0.8, 0.02))
    rng = np.random.default_rng(5)
    held = []
    for _ in range(100):
        noisy = clean.signals[SIGNAL] + 0.01 * rng.normal(size=len(clean.time))
        found = find(ds.Log(clean.time, {SIGNAL: noisy}))
        true = np.array(list(TRUE.values()))
        held.append((found.low < true) & (true < found.high))
    share = np.mean(held, axis=0)
    assert ((share >= 0.90) & (share <= 0.99)).all(), share


def test_standard_errors_are_those_of_a_linear_model():
    # A mass that moves freely: x = x0 + v0 t, whose least squares are in every textbook.
    scene, rng = swing(stiffness=0.0, spring_damping=0.0), np.random.default_rng(3)
    t = np.arange(0.0, 1.0, 0.05)
    noise = 0.02
    log = ds.Log(t, {SIGNAL: 1.3 + 0.7 * t + noise * rng.normal(size=len(t))})
    tune = ("scene.initial_position[1, 0]", "scene.initial_velocity[1, 0]")
    start = replace(scene, initial_velocity=np.zeros((2, 2)))
    design = np.stack([np.ones_like(t), t], axis=1)
    best, squares, *_ = np.linalg.lstsq(design, log.signals[SIGNAL], rcond=None)
    inverse = np.linalg.inv(design.T @ design)
    for known, variance in ((None, squares[0] / (len(t) - 2)), (noise, noise**2)):
        found = find(log, start, tune, noise=known)
        order = [found.labels.index(label) for label in tune]
        np.testing.assert_allclose(found.values[order], best, rtol=1e-6)
        np.testing.assert_allclose(found.errors[order], np.sqrt(variance * np.diag(inverse)), rtol=1e-5)
        between = inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
        assert found.correlation[order[0], order[1]] == pytest.approx(between, abs=1e-5)


def test_mass_and_stiffness_and_damping_are_told_only_in_ratio():
    found = find(measured(noise=1e-3), tune=("scene.mass", *TUNE))
    assert len(found.untold) == 1
    words = str(found.untold[0])
    assert "scale together: only their ratios are seen" in words
    assert all(name in words for name in ("scene.mass", "scene.stiffness", "scene.spring_damping"))
    assert np.isinf(found.errors).sum() == 3
    assert found.singular_values[-1] < 1e-7 * found.singular_values[0]
    ratio = found.params["scene.stiffness"] / found.params["scene.mass"]
    assert ratio == pytest.approx(TRUE["stiffness"] / 0.5, rel=0.01)


def test_what_nothing_depends_on_is_named_and_stays_where_it_was():
    found = find(measured(noise=1e-3), tune=(*TUNE, "scene.gravity[1]"), scene=replace(swing(), fixed=[0]))
    told = dict(zip(found.labels, found.errors, strict=True))
    assert np.isfinite(told["scene.stiffness"])
    (direction,) = found.untold
    assert "scene.gravity[1]" in str(direction)
    assert found.params["scene.gravity[1]"] == pytest.approx(0.0, abs=1e-6)


def test_what_is_hardly_seen_is_said_with_its_standard_error():
    short = measured(times=[0.0, 0.02, 0.04, 0.06, 0.08], noise=0.05, seed=1)
    found = find(short, tune=("scene.spring_damping",), scene=swing(stiffness=TRUE["stiffness"]), noise=0.05)
    assert "hardly tell scene.spring_damping" in str(found.untold[0])
    assert "standard error" in str(found.untold[0])


def test_several_logs_have_initial_states_of_their_own_and_one_set_of_numbers():
    logs = [
        measured(start=start, noise=2e-3, seed=k, name=f"swing {k}") for k, start in enumerate((0.3, -0.25, 0.1, 0.45))
    ]
    own = ("scene.initial_position[1, 0]", "scene.initial_velocity[1, 0]")
    scene = replace(swing(), initial_velocity=np.zeros((2, 2)))
    together = find(logs, scene, each=own)
    truth = np.array([TRUE["stiffness"], TRUE["spring_damping"]])
    assert (together.low[:2] < truth).all()
    assert (truth < together.high[:2]).all()
    for k, start in enumerate((0.3, -0.25, 0.1, 0.45)):
        assert together.fits[k].own[own[0]] == pytest.approx(1.0 + start, abs=5e-3)
    assert "scene.initial_velocity[1, 0] of log 4" in together.labels
    alone = [find(log, scene, each=own) for log in logs]
    for one in alone:
        for other in alone:
            assert (one.low[:2] < other.high[:2]).all()  # they overlap
        assert (together.errors[:2] < one.errors[:2]).all()


def test_gain_bias_and_delay_of_a_sensor():
    clean = measured()
    seen = np.interp(clean.time - 0.037, clean.time, clean.signals[SIGNAL])
    early = clean.time > 0.06
    log = ds.Log(clean.time[early], {SIGNAL: 1.2 * seen[early] - 0.4})
    # A second sensor without faults, so that the motion is known.
    both = ds.Log(log.time, {SIGNAL: log.signals[SIGNAL], "velocity[1, 0]": _velocity(log.time)}, name="both")
    found = ds.identify(
        swing(), both, tune=TUNE, sensors=(f"{SIGNAL}.*",), progress=False, noise={SIGNAL: 1e-3, "velocity[1, 0]": 1e-3}
    )
    assert found.sensors[f"{SIGNAL}.gain"] == pytest.approx(1.2, abs=5e-3)
    assert found.sensors[f"{SIGNAL}.bias"] == pytest.approx(-0.4, abs=5e-3)
    assert found.sensors[f"{SIGNAL}.delay"] == pytest.approx(0.037, abs=1e-3)
    assert found.params["scene.stiffness"] == pytest.approx(TRUE["stiffness"], rel=1e-3)


def _velocity(times):
    with ds.Simulation(ds.Problem(swing(**TRUE), steps=200, tune=()), precision="f64", executor="staged") as simulation:
        rollout = simulation.rollout({})
    return np.interp(times, rollout.time, rollout.velocity[:, 1, 0])


def test_a_delay_of_all_signals_together():
    clean = measured()
    times = clean.time[5:]
    late = np.interp(times - 0.05, clean.time, clean.signals[SIGNAL])
    log = ds.Log(times, {SIGNAL: late, "velocity[1, 0]": _velocity(times - 0.05)})
    found = ds.identify(swing(), log, tune=TUNE, sensors=("delay",), progress=False)
    assert found.sensors["delay"] == pytest.approx(0.05, abs=1e-3)


def test_missing_samples_and_any_times():
    times = np.sort(np.random.default_rng(2).uniform(0.0, 1.4, 60))
    log = measured(times=times)
    value = np.array(log.signals[SIGNAL])
    value[::7] = np.nan
    found = find(replace(log, signals={SIGNAL: value}))
    assert found.params["scene.stiffness"] == pytest.approx(TRUE["stiffness"], rel=2e-3)
    assert len(found.fits[0].measured[SIGNAL]) == np.isfinite(value).sum()


def test_a_false_minimum_is_left_by_horizons_that_grow():
    # Three swings out of step: least squares alone end at some stiffness in between.
    found = find(
        measured(times=np.arange(0.0, 4.0, 0.02), spring_damping=0.05), swing(stiffness=6.0, spring_damping=0.1)
    )
    assert found.params["scene.stiffness"] == pytest.approx(TRUE["stiffness"], rel=1e-5)


def test_outliers_need_a_robust_loss():
    log = measured(noise=1e-3)
    value = np.array(log.signals[SIGNAL])
    value[10::20] += 0.5
    spoilt = replace(log, signals={SIGNAL: value})
    off = {loss: abs(find(spoilt, robust=loss).params["scene.stiffness"] / 30.0 - 1.0) for loss in ("linear", "cauchy")}
    assert off["cauchy"] < 0.02
    assert off["cauchy"] < 0.3 * off["linear"]


def test_logs_that_are_held_out_judge_the_result():
    logs = [measured(start=start, noise=2e-3, seed=k, name=f"log {k}") for k, start in enumerate((0.3, 0.2))]
    scene = replace(swing(), initial_velocity=np.zeros((2, 2)))
    found = find(logs[:1], scene, each="scene.initial_position[1, 0]", held_out=logs[1:])
    (held,) = found.held_out
    assert held.log.name == "log 1"
    assert held.own["scene.initial_position[1, 0]"] == pytest.approx(1.2, abs=5e-3)
    assert 1e-3 < held.rms[SIGNAL] < 3e-3
    assert "held out log 1" in found.summary()


def test_what_the_model_lacks_is_said():
    dragged = measured(noise=1e-4)  # the model may not damp, the truth does
    found = find(dragged, swing(spring_damping=0.0), tune=("scene.stiffness",))
    assert any("the model lacks something" in line for line in found.findings)
    known = find(dragged, swing(spring_damping=0.0), tune=("scene.stiffness",), noise=1e-4)
    assert any("times its noise" in line for line in known.findings)
    fine = find(measured(noise=1e-3), noise=1e-3)
    assert fine.findings == ()


def test_a_number_at_its_bound_is_said_and_has_no_interval():
    found = find(measured(noise=1e-3), bounds={"scene.stiffness": (None, 25.0)})
    k = found.labels.index("scene.stiffness")
    assert found.values[k] == pytest.approx(25.0, rel=1e-5)
    assert np.isnan(found.errors[k])
    assert any("scene.stiffness ends at its bound" in line for line in found.findings)
    assert "at its bound" in found.summary()


def test_nature_keeps_damping_from_going_below_zero():
    found = find(measured(noise=5e-3, spring_damping=0.0, seed=4))
    assert found.params["scene.spring_damping"] >= 0.0


def test_a_log_that_starts_elsewhere_is_said():
    found = find(measured(start=0.1))
    assert any("begins with position[1, 0] at 1.1" in line and "each=" in line for line in found.findings)


def jacobian_of(problem, log, vector=None):
    unknowns = Unknowns(problem, [log], each=(), sensors=(), start={}, scale={}, measured=[{}])
    experiment = Experiment(problem, log, 0, unknowns, "cpu")
    try:
        backward = experiment._backward
        return backward, experiment.jacobian(unknowns.start if vector is None else vector, sides=6e-6 * unknowns.units)
    finally:
        experiment.close()


def test_few_samples_of_many_numbers_take_the_reverse_pass_and_agree_with_copies():
    net = ds.grid((3, 2), spacing=0.1, origin=(0.0, 0.5))
    scene = ds.MassSpring(
        net.points, net.springs, stiffness=np.full(len(net.springs), 300.0), mass=0.05, fixed=[0, 3], dt=0.004
    )
    problem = ds.Problem(scene, None, None, tune=("scene.stiffness",))
    few = ds.Log([0.0, 0.21], {"position[5, 1]": [np.nan, 0.4], "position[5, 0]": [np.nan, 0.2]})
    many = ds.Log(np.linspace(0.0, 0.21, 22), {name: np.full(22, 0.3) for name in few.signals})
    backward, found = jacobian_of(problem, few)
    forward, wanted = jacobian_of(problem, many)
    assert (backward, forward) == (True, False)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one[-1], other[-1], rtol=1e-6, atol=1e-12)


ARM = """<robot name="arm"><link name="world"/>
<link name="upper"><inertial><origin xyz="0 0 -0.2"/><mass value="1.0"/>
<inertia ixx="0.01" iyy="0.01" izz="0.001" ixy="0" ixz="0" iyz="0"/></inertial></link>
<joint name="shoulder" type="revolute"><parent link="world"/><child link="upper"/><axis xyz="0 1 0"/>
<limit lower="-3" upper="3" effort="10" velocity="10"/><dynamics damping="0.02"/></joint></robot>"""


def test_torques_of_a_log_drive_the_robot():
    scene = ds.load_urdf(ARM, dt=0.005, contacts=False)
    times = np.arange(0.0, 1.0, 0.02)
    torque = 0.3 * np.sin(5.0 * times)  # of the whole effort
    steps = 198
    driven = ds.OpenLoop(np.interp(0.005 * np.arange(steps), times, torque)[:, None], saturate=False)
    with ds.Simulation(ds.Problem(scene, driven, steps=steps, tune=("scene.damping",)), precision="f64") as simulation:
        rollout = simulation.rollout({"scene.damping": np.array([0.35])})
    angle = np.interp(times, rollout.time, rollout.joint_position[:, 0])
    log = ds.Log(times[:49], {"shoulder": angle[:49]}, {"shoulder": torque[:49]})
    found = ds.identify(scene, log, tune="scene.damping", progress=False)
    assert found.params["scene.damping"][0] == pytest.approx(0.35, rel=1e-4)
    with pytest.raises(ds.InputError, match="has inputs shoulder, but the problem has a controller"):
        ds.identify(ds.Problem(scene, ds.OpenLoop(0.0), tune="scene.damping"), log, progress=False)


def test_inertias_stay_what_a_body_can_have_and_axes_that_do_not_turn_are_named():
    scene = replace(ds.load_urdf(ARM, dt=0.005, contacts=False), initial_position=(1.0,))
    true = np.array([[0.01, 0.03, 0.025]])
    with ds.Simulation(ds.Problem(scene, steps=200, tune=("scene.inertia",)), precision="f64") as simulation:
        rollout = simulation.rollout({"scene.inertia": true})
    log = ds.Log(rollout.time, {"shoulder": rollout.joint_position[:, 0]})
    found = ds.identify(scene, log, tune="scene.inertia", progress=False)
    a, b, c = found.params["scene.inertia"][0]
    assert b == pytest.approx(0.03, rel=1e-5)
    assert max(a, b, c) <= (a + b + c) / 2 * (1 + 1e-9)
    assert np.isfinite(found.errors).tolist() == [False, True, False]
    assert any("scene.inertia[0, 0]" in str(direction) for direction in found.untold)


def test_an_objective_that_follows_measurements_needs_no_log():
    log = measured(noise=1e-3)
    steps = np.round(log.time / 0.01).astype(int)
    position = np.stack([log.signals[SIGNAL], np.zeros(len(steps))], axis=1)[:, None]
    match = ds.MatchTrajectory(position, steps=steps, points=[1])
    found = ds.identify(ds.Problem(swing(), None, match, steps=200, tune=TUNE), progress=False)
    assert found.params["scene.stiffness"] == pytest.approx(TRUE["stiffness"], rel=5e-3)
    joints = ds.TrackJoints(np.zeros((3, 1)), weight=2.0)
    scene = ds.load_urdf(ARM, contacts=False)
    times, signals = joints.measurements(scene)
    assert times.tolist() == [0, 1, 2]
    assert list(signals) == ["shoulder"]


BAD = {
    "no logs": ({"logs": None}, "no logs, and the problem's objective follows no measurements"),
    "no log": ({"logs": [3]}, r"logs\[0\] is 3, but a Log is needed"),
    "nothing to find": ({"tune": ()}, "nothing is looked for"),
    "too few samples": ({"tune": ("scene.*",)}, r"hold 75 samples, but \d+ numbers"),
    "an unknown loss": ({"robust": "l1"}, "robust"),
    "a start of nothing": ({"start": {"scene.mass": 1.0}}, "start names 'scene.mass'"),
    "a start of another shape": ({"start": {"scene.stiffness": [1.0, 2.0]}}, r"start\['scene.stiffness'\] has shape"),
    "a sensor that is none": ({"sensors": "q.bias"}, r"sensors names 'q\.bias'"),
    "noise of another signal": ({"noise": {"q": 1.0}}, "noise names q"),
    "noise that is none": ({"noise": 0.0}, "a number above 0"),
    "held out signals that nobody fits": (
        {"held_out": ds.Log([0.0, 0.1], {"position[1, 1]": [0.0, 0.0]}, name="other")},
        r"held_out measures 'position\[1, 1\]'",
    ),
    "a start that explodes": ({"start": {"scene.stiffness": 1e9}}, "rollout of the start is not finite"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    options, message = BAD[case]
    options = {"logs": measured(), **options}
    if case == "too few samples":
        many = ds.grid((4, 4), spacing=0.1)
        scene = ds.MassSpring(
            many.points, many.springs, stiffness=np.full(len(many.springs), 10.0), mass=np.full(25, 1.0)
        )
        options = {
            "logs": measured(),
            "scene": scene,
            "tune": ("scene.stiffness", "scene.mass", "scene.initial_position"),
        }
    with pytest.raises(ds.InputError, match=message):
        find(options.pop("logs"), **options)


def test_tune_is_said_once():
    problem = ds.Problem(swing(), tune=TUNE)
    with pytest.raises(ds.InputError, match="the problem's own"):
        ds.identify(problem, measured(), tune=TUNE)
    with pytest.raises(ds.InputError, match="tune says which numbers"):
        ds.identify(swing(), measured())


def test_nothing_but_numpy_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)  # an import of it fails
    assert find(measured()).params["scene.stiffness"] == pytest.approx(TRUE["stiffness"], rel=1e-6)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.30265), (5, 2.57058), (30, 2.04227), (10**6, 1.95997)]
)
def test_quantiles_of_students_t_are_those_of_the_tables(freedom, quantile):
    assert student(freedom, 0.975) == pytest.approx(quantile, rel=3e-6)


def test_it_prints_saves_and_shows(tmp_path, capsys):
    found = ds.identify(swing(), measured(noise=1e-3), tune=TUNE)
    assert "identify: iteration 0, loss" in capsys.readouterr().err
    text = str(found)
    assert "scene.stiffness" in text
    assert "95 % interval" in text
    assert "fitted log: off by position[1, 0] 0.00" in text
    page = found.save(tmp_path / "made")
    assert page.read_text(encoding="utf-8").count("data:image/png") == 4  # a fit and correlations, light and dark
    told = json.loads((tmp_path / "made" / "identification.json").read_text())
    assert told["numbers"]["scene.stiffness"]["low"] < 30.0 < told["numbers"]["scene.stiffness"]["high"]
    again = ds.Problem.from_dict(json.loads((tmp_path / "made" / "problem.json").read_text()))
    assert again == found.problem
    shown = found._repr_html_()
    assert "<table>" in shown
    assert shown.count("data:image/png") == 2


def test_the_log_of_the_arm_with_dry_friction_is_what_its_script_writes():
    assert FILE.read_text(encoding="utf-8") == written()


def test_dry_friction_of_an_arm_is_found_within_its_interval():
    arm = load(FILE.parent / "identify_arm.py")
    found = ds.identify(arm.problem(friction=True), progress=False)
    for name, true in arm.TRUE.items():
        at = [k for k, label in enumerate(found.labels) if label == name or label.startswith(f"{name}[")]
        assert (found.low[at] < true).all(), name
        assert (true < found.high[at]).all(), name


def counted(problem, log, monkeypatch):
    """What is found, and the points at which a Jacobian was made."""
    made, before = [], LeastSquares.jacobian

    def noted(self, vector, **how):
        made.append(np.array(vector))
        return before(self, vector, **how)

    monkeypatch.setattr(LeastSquares, "jacobian", noted)
    return find(log, problem), made


def test_most_steps_take_one_rollout_and_the_end_has_a_jacobian_of_its_own(monkeypatch):
    log = measured(times=np.arange(0.0, 1.5, 0.01), noise=1e-3)
    found, made = counted(swing(), log, monkeypatch)
    assert found.rollouts < 0.7 * 3 * len(found.history)  # three would be a Jacobian at each
    np.testing.assert_array_equal(made[-1], found.values)
    # Intervals are those of central differences made anew there.
    problem = ds.Problem(swing(**{k.removeprefix("scene."): float(v) for k, v in found.params.items()}), tune=TUNE)
    jacobian = np.concatenate(jacobian_of(problem, log)[1]) / found.noise[SIGNAL]
    wanted = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    np.testing.assert_allclose(found.errors, wanted, rtol=1e-4)


def test_a_secant_that_fails_is_replaced_and_the_answer_is_the_same(monkeypatch):
    log = measured(times=np.arange(0.0, 1.5, 0.01), noise=1e-3)
    wanted = find(log)
    wrong = lambda jacobian, step, change: -jacobian  # noqa: E731
    monkeypatch.setattr("diffsim.identification.least_squares.secant", wrong)
    found = find(log)
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-5)
    np.testing.assert_allclose(found.errors, wanted.errors, rtol=1e-4)
    assert found.rollouts > wanted.rollouts


def test_a_secant_says_what_residuals_did_and_else_what_it_said_before():
    rng = np.random.default_rng(0)
    jacobian, step, change = rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=5)
    found = secant(jacobian, step, change)
    np.testing.assert_allclose(found @ step, change)
    across = np.linalg.svd(step[None])[2][1:]
    np.testing.assert_allclose(found @ across.T, jacobian @ across.T)


def test_where_residuals_are_wrinkled_differences_are_as_wide_as_the_numbers_are_sure():
    # A line with wrinkles far smaller than its noise, whose slope at a point is a hundred times the line's.
    t, true = np.arange(0.0, 1.0, 0.005), np.array([0.4, -0.3])
    rng = np.random.default_rng(0)
    seen = true[0] + true[1] * t + 0.01 * rng.normal(size=len(t))
    fit = wrinkled(t, seen)
    found = fit.solve(np.zeros(2), np.ones(2, bool))
    design = np.stack([np.ones_like(t), t], axis=1)
    errors = 0.01 * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    assert fit.wide is not None
    assert (np.abs(found - np.linalg.lstsq(design, seen, rcond=None)[0]) < errors).all()
    assert np.abs(fit.slopes(found) * fit.noise["line"] - design).max() < 0.1


class Line:
    """An experiment on a + b t, with wrinkles of the size of 1e-5 in both."""

    launches, rollouts = 0, 0.0

    def __init__(self, t, seen):
        self.log, self.times, self.measured = ds.Log(t, {"line": seen}), [t], [seen]
        self.signals = (Signal("line", "position", 0, "m"),)

    def residuals(self, vector, until=np.inf):
        a, b = vector
        wrinkles = 1e-5 * np.sin(1e7 * (a + 0.7 * b) + np.arange(len(self.times[0])))
        return [a + b * self.times[0] + wrinkles - self.measured[0]]

    def jacobian(self, vector, until=np.inf, sides=None):
        sides = np.full(2, 1.5e-8) if sides is None else sides
        ends = [[self.residuals(vector + way * side)[0] for way in (1.0, -1.0)] for side in np.diag(sides)]
        return [np.stack([(up - down) / (2.0 * side) for (up, down), side in zip(ends, sides, strict=True)], axis=1)]


def wrinkled(t, seen):
    """The least squares of such a line."""
    unknowns = SimpleNamespace(units=np.ones(2), bounds=(np.full(2, -np.inf), np.full(2, np.inf)))
    return LeastSquares([Line(t, seen)], unknowns, "linear", 100, progress=False)
