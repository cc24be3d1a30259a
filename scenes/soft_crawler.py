"""A soft robot of elastic matter learns to crawl: its four legs are muscles, the back above them is passive."""

import diffsim as ds
from diffsim.cli import scene_main

CELL = 1.0 / 128
SETTINGS = {"optimizer": ds.Adam(0.1), "iterations": 100}


def problem() -> ds.Problem:
    spacing = (0.3 / 76, 0.1 / 24)
    body = ds.Matter.box((0.1, 0.13), (0.3, 0.1), spacing, "back")
    for k, x in enumerate((0.1, 0.15, 0.3, 0.35)):
        body += ds.Matter.box((x, 0.03), (0.05, 0.1), (0.05 / 12, 0.1 / 24), f"leg {k}")
    scene = ds.MaterialPoints(
        body,
        actuator=body.by_region({f"leg {k}": k for k in range(4)}, otherwise=-1),
        youngs_modulus=25.0,
        poissons_ratio=0.25,
        density=1.0,
        strength=4.0,
        gravity=(0.0, -3.8),
        low=2 * CELL,
        high=125 * CELL,
        cell=CELL,
        dt=1e-3,
    )
    goal = ds.Travel(origin=(0.0, 0.0))
    return ds.Problem(scene, ds.OpenLoop(knots=40), goal, steps=1024, tune=("controller.*",))


if __name__ == "__main__":
    scene_main(problem, **SETTINGS)
