"""The benchmark's walker as a problem of diffsim's."""

import numpy as np

import diffsim as ds

from .walker import Parameters, Walker

__all__ = ["NAMES", "named", "problem_of"]

NAMES = ("controller.amplitude", "controller.phase", "controller.offset")


def problem_of(walker: Walker) -> ds.Problem:
    scene = ds.MassSpring(
        points=walker.points,
        springs=walker.springs,
        stiffness=walker.stiffness,
        actuation=walker.stretch,
        damping=walker.damping,
        gravity=walker.gravity,
        ground=ds.Ground(height=walker.ground),
        dt=walker.dt,
    )
    return ds.Problem(
        scene,
        controller=ds.Sine(frequency=walker.frequency, saturate=False),  # as its competitors
        objective=ds.Travel(direction=(1, 0), origin=walker.points.mean(axis=0)),
        steps=walker.steps,
        tune=NAMES,
    )


def named(parameters: Parameters) -> dict[str, np.ndarray]:
    return dict(zip(NAMES, parameters, strict=True))
