"""A soft robot learns to walk: a small neural network drives the muscles of robot A, B, C or D."""

import json
from pathlib import Path

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

ROBOTS = json.loads(Path(__file__).with_name("robots.json").read_text())
# Steps of a set length: the gradient's own length jumps by orders of magnitude when a foot lands at another step.
STEPS = ds.NormalisedGradientDescent(ds.ExponentialDecay(0.1, 0.998), momentum=0.5)
SETTINGS = {"optimizer": STEPS, "iterations": 150, "starts": 4}


def problem(robot: str = "C") -> ds.Problem:
    if robot not in ("A", "B", "C", "D"):
        raise ds.InputError(f"robot is {robot!r}, but it must be one of A, B, C, D")
    first, second, rest_length, stiffness, actuation = np.transpose(ROBOTS[robot]["springs"])
    scene = ds.MassSpring(
        points=ROBOTS[robot]["points"],
        springs=np.stack([first, second], axis=1).astype(int),
        rest_length=rest_length,
        stiffness=stiffness,
        actuation=actuation,
        damping=15.0,
        gravity=(0.0, -4.8),
        ground=ds.Ground(height=0.1),
        dt=0.004,
    )
    controller = ds.MLP(hidden=32, goal=(0.9, 0.2), frequency=20.0)
    weights = ("controller.w*", "controller.b*")
    goal = ds.Travel(point=0, origin=(0.0, 0.0))  # minus the head's x, as the paper's scripts have it
    return ds.Problem(scene, controller, goal, steps=682, tune=weights)


if __name__ == "__main__":
    scene_main(problem, **SETTINGS)
