"""Numbers that are declared, the record that follows from them, and objectives and controllers said by a formula."""

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim import physics
from diffsim.controllers import Controller
from diffsim.engine.stages import Model, Rows, Stage
from diffsim.numbers import constant, tunable
from diffsim.spec import Spec

STEPS = 10

GRADIENT = 1e-6
"""As in the conformance tests."""


@dataclass(frozen=True, eq=False, repr=False)
class Garden(physics.Scene):
    """Bodies that drift in a wind over a grid of heat, and are turned; every kind of shape."""

    initial_position: Any = tunable("n", 2, unit="m")
    heat: Any = tunable("i", "j", unit="K")
    mass: Any = tunable("n", default=1.0, unit="kg", above=0.0)
    wind: Any = tunable(2, default=(0.3, -0.1), unit="m/s")
    spin: Any = tunable("n", 2, 2, default=((0.0, 0.4), (-0.3, 0.1)), name="turning")
    cooling: float = tunable(default=0.2, unit="1/s", least=0.0, most=5.0)
    extra: Any = tunable("n", default=None)
    places: Any = ()
    fast: bool = True
    dt: float = constant(0.1, unit="s", above=0.0)

    @property
    def actuators(self):
        return np.arange(2)


@ti.func
def begin(garden: ti.template(), env, row, step, k):
    garden.position[env, 0, k] = garden.initial_position[env, k]


@ti.func
def begin_heat(garden: ti.template(), env, row, step, c):
    garden.warmth[env, 0, c] = garden.heat[env, c]


@ti.func
def drift(garden: ti.template(), env, row, step, k):
    x = garden.position[env, row, k]
    i = k % garden.i
    push = garden.warmth[env, row, i, 1] * garden.actuation[env, row, 0] / garden.mass[env, k]
    rate = garden.wind[env, 0] + garden.turning[env, k] @ x + ti.Vector([push, garden.actuation[env, row, 1]])
    garden.position[env, row + 1, k] = x + garden.dt * rate


@ti.func
def cool(garden: ti.template(), env, row, step, c):
    garden.warmth[env, row + 1, c] = garden.warmth[env, row, c] * (1.0 - garden.dt * garden.cooling[env, 0])


def build(scene, fields, steps, reads):
    garden = fields.record(
        scene,
        position=Rows("n", 2, state=True),
        warmth=Rows(("i", "j"), state=True),
        actuation=Rows(2, per_step=True),
    )
    assert garden.extra is None
    assert garden.fast is True
    return Model(
        garden,
        prepare=[Stage(begin, garden, garden.n), Stage(begin_heat, garden, (garden.i, garden.j))],
        step=[Stage(drift, garden, garden.n), Stage(cool, garden, (garden.i, garden.j))],
    )


@dataclass(frozen=True, eq=False, repr=False)
class Spread(ds.Objective):
    """Mean over all rows and bodies of the squared distance to a place [m^2]."""

    reads = "position"
    over = "position"
    when = "always"

    to: Any = tunable("d", default=(0.5, 0.2), unit="m")
    weight: float = 1.0

    @ti.func
    def formula(goal: ti.template(), env, row, step, body):
        off = goal.position[env, row, body] - goal.to[env, 0]
        return off.dot(off) / (goal.rows * goal.elements)


@dataclass(frozen=True, eq=False, repr=False)
class Warmth(ds.Objective):
    """Squared difference to wanted temperatures at the end, with a field of them [K^2]."""

    reads = ("warmth",)
    over = "wanted"

    wanted: Any = tunable("a", "b", unit="K")
    weight: float = tunable(default=1.0)

    @ti.func
    def formula(goal: ti.template(), env, row, step, c):
        off = goal.warmth[env, row, c] - goal.wanted[env, c]
        return off * off


@dataclass(frozen=True, eq=False, repr=False)
class Work(ds.Objective):
    """Time integral of the squared actuations [s]."""

    reads = ("actuation",)
    over = "actuation"
    when = "steps"
    weight: float = 1.0

    @ti.func
    def formula(goal: ti.template(), env, row, step, k):
        return goal.dt * goal.actuation[env, row, k] * goal.actuation[env, row, k]


@dataclass(frozen=True, eq=False, repr=False)
class Wave(Controller):
    """``tanh(gain * sin(rate t) + position)``."""

    reads = frozenset({"position"})

    gain: Any = tunable("k", default=None, start=lambda rng, shape: rng.normal(size=shape))
    rate: Any = tunable(default=2.0, unit="rad/s")

    @ti.func
    def formula(own: ti.template(), env, row, step, k):
        return ti.tanh(own.gain[env, k] * ti.sin(own.rate[env, 0] * own.dt * step) + own.position[env, row, 0][0])


@pytest.fixture(scope="module", autouse=True)
def registered():
    before = dict(physics._REGISTRY)
    physics.register(Garden, build)
    yield
    physics._REGISTRY.clear()
    physics._REGISTRY.update(before)


