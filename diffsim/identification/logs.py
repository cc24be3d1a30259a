"""Logs: what was measured of a system over time, and what drove it, from NumPy or from a file."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError, MissingExtraError
from diffsim.spec import Spec, array, choices

__all__ = ["Log", "read_log"]

UNITS = {"deg": np.pi / 180.0, "rpm": np.pi / 30.0, "mm": 1e-3, "cm": 1e-2, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""What a column may be written in besides radians, metres and seconds, and how much one of it is."""


@dataclass(frozen=True, eq=False, repr=False)
class Log(Spec):
    """What was measured in one experiment; m samples.

    Attributes:
        time: (m,) of each sample, rising, from the start of the experiment [s]. Any rate: what a rollout says at these
            times is interpolated between its steps.
        signals: (m,) by what was measured, NaN where a sample is missing, in the units of the scene (m, rad, m/s,
            rad/s): the name of a joint, "elbow.velocity" for its speed; "hand.x", "hand.y", "hand.z" for a link or
            site; else an entry of a recorded array: "position[3, 1]" is the height of point 3 of a body in the plane.
        inputs: (m,) by what was driven: the name of an actuator, or "actuation[2]". What it is told: the control of a
            robot's actuator (a torque, an angle, as its control range says), else the actuation. Between samples it
            changes linearly; before the first and after the last it stays.
        name: for messages and pictures.
        origins: of signals that were read from a file, which column they were, for messages; of inputs, whose names may
            be those of signals, as ``"inputs[NAME]"``.
        rows: (m,) line of the file of each sample, for messages; None where there is none.

    Raises:
        InputError: naming the sample.
    """

    time: Any
    signals: Mapping[str, Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    name: str = "log"
    origins: Mapping[str, str] = field(default_factory=dict)
    rows: Any = None

    def __post_init__(self) -> None:
        """Check every sample."""
        time = array("Log.time", self.time, ("m",), least=0.0)
        for k in np.flatnonzero(np.diff(time) <= 0.0)[:1].tolist():
            raise InputError(
                f"{self.name}: time{self.place(k + 1)} is {time[k + 1]:g} s after {time[k]:g} s, but it must rise"
            )
        if len(time) < 2:
            raise InputError(f"{self.name} has {len(time)} sample, but at least 2 are needed")
        if not self.signals:
            raise InputError(f"{self.name} has no signals: nothing was measured")
        signals = {name: self._samples(name, value, len(time), gaps=True) for name, value in self.signals.items()}
        inputs = {name: self._samples(name, value, len(time), gaps=False) for name, value in self.inputs.items()}
        for name, value in signals.items():
            if np.isnan(value).all():
                raise InputError(f"{self.name}: {self.origin(name)} holds no sample, all of them are missing")
        self._set(time=time, signals=signals, inputs=inputs, origins=dict(self.origins))

    def _samples(self, name: str, value: Any, count: int, *, gaps: bool) -> np.ndarray:
        found = np.array(value, np.float64)
        if found.shape != (count,):
            raise InputError(f"{self.name}: {name} has shape {found.shape}, but time has {count} samples")
        wrong = np.isinf(found) if gaps else ~np.isfinite(found)
        for k in np.flatnonzero(wrong)[:1].tolist():
            what = "a finite number, or NaN where a sample is missing," if gaps else "a finite number"
            origin = self.origin(name, driven=not gaps)
            raise InputError(f"{self.name}: {origin}{self.place(k)} is {found[k]:g}, but {what} is needed")
        found.setflags(write=False)
        return found

    def origin(self, name: str, *, driven: bool = False) -> str:
        """Where a signal, or an input that is ``driven``, is from: its column if it was read from a file."""
        return self.origins.get(f"inputs[{name}]" if driven else name, name)

    def place(self, sample: int) -> str:
        """Where a sample is: its line in the file if it was read from one."""
        return f"[{sample}]" if self.rows is None else f" in line {int(self.rows[sample])}"


def read_log(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    inputs: Mapping[str, str] | None = None,
    time: str = "time",
    units: Mapping[str, str | float] | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Log:
    """A log from a CSV file with a line of titles, or from a Parquet file.

    Args:
        path: of the file; what ends in ``.parquet`` is read with pyarrow.
        columns: which column measures what: ``{"shoulder": "q1"}``, named as in `Log.signals`. None takes all columns
            but those of ``time`` and ``inputs``, each for what its title says.
        inputs: which column drove what: ``{"shoulder": "tau1"}``, named as in `Log.inputs`.
        time: title of the column of times, at any rate [s].
        units: what a column is written in, by its title: "deg", "rpm" (of turns), "mm", "cm", "ms", "us", "ns", or the
            factor that makes radians, metres or seconds of it.
        start: the time in the file at which the experiment starts; None is that of the first row. Rows before it are
            left out, and times count from there.
        end: rows after this time in the file are left out.

    Empty cells and "nan" are missing samples; a row without a time is an error.

    Raises:
        InputError: naming file, column and line.
        MissingExtraError: a Parquet file, and no pyarrow.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"read_log: there is no file {file}")
    titles, cells, lines = _parquet(file) if file.suffix.lower() in (".parquet", ".pq") else _csv(file)
    inputs = dict(inputs or {})
    if columns is None:
        columns = {title: title for title in titles if title not in (time, *inputs.values())}
    needed = [time, *columns.values(), *inputs.values()]
    for title in needed:
        if title not in titles:
            raise InputError(f"read_log: {file.name} has no column {title!r}; it has {', '.join(titles)}")
    for title in units or {}:
        if title not in needed:
            raise InputError(f"read_log: units names {title!r}, but the columns read are {', '.join(needed)}")
    factors = {title: _factor(title, unit) for title, unit in (units or {}).items()}
    found = {title: _numbers(file, title, cells[title], lines) * factors.get(title, 1.0) for title in needed}
    times = found[time]
    for k in np.flatnonzero(~np.isfinite(times))[:1].tolist():
        raise InputError(f"read_log: {file.name}, line {lines[k]}: column {time!r} holds no time")
    first = times[0] if start is None else start
    kept = (times >= first) & (times <= (np.inf if end is None else end))
    if kept.sum() < 2:
        raise InputError(f"read_log: {file.name} has {int(kept.sum())} rows between start and end, but 2 are needed")
    origins = {name: f"column {title!r}" for name, title in columns.items()}
    stated = {name: f"{origins[name]} (in {units[title]})" for name, title in columns.items() if title in (units or {})}  # type: ignore[index]
    return Log(
        time=(times - first)[kept],
        signals={name: found[title][kept] for name, title in columns.items()},
        inputs={name: found[title][kept] for name, title in inputs.items()},
        name=file.name,
        origins={**origins, **stated, **{f"inputs[{name}]": f"column {title!r}" for name, title in inputs.items()}},
        rows=lines[kept],
    )


def _factor(title: str, unit: str | float) -> float:
    if isinstance(unit, str):
        return UNITS[choices(f"read_log: the unit of {title!r}", unit, tuple(UNITS))]
    return float(array(f"read_log: the unit of {title!r}", unit, ()))


def _csv(file: Path) -> tuple[list[str], dict[str, list[str]], np.ndarray]:
    """Titles, cells by title, and the line of each row."""
    with open(file, newline="", encoding="utf-8-sig") as text:
        sample = text.read(4096)
        text.seek(0)
        try:
            dialect: Any = csv.Sniffer().sniff(sample, delimiters=",;\t")
        except csv.Error:
            dialect = csv.excel
        reader = csv.reader(text, dialect)
        titles = [title.strip().removeprefix("#").strip() for title in next(reader, [])]
        twice = [title for k, title in enumerate(titles) if title in titles[:k]]
        if twice:
            raise InputError(f"read_log: {file.name} has two columns titled {twice[0]!r}")
        rows, lines = [], []
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(titles):
                raise InputError(
                    f"read_log: {file.name}, line {reader.line_num} has {len(row)} cells, but there are "
                    f"{len(titles)} titles"
                )
            rows.append(row)
            lines.append(reader.line_num)
    if len(rows) < 2:
        raise InputError(f"read_log: {file.name} has {len(rows)} rows of samples, but at least 2 are needed")
    return titles, {title: [row[k] for row in rows] for k, title in enumerate(titles)}, np.array(lines)


def _parquet(file: Path) -> tuple[list[str], dict[str, Any], np.ndarray]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError(
            "read_log needs the package pyarrow for a Parquet file: pip install 'diffsim[identify]'"
        ) from None
    table = pyarrow.parquet.read_table(file)
    cells = {title: ["" if cell is None else cell for cell in table[title].to_pylist()] for title in table.column_names}
    return list(table.column_names), cells, np.arange(1, table.num_rows + 1)


def _numbers(file: Path, title: str, cells: Any, lines: np.ndarray) -> np.ndarray:
    found = np.full(len(cells), np.nan)
    for k, cell in enumerate(cells):
        text = str(cell).strip()
        if not text:
            continue
        try:
            found[k] = float(text)
        except ValueError:
            raise InputError(
                f"read_log: {file.name}, line {lines[k]}: column {title!r} holds {text!r}, but a number is needed, or "
                "nothing where a sample is missing"
            ) from None
    return found
