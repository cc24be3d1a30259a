"""Robots from MJCF and URDF: names, places, energies and inertias against MuJoCo; what is refused or left out."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from diffsim.errors import InputError, MissingExtraError, OmissionWarning, StartWarning
from diffsim.physics.articulated.kinematics import forward_kinematics, joint_inertias, mass_matrix
from diffsim.physics.articulated.mjcf import load_mjcf, load_urdf
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.physics.articulated.scene import Articulated

from ... import gymnasium_robots as gym

mujoco = pytest.importorskip("mujoco")

ROBOTS = gym.ROBOTS

# Sums of some ten numbers of order one to a hundred, in float64.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def robots():
    pytest.importorskip("gymnasium")
    return {name: (gym.load(name), gym.peer(name)) for name in ROBOTS}


def names(model, kind, count):
    found = [mujoco.mj_id2name(model, getattr(mujoco.mjtObj, f"mjOBJ_{kind}"), k) for k in range(count)]
    return [name for name in found if name]


# The robots of gymnasium


@pytest.mark.parametrize("name", ROBOTS)
def test_a_robot_has_the_names_of_its_file(robots, name):
    scene, model = robots[name]
    assert (len(scene.links), scene.coordinates, scene.freedoms) == (model.nbody - 1, model.nq, model.nv)
    assert len(scene.actuators) == model.nu
    links, joints = [link.name for link in scene.links], [joint.name for joint in scene.joints]
    geoms = [geom.name for _, geom in scene.all_geoms]
    for kind, count, known in (
        ("BODY", model.nbody, links),
        ("JOINT", model.njnt, joints),
        ("GEOM", model.ngeom, geoms),
    ):
        assert [each for each in names(model, kind, count) if each not in (*known, "world")] == []
    # An actuator without a name has that of its joint.
    driven = [joints[joint] for joint in model.actuator_trnid[:, 0]]
    assert [actuator.joint for actuator in scene.actuators] == driven
    given = [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_ACTUATOR, k) for k in range(model.nu)]
    assert [actuator.name for actuator in scene.actuators] == [a or b for a, b in zip(given, driven, strict=True)]


@pytest.mark.parametrize("name", ROBOTS)
def test_a_robot_starts_as_in_mujoco(robots, name):
    scene, model = robots[name]
    assert scene.initial_position.tolist() == model.qpos0.tolist()
    assert (scene.dt, scene.gravity.tolist()) == (model.opt.timestep, model.opt.gravity.tolist())


@pytest.mark.parametrize("name", ROBOTS)
def test_links_are_where_they_are_in_mujoco(robots, name):
    scene, model = robots[name]
    rng = np.random.default_rng(0)
    for _ in range(20):
        position, velocity = gym.random_state(model, rng)
        pose, (origin, rotation) = forward_kinematics(scene, position), gym.poses(model, position)
        assert pose.origin == pytest.approx(origin, abs=ROUNDING)
        assert pose.rotation == pytest.approx(rotation, abs=ROUNDING)
        rows = {"joint_position": position[None, None], "joint_velocity": velocity[None, None]}
        found = scene.derive({key: value[None] for key, value in scene.numbers().items()}, rows)
        assert found["energy"][0, 0] == pytest.approx(gym.energy(model, position, velocity), rel=ROUNDING)
        assert found["orientation"][0, 0] == pytest.approx(rotation, abs=ROUNDING)


@pytest.mark.parametrize("name", ROBOTS)
def test_a_robot_has_the_inertia_that_it_has_in_mujoco(robots, name):
    scene, model = robots[name]
    assert joint_inertias(scene, model.qpos0) == pytest.approx(model.dof_M0, rel=ROUNDING)
    rng = np.random.default_rng(1)
    for _ in range(5):
        position, _ = gym.random_state(model, rng)
        assert mass_matrix(scene, position) == pytest.approx(gym.mass_matrix(model, position), abs=ROUNDING)


@pytest.mark.parametrize("name", ROBOTS)
def test_the_same_geoms_may_touch(robots, name):
    """What passes MuJoCo's filters, found by laying everything into one place."""
    scene, model = robots[name]
    assert {frozenset(pair) for pair in scene.touching} == gym.touching(model, scene)


