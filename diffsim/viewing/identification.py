"""What an identification found, as a page: a table, measurements beside the model, and how numbers hang together."""

from __future__ import annotations

import base64
import functools
import html
import io
from collections.abc import Callable
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from diffsim.viewing.style import DARK, STYLE, Style

__all__ = ["report_html"]

MOST_SIGNALS = 6  # of a log are drawn
MOST_LOGS = 8
MOST_NUMBERS = 30  # whose correlation is drawn with names
DPI = 120

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body><h1>{title}</h1>{body}</body></html>
"""

CSS = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 1000px; padding: clamp(14px, 2.4vw, 36px); background: #fbfaf7; color: #2d3440;
  font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: clamp(22px, 3.2vw, 31px); margin: 0 0 8px; } h2 { font-size: 16px; margin: 26px 0 6px; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { text-align: left; padding: 4px 18px 4px 0; border-bottom: 1px solid #e2ddd0; white-space: nowrap; }
img { width: 100%; height: auto; } p { margin: 6px 0; max-width: 80ch; }
@media (prefers-color-scheme: dark) {
  body { background: #171a1f; color: #dfe3ea; } th, td { border-color: #2b3038; }
}
"""


def report_html(found: Any, *, whole: bool) -> str:
    """A page of an `Identification`, or with ``whole=False`` what a notebook shows.

    Args:
        found: what `identify` gave.
        whole: a document of its own, with pictures for light and dark pages.
    """
    shown: list[tuple[str, str]] = [("What was found", f'<div class="wide">{found.table_html()}</div>')]
    for what, fits in (("fitted", found.fits), ("held out", found.held_out)):
        for fit in fits[:MOST_LOGS]:
            title = f"{fit.log.name}, {what}: measured and modelled"
            shown.append((title, _picture(functools.partial(_draw_fit, fit), title, whole)))
    if 1 < len(found.labels) <= MOST_NUMBERS:
        title = "How the errors of the numbers hang together (correlation)"
        shown.append((title, _picture(functools.partial(_draw_correlation, found), title, whole)))
    body = "".join(f"<h2>{html.escape(title)}</h2>{part}" for title, part in shown)
    return PAGE.format(title="Identification", style=CSS, body=body) if whole else f"<div>{body}</div>"


def _picture(draw: Callable[[Style], Figure], words: str, both: bool) -> str:
    """A figure in the page, with another one for dark pages."""
    light = f'<img src="{_png(draw(STYLE))}" alt="{html.escape(words)}">'
    if not both:
        return light
    return f'<picture><source srcset="{_png(draw(DARK))}" media="(prefers-color-scheme: dark)">{light}</picture>'


def _png(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _figure(width: int, height: int, style: Style) -> Figure:
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=style.sky, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _dress(axes: Any, style: Style, up: str) -> None:
    axes.set_facecolor(style.sky)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(style.surface)
    axes.tick_params(colors=style.quiet, labelsize=8)
    axes.grid(axis="y", color=style.guide)
    axes.set_axisbelow(True)
    axes.set_ylabel(up, color=style.quiet, fontsize=8)


def _draw_fit(fit: Any, style: Style) -> Figure:
    """Each signal with what is left of it below; of many signals those that fit worst."""
    rms = fit.rms
    names = sorted(rms, key=lambda name: -rms[name])[:MOST_SIGNALS]
    names = [name for name in rms if name in names]
    with matplotlib.style.context("default"):
        figure = _figure(960, 240 * len(names), style)
        grid = figure.subplots(2 * len(names), 1, sharex=True, height_ratios=[2.2, 1.0] * len(names), squeeze=False)
        for name, above, below in zip(names, grid[0::2, 0], grid[1::2, 0], strict=True):
            unit = f" [{fit.units[name]}]" if fit.units[name] else ""
            _dress(above, style, f"{name}{unit}")
            _dress(below, style, f"left{unit}")
            above.plot(fit.times[name], fit.measured[name], ".", color=style.gradient, markersize=3, label="measured")
            above.plot(fit.times[name], fit.modelled[name], color=style.best, linewidth=1.3, label="modelled")
            below.axhline(0.0, color=style.surface, linewidth=0.8)
            below.plot(fit.times[name], fit.modelled[name] - fit.measured[name], ".", color=style.loss, markersize=3)
        grid[0, 0].legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=8, labelcolor=style.quiet
        )
        grid[-1, 0].set_xlabel("time [s]", color=style.quiet, fontsize=8)
    return figure


def _draw_correlation(found: Any, style: Style) -> Figure:
    n = len(found.labels)
    with matplotlib.style.context("default"):
        figure = _figure(960, 220 + 24 * n, style)
        axes = figure.add_subplot()
        axes.set_facecolor(style.guide)
        image = axes.imshow(found.correlation, cmap="coolwarm", vmin=-1.0, vmax=1.0)
        axes.set_xticks(range(n), found.labels, rotation=45, ha="right", fontsize=8, color=style.quiet)
        axes.set_yticks(range(n), found.labels, fontsize=8, color=style.quiet)
        axes.tick_params(colors=style.quiet)
        for i, j in np.argwhere(np.isfinite(found.correlation)).tolist() if n <= 12 else []:
            value = found.correlation[i, j]
            ink = "#ffffff" if abs(value) > 0.6 else "#20242b"
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color=ink)
        bar = figure.colorbar(image, ax=axes, shrink=0.8)
        bar.ax.tick_params(colors=style.quiet, labelsize=8)
    return figure
