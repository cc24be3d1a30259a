"""A robot of rigid boxes, pins and muscles learns to walk: a small neural network drives the muscles of A, B or Leg."""

import json
from pathlib import Path

import diffsim as ds
from diffsim.cli import scene_main

ROBOTS = json.loads(Path(__file__).with_name("rigid_robots.json").read_text())
STEPS = ds.NormalisedGradientDescent(ds.ExponentialDecay(0.1, 0.99), momentum=0.5)
SETTINGS = {"optimizer": STEPS, "iterations": 60, "starts": 4}


def problem(robot: str = "B") -> ds.Problem:
    if robot not in ("A", "B", "Leg"):
        raise ds.InputError(f"robot is {robot!r}, but it must be one of A, B, Leg")
    data = ROBOTS[robot]
    scene = ds.RigidBodies(
        bodies=[ds.Box(position, size, angle=angle, group=0) for position, size, angle in data["bodies"]],
        obstacles=[ds.HalfPlane((0.0, 0.1))],
        joints=[ds.Pin(first, second, anchors=ends) for first, second, ends in data["joints"]],
        springs=[ds.Spring(a, b, ends, k, rest, actuation=s) for a, b, ends, k, rest, s in data["springs"]],
        gravity=(0.0, -9.8),
        damping=10.0,
        friction=1.0,
        dt=0.001,
        iterations=4,
    )
    controller = ds.MLP(hidden=32, goal=(0.9, 0.15), frequency=30.0)
    weights = ("controller.w*", "controller.b*")
    goal = ds.ReachTarget((0.9, 0.15), point=data["head"])
    return ds.Problem(scene, controller, goal, steps=2048, tune=weights)


if __name__ == "__main__":
    scene_main(problem, **SETTINGS)
