"""Joints and springs: what a scene refuses of them, and what they take from the initial pose."""

import json
from pathlib import Path

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.physics.rigid_bodies.bodies import Box, Disc, HalfPlane
from diffsim.physics.rigid_bodies.joints import Pin, Rope, Slider, Spring, Weld
from diffsim.physics.rigid_bodies.scene import RigidBodies

# A box that is turned and one that is not, 5 m apart, and a disc to the right.
TURNED, LEVEL, DISC = Box((1, 2), (0.5, 0.3), angle=0.7), Box((4, 6), (0.2, 0.2)), Disc((9, 6), 0.5, angle=-1.2)
MIDDLES = ((0, 0), (0, 0))


def scene(*links):
    joints = [link for link in links if not isinstance(link, Spring)]
    springs = [link for link in links if isinstance(link, Spring)]
    return RigidBodies([TURNED, LEVEL, DISC], joints=joints, springs=springs)


def placed(link):
    """The joint or spring as the scene has it."""
    made = scene(link)
    return (made.joints + made.springs)[0]


def own(place, body):
    """A place in the world, seen from the body."""
    seen = (complex(*place) - complex(*body.position)) * np.exp(-1j * body.angle)
    return np.array([seen.real, seen.imag])


FREE = Pin(0, 1, at=(0, 0))

