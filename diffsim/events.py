"""Contact events: what the whole numbers in a rollout's ``contact`` array say.

Each is a sum of flags, one for each decision of the contact law that went that way; 0 is free flight. Rollouts with
equal arrays took the same branches, so between them the contact law is one smooth function.
"""

from __future__ import annotations

from typing import Any

from diffsim.errors import InputError

__all__ = ["BOUNCES", "DEEP", "LIFTED", "MEETS", "RESTS", "SLIDES", "SLIPS", "contact_name", "describe"]

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

LIFTED = 32
"""Forces lift it from where it lands, too late in the step to be off the surface at its end. Without `BOUNCES` they
had stopped it by themselves before it landed."""

SLIPS = 64
"""Forces along the surface are more than friction holds once it has landed."""

_ALL = MEETS | RESTS | BOUNCES | SLIDES | DEEP | LIFTED | SLIPS


def describe(code: Any) -> str:
    """An entry of ``contact`` in words: "flies", "lands and sticks", "rests", "slides", "bounces and slides", ...

    Raises:
        InputError: it is no sum of flags that the contact law can give.
    """
    flags = int(code) if code == code // 1 else -1
    possible = flags == 0 or (0 < flags <= _ALL and flags & MEETS)
    resting = flags & RESTS and flags & ~(MEETS | RESTS | SLIDES)
    staying = flags & SLIPS and flags & (BOUNCES | LIFTED)
    turning = flags & LIFTED and flags & DEEP and not flags & BOUNCES
    if not possible or resting or staying or turning:
        raise InputError(f"{code!r} is no contact event; it must be 0 or a sum of the flags in diffsim.events")
    if flags == 0:
        return "flies"
    if flags & RESTS:
        return "slides" if flags & SLIDES else "rests"
    below = ", from below the surface" if flags & DEEP else ""
    return _WORDS[flags & ~(MEETS | DEEP)] + below


_WORDS = {
    0: "lands and sticks",
    SLIDES: "lands and slides",
    SLIPS: "lands and slips",
    SLIDES | SLIPS: "lands and slides, driven",
    BOUNCES: "bounces without sliding",
    BOUNCES | SLIDES: "bounces and slides",
    LIFTED: "is stopped by what lifts it",
    LIFTED | SLIDES: "slides and is stopped by what lifts it",
    LIFTED | BOUNCES: "lands and is lifted",
    LIFTED | BOUNCES | SLIDES: "lands, slides and is lifted",
}


def contact_name(scene: Any, element: int) -> str:
    """What entry ``element`` of a rollout's ``contact`` is about: "point 3", "bodies[0] and obstacles[1]".

    A scene may say it by a method of this name; else it is a number.
    """
    found = getattr(scene, "contact_name", None)
    return f"contact {element}" if found is None else found(element)
