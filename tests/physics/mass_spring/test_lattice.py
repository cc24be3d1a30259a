"""Builders of points and springs against counts in closed form."""

import time

import numpy as np
import pytest

from diffsim.errors import InputError
from diffsim.physics.mass_spring.lattice import Lattice, from_image, from_mesh, grid
from diffsim.physics.mass_spring.scene import MassSpring

ROUNDING = 1e-12  # coordinates of some metres, rounded in double precision, with room


def pairs(lattice):
    """The springs as a set of sorted pairs."""
    return {tuple(sorted(pair)) for pair in lattice.springs.tolist()}


def spans(lattice):
    """(s, d) from one end of each spring to the other, in units of the shortest spring."""
    ends = lattice.points[lattice.springs]
    return (ends[:, 1] - ends[:, 0]) / lattice.lengths().min()


def brute_force_pairs(filled, corner_of):
    """All pairs of corners of each filled cell, as point indices."""
    found = set()
    for cell in np.argwhere(filled):
        corners = [tuple(cell + offset) for offset in np.ndindex(*(2,) * filled.ndim)]
        found |= {tuple(sorted((corner_of[a], corner_of[b]))) for i, a in enumerate(corners) for b in corners[:i]}
    return found


def corners_to_points(filled, lattice, spacing):
    """Index of the point at each corner, found by its coordinates."""
    where = {tuple(np.rint(point / spacing).astype(int)): k for k, point in enumerate(lattice.points)}
    assert len(where) == len(lattice.points), "two points in one place"
    return where


@pytest.mark.parametrize(("nx", "ny"), [(1, 1), (1, 5), (4, 1), (3, 7)])
def test_grid_2d_has_the_points_and_springs_of_the_closed_form(nx, ny):
    body = grid((nx, ny), spacing=0.25)
    sides = nx * (ny + 1) + ny * (nx + 1)
    assert body.points.shape == ((nx + 1) * (ny + 1), 2)
    assert len(body.springs) == sides + 2 * nx * ny
    assert len(pairs(body)) == len(body.springs)
    assert np.count_nonzero(body.along(0)) == nx * (ny + 1)
    assert np.count_nonzero(body.along(1)) == ny * (nx + 1)


@pytest.mark.parametrize(("nx", "ny", "nz"), [(1, 1, 1), (2, 1, 1), (2, 3, 4)])
def test_grid_3d_has_the_points_and_springs_of_the_closed_form(nx, ny, nz):
    body = grid((nx, ny, nz), spacing=0.25)
    px, py, pz = nx + 1, ny + 1, nz + 1
    edges = nx * py * pz + px * ny * pz + px * py * nz
    faces = 2 * (nx * ny * pz + nx * py * nz + px * ny * nz)
    assert len(body.points) == px * py * pz
    assert len(body.springs) == edges + faces + 4 * nx * ny * nz
    assert len(pairs(body)) == len(body.springs)
    assert np.count_nonzero(body.along(2)) == px * py * nz
    squared = np.rint((body.lengths() / 0.25) ** 2).astype(int)
    assert np.allclose(body.lengths(), 0.25 * np.sqrt(squared), atol=ROUNDING)
    assert np.bincount(squared).tolist() == [0, edges, faces, 4 * nx * ny * nz]


@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 5)])
def test_grid_of_any_filling_joins_exactly_the_corners_of_each_filled_cell(shape):
    for seed in range(4):
        filled = np.random.default_rng(seed).random(shape) < 0.4
        body = grid(filled, spacing=0.5)
        corner_of = corners_to_points(filled, body, 0.5)
        assert pairs(body) == brute_force_pairs(filled, corner_of)
        assert len(pairs(body)) == len(body.springs)
        assert len(np.unique(body.springs)) == len(body.points), "a point without a spring"


def test_a_hollow_square_has_no_point_and_no_spring_inside():
    filled = np.ones((4, 4), dtype=bool)
    filled[1:3, 1:3] = False
    body = grid(filled, spacing=1.0)
    assert len(body.points) == 25 - 1
    assert not (body.points == [2.0, 2.0]).all(axis=1).any()
    assert len(body.springs) == 36 + 2 * 12  # 40 sides of the full square less the 4 that meet in the middle
    assert not (body.midpoints() == [1.5, 1.5]).all(axis=1).any()


