"""Rollouts made by hand: no simulation, so that what must be seen in a picture is known."""

import numpy as np
import pytest

from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.scene.mass_spring import Ground, MassSpring


def box(dimension=2, ground=True, **changes):
    """A square (2D) or cube (3D) of side 0.2 m at height 0.1 m, all pairs of its points joined by muscles."""
    corners = np.stack(np.meshgrid(*[(0.0, 0.2)] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    corners[:, -1] += 0.1
    pairs = [(a, b) for a in range(len(corners)) for b in range(a + 1, len(corners))]
    values = {"points": corners, "springs": pairs, "actuation": 0.1, "dt": 0.01}
    values["ground"] = Ground() if ground else None
    return MassSpring(**{**values, **changes})


def travelling(scene, steps=100, distance=1.0, actuation=0.0, loss=-1.0, **changes):
    """A rollout that carries the scene along x at a constant speed, by ``distance`` [m] in all."""
    share = np.linspace(0.0, 1.0, steps + 1) if steps else np.zeros(1)
    position = np.repeat(scene.points[None], steps + 1, axis=0)
    position[..., 0] += distance * share[:, None]
    asked = np.broadcast_to(actuation, (steps, len(scene.actuators)))
    arrays = {
        "position": position,
        "velocity": np.zeros_like(position),
        "actuation": np.array(asked, dtype=float),
    }
    values = {
        "problem": Problem(scene, steps=max(steps, 1)),
        "params": {},
        "time": np.arange(steps + 1) * scene.dt,
        "arrays": arrays,
        "loss": loss,
    }
    return Rollout(**{**values, **changes})


@pytest.fixture
def make():
    """The two functions above, by name: ``make.box``, ``make.travelling``."""

    class Make:
        pass

    made = Make()
    made.box, made.travelling = box, travelling
    return made
