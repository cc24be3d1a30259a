"""Reports without a browser: what is packed is what was recorded, it fits, and nothing that a user wrote gets out."""

import base64
import json
import re
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import diffsim.viewing.report as report
from diffsim.errors import InputError
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.physics.mass_spring.scene import MassSpring
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.spec import Spec
from diffsim.tuning import Result
from diffsim.viewing import write_report
from diffsim.viewing.packing import Channel, pack, packed_json, unpack
from diffsim.viewing.parts import quaternions
from diffsim.viewing.player import frame_rows, recordings
from diffsim.viewing.style import STYLE
from diffsim.viewing.tables import command_of, short, title_of, words_of


def read(path):
    """The data of a report."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(found[1])


def shown(rollout):
    (found,) = recordings([rollout])
    return found


def elements(found, kind):
    """The elements of a recording that are of a kind."""
    return [element for element in found.still["elements"] if element["kind"] == kind]


def channel(found, element, name):
    """The values (rows, ...) of what moves in an element."""
    return found.channels[element[name]].values


MUSCLES = {"low": -1.0, "high": 1.0, "colours": [STYLE.contracted, STYLE.resting, STYLE.extended]}


# Packing


@pytest.mark.parametrize("step", [1e-3, 0.25, 1e-7])
def test_what_is_packed_is_off_by_half_a_step_at_most(step):
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.normal(size=(50, 3, 2)), axis=0) + 1000.0
    back = unpack(pack({"points": Channel(values, step)}, np.arange(50)), 50)["points"]
    # Half a step, and the rounding of a float64 of size 1000.
    np.testing.assert_allclose(back, values.reshape(50, 6), atol=0.5 * step + 1e-12, rtol=0)


def test_what_is_not_there_stays_away_and_what_comes_back_is_right():
    values = np.array([[1.0], [2.0], [np.nan], [np.nan], [7.0], [8.0]])
    np.testing.assert_array_equal(unpack(pack({"a": Channel(values, 0.5)}, np.arange(6)), 6)["a"], values)
    assert np.isnan(unpack(pack({"a": Channel(values * np.nan, 0.5)}, np.arange(6)), 6)["a"]).all()


def test_steady_motion_takes_next_to_nothing():
    values = np.linspace(0.0, 50.0, 1001)[:, None] * np.ones(100)
    assert len(pack({"a": Channel(values, 0.05)}, np.arange(1001)).text) < 2000  # of 100,100 numbers


def test_several_channels_keep_their_names_and_columns():
    channels = {
        "a": Channel(np.ones((4, 3, 2)), 0.5),
        "b": Channel(np.zeros((4, 0)), 1.0),
        "c": Channel(-np.ones((4, 1)), 0.1),
    }
    back = unpack(pack(channels, np.array([0, 2, 3])), 3)
    assert {name: table.shape for name, table in back.items()} == {"a": (3, 6), "b": (3, 0), "c": (3, 1)}
    np.testing.assert_allclose(back["c"], -1.0)


def test_still_numbers_that_are_not_finite_are_left_out():
    text = packed_json({"a": [1.0, float("nan")], "b": {"c": (float("inf"), 2)}})
    assert json.loads(zlib.decompress(base64.b64decode(text))) == {"a": [1.0, None], "b": {"c": [None, 2]}}


# Frames


def test_nothing_is_lost_of_a_short_rollout():
    np.testing.assert_array_equal(frame_rows(0.001 * np.arange(200)), np.arange(200))
    np.testing.assert_array_equal(frame_rows(np.zeros(1)), [0])


def test_a_long_rollout_has_about_thirty_frames_per_second():
    time = 0.002 * np.arange(20_001)  # 40 s
    rows = frame_rows(time)
    assert rows[0] == 0
    assert rows[-1] == 20_000
    assert 30.0 <= (len(rows) - 1) / 40.0 < 33.0
    assert len(np.unique(np.diff(rows))) == 1


def test_thinned_frames_are_fewer_and_end_at_the_end():
    time = 0.01 * np.arange(1001)
    assert len(frame_rows(time, 4)) == pytest.approx(len(frame_rows(time)) / 4, abs=2)
    assert frame_rows(time, 7)[-1] == 1000


# Every type of scene


def picture_size(recording):
    return float(np.ptp(np.array(recording.still["box"]), axis=0).max())


@pytest.mark.parametrize("kind", ["square", "cube", "machine", "robot", "runner"])
def test_places_are_right_within_two_thousandths_of_the_picture(make, kind):
    rollout = {
        "square": lambda: make.travelling(make.box(2)),
        "cube": lambda: make.travelling(make.box(3)),
        "machine": make.machine,
        "robot": make.robot,
        "runner": lambda: make.robot(distance=30.0),
    }[kind]()
    found = shown(rollout)
    rows = frame_rows(found.time)
    back = unpack(pack(found.channels, rows), len(rows))
    (name,) = {element["places"] for element in found.still["elements"] if "places" in element}
    bodies = {"machine": 5, "robot": 2, "runner": 2}.get(kind)
    known = rollout["position"][rows, :bodies]
    error = np.abs(back[name].reshape(known.shape) - known).max()
    assert error < picture_size(found) / 2000.0
    json.dumps(found.still, allow_nan=False)


def test_springs_have_the_colours_of_what_is_asked_of_them(make):
    scene = make.box(2, actuation=[0.1, -0.2, 0.0, 0.0, 0.0, 0.0])
    found = shown(make.travelling(scene, actuation=0.5))
    (driven,) = elements(found, "segments")[0]["driven"]
    assert driven["which"] == [0, 1]
    assert driven["actuators"] == [0, 1]
    np.testing.assert_allclose(driven["gains"], [0.5, -1.0])
    np.testing.assert_allclose(found.channels["actuation"].values, 0.5)
    assert len(found.channels["actuation"].values) == len(found.time)  # of the last row what was asked before
    assert found.still["legend"] == [driven["scale"]] == [{**MUSCLES, "ends": ["contracted", "extended"]}]


def test_bodies_joints_and_scenery_of_a_machine(make):
    found = shown(make.machine())
    still = found.still
    (bodies,), (fixed,), (joints,) = (elements(found, kind) for kind in ("bodies", "fixed", "joints"))
    assert [parts[0]["shape"] for parts in bodies["parts"]] == ["disc", "polygon", "capsule", "polygon", "polygon"]
    assert [part["shape"] for part in fixed["parts"]] == ["capsule", "disc"]
    assert fixed["parts"][0]["radius"] == 0.0
    assert [joint["kind"] for joint in joints["joints"]] == ["pin", "rope", "slider", "spring", "spring"]
    # Muscles come first among actuators, then motors.
    muscles, motors = joints["driven"]
    assert (muscles["which"], muscles["actuators"]) == ([4], [0])
    assert (motors["which"], motors["actuators"]) == ([0, 2], [1, 2])
    assert [scale["ends"] for scale in still["legend"]] == [["contracted", "extended"], ["motor −", "motor +"]]
    assert still["floor"]["solid"]
    wall = {"normal": [pytest.approx(-1.0), pytest.approx(0.0, abs=1e-12)], "height": -2.0, "solid": True}
    assert still["walls"] == [{**wall, "shadows": False}]
    assert still["floor"]["shadows"]
    assert {part[0]["fill"] for part in bodies["parts"]} <= {fill for fill, _ in STYLE.bodies}


def test_a_force_pushes_the_body_up(make):
    found = shown(make.machine())
    (tail_x, tail_y, _, up) = channel(found, elements(found, "arrows")[0], "arrows")[0, 0]
    assert (tail_x, tail_y) == (pytest.approx(0.2), 0.0)
    assert up > 0.05


def test_parts_of_a_robot_are_where_its_links_are(make):
    rollout = make.robot()
    found = shown(rollout)
    (bodies,), (joints,), (sites,) = (elements(found, kind) for kind in ("bodies", "joints", "sites"))
    assert [part["shape"] for part in bodies["parts"][0]] == ["box", "capsule", "sphere", "cylinder", "ellipsoid"]
    turns = channel(found, bodies, "turns")
    np.testing.assert_allclose(rotation_of(turns), rollout["rotation"].reshape(-1, 2, 3, 3), atol=1e-9)
    wheel = bodies["parts"][0][3]
    np.testing.assert_allclose(wheel["at"], [-0.15, -0.16, -0.1])
    np.testing.assert_allclose(np.abs(wheel["turn"]), np.abs([0.5**0.5, 0.5**0.5, 0.0, 0.0]), atol=1e-4)
    assert joints["joints"] == [{"kind": "pin", "bodies": [1, 0], "anchors": [[0.0, 0.0, 0.0]]}]
    assert [(group["which"], group["actuators"]) for group in joints["driven"]] == [([0], [0])]
    assert (sites["owners"], sites["at"]) == ([1], [[0.0, 0.0, -0.2]])
    assert joints["places"] == sites["places"] == bodies["places"]  # told once
    assert not found.still["follows"]


def test_quaternions_do_not_jump(make):
    rollout = make.robot()
    angle = np.linspace(0.0, 20.0, len(rollout.time))
    cos, sin, none, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    turning = np.stack([cos, -sin, none, sin, cos, none, none, none, one], axis=1)
    rollout.arrays["rotation"][:, 0] = turning
    found = shown(rollout)
    turns = channel(found, elements(found, "bodies")[0], "turns")
    assert (np.linalg.norm(np.diff(turns, axis=0), axis=-1) < 0.3).all()  # a third of a radian from row to row
    np.testing.assert_allclose(rotation_of(turns[:, 0]).reshape(-1, 9), turning, atol=1e-9)


def test_quaternions_of_all_rotations():
    rng = np.random.default_rng(1)
    rotation = rotation_of(np.concatenate([rng.normal(size=(200, 4)), np.eye(4)]))
    np.testing.assert_allclose(rotation_of(quaternions(rotation)), rotation, atol=1e-12)


def test_a_robot_that_runs_is_followed(make):
    found = shown(make.robot(distance=30.0))
    assert found.still["follows"]
    track = found.channels["track"].values
    assert np.ptp(track[:, 0]) == pytest.approx(30.0, rel=0.02)
    assert picture_size(found) < 2.0


def test_one_camera_shows_all_iterations_but_not_one_that_flies_off(make):
    calm, wild = make.travelling(make.box(2)), make.travelling(make.box(2), distance=60.0)
    for order in ([calm, wild, calm, calm], [calm, calm, wild]):
        found = recordings(order)
        boxes = [recording.still["box"] for recording in found]
        assert boxes.count(boxes[0]) == len(order)
        assert picture_size(found[0]) < 3.0


def test_what_learned_to_go_far_is_shown_whole(make):
    near, far = make.travelling(make.box(2), distance=0.1), make.travelling(make.box(2), distance=2.0)
    assert picture_size(recordings([near, near, near, far])[0]) > 2.0
    assert picture_size(recordings([near, near, far, near], [0, -1, 2])[0]) > 2.0


def test_what_diverged_is_not_there(make):
    rollout = make.travelling(make.box(2))
    rollout.arrays["position"][60:] = np.nan
    rollout.arrays["position"][50:60] = 1e200
    found = shown(rollout)
    places = channel(found, elements(found, "points")[0], "places")
    assert np.isnan(places[50:]).all()
    assert np.isfinite(places[:50]).all()
    json.dumps(found.still, allow_nan=False)


@dataclass(frozen=True, eq=False, repr=False)
class Cloud(Spec):
    """A scene that nobody has registered."""

    kind: ClassVar[str] = "scene"
    dt: float = 0.01

    def numbers(self):
        return {}


def cloud(shape, name="position"):
    arrays = {name: np.random.default_rng(0).normal(size=shape)}
    return Rollout(Problem(Cloud(), steps=shape[0] - 1), {}, 0.01 * np.arange(shape[0]), arrays)


@pytest.mark.parametrize("dimension", [2, 3])
def test_an_unknown_scene_is_points(dimension):
    found = shown(cloud((20, 5, dimension)))
    (points,) = found.still["elements"]
    colour = {"palette": [STYLE.point], "which": None}
    assert points == {
        **{"kind": "points", "places": "places0", "count": 5, "radius": None, "joined": False, "colour": colour}
    }
    assert channel(found, points, "places").shape == (20, 5, dimension)


@pytest.mark.parametrize("rollout", [cloud((20, 5, 4)), cloud((20, 5, 3), "heat")])
def test_an_unknown_scene_without_places_has_a_report_without_a_player(make, tmp_path, rollout):
    path = write_report(tmp_path / "report.html", **make.learned(3, rollout))
    assert read(path)["iterations"] == []
    assert "There is no player" in path.read_text()
    assert "Cloud" in path.read_text()


# What fits


def many(scene, count, steps, seed=0):
    """Rollouts of noise, which cannot be made small."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(count):
        position = scene.points + 0.02 * rng.normal(size=(steps + 1, *scene.points.shape))
        arrays = {"position": position, "actuation": rng.uniform(-1.0, 1.0, size=(steps, len(scene.actuators)))}
        found.append((k, Rollout(Problem(scene, steps=steps), {}, scene.dt * np.arange(steps + 1), arrays)))
    return found


