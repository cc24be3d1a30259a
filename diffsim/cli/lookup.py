"""Find what a command line names: a scene script, and the problem in it, in a run's folder or in a file."""

from __future__ import annotations

import argparse
import ast
import difflib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path

import diffsim as ds
from diffsim.cli.flags import add_problem_flags
from diffsim.errors import InputError, UnknownClassError
from diffsim.lazy import load_script
from diffsim.problem import Problem

__all__ = ["about_scene", "find_problem", "find_run", "find_scene", "has_main_line", "scene_files"]

PACKAGE = Path(__file__).parents[1]


def scene_files(folder: Path | None = None) -> Iterator[Path]:
    """The scene scripts of a folder; by default those in ``scenes/`` here, then those that came with the package."""
    folders = (Path("scenes"), PACKAGE / "example_scenes", PACKAGE.parent / "scenes") if folder is None else (folder,)
    seen = set()
    for place in folders:
        for path in sorted(place.glob("*.py")):
            if path.resolve() not in seen and about_scene(path) is not None:
                seen.add(path.resolve())
                yield path


def about_scene(path: Path) -> str | None:
    """The first line of a scene script's docstring; None if it is none: it has no function ``problem`` or ``task``."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return None
    if not any(isinstance(node, ast.FunctionDef) and node.name in ("problem", "task") for node in tree.body):
        return None
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def find_scene(name: Path) -> Path:
    """The scene script of that path, or of that name among `scene_files`.

    Raises:
        InputError: with the nearest names, if there is none.
    """
    if name.suffix == ".py" and name.exists():
        return name
    known = {path.stem: path for path in reversed(list(scene_files()))}
    if str(name) in known:
        return known[str(name)]
    near = difflib.get_close_matches(name.stem, known, n=3, cutoff=0.4) or sorted(known)
    hint = f"; scenes known by name: {', '.join(near)}" if near else ""
    raise InputError(f"there is no scene script {name}{hint}")


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
        if path.suffix or len(path.parts) > 1:
            raise InputError(f"{path} does not exist; a scene script, a run's folder or a problem.json is needed")
        path = find_scene(path)
    if path.suffix != ".py":
        if flags:
            raise InputError(f"{path} takes no flags of its own, but {' '.join(flags)} was given")
        if path.is_dir() and not (path / "problem.json").exists():
            raise InputError(f"{path} holds no problem.json; it was not written by a run")
        return ds.load_problem(path)
    made = getattr(load_script(path), "problem", None)
    if not callable(made):
        raise InputError(f"{path} has no function `problem`, which a scene script needs")
    parser = argparse.ArgumentParser(prog=path.name, description="Flags of the problem itself.")
    add_problem_flags(parser, made)
    given = parser.parse_args(list(flags))
    found = made(**{name: getattr(given, name) for name in inspect.signature(made).parameters})
    if not isinstance(found, Problem):
        raise InputError(f"problem() of {path} returned {found!r}, but a Problem is needed")
    return found


def find_run(folder: Path, script: Path | None = None) -> ds.SavedRun:
    """The run in a folder.

    Args:
        folder: of the run.
        script: defines a scene, controller or objective that the run has and the package does not know.

    Raises:
        InputError: as of `load_run`; for such a class with the script that made the run, if that is known.
    """
    if script is not None:
        load_script(find_scene(script))
    try:
        return ds.load_run(folder)
    except UnknownClassError as error:
        from diffsim.tuning.load import load_about

        made = load_about(folder).get("environment", {}).get("script")
        raise InputError(
            f"{str(error).partition(':')[0]}; on the command line give --scene FILE, which defines it"
            + (f" (the run was made by {made})" if made else "")
        ) from None


def has_main_line(path: Path) -> bool:
    """Whether a script says what it does when it is run: ``if __name__ == "__main__"``."""
    tree = ast.parse(path.read_bytes())
    tests = [ast.unparse(node.test) for node in tree.body if isinstance(node, ast.If)]
    return any("__name__" in test and "__main__" in test for test in tests)
