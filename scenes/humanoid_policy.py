"""MuJoCo's humanoid lands and stands by feedback that its physics gives; evolution has it stand a little better."""

import diffsim as ds
from diffsim.cli import policy_main


def task() -> ds.Task:
    return ds.gym.task("Humanoid", integrator="euler", contact_law="mujoco", feels=False)


def stand(task: ds.Task) -> dict:
    """Linear feedback around a pose that is near the one from which it drops: arms down, knees hardly bent."""
    place = task.scene.initial_position.copy()
    place[2] = 1.29  # of the torso [m], so that the feet touch the ground
    at = {joint.name: 6 + k for k, joint in enumerate(task.scene.joints)}  # behind the free joint's seven numbers
    for side, sign in (("right", 1.0), ("left", -1.0)):
        place[at[f"{side}_hip_y"]], place[at[f"{side}_knee"]] = -0.05, -0.1
        place[at[f"{side}_shoulder1"]], place[at[f"{side}_shoulder2"]] = 0.6 * sign, -0.45 * sign
        place[at[f"{side}_elbow"]] = 0.7
    weights = {f"joint_position[{k}]": 10.0 if k == 2 else 40.0 if k < 7 else 1.0 for k in range(2, len(place))}
    cost = ds.QuadraticCost(running={**weights, "joint_velocity": 0.15}, effort=0.5)
    return ds.balance(task.scene, cost, start={"joint_position": place}, repeat=task.repeat).weights()


SETTINGS = {
    "policy": ds.MLP(hidden=(), sines=0),
    "algorithm": ds.CMAES(sigma=0.004),
    "envs": 32,
    "start": stand,
    "iterations": 10,
    "judge_every": 5,
    "mujoco_episodes": 16,  # of two policies that stand, one may fall from one start in twenty
}


if __name__ == "__main__":
    policy_main(task, **SETTINGS)
