"""How much of a trajectory is kept, and that it does not matter for the numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds

STEPS = 7
SCENE = ds.MassSpring(
    points=[[0.0, 0.3], [1.0, 0.3]],
    springs=[[0, 1]],
    stiffness=200.0,
    actuation=0.2,
    ground=ds.Ground(height=0.27, friction=0.5, restitution=0.5),
    initial_velocity=(0.3, -1.1),
    dt=0.01,
)
PROBLEM = ds.Problem(
    SCENE, ds.Sine(phase=0.3), ds.Travel() + ds.Effort(0.1), steps=STEPS, tune=("controller.*", "scene.*")
)

BAD = {
    "both": ({"every": 3, "memory": "1MB"}, "every or memory, but both"),
    "zero": ({"every": 0}, "every is 0, but it must be a whole number of at least 1"),
    "negative": ({"every": -2}, "every is -2"),
    "a fraction": ({"every": 2.5}, "every is 2.5"),
    "true": ({"every": True}, "every is True"),
    "words": ({"every": "ten"}, "every is 'ten'"),
    "no memory": ({"memory": 0}, "memory is 0, but bytes or text like '500MB'"),
    "negative memory": ({"memory": -1.0}, "memory is -1.0"),
    "negative text": ({"memory": "-5MB"}, "memory is '-5MB'"),
    "a text of nothing": ({"memory": "0MB"}, "memory is '0MB'"),
    "no number": ({"memory": "nanMB"}, "memory is 'nanMB'"),
    "infinite": ({"memory": math.inf}, "memory is inf"),
    "no unit": ({"memory": "500"}, "memory is '500'"),
    "an unknown unit": ({"memory": "5TB"}, "memory is '5TB'"),
    "an empty text": ({"memory": ""}, "memory is ''"),
    "a list": ({"memory": [1]}, r"memory is \[1\]"),
    "true memory": ({"memory": True}, "memory is True"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings_are_named(case):
    settings, said = BAD[case]
    with pytest.raises(ds.InputError, match=f"Checkpointed(.| takes ){said}"):
        ds.Checkpointed(**settings)


def test_the_full_tape_keeps_all():
    assert ds.FullTape().rows(682, 1000) == 682


@pytest.mark.parametrize(("steps", "rows"), [(1, 1), (2, 1), (3, 1), (4, 2), (99, 9), (100, 10), (10_000, 100)])
def test_the_default_is_the_square_root_of_the_steps(steps, rows):
    assert ds.Checkpointed().rows(steps, 1000) == rows


@pytest.mark.parametrize(("every", "rows"), [(1, 1), (7, 7), (100, 100), (101, 100), (np.int64(7), 7)])
def test_every_is_at_most_all(every, rows):
    assert ds.Checkpointed(every=every).rows(100, 1000) == rows


@pytest.mark.parametrize(
    ("memory", "rows"),
    [
        (10_000, 9),  # ten rows of 1000 bytes: nine steps and the row that the last of them leads to
        (10_999.5, 9),
        ("11KB", 10),
        ("0.011mb", 10),
        ("1GB", 100),
    ],
)
def test_memory_is_what_the_rows_take_together(memory, rows):
    assert ds.Checkpointed(memory=memory).rows(100, 1000) == rows


def test_a_budget_too_small_for_one_step_says_what_a_step_needs():
    with pytest.raises(ds.InputError, match="memory is '1KB', but one step of this problem needs 2000 bytes"):
        ds.Checkpointed(memory="1KB").rows(100, 1000)


def trajectory_bytes(simulation):
    """What the trajectory's fields and their gradients really take."""
    fields = [f for r in simulation._fields.trajectories for f in (r.field, r.field.grad)]
    entries = sum(int(np.prod(f.shape)) * getattr(f.field, "n", 1) for f in fields)
    return entries * (8 if simulation.precision == "f64" else 4)


@pytest.mark.parametrize("precision", ["f32", "f64"])
@pytest.mark.parametrize("envs", [1, 3])
def test_memory_keeps_the_trajectory_within_the_budget(precision, envs):
    with ds.Simulation(PROBLEM, precision=precision, envs=envs) as full:
        budget = trajectory_bytes(full) * 2 // 3
    adjoint = ds.Checkpointed(memory=budget)
    with ds.Simulation(PROBLEM, precision=precision, envs=envs, adjoint=adjoint) as simulation:
        taken, rows = trajectory_bytes(simulation), simulation._fields.rows
        assert taken <= budget
        assert taken * (rows + 2) / (rows + 1) > budget, "one more row would have fitted"
        assert taken == simulation._fields.row_bytes * (rows + 1)


@pytest.fixture(scope="module")
def full():
    with ds.Simulation(PROBLEM) as simulation:
        yield simulation


