"""Reference numbers and the few lines of NumPy that the physics tests share."""

import json
from pathlib import Path

import numpy as np

# Formulas, values and exact gradients of cases with known answers; where they are from, the file says.
CASES = json.loads(Path(__file__).with_name("closed_forms.json").read_text())


def pulled(sim, params, name, at):
    """The rollout, and the gradient of its number ``rollout[name][at]``."""
    rollout, pullback = sim.vjp(params)
    cotangent = np.zeros(rollout[name].shape)
    cotangent[at] = 1.0
    return rollout, pullback({name: cotangent})


def orders(errors):
    """Observed orders of convergence along the first axis, where each step is half the one before."""
    sizes = np.abs(np.asarray(errors))
    return np.log2(sizes[:-1] / sizes[1:])


def swing(omega, dt, step):
    """Semi-implicit Euler of ``x'' = -omega^2 x`` from rest at 1, in closed form.

    Its characteristic polynomial is ``z^2 - (2 - (omega dt)^2) z + 1``, so ``z = exp(i angle)`` with
    ``sin(angle / 2) = omega dt / 2``; the start fixes the rest.

    Returns:
        The position after ``step`` steps, and its derivative with respect to ``omega``.
    """
    half = np.arcsin(omega * dt / 2)
    turns = 2 * step + 1
    value = np.cos(turns * half) / np.cos(half)
    slope = -turns * np.sin(turns * half) / np.cos(half) + value * np.tan(half)
    return value, slope * dt / 2 / np.cos(half)


def matched_steps(share, steps, within=0.02, doublings=3):
    """About ``steps``, twice and four times as many, so that ``share`` of each is a whole number of steps.

    The error of an impact depends on where in a step it falls; with one place for all, it falls in proportion to dt.
    Semi-implicit Euler drops a point from rest half a step early: it lands in the middle of a step.
    """
    found = []
    for k in range(doublings):
        near = range(2**k * steps, 2**k * steps + 200)
        found.append(next(n for n in near if abs(share * n - round(share * n)) < within))
    return found
