"""How strong a muscle is."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from diffsim.errors import InputError
from diffsim.physics.articulated.values import interval
from diffsim.spec import Spec, array, number

__all__ = ["OF_MUSCLES", "RESTING", "Muscle"]

OF_MUSCLES = (
    "force",
    "length_range",
    "operating_range",
    "shortest",
    "longest",
    "fastest",
    "passive",
    "lengthening",
)
"""Numbers of a muscle; in a scene each is called ``muscle_`` and its name."""


@dataclass(frozen=True, eq=False, repr=False)
class Muscle(Spec):
    """What a muscle's force follows from, beside its activation: MuJoCo's curves of its length and of its rate.

    With the optimal length ``L0 = (b - a) / (d - c)`` of a ``length_range`` (a, b) and an ``operating_range`` (c, d),
    the length ``L = c + (length - a) / L0`` and the rate ``V = rate / (L0 fastest)`` the actuator pulls with ``force *
    (activation * FL(L) * FV(V) + FP(L))``. FL is 1 at L = 1 and nothing beyond ``shortest`` and ``longest``; FV is 1 at
    rest, nothing at V = -1, and grows to ``lengthening`` in what is drawn out; FP sets in at L = 1 and has reached half
    of ``passive`` in the middle between that and ``longest``. All are parabolas that meet smoothly (its documentation,
    "Modeling", section "Muscle actuators").

    Attributes:
        force: the most that it pulls with at rest at L = 1 [N].
        length_range: (shortest, longest) length that it is used at, gear times the tendon's or joint's [m].
        operating_range: what these are in optimal lengths.
        shortest: length below which it does not pull, in optimal lengths; less than 1.
        longest: length beyond which it does not pull, in optimal lengths; more than 1.
        fastest: rate of shortening at which it does not pull, in optimal lengths per second.
        passive: its passive force is half of this, in parts of ``force``, half-way between 1 and ``longest``.
        lengthening: force at saturating lengthening, in parts of that at rest; 1 or more.
    """

    force: float
    length_range: Any
    _: KW_ONLY
    operating_range: Any = (0.75, 1.05)
    shortest: float = 0.5
    longest: float = 1.6
    fastest: float = 1.5
    passive: float = 1.3
    lengthening: float = 1.2

    def __post_init__(self) -> None:
        """Check every number."""
        for name in ("length_range", "operating_range"):
            if getattr(self, name) is None:
                raise InputError(f"Muscle.{name} is None, but (lowest, highest) is needed")
        self._set(
            force=number("Muscle.force", self.force, least=0.0),
            length_range=interval("Muscle.length_range", array("Muscle.length_range", self.length_range, (2,))),
            operating_range=interval("Muscle.operating_range", self.operating_range),
            shortest=number("Muscle.shortest", self.shortest, least=0.0),
            longest=number("Muscle.longest", self.longest, above=1.0),
            fastest=number("Muscle.fastest", self.fastest, above=0.0),
            passive=number("Muscle.passive", self.passive, least=0.0),
            lengthening=number("Muscle.lengthening", self.lengthening, least=1.0),
        )
        if self.shortest >= 1.0:
            raise InputError(f"Muscle.shortest is {self.shortest:g}, but less than 1 is needed: at 1 it pulls most")


RESTING = Muscle(0.0, (0.0, 1.0))
"""Stands for what is no muscle."""
