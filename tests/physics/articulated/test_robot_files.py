"""The robot files that people have: what is refused is all said at once, what has no effect is not refused."""

import warnings

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.mjcf import load_mjcf

from ... import gymnasium_robots as gym
from .stepped import step_errors

mujoco = pytest.importorskip("mujoco")

ROUNDING = 1e-12

ARM = """
<mujoco>
  {top}
  <worldbody>
    {world}
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0" damping="0.3" stiffness="2" {joint}/>
      <geom name="bone" type="capsule" size="0.05 0.2" pos="0.1 0 0.2" {geom}/>
      <body name="lower" pos="0 0 0.5">
        <joint name="elbow" axis="1 0 0" damping="0.2" stiffness="1" springref="20"/>
        <geom name="other" type="capsule" size="0.04 0.2" pos="0 0.1 0.2"/>{body}
      </body>
    </body>
  </worldbody>
  {bottom}
</mujoco>
"""


def arm(**parts):
    return ARM.format(**{**dict.fromkeys(("top", "world", "joint", "geom", "body", "bottom"), ""), **parts})


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_mjcf(*arguments, **options)


# All of it at once

BOXES = """
<mujoco><worldbody>
  <geom name="table" type="box" size="1 1 0.1"/>
  <body name="a" pos="0 0 1"><freejoint/><geom name="left" type="{shape}" size="0.1 0.1 0.1"/>
    <body name="b" pos="0.5 0 0"><joint name="one"/><geom name="middle" type="sphere" size="0.1"/>
      <body name="c" pos="0.5 0 0"><joint name="two"/><geom name="right" type="{shape}" size="0.1 0.1 0.1"/></body>
    </body>
  </body>
</worldbody></mujoco>
"""


def test_all_that_is_in_the_way_is_in_one_error():
    strings = "".join(f'<fixed name="s{k}" stiffness="1 2"><joint joint="elbow" coef="1"/></fixed>' for k in range(3))
    source = arm(
        geom='surfacevel="1 0 0 0 0 0"',
        bottom=f'<tendon>{strings}</tendon><actuator><motor name="pull" tendon="s0"/></actuator>',
    )
    with pytest.raises(InputError) as caught:
        load_mjcf(source)
    assert str(caught.value) == (
        "load_mjcf: tendon 's0' has a spring or damper that is not linear (and 2 more); actuator 'pull' acts on a "
        "tendon that is not simulated; geom 'bone' has a surfacevel, which is not simulated; "
        "ignore=('tendon', 'actuator', 'geom') leaves out what is of these kinds"
    )
    with pytest.warns(OmissionWarning, match="tendon 's0'.*tendon 's2'.*actuator 'pull'.*geom 'bone'"):
        load_mjcf(source, ignore=("tendon", "actuator", "geom"))


def test_pairs_of_ellipsoids_touch_unless_they_are_left_out_by_a_word():
    source = BOXES.format(shape="ellipsoid")
    scene = quietly(source)
    names = [geom.name for _, geom in scene.all_geoms]
    found = {frozenset(names[k] for k in pair) for pair in scene.touching}
    assert found == {
        *(frozenset(("table", name)) for name in ("left", "middle", "right")),
        frozenset(("left", "right")),
    }
    assert len(quietly(source, ignore=("pairs",)).touching) == 4
    with pytest.warns(OmissionWarning, match="geom 'left' and 1 more cylinders and ellipsoids, which do not touch"):
        assert len(load_mjcf(source, ignore="contact").touching) == 1


def test_contacts_with_the_world_only():
    source = BOXES.format(shape="sphere")
    scene = quietly(source, contacts="world")
    names = [geom.name for _, geom in scene.all_geoms]
    found = {frozenset(names[k] for k in pair) for pair in scene.touching}
    assert found == {frozenset(("table", name)) for name in ("left", "middle", "right")}
    assert len(quietly(source).touching) == 4  # left and right, too
    with pytest.raises(InputError, match=r"Articulated.contacts is 'floor'"):
        load_mjcf(source, contacts="floor")


# What is switched off, or does nothing

