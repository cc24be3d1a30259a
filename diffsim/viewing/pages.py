"""Plain pages: text, tables and figures in one file, for light and dark."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from diffsim.viewing.style import DARK, STYLE, Style

__all__ = ["document", "dress", "figure", "picture"]

DPI = 120

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body><h1>{title}</h1>{body}</body></html>
"""

CSS = """
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 1000px; padding: clamp(14px, 2.4vw, 36px); background: #fbfaf7; color: #2d3440;
  font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: clamp(22px, 3.2vw, 31px); margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 26px 0 6px; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { text-align: left; padding: 4px 18px 4px 0; border-bottom: 1px solid #e2ddd0; white-space: nowrap; }
img { width: 100%; height: auto; } p { margin: 6px 0; max-width: 80ch; }
@media (prefers-color-scheme: dark) {
  body { background: #171a1f; color: #dfe3ea; } th, td { border-color: #2b3038; }
}
"""


def document(title: str, body: str) -> str:
    """A page of its own.

    Args:
        title: in words.
        body: HTML.
    """
    return PAGE.format(title=html.escape(title), style=CSS, body=body)


def picture(draw: Callable[[Style], Figure], words: str, *, both: bool) -> str:
    """A figure as part of a page.

    Args:
        draw: makes the figure in the colours that it is given.
        words: what it shows, for who cannot see it.
        both: have another one for dark pages.
    """
    light = f'<img src="{_png(draw(STYLE))}" alt="{html.escape(words)}">'
    if not both:
        return light
    return f'<picture><source srcset="{_png(draw(DARK))}" media="(prefers-color-scheme: dark)">{light}</picture>'


def figure(width: int, height: int, style: Style) -> Figure:
    """An empty figure of that size [pixels]."""
    made = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=style.sky, layout="constrained")
    FigureCanvasAgg(made)
    return made


def dress(axes: Any, style: Style, *, up: str, across: str = "") -> None:
    """Axes without a box, faint lines behind the curves, and what is along each axis."""
    axes.set_facecolor(style.sky)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(style.surface)
    axes.tick_params(colors=style.quiet, labelsize=8)
    axes.grid(axis="y", color=style.guide)
    axes.set_axisbelow(True)
    axes.set_xlabel(across, color=style.quiet, fontsize=8)
    axes.set_ylabel(up, color=style.quiet, fontsize=8)


def _png(made: Figure) -> str:
    file = io.BytesIO()
    made.savefig(file, format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
