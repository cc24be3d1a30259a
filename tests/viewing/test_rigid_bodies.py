"""Pictures of rigid bodies, from rollouts made by hand: what is where, in which colour."""

import numpy as np
import pytest

from diffsim.physics.rigid_bodies.bodies import Box, Capsule, Disc, HalfPlane, Polygon, Segment
from diffsim.physics.rigid_bodies.drives import Push, Thruster, TorsionSpring
from diffsim.physics.rigid_bodies.joints import Pin, Rope, Slider, Spring, Weld
from diffsim.physics.rigid_bodies.scene import RigidBodies
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.viewing import frames, snapshot
from diffsim.viewing.camera import Viewport
from diffsim.viewing.canvas import Canvas, Outlines
from diffsim.viewing.colours import MUSCLE
from diffsim.viewing.frames import Panel
from diffsim.viewing.look import Arrows, Joints
from diffsim.viewing.painting.actuation import Actuation
from diffsim.viewing.painting.joints import FlatJoints
from diffsim.viewing.parts import Part, outline
from diffsim.viewing.sight import look_of
from diffsim.viewing.style import STYLE, rgba

SIZE = (400, 400)
FILLS = [fill for fill, _ in STYLE.bodies]
EDGES = [edge for _, edge in STYLE.bodies]


def rollout(scene, *, position=None, angle=None, steps=4, params=None, **arrays):
    """Bodies that stay where they are, but for what is given for each row."""
    rows = steps + 1
    start = np.array([body.position for body in scene.bodies]), np.array([body.angle for body in scene.bodies])
    whole = {"position": np.repeat(start[0][None], rows, axis=0), "angle": np.repeat(start[1][None], rows, axis=0)}
    whole["actuation"] = np.zeros((steps, len(scene.actuators)))
    for name, value in {"position": position, "angle": angle, **arrays}.items():
        if value is not None:
            whole[name] = np.array(value, dtype=float)
    return Rollout(Problem(scene, steps=steps), params or {}, np.arange(rows) * scene.dt, whole)


def colour_at(picture, panel, place):
    """Of the pixel of a place in the world."""
    x, y = panel.camera.project(np.asarray(place, dtype=float))[0]
    return picture[int(SIZE[1] - y), int(x)]


def assert_colours(made, row, expected, tolerance=6):
    """``expected``: pairs of a place and the colour that it has in the picture of a row."""
    picture, panel = snapshot(made, row, size=SIZE), Panel(made, Viewport(0, 0, *SIZE))
    for place, colour in expected:
        wanted = 255 * (rgba(colour) if isinstance(colour, str) else colour)[:3]
        atol = (
            max(tolerance, 17) if isinstance(colour, str) and colour == STYLE.sky else tolerance
        )  # which has pale lines
        np.testing.assert_allclose(colour_at(picture, panel, place), wanted, atol=atol, err_msg=f"{place}")


def count(picture, colour, tolerance=6):
    return int((np.abs(picture.astype(int) - 255 * rgba(colour)[:3]) <= tolerance).all(axis=2).sum())


# Bodies

TRIANGLE = [(0.0, 0.0), (0.6, 0.0), (0.0, 0.6)]
ALL = RigidBodies(
    [Box((0.0, 1.0), (0.4, 0.1)), Disc((1.0, 1.0), 0.2), Capsule((2.0, 1.0), 0.3, 0.1), Polygon((3.0, 1.0), TRIANGLE)],
    obstacles=[HalfPlane()],
)


def test_bodies_are_filled_where_they_are():
    made = rollout(ALL)
    # The centroid of the triangle, at (3, 1), is 0.2 m right of and above its right angle.
    inside = [(-0.35, 1.05), (0.35, 0.95)], [(1.0, 1.15), (1.0, 0.85)], [(1.65, 1.0), (2.35, 1.0)]
    inside += ([(2.85, 0.85), (2.85, 1.3), (3.3, 0.85)],)
    assert_colours(made, 0, [(place, FILLS[k]) for k, places in enumerate(inside) for place in places])
    outside = [(0.0, 1.2), (1.16, 1.16), (2.39, 1.09), (1.61, 0.91), (3.2, 1.2)]
    assert_colours(made, 0, [(place, STYLE.sky) for place in outside])


