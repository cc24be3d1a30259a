"""A soft square is thrown: its initial velocity is tuned until it is on the target, after a bounce, when time is up."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

TARGET = (2.0, 0.15)
SETTINGS = {"optimizer": ds.NormalisedGradientDescent(ds.ExponentialDecay(0.4, 0.96)), "iterations": 100}


def problem() -> ds.Problem:
    body = ds.grid((3, 3), spacing=0.1, origin=(0.0, 0.3))
    scene = ds.MassSpring(
        body,
        stiffness=3e3,
        spring_damping=3.0,
        mass=0.1,
        initial_velocity=(1.0, 1.0),
        ground=ds.Ground(friction=0.8),
        dt=0.002,
    )
    return ds.Problem(scene, None, ds.ReachTarget(TARGET), steps=600, tune=("scene.initial_velocity",))


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    centre = simulation.rollout(result.best_params).position[-1].mean(axis=0)
    velocity = result.best_params["scene.initial_velocity"]
    print(f"thrown with {np.round(velocity, 3)} m/s, its centre is at {np.round(centre, 3)} m in the end")


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, report=report)
