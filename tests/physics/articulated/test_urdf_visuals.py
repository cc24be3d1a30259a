"""What a URDF is seen as: shapes, meshes and colours, each against its closed form; its physics does not change."""

import re
import warnings
from itertools import pairwise

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import OmissionWarning
from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.look import look
from diffsim.viewing.look import Bodies

pytest.importorskip("mujoco")

LINK = """
  <link name="{name}">
    <inertial><origin xyz="0.1 0 0.03"/><mass value="1.3"/>
      <inertia ixx="0.02" iyy="0.03" izz="0.04" ixy="0.001" ixz="0" iyz="0"/></inertial>
    {seen}
    <collision><geometry><sphere radius="0.05"/></geometry></collision>
  </link>"""

JOINT = """
  <joint name="to {name}" type="revolute"><parent link="{parent}"/><child link="{name}"/>
    <origin xyz="0.3 0 0.1" rpy="0.2 0.3 0.4"/><axis xyz="0 1 0"/><limit lower="-1" upper="1" effort="30" velocity="3"/>
  </joint>"""

TURN = '<origin xyz="0.1 -0.2 0.3" rpy="0 0 1.5707963267948966"/>'

SEEN = {
    "base": f"""<visual>{TURN}<geometry><box size="0.2 0.4 0.6"/></geometry>
      <material name="blue"/></visual>""",
    "rod": """<visual><origin rpy="1.5707963267948966 0 0"/><geometry><cylinder radius="0.1" length="0.8"/></geometry>
      <material name="own"><color rgba="0.9 0.8 0.1 0.5"/></material></visual>
      <visual><origin xyz="0 0.4 0"/><geometry><sphere radius="0.15"/></geometry><material name="unknown"/></visual>""",
    "shell": f"""<visual>{TURN}<geometry><mesh filename="package://robot/meshes/shell.stl" scale="0.001 -0.002 0.003"/>
      </geometry><material name="blue"/></visual>""",
    "wedge": """<visual><geometry><mesh filename="../meshes/wedge.obj"/></geometry></visual>""",
    "hand": """<visual><origin xyz="0 0 1"/><geometry><mesh filename="package://robot/meshes/hand.dae"/></geometry>
      </visual>""",
    "empty": "",
}

CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def urdf(seen=SEEN):
    names = list(seen)
    links = "".join(LINK.format(name=name, seen=seen[name]) for name in names)
    joints = "".join(JOINT.format(name=name, parent=parent) for parent, name in pairwise(names))
    return f'<robot name="r"><material name="blue"><color rgba="0 0.25 1 1"/></material>{links}{joints}</robot>'


def ascii_stl():
    """The unit cube."""
    triangles = [(a, b, c) for a, b, c, d in QUADS] + [(a, c, d) for a, b, c, d in QUADS]
    facets = [
        "facet normal 0 0 0\nouter loop\n"
        + "".join(f"vertex {' '.join(map(str, CORNERS[k]))}\n" for k in three)
        + "endloop\nendfacet\n"
        for three in triangles
    ]
    return "solid cube\n" + "".join(facets) + "endsolid cube\n"


def obj():
    """Half of a unit cube: vertices counted from 1 and from the end, with normals that do not matter."""
    places = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1)]
    faces = "f 1 3 2\nf 4//1 5//1 6//1\nf 1 2 5 4\nf -5/1 -4/1 -1/1 -2/1\nf 3 1 4 6\n"
    return "# a wedge\n" + "".join(f"v {x} {y} {z}\n" for x, y, z in places) + "vn 0 0 1\n" + faces


def words(array):
    return " ".join(map(str, np.ravel(array)))


