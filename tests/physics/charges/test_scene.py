"""What a scene of charges takes and refuses, what drives it, and how it looks."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.charges.look import look
from diffsim.viewing.look import Points
from diffsim.viewing.sight import look_of

PLACES = [[0.0, 0.0], [1.0, 0.0]]
CORNERS = [[-1.0, -1.0], [2.0, -1.0], [0.5, 2.0]]


def scene(**numbers):
    return ds.Charges(
        **{"initial_position": PLACES, "charge": [1.0, -0.5], "coulomb": 0.2, "softening": 0.1, "dt": 0.02, **numbers}
    )


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"initial_position": [[0.0]]}, "Charges.initial_position has shape"),
        ({"initial_velocity": (1.0, 0.0, 0.0)}, "Charges.initial_velocity has shape"),
        ({"charge": [1.0, 2.0, 3.0]}, "Charges.charge has shape"),
        ({"mass": [1.0, 0.0]}, r"Charges.mass\[1\] is 0, but it must be greater than 0 kg"),
        ({"softening": 0.0}, "Charges.softening is 0, but it must be greater than 0 m"),
        ({"damping": -1.0}, "Charges.damping is -1, but it must be at least 0 1/s"),
        ({"fixed_charge": 1.0}, "Charges.fixed_charge is given, but no fixed_position"),
        ({"electrode_charge": 1.0}, "Charges.electrode_charge is given, but no electrode_position"),
        ({"electrode_position": [[0.0, 0.0, 0.0]]}, "Charges.electrode_position has shape"),
        ({"electrode_position": CORNERS, "electrode_charge": [1.0]}, "Charges.electrode_charge has shape"),
        ({"interaction": 1}, "Charges.interaction is 1, but it must be True or False"),
    ],
)
def test_what_is_refused(numbers, words):
    with pytest.raises(ds.InputError, match=words):
        scene(**numbers)


def test_numbers_that_are_not_there_are_no_parameters():
    assert not any(name.startswith(("fixed", "electrode")) for name in scene().numbers())
    assert scene().actuators.tolist() == []
    assert {"electrode_position", "electrode_charge"} <= scene(electrode_position=CORNERS).numbers().keys()


def test_a_controller_needs_electrodes():
    with pytest.raises(ds.InputError, match="actuators"):
        ds.Problem(scene(), ds.MLP(), ds.ReachTarget((0.0, 1.0)), steps=3)


def test_a_scene_comes_back_from_its_dictionary():
    made = scene(electrode_position=CORNERS)
    assert ds.Charges.from_dict(made.to_dict()) == made
    assert made.with_numbers({"charge": np.array([0.1, 0.2])}).charge.tolist() == [0.1, 0.2]


@pytest.fixture(scope="module")
def driven():
    """Electrodes whose charges stay what they are."""
    controller = ds.Sine(amplitude=0.0, offset=(0.4, -0.7, 0.2))
    made = scene(electrode_position=CORNERS, electrode_charge=[1.0, 0.5, 2.0])
    with ds.Simulation(ds.Problem(made, controller, ds.Travel(), steps=30), precision="f64") as sim:
        return sim.rollout(sim.params())


def test_an_electrode_is_a_charge_of_what_is_asked(driven):
    asked = driven.actuation[0]
    assert np.abs(asked).min() > 0.1
    still = scene(fixed_position=CORNERS, fixed_charge=asked * [1.0, 0.5, 2.0])
    with ds.Simulation(ds.Problem(still, steps=30, tune=()), precision="f64") as sim:
        rollout = sim.rollout({})
    assert driven.position == pytest.approx(rollout.position, abs=1e-13)
    assert driven.energy == pytest.approx(rollout.energy, abs=1e-13)


def test_a_controller_sees_places_and_velocities():
    problem = ds.Problem(
        scene(electrode_position=CORNERS), ds.MLP(hidden=4, goal=(0.0, 1.0)), ds.Travel(), steps=5, tune=("*",)
    )
    with ds.Simulation(problem, precision="f64", record="all") as sim:
        rollout = sim.rollout(sim.params())
    seen = np.concatenate([rollout.position, rollout.velocity], axis=2).reshape(6, -1)
    assert rollout.observation == pytest.approx(seen, abs=0.0)
    assert rollout.centre[:, 0] == pytest.approx(rollout.position.mean(axis=1), abs=1e-15)


def test_charges_have_the_colour_of_their_sign(driven):
    seen = look(driven)
    still, moving = seen.of(Points)
    assert still.colour.values == pytest.approx(driven.actuation * [0.5, 0.25, 1.0])
    assert moving.colour.values.tolist() == [[1.0, -0.5]]
    assert moving.places is not still.places


def test_a_goal_that_moves_is_seen_where_it_is():
    """That of the copy that is looked at; a goal of another copy is elsewhere."""
    paths = np.array([[(0.2, 0.2), (0.6, 0.4)], [(1.0, 0.0), (0.0, 1.0)]])
    made, follow = scene(electrode_position=CORNERS), ds.Follow(paths[0])
    problem = ds.Problem(made, ds.MLP(goal=paths[0]), follow, steps=4, tune=("controller.w*",))
    own = {"controller.goal": paths, "objective.path": paths}
    with ds.Simulation(problem, envs=2, numbers=own) as sim:
        rollout = sim.rollout(sim.params())
    for env, (start, end) in enumerate(paths):
        goal = look_of(rollout.env(env)).elements[0]
        assert goal.places[:, 0] == pytest.approx(np.linspace(start, end, 5), abs=1e-15)
