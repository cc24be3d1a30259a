"""The surface of water on a grid, and what makes waves on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from diffsim.errors import InputError
from diffsim.numbers import constant, tunable
from diffsim.physics.base import Scene
from diffsim.physics.grids import check_grid
from diffsim.spec import array, choices, number

__all__ = ["Water"]

MOST = math.sqrt(0.5)
"""Of a cell that a wave may go in a step: beyond, the scheme is unstable (Courant, Friedrichs and Lewy 1928)."""


@dataclass(frozen=True, eq=False, repr=False)
class Water(Scene):
    """Small waves on water, all of one speed, on a grid of n by m square cells: the wave equation of the height.

    Central differences in space and time (leapfrog), of the second order, and without damping of their own. The
    velocity of the surface stands half a step before the height of the same row. Sources push the surface up and down
    as a controller asks, in the shape of a bell: ``strength exp(-d^2 / (2 width^2))`` at a distance d.

    Attributes:
        initial_height: (n, m) of the surface over that of still water [m].
        initial_velocity: () or (n, m) of the surface, up [m/s].
        wave_speed: of waves [m/s].
        damping: waves lose energy as exp(-damping * t) [1/s].
        source_position: (s, 2) middles of the sources, which a controller drives [m]; None has no sources.
        source_strength: () or (s,) acceleration in the middle at an actuation of 1 [m/s^2]; None is 1.
        source_width: () or (s,) [m]; None is two cells.
        spacing: side of a cell [m].
        edges: "walls", which waves come back from; "periodic", what leaves on one side comes back on the other; or
            "open", which waves leave through: all of a wave that meets the edge straight on, of one at an angle a to
            that the share (1 - cos a) / (1 + cos a) of its height comes back (Engquist and Majda 1977, first order).
        depth: of still water [m], for what is seen only: with it, the floor is shown as the sun lights it through the
            waves; None shows no floor.
        dt: time step [s]. A wave goes at most 0.707 cells in it.

    Raises:
        InputError: naming the element, what was given and what is allowed.
    """

    dimension: ClassVar[int] = 2
    observations: ClassVar[int] = 0

    initial_height: Any = tunable("n", "m", unit="m")
    initial_velocity: Any = tunable("n", "m", default=0.0, unit="m/s")
    wave_speed: float = tunable(default=1.0, unit="m/s", above=0.0)
    damping: float = tunable(default=0.0, unit="1/s", least=0.0)
    source_position: Any = tunable("s", 2, default=None, unit="m")
    source_strength: Any = tunable("s", default=None, unit="m/s^2")
    source_width: Any = tunable("s", default=None, unit="m", above=0.0)
    spacing: float = constant(1.0, unit="m", above=0.0)
    edges: str = "walls"
    dt: float = constant(0.5, unit="s", above=0.0)
    depth: float | None = None

    def __post_init__(self) -> None:
        """Check every number, and that the scheme is stable."""
        usual = {"source_strength": 1.0, "source_width": 2.0 * self.spacing}
        for name, value in usual.items():
            if self.source_position is None and getattr(self, name) is not None:
                raise InputError(f"Water.{name} is given, but no source_position says where it is")
            if self.source_position is not None and getattr(self, name) is None:
                self._set(**{name: value})
        if self.source_position is not None:
            self._set(source_position=array("Water.source_position", self.source_position, ("s", 2), unit="m"))
        super().__post_init__()
        check_grid("Water.initial_height", self.initial_height.shape)
        choices("Water.edges", self.edges, ("walls", "periodic", "open"))
        if self.depth is not None:
            self._set(depth=number("Water.depth", self.depth, above=0.0))
        cells = self.wave_speed * self.dt / self.spacing
        if cells > MOST * (1.0 + 1e-9):  # rounding
            raise InputError(
                f"Water.wave_speed is {self.wave_speed:g} m/s: waves go {cells:.3g} cells in a step of {self.dt:g} s, "
                f"but with more than {MOST:.3f} they grow without bound; take a step of at most "
                f"{MOST * self.spacing / self.wave_speed:.3g} s, or larger cells"
            )

    def _given_lengths(self) -> dict[str, int]:
        return {"s": 0} if self.source_position is None else {}

    @property
    def actuators(self) -> np.ndarray:
        """(s,) the sources, which a controller drives."""
        return np.arange(0 if self.source_position is None else len(self.source_position))
