"""The masses of an arm's links and the damping of its joints, from how its joints moved as it swung."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

SETTINGS = {"optimizer": ds.GaussNewton(), "iterations": 30, "scale": {"scene.mass": 1.0, "scene.damping": 0.05}}
TRUE = {"scene.mass": np.array((1.2, 0.7, 0.4)), "scene.damping": np.array((0.06, 0.03, 0.02))}


def arm(mass: float, damping: float) -> ds.Articulated:
    links = []
    for k in range(3):
        joint = ds.Joint(f"joint_{k}", axis=(0.3 * k, 1.0, 0.0), damping=damping)
        bone = ds.Geom(f"bone_{k}", "capsule", (0.03, 0.15), position=(0, 0, -0.15))
        place = {"position": (0, 0, -0.3 if k else 0.0), "centre": (0, 0, -0.15), "inertia": (0.004, 0.004, 0.0005)}
        parent = f"link_{k - 1}" if k else None
        links.append(ds.Link(f"link_{k}", parent, joints=[joint], mass=mass, geoms=[bone], **place))
    return ds.Articulated(links, initial_position=(1.5, -0.6, 0.8), contacts=False, dt=0.005)


def problem(noise: float = 0.001) -> ds.Problem:
    guess, bounds = arm(0.8, 0.04), {"scene.mass": (0.05, 5.0), "scene.damping": (0.0, 1.0)}
    with ds.Simulation(ds.Problem(guess, steps=300, tune=tuple(TRUE)), precision="f64") as simulation:
        swing = simulation.rollout(TRUE).joint_position
    measured = swing + noise * np.random.default_rng(0).normal(size=swing.shape)
    return ds.Problem(guess, None, ds.TrackJoints(measured, weight=100.0), steps=300, tune=tuple(TRUE), bounds=bounds)


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    print(f"{TRUE} is true; found was:\n")
    print(ds.identify(simulation.problem, progress=False))


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, report=report)