OFF = {
    "an equality": '<equality><joint joint1="elbow" active="false"/></equality>',
    "a string that is only measured": '<tendon><fixed name="s"><joint joint="elbow" coef="1"/></fixed></tendon>',
}
FLAGS = {
    "equality": '<equality><joint joint1="elbow"/></equality>',
    "limit": '<tendon><fixed name="s" range="0 1" limited="true"><joint joint="elbow" coef="1"/></fixed></tendon>',
}


@pytest.mark.parametrize("case", OFF)
def test_what_does_nothing_is_not_refused(case):
    assert len(quietly(arm(bottom=OFF[case])).joints) == 2


@pytest.mark.parametrize("flag", FLAGS)
def test_what_a_flag_switches_off_is_off(flag):
    there = quietly(arm(bottom=FLAGS[flag]))
    assert there.equalities or there.tendons
    scene = quietly(arm(top=f'<option><flag {flag}="disable"/></option>', bottom=FLAGS[flag]))
    assert not scene.equalities
    assert not scene.tendons


def test_springs_dampers_and_actuators_that_are_off_are_off_as_in_mujoco():
    motors = (
        '<actuator><motor name="m" joint="elbow" gear="9"/><position joint="shoulder" kp="3" group="2"/></actuator>'
    )
    source = arm(top='<option actuatorgroupdisable="2"><flag spring="disable"/></option>', bottom=motors)
    error, scene, _ = step_errors(source)
    assert [each.name for each in scene.actuators] == ["m"]
    assert error < ROUNDING
    with pytest.warns(OmissionWarning, match="the actuators m, actuator_1, which the file switches off"):
        scene = load_mjcf(source.replace("spring=", "damper='disable' actuation="))
    assert not scene.actuators
    assert {joint.damping for joint in scene.joints} == {0.0}


def test_explicit_damping_is_mujocos():
    source = arm(top='<option timestep="0.01"><flag eulerdamp="disable"/></option>')
    error, scene, _ = step_errors(source)
    assert not scene.implicit_damping
    assert error < ROUNDING
    assert step_errors(source, implicit_damping=True)[0] > 1e-6


def test_a_body_that_is_moved_from_outside_stays_where_it_is():
    target = '<body name="target" mocap="true" pos="1 2 3"><geom size="0.1"/></body>'
    with pytest.warns(
        OmissionWarning, match=r"what moves target from outside \(give mocap=\): they stay where they are"
    ):
        scene = load_mjcf(arm(world=target))
    assert forward_kinematics(scene, scene.initial_position).origin[0].tolist() == [1, 2, 3]


def test_planes_of_bodies_without_joints_are_the_worlds():
    room = """<geom name="wall" type="box" size="1 1 1" pos="9 0 0"/>
    <body name="room" pos="0 0 -1" quat="0.9 0.1 0 0"><geom name="ground" type="plane" size="1 1 1" pos="0 0 0.3"/>
      <body name="shelf" pos="1 0 0"><geom name="side" type="plane" size="1 1 1" quat="0.8 0 0.6 0"/></body></body>"""
    exclude = '<contact><exclude body1="room" body2="lower"/></contact>'
    scene, model = quietly(arm(world=room, bottom=exclude)), mujoco.MjModel.from_xml_string(arm(world=room))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    planes = {geom.name: geom for owner, geom in scene.all_geoms if owner < 0 and geom.shape == "plane"}
    assert set(planes) == {"ground", "side"}
    for name, plane in planes.items():
        turn = ds.physics.articulated.quaternions.rotation_of(plane.orientation)
        assert plane.position == pytest.approx(data.geom(name).xpos, abs=ROUNDING)
        assert turn.ravel() == pytest.approx(data.geom(name).xmat, abs=ROUNDING)
    names = [geom.name for _, geom in scene.all_geoms]
    found = {frozenset(names[k] for k in pair) for pair in scene.touching}
    assert frozenset(("ground", "bone")) in found
    assert frozenset(("ground", "other")) not in found
    assert frozenset(("side", "other")) in found


