"""Numbers written back into a robot's own file: what changes, what does not, and what is refused."""

from __future__ import annotations

import difflib
from dataclasses import replace

import mujoco
import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

ARM = """<mujoco model="arm">
  <!-- a comment that must stay -->
  <compiler autolimits='true'/>
  <option timestep="0.002" gravity="0 0 -9.81"/>
  <default>
    <joint damping="0.1"/>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="1 1 .1"  friction="0.8 0.01 0.002"/>
    <body name="upper" pos="0 0 1">
      <joint name="shoulder" axis="0 1 0" range="-90 90" springref="10" stiffness="2"/>
      <geom name="bone" type="capsule" fromto="0 0 0 0 0 -.3" size=".03"/>
      <body name="fore" pos="0 0 -0.3">
        <joint name="elbow" axis="0 1 0"/>
        <inertial pos="0 0 -.15" mass="0.5" fullinertia="0.004 0.005 0.002 0 0 0.0002"/>
        <geom name="hand" size="0.04" pos="0 0 -.3"/>
        <site name="tip" pos="0 0 -.34"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <position name="servo" joint="elbow" kp="20" kv="1" ctrlrange="-1 1"/>
    <motor name="drive" joint="shoulder" gear="5" ctrlrange="-1 1"/>
  </actuator>
</mujoco>
"""


def robot(text=ARM, **options):
    return ds.load_mjcf(text, **options)


def lines_changed(before, after):
    return [
        line for line in difflib.unified_diff(before.splitlines(), after.splitlines(), n=0) if line[:2] in ("+ ", "+\t")
    ]


