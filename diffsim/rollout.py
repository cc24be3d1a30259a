"""What a simulation recorded, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from diffsim.errors import DivergenceError
from diffsim.problem import Problem

__all__ = ["Place", "Rollout", "first_not_finite"]


class Place(NamedTuple):
    """A number of a trajectory: which array, environment, row and element (a point, a spring, ...)."""

    array: str
    env: int
    step: int
    element: int

    def __str__(self) -> str:
        """In words."""
        return f"{self.array} of element {self.element} in environment {self.env} at step {self.step}"


def first_not_finite(arrays: Mapping[str, np.ndarray]) -> Place | None:
    """Where the first number stands that is not finite, None if all are.

    Of several in one step it is that of the array that comes first, and of its first environment and element.

    Args:
        arrays: (envs, rows, elements, ...) by name.
    """
    worst: Place | None = None
    for name, value in arrays.items():
        bad = ~np.isfinite(value.reshape(*value.shape[:3], -1)).all(axis=3)
        rows = np.flatnonzero(bad.any(axis=(0, 2)))
        if len(rows) and (worst is None or rows[0] < worst.step):
            env, element = np.argwhere(bad[:, rows[0]])[0].tolist()
            worst = Place(name, env, int(rows[0]), element)
    return worst


@dataclass(frozen=True, eq=False)
class Rollout(Mapping[str, np.ndarray]):
    """The recorded arrays of one rollout, by name or as attributes: ``rollout["position"]``, ``rollout.position``.

    With several environments every array but `time` has a leading axis of environments; `env` takes one.

    Attributes:
        problem: what was simulated.
        params: the values of the tuned parameters.
        time: (rows,) of each row of the trajectory [s]; rows = steps + 1, row 0 is the initial state.
        arrays: by name. A mass-spring scene records ``position`` and ``velocity`` (rows, n, d) [m], [m/s] and
            ``actuation`` (steps, actuators).
        loss: the objective, one number or, if the environments have parameters of their own, (envs,); None
            without an objective.
        envs: number of environments; 1 means that arrays have no axis for them.
    """

    problem: Problem
    params: dict[str, np.ndarray]
    time: np.ndarray
    arrays: dict[str, np.ndarray] = field(repr=False)
    loss: float | np.ndarray | None = None
    envs: int = 1

    def __getitem__(self, name: str) -> np.ndarray:
        """The array of that name."""
        if name == "time":
            return self.time
        if name not in self.arrays:
            raise KeyError(f"the rollout holds {', '.join(self)}; not {name!r}")
        return self.arrays[name]

    def __getattr__(self, name: str) -> np.ndarray:
        """The array of that name."""
        if name.startswith("_") or "arrays" not in self.__dict__ or name not in self.arrays:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        """Names of all arrays, `time` first."""
        return iter(("time", *self.arrays))

    def __len__(self) -> int:
        """Number of arrays."""
        return 1 + len(self.arrays)

    def first_not_finite(self) -> Place | None:
        """Where the trajectory stopped being finite, None if it did not."""
        return first_not_finite({k: v if self.envs > 1 else v[None] for k, v in self.arrays.items()})

    def check_finite(self) -> None:
        """Raise DivergenceError at the first number that is not finite."""
        place = self.first_not_finite()
        if place is not None:
            message = (
                f"{place.array} of element {place.element} in environment {place.env} is not finite from step "
                f"{place.step} on; take a smaller dt, softer springs or smaller parameters"
            )
            raise DivergenceError(message, **place._asdict())

    def env(self, index: int) -> Rollout:
        """The rollout of one environment."""
        if not 0 <= index < self.envs:
            raise IndexError(f"there is no environment {index}; there are {self.envs} (0 to {self.envs - 1})")
        if self.envs == 1:
            return self
        loss = self.loss[index] if isinstance(self.loss, np.ndarray) else self.loss
        own = isinstance(self.loss, np.ndarray)
        return Rollout(
            problem=self.problem,
            params={name: value[index] if own else value for name, value in self.params.items()},
            time=self.time,
            arrays={name: value[index] for name, value in self.arrays.items()},
            loss=loss,
        )
