"""Robots that are seen as meshes: from MuJoCo's files to pictures and to the page."""

import json
import zlib
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError
from diffsim.viewing.camera import Camera, Viewport
from diffsim.viewing.look import Bodies, Part, Surface
from diffsim.viewing.player import recordings
from diffsim.viewing.report import _entries
from diffsim.viewing.sight import look_of
from diffsim.viewing.solids import Layers, Solids

CUBE = "-1 -1 -1 1 -1 -1 -1 1 -1 1 1 -1 -1 -1 1 1 -1 1 -1 1 1 1 1 1"
FACES = np.fromstring("0 2 1 1 2 3 4 5 6 5 7 6 0 1 4 1 5 4 2 6 3 3 6 7 0 4 2 2 4 6 1 3 5 3 7 5", int, sep=" ").reshape(
    -1, 3
)
CORNERS = np.fromstring(CUBE, sep=" ").reshape(8, 3)

ROBOT = f"""
<mujoco>
  <asset>
    <mesh name="shell" vertex="{CUBE}" scale=".1 .2 .3"/>
    <texture name="paint" type="2d" builtin="flat" rgb1=".2 .4 .8" width="4" height="4"/>
    <material name="red" rgba="1 0 0 1"/>
    <material name="painted" texture="paint"/>
  </asset>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 .1"/>
    <body name="trunk" pos="0 0 1">
      <freejoint/>
      <geom type="mesh" mesh="shell" material="red" contype="0" conaffinity="0" mass="0"/>
      <geom name="core" type="box" size=".1 .2 .3" group="3" mass="1"/>
      <body name="arm" pos="0 0 .5">
        <joint axis="0 1 0"/>
        <geom name="hand" type="sphere" size=".1" material="painted" mass="1"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""


@pytest.fixture(scope="module")
def robot():
    pytest.importorskip("mujoco")
    return ds.load_mjcf(ROBOT)


@pytest.fixture(scope="module")
def still(robot):
    """A rollout in which it stays where it is."""
    from diffsim.physics.articulated.kinematics import forward_kinematics

    pose = forward_kinematics(robot, robot.initial_position)
    arrays = {"position": pose.origin, "rotation": pose.rotation.reshape(len(robot.links), 9)}
    arrays = {name: np.stack([value] * 3) for name, value in arrays.items()}
    return ds.Rollout(ds.Problem(robot, steps=2), {}, 0.1 * np.arange(3), arrays)


def test_a_mesh_that_is_seen_stands_for_what_touches(robot):
    (shell,) = robot.meshes
    low, high = shell.vertices.min(axis=0), shell.vertices.max(axis=0)
    assert sorted((high - low).round(6)) == pytest.approx([0.2, 0.4, 0.6])
    assert len(shell.faces) == 12
    (visual,) = robot.links[0].visuals
    assert visual.colour == pytest.approx([1, 0, 0, 1])
    assert {geom.name: geom.visible for _, geom in robot.all_geoms} == {"floor": True, "core": False, "hand": True}
    # The material's colour, with the mean of its texture.
    hand = next(geom for _, geom in robot.all_geoms if geom.name == "hand")
    assert hand.colour == pytest.approx([0.2, 0.4, 0.8, 1], abs=1 / 255)


def test_without_triangles_there_are_no_meshes():
    pytest.importorskip("mujoco")
    scene = ds.load_mjcf(ROBOT, triangles=0)
    assert scene.meshes == ()
    assert scene.links[0].visuals == ()
    assert all(geom.visible for _, geom in scene.all_geoms)


def test_the_physics_of_a_robot_knows_nothing_of_its_looks(robot):
    bare = ds.load_mjcf(ROBOT, triangles=0)
    one, other = robot.numbers(), bare.numbers()
    assert one.keys() == other.keys()
    assert all((one[name] == other[name]).all() for name in one)


def test_it_comes_back_from_json(robot):
    again = ds.Articulated.from_dict(json.loads(json.dumps(robot.to_dict())))
    assert again == robot
    assert again.with_numbers({"mass": 2.0 * robot.numbers()["mass"]}).meshes[0] == robot.meshes[0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: ds.Mesh("m", np.zeros((3, 3)), [(0, 1, 3)]), r"mesh 'm': faces\[0\] is of vertices \[0, 1, 3\]"),
        (lambda: ds.Mesh("m", np.zeros((3, 3)), ()), "mesh 'm': faces is empty"),
        (lambda: ds.Visual("m", colour=(2.0, 0.0, 0.0)), "visual of mesh 'm': colour"),
        (lambda: Surface(np.zeros((3, 3)), [(0, 1, 3)]), r"Surface.faces\[0, 2\] is 3"),
        (lambda: Part("mesh", (1, 1, 1), at=(0, 0, 0)), "Part.surface is None of a mesh"),
    ],
)
def test_errors(wrong, words):
    with pytest.raises(InputError, match=words):
        wrong()


def test_a_visual_is_of_a_mesh_that_is_there(robot):
    link = replace(robot.links[0], visuals=ds.Visual("hull"))
    with pytest.raises(InputError, match="a visual of link 'trunk' is of mesh 'hull', but the meshes are shell"):
        replace(robot, links=[link, *robot.links[1:]])


@pytest.mark.parametrize("triangles", [-1, 2.5])
def test_triangles_are_a_number(triangles):
    pytest.importorskip("mujoco")
    with pytest.raises(InputError, match="load_mjcf: triangles"):
        ds.load_mjcf(ROBOT, triangles=triangles)


def layers_of(camera, viewport, shape, turn, size):
    """What is painted of one solid, as a shape or as a mesh."""
    surface = Surface(CORNERS * size, FACES) if shape == "mesh" else None
    found = Layers(camera, viewport, 0.0)
    fill = np.array([[0.2, 0.6, 0.4, 1.0]])
    found.paint(camera, Solids((shape,), (surface,), np.zeros((1, 3)), turn[None], np.array([size]), fill, fill))
    return found


@pytest.mark.parametrize("perspective", [True, False])
def test_a_cube_of_triangles_looks_as_a_box(perspective):
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turn[:, 0] *= np.linalg.det(turn)
    size, viewport = np.array([0.5, 0.3, 0.4]), Viewport(0, 0, 300, 260)
    camera = Camera.fit(1.2 * CORNERS, viewport, azimuth=20, elevation=30, perspective=perspective)
    one, other = (layers_of(camera, viewport, shape, turn, size) for shape in ("box", "mesh"))
    inside = (one.coverage > 0.999) & (other.coverage > 0.999)
    assert inside.sum() > 0.9 * (one.coverage > 0.01).sum()
    assert other.coverage.sum() == pytest.approx(one.coverage.sum(), rel=0.03)
    # Nearness goes in a straight line over a triangle, which in perspective it does not quite.
    assert np.abs(one.near - other.near)[inside].max() < (0.02 if perspective else 1e-4)
    assert np.median(np.abs(one.colour - other.colour).max(axis=0)[inside]) < 0.01


def test_a_picture_of_the_robot_is_red(still):
    picture = ds.snapshot(still, 0, size=(160, 140)).astype(float)
    red = (picture[..., 0] > 120) & (picture[..., 1] < 90) & (picture[..., 2] < 90)
    assert red.sum() > 400


def test_the_page_holds_a_surface_once(still):
    found = recordings([still, still])
    entries, stills = _entries([0, 1], found, 1)
    read = [json.loads(zlib.decompress(b64decode(text))) for text in stills]
    assert len(read) == 2
    assert entries[0]["still"] == entries[1]["still"]
    plain = read[entries[0]["still"]]
    (surface,) = read[plain["surfaces"]]
    bodies = next(element for element in plain["elements"] if element["kind"] == "bodies")
    assert [part.get("surface") for parts in bodies["parts"] for part in parts] == [None, 0] or [
        part.get("surface") for parts in bodies["parts"] for part in parts
    ] == [0, None]
    (bodies,) = look_of(still).of(Bodies)
    (shown,) = (part.surface for part in bodies.parts if part.surface is not None)
    places = np.array(surface["vertices"]).reshape(-1, 3) * surface["step"]
    assert np.abs(places - shown.vertices).max() <= 0.5001 * surface["step"]
    assert (np.cumsum(surface["faces"]).reshape(-1, 3) == shown.faces).all()
