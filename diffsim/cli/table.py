"""Tables on a terminal, or as plain lines where there is none."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

import diffsim as ds

__all__ = ["print_changes", "print_facts", "print_table", "sparkline"]

BARS = "▁▂▃▄▅▆▇█"


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()) -> None:
    """Print rows below titles; a terminal's width is kept, and what is no terminal gets whole lines.

    Args:
        titles: of the columns.
        rows: of as many words.
        numbers: titles of the columns whose words are numbers, and end below each other.
    """
    if sys.stdout.isatty():
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in titles:
            table.add_column(title, justify="right" if title in numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        Console(highlight=False, markup=False).print(table)
        return
    widths = [max(len(row[k]) for row in (titles, *rows)) for k in range(len(titles))]
    for row in (titles, *rows):
        words = [
            word.rjust(width) if title in numbers else word.ljust(width)
            for title, word, width in zip(titles, row, widths, strict=True)
        ]
        print("  ".join(words).rstrip())


def print_changes(changes: Sequence[ds.Change]) -> None:
    """Print what became of each parameter, a line each."""
    rows = [change.words() for change in changes]
    titles = [title for title in rows[0] if title != "bounds" or any(row["bounds"] for row in rows)]
    print_table(titles, [[row[title] for title in titles] for row in rows], numbers=titles[2:])


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print a name and what it is, a line each."""
    width = max(len(name) for name, _ in facts)
    for name, words in facts:
        print(f"{name:<{width}}  {words}".rstrip())


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """Values as a line of bars; nan is a gap, and of more than ``width`` the lowest of each part is shown."""
    parts = [values[k * len(values) // width : (k + 1) * len(values) // width] for k in range(width)]
    shown = [[v for v in part if v == v] for part in (parts if len(values) > width else [[v] for v in values])]
    low = min((min(part) for part in shown if part), default=0.0)
    high = max((min(part) for part in shown if part), default=1.0)
    step = (high - low) / (len(BARS) - 1) or 1.0
    return "".join(BARS[round((min(part) - low) / step)] if part else " " for part in shown)
