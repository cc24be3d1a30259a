"""Friction and restitution are found from a noisy measured trajectory of a disc that bounces and a box that slides."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

TRUE = {"scene.friction": 0.3, "scene.restitution": 0.7}
NOISE = 0.005  # of every measured coordinate [m]


def measure(scene: ds.RigidBodies, steps: int) -> np.ndarray:
    """What a camera would see of the true scene: the places of both bodies, with noise."""
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=tuple(TRUE)), precision="f64") as simulation:
        position = simulation.rollout({name: np.array(value) for name, value in TRUE.items()}).position
    return position + NOISE * np.random.default_rng(1).normal(size=position.shape)


def problem() -> ds.Problem:
    disc = ds.Disc((0.0, 0.6), 0.08, velocity=(1.5, 0.0), group=0)
    box = ds.Box((-0.5, 0.06), (0.1, 0.06), velocity=(2.0, 0.0), group=0)
    scene = ds.RigidBodies([disc, box], [ds.HalfPlane()], friction=0.6, restitution=0.4, dt=0.002)
    measured = ds.MatchTrajectory(measure(scene, steps=600))
    return ds.Problem(scene, None, measured, steps=600, tune=tuple(TRUE), bounds=dict.fromkeys(TRUE, (0.0, 1.0)))


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    print(f"{TRUE} is true; found was:\n")
    print(ds.identify(simulation.problem, progress=False))


if __name__ == "__main__":
    scene_main(problem, optimizer=ds.GaussNewton(), iterations=30, report=report)
