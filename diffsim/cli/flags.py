"""What all command lines share: flags made from a function's arguments, readers of their words, and complaints."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from diffsim.errors import DeviceError, DivergenceError, InputError, MissingExtraError

__all__ = [
    "ABOUT_STATUS",
    "INCOMPLETE",
    "INTERRUPTED",
    "REFUSALS",
    "REFUSED",
    "Commands",
    "add_problem_flags",
    "complain",
    "end_with",
    "plain_warnings",
    "whole_number",
]

ABOUT_STATUS = """\
Exit status: 0 if all is well, 1 if something is wrong, 2 if the problem or a flag cannot be simulated, 3 if nothing is
wrong but not all could be told."""

# Exit statuses, as `scene_main` describes them; 130 is what a shell says of a program that Ctrl-C ended.
INCOMPLETE, REFUSED, INTERRUPTED = 1, 2, 130

REFUSALS = (InputError, DeviceError, DivergenceError, MissingExtraError)
"""Errors that are said in a line: it is the input that is wrong, or an extra is missing."""

STATUS = "Exit status: 0 if all is well, 2 if something that was named cannot be read or used."


class Commands:
    """The commands of ``diffsim``, as they are added to its command line."""

    def __init__(self, parser: argparse.ArgumentParser):
        """Of a parser that has none yet."""
        self._made = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(
        self,
        name: str,
        run: Callable[[argparse.Namespace], int],
        about: str,
        *,
        example: str,
        more: str = "",
        status: str = STATUS,
        flags: bool = False,
    ) -> argparse.ArgumentParser:
        """A parser for the command's own words.

        Args:
            name: of the command.
            run: does it, with the words given; returns the exit status.
            about: what it does, in a line.
            example: of a call.
            more: to be said in its help.
            status: what its exit statuses mean.
            flags: whether words that it does not know go to a scene script, as ``given.rest``.
        """
        made: argparse.ArgumentParser = self._made.add_parser(
            name,
            help=about,
            description=f"{about[0].upper()}{about[1:]}.\n\n{more}".strip(),
            epilog=f"example:\n  {example}\n\n{status}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # --rob must not be mistaken for --rounds
        )
        made.set_defaults(command=run, takes_flags=flags)
        return made


def add_problem_flags(parser: argparse.ArgumentParser, problem: Callable[..., Any]) -> None:
    """Add a flag for each argument of the function that makes a problem, or a task.

    Raises:
        InputError: if an argument has no default, or one that cannot be written in a flag.
    """
    for name, argument in inspect.signature(problem, eval_str=True).parameters.items():
        flag, kind = f"--{name.replace('_', '-')}", _kind(argument)
        how: dict[str, Any] = {"action": argparse.BooleanOptionalAction} if kind is bool else {"type": kind}
        made = parser.add_argument(flag, default=argument.default, **how)
        made.help = "of the problem, default: %(default)s"  # said later: before Python 3.13 a bool's flag repeats it


def _kind(argument: inspect.Parameter) -> Any:
    """What a flag's word is read as: what the argument is annotated with, else the type of its default."""
    kinds = (int, float, str, bool)
    if argument.annotation in kinds:  # a default of 1 for a float must not make the flag whole
        return argument.annotation
    if type(argument.default) not in kinds:
        raise InputError(f"problem({argument.name}) is a flag and needs a default: an int, a float, a str or a bool")
    return type(argument.default)


def whole_number(least: int) -> Callable[[str], int]:
    """A reader of whole numbers of at least ``least``."""

    def read(word: str) -> int:
        try:
            value = int(word)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"it is {word!r}, but it must be a whole number of at least {least}")
        return value

    return read


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings as a line each, without the line of code that they come from; on standard error."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        Console(stderr=True).print(Text.assemble(("warning", "yellow"), f": {message}"), soft_wrap=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def end_with(run: Callable[[], int]) -> None:
    """Run a script's main line, and end with the status that it returns, unless that is 0; refusals are said in a line.

    Raises:
        SystemExit: with that status, of a refusal, or of Ctrl-C.
    """
    try:
        with plain_warnings():
            status = run()
    except REFUSALS as error:
        complain(type(error).__name__, str(error))
        status = REFUSED
    except KeyboardInterrupt:
        complain("interrupted", "at once; the files already written are whole")
        status = INTERRUPTED
    if status:
        sys.exit(status)


def complain(what: str, why: str) -> None:
    """Say what went wrong on standard error."""
    # Soft wrapping: the terminal breaks lines, and a log gets one that can be searched.
    Console(stderr=True).print(Text.assemble((what, "bold red"), f": {why}"), soft_wrap=True)
