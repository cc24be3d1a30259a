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
    flesh: str = "#b4c3de"  # triangles of springs, filled
    passive: str = "#6d7688"
    contracted: str = "#d8433b"
    resting: str = "#85799c"  # a muscle with nothing asked of it
    extended: str = "#2a6fc4"
    point: str = "#2d3440"
    pinned: str = "#b0720a"
    goal: str = "#2e9e6b"
    # Rigid bodies take turns: what fills them, what outlines them.
    bodies: tuple[tuple[str, str], ...] = (
        ("#a9c3e6", "#3d5a8a"),
        ("#e6c888", "#856828"),
        ("#a6cfae", "#3d7049"),
        ("#e8b4a8", "#8f4f48"),
        ("#c3b3de", "#5f4c88"),
    )
    # A table seen from above: what moves at the start is the cue ball.
    felt: str = "#2f6b50"
    cushion: str = "#1f4d39"
    rail: str = "#e6d8bd"
    cue: tuple[str, str] = ("#f8f4e8", "#5c584c")
    balls: tuple[tuple[str, str], ...] = (
        ("#f2c53d", "#7d6210"),
        ("#f4a45e", "#80491a"),
        ("#f2a0b0", "#803a4a"),
        ("#9ccbf2", "#2f5878"),
        ("#cbb6f2", "#55407d"),
        ("#b9e08a", "#4c6a24"),
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
    flesh="#3b4a63",
    passive="#8b95a6",
    contracted="#ee5a51",
    resting="#8f87a0",
    extended="#4a90e8",
    point="#d3d8e2",
    pinned="#efb04a",
    goal="#3fbf86",
    bodies=(
        ("#8fb0de", "#2f4668"),
        ("#d3b878", "#6b5423"),
        ("#93c09a", "#345a3e"),
        ("#dca396", "#74433c"),
        ("#b3a2d6", "#4c3d6e"),
    ),
    felt="#1d4434",
    cushion="#12291f",
    rail="#54422c",
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
