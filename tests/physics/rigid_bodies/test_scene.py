"""RigidBodies: what it refuses, what it keeps, which numbers it has. Its elements: see test_bodies and test_joints."""

import copy
import json
import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError
from diffsim.physics.rigid_bodies.bodies import Box, Capsule, Disc, HalfPlane, Polygon, Segment
from diffsim.physics.rigid_bodies.joints import Pin, Rope, Slider, Spring, Weld
from diffsim.physics.rigid_bodies.scene import RigidBodies
from diffsim.spec import Spec

TRIANGLE = [(0.0, 0.0), (0.4, 0.0), (0.1, 0.3)]
QUAD = [(0.0, 0.0), (0.4, 0.0), (0.5, 0.3), (0.0, 0.4)]


def scene(**changes):
    """Five bodies of all kinds over a floor."""
    bodies = [
        Box((0.0, 2.0), (0.4, 0.1)),
        Disc((1.0, 2.0), 0.2),
        Capsule((2.0, 2.0), 0.3, 0.1),
        Polygon((3.0, 2.0), TRIANGLE),
        Disc((4.0, 2.0), 0.1),
    ]
    return RigidBodies(**{"bodies": bodies, "obstacles": [HalfPlane()], **changes})


@cache
def rich_scene():
    """A scene with every kind of element, and no field at its default. Nothing can change it."""
    bodies = [
        Box(
            (0.0, 2.0), (0.4, 0.1), angle=0.3, velocity=(1.0, 0.5), density=2.0, friction=0.1, restitution=0.2, group=1
        ),
        Disc((1.0, 2.0), 0.2, mass=3.0, angular_velocity=-0.5),
        Capsule((2.0, 2.0), 0.3, 0.1, angle=-0.4, inertia=0.2, friction=0.7, group=1),
        Polygon((3.0, 2.0), QUAD, angle=1.0, velocity=(0.0, -1.0), restitution=0.6),
        Polygon((4.0, 2.0), TRIANGLE, density=5.0),
        Box((5.0, 2.0), (0.1, 0.2), mass=2.0, inertia=0.1),
    ]
    obstacles = [
        HalfPlane.of((0.6, 0.8), -5.0, friction=0.3),
        Segment.between((-1.0, 0.0), (6.0, 0.5), 0.05, restitution=0.5),
        Box((-3.0, 0.0), (0.2, 0.3), angle=0.2),
        Disc((-3.0, 2.0), 0.5, friction=0.9, restitution=0.1),
        Capsule((-3.0, 4.0), 0.5, 0.25, angle=-0.2),
        Polygon((-3.0, 6.0), TRIANGLE),
    ]
    joints = [
        Pin(0, 1, at=(0.6, 2.1), motor=2.0, damping=0.1),
        Weld(1, 2, at=(1.5, 2.0), collide=True),
        Slider(2, 3, at=(2.5, 2.1), axis=(1.0, 2.0), motor=3.0, damping=0.2),
        Rope(3, 4, ((0.1, 0.0), (0.0, 0.1)), 2.0, collide=False),
        Pin(5, None, at=(5.0, 2.5), damping=0.3),
        Slider(4, None, anchors=((0.0, 0.0), (4.0, 2.5)), axis=(0.0, 1.0)),
    ]
    springs = [
        Spring(0, 2, ((0.4, 0.0), (-0.3, 0.0)), 50.0, 1.5, 0.4, 0.1),
        Spring(5, None, ((0.0, 0.2), (5.0, 4.0)), 20.0),
        Spring(3, 4, ((0.0, 0.0), (0.1, 0.0)), 30.0, damping=0.2, actuation=-0.2),
    ]
    return RigidBodies(
        bodies=bodies,
        obstacles=obstacles,
        joints=joints,
        springs=springs,
        gravity=(0.5, -9.0),
        damping=0.1,
        friction=0.4,
        restitution=0.3,
        density=1.5,
        dt=0.002,
        iterations=20,
        contacts=30,
    )


def discs(*places, **changes):
    """Discs of radius 1."""
    return RigidBodies(**{"bodies": [Disc(place, 1.0) for place in places], **changes})


