"""Models that have no points, and what objectives and controllers say of arrays that a model lacks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim import physics
from diffsim.controllers import CONTROLLERS
from diffsim.engine.stages import Model, Part, Stage
from diffsim.objectives import OBJECTIVES
from diffsim.spec import Spec

STEPS = 10
EVERY = 4  # segments of 4, 4 and 2

GRADIENT = 1e-7
"""Of differences of a smooth loss of order one, at the best step; what they reach here is 1e-9."""


# Heat that spreads on a plate: u' = u + h (k laplacian(u) + source), nothing beyond the edges


@dataclass(frozen=True, eq=False, repr=False)
class Heat(Spec):
    """It has neither points nor a dimension, nothing to drive and nothing to observe."""

    kind: ClassVar[str] = "scene"

    temperature: Any  # (n, m) at the start [K]
    source: Any  # (n, m) [K/s]
    conductivity: float = 2.0  # per squared distance of two cells [1/s]
    dt: float = 0.05  # [s]

    def numbers(self):
        return {
            "initial_temperature": np.asarray(self.temperature, float),
            "source": np.asarray(self.source, float),
            "conductivity": np.array(self.conductivity),
        }

    def with_numbers(self, numbers):
        names = {"initial_temperature": "temperature"}
        return replace(self, **{names.get(name, name): value for name, value in numbers.items()})


@dataclass(frozen=True)
class Plate:
    start: Any  # (env, i, j) [K]
    source: Any  # (env, i, j) [K/s]
    conductivity: Any  # (env, 0) [1/s]
    temperature: Any  # (env, row, i, j) [K]
    flow: Any  # (env, row, i, j) into each cell [K/s]
    n: int
    m: int
    dt: float  # [s]


@ti.func
def begin(plate: ti.template(), env, row, step, c):
    plate.temperature[env, 0, c] = plate.start[env, c]


@ti.func
def flow_down(plate: ti.template(), env, row, step, c):
    i = c // plate.m
    j = c - i * plate.m
    gain = plate.conductivity[env, 0] * (plate.temperature[env, row, i + 1, j] - plate.temperature[env, row, i, j])
    plate.flow[env, row, i, j] += gain
    plate.flow[env, row, i + 1, j] -= gain


@ti.func
def flow_across(plate: ti.template(), env, row, step, c):
    i = c // (plate.m - 1)
    j = c - i * (plate.m - 1)
    gain = plate.conductivity[env, 0] * (plate.temperature[env, row, i, j + 1] - plate.temperature[env, row, i, j])
    plate.flow[env, row, i, j] += gain
    plate.flow[env, row, i, j + 1] -= gain


@ti.func
def warm(plate: ti.template(), env, row, step, c):
    rate = plate.flow[env, row, c] + plate.source[env, c]
    plate.temperature[env, row + 1, c] = plate.temperature[env, row, c] + plate.dt * rate


def build(scene, fields, steps, reads):
    n, m = scene.temperature.shape
    plate = Plate(
        start=fields.number("scene.initial_temperature", (n, m)),
        source=fields.number("scene.source", (n, m)),
        conductivity=fields.number("scene.conductivity", 1),
        temperature=fields.trajectory("temperature", (n, m), state=True),
        flow=fields.trajectory("flow", (n, m), accumulates=True, recorded=False),
        n=n,
        m=m,
        dt=scene.dt,
    )
    return Model(
        plate,
        prepare=(Stage(begin, (plate,), (n, m)),),
        step=(
            Stage(flow_down, (plate,), (n - 1, m)),
            Stage(flow_across, (plate,), (n, m - 1)),
            Stage(warm, (plate,), (n, m)),
        ),
    )


@dataclass(frozen=True)
class Reading:
    temperature: Any
    wanted: Any  # (env, cell) [K]
    weight: Any  # (env, 0)


@ti.func
def differ(goal: ti.template(), loss: ti.template(), env, row, step, c):
    off = goal.temperature[env, row, c] - goal.wanted[env, c]
    loss[env] += goal.weight[env, 0] * off * off


@dataclass(frozen=True, eq=False, repr=False)
class Warmth(ds.Objective):
    """Squared difference to the wanted temperatures, at the end [K^2]."""

    wanted: Any
    weight: float = 1.0

    def numbers(self, scene):
        return {"wanted": np.asarray(self.wanted, float), "weight": np.array(self.weight)}

    def build(self, fields, model, prefix="objective"):
        temperature = model.array("temperature", "Warmth")
        wanted, weight = fields.number(f"{prefix}.wanted", self.wanted.shape), fields.number(f"{prefix}.weight", 1)
        stage = Stage(differ, (Reading(temperature, wanted, weight), fields.loss), model.elements("temperature"))
        return Part(final=(stage,))


@pytest.fixture(scope="module", autouse=True)
def registered():
    before = dict(physics._REGISTRY)
    for scene, made in BUILDERS.items():
        physics.register(scene, made)
    yield
    physics._REGISTRY.clear()
    physics._REGISTRY.update(before)


def plate():
    """Not square, so that no two axes can be taken for one another."""
    rng = np.random.default_rng(0)
    return Heat(rng.uniform(0.0, 2.0, (3, 4)), rng.normal(size=(3, 4)))


def heating(**changes):
    wanted = np.random.default_rng(1).uniform(0.0, 1.0, (3, 4))
    return ds.Problem(**{"scene": plate(), "objective": Warmth(wanted), "steps": STEPS, "tune": ("*",), **changes})


ADJOINTS = {"full": ds.FullTape(), "segments": ds.Checkpointed(every=EVERY), "windows": ds.Truncated(EVERY)}


@pytest.mark.parametrize("adjoint", ["full", "segments"])
@pytest.mark.parametrize("executor", ["fused", "wide"])
def test_gradients_agree_with_differences(keep, executor, adjoint):
    simulation = keep(heating(), precision="f64", executor=executor, adjoint=ADJOINTS[adjoint])
    report = ds.check_gradients(simulation, tolerance=GRADIENT)
    assert report.passed, report
    assert {check.name for check in report.checks} > set(heating().numbers())


@pytest.mark.parametrize("executor", ["fused", "wide"])
def test_segments_have_the_bits_of_the_full_tape(keep, executor):
    full, segments = (
        keep(heating(), precision="f64", executor=executor, adjoint=ADJOINTS[name]) for name in ("full", "segments")
    )
    (loss, grad), (again, same) = (each.value_and_grad(each.params()) for each in (full, segments))
    assert loss == again
    assert all(np.array_equal(grad[name], same[name]) for name in grad)


def test_a_rollout_holds_the_grid(keep):
    problem = heating()
    rollout = keep(problem, precision="f64").rollout(keep(problem, precision="f64").params())
    assert list(rollout) == ["time", "temperature"]
    assert rollout.temperature.shape == (STEPS + 1, 3, 4)
    u, scene = problem.scene.temperature, problem.scene
    for row in range(STEPS):
        np.testing.assert_allclose(rollout.temperature[row], u, rtol=1e-13, atol=1e-13)  # rounding, ten steps
        padded = np.pad(u, 1, mode="edge")
        laplacian = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2] - 4.0 * u
        u = u + scene.dt * (scene.conductivity * laplacian + scene.source)
    assert rollout.loss == pytest.approx(np.sum((u - problem.objective.wanted) ** 2), rel=1e-13)


def test_windows_are_the_sum_of_their_own_gradients(keep):
    windows = keep(heating(), precision="f64", adjoint=ADJOINTS["windows"])
    params = windows.params()
    _, grad = windows.value_and_grad(params)
    rollout, total = windows.rollout(params), 0.0
    for first in range(0, STEPS, EVERY):
        short = keep(heating(steps=min(EVERY, STEPS - first)), precision="f64")
        start = {**params, "scene.initial_temperature": rollout.temperature[first]}
        total = total + short.value_and_grad(start)[1]["scene.source"]
    np.testing.assert_allclose(grad["scene.source"], total, rtol=1e-12)


def test_copies_with_other_initial_states(keep):
    """Shared parameters and a mean over two starts; and each copy with a source of its own."""
    starts = np.random.default_rng(3).uniform(0.0, 2.0, (2, 3, 4))
    tune = ("scene.source", "scene.conductivity")
    given = {"initial_temperature": starts}
    problem = heating(tune=tune)
    shared = ds.Simulation(problem, precision="f64", envs=2, initial_states=given)
    with shared:
        params = shared.params()
        loss, grad = shared.value_and_grad(params)
        assert shared.rollout(params).env(1).temperature.shape == (STEPS + 1, 3, 4)
    one = keep(heating(), precision="f64")
    single = [one.value_and_grad({**one.params(), "scene.initial_temperature": start}) for start in starts]
    assert loss == pytest.approx(np.mean([own for own, _ in single]), rel=1e-14)
    np.testing.assert_allclose(grad["scene.source"], sum(own["scene.source"] for _, own in single) / 2, rtol=1e-12)


def test_it_can_be_tuned_saved_and_judged(keep, tmp_path):
    problem = heating(tune=("scene.source",))
    simulation = keep(problem, precision="f64")
    result = ds.tune(simulation, optimizer=ds.Adam(0.3), iterations=30, progress=False)
    assert result.best_loss < 0.1 * result.history[0]["loss"]
    assert ds.gradient_health(simulation, result.best_params)
    with ds.Simulation(problem, precision="f64", envs=4, shared=False) as copies:
        estimate = ds.estimate_gradient(copies, result.best_params)
        assert estimate.gradient["scene.source"].shape == (3, 4)
    run = ds.Run(tmp_path / "run")
    again = ds.tune(simulation, optimizer=ds.Adam(0.3), iterations=3, progress=False, run=run)
    rollout = simulation.rollout(again.best_params)
    ds.save_rollouts(tmp_path / "run", [(0, rollout)])
    saved = ds.load_run(tmp_path / "run").rollouts[0]
    assert np.array_equal(saved.temperature, rollout.temperature)
    assert np.array_equal(ds.load_params(tmp_path / "run")["scene.source"], again.best_params["scene.source"])
    assert ds.load_problem(tmp_path / "run").to_dict() == problem.to_dict()


def test_a_rollout_that_diverges_says_where():
    with (
        ds.Simulation(heating(scene=replace(plate(), conductivity=1e200))) as simulation,
        pytest.raises(ds.DivergenceError, match="temperature of element 0 in environment 0 is not finite from step"),
    ):
        simulation.rollout(simulation.params())


# Arrays by name


@dataclass(frozen=True, eq=False, repr=False)
class Bare(Spec):
    """A model of which anything can be missing: it has the arrays that it is told, and they are all zero."""

    kind: ClassVar[str] = "scene"

    has: Any
    dt: float = 0.1

    def numbers(self):
        return {"initial_x": np.zeros(1)}


class Placed(Bare):
    """The same in two dimensions, with three points, one actuator, and two numbers to observe."""

    dimension: ClassVar[int] = 2
    observations: ClassVar[int] = 2
    actuators: ClassVar[Any] = np.arange(1)


WIDTHS = {"position": 2, "velocity": 2, "centre": 2}
LENGTHS = {"position": 3, "velocity": 3, "observation": 2, "density": (2, 2), "height": (2, 2)}


@dataclass(frozen=True)
class Nothing:
    x: Any


@ti.func
def rest(nothing: ti.template(), env, row, step, k):
    nothing.x[env, row + 1, k] = nothing.x[env, row, k]


def build_bare(scene, fields, steps, reads):
    for name in scene.has:
        fields.trajectory(name, LENGTHS.get(name, 1), WIDTHS.get(name, 0))
    x = Nothing(fields.trajectory("x", 1, state=True))
    return Model(step=(Stage(rest, (x,), 1),))


BUILDERS: dict[type, Callable[..., Model]] = {Heat: build, Bare: build_bare, Placed: build_bare}

POINTS = np.zeros((2, 3, 2))

READS = {
    "Effort": (ds.Effort(), ("actuation",)),
    "Follow": (ds.Follow([(0.0, 0.0), (1.0, 0.0)]), ("centre",)),
    "MatchPicture": (ds.MatchPicture(np.zeros((2, 2))), ("density",)),
    "MatchReadings": (ds.MatchReadings(np.zeros((2, 1)), [(0, 1)]), ("height",)),
    "MatchTrajectory": (ds.MatchTrajectory(POINTS), ("position",)),
    "ReachTarget": (ds.ReachTarget((0.0, 1.0)), ("centre",)),
    "ReachTarget of a point": (ds.ReachTarget((0.0, 1.0), point=2), ("position",)),
    "Travel": (ds.Travel(), ("centre",)),
    "Travel of a point": (ds.Travel(point=2), ("position",)),
}
DRIVES = {
    "MLP": (ds.MLP(hidden=2), ("observation", "actuation")),
    "MLP with a goal": (ds.MLP(hidden=2, observe=False, goal=(1.0, 0.0)), ("centre", "actuation")),
    "OpenLoop": (ds.OpenLoop(), ("actuation",)),
    "PD": (ds.PD(), ("actuator_position", "actuator_velocity", "actuation")),
    "PD to steps": (ds.PD(ds.OpenLoop()), ("actuator_position", "actuator_velocity", "actuation")),
    "Sine": (ds.Sine(), ("actuation",)),
}
OF_ROBOTS = {
    "ForwardVelocity": ds.ForwardVelocity(),
    "Height": ds.Height(),
    "ReachPose": ds.ReachPose((0.0, 0.0, 1.0)),
    "TrackJoints": ds.TrackJoints([[0.0]], "hip"),
    "Upright": ds.Upright(),
}
LACKING = [(case, array) for table in (READS, DRIVES) for case, (_, arrays) in table.items() for array in arrays]


def simulate(scene, case):
    part, arrays = {**READS, **DRIVES}[case]
    role = {"objective" if case in READS else "controller": part}
    ds.Simulation(ds.Problem(scene, **role, steps=3)).close()
    return arrays


def test_every_objective_and_controller_is_here():
    parts = [part for part, _ in (*READS.values(), *DRIVES.values())]
    special = {ds.MatchRefraction, ds.LinearFeedback}  # what they want their own tests say
    assert {type(part) for part in (*parts, *OF_ROBOTS.values())} | special == {*OBJECTIVES, *CONTROLLERS}


@pytest.mark.parametrize("case", [*READS, *DRIVES])
def test_a_model_that_has_what_is_read_will_do(case):
    part, arrays = {**READS, **DRIVES}[case]
    assert simulate(Placed(arrays), case) == arrays
    if case in READS and arrays != ("actuation",):
        assert simulate(Bare(arrays), case) == arrays  # the arrays tell the dimension
    assert type(part).__name__ == case.split()[0]


@pytest.mark.parametrize(("case", "array"), LACKING)
def test_a_model_that_lacks_an_array_is_refused_by_its_name(case, array):
    others = [name for name in (*WIDTHS, "actuation", "observation") if name != array]
    _, arrays = {**READS, **DRIVES}[case]
    has = [*others, *(name for name in arrays if name != array and name not in others)]
    verb = "writes" if array == "actuation" and case in DRIVES else "reads"
    owner = case.split()[0] if array != "actuation" or case != "PD to steps" else "PD"
    message = f"^{owner} {verb} '{array}', but a Placed has {', '.join([*has, 'x'])}$"
    with pytest.raises(ds.InputError, match=message):
        simulate(Placed(has), case)


@pytest.mark.parametrize(
    ("case", "has"),
    [(case, "density") for case, (_, arrays) in READS.items() if not {"actuation", "density"} & {*arrays}],
)
def test_a_model_without_points_says_what_it_has(case, has):
    with pytest.raises(ds.InputError, match=rf"^{case.split()[0]} reads '\w+', but a Bare has density, x$"):
        simulate(Bare((has,)), case)


@pytest.mark.parametrize("case", DRIVES)
def test_a_scene_without_actuators_cannot_be_driven(case):
    with pytest.raises(ds.InputError, match=f"^{case.split()[0]} drives actuators, but a Heat has none; it has"):
        ds.Problem(plate(), DRIVES[case][0], steps=3)
    with pytest.raises(ds.InputError, match=r"^Effort needs actuators, but the scene has none"):
        ds.Problem(plate(), objective=ds.Effort(), steps=3)


@pytest.mark.parametrize("case", OF_ROBOTS)
def test_objectives_of_robots_want_robots(case):
    with pytest.raises(ds.InputError, match=f"^{case} is about robots, but the scene is Heat; Articulated is needed"):
        ds.Problem(plate(), objective=OF_ROBOTS[case], steps=3)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (ds.Travel(point=3), r"Travel.point is 3, but a Placed has 3 \(0 to 2\)"),
        (ds.ReachTarget((0.0, 1.0), point="nose"), r"ReachTarget.point is 'nose', but .* of a Placed .* are none"),
        (ds.MatchTrajectory(np.zeros((1, 4, 2))), r"MatchTrajectory.points of a scene with 3 points\[3\] is 3"),
        (ds.MatchTrajectory(np.zeros((1, 3, 3))), "MatchTrajectory.positions are in 3 dimensions, the scene in 2"),
    ],
)
def test_points_that_only_the_model_knows_are_checked(objective, message):
    with pytest.raises(ds.InputError, match=message):
        ds.Simulation(ds.Problem(Placed(("position",)), objective=objective, steps=3))


def test_a_term_of_a_sum_is_named():
    goal = ds.Effort() + 0.5 * ds.Travel()
    with pytest.raises(ds.InputError, match=r"^Travel reads 'centre', but a Placed has actuation, x$"):
        ds.Simulation(ds.Problem(Placed(("actuation",)), objective=goal, steps=3))


@dataclass(frozen=True)
class Going:
    motion: Any


@ti.func
def go(own: ti.template(), loss: ti.template(), env, row, step, k):
    loss[env] += own.motion.centre[env, row, 0][0]


@dataclass(frozen=True, eq=False, repr=False)
class Old(ds.Objective):
    """As they were written before arrays had to be asked for."""

    weight: float = 1.0

    @property
    def reads(self):
        return frozenset({"centre"})

    def build(self, fields, model, prefix="objective"):
        return Part(final=(Stage(go, (Going(model.motion), fields.loss), 1),))


def test_objectives_that_ask_for_nothing_by_name_are_refused_by_what_they_request():
    with pytest.raises(ds.InputError, match=r"^Old reads 'centre', but a Heat has temperature$"):
        ds.Simulation(ds.Problem(plate(), objective=Old(), steps=3))


def test_a_scene_that_says_there_is_nothing_to_observe_may_be_seen():
    """A network then sees time only; a model from before need not have the array."""
    scene = type("Unseen", (Placed,), {"observations": 0})(("actuation",))
    with ds.Simulation(ds.Problem(scene, ds.MLP(hidden=2), steps=3)) as simulation:
        assert simulation.params()["controller.w1"].shape == (2, 10)
