"""The command ``replay``: what a run found, in MuJoCo."""

from __future__ import annotations

import argparse
from pathlib import Path

import diffsim as ds
from diffsim.bridges.falls import course
from diffsim.cli.flags import Commands
from diffsim.cli.lookup import find_run
from diffsim.cli.runs import add_scene, simulated
from diffsim.cli.table import print_facts

__all__ = ["add_commands"]

MORE = """\
The controller drives the robot of FILE in MuJoCo, on the states that come about there. Says how far the centre of mass
comes in the plane of the ground, here and there, and when the robot falls, and writes a video of both beside each other
into the folder of the run. Runs of policies and of scene scripts with source= know their file, of others name it."""


def add_commands(commands: Commands) -> None:
    """Add it to the command line."""
    made = commands.add(
        "replay",
        replay,
        "try the controller of a run in MuJoCo",
        more=MORE,
        example="diffsim replay outputs/ant_policy",
    )
    made.add_argument("run", type=Path, metavar="RUN")
    made.add_argument(
        "--in",
        dest="file",
        metavar="FILE",
        default="mujoco",
        help='the MJCF file; "mujoco", the default: the run\'s own',
    )
    made.add_argument("--seconds", type=float, metavar="S", help="how long; default: as long as the run's problem")
    made.add_argument("--timestep", type=float, metavar="S", help="of MuJoCo; default: the file's")
    made.add_argument("--output", type=Path, metavar="FILE", help="the video; default: mujoco.mp4 in that of the run")
    made.add_argument("--no-video", action="store_true", help="leave out the video")
    add_scene(made)


def replay(given: argparse.Namespace) -> int:
    """Replay it; prints distances, and the path of the video."""
    run = find_run(given.run, given.scene)
    source = None if given.file == "mujoco" else given.file
    there = ds.replay_in_mujoco(run, source=source, seconds=given.seconds, timestep=given.timestep)
    best = run.rollouts.get(run.best_iteration)
    here = simulated(run, len(there.time) - 1) if best is None or len(best.time) != len(there.time) else best
    print_facts([("in diffsim", course(here)), ("in MuJoCo", course(there))])
    if not given.no_video:
        path = given.output or given.run / "mujoco.mp4"
        print(ds.render_beside({"in diffsim": here, "in MuJoCo": there}, path))
    return 0
