"""Mass and moment of inertia of planar bodies, from their shape."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from diffsim.physics.rigid_bodies.bodies import Body, Box, Polygon

__all__ = ["mass_and_inertia"]


def mass_and_inertia(bodies: Iterable[Body], density: float) -> tuple[np.ndarray, np.ndarray]:
    """(n,) masses [kg] and moments of inertia about the centre of mass [kg m^2] of bodies that a scene has checked.

    Args:
        bodies: n of them.
        density: of those with neither a density nor a mass of their own [kg/m^2].
    """
    found = []
    for body in bodies:
        area, spread = _area_and_spread(body)
        mass = area * (density if body.density is None else body.density) if body.mass is None else body.mass
        found.append((mass, mass * spread if body.inertia is None else body.inertia))
    mass, inertia = np.array(found, dtype=float).T
    return mass, inertia


def _area_and_spread(body: Body) -> tuple[float, float]:
    """Area [m^2], and the mean over it of the squared distance from its centroid [m^2]."""
    core, radius = body.core, body.margin
    if isinstance(body, (Box, Polygon)):
        # Shoelace: sums over the triangles of the centroid and each side.
        following = np.roll(core, -1, axis=0)
        doubled = core[:, 0] * following[:, 1] - core[:, 1] * following[:, 0]
        squares = (core**2 + core * following + following**2).sum(axis=1)
        return float(0.5 * doubled.sum()), float(doubled @ squares / (6.0 * doubled.sum()))
    # A rectangle, and two half discs whose centroids lie 4 r / (3 pi) beyond its ends; a disc has no rectangle.
    half = float(core[-1, 0])
    bar, disc = 4.0 * half * radius, np.pi * radius**2
    second = bar * (half**2 + radius**2) / 3.0
    second += disc * (0.5 * radius**2 + half**2 + 8.0 / (3.0 * np.pi) * half * radius)
    return bar + disc, second / (bar + disc)
