"""URDF as people have it: packages, meshes that are not there, bases that move, inertias that cannot be, xacro."""

import struct
import warnings

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.mjcf import load_urdf
from diffsim.physics.articulated.urdf import compiled_urdf

mujoco = pytest.importorskip("mujoco")

INERTIA = '<inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/>'

ROBOT = """
<robot name="walker">
  <link name="base">
    <inertial><mass value="3"/>{inertia}</inertial>
    <collision><origin xyz="0 0 0.1"/><geometry>{shape}</geometry></collision>{more}
  </link>
  <link name="leg">
    <inertial><origin xyz="0 0 -0.3"/><mass value="1"/>{inertia}</inertial>
    <collision name="foot"><origin xyz="0 0 -0.5"/><geometry><sphere radius="0.1"/></geometry></collision>
  </link>
  <joint name="hip" type="revolute"><parent link="base"/><child link="leg"/><origin xyz="0 0.4 0"/><axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="30" velocity="3"/></joint>
</robot>
"""


def robot(shape='<box size="0.2 0.2 0.2"/>', more="", inertia=INERTIA):
    return ROBOT.format(shape=shape, more=more, inertia=inertia)


def solid(half=0.1, flat=False):
    """A binary STL of a box, or of a square."""
    corners = half * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
    faces = [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6),
             (0, 6, 4), (1, 5, 7), (1, 7, 3)]  # fmt: skip
    return stl(corners, faces[:2] if flat else faces)


def stl(corners, faces):
    triangles = b"".join(
        struct.pack("<12fH", 0, 0, 1, *(number for k in face for number in corners[k]), 0) for face in faces
    )
    return b"\0" * 80 + struct.pack("<I", len(faces)) + triangles


@pytest.fixture
def package(tmp_path):
    """A package as ROS has it: robots/walker/urdf/walker.urdf beside robots/walker/meshes/trunk.stl."""
    folder = tmp_path / "robots" / "walker"
    for name in ("urdf", "meshes"):
        (folder / name).mkdir(parents=True)
    (folder / "meshes" / "trunk.stl").write_bytes(solid())
    (folder / "meshes" / "trunk.dae").write_text("<COLLADA/>")
    (folder / "meshes" / "wood.dae").write_text("<COLLADA/>")
    (folder / "meshes" / "sheet.stl").write_bytes(solid(flat=True))

    def write(filename):
        file = folder / "urdf" / "walker.urdf"
        file.write_text(robot(f'<mesh filename="{filename}"/>'))
        return file

    return write


def omitted(source, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scene = load_urdf(source, **options)
    return scene, [str(each.message) for each in caught if each.category is OmissionWarning]


# Meshes


@pytest.mark.parametrize(
    "filename",
    [
        "package://walker/meshes/trunk.stl",
        "package://some_description/meshes/trunk.stl",
        "model://walker/meshes/trunk.stl",
        "../meshes/trunk.stl",
        "meshes/trunk.stl",
        "package://walker/meshes/trunk.dae",
    ],
)
def test_meshes_are_found_from_the_folder_of_the_file_upwards(package, filename):
    """Of one that MuJoCo does not read, its neighbour of the same name."""
    _, words = omitted(package(filename), ignore="mesh")
    assert not [each for each in words if "which is not there" in each or "does not read" in each]


@pytest.mark.parametrize(
    ("filename", "why"),
    [
        ("package://walker/meshes/nothing.stl", "'package://walker/meshes/nothing.stl', which is not there"),
        ("meshes/wood.dae", r"'meshes/wood.dae', which MuJoCo does not read \(.stl, .obj, .msh it does\)"),
        ("meshes/sheet.stl", "which is no solid"),
    ],
)
def test_meshes_that_cannot_be_had_are_left_out(package, filename, why):
    with pytest.warns(OmissionWarning, match=f"a collision mesh of link 'base', .*{why}"):
        scene = load_urdf(package(filename))
    assert [geom.name for _, geom in scene.all_geoms] == ["foot"]


def test_meshes_are_assets():
    source = robot('<mesh filename="package://walker/meshes/trunk.stl"/>')
    for name in ("trunk.stl", "walker/meshes/trunk.stl", "package://walker/meshes/trunk.stl"):
        _, words = omitted(source, assets={name: solid()}, ignore="mesh")
        assert "which is not there" not in words[0]
    _, words = omitted(source)
    assert "which is not there" in words[0]


@pytest.mark.parametrize("scale", [(-1.0, 1.0, 1.0), (1.0, -2.0, 1.0), (-1.0, -1.0, -1.0)])
def test_a_mesh_may_be_mirrored(scale):
    """Its corners are where scale, turn and shift of the URDF put them, but for MuJoCo's float32."""
    corners = np.array([(0.0, 0.0, 0.0), (0.3, 0.0, 0.0), (0.0, 0.2, 0.0), (0.0, 0.0, 0.1)])
    source = robot(f'<mesh filename="wedge.stl" scale="{" ".join(map(str, scale))}"/>')
    source = source.replace('xyz="0 0 0.1"', 'xyz="0 0 0.1" rpy="0.5 0 0"')
    faces = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]
    scene, _ = omitted(source, assets={"wedge.stl": stl(corners, faces)})
    geom = next(geom for _, geom in scene.all_geoms if geom.shape == "mesh")
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, geom.orientation)
    found = geom.position + (geom.vertices * geom.size) @ matrix.reshape(3, 3).T
    turn = np.array([(1.0, 0.0, 0.0), (0.0, np.cos(0.5), -np.sin(0.5)), (0.0, np.sin(0.5), np.cos(0.5))])
    wanted = (0.0, 0.0, 0.1) + (corners * scale) @ turn.T
    assert len(found) == len(wanted)
    assert np.abs(found[:, None] - wanted).max(axis=2).min(axis=0) == pytest.approx(0.0, abs=1e-7)


