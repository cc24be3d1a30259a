"""Edges in pictures of parts: where they end, and where one covers another."""

from __future__ import annotations

import numpy as np

__all__ = ["edge_distance", "steps"]


def edge_distance(mask: np.ndarray) -> np.ndarray:
    """(h, w) about how far pixels of a mask (h, w) are from its edge, negative outside [pixels]; far within it 9.

    A pixel at a straight edge is half covered: it has six of nine neighbours, itself among them.
    """
    count = sum(part.astype(np.float32) for part in _around(mask, False))
    full = count > 8.5
    deep = np.stack(_around(np.asarray(full), True)).all(axis=0)
    found = np.where(full, np.where(deep, 9.0, 1.0), np.maximum((count - 6.0) / 3.0, -0.2))
    return np.where(mask, found, -9.0).astype(np.float32)


def steps(part: np.ndarray, near: np.ndarray, least: float) -> np.ndarray:
    """(h, w) whether a pixel borders on one of another part that is farther away by more than ``least``."""
    found = np.zeros(part.shape, bool)
    for one, other in ((np.s_[1:, :], np.s_[:-1, :]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = part[one] != part[other]
        ahead = near[one] - near[other]
        found[one] |= differ & (ahead > least)
        found[other] |= differ & (ahead < -least)
    return found


def _around(mask: np.ndarray, beyond: bool) -> list[np.ndarray]:
    """Nine views of a mask, moved by a pixel each way; ``beyond`` counts outside of it."""
    rows, columns = mask.shape
    padded = np.pad(mask, 1, constant_values=beyond)
    return [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
