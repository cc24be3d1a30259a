"""Frames per second of the renderer; run with ``pytest -m bench -s tests/benchmarks/test_frames.py``."""

import time

import numpy as np
import pytest

from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.scene.mass_spring import Ground, MassSpring
from diffsim.viewing import frames


def lattice(dimension):
    """30 points and 75 springs that wobble along for 10 s."""
    shape = (6, 5) if dimension == 2 else (5, 3, 2)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, dimension)
    apart = [(np.linalg.norm(grid[a] - grid[b]), a, b) for a in range(len(grid)) for b in range(a + 1, len(grid))]
    springs = np.array([(a, b) for _, a, b in sorted(apart)[:75]])
    scene = MassSpring(points=0.05 * grid, springs=springs, actuation=0.1, ground=Ground(), dt=0.004)
    steps = 2500
    at = np.arange(steps + 1) * scene.dt
    position = scene.points + 0.01 * np.sin(10 * at[:, None, None] + 30 * scene.points)
    position[..., 0] += 0.1 * at[:, None]
    actuation = np.sin(10 * at[:-1, None] + np.arange(75))
    arrays = {"position": position, "actuation": actuation}
    return Rollout(Problem(scene, steps=steps), {}, at, arrays, loss=-1.0)


@pytest.mark.bench
@pytest.mark.parametrize("dimension", [2, 3])
def test_frames_per_second(dimension):
    took, film = [], frames(lattice(dimension), size=(512, 512), fps=50.0)
    next(film)  # fits the camera, paints the background
    start = time.perf_counter()
    for _ in film:
        took.append(time.perf_counter() - start)
        start = time.perf_counter()
    print(f"\n{dimension}D, 30 points, 75 springs, 512 x 512: {1 / np.median(took):.0f} frames per second")
