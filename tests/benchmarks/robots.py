"""Two mass-spring robots of the DiffTaichi paper (Hu et al. 2020, arXiv:1910.00935), with its experiment's settings.

The geometry is that of scenes/robots.json. The scene script is not used: what it tunes best may change, this must not.
"""

import json
from pathlib import Path

import numpy as np

import diffsim as ds

__all__ = ["problem_of_robot"]

NUMBERS = Path(__file__).parents[2] / "scenes" / "robots.json"


def problem_of_robot(name: str) -> ds.Problem:
    """Robot "A" (6 points, 11 springs) or "C" (20 points, 46 springs), driven by a network of 32 tanh units."""
    robot = json.loads(NUMBERS.read_text())[name]
    first, second, rest_length, stiffness, actuation = np.transpose(robot["springs"])
    scene = ds.MassSpring(
        points=robot["points"],
        springs=np.stack([first, second], axis=1).astype(int),
        rest_length=rest_length,
        stiffness=stiffness,
        actuation=actuation,
        damping=15.0,
        gravity=(0.0, -4.8),
        ground=ds.Ground(height=0.1),
        dt=0.004,
    )
    controller = ds.MLP(hidden=32, sines=10, frequency=10.0, goal=(0.9, 0.2))
    weights = ("controller.w*", "controller.b*")
    goal = ds.Travel(point=0, origin=(0.0, 0.0))  # the experiment's own: minus the x of the head
    return ds.Problem(scene, controller=controller, objective=goal, steps=682, tune=weights)
