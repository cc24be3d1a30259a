"""MuJoCo's hopper learns to hop without falling: a small neural network drives its hip, knee and ankle."""

import diffsim as ds
from diffsim.cli import scene_main

FILE = "gymnasium:envs/mujoco/assets/hopper.xml"
SETTINGS = {"optimizer": ds.Adam(0.005), "iterations": 1500, "window": 50, "clip": 1.0}


def problem(seconds: float = 2.0) -> ds.Problem:
    scene = ds.load_mjcf(FILE, unobserved=("rootx",), dt=0.008, substeps=4, integrator="euler")
    controller = ds.MLP(hidden=32, sines=6, frequency=12.0)
    alive = ds.Height(least=1.1, weight=100.0) + ds.Upright(least=0.99, weight=1000.0)
    goal = ds.Travel(point="torso") + alive + 0.02 * ds.Effort()
    weights = ("controller.w*", "controller.b*")
    return ds.Problem(scene, controller, goal, steps=round(seconds / scene.dt), tune=weights)


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, source=FILE)
