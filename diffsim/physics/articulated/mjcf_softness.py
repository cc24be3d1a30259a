"""MuJoCo's solref and solimp as numbers of this package."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.physics.articulated.values import TIME_CONSTANT

__all__ = ["SOLREF", "friction_width", "impedance", "reference", "spring"]

SOLREF = (TIME_CONSTANT, 1.0)
"""MuJoCo's default: what has it follows from what is moved, as in a scene made in Python."""

LEAST, MOST = 1e-4, 0.9999
"""MuJoCo's bounds of impedances (mjMINIMP, mjMAXIMP)."""


def friction_width(model: Any, kind: str, k: int) -> float:
    """Velocity at which MuJoCo's soft constraint of a friction loss has reached all of it, at a constant push.

    Args:
        model: the compiled model.
        kind: "dof" or "tendon".
        k: which.
    """
    of = "" if kind == "dof" else "_fri"
    solref, solimp = (getattr(model, f"{kind}_{name}{of}")[k] for name in ("solref", "solimp"))
    loss, lightness = (float(getattr(model, f"{kind}_{name}")[k]) for name in ("frictionloss", "invweight0"))
    time, ratio = solref
    least, most = np.clip(solimp[:2], LEAST, MOST)
    rate = -ratio / most if time <= 0.0 else 2.0 / (most * max(time, 2.0 * model.opt.timestep))
    softness = (1.0 - least) / least * lightness
    return float(max(softness * loss / rate, 1e-12)) if rate > 0.0 else 1e-12


def impedance(solimp: Any) -> np.ndarray:
    """solimp as MuJoCo takes it: within its bounds; of no width it is the mean of both ends."""
    ends = np.clip(solimp[:2], LEAST, MOST)
    if solimp[2] <= 1e-15:
        return np.array([ends.mean(), ends.mean(), 1.0, 0.5, 2.0])
    return np.array([*ends, solimp[2], np.clip(solimp[3], LEAST, MOST), max(solimp[4], 1.0)])


def reference(time: float, ratio: float) -> tuple[float, float]:
    """Time constant and damping ratio of MuJoCo's solref, which gives stiffness and damping if it is negative."""
    if time > 0.0:
        return float(time), float(ratio)
    constant = 2.0 / max(-ratio, 1e-12)
    return constant, 1.0 / (constant * np.sqrt(max(-time, 1e-12)))


def spring(time: float, ratio: float, moved: float) -> tuple[float, float]:
    """Stiffness and damping of MuJoCo's solref for a mass or inertia; negative ones are given per mass."""
    if time <= 0.0:
        return -time * moved, -ratio * moved
    return moved / (time * ratio) ** 2, 2.0 * moved / time
