"""Find the problem that a command line names: in a scene script, a run's folder, or a file."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from diffsim.cli.flags import add_problem_flags
from diffsim.errors import InputError
from diffsim.problem import Problem
from diffsim.tuning import load_problem

__all__ = ["find_problem"]


def find_problem(path: Path, flags: Sequence[str] = ()) -> Problem:
    """The problem of a scene script (its function ``problem``), of a run's folder or of its ``problem.json``.

    Args:
        path: of any of these.
        flags: ``--robot B`` and the like: arguments of a script's function; the others take none.

    Raises:
        InputError: if it is none of these, or the script has no such function.
        SystemExit: with status 2, if a flag does not fit.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; a scene script, a run's folder or a problem.json is needed")
    if path.suffix != ".py":
        if flags:
            raise InputError(f"{path} takes no flags of its own, but {' '.join(flags)} was given")
        if path.is_dir() and not (path / "problem.json").exists():
            raise InputError(f"{path} holds no problem.json; it was not written by a run")
        return load_problem(path)
    made = getattr(_load(path), "problem", None)
    if not callable(made):
        raise InputError(f"{path} has no function `problem`, which a scene script needs")
    parser = argparse.ArgumentParser(prog=path.name, description="Flags of the problem itself.")
    add_problem_flags(parser, made)
    given = parser.parse_args(list(flags))
    found = made(**{name: getattr(given, name) for name in inspect.signature(made).parameters})
    if not isinstance(found, Problem):
        raise InputError(f"problem() of {path} returned {found!r}, but a Problem is needed")
    return found


def _load(path: Path) -> ModuleType:
    """Import the script as Python would run it, but for its main line."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))  # a script may import its neighbours
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