BAD = {
    # lists
    "no bodies": (lambda: scene(bodies=[]), "RigidBodies.bodies is empty", "at least one"),
    "one body without a list": (
        lambda: scene(bodies=Disc((0, 1), 0.5)),
        "RigidBodies.bodies is Disc(position=(0, 1), radius=0.5), but a list is needed",
        "a Box, Disc, Capsule or Polygon",
    ),
    "bodies of None": (lambda: scene(bodies=None), "RigidBodies.bodies is None", "a list is needed"),
    "a body that is none": (
        lambda: scene(bodies=[Disc((0, 1), 0.5), 3]),
        "bodies[1] is 3",
        "a Box, Disc, Capsule or Polygon is needed",
    ),
    "a class": (lambda: scene(bodies=[Disc]), "bodies[0] is <class", "is needed"),
    "a wall as a body": (
        lambda: scene(bodies=[HalfPlane()]),
        "bodies[0] is HalfPlane()",
        "a Box, Disc, Capsule or Polygon is needed",
    ),
    "an obstacle that is none": (
        lambda: scene(obstacles=[ds.Ground()]),
        "obstacles[0] is Ground(",
        "a HalfPlane, Segment, Box, Disc, Capsule or Polygon is needed",
    ),
    "a spring among the joints": (
        lambda: scene(joints=[Spring(0, 1, ((0, 0), (0, 0)), 1.0)]),
        "joints[0] is Spring(first=0, second=1",
        "a Pin, Weld, Slider or Rope is needed",
    ),
    "a joint among the springs": (
        lambda: scene(springs=[Pin(0, 1, at=(0, 0))]),
        "springs[0] is Pin(first=0, second=1, at=(0, 0))",
        "a Spring is needed",
    ),
    "one obstacle without a list": (
        lambda: scene(obstacles=HalfPlane()),
        "RigidBodies.obstacles is HalfPlane()",
        "a list is needed",
    ),
    # the scene
    "gravity as a number": (lambda: scene(gravity=-9.81), "RigidBodies.gravity has shape ()", "(2,) is needed"),
    "negative damping": (lambda: scene(damping=-1), "RigidBodies.damping is -1", "at least 0"),
    "friction below 0": (lambda: scene(friction=-1), "RigidBodies.friction is -1", "at least 0"),
    "friction of None": (lambda: scene(friction=None), "RigidBodies.friction takes numbers", "None"),
    "restitution 2": (lambda: scene(restitution=2), "RigidBodies.restitution is 2", "at most 1"),
    "density 0": (lambda: scene(density=0), "RigidBodies.density is 0", "greater than 0"),
    "no time step": (lambda: scene(dt=0), "RigidBodies.dt is 0", "greater than 0"),
    "no iterations": (lambda: scene(iterations=0), "RigidBodies.iterations is 0", "at least 1"),
    "no contacts": (lambda: scene(contacts=0), "RigidBodies.contacts is 0", "at least 1"),
    # the initial pose
    "overlap": (
        lambda: discs((9, 0), (0, 0), (4, 0), (1.875, 0)),
        "bodies[1] and bodies[3] overlap by 0.125 m at the start",
        "move one, or give both one group",
    ),
    "in the floor": (
        lambda: discs((0, 5), (50, 0.75), obstacles=[HalfPlane((0, -3)), HalfPlane()]),
        "bodies[1] reaches 0.25 m into obstacles[1] at the start",
        "move one of them",
    ),
    "in a wall": (
        lambda: discs((0, 0.5), obstacles=[Segment.between((-9, 0), (9, 0))]),
        "bodies[0] reaches 0.5 m into obstacles[0] at the start",
        "move one of them",
    ),
    # numbers
    "absent number": (lambda: scene().with_numbers({"mas": 1.0}), "no number 'mas'", "initial_position, initial_angle"),
    "number that no body has": (lambda: scene().with_numbers({"mass": [1.0]}), "no number 'mass'", "density"),
    "too many": (lambda: scene().with_numbers({"radius": [1.0]}), "RigidBodies.radius has shape (1,)", "(3,)"),
    "a bad one": (
        lambda: scene().with_numbers({"radius": [0.1, 0.1, -1.0]}),
        "bodies[4].radius is -1",
        "greater than 0",
    ),
    "a motor of 0": (
        lambda: rich_scene().with_numbers({"motor": [1.0, 0.0]}),
        "RigidBodies.motor[1] is 0",
        "greater than 0",
    ),
    "members of nothing": (lambda: scene().members("mas"), "no scene of rigid bodies has a number 'mas'", "mass"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_what_was_given_and_what_is_allowed(case):
    make, given, allowed = BAD[case]
    with pytest.raises(InputError) as caught:
        make()
    assert given in str(caught.value)
    assert allowed in str(caught.value)


def test_overlap_up_to_rounding_is_none():
    near, far = 2.0 - 1e-6, 1e3 * (2.0 - 1e-6)
    discs((0.0, 0.0), (near, 0.0))
    discs((0.0, 100.0), (2.0 - 1e-5, 100.0))  # of single precision at 100 m
    RigidBodies([Disc((0.0, 0.0), 1e3), Disc((far, 0.0), 1e3)])
    with pytest.raises(InputError, match=r"overlap by 1e-05 m"):
        discs((0.0, 0.0), (2.0 - 1e-5, 0.0))


def test_a_stack_in_single_precision_stands():
    heights = np.float32(0.1) + np.float32(0.2) * np.arange(8, dtype=np.float32)
    RigidBodies([Box((0.3, y), (0.5, 0.1)) for y in heights], obstacles=[HalfPlane()])


# The scene


def test_defaults():
    plain = RigidBodies([Disc((0, 0), 1)])
    assert plain.gravity.tolist() == [0.0, -9.81]
    assert (plain.damping, plain.friction, plain.restitution, plain.density) == (0.0, 0.5, 0.0, 1.0)
    assert (plain.dt, plain.iterations, plain.contacts) == (1e-3, 8, None)
    assert (plain.obstacles, plain.joints, plain.springs) == ((), (), ())
    assert (plain.dimension, plain.observations) == (2, 6)
    assert (plain.kind, rich_scene().observations) == ("scene", 36)


def test_shapes_are_bodies_and_then_obstacles():
    assert rich_scene().shapes == (*rich_scene().bodies, *rich_scene().obstacles)
    assert rich_scene().kinds.tolist() == [0, 1, 1, 0, 0, 0, 2, 1, 0, 1, 1, 0]
    assert rich_scene().vertex_counts.tolist() == [4, 1, 2, 4, 3, 4, 2, 2, 4, 1, 2, 3]


def test_actuators_are_springs_and_then_joints():
    rich = rich_scene()
    assert rich.driven_springs.tolist() == [0, 2]
    assert rich.driven_joints.tolist() == [0, 2]
    assert rich.actuators.tolist() == [0, 1, 2, 3]
    assert scene().actuators.tolist() == scene().driven_joints.tolist() == scene().driven_springs.tolist() == []
    mixed = scene(joints=[Slider(0, 1, at=(0, 2), motor=2.0), Weld(1, 2, at=(1, 2)), Pin(2, 3, at=(2, 2), motor=1.0)])
    assert mixed.driven_joints.tolist() == mixed.members("motor").tolist() == [0, 2]  # in the order of the joints
    assert mixed.numbers()["motor"].tolist() == [2.0, 1.0]


def test_all_pairs_may_touch_unless_something_is_said():
    loose = discs((0, 0), (3, 0), (6, 0), obstacles=[HalfPlane((0, -9)), HalfPlane((0, -8))])
    assert loose.pairs.tolist() == [[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [1, 3], [1, 4], [2, 3], [2, 4]]
    assert discs((0, 0)).pairs.shape == (0, 2)
    for found in (loose.pairs, discs((0, 0)).pairs):
        assert found.dtype == np.int64


def test_bodies_of_one_group_do_not_touch_each_other():
    groups = [None, 1, -2, 1, None, -2]
    grouped = RigidBodies([Disc((0, 0), 1.0, group=group) for group in groups[1:4:2]])
    assert grouped.pairs.tolist() == []
    apart = RigidBodies([Disc((3 * k, 0), 1.0, group=group) for k, group in enumerate(groups)])
    missing = {(a, b) for a in range(6) for b in range(a + 1, 6)} - set(map(tuple, apart.pairs.tolist()))
    assert missing == {(1, 3), (2, 5)}
    grouped = RigidBodies([Disc((0, 0), 1.0, group=0)] * 2, obstacles=[HalfPlane((0, -1))])
    assert grouped.pairs.tolist() == [[0, 2], [1, 2]]


def test_joined_bodies_do_not_touch_unless_they_are_to():
    anchors = ((1.0, 0.0), (-1.0, 0.0))
    row = ((0, 0), (2.5, 0), (5, 0), (7.5, 0))
    rope = discs(*row, joints=[Rope(1, 0, anchors, 5.0), Rope(2, 3, anchors, 5.0, collide=False)])
    assert rope.pairs.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3]]
    pins = [Pin(1, 0, at=(1, 0)), Weld(1, 2, at=(3, 0), collide=True), Slider(3, None, at=(9, 0))]
    assert discs(*row, joints=pins).pairs.tolist() == [[0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    both = [Pin(0, 1, at=(1, 0)), Rope(0, 1, anchors, 1.0)]
    assert [0, 1] not in discs(*row, joints=both).pairs.tolist()
    assert discs((0, 0), (1, 0), joints=[Pin(0, 1, at=(1, 0))]).pairs.tolist() == []  # so they may overlap


def test_springs_do_not_keep_bodies_from_touching():
    joined = discs((0, 0), (3, 0), springs=[Spring(0, 1, ((0, 0), (0, 0)), 1.0)])
    assert joined.pairs.tolist() == [[0, 1]]


def test_elements_print_what_was_given():
    assert repr(Box((0, 1), (0.2, 0.1), mass=2.0)) == "Box(position=(0, 1), mass=2.0, half_size=(0.2, 0.1))"
    assert repr(HalfPlane()) == "HalfPlane()"
    assert repr(scene().bodies[1]) == "Disc(position=[1.0, 2.0], radius=0.2)"
    assert repr(scene()).startswith("RigidBodies(bodies=<5 of Box, Capsule, Disc, Polygon>, obstacles=(HalfPlane(),), ")
    assert len(repr(scene())) < 300


# Numbers


def own(x, y, angle):
    """What is at (x, y) from a body at an angle, in its own frame."""
    turned = complex(x, y) * np.exp(-1j * angle)
    return [turned.real, turned.imag]


# In order: values, and the shapes, joints or springs that they belong to, or the bodies that take them.
EXPECTED = {
    "initial_position": ([[0, 2], [1, 2], [2, 2], [3, 2], [4, 2], [5, 2]], range(6)),
    "initial_angle": ([0.3, 0, -0.4, 1, 0, 0], range(6)),
    "initial_velocity": ([[1, 0.5], [0, 0], [0, 0], [0, -1], [0, 0], [0, 0]], range(6)),
    "initial_angular_velocity": ([0, -0.5, 0, 0, 0, 0], range(6)),
    "density": (1.5, [2, 3]),
    "body_density": ([2, 5], [0, 4]),
    "mass": ([3, 2], [1, 5]),
    "inertia": ([0.2, 0.1], [2, 5]),
    "half_size": ([[0.4, 0.1], [0.1, 0.2], [0.2, 0.3]], [0, 5, 8]),
    "half_length": ([0.3, 0.5 * np.hypot(7, 0.5), 0.5], [2, 7, 10]),
    "radius": ([0.2, 0.1, 0.05, 0.5, 0.25], [1, 2, 7, 9, 10]),
    "vertices": (QUAD + TRIANGLE + TRIANGLE, [3] * 4 + [4] * 3 + [11] * 3),
    "friction": (0.4, [1, 3, 4, 5]),
    "body_friction": ([0.1, 0.7], [0, 2]),
    "restitution": (0.3, [1, 2, 4, 5]),
    "body_restitution": ([0.2, 0.6], [0, 3]),
    "obstacle_position": ([[-3, -4], [2.5, 0.25], [-3, 0], [-3, 2], [-3, 4], [-3, 6]], range(6, 12)),
    "obstacle_angle": ([np.arctan2(-0.6, 0.8), np.arctan2(0.5, 7), 0.2, 0, -0.2, 0], range(6, 12)),
    "obstacle_friction": ([0.3, 0.9], [6, 9]),
    "obstacle_restitution": ([0.5, 0.1], [7, 9]),
    "gravity": ([0.5, -9], range(6)),
    "damping": (0.1, range(6)),
    "joint_anchor": (
        [
            [own(0.6, 0.1, 0.3), [-0.4, 0.1]],
            [[0.5, 0], own(-0.5, 0, -0.4)],
            [own(0.5, 0.1, -0.4), own(-0.5, 0.1, 1)],
            [[0.1, 0], [0, 0.1]],
            [[0, 0.5], [5, 2.5]],
            [[0, 0], [4, 2.5]],
        ],
        range(6),
    ),
    "joint_angle": ([-0.4, 1.4, 0], [1, 2, 5]),
    "slider_axis": ([np.arctan2(2, 1) + 0.4, np.pi / 2], [2, 5]),
    "rope_length": ([2], [3]),
    "motor": ([2, 3], [0, 2]),
    "joint_damping": ([0.1, 0.2, 0.3], [0, 2, 4]),
    "spring_anchor": ([[[0.4, 0], [-0.3, 0]], [[0, 0.2], [5, 4]], [[0, 0], [0.1, 0]]], range(3)),
    "stiffness": ([50, 20, 30], range(3)),
    "rest_length": ([1.5, 1.8, 1.1], range(3)),
    "spring_damping": ([0.4, 0, 0.2], range(3)),
    "actuation": ([0.1, 0, -0.2], range(3)),
}


def test_numbers_are_named_in_order():
    assert list(rich_scene().numbers()) == list(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_numbers_and_their_members(name):
    value, members = EXPECTED[name]
    found = rich_scene().numbers()[name]
    assert found.dtype == np.float64
    assert found.shape == np.shape(value)
    assert found == pytest.approx(np.array(value), abs=1e-15)
    assert rich_scene().members(name).tolist() == list(members)
    assert rich_scene().members(name).dtype == np.int64


def test_numbers_that_nothing_has_are_left_out():
    plain = RigidBodies([Disc((0, 0), 1.0), Disc((5, 0), 1.0, mass=2.0)])
    everywhere = [*list(EXPECTED)[:4], "density", "mass", "radius", "friction", "restitution", "gravity", "damping"]
    assert list(plain.numbers()) == everywhere
    heavy = RigidBodies([Disc((0, 0), 1.0, mass=2.0), Disc((5, 0), 1.0, density=2.0)])
    assert "density" not in heavy.numbers()
    for name in set(EXPECTED) - set(everywhere):
        assert plain.members(name).shape == (0,)


@pytest.mark.parametrize("make", [scene, rich_scene, lambda: discs((0, 0))])
def test_with_its_own_numbers_a_scene_is_equal(make):
    assert make().with_numbers(make().numbers()) == make()


def test_with_numbers_replaces_what_it_names():
    """Every number is moved by a little, within the rounding that joints allow."""
    rng = np.random.default_rng(4)
    rich = rich_scene()
    values = {name: value + 1e-7 * rng.uniform(0, 1, value.shape) for name, value in rich.numbers().items()}
    found = rich.with_numbers(values).numbers()
    assert list(found) == list(EXPECTED)
    for name, value in values.items():
        assert np.array_equal(found[name], value), name
        alone = rich.with_numbers({name: value}).numbers()
        assert all(np.array_equal(alone[n], value if n == name else v) for n, v in rich.numbers().items())


@pytest.mark.parametrize("name", EXPECTED)
def test_scenes_differ_by_one_entry_of_any_number(name):
    values = {key: np.array(value) for key, value in rich_scene().numbers().items()}
    values[name].flat[-1] += 1e-9
    assert rich_scene().with_numbers(values) != rich_scene()


def test_other_numbers_meet_the_same_checks():
    with pytest.raises(InputError, match=r"bodies\[0\] and bodies\[1\] overlap by 0.5 m"):
        discs((0, 0), (3, 0)).with_numbers({"initial_position": [[0, 0], [1.5, 0]]})
    with pytest.raises(InputError, match=r"bodies\[0\]\.vertices goes round clockwise"):
        RigidBodies([Polygon((0, 0), QUAD)]).with_numbers({"vertices": QUAD[::-1]})
    with pytest.raises(InputError, match=r"obstacles\[1\]\.radius is -0.05"):
        rich_scene().with_numbers({"radius": [0.2, 0.1, -0.05, 0.5, 0.25]})


def test_problems_tune_numbers_of_rigid_bodies():
    tune = ("scene.initial_velocity", "scene.motor")
    problem = ds.Problem(rich_scene(), ds.Sine(), ds.Travel(point=0), steps=5, tune=tune)
    assert problem.tuned == tune
    assert problem.with_tuned({"scene.motor": np.array([5.0, 6.0])}).scene.joints[2].motor == 6.0
    with pytest.raises(InputError, match="scene has 6 bodies"):
        ds.Problem(rich_scene(), ds.Sine(), ds.Travel(point=6), steps=5)


# As data


def test_arrays_are_read_only_copies():
    place, size, anchors = np.array([0.0, 5.0]), np.array([1.0, 2.0]), np.zeros((2, 2))
    anchors[1] = (0.0, 5.0)
    made = RigidBodies([Box(place, size)], joints=[Rope(0, None, anchors, 1.0)], gravity=np.zeros(2))
    same = copy.deepcopy(made)
    place[0], size[0], anchors[0] = 99.0, 99.0, 99.0
    assert made == same
    box = made.bodies[0]
    for found in (box.position, box.half_size, box.velocity, made.joints[0].anchors, made.gravity):
        with pytest.raises(ValueError, match="read-only"):
            found[...] = 0


@pytest.mark.parametrize("revive", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_copies_and_pickles_are_equal_and_still_read_only(revive):
    again = revive(rich_scene())
    assert again == rich_scene()
    for found in (again.bodies[0].position, again.obstacles[5].vertices, again.joints[0].anchors, again.gravity):
        assert not found.flags.writeable


@pytest.mark.parametrize("make", [scene, rich_scene, lambda: ds.Problem(rich_scene(), ds.Sine())])
def test_json_brings_an_equal_scene_back(make):
    text = json.dumps(make().to_dict(), allow_nan=False)
    assert Spec.from_dict(json.loads(text)) == make()


def test_elements_are_data_too():
    """Also before a scene has turned their lists and tuples into arrays."""
    for element in (
        Box((0, 1), [0.2, 0.1], group=3),
        HalfPlane(),
        Pin(0, None, at=(0, 1)),
        Spring(0, 1, ((0, 0), (1, 0)), 5),
    ):
        assert Spec.from_dict(json.loads(json.dumps(element.to_dict()))) == element
        assert pickle.loads(pickle.dumps(element)) == element


def test_scenes_differ_by_what_is_no_number():
    assert scene() == scene()
    assert scene() != scene(bodies=scene().bodies[:4])
    assert scene() != scene(bodies=[*scene().bodies[:4], replace(scene().bodies[4], group=0)])
    assert scene() != scene(obstacles=())
    assert scene() != scene(iterations=9)
    assert scene() != scene(contacts=9)
    assert scene(joints=[Pin(0, 1, at=(0, 2))]) != scene(joints=[Pin(1, 0, at=(0, 2))])
    assert scene(joints=[Pin(0, 1, at=(0, 2))]) != scene(joints=[Pin(0, 1, at=(0, 2), collide=True)])
    assert scene() != "a scene"