def test_a_hollow_cube_keeps_its_shell():
    filled = np.ones((3, 3, 3), dtype=bool)
    filled[1, 1, 1] = False
    body = grid(filled)
    assert len(body.points) == 64
    assert len(body.springs) == len(grid((3, 3, 3)).springs) - 4  # only the empty cube's body diagonals


def test_grid_orders_points_by_index_and_springs_by_points():
    body = grid((2, 1), spacing=0.5, origin=(1.0, -1.0))
    expected = [[1.0, -1.0], [1.0, -0.5], [1.5, -1.0], [1.5, -0.5], [2.0, -1.0], [2.0, -0.5]]
    assert body.points.tolist() == expected
    assert body.springs.tolist() == sorted(body.springs.tolist())
    assert (body.springs[:, 0] < body.springs[:, 1]).all()


def test_grid_places_the_corner_of_the_array_at_the_origin_even_where_it_is_empty():
    filled = np.zeros((3, 2), dtype=bool)
    filled[2, 1] = True
    assert grid(filled, spacing=1.0, origin=(10.0, 20.0)).points.min(axis=0).tolist() == [12.0, 21.0]


@pytest.mark.parametrize("shape", [[2, 3], (2, 3), np.array([2, 3]), np.ones((2, 3), bool), [[True] * 3] * 2])
def test_grid_takes_counts_and_masks_in_any_container(shape):
    assert grid(shape) == grid((2, 3))


def test_grid_of_a_hundred_thousand_points_takes_about_a_second():
    start = time.process_time()
    body = grid((45, 45, 45))
    assert len(body.points) == 46**3
    assert time.process_time() - start < 5.0  # measured 0.4 s; a loop over the cells in Python takes 20 s


def test_lattice_tells_muscles_by_midpoint_length_and_direction():
    body = grid((1, 1), spacing=2.0)
    assert body.springs.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert body.along(0).tolist() == [False, True, False, False, True, False]
    assert body.along(1).tolist() == [True, False, False, False, False, True]
    assert body.midpoints().tolist() == [[0, 1], [1, 0], [1, 1], [1, 1], [1, 2], [2, 1]]
    assert np.allclose(body.lengths(), [2, 2, 8**0.5, 8**0.5, 2, 2], atol=ROUNDING)


def test_along_survives_the_rounding_of_a_far_origin():
    body = grid((5, 5, 5), spacing=0.1, origin=(0.3, 0.7, 123.4))
    assert np.count_nonzero(body.along(1)) == 5 * 36
    near = np.abs(spans(body)[body.along(1)]) - [0.0, 1.0, 0.0]
    assert np.abs(near).max() < 1e-9  # 123.4 m is rounded by 1e-14, a ten-trillionth of the spacing


def test_a_lattice_makes_a_scene():
    body = grid((2, 2))
    scene = MassSpring(points=body.points, springs=body.springs, actuation=np.where(body.along(0), 0.1, 0.0))
    assert len(scene.actuators) == 6
    assert np.allclose(scene.rest_length, body.lengths(), atol=ROUNDING)


TETRAHEDRON = (
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]],
)
CUBE = np.array(list(np.ndindex(2, 2, 2)), dtype=float)
SQUARES = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]


def test_from_mesh_of_a_tetrahedron_has_its_six_edges():
    body = from_mesh(*TETRAHEDRON)
    assert body.points.tolist() == TETRAHEDRON[0]
    assert pairs(body) == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}
    assert len(body.springs) == 6


def test_from_mesh_of_a_cube_has_twelve_edges_and_a_diagonal_per_split_face():
    squares = from_mesh(CUBE, SQUARES)
    assert len(squares.springs) == 12
    assert np.allclose(squares.lengths(), 1.0, atol=ROUNDING)
    triangles = [half for a, b, c, d in SQUARES for half in ((a, b, c), (a, c, d))]
    split = from_mesh(CUBE, triangles)
    assert len(split.springs) == 12 + 6
    assert pairs(squares) < pairs(split)