def test_bodies_move_and_turn():
    position, angle = np.zeros((5, 4, 2)), np.zeros((5, 4))
    position[:] = [body.position for body in ALL.bodies]
    position[3, 0], angle[3, 0], angle[3, 3] = (0.0, 2.0), np.pi / 2, np.pi
    made = rollout(ALL, position=position, angle=angle)
    assert_colours(made, 3, [((0.0, 2.35), FILLS[0]), ((0.0, 1.65), FILLS[0]), ((0.35, 2.0), STYLE.sky)])
    assert_colours(made, 3, [((3.15, 1.15), FILLS[3]), ((2.8, 0.8), STYLE.sky)])
    assert_colours(made, 2, [((0.0, 2.0), STYLE.sky), ((0.3, 1.0), FILLS[0])])


def test_discs_have_a_spoke_that_shows_how_they_turn():
    scene = RigidBodies([Disc((0.0, 0.0), 1.0)])
    made = rollout(scene, angle=[[0.0], [0.0], [2.0], [0.0], [0.0]])
    right, turned = (0.6, 0.0), (0.6 * np.cos(2.0), 0.6 * np.sin(2.0))
    assert_colours(made, 0, [(right, EDGES[0]), (turned, FILLS[0]), ((-0.6, 0.0), FILLS[0])], tolerance=60)
    assert_colours(made, 2, [(turned, EDGES[0]), (right, FILLS[0])], tolerance=60)


def test_what_is_welded_has_one_colour():
    bodies = [Box((0.6 * k, 0.0), (0.2, 0.2)) for k in range(5)]
    scene = RigidBodies(bodies, joints=[Weld(3, 1, at=(1.2, 0.0)), Weld(1, 4, at=(1.5, 0.0)), Weld(2, None, at=(1, 0))])
    expected = [FILLS[0], FILLS[1], FILLS[2], FILLS[1], FILLS[1]]
    corners = [(0.6 * k - 0.15, 0.15) for k in range(5)]
    assert_colours(rollout(scene), 0, zip(corners, expected, strict=True))


ROUND = [("disc", 0.3, 0.0), ("capsule", 0.2, 0.5), ("capsule", 0.1, 0.5)]


@pytest.mark.parametrize(("shape", "radius", "half"), ROUND)
def test_outlines_of_round_shapes_keep_their_distance(shape, radius, half):
    ring = outline(Part(shape, (radius, half) if half else radius))
    apart = np.hypot(np.maximum(np.abs(ring[:, 0]) - half, 0.0), ring[:, 1])
    np.testing.assert_allclose(apart, radius, rtol=1e-12)
    np.testing.assert_allclose(ring[0], ring[-1], atol=1e-15)
    x, y = ring[:-1].T
    area = 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))
    # A polygon of 48 corners has 0.3 % less area than its circle.
    assert area == pytest.approx(np.pi * radius**2 + 4 * half * radius, rel=4e-3)


# As tuned


def test_tuned_numbers_are_the_ones_drawn():
    scene = RigidBodies(
        [Disc((0.0, 1.0), 0.2), Disc((1.0, 1.0), 0.2)],
        obstacles=[HalfPlane(), Box((2.0, 0.5), (0.1, 0.3))],
        joints=[Pin(0, 1, at=(0.5, 1.0))],
    )
    params = {
        "scene.radius": np.array([0.2, 0.4]),
        "scene.obstacle_position": np.array([(0.0, -0.5), (3.0, 0.5)]),
        # A new scene would refuse these: they are apart at the start.
        "scene.joint_anchor": np.array([[(0.0, 0.5), (-0.5, 0.0)]]),
    }
    made = rollout(scene, params=params)
    assert_colours(made, 0, [((1.0, 0.65), FILLS[1]), ((3.0, 0.5), STYLE.soil), ((2.0, 0.5), STYLE.sky)])
    assert_colours(
        made, 0, [((0.0, 1.5), STYLE.sky), ((1.5, -0.1), STYLE.sky), ((0.0, 1.35), STYLE.point)], tolerance=60
    )
    assert Panel(made, Viewport(0, 0, *SIZE)).floor.height == -0.5


