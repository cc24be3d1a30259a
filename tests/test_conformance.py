"""What every model, controller and objective must do: whatever is registered is tested here, without writing a test.

The examples are paired so that each is in at least one problem; a problem tunes every number that it has.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.controllers import CONTROLLERS
from diffsim.events import describe
from diffsim.gradients.report import ALL
from diffsim.objectives import OBJECTIVES, Sum
from diffsim.physics import registered
from diffsim.physics.articulated.pairs import spots
from diffsim.spec import Spec

from . import examples

REGISTERED = {"SCENES": registered(), "CONTROLLERS": CONTROLLERS, "OBJECTIVES": OBJECTIVES}
PARTS = [("SCENES", "scene"), ("CONTROLLERS", "controller"), ("OBJECTIVES", "objective")]

SEGMENT = 5  # does not divide the steps: segments of 5, 5 and 2

# Differences of a smooth loss of order one are right to (1e-16)^(2/3), about 1e-10, at the best step. What is left up
# to 1e-6 is for parameters on which the loss depends little.
GRADIENT = 1e-6

# Two orders of adding the same numbers: 1e-16 at each of about a thousand sums of a step, twelve steps, and the factor
# that stiff springs and contact make of it.
ROUNDING = 1e-10

# Some kernels take long to compile. Two examples share the work: what is skipped for one of
# them is run for the other.
SPARED = {
    "lump": {"agree", "own", "shared"},
    "chamber": {"wide", "agree", "own", "shared"},
    "plume": {"agree", "own", "shared"},
    "lumps": {"agree", "own", "shared"},
    "grains": {"agree", "own", "shared"},
    "tank": {"wide", "agree", "own", "shared"},
    "linked": {"fused", "agree", "bits"},
    "crowd": {"wide", "own", "shared"},
    "jointed": {"agree", "own", "shared"},
    "quadruped": {"fused", "agree"},
    "monoped": {"wide", "agree", "own", "shared"},
    "sledge": {"agree", "own", "shared"},
    "rover": {"agree", "own", "shared"},
    "limb": {"agree", "own", "shared"},
}

# Whose large kernels take long to compile: those are for `pytest -m bench tests/test_conformance.py`. In each run other
# examples of the model have some, or what is run on Vulkan (`engine/test_vulkan_rigid_bodies.py`). On request is all of
# the quadruped, too, and of the limb, whose shapes have gradients of their own in `articulated/test_convex.py`.
ON_REQUEST = (
    *("monoped", "quadruped", "gripper", "sledge", "rover", "limb"),
    *("crowd", "jointed", "linked", "slope", "block", "lump", "lumps", "grains", "plume", "dunes"),
)
WHOLLY = ("quadruped", "limb")

ADJOINTS = {"full": ds.FullTape(), "segments": ds.Checkpointed(every=SEGMENT)}
EXECUTORS = ("fused", "wide", "staged")
EVERYWHERE = "staged"
"""Where everything is run that is not about executors: it is what `"auto"` takes on a CPU, and compiles fastest."""


# Problems


def flat(table):
    return [(name, make) for variants in table.values() for name, make in variants.items()]


def problems():
    """As many problems as there are examples of the longest list; the others take turns."""
    robots = examples.SCENES[ds.Articulated]
    special = {*examples.OF_ROBOTS, *(kind for kinds in examples.ON_GRIDS.values() for kind in kinds)}
    general = {kind: made for kind, made in examples.OBJECTIVES.items() if kind not in special}
    apart = {ds.Articulated, *examples.ON_GRIDS}
    scenes = flat({kind: made for kind, made in examples.SCENES.items() if kind not in apart})
    scenes.sort(key=lambda named: examples.LAST.index(named[0]) if named[0] in examples.LAST else -1)
    controllers, objectives = flat(examples.CONTROLLERS), flat(general)
    found = {}
    for name, make in robots.items():
        scene = make()
        controller = dict(controllers)[examples.CONTROLLERS_OF_ROBOTS[name]](scene)
        goals = [one(scene) for kind in examples.OF_ROBOTS for one in examples.OBJECTIVES[kind].values()]
        found[f"{name}, {examples.CONTROLLERS_OF_ROBOTS[name]}, all of robots"] = ds.Problem(
            scene, controller, sum(goals[1:], goals[0]) + ds.Travel(weight=0.2), steps=examples.STEPS, tune=("*",)
        )
    for kind, wanted in examples.ON_GRIDS.items():
        for name, make in examples.SCENES[kind].items():
            scene = make()
            goals = [one(scene) for goal in wanted for one in examples.OBJECTIVES[goal].values()]
            goal = sum(goals[1:], goals[0])
            drive = ds.Sine(frequency=6.0) if len(getattr(scene, "actuators", ())) else None
            found[f"{name}, waves, all of grids"] = ds.Problem(scene, drive, goal, steps=examples.STEPS, tune=("*",))
    for k in range(max(map(len, (scenes, controllers, objectives)))):
        parts = [entries[k % len(entries)] for entries in (scenes, controllers, objectives)]
        scene = parts[0][1]()
        found[", ".join(name for name, _ in parts)] = ds.Problem(
            scene, parts[1][1](scene), parts[2][1](scene), steps=examples.STEPS, tune=("*",)
        )
    return found


PROBLEMS = problems()


class Bench:
    """The simulations of one problem in float64, each made when it is first asked for.

    All stay open to the end: closing one makes Taichi read the kernels of all others anew.
    """

    def __init__(self, problem):
        self.problem = problem
        self.name = next(name for name, make in flat(examples.SCENES) if make() == problem.scene)
        self.made = {}
        self.open = []

    def __call__(self, executor=EVERYWHERE, adjoint="full", **settings):
        key = (executor, adjoint, *settings)
        if key not in self.made:
            self.made[key] = self.fresh(executor=executor, adjoint=ADJOINTS[adjoint], **settings)
        return self.made[key]

    def skip(self, what):
        """If it is another example of the same model that shows this."""
        if what in SPARED.get(self.name, ()):
            pytest.skip("another example of the model shows this")

    def fresh(self, problem=None, **settings):
        self.open.append(ds.Simulation(problem or self.problem, precision="f64", **settings))
        return self.open[-1]

    @property
    def params(self):
        return self().params(seed=1)

    def copies(self, count):
        """Parameters that differ from copy to copy by about a percent."""
        rng = np.random.default_rng(3)
        return [{n: v * rng.uniform(0.99, 1.01, v.shape) for n, v in self.params.items()} for _ in range(count)]

    def close(self):
        for simulation in self.open:
            simulation.close()


CHOICES = {"executor": EXECUTORS, "executors": (("fused", "staged"), ("fused", "wide"))}


def pytest_generate_tests(metafunc):
    """A test that takes a bench is run with each problem; if it takes ``executor``, or several, with each of those."""
    given = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "bench" not in metafunc.fixturenames or "bench" in given:
        return
    asked = [name for name in CHOICES if name in metafunc.fixturenames]
    rows = []
    for problem in PROBLEMS:
        for chosen in CHOICES[asked[0]] if asked else [EVERYWHERE]:
            scene = problem.split(", ")[0]
            late = scene in WHOLLY or (scene in ON_REQUEST and chosen != EVERYWHERE)
            name = [problem, *([chosen] if asked == ["executor"] else chosen)] if asked else [problem]
            values = (problem, chosen) if asked else (problem,)
            rows.append(pytest.param(*values, marks=pytest.mark.bench if late else (), id="-".join(name)))
    metafunc.parametrize(("bench", *asked), rows, indirect=["bench"], scope="module")


@pytest.fixture(scope="module")
def bench(request):
    made = Bench(PROBLEMS[request.param])
    yield made
    made.close()


def arrays_of(rollout):
    """What the kernels recorded."""
    return rollout.arrays


def assert_identical(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert np.array_equal(one[name], other[name]), name


def assert_close(one, other, tolerance=ROUNDING):
    assert one.keys() == other.keys()
    for name in one:
        scale = max(1.0, float(np.abs(one[name]).max(initial=0.0)))
        assert np.abs(one[name] - other[name]).max(initial=0.0) <= tolerance * scale, name


# Registration


@pytest.mark.parametrize("table", REGISTERED)
def test_everything_registered_has_an_example(table):
    missing = [found.__name__ for found in REGISTERED[table] if not getattr(examples, table).get(found)]
    assert not missing, f"{', '.join(missing)}: registered, but without an example in tests/examples.py, {table}"


@pytest.mark.parametrize("table", REGISTERED)
def test_every_example_is_of_what_it_is_listed_under(table):
    scene = next(iter(examples.SCENES[ds.MassSpring].values()))()
    for found, variants in getattr(examples, table).items():
        for name, make in variants.items():
            made = make() if table == "SCENES" else make(scene)
            first = made.terms[0] if isinstance(made, Sum) else made
            assert type(first) is found, f"{table}: {name} is listed under {found.__name__}"


@pytest.mark.parametrize(("table", "kind"), PARTS)
def test_everything_that_the_package_exports_is_registered(table, kind):
    exported = [getattr(ds, name) for name in ds.__all__]
    parts = {found for found in exported if isinstance(found, type) and issubclass(found, Spec) and found.kind == kind}
    assert parts - {ds.Objective} == set(REGISTERED[table])


@pytest.mark.parametrize(("table", "part"), PARTS)
def test_every_example_is_in_a_problem(table, part):
    made = [found for problem in PROBLEMS.values() if (found := getattr(problem, part)) is not None]
    by_kind = {type(term) for found in made for term in (found.terms if isinstance(found, Sum) else (found,))}
    assert by_kind == set(REGISTERED[table])


# Where the gradient is checked


def contacts(bench, params):
    """(row, place, what) of every contact. By its motion where that is easily told, else by what the model records."""
    scene = bench.problem.scene
    if isinstance(scene, ds.MassSpring) and not isinstance(scene.ground, ds.Terrain):
        return contacts_by_motion(bench().rollout(params))
    points = isinstance(scene, (ds.MaterialPoints, ds.MassSpring))
    if not points and not len(getattr(scene, "pairs", ())):  # nothing that could touch
        return set()
    arrays = bench(record="all").rollout(params).arrays
    found = {(row, place, describe(arrays["contact"][row, place])) for row, place in np.argwhere(arrays["contact"])}
    if isinstance(scene, ds.MassSpring):
        return found
    # What the law decided within; of what is only near it tells as well.
    inner = arrays["branch"] * np.tile(
        arrays["contact"] != 0.0, arrays["branch"].shape[1] // arrays["contact"].shape[1]
    )
    return found | {(row, place, int(inner[row, place])) for row, place in np.argwhere(inner)}


def contacts_by_motion(rollout):
    """Of points with the ground: "sticks", "slides", "bounces"."""
    scene = rollout.problem.scene
    if scene.ground is None:
        return set()
    normal = rollout.numbers["scene.ground_normal"]
    normal = normal / np.linalg.norm(normal)
    position, velocity = rollout.position, rollout.velocity
    up = velocity @ normal
    along = np.linalg.norm(velocity - up[..., None] * normal, axis=-1)
    found = set()
    for row in range(1, len(velocity)):
        for point in np.setdiff1d(np.arange(len(scene.points)), scene.fixed).tolist():
            # An undisturbed point moves by dt times its velocity. 1e-9 m is far above the rounding of 1 m.
            free = position[row - 1, point] + scene.dt * velocity[row, point]
            lands = up[row - 1, point] < -0.5 and abs(up[row, point]) < 1e-9
            bounces = up[row - 1, point] < -0.5 and up[row, point] > 1e-9
            assert lands or bounces or np.abs(free - position[row, point]).max() < 1e-9
            rests = abs(up[row - 1, point]) < 1e-9 and abs(up[row, point]) < 1e-9
            if bounces:
                found.add((row, point, "bounces"))
            # What an impact stopped has by the middle of the step what forces gave it since: springs, a few cm/s.
            stopped = along[row, point] < (1e-9 if rests else 0.05)
            if lands or bounces or rests:
                found.add((row, point, "sticks" if stopped else "slides"))
    return found


def size(value):
    """Of the largest entry; 1 for a parameter that is zero."""
    return float(np.abs(value).max(initial=0.0)) or 1.0


def assert_away_from_contact_switches(bench, params):
    """No number that moves by a ten-thousandth makes a point land earlier or later, or stick where it slid.

    The steps by which differences find the gradient are mostly smaller, so they see one smooth piece of the loss. What
    is 0 stays so: below are no radii and restitutions, and it is another law if there are some.
    """
    rng = np.random.default_rng(11)
    expected = contacts(bench, params)
    for _ in range(8):
        moved = {n: v + 1e-4 * size(v) * (v != 0.0) * rng.uniform(-1, 1, v.shape) for n, v in params.items()}
        found = contacts(bench, moved)
        assert found == expected, f"switches: {found ^ expected}"


def test_examples_keep_away_from_contact_switches(bench):
    if isinstance(bench.problem.scene, ds.Articulated):
        pytest.skip("compliant contact sets in smoothly: there is no switch to keep away from")
    assert_away_from_contact_switches(bench, bench.params)


SEEN = {
    "air": set(),
    "sticky": {"sticks"},
    "coulomb": {"bounces", "slides", "sticks"},
    "slope": {"slides", "sticks"},
    "hills": {"bounces and slides", "bounces without sliding"},
    "dunes": {"lands and sticks", "lands and slides", "lands and slides, from below the surface", "slides", "rests"},
    "rover": {"field"},
    "block": set(),
    "lump": set(),
    "linked": set(),
    "ring": set(),
    "ghost": set(),
    "jointed": {"bounces and slides", "bounces without sliding"},
    "draught": set(),
    "chamber": set(),
    "plume": set(),
    "matter": {"rests", "slides"},
    "lumps": {"rests", "slides"},
    "grains": {"rests", "slides"},
    "pond": set(),
    "tank": set(),
    "monoped": {"plane"},
    "quadruped": {"plane", "round", "box"},
    "gripper": set(),
    "sledge": {"plane", "round"},
    "limb": {"convex"},
    "crowd": {
        "bounces and slides",
        "slides",
        "rests",
        "lands and sticks",
        "lands and slides",
        "lands and sticks, from below the surface",
        "lands and slides, from below the surface",
    },
}


def test_examples_exercise_every_kind_of_contact(bench):
    if isinstance(bench.problem.scene, ds.Articulated):
        looked_at = spots(bench.problem.scene)
        found = bench().rollout(bench.params)
        touched = np.any(found.contact_force, axis=(0, 2)) if looked_at else ()
        kinds = {spot.kind for spot, at_all in zip(looked_at, touched, strict=True) if at_all}
        assert kinds == SEEN[bench.name]
        return
    found = {contact for contact in contacts(bench, bench.params) if isinstance(contact[2], str)}
    assert {what for _, _, what in found} == SEEN[bench.name]
    assert all(row > 1 for row, _, _ in found), "what starts on the ground is at a switch"


# (a) Gradients


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_gradient_of_every_number_agrees_with_differences(bench, executor, adjoint):
    bench.skip(executor)
    report = ds.check_gradients(bench(executor, adjoint), bench.params, tolerance=GRADIENT)
    assert report.passed, report
    assert {check.name for check in report.checks} == {*bench.problem.numbers(), ALL}


SEEDS = 20


def test_right_gradients_raise_no_alarm(bench):
    """At points all around: random parameters are drawn again, and all are moved by up to five percent."""
    few = isinstance(bench.problem.scene, ds.Articulated)  # robots have three times the numbers
    for seed in range(SEEDS // 5 if few else SEEDS):
        rng = np.random.default_rng(seed)
        params = {n: v * rng.uniform(0.95, 1.05, v.shape) for n, v in bench().params(seed).items()}
        report = ds.check_gradients(bench(), params, seed=seed)
        assert not [row for row in report.checks if row.verdict == "disagrees"], report
        undecided = [row for row in report.checks if row.verdict != "agrees" and "a contact switches" not in row.note]
        # One in ten thousand: a slope so small that rounding hides a thousandth of it.
        assert len(undecided) <= 1, report


WRONG = {
    "a thousandth too large": lambda value: 1.001 * value,
    "a thousandth too small": lambda value: 0.999 * value,
    "components in another order": lambda value: np.roll(value, 1),
    "sign": lambda value: -value,
    "sign of one component": lambda value: np.where(np.abs(value) == np.abs(value).max(), -value, value),
    "zero": lambda value: 0.0 * value,
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_gradients_are_found(bench, monkeypatch, what):
    """All parameters are spoilt at once; each has to be noticed by itself."""
    right = ds.Simulation.value_and_grad
    changed = set()

    def wrong(self, params):
        loss, grad = right(self, params)
        spoilt = {name: WRONG[what](value) for name, value in grad.items()}
        changed.update(n for n, v in grad.items() if np.linalg.norm(v - spoilt[n]) >= 0.99e-3 * np.linalg.norm(v) > 0.0)
        return loss, spoilt

    monkeypatch.setattr(ds.Simulation, "value_and_grad", wrong)
    report = ds.check_gradients(bench(), bench.params, raises=False)
    assert {row.name for row in report.checks if row.verdict == "disagrees"} == {*changed, ALL}, report


# What the loss does not depend on, in an example: a ground without restitution keeps points down for small ones, all
# that bounces may have a restitution of its own, and what touches nothing has no use for friction.
WITHOUT_EFFECT = {
    "monoped": {"scene.restitution", "scene.site_position"},
    "quadruped": {"scene.site_position"},
    "sledge": {"scene.rest", "scene.touch_depth"},
    "limb": {"scene.tendon_armature", "scene.restitution", "objective.height.least", "objective.height.weight"},
    "crowd": {"scene.restitution"},
    "jointed": {"scene.joint_angle", "scene.mass"},  # of bodies that are not joined to the one that follows the path
    "sticky": {"scene.restitution"},
    "slope": {"scene.restitution"},
    "dunes": {"scene.restitution"},
    "rover": {"scene.rest", "scene.restitution", "scene.site_position"},
    "linked": {"scene.friction", "scene.restitution"},
}


def test_no_gradient_is_zero_by_accident(bench):
    _, grad = bench().value_and_grad(bench.params)
    zero = {name for name, value in grad.items() if not np.any(value)}
    assert zero == WITHOUT_EFFECT.get(bench.name, set())


# (b) Full tape and segments


def test_segments_give_what_the_full_tape_gives_bit_for_bit(bench, executor):
    bench.skip(executor)
    full, segments = bench(executor, "full"), bench(executor, "segments")
    loss, grad = full.value_and_grad(bench.params)
    again, same = segments.value_and_grad(bench.params)
    assert loss == again == full.value(bench.params) == segments.value(bench.params)
    assert_identical(grad, same)
    assert_identical(arrays_of(full.rollout(bench.params)), arrays_of(segments.rollout(bench.params)))


# (c) Seeds


def test_same_seed_same_trajectory_bit_for_bit(bench):
    first = bench().rollout(bench().params(seed=5))
    again = bench.fresh(executor=EVERYWHERE)
    second = again.rollout(again.params(seed=5))
    assert first.loss == second.loss
    assert_identical(arrays_of(first), arrays_of(second))


def test_seeds_draw_the_random_numbers_and_no_others(bench):
    if bench.problem.controller is None:
        pytest.skip("without a controller nothing is drawn")
    one, other = bench().params(seed=5), bench().params(seed=6)
    differ = {name for name in one if not np.array_equal(one[name], other[name])}
    random = {"MLP": "controller.w", "OpenLoop": "controller.values", "PD": "target.phase", "Sine": "controller.phase"}
    expected = random.get(type(bench.problem.controller).__name__)
    assert bool(differ) == (expected is not None)  # a LinearFeedback is given whole
    assert all(expected in name for name in differ)


# (d) Executors


def test_executors_agree(bench, executors):
    """Small kernels give what one large one gives bit for bit; `wide` adds in another order."""
    small = "staged" in executors
    bench.skip("bits" if small else "agree")
    for adjoint in ADJOINTS if small else ("full",):
        one, other = (bench(executor, adjoint) for executor in executors)
        same = assert_identical if small else assert_close
        same(arrays_of(one.rollout(bench.params)), arrays_of(other.rollout(bench.params)))
        (loss, grad), (again, also) = one.value_and_grad(bench.params), other.value_and_grad(bench.params)
        same({"loss": loss, **grad}, {"loss": again, **also})


# (e) Environments


def test_environments_with_parameters_of_their_own_are_single_runs_bit_for_bit(bench):
    copies = bench.copies(3)
    bench.skip("own")
    one, many = bench(), bench(envs=3, shared=False)
    stacked = {name: np.stack([copy[name] for copy in copies]) for name in copies[0]}
    losses, grads = many.value_and_grad(stacked)
    rollout = many.rollout(stacked)
    assert np.array_equal(many.value(stacked), losses)
    for env, copy in enumerate(copies):
        loss, grad = one.value_and_grad(copy)
        assert losses[env] == loss
        assert_identical({name: value[env] for name, value in grads.items()}, grad)
        assert_identical(arrays_of(rollout.env(env)), arrays_of(one.rollout(copy)))
    assert len(set(losses.tolist())) == 3


def test_shared_environments_average_over_their_initial_states(bench):
    bench.skip("shared")
    states = [{n: v for n, v in copy.items() if n.startswith("scene.initial_")} for copy in bench.copies(3)]
    kept = {name: [state[name] for state in states] for name in states[0]}
    if np.ndim(kept.get("scene.initial_velocity")) == 2:  # one for all points; states are given for each
        del kept["scene.initial_velocity"]
    tuned = tuple(name for name in bench.problem.tuned if name not in kept)
    params = {name: bench.params[name] for name in tuned}
    one = bench()
    simulation = bench.fresh(replace(bench.problem, tune=tuned), executor=EVERYWHERE, envs=3, initial_states=kept)
    loss, grad = simulation.value_and_grad(params)
    rollout = simulation.rollout(params)
    assert simulation.value(params) == loss == rollout.loss
    single = [one.value_and_grad({**params, **{n: kept[n][env] for n in kept}}) for env in range(3)]
    # The same three numbers, weighted before or after they are added: some roundings apart.
    assert loss == pytest.approx(np.mean([found[0] for found in single]), rel=1e-14)
    mean = {name: np.mean([found[1][name] for found in single], axis=0) for name in tuned}
    assert_close(grad, mean, 1e-12)
    for env in range(3):
        own = one.rollout({**params, **{n: kept[n][env] for n in kept}})
        assert_identical(arrays_of(rollout.env(env)), arrays_of(own))


# (f) Pullbacks


def slopes(simulation, params, way, cotangents):
    """Central differences along ``way`` of the product of each array with its cotangent, by several steps."""
    for step in (1e-4, 1e-5, 1e-6, 1e-7):
        ahead, behind = (simulation.rollout({n: v + s * way[n] for n, v in params.items()}) for s in (step, -step))
        yield {n: float(np.sum(c * (ahead[n] - behind[n]))) / (2.0 * step) for n, c in cotangents.items()}


PULLED = {"fused": "full", "wide": "segments", "staged": "full"}


def test_pullback_of_every_recorded_array_agrees_with_differences(bench, executor):
    bench.skip(executor)
    simulation, params = bench(executor, PULLED[executor]), bench.params
    rng = np.random.default_rng(7)
    rollout, pullback = simulation.vjp(params)
    way = {n: size(v) * rng.normal(size=v.shape) for n, v in params.items()}
    cotangents = {name: rng.normal(size=recorded.shape) for name, recorded in arrays_of(rollout).items()}
    tries = list(slopes(simulation, params, way, cotangents))
    for name, cotangent in cotangents.items():
        pulled = pullback({name: cotangent})
        slope = sum(float(np.sum(pulled[n] * way[n])) for n in params)
        apart = min(abs(found[name] - slope) for found in tries)
        whole = np.array_equal(rollout[name], np.round(rollout[name]))  # it tells which, and not how much
        assert (slope == 0.0) == whole, name
        assert apart <= GRADIENT * abs(slope), name


def test_pullbacks_are_the_same_by_segments_and_add_up(bench):
    rng = np.random.default_rng(8)
    (rollout, full), (_, segments) = (bench(adjoint=adjoint).vjp(bench.params) for adjoint in ADJOINTS)
    cotangents = {name: rng.normal(size=value.shape) for name, value in arrays_of(rollout).items()}
    together = full(cotangents)
    assert_identical(together, segments(cotangents))
    apart = [full({name: value}) for name, value in cotangents.items()]
    # Rounding of a sum. Of a foot that holds, adjoints cancel that are 1 / slip_speed, a thousand times, as large. And
    # what a number gets comes of adjoints that pass others: their rounding is as large as the largest of all.
    tolerance = ROUNDING if isinstance(bench.problem.scene, ds.Articulated) else 1e-12
    largest = max(float(np.abs(value).max(initial=0.0)) for value in together.values())
    for name, value in together.items():
        scale = max(1.0, float(np.abs(value).max(initial=0.0)))
        apart_of = sum(part[name] for part in apart)
        assert np.abs(value - apart_of).max(initial=0.0) <= tolerance * scale + 1e-13 * largest, name


EFFORT_AND_TRAVEL = [
    name for name, problem in PROBLEMS.items() if type(getattr(problem.objective, "terms", (None,))[0]) is ds.Effort
]


@pytest.mark.parametrize("bench", EFFORT_AND_TRAVEL, indirect=True)
def test_pullback_by_the_objectives_own_derivative_is_the_gradient(bench):
    """Both terms have derivatives of one line. The numbers of the objective itself are no business of a pullback."""
    rollout, pullback = bench().vjp(bench.params)
    effort, travel = bench.problem.objective.terms
    actuation = 2.0 * effort.weight * bench.problem.scene.dt * rollout.actuation
    position = np.zeros_like(rollout.position)
    position[-1, travel.point, 0], position[0, travel.point, 0] = -travel.weight, travel.weight
    pulled = pullback({"actuation": actuation, "position": position})
    _, grad = bench().value_and_grad(bench.params)
    for name in [name for name in grad if name.startswith("objective.")]:
        assert not np.any(pulled.pop(name))
        del grad[name]
    assert_close(pulled, grad)