def test_from_mesh_takes_a_flat_mesh():
    body = from_mesh([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 1, 2], [0, 2, 3]])
    assert pairs(body) == {(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)}


def test_from_image_has_row_0_on_top_and_columns_to_the_right():
    picture = [
        [1, 0, 0],
        [1, 0, 0],
        [1, 1, 1],
    ]
    body = from_image(picture, spacing=0.5, origin=(1.0, 0.2))
    expected = np.zeros((3, 3), dtype=bool)
    expected[:, 0] = expected[0, :] = True  # x, y: the bottom row and the left column
    assert body == grid(expected, spacing=0.5, origin=(1.0, 0.2))


def test_from_image_cuts_the_margin_off():
    picture = np.zeros((9, 12), dtype=bool)
    picture[2:4, 5:8] = True
    assert from_image(picture) == grid((3, 2))


@pytest.mark.parametrize(
    ("picture", "threshold"),
    [
        (np.array([[True, False], [True, True]]), 0.5),
        (np.array([[0.9, 0.5], [0.51, 1.0]]), 0.5),
        (np.array([[200, 90], [255, 128]], dtype=np.uint8), 0.5),
        (np.array([[200, 100], [255, 120]], dtype=np.uint8), 0.4),
        (np.array([[65535, 0], [40000, 40000]], dtype=np.uint16), 0.5),
        ([[1, 0], [1, 1]], 0.5),
    ],
)
def test_from_image_takes_what_is_true_or_bright(picture, threshold):
    body = from_image(picture, threshold=threshold)
    assert body == grid(np.array([[True, True], [True, False]]))


def test_from_image_fills_a_cell_that_is_half_covered():
    picture = np.zeros((4, 6), dtype=bool)
    picture[:, :2] = True
    picture[2:, 2:4] = True  # half of the middle column of two cells: its lower cell
    picture[3, 4:] = True  # half of the lower cell on the right
    assert from_image(picture, cells=3) == grid(np.array([[True, True], [True, False], [True, False]]))


@pytest.mark.parametrize("cells", [7, 20, 33])
def test_from_image_fills_the_cells_that_exact_areas_say(cells):
    y, x = np.mgrid[:60, :79]
    ellipse = ((x - 39) / 39.5) ** 2 + ((y - 29.5) / 30) ** 2 < 1.0
    rows = -(-60 * cells // 79)  # of cells; the highest may reach above the picture
    fine = np.zeros((rows * 79, cells * 79))  # each pixel is cells x cells of these, each cell 79 x 79
    fine[-60 * cells :] = np.kron(ellipse, np.ones((cells, cells)))
    share = fine.reshape(rows, 79, cells, 79).mean(axis=(1, 3))
    assert from_image(np.pad(ellipse, 5), cells=cells, spacing=0.25) == grid(
        share[::-1].T >= 0.5 - ROUNDING, spacing=0.25
    )


def test_from_image_takes_cells_that_hang_together_by_a_corner():
    body = from_image(np.eye(2, dtype=bool))
    assert len(body.points) == 7


# Pictures with colours. A worm of a blue trunk, 4 x 2 pixels, and a red leg of 1 x 2 below it, on white paper.

WORM = np.zeros((7, 8), dtype=bool)
WORM[1:3, 2:6] = WORM[3:5, 2:3] = True
PAPER = np.full((7, 8, 3), 255, dtype=np.uint8)
PAPER[WORM] = (30, 60, 220)
PAPER[3:5, 2:3] = (220, 30, 30)


def grey(dark, light):
    return np.where(WORM, np.uint8(dark), np.uint8(light))


def alpha(picture, clear=0):
    return np.concatenate([picture, np.where(WORM, 255, clear).astype(np.uint8)[..., None]], axis=2)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (PAPER, "differs from the background #ffffff (its rim)"),
        (255 - PAPER, "differs from the background #000000 (its rim)"),
        (PAPER / 255.0, "dark on light"),
        (PAPER.astype(np.int64), "dark on light"),
        (grey(20, 240)[..., None], "dark on light"),
        (grey(240, 20)[..., None], "light on dark"),
        (alpha(PAPER), "what is opaque (alpha above 0.5)"),
        (alpha(255 * np.ones((7, 8, 3), np.uint8)), "what is opaque"),  # all white: only alpha tells
        (alpha(PAPER, clear=255), "#ffffff (its rim)"),  # all opaque: alpha tells nothing
        (np.stack([grey(20, 20), grey(255, 0)], axis=2), "what is opaque"),
    ],
)
def test_a_body_is_found_on_light_and_dark_and_clear(picture, words):
    body = from_image(picture)
    expected = from_image(WORM)
    assert np.array_equal(body.points, expected.points)
    assert np.array_equal(body.springs, expected.springs)
    assert words in body.taken
    assert body.taken.endswith("10 of 56 pixels, as 4 x 4 cells")


