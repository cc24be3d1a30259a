"""The words of looks: what is refused, what is painted, what the player is told; of worlds that only exist here."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from diffsim import physics
from diffsim.errors import InputError
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.spec import Spec
from diffsim.viewing import View, snapshot
from diffsim.viewing.camera import Viewport
from diffsim.viewing.forces import arrow_ways
from diffsim.viewing.frames import Panel
from diffsim.viewing.look import (
    Areas,
    Arrows,
    Bodies,
    Driven,
    Field,
    Fixed,
    Floor,
    Joint,
    Joints,
    Look,
    Part,
    Points,
    Scale,
    Segments,
    Sites,
    Triangles,
    Values,
)
from diffsim.viewing.packing import pack, unpack
from diffsim.viewing.player import recordings
from diffsim.viewing.sight import Sight, look_of
from diffsim.viewing.style import STYLE, rgba

SIZE, ROWS = (300, 300), 5
RED, GREEN, BLUE = "#ff0000", "#00ff00", "#0000ff"


@dataclass(frozen=True, eq=False, repr=False)
class World(Spec):
    kind: ClassVar[str] = "scene"
    dt: float = 0.1

    def numbers(self):
        return {}


@pytest.fixture
def seen(monkeypatch):
    """Rollouts that look as they are told to: ``seen(look)``."""
    monkeypatch.setattr(physics, "_REGISTRY", dict(physics._REGISTRY))

    def made(look, rows=ROWS, **arrays):
        physics.register(World, lambda *_: None, look=look if callable(look) else lambda _: look)
        problem = Problem(World(), steps=max(rows - 1, 1))
        return Rollout(problem, {}, 0.1 * np.arange(rows), {"anything": np.zeros(rows), **arrays})

    return made


def colour_at(rollout, place, row=0, **view):
    """Red, green, blue of the pixel of a place in the world."""
    view = View(**view)
    x, y = Panel(rollout, Viewport(0, 0, *SIZE), view=view).camera.project(np.asarray(place, dtype=float))[0]
    return snapshot(rollout, row, size=SIZE, view=view)[int(SIZE[1] - y), int(x)].astype(int)


def assert_colour(rollout, place, colour, row=0, tolerance=8, **view):
    np.testing.assert_allclose(colour_at(rollout, place, row, **view), 255 * rgba(colour)[:3], atol=tolerance)


# What is refused

SPOTS, BOX = Points(np.zeros((ROWS, 4, 2))), Part("box", (0.1, 0.2))
BLOCKS = Bodies(np.zeros((ROWS, 2, 2)), np.zeros((ROWS, 2)), [BOX])
SOLID = Bodies(np.zeros((2, 3)), np.tile(np.eye(3), (2, 1, 1)), [])
SCALE = Scale(0.0, 1.0, ("sky", "point"))

WRONG = {
    r"Points.places has shape \(3,\), but \(rows, n, 2\) or \(n, 2\) or": lambda: Points([1.0, 2.0, 3.0]),
    r"Points.places has shape \(5, 2, 4\)": lambda: Points(np.zeros((5, 2, 4))),
    "Points.places is list, but an array of numbers": lambda: Points([["a"]]),
    r"Points.radius has shape \(3,\), but a number or \(4,\) is needed": lambda: Points(SPOTS.places, radius=[1, 2, 3]),
    "Points.colour is 'greenish', but a name of the style": lambda: Points(SPOTS.places, colour="greenish"),
    "Points.colour holds 2 colours, but there are 4": lambda: Points(SPOTS.places, colour=["point", "goal"]),
    "Points.colour has values for 3, but there are 4": lambda: Points(SPOTS.places, colour=Values(np.zeros(3), SCALE)),
    r"Segments.ends\[1, 0\] is 4, but it must be at least 0 and at most 3": lambda: Segments(SPOTS, [(0, 1), (4, 0)]),
    r"Segments.ends has shape \(1, 3\), but \(k, 2\)": lambda: Segments(SPOTS, [(0, 1, 2)]),
    "Segments.ends is of float64, but whole numbers": lambda: Segments(SPOTS, [(0.5, 1.0)]),
    "Segments.points is ndarray, but Points are needed": lambda: Segments(SPOTS.places, [(0, 1)]),
    r"Segments.driven.which\[0\] is 1": lambda: Segments(SPOTS, [(0, 1)], driven=Driven([1], [0])),
    r"Driven.which has 2 entries and Driven.actuators 1": lambda: Driven([0, 1], [0]),
    r"Triangles.corners\[0, 2\] is -1": lambda: Triangles(SPOTS, [(0, 1, -1)]),
    "Areas.colour is None": lambda: Areas(np.zeros((1, 3, 2)), colour=None),
    r"Areas.corners has shape \(3, 2\)": lambda: Areas(np.zeros((3, 2))),
    r"Field.values has shape \(5,\), but \(rows, n, m\) or \(n, m\)": lambda: Field(np.zeros(5), (0, 0), (1, 1)),
    r"Field goes from \[0.0, 0.0\] to \[1.0, 0.0\], but low must be": lambda: Field(np.zeros((2, 2)), (0, 0), (1, 0)),
    "Field.values has shape .* a grid has at least one cell": lambda: Field(np.zeros((0, 2)), (0, 0), (1, 1)),
    r"Bodies.turns has shape \(5, 2\), but \(rows, 1\)": lambda: Bodies(np.zeros((5, 1, 2)), np.zeros((5, 2)), []),
    r"Bodies.turns has shape \(5, 1\), but \(rows, 1, 3, 3\)": lambda: Bodies(
        np.zeros((5, 1, 3)), np.zeros((5, 1)), []
    ),
    r"Bodies.parts\[0\].body is 2": lambda: Bodies(np.zeros((5, 2, 2)), np.zeros((5, 2)), [Part("disc", 1.0, body=2)]),
    r"Bodies.parts\[0\] is a polygon in 2 dimensions, but it needs 3": lambda: Bodies(SOLID.places, SOLID.turns, [BOX]),
    "Bodies.colour takes Values": lambda: Bodies(BLOCKS.places, BLOCKS.turns, [BOX], colour="point"),
    r"Fixed.parts\[1\] is a sphere in 3 dim": lambda: Fixed([BOX, Part("sphere", 1.0, at=(0, 0, 0))]),
    "Part.shape is 'sphere', but in 2 dimensions disc, ball, capsule": lambda: Part("sphere", 1.0),
    "Part.size of a capsule has 1 numbers, but 2": lambda: Part("capsule", 1.0),
    r"Part.corners has shape \(2,\)": lambda: Part("polygon", corners=(1.0, 2.0)),
    r"joints\[0\].kind is 'rubber', but pin or weld": lambda: Joints(BLOCKS, [Joint("rubber", (0, 1), np.eye(2))]),
    r"joints\[0\].kind is 'rope', but pin is allowed": lambda: Joints(SOLID, [Joint("rope", (0, 1), np.zeros((2, 3)))]),
    r"joints\[0\].bodies\[1\] is 2": lambda: Joints(BLOCKS, [Joint("pin", (0, 2), np.eye(2))]),
    r"joints\[0\].anchors has shape \(2,\)": lambda: Joints(BLOCKS, [Joint("pin", (0, 1), (0, 0))]),
    r"Joints.driven has joints\[0\], a rope, but a pin or slider or spring": lambda: Joints(
        BLOCKS, [Joint("rope", (0, 1), np.eye(2))], Driven([0], [0])
    ),
    r"Sites.places has shape \(1, 2\), but \(2, 2\)": lambda: Sites(BLOCKS, [0, 1], np.zeros((1, 2))),
    r"Arrows.ways has shape \(5, 4, 3\), but": lambda: Arrows(SPOTS.places, np.zeros((5, 4, 3))),
    "Floor.normal is .* a vector of length 1": lambda: Floor((0.0, 2.0), 0.0),
    "Scale goes from 1 to 1, but low must be below high": lambda: Scale(1, 1, ("sky", "point")),
    "Scale.colours holds 1, but two or more": lambda: Scale(0, 1, ("sky",)),
    r"Scale.colours\[1\] is 'sea'": lambda: Scale(0, 1, ("sky", "sea")),
    r"Look.elements\[0\] is 3, but Points": lambda: Look([3]),
    r"Look has parts of different numbers of dimensions: elements\[0\], Points 2, ground 3": lambda: Look(
        [SPOTS], Floor((0, 0, 1), 0.0)
    ),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_makes_no_sense_is_refused_by_name(words):
    with pytest.raises(InputError, match=words):
        WRONG[words]()


def test_a_look_for_other_rows_than_the_rollout_has_is_refused(seen):
    for rows in (1, ROWS - 1, ROWS):
        look_of(seen(Look(Points(np.zeros((rows, 4, 2))))))
    with pytest.raises(InputError, match=r"Points.places of a World has 3 rows, but the rollout has 5; 5, 4 \(one a"):
        look_of(seen(Look(Points(np.zeros((3, 4, 2))))))
    with pytest.raises(InputError, match=r"Look\.centre has 3 rows, but the rollout has 5"):
        look_of(seen(Look(SPOTS, centre=np.zeros((3, 2)))))
    with pytest.raises(InputError, match="the look of a World is list, but a Look is needed"):
        look_of(seen(lambda _: [SPOTS]))


def test_actuators_that_there_are_not_are_refused(seen):
    rollout = seen(Look(Segments(SPOTS, [(0, 1)], driven=Driven([0], [3]))), actuation=np.zeros((ROWS - 1, 2)))
    with pytest.raises(InputError, match=r"Driven.actuators holds 3, but the rollout has 2 actuators"):
        snapshot(rollout)


# What is painted


def test_a_field_is_painted_cell_by_cell_and_mixed_between(seen):
    values = np.zeros((ROWS, 2, 3))
    values[:, 1, 2], values[2] = 1.0, np.nan
    rollout = seen(Look(Field(values, (0.0, 0.0), (2.0, 3.0), Scale(0.0, 1.0, (RED, BLUE)))))
    assert_colour(rollout, (0.5, 0.5), RED)
    assert_colour(rollout, (1.8, 2.8), BLUE)
    red, _, blue = colour_at(rollout, (1.0, 2.5))
    assert abs(red - blue) < 12  # half way between the middles of two cells, mixed as light is
    assert red > 160
    assert_colour(rollout, (2.2, 1.0), STYLE.sky, tolerance=17)
    assert_colour(rollout, (1.5, 2.5), STYLE.sky, row=2, tolerance=17)  # NaN is seen through


def test_scenery_and_goals_stand_before_a_field(seen):
    field = Field(np.ones((4, 4)), (0.0, 0.0), (1.0, 1.0), Scale(0.0, 1.0, (RED, BLUE)))
    rollout = seen(Look([Fixed([Part("disc", 0.2, at=(0.5, 0.5), fill=GREEN)]), field]))
    assert_colour(rollout, (0.5, 0.5), GREEN)
    assert_colour(rollout, (0.8, 0.8), BLUE)


def test_values_have_the_colours_of_their_scale(seen):
    places = [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)]
    values = np.linspace(0.0, 2.0, ROWS)[:, None] + [0.0, 1.0, np.nan]
    rollout = seen(Look(Points(places, radius=0.3, colour=Values(values, Scale(0.0, 2.0, (RED, BLUE))))))
    assert_colour(rollout, places[0], RED)
    assert_colour(rollout, places[0], BLUE, row=-1)
    assert_colour(rollout, places[1], BLUE, row=-1)  # beyond the end of the scale
    assert_colour(rollout, places[2], STYLE.sky, tolerance=17)  # not known


@pytest.mark.parametrize("dimension", [2, 3])
def test_bodies_take_the_colours_of_values(seen, dimension):
    shape, far = ("disc", (5.0, 0.0)) if dimension == 2 else ("sphere", (5.0, 0.0, 0.0))
    at, places = np.zeros(dimension), np.array([np.zeros(dimension), far])
    turns = np.zeros(2) if dimension == 2 else np.tile(np.eye(3), (2, 1, 1))
    parts = [Part(shape, 1.0, at=at, body=k) for k in range(2)]
    rollout = seen(Look(Bodies(places, turns, parts, Values([0.0, 1.0], Scale(0.0, 1.0, (RED, BLUE))))))
    for k, channel in ((0, 0), (1, 2)):
        place = places[k] + (0.3 if dimension == 2 else 0.0)  # beside the spoke of a disc
        assert int(np.argmax(colour_at(rollout, place, azimuth=-90, elevation=10))) == channel


def test_parts_are_where_they_are_on_their_body(seen):
    parts = [Part("box", (0.5, 0.1), fill=RED), Part("box", (0.1, 0.4), at=(1.0, 0.0), turn=np.pi / 2, fill=BLUE)]
    rollout = seen(Look(Bodies([(2.0, 1.0)], [np.pi / 2], parts)))
    assert_colour(rollout, (2.0, 1.4), RED)
    assert_colour(rollout, (2.0, 2.35), BLUE)  # turned by half a turn in all
    assert_colour(rollout, (2.35, 2.0), STYLE.sky, tolerance=17)


def test_areas_are_filled_below_what_stands_in_them(seen):
    water = np.array([[(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 1.0)]])
    boat = Points([(2.0, 1.0)], radius=0.2, colour=RED)
    rollout = seen(Look([boat, Areas(water, BLUE)], Floor((0.0, 1.0), 0.0)))
    assert_colour(rollout, (1.0, 0.5), BLUE)
    assert_colour(rollout, (2.0, 1.0), RED)
    assert_colour(rollout, (1.0, 1.6), STYLE.sky, tolerance=17)


def test_balls_have_the_size_of_their_radius(seen):
    rollout = seen(Look(Points([(0.0, 0.0), (2.0, 0.0)], radius=[0.5, 0.1], colour=RED)))
    for place in ((0.45, 0.0), (0.0, -0.45), (2.0, 0.08)):
        assert_colour(rollout, place, RED)
    assert_colour(rollout, (2.2, 0.0), STYLE.sky, tolerance=17)


def test_thousands_of_points_are_painted_where_they_are(seen):
    grid = np.stack(np.meshgrid(np.arange(40.0), np.arange(40.0), indexing="ij"), axis=-1).reshape(-1, 2)
    values = Values(grid[:, 0], Scale(0.0, 39.0, (RED, BLUE)))
    rollout = seen(Look(Points(np.concatenate([grid, [(np.nan, 0.0)]]), radius=0.4, colour="point")))
    assert_colour(rollout, (7.0, 31.0), STYLE.point, tolerance=60)  # of a disc of 5 pixels
    coloured = seen(Look(Points(grid, radius=0.6, colour=values)))
    assert_colour(coloured, (0.0, 20.0), RED, tolerance=20)
    assert_colour(coloured, (39.0, 20.0), BLUE, tolerance=20)


def test_solids_hide_points_behind_them_and_not_those_before_them(seen):
    wall = Fixed([Part("box", (1.0, 0.05, 1.0), at=(0.0, 0.0, 0.0), fill=BLUE)])
    found = []
    for y in (-0.5, 0.5):
        rollout = seen(Look([wall, Points([(0.0, y, 0.0)], radius=0.2, colour=RED)]))
        found.append(colour_at(rollout, (0.0, y, 0.0), azimuth=-90, elevation=0))
    assert found[0][0] > 200 > found[0][2]
    assert found[1][0] < 60


def test_a_look_of_nothing_says_so_in_words(seen):
    rollout = seen(lambda _: Look([]))
    quiet = np.abs(snapshot(rollout, size=SIZE).astype(int) - 255 * rgba(STYLE.quiet)[:3]).max(axis=2) < 60
    rows, columns = np.nonzero(quiet)
    assert len(rows) > 20
    assert abs(columns.mean() - SIZE[0] / 2) < 20
    assert abs(rows.mean() - SIZE[1] / 2) < 20


def test_legends_say_the_numbers_and_their_unit():
    assert Scale(-1.5, 2.0, ("sky", "point"), unit="m/s").ends == ("−1.5 m/s", "2 m/s")
    assert Scale(0.0, 1.0, ("sky", "point"), words=("clear", "smoke")).ends == ("clear", "smoke")


# Cameras


def test_the_camera_goes_along_only_if_it_may_and_what_moves_gets_far(seen):
    far = np.zeros((50, 2, 2))
    far[..., 0] += np.linspace(0.0, 9.0, 50)[:, None] + [0.0, 1.0]
    for roams, places, follows in (
        (True, far, True),
        (False, far, False),
        (True, 0.1 * far, True),
        (True, far[:1], False),
    ):
        sight = Sight(seen(Look(Points(places), roams=roams), rows=50))
        assert sight.roams == follows
    assert Sight(seen(Look(Points(far), roams=True, size=20.0), rows=50)).roams is False


def test_what_flies_off_is_given_up_beyond_the_reach(seen):
    places = np.zeros((ROWS, 2, 2))
    places[:, 1] = 1.0
    places[3:, 1] = 50.0
    assert Sight(seen(Look(Points(places)))).content().max() == 50.0
    assert Sight(seen(Look(Points(places), reach=10.0))).content().max() == 1.0


def test_scenery_is_shown_as_far_as_it_is_near(seen):
    near, far = Part("disc", 0.5, at=(2.0, 0.0)), Part("disc", 0.5, at=(9.0, 0.0))
    content = Sight(seen(Look([Points([(0.0, 0.0), (1.0, 1.0)]), Fixed([near, far])]))).content()
    assert content[:, 0].max() == pytest.approx(2.0)  # a part of the one that is near
    assert look_of(seen(Look([]))).dimension == 2


# Forces


def test_arrows_of_forces_have_lengths_in_the_measure_of_the_usual_one():
    forces = np.zeros((100, 1, 2))
    forces[:, 0, 1] = 2.0
    forces[:4, 0, 1] = 0.0, 1.0, 300.0, np.nan
    ways = arrow_ways(forces, 0.5)[:5, 0, 1]
    np.testing.assert_allclose(ways, [np.nan, 0.25, 1.0, np.nan, 0.5])
    assert np.isnan(arrow_ways(forces, 0.5, least=0.3)[1]).all()
    assert np.isnan(arrow_ways(np.zeros((3, 2, 2)), 1.0)).all()


# What the player is told


def test_the_player_has_all_that_a_look_holds(seen):
    rng = np.random.default_rng(0)
    points = Points(rng.normal(size=(ROWS, 3, 2)), colour=Values(rng.uniform(size=(ROWS, 3)), SCALE))
    bodies = Bodies(rng.normal(size=(ROWS, 1, 2)), rng.normal(size=(ROWS, 1)), [Part("box", (0.1, 0.2))])
    look = Look(
        [
            Field(rng.uniform(size=(ROWS, 200, 100)), (0, 0), (2, 1), SCALE),
            Areas(rng.normal(size=(ROWS, 2, 4, 2)), "goal"),
            bodies,
            Joints(bodies, [Joint("spring", (0, -1), np.zeros((2, 2)))], Driven([0], [0])),
            Triangles(points, [(0, 1, 2)]),
            points,
            Arrows(points.places[:-1], points.places[1:], "contact"),
        ],
        walls=[Floor((1.0, 0.0), -5.0)],
    )
    (found,) = recordings([seen(look, actuation=np.zeros((ROWS - 1, 1)))])
    kinds = [element["kind"] for element in found.still["elements"]]
    assert kinds == ["field", "areas", "bodies", "joints", "triangles", "points", "arrows"]
    field, areas, plain, joints, flesh, dots, arrows = found.still["elements"]
    back = unpack(pack(found.channels, np.arange(ROWS)), ROWS)
    assert field["shape"] == [100, 50]  # means of two by two
    means = look.elements[0].values.reshape(ROWS, 100, 2, 50, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(back[field["values"]], means.reshape(ROWS, -1), atol=1 / 400)
    np.testing.assert_allclose(back[areas["corners"]], look.elements[1].corners.reshape(ROWS, -1), atol=1e-3)
    assert plain["places"] == joints["places"]
    assert flesh["places"] == dots["places"]
    np.testing.assert_allclose(back[dots["places"]], points.places.reshape(ROWS, -1), atol=1e-3)
    np.testing.assert_allclose(back[dots["colour"]["values"]], points.colour.values, atol=1 / 400)
    last = back[arrows["arrows"]][-1].reshape(3, 4)  # the last step's goes on
    np.testing.assert_allclose(last, np.concatenate([points.places[-2], points.places[-1]], axis=1), atol=1e-3)
    assert [scale["ends"] for scale in found.still["legend"]] == [["0", "1"], ["contracted", "extended"]]
    assert found.still["walls"][0]["normal"] == [1.0, 0.0]
