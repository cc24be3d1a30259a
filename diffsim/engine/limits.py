"""How much room there is for what varies in length, and where stages say that they had not enough."""

import warnings
from collections.abc import Callable, Mapping

import numpy as np

from diffsim.engine.arrays import Array
from diffsim.errors import CapacityError, RoomWarning

__all__ = ["Explain", "Limits"]

Explain = Callable[[int, int, int], str]
"""The message for an environment, a step and how much was needed."""


class Limits:
    """Of one simulation; see `Fields.room` and `Fields.limit`.

    Args:
        rooms: how much room was found to be needed, by name; None where nothing can be made anew.

    Attributes:
        fields: (env, 2) each, as `Fields.limit` says.
    """

    def __init__(self, rooms: Mapping[str, int] | None):
        self.fields: list[Array] = []
        self._rooms = rooms
        self._about: list[tuple[Explain, str, bool]] = []  # of each field: message, room, whether it only warns
        self._told: set[str] = set()  # of which rooms a warning was given
        self._full: set[str] = set()  # rooms of which there is all that there may be

    def room(self, name: str, first: int, most: int, fixed: int | None) -> int:
        """See `Fields.room`."""
        if self._rooms is None:
            found = most if fixed is None else min(most, fixed)
        else:
            found = min(most, self._rooms.get(name, first))
        if self._rooms is None or found == most:
            self._full.add(name)
        return found

    def add(self, field: Array, explain: Explain, room: str, *, warns: bool) -> Array:
        """One more field; it is returned."""
        self.fields.append(field)
        self._about.append((explain, room, warns))
        return field

    def judge(self, found: np.ndarray) -> None:
        """Raise CapacityError, or warn, about (fields, env, 2) what a rollout left in them."""
        lacking = [(self._about[k], found[k]) for k in np.flatnonzero(found[:, :, 0].any(axis=1)).tolist()]
        # First what there can be more of: without it a rollout may be another one.
        for (explain, room, warns), said in sorted(lacking, key=lambda one: not one[0][1] or one[0][1] in self._full):
            env, needed = int(np.argmax(said[:, 1])), int(said[:, 1].max())
            message = explain(env, int(said[env, 0]) - 1, needed)
            if not warns or (room and room not in self._full):
                raise CapacityError(message, "" if room in self._full else room, needed)
            if room not in self._told:
                self._told.add(room)
                warnings.warn(message, RoomWarning, stacklevel=3)
