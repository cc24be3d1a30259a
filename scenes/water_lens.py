"""Waves become a lens: they are tuned until, for a moment, a checkered floor below them looks like yin and yang."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

CELLS = 96  # along each axis
STEPS, ITERATIONS = 96, 200


def yin_yang(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 where the picture is dark: half a disc, with a small disc more and one less, a dot in each, and a rim."""
    radius, upper, lower = np.hypot(x, y), np.hypot(x, y - 0.5), np.hypot(x, y + 0.5)
    half = ((x > 0.0) | (lower < 0.5)) & (upper > 0.5)
    dark = (half & (lower > 0.15)) | (upper < 0.15)
    return np.where(radius < 1.0, dark, radius < 1.06).astype(float)


def problem(draw: int = 0) -> ds.Problem:
    """The water begins with ripples of a thousandth of a millimetre, drawn at random with the seed ``draw``."""
    line = (np.arange(CELLS) + 0.5) / CELLS - 0.5
    x, y = np.meshgrid(line, line, indexing="ij")
    ripples = np.random.default_rng(draw).normal(0.0, 1e-6, (CELLS, CELLS))
    scene = ds.Water(ripples, wave_speed=1.0, spacing=1.0 / CELLS, dt=0.4 / CELLS)
    floor = 0.5 + 0.5 * np.sin(16.0 * np.pi * x) * np.sin(16.0 * np.pi * y)
    goal = ds.MatchRefraction(yin_yang(x / 0.42, y / 0.42), floor, depth=1.0)
    return ds.Problem(scene, None, goal, STEPS, tune=("scene.initial_height",))


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    height = simulation.rollout(result.best_params).height
    print(f"the waves are at most {1e3 * np.abs(height).max():.1f} mm high")


if __name__ == "__main__":
    optimizer = ds.NormalisedGradientDescent(ds.ExponentialDecay(0.03, 0.98))
    scene_main(problem, optimizer=optimizer, iterations=ITERATIONS, scale={"scene.*": 1.0}, report=report)  # m
