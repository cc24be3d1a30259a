"""Links, joints, geoms, sites and actuators: what they refuse, and what they make of what is given."""

import json
import pickle

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.physics.articulated.actuators import Actuator
from diffsim.physics.articulated.geoms import Geom
from diffsim.physics.articulated.links import Joint, Link, Site
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.spec import Spec

BAD = {
    # joints
    "no name": (lambda: Joint(""), "Joint.name is ''", "a name is needed"),
    "a number for a name": (lambda: Joint(3), "Joint.name is 3", "a name is needed"),
    "motion": (lambda: Joint("hip", "screw"), "joint 'hip': motion is 'screw'", "'hinge', 'slide', 'ball', 'free'"),
    "no axis": (lambda: Joint("hip", axis=(0, 0, 0)), "joint 'hip': axis has length 0", "a direction is needed"),
    "axis in the plane": (lambda: Joint("hip", axis=(0, 1)), "joint 'hip': axis has shape (2,)", "(3,) is needed"),
    "nan anchor": (lambda: Joint("hip", anchor=(0, np.nan, 0)), "joint 'hip': anchor[1] is nan", "finite"),
    "negative damping": (lambda: Joint("hip", damping=-1), "joint 'hip': damping is -1", "at least 0"),
    "negative stiffness": (lambda: Joint("hip", stiffness=-1), "joint 'hip': stiffness is -1", "at least 0"),
    "negative armature": (lambda: Joint("hip", armature=-1), "joint 'hip': armature is -1", "at least 0"),
    "reversed limits": (
        lambda: Joint("hip", limits=(1, 0)),
        "joint 'hip': limits is (1, 0)",
        "lowest must be below the highest",
    ),
    "one limit": (lambda: Joint("hip", limits=1.0), "joint 'hip': limits has shape ()", "(2,) is needed"),
    "soft limit": (
        lambda: Joint("hip", limits=(0, 1), limit_stiffness=-1),
        "joint 'hip': limit_stiffness is -1",
        "at least 0",
    ),
    "limits of a free joint": (
        lambda: Joint("root", "free", limits=(0, 1)),
        "joint 'root': limits are [0.0, 1.0]",
        "a free joint has none",
    ),
    "limits of a ball": (
        lambda: Joint("hip", "ball", limits=(-1, 1)),
        "joint 'hip': limits are [-1.0, 1.0]",
        "(0, largest angle)",
    ),
    # links
    "a parent by index": (lambda: Link("arm", 3), "link 'arm': parent is 3", "a name is needed"),
    "joints by name": (lambda: Link("arm", joints="hip"), "link 'arm': joints is 'hip'", "a list of Joint is needed"),
    "a site for a joint": (
        lambda: Link("arm", joints=[Joint("hip"), Site("tip")]),
        "link 'arm': joints[1] is Site(name='tip'",
        "a Joint is needed",
    ),
    "free and a hinge": (
        lambda: Link("arm", joints=[Joint("root", "free"), Joint("hip")]),
        "link 'arm': joint 'root' is free",
        "only joint of its link",
    ),
    "free of a parent": (
        lambda: Link("arm", "base", joints=Joint("root", "free")),
        "link 'arm': joint 'root' is free",
        "a link of the world",
    ),
    "negative mass": (lambda: Link("arm", mass=-1), "link 'arm': mass is -1", "at least 0"),
    "no quaternion": (lambda: Link("arm", orientation=(0, 0, 0, 0)), "link 'arm': orientation has length 0", "zero"),
    "orientation by angles": (lambda: Link("arm", orientation=(0, 0, 1)), "orientation has shape (3,)", "(4,)"),
    "negative inertia": (lambda: Link("arm", inertia=(1, 1, -1)), "link 'arm': inertia[2] is -1", "at least 0"),
    "an inertia that no body has": (
        lambda: Link("arm", inertia=(1, 1, 3)),
        "link 'arm': inertia has principal moments [1.0, 1.0, 3.0]",
        "none can exceed the sum of the other two",
    ),
    "an inertia that is not symmetric": (
        lambda: Link("arm", inertia=[[1, 1, 0], [0, 1, 0], [0, 0, 1]]),
        "link 'arm': inertia is not symmetric",
        "[[1.0, 1.0, 0.0]",
    ),
    # geoms
    "shape": (lambda: Geom("foot", "cone"), "geom 'foot': shape is 'cone'", "'plane', 'sphere', 'capsule'"),
    "size of a plane": (lambda: Geom("floor", "plane", 1.0), "geom 'floor': size is (1.0,)", "a plane has none"),
    "no size": (lambda: Geom("foot", "sphere"), "geom 'foot': size of a sphere has shape (0,)", "(1,) is needed"),
    "half a capsule": (lambda: Geom("foot", "capsule", 0.1), "size of a capsule has shape (1,)", "(2,) is needed"),
    "flat box": (lambda: Geom("foot", "box", (1, 0, 1)), "geom 'foot': size of a box[1] is 0", "greater than 0"),
    "no stiffness": (lambda: Geom("foot", "sphere", 0.1, stiffness=0), "'foot': stiffness is 0", "greater than 0"),
    "no time to yield": (
        lambda: Geom("foot", "sphere", 0.1, solref=(0.02, 0)),
        "'foot': solref is (0.02, 0)",
        "a time constant and a damping ratio above 0",
    ),
    "half a solref": (lambda: Geom("foot", "sphere", 0.1, solref=(-100, 1)), "solref is (-100, 1)", "minus stiffness"),
    "half a solimp": (lambda: Geom("foot", "sphere", 0.1, solimp=(0.9, 0.95)), "solimp has shape (2,)", "(5,)"),
    "negative friction": (lambda: Geom("foot", "sphere", 0.1, friction=-1), "'foot': friction is -1", "at least 0"),
    "negative bits": (lambda: Geom("foot", "sphere", 0.1, contype=-1), "'foot': contype is -1", "at least 0"),
    "half a bit": (lambda: Geom("foot", "sphere", 0.1, conaffinity=0.5), "conaffinity is 0.5", "whole number"),
    "perhaps frictionless": (lambda: Geom("foot", "sphere", 0.1, frictionless=1), "frictionless is 1", "True or False"),
    "too bright": (lambda: Geom("foot", "sphere", 0.1, colour=(2, 0, 0)), "'foot': colour[0] is 2", "at most 1"),
    "a colour in words": (lambda: Geom("foot", "sphere", 0.1, colour="red"), "'foot': colour takes numbers", "'red'"),
    # sites and actuators
    "a site in the plane": (lambda: Site("tip", (0, 1)), "site 'tip': position has shape (2,)", "(3,) is needed"),
    "no range": (
        lambda: Actuator("motor", "hip", control_range=(1, 1)),
        "actuator 'motor': control_range is (1, 1)",
        "lowest must be below the highest",
    ),
    "one bias": (lambda: Actuator("motor", "hip", bias=1.0), "actuator 'motor': bias has shape ()", "(3,) is needed"),
    "six gears": (lambda: Actuator("motor", "hip", gear=np.ones(6)), "'motor': gear has shape (6,)", "a single number"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_what_was_given_and_what_is_allowed(case):
    make, given, allowed = BAD[case]
    with pytest.raises(InputError) as caught:
        make()
    assert given in str(caught.value)
    assert allowed in str(caught.value)


ONE_OF_EACH = (
    Joint("hip", axis=(0, 3, 4), limits=(-1, 1), damping=0.1),
    Joint("knee", "ball", stiffness=2.0, limits=(0, 1)),
    Geom("foot", "capsule", (0.1, 0.2), colour=(1, 0, 0)),
    Site("tip", (0, 0, 1)),
    Actuator.position("hip", kp=2.0, kv=0.5, force_range=(-1, 1)),
    Link("leg", "body", joints=Joint("hip"), inertia=[[2, 0.1, 0], [0.1, 3, 0.2], [0, 0.2, 4]], sites=Site("tip")),
)


@pytest.mark.parametrize("made", ONE_OF_EACH, ids=lambda made: type(made).__name__)
def test_all_come_back_from_json_and_pickles(made):
    assert Spec.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert pickle.loads(pickle.dumps(made)) == made


def test_what_is_not_said():
    """Defaults that the physics depends on."""
    joint, geom, link, actuator = Joint("j"), Geom("g", "sphere", 0.1), Link("l"), Actuator("a", "j")
    assert (joint.motion, joint.axis.tolist(), joint.limits) == ("hinge", [0, 0, 1], None)
    assert not any((joint.damping, joint.stiffness, joint.rest, joint.reference, joint.armature))
    assert (geom.friction, geom.margin, geom.contype, geom.conaffinity, geom.frictionless) == (1, 0, 1, 1, False)
    assert (link.parent, link.mass, link.joints, link.inertia.tolist()) == (None, 0, (), [0, 0, 0])
    assert (actuator.gear, actuator.gain, actuator.control_range, actuator.force_range) == (1, 1, None, None)


def test_a_joint_says_how_many_numbers_it_has():
    counts = {motion: (Joint("j", motion).coordinates, Joint("j", motion).freedoms) for motion in JOINTS}
    assert counts == JOINTS


JOINTS = {"hinge": (1, 1), "slide": (1, 1), "ball": (4, 3), "free": (7, 6)}


def test_axes_and_quaternions_of_any_length_are_made_units():
    assert Joint("hip", axis=(0, 3, 4)).axis.tolist() == [0, 0.6, 0.8]
    assert Link("leg", orientation=(0, 0, 0, -3)).orientation.tolist() == [0, 0, 0, -1]
    assert Geom("foot", "sphere", 0.1, orientation=(2, 0, 0, 0)).orientation.tolist() == [1, 0, 0, 0]
    with pytest.raises(ValueError, match="read-only"):
        Joint("hip", axis=(0, 3, 4)).axis[0] = 1.0


def test_one_of_a_kind_needs_no_list():
    joint, geom, site = Joint("hip"), Geom("foot", "sphere", 0.1), Site("tip")
    assert Link("leg", joints=joint, geoms=geom, sites=site) == Link("leg", joints=[joint], geoms=[geom], sites=[site])
    assert geom.size.tolist() == [0.1]


def test_a_matrix_of_inertia_is_kept_as_principal_moments_and_axes():
    rng = np.random.default_rng(0)
    for _ in range(20):
        turn, moments = rotation_of(rng.normal(size=4)), rng.uniform(1.0, 1.9, size=3)  # any two exceed the third
        given = turn * moments @ turn.T
        link = Link("leg", inertia=0.5 * (given + given.T))
        axes = rotation_of(link.inertia_orientation)
        assert np.sort(link.inertia) == pytest.approx(np.sort(moments), rel=1e-14)
        assert axes * link.inertia @ axes.T == pytest.approx(given, abs=1e-14)
        assert np.linalg.det(axes) == pytest.approx(1.0, rel=1e-14)


def test_a_rod_without_thickness_is_a_body():
    """The largest moment is the sum of the others, up to rounding."""
    assert Link("rod", inertia=(1 / 3, 1 / 3, 0)).inertia[2] == 0
    Link("disc", inertia=(0.1, 0.2, 0.1 + 0.2))


def test_motors_and_servos_are_gains_and_biases():
    motor = Actuator.motor("hip", 50.0)
    assert (motor.name, motor.joint, motor.gear, motor.gain, motor.bias.tolist()) == ("hip", "hip", 50, 1, [0, 0, 0])
    assert motor.control_range.tolist() == [-1, 1]
    servo = Actuator.position("hip", kp=20.0, kv=0.5, name="servo")
    assert (servo.name, servo.gain, servo.bias.tolist(), servo.control_range) == ("servo", 20, [0, -20, -0.5], None)
    brake = Actuator.velocity("hip", kv=3.0)
    assert (brake.gain, brake.bias.tolist()) == (3, [0, 0, -3])
    assert Actuator.motor("hip", control_range=(0, 2)).control_range.tolist() == [0, 2]
