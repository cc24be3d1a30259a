"""What cameras see of a volume, against the law of absorption and against rays that NumPy follows."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.tomography.look import look
from diffsim.viewing.look import Field

SIDE = 8
BOTH = ("optical_depth", "transmittance")

# Sums of some ten numbers of order one, in float64.
ROUNDING = 1e-12


def seen(scene, tune=()):
    """The rollout of a scene whose pictures are asked for."""
    empty = np.zeros((len(scene.camera_position) * scene.pixels, scene.pixels))
    objective = ds.MatchPicture(empty, BOTH[0]) + ds.MatchPicture(empty, BOTH[1])
    with ds.Simulation(ds.Problem(scene, None, objective, steps=1, tune=tune), precision="f64") as sim:
        return sim.rollout(sim.params())


def rays(scene):
    """(pixels of all pictures, 3) where each ray begins, and its direction."""
    line = (np.arange(scene.pixels) + 0.5) / scene.pixels - 0.5
    found = []
    for k, eye in enumerate(scene.camera_position):
        target = np.broadcast_to(scene.camera_target, (k + 1, 3))[k]
        ahead = (target - eye) / np.linalg.norm(target - eye)
        right = np.cross(ahead, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        up = np.cross(right, ahead)
        across, above = np.meshgrid(line, line, indexing="ij")
        shift = scene.picture_width * (across[..., None] * right + above[..., None] * up).reshape(-1, 3)
        if scene.parallel:
            found.append((eye + shift, np.broadcast_to(ahead, shift.shape)))
        else:
            way = target + shift - eye
            found.append((np.broadcast_to(eye, shift.shape), way / np.linalg.norm(way, axis=1, keepdims=True)))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def chords(scene):
    """(pixels of all pictures,) how long each ray is in the box [m]."""
    start, direction = rays(scene)
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (scene.low - start) / direction, (scene.high - start) / direction
    begins, ends = np.fmin(one, other).max(axis=1), np.fmax(one, other).min(axis=1)
    return np.maximum(ends - np.maximum(begins, 0.0), 0.0)


CAMERAS = {
    "a pinhole, off the axes": {"camera_position": [(0.9, 0.5, 0.4), (-0.2, -1.1, 0.1)]},
    "parallel": {"camera_position": [(0.9, 0.5, 0.4)], "parallel": True},
    "parallel, along an axis": {"camera_position": [(0.0, -2.0, 0.0)], "parallel": True},
    "past the middle": {"camera_position": [(1.0, 0.2, 0.0)], "camera_target": (0.3, 0.3, 0.4)},
    "within the box": {"camera_position": [(0.1, 0.05, 0.0)], "camera_target": (0.4, 0.2, 0.1)},
}


@pytest.mark.parametrize("case", CAMERAS)
def test_one_attenuation_absorbs_by_the_law_of_beer_and_lambert(case):
    sigma = 1.7
    scene = ds.Volume(
        np.full((3, 4, 5), sigma), **CAMERAS[case], low=(-0.4, -0.5, -0.3), high=(0.4, 0.6, 0.5), pixels=SIDE, samples=7
    )
    rollout, lengths = seen(scene), chords(scene)
    assert lengths.max() > 0.3
    if case.startswith("a pinhole"):
        assert lengths.min() == 0.0  # there are rays that miss the box
    assert rollout.optical_depth[-1].reshape(-1) == pytest.approx(sigma * lengths, abs=ROUNDING)
    assert rollout.transmittance[-1].reshape(-1) == pytest.approx(np.exp(-sigma * lengths), abs=ROUNDING)


def test_a_slope_is_integrated_exactly_and_cells_are_where_they_belong():
    """Along x the attenuation rises linearly: the sum over samples of a ray in its inner part is the integral."""
    n = 10
    middles = (np.arange(n) + 0.5) / n - 0.5
    slope = np.broadcast_to((2.0 + 3.0 * middles)[:, None, None], (n, 4, 6))
    scene = ds.Volume(slope, [(0.0, -3.0, 0.0)], pixels=SIDE, samples=9, parallel=True, picture_width=0.8)
    depth = seen(scene).optical_depth[-1]
    across = 0.8 * ((np.arange(SIDE) + 0.5) / SIDE - 0.5)  # a camera on the -y side has x on its right
    assert depth == pytest.approx(np.broadcast_to((2.0 + 3.0 * across)[:, None], depth.shape), abs=ROUNDING)


def test_pictures_stand_upright():
    high = np.zeros((6, 6, 6))
    high[:, :, 4:] = 1.0
    scene = ds.Volume(high, [(0.0, -3.0, 0.0), (3.0, 0.0, 0.0)], pixels=6, parallel=True, picture_width=1.0)
    depth = seen(scene).optical_depth[-1]
    assert depth.shape == (12, 6)
    assert np.all(depth[:, 5] > 0.9)
    assert np.all(depth[:, :2] == 0.0)


def test_a_smooth_density_has_its_integral_with_order_two():
    """A Gaussian, whose integral along a line is known; the grid and the samples are refined together."""
    width, misses = 0.12, []
    for n in (16, 32, 64):
        line = (np.arange(n) + 0.5) / n - 0.5
        x, y, z = np.meshgrid(line, line, line, indexing="ij")
        density = np.exp(-(x**2 + y**2 + z**2) / (2.0 * width**2))
        scene = ds.Volume(density, [(0.6, -0.8, 0.3)], pixels=5, samples=2 * n, parallel=True, picture_width=0.4)
        start, direction = rays(scene)
        nearest = start - np.sum(start * direction, axis=1, keepdims=True) * direction
        exact = np.sqrt(2.0 * np.pi) * width * np.exp(-np.sum(nearest**2, axis=1) / (2.0 * width**2))
        misses.append(np.abs(seen(scene).optical_depth[-1].reshape(-1) - exact).max())
    # What is cut off outside of the box is 1e-4 of it at most; of order two a quarter is left each time.
    assert misses[0] / misses[1] == pytest.approx(4.0, rel=0.1)
    assert misses[1] / misses[2] == pytest.approx(4.0, rel=0.1)


def test_the_derivative_with_respect_to_a_cell_is_its_share_of_the_ray():
    """The optical depth is linear in the attenuation, so the gradients of all cells add up to the ray's length."""
    scene = ds.Volume(
        np.random.default_rng(0).uniform(size=(3, 4, 5)),
        CAMERAS["parallel"]["camera_position"],
        pixels=4,
        parallel=True,
    )
    zeros = np.zeros((4, 4))
    problem = ds.Problem(scene, None, ds.MatchPicture(zeros, BOTH[0]), steps=1, tune=("scene.attenuation",))
    with ds.Simulation(problem, precision="f64") as sim:
        rollout = sim.rollout(sim.params())
        pixel = np.zeros((2, 4, 4))
        pixel[-1, 1, 2] = 1.0
        shares = sim.pull(sim.params(), {"optical_depth": pixel})["scene.attenuation"]
    assert shares.sum() == pytest.approx(chords(scene).reshape(4, 4)[1, 2], abs=ROUNDING)
    assert np.sum(shares * scene.attenuation) == pytest.approx(rollout.optical_depth[-1, 1, 2], abs=ROUNDING)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"attenuation": np.zeros((3, 3))}, "Volume.attenuation has shape"),
        ({"camera_position": [(0.0, 1.0)]}, "Volume.camera_position has shape"),
        ({"camera_position": [(0.0, 0.0, 2.0)]}, r"Volume.camera_position\[0\] lies above, below or in its target"),
        ({"camera_position": [(1.0, 0.0, 0.0), (0.0, 0.0, 0.0)]}, r"Volume.camera_position\[1\] lies above, below"),
        ({"picture_width": 0.0}, "Volume.picture_width is 0, but it must be greater than 0 m"),
        ({"low": (0.0, 0.0, 1.0)}, r"Volume.low\[2\] is 1, but it must be below Volume.high\[2\], 0.5"),
        ({"pixels": 0}, "Volume.pixels is 0, but it must be a whole number of at least 1"),
        ({"samples": 2.5}, "Volume.samples is 2.5, but it must be a whole number"),
        ({"parallel": None}, "Volume.parallel is None, but it must be True or False"),
    ],
)
def test_what_is_refused(numbers, words):
    with pytest.raises(ds.InputError, match=words):
        ds.Volume(**{"attenuation": np.zeros((2, 2, 2)), "camera_position": [(1.0, 0.0, 0.0)], **numbers})


def test_pictures_of_another_size_are_refused():
    scene = ds.Volume(np.zeros((2, 2, 2)), [(1.0, 0.0, 0.0)], pixels=4)
    problem = ds.Problem(scene, None, ds.MatchPicture(np.zeros((3, 3)), "transmittance"), steps=1, tune=())
    with pytest.raises(ds.InputError, match=r"MatchPicture\.picture has shape"):
        ds.Simulation(problem)


def test_slices_and_pictures_are_seen():
    scene = ds.Volume(np.random.default_rng(1).uniform(size=(3, 4, 5)), [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)], pixels=SIDE)
    rollout = seen(scene)
    shapes = [element.values.shape[1:] for element in look(rollout).of(Field)]
    assert shapes == [(4, 5), (3, 5), (3, 4), (SIDE, SIDE), (SIDE, SIDE)]
    assert np.array_equal(look(rollout).elements[4].values[0], rollout.optical_depth[-1, SIDE:])
    with ds.Simulation(ds.Problem(scene, steps=1, tune=())) as sim:
        assert len(look(sim.rollout({})).elements) == 3