def test_pictures_are_read_from_files_of_every_mode(tmp_path):
    from PIL import Image

    made = Image.fromarray(PAPER)
    clear = Image.fromarray(alpha(PAPER))
    modes = {
        **{mode: made.convert(mode) for mode in ("RGB", "L", "P", "RGBA")},
        **{f"clear {mode}": clear.convert(mode) for mode in ("RGBA", "LA")},
        "1": Image.fromarray(~WORM),
        "16 bits": Image.fromarray(grey(20, 240).astype(np.uint16) * 256),
    }
    for name, picture in modes.items():
        picture.save(path := tmp_path / f"{name}.png")
        for given in (path, str(path)):
            body = from_image(given)
            assert np.array_equal(body.points, from_image(WORM).points), name
    assert from_image(tmp_path / "RGB.png") == from_image(PAPER)
    assert from_image(tmp_path / "1.png").regions == ()


def test_the_background_may_be_given():
    framed = grey(240, 20)
    framed[0, 0] = 0  # nearly black
    for background in ("dark", "#141414", (0.08, 0.08, 0.08), "black"):
        assert np.array_equal(from_image(framed, background=background).points, from_image(WORM).points)
    assert from_image(grey(20, 240), background="light") == from_image(WORM)
    assert from_image(grey(20, 240), background="light", threshold=0.5) == from_image(WORM)
    assert "darker than 0.9 (the background is light)" in from_image(PAPER, background="light", threshold=0.9).taken


def test_what_is_doubtful_is_warned_of():
    with pytest.warns(UserWarning, match=r"nearly all of the picture's rim is.*give background='light'"):
        paper = from_image(grey(20, 240))
    assert len(paper.points) > len(from_image(WORM).points)  # as in version 0.1.0
    wide = PAPER[1:5, 2:6]  # the body takes half of the rim
    with pytest.warns(UserWarning, match=r"not sure of the body: the body takes 43% of the picture's rim"):
        from_image(np.pad(wide, ((1, 1), (0, 0), (0, 0)), mode="edge")[:-1, :, :])
    noise = np.random.default_rng(0).uniform(size=(40, 40, 3))
    noise[:, 0] = noise[:, -1] = noise[0] = noise[-1] = 0.5
    with pytest.warns(UserWarning, match=r"not clearly apart"):
        from_image(noise)


def springs_within(body, x, y):
    """Which springs lie in a rectangle, its sides included."""
    ends = body.points[body.springs]
    return ((ends >= (x[0], y[0])) & (ends <= (x[1], y[1]))).all(axis=(1, 2))


def test_regions_are_found_by_colour():
    body = from_image(PAPER, spacing=1.0)
    assert body.regions == ("blue", "red")
    red = body.region("red")
    inside = springs_within(body, (0, 1), (0, 2))
    between = springs_within(body, (0, 1), (2, 2))  # of a blue cell, too, and blue comes first
    assert np.array_equal(red, inside & ~between)
    assert red.sum() == 2 * 6 - 1 - 1
    assert np.array_equal(body.region("blue"), ~red)
    stiffness = body.by_region({"red": 5e3}, otherwise=1e3)
    assert set(stiffness[red]) == {5e3}
    assert set(stiffness[~red]) == {1e3}