def test_names_that_are_made_up_give_way_to_those_of_the_file():
    scene = quietly(
        """<mujoco><worldbody><geom name="geom_1" size="0.1" pos="9 0 0"/>
        <body name="body_2" pos="0 0 1"><joint name="a"/><geom size="0.1"/>
          <body><joint name="b"/><geom size="0.1"/><site name="body_2"/><site name="body_2_site"/></body></body>
        </worldbody>
        <actuator><motor name="b" joint="a"/><motor joint="b"/><motor name="actuator_1" joint="a"/></actuator>
        </mujoco>"""
    )
    assert [geom.name for _, geom in scene.all_geoms] == ["geom_1", "geom_1_", "geom_2"]
    assert scene.places == ("body_2", "body_2_", "body_2_site_", "body_2_site")
    assert [each.name for each in scene.actuators] == ["b", "b_", "actuator_1"]


# What else can be loaded


def test_models_specifications_and_bytes_are_files_too():
    source = arm()
    expected = load_mjcf(source)
    spec = mujoco.MjSpec.from_string(source)
    model = mujoco.MjModel.from_xml_string(source)

    class Wrapped:
        ptr = model

    for given in (source.encode(), spec, model, Wrapped()):
        assert load_mjcf(given) == expected
    assert spec.compiler.fusestatic == mujoco.MjSpec.from_string(source).compiler.fusestatic  # as it was


def test_assets_are_files_without_a_disk():
    part = b'<mujoco><worldbody><body name="ball"><freejoint/><geom size="0.1"/></body></worldbody></mujoco>'
    whole = '<mujoco><include file="part.xml"/></mujoco>'
    assert [link.name for link in load_mjcf(whole, assets={"part.xml": part}).links] == ["ball"]
    assert [link.name for link in load_mjcf(whole, assets={"part.xml": part.decode()}).links] == ["ball"]
    with pytest.raises(InputError, match=r"load_mjcf cannot read the XML given: .*part.xml"):
        load_mjcf(whole)
    with pytest.raises(InputError, match=r"load_mjcf cannot read the 4 bytes given: they are no XML"):
        load_mjcf(b"\xff\xfe\x00\x80")


# Poses

SERVOS = """<keyframe>
  <key name="home" qpos="0.5 -0.7" ctrl="0.6 -0.9 0.1"/><key name="bare" qpos="0.2 0.1"/></keyframe>
<actuator>
  <position name="p" joint="shoulder" kp="40" ctrlrange="-1 3"/>
  <position name="q" joint="elbow" kp="40" gear="2"/>
  <motor name="m" joint="elbow" ctrlrange="-2 2"/>
</actuator>"""


def test_a_file_starts_from_its_pose():
    scene = quietly(arm(bottom=SERVOS), pose="home")
    assert scene.initial_position.tolist() == [0.5, -0.7]
    assert scene.pose_controls["home"].tolist() == [0.6, -0.9, 0.1]
    assert [each.neutral for each in scene.actuators] == [None, None, None]
    with pytest.raises(InputError, match="there is no pose 'up'; there are home, bare"):
        load_mjcf(arm(bottom=SERVOS), pose="up")
    with pytest.raises(InputError, match="pose_controls names 'up', but the poses are home, bare"):
        load_mjcf(arm(bottom=SERVOS), pose_controls={"up": [0, 0, 0]})


def test_an_action_of_zero_holds_the_pose():
    held = quietly(arm(bottom=SERVOS), pose="home", hold=True)
    assert [each.neutral for each in held.actuators] == [0.6, -0.9, 0.1]
    bare = quietly(arm(bottom=SERVOS)).posed("bare", hold=True)
    assert [each.neutral for each in bare.actuators] == pytest.approx([0.2, 0.2, 0.0])  # where the servos rest


@pytest.mark.parametrize("asked", [(0.0, 0.0, 0.0), (0.3, 0.4, -0.5), (-1.0, -1.5, 1.0)])
def test_an_action_goes_on_from_the_neutral_control(asked):
    """In MuJoCo with the controls that it stands for: the way to the farther end of the range, or 1."""
    scene = load_mjcf(arm(bottom=SERVOS), pose="home", hold=True, contacts=False)
    control = np.clip(0.6 + 2.4 * asked[0], -1, 3), -0.9 + asked[1], np.clip(0.1 + 2.1 * asked[2], -2, 2)
    model = gym.without_contacts(mujoco.MjModel.from_xml_string(arm(bottom=SERVOS)))
    data = mujoco.MjData(model)
    data.qpos[:], data.ctrl[:] = [0.5, -0.7], control
    mujoco.mj_step(model, data)
    with ds.Simulation(ds.Problem(scene, ds.OpenLoop(saturate=False), steps=1), precision="f64") as simulation:
        found = simulation.rollout({**simulation.params(), "controller.values": np.array([asked])})
    assert found.joint_velocity[1] == pytest.approx(data.qvel, rel=ROUNDING)


