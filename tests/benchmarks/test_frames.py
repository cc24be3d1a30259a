"""Frames per second of the renderer; run with ``pytest -m bench -s tests/benchmarks/test_frames.py``."""

import time

import numpy as np
import pytest

from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.scene import Box, Capsule, Disc, Ground, HalfPlane, MassSpring, Pin, Polygon, RigidBodies, Segment, Spring
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


def bodies():
    """Ten bodies of all kinds that roll about on a floor for 10 s, one of them on a hinge and a spring."""
    outline = 0.06 * np.array([(1.0, 0.0), (0.3, 1.0), (-0.8, 0.6), (-0.8, -0.6), (0.3, -1.0)])
    shapes = (lambda at: Box(at, (0.05, 0.05)), lambda at: Disc(at, 0.05))
    shapes += (lambda at: Capsule(at, 0.05, 0.03), lambda at: Polygon(at, outline))
    made = [shapes[k % 4]((0.2 * k, 0.1)) for k in range(10)]
    walls = [HalfPlane(), Segment.between((-0.2, 0.0), (-0.2, 0.3), 0.01), Segment.between((2.5, 0.0), (2.8, 0.3))]
    spring = [Spring(0, 1, ((0.05, 0.0), (0.0, 0.0)), 1.0)]
    scene = RigidBodies(made, obstacles=walls, joints=[Pin(0, None, at=(0.0, 0.1))], springs=spring, dt=0.004)
    steps = 2500
    at = np.arange(steps + 1) * scene.dt
    position = np.array([body.position for body in scene.bodies]) + 0.05 * np.sin(at[:, None, None] + np.arange(2))
    onto = position[1:].copy()
    onto[..., 1] = 0.0
    pairs = [k for k, (_, second) in enumerate(scene.pairs.tolist()) if second == 10]
    arrays = {
        "position": position,
        "angle": np.repeat(at[:, None], 10, axis=1),
        "contact_point": onto,
        "contact_force": np.abs(np.sin(at[1:, None, None] + np.arange(10)[:, None])) * (1.0, 0.3),
        "contact_pair": np.tile(np.array(pairs, dtype=float), (steps, 1)),
        "contact_normal": np.tile((0.0, -1.0), (steps, 10, 1)),
    }
    return Rollout(Problem(scene, steps=steps), {}, at, arrays, loss=-1.0)


@pytest.mark.bench
@pytest.mark.parametrize("made", ["2D, 30 points, 75 springs", "3D, 30 points, 75 springs", "10 rigid bodies"])
def test_frames_per_second(made):
    rollout = bodies() if made == "10 rigid bodies" else lattice(int(made[0]))
    took, film = [], frames(rollout, size=(512, 512), fps=50.0)
    next(film)  # fits the camera, paints the background
    start = time.perf_counter()
    for _ in film:
        took.append(time.perf_counter() - start)
        start = time.perf_counter()
    print(f"\n{made}, 512 x 512: {1 / np.median(took):.0f} frames per second")
