"""Tomography: the attenuation of each cell of a volume is found from pictures of it, taken from seven sides."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

CELLS, PIXELS, VIEWS = 64, 96, 7  # along each axis; along each side of a picture; pictures
SETTINGS = {"optimizer": ds.Adam(ds.CosineDecay(0.3, 100)), "iterations": 100}


def torus() -> np.ndarray:
    """(n, n, n) attenuation [1/m] of a ring about the x axis, of 0.4 m and 0.1 m."""
    line = (np.arange(CELLS) + 0.5) / CELLS - 0.5
    x, y, z = np.meshgrid(line, line, line, indexing="ij")
    return np.where(np.hypot(np.hypot(y, z) - 0.4, x) < 0.1, 50.0 / CELLS, 0.0)


def seen(attenuation: np.ndarray) -> ds.Volume:
    """Cameras stand on half a circle of 1 m."""
    angles = np.pi / VIEWS * np.arange(VIEWS)
    cameras = np.stack([np.cos(angles), np.sin(angles), 0.0 * angles], axis=1)
    return ds.Volume(attenuation, cameras, pixels=PIXELS)


def problem() -> ds.Problem:
    nothing = ds.MatchPicture(np.zeros((VIEWS * PIXELS, PIXELS)), "optical_depth", weight=VIEWS)  # summed over views
    with ds.Simulation(ds.Problem(seen(torus()), None, nothing, steps=1, tune=())) as true:
        goal = ds.MatchPicture(true.rollout({}).optical_depth[-1], "optical_depth", weight=VIEWS)
    empty, what = seen(np.zeros((CELLS,) * 3)), "scene.attenuation"
    return ds.Problem(empty, None, goal, steps=1, tune=(what,), bounds={what: (0.0, None)})


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    right = np.mean((result.best_params["scene.attenuation"] > 25.0 / CELLS) == (torus() > 0.0))
    print(f"{right:.2%} of the cells are rightly found to be empty or not")


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, report=report)