def lattice(n):
    points = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1).reshape(-1, 2)
    index = np.arange(n * n).reshape(n, n)
    across = np.stack([index[:-1].ravel(), index[1:].ravel()], axis=1)
    up = np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()], axis=1)
    return MassSpring(points=0.1 * points + 1.0, springs=np.concatenate([across, up]), actuation=0.1, dt=0.03)


def test_a_small_run_is_whole(make, tmp_path):
    rollout = make.travelling(make.box(2))
    path = write_report(tmp_path / "new" / "report.html", **make.learned(12, rollout))
    data = read(path)
    assert [entry["iteration"] for entry in data["iterations"]] == list(range(12))
    assert all(entry["time"] == [0.0, pytest.approx(0.01), pytest.approx(1.0), 101] for entry in data["iterations"])
    assert len(data["stills"]) == 1
    assert "small" not in "".join(re.findall(r'<p class="note">.*?</p>', path.read_text()))
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_frames_are_left_out_before_iterations(make, tmp_path):
    rollouts = many(lattice(6), 40, 240)
    path = write_report(tmp_path / "report.html", **{**make.learned(40, rollouts[0][1]), "rollouts": rollouts})
    data = read(path)
    assert path.stat().st_size < 2_000_000
    assert len(data["iterations"]) == 40
    assert data["iterations"][0]["time"][3] < 241
    assert "frames per second of simulated time" in path.read_text()


