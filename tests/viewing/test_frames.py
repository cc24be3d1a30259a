"""Properties of pictures: what is where, in which colour."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from diffsim.errors import InputError
from diffsim.objectives import Travel
from diffsim.physics.mass_spring.look import triangles
from diffsim.physics.mass_spring.scene import Ground, MassSpring
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.spec import Spec
from diffsim.viewing import View, frames, save_png, snapshot
from diffsim.viewing.camera import Camera, Viewport
from diffsim.viewing.canvas import Canvas, Outlines
from diffsim.viewing.colours import MUSCLE
from diffsim.viewing.frames import Panel, frame_times, rows_at
from diffsim.viewing.look import Segments
from diffsim.viewing.painting.actuation import Actuation
from diffsim.viewing.painting.points import Nets
from diffsim.viewing.planes import Floor
from diffsim.viewing.scenery import goals_of, round_step
from diffsim.viewing.sight import look_of
from diffsim.viewing.style import STYLE, rgba

SIZE = (256, 256)


def like(picture, colour, tolerance=12):
    """(height, width) where a picture has a colour, to within what blending at edges leaves of it."""
    return (np.abs(picture.astype(int) - 255 * rgba(colour)[:3]) <= tolerance).all(axis=2)


# The camera


def test_camera_in_2d_maps_known_points_to_pixels():
    camera = Camera.fit(np.array([(0.0, 0.0), (4.0, 1.0)]), Viewport(10, 20, 400, 300), rest=0.5)
    pixels, _ = camera.project(np.array([(0.0, 0.0), (4.0, 1.0), (2.0, 0.5), (1.0, 0.5)]))
    # 400 pixels for 4 m; 100 of 300 pixels of height are used, half of the rest is below.
    np.testing.assert_allclose(pixels, [(10, 120), (410, 220), (210, 170), (110, 170)], atol=1e-9)


def test_camera_shows_all_content_in_3d():
    content = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    for perspective in (True, False):
        camera = Camera.fit(content, Viewport(5, 6, 100, 80), azimuth=30, elevation=50, perspective=perspective)
        pixels, _ = camera.project(content)
        assert (pixels >= np.array([5, 6]) - 1e-6).all()
        assert (pixels <= np.array([105, 86]) + 1e-6).all()


def test_camera_in_3d_has_z_up_and_knows_what_is_near():
    content = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
    camera = Camera.fit(content, Viewport(0, 0, 100, 100), azimuth=-90, elevation=10)
    pixels, near = camera.project(np.array([(0, 0, 0), (0, 0, 0.5), (0.5, 0, 0), (0, -1, 0), (0, 1, 0)], dtype=float))
    assert pixels[1, 1] > pixels[0, 1]
    assert pixels[2, 0] > pixels[0, 0]
    assert near[3] > near[0] > near[4]  # from azimuth -90 degrees the eye looks along +y
    left, right = camera.project(np.array([[(-1, -1, 0), (-1, 1, 0)], [(1, -1, 0), (1, 1, 0)]], dtype=float))[0]
    assert right[0, 0] - left[0, 0] > right[1, 0] - left[1, 0]  # the near edge is longer


def test_camera_leaves_out_what_cannot_be_drawn():
    camera = Camera.fit(np.random.default_rng(0).uniform(-1, 1, (20, 3)), Viewport(0, 0, 100, 100))
    towards = camera.axes[2]
    lost = np.array(
        [np.full(3, np.nan), np.full(3, np.inf), 1e30 * towards, -1e30 * towards, 100 * camera.axes[0] * 1e9]
    )
    assert np.isnan(camera.project(lost)[0]).all()


# The picture


def test_points_are_painted_where_the_camera_says(make):
    rollout = make.travelling(make.box(), actuation=1.0)
    panel = Panel(rollout, Viewport(0, 0, *SIZE))
    for row in (0, 50, 100):
        picture = snapshot(rollout, row, size=SIZE)
        pixels, _ = panel.camera.project(rollout.position[row])
        for x, y in pixels:
            found = picture[int(SIZE[1] - y), int(x)]
            np.testing.assert_allclose(found, 255 * rgba(STYLE.point)[:3], atol=3)


def test_the_body_moves(make):
    first, last = (snapshot(make.travelling(make.box()), row, size=SIZE) for row in (0, -1))
    where = [np.argwhere(like(picture, STYLE.point))[:, 1] for picture in (first, last)]
    # The body travels 1 m of 1.2 m, over at least half of the picture. (The words are of the points' colour.)
    assert where[1].max() - where[0].max() > SIZE[0] / 2


def test_springs_take_the_colour_of_their_actuation(make):
    counts = {}
    for level in (-1.0, 0.0, 1.0):
        picture = snapshot(make.travelling(make.box(), distance=0.0, actuation=level), 0, size=SIZE)
        body = picture[: int(0.8 * SIZE[1])]  # above the legend
        counts[level] = [int(like(body, c).sum()) for c in (STYLE.contracted, STYLE.resting, STYLE.extended)]
    for k, level in enumerate((-1.0, 0.0, 1.0)):
        assert counts[level][k] > 200
        # Where a dark point's edge blends with red, a few pixels look like a resting muscle.
        assert counts[level][k] > 0.95 * sum(counts[level])


def spring_colours(rollout, row):
    """(s, 4) with which springs are painted at a row of the trajectory."""
    look, camera = look_of(rollout), Panel(rollout, Viewport(0, 0, *SIZE)).camera
    (net,) = look.of(Segments)
    pixels, near = camera.project(rollout.position[row])
    return Nets(look, Actuation(rollout))._segments(Canvas(SIZE), camera, net, pixels, near, row)[1]


def test_a_muscle_that_shortens_with_a_positive_signal_is_contracted(make):
    scene = make.box(actuation=[-0.1, 0.05, 0.0, 0.0, 0.0, 0.0])
    colours = spring_colours(make.travelling(scene, actuation=1.0), 0)
    np.testing.assert_allclose(colours[0], rgba(STYLE.contracted))
    np.testing.assert_allclose(colours[1], MUSCLE.of(np.array([0.5]))[0])
    np.testing.assert_allclose(colours[2:], np.tile(rgba(STYLE.passive), (4, 1)))


def test_the_last_row_has_the_last_actuation(make):
    actuation = np.zeros((10, 6))
    actuation[-1] = 1.0
    rollout = make.travelling(make.box(), steps=10, actuation=actuation)
    np.testing.assert_array_equal(spring_colours(rollout, 10), spring_colours(rollout, 9))
    assert (spring_colours(rollout, 8) != spring_colours(rollout, 9)).any()


def test_the_soil_is_below_the_ground_and_nothing_else(make):
    rollout = make.travelling(make.box(ground=Ground(height=0.05)))
    picture = snapshot(rollout, 0, size=SIZE)
    panel = Panel(rollout, Viewport(0, 0, *SIZE))
    level = SIZE[1] - panel.camera.project(np.array([0.0, 0.05]))[0][1]
    soil = like(picture, STYLE.soil, 2)
    assert not soil[: int(level) - 2].any()
    assert soil[int(level) + 12 :].mean() > 0.8  # the rest is ruler, shadow and legend


def test_a_tuned_ground_height_is_the_one_shown(make):
    rollout = make.travelling(make.box(), params={"scene.ground_height": np.array(-0.1)})
    assert Panel(rollout, Viewport(0, 0, *SIZE)).floor.height == -0.1


def test_a_tuned_normal_of_the_ground_is_the_one_shown(make):
    rollout = make.travelling(make.box(), params={"scene.ground_normal": np.array([-0.6, 1.6])})
    assert Panel(rollout, Viewport(0, 0, *SIZE)).floor.normal == pytest.approx(np.array([-0.6, 1.6]) / np.sqrt(2.92))


def test_no_ground_no_soil(make):
    assert not like(snapshot(make.travelling(make.box(ground=False)), size=SIZE), STYLE.soil, 2).any()


def test_near_springs_hide_far_ones_in_3d():
    # Two crossing muscles, one behind the other as seen from -y; in the middle only the near one is seen.
    points = [(-1, 1, 0), (1, 1, 2), (-1, -1, 2), (1, -1, 0)]
    scene = MassSpring(points=points, springs=[(0, 1), (2, 3)], actuation=0.1, dt=0.01)
    position = np.repeat(scene.points[None], 2, axis=0)
    view = View(azimuth=-90, elevation=0)
    for springs in ([(0, 1), (2, 3)], [(2, 3), (0, 1)]):  # the order of the springs does not matter
        near = springs.index((2, 3))
        scene = MassSpring(points=points, springs=springs, actuation=0.1, dt=0.01)
        actuation = np.zeros((1, 2))
        actuation[0, near], actuation[0, 1 - near] = 1.0, -1.0
        rollout = Rollout(
            Problem(scene, steps=1), {}, np.array([0, 0.01]), {"position": position, "actuation": actuation}
        )
        picture = snapshot(rollout, 0, size=SIZE, view=view)
        camera = Panel(rollout, Viewport(0, 0, *SIZE), view=view).camera
        x, y = camera.project(np.array([0.0, -1.0, 1.0]))[0]
        red, _, blue = picture[int(SIZE[1] - y), int(x)].astype(int)
        assert blue > red + 50


def test_goals_are_found_in_sums_and_shown(make, monkeypatch):
    monkeypatch.setattr(Spec, "_classes", dict(Spec._classes))  # another Sum than this one is meant elsewhere

    class Reach(Spec):
        target = np.array([0.6, 0.3])

    class Sum(Spec):
        terms = ((0.5, Reach()), Reach())

    rollout = make.travelling(make.box())
    assert not like(snapshot(rollout, 0, size=SIZE), STYLE.goal).any()
    for objective in (Reach(), Sum()):
        object.__setattr__(rollout.problem, "objective", objective)
        assert like(snapshot(rollout, 0, size=SIZE), STYLE.goal).sum() > 15
        assert (goals_of(rollout, 2) == (0.6, 0.3)).all()
    assert goals_of(rollout, 3).shape == (0, 3)


def test_title_time_and_loss_are_written(make):
    plain = snapshot(make.travelling(make.box(), loss=None), 0, size=SIZE)
    left, right = np.s_[:40, : SIZE[0] // 2], np.s_[:40, SIZE[0] // 2 :]
    titled = snapshot(make.travelling(make.box(), loss=None), 0, size=SIZE, title="a walker")
    assert (plain[left] != titled[left]).any()
    with_loss = snapshot(make.travelling(make.box(), loss=0.25), 0, size=SIZE)
    assert (plain[right] != with_loss[right]).any()
    assert (plain[left] == with_loss[left]).all()


# Frames


def test_frame_k_shows_the_nearest_row(make):
    rollout = make.travelling(make.box(), steps=100)  # 1 s of rows 10 ms apart
    pictures = list(frames(rollout, size=SIZE, fps=30.0))
    assert len(pictures) == 31
    for k in (0, 7, 30):
        row = round(k / 30.0 / 0.01)
        np.testing.assert_array_equal(pictures[k], snapshot(rollout, row, size=SIZE))


def test_frames_are_arrays_of_their_own(make):
    one, two = list(frames(make.travelling(make.box()), size=SIZE, fps=1.0))
    assert one.dtype == np.uint8
    assert one.shape == (SIZE[1], SIZE[0], 3)
    assert (one != two).any()


def test_speed_and_rate_choose_the_rows():
    time = np.arange(101) * 0.01
    np.testing.assert_allclose(frame_times(time, 10.0, 1.0), np.arange(11) / 10)
    assert len(frame_times(time, 10.0, 0.5)) == 21
    assert len(frame_times(time.astype(np.float32), 30.0, 1.0)) == 31
    np.testing.assert_array_equal(rows_at(time, np.array([0.0, 0.004, 0.006, 1.0, 7.0])), [0, 0, 1, 100, 100])
    for wrong in ({"fps": 0.0, "speed": 1.0}, {"fps": 30.0, "speed": -1.0}):
        with pytest.raises(InputError):
            frame_times(time, **wrong)


@pytest.mark.parametrize("dimension", [2, 3])
def test_one_row(make, dimension):
    rollout = make.travelling(make.box(dimension), steps=0)
    assert len(list(frames(rollout, size=SIZE))) == 1


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("ground", [True, False])
def test_positions_that_are_not_finite_do_not_disturb_the_others(make, dimension, ground):
    rollout = make.travelling(make.box(dimension, ground))
    rollout.position[50:, 0] = np.nan
    rollout.position[50:, 1] = np.inf
    rollout.position[50:, 2] = -1e30
    picture = snapshot(rollout, 60, size=SIZE)
    camera = Panel(rollout, Viewport(0, 0, *SIZE)).camera
    # One of the others, and in 3D the nearest one, which no spring hides.
    x, y = camera.project(rollout.position[60, 3 if dimension == 2 else 5])[0]
    np.testing.assert_allclose(picture[int(SIZE[1] - y), int(x)], 255 * rgba(STYLE.point)[:3], atol=3)
    rollout.position[:] = np.nan
    snapshot(rollout, 60, size=SIZE)


def test_environments(make):
    alone = make.travelling(make.box())
    other = make.travelling(make.box(), distance=-0.4, loss=0.5)
    arrays = {name: np.stack([alone[name], other[name]]) for name in alone.arrays}
    both = Rollout(alone.problem, {}, alone.time, arrays, loss=np.array([-1.0, 0.5]), envs=2)
    np.testing.assert_array_equal(snapshot(both, 70, size=SIZE, env=0), snapshot(alone, 70, size=SIZE))
    np.testing.assert_array_equal(snapshot(both, 70, size=SIZE, env=1), snapshot(other, 70, size=SIZE))
    with pytest.raises(IndexError):
        snapshot(both, 70, size=SIZE, env=2)


def test_what_cannot_be_shown_is_refused(make):
    rollout = make.travelling(make.box())
    with pytest.raises(InputError, match="rows 0 to 100"):
        snapshot(rollout, 101)
    with pytest.raises(InputError, match="32 to 8192"):
        snapshot(rollout, 0, size=(8, 512))


def test_png_holds_the_picture(make, tmp_path):
    picture = snapshot(make.travelling(make.box()), size=(200, 120))
    path = save_png(picture, tmp_path / "new" / "a.png")
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), picture)


# Parts


def test_triangles_are_the_triples_of_springs():
    springs = np.array([(0, 1), (2, 1), (2, 0), (2, 3), (3, 4)])
    assert triangles(springs).tolist() == [[0, 1, 2]]
    assert triangles(np.zeros((0, 2), dtype=int)).shape == (0, 3)


def test_overlapping_polygons_are_filled_whichever_way_round():
    canvas = Canvas((64, 64))
    square = np.array([(10, 10), (50, 10), (50, 50), (10, 50)], dtype=float)
    canvas.polygons(np.stack([square, square[::-1]]), np.array([0.0, 0.0, 0.0, 1.0]))
    assert (canvas.picture()[20:40, 20:40] == 0).all()


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 0.75])
def test_what_is_alone_is_painted_where_it_is(shift):
    """A collection of one path is a marker to matplotlib, and would be half a pixel off."""
    turn = 2.0 * np.pi * np.arange(49) / 48
    alone = Outlines([49])
    middle = np.array([32.0 + shift, 32.0])
    alone.corners[:] = middle + 20.0 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    ink = np.array([[0.0, 0.0, 0.0, 1.0]])
    for paint in (
        lambda canvas: canvas.outlines(alone, ink, ink, 1.0),
        lambda canvas: canvas.strokes(np.tile(middle, (1, 2, 1)), ink, 40.0),
    ):
        canvas = Canvas((64, 64), "#ffffff")
        paint(canvas)
        dark = 255.0 - canvas.picture()[..., 0]
        found = np.array([dark.sum(axis=0), dark.sum(axis=1)[::-1]]) @ (np.arange(64) + 0.5) / dark.sum()
        np.testing.assert_allclose(found, middle, atol=0.05)  # of 256 shades at the rim


def test_nothing_is_painted_outside_of_the_clip():
    canvas = Canvas((64, 64))
    empty = canvas.picture()
    canvas.clip(Viewport(0, 0, 32, 64))
    canvas.strokes(np.array([[(0, 32), (64, 32)]], dtype=float), np.array([0.0, 0.0, 0.0, 1.0]), 9.0)
    canvas.text("words, words", (5, 10))
    painted = canvas.picture()
    assert (painted[:, :31] != empty[:, :31]).any()
    assert (painted[:, 33:] == empty[:, 33:]).all()


def test_tangents_lie_in_the_plane():
    for normal in ((0, 1), (0.6, 0.8), (1, 0), (0, 0, 1), (1, 0, 0), (0.36, 0.48, 0.8)):
        floor = Floor(np.array(normal, dtype=float), 0.3)
        np.testing.assert_allclose(floor.tangents @ floor.normal, 0.0, atol=1e-12)
        np.testing.assert_allclose(floor.tangents @ floor.tangents.T, np.eye(len(normal) - 1), atol=1e-12)
        np.testing.assert_allclose(floor.gap(floor.foot(np.ones(len(normal)))), 0.0, atol=1e-12)


def test_round_steps():
    assert [round_step(x) for x in (0.011, 0.02, 0.3, 7.0, 1.0)] == pytest.approx([0.02, 0.02, 0.5, 10.0, 1.0])


def test_a_loss_is_in_words_only_where_they_have_room_beside_the_title(make, monkeypatch):
    rollout = make.travelling(make.box())
    goal = replace(rollout.problem, objective=Travel(), tune=("scene.stiffness",))
    rollout = replace(rollout, problem=goal, params={"scene.stiffness": np.array(1e4)})
    assert rollout.words == "travelled 1.00 m"
    written = []
    monkeypatch.setattr(Canvas, "text", lambda self, words, place, **how: written.append(words))
    snapshot(rollout, 0, size=SIZE, title="iteration 9")
    assert "travelled 1.00 m" in written
    snapshot(rollout, 0, size=SIZE, title="iteration 9999 of them all, the best of them all")
    assert "loss −1" in written
