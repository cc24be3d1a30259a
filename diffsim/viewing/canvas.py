"""Drawing in pixels on an Agg canvas: a few reused matplotlib artists, drawn one by one.

A figure of matplotlib is drawn as a tree of axes, ticks and labels, at some 20 frames per second. Here a
background is drawn once, kept, put back before each frame, and only what moves is drawn over it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.path import Path
from matplotlib.transforms import Bbox, IdentityTransform
from PIL import Image, ImageDraw, ImageFont

from diffsim.viewing.camera import Viewport
from diffsim.viewing.style import STYLE, rgba

__all__ = ["Canvas", "Outlines"]

# A collection of one path is drawn as a marker, whose place is rounded to whole pixels; of two it is not.
NOTHING = Path(np.zeros((0, 2)))


class Outlines:
    """Lines and areas whose numbers of corners stay what they are while they move from frame to frame.

    Attributes:
        corners: (v, 2) of all of them, one after the other [pixels]: writing here moves them. An area begins and ends
            at the same corner; corners that are not finite are left out.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        """Of so many corners each."""
        self.corners = np.zeros((sum(counts), 2))
        ends = np.cumsum([0, *counts]).tolist()
        # Each path is a view of its rows: no call per path when they move.
        self.paths = [Path(self.corners[start:end]) for start, end in pairwise(ends)]


