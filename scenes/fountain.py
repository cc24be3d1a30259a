"""Muscles below a pool throw its water, so that all matter is around a target in the air when time is up."""

import diffsim as ds
from diffsim.cli import scene_main

SPACING = 1.0 / 50
SETTINGS = {"optimizer": ds.Adam(0.1), "iterations": 60}


def problem() -> ds.Problem:
    matter = ds.Matter.box((0.0, 0.0, 0.1), (0.32, 0.16, 0.1), SPACING, "water")
    for k in range(4):
        matter += ds.Matter.box((0.08 * k, 0.0, 0.0), (0.08, 0.16, 0.1), SPACING, f"muscle {k}")
    scene = ds.MaterialPoints(
        matter,
        material=matter.by_region({"water": "liquid"}, otherwise="corotated"),
        actuator=matter.by_region({f"muscle {k}": k for k in range(4)}, otherwise=-1),
        youngs_modulus=5e4,
        bulk_modulus=1e5,
        viscosity=1.0,
        strength=1.5e4,
        friction=0.0,
        high=(0.32, 0.16, 1.0),
        dt=2e-3,
    )
    goal = ds.ReachTarget((0.2, 0.08, 0.2))
    return ds.Problem(scene, ds.OpenLoop(knots=20), goal, steps=200, tune=("controller.*",))


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, adjoint=ds.Checkpointed())