# Segments with a rest, and one longer than the rollout.
@pytest.mark.parametrize("adjoint", [ds.Checkpointed(3), ds.Checkpointed(50)])
def test_any_segments_give_the_same_bits_in_float32(full, adjoint):
    params = full.params(seed=4)
    loss, grad = full.value_and_grad(params)
    rollout = full.rollout(params)
    with ds.Simulation(PROBLEM, adjoint=adjoint) as simulation:
        for _ in range(2):  # the second time the fields hold what the first left there
            again, same = simulation.value_and_grad(params)
            assert again == loss == simulation.value(params)
            for name in grad:
                assert np.array_equal(grad[name], same[name]), name
        other = simulation.rollout(params)
    assert set(rollout) == set(other)
    for name in rollout:
        assert np.array_equal(rollout[name], other[name]), name


# Adjoints of the state along the way

LONG, EVERY = 8, 3  # segments of 3, 3 and 2
BODY = ds.MassSpring(
    points=[[0.0, 0.3], [0.9, 0.32], [0.4, 0.7]],
    springs=[[0, 1], [1, 2], [0, 2]],
    stiffness=[200.0, 150.0, 170.0],
    rest_length=[0.95, 0.6, 0.55],
    actuation=[0.2, 0.1, 0.0],
    damping=0.4,
    initial_velocity=[[0.3, -1.1], [0.2, -1.3], [-0.4, 0.1]],
    ground=ds.Ground(height=0.27, friction=0.5, restitution=0.5),
    dt=0.01,
)
DRIVE = np.random.default_rng(5).normal(size=(LONG, 2))
MEASURED = np.stack([BODY.points + 0.02 * k for k in range(LONG + 1)])


def from_step(first):
    """What is left of the problem from a step on."""
    count = LONG - first
    # A mean over the measurements there are: the weight makes it the same sum again.
    match = ds.MatchTrajectory(MEASURED[first:], weight=(count + 1) / (LONG + 1))
    objective = ds.Travel(point=2, direction=(1.0, 0.4), origin=(0.0, 0.0)) + 0.3 * ds.Effort() + match
    drive = ds.OpenLoop(DRIVE[first:])
    tune = ("scene.initial_position", "scene.initial_velocity", "scene.stiffness", "controller.values")
    return ds.Problem(BODY, drive, objective, steps=count, tune=tune)


def spread(problem, envs=3):
    """Parameters that differ from environment to environment by a few percent."""
    rng = np.random.default_rng(2)
    numbers = problem.numbers()
    return {n: numbers[n] * rng.uniform(0.97, 1.03, (envs, *numbers[n].shape)) for n in problem.tuned}


def restarted(params, rollout, first):
    """The parameters of `from_step`, from the recorded state."""
    state = {"scene.initial_position": rollout.position[:, first], "scene.initial_velocity": rollout.velocity[:, first]}
    values = params["controller.values"][:, first:]
    return {"scene.stiffness": params["scene.stiffness"], "controller.values": values, **state}


OWN = {"envs": 3, "shared": False}
WAYS = {
    "fused, f64": {"precision": "f64"},
    "wide, f64": {"precision": "f64", "executor": "wide"},
    "fused, f32": {"precision": "f32"},
}
# What eight steps of rounding may do, relative to the largest.
ROUNDING = {"f32": 2e-5, "f64": 1e-13}


@pytest.fixture(scope="module", params=WAYS)
def observed(request):
    """A simulation of three environments, their parameters, and the adjoints at every step."""
    problem = from_step(0)
    with ds.Simulation(problem, adjoint=ds.Checkpointed(1), **OWN, **WAYS[request.param]) as simulation:
        params = spread(problem)
        yield simulation, params, *simulation.adjoints(params)


def test_adjoints_are_known_at_the_start_of_every_segment(observed):
    _, _, steps, adjoints = observed
    assert np.array_equal(steps, np.arange(LONG))
    assert {name: value.shape for name, value in adjoints.items()} == {
        "position": (3, LONG, 3, 2),
        "velocity": (3, LONG, 3, 2),
    }
    assert all(value.dtype == np.float64 for value in adjoints.values())


def test_the_first_adjoint_is_the_gradient_by_the_initial_state(observed):
    simulation, params, _, adjoints = observed
    _, grad = simulation.value_and_grad(params)
    for name in ("position", "velocity"):
        assert np.array_equal(adjoints[name][:, 0], grad[f"scene.initial_{name}"]), name


@pytest.mark.parametrize("first", [1, 5])
def test_an_adjoint_is_the_gradient_of_what_is_left_from_there(observed, first):
    simulation, params, _, adjoints = observed
    rollout = simulation.rollout(params)
    with ds.Simulation(from_step(first), precision=simulation.precision, **OWN) as rest:
        _, grad = rest.value_and_grad(restarted(params, rollout, first))
    for name in ("position", "velocity"):
        expected = grad[f"scene.initial_{name}"]
        assert (expected != 0.0).all()
        apart = np.abs(adjoints[name][:, first] - expected).max()
        assert apart <= ROUNDING[simulation.precision] * np.abs(expected).max()


