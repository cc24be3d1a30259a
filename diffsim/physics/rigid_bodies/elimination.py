"""The order in which the rows of all joints are eliminated, and what that takes: found once, with NumPy.

Rows that hold the same moving body are coupled. Gauss elimination of a symmetric matrix, L D L^T, adds a coupling
between each two rows that the eliminated one was coupled with; rows with the fewest couplings go first, so that a
chain or a tree of bodies has next to none (Davis 2006, "Direct Methods for Sparse Linear Systems", chapters 4 and 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Elimination", "eliminate_rows"]


@dataclass(frozen=True)
class Elimination:
    """What the stages of `diffsim.physics.rigid_bodies.joint_system` go through: n rows, m entries of their matrix.

    Attributes:
        joint: (n,) the joint of each row, in the order of elimination.
        which: (n,) which of the joint's rows it is.
        left, right: (m,) the two rows of an entry; the same for those on the diagonal.
        shared: (m, 2) the bodies that both rows hold; of none, the world.
        sides: (m, 2, 2) which side of the left and of the right row each is.
        updates: (u, 4) target, two factors and divisor of each step of the elimination: entries.
        solves: (s, 4) of each step of a solution: target and source, of 2 n numbers; factor, -1 for one, and divisor.
    """

    joint: np.ndarray
    which: np.ndarray
    left: np.ndarray
    right: np.ndarray
    shared: np.ndarray
    sides: np.ndarray
    updates: np.ndarray
    solves: np.ndarray


def eliminate_rows(
    first: Sequence[int], second: Sequence[int], rows: Sequence[int], bodies: int, world: int
) -> Elimination:
    """The elimination for joints between places ``first`` and ``second`` with so many rows each.

    Args:
        first, second: (k,) places; those from ``bodies`` on do not move.
        rows: (k,) rows of each joint; 0 leaves it out.
        bodies: how many places move.
        world: a place that does not.
    """
    ends = [[int(a), int(b)] for a, b in zip(first, second, strict=True)]
    order = _ordered([{e for e in pair if e < bodies} if rows[k] else set() for k, pair in enumerate(ends)])
    joint = [k for k in order for _ in range(rows[k])]
    which = [r for k in order for r in range(rows[k])]
    n = len(joint)
    shared: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for i in range(n):
        for j in range(i + 1):
            found = [
                (place, p, q)
                for p, place in enumerate(ends[joint[i]])
                for q, other in enumerate(ends[joint[j]])
                if place == other and place < bodies
            ]
            if found or i == j:
                shared[i, j] = found
    below: list[list[int]] = []
    for k in range(n):
        column = sorted(i for i in range(k + 1, n) if (i, k) in shared)
        for at, i in enumerate(column):
            for j in column[: at + 1]:
                shared.setdefault((i, j), [])
        below.append(column)
    entry = {pair: at for at, pair in enumerate(sorted(shared))}
    updates = [
        (entry[i, j], entry[i, k], entry[j, k], entry[k, k])
        for k in range(n)
        for at, i in enumerate(below[k])
        for j in below[k][: at + 1]
    ]
    solves = [(i, k, entry[i, k], entry[k, k]) for k in range(n) for i in below[k]]
    solves += [(n + k, k, -1, entry[k, k]) for k in range(n)]
    solves += [(n + k, n + i, entry[i, k], entry[k, k]) for k in reversed(range(n)) for i in below[k]]
    pairs = sorted(shared)
    filled = [(shared[pair] + [(world, 0, 0)] * 2)[:2] for pair in pairs]
    return Elimination(
        joint=np.array(joint, dtype=np.int64),
        which=np.array(which, dtype=np.int64),
        left=np.array([i for i, _ in pairs], dtype=np.int64),
        right=np.array([j for _, j in pairs], dtype=np.int64),
        shared=np.array([[place for place, _, _ in two] for two in filled], dtype=np.int64).reshape(-1, 2),
        sides=np.array([[[p, q] for _, p, q in two] for two in filled], dtype=np.int64).reshape(-1, 2, 2),
        updates=np.array(updates, dtype=np.int64).reshape(-1, 4),
        solves=np.array(solves, dtype=np.int64).reshape(-1, 4),
    )


def _ordered(holds: Sequence[set[int]]) -> list[int]:
    """Joints that hold something, given the moving bodies of each: always one with the fewest neighbours next."""
    left = {k for k, bodies in enumerate(holds) if bodies}
    near = {k: {other for other in left if other != k and holds[k] & holds[other]} for k in left}
    order = []
    while left:
        k = min(left, key=lambda one: (len(near[one]), one))
        for other in near[k]:
            near[other] = (near[other] | near[k]) - {other, k}
        left.discard(k)
        order.append(k)
    return order
