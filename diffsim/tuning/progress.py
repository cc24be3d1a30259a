"""What a person sees while a run goes on: a bar, plain lines on standard error, or only warnings."""

from __future__ import annotations

import contextlib
import html
import importlib
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

__all__ = ["Bar", "Cell", "Lines", "Progress", "Silent", "progress_for"]

REDRAW = 0.1  # s between updates of the bar: faster cannot be read and costs the loop time
BAR, WIDE = 12, 60  # cells of a bar, and of a terminal that has room for one
LINE = 5.0  # s between plain lines, for a log that stays readable after an hour


class Progress(Protocol):
    """Shows a run."""

    def start(self) -> None:
        """Appear, before the first evaluation, which compiles."""

    def compiling(self, done: int, total: int, seconds: float) -> None:
        """Show how many kernels are compiled, of how many, and how long it has taken [s]."""

    def update(self, record: dict[str, Any]) -> None:
        """Show the record of an iteration, or not: it is cheap to call it at each one."""

    def note(self, text: str) -> None:
        """Say something that must not be missed."""

    def close(self, stopped: str, findings: Sequence[str] = ()) -> None:
        """Show the last record, say why it stopped and what was found, and go."""


def progress_for(choice: bool | Progress | None, total: int, *, told: bool = False) -> Progress:
    """The progress for a run of ``total`` iterations.

    Args:
        choice: True is a bar, False nothing but warnings (to the logger "diffsim"), None a bar on a terminal or in a
            notebook and lines elsewhere; anything else is a progress itself.
        total: number of iterations.
        told: whether somebody else says in the end why it stopped and what was found.
    """
    if choice is False:
        return Silent()
    if choice is not None and choice is not True:
        return choice
    if notebook_display() is not None:
        return Cell(total, told=told)
    terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return Bar(total, forced=not terminal, told=told) if choice or terminal else Lines(total, told=told)


def notebook_display() -> Callable[..., Any] | None:
    """What shows something in the output of a notebook's cell; None outside of notebooks."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):  # a terminal's IPython has none
        return None
    display: Callable[..., Any] = importlib.import_module("IPython.display").display
    return display


class Silent:
    """No progress; warnings go to the logger "diffsim"."""

    def start(self) -> None:
        """Do nothing."""

    def compiling(self, done: int, total: int, seconds: float) -> None:
        """Do nothing."""

    def update(self, record: dict[str, Any]) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Log a warning."""
        logging.getLogger("diffsim").warning(text)

    def close(self, stopped: str, findings: Sequence[str] = ()) -> None:
        """Do nothing: who wants silence reads the result."""


class _Clock:
    """Time left, from the pace since the first evaluation, which compiles and says nothing of the others."""

    def __init__(self, total: int):
        self.total = total
        self._first: tuple[int, float] | None = None

    def left(self, record: dict[str, Any]) -> str:
        done, seconds = record["iteration"] + 1, record["seconds"]
        if self._first is None:
            self._first = done, seconds
        before, began = self._first
        if done == before:
            return ""
        return _duration((self.total - done) * (seconds - began) / (done - before))


class Lines:
    """Plain lines for logs and pipes: after the first evaluation, then each tenth of the run or 5 seconds."""

    def __init__(self, total: int, *, told: bool = False):
        """Lines for a run of ``total`` iterations; ``told`` as of `progress_for`."""
        self._clock, self._told = _Clock(total), told
        self._tenth = max(1, math.ceil(total / 10))
        self._next_count, self._next_time = 1, 0.0
        self._compiled = 0.0  # when the last line about it was written, in seconds of compiling
        self._last: dict[str, Any] | None = None
        self._shown: dict[str, Any] | None = None

    def start(self) -> None:
        """Say that it compiles."""
        self._write("compiling")

    def compiling(self, done: int, total: int, seconds: float) -> None:
        """Write a line if one is due."""
        if seconds - self._compiled >= LINE:
            self._compiled = seconds
            self._write(_compiling(done, total, seconds))

    def update(self, record: dict[str, Any]) -> None:
        """Write a line if one is due."""
        self._last = record
        done, now = record["iteration"] + 1, time.monotonic()
        if done == 1 or done >= self._next_count or now >= self._next_time:
            self._show(record)
            self._next_count, self._next_time = done - done % self._tenth + self._tenth, now + LINE

    def note(self, text: str) -> None:
        """Write a warning line."""
        self._write(f"warning: {text}")

    def close(self, stopped: str, findings: Sequence[str] = ()) -> None:
        """Write the last record, unless that is done, why it stopped, and what was found."""
        if self._last is not None and self._last is not self._shown:
            self._show(self._last)
        for line in _ending(stopped, findings, self._told):
            self._write(line)

    def _show(self, record: dict[str, Any]) -> None:
        self._shown = record
        left = self._clock.left(record)
        count = f"{record['iteration'] + 1}/{self._clock.total}"
        self._write(f"{count}  {_numbers(record)}  {record['seconds']:.1f} s" + (f", {left} left" if left else ""))

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more: the run is worth more
            print(text, file=sys.stderr, flush=True)


