"""The loss over the iterations of an optimisation, as a picture of its own or below a video."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from diffsim.files import draft, write_whole
from diffsim.tuning import load_history
from diffsim.tuning.changes import led_nowhere
from diffsim.viewing.camera import Viewport
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.style import STYLE

__all__ = [
    "History",
    "Picture",
    "best_iteration",
    "dress",
    "paint_curve",
    "plot_comparison",
    "plot_loss",
    "written_figure",
]

# One mapping per iteration: "iteration", "loss" (None or NaN where a step was rejected), "best" and
# "gradient_norm".
History = Sequence[Mapping[str, Any]]

# Where a legend is: in a line above the curves, which it leaves free.
ABOVE: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "ncols": 3, "borderaxespad": 0.2}

# Values on a logarithmic axis that spread over less than this factor hold a single power of ten, or none.
DECADES = 100.0

# Below this factor 1, 2 and 5 are too few: labels are at equal distances, as on another axis.
FEW = 5.0

# Losses that are all positive and spread over more than this factor are drawn on a logarithmic axis.
LOG_FROM = 30.0


def _column(history: History, name: str) -> np.ndarray:
    """(iterations,) the values of one name; NaN where there is none, the least where there are several."""
    values = [entry.get(name) for entry in history]
    return np.array([np.nan if value is None else float(np.min(value)) for value in values])


def _curves(history: History) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(iterations,) each: iteration, loss, best so far, gradient norm; NaN where not finite, or a step led nowhere."""
    at, loss, best, slope = (_column(history, name) for name in ("iteration", "loss", "best", "gradient_norm"))
    at = np.where(np.isfinite(at), at, np.arange(len(at)))
    loss, slope = (np.where(np.isfinite(values), values, np.nan) for values in (loss, slope))
    seen = np.minimum.accumulate(np.where(np.isnan(loss), np.inf, loss)) if len(loss) else loss
    best = np.where(np.isfinite(best), best, np.where(np.isfinite(seen), seen, np.nan))
    nowhere = led_nowhere(history)
    return at, np.where(nowhere, np.nan, loss), best, np.where(nowhere, np.nan, slope)


def best_iteration(history: History) -> int | None:
    """The first iteration with the best loss of all; None where no loss is finite."""
    at, _, best, _ = _curves(history)
    return int(at[np.nanargmin(best)]) if np.isfinite(best).any() else None


def _draw_losses(axes: Any, history: History, width: float) -> None:
    """Loss and best so far on matplotlib axes, with lines of that width [pt]."""
    at, loss, best, _ = _curves(history)
    fine = loss[np.isfinite(loss)]
    marker = "o" if len(fine) < 2 else ""
    axes.plot(at, loss, color=STYLE.loss, linewidth=width, marker=marker, label="loss")
    axes.plot(at, best, color=STYLE.best, linewidth=1.6 * width, drawstyle="steps-post", label="best so far")
    if len(fine):
        lowest = min(fine.min(), np.nanmin(best))  # below all losses if those are means over samples
        positive = lowest > 0.0 and fine.max() > LOG_FROM * lowest
        if positive:
            _logarithmic(axes, np.append(fine, lowest))
        else:
            axes.set_ylim(*_limits(fine, lowest))
    axes.set_xlim(*_padded(at, 0.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, steps=[1, 2, 5, 10]))


@contextmanager
def written_figure(path: Path, size: tuple[int, int]) -> Iterator[Figure]:
    """A figure of that size [pixels], written to ``path`` in the end, whole or not at all."""
    held = io.BytesIO()
    with drawn_figure(held, size, path.suffix[1:].lower() or "png") as figure:
        yield figure
    with draft(path) as beside:
        beside.write_bytes(held.getvalue())


@contextmanager
def drawn_figure(file: io.BytesIO, size: tuple[int, int], kind: str = "png") -> Iterator[Figure]:
    """A figure of that size [pixels], drawn into ``file`` in the end."""
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(size[0] / 120, size[1] / 120), dpi=120, facecolor=STYLE.sky, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        figure.savefig(file, format=kind)


def plot_comparison(histories: Mapping[str, History], path: str | Path, *, size: tuple[int, int] = (960, 540)) -> Path:
    """Write the best losses so far of several runs over their iterations.

    Args:
        histories: of the runs by name, as of `plot_loss`.
        path: of the picture, its ending is the format; folders are made as needed.
        size: (width, height) [pixels].

    Returns:
        The path.
    """
    with written_figure(Path(path), size) as figure:
        axes = figure.add_subplot()
        dress(axes, 9.0, up="best loss so far")
        known = []
        for name, history in histories.items():
            at, _, best, _ = _curves(history)
            axes.plot(at, best, linewidth=1.6, drawstyle="steps-post", label=name)
            known.append(best[np.isfinite(best)])
        every = np.concatenate(known) if known else np.zeros(0)
        if len(every) and every.min() > 0.0 and every.max() > LOG_FROM * every.min():
            _logarithmic(axes, every)
        axes.legend(**{**ABOVE, "ncols": 1}, frameon=False, fontsize=9.0, labelcolor=STYLE.text)
    return Path(path)


def _logarithmic(axes: Any, values: np.ndarray) -> None:
    """A logarithmic axis whose labels do not overlap: of decades, or of a few round numbers where there are not two.

    (matplotlib labels each of 2, 3, ..., 9 times a power of ten where the axis holds no more than one such power.)
    """
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    if len(values) and values.max() < DECADES * values.min():
        near = values.max() < FEW * values.min()
        few = MaxNLocator(nbins=4, steps=[1, 2, 5, 10]) if near else LogLocator(subs=(1.0, 2.0, 5.0))
        axes.yaxis.set_major_locator(few)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))


