"""Articulated robots: what a scene refuses, its tree, numbers, names, and which of its geoms may touch."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.physics.articulated.actuators import Actuator
from diffsim.physics.articulated.geoms import Geom
from diffsim.physics.articulated.kinematics import forward_kinematics, joint_inertias, mass_matrix
from diffsim.physics.articulated.links import Joint, Link, Site
from diffsim.physics.articulated.pairs import Spot, spots, touch_geoms
from diffsim.physics.articulated.quaternions import quaternion_of, rotation_of
from diffsim.physics.articulated.scene import Articulated


def link(name="arm", parent=None, **changes):
    """A link of mass and inertia 1 at a hinge "its name joint"."""
    return Link(name, parent, **{"joints": Joint(f"{name} joint"), "mass": 1.0, "inertia": (1, 1, 1), **changes})


def scene(*links, **changes):
    return Articulated(list(links) or [link()], **changes)


def ball(**changes):
    return link(joints=Joint("hip", "ball"), **changes)


def sphere(name="foot", **changes):
    return Geom(name, "sphere", 0.1, **changes)


def box(name="block", **changes):
    return Geom(name, "box", (0.1, 0.2, 0.3), **changes)


FLOOR = Geom("floor", "plane")

BAD = {
    # parts
    "no links": (lambda: Articulated([]), "Articulated.links is empty", "at least one link"),
    "links by name": (lambda: Articulated("arm"), "Articulated.links is 'arm'", "a list of Link is needed"),
    "a joint for a link": (lambda: Articulated([Joint("hip")]), "Articulated.links[0] is Joint(", "a Link is needed"),
    "an actuator for a geom": (
        lambda: scene(geoms=Actuator("a", "b")),
        "Articulated.geoms is Actuator(",
        "a list of Geom is needed",
    ),
    # names
    "links of one name": (lambda: scene(link(), link()), "two links or sites are named 'arm'", "a name of its own"),
    "a site of a link's name": (
        lambda: scene(link(sites=Site("arm"))),
        "two links or sites are named 'arm'",
        "its own",
    ),
    "joints of one name": (
        lambda: scene(link(), link("leg", joints=Joint("arm joint"))),
        "two joints are named 'arm joint'",
        "a name of its own",
    ),
    "geoms of one name": (
        lambda: scene(link(geoms=sphere("floor")), geoms=FLOOR),
        "two geoms are named 'floor'",
        "own",
    ),
    "actuators of one name": (
        lambda: scene(actuators=[Actuator.motor("arm joint"), Actuator.motor("arm joint")]),
        "two actuators are named 'arm joint'",
        "a name of its own",
    ),
    "a motor of no joint": (
        lambda: scene(link(), link("leg"), actuators=Actuator.motor("hip", name="motor")),
        "actuator 'motor' drives joint 'hip'",
        "the hinges and slides are arm joint, leg joint",
    ),
    "a motor of a ball": (
        lambda: scene(ball(), actuators=Actuator.motor("hip")),
        "drives joint 'hip'",
        "hinges and slides are none",
    ),
    "an unseen joint that is not there": (
        lambda: scene(unobserved="hip"),
        "Articulated.unobserved names 'hip'",
        "the hinges and slides are arm joint",
    ),
    "an unseen ball": (lambda: scene(ball(), unobserved=["hip"]), "unobserved names 'hip'", "slides are none"),
    "an unseen number": (lambda: scene(unobserved=3), "Articulated.unobserved is 3", "a list is needed"),
    "exclude without pairs": (lambda: scene(exclude=("arm", "arm")), "exclude[0] is 'arm'", "a pair of names"),
    "exclude of three": (lambda: scene(exclude=[("arm", "arm", "arm")]), "exclude[0] is ('arm', 'arm', 'arm')", "pair"),
    "exclude of what is not there": (lambda: scene(exclude=[("arm", "leg")]), "exclude[0] is ('arm', 'leg')", "geoms"),
    "exclude nothing": (lambda: scene(exclude=None), "Articulated.exclude is None", "a list is needed"),
    # the tree
    "a parent after its child": (
        lambda: scene(link("body"), link("hand", "arm"), link("arm", "body")),
        "link 'hand' has the parent 'arm'",
        "links before it are body; parents stand before their children",
    ),
    "its own parent": (lambda: scene(link("arm", "arm")), "link 'arm' has the parent 'arm'", "before it are none"),
    "a plane that moves": (
        lambda: scene(link(geoms=Geom("sole", "plane"))),
        "geom 'sole' is a plane of link 'arm'",
        "planes do not move",
    ),
    "nothing moves": (lambda: scene(link(joints=())), "no link has a joint", "nothing in this scene moves"),
    # masses
    "a slide of nothing": (
        lambda: scene(link(joints=Joint("rail", "slide"), mass=0)),
        "joint 'rail' moves nothing that has a mass",
        "give link 'arm', or what it carries, a mass, or the joint an armature",
    ),
    "a hinge of nothing": (
        lambda: scene(link(), link("leg", mass=0, inertia=(0, 0, 0))),
        "joint 'leg joint' turns nothing that has an inertia about its axis",
        "give link 'leg', or what it carries, an inertia, or the joint an armature",
    ),
    "a point mass that is free to turn": (
        lambda: scene(link(joints=Joint("root", "free"), inertia=(0, 0, 0))),
        "joint 'root' turns nothing that has an inertia",
        "an inertia",
    ),
    "a point mass at a ball": (
        lambda: scene(ball(inertia=(0, 0, 0), centre=(1, 1, -1))),
        "joint 'hip' can move at the start, alone or with joints that it carries, without moving any mass",
        "give link 'arm' an inertia about each axis, or the joint an armature",
    ),
    "two hinges on one line": (
        lambda: scene(link(joints=[Joint("hip"), Joint("knee")])),
        "joint 'hip' can move at the start",
        "of two hinges on one line leave one out",
    ),
    # numbers
    "gravity downwards": (lambda: scene(gravity=9.81), "Articulated.gravity has shape ()", "(3,) is needed"),
    "a start of two": (lambda: scene(initial_position=[0, 0]), "initial_position has shape (2,)", "(1,) is needed"),
    "a velocity of two": (lambda: scene(initial_velocity=[0, 0]), "initial_velocity has shape (2,)", "(1,) is needed"),
    "a start without orientation": (
        lambda: scene(link(joints=Joint("root", "free")), initial_position=np.zeros(7)),
        "Articulated.initial_position: the quaternion of joint 'root' is zero",
        "quaternion",
    ),
    "a pose of two": (lambda: scene(poses={"up": [0, 0]}), "poses['up'] has shape (2,)", "(1,) is needed"),
    "a pose without orientation": (
        lambda: scene(ball(), poses={"up": np.zeros(4)}),
        "poses['up']: the quaternion of joint 'hip' is zero",
        "quaternion",
    ),
    "poses without names": (lambda: scene(poses=[[0.0]]), "Articulated.poses is [[0.0]]", "by name are needed"),
    "no slip speed": (lambda: scene(slip_speed=0), "Articulated.slip_speed is 0", "greater than 0"),
    "no touch depth": (lambda: scene(touch_depth=0), "Articulated.touch_depth is 0", "greater than 0"),
    "no substeps": (lambda: scene(substeps=0), "Articulated.substeps is 0", "whole number of at least 1"),
    "half a substep": (lambda: scene(substeps=1.5), "Articulated.substeps is 1.5", "whole number"),
    "no step": (lambda: scene(dt=0), "Articulated.dt is 0", "greater than 0"),
    "some contacts": (lambda: scene(contacts=1), "Articulated.contacts is 1", "True or False"),
    "some limits": (lambda: scene(limits=None), "Articulated.limits is None", "True or False"),
    # pairs
    "a mesh and its robot": (
        lambda: scene(
            link(geoms=Geom("shell", "mesh", (0.1, 0.1, 0.1), vertices=[*np.eye(3).tolist(), [0, 0, 0]])),
            link("thigh", "arm"),
            link("leg", "thigh", geoms=box()),
        ),
        "geoms 'shell' (mesh) and 'block' (box) may touch",
        "which is not simulated (see ds.Geom); keep them apart with exclude, or with contype and conaffinity 0",
    ),
    # asked of a scene
    "a pose that is not there": (lambda: scene(poses={"up": [1]}).posed("down"), "no pose 'down'", "there are up"),
    "a place that is not there": (
        lambda: scene(link(sites=Site("tip"))).place("objective.point", "toe"),
        "objective.point is 'toe'",
        "the links and sites are arm, tip",
    ),
    "place 2 of 2": (lambda: scene(link(sites=Site("tip"))).place("point", 2), "point is 2", "2 links and sites"),
    "a coordinate of a ball": (lambda: scene(ball()).coordinate("joint", "hip"), "joint is 'hip'", "slides are none"),
    "a number that is not there": (lambda: scene().with_numbers({"masses": [1]}), "no number 'masses'", "has initial_"),
    "masses of two": (lambda: scene().with_numbers({"mass": [1, 2]}), "Articulated.mass has shape (2,)", "(1,)"),
    "a mass that is not allowed": (lambda: scene().with_numbers({"mass": [-1]}), "link 'arm': mass is -1", "least 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_what_was_given_and_what_is_allowed(case):
    make, given, allowed = BAD[case]
    with pytest.raises(InputError) as caught:
        make()
    assert given in str(caught.value)
    assert allowed in str(caught.value)


def test_an_armature_is_mass_enough():
    joints = [Joint("hip", armature=0.1), Joint("knee", armature=0.1)]
    scene(link(joints=joints, mass=0, inertia=(0, 0, 0)))
    scene(link(joints=Joint("hip", "ball", armature=0.1), inertia=(0, 0, 0), centre=(1, 1, -1)))


# A robot of everything

ROBOT = Articulated(
    links=[
        link("trunk", joints=Joint("root", "free"), position=(0.1, 0.2, 0.5), orientation=(0.9, 0.1, 0.2, -0.3),
             geoms=box("chest"), sites=Site("nose", (0.2, 0, 0))),
        link("arm", "trunk", joints=Joint("shoulder", "ball", anchor=(0.1, 0, 0), limits=(0, 1)),
             geoms=sphere("elbow")),
        link("leg", "trunk", joints=[Joint("hip", axis=(1, 2, 3), limits=(-1, 1), reference=0.1),
                                     Joint("shin", "slide", axis=(0, 1, 1), stiffness=2, rest=0.1)],
             geoms=[Geom("calf", "capsule", (0.05, 0.2)), sphere("toe")], sites=[Site("sole", (0, 0, -0.3))]),
        link("hand", "arm", joints=(), position=(0.1, 0.2, 0.3), orientation=(0.5, 0.5, 0.5, 0.5),
             geoms=sphere("palm")),
    ],
    actuators=[Actuator.motor("hip", 5.0), Actuator.position("shin", kp=3.0, force_range=(-1, 2))],
    geoms=[FLOOR, box("step", position=(1, 0, 0.1))],
    sites=Site("goal", (3, 0, 1)),
    poses={"low": np.r_[0.1, 0.2, 0.3, 1, 0, 0, 0, 1, 0, 0, 0, 0.5, 0.2]},
    exclude=[("step", "trunk"), ("step", "arm")],
)  # fmt: skip


def test_its_tree():
    assert (ROBOT.coordinates, ROBOT.freedoms, ROBOT.dimension) == (13, 11, 3)
    assert ROBOT.parents == (-1, 0, 0, 1)
    assert ROBOT.lineages == ((0,), (1, 0), (2, 0), (3, 1, 0))
    assert [joint.name for joint in ROBOT.joints] == ["root", "shoulder", "hip", "shin"]
    owners = [(k, joint.name) for k, joint in ROBOT.freedom_owners]
    assert owners == [*[(0, "root")] * 6, *[(1, "shoulder")] * 3, (2, "hip"), (2, "shin")]
    assert ROBOT.tree_masses.tolist() == [4, 4, 4, 4]


def test_its_places_are_links_then_their_sites_then_those_of_the_world():
    assert ROBOT.places == ("trunk", "arm", "leg", "hand", "nose", "sole", "goal")
    assert [ROBOT.place("point", name) for name in ("hand", "goal", 4)] == [3, 6, 4]
    assert [(owner, site.name) for owner, site in ROBOT.all_sites] == [(0, "nose"), (2, "sole"), (-1, "goal")]


def test_it_starts_where_its_links_are_said_to_be():
    orientation = np.array([0.9, 0.1, 0.2, -0.3]) / np.linalg.norm([0.9, 0.1, 0.2, -0.3])
    reference = [0.1, 0.2, 0.5, *orientation, 1, 0, 0, 0, 0.1, 0]
    assert ROBOT.initial_position.tolist() == ROBOT.reference_position.tolist() == reference
    assert ROBOT.initial_velocity.tolist() == [0] * 11
    assert ROBOT.posed("low").initial_position.tolist() == ROBOT.poses["low"].tolist()
    assert [ROBOT.coordinate("joint", name) for name in ("hip", "shin")] == [11, 12]


def test_what_a_controller_reads_is_counted():
    """Free: height, up, heading; ball: quaternion; hinge: angle, or sine and cosine if it has no limits; slide."""
    joints, velocities = 6 + 4 + 1 + 1, 11
    assert ROBOT.observations == len(touch_geoms(ROBOT)) + joints + velocities == 5 + 12 + 11
    assert replace(ROBOT, unobserved=("hip", "shin")).observations == ROBOT.observations - 2
    assert replace(ROBOT, unobserved="hip").observations == ROBOT.observations - 1
    assert replace(ROBOT, feels=False).observations == ROBOT.observations - 5
    assert scene().observations == 2 + 1


def test_it_comes_back_from_json_and_pickles():
    assert Articulated.from_dict(json.loads(json.dumps(ROBOT.to_dict()))) == ROBOT
    assert pickle.loads(pickle.dumps(ROBOT)) == ROBOT
    assert replace(ROBOT, dt=0.002) != ROBOT


def test_it_prints_names():
    assert repr(ROBOT).startswith(
        "Articulated(links=('trunk', 'arm', 'leg', 'hand'), actuators=('hip', 'shin'), geoms=('floor', 'step'), "
    )


# Numbers


def test_a_scene_of_its_own_numbers_has_the_same_numbers():
    """Not the same scene: what was None, and followed from the masses, is a number now."""
    again = ROBOT.with_numbers(ROBOT.numbers())
    assert again.with_numbers(again.numbers()) == again
    for name, value in ROBOT.numbers().items():
        assert np.array_equal(again.numbers()[name], value), name


def test_every_number_is_set_by_its_name():
    rng = np.random.default_rng(0)
    for name, value in ROBOT.numbers().items():
        change = value * (1 + 1e-3 * rng.uniform(size=value.shape)) if name != "axis" else value[::-1]
        found = ROBOT.with_numbers({name: change}).numbers()[name]
        if name in ("link_orientation", "inertia_orientation", "geom_orientation"):
            change = change / np.linalg.norm(change, axis=-1, keepdims=True)
        assert found == pytest.approx(change, rel=1e-15), name


def test_what_there_is_not_has_no_numbers():
    bare, names = scene(), set(ROBOT.numbers())
    limits, drives = {"joint_limits", "limit_stiffness", "limit_damping"}, {"gear", "gain", "bias", "control_range"}
    touch = {"friction", "contact_stiffness", "contact_damping", "slip_speed", "touch_depth", "geom_size"}
    touch |= {"geom_position", "geom_orientation", "geom_margin", "restitution"}
    rest = {"force_range", "site_position"}
    assert names - set(bare.numbers()) == limits | drives | touch | rest
    assert names - set(replace(ROBOT, limits=False).numbers()) == limits
    assert names - set(replace(ROBOT, contacts=False).numbers()) == touch


def test_contacts_are_as_stiff_as_what_they_move_is_heavy():
    """A free link has its mass, one on a rail three times that: force in two of three directions moves nothing.

    With an impedance that is 0.5 at any depth, it is that of a spring of 1 / (2 T)^2 per mass, set in over 0.3 mm.
    """
    rail = link("cart", joints=Joint("rail", "slide"), mass=2, geoms=sphere("wheel", solimp=(0.5, 0.5, 0, 0.5, 2)))
    free = link("ball", joints=Joint("root", "free"), mass=2, geoms=sphere("ball", solimp=(0.5, 0.5, 0, 0.5, 2)))
    numbers = scene(free, rail, geoms=[Geom("post", "box", (1, 1, 1), solimp=(0.5, 0.5, 0, 0.5, 2))]).numbers()
    per_mass = 2.0 / 0.02**2
    assert numbers["contact_stiffness"] == pytest.approx([0, 2 * per_mass, 6 * per_mass], rel=1e-9)
    assert numbers["contact_damping"] == pytest.approx([0, *2 * np.sqrt(per_mass) * np.array([2, 6])], rel=1e-9)


def test_a_stiffness_of_ones_own_counts():
    own = scene(link(geoms=sphere(stiffness=7.0, damping=0.5)), geoms=FLOOR).numbers()
    assert (own["contact_stiffness"].tolist(), own["contact_damping"].tolist()) == ([0, 7], [0, 0.5])
    critical = scene(link(mass=4, geoms=sphere(stiffness=9.0)), geoms=FLOOR).numbers()
    assert critical["contact_damping"].tolist() == [0, 2 * np.sqrt(9 * 4)]


def test_limits_are_as_stiff_as_what_they_stop_is_heavy():
    """A disc of inertia 2 that turns about its axis, and of mass 3 that slides."""
    turning = Joint("turning", limits=(-1, 1))
    sliding = Joint("sliding", "slide", axis=(1, 0, 0), limits=(-1, 1), limit_damping=5.0)
    numbers = scene(Link("disc", joints=[sliding, turning], mass=3.0, inertia=(1, 1, 2))).numbers()
    assert numbers["limit_stiffness"] == pytest.approx([3 / 0.02**2, 2 / 0.02**2], rel=1e-14)
    assert numbers["limit_damping"] == pytest.approx([5.0, 2 * np.sqrt(2 / 0.02**2 * 2)], rel=1e-14)
    assert numbers["joint_limits"].tolist() == [[-1, 1], [-1, 1]]


# Kinematics, by closed forms

HALF = np.sqrt(0.5)


def test_rotations_and_quaternions_are_inverse():
    rng = np.random.default_rng(1)
    quaternions = rng.normal(size=(50, 4))
    turns = rotation_of(quaternions)
    assert turns @ np.swapaxes(turns, -1, -2) == pytest.approx(np.broadcast_to(np.eye(3), (50, 3, 3)), abs=1e-14)
    for quaternion, turn in zip(quaternions, turns, strict=True):
        unit = quaternion / np.linalg.norm(quaternion) * np.sign(quaternion[0])
        assert quaternion_of(turn) == pytest.approx(unit, abs=1e-14)
    for axis in np.eye(4)[1:]:  # half turns, where w is zero
        assert np.abs(quaternion_of(rotation_of(axis))) == pytest.approx(axis, abs=1e-15)
    assert rotation_of(np.array([HALF, 0, 0, HALF])) @ [1, 0, 0] == pytest.approx([0, 1, 0], abs=1e-15)


def test_a_planar_arm_reaches_where_trigonometry_says():
    """Two links of length 1 and 0.5 in the plane z = 0, any angles at once."""
    arm = scene(link("upper"), link("lower", "upper", position=(1, 0, 0), centre=(0.5, 0, 0)))
    a, b = angles = np.random.default_rng(2).uniform(-np.pi, np.pi, size=(2, 3, 4))
    pose = forward_kinematics(arm, np.moveaxis(angles, 0, -1))
    assert pose.origin[..., 1, :] == pytest.approx(np.stack([np.cos(a), np.sin(a), 0 * a], axis=-1), abs=1e-15)
    tip = pose.origin[..., 1, :] + 0.5 * pose.rotation[..., 1, :, 0]
    x, y = np.cos(a) + 0.5 * np.cos(a + b), np.sin(a) + 0.5 * np.sin(a + b)
    assert tip == pytest.approx(np.stack([x, y, 0 * a], axis=-1), abs=1e-15)


def test_joints_of_a_link_act_one_after_the_other():
    """A quarter turn about z at an anchor, then 0.3 along what is x by now; references count from there."""
    turn = Joint("turn", anchor=(1, 0, 0), reference=0.5)
    push = Joint("push", "slide", axis=(1, 0, 0), reference=0.2)
    pose = forward_kinematics(scene(link(joints=[turn, push], position=(0, 0, 1))), np.array([0.5 + np.pi / 2, 0.5]))
    assert pose.origin[0] == pytest.approx([1, -1 + 0.3, 1], abs=1e-15)
    assert pose.rotation[0] @ [1, 0, 0] == pytest.approx([0, 1, 0], abs=1e-15)
    other = forward_kinematics(scene(link(joints=[push, turn], position=(0, 0, 1))), np.array([0.5, 0.5 + np.pi / 2]))
    assert other.origin[0] == pytest.approx([1 + 0.3, -1, 1], abs=1e-15)


def test_balls_turn_about_their_anchor_and_free_joints_are_in_the_world():
    quarter = np.array([HALF, 0, HALF, 0])  # about y: z becomes x
    pose = forward_kinematics(scene(link(joints=Joint("hip", "ball", anchor=(0, 0, 1)))), quarter)
    assert pose.origin[0] == pytest.approx([-1, 0, 1], abs=1e-15)
    free = scene(link(joints=Joint("root", "free"), position=(9, 9, 9)), link("hand", "arm", position=(0, 0, 2)))
    pose = forward_kinematics(free, np.r_[1, 2, 3, 2 * quarter, 0])  # quaternions of any length
    assert pose.origin[0].tolist() == [1, 2, 3]
    assert pose.origin[1] == pytest.approx([3, 2, 3], abs=1e-15)


def test_velocities_move_links_as_positions_do():
    """Turn, point and slide of a pose against differences of the positions of the robot of everything."""
    rng = np.random.default_rng(3)
    position = rng.normal(size=ROBOT.coordinates)
    for at in (3, 7):
        position[at : at + 4] /= np.linalg.norm(position[at : at + 4])
    pose, h = forward_kinematics(ROBOT, position), 1e-6
    for freedom, (owner, _) in enumerate(ROBOT.freedom_owners):
        ends = [forward_kinematics(ROBOT, moved(position, freedom, sign * h)) for sign in (1, -1)]
        for k, lineage in enumerate(ROBOT.lineages):
            at, later, earlier = (each.origin[k] + each.rotation[k] @ [0.1, 0.2, 0.3] for each in (pose, *ends))
            speed = pose.slide[freedom] + np.cross(pose.turn[freedom], at - pose.point[freedom])
            expected = speed if owner in lineage else np.zeros(3)
            assert (later - earlier) / (2 * h) == pytest.approx(expected, abs=1e-8), (freedom, k)


def moved(position, freedom, change):
    """The robot's position after one velocity acted for a while; quaternions turn in their own frame."""
    position = position.copy()
    start = {**dict.fromkeys((3, 4, 5), (3, 3)), **dict.fromkeys((6, 7, 8), (7, 6))}
    if freedom in start:
        at, first = start[freedom]
        w, v = position[at], position[at + 1 : at + 4]
        axis = np.eye(3)[freedom - first]
        c, s = np.cos(change / 2), np.sin(change / 2)
        position[at] = w * c - s * v @ axis
        position[at + 1 : at + 4] = c * v + s * (w * axis + np.cross(v, axis))
    else:
        position[{0: 0, 1: 1, 2: 2, 9: 11, 10: 12}[freedom]] += change
    return position