def test_a_big_scene_keeps_the_first_the_best_and_the_last_iteration(make, tmp_path):
    rollouts = many(lattice(20), 20, 240)
    made = {**make.learned(20, rollouts[0][1]), "rollouts": rollouts}
    path = write_report(tmp_path / "report.html", best_iteration=4, **made)
    kept = [entry["iteration"] for entry in read(path)["iterations"]]
    assert path.stat().st_size < 2_000_000
    assert {0, 4, 19} <= set(kept)
    assert f"{len(kept)} of 20 saved iterations" in path.read_text()


def test_a_scene_that_is_too_large_has_no_player(make, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "MOST", 260_000)
    rollouts = many(lattice(60), 3, 10)
    path = write_report(tmp_path / "report.html", **{**make.learned(3, rollouts[0][1]), "rollouts": rollouts})
    assert path.stat().st_size < 260_000
    assert "too large" in path.read_text()


def test_a_long_history_is_thinned_and_keeps_its_spikes():
    losses = np.ones(50_000)
    losses[[0, 12_345, 49_999]] = 5.0, 0.01, 2.0
    found = report._curves([{"iteration": k, "loss": loss} for k, loss in enumerate(losses.tolist())])
    assert len(found["iteration"]) <= report.MOST_POINTS + 2
    assert min(found["loss"]) == 0.01
    assert (found["loss"][0], found["loss"][-1]) == (5.0, 2.0)


