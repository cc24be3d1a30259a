"""A soft robot of elastic matter learns to crawl in space: four legs are muscles, the back above them is passive."""

import diffsim as ds
from diffsim.cli import scene_main

SPACING, STEP = 1.0 / 80, 3e-3
LEGS = {"front left": (0.35, 0.1), "front right": (0.35, 0.3), "back left": (0.1, 0.1), "back right": (0.1, 0.3)}
SETTINGS = {"optimizer": ds.Adam(0.1), "iterations": 40}


def problem() -> ds.Problem:
    body = ds.Matter.box((0.1, 0.1, 0.1), (0.3, 0.25, 0.1), SPACING, "back")
    for name, (x, y) in LEGS.items():
        body += ds.Matter.box((x, y, 0.0), (0.05, 0.05, 0.1), SPACING, name)
    scene = ds.MaterialPoints(
        body,
        actuator=body.by_region({name: k for k, name in enumerate(LEGS)}, otherwise=-1),
        youngs_modulus=25.0,
        poissons_ratio=0.25,
        density=1.0,
        strength=4.0,
        gravity=(0.0, 0.0, -3.8),
        dt=STEP,
    )
    return ds.Problem(scene, ds.OpenLoop(knots=20), ds.Travel(), steps=340, tune=("controller.*",))


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, adjoint=ds.Checkpointed())
