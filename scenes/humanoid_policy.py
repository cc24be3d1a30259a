"""MuJoCo's humanoid learns from feedback that stands, which physics gives, to earn more: evolution of that feedback."""

import diffsim as ds
from diffsim.cli import policy_main


def task() -> ds.Task:
    return ds.gym.task("Humanoid", integrator="euler", contact_law="mujoco", feels=False)


def stand(task: ds.Task) -> dict:
    """Linear feedback around standing with knees that are hardly bent, and feet that just touch the ground."""
    place = task.scene.initial_position.copy()
    place[2] = 1.29  # of the torso [m]; the task drops it from 1.4
    at = {joint.name: 6 + k for k, joint in enumerate(task.scene.joints)}  # behind the free joint's seven numbers
    for side in ("left", "right"):
        place[at[f"{side}_knee"]], place[at[f"{side}_hip_y"]] = -0.1, -0.05
    weights = {f"joint_position[{k}]": 10.0 if k == 2 else 40.0 if k < 7 else 1.0 for k in range(2, len(place))}
    cost = ds.QuadraticCost(running={**weights, "joint_velocity": 0.15}, effort=0.5)
    return ds.balance(task.scene, cost, start={"joint_position": place}, repeat=task.repeat).weights()


SETTINGS = {
    "policy": ds.MLP(hidden=(), sines=0),
    "algorithm": ds.CMAES(sigma=0.02, steps=500),
    "envs": 32,
    "iterations": 100,
    "judge_every": 10,
    "start": stand,
}


if __name__ == "__main__":
    policy_main(task, **SETTINGS)
