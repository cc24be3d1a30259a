"""The main line that all scene scripts share: the same flags, and the same files left behind."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diffsim.adjoint import Adjoint, FullTape
from diffsim.bridges.falls import course
from diffsim.bridges.mujoco import replay_in_mujoco
from diffsim.cli.artifacts import leave_pictures
from diffsim.cli.flags import (
    INCOMPLETE,
    INTERRUPTED,
    add_problem_flags,
    complain,
    end_with,
    whole_number,
)
from diffsim.cli.table import print_changes
from diffsim.errors import InputError
from diffsim.gradients import check_gradients
from diffsim.problem import Problem
from diffsim.simulation import Simulation
from diffsim.tuning import Adam, Result, Run, tune
from diffsim.tuning.optimizers import Optimizer
from diffsim.tuning.progress import progress_for
from diffsim.tuning.run import NUMBERS
from diffsim.tuning.times import compiling

__all__ = ["ended", "go_on", "list_files", "scene_main", "usual_folder"]

started: list[Path] = []  # the scripts that called `scene_main`: `diffsim run` looks whether one did

asked: list[Callable[[Callable[..., Problem], dict[str, Any]], None]] = []
"""Who wants a script's problem and settings, and not its run: `diffsim sweep`."""


def scene_main(
    problem: Callable[..., Problem],
    *,
    optimizer: Optimizer = Adam(0.02),  # noqa: B008 (a frozen value)
    iterations: int = 100,
    starts: int = 1,
    clip: float | None = None,
    scale: Mapping[str, float] | None = None,
    window: int | None = None,
    numbers: Mapping[str, Any] | None = None,
    start: Callable[[int], Mapping[str, Any]] | None = None,
    source: Any = None,
    adjoint: Adjoint = FullTape(),  # noqa: B008
    report: Callable[[Simulation, Result], None] | None = None,
    arguments: Sequence[str] | None = None,
) -> None:
    """Tune the problem of a scene script as its command line says, and leave the run in a folder.

    Flags: ``--iterations --starts --seed --device --precision --output --no-video --check --resume --overwrite``, and
    one for each argument of ``problem``, which needs a default that is an int, a float, a str or a bool:
    ``def problem(robot="A", springy=True)`` makes ``--robot`` and ``--springy``, ``--no-springy``.

    A folder that holds another run gets a number: ``outputs/NAME-2``; with ``--overwrite`` the run in it is replaced.

    Ctrl-C ends the search after the iteration in progress; what was found is kept and drawn as usual. That run, or one
    that was killed, goes on with ``--resume``: the newest in ``outputs/NAME`` and those with a number, or the one in
    the folder that ``--output`` names.

    Exit status: 0 if all went well; 1 if a gradient is off or a file could not be written; 2 if the problem or a flag
    cannot be simulated, or its first evaluation diverges; 3 if a gradient cannot be judged; 130 after Ctrl-C.

    Args:
        problem: the script's function that makes the `Problem`.
        optimizer: how to step.
        iterations: default of ``--iterations``.
        starts: default of ``--starts``: starting points that are tuned side by side; the best counts.
        clip: largest norm of a gradient, as in `tune`.
        scale: sizes of the parameters, as in `tune`.
        window: steps that are backpropagated through at a time, as in `tune`.
        numbers: of several copies that all have the parameters that are sought, as of `Simulation`: one controller for
            several goals. Without it there is one copy, or one for each start.
        start: start(seed) -> parameters to begin with, such as what was found in an easier scene; None draws them.
        source: the MJCF file of a robot's scene, as `load_mjcf` takes it: what was found is tried in MuJoCo, which the
            summary and the report tell of.
        adjoint: `Checkpointed` for a rollout that is too long, or of too much, to be kept whole.
        report: called at the end with a simulation of one environment and the result, to print more.
        arguments: the command line; None is ``sys.argv``.
    """
    path = Path(inspect.getfile(problem))
    started.append(path)
    if asked:
        if start is not None:
            raise InputError(f"{path.name} begins with parameters that it finds itself, which a sweep does not do")
        settings = {"optimizer": optimizer, "iterations": iterations, "clip": clip, "scale": scale, "window": window}
        asked[-1](problem, settings if adjoint == FullTape() else {**settings, "adjoint": adjoint})
        return
    given = _parser(problem, path, iterations, starts).parse_args(arguments)
    own = {name: getattr(given, name) for name in inspect.signature(problem).parameters}

    def run() -> int:
        made = problem(**own)
        if given.check:
            return _check(made, given, adjoint)
        sought = {"optimizer": optimizer, "clip": clip, "scale": scale, "window": window}
        return _tune(made, given, path, report, numbers, start, source, adjoint, **sought)

    end_with(run)


def _parser(problem: Callable[..., Problem], path: Path, iterations: int, starts: int) -> argparse.ArgumentParser:
    about = inspect.getmodule(problem)
    parser = argparse.ArgumentParser(prog=path.name, description=(about.__doc__ if about else None))
    add = parser.add_argument
    add_problem_flags(parser, problem)
    some, any_seed = whole_number(1), whole_number(0)
    add("--iterations", type=some, default=iterations, help="evaluations of loss and gradient, default: %(default)s")
    add("--starts", type=some, default=starts, help="starting points tuned side by side, default: %(default)s")
    add("--seed", type=any_seed, default=0, help="of the starting points, default: %(default)s")
    add("--device", default="cpu", help="cpu, cuda or another Taichi device, default: %(default)s")
    add("--precision", default="f32", choices=("f32", "f64"), help="default: %(default)s")
    usual = str(usual_folder(path)).replace("%", "%%")
    add("--output", type=Path, help=f"folder of the run, with a number if it holds another, default: {usual}")
    add("--no-video", action="store_true", help="leave out the video")
    add(
        "--check",
        action="store_true",
        help="compare the gradient with differences instead; status 1 if it is off, 3 if they cannot tell",
    )
    which = parser.add_mutually_exclusive_group().add_argument
    which(
        "--resume",
        action="store_true",
        help="go on with a run that was ended or killed: the newest of this scene, or the one in --output",
    )
    which("--overwrite", action="store_true", help="replace the run in the output folder instead of taking a number")
    return parser