# What it says


def test_nothing_that_a_user_wrote_gets_out(make, tmp_path):
    evil = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>"
    rollout = make.travelling(make.box(2))
    about = {
        "problem": {"type": evil, "scene": {"type": evil, "points": [1]}, "controller": {"type": evil, evil: evil}},
        "settings": {evil: evil},
        "environment": {"command": ["python", evil, f"{evil}.py", '"$(rm)"'], "platform": evil},
        "stopped": evil,
        "seed": evil,
    }
    path = write_report(tmp_path / "report.html", rollouts=[(0, rollout)], history=[], about=about)
    text = path.read_text()
    assert "<script>alert" not in text
    assert "<img" not in text
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    assert "{{" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_what_a_user_wrote_is_no_placeholder(make, tmp_path):
    about = {"stopped": "{{script}} and \\1"}
    path = write_report(tmp_path / "report.html", rollouts=[], history=[], about=about)
    assert "{{script}} and \\1" in path.read_text()


def test_nothing_is_needed(make, tmp_path):
    path = write_report(tmp_path / "report.html", rollouts=[], history=[], about={})
    assert "<h1>Optimisation</h1>" in path.read_text()


def test_rejected_steps_and_several_losses(make, tmp_path):
    history = [{"iteration": 0, "loss": np.array([3.0, 2.0])}, {"iteration": 1, "loss": float("nan")}, {"loss": None}]
    made = {**make.learned(3, make.travelling(make.box(2))), "history": history}
    text = write_report(tmp_path / "report.html", **made).read_text()
    assert "2 rejected" in text
    assert report._curves(history)["loss"] == [2.0, None, None]


