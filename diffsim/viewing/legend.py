"""What colours mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffsim.viewing.canvas import Canvas
from diffsim.viewing.colours import Driven, Scale, Values
from diffsim.viewing.look import Field, Look
from diffsim.viewing.style import STYLE

__all__ = ["paint_scales", "scales_of"]


def scales_of(look: Look) -> list[Scale]:
    """The scales of all elements that have some, each once."""
    found: dict[Scale, None] = {}
    for element in look.elements:
        groups = getattr(element, "driven", None) or ()
        for group in (groups,) if isinstance(groups, Driven) else groups:
            if len(group.which):
                found[group.scale] = None
        colour = getattr(element, "colour", None)
        if isinstance(colour, Values):
            found[colour.scale] = None
        if isinstance(element, Field):
            found[element.scale] = None
    return list(found)


def paint_scales(canvas: Canvas, corner: tuple[float, float], scales: Sequence[Scale]) -> None:
    """Colours from low to high between two words, a line for each scale: up and left of a corner [pixels]."""
    size = STYLE.small_size * canvas.unit
    # One room for all words on the right, so that the colours stand below each other.
    room = max((_room(canvas, scale, size) for scale in scales), default=0.0)
    for k, scale in enumerate(scales):
        _paint_scale(canvas, (corner[0], corner[1] + 1.7 * k * size), scale, room)


def _room(canvas: Canvas, scale: Scale, size: float) -> float:
    high = scale.ends[1]
    return max(canvas.width_of(high, size) + 0.8 * size, 5.6 * size if len(high) > 6 else 0.0)


def _paint_scale(canvas: Canvas, corner: tuple[float, float], scale: Scale, room: float) -> None:
    size, (low, high) = STYLE.small_size * canvas.unit, scale.ends
    right, y = corner
    left = right - room
    canvas.text(high, (right, y), size=size, colour=STYLE.quiet, anchor="rs")
    across = np.linspace(left - 5.0 * size, left, 33)
    level = np.full_like(across, y + 0.35 * size)
    knots = np.stack([across, level], axis=1)
    ends = np.stack([knots[:-1], knots[1:]], axis=1)
    canvas.strokes(ends, scale.of(np.linspace(scale.low, scale.high, 32)), 0.45 * size)
    canvas.text(low, (across[0] - 0.7 * size, y), size=size, colour=STYLE.quiet, anchor="rs")