# Meshes


def ball_of(corners, radius=0.1):
    """XML of a mesh whose corners lie on a sphere."""
    k = np.arange(corners) + 0.5
    z, angle = 1.0 - 2.0 * k / corners, np.pi * (1.0 + 5.0**0.5) * k
    flat = np.sqrt(1.0 - z * z)
    points = radius * np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=1)
    return f'<asset><mesh name="m" vertex="{" ".join(f"{number:.6f}" for number in points.ravel())}"/></asset>'


MESH = '<geom name="shell" type="mesh" mesh="m" pos="0.3 0 0" quat="0.9 0.1 0.2 0"/>'
FLOOR = '<geom name="floor" type="plane" size="1 1 1"/>'


def test_a_mesh_is_its_corners():
    """All of them if they are few: where MuJoCo has them."""
    asset = ball_of(9)
    scene = quietly(arm(top=asset, world=FLOOR, body=MESH), contacts="world")
    model = mujoco.MjModel.from_xml_string(arm(top=asset, body=MESH))
    shell = next(geom for _, geom in scene.all_geoms if geom.name == "shell")
    turn = ds.physics.articulated.quaternions.rotation_of
    mine = shell.position + (shell.vertices * shell.size) @ turn(shell.orientation).T
    k = model.geom("shell").id
    theirs = model.geom_pos[k] + model.mesh_vert @ turn(model.geom_quat[k]).T
    assert np.array(sorted(mine.tolist())) == pytest.approx(np.array(sorted(theirs.tolist())), abs=1e-6)
    assert np.abs(shell.vertices).max(axis=0) == pytest.approx(np.ones(3))


def test_how_much_of_a_mesh_is_left_out_is_said():
    asset = ball_of(300)
    with pytest.warns(OmissionWarning, match=r"all but 16 corners of the hulls of 1 meshes, at most .* mm of geom 'sh"):
        scene = load_mjcf(arm(top=asset, world=FLOOR, body=MESH), contacts="world")
    shell = next(geom for _, geom in scene.all_geoms if geom.name == "shell")
    assert len(shell.vertices) == 16
    radii = np.linalg.norm(shell.vertices * shell.size, axis=1)
    assert radii == pytest.approx(np.full(16, 0.1), abs=2e-3)
    assert (shell.vertices.min(axis=0) < -0.6).all()
    assert (shell.vertices.max(axis=0) > 0.6).all()


def test_meshes_do_not_touch_their_own_robot_and_are_left_out_by_a_word():
    asset = ball_of(9)
    source = arm(top=asset, world=FLOOR, body=f'<body name="hand"><joint name="wrist"/>{MESH}</body>')
    with pytest.warns(OmissionWarning, match="1 pairs of geoms of the same robot, such as 'bone' and 'shell'"):
        scene = load_mjcf(source)
    names = [geom.name for _, geom in scene.all_geoms]
    assert {frozenset(names[k] for k in pair) for pair in scene.touching} == {
        frozenset(("floor", name)) for name in ("bone", "other", "shell")
    }
    with pytest.warns(OmissionWarning, match="geom 'shell' is a mesh that may touch"):
        assert "shell" not in [geom.name for _, geom in load_mjcf(source, ignore="mesh").all_geoms]


@pytest.mark.parametrize("save", [False, True])
def test_a_urdf_is_said_to_be_one(save, tmp_path):
    """MuJoCo reads it, but not its free joints, meshes and mimics as they are meant."""
    text = '<?xml version="1.0"?><robot name="r"><link name="l"/></robot>'
    (tmp_path / "r.xml").write_text(text)
    with pytest.raises(InputError, match="it is a URDF; load_urdf reads it"):
        ds.load_mjcf(tmp_path / "r.xml" if save else text)
