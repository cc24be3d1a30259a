"""A sweep as a page: how the loss of every run fell, and a table."""

from __future__ import annotations

import functools
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

from diffsim.errors import InputError
from diffsim.tuning import load_history
from diffsim.viewing.pages import document, dress, figure, picture
from diffsim.viewing.style import Style

__all__ = ["sweep_html"]

MOST_GROUPS = 10  # that have a colour of their own


def sweep_html(found: Any, *, whole: bool) -> str:
    """A page of a `Sweep`, or with ``whole=False`` what a notebook shows.

    Args:
        found: what `sweep` gave.
        whole: a document of its own, with pictures for light and dark pages.
    """
    words = "The best loss so far of every run, over its iterations"
    body = picture(functools.partial(_draw, found), words, both=whole)
    body += f'<div class="wide">{found.table_html()}</div>'
    return document(f"Sweep {found.folder.name}", body) if whole else f"<div>{body}</div>"


def _draw(found: Any, style: Style) -> Figure:
    """A colour for each combination of values, a line for each seed."""
    groups: dict[str, list[Any]] = {}
    for entry in found.entries:
        name = ", ".join(f"{key}={value}" for key, value in entry.point.plain()["values"].items()) or "all seeds"
        groups.setdefault(name, []).append(entry)
    colours = matplotlib.colormaps["tab10"](range(MOST_GROUPS))
    with matplotlib.style.context("default"):
        made = figure(960, 540, style)
        axes = made.add_subplot()
        dress(axes, style, up="best loss so far", across="iteration")
        for k, (name, entries) in enumerate(groups.items()):
            colour = colours[k] if k < MOST_GROUPS else style.passive
            label: str | None = name if k < MOST_GROUPS else None
            for entry in entries:
                try:
                    best = np.array([record["best"] for record in load_history(entry.folder)], np.float64)
                except (InputError, OSError):
                    continue  # it failed before its first iteration
                axes.plot(best, color=colour, linewidth=1.4, alpha=0.85, drawstyle="steps-post", label=label)
                label = None
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8, labelcolor=style.text, loc="upper right")
    return made
