"""The commands about scenes: ``run`` and ``list``."""

from __future__ import annotations

import argparse
import json
import os
import runpy
import sys
from pathlib import Path

from diffsim.cli.flags import Commands
from diffsim.cli.lookup import about_scene, find_scene, has_main_line, scene_files
from diffsim.cli.table import print_table
from diffsim.errors import InputError

__all__ = ["add_commands"]

RUN = """\
SCENE is a scene script anywhere, or the name of one that `diffsim list` shows. All flags after it are the script's:
diffsim run SCENE --help lists them. A script without a main line of its own is run with the usual settings."""

RUN_STATUS = """\
Exit status: 0 if all went well; 1 if a gradient is off or a file could not be written; 2 if the problem or a flag
cannot be simulated; 3 if a gradient cannot be judged; 130 after Ctrl-C."""


def add_commands(commands: Commands) -> None:
    """Add them to the command line."""
    made = commands.add(
        "run",
        run,
        "tune the problem of a scene script, and leave the run in a folder",
        more=RUN,
        example="diffsim run mass_spring_walker --robot A --iterations 100 --output outputs/A",
        status=RUN_STATUS,
    )
    made.add_argument("scene", type=Path, metavar="SCENE")
    made.add_argument("flags", nargs=argparse.REMAINDER, metavar="FLAGS", help="of the script")
    made = commands.add("list", listed, "list the scenes, with a line each", example="diffsim list")
    made.add_argument(
        "folder", type=Path, nargs="?", help="of scene scripts; default: scenes/ here, and those of the package"
    )
    made.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def run(given: argparse.Namespace) -> int:
    """Run a scene script as Python would, with its flags."""
    from diffsim.cli import scene  # with the tuner, which help needs not

    path = find_scene(given.scene)
    before = sys.argv, list(sys.path)
    scene.started.clear()
    sys.argv = [str(path), *given.flags]
    sys.path.insert(0, str(path.parent.resolve()))  # a script may import its neighbours
    try:
        left = runpy.run_path(str(path), run_name="__main__")
        if not has_main_line(path) and not scene.started:
            if not callable(left.get("problem")):
                raise InputError(f"{path} has no function `problem`, which a scene script needs")
            scene.scene_main(left["problem"], arguments=given.flags)
    finally:
        sys.argv, sys.path[:] = before
    return 0


def listed(given: argparse.Namespace) -> int:
    """List them."""
    if given.folder is not None and not given.folder.is_dir():
        raise InputError(f"{given.folder} is no folder")
    paths = list(scene_files(given.folder))
    found = [{"name": path.stem, "path": os.fspath(path), "about": about_scene(path) or ""} for path in paths]
    if given.json:
        print(json.dumps(found, indent=2))
    elif found:
        print_table(("scene", "what it is"), [(entry["name"], entry["about"]) for entry in found])
    else:
        print("no scenes here; give a folder: diffsim list FOLDER")
    return 0
