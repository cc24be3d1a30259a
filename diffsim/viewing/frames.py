"""From a rollout to pictures: a view of the whole trajectory, or one that goes along, one frame after the other."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diffsim.errors import InputError
from diffsim.files import draft
from diffsim.rollout import Rollout
from diffsim.spec import number
from diffsim.viewing.camera import Camera, Viewport
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.ground import paint_passing
from diffsim.viewing.painting import Painter
from diffsim.viewing.planes import Floor
from diffsim.viewing.scenery import floor_of, goals_of, paint_goals
from diffsim.viewing.sight import Sight, why_empty
from diffsim.viewing.style import STYLE
from diffsim.viewing.view import Content, View, track_of

__all__ = ["Film", "Panel", "View", "frames", "rows_at", "save_png", "snapshot"]

# Margins of a picture around what moves, as shares of its size: left, bottom (the soil), right, top (words).
MARGINS = (0.07, 0.16, 0.07, 0.14)

# The same for one of several panels: its letters are larger against it, and have two lines.
BESIDE = (0.07, 0.16, 0.07, 0.18)

# A table's cushions are outside of what has to be seen; words stand on its rail.
ON_RAIL = (0.09, 0.19, 0.09, 0.27)

# How much wider bold letters are.
BOLD = 1.12

# Letters of a loss in words that have room beside a title; a longer one is told as a number.
SHORT = 24

# The same for a picture that goes along: ahead and behind it shows where the body comes from and goes to.
ALONG = (0.12, 0.19, 0.12, 0.16)


class Panel:
    """One rollout, of one environment, in a rectangle of the picture.

    Attributes:
        rollout: of one environment.
        camera: shows the whole trajectory, or one that follows: its first row.
        floor: the ground, or a reference grid.
        track: (rows, d) how far the camera has moved since the first row [m]; None for one that stands still.
    """

    def __init__(
        self,
        rollout: Rollout,
        viewport: Viewport,
        *,
        title: str = "",
        view: View | None = None,
        content: Content | None = None,
        sight: Sight | None = None,
    ) -> None:
        """Fit the camera to the content and the goals; by default to the whole trajectory.

        A panel that is given its content stands beside others, and goes without a legend. The sight is the rollout's,
        where it is known already.
        """
        self.rollout = rollout
        self._sight = sight = sight or Sight(rollout)
        self._painter = Painter(sight, rollout)
        self._viewport, self._title = viewport, title
        self._alone = content is None
        view = view or View()
        content = content or Content.of([sight], [rollout], view)
        shown, self.track = content.points, None
        whole = shown
        if content.follows:
            track = track_of(sight, rollout)
            whole, shown, self.track = sight.content(), shown + track[0], track - track[0]
        self._goals = goals_of(rollout, shown.shape[1])
        self.floor: Floor = floor_of(sight.look.ground, whole)
        # A camera that follows passes goals, whatever they are.
        goals = self._goals if self.track is None else self._goals[:0]
        shown = np.concatenate([shown, _near_floor(self.floor, np.concatenate([shown, goals]))])
        self._shown = np.concatenate([shown, goals])
        self._ends = np.array([self._shown.min(axis=0), self._shown.max(axis=0)])
        azimuth, elevation = sight.look.outlook
        margins = ON_RAIL if sight.look.table else MARGINS if self._alone else BESIDE
        self.camera = Camera.fit(
            self._shown,
            viewport.inset(*(margins if self.track is None else ALONG)),
            azimuth=azimuth if view.azimuth is None else view.azimuth,
            elevation=elevation if view.elevation is None else view.elevation,
            perspective=view.perspective,
            rest=0.15 if shown.shape[1] == 2 and self.floor.solid else 0.5,
        )

    def paint_background(self, canvas: Canvas) -> None:
        """Everything that stays: ground, distance marks, obstacles, goal, title and loss."""
        canvas.clip(self._viewport)
        if self._sight.empty:
            self._paint_nothing(canvas)
            self._paint_words(canvas)
        elif self.track is None:
            self._painter.paint_floor(canvas, self.camera, self._viewport, self.floor, self._shown)
            self._paint_standing(canvas, self.camera)
            self._paint_words(canvas)

    def paint(self, canvas: Canvas, row: int) -> None:
        """What moves, as it is at a row of the trajectory, and the time."""
        canvas.clip(self._viewport)
        camera = self.camera
        if self.track is not None and not self._sight.empty:
            camera, ends = camera.moved(self.track[row]), self._ends + self.track[row]
            if ends.shape[1] == 3:
                paint_passing(canvas, camera, self._viewport, self.floor, ends, self.track[-1])
            else:
                self._painter.paint_floor(canvas, camera, self._viewport, self.floor, ends)
        self._painter.paint_filled(canvas, camera, row)
        if self.track is not None or self._painter.covers:
            self._paint_standing(canvas, camera)
        self._painter.paint(canvas, camera, self.floor, row)
        if self.track is not None:
            self._paint_words(canvas)
        x, y = self._corner(canvas)
        y -= 1.45 * STYLE.text_size * canvas.unit if self._title else 0.0
        colour = STYLE.quiet if self._title else STYLE.text
        size = STYLE.text_size * canvas.unit
        canvas.text(f"{self.rollout.time[row]:.2f} s", (x, y), size=size, colour=colour)

    def _paint_nothing(self, canvas: Canvas) -> None:
        """Say that there is nothing to be seen, and why."""
        middle = self._viewport.left + 0.5 * self._viewport.width
        for k, words in enumerate(why_empty(self.rollout)):
            y = self._viewport.bottom + 0.5 * self._viewport.height - 1.6 * k * STYLE.small_size * canvas.unit
            canvas.text(words, (middle, y), size=STYLE.small_size * canvas.unit, colour=STYLE.quiet, anchor="ms")

    def _paint_standing(self, canvas: Canvas, camera: Camera) -> None:
        """Obstacles and goals."""
        self._painter.paint_scenery(canvas, camera)
        paint_goals(canvas, camera, self.floor, self._goals)

    def _paint_words(self, canvas: Canvas) -> None:
        """Title, loss and legend."""
        x, y = self._corner(canvas)
        if self._title:
            canvas.text(self._title, (x, y), size=STYLE.text_size * canvas.unit, bold=True)
        loss = self.rollout.loss
        if loss is not None and np.ndim(loss) == 0:
            size = STYLE.text_size * canvas.unit
            # A frame without a title may be anybody's; beside one there must be room, a letter of it between.
            told = self.rollout.words.replace("-", "−") if self._title else ""
            room = self._viewport.width - 2 * (x - self._viewport.left) - size
            room -= canvas.width_of(self._title, BOLD * size) if self._title else 0.0
            fits = 0 < len(told) <= SHORT and canvas.width_of(told, size) <= room
            words = told if fits else f"loss {float(loss):.4g}".replace("-", "−")
            place = (2 * self._viewport.left + self._viewport.width - x, y)
            canvas.text(words, place, size=size, colour=STYLE.quiet, anchor="rs")
        if self._alone:
            margin = 14.0 * canvas.unit
            right = self._viewport.left + self._viewport.width - margin
            # The ruler of a reference grid is where the legend is otherwise.
            ruled = not self.floor.solid and len(self.floor.normal) == 2
            ruler = 0.07 * self._viewport.height if ruled else 0.0
            self._painter.paint_legend(canvas, (right, self._viewport.bottom + margin + ruler))

    def _corner(self, canvas: Canvas) -> tuple[float, float]:
        """Start of the first line of words [pixels]."""
        margin = 1.4 * STYLE.text_size * canvas.unit
        return self._viewport.left + margin, self._viewport.bottom + self._viewport.height - 1.4 * margin


def _near_floor(floor: Floor, points: np.ndarray) -> np.ndarray:
    """Feet of the points on the ground, unless the ground is far below: then none."""
    gap = floor.gap(points).min()
    size = float(np.ptp(points, axis=0).max())
    near = floor.solid and gap <= 3.0 * max(size, 0.1)
    return floor.foot(points) if near else points[:0]


class Film(Sequence[np.ndarray]):
    """The frames of a video, each painted when it is asked for: arrays (height, width, 3) uint8.

    Attributes:
        fps: frames per second.
        size: (width, height) [pixels].
    """

    def __init__(self, canvas: Canvas, panels: Sequence[Panel], times: np.ndarray, fps: float) -> None:
        """Paint the background over what is on the canvas; ``times`` (frames,) [s] of the rollouts."""
        self.fps, self.size = fps, canvas.size
        self._canvas, self._panels = canvas, panels
        self._rows = [rows_at(panel.rollout.time, times) for panel in panels]
        self._count = len(times)
        for panel in panels:
            panel.paint_background(canvas)
        canvas.keep()

    def __len__(self) -> int:
        """Number of frames."""
        return self._count

    def __getitem__(self, index: Any) -> Any:
        """The frame of that index, a whole number."""
        if not -self._count <= index < self._count:
            raise IndexError(f"there is no frame {index}; there are {self._count}")
        self._canvas.clear()
        for panel, rows in zip(self._panels, self._rows, strict=True):
            panel.paint(self._canvas, int(rows[index]))
        return self._canvas.picture()


def rows_at(time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Rows of a trajectory whose ``time`` (rows,) is nearest to each of the wanted times [s]."""
    after = np.clip(np.searchsorted(time, wanted), 1, max(len(time) - 1, 1))
    if len(time) == 1:
        return np.zeros(len(wanted), dtype=np.intp)
    earlier = wanted - time[after - 1] <= time[after] - wanted
    return after - earlier


