"""MassSpring and Ground: what they refuse, what they keep."""

import copy
import json
import pickle

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.physics.mass_spring.lattice import grid
from diffsim.physics.mass_spring.scene import Ground, MassSpring
from diffsim.spec import Spec

POINTS = [[0.0, 0.1], [1.0, 0.1], [0.5, 1.0], [2.0, 2.0]]
SPRINGS = [[0, 1], [1, 2], [2, 0]]


def scene(**changes):
    return MassSpring(**{"points": POINTS, "springs": SPRINGS, **changes})


def rich_scene():
    """A scene with no field at its default."""
    return scene(
        stiffness=[1e3, 2e3, 3e3],
        rest_length=0.9,
        spring_damping=0.5,
        actuation=[0.1, 0.0, -0.2],
        mass=[1.0, 2.0, 3.0, 4.0],
        damping=0.1,
        gravity=(0.5, -9.0),
        force=(1.0, 0.0),
        initial_velocity=np.ones((4, 2)),
        ground=Ground(height=-0.5, friction=0.7, restitution=0.3, time_of_impact=False),
        fixed=[3],
        dt=0.002,
    )


BAD = {
    # points
    "no points": (lambda: scene(points=[]), "MassSpring.points has shape (0,)", "n of at least 1"),
    "no rows": (lambda: scene(points=np.zeros((0, 2))), "has shape (0, 2)", "n of at least 1"),
    "one point flat": (
        lambda: scene(points=[0.0, 1.0]),
        "MassSpring.points has shape (2,)",
        "(n, 2) or (n, 3)",
    ),
    "points in 4D": (lambda: scene(points=np.zeros((3, 4))), "shape (3, 4)", "(n, 2) or (n, 3)"),
    "a ragged list": (lambda: scene(points=[[0, 1], [2]]), "MassSpring.points", "rows of one length"),
    "text": (lambda: scene(points="abc"), "MassSpring.points takes numbers", "'abc' was given"),
    "numbers as text": (lambda: scene(points=[["0", "1"]]), "MassSpring.points takes numbers", "was given"),
    "complex numbers": (lambda: scene(points=[[1j, 0]]), "MassSpring.points takes numbers", "1j"),
    "points of None": (lambda: scene(points=None), "MassSpring.points takes numbers", "None was given"),
    "nan point": (lambda: scene(points=[[0, 1], [np.nan, 0]]), "MassSpring.points[1, 0] is nan", "finite"),
    "infinite point": (lambda: scene(points=[[0, -np.inf]]), "MassSpring.points[0, 1] is -inf", "finite"),
    "a huge whole number": (
        lambda: scene(points=[[10**400, 1.0]]),
        "MassSpring.points takes numbers",
        "given",
    ),
    # springs
    "absent point": (
        lambda: scene(springs=[[0, 1], [2, 7]]),
        "springs[1] joins points 2 and 7",
        "4 points (0 to 3)",
    ),
    "negative point": (lambda: scene(springs=[[0, -1]]), "springs[0] joins points 0 and -1", "(0 to 3)"),
    "self spring": (
        lambda: scene(springs=[[0, 1], [2, 2]]),
        "springs[1] joins point 2 to itself",
        "two points",
    ),
    "spring twice": (
        lambda: scene(springs=[[0, 1], [1, 2], [0, 1]]),
        "springs[2] joins points 0 and 1 as springs[0] does",
        "one spring",
    ),
    "spring reversed": (
        lambda: scene(springs=[[0, 3], [1, 2], [2, 1]]),
        "springs[2] joins points 2 and 1 as springs[1] does",
        "one spring",
    ),
    "zero length": (
        lambda: scene(points=[[0, 1], [0, 1], [1, 1]], springs=[[0, 2], [0, 1]]),
        "springs[1] joins points 0 and 1, which lie in one place",
        "move a point, or give rest_length",
    ),
    "springs of three": (lambda: scene(springs=[[0, 1, 2]]), "MassSpring.springs has shape (1, 3)", "(s, 2)"),
    "one spring flat": (lambda: scene(springs=[0, 1]), "MassSpring.springs has shape (2,)", "(s, 2)"),
    "ragged springs": (lambda: scene(springs=[[0, 1], [1]]), "MassSpring.springs", "rows of one length"),
    "broken spring": (lambda: scene(springs=[[0, 1.5]]), "MassSpring.springs[0, 1] is 1.5", "whole number"),
    "nan spring": (lambda: scene(springs=[[0, np.nan]]), "MassSpring.springs[0, 1] is nan", "finite"),
    "infinite spring": (lambda: scene(springs=[[np.inf, 0]]), "MassSpring.springs[0, 0] is inf", "finite"),
    "spring too large": (lambda: scene(springs=[[0, 1e300]]), "MassSpring.springs[0, 1] is 1e+300", "whole"),
    "mask for springs": (lambda: scene(springs=[[True, False]]), "MassSpring.springs takes numbers", "True"),
    # constants of springs and points
    "zero mass": (lambda: scene(mass=[1, 1, 0, 1]), "MassSpring.mass[2] is 0", "greater than 0"),
    "negative mass": (lambda: scene(mass=-1.0), "MassSpring.mass is -1", "greater than 0"),
    "nan mass": (lambda: scene(mass=np.nan), "MassSpring.mass is nan", "finite"),
    "infinite mass": (lambda: scene(mass=[1, 1, 1, np.inf]), "MassSpring.mass[3] is inf", "finite"),
    "mass per spring": (
        lambda: scene(mass=[1, 1, 1]),
        "MassSpring.mass has shape (3,)",
        "a single number or (4,) is needed",
    ),
    "a true mass": (lambda: scene(mass=True), "MassSpring.mass takes numbers", "True was given"),
    "stiffness per point": (
        lambda: scene(stiffness=np.ones(4)),
        "MassSpring.stiffness has shape (4,)",
        "(3,)",
    ),
    "negative stiffness": (
        lambda: scene(stiffness=[1, -2, 3]),
        "MassSpring.stiffness[1] is -2",
        "at least 0",
    ),
    "stiffness of None": (lambda: scene(stiffness=None), "MassSpring.stiffness takes numbers", "None"),
    "negative rest length": (lambda: scene(rest_length=-0.1), "MassSpring.rest_length is -0.1", "at least 0"),
    "negative damping of springs": (lambda: scene(spring_damping=-1), "spring_damping is -1", "at least 0"),
    "nan actuation": (lambda: scene(actuation=[0, 0, np.nan]), "MassSpring.actuation[2] is nan", "finite"),
    "negative damping": (lambda: scene(damping=-0.1), "MassSpring.damping is -0.1", "at least 0"),
    "damping per point": (
        lambda: scene(damping=[1, 2]),
        "MassSpring.damping has shape (2,)",
        "a single number",
    ),
    "gravity as a number": (
        lambda: scene(gravity=-9.81),
        "MassSpring.gravity has shape ()",
        "(2,) is needed",
    ),
    "gravity in 3D": (lambda: scene(gravity=(0, 0, -9.81)), "MassSpring.gravity has shape (3,)", "(2,)"),
    "force per component": (
        lambda: scene(force=np.ones((2, 4))),
        "MassSpring.force has shape (2, 4)",
        "(4, 2)",
    ),
    "infinite velocity": (
        lambda: scene(initial_velocity=(0, np.inf)),
        "MassSpring.initial_velocity[1] is inf",
        "finite",
    ),
    "no time step": (lambda: scene(dt=0), "MassSpring.dt is 0", "greater than 0"),
    "backwards in time": (lambda: scene(dt=-1e-3), "MassSpring.dt is -0.001", "greater than 0"),
    # fixed
    "absent fixed point": (lambda: scene(fixed=[0, 4]), "fixed[1] is point 4", "4 points (0 to 3)"),
    "negative fixed point": (lambda: scene(fixed=[-1]), "fixed[0] is point -1", "(0 to 3)"),
    "fixed twice": (lambda: scene(fixed=[3, 1, 3]), "fixed[2] is point 3, as fixed[0] is", "each point once"),
    "fixed as a mask": (lambda: scene(fixed=np.ones(4, bool)), "MassSpring.fixed", "numpy.flatnonzero"),
    "fixed as a matrix": (lambda: scene(fixed=[[0, 1]]), "MassSpring.fixed has shape (1, 2)", "(k,)"),
    "a broken fixed point": (lambda: scene(fixed=[0.5]), "MassSpring.fixed[0] is 0.5", "whole number"),
    # ground
    "ground as a number": (lambda: scene(ground=0.1), "MassSpring.ground is 0.1", "a Ground, a Terrain or None"),
    "points below ground": (
        lambda: scene(ground=Ground(height=0.5)),
        "points[0] lies 0.4 m below the ground, whose height is 0.5 m",
        "raise the point",
    ),
    "points below a slope": (
        lambda: scene(ground=Ground(normal=(0.6, -0.8))),
        "points[0] lies 0.08 m below the ground",
        "lower the ground",
    ),
    "normal in 3D": (
        lambda: scene(ground=Ground(normal=(0, 0, 1))),
        "Ground.normal has 3 components",
        "have 2",
    ),
    "normal in 4D": (lambda: Ground(normal=(0, 0, 0, 1)), "Ground.normal has shape (4,)", "(2,) or (3,)"),
    "no normal": (lambda: Ground(normal=(0, 0)), "Ground.normal has length 0", "a direction is needed"),
    "negative friction": (lambda: Ground(friction=-0.1), "Ground.friction is -0.1", "at least 0"),
    "nan friction": (lambda: Ground(friction=np.nan), "Ground.friction is nan", "at least 0"),
    "friction downwards": (lambda: Ground(friction=-np.inf), "Ground.friction is -inf", "finite"),
    "friction per point": (
        lambda: Ground(friction=np.ones(2)),
        "Ground.friction has shape (2,)",
        "single number",
    ),
    "friction in words": (lambda: Ground(friction="high"), "Ground.friction takes numbers", "'high'"),
    "restitution above 1": (lambda: Ground(restitution=1.5), "Ground.restitution is 1.5", "at most 1"),
    "negative restitution": (lambda: Ground(restitution=-0.5), "Ground.restitution is -0.5", "at least 0"),
    "half a time of impact": (lambda: Ground(time_of_impact=0.5), "time_of_impact is 0.5", "must be True or False"),
    "a time of impact of None": (lambda: Ground(time_of_impact=None), "time_of_impact is None", "True or False"),
    "a time of impact of 1": (lambda: Ground(time_of_impact=1), "time_of_impact is 1", "True or False"),
    "nan height": (lambda: Ground(height=np.nan), "Ground.height is nan", "finite"),
    # numbers
    "absent number": (lambda: scene().with_numbers({"stifness": 1.0}), "no number 'stifness'", "stiffness"),
    "number of an absent ground": (
        lambda: scene().with_numbers({"ground_height": 1.0}),
        "no number 'ground_height'",
        "initial_position",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_what_was_given_and_what_is_allowed(case):
    make, given, allowed = BAD[case]
    with pytest.raises(InputError) as caught:
        make()
    assert given in str(caught.value)
    assert allowed in str(caught.value)


def test_the_first_of_several_mistakes_is_named():
    with pytest.raises(InputError, match=r"springs\[1\] joins points 0 and 9"):
        scene(springs=[[0, 1], [0, 9], [8, 9]])


def test_the_time_of_impact_is_a_choice_with_a_default():
    assert Ground().time_of_impact is True
    assert Ground(time_of_impact=np.bool_(False)).time_of_impact is False
    assert Ground(time_of_impact=False) != Ground()
    assert Spec.from_dict({"type": "Ground"}) == Ground()  # a file written before there was a choice


def test_springs_may_be_none_at_all():
    for none in ((), [], np.zeros((0, 2)), np.zeros((0, 2), dtype=int)):
        assert scene(springs=none).springs.shape == (0, 2)
        assert scene(springs=none) == scene(springs=())
    assert scene(springs=()).actuators.tolist() == []


def test_rest_lengths_are_the_distances_unless_given():
    assert np.array_equal(scene().rest_length, [1.0, np.hypot(0.5, 0.9), np.hypot(0.5, 0.9)])
    assert scene(rest_length=0.5).rest_length == 0.5


def test_a_collapsed_spring_is_allowed_with_a_rest_length():
    assert scene(points=[[0, 1], [0, 1]], springs=[[0, 1]], rest_length=0.1).rest_length == 0.1


def test_gravity_is_down_the_last_axis_and_so_is_the_ground():
    flat, deep = scene(ground=Ground()), MassSpring(points=np.ones((2, 3)), ground=Ground())
    assert flat.gravity.tolist() == [0.0, -9.81]
    assert deep.gravity.tolist() == [0.0, 0.0, -9.81]
    assert flat.ground.normal.tolist() == [0.0, 1.0]
    assert deep.ground.normal.tolist() == [0.0, 0.0, 1.0]
    assert (flat.dimension, deep.dimension) == (2, 3)


@pytest.mark.parametrize("height", [0.1, 0.7, 123.4])
def test_points_on_the_ground_stay_there_in_single_precision(height):
    points = np.array([[0.0, height]], dtype=np.float32)
    assert scene(points=points, springs=(), ground=Ground(height=height)).points[0, 1] == np.float32(height)


def test_a_normal_of_any_length_is_kept_as_a_unit_vector():
    assert Ground(normal=(3, 4)).normal == pytest.approx([0.6, 0.8], rel=1e-15)
    single = np.array([np.sqrt(0.5), np.sqrt(0.5)], dtype=np.float32)
    assert np.linalg.norm(Ground(normal=single).normal) == pytest.approx(1.0, abs=1e-15)
    again = Ground(normal=single)
    assert Ground(normal=again.normal) == again


@pytest.mark.parametrize("endless", [float("inf"), np.float64("inf"), np.float32("inf")])
def test_infinite_friction_is_a_plain_float(endless):
    assert type(Ground(friction=endless).friction) is float
    assert Ground(friction=endless) == Ground()


def test_actuators_are_the_springs_with_an_actuation():
    assert scene(actuation=[0.1, 0.0, -0.2]).actuators.tolist() == [0, 2]
    assert scene(actuation=0.1).actuators.tolist() == [0, 1, 2]
    assert scene().actuators.tolist() == []


def test_arrays_are_read_only_copies():
    points, springs = np.array(POINTS), np.array(SPRINGS)
    made = MassSpring(points=points, springs=springs)
    points[0], springs[0] = 99.0, 3
    assert made == scene()
    for name in ("points", "springs", "rest_length", "mass", "gravity", "fixed"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(made, name)[...] = 0


@pytest.mark.parametrize("revive", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_copies_and_pickles_are_equal_and_still_read_only(revive):
    again = revive(rich_scene())
    assert again == rich_scene()
    for array in (again.points, again.springs, again.fixed, again.mass, again.ground.normal):
        assert not array.flags.writeable


@pytest.mark.parametrize("make", [scene, rich_scene, lambda: scene(springs=(), ground=Ground())])
def test_json_brings_an_equal_scene_back(make):
    text = json.dumps(make().to_dict(), allow_nan=False)
    assert Spec.from_dict(json.loads(text)) == make()


@pytest.mark.parametrize("make", [scene, rich_scene, lambda: scene(ground=Ground(height=-1.0))])
def test_with_its_own_numbers_a_scene_is_equal(make):
    assert make().with_numbers(make().numbers()) == make()


def test_with_numbers_replaces_what_it_names():
    moved = np.array(POINTS) + 1.0
    other = rich_scene().with_numbers(
        {"initial_position": moved, "friction": np.array(0.1), "stiffness": np.full(3, 7.0)}
    )
    assert np.array_equal(other.points, moved)
    assert np.array_equal(other.stiffness, [7.0, 7.0, 7.0])
    expected = Ground(height=-0.5, friction=0.1, restitution=0.3, normal=(0, 1), time_of_impact=False)
    assert other.ground == expected
    assert np.array_equal(other.rest_length, rich_scene().rest_length)


@pytest.mark.parametrize("name", sorted(rich_scene().numbers()))
def test_scenes_differ_by_one_entry_of_any_number(name):
    values = {key: np.array(value) for key, value in rich_scene().numbers().items()}
    values[name].flat[0] += 1e-9  # of a normal, not along it
    assert rich_scene().with_numbers(values) != rich_scene()


def test_scenes_differ_by_springs_fixed_points_and_ground():
    assert scene() != scene(springs=SPRINGS[:2])
    assert scene() != scene(springs=[[1, 0], *SPRINGS[1:]])
    assert scene() != scene(fixed=[0])
    assert scene() != scene(ground=Ground())
    assert scene() != "a scene"


def test_numbers_name_the_ground_only_where_there_is_one():
    assert "friction" in rich_scene().numbers()
    assert "friction" not in scene(ground=Ground()).numbers()  # infinite: nothing to tune
    assert "restitution" in scene(ground=Ground()).numbers()
    assert "restitution" not in scene().numbers()


def test_repr_is_short():
    body = grid((30, 30))
    text = repr(MassSpring(points=body.points, springs=body.springs, ground=Ground()))
    assert text.startswith("MassSpring(points=<961 x 2 array>, springs=")
    assert len(text) < 500