def test_inertias_of_joints_by_closed_forms():
    """A rod of mass 3 and length 2 at its end: m l^2 / 3; armature; and a reel at the rod's other end."""
    rod = Link("rod", joints=Joint("hip", axis=(0, 1, 0), armature=0.5), mass=3.0, centre=(1, 0, 0), inertia=(0, 1, 1))
    reel = link("reel", "rod", position=(2, 0, 0), joints=Joint("axle", axis=(0, 1, 0)), mass=0.7, inertia=(1, 1.5, 1))
    expected = 3 * 2**2 / 3 + 0.5 + 0.7 * 2**2 + 1.5
    robot = scene(rod, reel)
    for position in (np.zeros(2), np.array([0.3, -2.0])):  # the same in any pose
        assert joint_inertias(robot, position) == pytest.approx([expected, 1.5], rel=1e-15)
        assert mass_matrix(robot, position)[0, 1] == pytest.approx(1.5, rel=1e-15)


# Which geoms may touch


def names(robot):
    geoms = [geom.name for _, geom in robot.all_geoms]
    return {frozenset(geoms[k] for k in pair) for pair in robot.touching}


def pair_of(*names):
    return {frozenset(names)}


def two(first=None, second=None, **changes):
    """Two links of the world with a sphere each."""
    links = [link("one", geoms=sphere("a", **first or {})), link("two", geoms=sphere("b", **second or {}))]
    return scene(*links, **changes)


