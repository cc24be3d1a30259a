"""A body of springs learns to cross hills: the sine waves that its three legs follow."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

STEPS = ds.NormalisedGradientDescent(ds.ExponentialDecay(0.4, 0.99), momentum=0.5)
SETTINGS = {"optimizer": STEPS, "iterations": 120, "starts": 4}


def problem() -> ds.Problem:
    filled = np.ones((6, 3), dtype=bool)  # cells along x, and up: a back on three legs
    filled[[1, 4], 0] = False
    body = ds.grid(filled, spacing=0.1, origin=(-0.3, 0.0))
    x = np.linspace(-0.8, 2.8, 73)
    hills = ds.Terrain(0.06 * (1.0 - np.cos(4.0 * x)), low=-0.8, high=2.8, friction=0.9)
    scene = ds.MassSpring(
        body,
        stiffness=3e3,
        spring_damping=2.0,
        actuation=np.where(body.midpoints()[:, 1] < 0.15, 0.25, 0.0),
        damping=3.0,
        ground=hills,
        on_ground=True,
        dt=0.004,
    )
    return ds.Problem(scene, ds.Sine(amplitude=0.3, frequency=15.0), ds.Travel(direction=(1, 0)), steps=700)


if __name__ == "__main__":
    scene_main(problem, **SETTINGS)
