"""Flat ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.checks import direction, flag
from diffsim.spec import Spec, number

__all__ = ["Ground", "coefficient"]


@dataclass(frozen=True, eq=False, repr=False)
class Ground(Spec):
    """The half-space below a plane: points stay where ``dot(normal, x) >= height``.

    Attributes:
        height: of the plane, along its normal [m].
        friction: Coulomb's coefficient; infinite (the default) means that a point sticks where it lands.
        restitution: share of the normal speed that a point keeps when it bounces, from 0 to 1.
        normal: (d,) out of the ground, of any length but zero, kept as a unit vector; None is the last axis, up.
        time_of_impact: False takes every impact at the start of its step, which gives gradients of the wrong sign. It
            is there to show just that, and for nothing else.
    """

    height: float = 0.0
    friction: float = float("inf")
    restitution: float = 0.0
    normal: Any = None
    time_of_impact: bool = True

    def __post_init__(self) -> None:
        """Check every number."""
        self._set(
            height=number("Ground.height", self.height),
            friction=coefficient("Ground.friction", self.friction),
            restitution=number("Ground.restitution", self.restitution, least=0.0, most=1.0),
            normal=None if self.normal is None else direction("Ground.normal", self.normal, (2,), (3,)),
            time_of_impact=flag("Ground.time_of_impact", self.time_of_impact),
        )


def coefficient(owner: str, value: Any) -> float:
    """``value`` as a coefficient of friction, which may be infinite."""
    if isinstance(value, (float, np.floating)) and (np.isposinf(value) or np.isnan(value)):
        if np.isnan(value):
            raise InputError(f"{owner} is nan, but it must be at least 0; infinite means sticking")
        return float("inf")
    return number(owner, value, least=0.0)
