"""A quadruped of a file of its own is rewarded for a trot at 1 m/s: it finds short hops, in MuJoCo as well."""

from pathlib import Path

import diffsim as ds
from diffsim.cli import policy_main

FILE = Path(__file__).with_name("quadruped.xml")
SETTINGS = {
    "policy": ds.MLP(hidden=(128, 64), sines=0, activation="elu"),
    "algorithm": ds.SHAC(window=12, noise=0.15),
    "iterations": 700,
    "easier": {"contact_law": "compliant"},
    "easier_iterations": 350,
}


def reward(before, action, after):
    """1 for a trot at that speed, straight ahead and level; less for what is not, and for effort."""
    q, v = after["joint_position"], after["joint_velocity"]
    legs = q[:, 7:].reshape(-1, 4, 3)  # front left and right, rear left and right; hip, thigh, knee
    ahead = 2.0 * (v[:, 0] - 1.0) ** 2 + v[:, 1] ** 2 + q[:, 1] ** 2 + 4.0 * q[:, 6] ** 2
    level = 4.0 * (q[:, 4] ** 2 + q[:, 5] ** 2) + 50.0 * (0.26 - q[:, 2]).clip(min=0.0) ** 2
    diagonal = ((legs[:, :2, 1:] - legs[:, [3, 2], 1:]) ** 2).sum(axis=2).sum(axis=1)
    against = ((legs[:, ::2, 1] + legs[:, 1::2, 1] - 1.6) ** 2).sum(axis=1) + (legs[:, :, 0] ** 2).sum(axis=1)
    return 1.0 / (1.0 + ahead + level + 0.3 * diagonal + 0.5 * against + 0.05 * (action**2).sum(axis=1))


def start(arrays, rng):
    return {name: value + rng.uniform(-0.05, 0.05, value.shape) for name, value in arrays.items()}


def task() -> ds.Task:
    scene = ds.load_mjcf(FILE, pose="home", hold=True, contact_law="mujoco", contacts="world", feels=False)
    fallen = {"ended": lambda seen: seen["joint_position"][:, 2] < 0.18}
    return ds.Task(scene, reward, start=start, repeat=4, source=FILE, **fallen)


if __name__ == "__main__":
    policy_main(task, **SETTINGS)
