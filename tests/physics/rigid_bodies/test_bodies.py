"""Bodies and obstacles: what a scene refuses of them, and their frames."""

from dataclasses import replace

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.physics.rigid_bodies.bodies import Box, Capsule, Disc, HalfPlane, Polygon, Segment
from diffsim.physics.rigid_bodies.scene import RigidBodies

TRIANGLE = [(0.0, 0.0), (0.4, 0.0), (0.1, 0.3)]
QUAD = [(0.0, 0.0), (0.4, 0.0), (0.5, 0.3), (0.0, 0.4)]


def scene(**changes):
    return RigidBodies(**{"bodies": [Disc((0, 5), 0.1)], **changes})


def body(**changes):
    """A scene whose body 1 is a disc with the given attributes."""
    return scene(bodies=[Disc((0, 5), 0.1), replace(Disc((1, 5), 0.1), **changes)])


def polygon(vertices):
    return scene(bodies=[Polygon((0, 5), vertices)])


def obstacle(kind=Disc, **changes):
    return scene(obstacles=[HalfPlane(), replace(kind((0, -5), 0.1), **changes)])


PENTAGRAM = [(np.cos(0.8 * np.pi * k), np.sin(0.8 * np.pi * k)) for k in range(5)]

BAD = {
    # bodies
    "a place in 3D": (lambda: body(position=(0, 1, 2)), "bodies[1].position has shape (3,)", "(2,) is needed"),
    "a nan place": (lambda: body(position=(0, np.nan)), "bodies[1].position[1] is nan", "finite"),
    "an angle in words": (lambda: body(angle="up"), "bodies[1].angle takes numbers", "'up' was given"),
    "one velocity": (lambda: body(velocity=1.0), "bodies[1].velocity has shape ()", "(2,) is needed"),
    "two angular velocities": (
        lambda: body(angular_velocity=(0, 1)),
        "bodies[1].angular_velocity has shape (2,)",
        "a single number",
    ),
    "no density": (lambda: body(density=0.0), "bodies[1].density is 0", "greater than 0"),
    "negative mass": (lambda: body(mass=-1.0), "bodies[1].mass is -1", "greater than 0"),
    "infinite mass": (lambda: body(mass=np.inf), "bodies[1].mass is inf", "finite"),
    "both": (lambda: body(mass=1.0, density=1.0), "bodies[1] has a density and a mass", "one of them"),
    "no inertia": (lambda: body(inertia=0), "bodies[1].inertia is 0", "greater than 0"),
    "negative friction": (lambda: body(friction=-0.1), "bodies[1].friction is -0.1", "at least 0"),
    "infinite friction": (lambda: body(friction=np.inf), "bodies[1].friction is inf", "finite"),
    "restitution above 1": (lambda: body(restitution=1.1), "bodies[1].restitution is 1.1", "at most 1"),
    "half a group": (lambda: body(group=0.5), "bodies[1].group is 0.5", "whole number"),
    "a group by name": (lambda: body(group="robot"), "bodies[1].group is 'robot'", "whole number"),
    "negative radius": (lambda: body(radius=-1), "bodies[1].radius is -1", "greater than 0"),
    "flat box": (lambda: scene(bodies=[Box((0, 1), (1, 0))]), "bodies[0].half_size[1] is 0", "greater than 0"),
    "a square box": (lambda: scene(bodies=[Box((0, 1), 0.5)]), "bodies[0].half_size has shape ()", "(2,)"),
    "a capsule without length": (
        lambda: scene(bodies=[Capsule((0, 1), 0, 1)]),
        "bodies[0].half_length is 0",
        "greater than 0",
    ),
    "a capsule without width": (
        lambda: scene(bodies=[Capsule((0, 1), 1, 0)]),
        "bodies[0].radius is 0",
        "greater than 0",
    ),
    # polygons
    "two vertices": (lambda: polygon(TRIANGLE[:2]), "bodies[0].vertices has 2 vertices", "3 to 8"),
    "nine vertices": (lambda: polygon(np.zeros((9, 2))), "bodies[0].vertices has 9 vertices", "3 to 8"),
    "vertices in 3D": (lambda: polygon(np.zeros((3, 3))), "bodies[0].vertices has shape (3, 3)", "(k, 2)"),
    "clockwise": (
        lambda: polygon(QUAD[::-1]),
        "bodies[0].vertices goes round clockwise",
        "counter-clockwise; reverse it: vertices[::-1]",
    ),
    "a dent": (
        lambda: polygon([(0, 0), (1, 0), (0.2, 0.2), (0, 1)]),
        "vertex 3 does not lie to the left of the side from vertex 1 to vertex 2",
        "strictly convex",
    ),
    "a straight corner": (
        lambda: polygon([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0.5)]),
        "bodies[0].vertices must be strictly convex, but vertex 0 does not lie to the left of the side from vertex 3",
        "leave it out",
    ),
    "a straight corner up to single precision": (
        lambda: polygon([(0, 0), (1, 0), (1, 1), (0, 1), (-1e-7, 0.5)]),
        "vertex 0 does not lie to the left of the side from vertex 3",
        "strictly convex",
    ),
    "a vertex twice": (lambda: polygon([QUAD[0], *QUAD]), "vertex 2 does not lie to the left of", "strictly convex"),
    "all in one place": (lambda: polygon(np.ones((3, 2))), "does not lie to the left of", "strictly convex"),
    "a pentagram": (
        lambda: polygon(PENTAGRAM),
        "vertex 3 does not lie to the left of the side from vertex 0 to vertex 1",
        "strictly convex",
    ),
    # obstacles
    "a moving obstacle": (lambda: obstacle(velocity=(0, 1)), "obstacles[1].velocity is [0. 1.]", "leave it out"),
    "a turning obstacle": (
        lambda: obstacle(angular_velocity=1),
        "obstacles[1].angular_velocity is 1.0",
        "leave it out",
    ),
    "a dense obstacle": (lambda: obstacle(density=2), "obstacles[1].density is 2.0", "does not move"),
    "a heavy obstacle": (lambda: obstacle(mass=2), "obstacles[1].mass is 2.0", "does not move"),
    "a slow obstacle": (lambda: obstacle(inertia=2), "obstacles[1].inertia is 2.0", "does not move"),
    "an obstacle in a group": (lambda: obstacle(group=0), "obstacles[1].group is 0", "leave it out"),
    "a negative wall": (lambda: obstacle(Segment, radius=-0.1), "obstacles[1].radius is -0.1", "at least 0"),
    "a short wall": (lambda: obstacle(Segment, half_length=0), "obstacles[1].half_length is 0", "greater than 0"),
    "an infinite floor": (
        lambda: scene(obstacles=[HalfPlane((0, -np.inf))]),
        "obstacles[0].position[1] is -inf",
        "finite",
    ),
    "sticky obstacle": (lambda: obstacle(friction=-1), "obstacles[1].friction is -1", "at least 0"),
    "no normal": (lambda: HalfPlane.of((0, 0)), "HalfPlane.of.normal has length 0", "a direction is needed"),
    "normal in 3D": (lambda: HalfPlane.of((0, 0, 1)), "HalfPlane.of.normal has shape (3,)", "(2,) is needed"),
    "height in words": (lambda: HalfPlane.of((0, 1), "low"), "HalfPlane.of.height takes numbers", "'low'"),
    "one end": (
        lambda: Segment.between((0, 1), (0, 1)),
        "Segment.between.start and .end are both [0.0, 1.0]",
        "two ends",
    ),
    "an end in 3D": (lambda: Segment.between((0, 1), (0, 1, 2)), "Segment.between.end has shape (3,)", "(2,)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_what_was_given_and_what_is_allowed(case):
    make, given, allowed = BAD[case]
    with pytest.raises(InputError) as caught:
        make()
    assert given in str(caught.value)
    assert allowed in str(caught.value)


def test_half_planes_by_their_normal():
    floor, wall = HalfPlane.of((0, 1), 0.1, friction=0.7, restitution=0.2), HalfPlane.of((-1.0, 0.0), 3.0)
    assert (floor.friction, floor.restitution) == (0.7, 0.2)
    assert floor.position.tolist() == [0.0, 0.1]
    assert floor.angle == 0.0
    assert wall.position.tolist() == [-3.0, 0.0]
    assert wall.angle == pytest.approx(np.pi / 2, rel=1e-15)
    for angle in np.linspace(-3.0, 3.0, 7):
        normal = (-np.sin(angle), np.cos(angle))
        assert HalfPlane.of(normal, 2.0).angle == pytest.approx(angle, abs=1e-15)
        assert HalfPlane.of(normal, 2.0).normal == pytest.approx(normal, abs=1e-15)
    assert HalfPlane.of((3, -4), 2.0).normal == pytest.approx([0.6, -0.8], rel=1e-15)


def test_segments_by_their_ends():
    wall = Segment.between((1.0, 2.0), (4.0, 6.0), 0.1, friction=0.7, restitution=0.2)
    assert (wall.half_length, wall.radius, wall.friction, wall.restitution) == (2.5, 0.1, 0.7, 0.2)
    assert wall.to_world(wall.core) == pytest.approx(np.array([[1.0, 2.0], [4.0, 6.0]]), rel=1e-15)
    assert Segment.between((0, 0), (1, 0)).radius == 0.0


def test_polygons_count_from_their_centroid():
    triangle = Polygon((1.0, 2.0), np.array(TRIANGLE) + 7.0)
    assert triangle.core == pytest.approx(TRIANGLE - np.mean(TRIANGLE, axis=0), abs=1e-14)  # rounding at 7 m
    # A square of side 2 at the origin and a triangle of height 3 to its right: areas 4 and 3, centres at 1 and 3.
    house = Polygon((0.0, 0.0), [(0, 0), (2, 0), (5, 1), (2, 2), (0, 2)]).checked("house")
    assert -house.core[0] == pytest.approx([(4 * 1 + 3 * 3) / 7, 1.0], rel=1e-15)


def test_frames_of_bodies():
    turned = Box((1.0, 2.0), (0.3, 0.2), angle=np.pi / 2)
    assert turned.to_world([(0.5, 0.0), (0.0, 0.5)]) == pytest.approx(np.array([[1.0, 2.5], [0.5, 2.0]]), rel=1e-15)
    place = np.random.default_rng(0).normal(size=(4, 2))
    tilted = replace(turned, angle=0.7)
    assert tilted.to_body(tilted.to_world(place)) == pytest.approx(place, rel=1e-14)