def frame_times(time: np.ndarray, fps: float, speed: float) -> np.ndarray:
    """(frames,) times of the trajectory [s] that frames show: every ``speed / fps`` from the first row on."""
    fps, speed = number("fps", fps, above=0.0), number("speed", speed, above=0.0)
    # A thousandth of a frame: the last row is shown though its time was summed up in float32.
    count = int(np.floor((time[-1] - time[0]) * fps / speed + 1e-3)) + 1
    return time[0] + np.arange(count) * speed / fps


def film_of(
    rollout: Rollout,
    *,
    size: tuple[int, int],
    fps: float,
    speed: float,
    env: int,
    title: str,
    view: View | None,
) -> Film:
    """The film of one environment of a rollout; see `frames`."""
    canvas = Canvas(_checked(size))
    panel = Panel(rollout.env(env), Viewport(0, 0, *canvas.size), title=title, view=view)
    return Film(canvas, [panel], frame_times(rollout.time, fps, speed), fps)


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    width, height = (int(edge) for edge in size)
    if min(width, height) < 32 or max(width, height) > 8192:
        raise InputError(f"size is {width} x {height}, but pictures have from 32 to 8192 pixels either way")
    return width, height


def frames(
    rollout: Rollout,
    *,
    size: tuple[int, int] = (512, 512),
    fps: float = 30.0,
    speed: float = 1.0,
    env: int = 0,
    title: str = "",
    view: View | None = None,
) -> Iterator[np.ndarray]:
    """Pictures (height, width, 3) uint8 of a rollout; frame k is the row nearest to ``k * speed / fps``.

    Args:
        rollout: what to show.
        size: (width, height) [pixels].
        fps: frames per second of viewing.
        speed: seconds of the rollout per second of viewing; below 1 is slow motion.
        env: the environment to show.
        title: words above the picture.
        view: where the eye is.
    """
    return iter(film_of(rollout, size=size, fps=fps, speed=speed, env=env, title=title, view=view))


