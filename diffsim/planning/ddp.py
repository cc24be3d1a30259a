"""Control-limited differential dynamic programming, with the dynamics to first order (iLQR).

Tassa, Mansard & Todorov, "Control-limited differential dynamic programming", ICRA 2014; regularisation and line
search as Tassa, Erez & Todorov, "Synthesis and stabilization of complex behaviors through online trajectory
optimization", IROS 2012, sections II.F and II.G.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffsim.least_squares import box_step
from diffsim.planning.cost import Expansion

__all__ = ["Policy", "backward"]


@dataclass(frozen=True)
class Policy:
    """How actions change: (T, k) by ``shift``, and by ``gain`` (T, k, n) times what the state is off.

    Attributes:
        slope: of the cost along the shift; below zero.
        bend: half its curvature along it.
    """

    shift: np.ndarray
    gain: np.ndarray
    slope: float
    bend: float


def backward(
    by_state: np.ndarray,
    by_action: np.ndarray,
    cost: Expansion,
    low: np.ndarray,
    high: np.ndarray,
    stiffer: float,
) -> Policy | None:
    """From the last step to the first; None where the curvature by an action is not positive.

    Args:
        by_state: (T, n, n) derivative of each next state.
        by_action: (T, n, k).
        cost: along the trajectory.
        low: (T, k) by how much an action may fall.
        high: (T, k) by how much it may rise.
        stiffer: what is added to the curvature of the value by states.
    """
    steps, n, k = by_action.shape
    shift, gain = np.zeros((steps, k)), np.zeros((steps, k, n))
    value_x, value_xx = cost.x[-1].copy(), np.diag(cost.xx[-1])
    slope = bend = 0.0
    for t in reversed(range(steps)):
        a, b = by_state[t], by_action[t]
        regular = value_xx + stiffer * np.eye(n)
        q_x, q_u = cost.x[t] + a.T @ value_x, cost.u[t] + b.T @ value_x
        q_xx = np.diag(cost.xx[t]) + a.T @ value_xx @ a
        q_ux, q_uu = b.T @ value_xx @ a, np.diag(cost.uu) + b.T @ value_xx @ b
        stiff_ux, stiff_uu = b.T @ regular @ a, np.diag(cost.uu) + b.T @ regular @ b
        solved = box_step(stiff_uu, q_u, low[t], high[t], shift[t + 1] if t + 1 < steps else np.zeros(k))
        if solved is None:
            return None
        shift[t], free = solved
        if free.any():
            inside = np.ix_(free, free)
            gain[t][free] = -np.linalg.solve(stiff_uu[inside], stiff_ux[free])
        slope += float(shift[t] @ q_u)
        bend += 0.5 * float(shift[t] @ q_uu @ shift[t])
        value_x = q_x + gain[t].T @ (q_uu @ shift[t] + q_u) + q_ux.T @ shift[t]
        value_xx = q_xx + gain[t].T @ q_uu @ gain[t] + gain[t].T @ q_ux + q_ux.T @ gain[t]
        value_xx = 0.5 * (value_xx + value_xx.T)
        if not np.isfinite(value_xx).all():
            return None
    return Policy(shift, gain, slope, bend)
