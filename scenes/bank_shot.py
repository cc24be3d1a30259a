"""A disc is shot round a barrier: its velocity and spin are tuned until it stops on the target, by way of a cushion."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

TARGET = (1.7, 0.3)
STEPS = ds.NormalisedGradientDescent(ds.ExponentialDecay(0.2, 0.95))


def problem() -> ds.Problem:
    """The table is seen from above: what slows the disc between the cushions is the cloth."""
    scene = ds.RigidBodies(
        bodies=[ds.Disc((0.3, 0.3), 0.06, velocity=(1.5, 2.5))],
        obstacles=[
            ds.HalfPlane.of((0.0, 1.0)),
            ds.HalfPlane.of((0.0, -1.0), -1.2),
            ds.Segment.between((1.0, 0.02), (1.0, 0.7), radius=0.02),
        ],
        gravity=(0.0, 0.0),
        damping=1.5,
        friction=0.2,
        restitution=0.7,
        dt=0.004,
    )
    shot = ("scene.initial_velocity", "scene.initial_angular_velocity")
    return ds.Problem(scene, None, ds.ReachTarget(TARGET), steps=1000, tune=shot)


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    rollout = simulation.rollout(result.best_params)
    off, speed = (np.linalg.norm(array) for array in (rollout.position[-1, 0] - TARGET, rollout.velocity[-1, 0]))
    print(f"the disc ends {off:.4f} m from the target, at {speed:.3f} m/s")


if __name__ == "__main__":
    scene_main(problem, optimizer=STEPS, scale={"scene.*": 1.0}, report=report)  # m/s and rad/s