def test_regions_may_be_named():
    body = from_image(PAPER, spacing=1.0, colours={"leg": "red", "trunk": (0.0, 0.0, 1.0), "absent": "#00ff00"})
    assert body.regions == ("leg", "trunk", "absent")
    assert np.array_equal(body.region("leg"), springs_within(body, (0, 1), (0, 2)))  # it comes first
    assert not body.region("absent").any()


def test_regions_survive_soft_edges_and_coarse_cells():
    fine = np.kron(PAPER, np.ones((10, 10, 1)))
    soft = fine.copy()
    for shift in (-1, 1):
        for axis in (0, 1):
            soft += np.roll(fine, shift, axis=axis)
    body = from_image((soft / 5.0).astype(np.uint8), cells=4, spacing=1.0)
    assert body == from_image(PAPER, spacing=1.0)


def test_shades_of_a_colour_have_numbers():
    picture = PAPER.copy()
    picture[1:3, 4:6] = (130, 160, 255)
    assert from_image(picture).regions == ("blue", "blue-2", "red") or from_image(picture).regions[:1] == ("blue",)
    assert len(from_image(picture).regions) == 3
    assert len(set(from_image(picture).regions)) == 3


def test_a_lattice_with_regions_is_a_specification():
    body = from_image(PAPER)
    again = Lattice.from_dict(body.to_dict())
    assert again == body
    assert again.taken == body.taken
    assert body != from_image(PAPER, colours={"all": "red"})
    assert "regions=('blue', 'red')" in repr(body)
    assert "regions" not in repr(grid((1, 1)))


