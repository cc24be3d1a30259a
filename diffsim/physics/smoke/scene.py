"""Smoke on a grid: its density, and the flow that carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.numbers import Number, constant, tunable
from diffsim.physics.base import Scene
from diffsim.physics.grids import check_grid, in_space
from diffsim.spec import array, choices, whole

__all__ = ["Smoke"]


@dataclass(frozen=True, eq=False, repr=False)
class Smoke(Scene):
    """Smoke in an incompressible flow without viscosity, on a grid of n by m square cells, or of n by m by l cubes.

    Stable fluids (Stam 1999, "Stable Fluids"; with all numbers in the middles of cells, as in Stam 2003, "Real-Time
    Fluid Dynamics for Games"). A step takes velocity and density from where the flow comes from, adds what accelerates
    the flow, and takes most of its divergence away by a pressure that Jacobi iterations find. Values between the
    middles of cells are interpolated by cubics; where the density has a sharp edge they overshoot by a few percent. A
    step may carry smoke over several cells.

    Attributes:
        initial_density: (n, m) density of the smoke; 1 is drawn as thick. With (n, m, l) all is in space: velocities
            and forces have three components, and numbers of cells a third axis.
        initial_velocity: (2,) or (n, m, 2) of the flow [m/s]; None is at rest.
        source: () or (n, m) density that comes in [1/s].
        force: (2,) or (n, m, 2) what accelerates the flow [m/s^2]; None is nothing.
        buoyancy: acceleration up, along the last axis, of smoke with a density of 1 [m/s^2].
        confinement: of the vorticity, which brings back the small eddies that the grid smooths away (Fedkiw, Stam and
            Jensen 2001, "Visual Simulation of Smoke", equation 11): accelerates by this times the vorticity times the
            spacing [1/s].
        spacing: side of a cell [m].
        edges: "periodic", what leaves on one side comes back on the other; or "walls", which nothing flows through.
        iterations: of the pressure, in each step.
        dt: time step [s].

    Raises:
        InputError: naming the element, what was given and what is allowed.
    """

    initial_density: Any = tunable("n", "m")
    initial_velocity: Any = tunable("n", "m", 2, default=None, unit="m/s")
    source: Any = tunable("n", "m", default=0.0, unit="1/s")
    force: Any = tunable("n", "m", 2, default=None, unit="m/s^2")
    buoyancy: float = tunable(default=0.0, unit="m/s^2")
    confinement: float = tunable(default=0.0, unit="1/s", least=0.0)
    spacing: float = constant(1.0, unit="m", above=0.0)
    edges: str = "periodic"
    iterations: int = 6
    dt: float = constant(1.0, unit="s", above=0.0)

    def __post_init__(self) -> None:
        """Check every number."""
        self._set(initial_density=array("Smoke.initial_density", self.initial_density, ("n", "m"), ("n", "m", "l")))
        for name in ("initial_velocity", "force"):
            if getattr(self, name) is None:
                self._set(**{name: np.zeros(self.dimension)})
        super().__post_init__()
        check_grid("Smoke.initial_density", self.initial_density.shape)
        choices("Smoke.edges", self.edges, ("periodic", "walls"))
        self._set(iterations=whole("Smoke.iterations", self.iterations))

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return int(self.initial_density.ndim)

    def _shape_of(self, declared: Number) -> tuple[str | int, ...]:
        """With a third axis for a density that has one."""
        return in_space(declared.shape) if self.dimension == 3 else declared.shape
