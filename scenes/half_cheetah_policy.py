"""MuJoCo's half-cheetah learns to run, from wherever it starts and in MuJoCo as well: short windows and a critic."""

import diffsim as ds
from diffsim.cli import policy_main

SETTINGS = {
    "policy": ds.MLP(hidden=(128, 64), sines=0, activation="elu"),
    "algorithm": ds.SHAC(window=8),
    "iterations": 600,
    "judge_every": 40,
    # Gradients are smooth with the compliant law, and what is learned is worth as much elsewhere with MuJoCo's.
    "easier": {"contact_law": "compliant"},
    "easier_iterations": 300,
}


def task() -> ds.Task:
    return ds.gym.task("HalfCheetah", contact_law="mujoco", feels=False)


if __name__ == "__main__":
    policy_main(task, **SETTINGS)
