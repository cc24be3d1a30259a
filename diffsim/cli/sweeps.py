"""The command ``sweep``: many tunings of a scene at once."""

from __future__ import annotations

import argparse
import functools
import inspect
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffsim.cli.flags import INCOMPLETE, Commands, add_problem_flags, whole_number
from diffsim.cli.lookup import find_scene
from diffsim.errors import InputError
from diffsim.lazy import load_script
from diffsim.problem import Problem

__all__ = ["add_commands"]

MORE = """\
Every combination of the values with every seed is a run in a process of its own, with the settings that the scene's
main line has. --set takes optimizer.X, scene.X, controller.X, objective.X, steps, a flag of the scene, or a setting
of ds.tune: --set optimizer.learning_rate=0.01,0.03 --set robot=A,B. Flags of the scene come after it. The same
command again goes on with a sweep that was ended.

With --trials, Optuna asks for so many combinations instead, of what came of the ones before, and values may be a
range: --set optimizer.learning_rate=0.001..0.3:log --set controller.hidden=8..64 --trials 30."""

STATUS = "Exit status: 0 if all runs came to their end, 1 if one failed, 2 if something cannot be simulated."


def add_commands(commands: Commands) -> None:
    """Add it to the command line."""
    made = commands.add(
        "sweep",
        sweep,
        "tune a scene with every combination of settings and seeds, on all cores",
        more=MORE,
        example="diffsim sweep mass_spring_walker --set optimizer.learning_rate=0.05,0.1 --seeds 4",
        status=STATUS,
        flags=True,
    )
    made.add_argument("scene", type=Path, metavar="SCENE")
    made.add_argument(
        "--set", action="append", default=[], metavar="NAME=V,V", help="values to go through, or LOW..HIGH"
    )
    made.add_argument("--seeds", type=whole_number(1), default=1, help="how many, from 0: %(default)s")
    made.add_argument(
        "--trials", type=whole_number(1), help="combinations that Optuna asks for; default: all there are"
    )
    made.add_argument("--workers", type=whole_number(1), help="processes at a time; default: one for each core")
    made.add_argument("--iterations", type=whole_number(1), help="default: that of the scene")
    made.add_argument("--device", default="cpu", help="cpu, cuda or another Taichi device: %(default)s")
    made.add_argument("--precision", default="f32", choices=("f32", "f64"), help="default: %(default)s")
    made.add_argument("--output", type=Path, metavar="FOLDER", help="default: outputs/SCENE-sweep")
    made.add_argument("--json", action="store_true", help="print the table as JSON, for a program to read")


def sweep(given: argparse.Namespace) -> int:
    """Do all runs, and print a table."""
    from diffsim.sweeps import sweep as sweep_of  # with the tuner, which help needs not

    path = find_scene(given.scene)
    over = dict(_values(word, searched=given.trials is not None) for word in given.set)
    problem, settings = _asked(path, given.rest, over)
    settings.update({"device": given.device, "precision": given.precision})
    if given.iterations is not None:
        settings["iterations"] = given.iterations
    if given.trials is not None:
        settings.update(sampler=_optuna().samplers.TPESampler(seed=0), trials=given.trials)
    found = sweep_of(
        problem,
        given.output or Path("outputs") / f"{path.stem}-sweep",
        over=over,
        seeds=range(given.seeds),
        workers=given.workers or "auto",
        script=path,
        **settings,
    )
    page = found.write_report()
    if given.json:
        print(json.dumps(found.table, indent=2))
    else:
        print(found)
        print(page)
    return INCOMPLETE if any(entry.failed for entry in found.entries) else 0


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise InputError("--trials needs Optuna: pip install 'diffsim[sweep]'") from None
    return optuna


def _values(word: str, *, searched: bool) -> tuple[str, Any]:
    name, equals, values = word.partition("=")
    if not equals or not values:
        raise InputError(f"--set is {word!r}, but NAME=VALUE,VALUE is needed, e.g. optimizer.learning_rate=0.01,0.03")
    if ".." in values:
        if not searched:
            raise InputError(f"--set is {word!r}, a range, which only --trials searches; give values, or --trials 30")
        return name.strip(), _range(word, values)
    return name.strip(), [_value(each.strip()) for each in values.split(",")]


def _range(word: str, text: str) -> Any:
    """A distribution of Optuna: of whole numbers if both ends are."""
    ends, _, scale = text.partition(":")
    low, high = (_value(end.strip()) for end in ends.split("..", 1))
    numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in (low, high))
    if not numbers or not low < high or scale not in ("", "log") or (scale and low <= 0):
        raise InputError(
            f"--set is {word!r}, but NAME=LOW..HIGH is needed, two numbers that rise; or NAME=LOW..HIGH:log"
        )
    known = _optuna().distributions
    kind = known.IntDistribution if isinstance(low, int) and isinstance(high, int) else known.FloatDistribution
    return kind(low, high, log=bool(scale))


def _value(word: str) -> Any:
    """A number, true, false or null as JSON has them; anything else is a word."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def _asked(path: Path, flags: list[str], over: dict[str, Any]) -> tuple[Callable[..., Problem], dict[str, Any]]:
    """The function that makes a script's problem, with its flags, and the settings of its main line."""
    from diffsim.cli import scene

    settings: dict[str, Any] = {}
    scene.asked.append(lambda _, found: settings.update(found))
    before = sys.argv
    sys.argv = [str(path)]
    try:
        runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv = before
        scene.asked.pop()
    made = getattr(load_script(path), "problem", None)
    if not callable(made):
        raise InputError(f"{path} has no function `problem`, which a scene script needs")
    parser = argparse.ArgumentParser(prog=path.name, description="Flags of the problem itself.")
    add_problem_flags(parser, made)
    given = parser.parse_args(flags)
    own = {name: getattr(given, name) for name in inspect.signature(made).parameters if name not in over}
    return functools.partial(made, **own), settings