def test_problem_run_and_command_are_told(make, tmp_path):
    text = write_report(tmp_path / "report.html", **make.learned(5, make.travelling(make.box(2)))).read_text()
    words = re.sub(r"<[^>]*>", "", text)
    for told in (
        "Some walker",
        "MassSpring of 4 points, 6 springs",
        "100 of 0.01 s, 1 s in all",
        "75 s",
        "diffsim 0.1",
    ):
        assert told in words, told
    assert "python scenes/some_walker.py --seed 3" in words


def test_the_page_may_not_reach_for_anything(make, tmp_path):
    text = write_report(tmp_path / "report.html", **make.learned(2, make.travelling(make.box(2)))).read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    own = {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert set(re.findall(r"https?://[^\s\"'<>]+", text)) <= own


def test_a_folder_is_refused_and_an_old_report_survives_an_error(make, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is a folder"):
        write_report(tmp_path, rollouts=[], history=[], about={})
    path = write_report(tmp_path / "report.html", rollouts=[], history=[], about={})
    before = path.read_bytes()

    def fails(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(report.os, "replace", fails)
    with pytest.raises(OSError, match="full"):
        write_report(path, rollouts=[], history=[], about={"seed": 1})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"type": "MLP", "hidden": [64], "weight": 1.0}, "MLP(hidden=64)"),
        ({"type": "Sum", "terms": [{"type": "A", "weight": 1.0}, {"type": "B", "weight": -0.1}]}, "A + −0.1 × B"),
        ({"array": [1.0, 2.0], "shape": [2], "dtype": "float64"}, "(1, 2)"),
        ({"array": [[0.0] * 3] * 9, "shape": [9, 3], "dtype": "float64"}, "9 × 3 numbers"),
        ({"number": "inf"}, "inf"),
        ([[1, 2], [3]], "((1, 2), 3)"),
    ],
)
def test_specifications_in_words(value, words):
    assert words_of(value) == words


def test_small_words():
    assert short(-0.000123456) == "−0.0001235"
    assert title_of({"environment": {"command": ["python", "/a/b/half_cheetah.py"]}}, None) == "Half cheetah"
    assert command_of({"environment": {"command": ["python", "a b.py"]}}) == "python 'a b.py'"
    assert command_of({}) is None
    for command in (["python", "/x/bin/diffsim"], ["python", "-m", "diffsim"]):
        about = {"environment": {"command": [*command, "run", "soft_throw", "--seed", "1"]}}
        assert command_of(about) == "diffsim run soft_throw --seed 1"
        assert title_of(about, None) == "Soft throw"


# Notebooks


def test_a_rollout_shows_itself(make):
    text = make.travelling(make.box(2))._repr_html_()
    assert text.startswith("<iframe srcdoc=")
    assert "sandbox=" in text
    assert len(text) < 200_000


def test_a_result_shows_itself():
    history = [{"iteration": k, "loss": 1.0 / (k + 1), "best": 1.0 / (k + 1), "gradient_norm": 1.0} for k in range(5)]
    values: dict[str, Any] = {"best_params": {"controller.w": np.zeros((2, 3))}, "last_params": {}, "snapshots": []}
    result = Result(best_loss=0.2, best_iteration=4, best_copy=0, history=history, stopped="<done>", **values)
    text = result._repr_html_()
    assert "at iteration 4" in text
    assert "&amp;lt;done&amp;gt;" in text  # escaped in the page, and the page in the attribute
