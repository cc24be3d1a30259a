"""The commands that judge a gradient: ``check``, ``health`` and ``estimate``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import diffsim as ds
from diffsim.cli.flags import ABOUT_STATUS, Commands, whole_number
from diffsim.cli.lookup import find_problem
from diffsim.simulation import Simulation

__all__ = ["add_commands"]

ABOUT = """\
PROBLEM is a scene script or the name of one, with its own flags after it (--robot B), the folder of a run, or a
problem.json. A folder is looked at where its run was best, anything else at its starting values."""


def add_commands(commands: Commands) -> None:
    """Add them to the command line."""
    about = "compare the gradient with differences of the loss, parameter by parameter"
    made = _command(commands, "check", check, about)
    made.add_argument("--directions", type=whole_number(1), help="random directions for each parameter")
    made.add_argument("--tolerance", type=float, default=1e-6, help="relative difference that is none: %(default)g")
    made = _command(commands, "health", health, "see how the gradient grows back in time, and where it breaks")
    made.add_argument("--precision", default="f32", choices=("f32", "f64"), help="default: %(default)s")
    made.add_argument("--plot", type=Path, metavar="FILE", help="draw it: .png, .svg or .pdf")
    made = _command(
        commands, "estimate", estimate, "compare the averaged gradient with the one that only looks at losses"
    )
    made.add_argument("--precision", default="f32", choices=("f32", "f64"), help="default: %(default)s")
    made.add_argument("--copies", type=whole_number(2), default=16, help="perturbed at a time: %(default)s")
    made.add_argument("--rounds", type=whole_number(1), default=4, help="times that many: %(default)s")
    made.add_argument(
        "--sigma",
        type=float,
        default=0.1,
        help="size of the perturbations, in units of each parameter's scale: %(default)g",
    )


def _command(commands: Commands, name: str, run: Any, about: str) -> argparse.ArgumentParser:
    made = commands.add(
        name,
        run,
        about,
        more=ABOUT,
        example=f"diffsim {name} scenes/mass_spring_walker.py --robot A",
        status=ABOUT_STATUS,
        flags=True,
    )
    made.add_argument("problem", type=Path, metavar="PROBLEM")
    made.add_argument("--params", type=Path, metavar="RUN", help="look where this run was best")
    made.add_argument("--seed", type=whole_number(0), default=0, help="of starting values and chance: %(default)s")
    made.add_argument("--device", default="cpu", help="cpu, cuda or another Taichi device: %(default)s")
    made.add_argument("--json", action="store_true", help="print JSON, for a program to read")
    return made


def _params(simulation: Simulation, given: argparse.Namespace) -> dict[str, np.ndarray]:
    """Where to look; the values of one copy."""
    run = given.params or (given.problem if given.problem.is_dir() else None)
    return simulation.params(given.seed) if run is None else ds.load_params(run)


def _say(report: Any, given: argparse.Namespace) -> None:
    print(json.dumps(report.to_dict(), indent=2, allow_nan=False) if given.json else report)


def check(given: argparse.Namespace) -> int:
    problem = find_problem(given.problem, given.rest)
    options = {} if given.directions is None else {"directions": given.directions}
    with Simulation(problem, device=given.device, precision="f64") as simulation:
        report = ds.check_gradients(
            simulation,
            _params(simulation, given),
            tolerance=given.tolerance,
            seed=given.seed,
            raises=False,
            **options,
        )
    _say(report, given)
    return report.exit_status


def health(given: argparse.Namespace) -> int:
    problem = find_problem(given.problem, given.rest)
    with Simulation(problem, device=given.device, precision=given.precision) as simulation:
        report = ds.gradient_health(simulation, _params(simulation, given))
    _say(report, given)
    if given.plot is not None:
        ds.plot_health(report, given.plot)
    return report.exit_status


def estimate(given: argparse.Namespace) -> int:
    problem = find_problem(given.problem, given.rest)
    options = {"device": given.device, "precision": given.precision}
    with Simulation(problem, **options) as one:
        params = _params(one, given)
    with Simulation(problem, envs=given.copies, shared=False, **options) as copies:
        found = ds.estimate_gradient(copies, params, sigma=given.sigma, rounds=given.rounds, seed=given.seed)
    _say(found, given)
    return found.exit_status
