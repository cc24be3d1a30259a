"""The commands about this machine: ``bench``, ``info`` and ``completion``."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diffsim.cli.flags import Commands, whole_number
from diffsim.cli.lookup import find_problem
from diffsim.cli.table import print_facts
from diffsim.errors import MissingExtraError
from diffsim.simulation import Simulation

__all__ = ["ShowVersion", "add_commands"]

PACKAGES = ("diffsim", "taichi", "numpy", "matplotlib", "rich")

EXTRAS = {"video": ("imageio_ffmpeg",), "robots": ("mujoco", "gymnasium"), "completion": ("shtab",)}
"""What each extra brings, that a user of the commands may miss."""


def add_commands(commands: Commands) -> None:
    """Add them to the command line."""
    made = commands.add(
        "bench",
        bench,
        "time a problem's loss and gradient on this machine",
        more="PROBLEM is as of `diffsim check`; without one it is the scene mass_spring_walker.",
        example="diffsim bench mass_spring_walker --robot B --envs 16",
        flags=True,
    )
    made.add_argument("problem", type=Path, nargs="?", default=Path("mass_spring_walker"), metavar="PROBLEM")
    made.add_argument("--device", default="cpu", help="cpu, cuda or another Taichi device: %(default)s")
    made.add_argument("--precision", default="f32", choices=("f32", "f64"), help="default: %(default)s")
    made.add_argument("--envs", type=whole_number(1), default=1, help="copies that run in one launch: %(default)s")
    made.add_argument("--repeats", type=whole_number(1), default=20, help="of which the median counts: %(default)s")
    made.add_argument("--json", action="store_true", help="print JSON, for a program to read")
    made = commands.add("info", info, "versions, devices, extras and Taichi's cache", example="diffsim info")
    made.add_argument("--json", action="store_true", help="print JSON, for a program to read")
    made = commands.add(
        "completion",
        completion,
        "print a script that lets a shell complete the commands and their flags",
        more='Needs the extra: pip install "diffsim[completion]".',
        example="diffsim completion bash > ~/.local/share/bash-completion/completions/diffsim",
    )
    made.add_argument("shell", choices=("bash", "zsh", "tcsh"))


class ShowVersion(argparse.Action):
    """Prints the version and leaves; it is looked up only then."""

    def __init__(self, **given: Any):
        """Takes no word."""
        super().__init__(**{**given, "nargs": 0, "help": "print the version"})

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print and leave."""
        from diffsim.tuning.environment import version

        print(f"diffsim {version('diffsim')}")
        parser.exit()


def bench(given: argparse.Namespace) -> int:
    """Time it: medians, after a first call that compiles."""
    problem = find_problem(given.problem, given.rest)
    options = {"device": given.device, "precision": given.precision, "envs": given.envs}
    with Simulation(problem, **options) as simulation:
        params = simulation.params()
        found: dict[str, Any] = {**options, "steps": problem.steps, "executor": simulation.executor}
        for name, run in (("loss", simulation.value), ("gradient", simulation.value_and_grad)):
            found[f"first_{name}_s"] = _seconds(run, params)
            found[f"{name}_s"] = statistics.median(_seconds(run, params) for _ in range(given.repeats))
    if given.json:
        print(json.dumps(found, indent=2))
        return 0
    per_step = 1e6 / (problem.steps * given.envs)
    print_facts(
        [
            ("problem", f"{type(problem.scene).__name__}, {problem.steps} steps, {given.envs} environments"),
            ("on", f"{given.device}, {given.precision}, {found['executor']}; median of {given.repeats}"),
            ("loss", f"{1e3 * found['loss_s']:.3g} ms, {per_step * found['loss_s']:.3g} us per step and environment"),
            (
                "loss and gradient",
                f"{1e3 * found['gradient_s']:.3g} ms, {per_step * found['gradient_s']:.3g} us per step and environment",
            ),
            (
                "first calls",
                f"{found['first_loss_s']:.1f} and {found['first_gradient_s']:.1f} s: compiled, or read from the cache",
            ),
        ]
    )
    return 0


def _seconds(run: Callable[[Any], Any], params: Any) -> float:
    began = time.perf_counter()
    run(params)
    return time.perf_counter() - began


def info(given: argparse.Namespace) -> int:
    """What there is."""
    from diffsim.engine import runtime
    from diffsim.tuning.environment import version
    from diffsim.viewing import find_encoder

    cache = runtime.cache_folder()
    files = [path for path in cache.rglob("*") if path.is_file()] if cache.is_dir() else []
    found: dict[str, Any] = {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "devices": runtime.available(),
        "extras": {name: all(importlib.util.find_spec(m) for m in modules) for name, modules in EXTRAS.items()},
        "encoder": find_encoder(),
        "cache": {"folder": str(cache), "bytes": sum(path.stat().st_size for path in files)},
    }
    if given.json:
        print(json.dumps(found, indent=2))
        return 0
    missing = [name for name, there in found["extras"].items() if not there]
    print_facts(
        [
            *((name, words or "not installed") for name, words in found["versions"].items()),
            ("platform", f"{found['platform']}, {found['cores']} cores"),
            ("devices", ", ".join(found["devices"])),
            ("encoder", found["encoder"] or 'none: videos become GIFs; for MP4 pip install "diffsim[video]"'),
            ("extras", "all there" if not missing else f'missing: pip install "diffsim[{",".join(missing)}]"'),
            ("cache", f"{cache}, {found['cache']['bytes'] / 2**20:.0f} MiB of compiled kernels"),
        ]
    )
    return 0


def completion(given: argparse.Namespace) -> int:
    """Print the script of a shell."""
    try:
        import shtab
    except ImportError:
        raise MissingExtraError('completion needs the package shtab: pip install "diffsim[completion]"') from None
    print(shtab.complete(given.parser, given.shell))
    return 0
