"""Places over time as a camera goes along with them: steady, and smooth."""

from __future__ import annotations

import numpy as np

__all__ = ["smooth", "steady"]

# Standard deviation of the moments that the camera averages over [s]: longer than a stride, so that the picture does
# not nod, and short enough for a robot that speeds up to stay in the middle.
CALM = 0.3


def steady(centre: np.ndarray, size: float) -> np.ndarray:
    """Places (rows, d) of something of a size [m] up to where it first leaps farther than that; NaN from there on.

    It diverged: a camera would follow it into the void, and long before it leaps.
    """
    rows = np.flatnonzero(np.isfinite(centre).all(axis=1))
    leaps = np.linalg.norm(np.diff(centre[rows], axis=0), axis=1) > size
    if not leaps.any():
        return centre
    found = centre.copy()
    found[rows[1:][leaps][0] :] = np.nan
    return found


def smooth(centre: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(rows, d) places (rows, d) at times (rows,) [s], averaged over moments before and after; NaN is filled in."""
    rows, fine = np.arange(len(centre)), np.isfinite(centre).all(axis=1)
    if not fine.any():
        return np.zeros_like(centre)
    filled = np.stack([np.interp(rows, rows[fine], part[fine]) for part in centre.T], axis=1)
    spacing = float(np.ptp(time)) / max(len(time) - 1, 1)
    width = min(CALM / spacing, len(rows) / 6.0) if spacing > 0.0 else 0.0
    reach = min(int(3.0 * width), len(rows) - 1)
    if reach > 0:
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
        # Goes on beyond the ends as it was before them, or the camera would lag behind there.
        padded = np.pad(filled, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
        filled = np.stack([np.convolve(part, weights / weights.sum(), mode="valid") for part in padded.T], axis=1)
    return filled
