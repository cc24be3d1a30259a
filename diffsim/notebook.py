"""Tables for notebooks, as plain HTML: what prints as a table in a terminal shows as one there, too."""

from __future__ import annotations

import html
from collections.abc import Sequence

__all__ = ["table_html"]


def table_html(titles: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", after: str = "") -> str:
    """A table below a caption and above a paragraph; all words are escaped.

    Args:
        titles: of the columns; none makes a table of names and what they are.
        rows: of as many words.
        caption: what it is; empty for none.
        after: what there is to say below, a line each; empty for nothing.
    """
    head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    lines = [f"<thead><tr>{head}</tr></thead>"] if titles else []
    for first, *rest in rows:
        cells = "".join(f"<td>{html.escape(word)}</td>" for word in rest)
        lines.append(f"<tr><th>{html.escape(first)}</th>{cells}</tr>")
    title = f"<p><b>{html.escape(caption)}</b></p>" if caption else ""
    notes = "".join(f"<p>{html.escape(line)}</p>" for line in after.splitlines() if line.strip())
    table = f"<table>{''.join(lines)}</table>" if rows else ""
    return f"<div>{title}{table}{notes}</div>"
