"""The scene and problem of the tests of bridges: a body that lands within some steps."""

from __future__ import annotations

import diffsim as ds

__all__ = ["ENVS", "body_scene", "problem_of"]

ENVS = 3
"""Copies that have parameters of their own."""


def body_scene():
    body = ds.grid((2, 1), spacing=0.1, origin=(0.0, 0.02))
    return ds.MassSpring(
        body.points,
        body.springs,
        stiffness=50.0,
        spring_damping=0.3,
        mass=0.1,
        actuation=0.2,
        ground=ds.Ground(friction=0.5),
        dt=0.01,
    )


def problem_of(objective=True):
    tune = ("controller.*", "scene.stiffness", "scene.initial_velocity")
    return ds.Problem(body_scene(), ds.Sine(), ds.Travel() if objective else None, steps=20, tune=tune)
