"""Pictures of articulated robots, from rollouts made by hand: what covers what, what the camera follows, the forces."""

from pathlib import Path

import numpy as np
import pytest

from diffsim.physics.articulated.actuators import Actuator
from diffsim.physics.articulated.geoms import Geom
from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.links import Joint, Link, Site
from diffsim.physics.articulated.mjcf import load_mjcf
from diffsim.physics.articulated.pairs import spots
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.tendons import Tendon, Wrap
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.viewing import View, frames, render_optimisation, snapshot
from diffsim.viewing.camera import Camera, Viewport
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.extent import around
from diffsim.viewing.frames import Panel
from diffsim.viewing.look import Bodies, Segments
from diffsim.viewing.parts import reaches, spread
from diffsim.viewing.sight import Sight, look_of
from diffsim.viewing.solids import Layers, Solids
from diffsim.viewing.style import STYLE, rgba

SIZE = (240, 200)
RED, BLUE = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8)
ROUND = ("sphere", "capsule", "cylinder", "ellipsoid", "box")


def rollout(scene, position=None, params=None, **arrays):
    """A robot whose joints have these positions (rows, nq); by default it stays as it starts."""
    q = np.repeat(scene.initial_position[None], 3, axis=0) if position is None else np.asarray(position, dtype=float)
    pose, rows = forward_kinematics(scene, q), len(q)
    places = [pose.origin]
    for owner, site in scene.all_sites:
        at = pose.origin[:, owner] + pose.rotation[:, owner] @ site.position if owner >= 0 else site.position
        places.append(np.broadcast_to(at, (rows, 3))[:, None])
    whole = {
        "position": np.concatenate(places, axis=1),
        "rotation": pose.rotation.reshape(rows, len(scene.links), 9),
        "joint_position": q,
        "joint_velocity": np.zeros((rows, scene.freedoms)),
        "actuation": np.zeros((rows - 1, len(scene.actuators))),
        **arrays,
    }
    return Rollout(Problem(scene, steps=rows - 1), params or {}, 0.01 * np.arange(rows), whole)


def floating(name, at, shape="sphere", size=0.2, colour=RED, **changes):
    """A link that can go anywhere, with one geom that touches nothing."""
    geom = Geom(f"{name} geom", shape, size, colour=colour, contype=0, conaffinity=0)
    return Link(name, joints=Joint(name, "free"), position=at, mass=1.0, inertia=(1.0, 1.0, 1.0), geoms=geom, **changes)


def running(scene, distance, rows=101, axis=0):
    """All free links go this far along an axis of the world [m]."""
    q = np.repeat(scene.initial_position[None], rows, axis=0)
    q[:, axis::7] += np.linspace(0.0, distance, rows)[:, None]
    return rollout(scene, q)


def like(picture, colour, tolerance=40):
    return (np.abs(picture.astype(int) - 255 * np.asarray(colour)[:3]) <= tolerance).all(axis=2)


def swinging(motion="hinge", axis=(0.0, 1.0, 0.0), **joint):
    """A pendulum of a motor, a geom and a site."""
    link = Link(
        "bob",
        joints=Joint("swing", motion, axis=axis, **joint),
        position=(0.0, 0.0, 1.0),
        mass=1.0,
        centre=(0.0, 0.0, -0.5),
        inertia=(0.1, 0.1, 0.1),
        geoms=Geom("rod", "capsule", (0.05, 0.25), position=(0.0, 0.0, -0.25)),
        sites=Site("tip", (0.0, 0.0, -0.5)),
    )
    return Articulated(link, actuators=Actuator.motor("swing"))


# Solids


def meets(shape, size, points):
    """Whether points (..., 3), in a solid's own axes, are within it."""
    x, y, z = np.moveaxis(np.abs(points), -1, 0)
    return {
        "sphere": x**2 + y**2 + z**2 <= size[0] ** 2,
        "capsule": x**2 + y**2 + np.maximum(z - size[1], 0.0) ** 2 <= size[0] ** 2,
        "cylinder": (x**2 + y**2 <= size[0] ** 2) & (z <= size[1]),
        "ellipsoid": (x / size[0]) ** 2 + (y / size[1]) ** 2 + (z / size[2]) ** 2 <= 1.0,
        "box": (x <= size[0]) & (y <= size[1]) & (z <= size[2]),
    }[shape]


