"""What an identification found, as a page: a table, measurements beside the model, and how numbers hang together."""

from __future__ import annotations

import functools
import html
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

from diffsim.viewing.pages import document, dress, figure, picture
from diffsim.viewing.style import Style

__all__ = ["report_html"]

MOST_SIGNALS = 6  # of a log are drawn
MOST_LOGS = 8
MOST_NUMBERS = 30  # whose correlation is drawn with names


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
            shown.append((title, picture(functools.partial(_draw_fit, fit), title, both=whole)))
    if 1 < len(found.labels) <= MOST_NUMBERS:
        title = "How the errors of the numbers hang together (correlation)"
        shown.append((title, picture(functools.partial(_draw_correlation, found), title, both=whole)))
    body = "".join(f"<h2>{html.escape(title)}</h2>{part}" for title, part in shown)
    return document("Identification", body) if whole else f"<div>{body}</div>"


def _draw_fit(fit: Any, style: Style) -> Figure:
    """Each signal with what is left of it below; of many signals those that fit worst."""
    rms = fit.rms
    names = sorted(rms, key=lambda name: -rms[name])[:MOST_SIGNALS]
    names = [name for name in rms if name in names]
    with matplotlib.style.context("default"):
        made = figure(960, 240 * len(names), style)
        grid = made.subplots(2 * len(names), 1, sharex=True, height_ratios=[2.2, 1.0] * len(names), squeeze=False)
        for name, above, below in zip(names, grid[0::2, 0], grid[1::2, 0], strict=True):
            unit = f" [{fit.units[name]}]" if fit.units[name] else ""
            dress(above, style, up=f"{name}{unit}")
            dress(below, style, up=f"left{unit}")
            above.plot(fit.times[name], fit.measured[name], ".", color=style.gradient, markersize=3, label="measured")
            above.plot(fit.times[name], fit.modelled[name], color=style.best, linewidth=1.3, label="modelled")
            below.axhline(0.0, color=style.surface, linewidth=0.8)
            below.plot(fit.times[name], fit.modelled[name] - fit.measured[name], ".", color=style.loss, markersize=3)
        grid[0, 0].legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=8, labelcolor=style.quiet
        )
        grid[-1, 0].set_xlabel("time [s]", color=style.quiet, fontsize=8)
    return made


def _draw_correlation(found: Any, style: Style) -> Figure:
    n = len(found.labels)
    with matplotlib.style.context("default"):
        made = figure(960, 220 + 24 * n, style)
        axes = made.add_subplot()
        axes.set_facecolor(style.guide)
        image = axes.imshow(found.correlation, cmap="coolwarm", vmin=-1.0, vmax=1.0)
        axes.set_xticks(range(n), found.labels, rotation=45, ha="right", fontsize=8, color=style.quiet)
        axes.set_yticks(range(n), found.labels, fontsize=8, color=style.quiet)
        axes.tick_params(colors=style.quiet)
        for i, j in np.argwhere(np.isfinite(found.correlation)).tolist() if n <= 12 else []:
            value = found.correlation[i, j]
            ink = "#ffffff" if abs(value) > 0.6 else "#20242b"
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color=ink)
        bar = made.colorbar(image, ax=axes, shrink=0.8)
        bar.ax.tick_params(colors=style.quiet, labelsize=8)
    return made
