"""Matter from a closed mesh of triangles: what is inside, and what is no such mesh."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from diffsim import Matter
from diffsim.errors import InputError


def box(low, size):
    """(8, 3) corners and (12, 3) faces of a box."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return np.array(low) + corners * size, np.array([[q[0], *q[k : k + 2]] for q in quads for k in (1, 2)])


def hull(points):
    """A convex mesh, all of whose faces point out."""
    found = ConvexHull(points)
    a, b, c = (points[found.simplices[:, k]] for k in range(3))
    inward = (np.cross(b - a, c - a) * found.equations[:, :3]).sum(axis=1) < 0.0
    return points, np.where(inward[:, None], found.simplices[:, ::-1], found.simplices)


def test_a_box_is_filled_as_the_builder_of_boxes_fills_it():
    """Lines through its lattice meet edges and corners of faces: nothing falls through between two."""
    low, size = (0.1, 0.2, 0.3), np.array([0.4, 0.2, 0.6])
    found, plain = Matter.from_mesh(*box(low, size), 0.1, "block"), Matter.box(low, size, 0.1, "block")
    assert found.points == pytest.approx(plain.points)
    assert found.volume == pytest.approx(plain.volume)
    assert found.regions == ("block",)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_inside_is_on_the_inner_side_of_all_faces(seed):
    """Of convex meshes with corners on the lattice itself, too."""
    points = np.random.default_rng(seed).integers(0, 8, (40, 3)) * 0.1
    points, faces = hull(points)
    found = Matter.from_mesh(points, faces, 0.05)
    a, b, c = (points[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    low, high = points[faces].min(axis=(0, 1)), points[faces].max(axis=(0, 1))
    count = np.rint((high - low) / 0.05)
    axes = [m + (np.arange(k) - (k - 1) / 2) * 0.05 for m, k in zip((low + high) / 2, count, strict=True)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    beyond = ((lattice[:, None] - a) * normal).sum(axis=2).max(axis=1)
    clear = np.abs(beyond) > 1e-9
    kept = {tuple(p) for p in found.points.round(9)}
    assert [tuple(p) in kept for p in lattice[clear].round(9)] == (beyond[clear] < 0.0).tolist()
    assert found.volume.sum() == pytest.approx(ConvexHull(points).volume)


def test_a_surface_that_points_into_another_is_a_cavity_and_copies_of_vertices_are_one():
    (outer, faces), (inner, _) = box((0.0, 0.0, 0.0), 1.0), box((0.25, 0.25, 0.25), 0.5)
    both, around = np.concatenate([outer, inner]), np.concatenate([faces, faces[:, ::-1] + 8])
    found = Matter.from_mesh(both, around, 0.125)
    assert len(found) == 8**3 - 4**3
    assert found.volume.sum() == pytest.approx(1.0 - 0.125)
    alone = Matter.from_mesh(both[around].reshape(-1, 3), np.arange(72).reshape(-1, 3), 0.125)  # as STL has it
    assert np.array_equal(alone.points, found.points)


CORNERS, FACES = box((0.0, 0.0, 0.0), 1.0)
TURNED = FACES.copy()
TURNED[3] = TURNED[3, ::-1]
FLAT = FACES.copy()
FLAT[2, 1] = FLAT[2, 0]
ABSENT = FACES.copy()
ABSENT[5, 0] = 8
REFUSED = {
    "a hole": (FACES[1:], r"edge of vertices \d and \d belongs to faces\[\d+\] only: the mesh has a hole"),
    "a face turned around": (TURNED, r"faces\[\d+\] and faces\[\d+\] go the same way along the edge of vertices"),
    "inside out": (FACES[:, ::-1], r"encloses a volume of -1 m\^3, so its faces point in"),
    "no area": (FLAT, r"faces\[2\] is \[4, 4, 7\], of which two are at one place"),
    "an absent vertex": (ABSENT, r"faces\[5\] is \[8, .*\], but there are 8 vertices \(0 to 7\)"),
    "a fin": (np.concatenate([FACES, FACES[:1]]), r"belongs to 3 faces"),
    "quadrilaterals": ([(0, 1, 3, 2)], r"Matter\.from_mesh\.faces has shape \(1, 4\)"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_encloses_nothing_is_refused(what):
    faces, words = REFUSED[what]
    with pytest.raises(InputError, match=words):
        Matter.from_mesh(CORNERS, faces, 0.25)


def test_a_mesh_without_room_for_a_particle_is_refused():
    corners, faces = hull(np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], float))
    with pytest.raises(InputError, match="spacing is 2 m, too wide for the mesh: no particle is inside"):
        Matter.from_mesh(corners, faces, 2.0)