@pytest.mark.parametrize("perspective", [True, False])
@pytest.mark.parametrize("shape", ROUND)
def test_pixels_covered_are_those_whose_rays_meet_the_solid(shape, perspective):
    rotation, centre, size = rotation_of(np.array([0.9, 0.3, -0.5, 0.2])), np.array([0.3, 0.2, 0.4]), (0.3, 0.4, 0.5)
    cube, viewport = np.array([(-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)]), Viewport(0, 0, 60, 50)
    camera = Camera.fit(cube, viewport, azimuth=20, elevation=30, perspective=perspective)
    layers, fill = Layers(camera, viewport, 1.0), np.ones((1, 4))
    layers.paint(camera, Solids((shape,), (None,), centre[None], rotation[None], np.array([size]), fill, fill))
    # The same by steps along the rays, from the near end.
    steps = np.linspace(1.5, -1.5, 500)
    x, y = np.meshgrid(*((np.arange(n) + 0.5 - o) / camera.scale for n, o in zip((60, 50), camera.origin, strict=True)))
    shrink = 1.0 - steps / camera.eye
    places = np.stack([x[..., None] * shrink, y[..., None] * shrink, np.broadcast_to(steps, (*x.shape, 500))], axis=-1)
    inside = meets(shape, size, (places @ camera.axes + camera.centre - centre) @ rotation)
    seen, depth = inside.any(axis=2), steps[inside.argmax(axis=2)]
    turned = [np.roll(seen, (down, right), axis=(0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    within, without = np.all(turned, axis=0), ~np.any(turned, axis=0)
    assert within.sum() > 100
    assert (layers.coverage[within] > 0.99).all()
    assert (layers.coverage[without] < 0.01).all()
    np.testing.assert_allclose(layers.near[within], depth[within], atol=steps[0] - steps[1])


def test_solids_reach_as_far_as_their_farthest_points():
    rotation = np.repeat(rotation_of(np.array([0.9, 0.3, -0.5, 0.2]))[None], 5, axis=0)
    size = np.tile((0.2, 0.3, 0.5), (5, 1))
    farthest = spread(ROUND, np.zeros((5, 3)), rotation, size, np.eye(3))[:, range(3), range(3)]
    np.testing.assert_allclose(farthest, reaches(ROUND, rotation, size), rtol=1e-12)


@pytest.mark.parametrize("shape", ["sphere", "box"])
@pytest.mark.parametrize("near", [0, 1])
def test_nearer_links_cover_farther_ones(shape, near):
    size = 0.3 if shape == "sphere" else (0.3, 0.3, 0.3)
    places = [(0.0, -1.0, 1.0), (0.0, 1.0, 1.0)]
    links = [floating("one", places[near], shape, size, RED), floating("two", places[1 - near], shape, size, BLUE)]
    picture = snapshot(rollout(Articulated(links)), size=SIZE, view=View(azimuth=-90, elevation=0))
    red, _, blue = picture[SIZE[1] // 2, SIZE[0] // 2].astype(int)
    assert (red > blue) == (near == 0)


def test_what_the_world_has_covers_links_behind_it():
    wall = Geom("wall", "box", (0.5, 0.05, 1.0), position=(0.0, -0.5, 1.0), colour=BLUE, contype=0, conaffinity=0)
    for behind in (True, False):
        scene = Articulated(floating("ball", (0.0, 0.5 if behind else -1.5, 1.0)), geoms=wall)
        picture = snapshot(rollout(scene), size=SIZE, view=View(azimuth=-90, elevation=0))
        assert like(picture, BLUE, 60).any()
        assert like(picture, RED, 60).any() != behind


def test_a_level_slab_is_ground_where_there_is_no_plane():
    slab = Geom(
        "slab", "box", (9.0, 0.1, 9.0), position=(0, 0, -0.1), orientation=(1, 1, 0, 0), contype=0, conaffinity=0
    )
    made = rollout(Articulated(floating("ball", (0, 0, 0.2)), geoms=slab))
    floor = Panel(made, Viewport(0, 0, *SIZE)).floor
    assert floor.solid
    np.testing.assert_allclose([*floor.normal, floor.height], (0, 0, 1, 0), atol=1e-12)
    assert like(snapshot(made, size=SIZE), RED).sum() > 1000  # as large as if the slab were a plane


def test_colours_are_those_given_and_grey_is_none():
    for colour, expected in ((None, STYLE.bodies[0][0]), ((0.5, 0.5, 0.5, 1.0), STYLE.bodies[0][0]), (RED, RED)):
        picture = snapshot(rollout(Articulated(floating("ball", (0, 0, 1), colour=colour))), size=SIZE)
        assert like(picture, rgba(expected) if isinstance(expected, str) else expected).sum() > 500


# Cameras


def bounds(made, row, **view):
    """Of the pixels of links [share of the picture]: left, right, bottom, top."""
    panel = Panel(made, Viewport(0, 0, *SIZE), view=View(**view))
    camera = panel.camera if panel.track is None else panel.camera.moved(panel.track[row])
    (bodies,) = look_of(made).of(Bodies)
    pixels = camera.project(around(bodies, np.array([row]))[0])[0] / SIZE
    return np.array([pixels[:, 0].min(), pixels[:, 0].max(), pixels[:, 1].min(), pixels[:, 1].max()])


@pytest.mark.parametrize("follow", [None, True, False])
def test_no_link_leaves_the_picture(follow):
    made = running(Articulated([floating("a", (0, 0, 1)), floating("b", (0.5, 0, 1.5))]), 6.0)
    every = np.array([bounds(made, row, follow=follow) for row in range(0, 101, 10)])
    assert every.min() > 0.0
    assert every.max() < 1.0


@pytest.mark.parametrize("axis", [0, 1])
def test_a_robot_that_runs_stays_in_the_middle(axis):
    made = running(Articulated([floating("a", (0, 0, 1)), floating("b", (0.5, 0, 1.5))]), 6.0, axis=axis)
    assert Panel(made, Viewport(0, 0, *SIZE)).track is not None
    for row in (0, 37, 100):
        left, right, _, _ = bounds(made, row)
        assert abs(left + right - 1.0) < 0.06
        assert right - left > 0.25  # it is seen as large as if it stood still
    first, later = (snapshot(made, row, size=SIZE) for row in (0, 50))
    ground = np.s_[SIZE[1] * 3 // 4 :]
    assert (first[ground] != later[ground]).any()  # which moves past


def test_what_stays_about_is_seen_from_where_one_stands():
    for made in (
        running(Articulated(floating("a", (0, 0, 1))), 0.3),
        rollout(swinging("slide", (1, 0, 0), limits=(-5, 5)), np.linspace(0, 4, 30)[:, None]),
    ):
        assert Panel(made, Viewport(0, 0, *SIZE)).track is None
    assert Panel(made, Viewport(0, 0, *SIZE), view=View(follow=True)).track is not None


def test_jumps_are_seen_as_jumps():
    made = running(Articulated(floating("a", (0, 0, 1))), 6.0)
    made.arrays["position"][..., 2] += 0.3 * np.sin(np.arange(101) / 5)[:, None]
    assert np.ptp(Panel(made, Viewport(0, 0, *SIZE)).track[:, 2]) == 0.0


def test_robots_in_a_plane_are_seen_from_its_side():
    outlooks = {
        (0, 1, 0): (-90.0, 9.0),  # x goes to the right
        (0, -1, 0): (-90.0, 9.0),
        (1, 0, 0): (0.0, 9.0),  # y does
        (0, 0, 1): (-90.0, 55.0),  # from above
        (1, 0, 1): (-62.0, 20.0),
    }
    for axis, outlook in outlooks.items():
        assert look_of(rollout(swinging(axis=axis))).outlook == pytest.approx(outlook)
    assert look_of(rollout(Articulated(floating("a", (0, 0, 1))))).outlook == (-62.0, 20.0)
    camera = Panel(rollout(swinging()), Viewport(0, 0, *SIZE)).camera
    np.testing.assert_allclose(camera.axes[0], (1.0, 0.0, 0.0), atol=1e-12)
    camera = Panel(rollout(swinging()), Viewport(0, 0, *SIZE), view=View(azimuth=0.0, elevation=0.0)).camera
    np.testing.assert_allclose(camera.axes[2], (1.0, 0.0, 0.0), atol=1e-12)


def test_other_scenes_are_seen_as_before_and_may_be_followed(make):
    for made in (make.travelling(make.box()), make.travelling(make.box(3), distance=9.0)):
        plain = snapshot(made, 50, size=SIZE)
        assert (plain == snapshot(made, 50, size=SIZE, view=View(-62.0, 20.0, follow=False))).all()
        panel = Panel(made, Viewport(0, 0, *SIZE), view=View(follow=True))
        middle = made.position[80].mean(axis=0)
        assert abs(panel.camera.moved(panel.track[80]).project(middle)[0][0] / SIZE[0] - 0.5) < 0.05
        assert (plain != snapshot(made, 50, size=SIZE, view=View(follow=True))).any()


# Forces, motors, sites


def test_arrows_are_only_where_there_is_a_force():
    ball = Link(
        "ball",
        joints=Joint("free", "free"),
        position=(0, 0, 0.3),
        mass=1.0,
        inertia=(1, 1, 1),
        geoms=Geom("ball", "sphere", 0.3),
    )
    scene = Articulated(ball, geoms=Geom("floor", "plane"))
    force, point = np.zeros((2, len(spots(scene)), 3)), np.zeros((2, len(spots(scene)), 3))
    force[1, 0] = (0.0, 0.0, 10.0)
    made = rollout(scene, contact_force=force, contact_point=point)
    arrows = [like(snapshot(made, row, size=SIZE), rgba(STYLE.contact), 45) for row in range(2)]
    assert not arrows[0].any()
    rows, columns = np.nonzero(arrows[1])
    assert np.ptp(rows) > 3 * np.ptp(columns)  # upwards
    assert not like(snapshot(rollout(scene), 1, size=SIZE), rgba(STYLE.contact), 45).any()


def test_motors_are_seen_at_their_joints():
    made = rollout(swinging(), actuation=np.array([[-1.0], [1.0]]))
    found = [
        [
            like(snapshot(made, row, size=(400, 300))[:-30], rgba(c), 30).sum()
            for c in (STYLE.contracted, STYLE.extended)
        ]
        for row in range(2)
    ]
    assert found[0][0] > 5 > found[0][1]
    assert found[1][1] > 5 > found[1][0]


def test_tuned_shapes_are_the_ones_drawn():
    ball = Link(
        "ball",
        joints=Joint("free", "free"),
        position=(0, 0, 1),
        mass=1.0,
        inertia=(1, 1, 1),
        geoms=Geom("ball", "sphere", 0.3),
    )
    scene = Articulated(ball, geoms=Geom("floor", "plane"))
    size = scene.numbers()["geom_size"].copy()
    size[1, 0] = 0.6
    drawn = [Sight(rollout(scene, params=params)).size for params in ({}, {"scene.geom_size": size})]
    assert drawn == pytest.approx([0.6, 1.2])


# Nothing fails


def test_robots_that_diverge_can_be_seen():
    made = running(
        Articulated([floating("a", (0, 0, 1)), floating("b", (0.5, 0, 1.5))], geoms=Geom("floor", "plane")), 6.0
    )
    sound = Panel(made, Viewport(0, 0, *SIZE)).camera.scale
    for bad in (np.nan, np.inf, 1e30, 1e200):
        made.arrays["position"][60:], made.arrays["rotation"][70:] = bad, np.nan
        assert Panel(made, Viewport(0, 0, *SIZE)).camera.scale > 0.8 * sound
        for row in (0, 59, 65, -1):
            snapshot(made, row, size=SIZE)
    made.arrays["position"][:] = np.nan
    snapshot(made, size=SIZE)


def test_links_without_shapes_are_bones():
    upper = Link("upper", joints=Joint("shoulder", axis=(0, 1, 0)), mass=1.0, inertia=(1, 1, 1))
    lower = Link(
        "lower", "upper", joints=Joint("elbow", axis=(0, 1, 0)), position=(0, 0, -1), mass=1.0, inertia=(1, 1, 1)
    )
    picture = snapshot(rollout(Articulated([upper, lower])), size=SIZE)
    assert like(picture, rgba(STYLE.bodies[0][0])).sum() > 200


@pytest.mark.filterwarnings("ignore::UserWarning")  # of what is left out, and MuJoCo's own
@pytest.mark.parametrize("name", ["half_cheetah", "humanoid", "inverted_pendulum", "reacher"])
def test_robots_of_gymnasium_can_be_seen(name, tmp_path):
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("mujoco")
    file = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / f"{name}.xml"
    scene = load_mjcf(file, ignore=("tendon", "contact"))
    q = np.repeat(scene.initial_position[None], 40, axis=0)
    q[:, 0] += np.linspace(0.0, 0.9 if "pend" in name or name == "reacher" else 5.0, 40)
    made = rollout(scene, q)
    followed = name in ("half_cheetah", "humanoid")
    assert (Panel(made, Viewport(0, 0, *SIZE)).track is not None) == followed
    pictures = list(frames(made, size=SIZE, fps=10.0))
    assert all(np.abs(picture - 255 * rgba(STYLE.sky)[:3]).max() > 100.0 for picture in pictures)
    if followed:
        history = [{"iteration": k, "loss": 1.0 - k, "best": 1.0 - k, "gradient_norm": 1.0} for k in range(2)]
        path = render_optimisation(
            [(0, rollout(scene)), (1, made)], history, tmp_path / "a.gif", size=(320, 240), fps=10.0
        )
        assert path.stat().st_size > 1000


def test_a_picture_stays_within_its_panel():
    made = running(Articulated(floating("a", (0, 0, 1)), geoms=Geom("floor", "plane")), 6.0)
    canvas = Canvas((200, 100))
    panel = Panel(made, Viewport(100, 0, 100, 100))
    canvas.keep()
    panel.paint(canvas, 50)
    sky = 255 * rgba(STYLE.sky)[:3]
    assert np.abs(canvas.picture()[:, :100] - sky).max() < 1.0
    assert np.abs(canvas.picture()[:, 100:] - sky).max() > 100.0


def test_strings_are_lines_through_their_sites_and_along_what_they_are_wrapped_around():
    roll = Geom("roll", "cylinder", (0.1, 0.3), orientation=(1, 1, 0, 0), contype=0, conaffinity=0)
    weights = [floating(name, (x, 0, -1.0), sites=Site(f"{name} eye")) for name, x in (("left", -0.1), ("right", 0.1))]
    string = Tendon("string", path=("left eye", Wrap("roll", "top"), "right eye"))
    scene = Articulated(weights, geoms=roll, sites=Site("top", (0, 0, 0.5)), tendons=string)
    (lines,) = [each for each in look_of(rollout(scene)).elements if isinstance(each, Segments)]
    points = np.asarray(lines.points.places)[0]
    assert [list(pair) for pair in lines.ends] == [[k, k + 1] for k in range(8)]
    assert points[[0, -1]] == pytest.approx(np.array([[-0.1, 0, -1.0], [0.1, 0, -1.0]]))
    assert np.linalg.norm(points[1:-1], axis=1) == pytest.approx(0.1, abs=1e-6)
    assert points[4] == pytest.approx([0, 0, 0.1], abs=1e-6)
    frame = snapshot(rollout(scene), size=SIZE)
    assert frame.shape[:2] == SIZE[::-1]
