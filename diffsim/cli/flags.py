"""What all command lines share: flags made from a function's arguments, readers of their words, and complaints."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from diffsim.errors import InputError
from diffsim.problem import Problem

__all__ = ["add_problem_flags", "complain", "whole_number"]


def add_problem_flags(parser: argparse.ArgumentParser, problem: Callable[..., Problem]) -> None:
    """Add a flag for each argument of the function that makes a problem.

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


def complain(what: str, why: str) -> None:
    """Say what went wrong on standard error."""
    # Soft wrapping: the terminal breaks lines, and a log gets one that can be searched.
    Console(stderr=True).print(Text.assemble((what, "bold red"), f": {why}"), soft_wrap=True)
