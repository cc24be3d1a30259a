"""The command ``diffsim``: can a gradient be trusted?"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.cli.flags import complain, whole_number
from diffsim.cli.source import find_problem
from diffsim.errors import DeviceError, DivergenceError, InputError
from diffsim.gradients import check_gradients, estimate_gradient, gradient_health
from diffsim.problem import Problem
from diffsim.simulation import Simulation
from diffsim.tuning import load_params
from diffsim.viewing import plot_health

__all__ = ["main"]

REFUSED, INTERRUPTED = 2, 130

ABOUT = """\
PROBLEM is a scene script, with its own flags after it (--robot B), the folder of a run, or a problem.json. A folder is
looked at where its run was best, anything else at its starting values."""

STATUS = """\
Exit status: 0 if all is well, 1 if something is wrong, 2 if the problem or a flag cannot be simulated, 3 if nothing is
wrong but not all could be told."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command as its words say; ``diffsim --help`` lists what it can do.

    Args:
        arguments: the words; None is ``sys.argv``.
    """
    given, rest = _parser().parse_known_args(arguments)
    try:
        status = given.command(find_problem(given.problem, rest), given)
    except (InputError, DeviceError, DivergenceError, OSError) as error:
        complain(type(error).__name__, str(error))
        status = REFUSED
    except KeyboardInterrupt:
        complain("interrupted", "nothing was written")
        status = INTERRUPTED
    if status:
        sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="diffsim", description="Differentiable physics simulation on Taichi.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = _command(
        commands, "check", _check, "compare the gradient with differences of the loss, parameter by parameter"
    )
    check.add_argument("--directions", type=whole_number(1), help="random directions for each parameter")
    check.add_argument("--tolerance", type=float, default=1e-6, help="relative difference that is none: %(default)g")
    health = _command(commands, "health", _health, "see how the gradient grows back in time, and where it breaks")
    health.add_argument("--precision", default="f32", choices=("f32", "f64"), help="default: %(default)s")
    health.add_argument("--plot", type=Path, metavar="FILE", help="draw it: .png, .svg or .pdf")
    estimate = _command(
        commands, "estimate", _estimate, "compare the averaged gradient with the one that only looks at losses"
    )
    estimate.add_argument("--precision", default="f32", choices=("f32", "f64"), help="default: %(default)s")
    estimate.add_argument("--copies", type=whole_number(2), default=16, help="perturbed at a time: %(default)s")
    estimate.add_argument("--rounds", type=whole_number(1), default=4, help="times that many: %(default)s")
    estimate.add_argument("--sigma", type=float, default=0.1, help="size of the perturbations: %(default)g")
    return parser


def _command(commands: Any, name: str, run: Callable[..., int], about: str) -> argparse.ArgumentParser:
    example = f"example:\n  diffsim {name} scenes/mass_spring_walker.py --robot A"
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=f"{about.capitalize()}.\n\n{ABOUT}",
        epilog=f"{example}\n\n{STATUS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # --rob must not be mistaken for --rounds
    )
    made.set_defaults(command=run)
    made.add_argument("problem", type=Path, metavar="PROBLEM")
    made.add_argument("--params", type=Path, metavar="RUN", help="look where this run was best")
    made.add_argument("--seed", type=whole_number(0), default=0, help="of starting values and chance: %(default)s")
    made.add_argument("--device", default="cpu", help="cpu, cuda or another Taichi device: %(default)s")
    made.add_argument("--json", action="store_true", help="print JSON, for a program to read")
    return made


def _params(simulation: Simulation, given: argparse.Namespace) -> dict[str, np.ndarray]:
    """Where to look; the values of one copy."""
    run = given.params or (given.problem if given.problem.is_dir() else None)
    return simulation.params(given.seed) if run is None else load_params(run)


def _say(report: Any, given: argparse.Namespace) -> None:
    print(json.dumps(report.to_dict(), indent=2, allow_nan=False) if given.json else report)


def _check(problem: Problem, given: argparse.Namespace) -> int:
    options = {} if given.directions is None else {"directions": given.directions}
    with Simulation(problem, device=given.device, precision="f64") as simulation:
        report = check_gradients(
            simulation,
            _params(simulation, given),
            tolerance=given.tolerance,
            seed=given.seed,
            raises=False,
            **options,
        )
    _say(report, given)
    return report.exit_status


def _health(problem: Problem, given: argparse.Namespace) -> int:
    with Simulation(problem, device=given.device, precision=given.precision) as simulation:
        report = gradient_health(simulation, _params(simulation, given))
    _say(report, given)
    if given.plot is not None:
        plot_health(report, given.plot)
    return report.exit_status


def _estimate(problem: Problem, given: argparse.Namespace) -> int:
    options = {"device": given.device, "precision": given.precision}
    with Simulation(problem, **options) as one:
        params = _params(one, given)
    with Simulation(problem, envs=given.copies, shared=False, **options) as copies:
        found = estimate_gradient(copies, params, sigma=given.sigma, rounds=given.rounds, seed=given.seed)
    _say(found, given)
    return 0