def test_bits_say_who_may_touch():
    assert names(two()) == pair_of("a", "b")
    for first, second, expected in (
        ({"contype": 2, "conaffinity": 0}, {"contype": 0, "conaffinity": 2}, True),
        ({"contype": 0, "conaffinity": 6}, {"contype": 4, "conaffinity": 0}, True),
        ({"contype": 2, "conaffinity": 2}, {}, False),
        ({"contype": 0, "conaffinity": 0}, {}, False),
        ({"contype": 1, "conaffinity": 0}, {"contype": 1, "conaffinity": 0}, False),
    ):
        assert bool(names(two(first, second))) == expected


def test_parents_and_what_is_one_body_do_not_touch():
    upper = link("upper", geoms=sphere("a"))
    lower = link("lower", "upper", geoms=sphere("b"))
    hand = link("hand", "lower", joints=(), geoms=sphere("c"))  # one body with the lower
    finger = link("finger", "hand", geoms=sphere("d"))
    assert names(scene(upper, lower, hand, finger)) == pair_of("a", "d")
    apart = scene(upper, lower, hand, link("finger", "hand", geoms=sphere("d")), link("other", geoms=sphere("e")))
    assert names(apart) == {frozenset(pair) for pair in ("ad", "ae", "be", "ce", "de")}


