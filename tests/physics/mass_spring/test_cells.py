"""Cells: which there are, their energy and forces against closed forms and differences, and what they hold up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.mass_spring.cells import FLAT, cell_energy, relative_volumes, volumes

ROUNDING = 1e-12  # of sums of some hundred numbers of order one


def enclosed(body):
    """Area or volume inside of the surface, by the divergence theorem."""
    d = body.points.shape[1]
    return np.linalg.det(body.points[body.surface]).sum() / (2.0 if d == 2 else 6.0)


@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 3)])
def test_cells_of_any_filling_are_its_corners_and_the_surface_encloses_it(shape):
    for seed in range(4):
        filled = np.random.default_rng(seed).random(shape) < 0.5
        body = ds.grid(filled, spacing=0.5, origin=[0.3] * len(shape))
        d, count = len(shape), int(filled.sum())
        corner = 0.5**d / (2.0 if d == 2 else 6.0)
        assert len(body.cells) == count * 2**d
        assert np.abs(volumes(body.points, body.cells) - corner).max() < ROUNDING
        assert len({tuple(sorted(cell)) for cell in body.cells.tolist()}) == len(body.cells)
        assert enclosed(body) == pytest.approx(count * 0.5**d, rel=ROUNDING)


def test_cells_of_a_square_and_a_cube_do_not_prefer_a_side():
    for shape in ((1, 1), (1, 1, 1)):
        body = ds.grid(shape, spacing=1.0)
        found = {frozenset(cell) for cell in body.cells.tolist()}
        for axis in range(len(shape)):
            mirrored = body.points * np.where(np.arange(len(shape)) == axis, -1.0, 1.0)
            mirrored[:, axis] += 1.0
            other = [np.flatnonzero((body.points == point).all(axis=1))[0] for point in mirrored]
            assert {frozenset(other[k] for k in cell) for cell in found} == found


OUTLINES = {
    "triangles": (
        [[0, 0], [1, 0], [1, 1], [0, 1]],
        [[0, 1, 2], [3, 2, 0]],
        2,
    ),  # the second one goes round the other way
    "squares": ([[0, 0], [1, 0], [1, 1], [0, 1], [2, 0], [2, 1]], [[0, 1, 2, 3], [2, 5, 4, 1]], 8),
    "an arrow": ([[0, 0], [2, 1], [0, 2], [0.5, 1]], [[0, 1, 2, 3]], 3),  # the notch has no cell
}


@pytest.mark.parametrize("name", OUTLINES)
def test_meshes_in_the_plane_have_the_cells_of_their_corners(name):
    points, faces, count = OUTLINES[name]
    body = ds.from_mesh(np.array(points, float), faces)
    assert len(body.cells) == count
    assert (volumes(body.points, body.cells) > 0.0).all()
    area = {"triangles": 1.0, "squares": 2.0, "an arrow": 1.5}[name]
    assert enclosed(body) == pytest.approx(area, rel=ROUNDING)


def test_bodies_of_pictures_have_cells_and_materials_go_on_to_them():
    picture = np.full((6, 8, 3), 255, np.uint8)
    picture[1:5, 1:4], picture[1:5, 4:7] = (200, 20, 20), (20, 20, 200)
    body = ds.from_image(picture, spacing=1.0)
    assert len(body.cells) == 4 * 24
    assert enclosed(body) == pytest.approx(24.0)
    scene = ds.MassSpring(body, stiffness=body.by_region({"red": 4e3}, otherwise=1e3))
    across = body.points[body.cells].mean(axis=1)[:, 0]
    assert scene.cell_stiffness[across < 2.0] == pytest.approx(1200.0)
    assert scene.cell_stiffness[across > 4.0] == pytest.approx(300.0)


def test_shells_have_no_cells_and_their_triangles_for_a_surface():
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    body = ds.from_mesh(corners, [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    assert not len(body.cells)
    assert enclosed(body) == pytest.approx(1.0 / 6.0)


# Energy and forces


def test_energy_is_the_documented_one():
    points, cells = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([[0, 1, 2]])
    ratios = np.array([2.0, 1.0, 0.5, FLAT, 0.1, -0.5])
    position = np.stack([points * [1.0, ratio] for ratio in ratios])[None]
    energy = cell_energy(position, cells, np.array([[3.0]]), np.array([[0.5]]))[0]
    known = (ratios**2 - 1.0 - 2.0 * np.log(np.maximum(ratios, FLAT))) / 4.0
    assert energy[:4] == pytest.approx(1.5 * known[:4], rel=ROUNDING)
    below = ratios[4:] - FLAT
    expanded = known[3] + below * (FLAT - 1.0 / FLAT) / 2.0 + below**2 * (1.0 + FLAT**-2) / 4.0
    assert energy[4:] == pytest.approx(1.5 * expanded, rel=ROUNDING)


def loose(shape, **changes):
    """A grid whose springs do nothing, in free flight, and its points moved about until some cells are inside out."""
    body = ds.grid(shape, spacing=1.0)
    scene = ds.MassSpring(body, stiffness=0.0, cell_stiffness=2.0, gravity=np.zeros(len(shape)), dt=1e-3, **changes)
    moved = body.points + np.random.default_rng(2).normal(0.0, 0.6, body.points.shape)
    return body, scene, moved


@pytest.mark.parametrize("shape", [(2, 1), (2, 1, 1)])
def test_forces_are_the_slope_of_the_energy_also_of_what_is_inside_out(shape):
    body, scene, moved = loose(shape)
    j = relative_volumes(moved, body.cells, scene.cell_volume)
    assert j.min() < 0.0
    assert ((j > 0.0) & (j < FLAT)).any()
    problem = ds.Problem(scene, None, None, steps=1, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64", executor="staged") as sim:
        force = sim.rollout({"scene.initial_position": moved}).velocity[1] / scene.dt

    def energy(points):
        return cell_energy(points[None, None], body.cells, np.array([[2.0]]), scene.cell_volume[None])[0, 0]

    slope = np.zeros_like(moved)
    for k in np.ndindex(moved.shape):
        step = np.zeros_like(moved)
        step[k] = 1e-6
        slope[k] = (energy(moved + step) - energy(moved - step)) / 2e-6
    assert force == pytest.approx(-slope, abs=1e-7)  # differences of an energy of order ten, 1e-16 * 10 / 1e-6 and more
    assert force.sum(axis=0) == pytest.approx(0.0, abs=ROUNDING)


@pytest.mark.parametrize("d", [2, 3])
def test_what_is_inside_out_stays_so_by_springs_alone_and_turns_back_by_its_cell(d):
    """A triangle or tetrahedron and its mirror image are the same to springs."""
    points = np.concatenate([np.zeros((1, d)), np.eye(d)])
    pairs = [(a, b) for a in range(d + 1) for b in range(a)]
    mirrored = points.copy()
    mirrored[1, 0] = -1.0
    for cells, after in (([list(range(d + 1))], 1.0), ((), -1.0)):
        scene = ds.MassSpring(points, pairs, stiffness=10.0, damping=1.0, gravity=np.zeros(d), cells=cells, dt=5e-3)
        problem = ds.Problem(scene, None, None, steps=4000, tune=("scene.initial_position",))
        with ds.Simulation(problem, precision="f64", executor="staged") as sim:
            last = sim.rollout({"scene.initial_position": mirrored}).position[-1]
        sides = last[1:] - last[0]
        assert np.linalg.det(sides) == pytest.approx(after, abs=1e-3)


@pytest.mark.parametrize("shape", [(2, 1), (2, 1, 1)])
def test_energy_and_momentum_of_free_flight_stay(shape):
    """The energy's error is of the order of the step, which halves with it; momenta are exact."""
    apart = []
    for dt in (2e-3, 1e-3):
        body, scene, _ = loose(shape, initial_velocity=0.4 * np.ones(len(shape)))
        scene = replace(scene, dt=dt)
        moved = body.points + np.random.default_rng(1).normal(0.0, 0.12, body.points.shape)
        problem = ds.Problem(scene, None, None, steps=round(2.0 / dt), tune=("scene.initial_position",))
        with ds.Simulation(problem, precision="f64", executor="staged") as sim:
            rollout = sim.rollout({"scene.initial_position": moved})
        apart.append(np.ptp(rollout.energy))
        for each in (rollout.momentum, rollout.angular_momentum):
            assert np.ptp(each, axis=0) == pytest.approx(0.0, abs=1e-11)  # a thousand steps of rounding
    assert 1e-7 < apart[1] < 0.6 * apart[0]