def garden(**changes):
    rng = np.random.default_rng(0)
    given = {"initial_position": rng.normal(size=(3, 2)), "heat": rng.uniform(1.0, 2.0, (4, 2))}
    return Garden(**{**given, **changes})


def problem(**changes):
    goal = Spread(weight=0.7) + 0.5 * Warmth(np.full((4, 2), 0.3)) + Work()
    return ds.Problem(**{"scene": garden(), "controller": Wave(), "objective": goal, "steps": STEPS, **changes})


# What follows from a declaration


def test_numbers_follow():
    assert {name: value.shape for name, value in garden().numbers().items()} == {
        "initial_position": (3, 2),
        "heat": (4, 2),
        "mass": (),
        "wind": (2,),
        "turning": (2, 2),
        "cooling": (),
    }
    assert garden(extra=2.0).numbers()["extra"] == 2.0
    assert type(garden().cooling) is float
    assert not garden().heat.flags.writeable


def test_with_numbers_follows():
    scene = garden().with_numbers({"turning": np.eye(2), "cooling": np.array(0.5)})
    assert np.array_equal(scene.spin, np.eye(2))
    assert scene.cooling == 0.5
    assert np.array_equal(scene.heat, garden().heat)
    with pytest.raises(ds.InputError, match=r"this scene has no number 'spin'; it has initial_position, heat, mass"):
        garden().with_numbers({"spin": np.eye(2)})


def test_json_and_pickle_follow():
    made = problem()
    assert Spec.from_dict(made.to_dict()) == made == pickle.loads(pickle.dumps(made))
    assert made.objective.terms[0].to_dict().keys() == {"type", "to", "weight"}


def test_parameters_are_named_and_drawn_by_seed():
    made = problem()
    assert {"controller.gain", "controller.rate", "objective.spread.to", "objective.warmth.wanted"} < set(
        made.numbers()
    )
    first, again, other = (made.numbers(seed)["controller.gain"] for seed in (1, 1, 2))
    assert first.shape == (2,)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert problem(controller=Wave(gain=0.4)).numbers()["controller.gain"] == 0.4


def test_values_are_the_formulas(keep):
    simulation = keep(problem(), precision="f64")
    rollout = simulation.rollout(simulation.params(seed=1))
    spread = np.mean(np.sum((rollout.position - [0.5, 0.2]) ** 2, axis=2))
    warmth = np.sum((rollout.warmth[-1] - 0.3) ** 2)
    work = 0.1 * np.sum(rollout.actuation**2)
    assert rollout.loss == pytest.approx(0.7 * spread + 0.5 * warmth + work, rel=1e-13)  # rounding
    wave = simulation.params(seed=1)["controller.gain"] * np.sin(2.0 * 0.1 * np.arange(STEPS))[:, None]
    np.testing.assert_allclose(rollout.actuation, np.tanh(wave + rollout.position[:-1, 0, :1]), rtol=1e-13)


@pytest.mark.parametrize("adjoint", [ds.FullTape(), ds.Checkpointed(every=4)], ids=["full", "segments"])
@pytest.mark.parametrize("executor", ["fused", "wide"])
def test_gradients_agree_with_differences(keep, executor, adjoint):
    simulation = keep(problem(tune=("*",)), precision="f64", executor=executor, adjoint=adjoint)
    report = ds.check_gradients(simulation, simulation.params(seed=1), tolerance=GRADIENT)
    assert report.passed, report
    loss, grad = keep(problem(tune=("*",)), precision="f64", executor=executor).value_and_grad(simulation.params(1))
    again, same = simulation.value_and_grad(simulation.params(1))
    assert loss == again
    assert all(np.array_equal(grad[name], same[name]) for name in grad)


def test_copies_are_single_runs(keep):
    one, many = keep(problem(), precision="f64"), keep(problem(), precision="f64", envs=2, shared=False)
    stacked = {name: np.stack([value, 1.1 * value]) for name, value in one.params(seed=1).items()}
    losses, grads = many.value_and_grad(stacked)
    for env in range(2):
        loss, grad = one.value_and_grad({name: value[env] for name, value in stacked.items()})
        assert losses[env] == loss
        assert all(np.array_equal(grads[name][env], grad[name]) for name in grad)


