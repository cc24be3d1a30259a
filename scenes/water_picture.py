"""Waves become a picture: the water is released in a shape that swings, bounces off the walls, and ends as a star."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

CELLS, STEPS = 96, 192  # along each axis, and in time
SETTINGS = {"optimizer": ds.Adam(ds.CosineDecay(0.1, 100)), "iterations": 100, "scale": {"scene.*": 1.0}}  # m


def star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 where the picture is high."""
    angle = np.arctan2(x, y)
    return (np.hypot(x, y) < 1.0 + 0.35 * np.cos(5.0 * angle)).astype(float)


def problem(draw: int = 0) -> ds.Problem:
    """The water begins with ripples of a hundredth of the picture's height, drawn at random with the seed ``draw``."""
    line = (np.arange(CELLS) + 0.5) / CELLS - 0.5
    x, y = np.meshgrid(line, line, indexing="ij")
    ripples = np.random.default_rng(draw).normal(0.0, 0.01, (CELLS, CELLS))
    scene = ds.Water(ripples, wave_speed=1.0, damping=0.3, spacing=1.0 / CELLS, dt=0.5 / CELLS)
    goal = ds.MatchPicture(star(x / 0.272, y / 0.272), array="height")
    return ds.Problem(scene, None, goal, STEPS, tune=("scene.initial_height",))


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    rollout = simulation.rollout(result.best_params)
    right = np.mean((rollout.height[-1] > 0.5) == (simulation.problem.objective.picture > 0.5))
    print(f"{right:.1%} of the cells are high or low as in the picture")


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, report=report)
