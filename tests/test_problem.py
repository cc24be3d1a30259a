"""Problem: whether its parts fit, which names mean what, and what it keeps."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.physics.mass_spring.lattice import grid
from diffsim.physics.mass_spring.scene import Ground, MassSpring
from diffsim.problem import Problem
from diffsim.spec import Spec, number


@dataclass(frozen=True, eq=False, repr=False)
class FakeController(Spec):
    """One random weight for each actuator, and a gain."""

    kind: ClassVar[str] = "controller"
    gain: float = 1.0

    def check(self, scene, steps):
        if not len(scene.actuators):
            raise InputError("FakeController drives springs, but the scene has no actuator")

    def numbers(self, scene, steps, seed):
        weights = np.random.default_rng(seed).normal(size=len(scene.actuators))
        return {"weights": weights, "gain": np.array(self.gain)}


@dataclass(frozen=True, eq=False, repr=False)
class FakeObjective(Spec):
    """A weight."""

    kind: ClassVar[str] = "objective"
    weight: float = 1.0

    def __post_init__(self):
        self._set(weight=number("FakeObjective.weight", self.weight))

    def check(self, scene, steps):
        if steps > 10**6:
            raise InputError(f"FakeObjective takes at most a million steps, but there are {steps}")

    def numbers(self, scene):
        return {"weight": np.array(self.weight)}


@dataclass(frozen=True, eq=False, repr=False)
class Shape(Spec):
    """A specification that is no part of a problem, though it has numbers."""

    def numbers(self):
        return {}


BODY = grid((2, 1))
SCENE = MassSpring(
    points=BODY.points, springs=BODY.springs, actuation=np.where(BODY.along(0), 0.1, 0.0), ground=Ground()
)


def problem(**changes):
    parts = {"scene": SCENE, "controller": FakeController(), "objective": FakeObjective(), "steps": 10}
    return Problem(**{**parts, **changes})


BAD = {
    # parts
    "no scene": (
        lambda: problem(scene=None),
        "Problem.scene is None",
        "a scene is needed, e.g. diffsim.MassSpring",
    ),
    "a dictionary": (lambda: problem(scene={}), "Problem.scene is {}", "a scene is needed"),
    "text": (lambda: problem(controller="sine"), "Problem.controller is 'sine'", "a controller or None"),
    "a ground as scene": (
        lambda: problem(scene=Ground()),
        "Problem.scene is a Ground",
        "no part of a problem",
    ),
    "a shape as scene": (lambda: problem(scene=Shape()), "Problem.scene is a Shape", "a scene is needed"),
    "an objective as controller": (
        lambda: problem(controller=FakeObjective()),
        "Problem.controller is a FakeObjective, which is a problem's objective",
        "a controller or None is needed",
    ),
    "a scene as objective": (
        lambda: problem(objective=SCENE),
        "Problem.objective is a MassSpring, which is a problem's scene",
        "an objective or None is needed, e.g. diffsim.Travel",
    ),
    "a controller as scene": (
        lambda: problem(scene=FakeController()),
        "Problem.scene is a FakeController, which is a problem's controller",
        "a scene is needed",
    ),
    "a part of nothing": (
        lambda: problem(tune=("scene.masses[0]",)),
        "Problem.tune names 'scene.masses'",
        "near it: scene.mass",
    ),
    "a part of several": (
        lambda: problem(tune=("scene.*[0]",)),
        "Problem.tune names 'scene.*[0]'",
        "only a number has",
    ),
    "a part that is not there": (
        lambda: problem(tune=("scene.initial_position[6]",)),
        "Problem.tune names 'scene.initial_position[6]'",
        "scene.initial_position has shape (6, 2)",
    ),
    "a part of a single number": (
        lambda: problem(bounds={"scene.damping[0]": (0, 1)}),
        "Problem.bounds names 'scene.damping[0]'",
        "shape ()",
    ),
    "an empty part": (lambda: problem(tune=("scene.gravity[2:]",)), "'scene.gravity[2:]'", "shape (2,)"),
    "a part in words": (lambda: problem(tune=("scene.gravity[y]",)), "'scene.gravity[y]'", "scene.mass[2:5, 0]"),
    "parts that overlap": (
        lambda: problem(tune=("scene.gravity[0:2]", "scene.gravity[-1]")),
        "'scene.gravity[0:2]' and 'scene.gravity[-1]'",
        "share an entry of scene.gravity",
    ),
    "a number and a part of it": (
        lambda: problem(tune=("scene.grav*", "scene.gravity[1]")),
        "'scene.gravity' and 'scene.gravity[1]'",
        "leave one out",
    ),
    "a class": (
        lambda: problem(controller=FakeController),
        "Problem.controller is the class FakeController",
        "FakeController(...)",
    ),
    "nothing to drive": (
        lambda: problem(scene=replace(SCENE, actuation=0.0)),
        "FakeController drives springs",
        "no actuator",
    ),
    "what the objective refuses": (lambda: problem(steps=10**7), "at most a million steps", "10000000"),
    # steps
    "no steps": (lambda: problem(steps=0), "Problem.steps is 0", "whole number of at least 1"),
    "negative steps": (lambda: problem(steps=-5), "Problem.steps is -5", "at least 1"),
    "broken steps": (lambda: problem(steps=10.5), "Problem.steps is 10.5", "whole number"),
    "steps as a float": (lambda: problem(steps=10.0), "Problem.steps is 10.0", "whole number"),
    "true steps": (lambda: problem(steps=True), "Problem.steps is True", "whole number"),
    "steps in words": (lambda: problem(steps="ten"), "Problem.steps is 'ten'", "whole number"),
    "steps of None": (lambda: problem(steps=None), "Problem.steps is None", "whole number"),
    # tune
    "a misspelt name": (
        lambda: problem(tune="scene.stifness"),
        "Problem.tune names 'scene.stifness', which matches nothing",
        "near it: scene.stiffness",
    ),
    "a name without its part": (
        lambda: problem(tune=("weights",)),
        "Problem.tune names 'weights'",
        "controller.weights",
    ),
    "a pattern of nothing": (lambda: problem(tune=("model.*",)), "Problem.tune names 'model.*'", "near it: "),
    "no controller": (
        lambda: problem(controller=None, tune=("controller.gain",)),
        "Problem.tune names 'controller.gain'",
        "near it: ",
    ),
    "a number of a friction that is infinite": (
        lambda: problem(tune=("scene.friction",)),
        "Problem.tune names 'scene.friction'",
        "scene.restitution",
    ),
    "tune as a number": (lambda: problem(tune=3), "Problem.tune is 3", "names and patterns"),
    "tune of None": (lambda: problem(tune=None), "Problem.tune is None", "names and patterns"),
    "a number in tune": (lambda: problem(tune=("controller.*", 1)), "Problem.tune[1] is 1", "a string"),
    # bounds
    "bounds of nothing": (
        lambda: problem(bounds={"scene.masses": (0, 1)}),
        "Problem.bounds names 'scene.masses', which matches nothing",
        "near it: scene.mass",
    ),
    "bounds upside down": (
        lambda: problem(bounds={"scene.mass": (2, 1)}),
        "Problem.bounds['scene.mass'] is (2, 1)",
        "lowest must be below the highest",
    ),
    "bounds that leave one value": (
        lambda: problem(bounds={"scene.mass": (1, 1)}),
        "Problem.bounds['scene.mass'] is (1, 1)",
        "below the highest",
    ),
    "bounds that exclude each other": (
        lambda: problem(tune=("scene.mass",), bounds={"scene.mass": (0, 1), "scene.*": (2, None)}),
        "Problem.bounds allow scene.mass at least 2 and at most 1",
        "below the highest",
    ),
    "bounds for what is not tuned": (
        lambda: problem(bounds={"controller.*": (0, 1), "scene.mass": (0, 1)}),
        "Problem.bounds names 'scene.mass', which is not tuned",
        "tuned are controller.weights, controller.gain",
    ),
    "bounds for a part of what is tuned as a whole": (
        lambda: problem(tune=("scene.gravity",), bounds={"scene.gravity[1]": (-9, 0)}),
        "Problem.bounds names 'scene.gravity[1]', which is not tuned",
        "tuned is scene.gravity",
    ),
    "bounds where nothing is tuned": (
        lambda: problem(tune=(), bounds={"scene.mass": (0, 1)}),
        "Problem.bounds names 'scene.mass'",
        "tuned is nothing",
    ),
    "a single bound": (lambda: problem(bounds={"scene.mass": 1}), "is 1, but", "(lowest, highest) is needed"),
    "three bounds": (lambda: problem(bounds={"scene.mass": (0, 1, 2)}), "(0, 1, 2)", "(lowest, highest)"),
    "a nan bound": (lambda: problem(bounds={"scene.mass": (np.nan, 1)}), "is nan", "finite"),
    "a lowest of infinity": (lambda: problem(bounds={"scene.mass": (np.inf, None)}), "is inf", "finite"),
    "a bound in words": (lambda: problem(bounds={"scene.mass": ("low", 1)}), "takes numbers", "'low'"),
    "bounds as a pair": (lambda: problem(bounds=(0, 1)), "Problem.bounds is (0, 1)", "{name or pattern"),
    "bounds of a number": (lambda: problem(bounds={1: (0, 1)}), "Problem.bounds names 1", "strings"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_what_was_given_and_what_is_allowed(case):
    make, given, allowed = BAD[case]
    with pytest.raises(InputError) as caught:
        make()
    assert given in str(caught.value)
    assert allowed in str(caught.value)


def test_numbers_have_dotted_names_in_the_order_scene_controller_objective():
    names = list(problem().numbers())
    assert names[0] == "scene.initial_position"
    assert names[-3:] == ["controller.weights", "controller.gain", "objective.weight"]


def test_random_numbers_follow_the_seed():
    made = problem()
    same, again, other = (made.numbers(seed)["controller.weights"] for seed in (1, 1, 2))
    assert np.array_equal(same, again)
    assert not np.array_equal(same, other)


@pytest.mark.parametrize(
    ("tune", "expected"),
    [
        (("controller.*",), ("controller.weights", "controller.gain")),
        ("controller.gain", ("controller.gain",)),
        (["objective.weight", "scene.mass"], ("scene.mass", "objective.weight")),
        (("*.weight*", "controller.*"), ("controller.weights", "controller.gain", "objective.weight")),
        ((), ()),
    ],
)
def test_tuned_are_the_numbers_that_match_in_their_own_order(tune, expected):
    assert problem(tune=tune).tuned == expected


def test_a_problem_may_have_only_a_scene():
    made = Problem(SCENE, steps=5)
    assert made.tuned == ()
    assert all(name.startswith("scene.") for name in made.numbers())


def test_limits_are_those_of_every_pattern_that_matches():
    tune = ("controller.gain", "scene.mass", "scene.stiffness")
    limits = {"scene.*": (-5, 1e6), "scene.mass": (0.1, None), "scene.stiffness": [1.0, np.inf]}
    made = problem(tune=tune, bounds=limits)
    assert made.limits("scene.mass") == (0.1, 1e6)
    assert made.limits("scene.stiffness") == (1.0, 1e6)
    assert made.limits("scene.gravity") == (-5.0, 1e6)
    assert made.limits("controller.gain") == (-np.inf, np.inf)


def test_bounds_are_kept_as_plain_pairs():
    made = problem(tune="scene.mass", bounds={"scene.mass": [np.float64(0.5), np.inf]})
    assert made.bounds == {"scene.mass": (0.5, None)}
    assert isinstance(made.bounds, Mapping)
    assert type(made.bounds["scene.mass"][0]) is float


def test_bounds_and_patterns_are_copies():
    bounds, tune = {"scene.mass": (0.5, 2.0)}, ["scene.mass"]
    made = problem(bounds=bounds, tune=tune)
    bounds["scene.gravity"] = (0, 1)
    tune.append("scene.gravity")
    assert made == problem(bounds={"scene.mass": (0.5, 2.0)}, tune=("scene.mass",))


def test_with_tuned_replaces_the_numbers_of_the_scene():
    made = problem(tune=("scene.stiffness", "controller.*"))
    other = made.with_tuned({"scene.stiffness": np.array(5.0), "controller.gain": np.array(2.0)})
    assert other.scene.stiffness == 5.0
    assert other.controller == made.controller
    assert made.with_tuned({"controller.gain": np.array(2.0)}) is made


PARTS = ("scene.gravity[1]", "scene.initial_position[1:3]", "scene.initial_position[0, 1]", "controller.gain")


def test_parts_of_numbers_are_parameters():
    made = problem(tune=PARTS, bounds={"scene.initial_position": (-9, None), "scene.initial_position[0, 1]": (None, 9)})
    assert made.tuned == (*PARTS[1:3], PARTS[0], PARTS[3])  # in the order of the numbers
    numbers = made.numbers()
    assert made.pick("scene.gravity[1]", numbers) == -9.81
    assert np.array_equal(made.pick(PARTS[1], numbers), SCENE.points[1:3])
    assert made.entries(PARTS[1], (6, 2)).tolist() == [2, 3, 4, 5]
    assert made.entries("controller.gain", ()).tolist() == [0]
    assert made.limits(PARTS[1]) == (-9.0, np.inf)
    assert made.limits(PARTS[2]) == (-9.0, 9.0)


def test_parts_are_put_back_where_they_belong():
    made = problem(tune=PARTS)
    params = {PARTS[0]: -1.0, PARTS[1]: np.full((2, 2), 7.0), PARTS[2]: 3.0, PARTS[3]: 2.0}
    found = made.filled(params)
    expected = np.array(SCENE.points)
    expected[1:3], expected[0, 1] = 7.0, 3.0
    assert np.array_equal(found["scene.initial_position"], expected)
    assert found["scene.gravity"].tolist() == [0.0, -1.0]
    assert found["controller.gain"] == 2.0
    assert np.array_equal(made.numbers()["scene.initial_position"], SCENE.points)
    assert np.array_equal(made.with_tuned(params).scene.points, expected)
    copies = made.filled(
        {PARTS[2]: np.array([3.0, 4.0]), PARTS[1]: np.full((2, 2, 2), 7.0), PARTS[0]: np.array([1.0, 2.0])}
    )
    assert np.array_equal(copies["scene.initial_position"][0], expected)
    expected[0, 1] = 4.0
    assert np.array_equal(copies["scene.initial_position"][1], expected)
    assert copies["scene.gravity"].tolist() == [[0.0, 1.0], [0.0, 2.0]]


def rich_problem():
    return problem(tune=("controller.*", "scene.mass"), bounds={"scene.mass": (0.5, None), "controller.*": (-1, 1)})


@pytest.mark.parametrize("make", [problem, rich_problem, lambda: Problem(SCENE)])
def test_pickle_and_strict_json_bring_an_equal_problem_back(make):
    assert pickle.loads(pickle.dumps(make())) == make()
    text = json.dumps(make().to_dict(), allow_nan=False)
    assert Spec.from_dict(json.loads(text)) == make()


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 11},
        {"controller": None},
        {"controller": FakeController(gain=1.0 + 1e-15)},
        {"objective": FakeObjective(2.0)},
        {"tune": ("controller.gain",)},
        {"bounds": {"controller.gain": (0, 1)}},
        {"scene": replace(SCENE, dt=2e-3)},
    ],
)
def test_problems_differ_by_any_part(changes):
    assert problem(**changes) != problem()
    assert problem(**changes) == problem(**changes)


def test_a_notebook_sees_what_is_tuned():
    page = problem(tune=("controller.gain", "scene.stiffness"), bounds={"scene.stiffness": (1.0, None)})._repr_html_()
    assert "<tr><th>scene</th><td>MassSpring of 6 points, 11 springs, " in page
    assert "<tr><th>controller.gain</th><td>a number</td><td>1</td><td></td></tr>" in page
    assert "<td>1 to inf</td>" in page
    assert "Nothing is tuned." in problem(tune=())._repr_html_()


def test_repr_is_short():
    body = grid((30, 30))
    text = repr(problem(scene=MassSpring(points=body.points, springs=body.springs, actuation=0.1)))
    assert text.startswith("Problem(scene=MassSpring(points=<961 x 2 array>")
    assert len(text) < 700
