"""MuJoCo's ant learns to run on four legs without falling on its back: short windows and a critic."""

import diffsim as ds
from diffsim.cli import policy_main

SETTINGS = {
    "policy": ds.MLP(hidden=(128, 64), sines=0, activation="elu"),
    "algorithm": ds.SHAC(window=8, noise=0.25, parts=4),
    "iterations": 1000,
    "judge_every": 100,
}


def task() -> ds.Task:
    return ds.gym.task("Ant", integrator="euler", contact_law="mujoco", feels=False)


if __name__ == "__main__":
    policy_main(task, **SETTINGS)