# Joints


def chained(*joints):
    """Links one after the other, each moved by a joint: its kind, and more XML."""
    links = "".join(
        f'<link name="{k}"><inertial><origin xyz="0.02 0.1 -0.3"/><mass value="1"/>{INERTIA}</inertial></link>'
        for k in range(len(joints) + 1)
    )
    limit = '<limit lower="{}" upper="{}" effort="9" velocity="9"/>'
    each = "".join(
        f'<joint name="{"jklm"[k]}" type="{kind}"><parent link="{k}"/><child link="{k + 1}"/><origin xyz="0 0.4 0.1"/>'
        f'<axis xyz="0 1 0"/>{limit.format(*ends)}{more}</joint>'
        for k, (kind, ends, more) in enumerate(joints)
    )
    return f"<robot name='arm'>{links}{each}</robot>"


def test_joints_follow_each_other_as_in_mujoco():
    """A chain whose first is led by its third; of a continuous joint limits are none of its position."""
    source = chained(
        ("continuous", (-0.1, 0.1), '<mimic joint="l" multiplier="-0.5" offset="0.2"/>'),
        ("prismatic", (-1, 1), '<mimic joint="j" offset="0.1"/>'),
        ("continuous", (-0.1, 0.1), ""),
        ("revolute", (-0.3, 0.2), ""),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", OmissionWarning)
        scene = load_urdf(source, contact_law="mujoco")
    assert [joint.limits is None for joint in scene.joints] == [True, False, True, False]
    model = compiled_urdf(mujoco, "a test", source, None)[0]
    model.opt.tolerance, model.opt.iterations = 0.0, 100
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = (0.4, 1.2, 0.3, -0.5), (1.0, 0.5, -2.0, -0.3)
    start = {"scene.initial_position": data.qpos.copy(), "scene.initial_velocity": data.qvel.copy()}
    mujoco.mj_step(model, data)
    assert (data.ne, data.nl) == (2, 2)
    with ds.Simulation(ds.Problem(scene, steps=1, tune=tuple(start)), precision="f64", executor="staged") as simulation:
        found = simulation.rollout({**simulation.params(), **start})
    assert np.abs(found.joint_velocity[1] - data.qvel).max() < 1e-9
    assert np.abs(found.joint_position[1] - data.qpos).max() < 1e-9


@pytest.mark.parametrize(
    ("joints", "words"),
    [
        ([("revolute", (-1, 1), '<mimic joint="z"/>')], "<mimic> of joint 'j': 'z' is no revolute, continuous, prism"),
        ([("fixed", (0, 0), ""), ("revolute", (-1, 1), '<mimic joint="j"/>')], "<mimic> of joint 'k': 'j' is no rev"),
        ([("planar", (0, 0), '<mimic joint="k"/>'), ("revolute", (-1, 1), "")], "<mimic> of joint 'j': 'j' is no rev"),
        ([("revolute", (0.5, 0.5), "")], "the limits of joint 'j', both 0.5; a joint that cannot move is of type fixe"),
    ],
)
def test_what_mujoco_ignores_at_joints_is_said(joints, words):
    with pytest.warns(OmissionWarning, match=words):
        load_urdf(chained(*joints))


# Bases and floors


def test_a_base_is_held_or_free():
    assert [joint.motion for joint in load_urdf(robot()).joints] == ["hinge"]
    scene = load_urdf(robot(), base="free")
    assert [(joint.motion, link.name) for link in scene.links for joint in link.joints] == [
        ("free", "base"),
        ("hinge", "leg"),
    ]
    with pytest.raises(InputError, match="load_urdf: base is 'loose'"):
        load_urdf(robot(), base="loose")


@pytest.mark.parametrize("base", ["free", "fixed"])
@pytest.mark.parametrize("shape", ["sphere", "box", "cylinder"])
def test_a_robot_stands_on_a_floor(base, shape):
    """Its lowest point, 0.5 + 0.1 below its frame, or that of a long shape."""
    sizes = {"sphere": 'radius="0.9"', "box": 'size="0.2 0.2 1.8"', "cylinder": 'radius="0.1" length="1.8"'}
    for given, lowest in (('<box size="0.2 0.2 0.2"/>', 0.6), (f"<{shape} {sizes[shape]}/>", 0.8)):
        scene, _ = omitted(robot(given), base=base, floor=True)
        assert [(geom.name, geom.shape) for geom in scene.geoms] == [("floor", "plane")]
        height = scene.initial_position[2] if base == "free" else scene.links[0].position[2]
        assert height == pytest.approx(lowest, abs=1e-7)


def test_names_of_floors_give_way():
    scene = load_urdf(robot().replace('name="foot"', 'name="floor"'), floor=True)
    assert next(geom.name for _, geom in scene.all_geoms) == "floor_"


# What cannot be read

BAD = {
    "a triangle that is none": ('<inertia ixx="1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/>', "'base'"),
    "nothing": ('<inertia ixx="0" iyy="0" izz="0" ixy="0" ixz="0" iyz="0"/>', "'leg'"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_inertia_that_cannot_be_is_named_with_what_to_do(case):
    inertia, name = BAD[case]
    source = robot(inertia=inertia)
    with pytest.raises(InputError, match=f"the inertia of link {name} cannot be simulated.*correct its <inertial>, or"):
        load_urdf(source)
    scene = load_urdf(source, ignore="inertia")
    for link in scene.links:
        assert link.inertia.max() <= link.inertia.sum() - link.inertia.max() + 1e-15
        assert link.inertia.min() > 0.0


def test_of_several_inertias_the_first_counts():
    other = f'<inertial><mass value="77"/>{INERTIA}</inertial>'
    assert load_urdf(robot(more=other)).links[0].mass == 3


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('<robot xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:arm/></robot>', "it is xacro, which makes a URDF"),
        ('<robot><link name="${name}"/></robot>', "it is xacro, which makes a URDF"),
        ("<mujoco/>", "a URDF begins with <robot>, this with <mujoco>; load_mjcf reads it"),
        ("<sdf/>", "a URDF begins with <robot>, this with <sdf>$"),
        ("<robot>", "no element found"),
        ("<robot name='r'><link name='a'/><link name='a'/></robot>", "two links are named 'a'"),
    ],
)
def test_what_is_no_urdf_is_said(source, words):
    with pytest.raises(InputError, match=f"load_urdf cannot read the XML given: .*{words}"):
        load_urdf(source)


def test_what_was_xacro_is_read():
    source = robot().replace("<robot ", '<robot xmlns:xacro="http://www.ros.org/wiki/xacro" ')
    assert len(load_urdf(source).links) == 2
    assert len(load_urdf(source.encode()).links) == 2