def collada(quads=QUADS, meter="0.01", extra=""):
    """A cube of 10 units, in its own node: turned by a quarter about z, then moved; one side is red, the others green.

    The green ones are a polylist, with normals in between; the red one is triangles.
    """
    first, rest = quads[0], quads[1:]
    green = [number for quad in rest for k in quad for number in (k, 0)]
    red = [first[0], first[1], first[2], first[0], first[2], first[3]]
    return f"""<?xml version="1.0"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
  <asset><unit name="centimeter" meter="{meter}"/><up_axis>Y_UP</up_axis></asset>
  <library_effects>
    <effect id="e1"><profile_COMMON><technique sid="c"><phong><diffuse><color>0 0.5 0 1</color></diffuse></phong>
      </technique></profile_COMMON></effect>
    <effect id="e2"><profile_COMMON><technique sid="c"><phong><diffuse><color>1 0 0 1</color></diffuse></phong>
      </technique></profile_COMMON></effect>
  </library_effects>
  <library_materials>
    <material id="m1"><instance_effect url="#e1"/></material><material id="m2"><instance_effect url="#e2"/></material>
  </library_materials>
  <library_geometries><geometry id="g"><mesh>
    <source id="p"><float_array id="pa" count="24">{words(10 * CORNERS)}</float_array>
      <technique_common><accessor source="#pa" count="8" stride="3"/></technique_common></source>
    <source id="n"><float_array id="na" count="3">0 0 1</float_array></source>
    <vertices id="v"><input semantic="POSITION" source="#p"/></vertices>
    <lines count="1" material="green"><input semantic="VERTEX" source="#v" offset="0"/><p>0 1</p></lines>
    <polylist count="5" material="green"><input semantic="VERTEX" source="#v" offset="0"/>
      <input semantic="NORMAL" source="#n" offset="1"/><vcount>{words([4] * len(rest))}</vcount>
      <p>{words(green)}</p></polylist>
    <triangles count="2" material="red"><input semantic="VERTEX" source="#v" offset="0"/><p>{words(red)}</p></triangles>
  </mesh></geometry></library_geometries>
  <library_visual_scenes><visual_scene id="s"><node><translate>5 0 0</translate><node>
    <rotate>0 0 1 90</rotate>{extra}
    <instance_geometry url="#g"><bind_material><technique_common>
      <instance_material symbol="green" target="#m1"/><instance_material symbol="red" target="#m2"/>
    </technique_common></bind_material></instance_geometry></node></node></visual_scene></library_visual_scenes>
  <scene><instance_visual_scene url="#s"/></scene>
</COLLADA>"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("robots") / "robot"
    for name in ("urdf", "meshes"):
        (folder / name).mkdir(parents=True)
    for name, text in (("shell.stl", ascii_stl()), ("wedge.obj", obj()), ("hand.dae", collada())):
        (folder / "meshes" / name).write_text(text)
    path = folder / "urdf" / "robot.urdf"
    path.write_text(urdf())
    return path


@pytest.fixture(scope="module")
def scene(file):
    return ds.load_urdf(file, floor=True, base="free")


@pytest.fixture(scope="module")
def parts(scene):
    """By the name of a link, what is seen of it in a picture: vertices in the link's frame, faces, fill."""
    pose = forward_kinematics(scene, scene.initial_position)
    arrays = {"position": pose.origin, "rotation": pose.rotation.reshape(len(scene.links), 9)}
    arrays = {name: np.stack([value] * 2) for name, value in arrays.items()}
    rollout = ds.Rollout(ds.Problem(scene, steps=1), {}, 0.1 * np.arange(2), arrays)
    (bodies,) = (element for element in look(rollout).elements if isinstance(element, Bodies))
    found = {link.name: [] for link in scene.links}
    for part in bodies.parts:
        placed = part.at + part.surface.vertices @ np.asarray(part.turn).T
        found[scene.links[part.body].name].append((placed, part.surface.faces, part.fill))
    return found


def volume(vertices, faces):
    """By Gauss: positive if the faces are counter-clockwise seen from outside."""
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    return (a * np.cross(b, c)).sum() / 6


def ordered(vertices):
    """In an order that rounding does not change."""
    return vertices[np.lexsort(vertices.round(6).T)]


def turned(vertices):
    """By a quarter about z, x to y, then moved: what TURN says."""
    x, y, z = vertices.T
    return np.stack([0.1 - y, -0.2 + x, 0.3 + z], axis=1)


# Where surfaces are


def test_a_box(parts):
    ((vertices, faces, fill),) = parts["base"]
    corners = turned((CORNERS - 0.5) * (0.2, 0.4, 0.6))
    assert ordered(vertices) == pytest.approx(ordered(corners), abs=1e-12)
    assert volume(vertices, faces) == pytest.approx(0.2 * 0.4 * 0.6)
    assert fill == pytest.approx((0, 0.25, 1, 1))


def test_a_cylinder_and_a_sphere(parts):
    (rod, faces, fill), (ball, round_, _) = parts["rod"]
    # Turned about x by a quarter, its axis is y.
    assert np.hypot(rod[:, 0], rod[:, 2]) == pytest.approx(np.full(len(rod), 0.1))
    assert np.abs(rod[:, 1]) == pytest.approx(np.full(len(rod), 0.4))
    sides = len(rod) // 2
    assert volume(rod, faces) == pytest.approx(0.8 * 0.1**2 * sides / 2 * np.sin(2 * np.pi / sides))
    assert fill == pytest.approx((0.9, 0.8, 0.1, 0.5))
    assert np.linalg.norm(ball - (0, 0.4, 0), axis=1) == pytest.approx(np.full(len(ball), 0.15))
    assert volume(ball - (0, 0.4, 0), round_) == pytest.approx(4 / 3 * np.pi * 0.15**3, rel=0.06)


