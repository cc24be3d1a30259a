"""An arm of seven joints from a URDF file puts its tool to a point, with as little effort as it can."""

from pathlib import Path

import diffsim as ds
from diffsim.cli import scene_main

FILE = Path(__file__).with_name("arm.urdf")
SETTINGS = {"optimizer": ds.Adam(ds.CosineDecay(0.02, 400)), "iterations": 400}


def problem(x: float = 0.5, y: float = -0.3, z: float = 0.6) -> ds.Problem:
    bent = (0.0, 0.4, 0.0, 0.9, 0.0, 0.3, 0.0)
    scene = ds.load_urdf(FILE, contacts=False, dt=0.01, substeps=2, initial_position=bent)
    goal = ds.ReachTarget((x, y, z), point="tool", weight=1000.0) + 0.1 * ds.Effort()
    return ds.Problem(scene, ds.OpenLoop(knots=16), goal, steps=120, tune=("controller.*",))


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    rollout = simulation.rollout(result.best_params)
    scene = rollout.problem.scene
    tool = rollout.position[-1, scene.place("tool", "tool")]
    target = rollout.problem.objective.terms[0].target
    print(f"tool     {1e3 * float(((tool - target) ** 2).sum()) ** 0.5:.2f} mm from the target")


if __name__ == "__main__":
    scene_main(problem, **SETTINGS, report=report)