# Scenes


def test_a_lattice_brings_what_it_has():
    body = ds.grid((2, 1), spacing=0.1)
    whole = ds.MassSpring(body, stiffness=1e3)
    listed = ds.MassSpring(body.points, body.springs, cells=body.cells, surface=body.surface, stiffness=1e3)
    assert whole == listed
    assert whole.cell_stiffness == pytest.approx(300.0)
    assert whole.cell_volume == pytest.approx(0.005)
    assert ds.MassSpring(ds.grid((1, 1, 1), spacing=0.1), stiffness=1e3).cell_stiffness == pytest.approx(3000.0)
    assert ds.MassSpring(body, cells=()).cell_stiffness is None


def test_stiffness_follows_the_springs_of_each_cell():
    body = ds.grid((2, 1), spacing=0.1)
    left = body.midpoints()[:, 0] < 0.1 - 1e-9
    scene = ds.MassSpring(body, stiffness=np.where(left, 2e3, 1e3))
    middle = body.points[body.cells].mean(axis=1)[:, 0]
    assert scene.cell_stiffness[middle < 0.05] == pytest.approx(600.0)
    assert scene.cell_stiffness[middle > 0.15] == pytest.approx(300.0)


@pytest.mark.parametrize("off", [{"cells": ()}, {"cell_stiffness": 0.0}])
def test_without_cells_it_is_the_springs_alone_bit_for_bit(off):
    """That is how the losses of the reference's robots are compared: springs and nothing else."""
    body = ds.grid((2, 1), spacing=0.1)
    given = {"stiffness": 1e3, "actuation": 0.3, "ground": ds.Ground(friction=0.5), "dt": 0.004}
    losses = []
    for scene in (ds.MassSpring(body, **off, **given), ds.MassSpring(body.points, body.springs, **given)):
        with ds.Simulation(ds.Problem(scene, ds.Sine(), ds.Travel(), steps=60), executor="staged") as sim:
            losses.append(sim.value_and_grad(sim.params(seed=0))[0])
    assert losses[0] == losses[1]
    with ds.Simulation(ds.Problem(ds.MassSpring(body, **given), ds.Sine(), ds.Travel(), steps=60)) as sim:
        assert sim.value(sim.params(seed=0)) != losses[0]


