"""The commands about finished runs: ``render``, ``show`` and ``compare``."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import diffsim as ds
from diffsim.cli.artifacts import shown_in_video
from diffsim.cli.flags import Commands
from diffsim.cli.lookup import find_run
from diffsim.cli.table import print_changes, print_facts, print_table, sparkline
from diffsim.errors import InputError
from diffsim.simulation import Simulation
from diffsim.tuning.times import compiling

__all__ = ["add_commands", "add_scene", "simulated"]

RENDER = """\
RUN is the folder of a run. Without --iteration a video or report is of the whole optimisation, a picture of the best
iteration; with it of that one alone, which must be among those whose trajectories were saved."""


def add_commands(commands: Commands) -> None:
    """Add them to the command line."""
    made = commands.add(
        "render", render, "draw a run again", more=RENDER, example="diffsim render outputs/hopper --iteration 0 --gif"
    )
    made.add_argument("run", type=Path, metavar="RUN")
    made.add_argument("--iteration", type=int, metavar="N", help="only this one; -1 is the best")
    kinds = made.add_mutually_exclusive_group()
    for kind, about in (("mp4", "a video (default)"), ("gif", "a video"), ("html", "a report"), ("png", "a picture")):
        kinds.add_argument(f"--{kind}", action="store_const", dest="kind", const=kind, default="mp4", help=about)
    made.add_argument("--output", type=Path, metavar="FILE", help="default: in the folder of the run")
    made.add_argument("--size", type=_size, metavar="WxH", help="pixels, e.g. 640x480")
    made.add_argument("--speed", type=float, help="seconds per second of video: 1, or less for three seconds of it")
    made.add_argument("--time", type=float, metavar="S", help="moment that a picture shows; default: the last")
    add_scene(made)
    about = "print what a run found, and with which settings"
    made = commands.add("show", show, about, example="diffsim show outputs/ant")
    made.add_argument("run", type=Path, metavar="RUN")
    add_scene(made)
    made.add_argument("--json", action="store_true", help="print JSON, for a program to read")
    made = commands.add(
        "compare",
        compare,
        "print several runs below each other, and draw their losses",
        example="diffsim compare outputs/adam outputs/sgd --plot losses.png",
    )
    made.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    made.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves: .png, .svg or .pdf")
    add_scene(made)
    made.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def add_scene(made: argparse.ArgumentParser) -> None:
    """The flag of a script that defines what a run is made of."""
    made.add_argument("--scene", type=Path, metavar="FILE", help="a script that defines a class of the run's problem")


def _size(word: str) -> tuple[int, int]:
    if not re.fullmatch(r"\d+x\d+", word):
        raise argparse.ArgumentTypeError(f"it is {word!r}, but it must be like 640x480")
    width, height = word.split("x")
    return int(width), int(height)


# render


def render(given: argparse.Namespace) -> int:
    """Draw a run; prints the path."""
    run = find_run(given.run, given.scene)
    rollouts = dict(run.rollouts) or {run.best_iteration: simulated(run)}
    at = run.best_iteration if given.iteration == -1 else given.iteration
    if at is not None and at not in rollouts:
        raise InputError(
            f"iteration {at} of {given.run} was not saved; saved are {', '.join(map(str, rollouts))}"
            + ("" if run.rollouts else " (only the best parameters are there, simulated again)")
        )
    name = {"mp4": "optimisation", "gif": "optimisation", "html": "report", "png": "best"}[given.kind]
    path = given.output or given.run / f"{name if at is None else f'iteration-{at}'}.{given.kind}"
    if path.suffix.lower() != f".{given.kind}":
        raise InputError(f"--output is {path}, but a file made with --{given.kind} ends in .{given.kind}")
    if given.kind == "html":
        chosen = list(rollouts.items()) if at is None else [(at, rollouts[at])]
        path = ds.write_report(path, run, rollouts=chosen)
    elif given.kind == "png":
        rollout = rollouts[_shown(rollouts, run.best_iteration) if at is None else at]
        path = ds.save_png(ds.snapshot(rollout, _row(rollout, given.time), size=given.size or (960, 720)), path)
    elif at is None:
        shown = shown_in_video(rollouts, run.best_iteration)
        path = ds.render_optimisation(shown, run.history, path, size=given.size, speed=given.speed)
    else:
        path = ds.render_video(
            rollouts[at], path, size=given.size or (640, 480), speed=given.speed, title=f"iteration {at}"
        )
    print(path)
    return 0


def _shown(rollouts: Mapping[int, ds.Rollout], best: int) -> int:
    return best if best in rollouts else max(rollouts)


def _row(rollout: ds.Rollout, time: float | None) -> int:
    if time is None:
        return -1
    if not 0.0 <= time <= rollout.time[-1] + 1e-9:
        raise InputError(f"--time is {time:g} s, but the trajectory goes from 0 to {rollout.time[-1]:g} s")
    return int(np.argmin(np.abs(rollout.time - time)))


def simulated(run: ds.SavedRun, steps: int | None = None) -> ds.Rollout:
    """Of the best parameters, where no trajectory was saved; for other steps than the problem's, if they are given."""
    options = {name: value for name, value in run.options.items() if name in ("device", "precision")}
    problem = run.problem if steps is None else replace(run.problem, steps=steps)
    with Simulation(problem, **options) as simulation:
        return simulation.rollout(run.params)


# show and compare