BAD = {
    # bodies
    "absent body": (
        lambda: scene(FREE, Pin(0, 9, at=(0, 0))),
        "joints[1].second is 9",
        "but the scene has 3 bodies (0 to 2)",
    ),
    "absent first body": (lambda: scene(Rope(3, 1, MIDDLES)), "joints[0].first is 3", "3 bodies (0 to 2)"),
    "negative body": (lambda: scene(Weld(0, -1, at=(0, 0))), "joints[0].second is -1", "(0 to 2)"),
    "half a body": (lambda: scene(Pin(0.5, 1, at=(0, 0))), "joints[0].first is 0.5", "whole number"),
    "a body itself": (lambda: scene(Pin(TURNED, 1, at=(0, 0))), "joints[0].first is Box(", "whole number"),
    "a truth value": (lambda: scene(Pin(0, True, at=(0, 0))), "joints[0].second is True", "whole number"),
    "to itself": (lambda: scene(FREE, Pin(1, 1, at=(0, 0))), "joints[1] joins body 1 to itself", "two bodies, or None"),
    "the world first": (lambda: scene(Pin(None, 1, at=(0, 0))), "joints[0].first is None", "can only be second"),
    "spring of an absent body": (
        lambda: scene(Spring(0, 1, MIDDLES, 1), Spring(0, 5, MIDDLES, 1)),
        "springs[1].second is 5",
        "3 bodies (0 to 2)",
    ),
    "spring to itself": (lambda: scene(Spring(2, 2, MIDDLES, 1)), "springs[0] joins body 2 to itself", "two bodies"),
    # anchors
    "no place": (lambda: scene(Pin(0, 1)), "joints[0] has neither at nor anchors", "takes one of them"),
    "two places": (lambda: scene(Pin(0, 1, at=(0, 0), anchors=MIDDLES)), "joints[0] has at and anchors", "one of them"),
    "a place in 3D": (lambda: scene(Weld(0, 1, at=(0, 0, 0))), "joints[0].at has shape (3,)", "(2,) is needed"),
    "a nan place": (lambda: scene(Weld(0, 1, at=(0, np.nan))), "joints[0].at[1] is nan", "finite"),
    "one anchor": (lambda: scene(Pin(0, 1, anchors=(0, 0))), "joints[0].anchors has shape (2,)", "(2, 2) is needed"),
    "a rope without anchors": (lambda: scene(Rope(0, 1, None)), "joints[0].anchors takes numbers", "None was given"),
    "one anchor of a spring": (lambda: scene(Spring(0, 1, (0, 0), 1)), "springs[0].anchors has shape (2,)", "(2, 2)"),
    "pin apart": (
        lambda: scene(FREE, FREE, Pin(1, None, anchors=((0, 0), (4, 6.01)))),
        "joints[2] holds two anchors together, but they are 0.01 m apart at the start",
        "move a body or an anchor",
    ),
    "weld apart": (
        lambda: scene(Weld(1, 0, anchors=MIDDLES)),
        "joints[0] holds two anchors together, but they are 5 m apart",
        "move a body or an anchor",
    ),
    "beside a slider": (
        lambda: scene(Slider(1, 2, anchors=((0, 0.25), (0, 0)), axis=(-3, 0))),
        "joints[0] slides along its axis, but its second anchor is 0.25 m beside it at the start",
        "turn the axis",
    ),
    # what a joint does
    "perhaps collide": (lambda: scene(Pin(0, 1, at=(0, 0), collide=1)), "joints[0].collide is 1", "True or False"),
    "rope to collide": (lambda: scene(Rope(0, 1, MIDDLES, collide=None)), "joints[0].collide is None", "True or False"),
    "negative motor": (lambda: scene(Pin(0, 1, at=(0, 0), motor=-1)), "joints[0].motor is -1", "at least 0"),
    "negative damping": (lambda: scene(Pin(0, 1, at=(0, 0), damping=-1)), "joints[0].damping is -1", "at least 0"),
    "infinite motor": (lambda: scene(Slider(0, 1, at=(0, 0), motor=np.inf)), "joints[0].motor is inf", "finite"),
    "sticky slider": (lambda: scene(Slider(0, 1, at=(0, 0), damping=-1)), "joints[0].damping is -1", "at least 0"),
    "other angle": (
        lambda: scene(Weld(0, 1, at=(0, 0), angle=-0.5)),
        "joints[0] holds an angle of -0.5 rad between its bodies, but it is -0.7 rad at the start",
        "leave the angle out",
    ),
    "other angle of a slider": (lambda: scene(Slider(0, 1, at=(0, 0), angle=1)), "holds an angle of 1 rad", "-0.7 rad"),
    "an angle in words": (lambda: scene(Weld(0, 1, at=(0, 0), angle="right")), "joints[0].angle takes", "'right'"),
    "no axis": (lambda: scene(Slider(0, 1, at=(0, 0), axis=(0, 0))), "joints[0].axis is [0.0, 0.0]", "a direction"),
    "axis by an angle": (lambda: scene(Slider(0, 1, at=(0, 0), axis=0.5)), "joints[0].axis has shape ()", "(2,)"),
    "two axes": (
        lambda: scene(Slider(0, 1, at=(0, 0), axis=(1, 0), axis_angle=0.5)),
        "joints[0] has axis and axis_angle",
        "takes one of them",
    ),
    "a short rope": (
        lambda: scene(Rope(0, 1, MIDDLES, 4.5)),
        "joints[0] is a rope of 4.5 m, but its anchors are 5 m apart at the start",
        "make it longer",
    ),
    "no rope": (lambda: scene(Rope(0, 1, MIDDLES, 0)), "joints[0].length is 0", "greater than 0"),
    "a rope in one place": (
        lambda: scene(Rope(1, None, ((0, 0), (4, 6)))),
        "joints[0] has its anchors in one place",
        "give it a length",
    ),
    # springs
    "negative stiffness": (lambda: scene(Spring(0, 1, MIDDLES, -1)), "springs[0].stiffness is -1", "at least 0"),
    "negative length": (lambda: scene(Spring(0, 1, MIDDLES, 1, -1)), "springs[0].rest_length is -1", "at least 0"),
    "negative dashpot": (lambda: scene(Spring(0, 1, MIDDLES, 1, damping=-1)), "springs[0].damping is -1", "least 0"),
    "nan actuation": (
        lambda: scene(Spring(0, 1, MIDDLES, 1, actuation=np.nan)),
        "springs[0].actuation is nan",
        "finite",
    ),
    "a spring in one place": (
        lambda: scene(Spring(1, None, ((0, 0), (4, 6)), 1)),
        "springs[0] joins two anchors in one place: its direction is undefined",
        "give a rest_length",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_what_was_given_and_what_is_allowed(case):
    make, given, allowed = BAD[case]
    with pytest.raises(InputError) as caught:
        make()
    assert given in str(caught.value)
    assert allowed in str(caught.value)


# Anchors


@pytest.mark.parametrize("kind", [Pin, Weld, Slider])
def test_a_place_is_seen_from_both_bodies(kind):
    place = (3.3, 4.1)
    joint = placed(kind(0, 1, at=place))
    assert joint.at is None
    assert joint.anchors == pytest.approx(np.stack([own(place, TURNED), own(place, LEVEL)]), abs=1e-15)
    for end in joint.ends(scene().bodies):
        assert end == pytest.approx(place, rel=1e-15)


@pytest.mark.parametrize("kind", [Pin, Weld, Slider])
def test_a_place_in_the_world_stays(kind):
    joint = placed(kind(0, None, at=(3.3, 4.1)))
    assert joint.anchors[0] == pytest.approx(own((3.3, 4.1), TURNED), abs=1e-15)
    assert joint.anchors[1].tolist() == [3.3, 4.1]


def test_a_corner_of_a_turned_box_by_hand():
    quarter = Box((1.0, 2.0), (0.5, 0.3), angle=np.pi / 2)
    pin = RigidBodies([quarter], joints=[Pin(0, None, at=(0.7, 2.5))]).joints[0]
    assert pin.anchors[0] == pytest.approx([0.5, 0.3], abs=1e-15)


@pytest.mark.parametrize("kind", [Pin, Weld, Slider])
def test_by_place_and_by_anchors_scenes_are_equal(kind):
    by_place = scene(kind(0, 1, at=(3.3, 4.1)))
    by_anchors = scene(kind(0, 1, anchors=by_place.joints[0].anchors))
    assert by_place == by_anchors


def test_anchors_apart_up_to_rounding_are_together():
    nearly = np.float32(1 / 3)
    RigidBodies([Disc((0, 1 / 3), 0.1)], joints=[Pin(0, None, anchors=((0, 0), (0, nearly)))])
    with pytest.raises(InputError, match=r"they are 1e-06 m apart"):
        RigidBodies([Disc((0, 1 / 3), 0.1)], joints=[Pin(0, None, anchors=((0, 0), (0, 1 / 3 + 1e-6)))])


# Angles and lengths


def test_welds_and_sliders_hold_the_angle_of_the_second_from_the_first():
    for kind in (Weld, Slider):
        assert placed(kind(0, 1, at=(0, 0))).angle == -0.7
        assert placed(kind(1, 0, at=(0, 0))).angle == 0.7
        assert placed(kind(0, 2, at=(0, 0))).angle == pytest.approx(-1.9, rel=1e-15)
        assert placed(kind(0, None, at=(0, 0))).angle == -0.7
        assert placed(kind(0, 1, at=(0, 0), angle=-0.7 + 1e-9)).angle == -0.7 + 1e-9


def test_sliders_keep_their_axis_in_the_frame_of_the_first():
    assert placed(Slider(0, 1, at=(0, 0))).axis_angle == -0.7  # (1, 0) if nothing is said
    for angle in (-2.0, 0.0, 1.5):
        axis = 3.0 * np.cos(angle), 3.0 * np.sin(angle)
        slider = placed(Slider(0, 1, at=(0, 0), axis=axis))
        assert slider.axis is None
        assert slider.axis_angle == pytest.approx(angle - 0.7, abs=1e-15)
        assert placed(Slider(0, 1, at=(0, 0), axis_angle=slider.axis_angle)) == slider


def test_sliders_may_start_anywhere_along_their_axis():
    """From the middle of one box to that of the other: 3 to the right, 4 up."""
    slider = placed(Slider(0, 1, anchors=MIDDLES, axis=(-3, -4)))
    assert slider.distance(scene().bodies) == pytest.approx(5.0, rel=1e-15)
    placed(Slider(2, None, anchors=((0, 0), (9, -100)), axis=(0, 1)))


def test_ropes_and_springs_are_as_long_as_they_start():
    assert placed(Rope(0, 1, MIDDLES)).length == 5.0
    assert placed(Rope(0, None, ((0, 0), (1, 0)))).length == 2.0
    assert placed(Rope(0, 1, MIDDLES, 6.0)).length == 6.0
    assert placed(Rope(0, 1, MIDDLES, 5.0 - 1e-6)).length == 5.0 - 1e-6  # of a length of 5 it is rounding
    assert placed(Spring(0, 1, MIDDLES, 1.0)).rest_length == 5.0
    assert placed(Spring(2, None, ((0.5, 0), (9, 6)), 1.0)).rest_length == pytest.approx(0.5, rel=1e-15)
    assert placed(Spring(0, 1, MIDDLES, 1.0, 0.1)).rest_length == 0.1


def test_what_starts_in_one_place_needs_a_length():
    assert placed(Rope(1, None, ((0, 0), (4, 6)), 0.5)).length == 0.5
    assert placed(Spring(1, None, ((0, 0), (4, 6)), 1.0, 0.0)).rest_length == 0.0


def test_joints_print_what_was_given():
    assert repr(Pin(0, None, at=(0, 1), motor=2.0)) == "Pin(first=0, second=None, at=(0, 1), motor=2.0)"
    assert repr(placed(Rope(0, 1, MIDDLES))) == "Rope(first=0, second=1, anchors=[[0.0, 0.0], [0.0, 0.0]], length=5.0)"


# The robots of the DiffTaichi paper

ROBOTS = json.loads((Path(__file__).parents[3] / "scenes" / "rigid_robots.json").read_text())


def robot_scene(robot):
    """All bodies are one group: they touch the floor only."""
    return RigidBodies(
        bodies=[Box(place, size, angle=angle, group=0) for place, size, angle in robot["bodies"]],
        obstacles=[HalfPlane.of((0, 1), 0.1)],
        joints=[Pin(first, second, anchors=anchors) for first, second, anchors in robot["joints"]],
        springs=[
            Spring(first, second, anchors, stiffness, rest_length, actuation=actuation)
            for first, second, anchors, stiffness, rest_length, actuation in robot["springs"]
        ],
        gravity=(0.0, -9.8),
        damping=10.0,
        friction=1.0,
    )


@pytest.mark.parametrize(("name", "bodies", "joints", "muscles"), [("A", 5, 1, 6), ("B", 3, 2, 2), ("Leg", 7, 6, 6)])
def test_the_robots_of_the_difftaichi_paper(name, bodies, joints, muscles):
    made = robot_scene(ROBOTS[name])
    assert (len(made.bodies), len(made.joints), len(made.springs)) == (bodies, joints, muscles)
    assert made.actuators.tolist() == list(range(muscles))
    assert made.pairs.tolist() == [[body, bodies] for body in range(bodies)]
    assert made.with_numbers(made.numbers()) == made
    assert RigidBodies.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_the_legs_of_robot_b_were_moved_to_where_its_joints_hold_them():
    """In the paper's example they start 1 cm further in, and its joints pull them."""
    legs = [ROBOTS["B"]["bodies"][0], *([[x, 0.22], [0.03, 0.1], 0.0] for x in (0.08, 0.22))]
    with pytest.raises(InputError, match=r"joints\[0\] holds two anchors together, but they are 0.01 m apart"):
        robot_scene({**ROBOTS["B"], "bodies": legs})