def test_environments_are_drawn_with_their_own_numbers():
    scene = RigidBodies([Disc((0.0, 0.0), 0.2), Disc((2.0, 0.0), 0.2)])
    alone = rollout(scene)
    arrays = {name: np.stack([value] * 2) for name, value in alone.arrays.items()}
    params = {"scene.radius": np.array([(0.2, 0.2), (0.2, 0.6)])}
    both = Rollout(alone.problem, params, alone.time, arrays, envs=2)
    np.testing.assert_array_equal(snapshot(both, 0, size=SIZE, env=0), snapshot(alone, 0, size=SIZE))
    own = rollout(scene, params={"scene.radius": params["scene.radius"][1]})
    np.testing.assert_array_equal(snapshot(both, 0, size=SIZE, env=1), snapshot(own, 0, size=SIZE))


# Obstacles


def test_the_most_level_half_plane_is_the_ground():
    body = [Disc((0.0, 1.0), 0.2)]
    walls = [HalfPlane((-1.0, 0.0), angle=-np.pi / 2), HalfPlane((1.0, 0.0), angle=np.pi / 2)]
    made = rollout(RigidBodies(body, obstacles=[*walls, HalfPlane((0.0, 0.3), angle=0.1)]))
    floor = Panel(made, Viewport(0, 0, *SIZE)).floor
    np.testing.assert_allclose(floor.normal, (-np.sin(0.1), np.cos(0.1)))
    assert floor.solid
    assert floor.height == pytest.approx(0.3 * np.cos(0.1))
    wide = rollout(
        RigidBodies(body, obstacles=[*walls, HalfPlane()]), position=[[(x, 1.0)] for x in (-0.8, 0, 0, 0, 0.8)]
    )
    assert_colours(wide, 0, [((x, 0.5), STYLE.soil) for x in (-1.05, 1.05)] + [((0.2, 0.5), STYLE.sky)])
    alone = rollout(RigidBodies(body, obstacles=walls))
    assert not Panel(alone, Viewport(0, 0, *SIZE)).floor.solid
    assert look_of(rollout(RigidBodies(body))).ground is None


def test_lines_of_half_planes_end_where_others_begin():
    planes = [HalfPlane((0.0, 0.0), angle=-0.5), HalfPlane((0.0, 0.0), angle=0.6)]
    made = rollout(RigidBodies([Disc((0.0, 1.0), 0.3)], obstacles=planes))
    # Along the line of the first plane: outside of the second to the left, in its soil to the right.
    left, right = (-0.3, 0.3 * np.tan(0.5)), (0.1, -0.1 * np.tan(0.5))
    picture, panel = snapshot(made, 0, size=SIZE), Panel(made, Viewport(0, 0, *SIZE))
    assert np.abs(colour_at(picture, panel, left) - 255 * rgba(STYLE.soil)[:3]).max() > 20
    np.testing.assert_allclose(colour_at(picture, panel, right), 255 * rgba(STYLE.soil)[:3], atol=2)


def test_obstacles_of_all_kinds_are_painted():
    obstacles = [
        Segment.between((-1.0, 0.0), (-1.0, 2.0), 0.1),
        Segment.between((1.0, 0.0), (1.0, 2.0)),
        Disc((0.0, 2.0), 0.2),
        Polygon((0.0, 0.0), TRIANGLE, angle=1.0),
    ]
    made = rollout(RigidBodies([Disc((0.0, 1.0), 0.3)], obstacles=obstacles))
    solid = [((-1.0, 0.5), STYLE.soil), ((0.0, 2.0), STYLE.soil), ((0.15, 2.0), STYLE.soil), ((0.0, 0.0), STYLE.soil)]
    assert_colours(made, 0, [*solid, ((1.0, 1.0), STYLE.surface), ((0.6, 1.0), STYLE.sky)])