def test_the_world_is_nobodys_parent_and_does_not_touch_itself():
    fixed = Link("table", geoms=box("top"))
    assert names(scene(link(geoms=sphere()), fixed, geoms=FLOOR)) == pair_of("floor", "foot") | pair_of("top", "foot")


def test_links_and_geoms_can_be_excluded():
    assert names(two(exclude=[("one", "two")])) == set()
    assert names(two(exclude=[("b", "a")])) == set()
    assert names(two(exclude=(("one", "b"),))) == set()
    both = scene(link("one", geoms=[sphere("a"), sphere("c")]), link("two", geoms=sphere("b")), exclude=[("a", "two")])
    assert names(both) == pair_of("b", "c")
    assert names(replace(both, contacts=False)) == set()


def test_its_spots():
    """Eight corners of a box and two ends of a capsule over a plane; round pairs; ends and middle beside a box."""
    kinds = [spot.kind for spot in spots(ROBOT)]
    pairs = names(ROBOT)
    # Of hand and arm one body: no palm on elbow; trunk is the parent of all others.
    assert pairs == {
        *(frozenset(("floor", name)) for name in ("chest", "elbow", "calf", "toe", "palm")),
        *(frozenset((one, other)) for one in ("elbow", "palm") for other in ("calf", "toe")),
        *(frozenset(("step", name)) for name in ("calf", "toe", "palm")),
    }
    assert kinds == ["plane"] * (8 + 1 + 2 + 1 + 1) + ["round"] * 4 + ["box"] * (3 + 1 + 1)
    assert [ROBOT.contact_name(k) for k in (0, 8, len(kinds) - 1, len(kinds))] == [
        "geoms floor and chest",
        "geoms floor and elbow",
        "geoms palm and step",
        "geoms floor and chest",  # of the next substep
    ]
    assert spots(ROBOT)[0] == Spot("plane", (0, 2), (-1.0, -1.0, -1.0))
    assert [spot.corner[2] for spot in spots(ROBOT) if spot.kind == "box"] == [-1, 1, 0, 0, 0]
