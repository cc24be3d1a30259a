"""MuJoCo's hopper learns to hop without falling, from wherever it starts: short windows and a critic."""

import diffsim as ds
from diffsim.cli import policy_main

SETTINGS = {
    "policy": ds.MLP(hidden=(128, 64), sines=0, activation="elu"),
    "algorithm": ds.SHAC(window=32, learning_rate=1e-3),
    "iterations": 500,
    "judge_every": 50,
    "easier": {"contact_law": "compliant"},
    "easier_iterations": 300,
}


def task() -> ds.Task:
    return ds.gym.task("Hopper", integrator="euler", contact_law="mujoco", feels=False)


if __name__ == "__main__":
    policy_main(task, **SETTINGS)