def test_walls_near_bodies_are_shown_and_others_are_not():
    def scale(*walls):
        made = rollout(RigidBodies([Disc((0.0, 0.0), 0.5)], obstacles=walls))
        return Panel(made, Viewport(0, 0, *SIZE)), made

    plain = scale()[0].camera.scale
    panel, made = scale(HalfPlane((1.0, 0.0), angle=np.pi / 2), HalfPlane((-1.3, 0.0), angle=-np.pi / 2))
    assert_colours(made, 0, [((1.05, 0.0), STYLE.soil), ((-1.35, 0.0), STYLE.soil), ((0.9, 0.0), STYLE.sky)])
    assert panel.camera.scale < 0.6 * plain
    assert scale(HalfPlane((1.6, 0.0), angle=np.pi / 2))[0].camera.scale == plain


def test_a_mile_of_wall_does_not_make_the_body_small():
    long = rollout(RigidBodies([Disc((0.0, 0.5), 0.3)], obstacles=[Box((0.0, -1.0), (2000.0, 1.0))]))
    panel = Panel(long, Viewport(0, 0, *SIZE))
    assert panel.camera.scale > 100.0
    assert_colours(long, 0, [((0.0, -0.1), STYLE.soil), ((0.4, -0.1), STYLE.soil), ((0.0, 0.1), STYLE.sky)])


# Joints and springs


def test_springs_have_the_colours_of_what_is_asked_of_them():
    ends = ((0.0, 0.0), (0.0, 0.0))
    springs = [Spring(0, 1, ends, 1.0, actuation=0.2), Spring(2, 3, ends, 1.0, actuation=-0.1), Spring(4, 5, ends, 1.0)]
    bodies = [Disc((float(x), float(y)), 0.1) for y in range(3) for x in (0, 1)]
    made = rollout(RigidBodies(bodies, springs=springs), actuation=[(0.0, 0.0), (1.0, 1.0), (-1.0, 0.0), (1.0, 0.0)])
    # A spring is straight before its first winding, 0.15 of its length from its end.
    at = [(0.125, y) for y in range(3)]
    passive = (at[2], STYLE.passive)
    grey = MUSCLE.of(np.zeros(1))[0]
    half = MUSCLE.of(np.array([-0.5]))[0]
    assert_colours(made, 0, [(at[0], grey), (at[1], grey), passive], tolerance=25)
    assert_colours(made, 1, [(at[0], STYLE.extended), (at[1], half), passive], tolerance=25)
    assert_colours(made, 2, [(at[0], STYLE.contracted), (at[1], grey), passive], tolerance=25)
    np.testing.assert_array_equal(snapshot(made, 4, size=SIZE)[60:], snapshot(made, 3, size=SIZE)[60:])


def test_motors_have_the_colours_of_what_is_asked_of_them():
    joints = [Pin(0, None, at=(0.0, 0.0), motor=2.0), Slider(1, None, at=(2.0, 0.0), axis=(1.0, 0.0), motor=1.0)]
    scene = RigidBodies([Box((0.0, 0.0), (0.6, 0.6)), Box((2.0, 0.0), (0.6, 0.6))], joints=joints)
    made = rollout(scene, actuation=[(1.0, -1.0), (-1.0, 1.0), (0.0, 0.0), (9.0, 9.0)])
    pictures = [snapshot(made, row, size=SIZE)[60:300] for row in range(4)]  # without words and legend
    found = [[count(picture, colour, 20) for colour in (STYLE.contracted, STYLE.extended)] for picture in pictures]
    assert min(found[0] + found[1]) > 20
    assert found[2] == [0, 0]
    assert found[3][0] == 0  # what is beyond 1 has the colour of 1
    assert found[3][1] > found[1][1]


