"""Actuations that stay between -1 and 1, as those of a muscle or a motor do, and keep a gradient beyond."""

from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.stages import Model

__all__ = ["applied", "saturated", "saturates"]

KNEE = 0.8
"""Up to here in size an actuation is as it was asked for, to the bit; beyond it bends towards 1."""

ROOM = 1.0 - KNEE


@ti.func
def saturated(x):
    """x up to the knee; beyond it ``KNEE + ROOM e / sqrt(1 + e^2)``: 0.94 at 1, 0.997 at 2, e the excess over ROOM.

    Twice continuously differentiable; the slope is 0.35 at 1 and falls like the cube of the excess, never to zero.
    """
    within = ti.min(KNEE, ti.max(-KNEE, x))
    beyond = (x - within) / ROOM
    return within + ROOM * beyond / ti.sqrt(1.0 + beyond * beyond)


def saturates(wanted: bool, model: Model) -> bool:
    """Whether a controller that is told to saturate does so: not where actuators have limits of their own.

    A model's record ``motion`` says that by ``own_limits = True``, as that of robots does: their files say of each
    actuator within which controls it works, if within any.
    """
    return wanted and not getattr(model.motion, "own_limits", False)


def applied(asked: np.ndarray, wanted: bool, scene: Any) -> np.ndarray:
    """What is asked for, `saturated` where that is wanted and the scene's actuators have no limits of their own."""
    if not wanted or getattr(scene, "own_limits", False):
        return asked
    within = np.clip(asked, -KNEE, KNEE)
    beyond = (asked - within) / ROOM
    found: np.ndarray = within + ROOM * beyond / np.sqrt(1.0 + beyond * beyond)
    return found