CHANGES = {
    "mass": lambda v: v * [1.0, 1.4],
    "inertia": lambda v: v * 1.1,
    "centre": lambda v: v + np.array([0.0, 0.001, 0.0]),
    "damping": lambda v: np.array([0.3, 0.1]),
    "stiffness": lambda v: v * 1.5,
    "armature": lambda v: np.array([0.0, 0.02]),
    "rest": lambda v: v + np.array([0.2, 0.0]),
    "joint_limits": lambda v: v * 0.9,
    "anchor": lambda v: v + np.array([0.01, 0.0, 0.0]),
    "friction": lambda v: v * 0.5,
    "geom_position": lambda v: v + np.array([[0, 0, 0], [0, 0, 0], [0.01, 0, 0]]),
    "geom_size": lambda v: v * np.array([[1.0], [1.0], [1.2]]),
    "geom_margin": lambda v: np.add(v, [0.0, 0.0, 0.004]),
    "gear": lambda v: v * [1.0, 2.0],
    "control_range": lambda v: v * 0.8,
    "link_position": lambda v: v + np.array([0.0, 0.0, 0.05]),
    "site_position": lambda v: v - [0.0, 0.0, 0.01],
    "gravity": lambda v: v * 0.5,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_number_comes_back_and_nothing_else_of_the_file_changes(name, tmp_path):
    scene = robot()
    value = CHANGES[name](scene.numbers()[name])
    changed = scene.with_numbers({name: value})
    path = ds.save_mjcf(changed, tmp_path / "found.xml", like=ARM)
    text = path.read_text()
    again = robot(text)
    for number, wanted in changed.numbers().items():
        np.testing.assert_allclose(again.numbers()[number], wanted, rtol=1e-9, atol=1e-12, err_msg=number)
    assert "a comment that must stay" in text
    words = {line[1:] for line in lines_changed(ARM, text)}
    assert 1 <= len(words) <= 4, words
    mujoco.MjModel.from_xml_string(text)


@pytest.mark.parametrize("name", ["friction_loss", "armature", "mass"])
def test_what_follows_from_others_is_left_to_the_file(name, tmp_path):
    """The width of dry friction follows from what a joint moves and loses when MuJoCo compiles the file."""
    text = ARM.replace('name="elbow" axis="0 1 0"', 'name="elbow" axis="0 1 0" frictionloss="0.2" armature="0.01"')
    scene = robot(text)
    value = np.array(scene.numbers()[name])
    value[1] *= 1.3
    path = ds.save_mjcf(scene.with_numbers({name: value}), tmp_path / "found.xml", like=text)
    assert robot(path).numbers()[name] == pytest.approx(value)
    assert robot(path).numbers()["friction_width"][1] != pytest.approx(scene.numbers()["friction_width"][1], rel=1e-3)
    width = np.array(scene.numbers()["friction_width"])
    width[1] *= 2.0
    with pytest.raises(InputError, match=r"cannot write scene\.friction_width"):
        ds.save_mjcf(scene.with_numbers({"friction_width": width}), tmp_path / "other.xml", like=text)


def test_a_robot_with_a_path_of_its_own_goes_back_into_its_file(tmp_path):
    text = """<mujoco><worldbody><body name="hand" mocap="true" pos="0 0 1"/>
      <body name="arm"><joint name="a" damping="0.3"/><geom size="0.1" pos="0.2 0 0"/></body></worldbody>
      <equality><weld name="grip" body1="hand" body2="arm"/></equality></mujoco>"""
    scene = robot(text, mocap={"hand": ds.Mocap([(0, 0, 1), (0, 0, 2)])})
    changed = scene.with_numbers({"damping": [0.5], "mocap_position": [(0, 0, 1), (0, 1, 1)]})
    path = ds.save_mjcf(changed, tmp_path / "found.xml", like=text)
    assert lines_changed(text, path.read_text()) == [f"+{text.splitlines()[1].replace('0.3', '0.5')}"]


def test_the_gains_of_a_servo_are_written_in_its_own_words(tmp_path):
    scene = robot()
    gain, bias = np.array(scene.numbers()["gain"]), np.array(scene.numbers()["bias"])
    gain[0], bias[0] = 35.0, (0.0, -35.0, -2.0)
    changed = scene.with_numbers({"gain": gain, "bias": bias})
    text = ds.save_mjcf(changed, tmp_path / "found.xml", like=ARM).read_text()
    assert '<position name="servo" joint="elbow" kp="35.0" kv="2.0" ctrlrange="-1 1"/>' in text


def test_what_an_actuator_has_no_word_for_is_refused_by_its_name(tmp_path):
    gain = np.array(robot().numbers()["gain"])
    gain[1] = 3.0
    with pytest.raises(InputError, match="actuator 'drive' is a <motor>, in which MJCF has no place for another gain"):
        ds.save_mjcf(robot().with_numbers({"gain": gain}), tmp_path / "found.xml", like=ARM)


def test_what_a_default_gave_is_written_where_it_differs(tmp_path):
    changed = robot().with_numbers({"damping": np.array([0.1, 0.7])})
    text = ds.save_mjcf(changed, tmp_path / "found.xml", like=ARM).read_text()
    assert '<joint name="elbow" axis="0 1 0" damping="0.7"/>' in text
    assert '<joint damping="0.1"/>' in text


def test_without_changes_the_file_is_the_same_to_the_byte(tmp_path):
    assert ds.save_mjcf(robot(), tmp_path / "found.xml", like=ARM).read_text() == ARM
    moved = replace(robot(), initial_position=(0.3, 0.2))
    assert ds.save_mjcf(moved, tmp_path / "moved.xml", like=ARM).read_text() == ARM


def test_radians_stay_radians(tmp_path):
    text = ARM.replace("autolimits='true'", 'angle="radian"').replace("-90 90", "-1.5 1.5").replace('"10"', '"0.2"')
    scene = robot(text)
    changed = scene.with_numbers({"rest": np.array([0.5, 0.0])})
    assert 'springref="0.5"' in ds.save_mjcf(changed, tmp_path / "found.xml", like=text).read_text()


def test_a_file_on_disk_with_a_mesh_of_its_own(tmp_path):
    folder = tmp_path / "robot"
    folder.mkdir()
    (folder / "cube.obj").write_text(
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nv 1 1 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 5\nf 3 4 5\nf 4 2 5\n"
    )
    text = ARM.replace(
        "<worldbody>", '<asset><mesh name="cube" file="cube.obj" scale=".1 .1 .1"/></asset>\n  <worldbody>'
    ).replace(
        '<site name="tip"',
        '<geom type="mesh" mesh="cube" contype="0" conaffinity="0" mass="0"/>\n        <site name="tip"',
    )
    (folder / "robot.xml").write_text(text)
    scene = ds.load_mjcf(folder / "robot.xml")
    changed = scene.with_numbers({"mass": scene.numbers()["mass"] * 2.0})
    path = ds.save_mjcf(changed, folder / "found.xml", like=folder / "robot.xml")
    again = ds.load_mjcf(path)
    assert again.numbers()["mass"].tolist() == changed.numbers()["mass"].tolist()
    assert len(again.links[-1].visuals) == 1


def test_what_was_identified_goes_back_into_the_file(tmp_path):
    scene = replace(robot(contacts=False), initial_position=(0.5, 0.4))
    problem = ds.Problem(scene, steps=100, tune=("scene.mass[1]",))
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        rollout = simulation.rollout({"scene.mass[1]": np.array(0.9)})
    log = ds.Log(rollout.time, {"shoulder": rollout.joint_position[:, 0], "elbow": rollout.joint_position[:, 1]})
    found = ds.identify(scene, log, tune="scene.mass[1]", progress=False)
    path = ds.save_mjcf(found.problem.scene, tmp_path / "found.xml", like=ARM)
    assert mujoco.MjModel.from_xml_path(str(path)).body("fore").mass[0] == pytest.approx(0.9, rel=1e-6)


def test_gymnasiums_robots_take_numbers(tmp_path):
    gymnasium = pytest.importorskip("gymnasium")
    assert gymnasium
    like = "gymnasium:envs/mujoco/assets/half_cheetah.xml"
    scene = ds.load_mjcf(like)
    changed = scene.with_numbers({"damping": scene.numbers()["damping"] * 1.3, "gear": scene.numbers()["gear"] * 0.7})
    again = ds.load_mjcf(ds.save_mjcf(changed, tmp_path / "found.xml", like=like))
    np.testing.assert_allclose(again.numbers()["damping"], changed.numbers()["damping"], rtol=1e-12)
    np.testing.assert_allclose(again.numbers()["gear"], changed.numbers()["gear"], rtol=1e-12)


BAD = {
    "another robot": (lambda: robot(ARM.replace("fore", "hand_")), {}, "is not the robot of this file: links differ"),
    "no place in a file": (lambda: replace(robot(), slip_speed=0.1), {}, r"cannot write scene\.slip_speed"),
    "masses from geoms": (
        lambda: robot().with_numbers({"mass": robot().numbers()["mass"] * 2.0}),
        {"like": ARM.replace("autolimits='true'", 'inertiafromgeom="true"')},
        "links|takes them from geoms",
    ),
    "a gain of a servo without its bias": (
        lambda: robot().with_numbers({"gain": np.array([30.0, 1.0])}),
        {},
        r"cannot write scene\.(gain|bias)",
    ),
    "no scene of a robot": (lambda: 3, {}, "writes robots, but 3"),
    "a word that leaves nothing": (robot, {"leave": ("slip",)}, "leave names 'slip'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_written_is_named_and_nothing_is(case, tmp_path):
    make, options, message = BAD[case]
    with pytest.raises(ds.InputError, match=message):
        ds.save_mjcf(make(), tmp_path / "found.xml", **{"like": ARM, **options})
    assert not (tmp_path / "found.xml").exists()


def test_what_has_no_place_can_be_left(tmp_path):
    changed = replace(robot(), slip_speed=0.1).with_numbers({"damping": np.array([0.2, 0.1])})
    text = ds.save_mjcf(changed, tmp_path / "found.xml", like=ARM, leave="slip_speed").read_text()
    assert 'damping="0.2"' in text


def test_what_a_file_includes_is_in_the_new_one(tmp_path):
    begin, rest = ARM.split("<worldbody>")
    bodies, end = rest.split("</worldbody>")
    parts = {
        "world.xml": '<mujocoinclude><worldbody><include file="bodies.xml"></include></worldbody></mujocoinclude>',
        "bodies.xml": f"<mujocoinclude>{bodies}</mujocoinclude>",
    }
    whole = f'{begin}<include file="world.xml"/>{end}'
    for name, text in {**parts, "whole.xml": whole}.items():
        (tmp_path / name).write_text(text)
    scene = robot()
    other = scene.with_numbers({"damping": 1.1 * scene.numbers()["damping"]})
    expected = ds.save_mjcf(other, tmp_path / "one.xml", like=ARM).read_text()
    for like, assets in ((tmp_path / "whole.xml", None), (whole, parts)):
        found = ds.save_mjcf(other, tmp_path / "found.xml", like=like, assets=assets).read_text()
        assert "".join(found.split()) == "".join(expected.split())
    with pytest.raises(ds.InputError, match=r"'world.xml', which is not among its assets"):
        ds.save_mjcf(other, tmp_path / "found.xml", like=whole)


def test_a_file_in_parts_is_refused_with_a_way_out(tmp_path):
    text = ARM.replace(
        '<body name="fore"', '<replicate count="1" offset="1 0 0"><geom size=".01"/></replicate><body name="fore"'
    )
    scene = robot(text)
    with pytest.raises(ds.InputError, match=r"<replicate>.*to_xml"):
        ds.save_mjcf(scene, tmp_path / "found.xml", like=text)


def test_a_geom_without_a_name_is_asked_for_one(tmp_path):
    text = ARM.replace('name="hand" ', "")
    scene = robot(text)
    changed = scene.with_numbers({"friction": scene.numbers()["friction"] * 0.5})
    with pytest.raises(ds.InputError, match="has no name in this file; give it one"):
        ds.save_mjcf(changed, tmp_path / "found.xml", like=text)


LIMB = """<mujoco><worldbody>
    <geom name="table" type="box" size="1 1 .1" pos="0 0 -1"/>
    <body name="upper" pos="0 0 1"><joint name="shoulder" axis="0 1 0"/><geom name="bone" size="0.05"/>
      <site name="a" pos="0.05 0 0"/>
      <body name="fore" pos="0 0 -0.3"><joint name="elbow" axis="0 1 0"/><geom name="hand" size="0.04" pos="0 0 -.1"/>
        <site name="b" pos="0.05 0 -0.1"/></body></body>
    <body name="load" pos="0.2 0 0.7"><freejoint/><geom name="block" size="0.05"/></body>
  </worldbody>
  <contact><pair name="clap" geom1="hand" geom2="table" friction="0.7 0.7 0.02 0.001 0.001" condim="6"/></contact>
  <tendon>
    <spatial name="rope" stiffness="30" range="0 1" limited="true" margin="0.01"><site site="a"/><site site="b"/>
      <pulley divisor="2"/><site site="b"/><site site="a"/></spatial>
    <fixed name="bow" damping="0.2" frictionloss="0.1"><joint joint="elbow" coef="1.5"/></fixed></tendon>
  <equality><joint name="mimic" joint1="elbow" joint2="shoulder" polycoef="0 0.5 0 0 0"/>
    <tendon name="length" tendon1="bow" polycoef="0.1 0 0 0 0"/><tendon name="both" tendon1="rope" tendon2="bow"/>
    <weld name="grasp" body1="fore" body2="load"/></equality>
  <actuator><muscle name="biceps" tendon="rope" lengthrange="0.1 0.6" scale="100"/>
    <general name="triceps" joint="elbow" gaintype="muscle" biastype="muscle" dyntype="muscle" lengthrange="-1 1"
      gainprm="0.7 1.1 80 200 0.5 1.6 1.5 1.3 1.2" biasprm="0.7 1.1 80 200 0.5 1.6 1.5 1.3 1.2" dynprm="0.01 0.04"/>
  </actuator>
</mujoco>"""

OF_LIMB = {
    **dict.fromkeys(("stiffness", "damping", "rest", "limits", "friction_loss", "coefficient", "divisor"), "tendon"),
    **dict.fromkeys(("polynomial", "reference", "impedance"), "equality"),
    **dict.fromkeys(("friction", "torsion", "rolling", "margin"), "pair"),
    **dict.fromkeys(
        ("force", "length_range", "operating_range", "shortest", "longest", "fastest", "passive"), "muscle"
    ),
}
MORE = ("muscle_lengthening", "time_constant", "deactivation_time", "activation_width", "hold_lever", "hold_reference")


@pytest.mark.parametrize("name", [*(f"{of}_{name}" for name, of in OF_LIMB.items()), *MORE])
def test_numbers_of_tendons_equalities_pairs_and_muscles_come_back(name, tmp_path):
    scene = ds.load_mjcf(LIMB)
    changed = scene.with_numbers({name: 1.05 * scene.numbers()[name] + 0.01 * (scene.numbers()[name] == 0.0)})
    if name == "equality_impedance":
        changed = scene.with_numbers({name: scene.numbers()[name] * [1.01, 1.01, 1.1, 1.1, 1.1]})
    # What follows from these is worked out again by MuJoCo: how soft limits and friction are, lengths at rest and those
    # from which polynomials count.
    moved = name in ("tendon_limits", "tendon_coefficient", "tendon_friction_loss", "tendon_divisor")
    again = ("friction_width", "weight", "limit_stiffness", "limit_damping", "tendon_rest", "polynomial")
    leave = [n for n in scene.numbers() if n.endswith(again)] if moved else []
    text = ds.save_mjcf(changed, tmp_path / "found.xml", like=LIMB, leave=leave).read_text()
    found = ds.load_mjcf(text).numbers()[name]
    np.testing.assert_allclose(found, changed.numbers()[name], rtol=1e-9, atol=1e-12)
    assert 1 <= len(lines_changed(LIMB, text)) <= 3