def test_ropes_hang_when_they_are_slack():
    rope = Rope(0, None, ((0.0, 0.0), (2.0, 1.0)), 2.0)
    # As wide as the wall is far, so that the picture has the same scale in either row.
    scene = RigidBodies([Disc((0.0, 1.0), 0.05), Disc((0.0, -0.5), 0.3), Disc((2.0, 2.0), 0.3)], joints=[rope])
    position = np.repeat(np.array([body.position for body in scene.bodies])[None], 5, axis=0)
    position[2:, 0, 0] = 0.5
    made = rollout(scene, position=position)
    assert_colours(made, 0, [((1.0, 1.0), STYLE.point)], tolerance=60)
    sag = np.sqrt(3.0) / 4.0 * np.sqrt(4.0 - 1.5**2)
    assert_colours(made, 2, [((1.25, 1.0 - sag), STYLE.point), ((1.25, 1.0), STYLE.sky)], tolerance=60)


def test_rails_stay_with_the_world_or_with_their_body():
    fixed = Slider(0, None, at=(0.0, 0.0), axis=(1.0, 0.0))
    carried = Slider(1, 2, at=(0.0, 1.0), axis=(1.0, 0.0))
    scene = RigidBodies(
        [Disc((0.0, 0.0), 0.1), Box((0.0, 1.0), (0.1, 0.1)), Disc((0.0, 1.0), 0.05, group=1)], joints=[fixed, carried]
    )
    position = np.repeat(np.array([body.position for body in scene.bodies])[None], 5, axis=0)
    position[:, 0, 0] = (0.0, 1.0, 2.0, 1.0, 0.5)
    position[:, 2, 0] = (0.0, 0.5, 1.0, 0.5, 0.0)
    position[:, 1:, 1] += np.array([0.0, 0.1, 0.2, 0.3, 0.4])[:, None]
    made = rollout(scene, position=position)
    for row in range(3):
        picture, panel = snapshot(made, row, size=SIZE), Panel(made, Viewport(0, 0, *SIZE))
        for place in ((1.5, 0.0), (0.3, 0.0), (0.75, 1.0 + 0.1 * row)):
            x, y = panel.camera.project(np.array(place))[0]
            column = picture[int(SIZE[1] - y) - 5 : int(SIZE[1] - y) + 6, int(x)]
            # Either the rail, light between its two lines, or what moves along it, which is light with a dark rim.
            dark = np.abs(column - 255 * rgba(STYLE.sky)[:3]).max(axis=1) > 40
            assert dark[:5].any(), (row, place)
            assert dark[6:].any(), (row, place)


def test_an_anchor_outside_of_its_body_has_a_stem():
    scene = RigidBodies([Box((0.0, 0.0), (0.2, 0.2)), Box((2.0, 0.0), (0.2, 0.2))], joints=[Pin(0, 1, at=(1.0, 0.0))])
    assert_colours(rollout(scene), 0, [((0.6, 0.0), STYLE.point), ((1.4, 0.0), STYLE.point)], tolerance=60)


def test_an_anchor_on_the_rim_has_no_stem():
    joints = [Pin(0, None, at=(0.2, 0.2)), Pin(1, None, at=(2.2, 0.0)), Pin(2, None, at=(4.0, 0.1))]
    bodies = [Box((0.0, 0.0), (0.2, 0.2)), Disc((2.0, 0.0), 0.2), Capsule((4.0, 0.0), 0.2, 0.1)]
    made = rollout(RigidBodies(bodies, joints=joints))
    (found,) = look_of(made).of(Joints)
    assert FlatJoints(found, Actuation(made)).counts == []