class Bar:
    """A live bar of the `rich` package, which respects NO_COLOR."""

    def __init__(self, total: int, *, forced: bool = False, told: bool = False):
        """A bar for a run of ``total`` iterations; ``forced`` draws it where there is no terminal, too."""
        self._told = told
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._clock = _Clock(total)
        self._console = Console(stderr=True, force_terminal=True if forced else None)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            *([BarColumn(bar_width=BAR)] if self._console.width >= WIDE else []),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=self._console,
            refresh_per_second=8,
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),  # a pipe gets what is printed to it
        )
        self._task = self._bar.add_task("compiling", total=total, numbers="")
        self._next = 0.0
        self._last: dict[str, Any] | None = None

    def start(self) -> None:
        """Appear."""
        self._bar.start()

    def compiling(self, done: int, total: int, seconds: float) -> None:
        """Show it in place of a number of iterations."""
        if self._last is None:
            self._bar.update(self._task, description=_compiling(done, total, seconds))

    def update(self, record: dict[str, Any]) -> None:
        """Show the record if the last redraw is long enough ago."""
        self._last = record
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REDRAW
            self._show(record)

    def note(self, text: str) -> None:
        """Write a warning line above the bar."""
        self._console.print(f"warning: {text}", style="yellow", markup=False, highlight=False)

    def close(self, stopped: str, findings: Sequence[str] = ()) -> None:
        """Show the last record, why it stopped, and what was found."""
        if self._last is not None:
            self._show(self._last)
        self._bar.stop()
        for line in _ending(stopped, findings, self._told):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _show(self, record: dict[str, Any]) -> None:
        done, left = record["iteration"] + 1, self._clock.left(record)
        self._bar.update(
            self._task,
            completed=done,
            description=f"{done}/{self._clock.total}",
            numbers=self._fitting(record, left),
        )

    def _fitting(self, record: dict[str, Any], left: str) -> str:
        """As many numbers as the terminal has room for."""
        width, total = self._console.width, self._clock.total
        room = width - len(f"x {total}/{total} ") - (BAR + 1 if width >= WIDE else 0)
        words = _numbers(record)
        choices = (f"{words}  {left} left", words, words.rpartition("  ")[0], f"best {record['best']:.5g}")
        return next((choice for choice in choices[0 if left else 1 :] if len(choice) <= room), "")


def _compiling(done: int, total: int, seconds: float) -> str:
    return f"compiling: kernel {min(done + 1, total)} of {total}, {seconds:.0f} s"


class Cell:
    """One bar in the output of a notebook's cell, drawn again in its place."""

    def __init__(self, total: int, *, told: bool = False):
        """A bar for a run of ``total`` iterations; ``told`` as of `progress_for`."""
        self._clock, self._told = _Clock(total), told
        self._display = notebook_display()
        self._handle: Any = None
        self._last: dict[str, Any] | None = None
        self._notes: list[str] = []
        self._next = 0.0

    def start(self) -> None:
        """Appear."""
        self._draw("compiling", 0.0)

    def compiling(self, done: int, total: int, seconds: float) -> None:
        """Show how far it is."""
        self._draw(_compiling(done, total, seconds), 0.0)

    def update(self, record: dict[str, Any]) -> None:
        """Show the record if the last redraw is long enough ago."""
        self._last = record
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REDRAW
            self._show(record)

    def note(self, text: str) -> None:
        """Put a warning below the bar."""
        self._notes.append(f"warning: {text}")

    def close(self, stopped: str, findings: Sequence[str] = ()) -> None:
        """Show the last record, why it stopped, and what was found."""
        self._notes += _ending(stopped, findings, self._told)
        if self._last is not None:
            self._show(self._last)
        else:
            self._draw("compiling", 0.0)

    def _show(self, record: dict[str, Any]) -> None:
        done, left = record["iteration"] + 1, self._clock.left(record)
        words = f"{done}/{self._clock.total}  {_numbers(record)}" + (f"  {left} left" if left else "")
        self._draw(words, done / self._clock.total)

    def _draw(self, words: str, share: float) -> None:
        lines = [html.escape(line) for line in (words, *self._notes)]
        bar = f'<progress value="{share:.4f}" max="1"></progress> <code>{lines[0]}</code>'
        bundle = {
            "text/plain": "\n".join((words, *self._notes)),
            "text/html": "<br>".join((bar, *lines[1:])),
        }
        if self._handle is None and self._display is not None:
            self._handle = self._display(bundle, raw=True, display_id=True)
        elif self._handle is not None:
            self._handle.update(bundle, raw=True)


def _numbers(record: dict[str, Any]) -> str:
    return f"loss {record['loss']:.5g}  best {record['best']:.5g}  |grad| {record['gradient_norm']:.2g}"


def _ending(stopped: str, findings: Sequence[str], told: bool) -> list[str]:
    """The last lines; none if somebody else tells it."""
    return [] if told else [f"stopped: {stopped}", *(f"note: {words}" for words in findings)]


def _duration(seconds: float) -> str:
    whole = round(max(0.0, seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