class Canvas:
    """A canvas and what is needed to paint on it; pixels count from the lower left.

    Attributes:
        size: (width, height) of the canvas [pixels].
        figure: the matplotlib figure, for whoever wants axes in the background.
    """

    def __init__(self, size: tuple[int, int], colour: str = STYLE.sky) -> None:
        """An empty canvas of that size [pixels] and colour."""
        self.size = (int(size[0]), int(size[1]))
        # 72 dots per inch: a point, matplotlib's unit of widths and letters, is one pixel.
        self.figure = Figure(figsize=(self.size[0] / 72, self.size[1] / 72), dpi=72, facecolor=colour)
        self._canvas = FigureCanvasAgg(self.figure)
        self._canvas.draw()
        self._renderer = self._canvas.get_renderer()
        self._background: Any = None
        self._ends = np.zeros((0, 2, 2))
        self._paths: list[Path] = []
        self._strokes = self._artist(PathCollection([], facecolors="none", capstyle="round"))
        self._outlines = self._artist(PathCollection([], capstyle="round", joinstyle="round"))
        # Areas go to the renderer themselves: an artist takes as long as drawing them does.
        self._area = self._renderer.new_gc()
        self._area.set_linewidth(0.0)
        self._area.set_snap(False)
        self._within: Viewport | None = None
        self._clip: tuple[int, int, int, int] | None = None  # left, top, right, bottom, from the upper left

    @property
    def unit(self) -> float:
        """Factor for widths and letters, which are given for a picture of 512 by 512 pixels."""
        width, height = self.size
        return min((width * height) ** 0.5, 1.15 * height, 1.15 * width) / 512

    @property
    def within(self) -> Viewport:
        """The rectangle that is drawn in."""
        return Viewport(0, 0, *self.size) if self._within is None else self._within

    def _artist(self, artist: Any) -> Any:
        artist.set_figure(self.figure)
        artist.set_transform(IdentityTransform())
        artist.set_snap(False)  # or level springs would jump from pixel to pixel
        return artist

    def clip(self, viewport: Viewport | None) -> None:
        """Draw only within a rectangle from now on; None is the whole canvas."""
        if viewport == self._within:
            return
        self._within = viewport
        if viewport is None:
            self._clip = box = None
        else:
            (left, bottom), (right, top) = np.rint(viewport.corners[[0, 2]]).astype(int).tolist()
            self._clip = (left, self.size[1] - top, right, self.size[1] - bottom)
            box = Bbox([(left, bottom), (right, top)])
        self._strokes.set_clip_box(box)
        self._outlines.set_clip_box(box)
        self._area.set_clip_rectangle(box)

    def keep(self) -> None:
        """Make what is on the canvas the background."""
        self._background = self._canvas.copy_from_bbox(self.figure.bbox)

    def clear(self) -> None:
        """Put the kept background back."""
        self._canvas.restore_region(self._background)

    def picture(self) -> np.ndarray:
        """What is on the canvas: (height, width, 3) uint8, red, green, blue; an array of its own."""
        canvas = np.asarray(self._canvas.buffer_rgba())
        picture = np.empty((*canvas.shape[:2], 3), dtype=np.uint8)
        # One channel at a time: copying canvas[..., :3] in one go takes five times as long.
        for channel in range(3):
            picture[..., channel] = canvas[..., channel]
        return picture

    def draw(self, artist: Any) -> None:
        """Draw an artist of matplotlib's that belongs to `figure`."""
        artist.draw(self._renderer)

    def strokes(self, ends: np.ndarray, colours: np.ndarray, widths: np.ndarray | float) -> None:
        """Round-ended lines, in the order given; a line of no length is a disc.

        Args:
            ends: (m, 2, 2) both ends of each [pixels]; those that are not finite are left out.
            colours: (4,) or (m, 4) red, green, blue, opacity from 0 to 1.
            widths: () or (m,) [pixels].
        """
        fine = np.isfinite(ends).all(axis=(1, 2))
        colours = np.broadcast_to(colours, (len(ends), 4))
        widths = np.broadcast_to(widths, len(ends))
        if not fine.all():
            ends, colours, widths = ends[fine], colours[fine], widths[fine]
        count = len(ends)
        if count == 0:
            return
        if count > len(self._paths):
            # Each path is a view of its two rows here: writing the rows moves it, without a call per path.
            self._ends = np.zeros((count, 2, 2))
            self._paths = [Path(pair) for pair in self._ends]
        self._ends[:count] = ends
        # Agg drops a line of no length, cap and all.
        self._ends[:count, 1, 0] += 1e-3
        self._strokes.set_paths(self._paths[:count] if count > 1 else [self._paths[0], NOTHING])
        self._strokes.set_edgecolor(colours)
        self._strokes.set_linewidth(widths)
        self._strokes.draw(self._renderer)

    def discs(self, centres: np.ndarray, colours: np.ndarray, diameters: np.ndarray | float) -> None:
        """Filled circles: centres (m, 2) and diameters () or (m,) [pixels], colours (4,) or (m, 4)."""
        self.strokes(np.repeat(centres[:, None, :], 2, axis=1), colours, diameters)

    def outlines(self, outlines: Outlines, faces: np.ndarray, edges: np.ndarray, widths: np.ndarray | float) -> None:
        """Lines and areas in their order, each filled and then outlined.

        Args:
            outlines: m of them.
            faces: (m, 4) red, green, blue, opacity from 0 to 1; lines have an opacity of 0.
            edges: (m, 4) likewise.
            widths: () or (m,) of the edges [pixels].
        """
        if not outlines.paths:
            return
        self._outlines.set_paths(outlines.paths if len(outlines.paths) > 1 else [*outlines.paths, NOTHING])
        self._outlines.set_facecolor(faces)
        self._outlines.set_edgecolor(edges)
        self._outlines.set_linewidth(widths)
        self._outlines.draw(self._renderer)

    def polygons(self, corners: np.ndarray, colour: np.ndarray) -> None:
        """The union of polygons of one number of corners, (m, k, 2) [pixels], filled with one colour (4,)."""
        fine = np.isfinite(corners).all(axis=(1, 2))
        corners = corners if fine.all() else corners[fine]
        if len(corners) == 0:
            return
        ring = np.concatenate([corners, corners[:, :1]], axis=1)
        x, y = ring[..., 0], ring[..., 1]
        turns = (x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1) < 0.0
        # All one way round: Agg fills where the winding number is not zero, so overlaps stay filled.
        ring[turns] = ring[turns, ::-1]
        codes = np.full(ring.shape[:2], Path.LINETO, dtype=np.uint8)
        codes[:, 0], codes[:, -1] = Path.MOVETO, Path.CLOSEPOLY
        path = Path(ring.reshape(-1, 2), codes.reshape(-1))
        self._renderer.draw_path(self._area, path, IdentityTransform(), tuple(colour))

    def text(
        self,
        words: str,
        at: tuple[float, float],
        *,
        size: float = STYLE.text_size,
        colour: str = STYLE.text,
        anchor: str = "ls",
        bold: bool = False,
    ) -> None:
        """Words at a place [pixels] in letters of that size [pixels].

        The anchor is Pillow's: left, middle or right; then ascender, middle, baseline (s) or descender.
        """
        # Pillow's letters: a line in 0.1 ms, matplotlib's takes 1 ms.
        letters, left, top = _letters(words, max(round(size), 8), anchor, bold)
        if letters.size:
            x, y = round(at[0]) + left, self.size[1] - round(at[1]) + top
            self._blend(letters, x, y, 255.0 * rgba(colour)[:3])

    def width_of(self, words: str, size: float) -> float:
        """Of words in letters of that size [pixels]."""
        return float(_letters(words, max(round(size), 8), "ls", False)[0].shape[1])

    def paste(self, colour: np.ndarray, coverage: np.ndarray, corner: tuple[int, int]) -> None:
        """A picture with soft edges, over what is there.

        Args:
            colour: (3, h, w) red, green, blue from 0 to 1, times the coverage; row 0 is the lowest.
            coverage: (h, w) from 0 to 1.
            corner: its lower left pixel.
        """
        edges = (0, 0, *self.size) if self._clip is None else self._clip
        (x, y), (rows, columns) = corner, coverage.shape
        left, right = max(x, edges[0]), min(x + columns, edges[2])
        low, high = max(y, self.size[1] - edges[3]), min(y + rows, self.size[1] - edges[1])
        if right <= left or high <= low:
            return
        part = np.s_[low - y : high - y, left - x : right - x]
        patch = np.asarray(self._canvas.buffer_rgba())[self.size[1] - high : self.size[1] - low, left:right][::-1]
        keep = 1.0 - coverage[part]
        for channel in range(3):
            mixed = keep * patch[..., channel] + (255.0 * colour[channel][part] + 0.5)
            patch[..., channel] = np.minimum(mixed, 255.0)

    def _blend(self, mask: np.ndarray, x: int, y: int, colour: np.ndarray) -> None:
        """Colour (3,) where the mask (h, w) is, its upper left corner at x, y pixels from the upper left."""
        edges = (0, 0, *self.size) if self._clip is None else self._clip
        left, top = max(x, edges[0]), max(y, edges[1])
        right, bottom = min(x + mask.shape[1], edges[2]), min(y + mask.shape[0], edges[3])
        if right <= left or bottom <= top:
            return
        share = mask[top - y : bottom - y, left - x : right - x, None] / 255.0
        patch = np.asarray(self._canvas.buffer_rgba())[top:bottom, left:right, :3]
        patch[:] = np.rint((1.0 - share) * patch + share * colour)


@functools.lru_cache(maxsize=256)
def _letters(words: str, size: int, anchor: str, bold: bool) -> tuple[np.ndarray, int, int]:
    """Words as a mask (h, w) uint8, and where its upper left corner is from the place of the words [pixels]."""
    font = _font(size, bold)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(words, anchor=anchor))
    if right <= left or bottom <= top:
        return np.zeros((0, 0), np.uint8), left, top
    letters = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(letters).text((-left, -top), words, font=font, fill=255, anchor=anchor)
    return np.asarray(letters), left, top


@functools.cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    file = findfont(FontProperties(family=STYLE.font, weight="bold" if bold else "normal"))
    return ImageFont.truetype(file, size)
