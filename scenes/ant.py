"""MuJoCo's ant learns to run: a small neural network drives the eight joints of its four legs."""

import diffsim as ds
from diffsim.cli import scene_main

FILE = "gymnasium:envs/mujoco/assets/ant.xml"
SETTINGS = {"optimizer": ds.Adam(0.005), "iterations": 1500, "starts": 2, "window": 25, "clip": 1.0}


def problem(seconds: float = 2.0) -> ds.Problem:
    knees = [0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0]  # within their limits, as gymnasium starts it
    start = [0.0, 0.0, 0.55, 1.0, 0.0, 0.0, 0.0, *knees]
    scene = ds.load_mjcf(FILE, substeps=2, integrator="euler", initial_position=start)
    controller = ds.MLP(hidden=32, sines=6, frequency=12.0)
    alive = ds.Height(least=0.35, weight=30.0) + ds.Upright(least=0.8, weight=10.0)
    goal = ds.Travel(point="torso") + alive + 0.02 * ds.Effort()
    weights = ("controller.w*", "controller.b*")
    return ds.Problem(scene, controller, goal, steps=round(seconds / scene.dt), tune=weights)


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, source=FILE)
