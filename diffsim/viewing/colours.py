"""Colours that tell numbers: scales, and what has a number of its own at every time."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_hex, to_rgba

from diffsim.errors import InputError
from diffsim.viewing.shaped import indices, shaped
from diffsim.viewing.style import STYLE

__all__ = [
    "MOTOR",
    "MUSCLE",
    "Colour",
    "Driven",
    "Scale",
    "Values",
    "ball_colours",
    "body_colours",
    "hex_of",
    "rgba_of",
]

# A name of the style ("point", "goal"), "#rrggbb", or red, green, blue and perhaps opacity from 0 to 1.
Colour = str | Sequence[float] | np.ndarray

# Colours of a scale that are told apart: as many as eight bits hold, and one in the middle.
SHADES = 257


def rgba_of(colour: Colour, owner: str = "colour") -> np.ndarray:
    """(4,) red, green, blue and opacity from 0 to 1.

    Raises:
        InputError: it is none of the colours that there are; the message begins with the owner.
    """
    if isinstance(colour, str):
        own = getattr(STYLE, colour, None)
        colour = own if isinstance(own, str) and own.startswith("#") else colour
    try:
        return np.array(to_rgba(tuple(colour) if not isinstance(colour, str) else colour))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{owner} is {colour!r}, but a name of the style such as 'point' or 'goal', '#rrggbb', or three or four "
            "numbers from 0 to 1 are allowed"
        ) from error


def hex_of(colour: Colour) -> str:
    """``#rrggbb``, as which colours stand in a page; those of the style have twins there for the dark."""
    return to_hex(rgba_of(colour)[:3].tolist())


def body_colours(k: int) -> tuple[str, str]:
    """What fills and what outlines the k-th of several bodies: they take turns."""
    return STYLE.bodies[k % len(STYLE.bodies)]


def ball_colours(k: int) -> tuple[str, str]:
    """What fills and what outlines the k-th of several balls on a table."""
    return STYLE.balls[k % len(STYLE.balls)]


@dataclass(frozen=True)
class Scale:
    """Colours of numbers from a low one to a high one; beyond, those of the ends.

    Attributes:
        low, high: ends of the scale, in the unit of the numbers.
        colours: two or more, evenly spaced from low to high: names of the style or "#rrggbb". "sky" is the background.
        unit: of the numbers, for the legend.
        words: at both ends of the legend; None says the numbers with their unit.
    """

    low: float = 0.0
    high: float = 1.0
    colours: tuple[str, ...] = ("extended", "pinned", "contracted")
    unit: str = ""
    words: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Refuse a scale without an extent."""
        if not (np.isfinite([self.low, self.high]).all() and self.low < self.high):
            raise InputError(f"Scale goes from {self.low} to {self.high}, but low must be below high, both finite")
        object.__setattr__(self, "colours", tuple(self.colours))
        if len(self.colours) < 2:
            raise InputError(f"Scale.colours holds {len(self.colours)}, but two or more are needed")
        for k, colour in enumerate(self.colours):
            rgba_of(colour, f"Scale.colours[{k}]")

    @property
    def ends(self) -> tuple[str, str]:
        """What the legend says at the low and at the high end."""
        if self.words is not None:
            return self.words
        low, high = (f"{value:.4g}".replace("-", "−") for value in (self.low, self.high))
        return f"{low} {self.unit}".strip(), f"{high} {self.unit}".strip()

    def of(self, values: np.ndarray) -> np.ndarray:
        """(..., 4) the colours of values (...); what is NaN is seen through."""
        return _table(self.colours)[self.steps(values)]

    def steps(self, values: np.ndarray) -> np.ndarray:
        """(...) whole numbers from 0 (low) to 256 (high) of values (...), 257 for NaN."""
        with np.errstate(invalid="ignore", over="ignore"):
            share = np.clip((np.asarray(values, dtype=float) - self.low) / (self.high - self.low), 0.0, 1.0)
        return np.rint(np.where(np.isnan(share), SHADES / (SHADES - 1), share) * (SHADES - 1)).astype(np.intp)


@functools.cache
def _table(colours: tuple[str, ...]) -> np.ndarray:
    """(258, 4) from the first colour to the last, and one that is seen through.

    Mixed as squares, which is near to mixing light: the middle does not turn muddy.
    """
    knots = np.array([rgba_of(colour) for colour in colours]) ** 2
    at, places = np.linspace(0.0, 1.0, SHADES), np.linspace(0.0, 1.0, len(colours))
    table = np.sqrt(np.stack([np.interp(at, places, knots[:, c]) for c in range(4)], axis=1))
    return np.concatenate([table, [(*table[0, :3], 0.0)]])


MUSCLE = Scale(-1.0, 1.0, ("contracted", "resting", "extended"), words=("contracted", "extended"))
MOTOR = Scale(-1.0, 1.0, ("contracted", "resting", "extended"), words=("motor −", "motor +"))


@dataclass(frozen=True, eq=False)
class Values:
    """A number of each of n elements at every time, told by its colour.

    Attributes:
        values: (rows, n), or (n,) that stay what they are.
        scale: their colours and what the legend says of them.
    """

    values: Any
    scale: Scale

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        object.__setattr__(self, "values", shaped("Values.values", self.values, ("rows", "n"), ("n",), moves=2))


@dataclass(frozen=True, eq=False)
class Driven:
    """Elements in the colours of what is asked of their actuators; of several for one element the strongest counts.

    Attributes:
        which: (k,) indices of the driven elements.
        actuators: (k,) columns of the rollout's array "actuation".
        gains: (k,) or (): a gain times what is asked is the number on the scale.
        scale: its colours.
    """

    which: Any
    actuators: Any
    gains: Any = 1.0
    scale: Scale = MUSCLE

    def __post_init__(self) -> None:
        """Check and keep arrays."""
        which = indices("Driven.which", self.which)
        actuators = indices("Driven.actuators", self.actuators)
        if which.shape != actuators.shape:
            raise InputError(
                f"Driven.which has {len(which)} entries and Driven.actuators {len(actuators)}, but they come in pairs"
            )
        gains = shaped("Driven.gains", self.gains, (), (len(which),))
        for name, value in (("which", which), ("actuators", actuators)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "gains", np.broadcast_to(gains, len(which)))
