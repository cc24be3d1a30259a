"""The break: where the cue ball starts, in which direction and how fast, until the far ball ends on the target."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

RADIUS, LAYERS, TARGET = 0.03, 4, (0.9, 0.75)
LOW, HIGH = (-0.05, 0.1), (1.45, 0.9)  # corners of the table [m]
STEPS = ds.Adam(ds.ExponentialDecay(0.02, 0.975))


def problem() -> ds.Problem:
    rows = [(i, j) for i in range(LAYERS) for j in range(i + 1)]
    balls = [(0.5 + 2.0 * RADIUS * i, 0.5 + RADIUS * (2.0 * j - 0.7 * i)) for i, j in rows]
    cushions = [ds.HalfPlane.of((1.0, 0.0), LOW[0]), ds.HalfPlane.of((0.0, 1.0), LOW[1])]
    cushions += [ds.HalfPlane.of((-1.0, 0.0), -HIGH[0]), ds.HalfPlane.of((0.0, -1.0), -HIGH[1])]
    scene = ds.RigidBodies(
        bodies=[ds.Disc((0.1, 0.5), RADIUS, velocity=(0.3, 0.0)), *(ds.Disc(ball, RADIUS) for ball in balls)],
        obstacles=cushions,
        gravity=(0.0, 0.0),
        friction=0.0,
        restitution=0.8,
        dt=0.003,
    )
    shot = ("scene.initial_position[0]", "scene.initial_velocity[0]")
    return ds.Problem(scene, None, ds.ReachTarget(TARGET, point=len(balls)), steps=1024, tune=shot)


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    last = simulation.rollout(result.best_params).position[-1, -1]
    print(f"the far ball ends {np.linalg.norm(last - TARGET):.4f} m from the target")


if __name__ == "__main__":
    scene_main(problem, optimizer=STEPS, iterations=100, scale={"scene.*": 1.0}, report=report)  # m and m/s