# What is left out

XML = """
<mujoco>
  {top}
  <worldbody>
    <geom name="floor" type="plane" size="1 1 1"/>{world}
    <body name="arm" pos="0 0 1">
      <joint name="hip" axis="0 1 0" {joint}/>
      <geom name="rod" type="capsule" size="0.05 0.2" {geom}/>{body}
    </body>
  </worldbody>
  {bottom}
</mujoco>
"""


def xml(**parts):
    return XML.format(**{**dict.fromkeys(("top", "world", "joint", "geom", "body", "bottom"), ""), **parts})


def child(inside, **attributes):
    words = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f'<body name="hand" {words}><geom name="palm" size="0.1" pos="0 0 1"/>{inside}</body>'


def actuators(*inside):
    return f"<actuator>{''.join(inside)}</actuator>"


MESH = '<asset><mesh name="m" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/></asset>'
TENDON = '<tendon><fixed name="string" stiffness="1 2"><joint joint="hip" coef="1"/></fixed></tendon>'
FLEX = """<deformable><flex name="skin" dim="1" body="arm world" element="0 1" vertex="0 0 0 0 0 1"/></deformable>"""

LEFT_OUT = {
    "a tendon": ("tendon", xml(bottom=TENDON), "tendon 'string' has a spring or damper that is not linear"),
    "a motor at a ball": (
        "actuator",
        xml(body=child('<joint name="wrist" type="ball"/>'), bottom=actuators('<motor name="twist" joint="wrist"/>')),
        "actuator 'twist' acts on a joint that is neither a hinge nor a slide",
    ),
    "dynamics of a plugin": (
        "actuator",
        xml(bottom=actuators('<general name="biceps" joint="hip" dyntype="user" actdim="1"/>')),
        "actuator 'biceps' has dynamics of its own",
    ),
    "a pair": (
        "pair",
        xml(bottom='<contact><pair name="sole" geom1="rod" geom2="floor" solref="0.1 1"/></contact>'),
        "pair 'sole' has another solref or solimp",
    ),
    "a rope": ("flex", xml(bottom=FLEX), "flex 'skin' is soft"),
    "drag of a square": ("polynomial", xml(joint='damping="1 2"'), "joint 'hip' has damping that is not linear"),
    "a hard spring": ("polynomial", xml(joint='stiffness="1 2"'), "joint 'hip' has a spring that is not linear"),
    "a fin": (
        "fluid",
        xml(top='<option density="1000"/>', geom='fluidshape="ellipsoid"'),
        "geom 'rod' has a fluidshape, which is not simulated",
    ),
    "a belt": ("geom", xml(geom='surfacevel="1 0 0 0 0 0"'), "geom 'rod' has a surfacevel"),
    "parents touch": (
        "flag",
        xml(top='<option><flag filterparent="disable"/></option>'),
        "option flag filterparent='disable'",
    ),
}


@pytest.mark.filterwarnings("ignore:flex 'skin' is not rigid")  # MuJoCo's own word
@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_is_not_simulated_is_refused_or_left_out_with_a_warning(case):
    kind, source, words = LEFT_OUT[case]
    with pytest.raises(InputError) as caught:
        load_mjcf(source)
    assert str(caught.value).startswith(f"load_mjcf: {words}")
    assert str(caught.value).endswith(f"ignore=({kind!r},) leaves out what is of this kind")
    with pytest.warns(OmissionWarning) as warned:
        scene = load_mjcf(source, ignore=(kind,))
    (warning,) = [each for each in warned if each.category is OmissionWarning]
    assert f"load_mjcf left out: {words}" in str(warning.message)
    assert warning.filename == __file__  # where it was asked for
    assert {"hip"} <= {joint.name for joint in scene.joints}
    assert kind != "actuator" or not scene.actuators