def test_numbers_that_no_scene_would_take_are_drawn_all_the_same():
    scene = RigidBodies([Disc((0.0, 0.0), 0.2), Box((1.0, 0.0), (0.2, 0.2))], joints=[Pin(0, 1, at=(0.5, 0.0))])
    made = rollout(scene, params={"scene.radius": np.array([-0.1])})
    assert_colours(made, 0, [((1.1, 0.1), FILLS[1])])


def test_hinges_that_the_world_holds_are_orange():
    scene = RigidBodies(
        [Box((0.5, 0.0), (0.6, 0.1)), Box((1.5, 0.0), (0.6, 0.1))],
        joints=[Pin(0, None, at=(0.0, 0.0)), Pin(0, 1, at=(1.0, 0.0))],
    )
    assert_colours(rollout(scene), 0, [((0.0, 0.0), STYLE.pinned), ((1.0, 0.0), STYLE.sky)])


# Contacts


BOXES = RigidBodies([Box((0.0, 0.5), (0.5, 0.5)), Box((0.0, 1.5), (0.5, 0.5))], obstacles=[HalfPlane()])
PURPLE = 0.85 * rgba(STYLE.contact) + 0.15 * rgba(FILLS[0])


def pressed(normal=None, force=((0.0, 10.0, 0.0), (0.0, 0.0, 0.0)), place=(0.0, 0.0), pair=1):
    """One contact, in the second of three slots. Pair 0 is of both boxes, 1 of the lower one and the floor."""
    arrays = {
        "contact_point": np.zeros((4, 3, 2)),
        "contact_force": np.zeros((4, 3, 2)),
        "contact_pair": np.full((4, 3), -1.0),
    }
    arrays["contact_point"][:, 1], arrays["contact_pair"][:, 1] = place, pair
    arrays["contact_force"][:, :, :] = np.array(force).T
    if normal is not None:
        arrays["contact_normal"] = np.zeros((4, 3, 2))
        arrays["contact_normal"][:, 1] = normal
    return rollout(BOXES, **arrays)


def test_contacts_are_dots_where_no_normal_is_recorded():
    assert BOXES.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    made = pressed(place=(0.25, 0.25))
    assert_colours(made, 0, [((0.25, 0.25), PURPLE), ((0.25, 0.35), FILLS[0])])
    for nothing in (rollout(BOXES), pressed(pair=-1), pressed(force=np.zeros((2, 3)))):
        np.testing.assert_array_equal(snapshot(nothing, 0, size=SIZE), snapshot(rollout(BOXES), 0, size=SIZE))


@pytest.mark.parametrize("normal", [(0.0, 1.0), (0.0, -1.0)])
def test_the_force_on_a_body_points_into_it_whichever_way_the_normal_does(normal):
    made = pressed(normal)
    assert_colours(made, 0, [((0.0, 0.2), PURPLE), ((0.0, 0.4), PURPLE), ((0.0, 0.9), FILLS[0])])
    assert_colours(made, 0, [((0.0, -0.2), STYLE.soil)])


@pytest.mark.parametrize("normal", [(0.0, 1.0), (0.0, -1.0)])
def test_two_bodies_press_each_other_apart(normal):
    made = pressed(normal, place=(0.0, 1.0), pair=0)
    upper = 0.85 * rgba(STYLE.contact) + 0.15 * rgba(FILLS[1])
    assert_colours(made, 0, [((0.0, 0.7), PURPLE), ((0.0, 1.3), upper)])


def test_friction_turns_the_arrow():
    # From the first to the second, the floor: friction along its tangent, which is the normal turned to the left. The
    # box gets the opposite of both.
    made = pressed((0.0, -1.0), force=((0.0, 8.0, 0.0), (0.0, 6.0, 0.0)))
    along = np.array([-0.6, 0.8])
    assert_colours(made, 0, [(0.4 * along, PURPLE), (0.2 * along, PURPLE), ((0.0, 0.4), FILLS[0])])


