"""How the loop of `tune` sees the run's folder, if there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.tuning.progress import Progress
from diffsim.tuning.run import Run

__all__ = ["Folder"]


class Folder:
    """Writes to the run's folder, if there is one, and reports trouble once."""

    def __init__(self, run: Run | None, about: dict[str, Any]):
        self._run, self._about = run, about
        self._begun = self._told = False
        self._named = None if run is None else run.folder

    @property
    def trouble(self) -> str | None:
        """What could not be written; None if nothing."""
        return None if self._run is None else self._run.trouble

    @property
    def path(self) -> Path | None:
        """Where the run is; None if there is none."""
        return None if self._run is None else self._run.folder

    def resume(self) -> dict[str, np.ndarray] | None:
        """The state that the run saved; None if there is none."""
        assert self._run is not None
        held = self._run.resume(**self._about)
        self._begun = held is not None
        return held

    def history(self) -> list[dict[str, Any]]:
        """The records of the run so far."""
        return [] if self._run is None else self._run.history()

    def record(self, history: list[dict[str, Any]]) -> None:
        """The last record of the history; all of them the first time."""
        if self._run is None:
            return
        if not self._begun:
            self._run.start(**self._about)
        for record in history[-1:] if self._begun else history:
            self._run.record(record)
        self._begun = True

    def save(self, progress: Progress, state: Callable[[], Any]) -> None:
        """The parameters and the state after the last record, if it is time."""
        if self._run is None:
            return
        if self._run.due():
            self._run.save(**state())
        self._tell(progress)

    def close(self, progress: Progress, state: Callable[[], Any]) -> None:
        """The final parameters, and what could not be written before."""
        if self._run is None or not self._begun:
            return
        self._run.save(**state())
        self._run.close()
        self._tell(progress)

    def _tell(self, progress: Progress) -> None:
        if self._run is not None and self._run.folder != self._named:
            progress.note(f"{self._named} holds another run; this one goes to {self._run.folder}")
            self._named = self._run.folder
        if (self.trouble is not None) != self._told:
            progress.note(f"{self.trouble}; the run goes on" if self.trouble else "all files are written after all")
            self._told = self.trouble is not None
