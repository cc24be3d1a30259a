"""Declares fields of a scene of rigid bodies: for numbers, for clusters and courses, for what drives."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.physics.rigid_bodies.scene import RigidBodies

__all__ = ["Numbers"]


class Numbers:
    """Declares the fields of numbers that only some elements have: the others have 0."""

    def __init__(self, scene: RigidBodies, fields: Fields):
        self._scene, self._fields, self._known = scene, fields, scene.numbers()

    def all(self, name: str, elements: int, width: int = 0) -> Any:
        """Of a number that every element has, or that all share."""
        return self._fields.number(f"scene.{name}", elements, width)

    def some(self, name: str, elements: int, width: int = 0, *, members: Sequence[int] | None = None) -> Any:
        """Of a number whose rows belong to these elements, by default to its members."""
        rows = self._scene.members(name) if members is None else np.asarray(members, dtype=np.int64)
        return self._spread(name, elements, width, np.arange(len(rows) * max(width, 1)), rows)

    def shared(self, name: str, elements: int) -> Any:
        """Of a number of the whole scene, for its members."""
        return self._spread(name, elements, 0, 0, self._scene.members(name))

    def end(self, name: str, elements: int, side: int) -> Any:
        """Of an array of anchors, those of the first bodies or those of the second."""
        index = np.arange(4 * elements).reshape(elements, 2, 2)[:, side]
        return self._fields.number(f"scene.{name}", elements, 2, index) if elements else self._fields.zeros(1, 2)

    def _spread(self, name: str, elements: int, width: int, entries: Any, rows: np.ndarray) -> Any:
        if name not in self._known:
            return self._fields.zeros(elements, width)
        index = np.full((elements, width) if width else (elements,), -1)
        index[rows] = np.reshape(entries, index[rows].shape) if np.ndim(entries) else entries
        return self._fields.number(f"scene.{name}", elements, width, index)