# What is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"initial_position": np.zeros((3, 3))}, r"Garden.initial_position has shape \(3, 3\), but \(n, 2\) is needed"),
        ({"mass": [1.0, 2.0]}, r"Garden.mass has shape \(2,\), but a single number or \(3,\) is needed \[kg\]"),
        ({"mass": [1.0, 0.0, 2.0]}, r"Garden.mass\[1\] is 0, but it must be greater than 0 kg"),
        ({"cooling": 7}, "Garden.cooling is 7, but it must be at most 5 1/s"),
        ({"cooling": [0.1]}, r"Garden.cooling has shape \(1,\), but a single number is needed \[1/s\]"),
        ({"spin": np.zeros((3, 2, 3))}, r"Garden.spin has shape \(3, 2, 3\), but \(2, 2\) or \(3, 2, 2\) is needed"),
        ({"dt": 0.0}, "Garden.dt is 0, but it must be greater than 0 s"),
        ({"mass": None}, "Garden.mass takes numbers, but None was given"),
        ({"heat": [[1.0], [np.nan]]}, r"Garden.heat\[1, 0\] is nan, but it must be finite"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(change, message):
    with pytest.raises(ds.InputError, match=message):
        garden(**change)


def test_a_scene_of_another_size_is_refused():
    with pytest.raises(
        ds.InputError, match=r"Wave.gain of a scene with 2 actuators has shape \(3,\), but a single num"
    ):
        problem(controller=Wave(gain=[1.0, 2.0, 3.0]))
    scene = ds.MassSpring([[0.0, 0.0, 0.0]])
    with pytest.raises(ds.InputError, match=r"Spread.to of a scene in 3 dimensions has shape \(2,\), but \(3,\)"):
        ds.Problem(scene, objective=Spread(to=(0.0, 1.0)))


@pytest.mark.parametrize(
    "shape", [(2, "n"), ("n", 0), ("n", -1), ("n", 2.0), ("n", True), ("a b",), (2, 2, 2), ("d", "n")]
)
def test_shapes_that_are_none(shape):
    with pytest.raises(ds.InputError, match=r"is no shape"):
        tunable(*shape)


def test_a_class_that_is_no_dataclass_says_so():
    class Bare(physics.Scene):
        mass: Any = tunable()

    class More(Garden):
        mass: Any = tunable()

    for make in (Bare, lambda: Bare(mass=1.0), lambda: More(garden().initial_position, garden().heat)):
        with pytest.raises(ds.InputError, match=r"(Bare|More) is no dataclass; write @dataclass"):
            make()


def test_lengths_that_nothing_tells():
    @dataclass(frozen=True, eq=False, repr=False)
    class Vague(Garden):
        heavy: Any = tunable("q", default=1.0)

    physics.register(Vague, build)
    with pytest.raises(ds.InputError, match=r"Vague.heavy has an entry for each 'q', but nothing says how many"):
        ds.Simulation(problem(scene=Vague(garden().initial_position, garden().heat)))


def test_two_things_of_one_name():
    @dataclass(frozen=True, eq=False, repr=False)
    class Twice(ds.Objective):
        reads = "warmth"
        warmth: Any = tunable(default=1.0)
        weight: float = 1.0

        @ti.func
        def formula(goal: ti.template(), env, row, step, c):
            return goal.warmth[env, 0]

    with pytest.raises(
        ds.InputError, match=r"Twice has two things that stages know as 'warmth', a number and something"
    ):
        ds.Simulation(problem(objective=Twice()))


def test_formulas_that_are_none():
    with pytest.raises(ds.InputError, match=r"Wrong.formula is .*, but a @ti.func of .goal, env, row, step, element."):
        type("Wrong", (ds.Objective,), {"formula": len})
    with pytest.raises(
        ds.InputError, match=r"Wrong.formula takes \(garden, env, row, step, k, more\), but it is called"
    ):
        type("Wrong", (Controller,), {"formula": six})
    with pytest.raises(ds.InputError, match=r"Wrong.formula takes its record by value; write goal: ti.template"):
        type("Wrong", (Controller,), {"formula": by_value})
    with pytest.raises(ds.InputError, match=r"Wrong.when is 'never', but it must be one of 'end', 'steps', 'always'"):
        type("Wrong", (ds.Objective,), {"formula": begin, "when": "never"})


@ti.func
def six(garden: ti.template(), env, row, step, k, more):
    return 1.0


@ti.func
def by_value(goal, env, row, step, k):
    return 1.0


def test_over_names_an_array_or_a_number():
    wrong = dataclass(frozen=True, eq=False, repr=False)(type("Lost", (Spread,), {"over": "places"}))
    with pytest.raises(
        ds.InputError, match=r"Lost.over is 'places', but what it reads and its numbers are position, to"
    ):
        ds.Simulation(problem(objective=wrong()))


def test_a_formula_is_read_as_stages_are():
    @dataclass(frozen=True, eq=False, repr=False)
    class Long(ds.Objective):
        reads = "position"
        weight: float = 1.0

        @ti.func
        def formula(goal: ti.template(), env, row, step, c):
            return goal.position[env, row, 0].norm()

    with pytest.raises(ds.InputError, match=r"the stage function formula cannot be differentiated[\s\S]*at zero"):
        ds.Simulation(problem(objective=Long()))


def test_a_formula_names_what_its_model_lacks():
    with pytest.raises(ds.InputError, match=r"^Warmth reads 'warmth', but a MassSpring has position, velocity$"):
        ds.Simulation(ds.Problem(ds.MassSpring([[0.0, 1.0]]), objective=Warmth(np.ones((1, 1))), steps=2))


def test_neither_a_formula_nor_a_build():
    @dataclass(frozen=True, eq=False, repr=False)
    class Empty(ds.Objective):
        weight: float = 1.0

    with pytest.raises(TypeError, match=r"Empty must define a formula, or build"):
        ds.Simulation(problem(objective=Empty()))