def _limits(losses: np.ndarray, low: float) -> tuple[float, float]:
    """Lower and upper limit that show ``low`` and all losses but rare spikes; those leave the picture at its top."""
    middle, most = np.quantile(losses, 0.9), losses.max()
    high = min(most, max(middle + 1.0 * (middle - low), losses[0]))
    margin = 0.08 * (high - low) or 0.08 * abs(high) or 1.0
    return float(low - margin), float(high + margin)


def _padded(values: np.ndarray, share: float) -> tuple[float, float]:
    if len(values) == 0:
        return 0.0, 1.0
    margin = share * float(np.ptp(values)) or 1.0
    return float(values.min() - margin), float(values.max() + margin)


def dress(axes: Any, letters: float, across: str = "iteration", up: str = "loss") -> None:
    """Axes without a box, faint lines behind the curves, letters of that size [pt], and what is along each axis."""
    axes.set_facecolor(STYLE.sky)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(STYLE.surface)
    axes.tick_params(colors=STYLE.quiet, labelsize=letters, which="both")
    axes.grid(axis="y", color=STYLE.guide, linewidth=1.0)
    axes.set_axisbelow(True)
    axes.set_xlabel(across, color=STYLE.quiet, fontsize=letters)
    axes.set_ylabel(up, color=STYLE.quiet, fontsize=letters)


def paint_curve(canvas: Canvas, viewport: Viewport, history: History, shown: Sequence[int]) -> None:
    """Loss and best so far in a rectangle of the picture, with markers at the iterations that are shown."""
    width, height = canvas.size
    letters = STYLE.small_size * canvas.unit
    box = Viewport(
        viewport.left + 6.5 * letters,
        viewport.bottom + 3.6 * letters,
        viewport.width - 8.5 * letters,
        viewport.height - 5.6 * letters,
    )
    with matplotlib.style.context("default"):
        place = (box.left / width, box.bottom / height, box.width / width, box.height / height)
        axes = canvas.figure.add_axes(place)
        dress(axes, letters)
        _draw_losses(axes, history, 1.3 * canvas.unit)
        at, loss, best, _ = _curves(history)
        marks = np.isin(at, shown)
        level = np.where(np.isfinite(loss), loss, best)[marks]
        size = 7.0 * canvas.unit
        style: dict[str, Any] = {"color": STYLE.contracted, "markeredgecolor": STYLE.sky, "markersize": size}
        axes.plot(at[marks], level, "o", clip_on=False, zorder=5, **style)
        if len(at):
            axes.legend(**ABOVE, frameon=False, fontsize=letters, labelcolor=STYLE.quiet)
        canvas.clip(None)
        canvas.draw(axes)


class Picture:
    """A picture that is not in a file: a notebook shows it, `save` writes it."""

    def __init__(self, png: bytes):
        self._png = png

    def _repr_png_(self) -> bytes:
        """For notebooks."""
        return self._png

    def save(self, path: str | Path) -> Path:
        """Write it; returns the path."""
        write_whole(Path(path), self._png)
        return Path(path)


def history_of(run: Any) -> History:
    """The records of a `Result`, of what `load_run` gave, or of a run's folder; a history is given back as it is."""
    if isinstance(run, (str, Path)):
        return load_history(run)
    found: History = getattr(run, "history", run)
    return found


@overload
def plot_loss(history: Any, path: str | Path, *, size: tuple[int, int] = ...) -> Path: ...


@overload
def plot_loss(history: Any, path: None = None, *, size: tuple[int, int] = ...) -> Picture: ...


def plot_loss(history: Any, path: str | Path | None = None, *, size: tuple[int, int] = (960, 540)) -> Path | Picture:
    """Draw loss and best so far over the iterations, and the gradient's norm on an axis of its own, as PNG.

    Args:
        history: a `Result`, what `load_run` gave, or a run's folder; or one mapping per iteration: ``iteration``,
            ``loss`` (None or NaN where a step was rejected), ``best`` and ``gradient_norm``.
        path: of the picture; folders are made as needed. None writes none: a notebook shows what is returned.
        size: (width, height) [pixels].

    Returns:
        The path; without one a picture with ``save(path)``.
    """
    history = history_of(history)
    if path is None:
        held = io.BytesIO()
        with drawn_figure(held, size) as figure:
            _draw_history(figure, history)
        return Picture(held.getvalue())
    with written_figure(Path(path), size) as figure:
        _draw_history(figure, history)
    return Path(path)


def _draw_history(figure: Figure, history: History) -> None:
    axes = figure.add_subplot()
    dress(axes, 9.0)
    _draw_losses(axes, history, 1.2)
    lines, labels = axes.get_legend_handles_labels()
    at, _, _, slope = _curves(history)
    if np.any(slope > 0.0):
        right = axes.twinx()
        positive = np.where(slope > 0.0, slope, np.nan)
        lines += right.plot(at, positive, color=STYLE.gradient, linewidth=0.9, alpha=0.8)
        labels += ["gradient norm"]
        _logarithmic(right, positive[np.isfinite(positive)])
        right.set_ylabel("gradient norm", color=STYLE.gradient, fontsize=9.0)
        right.tick_params(colors=STYLE.gradient, labelsize=9.0, which="both")
        right.spines[:].set_visible(False)
    if len(at):
        axes.legend(lines, labels, **ABOVE, frameon=False, fontsize=9.0, labelcolor=STYLE.text)
