"""Stiffness and damping of a hanging net are found from a noisy measured trajectory of its points."""

import numpy as np

import diffsim as ds
from diffsim.cli import scene_main

TRUE = {"scene.stiffness": 800.0, "scene.spring_damping": 1.5}
NOISE = 0.01  # of the measurements, relative to how far the points move


def measure(scene: ds.MassSpring, steps: int) -> np.ndarray:
    """What a camera would see of the true net: positions with noise, a tenth of the samples missing."""
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=tuple(TRUE)), precision="f64") as simulation:
        position = simulation.rollout({name: np.array(value) for name, value in TRUE.items()}).position
    rng = np.random.default_rng(1)
    noisy = position + NOISE * (position - position[0]).std() * rng.normal(size=position.shape)
    noisy[rng.random(noisy.shape[:2]) < 0.1] = np.nan
    return noisy


def problem() -> ds.Problem:
    net = ds.grid((6, 3), spacing=0.1, origin=(0.0, 0.5))
    hung = np.flatnonzero(net.points[:, 1] > 0.75)[[0, -1]]
    scene = ds.MassSpring(net.points, net.springs, stiffness=300.0, spring_damping=0.3, mass=0.05, fixed=hung, dt=0.002)
    measured = ds.MatchTrajectory(measure(scene, steps=400))
    bounds = dict.fromkeys(TRUE, (1e-2, None))
    return ds.Problem(scene, None, 1e3 * measured, steps=400, tune=tuple(TRUE), bounds=bounds)


def report(simulation: ds.Simulation, result: ds.Result) -> None:
    print(f"{TRUE} is true; found was:\n")
    print(ds.identify(simulation.problem, progress=False))


if __name__ == "__main__":
    scene_main(problem, optimizer=ds.GaussNewton(0.2), iterations=30, report=report)
