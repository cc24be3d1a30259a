"""Waves become a lens: they are tuned until, for a moment, a checkered floor below them looks like a heart."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

CELLS, STEPS = 96, 96  # along each axis, and in time
DECAY = ds.ExponentialDecay(0.03, 0.98)
SETTINGS = {"optimizer": ds.NormalisedGradientDescent(DECAY), "iterations": 200, "scale": {"scene.*": 1.0}}  # m


def heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 where the picture is dark."""
    return ((x**2 + y**2 - 1.0) ** 3 < x**2 * y**3).astype(float)


def problem(draw: int = 0) -> ds.Problem:
    """The water begins with ripples of a thousandth of a millimetre, drawn at random with the seed ``draw``."""
    line = (np.arange(CELLS) + 0.5) / CELLS - 0.5
    x, y = np.meshgrid(line, line, indexing="ij")
    ripples = np.random.default_rng(draw).normal(0.0, 1e-6, (CELLS, CELLS))
    scene = ds.Water(ripples, wave_speed=1.0, spacing=1.0 / CELLS, dt=0.4 / CELLS)
    floor = 0.5 + 0.5 * np.sin(16.0 * np.pi * x) * np.sin(16.0 * np.pi * y)
    goal = ds.MatchRefraction(heart(x / 0.35, (y + 0.03) / 0.35), floor, depth=1.0)
    return ds.Problem(scene, None, goal, STEPS, tune=("scene.initial_height",))


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    height = simulation.rollout(result.best_params).height
    print(f"the waves are at most {1e3 * np.abs(height).max():.1f} mm high")


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, report=report)
