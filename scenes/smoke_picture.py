"""Smoke becomes a picture: the flow at the start is tuned until it carries half a square of smoke into yin and yang."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

CELLS, STEPS = 110, 100  # along each axis, and in a second
SETTINGS = {"optimizer": ds.Adam(ds.CosineDecay(0.05, 200)), "iterations": 200, "scale": {"scene.*": 1.0}}  # m/s


def yin_yang(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 where the picture is dark: half a disc, with a small disc more and one less, a dot in each, and a rim."""
    radius, upper, lower = np.hypot(x, y), np.hypot(x, y - 0.5), np.hypot(x, y + 0.5)
    half = ((x > 0.0) | (lower < 0.5)) & (upper > 0.5)
    dark = (half & (lower > 0.15)) | (upper < 0.15)
    return np.where(radius < 1.0, dark, radius < 1.06).astype(float)


def problem(draw: int = 0) -> ds.Problem:
    """The flow begins with next to nothing, drawn at random with the seed ``draw``, in centimetres per second."""
    line = (np.arange(CELLS) + 0.5) / CELLS - 0.5
    x, y = np.meshgrid(line, line, indexing="ij")
    flow = np.random.default_rng(draw).normal(0.0, 0.01, (CELLS, CELLS, 2))
    scene = ds.Smoke((y < 0.0).astype(float), flow, spacing=1.0 / CELLS, dt=1.0 / STEPS)
    goal = ds.MatchPicture(yin_yang(x / 0.42, y / 0.42))
    return ds.Problem(scene, None, goal, STEPS, tune=("scene.initial_velocity",))


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    rollout = simulation.rollout(result.best_params)
    right = np.mean((rollout.density[-1] > 0.5) == (simulation.problem.objective.picture > 0.5))
    print(f"{right:.1%} of the cells are dark or bright as in the picture")


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, report=report)
