"""Meshes of fewer triangles, and what of them is seen, against balls, boxes and planes."""

import numpy as np
import pytest

from diffsim.meshes.decimation import coarser, decimated, welded_mesh
from diffsim.meshes.outside import outer
from diffsim.meshes.rasters import seen_triangles

NOWHERE = np.float32(-1e9)


def ball(rings=24, radius=1.0):
    """A ball of two triangles per cell of longitude and latitude; its poles and seam are there many times."""
    up, turn = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij")
    vertices = radius * np.stack([np.sin(up) * np.cos(turn), np.sin(up) * np.sin(turn), np.cos(up)], axis=-1)
    number = np.arange(up.size).reshape(up.shape)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]).reshape(-1, 3)
    return vertices.reshape(-1, 3), faces


def volume(vertices, faces):
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return (a * np.cross(b, c)).sum() / 6


def open_edges(faces):
    sides = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return int((np.unique(sides, axis=0, return_counts=True)[1] != 2).sum())


@pytest.fixture(scope="module")
def whole():
    return welded_mesh(*ball())


def test_a_welded_ball_is_closed(whole):
    vertices, faces = whole
    assert open_edges(faces) == 0
    assert len(vertices) - 3 * len(faces) // 2 + len(faces) == 2  # Euler


@pytest.mark.parametrize("count", [300, 100])
def test_a_ball_of_few_triangles_is_a_ball(whole, count):
    vertices, faces = decimated(*whole, count)
    assert 0.8 * count < len(faces) <= count
    # A ball of n triangles of one size has a volume that is less by 2 pi / (sqrt(3) n) 5 / 3 or so; these are not.
    assert volume(vertices, faces) == pytest.approx(4 / 3 * np.pi, rel=20.0 / count)
    assert np.linalg.norm(vertices, axis=1) == pytest.approx(np.ones(len(vertices)), abs=8.0 / count)
    assert sorted(set(faces.ravel().tolist())) == list(range(len(vertices)))


def test_a_flat_sheet_keeps_its_corners():
    x, y = np.meshgrid(np.linspace(0, 1, 12), np.linspace(0, 1, 12))
    number = np.arange(144).reshape(12, 12)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]).reshape(-1, 3)
    vertices, faces = decimated(np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3), faces, 121)
    area = 0.5 * np.cross(*(vertices[faces[:, k]] - vertices[faces[:, 0]] for k in (1, 2)))[:, 2]
    assert (area > 0).all()
    assert area.sum() == pytest.approx(1.0, abs=0.03)


def test_few_triangles_stay_as_they_are(whole):
    _, faces = decimated(*whole, len(whole[1]))
    assert len(faces) == len(whole[1])
    assert coarser(*whole, 10**6)[1] is whole[1]
    assert len(coarser(*whole, 500)[1]) <= 500


def test_what_is_within_a_ball_is_not_seen(whole):
    vertices, faces = whole
    both = np.concatenate([vertices, 0.5 * vertices]), np.concatenate([faces, faces + len(vertices)])
    _, left = outer(*both)
    assert (left < len(vertices)).all()
    assert len(left) == len(faces)


def test_the_nearer_one_of_two_triangles_is_seen():
    square = np.array([[(1, 1), (7, 1), (1, 7)], [(1, 1), (7, 1), (1, 7)]], dtype=float)
    near, light = np.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.5]]), np.array([[0.0, 6.0, 0.0], [9.0, 9.0, 9.0]])
    seen = seen_triangles(square, near, light, (8, 8), NOWHERE)
    # Pixels within: those whose centres are, x + y <= 8; the first is nearer where its nearness (x - 1) / 6 is.
    x, y = np.meshgrid(np.arange(8) + 0.5, np.arange(8) + 0.5)
    inside = (x > 1) & (y > 1) & (x + y <= 8)
    assert ((seen.which >= 0) == inside).all()
    first = (x - 1) / 6 > 0.5
    assert (seen.which[inside] == np.where(first, 0, 1)[inside]).all()
    assert seen.near[inside & first] == pytest.approx(((x - 1) / 6)[inside & first], abs=1e-6)
    assert seen.light[inside & first] == pytest.approx((x - 1)[inside & first], abs=1e-5)
