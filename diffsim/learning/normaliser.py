"""Mean and variance of what a policy observes, over all that was seen so far."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["Normaliser"]

LEAST = 1e-2
"""Of a standard deviation: what hardly varies is not blown up. Observations of robots are of order one."""


class Normaliser:
    """Running mean and variance (Chan, Golub & LeVeque 1983, equation 2.1).

    Attributes:
        mean: (n,).
        scale: (n,) standard deviation, at least `LEAST`.
    """

    def __init__(self, size: int):
        """Nothing is seen yet: observations stay as they are."""
        self.mean, self._squares, self._count = np.zeros(size), np.zeros(size), 0.0

    @property
    def scale(self) -> np.ndarray:
        """(n,) standard deviation."""
        if self._count == 0.0:
            return np.ones_like(self.mean)
        return np.maximum(np.sqrt(self._squares / self._count), LEAST)

    def see(self, observations: np.ndarray) -> None:
        """Take account of observations (m, n); those that are not finite are left out."""
        fine = observations[np.isfinite(observations).all(axis=1)].astype(np.float64)
        if not len(fine):
            return
        mean, count = fine.mean(axis=0), self._count + len(fine)
        apart = mean - self.mean
        self._squares = self._squares + ((fine - mean) ** 2).sum(axis=0) + apart**2 * self._count * len(fine) / count
        self.mean, self._count = self.mean + apart * len(fine) / count, count

    def folded(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Weights of a network that sees observations as they are, of one that sees them normalised."""
        first = np.asarray(weights["w1"], np.float64) / self.scale
        return {**weights, "w1": first, "b1": weights["b1"] - first @ self.mean}

    def saved(self) -> dict[str, np.ndarray]:
        """All that it takes to go on."""
        return {"mean": self.mean, "squares": self._squares, "count": np.array(self._count)}

    def restore(self, held: Mapping[str, np.ndarray]) -> None:
        """Be as when `saved` gave this."""
        self.mean, self._squares, self._count = held["mean"], held["squares"], float(held["count"])