def test_an_stl_with_a_scale_that_mirrors(parts):
    ((vertices, faces, fill),) = parts["shell"]
    assert ordered(vertices) == pytest.approx(ordered(turned(CORNERS * (0.001, -0.002, 0.003))), abs=1e-12)
    assert volume(vertices, faces) == pytest.approx(6e-9)
    assert fill == pytest.approx((0, 0.25, 1, 1))


def test_an_obj(parts):
    ((vertices, faces, _),) = parts["wedge"]
    assert len(vertices) == 6
    assert volume(vertices, faces) == pytest.approx(0.5)


def test_a_dae_of_two_colours(parts):
    """A cube of 0.1 m; its node moves it along x by 0.05 m, the URDF up by 1 m. That y is up does not count."""
    (green, many, green_fill), (red, two, red_fill) = parts["hand"]
    cube = np.stack([0.05 - 0.1 * CORNERS[:, 1], 0.1 * CORNERS[:, 0], 1 + 0.1 * CORNERS[:, 2]], axis=1)
    assert ordered(green) == pytest.approx(ordered(cube), abs=1e-12)
    assert ordered(red) == pytest.approx(ordered(cube[list(QUADS[0])]), abs=1e-12)
    assert volume(green, many) + volume(red, two) == pytest.approx(1e-3)
    assert (green_fill, red_fill) == (pytest.approx((0, 0.5, 0, 1)), pytest.approx((1, 0, 0, 1)))


def test_a_node_that_mirrors_turns_no_face_inside_out():
    text = collada(extra="<scale>-1 1 1</scale>")
    source = urdf({"base": '<visual><geometry><mesh filename="a.dae"/></geometry></visual>'})
    meshes = ds.load_urdf(source, assets={"a.dae": text}, base="free").meshes
    assert sum(volume(mesh.vertices, mesh.faces) for mesh in meshes) == pytest.approx(1e-3)


def test_shapes_to_touch_with_are_not_drawn_where_a_file_says_what_is_seen(scene):
    assert [geom.name for _, geom in scene.all_geoms if geom.visible] == ["floor"]
    assert scene.links[-1].visuals == ()


def test_a_surface_is_kept_once(file):
    same = '<visual><geometry><mesh filename="../meshes/shell.stl"/></geometry></visual>'
    path = file.with_name("twins.urdf")
    path.write_text(urdf({"base": same, "other": same + same}))
    scene = ds.load_urdf(path)
    assert len(scene.meshes) == 1
    assert [len(link.visuals) for link in scene.links] == [1, 2]


def test_the_number_of_triangles_counts_for_visuals(file):
    scene = ds.load_urdf(file, triangles=300)
    assert sum(len(mesh.faces) for mesh in scene.meshes) <= 300
    assert len(scene.meshes) == 7


# Physics


def physics(entry):
    """What a scene says, without its looks."""
    looks = ("visuals", "meshes", "visible")
    if isinstance(entry, dict):
        return {name: physics(value) for name, value in entry.items() if name not in looks}
    return [physics(value) for value in entry] if isinstance(entry, list) else entry


def test_physics_knows_nothing_of_looks(file, scene):
    bare = ds.load_urdf(re.sub("<visual>.*?</visual>", "", urdf(), flags=re.S), floor=True, base="free")
    unseen = ds.load_urdf(file, floor=True, base="free", triangles=0)
    assert len(scene.meshes) == 7
    assert (bare.meshes, unseen.meshes) == ((), ())
    for other in (bare, unseen):
        assert physics(scene.to_dict()) == physics(other.to_dict())
        numbers = other.numbers()
        assert all((value == numbers[name]).all() for name, value in scene.numbers().items())


# What cannot be had