def test_every_kind_is_tested():
    from diffsim.physics.articulated.mjcf_file import KINDS

    # MuJoCo has no plugin that is built in and could be loaded without its library; what is moved from outside stays
    # where it is, with or without the word; what other words leave out is simulated without them (an equality, if its
    # tendons are).
    simulated = {"mesh", "contact", "condim", "frictionloss", "gravcomp", "actuatorfrcrange", "equality"}
    assert set(KINDS) - {kind for kind, *_ in LEFT_OUT.values()} == {"plugin", "mocap", *simulated}


def test_the_warning_lists_all_that_is_left_out():
    source = xml(bottom=TENDON + actuators('<motor name="pull" tendon="string"/>'), geom='surfacevel="1 0 0 0 0 0"')
    with pytest.warns(OmissionWarning) as warned:
        load_mjcf(source, ignore=("tendon", "actuator", "geom"))
    for words in ("tendon 'string'", "actuator 'pull'", "geom 'rod'"):
        assert words in str(warned[0].message)


@pytest.mark.parametrize(
    ("top", "words"),
    [
        ('<option integrator="implicit"/>', "the integrator implicit, replaced by implicitfast"),
    ],
)
def test_what_is_simulated_in_another_way_is_said(top, words):
    with pytest.warns(OmissionWarning, match="load_mjcf left out: ") as warned:
        load_mjcf(xml(top=top))
    assert words in str(warned[0].message)


def test_meshes_that_are_only_seen_are_no_geoms():
    source = xml(top=MESH, body='<geom name="shell" type="mesh" mesh="m" contype="0" conaffinity="0"/>')
    scene = load_mjcf(source)
    assert [geom.name for _, geom in scene.all_geoms] == ["floor", "rod"]
    assert [visual.mesh for visual in scene.links[0].visuals] == ["m"]


def test_a_file_of_what_is_simulated_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(load_mjcf(xml()), Articulated)


@pytest.mark.parametrize("load", [load_mjcf, load_urdf])
def test_what_cannot_be_read_is_named(load, tmp_path):
    with pytest.raises(InputError, match=rf"{load.__name__} cannot read .*nowhere.xml"):
        load(tmp_path / "nowhere.xml")
    with pytest.raises(InputError, match=rf"{load.__name__} cannot read the XML given"):
        load("<mujoco><worldbody></mujoco>")
    with pytest.raises(InputError, match=rf"{load.__name__}: ignore names 'wheels', but it takes tendon, equality"):
        load(xml(), ignore="wheels")