def usual_folder(path: Path) -> Path:
    """Where runs of a script go."""
    return Path("outputs") / path.stem


def _check(problem: Problem, given: argparse.Namespace, adjoint: Adjoint) -> int:
    with Simulation(problem, device=given.device, precision="f64", adjoint=adjoint) as simulation:
        report = check_gradients(simulation, seed=given.seed, raises=False)
    print(report)
    return report.exit_status


def _tune(
    problem: Problem,
    given: argparse.Namespace,
    path: Path,
    report: Callable[[Simulation, Result], None] | None,
    numbers: Mapping[str, Any] | None,
    start: Callable[[int], Mapping[str, Any]] | None,
    source: Any,
    adjoint: Adjoint,
    **sought: Any,
) -> int:
    named = given.output is not None  # the run in that very folder is to go on
    folder = given.output if named else usual_folder(path)
    run = Run(folder, overwrite=given.overwrite or (given.resume and named), source=source)
    options: dict[str, Any] = {"device": given.device, "precision": given.precision, "adjoint": adjoint}
    copies = {"envs": given.starts, "shared": given.starts == 1}
    if given.starts > 1 and (numbers or start):
        raise InputError(f"--starts is {given.starts}, but the copies of this scene share one start; --seed draws it")
    if numbers:
        copies = {"envs": len(next(iter(numbers.values()))), "numbers": numbers}
    progress = progress_for(None, given.iterations, told=True)  # the summary says why it stopped, and what was found
    with Simulation(problem, **copies, **options) as simulation:
        result = tune(
            simulation,
            iterations=given.iterations,
            seed=given.seed,
            params=None if start is None else start(given.seed),
            progress=progress,
            run=run,
            resume=given.resume,
            **sought,
        )
    unsaved = [result.unsaved] if result.unsaved else []
    files = [path for name in NUMBERS if (path := run.folder / name).exists()] if not unsaved else []
    there = None if source is None else course(replay_in_mujoco(problem, result.best_params, source))
    with Simulation(problem, **options) as simulation:
        try:
            files += leave_pictures(simulation, result, run, video=not given.no_video, in_mujoco=there)
        except Exception as error:  # whatever it is, the search took longer than a picture: say what it found
            unsaved.append(f"a picture: {error}")
        _summary(result, _words(simulation, result), there)
        try:
            if report is not None:
                report(simulation, result)
        finally:
            list_files(files)
    return ended(result.stopped, go_on(None if run.folder == folder else run.folder) if files else "", unsaved)


def list_files(files: Sequence[Path]) -> None:
    """Print what was left behind."""
    for k, file in enumerate(files):
        print(f"{'' if k else 'files':8} {file}")


def ended(stopped: str, command: str, unsaved: Sequence[str]) -> int:
    """Print the command that goes on, if any, after what was interrupted, and what was not saved; the exit status."""
    if stopped == "interrupted" and command:
        print(f"go on    {command}")
    for what in unsaved:
        complain("not saved", what)
    if unsaved:
        return INCOMPLETE
    return INTERRUPTED if stopped == "interrupted" else 0


def go_on(folder: Path | None) -> str:
    """The command that goes on with this run, which is in another folder than was said, if one is given."""
    from diffsim.viewing.tables import command_of

    words = [word for word in sys.orig_argv if word not in ("--resume", "--overwrite")]
    if folder is not None:
        if "--output" in words:
            at = words.index("--output")
            del words[at : at + 2]
        words = [*(word for word in words if not word.startswith("--output=")), "--output", str(folder)]
    return command_of({"environment": {"command": [*words, "--resume"]}}) or ""


def _words(simulation: Simulation, result: Result) -> list[str]:
    """What was found, and what it was at the start, in words; nothing where an objective says nothing."""
    shown = [simulation.rollout(params, finite=False).words for params in (result.best_params, result.snapshots[0][1])]
    return [shown[0], f"{shown[1]} at the start"] if all(shown) else []


def _summary(result: Result, words: Sequence[str], there: str | None) -> None:
    first = next((record["loss"] for record in result.history if record["loss"] == record["loss"]), float("nan"))
    print(f"loss     {first:.6g} at the start, {result.best_loss:.6g} at iteration {result.best_iteration}")
    if words:
        print(f"found    {words[0]}; {words[1]}")
    if there is not None:
        print(f"mujoco   {there}")
    seconds = result.history[-1]["seconds"]
    times = compiling(result.history)
    apart = "" if times is None else f": {times.compiling:.1f} s compiling, {times.tuning:.1f} s tuning"
    print(f"took     {seconds:.1f} s for {len(result.history)} iterations{apart or ', compiling included'}")
    print(f"stopped  {result.stopped}")
    for words in result.findings:
        print(f"note     {words}")
    print_changes(result.changes)
