"""When a run of `tune` ends: it has done enough, or Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from diffsim.spec import number, whole

__all__ = ["Stop", "interrupts"]


class Stop:
    """When a run has done enough."""

    def __init__(self, iterations: int, target: Any, patience: Any, time_limit: Any, owner: str = "tune"):
        self.iterations = iterations
        self.target = None if target is None else number(f"{owner}(target)", target)
        self.patience = None if patience is None else whole(f"{owner}(patience)", patience)
        self.time_limit = None if time_limit is None else number(f"{owner}(time_limit)", time_limit, above=0.0)

    def reason(self, iteration: int, best: tuple[float, int, int, np.ndarray] | None, seconds: float) -> str | None:
        """Why to stop after that iteration, or None."""
        if best is not None and self.target is not None and best[0] <= self.target:
            return f"the target of {self.target:g} is reached"
        if best is not None and self.patience is not None and iteration - best[1] >= self.patience:
            return f"no new best in {self.patience} iterations"
        if self.time_limit is not None and seconds >= self.time_limit:
            return f"the time limit of {self.time_limit:g} s is reached"
        return f"all {self.iterations} iterations are done" if iteration + 1 >= self.iterations else None


@contextlib.contextmanager
def interrupts() -> Iterator[list[bool]]:
    """A list that the first Ctrl-C fills; the second raises KeyboardInterrupt as usual.

    Only in the main thread, and only where Python's own handler is in place: an application with a handler of
    its own keeps it.
    """
    pressed: list[bool] = []
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or usual is not signal.default_int_handler:
        yield pressed
        return

    def press(number: int, frame: Any) -> None:
        pressed.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, press)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, usual)