def _summary(run: ds.SavedRun) -> dict[str, Any]:
    """What a table says of a run; None where a number is not finite."""
    losses = [record["loss"] for record in run.history]
    first = next((loss for loss in losses if loss == loss), None)
    problem, times = run.problem, compiling(run.history)
    return {
        "run": str(run.folder),
        "scene": type(problem.scene).__name__,
        "controller": type(problem.controller).__name__ if problem.controller is not None else None,
        "objective": repr(problem.objective),
        "steps": problem.steps,
        "dt": problem.scene.dt,
        "iterations": len(run.history),
        "first_loss": first,
        "best_loss": run.best_loss,
        "best_iteration": run.best_iteration,
        "words": run.words,
        "rejected": sum("rejected" in record for record in run.history),
        "seconds": run.history[-1]["seconds"],
        "compiling": None if times is None else times.compiling,
        "seed": run.about.get("seed"),
        "settings": run.about.get("settings", {}),
        "options": {name: value for name, value in run.options.items() if name not in ("initial_states", "numbers")},
        "environment": run.about.get("environment", {}),
        "saved_iterations": list(run.rollouts),
        "changes": [change.to_dict() for change in run.changes],
        "findings": list(run.findings),
    }


def show(given: argparse.Namespace) -> int:
    """Print a run."""
    run = find_run(given.run, given.scene)
    found = _summary(run)
    params = {name: _spread(value) for name, value in run.params.items()}
    files = {path.name: path.stat().st_size for path in sorted(run.folder.iterdir()) if path.is_file()}
    if given.json:
        print(json.dumps({**found, "params": params, "files": files}, indent=2))
        return 0
    print_facts(
        [
            ("run", found["run"]),
            ("problem", f"{found['scene']}, {found['controller'] or 'no controller'}, {found['objective']}"),
            ("steps", f"{found['steps']} of {found['dt']:g} s"),
            ("loss at start", _loss(found["first_loss"])),
            ("best loss", f"{_loss(found['best_loss'])} at iteration {found['best_iteration']}"),
            *([("found", found["words"])] if found["words"] else []),
            *_by_term(run),
            ("curve", sparkline([record["loss"] for record in run.history])),
            ("iterations", f"{found['iterations']}, {found['rejected']} rejected"),
            ("took", _took(found["seconds"], found["compiling"])),
            *(("note", words) for words in found["findings"]),
            *(
                (name, str(value))
                for name, value in found["settings"].items()
                if value not in (None, {}) and name != "units"
            ),
            ("seed", str(found["seed"])),
            *((name, str(value)) for name, value in found["options"].items()),
            ("made with", _made_with(found["environment"])),
            ("command", " ".join(found["environment"].get("command", ()))),
            ("saved", f"iterations {', '.join(map(str, run.rollouts))}" if run.rollouts else "no trajectories"),
        ]
    )
    print()
    if run.changes:
        print_changes(run.changes)
    else:  # a run of version 0.1.0, without trajectories: it does not say where it started
        rows = []
        for name, each in params.items():
            numbers = [f"{each[k]:.4g}" for k in ("least", "mean", "most")]
            rows.append((name, " x ".join(map(str, each["shape"])) or "a number", *numbers))
        print_table(("parameter", "shape", "least", "mean", "most"), rows, numbers=("least", "mean", "most"))
    print()
    print_table(("file", "kB"), [(name, f"{size / 1000:.1f}") for name, size in files.items()], numbers=("kB",))
    return 0


def _by_term(run: ds.SavedRun) -> list[tuple[str, str]]:
    """What each of several terms adds to the best loss, where its trajectory was saved."""
    terms = run.rollouts[run.best_iteration].terms if run.best_iteration in run.rollouts else ()
    return [("of that", f"{term.loss:.6g} {term.name}") for term in terms] if len(terms) > 1 else []


def _spread(value: np.ndarray) -> dict[str, Any]:
    least, mean, most = (float(of(value)) for of in (np.min, np.mean, np.max)) if value.size else (0.0, 0.0, 0.0)
    return {"shape": list(value.shape), "least": least, "mean": mean, "most": most}


def _took(seconds: float, compiled: float | None) -> str:
    apart = "" if compiled is None else f": {compiled:.1f} s compiling, {seconds - compiled:.1f} s tuning"
    return f"{seconds:.1f} s{apart}"


def _loss(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _made_with(environment: Mapping[str, Any]) -> str:
    names = [name for name in ("diffsim", "taichi", "numpy", "python") if environment.get(name)]
    return ", ".join(f"{name} {environment[name]}" for name in names)


def compare(given: argparse.Namespace) -> int:
    """Print runs in a table, the best first, and draw their curves."""
    runs = [find_run(folder, given.scene) for folder in given.runs]
    found = sorted((_summary(run) for run in runs), key=lambda entry: entry["best_loss"])
    if given.plot is not None:
        from diffsim.viewing import plot_comparison

        plot_comparison({str(run.folder): run.history for run in runs}, given.plot)
    if given.json:
        print(json.dumps(found, indent=2))
        return 0
    curves = {str(run.folder): sparkline([record["best"] for record in run.history], 16) for run in runs}
    rows = [
        (
            entry["run"],
            _loss(entry["best_loss"]),
            str(entry["best_iteration"]),
            str(entry["iterations"]),
            f"{entry['seconds']:.1f}",
            str(entry["settings"].get("optimizer", "")).partition("(")[0],
            curves[entry["run"]],
        )
        for entry in found
    ]
    titles = ("run", "best loss", "at", "iterations", "seconds", "optimizer", "best so far")
    print_table(titles, rows, numbers=titles[1:5])
    if any(run.problem != runs[0].problem for run in runs):
        print("The runs are of different problems: their losses may mean different things.")
    if given.plot is not None:
        print(given.plot)
    return 0
