"""Contact events: what the whole numbers in a rollout's ``contact`` array say.

Each is a sum of flags, one for each decision of the contact law that went that way; 0 is free flight. Rollouts with
equal arrays took the same branches, so between them the contact law is one smooth function.
"""

from __future__ import annotations

from typing import Any

from diffsim.errors import InputError

__all__ = ["BOUNCES", "DEEP", "MEETS", "RESTS", "SLIDES", "contact_name", "describe"]

MEETS = 1
"""It meets the ground or another body in this step. Every contact has this flag, the others come on top."""

RESTS = 2
"""It stays, and lay there already: the time of impact is the start of the step."""

BOUNCES = 4
"""It leaves in the same step; without this flag it stays to the end of the step."""

SLIDES = 8
"""It is faster along the surface than friction can stop; without this flag it sticks."""

DEEP = 16
"""It starts the step farther below the surface than rounding explains, and is taken to meet it there."""

_ALL = MEETS | RESTS | BOUNCES | SLIDES | DEEP


def describe(code: Any) -> str:
    """An entry of ``contact`` in words: "flies", "lands and sticks", "rests", "slides", "bounces and slides", ...

    Raises:
        InputError: it is no sum of flags that the contact law can give.
    """
    flags = int(code) if code == code // 1 else -1
    possible = flags == 0 or (0 < flags <= _ALL and flags & MEETS)
    if not possible or (flags & RESTS and flags & (BOUNCES | DEEP)):
        raise InputError(f"{code!r} is no contact event; it must be 0 or a sum of the flags in diffsim.events")
    if flags == 0:
        return "flies"
    if flags & RESTS:
        return "slides" if flags & SLIDES else "rests"
    if flags & BOUNCES:
        words = "bounces and slides" if flags & SLIDES else "bounces without sliding"
    else:
        words = "lands and slides" if flags & SLIDES else "lands and sticks"
    return words + (", from below the surface" if flags & DEEP else "")


def contact_name(scene: Any, element: int) -> str:
    """What entry ``element`` of a rollout's ``contact`` is about: "point 3", "bodies[0] and obstacles[1]".

    A scene may say it by a method of this name; else it is a number.
    """
    found = getattr(scene, "contact_name", None)
    return f"contact {element}" if found is None else found(element)
