"""How far compiling is: the engine tells it, and whoever shows the progress of a run listens."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

__all__ = ["Work", "listening", "spent"]

Listener = Callable[[int, int, float], None]
"""Called with how many kernels are done, of how many, and for how long this has been going on [s]."""

_listeners: list[Listener] = []
_spent = [0.0]


def spent() -> float:
    """Seconds that this process has spent so far on kernels: compiling them, or finding them in the cache."""
    return _spent[0]


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have ``listener`` called before each kernel that is compiled, or found in the cache, inside."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class Work:
    """Kernels to compile.

    Attributes:
        seconds: for how long it has been worked on.
    """

    def __init__(self) -> None:
        self.total, self.done, self.seconds = 0, 0, 0.0

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Inside, one of them is compiled."""
        for listener in _listeners:
            listener(self.done, self.total, self.seconds)
        began = time.perf_counter()
        yield
        took = time.perf_counter() - began
        self.done += 1
        self.seconds += took
        _spent[0] += took
