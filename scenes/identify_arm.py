"""Mass, damping and dry friction of a two-hinged arm are found from its angles, and said with their standard errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

HERE = Path(__file__).parent
TRUE = {"scene.mass[1]": 0.7, "scene.damping": (0.05, 0.03), "scene.friction_loss": (0.15, 0.06)}
START = ("scene.initial_position", "scene.initial_velocity")  # where the arm was let go is not known either


def log(friction: bool) -> ds.Log:
    file = HERE / ("identify_arm_friction.csv" if friction else "identify_arm.csv")
    return ds.read_log(file, columns={"shoulder": "shoulder", "elbow": "elbow"})


def problem(friction: bool = False) -> ds.Problem:
    measured, tune = log(friction), (*list(TRUE)[: 3 if friction else 2], *START)
    angles = np.stack([measured.signals["shoulder"], measured.signals["elbow"]], axis=1)
    arm = ds.load_urdf(HERE / "identify_arm.urdf", dt=0.001, contacts=False, substeps=4 if friction else 1)
    hinges = [replace(joint, friction_loss=0.05, friction_width=5e-4) for joint in arm.joints]
    dry = [replace(link, joints=[hinge]) for link, hinge in zip(arm.links, hinges, strict=True)]
    arm = replace(arm, links=dry if friction else arm.links, initial_position=angles[0])
    steps = np.round(measured.time / arm.dt).astype(int)
    track = ds.TrackJoints(angles, joints=("shoulder", "elbow"), steps=steps, weight=100.0)
    bounds = dict.fromkeys(tune[1 : -len(START)], (0.0, 1.0))
    return ds.Problem(arm, None, track, steps=int(steps[-1]), tune=tune, bounds=bounds)


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    print({name: true for name, true in TRUE.items() if name in result.best_params}, "is true; found was:\n")
    print(ds.identify(simulation.problem, progress=False))


if __name__ == "__main__":
    scene_main(problem, optimizer=ds.GaussNewton(), iterations=50, report=report)
