"""A catapult: the torque of its arm over time is tuned until the block that lies on the arm is thrown into the bin."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

LEFT, RIGHT, HIGH = 1.95, 2.55, 0.35  # the bin [m]
MOUTH, ENTRY = (2.2, 0.45), 415  # where the block is to be, and at which step
STEPS = ds.NormalisedGradientDescent(ds.ExponentialDecay(0.2, 0.93))


def problem() -> ds.Problem:
    arm, block = ds.Box((0.0, 0.15), (0.4, 0.02), density=20.0), ds.Box((-0.32, 0.22), (0.05, 0.05), density=20.0)
    lip = ds.Box((-0.385, 0.2), (0.015, 0.03), density=20.0)
    walls = [ds.Box((x, HIGH / 2), (0.01, HIGH / 2)) for x in (LEFT, RIGHT)]
    scene = ds.RigidBodies(
        bodies=[arm, lip, block],
        obstacles=[ds.HalfPlane(), ds.Box((-0.1, 0.065), (0.03, 0.065)), *walls],
        joints=[ds.Pin(0, None, at=(0.2, 0.15), motor=10.0), ds.Weld(0, 1, at=(-0.385, 0.17))],
        restitution=0.1,
        dt=0.002,
    )
    way = ds.MatchTrajectory([[MOUTH]], steps=[ENTRY], points=[2])
    return ds.Problem(scene, ds.OpenLoop(0.5, knots=17), way, steps=800)


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    rollout = simulation.rollout(result.best_params)
    place, speed = rollout.position[-1, 2], np.linalg.norm(rollout.velocity[-1, 2])
    print(f"in the end the block is at {np.round(place, 3)} m, at {speed:.3f} m/s; the bin is from {LEFT} to {RIGHT} m")


if __name__ == "__main__":
    scene_main(problem, optimizer=STEPS, iterations=60, report=report)
