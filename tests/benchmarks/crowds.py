"""Looks of very many things, for the benchmarks of pictures: particles in the colours of their speed, a fine grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import diffsim as ds
from diffsim import physics
from diffsim.rollout import Rollout
from diffsim.spec import Spec
from diffsim.viewing.look import Field, Floor, Look, Points, Scale, Values

__all__ = ["CROWDS", "crowd"]

CROWDS = {
    "3,000 particles": (3000, 2),
    "3,000 particles in space": (3000, 3),
    "17,856 particles in space": (17856, 3),
    "a grid of 256 x 256": (256, 0),
}
"""How many, and in how many dimensions; 0 is a grid of so many cells along each axis."""


@dataclass(frozen=True, eq=False, repr=False)
class Crowd(Spec):
    kind: ClassVar[str] = "scene"
    count: int
    dimension: int
    dt: float = 0.001

    def numbers(self):
        return {}


def seen(rollout):
    count, d = rollout.problem.scene.count, rollout.problem.scene.dimension
    time = rollout.time[:, None, None]
    if not d:
        line = np.linspace(0.0, 1.0, count)
        waves = np.sin(20.0 * line[:, None] + 10.0 * time) * np.cos(15.0 * line - 7.0 * time)
        return Look([Field(waves, (0.0, 0.0), (1.0, 1.0), Scale(-1.0, 1.0, ("sky", "extended", "text")))])
    places = np.random.default_rng(0).uniform(size=(count, d))
    speed = np.abs(np.cos(6.0 * time[:, 0] + 20.0 * places[:, 0]))
    moved = places + 0.02 * np.sin(6.0 * time + 20.0 * places)
    colour = Values(speed, Scale(0.0, 1.0, ("extended", "flesh"), "m/s"))
    return Look([Points(moved, 0.008, colour)], Floor(np.eye(d)[-1], 0.0))


def crowd(name, steps=1024):
    """A rollout of a second, of nothing but what is seen of it."""
    physics.register(Crowd, lambda *_: None, look=seen)  # not before, or it would be among what the package has
    problem = ds.Problem(Crowd(*CROWDS[name]), steps=steps)
    return Rollout(problem, {}, problem.scene.dt * np.arange(steps + 1), {})
