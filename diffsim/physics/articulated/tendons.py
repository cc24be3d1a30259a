"""Tendons: lengths that follow from several joints, and what pulls along them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.values import interval, named
from diffsim.physics.checks import optional, sequence
from diffsim.spec import Spec, array, number

__all__ = ["Tendon"]


@dataclass(frozen=True, eq=False, repr=False)
class Tendon(Spec):
    """A length that follows from several joints, and what acts along it.

    MuJoCo's fixed tendon is a sum of positions of joints, each times a coefficient: a force f along it pulls at each
    joint with the coefficient times f. Its spatial tendon is a string through sites, from one to the next.

    Attributes:
        name: unique among the tendons.
        joints: coefficients by the names of hinges and slides; of a fixed tendon.
        path: names of the sites in their order, at least two; of a spatial tendon. Neighbours must not meet.
        stiffness: of a spring [N/m], against lengths outside of ``rest``.
        damping: force per rate of the length [N s/m].
        rest: length at which the spring is at rest [m], or (shortest, longest) between which it is slack; None is that
            where springs of joints are at rest.
        limits: (shortest, longest) length [m]; None has none.
        limit_stiffness: of the spring beyond a limit; None follows from what is moved, as of a `Joint`.
        limit_damping: of the damper beyond a limit; None is critical damping.
        friction_loss: dry friction against its rate [N], as of a `Joint`.
        friction_width: rate at which friction has 71 % of its strength [m/s]; None as of a `Joint`.
        armature: inertia that a motor adds to the rate of a fixed tendon [kg].
    """

    name: str
    joints: Any = None
    _: KW_ONLY
    path: Any = ()
    stiffness: float = 0.0
    damping: float = 0.0
    rest: Any = None
    limits: Any = None
    limit_stiffness: float | None = None
    limit_damping: float | None = None
    friction_loss: float = 0.0
    friction_width: float | None = None
    armature: float = 0.0

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"tendon {named('Tendon.name', self.name)!r}: "
        path = sequence(f"{owner}path", self.path)
        self._check_way(owner, path)
        self._set(
            joints={
                named(f"{owner}a joint", joint): number(f"{owner}coefficient of joint {joint!r}", value)
                for joint, value in (self.joints or {}).items()
            },
            path=tuple(named(f"{owner}path[{k}]", site) for k, site in enumerate(path)),
            stiffness=number(f"{owner}stiffness", self.stiffness, least=0.0),
            damping=number(f"{owner}damping", self.damping, least=0.0),
            rest=_slack(owner, self.rest),
            limits=interval(f"{owner}limits", self.limits),
            limit_stiffness=optional(f"{owner}limit_stiffness", self.limit_stiffness, least=0.0),
            limit_damping=optional(f"{owner}limit_damping", self.limit_damping, least=0.0),
            friction_loss=number(f"{owner}friction_loss", self.friction_loss, least=0.0),
            friction_width=optional(f"{owner}friction_width", self.friction_width, above=0.0),
            armature=number(f"{owner}armature", self.armature, least=0.0),
        )

    def _check_way(self, owner: str, path: tuple[Any, ...]) -> None:
        """It runs along joints or through sites."""
        if path and self.joints:
            raise InputError(f"{owner}joints and path are given, but a tendon is fixed or spatial")
        if not path and (not isinstance(self.joints, Mapping) or not self.joints):
            raise InputError(f"{owner}joints is {self.joints!r}, but coefficients by the names of joints are needed")
        twice = [site for site, after in pairwise(path) if site == after]
        if path and (len(path) < 2 or twice):
            raise InputError(f"{owner}path is {list(path)}, but two sites or more are needed, none after itself")
        if path and self.armature:
            raise InputError(f"{owner}armature is {self.armature:g}, but a spatial tendon has none")


def _slack(owner: str, rest: Any) -> Any:
    """(2,) between which a spring is slack; a number is both ends."""
    if rest is None:
        return None
    found = array(f"{owner}rest", np.broadcast_to(rest, (2,)) if np.ndim(rest) == 0 else rest, (2,))
    if found[0] > found[1]:
        raise InputError(f"{owner}rest is ({found[0]:g}, {found[1]:g}), but the shortest must not exceed the longest")
    return found
