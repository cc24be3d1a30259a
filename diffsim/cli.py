"""The main line that all scene scripts share: the same flags, and the same files left behind."""

from __future__ import annotations

import argparse
import inspect
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from diffsim.errors import DeviceError, DivergenceError, InputError
from diffsim.gradients import check_gradients
from diffsim.problem import Problem
from diffsim.simulation import Simulation
from diffsim.tuning import Adam, Result, Run, tune
from diffsim.tuning.optimizers import Optimizer
from diffsim.viewing import plot_loss, render_optimisation

__all__ = ["scene_main"]


def scene_main(
    problem: Callable[..., Problem],
    *,
    optimizer: Optimizer = Adam(0.02),  # noqa: B008 (a frozen value)
    iterations: int = 100,
    starts: int = 1,
    clip: float | None = None,
    scale: Mapping[str, float] | None = None,
    report: Callable[[Simulation, Result], None] | None = None,
    arguments: Sequence[str] | None = None,
) -> None:
    """Tune the problem of a scene script as its command line says, and leave the run in a folder.

    Flags: ``--iterations --starts --seed --device --precision --output --no-video --check``, and one for each
    argument of ``problem`` (which needs a default): ``def problem(robot="A")`` makes ``--robot``.

    Args:
        problem: the script's function that makes the `Problem`.
        optimizer: how to step.
        iterations: default of ``--iterations``.
        starts: default of ``--starts``: starting points that are tuned side by side; the best counts.
        clip: largest norm of a gradient, as in `tune`.
        scale: sizes of the parameters, as in `tune`.
        report: called at the end with a simulation of one environment and the result, to print more.
        arguments: the command line; None is ``sys.argv``.
    """
    path = Path(inspect.getfile(problem))
    parser = _parser(problem, path, iterations, starts)
    given = parser.parse_args(arguments)
    own = {name: getattr(given, name) for name in inspect.signature(problem).parameters}
    try:
        made = problem(**own)
        if given.check:
            _check(made, given)
        else:
            _tune(made, given, report, optimizer=optimizer, clip=clip, scale=scale)
    except (InputError, DeviceError, DivergenceError) as error:
        Console(stderr=True).print(f"[bold red]{type(error).__name__}[/]: {error}", highlight=False)
        sys.exit(2)


def _parser(problem: Callable[..., Problem], path: Path, iterations: int, starts: int) -> argparse.ArgumentParser:
    about = inspect.getmodule(problem)
    parser = argparse.ArgumentParser(prog=path.name, description=(about.__doc__ if about else None))
    for name, argument in inspect.signature(problem).parameters.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(argument.default),
            default=argument.default,
            help="default: %(default)s",
        )
    add = parser.add_argument
    add("--iterations", type=int, default=iterations, help="evaluations of loss and gradient, default: %(default)s")
    add("--starts", type=int, default=starts, help="starting points tuned side by side, default: %(default)s")
    add("--seed", type=int, default=0, help="of the starting points, default: %(default)s")
    add("--device", default="cpu", help="cpu, cuda or another Taichi device, default: %(default)s")
    add("--precision", default="f32", choices=("f32", "f64"), help="default: %(default)s")
    add("--output", type=Path, default=Path("outputs") / path.stem, help="folder of the run, default: %(default)s")
    add("--no-video", action="store_true", help="leave out the video")
    add("--check", action="store_true", help="compare the gradient with differences; exit status 1 if it is off")
    return parser


def _check(problem: Problem, given: argparse.Namespace) -> None:
    with Simulation(problem, device=given.device, precision="f64") as simulation:
        report = check_gradients(simulation, seed=given.seed, raises=False)
    print(report)
    if not report.passed:
        sys.exit(1)


def _tune(
    problem: Problem,
    given: argparse.Namespace,
    report: Callable[[Simulation, Result], None] | None,
    *,
    optimizer: Optimizer,
    clip: float | None,
    scale: Mapping[str, float] | None,
) -> None:
    run = Run(given.output)
    began = time.perf_counter()
    options = {"device": given.device, "precision": given.precision}
    with Simulation(problem, envs=given.starts, shared=given.starts == 1, **options) as simulation:
        result = tune(
            simulation,
            optimizer=optimizer,
            iterations=given.iterations,
            seed=given.seed,
            clip=clip,
            scale=scale,
            run=run,
        )
    took = time.perf_counter() - began
    files = [given.output / name for name in ("problem.json", "params.npz", "history.jsonl")]
    with Simulation(problem, **options) as simulation:
        files.append(plot_loss(result.history, given.output / "loss.png"))
        if not given.no_video:
            shown = [(iteration, simulation.rollout(params)) for iteration, params in _shown(result)]
            files.append(render_optimisation(shown, result.history, given.output / "optimisation.mp4"))
        _summary(result, took, files)
        if report is not None:
            report(simulation, result)


def _shown(result: Result) -> list[tuple[int, dict[str, Any]]]:
    """First, middle and best iteration; fewer in a short run."""
    kept = dict(result.snapshots)
    wanted = (0, result.best_iteration // 2, result.best_iteration)
    chosen = {min(kept, key=lambda iteration, at=at: abs(iteration - at)) for at in wanted}  # type: ignore[misc]
    return [(iteration, kept[iteration]) for iteration in sorted(chosen)]


def _summary(result: Result, seconds: float, files: list[Path]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    first = next((record["loss"] for record in result.history if record["loss"] == record["loss"]), float("nan"))
    table.add_row("loss", f"{first:.6g} at the start, {result.best_loss:.6g} at iteration {result.best_iteration}")
    table.add_row("took", f"{seconds:.1f} s for {len(result.history)} iterations, compiling included")
    table.add_row("stopped", result.stopped)
    table.add_row("files", "\n".join(str(file) for file in files))
    Console().print(table, highlight=False)
    if result.unsaved:
        Console(stderr=True).print(f"[bold red]not saved[/]: {result.unsaved}", highlight=False)
