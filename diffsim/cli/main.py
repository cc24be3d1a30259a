"""The command ``diffsim``."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from diffsim.cli import export, gradients, machine, replay, runs, scenes, sweeps
from diffsim.cli.flags import INTERRUPTED, REFUSALS, REFUSED, Commands, complain, plain_warnings
from diffsim.errors import VideoError

__all__ = ["main", "parser"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command as its words say; ``diffsim --help`` lists what it can do.

    Args:
        arguments: the words; None is ``sys.argv``.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a curve of bars is not worth an error where letters are few
    all_commands = parser()
    given, rest = all_commands.parse_known_args(arguments)
    if rest and not given.takes_flags:
        hint = "; flags of a script come after it" if getattr(given, "scene", None) else ""
        all_commands.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    given.rest, given.parser = rest, all_commands
    try:
        with plain_warnings():
            status = given.command(given)
    except BrokenPipeError:  # its reader had enough, as `head` has
        sys.stderr.close()
        status = 0
    except (*REFUSALS, VideoError, OSError) as error:
        complain(type(error).__name__, str(error))
        status = REFUSED
    except KeyboardInterrupt:
        complain("interrupted", "nothing was written")
        status = INTERRUPTED
    if status:
        sys.exit(status)


def parser() -> argparse.ArgumentParser:
    """Of the whole command line."""
    made = argparse.ArgumentParser(
        prog="diffsim",
        description="Differentiable physics simulation on Taichi.",
        epilog="example:\n  diffsim run mass_spring_walker --iterations 50\n  diffsim show outputs/mass_spring_walker",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action=machine.ShowVersion)
    commands = Commands(made)
    for group in (scenes, sweeps, gradients, runs, export, replay, machine):
        group.add_commands(commands)
    return made