def load(source, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scene = ds.load_urdf(source, base="free", **options)
    return scene, [str(each.message) for each in caught if each.category is OmissionWarning]


def test_a_file_that_is_not_there_is_one_warning():
    """What touches is drawn in its place, and the link that has a look is seen as that."""
    missing = '<visual><geometry><mesh filename="package://nowhere/looks.dae"/></geometry></visual>'
    scene, words = load(urdf({"base": missing, "arm": missing + SEEN["base"], "tip": missing}))
    why = "'package://nowhere/looks.dae', which is not there"
    assert words == [f"load_urdf left out: 3 visuals, such as one of link 'base', {why}"]
    assert [geom.visible for _, geom in scene.all_geoms] == [True, False, True]
    assert [len(link.visuals) for link in scene.links] == [0, 1, 0]
    _, words = load(urdf({"base": missing}))
    assert words == [f"load_urdf left out: a visual of link 'base', {why}"]
    assert load(urdf({"base": missing}), triangles=0)[1] == []


BAD = {
    "glb": ("m.glb", b"glTF", "'m.glb', which is not there"),
    "xml that ends": ("m.dae", "<COLLADA>", "'m.dae', which cannot be read as dae: no element found"),
    "other xml": ("m.dae", "<robot/>", "'m.dae', which cannot be read as dae: it begins with <robot>"),
    "no geometry": ("m.dae", "<COLLADA/>", "'m.dae', which has no triangles"),
    "corners beyond": ("m.dae", collada([(0, 1, 3, 9), *QUADS[1:]]), "'m.dae', which has triangles without corners"),
    "an odd unit": ("m.dae", collada(meter="one"), "'m.dae', which cannot be read as dae: could not convert"),
    "no inputs": ("m.dae", collada().replace("VERTEX", "V"), "cannot be read as dae: an input VERTEX is missing"),
    "a circle": (
        "m.dae",
        collada(extra='<instance_node url="#x"/>').replace("<node>", '<node id="x">', 1),
        "its nodes are within each other",
    ),
    "an empty stl": ("m.stl", b"", "'m.stl', which has no triangles"),
    "an stl that ends": ("m.stl", b"\0" * 80 + b"\7\0\0\0" + b"\0" * 90, "'m.stl', which has no triangles"),
    "an stl without numbers": ("m.stl", "vertex a b c\n", "'m.stl', which cannot be read as stl: could not convert"),
    "a flat obj": ("m.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "'m.obj', which has no triangles"),
    "an obj far away": ("m.obj", "v 0 0 0\nv 1e9 0 0\nv 0 1 0\nf 1 2 3\n", "has corners farther than 1e+06 m away"),
    "an obj": ("m.obj", "v 0 0 0\nf 1 2 3\n", "'m.obj', which has triangles without corners"),
}


@pytest.mark.parametrize("case", BAD)
def test_meshes_that_cannot_be_read(case):
    name, content, why = BAD[case]
    assets = {name: content} if name != "m.glb" else {}
    scene, words = load(
        urdf({"base": f'<visual><geometry><mesh filename="{name}"/></geometry></visual>'}), assets=assets
    )
    assert len(words) == 1
    assert why in words[0]
    assert scene.meshes == ()
    assert all(geom.visible for _, geom in scene.all_geoms)


@pytest.mark.parametrize(
    ("visual", "why"),
    [
        ("<visual/>", "a visual of link 'base', which has no box, cylinder, sphere or mesh"),
        ("<visual><geometry><torus/></geometry></visual>", "which has no box, cylinder, sphere or mesh"),
        ('<visual><geometry><box size="1 1"/></geometry></visual>', "whose box has size='1 1'"),
        ('<visual><geometry><sphere radius="-1"/></geometry></visual>', "whose sphere has radius='-1'"),
        ('<visual><geometry><cylinder radius="1"/></geometry></visual>', "whose cylinder has length=''"),
        (
            '<visual><geometry><mesh filename="m.stl" scale="1 0 1"/></geometry></visual>',
            "'m.stl', whose scale is '1 0 1'",
        ),
        ("<visual><geometry><mesh/></geometry></visual>", "'', which has no name"),
        ('<visual><origin rpy="a b c"/><geometry><sphere radius="1"/></geometry></visual>', "whose origin has rpy="),
        (
            '<visual><geometry><sphere radius="1"/></geometry><material name="m"><color rgba="1"/></material></visual>',
            "whose color has rgba='1'",
        ),
    ],
)
def test_visuals_that_cannot_be_read(visual, why):
    scene, words = load(urdf({"base": visual}), assets={"m.stl": ascii_stl()})
    assert len(words) == 1
    assert why in words[0]
    assert scene.links[0].visuals == ()


def test_what_is_seen_through_is_not_seen():
    clear = '<material name="clear"><color rgba="1 1 1 0"/></material>'
    scene, words = load(urdf({"base": f'<visual><geometry><sphere radius="1"/></geometry>{clear}</visual>'}))
    assert (words, scene.meshes) == ([], ())
