"""Tendons: lengths that follow from several joints, and what pulls along them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.values import SOLIMP, SOLREF, interval, named, reference
from diffsim.physics.checks import optional, sequence
from diffsim.spec import Spec, array, number

__all__ = ["Leg", "Pulley", "Tendon", "Wrap"]


@dataclass(frozen=True, eq=False, repr=False)
class Wrap(Spec):
    """A sphere or cylinder in the path of a string, around which it runs if that is in its way.

    Attributes:
        geom: name of a geom, a sphere or a cylinder; of a cylinder its side counts, without ends.
        side: name of a site: if it is inside of the geom, so is the string, which touches it from there; otherwise the
            string passes on this side. None is the shorter way.
    """

    geom: str
    side: str | None = None

    def __post_init__(self) -> None:
        """Check the names."""
        named("Wrap.geom", self.geom)
        if self.side is not None:
            named("Wrap.side", self.side)


@dataclass(frozen=True, eq=False, repr=False)
class Pulley(Spec):
    """Where a string begins anew, in another branch; of what follows the length counts over ``divisor``."""

    divisor: float = 1.0

    def __post_init__(self) -> None:
        """Check the number."""
        self._set(divisor=number("Pulley.divisor", self.divisor, above=0.0))


class Leg(NamedTuple):
    """Part of a string between two sites.

    Attributes:
        ends: names of both sites.
        wrap: what is between.
        pulley: the last pulley before it, counted from the first of its tendon; -1 without any.
    """

    ends: tuple[str, str]
    wrap: Wrap | None
    pulley: int


@dataclass(frozen=True, eq=False, repr=False)
class Tendon(Spec):
    """A length that follows from several joints, and what acts along it.

    MuJoCo's fixed tendon is a sum of positions of joints, each times a coefficient: a force f along it pulls at each
    joint with the coefficient times f. Its spatial tendon is a string through sites, from one to the next, or around
    what is between two of them.

    Attributes:
        name: unique among the tendons.
        joints: coefficients by the names of hinges and slides; of a fixed tendon.
        path: names of the sites in their order, at least two; of a spatial tendon. Neighbours must not meet. Between
            two of them there may be a `Wrap`. A `Pulley` ends a branch, and another begins.
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
        limit_solref, limit_solimp: how soft its limits are if the scene's ``contact_law`` is "mujoco", as of a `Geom`.
        friction_solref, friction_solimp: the same of its friction loss.
        mobility: acceleration of its length per force that these are made for [1/kg]; None follows from what is moved.
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
    limit_solref: Any = SOLREF
    limit_solimp: Any = SOLIMP
    friction_solref: Any = SOLREF
    friction_solimp: Any = SOLIMP
    mobility: float | None = None

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
            path=tuple(
                item if isinstance(item, (Wrap, Pulley)) else named(f"{owner}path[{k}]", item)
                for k, item in enumerate(path)
            ),
            stiffness=number(f"{owner}stiffness", self.stiffness, least=0.0),
            damping=number(f"{owner}damping", self.damping, least=0.0),
            rest=_slack(owner, self.rest),
            limits=interval(f"{owner}limits", self.limits),
            limit_stiffness=optional(f"{owner}limit_stiffness", self.limit_stiffness, least=0.0),
            limit_damping=optional(f"{owner}limit_damping", self.limit_damping, least=0.0),
            friction_loss=number(f"{owner}friction_loss", self.friction_loss, least=0.0),
            friction_width=optional(f"{owner}friction_width", self.friction_width, above=0.0),
            armature=number(f"{owner}armature", self.armature, least=0.0),
            limit_solref=reference(f"{owner}limit_solref", self.limit_solref),
            limit_solimp=array(f"{owner}limit_solimp", self.limit_solimp, (5,), least=0.0),
            friction_solref=reference(f"{owner}friction_solref", self.friction_solref),
            friction_solimp=array(f"{owner}friction_solimp", self.friction_solimp, (5,), least=0.0),
            mobility=optional(f"{owner}mobility", self.mobility, above=0.0),
        )

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites of its path."""
        return tuple(item for item in self.path if isinstance(item, str))

    @property
    def pulleys(self) -> tuple[Pulley, ...]:
        """Of its path."""
        return tuple(item for item in self.path if isinstance(item, Pulley))

    @property
    def legs(self) -> list[Leg]:
        """What its path is made of."""
        found, first = [], len(self.pulleys) - len(_branches(self.path))
        for k, branch in enumerate(_branches(self.path)):
            at = [i for i, item in enumerate(branch) if isinstance(item, str)]
            for i, j in pairwise(at):
                wrap = branch[i + 1] if j > i + 1 else None
                found.append(Leg((branch[i], branch[j]), wrap, first + k))
        return found

    def _check_way(self, owner: str, path: tuple[Any, ...]) -> None:
        """It runs along joints or through sites."""
        if path and self.joints:
            raise InputError(f"{owner}joints and path are given, but a tendon is fixed or spatial")
        if not path and (not isinstance(self.joints, Mapping) or not self.joints):
            raise InputError(f"{owner}joints is {self.joints!r}, but coefficients by the names of joints are needed")
        for branch in _branches(path):
            odd = not branch or isinstance(branch[0], Wrap) or isinstance(branch[-1], Wrap)
            twice = any(
                one == after or (isinstance(one, Wrap) and isinstance(after, Wrap)) for one, after in pairwise(branch)
            )
            if odd or twice or sum(not isinstance(item, Wrap) for item in branch) < 2:
                words = [item if isinstance(item, str) else type(item).__name__ for item in path]
                raise InputError(
                    f"{owner}path is {words}, but two sites or more are needed, none after itself, in each branch, and "
                    "a site before and after each Wrap"
                )
        if path and self.armature:
            raise InputError(f"{owner}armature is {self.armature:g}, but a spatial tendon has none")


def _branches(path: tuple[Any, ...]) -> list[list[Any]]:
    """A path without its pulleys: what is between them; nothing of an empty one, or before a first pulley."""
    found: list[list[Any]] = [[]] if path and not isinstance(path[0], Pulley) else []
    for item in path:
        if isinstance(item, Pulley):
            found.append([])
        else:
            found[-1].append(item)
    return found


def _slack(owner: str, rest: Any) -> Any:
    """(2,) between which a spring is slack; a number is both ends."""
    if rest is None:
        return None
    found = array(f"{owner}rest", np.broadcast_to(rest, (2,)) if np.ndim(rest) == 0 else rest, (2,))
    if found[0] > found[1]:
        raise InputError(f"{owner}rest is ({found[0]:g}, {found[1]:g}), but the shortest must not exceed the longest")
    return found
