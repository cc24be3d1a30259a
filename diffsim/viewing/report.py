"""One HTML file that shows how an optimisation went: a player, curves, settings. It opens offline and asks nobody.

The page is in ``page/``: a template, a style sheet and a few scripts, put together here with the data.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import html
import json
import math
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.files import write_whole
from diffsim.rollout import Rollout
from diffsim.tuning import Result, SavedRun, load_run
from diffsim.tuning.changes import led_nowhere
from diffsim.tuning.load import load_about
from diffsim.viewing.curves import best_iteration as best_of
from diffsim.viewing.packing import pack, packed_json
from diffsim.viewing.player import RATE, Recording, frame_rows, recordings
from diffsim.viewing.sight import why_empty
from diffsim.viewing.style import DARK, STYLE
from diffsim.viewing.tables import facts, short, sizes, tables, title_of, tuned, words_of

__all__ = ["result_html", "rollout_html", "write_report"]

# A report has fewer bytes than this; a rollout in a notebook, too, which may have many.
MOST, MOST_IN_NOTEBOOK = 2_000_000, 600_000

# No fewer frames per second than this, unless there is no room for the first, the best and the last iteration.
LEAST_RATE = 8.0

# Curves have no more points than this; of more, each stands for the lowest and the highest of its neighbours.
MOST_POINTS = 4000

SCRIPTS = (
    "data",
    "theme",
    "camera",
    "canvas",
    "elements",
    "nets",
    "fields",
    "joints",
    "trails",
    "flat",
    "solids",
    "surfaces",
    "space",
    "curves",
    "traces",
    "player",
    "controls",
    "main",
)
PAGE = Path(__file__).with_name("page")

History = Sequence[Mapping[str, Any]]


def write_report(
    path: str | os.PathLike[str] | Result | SavedRun,
    run: str | os.PathLike[str] | Result | SavedRun | None = None,
    *,
    rollouts: Sequence[tuple[int, Rollout]] | None = None,
    history: History | None = None,
    about: Mapping[str, Any] | None = None,
    best_iteration: int | None = None,
) -> Path:
    """Write a report of an optimisation: one HTML file below 2 MB that opens offline.

    ``write_report("outputs/worm")``, ``write_report(run)`` and ``write_report(result)`` write ``report.html`` into the
    folder of the run; ``write_report("worm.html", result)`` elsewhere. What is given besides takes the place of what
    the run says: a `Result` has no trajectories, so without ``rollouts`` there is no player.

    Args:
        path: of the file; folders are made as needed. It is written beside and renamed. Or a run: see above.
        run: a `Result`, what `load_run` gave, or the folder of a run.
        rollouts: pairs (iteration, rollout), of one environment each (of several the first is shown). If there are
            more than fit, frames are left out, then iterations; never the first, the best and the last.
        history: one mapping per iteration: ``iteration``, ``loss`` (None or NaN where a step was rejected), ``best``
            and ``gradient_norm``.
        about: what ``problem.json`` of the run holds, and ``stopped`` if it is known; ``device``, ``precision`` and
            ``seconds`` instead of what is said there and in the history. Nothing has to be there.
        best_iteration: None takes that of the history.

    Returns:
        The path.
    """
    path, known = _told(path, run, asked=history is None)
    rollouts = known["rollouts"] if rollouts is None else rollouts
    history = known["history"] if history is None else history
    about = known["about"] if about is None else about
    best_iteration = known["best_iteration"] if best_iteration is None else best_iteration
    if path.is_dir():
        raise InputError(f"path is {str(path)!r}, which is a folder; give the file a name, e.g. report.html")
    if best_iteration is None:
        best_iteration = best_of(history)
    best_iteration = None if best_iteration is None else int(best_iteration)
    seconds = history[-1].get("seconds") if len(history) else None
    about = {**(about.get("simulation") or {}), "seconds": seconds, **about}
    ordered = sorted(((int(k), rollout.env(0)) for k, rollout in rollouts), key=lambda pair: pair[0])
    telling = [0, -1, *(k for k, (iteration, _) in enumerate(ordered) if iteration == best_iteration)]
    found = recordings([rollout for _, rollout in ordered], telling)
    shown = ordered[-1][1] if ordered else None
    best = next((rollout for iteration, rollout in ordered if iteration == best_iteration), None)
    text = {
        "title": html.escape(title_of(about, shown)),
        "lead": html.escape(_lead(about, shown)),
        "facts": facts(about, history, best_iteration, best),
        "tables": tables(about, shown, best),
        "footer": "Made by diffsim. This file is all there is: it opens offline and asks nobody for anything.",
    }
    curves = packed_json(_curves(history, {k for k, _ in ordered}))
    room = MOST - len(_page("report", text, {"history": curves})) - 4000
    entries, stills, notes = _fitting([k for k, _ in ordered], found or [], best_iteration, room)
    if ordered and not found:
        notes.append(f"There is no player. {' '.join(why_empty(ordered[-1][1]))}")
    text["notes"] = "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes)
    data = {"iterations": entries, "stills": stills, "history": curves, "best": best_iteration}
    write_whole(path, _page("report", text, data).encode())
    return path


def _told(path: Any, run: Any, *, asked: bool) -> tuple[Path, dict[str, Any]]:
    """Where a report goes, and what a run says of itself; nothing is asked of a folder if the history is given."""
    if run is None and (isinstance(path, (Result, SavedRun)) or (asked and Path(path, "problem.json").exists())):
        run, path = path, None
    found: dict[str, Any] = {"rollouts": (), "history": (), "about": {}, "best_iteration": None}
    if run is not None:
        run = run if isinstance(run, (Result, SavedRun)) else load_run(run)
        found.update(history=run.history, best_iteration=run.best_iteration)
        more = {"changes": run.changes, "findings": run.findings}
        if isinstance(run, SavedRun):
            found.update(rollouts=list(run.rollouts.items()), about={**run.about, **more})
        else:
            kept = run.folder is not None and (run.folder / "problem.json").exists()
            found["about"] = {**(load_about(run.folder) if kept else {}), **more, "stopped": run.stopped}
    if path is None:
        if run.folder is None:
            raise InputError("this result has no folder of a run; give a path: write_report('report.html', result)")
        path = run.folder / "report.html"
    elif run is None and asked:
        raise InputError(
            f"write_report({str(path)!r}) is given no run and no history: add a Result, a run's folder, ..."
        )
    return Path(path), found


def rollout_html(rollout: Rollout) -> str:
    """A small player of a rollout for a notebook: an ``iframe`` with all that it needs inside."""
    found = recordings([rollout.env(0)])
    if not found:
        return f"<pre>{html.escape(repr(rollout))}</pre>"
    entries, stills, _ = _fitting([None], found, None, MOST_IN_NOTEBOOK)
    text = {"title": html.escape(type(rollout.problem.scene).__name__)}
    charts = -(-len(found[0].still["series"]) // 2)  # two beside each other
    height = 462 + (70 + 230 * charts if charts else 0)
    return _frame(_page("rollout", text, {"iterations": entries, "stills": stills}), height)


def result_html(result: Any) -> str:
    """The curves and tables of a `Result`, or of what `load_run` gave, for a notebook."""
    rows = {
        "best loss": f"{short(result.best_loss, 6)} at iteration {result.best_iteration}",
        "found": result.words,
        "iterations": str(len(result.history)),
        "stopped": getattr(result, "stopped", ""),
        "tuned": "" if result.changes else sizes(getattr(result, "best_params", {})),
        "not saved": getattr(result, "unsaved", None) or "",
    }
    lines = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows.items() if value
    )
    table = f'<section class="card"><table>{lines}</table></section>'
    text = {"title": "Result", "tables": tuned(result.changes, result.findings) + table}
    data = {"history": packed_json(_curves(result.history)), "best": result.best_iteration}
    return _frame(_page("result", text, data), 760 + 34 * (len(result.changes) + 2 * len(result.findings)))


# The page


def _page(mode: str, text: Mapping[str, str], data: Mapping[str, Any]) -> str:
    template, style, script = _parts(mode)
    light = {name: value for name, value in dataclasses.asdict(STYLE).items() if str(value).startswith("#")}
    whole = {"mode": mode, "iterations": [], "stills": [], "best": None, "history": None, **data}
    whole["palette"] = {"light": light, "dark": _twins()}
    filled = {
        **text,
        "mode": mode,
        "policy": _policy(style, script),
        "style": style,
        "script": script,
        "data": _safe_json(whole),
    }
    # In one go: what is put in is not looked at again, whatever it holds.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled.get(match[1], ""), template)


@functools.cache
def _parts(mode: str) -> tuple[str, str, str]:
    """Template, style sheet and script of a kind of page."""
    template = (PAGE / "report.html").read_text(encoding="utf-8")
    wanted = {"report": ("report", "player", "curves"), "rollout": ("player",), "result": ("curves",)}[mode]
    for block in ("report", "player", "curves"):
        if block not in wanted:
            template = re.sub(rf"<!--{block}-->.*?<!--/{block}-->\n?", "", template, flags=re.DOTALL)
        template = re.sub(rf"<!--/?{block}-->\n?", "", template)
    scripts = "\n".join((PAGE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    script = f'(() => {{\n"use strict";\n{scripts}}})();'
    return template, (PAGE / "report.css").read_text(encoding="utf-8"), script


def _policy(style: str, script: str) -> str:
    """No page but this one's style and script, and no network."""
    own = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script))
    styles, scripts = (f"'sha256-{digest}'" for digest in own)
    rest = "img-src data:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; style-src {styles}; script-src {scripts}; {rest}"


