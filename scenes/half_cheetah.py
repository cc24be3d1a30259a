"""MuJoCo's half-cheetah learns to run: a small neural network drives the six joints of the file in gymnasium."""

import diffsim as ds
from diffsim.cli import scene_main

FILE = "gymnasium:envs/mujoco/assets/half_cheetah.xml"
SETTINGS = {"optimizer": ds.Adam(0.005), "iterations": 2000, "starts": 2, "window": 25, "clip": 1.0}


def problem(seconds: float = 2.0) -> ds.Problem:
    scene = ds.load_mjcf(FILE, unobserved=("rootx",), substeps=2)
    controller = ds.MLP(hidden=32, sines=6, frequency=12.0)
    goal = ds.Travel(point="torso") + ds.Upright(least=0.6, weight=3.0) + 0.02 * ds.Effort()
    weights = ("controller.w*", "controller.b*")
    return ds.Problem(scene, controller, goal, steps=round(seconds / scene.dt), tune=weights)


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, source=FILE)
