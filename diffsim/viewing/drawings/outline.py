"""The outlines of shapes."""

from __future__ import annotations

import numpy as np

from diffsim.physics.rigid_bodies.bodies import Shape

__all__ = ["outline"]

# Corners of a circle: one with a radius of 100 pixels is off by 0.2 pixels.
ROUND = 48


def outline(shape: Shape, *, spoke: bool = False) -> np.ndarray:
    """(k, 2) closed, in the frame of the shape [m]; a disc may have a spoke along its own x axis."""
    core, radius = shape.core, shape.margin
    if radius == 0.0:
        return np.concatenate([core, core[:1]])
    turn = 2.0 * np.pi * np.arange(ROUND + 1) / ROUND
    circle = radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if len(core) == 1:
        return np.concatenate([core, circle]) if spoke else circle
    # A quarter around the right end, half around the left one, and a quarter again.
    quarter = ROUND // 4
    parts = (circle[: quarter + 1], circle[quarter : 3 * quarter + 1], circle[3 * quarter :])
    return np.concatenate([core[1] + parts[0], core[0] + parts[1], core[1] + parts[2]])
