"""How soft contacts are that say nothing of stiffness: as soft as MuJoCo's, given its `solref` and `solimp`.

MuJoCo's constraint with the depth r and its rate v pushes with

    f = (a_ref - a) d m / (1 - d),   a_ref = -b v - K d r
    b = 2 / (d_max T),   K = 1 / (d_max T z)^2

(its documentation, "Computation: soft constraint model" and "Solver parameters"; T and z are solref's time constant and
damping ratio, or -1/d_max^2 and -1/d_max times what it holds if that is negative; d is solimp's impedance, from d_0 to
d_max over its width; m is what the constraint moves). At rest, a = 0, that is a spring of the stiffness
m K d(r)^2 / (1 - d(r)). Here a contact has one stiffness, and sets in over the scene's touch depth: it is the one with
which what stands on one spot of its own rests as deep as there, but at most that of d_max.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.physics.articulated.geoms import Geom
from diffsim.physics.articulated.kinematics import inverse_inertias
from diffsim.physics.articulated.tree import Tree

__all__ = ["defaults", "mixed", "per_mass"]

G = 9.81
"""Weight per mass of what stands on a spot [m/s^2], whatever the scene's gravity is."""

HEAVIEST = 1.0e3
"""What cannot be moved, like a wheel on a fixed axle, counts as so many times the mass of its tree."""

LEAST, MOST = 1.0e-4, 0.9999
"""MuJoCo's bounds of impedances (mjMINIMP, mjMAXIMP)."""


def impedance(depth: float, solimp: np.ndarray) -> float:
    """d at a depth [m]: `solimp`'s curve."""
    first, last = np.clip(solimp[:2], LEAST, MOST)
    width, middle, power = solimp[2], np.clip(solimp[3], LEAST, MOST), max(solimp[4], 1.0)
    if width <= 1e-15:
        return float(0.5 * (first + last))
    x = min(depth / width, 1.0)
    if x <= middle:
        rises = x**power / middle ** (power - 1.0)
    else:
        rises = 1.0 - (1.0 - x) ** power / (1.0 - middle) ** (power - 1.0)
    return float(first + rises * (last - first))


def per_mass(solref: np.ndarray, solimp: np.ndarray, touch_depth: float, dt: float) -> tuple[float, float]:
    """Stiffness of a contact over the mass that it moves [1/s^2], and its damping ratio.

    Args:
        solref: (2,) time constant [s] and damping ratio, or both negative: minus stiffness and damping per mass.
        solimp: (5,) impedance at first touch and beyond the width, width [m], midpoint, power.
        touch_depth: over which the stiffness sets in [m].
        dt: a substep [s]; no time constant is less than two of them.
    """
    last = float(np.clip(solimp[1], LEAST, MOST))
    if solref[0] > 0.0:
        time, ratio = max(solref[0], 2.0 * dt), float(solref[1])
        spring = 1.0 / (last * time * ratio) ** 2
    else:
        spring = -solref[0] / last**2
        ratio = float(-solref[1] / last / (2.0 * np.sqrt(spring)))

    def stiffness(depth: float) -> float:
        d = impedance(depth, solimp)
        return float(spring * d * d / (1.0 - d))

    low, high = 0.0, G / stiffness(0.0)  # what is deeper is never softer
    for _ in range(60):
        depth = 0.5 * (low + high)
        low, high = (depth, high) if stiffness(depth) * depth < G else (low, depth)
    sprung = depth**2 / (2.0 * touch_depth) if depth < touch_depth else depth - 0.5 * touch_depth
    return min(G / sprung, spring * last**2 / (1.0 - last)), ratio


def mixed(one: Geom, other: Geom) -> tuple[np.ndarray, np.ndarray]:
    """`solref` and `solimp` of a contact of two geoms: means, weighted with `solmix`; the least of negative solrefs.

    Of two geoms the one with more priority says alone what they are.
    """
    if one.priority != other.priority:
        first = one if one.priority > other.priority else other
        return first.solref, first.solimp
    whole = one.solmix + other.solmix
    share = one.solmix / whole if whole > 0.0 else 0.5
    direct = one.solref[0] <= 0.0 or other.solref[0] <= 0.0
    mean: np.ndarray = share * one.solref + (1.0 - share) * other.solref
    solref = np.minimum(one.solref, other.solref) if direct else mean
    return solref, share * one.solimp + (1.0 - share) * other.solimp


def defaults(scene: Tree, touching: Any, still: Any) -> tuple[np.ndarray, np.ndarray]:
    """(geoms,) stiffness [N/m] and critical damping [N s/m] of geoms that have none of their own; 0 of what is fixed.

    Each is that of the geom on what does not move, of the mass that MuJoCo counts with: the inverse of its link's mean
    inverse inertia where joints are at their reference. If it may touch several that differ, the mean of them counts.

    Args:
        scene: the robot.
        touching: pairs of geoms that may touch.
        still: (geoms,) whether a geom does not move.
    """
    geoms = scene.all_geoms
    inverse = np.maximum(inverse_inertias(scene)[:, 0], 1.0 / (HEAVIEST * scene.tree_masses + 1e-300))
    stiffness, damping = np.zeros(len(geoms)), np.zeros(len(geoms))
    for k, (owner, geom) in enumerate(geoms):
        if still[k] or scene.tree_masses[owner] == 0.0:
            continue
        under = [geoms[b if a == k else a][1] for a, b in touching if k in (a, b) and still[b if a == k else a]]
        pairs = [mixed(geom, other) for other in under] or [(geom.solref, geom.solimp)]
        solref, solimp = (np.mean(each, axis=0) for each in zip(*pairs, strict=True))
        stiff, ratio = per_mass(solref, solimp, scene.touch_depth, scene.dt / scene.substeps)
        stiffness[k] = stiff / inverse[owner]
        damping[k] = 2.0 * ratio * np.sqrt(stiff) / inverse[owner]
    return stiffness, damping
