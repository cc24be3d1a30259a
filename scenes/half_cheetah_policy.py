"""MuJoCo's half-cheetah learns to run, from wherever it starts and in MuJoCo as well: short windows and a critic."""

import diffsim as ds
from diffsim.cli import policy_main

SETTINGS = {
    "policy": ds.MLP(hidden=(128, 64), sines=0, activation="elu"),
    "algorithm": ds.SHAC(window=8, last_noise=0.1, average=0.1),
    "iterations": 800,
    "judge_every": 50,
    # Gradients are smooth with the compliant law, and what is learned is worth as much elsewhere with MuJoCo's.
    "easier": {"contact_law": "compliant"},
    "easier_iterations": 250,
    # As large as what both laws disagree by in a step, so that little is lost when the law is MuJoCo's.
    "easier_pushes": {"joint_velocity": [0.2, 0.3, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]},
    # It lies on its back until its episode is over, and most copies would lie there.
    "restart_after": 200,
}


def task() -> ds.Task:
    return ds.gym.task("HalfCheetah", contact_law="mujoco", feels=False)


if __name__ == "__main__":
    policy_main(task, **SETTINGS)
