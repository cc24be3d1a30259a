"""Electrodes lead a charge along goals that move: a small neural network sees the charge and the way to its goal."""

from typing import Any

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

LENGTHS = (0.1, 0.5, 0.9)
ELECTRODES = [(x, y) for x in LENGTHS for y in LENGTHS if (x, y) != (0.5, 0.5)]
STEPS, DT = 512, 0.03


def copies(count: int, seed: int) -> dict[str, Any]:
    """So many goals, each on its way through three places, and charges that start where their goals do."""
    paths = np.random.default_rng(seed).uniform(0.2, 0.8, (count, 3, 2))
    return {"scene.initial_position": paths[:, :1], "controller.goal": paths, "objective.path": paths}


SETTINGS = {"optimizer": ds.Adam(0.02), "iterations": 400, "numbers": copies(64, seed=0)}


def problem() -> ds.Problem:
    path = copies(1, seed=2)["objective.path"][0]
    constants = {"charge": 1.0, "electrode_charge": 1.0, "coulomb": 1e-3}
    scene = ds.Charges([path[0]], electrode_position=ELECTRODES, softening=0.1, damping=0.2, dt=DT, **constants)
    weights = ("controller.w*", "controller.b*")
    follow = ds.Follow(path, point=0, weight=STEPS * DT)  # the squared distance, integrated over time [m^2 s]
    return ds.Problem(scene, ds.MLP(hidden=32, sines=0, goal=path), follow, steps=STEPS, tune=weights)


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    with ds.Simulation(simulation.problem, envs=256, numbers=copies(256, seed=1)) as others:
        loss = others.value(result.best_params)
    print(f"of 256 goals that it was not trained on: loss {loss:.4f}, {np.sqrt(loss / (STEPS * DT)):.3f} m off")


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, report=report)
