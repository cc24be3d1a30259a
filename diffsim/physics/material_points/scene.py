"""Particles of solids and liquids in a box, and the grid on which they meet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.numbers import constant, tunable
from diffsim.physics.base import Scene
from diffsim.physics.checks import first, flag
from diffsim.physics.material_points.matter import Matter
from diffsim.spec import array

__all__ = ["LAWS", "MARGIN", "MaterialPoints"]

LAWS = ("corotated", "neo-Hookean", "sand", "liquid")
"""What matter may be made of."""

MARGIN = 2
"""Nodes of the grid beyond a wall: a particle reaches the three next to it, and may sink in by half a cell."""

POISSON = 0.3
FRICTION = 0.5
INTERNAL_FRICTION = 0.6


@dataclass(frozen=True, eq=False, repr=False)
class MaterialPoints(Scene):
    """Particles of solids, muscles and liquids between walls, by the moving least squares material point method.

    n particles, dimension d. In two dimensions pressures are forces per length, densities masses per area: a slice of
    one metre's thickness that cannot give way across.

    Attributes:
        points: (n, d) places of the particles [m], the parameter ``scene.initial_position``. Or `Matter`, whose volumes
            are taken where none are given.
        volume: () or (n,) area [m^2] (2D) or volume [m^3] (3D) that each stands for at rest.
        material: one of "corotated", "neo-Hookean", "sand" and "liquid", or (n,) of them: see docs/material_points.md.
        actuator: (n,) the actuator that each particle of a muscle belongs to, from 0 on; -1 of all others.
        density: () or (n,) [kg/m^d].
        youngs_modulus: () or (n,) of solids and sand [Pa].
        poissons_ratio: () or (n,) of them; None is 0.3.
        internal_friction: () or (n,) of sand: height over length of the steepest slope that stays; None is 0.6.
        bulk_modulus: () or (n,) of liquids [Pa]. A real one would want tiny steps; 100 times density * gravity * depth
            lets a liquid be pressed together by a hundredth.
        viscosity: () or (n,) of liquids [Pa s]; None has none but that of the grid.
        strength: () or (n,) stress of muscles along their fibres at an actuation of 1 [Pa]: they pull, at -1 they push.
        fibre: (d,) or (n, d) direction of muscles' fibres at rest, a unit vector; None is the last axis.
        initial_velocity: (d,) or (n, d) [m/s].
        gravity: (d,) [m/s^2]; None is 9.81 down the last axis.
        friction: Coulomb's coefficient of the walls; None is 0.5, unless they are sticky.
        sticky: whether what moves into a wall sticks to it until it moves away. The loss jumps where a node of the grid
            begins to: gradients of long rollouts are off by percents.
        low, high: () or (d,) corners of the box between the walls [m]; from low to high there is a whole number of
            cells, ``high`` being rounded to it.
        cell: distance of the grid's nodes [m]; None is twice that of the particles.
        dt: time step [s]: a wave of pressure must not cross a cell in it.

    Raises:
        InputError: naming the element, what was given and what is allowed.
    """

    points: Any = tunable("n", "d", unit="m", name="initial_position")
    volume: Any = tunable("n", default=None, above=0.0)
    material: Any = "corotated"
    actuator: Any = -1
    density: Any = tunable("n", default=1000.0, above=0.0)
    youngs_modulus: Any = tunable("n", default=None, unit="Pa", above=0.0)
    poissons_ratio: Any = tunable("n", default=None, above=-1.0, most=0.495)
    internal_friction: Any = tunable("n", default=None, least=0.0)
    bulk_modulus: Any = tunable("n", default=None, unit="Pa", above=0.0)
    viscosity: Any = tunable("n", default=None, unit="Pa s", least=0.0)
    strength: Any = tunable("n", default=None, unit="Pa")
    fibre: Any = tunable("n", "d", default=None)
    initial_velocity: Any = tunable("n", "d", default=None, unit="m/s")
    gravity: Any = tunable("d", default=None, unit="m/s^2")
    friction: Any = tunable(default=None, least=0.0)
    sticky: bool = False
    low: Any = 0.0
    high: Any = 1.0
    cell: Any = constant(None, unit="m", above=0.0)
    dt: float = constant(1.0e-3, unit="s", above=0.0)

    def __post_init__(self) -> None:
        """Check every number, once, before anything is simulated."""
        if isinstance(self.points, Matter):
            self._set(volume=self.points.volume if self.volume is None else self.volume, points=self.points.points)
        points = array("MaterialPoints.points", self.points, ("n", 2), ("n", 3))
        n, d = points.shape
        self._set(
            material=_checked_material(self.material, n),
            actuator=_checked_actuators(self.actuator, n),
            sticky=flag("MaterialPoints.sticky", self.sticky),
        )
        self._check_belongs()
        up = np.eye(d)[-1]
        usual = {
            "initial_velocity": np.zeros(d),
            "gravity": -9.81 * up,
            "friction": None if self.sticky else FRICTION,
            "poissons_ratio": POISSON if self.solids.any() else None,
            "internal_friction": INTERNAL_FRICTION if self.sand.any() else None,
            "fibre": up if len(self.actuators) else None,
        }
        self._set(**{name: value for name, value in usual.items() if getattr(self, name) is None})
        super().__post_init__()
        if self.cell is None:
            self._set(cell=2.0 * float(np.mean(self.volume)) ** (1.0 / d))
        self._check_box()
        self._check_step()

    def _check_belongs(self) -> None:
        """What is needed is there, and nothing is said that would do nothing."""
        liquid, driven = not self.solids.all(), bool(len(self.actuators))
        needs = {
            "volume": (True, "it is needed, unless points is Matter"),
            "youngs_modulus": (bool(self.solids.any()), "solids need it"),
            "bulk_modulus": (liquid, "liquids need it"),
            "strength": (driven, "muscles need it"),
        }
        for name, (needed, why) in needs.items():
            if needed and getattr(self, name) is None:
                raise InputError(f"MaterialPoints.{name} is not given, but {why}")
        useless = {
            "youngs_modulus": (self.solids.any(), "nothing is solid"),
            "poissons_ratio": (self.solids.any(), "nothing is solid"),
            "internal_friction": (self.sand.any(), "nothing is sand"),
            "bulk_modulus": (liquid, "nothing is liquid"),
            "viscosity": (liquid, "nothing is liquid"),
            "strength": (driven, "no particle has an actuator"),
            "fibre": (driven, "no particle has an actuator"),
            "friction": (not self.sticky, "what touches a wall sticks to it"),
        }
        for name, (used, why) in useless.items():
            if not used and getattr(self, name) is not None:
                raise InputError(f"MaterialPoints.{name} is given, but {why}; leave it out")
        for p in first(self.loose & (self.actuator >= 0)):
            raise InputError(
                f"actuator[{p}] is {self.actuator[p]}, but particle {p} is {self.material[p]}, which has no muscles"
            )

    def _check_box(self) -> None:
        d = self.dimension
        low = np.broadcast_to(array("MaterialPoints.low", self.low, (), (d,)), d)
        high = np.broadcast_to(array("MaterialPoints.high", self.high, (), (d,)), d)
        cells = np.rint((high - low) / self.cell)
        for a in first(cells < 1):
            raise InputError(
                f"MaterialPoints.low[{a}] is {low[a]:g} m and high[{a}] {high[a]:g} m, but between them there must be "
                f"room for a cell of {self.cell:g} m"
            )
        self._set(low=array("MaterialPoints.low", low), high=array("MaterialPoints.high", low + cells * self.cell))
        outside = (self.points < self.low) | (self.points > self.high)
        for p in first(outside.any(axis=1)):
            raise InputError(
                f"points[{p}] lies at {self.points[p].tolist()}, but the box reaches from {self.low.tolist()} to "
                f"{self.high.tolist()}; move the particle, or the corners low and high"
            )

    def _check_step(self) -> None:
        most = self.cell / self.wave_speed
        if self.dt > most:
            raise InputError(
                f"MaterialPoints.dt is {self.dt:g} s, but a wave of pressure crosses a cell of {self.cell:g} m in "
                f"{most:.3g} s; take a smaller step, larger cells, or softer or denser matter"
            )

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return int(self.points.shape[1])

    @property
    def solids(self) -> np.ndarray:
        """(n,) whether each particle is of a solid, or of sand, whose grains are solid."""
        return np.asarray(self.material != "liquid")

    @property
    def sand(self) -> np.ndarray:
        """(n,) whether each particle is of sand."""
        return np.asarray(self.material == "sand")

    @property
    def loose(self) -> np.ndarray:
        """(n,) whether each particle is of sand or liquid, which do not hold together."""
        return np.asarray(self.sand | ~self.solids)

    @property
    def actuators(self) -> np.ndarray:
        """(k,) the actuators, by number."""
        return np.arange(int(self.actuator.max(initial=-1)) + 1)

    @property
    def observations(self) -> int:
        """How many numbers a controller can observe: of each muscle offset from the centre and velocity."""
        return 2 * self.dimension * len(self.actuators)

    @property
    def cells(self) -> np.ndarray:
        """(d,) of the grid between the walls."""
        return np.rint((self.high - self.low) / self.cell).astype(np.int64)

    @property
    def wave_speed(self) -> float:
        """Of pressure, in the stiffest matter [m/s]: sqrt(M / density), M = E (1 - nu) / ((1 + nu) (1 - 2 nu)) or K."""
        squares = np.zeros(len(self.points))
        if self.solids.any():
            nu = self.poissons_ratio
            modulus = self.youngs_modulus * (1.0 - nu) / ((1.0 + nu) * (1.0 - 2.0 * nu))
            squares += np.where(self.solids, modulus / self.density, 0.0)
        if not self.solids.all():
            squares += np.where(self.solids, 0.0, self.bulk_modulus / self.density)
        return math.sqrt(float(squares.max()))

    def centre(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """(rows, d) mean of the particles in each row of recorded arrays [m]."""
        return np.asarray(arrays["position"].mean(axis=1))


def _checked_material(value: Any, n: int) -> np.ndarray:
    given = np.asarray(value)
    if given.dtype.kind != "U" or given.shape not in ((), (n,)):
        raise InputError(
            f"MaterialPoints.material is {value!r}, but one of {', '.join(map(repr, LAWS))}, or one for each of the "
            f"{n} particles, is needed"
        )
    material = np.array(np.broadcast_to(given, n))
    for p in first(~np.isin(material, LAWS)):
        raise InputError(f"material[{p}] is {str(material[p])!r}, but it must be one of {', '.join(map(repr, LAWS))}")
    material.setflags(write=False)
    return material


def _checked_actuators(value: Any, n: int) -> np.ndarray:
    given = array("MaterialPoints.actuator", value, (), (n,), least=-1, dtype=np.int64)
    actuator = array("MaterialPoints.actuator", np.broadcast_to(given, n), dtype=np.int64)
    missing = np.setdiff1d(np.arange(actuator.max(initial=-1)), actuator)
    for k in missing[:1].tolist():
        raise InputError(
            f"MaterialPoints.actuator names {actuator.max()}, but no particle has actuator {k}; number them from 0 on"
        )
    return actuator
