"""A plane: the ground, a wall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.viewing.shaped import shaped

__all__ = ["Floor"]


@dataclass(frozen=True)
class Floor:
    """A plane: all places that are so high along its normal.

    Attributes:
        normal: (d,) unit vector, out of the ground.
        height: along the normal [m].
        solid: False for a reference grid where the scene has no ground.
        shadows: whether bodies throw some on it.
    """

    normal: Any
    height: float
    solid: bool = True
    shadows: bool = True

    def __post_init__(self) -> None:
        """Check and keep the normal as an array."""
        normal = shaped("Floor.normal", self.normal, (2,), (3,))
        if not abs(np.linalg.norm(normal) - 1.0) < 1e-6:
            raise InputError(f"Floor.normal is {normal.tolist()}, but a vector of length 1 is needed")
        object.__setattr__(self, "normal", normal)

    @property
    def tangents(self) -> np.ndarray:
        """(d - 1, d) unit vectors within the plane; the first is nearest to the x axis."""
        along: np.ndarray = np.eye(len(self.normal))[0] - self.normal[0] * self.normal
        if np.linalg.norm(along) < 1e-6:
            along = -np.eye(len(self.normal))[1]
        along = along / np.linalg.norm(along)
        if len(self.normal) == 2:
            return along[None, :]
        return np.array([along, np.cross(self.normal, along)])

    def gap(self, points: np.ndarray) -> np.ndarray:
        """(...) distance of points (..., d) from the plane [m]."""
        found: np.ndarray = points @ self.normal - self.height
        return found

    def foot(self, points: np.ndarray, light: np.ndarray | None = None) -> np.ndarray:
        """(..., d) where the points' shadows fall; straight down without a direction of light."""
        light = self.normal if light is None or light @ self.normal < 0.2 else light
        return points - (self.gap(points) / (light @ self.normal))[..., None] * light
