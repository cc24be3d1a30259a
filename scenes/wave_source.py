"""Where do the waves come from? A source is found from what four gauges in the corners of an open pool have read."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

CELLS, SPACING, STEPS = 64, 0.05, 200  # [m] and steps of 0.025 s
GAUGES = [(8, 8), (56, 10), (9, 55), (54, 57)]  # cells
TRUE = {"scene.source_position": [[2.1, 0.9]], "controller.amplitude": [0.7], "controller.phase": [0.5]}
NOISE = 0.05  # of the readings, relative to how much they vary


def guess(objective: ds.Objective | None = None) -> ds.Problem:
    """All that is known: how often the source goes up and down, and that it is in the pool, perhaps in its middle."""
    still, middle = np.zeros((CELLS, CELLS)), 0.5 * CELLS * SPACING
    scene = ds.Water(
        still, source_position=[(middle, middle)], source_width=0.15, spacing=SPACING, edges="open", dt=0.025, depth=2.0
    )
    return ds.Problem(scene, ds.Sine(frequency=1.5), objective, STEPS, tune=tuple(TRUE))


def problem() -> ds.Problem:
    with ds.Simulation(guess()) as simulation:
        height = simulation.rollout({name: np.array(value) for name, value in TRUE.items()}).height
    read = np.stack([height[:, i, j] for i, j in GAUGES], axis=1)
    noise = NOISE * read.std() * np.random.default_rng(0).normal(size=read.shape)
    return guess(ds.MatchReadings(read + noise, GAUGES, weight=1.0 / read.var()))


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    found = result.best_params["scene.source_position"][0]
    off = np.linalg.norm(found - TRUE["scene.source_position"][0])
    print(f"the source is at {np.round(found, 3)} m, {100 * off:.1f} cm from where it was")


if __name__ == "__main__":
    scene_main(problem, optimizer=ds.Adam(ds.CosineDecay(0.1, 150)), iterations=150, starts=4, report=report)