BAD = {
    "no cells": (lambda: grid((0, 3)), "grid.shape[0] is 0", "whole number of at least 1"),
    "a negative count": (lambda: grid((3, -1)), "grid.shape[1] is -1", "at least 1"),
    "a broken count": (lambda: grid((3, 2.5)), "grid.shape[1] is 2.5", "whole number"),
    "one dimension": (lambda: grid((3,)), "grid.shape is (3,)", "2 or 3 numbers of cells"),
    "four dimensions": (lambda: grid((1, 1, 1, 1)), "grid.shape is (1, 1, 1, 1)", "2 or 3"),
    "a number": (lambda: grid(3), "grid.shape", "boolean array with 2 or 3 axes"),
    "text": (lambda: grid("2x3"), "grid.shape", "boolean array with 2 or 3 axes"),
    "whole numbers as a mask": (lambda: grid(np.ones((2, 2), int)), "array of int64", "boolean array"),
    "a ragged mask": (lambda: grid([[True], [True, False]]), "grid.shape", "different lengths"),
    "nothing filled": (lambda: grid(np.zeros((2, 3), bool)), "grid.shape, of (2, 3) cells", "at least one"),
    "no spacing": (lambda: grid((2, 2), spacing=0.0), "grid.spacing is 0", "greater than 0"),
    "infinite spacing": (lambda: grid((2, 2), spacing=np.inf), "grid.spacing is inf", "must be finite"),
    "origin in 3D": (lambda: grid((2, 2), origin=(0, 0, 0)), "grid.origin has shape (3,)", "(2,) is needed"),
    "an absent axis": (lambda: grid((2, 2)).along(2), "along.axis is 2", "axes 0 to 1"),
    "vertices in 4D": (lambda: from_mesh(np.zeros((5, 4)), [[0, 1, 2]]), "(5, 4)", "(n, 2) or (n, 3)"),
    "an infinite vertex": (
        lambda: from_mesh([[0, 0], [1, 0], [0, np.inf]], [[0, 1, 2]]),
        "from_mesh.vertices[2, 1] is inf",
        "must be finite",
    ),
    "an absent vertex": (
        lambda: from_mesh(np.eye(3), [[0, 1, 2], [0, 1, 3]]),
        "faces[1] is [0, 1, 3]",
        "3 vertices (0 to 2)",
    ),
    "a negative vertex": (lambda: from_mesh(np.eye(3), [[0, 1, -1]]), "faces[0] is [0, 1, -1]", "0 to 2"),
    "a vertex twice in a face": (
        lambda: from_mesh(np.eye(3), [[0, 1, 0]]),
        "faces[0] is [0, 1, 0]",
        "each of its vertices once",
    ),
    "edges for faces": (
        lambda: from_mesh(np.eye(3), [[0, 1], [1, 2]]),
        "shape (2, 2)",
        "at least 3 vertices",
    ),
    "faces of two sizes": (
        lambda: from_mesh(CUBE, [[0, 1, 2], [0, 1, 3, 2]]),
        "from_mesh.faces",
        "rows of one length",
    ),
    "broken faces": (lambda: from_mesh(np.eye(3), [[0, 1, 1.5]]), "from_mesh.faces[0, 2] is 1.5", "whole"),
    "no faces": (lambda: from_mesh(np.eye(3), []), "from_mesh.faces has shape (0,)", "(f, k) is needed"),
    "an unused vertex": (
        lambda: from_mesh([*TETRAHEDRON[0], [5, 5, 5]], TETRAHEDRON[1]),
        "vertices[4] belongs to no face",
        "leave it out",
    ),
    "unmerged vertices": (
        lambda: from_mesh([[0, 0], [1, 0], [0, 1], [1, 0], [1, 1], [0, 1]], [[0, 1, 2], [3, 4, 5]]),
        "vertices[3] lies where vertices[1] does",
        "merge",
    ),
    "a dark picture": (
        lambda: from_image([[0.1, 0.4]]),
        "threshold 0.5",
        "brightest is 0.4",
    ),
    "an empty mask": (lambda: from_image(np.zeros((3, 3), bool)), "from_image.image", "at least one"),
    "a picture of nothing": (lambda: from_image(np.ones((4, 4, 3))), "all its pixels are alike", "truth values"),
    "five channels": (lambda: from_image(np.ones((4, 4, 5))), "shape (4, 4, 5)", "(height, width)"),
    "channels of floats up to 255": (
        lambda: from_image(np.full((4, 4, 3), 255.0)),
        "channels from 255 to 255",
        "floats from 0 to 1",
    ),
    "nothing opaque": (lambda: from_image(np.zeros((4, 4, 4))), "what is opaque (alpha above 0.5)", "no pixel is"),
    "no colour": (lambda: from_image(PAPER, background="blurple"), "background is 'blurple'", "'#d02020'"),
    "no colours": (lambda: from_image(PAPER, colours=["red"]), "colours is ['red']", "{name: colour}"),
    "a region that is not there": (lambda: from_image(PAPER).region("green"), "no region 'green'", "blue, red"),
    "a picture with a nan": (lambda: from_image([[1.0, np.nan]]), "from_image.image[0, 1] is nan", "finite"),
    "a file that is not there": (lambda: from_image("cat.png"), "from_image.image is 'cat.png'", "no such file"),
    "a file that is no picture": (lambda: from_image(__file__), "test_lattice.py', which cannot be read", "picture"),
    "a ragged picture": (lambda: from_image([[1], [1, 0]]), "from_image.image", "different lengths"),
    "two pieces": (
        lambda: from_image([[1, 0, 1, 1]]),
        "2 pieces (of 6, 4 points)",
        "one is needed",
    ),
    "many pieces": (lambda: from_image([[1, 0] * 20]), "20 pieces (of 4, 4, 4, 4, 4, 4, 4, 4, ...", "close"),
    "no cells of a picture": (lambda: from_image([[1, 1]], cells=0), "from_image.cells is 0", "at least 1"),
    "too many cells": (lambda: from_image([[1, 1]], cells=3), "cells is 3", "2 pixels long"),
    "too few cells": (
        lambda: from_image(np.ones((2, 30), bool), cells=3),
        "cells is 3",
        "use more cells",
    ),
    "no threshold": (lambda: from_image([[1]], threshold=np.nan), "from_image.threshold is nan", "finite"),
    "a lattice of text": (lambda: Lattice("points", [[0, 1]]), "Lattice.points takes numbers", "'points'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_what_was_given_and_what_is_allowed(case):
    make, given, allowed = BAD[case]
    with pytest.raises(InputError) as caught:
        make()
    assert given in str(caught.value)
    assert allowed in str(caught.value)
