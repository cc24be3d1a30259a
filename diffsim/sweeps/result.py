"""What a sweep found: a table of all runs, and the best of them."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.files import write_whole
from diffsim.lazy import named
from diffsim.notebook import table_html
from diffsim.sweeps.points import Point
from diffsim.tuning import SavedRun, load_run

__all__ = ["Entry", "Sweep"]

REPORT = "diffsim.viewing.sweep:sweep_html"


@dataclass(frozen=True, eq=False)
class Entry:
    """One run.

    Attributes:
        point: its values and seed.
        folder: with all that a run leaves.
        told: what came of it.
    """

    point: Point
    folder: Path
    told: Mapping[str, Any]

    @property
    def loss(self) -> float:
        """The best; nan if it failed."""
        return float(self.told.get("loss", math.nan))

    @property
    def failed(self) -> str:
        """Why, in words; empty if it came to its end."""
        return str(self.told.get("failed", ""))


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """All runs of a sweep.

    Attributes:
        folder: with ``sweep.json``, ``table.csv`` and a folder for each run.
        entries: a run each, in the order of the combinations.
    """

    folder: Path
    entries: tuple[Entry, ...]

    @property
    def table(self) -> list[dict[str, Any]]:
        """A row for each run: its values, ``seed``, ``loss``, ``at`` (iteration of the best), ``stopped``, ``failed``.

        It is the same to the bit whatever the number of workers, and however often the sweep was ended and went on.
        """
        return [
            {
                **entry.point.values,
                "seed": entry.point.seed,
                "loss": entry.loss,
                "at": entry.told.get("at", -1),
                "stopped": entry.told.get("stopped", ""),
                "failed": entry.failed,
                "run": entry.folder.name,
            }
            for entry in self.entries
        ]

    @property
    def best(self) -> Entry:
        """The run with the lowest loss.

        Raises:
            InputError: all failed.
        """
        known = [entry for entry in self.entries if math.isfinite(entry.loss)]
        if not known:
            raise InputError(
                f"no run of the sweep in {self.folder} came to an end; the first: {self.entries[0].failed}"
            )
        return min(known, key=lambda entry: entry.loss)

    @property
    def best_run(self) -> SavedRun:
        """Everything that the best run left."""
        return load_run(self.best.folder)

    def grouped(self) -> list[tuple[dict[str, Any], np.ndarray]]:
        """Losses over the seeds of each combination of values, the lowest median first; runs that failed are nan."""
        groups: dict[str, tuple[dict[str, Any], list[float]]] = {}
        for entry in self.entries:
            key = repr(entry.point.plain()["values"])
            groups.setdefault(key, (dict(entry.point.values), []))[1].append(entry.loss)
        found = [(values, np.array(losses)) for values, losses in groups.values()]
        return sorted(found, key=lambda group: _median(group[1]))

    def summary(self) -> str:
        """Combinations over their seeds, the best first, in words."""
        lines = [
            f"{len(self.entries)} runs in {self.folder}; the best loss is {self.best.loss:.6g}: {self.best.point.words}"
        ]
        for values, losses in self.grouped():
            words = ", ".join(f"{name}={value}" for name, value in values.items()) or "as it is"
            known = losses[np.isfinite(losses)]
            spread = f"{known.min():.6g} to {known.max():.6g}, median {np.median(known):.6g}" if len(known) else "none"
            lost = f", {len(losses) - len(known)} failed" if len(known) < len(losses) else ""
            lines.append(f"  {words}: {spread} ({len(losses)} seeds{lost})")
        lines += [f"failed: {entry.point.words}: {entry.failed}" for entry in self.entries if entry.failed]
        return "\n".join(lines)

    def __str__(self) -> str:
        """The summary."""
        return self.summary()

    def __repr__(self) -> str:
        """One line."""
        return f"Sweep({str(self.folder)!r}, {len(self.entries)} runs)"

    def _repr_html_(self) -> str:
        """Table and curves, for notebooks."""
        return str(named(REPORT)(self, whole=False))

    def csv(self) -> str:
        """The table as CSV."""
        held = io.StringIO()
        rows = self.table
        writer = csv.DictWriter(held, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: repr(v) if isinstance(v, float) else v for name, v in row.items()} for row in rows)
        return held.getvalue()

    def table_html(self) -> str:
        """The runs as a table, the best first."""
        rows = sorted(self.entries, key=lambda entry: math.inf if math.isnan(entry.loss) else entry.loss)
        cells = [
            (
                entry.folder.name,
                entry.point.words,
                entry.failed or f"{entry.loss:.6g}",
                str(entry.told.get("at", "")),
                str(entry.told.get("words", "")),
            )
            for entry in rows
        ]
        return table_html(("run", "what", "best loss", "at iteration", "in words"), cells, after=self.summary())

    def write_report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """A page of the table, and how the loss of every run fell; by default ``report.html`` in the folder."""
        place = self.folder / "report.html" if path is None else Path(path)
        write_whole(place, str(named(REPORT)(self, whole=True)).encode())
        return place


def _median(losses: np.ndarray) -> float:
    known = losses[np.isfinite(losses)]
    return float(np.median(known)) if len(known) else math.inf
