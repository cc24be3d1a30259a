"""The signed distance of two shapes: cases with known answers, and samples of their outlines."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.physics.rigid_bodies.bodies import Box, Capsule, Disc, HalfPlane, Polygon, Segment
from diffsim.physics.rigid_bodies.overlap import separation

RIGHT = np.pi / 2
SQUARE, TRIANGLE = [(0, 0), (2, 0), (2, 2), (0, 2)], [(0, 0), (3, 0), (0, 3)]

KNOWN = {
    "discs apart": (Disc((0, 0), 1), Disc((3, 4), 2), 2.0),
    "discs that touch": (Disc((0, 0), 1), Disc((3, 0), 2), 0.0),
    "discs that overlap": (Disc((0, 0), 1), Disc((0, 2.5), 2), -0.5),
    "a disc in a disc": (Disc((0.5, 0), 1), Disc((0, 0), 3), -3.5),
    "discs in one place": (Disc((1, 1), 1), Disc((1, 1), 2), -3.0),
    "boxes side by side": (Box((0, 0), (1, 2)), Box((3.5, 1), (2, 1)), 0.5),
    "boxes corner to corner": (Box((0, 0), (1, 1)), Box((5, 6), (1, 1)), 5.0),
    "boxes that touch": (Box((0, 0), (1, 2)), Box((3, 1), (2, 1)), 0.0),
    "boxes that overlap": (Box((0, 0), (1, 2)), Box((2.75, 1), (2, 1)), -0.25),
    "a box in a box": (Box((0, 0), (1, 1)), Box((1, 0), (4, 5)), -4.0),
    "a cross of boxes": (Box((0, 0), (3, 0.5)), Box((0, 0), (0.5, 2)), -2.5),
    "a corner over a side": (Box((0, 3), (1, 1), angle=np.pi / 4), Box((0, 0), (4, 1)), 2 - np.sqrt(2)),
    "a corner in a side": (Box((0, 2), (1, 1), angle=np.pi / 4), Box((0, 0), (4, 1)), 1 - np.sqrt(2)),
    "boxes that were turned": (Box((0, 0), (1, 2), angle=RIGHT), Box((5, 0), (2, 1), angle=-RIGHT), 2.0),
    "a disc over a side": (Disc((1, 3), 0.5), Box((0, 0), (2, 1)), 1.5),
    "a disc off a corner": (Disc((5, 5), 1), Box((0, 0), (2, 1)), 4.0),
    "a disc half in a side": (Disc((1, 1), 0.5), Box((0, 0), (2, 1)), -0.5),
    "a disc in a box": (Disc((1, 0.5), 0.25), Box((0, 0), (4, 1)), -0.75),
    "capsules side by side": (Capsule((0, 0), 2, 0.5), Capsule((0, 3), 1, 1), 1.5),
    "capsules in a line": (Capsule((0, 0), 2, 0.5), Capsule((5, 0), 1, 1), 0.5),
    "capsules that overlap in a line": (Capsule((0, 0), 2, 0.5), Capsule((2, 0), 1, 1), -1.5),
    "a cross of capsules": (Capsule((0, 0), 2, 0.5), Capsule((0.5, 0), 1, 0.25, angle=RIGHT), -1.75),
    "a capsule and a disc at its end": (Capsule((0, 0), 2, 0.5), Disc((4, 0), 1), 0.5),
    "a capsule and a disc at its side": (Capsule((0, 0), 2, 0.5), Disc((1, 2), 1), 0.5),
    "a capsule through a box": (Capsule((0, 0), 5, 0.5), Box((0, 0), (1, 1)), -1.5),
    "a capsule over a box": (Capsule((0, 3), 1, 0.5, angle=RIGHT), Box((0, 0), (1, 1)), 0.5),
    "a polygon counts from its centroid": (Polygon((0, 0), SQUARE), Disc((3, 0), 1), 1.0),
    "a triangle to its leg": (Polygon((1, 1), TRIANGLE), Disc((-3, 1), 1), 2.0),
    "a triangle to its long side": (Polygon((1, 1), TRIANGLE), Disc((3, 3), 1), 1.5 * np.sqrt(2) - 1),
    "a disc on a floor": (Disc((7, 1), 1), HalfPlane(), 0.0),
    "a box over a floor": (Box((7, 3), (2, 1), angle=RIGHT), HalfPlane((0, 0.5)), 0.5),
    "a box in a floor": (Box((7, 1), (2, 1), angle=RIGHT), HalfPlane((0, 0.5)), -1.5),
    "a disc at a wall": (Disc((4, 9), 1), HalfPlane.of((-1, 0), -6), 1.0),
    "a disc on a slope": (Disc((0, 5), 1), HalfPlane.of((0.6, 0.8)), 3.0),
    "a capsule on a slope": (Capsule((0, 5), 5, 1), HalfPlane.of((0.6, 0.8)), 0.0),
    "a thin wall": (Box((0, 3), (1, 1)), Segment.between((-5, 1), (5, 1)), 1.0),
    "a thin wall through a box": (Box((0, 1), (1, 1)), Segment.between((-5, 0.5), (5, 0.5)), -0.5),
    "a thick wall": (Disc((0, 3), 1), Segment.between((0, -5), (0, 1), 0.5), 0.5),
}


@pytest.mark.parametrize("case", KNOWN)
def test_known_distances(case):
    first, second, expected = KNOWN[case]
    assert separation(first, second) == pytest.approx(expected, abs=1e-14)  # rounding at lengths of up to ten
    assert separation(second, first) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("case", KNOWN)
def test_distances_do_not_depend_on_the_frame(case):
    """Both shapes are turned by one angle around the origin, and shifted."""
    first, second, expected = KNOWN[case]
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    one, other = (replace(s, position=turn @ s.position + (3, -2), angle=s.angle + 0.7) for s in (first, second))
    assert separation(one, other) == pytest.approx(expected, abs=1e-14)


def test_touching_is_continuous():
    """Around the switch between the two formulas the distance grows with the gap."""
    for gap in (-1e-9, -1e-12, 0.0, 1e-12, 1e-9):
        assert separation(Box((0, 0), (1, 1)), Box((2 + gap, 0.3), (1, 1))) == pytest.approx(gap, abs=1e-15)
        assert separation(Capsule((0, 0), 1, 0.2), Disc((1.5 + gap, 0), 0.3)) == pytest.approx(gap, abs=1e-15)


# Random shapes, sampled


def sides(corners, count):
    """Points along the lines that join the corners, all round."""
    ends = zip(corners, np.roll(corners, -1, axis=0), strict=True)
    return np.concatenate([np.linspace(start, end, count) for start, end in ends])


def circle(radius, count):
    angle = np.linspace(0.0, 2.0 * np.pi, count)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def outline(shape, count=300):
    """Samples of the outline in the world, from the definition of each shape; ``count`` of a circle."""
    if isinstance(shape, Box):
        x, y = shape.half_size
        points = sides(np.array([(-x, -y), (x, -y), (x, y), (-x, y)]), count // 6)
    elif isinstance(shape, Disc):
        points = circle(shape.radius, count)
    elif isinstance(shape, Polygon):
        points = sides(shape.vertices - centroid(shape.vertices), count // 6)
    else:
        x, y = shape.half_length, shape.radius
        ends = [
            circle(y, count) + np.array([end, 0.0]) for end in (-x, x)
        ]  # half of a circle is inside, which does not matter
        points = np.concatenate([sides(np.array([(-x, -y), (x, -y), (x, y), (-x, y)]), count // 6), *ends])
    return shape.position + turned(points, shape.angle)


def turned(points, angle):
    number = (points[:, 0] + 1j * points[:, 1]) * np.exp(1j * angle)
    return np.stack([number.real, number.imag], axis=1)


def centroid(vertices):
    """Of a convex polygon, by its triangles around any point inside."""
    inside = vertices.mean(axis=0)
    a, b = vertices - inside, np.roll(vertices, -1, axis=0) - inside
    areas = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return inside + areas @ (a + b) / 3.0 / areas.sum()


def on_an_ellipse(rng):
    """Vertices of a polygon: in order on an ellipse, one in each sector, and so strictly convex."""
    count = rng.integers(3, 9)
    angle = 2.0 * np.pi * (np.arange(count) + rng.uniform(0.0, 0.7, count)) / count
    return rng.uniform(0.2, 0.6, 2) * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(size=2)


MAKE = {  # shapes of 0.1 to 1 m
    "box": lambda rng, place: Box(place, rng.uniform(0.1, 0.6, 2), angle=rng.uniform(-4, 4)),
    "disc": lambda rng, place: Disc(place, rng.uniform(0.1, 0.5), angle=rng.uniform(-4, 4)),
    "capsule": lambda rng, place: Capsule(place, *rng.uniform(0.1, 0.5, 2), angle=rng.uniform(-4, 4)),
    "polygon": lambda rng, place: Polygon(place, on_an_ellipse(rng), angle=rng.uniform(-4, 4)),
    "segment": lambda rng, place: Segment(place, *rng.uniform(0.1, 0.5, 2), angle=rng.uniform(-4, 4)),
    "thin segment": lambda rng, place: Segment(place, rng.uniform(0.1, 0.8), angle=rng.uniform(-4, 4)),
}

ANGLES = np.linspace(0.0, 2.0 * np.pi, 1001)
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)

# The best of the directions is up to 3.1e-3 rad off; the gap changes per radian by at most the length of both shapes,
# some 2 m. (Circles of 60 points sag by less than 1e-3 m.)
DIRECTION = 6e-3

# Samples of a side are up to 25e-3 m apart, so the nearest one of each shape is up to half of that off.
SAMPLES = 25e-3

PAIRS = list(itertools.combinations_with_replacement(MAKE, 2))


def random_pairs(one, other, count=8):
    rng = np.random.default_rng([list(MAKE).index(one), list(MAKE).index(other)])
    for _ in range(count):
        yield MAKE[one](rng, rng.uniform(-0.9, 0.9, 2)), MAKE[other](rng, rng.uniform(-0.9, 0.9, 2))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_distances_are_the_largest_gap_in_any_direction(one, other):
    """For convex shapes: what separates them by most, or overlaps by least, among many directions."""
    for first, second in random_pairs(one, other):
        behind, ahead = (outline(shape, 60) @ DIRECTIONS.T for shape in (first, second))
        sampled = (ahead.min(axis=0) - behind.max(axis=0)).max()
        assert separation(first, second) == pytest.approx(sampled, abs=DIRECTION)
        assert separation(second, first) == pytest.approx(separation(first, second), abs=1e-15)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_distances_of_shapes_apart_are_those_of_their_nearest_points(one, other):
    apart = 0
    for first, second in random_pairs(one, other):
        found = separation(first, second)
        if found > 0.0:
            a, b = outline(first), outline(second)
            squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * a @ b.T
            nearest = np.sqrt(squared.min())
            assert found - 1e-9 <= nearest <= found + SAMPLES  # less 1e-9: the difference of squares is rounded
            apart += 1
    assert apart > 0


def test_random_pairs_are_of_both_sorts():
    signs = [separation(*pair) > 0.0 for names in itertools.combinations(MAKE, 2) for pair in random_pairs(*names)]
    assert 0.2 < np.mean(signs) < 0.8


@pytest.mark.parametrize("name", MAKE)
def test_half_planes_are_as_far_as_the_lowest_point(name):
    rng = np.random.default_rng(5)
    for _ in range(10):
        shape = MAKE[name](rng, rng.uniform(-1, 1, 2))
        ground = HalfPlane(rng.uniform(-1, 1, 2), angle=rng.uniform(-4, 4))
        normal = np.array([-np.sin(ground.angle), np.cos(ground.angle)])
        lowest = ((outline(shape) - ground.position) @ normal).min()
        for order in ((shape, ground), (ground, shape)):
            assert separation(*order) == pytest.approx(lowest, abs=3e-5)  # circles of 300 points sag by 28e-6 m


@pytest.mark.parametrize("name", MAKE)
def test_the_size_is_the_farthest_point_from_the_position(name):
    rng = np.random.default_rng(6)
    for _ in range(10):
        shape = MAKE[name](rng, rng.uniform(-1, 1, 2)).checked(name)
        farthest = np.linalg.norm(outline(shape) - shape.position, axis=1).max()
        assert shape.size == pytest.approx(farthest, abs=3e-5)


BAD = {
    "two half-planes": (HalfPlane(), HalfPlane((0, 1)), "separation takes one half-plane at most"),
    "no shape": (Disc((0, 0), 1), (0, 0), "separation.second is (0, 0), but a body or an obstacle is needed"),
    "a bad shape": (Disc((0, 0), -1), HalfPlane(), "separation.first.radius is -1, but it must be greater than 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_shapes_are_named(case):
    first, second, words = BAD[case]
    with pytest.raises(InputError) as caught:
        separation(first, second)
    assert words in str(caught.value)