def test_scenes_without_cells_have_no_numbers_of_cells():
    body = ds.grid((1, 1))
    assert not [name for name in ds.MassSpring(body.points, body.springs).numbers() if "cell" in name]
    assert {"cell_stiffness", "cell_volume"} <= ds.MassSpring(body).numbers().keys()


def test_scenes_with_cells_and_contact_are_plain_data():
    scene = ds.MassSpring(ds.grid((2, 1)), self_contact=ds.SelfContact(damping=0.2))
    again = ds.MassSpring.from_dict(scene.to_dict())
    assert again == scene
    moved = scene.with_numbers({"contact_stiffness": 5.0, "cell_stiffness": 7.0})
    assert (moved.self_contact.stiffness, moved.cell_stiffness) == (5.0, 7.0)


BODY = ds.grid((1, 1))
WRONG = {
    "springs twice": (lambda: ds.MassSpring(BODY, BODY.springs), "is a Lattice, which has springs of its own"),
    "a cell inside out": (
        lambda: ds.MassSpring(BODY.points, BODY.springs, cells=[[0, 1, 2]]),
        r"cells\[0\], of points \[0, 1, 2\], has an area of -0.005 .* exchange two of its points",
    ),
    "an absent point": (
        lambda: ds.MassSpring(BODY.points, BODY.springs, cells=[[0, 1, 4]]),
        r"cells\[0\] is of points \[0, 1, 4\], but the scene has 4 points \(0 to 3\)",
    ),
    "tetrahedra in the plane": (
        lambda: ds.MassSpring(BODY.points, BODY.springs, cells=[[0, 1, 2, 3]]),
        r"MassSpring.cells has shape \(1, 4\), but \(c, 3\) is needed",
    ),
    "a stiffness of nothing": (
        lambda: ds.MassSpring(BODY.points, BODY.springs, cell_stiffness=3.0),
        "cell_stiffness is given, but the scene has no cells",
    ),
    "a surface of nothing": (
        lambda: ds.MassSpring(BODY.points, BODY.springs, self_contact=ds.SelfContact()),
        "the scene has no surface",
    ),
    "no contact": (lambda: ds.MassSpring(BODY, self_contact=True), "self_contact is True, but a SelfContact or None"),
    "an index of a lattice": (
        lambda: ds.Lattice(BODY.points, BODY.springs, surface=[[0, 4]]),
        r"Lattice.surface\[0, 1\] is 4, but it must be at most 3",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_named(what):
    make, words = WRONG[what]
    with pytest.raises(ds.InputError, match=words):
        make()
