"""MuJoCo's half-cheetah learns to run, from wherever it starts and in MuJoCo as well: short windows and a critic."""

import diffsim as ds
from diffsim.cli import policy_main

SETTINGS = {
    "policy": ds.MLP(hidden=(128, 64), sines=0, activation="elu"),
    "algorithm": ds.SHAC(window=8),
    "iterations": 400,
    "judge_every": 25,
    # What differs in MuJoCo: contact, and what both disagree by in a step.
    "randomise": {
        "scene.friction": (0.7, 1.3),
        "scene.contact_stiffness": (0.5, 2.0),
        "scene.contact_damping": (0.5, 1.5),
    },
    "pushes": {"joint_velocity": [0.2, 0.3, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]},
}


def task() -> ds.Task:
    return ds.gym.task("HalfCheetah", dt=0.05, substeps=5, feels=False)


if __name__ == "__main__":
    policy_main(task, **SETTINGS)