def test_arrows_grow_with_the_force_up_to_a_limit():
    usual = pressed((0.0, 1.0))
    shares = np.array([0.3, 0.6, 1.0, 1.5, 3.0, 300.0])
    arrays = {name: np.repeat(value[:1], 100, axis=0) for name, value in usual.arrays.items()}
    arrays["contact_force"][: len(shares), 1, 0] *= shares
    made = rollout(BOXES, steps=100, **{name: value for name, value in arrays.items() if name.startswith("contact")})
    panel, reach, heights = Panel(made, Viewport(0, 0, *SIZE)), [], np.linspace(0.0, 2.5, 500)
    for row in range(len(shares)):
        picture = snapshot(made, row, size=SIZE)
        colours = np.array([colour_at(picture, panel, (0.0, y)) for y in heights])
        reach.append(heights[np.flatnonzero(np.abs(colours - 255 * PURPLE[:3]).max(axis=1) < 40)[-1]])
    # A box reaches as far from its centre as its corners are. The tip is too fine to be seen.
    np.testing.assert_allclose(reach, np.sqrt(0.5) * np.minimum(shares, 2.0), atol=0.04)


# Whatever happens


def test_positions_that_are_not_finite_do_not_disturb_the_others():
    links = {
        "joints": [Pin(0, 1, at=(0.5, 0.0)), Rope(1, 2, ((0.0, 0.0), (0.0, 0.0))), Slider(2, None, at=(2.0, 0.0))],
        "springs": [Spring(0, 2, ((0.0, 0.1), (0.0, 0.1)), 1.0)],
    }
    scene = RigidBodies(
        [Box((float(k), 0.0), (0.3, 0.3)) for k in range(4)], obstacles=[HalfPlane((0.0, -1.0))], **links
    )
    made = rollout(
        scene, contact_point=np.zeros((4, 1, 2)), contact_force=np.ones((4, 1, 2)), contact_pair=np.zeros((4, 1))
    )
    made.position[2:, 0], made.position[2:, 1], made.position[2:, 2] = np.nan, np.inf, -1e200
    made.angle[2:, 0], made.angle[2:, 1] = np.inf, np.nan
    made.arrays["contact_point"][2:], made.arrays["contact_force"][2:] = np.nan, np.inf
    assert_colours(made, 3, [((3.2, 0.2), FILLS[3])])
    made.position[:] = np.nan
    for _ in frames(made, size=SIZE):
        pass


def test_a_body_that_flies_off_does_not_make_the_others_small():
    scene = RigidBodies([Disc((0.0, 0.0), 0.3), Disc((1.0, 0.0), 0.3)])
    made = rollout(scene)
    scale = Panel(made, Viewport(0, 0, *SIZE)).camera.scale
    made.position[3:, 1] = 1e6
    assert Panel(made, Viewport(0, 0, *SIZE)).camera.scale > 0.9 * scale


def test_shadows_lie_below_bodies_near_the_ground_only():
    def soil(height, gravity=(0.0, -9.81)):
        scene = RigidBodies([Disc((0.0, 0.3), 0.3)], obstacles=[HalfPlane()], gravity=gravity)
        position = np.full((5, 1, 2), (0.0, 2.0))
        position[0] = 0.0, height
        picture, panel = (
            snapshot(made := rollout(scene, position=position), 0, size=SIZE),
            Panel(made, Viewport(0, 0, *SIZE)),
        )
        x, y = panel.camera.project(np.array([0.07, 0.0]))[0]  # beside the tick at 0 m
        return picture[int(SIZE[1] - y) + 3, int(x)].astype(int)

    bare = 255 * rgba(STYLE.soil)[:3]
    assert (soil(0.3) < bare - 20).all()
    for shown in (soil(2.0), soil(0.3, (0.0, 0.0)), soil(0.3, (0.0, 9.81))):
        np.testing.assert_allclose(shown, bare, atol=2)


