"""Charged particles that move among fixed charges, and among electrodes that a controller charges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from diffsim.errors import InputError
from diffsim.numbers import constant, tunable
from diffsim.physics.base import Scene
from diffsim.physics.checks import flag
from diffsim.physics.mechanics import MECHANICS, each, mechanics
from diffsim.spec import array

__all__ = ["Charges"]

COULOMB = 8.9875517862e9
"""Coulomb's constant, 1 / (4 pi epsilon_0) [N m^2/C^2]; CODATA 2022."""


@dataclass(frozen=True, eq=False, repr=False)
class Charges(Scene):
    """Charged particles in two or three dimensions: n of them, f fixed charges, e electrodes, dimension d.

    What bears the charge q pushes one of charge p away with Coulomb's force, softened as Plummer's (1911) law softens
    gravity: ``coulomb * p * q * r / (|r|^2 + softening^2)^(3/2)``, with r the way from the first to the second. In two
    dimensions it is the same law, of particles in a plane of space. An electrode bears ``electrode_charge`` times what
    the controller asks for, from -1 to 1.

    Attributes:
        initial_position: (n, d) [m].
        charge: () or (n,) of the particles [C].
        mass: () or (n,) [kg].
        initial_velocity: (d,) or (n, d) [m/s]; None is at rest.
        fixed_position: (f, d) of charges that do not move [m]; None has none.
        fixed_charge: () or (f,) [C]; None is 1e-6.
        electrode_position: (e, d) [m]; None has none.
        electrode_charge: () or (e,) at an actuation of 1 [C]; None is 1e-6.
        coulomb: Coulomb's constant [N m^2/C^2].
        softening: distance below which the force fades away [m].
        damping: velocities decay as exp(-damping * t) [1/s].
        interaction: whether particles push each other; else they only feel what does not move.
        dt: time step [s].

    Raises:
        InputError: naming the number, what was given and what is allowed.
    """

    derives: ClassVar[tuple[str, ...]] = MECHANICS

    initial_position: Any = tunable("n", "d", unit="m")
    charge: Any = tunable("n", default=1.0e-6, unit="C")
    mass: Any = tunable("n", default=1.0, unit="kg", above=0.0)
    initial_velocity: Any = tunable("n", "d", default=None, unit="m/s")
    fixed_position: Any = tunable("f", "d", default=None, unit="m")
    fixed_charge: Any = tunable("f", default=None, unit="C")
    electrode_position: Any = tunable("e", "d", default=None, unit="m")
    electrode_charge: Any = tunable("e", default=None, unit="C")
    coulomb: float = tunable(default=COULOMB, unit="N m^2/C^2")
    softening: float = tunable(default=0.01, unit="m", above=0.0)
    damping: float = tunable(default=0.0, unit="1/s", least=0.0)
    interaction: bool = True
    dt: float = constant(0.01, unit="s", above=0.0)

    def __post_init__(self) -> None:
        """Check every number, once, before anything is simulated."""
        for kind in ("fixed", "electrode"):
            there = getattr(self, f"{kind}_position") is not None
            if there and getattr(self, f"{kind}_charge") is None:
                self._set(**{f"{kind}_charge": 1.0e-6})
            elif not there and getattr(self, f"{kind}_charge") is not None:
                raise InputError(f"Charges.{kind}_charge is given, but no {kind}_position says where it is")
        places = array("Charges.initial_position", self.initial_position, ("n", 2), ("n", 3), unit="m")
        if self.initial_velocity is None:
            self._set(initial_velocity=np.zeros(places.shape[1]))
        super().__post_init__()
        self._set(interaction=flag("Charges.interaction", self.interaction))

    def _given_lengths(self) -> dict[str, int]:
        given = {"f": self.fixed_position, "e": self.electrode_position}
        return {letter: 0 for letter, positions in given.items() if positions is None}

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return int(self.initial_position.shape[1])

    @property
    def actuators(self) -> np.ndarray:
        """(e,) the electrodes, which a controller charges."""
        return np.arange(0 if self.electrode_position is None else len(self.electrode_position))

    @property
    def observations(self) -> int:
        """How many numbers a controller can observe: position [m] and velocity [m/s] of every particle."""
        return int(2 * self.initial_position.size)

    def centre(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """(rows, d) mean of the particles in each row of recorded arrays [m]."""
        return np.asarray(arrays["position"].mean(axis=1))

    def derive(self, numbers: dict[str, np.ndarray], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Energy and momentum in each row of a rollout: see `diffsim.physics.mechanics.mechanics`.

        The energy is that of motion and of all charges together, electrodes charged as in the step that begins there.

        Args:
            numbers: named as in `numbers`, each with a leading axis of environments, or of length 1.
            arrays: recorded ones, each with a leading axis of environments.
        """
        position, n = arrays["position"], len(self.initial_position)
        envs, rows, _, d = position.shape
        charge, soft = each(numbers["charge"], n), numbers["softening"][:, None, None] ** 2
        stored = np.zeros((envs, rows))

        def store(first: np.ndarray, second: np.ndarray, products: np.ndarray) -> None:
            """Of pairs: places (envs, rows, pairs, d), and products of charges (envs, 1 or rows, pairs)."""
            apart = np.square(first - second).sum(axis=3)
            stored[:] += numbers["coulomb"][:, None] * (products / np.sqrt(apart + soft)).sum(axis=2)

        sources = []
        if self.fixed_position is not None:
            charges = each(numbers["fixed_charge"], len(self.fixed_position))[:, None]
            sources.append((numbers["fixed_position"], charges))
        if len(self.actuators) and "actuation" in arrays:
            asked = arrays["actuation"][:, np.minimum(np.arange(rows), rows - 2)]
            charges = each(numbers["electrode_charge"], len(self.actuators))[:, None] * asked
            sources.append((numbers["electrode_position"], charges))
        for k in range(n):
            here, own = position[:, :, k : k + 1], charge[:, k, None, None]
            if self.interaction:
                store(here, position[:, :, k + 1 :], own * charge[:, None, k + 1 :])
            for places, charges in sources:
                store(here, places[:, None], own * charges)
        still = np.zeros((1, d))
        return mechanics(each(numbers["mass"], n), position, arrays["velocity"], still, stored=stored)
