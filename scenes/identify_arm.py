"""Mass and damping of a two-hinged arm are found from a table of its angles, and said with their standard errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

HERE = Path(__file__).parent
TRUE = {"scene.mass[1]": 0.7, "scene.damping": (0.05, 0.03)}
START = ("scene.initial_position", "scene.initial_velocity")  # where the arm was let go is not known either


def log() -> ds.Log:
    return ds.read_log(HERE / "identify_arm.csv", columns={"shoulder": "shoulder", "elbow": "elbow"})


def problem() -> ds.Problem:
    measured = log()
    angles = np.stack([measured.signals["shoulder"], measured.signals["elbow"]], axis=1)
    arm = replace(ds.load_urdf(HERE / "identify_arm.urdf", dt=0.001, contacts=False), initial_position=angles[0])
    steps = np.round(measured.time / arm.dt).astype(int)
    track = ds.TrackJoints(angles, joints=("shoulder", "elbow"), steps=steps, weight=100.0)
    tune, bounds = (*TRUE, *START), {"scene.damping": (0.0, 1.0)}
    return ds.Problem(arm, None, track, steps=int(steps[-1]), tune=tune, bounds=bounds)


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    for name, true in TRUE.items():
        print(f"{name:14} true {np.round(true, 4)}   found {np.round(result.best_params[name], 4)}")
    print("\nThe same by least squares, and how sure it is:")
    print(ds.identify(problem(), log(), each=START, progress=False))


if __name__ == "__main__":
    sizes = {"scene.damping": 0.05, "scene.initial_*": 0.1}
    scene_main(problem, optimizer=ds.Adam(ds.CosineDecay(0.05, 300)), iterations=300, scale=sizes, report=report)