class Snapshot(np.ndarray):
    """A picture as an array (height, width, 3) uint8, which a notebook shows as a picture."""

    def _repr_png_(self) -> bytes | None:
        """For notebooks; nothing of a part of a picture that is none itself."""
        if self.ndim != 3 or self.shape[2] != 3 or self.dtype != np.uint8 or not self.size:
            return None
        held = io.BytesIO()
        Image.fromarray(np.asarray(self)).save(held, format="PNG")
        return held.getvalue()


def snapshot(
    rollout: Rollout,
    step: int = -1,
    *,
    size: tuple[int, int] = (512, 512),
    env: int = 0,
    title: str = "",
    view: View | None = None,
) -> Snapshot:
    """One picture (height, width, 3) uint8 of a rollout at row ``step`` of its trajectory; -1 is the last.

    It is an array, which a notebook shows as a picture; `save_png` writes it.
    """
    rows = len(rollout.time)
    if not -rows <= step < rows:
        raise InputError(f"step is {step}, but the trajectory has rows 0 to {rows - 1}")
    canvas = Canvas(_checked(size))
    panel = Panel(rollout.env(env), Viewport(0, 0, *canvas.size), title=title, view=view)
    found: Snapshot = Film(canvas, [panel], rollout.time[[step]], 1.0)[0].view(Snapshot)
    return found


def save_png(picture: np.ndarray, path: str | Path) -> Path:
    """Write a picture (height, width, 3) uint8 as PNG and return its path; folders are made as needed."""
    path = Path(path)
    with draft(path) as beside:
        Image.fromarray(picture).save(beside, format="PNG", optimize=True)
    return path
