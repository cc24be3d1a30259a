"""Videos of rollouts and of optimisations: MP4 where there is an encoder, GIF where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from diffsim.errors import InputError, VideoError
from diffsim.files import draft
from diffsim.rollout import Rollout
from diffsim.viewing.camera import Viewport
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.curves import History, best_iteration, paint_curve
from diffsim.viewing.frames import Film, Panel, film_of, frame_times
from diffsim.viewing.sight import Sight
from diffsim.viewing.style import STYLE, rgba
from diffsim.viewing.view import Content, View

__all__ = ["VideoError", "find_encoder", "render_beside", "render_optimisation", "render_video"]

# A GIF counts in hundredths of a second, and browsers slow down what has less than two of them per frame.
GIF_FPS = 50.0

# Frames that the colours of a GIF are taken from.
PALETTE_FRAMES = 16

# So many of the most frequent colours are kept as they are, sky and soil above all; and these, which tell
# what things are however small they are.
PALETTE_EXACT = 32
TELLING = (
    STYLE.contracted,
    STYLE.extended,
    STYLE.resting,
    STYLE.passive,
    STYLE.point,
    STYLE.goal,
    STYLE.pinned,
)

# x264's quality: 18 cannot be told from the original; 23 is its default and smears thin coloured lines.
QUALITY = 18

# A video whose speed is not given lasts at least so long [s].
LEAST = 3.0

# Share of an optimisation's picture that the loss curve takes, at the bottom.
CURVE = 0.36


def render_video(
    rollout: Rollout,
    path: str | Path,
    *,
    fps: float = 30.0,
    size: tuple[int, int] = (512, 512),
    speed: float | None = None,
    env: int = 0,
    title: str = "",
    view: View | None = None,
    encoder: str | Path | None = None,
) -> Path:
    """Write a video of a rollout; MP4 (H.264) or GIF, by the ending of the path.

    Args:
        rollout: what to show.
        path: ends in .mp4 or .gif; folders are made as needed.
        fps: frames per second; a GIF has at most 50.
        size: (width, height) [pixels]; an MP4's are rounded up to even numbers.
        speed: seconds of the rollout per second of the video; below 1 is slow motion. None is 1, or as slow as it takes
            for three seconds of video.
        env: the environment to show.
        title: words above the picture.
        view: where the eye is.
        encoder: path of an ffmpeg program; by default see `find_encoder`.

    Returns:
        The path that was written: with a warning a .gif, if an .mp4 was asked for and there is no encoder.
    """
    path, program = _destination(path, encoder)
    fps, size = _fitting(path, fps, size)
    pace = _pace(rollout, speed)
    film = film_of(rollout, size=size, fps=fps, speed=pace, env=env, title=title, view=view)
    return _write(film, path, program)


def render_beside(
    rollouts: Mapping[str, Rollout],
    path: str | Path,
    *,
    fps: float = 30.0,
    size: tuple[int, int] | None = None,
    speed: float | None = None,
    env: int = 0,
    view: View | None = None,
    encoder: str | Path | None = None,
) -> Path:
    """Write a video of rollouts beside each other: a controller here and in MuJoCo, before and after.

    Args:
        rollouts: one to four, by the words above each; one that is shorter than the others stops at its end.
        path: ends in .mp4 or .gif; folders are made as needed.
        fps: frames per second; a GIF has at most 50.
        size: (width, height) [pixels]; None gives each rollout 400 pixels of width.
        speed: seconds of the rollouts per second of the video; None as of `render_video`, by the longest of them.
        env: the environment to show.
        view: where the eye is.
        encoder: path of an ffmpeg program; by default see `find_encoder`.

    Returns:
        The path that was written, as of `render_video`.
    """
    given = list(rollouts.values())
    path, program = _destination(path, encoder)
    canvas, times, fps = _beside(path, given, fps, size or (400 * max(len(given), 2), 400), speed)
    return _write(Film(canvas, _panels(canvas, given, list(rollouts), env, view), times, fps), path, program)


def render_optimisation(
    rollouts: Sequence[tuple[int, Rollout]],
    history: History,
    path: str | Path,
    *,
    fps: float = 30.0,
    size: tuple[int, int] | None = None,
    speed: float | None = None,
    env: int = 0,
    view: View | None = None,
    hold: float = 0.7,
    encoder: str | Path | None = None,
) -> Path:
    """Write a video of how an optimisation got there: rollouts side by side above the loss curve.

    Args:
        rollouts: one to four pairs (iteration, rollout), typically of the first, a middle and the best one.
        history: one mapping per iteration: ``iteration``, ``loss`` (None or NaN where a step was rejected),
            ``best`` and ``gradient_norm``.
        path: ends in .mp4 or .gif; folders are made as needed.
        fps: frames per second; a GIF has at most 50.
        size: (width, height) [pixels]; None gives each rollout 400 pixels of width.
        speed: seconds of the rollouts per second of the video; None as of `render_video`, by the longest of them.
        env: the environment to show.
        view: where the eye is.
        hold: for how long the last frame stays [s].
        encoder: path of an ffmpeg program; by default see `find_encoder`.

    Returns:
        The path that was written, as of `render_video`.
    """
    count, best = len(rollouts), best_iteration(history)
    given, titles = [rollout for _, rollout in rollouts], []
    for k, _ in rollouts:
        titles.append(f"iteration {k}" + (" (best)" if k == best else ""))
    path, program = _destination(path, encoder)
    canvas, times, fps = _beside(path, given, fps, size or (400 * max(count, 2), 540), speed)
    times = np.concatenate([times, np.full(round(hold * fps), times[-1])])
    panels = _panels(canvas, given, titles, env, view, CURVE)
    curve = Viewport(0.0, 0.0, canvas.size[0], CURVE * canvas.size[1])
    paint_curve(canvas, curve, history, [iteration for iteration, _ in rollouts])
    return _write(Film(canvas, panels, times, fps), path, program)


def _beside(
    path: Path, rollouts: Sequence[Rollout], fps: float, size: tuple[int, int], speed: float | None
) -> tuple[Canvas, np.ndarray, float]:
    """A canvas, the times of its frames, and how many a second the format can hold."""
    if not 1 <= len(rollouts) <= 4:
        raise InputError(f"{len(rollouts)} rollouts were given, but one to four fit side by side")
    fps, size = _fitting(path, fps, size)
    longest = max(rollouts, key=lambda rollout: np.ptp(rollout.time))
    return Canvas(size), frame_times(longest.time, fps, _pace(longest, speed)), fps


def _pace(rollout: Rollout, speed: float | None) -> float:
    """The speed that was given, or one that is not over before anybody has looked."""
    span = float(np.ptp(rollout.time))
    if speed is not None or span == 0.0:
        return 1.0 if speed is None else speed
    return min(1.0, span / LEAST)


def _panels(
    canvas: Canvas,
    rollouts: Sequence[Rollout],
    titles: Sequence[str],
    env: int,
    view: View | None,
    below: float = 0.0,
) -> list[Panel]:
    """The rollouts side by side, seen by one camera or each by its own; a share of the picture stays free below."""
    gap = 8.0 * canvas.unit
    width, height = canvas.size
    wide = (width - gap * (len(rollouts) - 1)) / len(rollouts)
    places = [Viewport(k * (wide + gap), below * height, wide, (1.0 - below) * height) for k in range(len(rollouts))]
    alone = [rollout.env(env) for rollout in rollouts]
    sights = [Sight(rollout) for rollout in alone]
    content = Content.of(sights, alone, view or View())
    return [
        Panel(rollout, place, title=title, view=view, content=content, sight=sight)
        for rollout, place, title, sight in zip(alone, places, titles, sights, strict=True)
    ]


def find_encoder(given: str | Path | None = None) -> str | None:
    """The ffmpeg program to use, or None: ``given``, $DIFFSIM_FFMPEG, the system's, then imageio-ffmpeg's.

    Raises:
        InputError: if the program that was asked for is not there.
    """
    for source, wanted in (("encoder", given), ("DIFFSIM_FFMPEG", os.environ.get("DIFFSIM_FFMPEG"))):
        if wanted:
            found = shutil.which(str(wanted))
            if found is None:
                raise InputError(f"{source} is {str(wanted)!r}, but there is no program of that name")
            return found
    return shutil.which("ffmpeg") or _packaged_encoder()


def _packaged_encoder() -> str | None:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # not installed; installed without its program
        return None


def _destination(path: str | Path, encoder: str | Path | None) -> tuple[Path, str | None]:
    """Where to write, and the encoder for it; None writes a GIF."""
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in (".mp4", ".gif"):
        raise InputError(f"the path of the video is {str(path)!r}, but it must end in .mp4 or .gif")
    program = find_encoder(encoder) if ending == ".mp4" else None
    if ending == ".mp4" and program is None:
        path = path.with_suffix(".gif")
        warnings.warn(
            f"there is no ffmpeg for an MP4, so the video goes to {path}; "
            'for an MP4, pip install "diffsim[video]" or set DIFFSIM_FFMPEG to the path of an ffmpeg',
            stacklevel=3,
        )
    return path, program


def _fitting(path: Path, fps: float, size: tuple[int, int]) -> tuple[float, tuple[int, int]]:
    """Frames per second and size that the format can hold."""
    if path.suffix.lower() == ".gif":
        return min(fps, GIF_FPS), (size[0], size[1])
    # yuv420p has one colour for each two by two pixels.
    return fps, (size[0] + size[0] % 2, size[1] + size[1] % 2)


def _write(film: Film, path: Path, program: str | None) -> Path:
    with draft(path) as beside:
        if program is None:
            _write_gif(film, beside)
        else:
            _write_mp4(film, beside, program)
    return path


def _write_mp4(film: Film, path: Path, program: str) -> None:
    width, height = film.size
    # Colours are said to be those of HDTV, and are: players guess otherwise, and differently.
    colours = [
        "-colorspace",
        "bt709",
        "-color_primaries",
        "bt709",
        "-color_trc",
        "bt709",
        "-color_range",
        "tv",
    ]
    command = [
        *(program, "-hide_banner", "-loglevel", "error", "-nostdin", "-y"),
        *(
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            f"{width}x{height}",
            "-r",
            f"{film.fps:g}",
            "-i",
            "pipe:0",
        ),
        *("-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p", *colours),
        *("-c:v", "libx264", "-crf", str(QUALITY), "-preset", "medium", "-movflags", "+faststart"),
        *("-f", "mp4", str(path)),
    ]
    # What it says goes to a file: a pipe that nobody reads while frames are written would block both.
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said) as encoder:
            assert encoder.stdin is not None
            try:
                for frame in film:
                    encoder.stdin.write(frame.data)
            except BrokenPipeError:
                pass  # it ended early; its exit status and last words say why
            except BaseException:
                encoder.kill()
                raise
            finally:
                _close(encoder.stdin)
        said.seek(0)
        words = said.read().decode(errors="replace").strip()
    if encoder.returncode != 0:
        raise VideoError(f"{program} ended with status {encoder.returncode}: {words[-1500:] or 'it said nothing'}")


def _close(pipe: IO[bytes]) -> None:
    # Closing writes what is buffered, which fails where the reader is gone; the pipe is closed all the same.
    with suppress(BrokenPipeError):
        pipe.close()


def _write_gif(film: Film, path: Path) -> None:
    painter = _Palette(film)
    pictures = (painter.convert(frame) for frame in film)
    ends = np.rint(np.arange(len(film) + 1) * 100.0 / film.fps).astype(int)
    next(pictures).save(
        path,
        format="GIF",
        save_all=True,
        append_images=pictures,
        duration=(10 * np.diff(ends)).tolist(),
        loop=0,
        # Said here, or Pillow writes the same palette again with each frame.
        palette=painter.colours.tobytes(),
        optimize=False,
    )


class _Palette:
    """256 colours for all frames of a film; flat areas keep their exact colour.

    Pillow's own way to a given palette rounds colours to multiples of four first: the sky would change.

    Attributes:
        colours: (256, 3) uint8.
    """

    def __init__(self, film: Film) -> None:
        """Choose the colours: the most frequent as they are, the others by median cut."""
        chosen = np.unique(np.linspace(0, len(film) - 1, PALETTE_FRAMES).astype(int))
        found, counts = np.unique(np.concatenate([_packed(film[k]) for k in chosen.tolist()]), return_counts=True)
        order = np.argsort(-counts, kind="stable")
        telling = np.rint(255.0 * np.array([rgba(colour)[:3] for colour in TELLING])).astype(np.uint8)
        exact, others = np.union1d(found[order[:PALETTE_EXACT]], _packed(telling)), order[PALETTE_EXACT:]
        # A colour counts by the root of how often it occurs: thin springs get their share beside the ground.
        sample = np.repeat(found[others], np.ceil(np.sqrt(counts[others])).astype(int))
        self.colours = np.zeros((256, 3), dtype=np.uint8)
        self.colours[: len(exact)] = _unpacked(exact)
        if len(sample):
            mixed = Image.fromarray(_unpacked(sample)[None]).quantize(256 - len(exact))
            rest = np.array(mixed.getpalette(), dtype=np.uint8).reshape(-1, 3)
            self.colours[len(exact) : len(exact) + len(rest)] = rest
        # Index of the nearest colour for each of 2^24, found when one first occurs; -1 until then.
        self._nearest = np.full(1 << 24, -1, dtype=np.int16)

    def convert(self, frame: np.ndarray) -> Image.Image:
        """The frame (height, width, 3) uint8 in these colours."""
        packed = _packed(frame)
        new = np.unique(packed[self._nearest[packed] < 0])
        for part in np.array_split(new, 1 + len(new) // 4096):
            apart = _unpacked(part)[:, None].astype(np.int32) - self.colours.astype(np.int32)
            self._nearest[part] = np.argmin(np.sum(apart**2, axis=2), axis=1)
        image = Image.fromarray(self._nearest[packed].astype(np.uint8).reshape(frame.shape[:2]))
        image.putpalette(self.colours.tobytes())
        return image


def _packed(frame: np.ndarray) -> np.ndarray:
    """(pixels,) each colour of an array (..., 3) uint8 as one number."""
    red, green, blue = np.moveaxis(frame.astype(np.int32), -1, 0)
    return (red << 16 | green << 8 | blue).reshape(-1)


def _unpacked(colours: np.ndarray) -> np.ndarray:
    """(m, 3) uint8 of numbers (m,) that `_packed` made."""
    return np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype(np.uint8)