@pytest.mark.parametrize("load", [load_mjcf, load_urdf])
def test_without_the_package_the_extra_is_named(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(
        MissingExtraError, match=rf"{load.__name__} needs the package mujoco: pip install 'diffsim\[rob"
    ):
        load(xml())


@pytest.mark.parametrize("load", [load_mjcf, load_urdf])
@pytest.mark.parametrize("version", ["3.2.0", "3.3.7", "3.12.0"])
def test_a_version_that_reads_files_wrongly_is_refused_in_words(load, version, monkeypatch):
    monkeypatch.setattr(mujoco, "__version__", version)
    words = rf"{load.__name__} needs the package mujoco 4.0 or newer, but {version} is installed.*'mujoco>=4.0'"
    with pytest.raises(MissingExtraError, match=words):
        load(xml())


@pytest.mark.parametrize("version", ["4.0.0", "4.1", "10.2.1.dev3"])
def test_newer_versions_are_taken(version, monkeypatch):
    monkeypatch.setattr(mujoco, "__version__", version)
    assert isinstance(load_mjcf(xml()), Articulated)


def test_extras_ask_for_the_version_that_is_needed():
    from pathlib import Path

    from diffsim.physics.articulated.mjcf import OLDEST

    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert f'"mujoco>={OLDEST[0]}.{OLDEST[1]}"' in text


LIMITED = {
    "a hinge": ('range="47 313"', r"joint 'hip' starts at 0, but its limits are 0.8203 to 5.463"),
    "a slide": ('type="slide" range="-2 -1"', r"joint 'hip' starts at 0, but its limits are -2 to -1"),
    "a hinge with a reference": ('range="-30 30" ref="40"', r"joint 'hip' starts at 0.6981, but its limits are"),
}


@pytest.mark.parametrize("case", LIMITED)
def test_a_start_beyond_the_limits_is_said(case):
    joint, words = LIMITED[case]
    with pytest.warns(StartWarning, match=rf"{words}.*initial_position within them") as warned:
        scene = load_mjcf(xml(joint=joint))
    assert warned[0].filename == __file__
    inside = scene.joints[0].limits.mean()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_mjcf(xml(joint=joint), initial_position=[inside])
        load_mjcf(xml(joint=joint), limits=False)
        scene.with_numbers({"gravity": np.zeros(3)})
    with pytest.warns(StartWarning, match="joint 'hip'"):
        load_mjcf(xml(joint=joint, bottom='<keyframe><key name="odd" qpos="9"/></keyframe>')).posed("odd")


ON_A_CORD = """<mujoco><worldbody><site name="hook" pos="0 0 1"/>
  <body name="arm" pos="0 0 0.2"><joint name="hip" axis="0 1 0"/><geom size="0.05" mass="1"/>
    <site name="hand" pos="0 0 0.3"/></body></worldbody>
  <tendon>{}</tendon></mujoco>"""
TIED = {
    "fixed": ('<fixed name="cord" range="0.2 0.9"><joint joint="hip" coef="2"/></fixed>', 0.0, 0.3),
    "spatial": ('<spatial name="cord" range="0.6 0.9"><site site="hook"/><site site="hand"/></spatial>', 0.5, 1.5),
}


@pytest.mark.parametrize("kind", TIED)
def test_a_tendon_that_starts_beyond_its_limits_is_said(kind):
    tendon, at, inside = TIED[kind]
    words = rf"tendon 'cord' starts at {at:.4g}, but its limits are 0\.\d to 0\.9.*initial_position within them"
    with pytest.warns(StartWarning, match=words):
        load_mjcf(ON_A_CORD.format(tendon))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_mjcf(ON_A_CORD.format(tendon), initial_position=[inside])
        load_mjcf(ON_A_CORD.format(tendon), limits=False)


LINKED = """
<mujoco><worldbody><body name="upper"><joint name="hip" axis="0 1 0"/><geom size="0.1" mass="1"/>
  <site name="hand" pos="0.2 0 0"/>
  <body name="lower" pos="0 0 -0.3"><joint name="knee" axis="0 1 0"/><geom size="0.1" mass="1"/></body></body>
  <site name="nail" pos="0 1 0"/></worldbody>{bottom}
  <keyframe><key name="bent" qpos="1 0.5"/></keyframe></mujoco>"""
CABLE = '<tendon><fixed name="cable" {}><joint joint="hip" coef="1"/><joint joint="knee" coef="-2"/></fixed></tendon>'
APART = {
    "a tendon": (
        CABLE.format('range="0.5 2"'),
        "tendon 'cable' starts at 0, but its limits are 0.5 to 2",
    ),
    "joints": (
        '<equality><joint name="belt" joint1="hip" joint2="knee" polycoef="0.5 1 0 0 0"/></equality>',
        r"equality 'belt' of hip and knee starts off by 0.5\. What holds",
    ),
    "a tendon's length": (
        CABLE.format("") + '<equality><tendon name="knot" tendon1="cable" polycoef="0.4 0 0 0 0"/></equality>',
        "equality 'knot' of cable starts off by 0.4",
    ),
    "a connect": (
        '<equality><connect name="hook" site1="hand" site2="nail"/></equality>',
        "hold 'hook' of upper starts off by 1.02 m and 0 rad",
    ),
    "a weld": (
        '<equality><weld name="glue" body1="lower" relpose="0 0 -0.2 0.9689124217 0 0.2474039593 0"/></equality>',
        "hold 'glue' of lower starts off by 0.5 m and 0.5 rad",
    ),
}


@pytest.mark.parametrize("case", APART)
def test_what_is_not_held_where_it_starts_is_said(case):
    bottom, words = APART[case]
    with pytest.warns(StartWarning, match=words):
        load_mjcf(LINKED.format(bottom=bottom))


def test_what_is_held_where_it_starts_is_not_worth_a_word():
    held = '<equality><joint joint1="hip" joint2="knee"/><connect body1="lower" anchor="0 0 0"/></equality>'
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_mjcf(LINKED.format(bottom=CABLE.format('range="-1 1"') + held))
    with pytest.warns(
        StartWarning, match="equality 'equality_0' of hip and knee starts off by 0.5; hold 'equality_1' of"
    ):
        load_mjcf(LINKED.format(bottom=held), pose="bent")


# What is read


def test_files_and_their_text_give_the_same_scene(tmp_path):
    (tmp_path / "arm.xml").write_text(xml())
    assert load_mjcf(tmp_path / "arm.xml") == load_mjcf(str(tmp_path / "arm.xml")) == load_mjcf(xml())


def test_joints():
    words = 'type="slide" range="-1 2" ref="0.1" springref="0.3" stiffness="5" damping="0.5" armature="0.2" pos="0 0 1"'
    (joint,) = load_mjcf(xml(joint=words)).joints
    assert (joint.motion, joint.axis.tolist(), joint.anchor.tolist()) == ("slide", [0, 1, 0], [0, 0, 1])
    assert (joint.reference, joint.rest, joint.limits.tolist()) == (0.1, 0.3, [-1, 2])
    assert (joint.stiffness, joint.damping, joint.armature) == (5, 0.5, 0.2)
    assert (joint.limit_stiffness, joint.limit_damping) == (None, None)


def test_solref_of_a_limit_is_a_spring_and_damper():
    """Time constant and damping ratio of what is moved, or minus stiffness and damping per that."""
    (joint,) = load_mjcf(xml(joint='range="-1 1" solreflimit="0.1 0.5"')).joints
    (moved,) = joint_inertias(load_mjcf(xml()), np.zeros(1))
    assert joint.limit_stiffness == pytest.approx(moved / (0.1 * 0.5) ** 2, rel=1e-12)
    assert joint.limit_damping == pytest.approx(2 * moved / 0.1, rel=1e-12)
    (joint,) = load_mjcf(xml(joint='range="-1 1" solreflimit="-100 -3"')).joints
    assert (joint.limit_stiffness, joint.limit_damping) == pytest.approx((100 * moved, 3 * moved), rel=1e-12)


def test_geoms():
    words = 'friction="0.3" margin="0.01" contype="2" conaffinity="5" condim="1" rgba="1 0 0 0.5"'
    words += ' solref="0.05 1" solimp="0.8 0.9 0.002" solmix="2"'
    geom = load_mjcf(xml(geom=words)).links[0].geoms[0]
    assert (geom.name, geom.shape, geom.size.tolist()) == ("rod", "capsule", [0.05, 0.2])
    assert (geom.friction, geom.margin, geom.frictionless) == (0.3, 0.01, True)
    assert (geom.contype, geom.conaffinity, geom.colour.tolist()) == (2, 5, [1, 0, 0, 0.5])
    assert (geom.stiffness, geom.damping) == (None, None)
    assert (geom.solref.tolist(), geom.solimp.tolist()) == ([0.05, 1], [0.8, 0.9, 0.002, 0.5, 2])
    assert geom.solmix == 2


def test_actuators():
    words = (
        '<motor name="m" joint="hip" gear="3" ctrlrange="-2 1" forcerange="-5 4"/>',
        '<position name="p" joint="hip" kp="7" kv="2"/>',
        '<velocity name="v" joint="hip" kv="3"/>',
        '<motor joint="hip"/>',
    )
    motor, position, velocity, other = load_mjcf(xml(bottom=actuators(*words))).actuators
    assert (motor.name, motor.joint, motor.gear, motor.gain) == ("m", "hip", 3, 1)
    assert (motor.control_range.tolist(), motor.force_range.tolist()) == ([-2, 1], [-5, 4])
    assert (position.gain, position.bias.tolist(), position.control_range) == (7, [0, -7, -2], None)
    assert (velocity.gain, velocity.bias.tolist()) == (3, [0, 0, -3])
    assert other.name == "actuator_3"  # not the joint's: it is not the only one there
    assert load_mjcf(xml(bottom=actuators(words[-1]))).actuators[0].name == "hip"


def test_sites_poses_and_options():
    scene = load_mjcf(
        xml(
            top='<option gravity="0 0 -1" timestep="0.003"/>',
            world='<site name="goal" pos="1 2 3"/>',
            body='<site name="arm" pos="0 0 0.2"/>',
            bottom='<keyframe><key name="up" qpos="1.5"/></keyframe>',
        )
    )
    assert scene.places == ("arm", "arm_site", "goal")  # of a body's name it gets another
    assert (scene.dt, scene.gravity.tolist()) == (0.003, [0, 0, -1])
    assert scene.posed("up").initial_position.tolist() == [1.5]


def test_flags_of_options():
    def flagged(flag):
        return load_mjcf(xml(top=f'<option><flag {flag}="disable"/></option>', joint='range="0 1"'))

    assert (flagged("contact").contacts, flagged("contact").limits) == (False, True)
    assert (flagged("limit").contacts, flagged("limit").limits) == (True, False)
    assert (flagged("constraint").contacts, flagged("constraint").limits) == (False, False)
    assert flagged("gravity").gravity.tolist() == [0, 0, 0]


@pytest.mark.parametrize("other", ["world", "hand"])
def test_exclude_keeps_bodies_apart_and_the_world_is_one(other):
    free = '<body name="hand"><freejoint name="root"/><geom name="palm" size="0.1"/></body>'
    source = xml(world='<geom name="wall" type="box" size="1 1 1"/>' + free)
    assert len(load_mjcf(source).touching) == 5  # floor and wall with both, and both
    apart = source.replace("</mujoco>", f'<contact><exclude body1="{other}" body2="arm"/></contact></mujoco>')
    kept = load_mjcf(apart)
    geoms = [geom.name for _, geom in kept.all_geoms]
    expected = {"world": [("floor", "palm"), ("palm", "wall"), ("palm", "rod")]}.get(
        other, [("floor", "rod"), ("floor", "palm"), ("rod", "wall"), ("palm", "wall")]
    )
    found = {frozenset(geoms[k] for k in pair) for pair in kept.touching}
    assert found == {frozenset(pair) for pair in expected}


def test_changes_are_of_the_scene():
    scene = load_mjcf(xml(joint='range="0 1"'), dt=0.01, substeps=5, contacts=False, initial_position=[0.01])
    assert (scene.dt, scene.substeps, scene.contacts) == (0.01, 5, False)
    assert scene.initial_position.tolist() == [0.01]


# URDF

URDF = """
<robot name="arm">
  <link name="base">
    <inertial><mass value="3"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial>
  </link>
  <link name="upper">
    <inertial><origin xyz="0 0 0.2"/><mass value="2"/>
      <inertia ixx="0.1" iyy="0.2" izz="0.15" ixy="0.01" ixz="0" iyz="0"/></inertial>
    <collision name="skin"><origin xyz="0 0 0.2"/><geometry><sphere radius="0.1"/></geometry></collision>
  </link>
  <link name="lower">
    <inertial><mass value="1"/><inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/></inertial>
  </link>
  <link name="tool">
    <inertial><mass value="0.5"/><inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/></inertial>
  </link>
  <joint name="shoulder" type="revolute">
    <parent link="base"/><child link="upper"/><origin xyz="0 0 0.5" rpy="0 0 1.5707963267948966"/>
    <axis xyz="0 1 0"/><limit lower="-1" upper="2" effort="30" velocity="3"/><dynamics damping="0.7"/>
  </joint>
  <joint name="rail" type="prismatic">
    <parent link="upper"/><child link="lower"/><origin xyz="0 0 0.4"/>
    <axis xyz="1 0 0"/><limit lower="0" upper="0.3" effort="8" velocity="1"/>
  </joint>
  <joint name="mount" type="fixed"><parent link="lower"/><child link="tool"/><origin xyz="0 0 0.1"/></joint>
</robot>
"""


def test_urdf():
    scene = load_urdf(URDF)
    assert [(link.name, link.parent) for link in scene.links][1:] == [
        ("upper", "base"),
        ("lower", "upper"),
        ("tool", "lower"),
    ]
    assert [(joint.name, joint.motion) for joint in scene.joints] == [("shoulder", "hinge"), ("rail", "slide")]
    shoulder, rail = scene.joints
    assert (shoulder.axis.tolist(), shoulder.limits.tolist(), shoulder.damping) == ([0, 1, 0], [-1, 2], 0.7)
    assert (rail.axis.tolist(), rail.limits.tolist()) == ([1, 0, 0], [0, 0.3])
    assert [link.mass for link in scene.links] == [3, 2, 1, 0.5]
    assert [geom.name for _, geom in scene.all_geoms] == ["skin"]


def test_efforts_of_a_urdf_become_motors():
    motors = load_urdf(URDF).actuators
    assert [(motor.name, motor.joint, motor.gear) for motor in motors] == [
        ("shoulder", "shoulder", 30),
        ("rail", "rail", 8),
    ]
    assert all(motor.control_range.tolist() == [-1, 1] for motor in motors)
    assert load_urdf(URDF, motors=False).actuators == ()


def test_the_inertia_of_a_urdf_is_turned_as_it_says():
    """A quarter turn about x: what was about y is about z."""
    turned = URDF.replace('<inertial><origin xyz="0 0 0.2"/>', '<inertial><origin rpy="1.5707963267948966 0 0"/>')
    link = load_urdf(turned).links[1]
    axes = rotation_of(link.inertia_orientation)
    found = axes @ np.diag(link.inertia) @ axes.T
    assert found == pytest.approx(np.array([[0.1, 0, 0.01], [0, 0.15, 0], [0.01, 0, 0.2]]), abs=1e-12)


MIMIC = URDF.replace('<limit lower="0"', '<mimic joint="shoulder" multiplier="-1"/><limit lower="0"')


def test_what_mimics_a_joint_follows_it():
    (follows,) = load_urdf(MIMIC).equalities
    assert (follows.first, follows.second) == ("rail", "shoulder")
    assert follows.polynomial == pytest.approx([0, -1, 0, 0, 0])
    with pytest.warns(OmissionWarning, match="equality 'equality_0'"):
        assert not load_urdf(MIMIC, ignore="equality").equalities


def test_links_of_a_urdf_are_where_it_says():
    """A quarter turn about z, then the hinge about y; and the tool welded above what slides along x."""
    pose = forward_kinematics(load_urdf(URDF), np.array([np.pi / 2, 0.2]))
    x, z = pose.rotation[1, :, 0], pose.rotation[1, :, 2]  # of the upper arm
    assert x == pytest.approx([0, 0, -1], abs=1e-15)
    assert z == pytest.approx([0, 1, 0], abs=1e-15)
    assert pose.origin[1] == pytest.approx([0, 0, 0.5], abs=1e-15)
    assert pose.origin[3] == pytest.approx([0, 0, 0.5] + (0.4 + 0.1) * z + 0.2 * x, abs=1e-15)


def test_many_pairs_of_links_are_worth_a_word(caplog):
    file = Path(__file__).parents[3] / "scenes" / "quadruped.xml"
    with pytest.warns(StartWarning):
        load_mjcf(file)
    assert "load_mjcf: 133 pairs of geoms may touch, 116 of them of two links" in caplog.text
    caplog.clear()
    with pytest.warns(StartWarning):
        load_mjcf(file, contacts=False)
    assert not caplog.text
