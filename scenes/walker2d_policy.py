"""MuJoCo's walker2d learns to run on two legs without falling, from wherever it starts: short windows and a critic."""

import diffsim as ds
from diffsim.cli import policy_main

SETTINGS = {
    "policy": ds.MLP(hidden=(128, 64), sines=0, activation="elu"),
    "algorithm": ds.SHAC(window=32, average=0.1, entropy=-0.5, critics=2),
    "iterations": 300,
    "judge_every": 25,
}


def task() -> ds.Task:
    return ds.gym.task("Walker2d", integrator="euler", contact_law="mujoco", feels=False)


if __name__ == "__main__":
    policy_main(task, **SETTINGS)
