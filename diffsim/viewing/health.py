"""How the gradient grows backwards in time, as a picture."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import Any, overload

import numpy as np
from matplotlib.figure import Figure

from diffsim.viewing.curves import Picture, drawn_figure, dress, written_figure
from diffsim.viewing.style import STYLE

__all__ = ["plot_health"]

NAMES = {"f32": "float32", "f64": "float64"}
COLOURS = {"f32": STYLE.gradient, "f64": STYLE.best}

# A limit farther than this above all norms is not drawn, but for that of the precision in use [decimal digits].
NEAR = 3.0


@overload
def plot_health(report: Any, path: str | Path, *, size: tuple[int, int] = ...) -> Path: ...


@overload
def plot_health(report: Any, path: None = None, *, size: tuple[int, int] = ...) -> Picture: ...


def plot_health(report: Any, path: str | Path | None = None, *, size: tuple[int, int] = (960, 540)) -> Path | Picture:
    """Draw the norm of the adjoint of the state over time, on a logarithmic axis: it comes about from right to left.

    A line for each environment in each precision, the fitted growth of the one that gains most, where no digit of a
    precision is left, and ticks at the bottom where contact switches. A cross marks where an adjoint ends, not finite.

    Args:
        report: of `diffsim.gradient_health`.
        path: of the picture, .png, .svg or .pdf; folders are made as needed. None writes none: a notebook shows what
            is returned.
        size: (width, height) [pixels].

    Returns:
        The path; without one a picture with ``save(path)``.
    """
    if path is None:
        held = io.BytesIO()
        with drawn_figure(held, size) as figure:
            _draw(figure, report)
        return Picture(held.getvalue())
    with written_figure(Path(path), size) as figure:
        _draw(figure, report)
    return Path(path)


def health_html(report: Any) -> str:
    """The picture as an element of a page."""
    png = base64.b64encode(plot_health(report, size=(840, 420))._repr_png_()).decode()
    words = html.escape("norm of the adjoint of the state over time")
    return f'<img alt="{words}" style="max-width: 100%" src="data:image/png;base64,{png}">'


def _draw(figure: Figure, report: Any) -> None:
    time = np.asarray(report.at) * report.dt
    passes = [found for found in (report.passes, report.other) if found is not None]
    axes = figure.add_subplot()
    dress(axes, 9.0, "time [s]; the gradient goes from right to left", "norm of the adjoint of the state")
    axes.set_yscale("log")
    axes.set_xlim(-0.01 * report.steps * report.dt, 1.01 * report.steps * report.dt)
    for width, found in reversed(list(zip((1.0, 1.7), passes, strict=False))):  # that of the simulation is on top
        _draw_norms(axes, time, found, width)
    _draw_limits(axes, passes)
    _draw_fit(axes, time, report.passes, report.dt)
    _draw_switches(axes, report)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9.0, labelcolor=STYLE.text, loc="best")


def _known(norms: np.ndarray) -> np.ndarray:
    """The norms with a logarithm, nan for others."""
    return np.where(np.isfinite(norms) & (norms > 0.0), norms, np.nan)


def _draw_norms(axes: Any, time: np.ndarray, passes: Any, width: float) -> None:
    count = len(passes.norms)
    alpha = 1.0 if count == 1 else max(0.25, 0.8 / count**0.5)
    style = {"color": COLOURS[passes.precision], "linewidth": width * (1.3 if count == 1 else 0.8), "alpha": alpha}
    for env, norms in enumerate(_known(passes.norms)):
        marker = "o" if np.isfinite(norms).sum() == 1 else ""
        axes.plot(time, norms, marker=marker, label=NAMES[passes.precision] if env == 0 else None, **style)
        here = np.flatnonzero(np.isnan(passes.norms[env]))
        after = np.flatnonzero(np.isfinite(norms))
        if len(here) and len(after) and after[0] == here[-1] + 1:
            axes.plot(time[after[0]], norms[after[0]], "X", color=STYLE.contracted, markersize=8.0, zorder=5)


def _draw_limits(axes: Any, passes: list[Any]) -> None:
    """A line where rounding errors that grow with the norm have reached the number itself."""
    logs = [np.log10(_known(found.norms)) for found in passes]
    most = max((np.nanmax(values) for values in logs if np.isfinite(values).any()), default=None)
    for k, (found, values) in enumerate(zip(passes, logs, strict=True)):
        ends = [row[np.isfinite(row)][-1] for row in values if np.isfinite(row).any()]
        if most is None or not ends:
            continue
        limit = float(np.median(ends)) + found.limit
        if limit > 300.0 or (k and limit > most + NEAR):
            continue
        axes.axhline(10.0**limit, color=COLOURS[found.precision], linewidth=1.0, linestyle=(0, (1, 2)))
        axes.set_ylim(top=max(axes.get_ylim()[1], 10.0 ** (limit + 1.0)))
        words = f"from here on no digit of {NAMES[found.precision]} is left"
        place = {"xy": (1.0, 10.0**limit), "xycoords": ("axes fraction", "data"), "xytext": (-2, 3)}
        style = {"ha": "right", "va": "bottom", "fontsize": 8.0, "color": STYLE.quiet}
        axes.annotate(words, textcoords="offset points", **place, **style)


def _draw_fit(axes: Any, time: np.ndarray, passes: Any, dt: float) -> None:
    """The least-squares line, which goes through the mean, of the environment that gains most digits."""
    if not np.isfinite(passes.digits).any():
        return
    env = int(np.nanargmax(passes.digits))
    logs, rate = np.log10(_known(passes.norms[env])), passes.growth[env]
    known = np.isfinite(logs)
    if not np.isfinite(rate) or known.sum() < 2:
        return
    span = time[known][[0, -1]]
    line = logs[known].mean() - np.log10(rate) / dt * (span - time[known].mean())
    style = {"color": STYLE.text, "linewidth": 1.0, "linestyle": (0, (5, 3)), "zorder": 4}
    axes.plot(span, 10.0**line, label=f"fit: {rate:.4f} per step", **style)


def _draw_switches(axes: Any, report: Any) -> None:
    steps = sorted({change.step for change in report.contacts or ()})
    if steps:
        style = {"color": STYLE.surface, "linewidth": 0.8}
        at = np.asarray(steps) * report.dt
        axes.vlines(at, 0.0, 0.025, transform=axes.get_xaxis_transform(), label="contact switches", **style)
