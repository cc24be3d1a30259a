"""What second-order methods are made of, in NumPy: steps within a box, and regions in which a model is trusted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["SHRINK", "Region", "box_step", "promise", "region_step", "secant"]

NEWTON = 100  # steps of the box problem at most
HAZE = 1e-6
"""Of the largest singular value of a Jacobian by forward differences: below it there is only their rounding."""

ACCEPT = 1e-4  # share of the decrease that the model promises, from which on a step is taken
POOR, GOOD = 0.25, 0.75  # the same, where the region shrinks and where it may grow
SHRINK, GROW, FARTHEST = 0.25, 4.0, 1e6


class Region(NamedTuple):
    """What becomes of a trust region after a step.

    Attributes:
        taken: whether the step is.
        radius: of the next region.
        held: whether the model did: it is worth another step.
    """

    taken: bool
    radius: float
    held: bool

    @classmethod
    def after(cls, radius: float, step: np.ndarray, promised: float, fallen: float) -> Region:
        """Judge a step (n,) by how far the loss fell, beside what was promised; nan is a step into nowhere.

        Conn, Gould & Toint, "Trust-Region Methods", 2000, algorithm 6.1.1.
        """
        share = fallen / promised if promised > 0.0 else np.nan
        length = float(np.abs(step).max(initial=0.0))
        if not share >= POOR:  # also where it is nan
            radius = SHRINK * min(radius, length) if length > 0.0 else SHRINK * radius
            return cls(bool(share >= ACCEPT), radius, False)
        if share > GOOD and length >= 0.99 * radius:
            radius = min(GROW * radius, FARTHEST)
        return cls(True, radius, True)

    @classmethod
    def after_secant(cls, radius: float, step: np.ndarray, promised: float, fallen: float) -> Region:
        """The same for a model that is none of this point: where it fails the region only shrinks to the step."""
        found = cls.after(radius, step, promised, fallen)
        return found if found.held else found._replace(radius=found.radius / SHRINK)


def region_step(
    curvature: np.ndarray, slope: np.ndarray, radius: float, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """The step (n,) that lowers the model most within bounds and within the radius in each entry.

    Along what nothing depends on, so far as rounding tells, it does not move.

    Args:
        curvature: (n, n) J^T J, or twice that.
        slope: (n,) J^T r, or twice that.
        radius: of the trust region, a box.
        low: (n,) by how much an entry may fall.
        high: (n,) by how much it may rise.
    """
    seen = np.diag(curvature) > HAZE**2 * np.diag(curvature).max(initial=0.0)
    if not seen.any():
        return np.zeros_like(slope)
    curvature, slope = np.where(seen & seen[:, None], curvature, 0.0), np.where(seen, slope, 0.0)
    squares, axes = np.linalg.eigh(curvature)
    most = float(squares[-1])
    told = squares > HAZE**2 * most
    along = np.where(told, axes.T @ slope, 0.0)
    low, high = np.maximum(low, -radius), np.minimum(high, radius)
    whole = axes @ (-along / np.where(told, squares, 1.0))
    if (whole >= low).all() and (whole <= high).all():
        return whole
    stiff = (axes * np.where(told, squares, HAZE * most)) @ axes.T
    found = box_step(stiff, axes @ along, low, high, np.zeros_like(slope))
    return np.zeros_like(slope) if found is None else found[0]


def secant(jacobian: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """A Jacobian (m, n) that says what residuals did, ``change`` (m,), along a step (n,), and else what it said before.

    Broyden, "A class of methods for solving nonlinear simultaneous equations", 1965, equation 4.5.
    """
    return jacobian + np.outer((change - jacobian @ step) / (step @ step), step)


def promise(curvature: np.ndarray, slope: np.ndarray, step: np.ndarray) -> float:
    """By how much the model falls along a step."""
    return -float(slope @ step + 0.5 * step @ curvature @ step)


def box_step(
    curvature: np.ndarray, slope: np.ndarray, low: np.ndarray, high: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """The step within a box that lowers a quadratic most, and which entries no side of the box holds.

    Projected Newton (Tassa et al. 2014, section III.B). None where the curvature of what is free is not positive.
    """
    x = np.clip(start, low, high)
    for _ in range(NEWTON):
        gradient = slope + curvature @ x
        held = ((x <= low) & (gradient > 0.0)) | ((x >= high) & (gradient < 0.0))
        free = ~held
        if not free.any():
            return x, free
        inside = curvature[np.ix_(free, free)]
        try:
            np.linalg.cholesky(inside)
        except np.linalg.LinAlgError:
            return None
        if np.abs(gradient[free]).max() <= 1e-10 * (1.0 + np.abs(slope).max()):
            return x, free
        step = np.zeros_like(x)
        step[free] = -np.linalg.solve(inside, gradient[free])
        before = x @ (slope + 0.5 * (curvature @ x))
        for length in 0.6 ** np.arange(30):
            there = np.clip(x + length * step, low, high)
            if there @ (slope + 0.5 * (curvature @ there)) <= before + 0.1 * gradient @ (there - x):
                break
        else:
            return x, free
        if np.array_equal(there, x):
            return x, free
        x = there
    return x, free
