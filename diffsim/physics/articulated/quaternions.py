"""Quaternions and rotation matrices in NumPy. Quaternions are w, x, y, z, as MuJoCo's."""

from __future__ import annotations

import numpy as np

__all__ = ["quaternion_of", "rotation_of"]


def rotation_of(quaternion: np.ndarray) -> np.ndarray:
    """(..., 3, 3) matrices of the rotations of quaternions (..., 4), which need not have length 1."""
    q = np.asarray(quaternion, dtype=float)
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    w, x, y, z = np.moveaxis(q, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_of(rotation: np.ndarray) -> np.ndarray:
    """(4,) quaternion of a rotation matrix (3, 3), with w >= 0 (Shepperd 1978: the largest component first)."""
    r = np.asarray(rotation, dtype=float)
    four = np.array([1 + np.trace(r), *(1 + 2 * r[k, k] - np.trace(r) for k in range(3))])
    k = int(np.argmax(four))
    skew, sums = (r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]), r + r.T
    if k == 0:
        found = np.array([four[0], *skew])
    else:
        found = np.array([skew[k - 1], *(four[k] if j == k - 1 else sums[k - 1, j] for j in range(3))])
    found = found / np.linalg.norm(found)
    return found if found[0] >= 0 else -found
