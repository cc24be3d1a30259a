"""For which evaluation of the accelerations a stage of kinematics works: its own or the next."""

from dataclasses import dataclass

__all__ = ["FIRST", "NEXT", "Ahead"]


@dataclass(frozen=True)
class Ahead:
    """So many evaluations after its own."""

    parts: int


FIRST, NEXT = Ahead(0), Ahead(1)
"""Before a step, and within it. The stage is the same function, so that it compiles once."""