def test_the_legend_names_muscles_and_motors():
    ends = ((0.0, 0.0), (0.0, 0.0))
    bodies = [Disc((0.0, 0.0), 0.3), Disc((1.0, 0.0), 0.3)]
    plain, muscle = Spring(0, 1, ends, 1.0), Spring(0, 1, ends, 1.0, actuation=0.1)
    motor = Pin(0, 1, at=(0.5, 0.0), motor=1.0)

    def legend(**elements):
        picture = snapshot(rollout(RigidBodies(bodies, **elements)), 0, size=SIZE)[300:]
        return count(picture, STYLE.contracted, 20), count(picture, STYLE.extended, 20)

    assert legend(springs=[plain]) == (0, 0)
    one, other = legend(springs=[muscle]), legend(joints=[motor])
    assert min(one) > 5
    assert one == other
    both = legend(springs=[muscle], joints=[motor])
    assert both[0] > 1.8 * one[0]
    assert both[1] > 1.8 * one[1]


def test_outlines_are_painted_in_their_order():
    canvas = Canvas((64, 64))
    square = np.array([(10, 10), (50, 10), (50, 50), (10, 50), (10, 10)], dtype=float)
    made = Outlines([5, 2, 5, 5])
    made.corners[:] = np.concatenate([square, [(0, 30), (64, 30)], 0.5 * square + 15, np.full((5, 2), np.nan)])
    red, green, blue = np.eye(4)[:3] + np.eye(4)[3]
    none = np.zeros(4)
    canvas.outlines(
        made, np.array([red, none, blue, red]), np.array([none, green, none, red]), np.array([1.0, 4.0, 1.0, 9.0])
    )
    picture = canvas.picture()
    assert picture[63 - 12, 12].tolist() == [255, 0, 0]
    assert picture[63 - 30, 15].tolist() == [0, 255, 0]
    assert picture[63 - 30, 30].tolist() == [0, 0, 255]
    canvas.outlines(Outlines([]), np.zeros((0, 4)), np.zeros((0, 4)), 1.0)
    np.testing.assert_array_equal(canvas.picture(), picture)


# Drives


def test_thrusters_and_pushes_are_arrows_where_they_act():
    scene = RigidBodies(
        [Box((0.0, 1.0), (0.4, 0.1)), Disc((1.0, 1.0), 0.2)],
        thrusters=[
            Thruster(0, thrust=2.0, point=(0.3, 0.0), angle=0.5 * np.pi),
            Thruster(0, thrust=2.0, angle=0.0, turns=False),
        ],
        pushes=[Push(1, [[0.0, 0.0], [0.0, 4.0]], every=0.02, start=0.01, point=(0.1, 0.0))],
        torsion_springs=[TorsionSpring(0, None, stiffness=1.0, actuation=0.3)],
        dt=0.01,
    )
    # The torsion spring is the first actuator, then the thrusters. The box stands upright.
    asked = np.tile([0.7, 0.5, -1.0], (4, 1))
    made = rollout(scene, angle=np.tile([0.5 * np.pi, 0.0], (5, 1)), actuation=asked)
    (arrows,) = look_of(made).of(Arrows)
    np.testing.assert_allclose(arrows.tails[0], [[0.0, 1.3], [0.0, 1.0], [1.1, 1.0]], atol=1e-12)
    sizes = np.linalg.norm(arrows.ways, axis=2)
    unit = arrows.ways / sizes[..., None]
    np.testing.assert_allclose(unit[:, 0], np.tile([-1.0, 0.0], (4, 1)), atol=1e-12)  # turned with the box
    np.testing.assert_allclose(unit[:, 1], np.tile([-1.0, 0.0], (4, 1)), atol=1e-12)  # asked for backwards
    np.testing.assert_allclose(sizes[:, 1], 2.0 * sizes[:, 0])
    # Samples are 0.01 and 0.03 s after the start: nothing, nothing, half of it, all of it.
    assert np.isnan(sizes[:2, 2]).all()
    np.testing.assert_allclose(sizes[2, 2], sizes[2, 1])
    np.testing.assert_allclose(unit[2:, 2], np.tile([0.0, 1.0], (2, 1)))
