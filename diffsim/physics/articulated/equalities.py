"""What holds parts of robots together, or in place, softly."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from diffsim.errors import InputError
from diffsim.physics.articulated.values import TIME_CONSTANT, named, quaternion
from diffsim.physics.checks import optional
from diffsim.spec import Spec, array, choices, number

__all__ = ["Equality", "Hold"]


@dataclass(frozen=True, eq=False, repr=False)
class Hold(Spec):
    """What holds a link to a place of the world, or of another link, softly: MuJoCo's weld and connect.

    Attributes:
        name: unique among the holds.
        link: name of the link that is held.
        place: (3,) in the world, or in the frame of ``other``, of the point that is held [m].
        orientation: (4,) quaternion w, x, y, z of the link in the world, or in the frame of ``other``; None leaves it
            free to turn.
        other: name of the link that it is held to; None is the world.
        anchor: (3,) the point, in the link's frame [m].
        weight: (2,) inertia that the hold is made for, against shifts [kg] and turns [kg m^2]; None follows from what
            is moved.
        reference: (time constant [s], damping ratio), MuJoCo's solref.
        impedance: (5,) MuJoCo's solimp.
        lever: with which turns count against shifts [m].
    """

    name: str
    link: str
    place: Any
    orientation: Any = None
    _: KW_ONLY
    other: str | None = None
    anchor: Any = (0.0, 0.0, 0.0)
    weight: Any = None
    reference: Any = (TIME_CONSTANT, 1.0)
    impedance: Any = (0.9, 0.95, 0.001, 0.5, 2.0)
    lever: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"hold {named('Hold.name', self.name)!r}: "
        named(f"{owner}link", self.link)
        free = self.orientation is None
        if self.other is not None:
            named(f"{owner}other", self.other)
            if self.other == self.link:
                raise InputError(f"{owner}link {self.link!r} cannot be held to itself")
        self._set(
            place=array(f"{owner}place", self.place, (3,)),
            orientation=None if free else quaternion(f"{owner}orientation", self.orientation),
            anchor=array(f"{owner}anchor", self.anchor, (3,)),
            weight=None if self.weight is None else array(f"{owner}weight", self.weight, (2,), above=0.0),
            reference=array(f"{owner}reference", self.reference, (2,), above=0.0),
            impedance=array(f"{owner}impedance", self.impedance, (5,), above=0.0),
            lever=number(f"{owner}lever", self.lever, above=0.0),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Equality(Spec):
    """What holds the position of a joint, or the length of a tendon, softly: MuJoCo's equalities of these.

    Of joints ``q1 - reference1 = c0 + c1 x + c2 x^2 + c3 x^3 + c4 x^4``, x the position of the second joint less its
    reference, 0 without one; of tendons ``length1 = c0 + c1 x + c2 x^2 + c3 x^3 + c4 x^4``, x the length of the second
    one, or ``length1 = c0``. URDF's ``<mimic>`` is one of joints.

    Attributes:
        name: unique among the equalities.
        first: name of the joint that follows, or of the tendon; a hinge or slide.
        second: name of the joint that it follows, a hinge or slide, or of the tendon; None leaves it in place.
        of: "joints" or "tendons": what the names are those of.
        polynomial: (5,) c0 to c4 [rad] or [m] per power of the second one's unit.
        weight: inertia that the equality is made for [kg] or [kg m^2]; None follows from what is moved.
        reference: (time constant [s], damping ratio), MuJoCo's solref.
        impedance: (5,) MuJoCo's solimp.
    """

    name: str
    first: str
    second: str | None = None
    _: KW_ONLY
    of: str = "joints"
    polynomial: Any = (0.0, 1.0, 0.0, 0.0, 0.0)
    weight: float | None = None
    reference: Any = (TIME_CONSTANT, 1.0)
    impedance: Any = (0.9, 0.95, 0.001, 0.5, 2.0)

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"equality {named('Equality.name', self.name)!r}: "
        of = choices(f"{owner}of", self.of, ("joints", "tendons"))
        named(f"{owner}first", self.first)
        if self.second is not None:
            named(f"{owner}second", self.second)
            if self.second == self.first:
                raise InputError(f"{owner}{of[:-1]} {self.first!r} cannot follow itself")
        self._set(
            polynomial=array(f"{owner}polynomial", self.polynomial, (5,)),
            weight=optional(f"{owner}weight", self.weight, above=0.0),
            reference=array(f"{owner}reference", self.reference, (2,), above=0.0),
            impedance=array(f"{owner}impedance", self.impedance, (5,), above=0.0),
        )
