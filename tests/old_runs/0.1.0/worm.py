"""A worm of two squares."""

import diffsim as ds
from diffsim.cli import scene_main


def problem() -> ds.Problem:
    body = ds.grid((2, 1), spacing=0.1)
    scene = ds.MassSpring(
        body.points,
        body.springs,
        stiffness=500.0,
        spring_damping=1.0,
        mass=0.1,
        actuation=0.2,
        ground=ds.Ground(friction=0.7),
        dt=0.004,
    )
    return ds.Problem(
        scene,
        ds.Sine(),
        ds.Travel() + 0.1 * ds.Effort(),
        steps=60,
        tune=("controller.*", "scene.stiffness"),
        bounds={"scene.stiffness": (100.0, None)},
    )


if __name__ == "__main__":
    scene_main(problem, iterations=4)
