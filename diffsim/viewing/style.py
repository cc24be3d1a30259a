"""Colours and proportions of every picture, by name."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgba

__all__ = ["DARK", "STYLE", "Style", "rgba"]


@dataclass(frozen=True)
class Style:
    """Names for all colours and for the sizes of letters, in pixels of a picture of 512 by 512."""

    sky: str = "#fbfaf7"
    guide: str = "#efede7"  # distance lines behind the body
    soil: str = "#ebe6db"
    surface: str = "#a89f8d"  # the line on top of the soil
    ruler: str = "#968d7c"
    shadow: str = "#6e6657"
    flesh: str = "#e3e8f1"  # triangles of springs, filled
    passive: str = "#aeb4be"
    contracted: str = "#d8433b"
    resting: str = "#a79fb5"  # a muscle with nothing asked of it
    extended: str = "#2a6fc4"
    point: str = "#2d3440"
    pinned: str = "#e09a1f"
    goal: str = "#2e9e6b"
    # Rigid bodies take turns: what fills them, what outlines them.
    bodies: tuple[tuple[str, str], ...] = (
        ("#cddcf0", "#4a658f"),
        ("#f1dfb9", "#93773f"),
        ("#cfe4d2", "#4d7d5a"),
        ("#f0d4cd", "#99605a"),
        ("#ddd5ea", "#6d5c92"),
    )
    contact: str = "#8a2f7a"
    text: str = "#2d3440"
    quiet: str = "#7b8190"  # text of less weight
    loss: str = "#aab6cc"
    best: str = "#2a6fc4"
    gradient: str = "#d8913b"
    font: str = "DejaVu Sans"  # comes with matplotlib: pictures are the same on every machine
    text_size: float = 13.0
    small_size: float = 10.5


STYLE = Style()

# The same names for pages read in the dark: what tells things apart keeps its hue.
DARK = Style(
    sky="#171a1f",
    guide="#20242b",
    soil="#2a2c30",
    surface="#6e6a61",
    ruler="#8d8a83",
    shadow="#000000",
    flesh="#2b3442",
    passive="#6d7685",
    contracted="#ee5a51",
    resting="#8f87a0",
    extended="#4a90e8",
    point="#d3d8e2",
    pinned="#efb04a",
    goal="#3fbf86",
    bodies=(
        ("#9fb6d6", "#3d5578"),
        ("#d3bd90", "#735c2e"),
        ("#a5c6aa", "#3f6749"),
        ("#d6aea5", "#7d4c46"),
        ("#b9aed0", "#564777"),
    ),
    contact="#d676c4",
    text="#dfe3ea",
    quiet="#9aa1ae",
    loss="#7686a5",
    best="#5b9bea",
    gradient="#dd9c4c",
)


@functools.cache
def rgba(colour: str, alpha: float = 1.0) -> np.ndarray:
    """(4,) red, green, blue and opacity of a colour's name, each from 0 to 1; read-only."""
    found = np.array(to_rgba(colour, alpha))
    found.setflags(write=False)
    return found
