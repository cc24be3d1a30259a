"""How much of a trajectory is kept, and that it does not matter for the numbers."""

import math

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
    entries = sum(int(np.prod(f.shape)) * getattr(f, "n", 1) for f in fields)
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


# Single steps, segments with a rest and without one, one segment, and more than all.
@pytest.mark.parametrize("adjoint", [ds.Checkpointed(1), ds.Checkpointed(3), ds.Checkpointed(), ds.Checkpointed(50)])
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