def test_segments_have_the_adjoints_of_single_steps(observed):
    simulation, params, _, adjoints = observed
    with simulation.again(adjoint=ds.Checkpointed(EVERY)) as longer:
        steps, found = longer.adjoints(params)
    assert np.array_equal(steps, [0, 3, 6])
    for name, value in found.items():
        assert np.array_equal(value, adjoints[name][:, steps]), name


def test_gradients_are_the_same_before_and_after_looking(observed):
    simulation, params, _, _ = observed
    loss, grad = simulation.value_and_grad(params)
    for _ in range(2):
        simulation.adjoints(params)
        again, same = simulation.value_and_grad(params)
        assert np.array_equal(loss, again)
        assert all(np.array_equal(grad[name], same[name]) for name in grad)


def test_the_adjoints_of_the_last_parameters_are_returned(observed):
    """Not those of the initial state that the last rollout left behind."""
    simulation, params, _, adjoints = observed
    simulation.adjoints({**params, "scene.initial_position": 1.5 * params["scene.initial_position"]})
    _, found = simulation.adjoints(params)
    assert all(np.array_equal(found[name], adjoints[name]) for name in found)


def test_the_growth_is_that_of_the_norms(observed):
    simulation, params, steps, adjoints = observed
    simulation.value_and_grad(params)
    norms = np.sqrt(sum((value**2).sum(axis=(2, 3)) for value in adjoints.values()))
    expected = [np.exp(-np.polyfit(steps[1:], np.log(own[1:]), 1)[0]) for own in norms]
    assert simulation.adjoint_growth.shape == (3,)
    # Norms are summed in float64 from adjoints of the simulation's precision.
    assert np.allclose(simulation.adjoint_growth, expected, rtol=1e-12)
    assert len(set(expected)) == 3


def ball(steps=9):
    """A point that falls onto the ground, and slides on there."""
    scene = ds.MassSpring(
        points=[[0.0, 0.1]], initial_velocity=(0.8, -0.5), ground=ds.Ground(height=0.05, friction=0.2), dt=0.02
    )
    goal = ds.Travel(point=0, direction=(1.0, 0.5))
    return ds.Problem(scene, objective=goal, steps=steps, tune=("scene.friction", "scene.initial_velocity"))


def test_shared_environments_have_the_adjoints_of_the_mean():
    """One lands earlier than the other, so its position has less to say."""
    states = {"initial_position": np.array([[[0.0, 0.08]], [[0.0, 0.14]]])}
    settings = {"precision": "f64", "adjoint": ds.Checkpointed(2), "envs": 2, "initial_states": states}
    with ds.Simulation(ball(), **settings) as shared, ds.Simulation(ball(), shared=False, **settings) as own:
        params = shared.params()
        steps, halves = shared.adjoints(params)
        growth = shared.adjoint_growth
        _, whole = own.adjoints({name: np.stack([value] * 2) for name, value in params.items()})
    for name, value in halves.items():
        assert np.array_equal(2.0 * value, whole[name]), name
        assert not np.array_equal(value[0], value[1])
    together = np.sqrt(sum((value**2).sum(axis=(0, 2, 3)) for value in halves.values()))
    assert growth == pytest.approx(np.exp(-np.polyfit(steps[1:], np.log(together[1:]), 1)[0]), rel=1e-12)
    assert type(growth) is float


@pytest.mark.parametrize("adjoint", [ds.FullTape(), ds.Checkpointed(9), ds.Truncated(2)])
def test_adjoints_need_segments(adjoint):
    said = r"between the segments of Checkpointed\(every=...\), of which there must be at least two"
    with ds.Simulation(ball(), adjoint=adjoint) as simulation, pytest.raises(ds.InputError, match=said):
        simulation.adjoints(simulation.params())


def test_there_is_no_growth_without_segments(full):
    full.value_and_grad(full.params())
    assert full.adjoint_growth is None


def test_there_is_no_growth_before_a_reverse_pass_or_with_too_few_segments():
    with ds.Simulation(ball(), adjoint=ds.Checkpointed(5)) as simulation:
        simulation.value_and_grad(simulation.params())
        assert simulation.adjoint_growth is None  # between two segments there is one adjoint
    with ds.Simulation(ball(), adjoint=ds.Checkpointed(3)) as finer:
        finer.value(finer.params())
        assert finer.adjoint_growth is None
        finer.value_and_grad(finer.params())
        assert finer.adjoint_growth > 0.0


def test_adjoints_need_a_loss():
    simulation = ds.Simulation(replace(ball(), objective=None), adjoint=ds.Checkpointed(2))
    with simulation, pytest.raises(ds.InputError, match="this problem has no objective"):
        simulation.adjoints(simulation.params())