def _safe_json(value: Any) -> str:
    """JSON that can stand in a script element: nothing in it can end that, or begin a comment."""
    found = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        found = found.replace(sign, f"\\u{ord(sign):04x}")
    return found


def _twins() -> dict[str, str]:
    """Of each colour of the style, the one that stands for it in the dark."""
    pairs = [(getattr(STYLE, field.name), getattr(DARK, field.name)) for field in dataclasses.fields(STYLE)]
    found = {light: dark for light, dark in pairs if str(light).startswith("#")}
    for light, dark in zip(STYLE.bodies, DARK.bodies, strict=True):
        found.update(zip(light, dark, strict=True))
    return found


def _frame(page: str, height: int) -> str:
    return (
        f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts allow-downloads" title="diffsim" '
        f'style="width: 100%; max-width: 860px; height: {height}px; border: 0"></iframe>'
    )


def _lead(about: Mapping[str, Any], rollout: Rollout | None) -> str:
    problem = about.get("problem")
    if not isinstance(problem, Mapping):
        problem = rollout.problem.to_dict() if rollout is not None else {}
    told = []
    if problem.get("controller"):
        told.append(f"{words_of(problem['controller'])} drives it")
    if problem.get("objective"):
        told.append(f"what is wanted is {words_of(problem['objective'])}")
    words = "; ".join(told)
    return words[:1].upper() + words[1:] + "." if words else ""


