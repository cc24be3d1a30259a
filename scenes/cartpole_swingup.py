"""A cart swings its pole up from hanging down and balances it: a small neural network pushes the cart."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

SETTINGS = {"optimizer": ds.Adam(0.01), "iterations": 1000, "starts": 8, "window": 50, "clip": 1.0}


def problem(seconds: float = 5.0) -> ds.Problem:
    rail = ds.Joint("rail", "slide", axis=(1, 0, 0), damping=0.1, limits=(-2.0, 2.0))
    cart = ds.Link("cart", joints=[rail], mass=1.0, geoms=[ds.Geom("box", "box", (0.2, 0.12, 0.08))])
    hinge = ds.Joint("hinge", axis=(0, 1, 0), damping=0.005)
    rod = ds.Geom("rod", "capsule", (0.03, 0.3), position=(0, 0, 0.3))
    weight = {"mass": 0.2, "centre": (0, 0, 0.3), "inertia": (0.006, 0.006, 0.0001)}
    pole = ds.Link("pole", "cart", joints=[hinge], geoms=[rod], **weight)
    motor = ds.Actuator.motor("rail", gear=10.0)
    scene = ds.Articulated([cart, pole], [motor], initial_position=(0.0, np.pi), contacts=False, dt=0.01)
    steps = round(seconds / scene.dt)
    middle = ds.TrackJoints(np.zeros((steps + 1, 1)), "rail", weight=0.05)
    goal = ds.Upright("pole", after=1.5) + ds.Upright("pole", weight=0.1) + middle + 5e-4 * ds.Effort()
    controller = ds.MLP(hidden=32, sines=4, frequency=3.0)
    return ds.Problem(scene, controller, goal, steps=steps, tune=("controller.w*", "controller.b*"))


if __name__ == "__main__":
    scene_main(problem, **SETTINGS)
