"""The command ``export``: what a run found, as tables that every program reads, or its policy for other programs."""

from __future__ import annotations

import argparse
import csv
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import diffsim as ds
from diffsim.cli.flags import Commands
from diffsim.cli.lookup import find_run
from diffsim.cli.runs import add_scene, simulated
from diffsim.files import draft
from diffsim.rollout import Rollout

__all__ = ["add_commands"]

MORE = """\
Into the folder csv of the run: history.csv (a line for each iteration), parameters.csv (a line for each tuned number:
start, best, bounds), and of the best iteration a table for each recorded array, best_position.csv and so on, with the
time in the first column. Empty is what is not a number.

A policy (a network that sees an observation and nothing else) goes into the folder policy, with contract.json, which
says what goes in and comes out, and vectors.csv to test it with."""

KINDS = {
    "csv": "tables of comma-separated values (default)",
    "c": "the policy as a C file that compiles alone",
    "onnx": "the policy for ONNX; needs the extra: onnx",
    "torch": "the policy as a program of torch.export; needs the extra: torch",
}


def add_commands(commands: Commands) -> None:
    """Add it to the command line."""
    made = commands.add(
        "export",
        export,
        "write a run's history, parameters and best trajectory as CSV, or its policy for other programs",
        more=MORE,
        example="diffsim export outputs/hopper --csv",
    )
    made.add_argument("run", type=Path, metavar="RUN")
    kinds = made.add_mutually_exclusive_group()
    for kind, about in KINDS.items():
        kinds.add_argument(f"--{kind}", action="store_const", dest="kind", const=kind, default="csv", help=about)
    made.add_argument("--output", type=Path, metavar="DIR", help="default: csv or policy, in the folder of the run")
    add_scene(made)


def export(given: argparse.Namespace) -> int:
    """Write the tables, or the policy; prints their paths."""
    run = find_run(given.run, given.scene)
    if given.kind != "csv":
        for path in ds.export_policy(run.problem, run.params, given.output or given.run / "policy", given.kind):
            print(path)
        return 0
    folder = given.output or given.run / "csv"
    best = run.rollouts.get(run.best_iteration)
    best = simulated(run) if best is None else best
    tables: dict[str, Table] = {"history": _history(run), "parameters": _parameters(run)}
    for name in best:
        if name != "time":
            tables[f"best_{name}"] = _array(best, name)
    for name, (titles, rows) in tables.items():
        path = folder / f"{name}.csv"
        with draft(path) as beside, open(beside, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(titles)
            writer.writerows([_word(value) for value in row] for row in rows)
        print(path)
    return 0


Table = tuple[list[str], Iterator[list[Any]]]


def _history(run: ds.SavedRun) -> Table:
    """Records in rows; what is a list has a column for each of its entries."""
    names: dict[str, int] = {}
    for record in run.history:
        for name, value in record.items():
            names[name] = max(names.get(name, 0), len(value) if isinstance(value, list) else 0)
    titles = [title for name, many in names.items() for title in ([f"{name}_{k}" for k in range(many)] or [name])]

    def rows() -> Iterator[list[Any]]:
        for record in run.history:
            row: list[Any] = []
            for name, many in names.items():
                value = record.get(name)
                held = list(value) if isinstance(value, list) else []
                row += [*held, *[None] * (many - len(held))] if many else [value]
            yield row

    return titles, rows()


def _parameters(run: ds.SavedRun) -> Table:
    def rows() -> Iterator[list[Any]]:
        for name, value in run.params.items():
            start = np.broadcast_to(run.start_params.get(name, np.nan), value.shape)
            for index in np.ndindex(value.shape):
                yield [name, " ".join(map(str, index)), start[index], value[index], *run.problem.limits(name)]

    return ["parameter", "index", "start", "best", "lowest", "highest"], rows()


def _array(rollout: Rollout, name: str) -> Table:
    """A row for each of the array, with its time; the axes of places are called x, y and z."""
    value = np.asarray(rollout[name])
    space = len(getattr(rollout.problem.scene, "gravity", ()))
    ends = [[str(k) for k in range(length)] for length in value.shape[1:]]
    if len(ends) == 2 and len(ends[1]) == space:
        ends[1] = list("xyz"[:space])
    titles = ["_".join((name, *words)) for words in itertools.product(*ends)]
    flat = value.reshape(len(value), -1)
    return ["time", *titles], ([time, *row.tolist()] for time, row in zip(rollout.time, flat, strict=False))


def _word(value: Any) -> Any:
    """Numbers with all their digits; nothing for what is not finite."""
    if isinstance(value, (float, np.floating)):
        return repr(float(value)) if math.isfinite(value) else ""
    return value