# What fits


def _fitting(
    names: Sequence[int | None], found: Sequence[Recording], best: int | None, room: int
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Iterations and stills of a page with so much room [bytes], and what has been left out, in words.

    Frames are left out first, down to `LEAST_RATE`; then iterations; then more frames.
    """
    if not found:
        return [], [], []
    kept, thin = list(range(len(found))), 1
    must = sorted({0, len(found) - 1, *(k for k, name in enumerate(names) if name is not None and name == best)})
    while True:
        entries, stills = _entries([names[k] for k in kept], [found[k] for k in kept], thin)
        size = sum(len(entry["data"]) + 300 for entry in entries) + sum(map(len, stills))
        if size <= room:
            break
        over = size / max(room, 1)
        rate = min(_rate(found[k].time, 2 * thin) for k in kept)
        if rate >= LEAST_RATE and any(entry["time"][3] > 2 for entry in entries):
            thin = min(2 * thin, max(thin + 1, math.ceil(thin * over)))
        elif len(kept) > len(must):
            kept = _spread(kept, must, max(len(must), min(len(kept) - 1, int(len(kept) / over))))
        elif all(entry["time"][3] <= 2 for entry in entries):
            return [], [], ["There is no player: the scene is too large for a file of this size."]
        else:
            thin *= 2
    return entries, stills, _notes(names, found, kept, thin)


def _notes(names: Sequence[int | None], found: Sequence[Recording], kept: Sequence[int], thin: int) -> list[str]:
    rates = [_rate(found[k].time, thin) for k in kept]
    notes = []
    if len(kept) < len(found):
        notes.append(f"{len(kept)} of {len(found)} saved iterations")
    if thin > 1 and min(rates) < RATE:
        notes.append(f"{min(rates):.2g} frames per second of simulated time, with straight lines between them")
    return [f"To keep this file small it has {' and '.join(notes)}."] if notes else []


def _rate(time: np.ndarray, thin: int) -> float:
    """Frames per second of simulated time."""
    span = float(time[-1] - time[0])
    return (len(frame_rows(time, thin)) - 1) / span if span > 0.0 else math.inf


def _spread(kept: Sequence[int], must: Sequence[int], count: int) -> list[int]:
    """About so many of what is kept, evenly, and what must be."""
    chosen = {kept[k] for k in np.rint(np.linspace(0, len(kept) - 1, max(count - len(must), 0))).astype(int).tolist()}
    return sorted({*must, *chosen}) if count > len(must) else list(must)


def _entries(
    names: Sequence[int | None], found: Sequence[Recording], thin: int
) -> tuple[list[dict[str, Any]], list[str]]:
    stills: dict[str, int] = {}
    entries = []
    for name, recording in zip(names, found, strict=True):
        rows = frame_rows(recording.time, thin)
        packed = pack(recording.channels, rows)
        plain = recording.still
        if recording.surfaces:  # by themselves: they are the same in all iterations, whatever else is tuned
            plain = {**plain, "surfaces": stills.setdefault(packed_json(recording.surfaces), len(stills))}
        still = stills.setdefault(packed_json(plain), len(stills))
        time = recording.time
        step = float(time[rows[1]] - time[rows[0]]) if len(rows) > 1 else 1.0
        entries.append(
            {
                "iteration": name,
                "loss": recording.loss,
                "words": recording.words,
                "still": still,
                "time": [float(time[0]), step, float(time[-1]), len(rows)],
                "head": packed.head,
                "data": packed.text,
            }
        )
    return entries, list(stills)


def _curves(history: History, shown: Collection[int] = ()) -> dict[str, list[float | None]]:
    """Columns of the history; of a long one, what is shown, and in each stretch the lowest and the highest loss."""
    lost = led_nowhere(history)
    blank = {"loss": None, "gradient_norm": None}
    rows = [_row({**entry, **blank} if lost[k] else entry, k) for k, entry in enumerate(history)]
    if len(rows) > MOST_POINTS:
        kept = {0, len(rows) - 1, *(k for k, row in enumerate(rows) if row[0] in shown)}
        for part in np.array_split(np.arange(len(rows)), MOST_POINTS // 2):
            losses = [rows[k][1] for k in part]
            known = [k for k, loss in zip(part.tolist(), losses, strict=True) if loss is not None] or [int(part[0])]
            kept |= {min(known, key=lambda k: rows[k][1] or 0.0), max(known, key=lambda k: rows[k][1] or 0.0)}
        rows = [rows[k] for k in sorted(kept)]
    names = ("iteration", "loss", "best", "norm")
    return {name: [row[k] for row in rows] for k, name in enumerate(names)}


def _row(entry: Mapping[str, Any], k: int) -> tuple[float | None, ...]:
    found = [_plain(entry.get(name)) for name in ("loss", "best", "gradient_norm")]
    return (int(entry.get("iteration", k)), *found)


def _plain(value: Any) -> float | None:
    """With seven digits; of several the lowest; None where there is none."""
    if value is None:
        return None
    least = float(np.min(value))
    return float(f"{least:.7g}") if math.isfinite(least) else None
