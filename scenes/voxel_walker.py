"""A four-legged body of springs learns to walk: the sine waves that its legs follow, and how stiff each spring is."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

STEPS = ds.NormalisedGradientDescent(1.5, momentum=0.5)
SETTINGS = {"optimizer": STEPS, "iterations": 150, "starts": 3, "scale": {"controller.*": 1.0}}


def problem() -> ds.Problem:
    filled = np.ones((5, 3, 2), dtype=bool)  # voxels along x, y and up: a plate on four legs
    filled[1:-1, :, 0] = filled[:, 1, 0] = False
    body = ds.grid(filled, spacing=0.1)
    legs = body.along(2) & (body.midpoints()[:, 2] < 0.1)
    scene = ds.MassSpring(
        body,
        stiffness=np.full(len(body.springs), 3e3),
        spring_damping=2.0,
        actuation=np.where(legs, 0.3, 0.0),
        damping=3.0,
        ground=ds.Ground(friction=0.8),
        dt=0.004,
    )
    gait = ds.Sine(amplitude=0.3, frequency=15.0)
    tune = ("scene.stiffness", "controller.*")
    bounds = {"controller.amplitude": (-1, 1), "scene.stiffness": (1.5e3, 6e3)}
    return ds.Problem(scene, gait, ds.Travel(), steps=700, tune=tune, bounds=bounds)


if __name__ == "__main__":
    scene_main(problem, **SETTINGS)
